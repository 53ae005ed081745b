#!/bin/sh
# Installs maixstream on a MaixCAM from this folder, on the board itself, as root: ./install.sh
# (make flash does the same over ssh, and rolls back if the new version shows no picture.)
# To remove: /etc/init.d/S99maixstream remove
#   DESTDIR=DIR  into a system below DIR; starts nothing
set -e
cd "$(dirname "$0")"
say() { echo "maixstream: $*"; }
[ -n "$DESTDIR" ] || [ "$(id -u)" = 0 ] || { say "only root can install"; exit 1; }

loader=
for name in /lib/ld-musl-riscv64v0p7_xthead.so.1 /lib/ld-musl-riscv64xthead.so.1 /lib/ld-musl-riscv64.so.1; do
  [ -e "$DESTDIR$name" ] && { loader=$name; break; }
done
[ -n "$loader" ] || { say "no /lib/ld-musl-riscv64*.so.1: this is not a MaixCAM's system"; exit 1; }

program=$DESTDIR/opt/maixstream/maixstream
script=$DESTDIR/etc/init.d/S99maixstream
mkdir -p "$DESTDIR/opt/maixstream" "$DESTDIR/etc/init.d"
cp maixstream "$program.new"
# The kernel reads the loader's name at this offset; the new name is at most as long as the old.
printf '%s\0' "$loader" | dd of="$program.new" bs=1 seek=@OFFSET@ conv=notrunc 2>/dev/null
chmod 755 "$program.new"
if [ -z "$DESTDIR" ]; then
  "$program.new" version || { say "the program does not run here; nothing was changed"; rm -f "$program.new"; exit 1; }
  [ ! -x "$script" ] || "$script" stop
fi
# The power may be cut at any moment: a complete program always has the name that is started.
[ -n "$DESTDIR" ] || sync
[ ! -e "$program" ] || ln -f "$program" "$program.old"
mv -f "$program.new" "$program"
cp S99maixstream "$script.new" && chmod 755 "$script.new" && mv -f "$script.new" "$script"
[ -e "$DESTDIR/etc/maixstream.yaml" ] || cp maixstream.yaml "$DESTDIR/etc/maixstream.yaml"
sync
say "installed; settings in /etc/maixstream.yaml"
[ -z "$DESTDIR" ] || exit 0
"$script" start
port=$("$script" address)
port=${port##*:}
scheme=http
grep -qs '^tls-cert: *[^ ]' /etc/maixstream.yaml && scheme=https
for address in $(ip -4 addr show scope global 2>/dev/null | sed -n 's/^ *inet \([0-9.]*\).*/\1/p') "$(hostname).local"; do
  say "open $scheme://$address:$port"
done
