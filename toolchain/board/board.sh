#!/usr/bin/env bash
# board.sh start|wait|stop|cut|new|ssh|log|status: the virtual board, a MaixCAM in qemu. Its disk is persistent.
#   BOARD_DIR   its files (default build/board)      BOARD_SSH, BOARD_HTTP  ports on 127.0.0.1 (default 2222, 8888)
#   BOARD_CPUS  cores (default 1)                    BOARD_CAMERA  none: a new disk without the simulated camera
# stop shuts down cleanly, cut pulls the power, new creates a fresh disk.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # where a user's Debian has no mke2fs in PATH
here=$(cd "$(dirname "$0")" && pwd)
dir=${BOARD_DIR:-$here/../../build/board}
ssh_port=${BOARD_SSH:-2222}
http_port=${BOARD_HTTP:-8888}
running() { [ -s "$dir/pid" ] && kill -0 "$(cat "$dir/pid")" 2>/dev/null && grep -qa qemu-system-riscv64 "/proc/$(cat "$dir/pid")/cmdline"; }

start() {
  running && { echo "the virtual board is already running (pid $(cat "$dir/pid"))"; return; }
  [ -e "$dir/root.ext4" ] || "$here/build.sh" "$dir" "${BOARD_CAMERA:-}"
  rm -f "$dir/pid"
  : >"$dir/console.log"
  "$here/qemu-system.sh" "$dir/initramfs" "$dir/vmlinux" -dtb "$dir/board.dtb" -daemonize -pidfile "$dir/pid" -serial "file:$dir/console.log" \
    -device virtio-rng-pci \
    -drive "file=$dir/root.ext4,format=raw,if=none,id=root" -device virtio-blk-pci,drive=root \
    -drive "file=$dir/boot.vfat,format=raw,if=none,id=boot" -device virtio-blk-pci,drive=boot \
    -netdev "user,id=net,hostfwd=tcp:127.0.0.1:$ssh_port-:22,hostfwd=tcp:127.0.0.1:$http_port-:8000" -device virtio-net-pci,netdev=net ||
    { echo "board.sh: qemu did not start, see above; where another program has a port, BOARD_SSH=… BOARD_HTTP=… choose others (now $ssh_port and $http_port)" >&2; exit 1; }
}

# wait_up waits until the board has booted, as reported on its console.
wait_up() {
  for ((n = 0; n < ${BOARD_WAIT:-120} * 5; n++)); do
    grep -qa 'virtual board: up' "$dir/console.log" && return
    running || { tail -n 30 "$dir/console.log" >&2; echo "board.sh: the virtual board died" >&2; exit 1; }
    sleep 0.2
  done
  tail -n 30 "$dir/console.log" >&2
  echo "board.sh: the virtual board did not boot within ${BOARD_WAIT:-120} s" >&2
  exit 1
}

# log_in COMMAND...: over ssh, without prompting: the board listens on 127.0.0.1 only and has the factory password.
log_in() {
  SSH_ASKPASS_REQUIRE=force SSH_ASKPASS="$here/askpass.sh" ssh -p "$ssh_port" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
    -o LogLevel=ERROR -o ConnectTimeout=60 -o PreferredAuthentications=password root@127.0.0.1 "$@"
}

# ended waits at most $1 seconds for power-off.
ended() {
  for ((n = 0; n < $1 * 5; n++)); do
    running || return 0
    sleep 0.2
  done
  return 1
}

case "${1:-}" in
start)
  start
  wait_up
  cat <<END
the virtual board is up:  ssh -p $ssh_port root@127.0.0.1 (password root)   http://127.0.0.1:$http_port once maixstream runs on it
  make flash HOST=127.0.0.1 PORT=$ssh_port$([ "$http_port" = 8888 ] || echo " BOARD_HTTP=$http_port")     make board-stop     console: $dir/console.log
END
  ;;
wait) wait_up ;;
stop)
  running || { echo "the virtual board is not running"; exit 0; }
  # This machine has no Ctrl-Alt-Del: over ssh, or else by the power switch.
  log_in poweroff </dev/null >/dev/null 2>&1 || true
  ended 20 || { echo "it did not shut down: switching off"; kill -KILL "$(cat "$dir/pid")"; ended 5; }
  rm -f "$dir/pid"
  ;;
cut)
  running || exit 0
  kill -KILL "$(cat "$dir/pid")"
  ended 60
  rm -f "$dir/pid"
  ;;
new)
  running && { echo "board.sh: stop the virtual board first (make board-stop)" >&2; exit 1; }
  "$here/build.sh" "$dir" "${BOARD_CAMERA:-}"
  ;;
ssh)
  shift
  log_in "$@"
  ;;
log) cat "$dir/console.log" ;;
status) if running; then echo "the virtual board is running (pid $(cat "$dir/pid"))"; else echo "the virtual board is not running"; exit 1; fi ;;
*) echo "usage: board.sh start|wait|stop|cut|new|ssh|log|status" >&2; exit 2 ;;
esac
