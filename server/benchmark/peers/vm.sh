#!/usr/bin/env bash
# vm.sh STANDARD MAIXSTREAM OUT [FLAGS]: run the set "peers" of the benchmarks in the virtual machine of the webcam tests, whose kernel has vivid as /dev/video0,
# and write its results to OUT. The programs come from this machine, with the libraries that they need.
set -euo pipefail
standard=$(realpath "$1") maixstream=$(realpath "$2") out=$3
shift 3
here=$(dirname "$(realpath "$0")")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/programs"
for program in "$standard" "$maixstream" "$(command -v ustreamer)"; do
  cp "$program" "$root/programs/"
  # Lines of ldd: "name => /path (address)" and, for the loader, "/path (address)".
  ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done
done
cat >"$root/run" <<SCRIPT
#!/bin/busybox sh
ifconfig lo 127.0.0.1 up
export PATH=/bin:/programs HOME=/tmp
ulimit -n 8192
/programs/$(basename "$standard") -set peers -doc '' -dir /tmp/out -program /programs/$(basename "$maixstream") $* || exit 1
echo begin-of-results
base64 /tmp/out/peers.json
echo end-of-results
SCRIPT
chmod +x "$root/run"
log=$(mktemp)
VIVID_TIMEOUT=${PEERS_TIMEOUT:-600} VIVID_EXTRA=$root "$here/../../../hw/source/v4l2/vivid/vm.sh" "$root/run" | tee "$log" | sed '/^begin-of-results/,/^end-of-results/d'
sed -n '/^begin-of-results/,/^end-of-results/p' "$log" | grep -v results | base64 -d >"$out"
rm "$log"
