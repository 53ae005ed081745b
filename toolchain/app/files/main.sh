#!/bin/sh
# What MaixCAM's launcher starts, and waits for: it shows itself again when this ends. The stream runs until the user key is
# pressed or the process is told to end (MaixVision does that). Settings: /etc/maixstream.yaml, as the service's.
cd "$(dirname "$0")" || exit 1
service=/etc/init.d/S99maixstream
export GOMEMLIMIT=${GOMEMLIMIT:-64MiB}
# The launcher keeps the output in a file: no line per second.
export MAIXSTREAM_REPORT=${MAIXSTREAM_REPORT:-1m}

# An app package cannot know the loader's name on this image: run whichever loader exists.
for loader in /lib/ld-musl-riscv64v0p7_xthead.so.1 /lib/ld-musl-riscv64xthead.so.1 /lib/ld-musl-riscv64.so.1; do
  [ -e "$loader" ] && break
done

# Only one process can use the camera: an installed service pauses meanwhile.
paused=
if [ -x "$service" ] && "$service" status >/dev/null 2>&1; then
  "$service" stop >/dev/null 2>&1
  paused=1
fi

program= watcher=
finish() { [ -n "$program" ] && kill "$program" 2>/dev/null; }
trap finish TERM INT HUP
[ -r /etc/maixstream.yaml ] && set -- --config /etc/maixstream.yaml "$@"
[ -r /etc/default/maixstream ] && . /etc/default/maixstream
"$loader" ./maixstream serve $ARGS "$@" </dev/null &
program=$!

# The user key, where the image reports it: the handler of the input device "gpio-keys". One event is 24 bytes.
key=$(sed -n '/gpio[-_]keys/,/^$/s/^H: Handlers=.*\(event[0-9]*\).*/\1/p' /proc/bus/input/devices 2>/dev/null | head -n 1)
if [ -n "$key" ]; then
  (
    dd if="/dev/input/$key" bs=24 count=1 of=/dev/null 2>/dev/null && kill "$program" 2>/dev/null
  ) &
  watcher=$!
fi

code=0
while kill -0 "$program" 2>/dev/null; do wait "$program"; code=$?; done
# The watcher's dd waits in a child of its own.
[ -n "$watcher" ] && { kill $(cat "/proc/$watcher/task/$watcher/children" 2>/dev/null) "$watcher" 2>/dev/null; }
[ -n "$paused" ] && "$service" start >/dev/null 2>&1
exit $code
