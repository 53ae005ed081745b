#!/usr/bin/env bash
# build-kernel.sh DIR: Debian's riscv64 kernel for the virtual board:  DIR/vmlinux DIR/modules/*.ko DIR/modules/order DIR/version
# Debian 12 has no riscv64; the next release, on the same mirror, does. Its signature is checked like any package's.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$1
[ -e "$out/ok" ] && exit 0
mkdir -p "$(dirname "$out")"
exec 8>"$out.lock"
flock 8
[ -e "$out/ok" ] && exit 0
echo "getting Debian's riscv64 kernel for the virtual board (about 110 MB)" >&2
rm -rf "$out"
work=$(mktemp -d "$out.work.XXXXXX")
trap 'rm -rf "$work"' EXIT
"$here/../debian.sh" debs trixie riscv64 "$work/meta" linux-image-riscv64 >/dev/null
package=$(dpkg-deb -f "$work"/meta/debs/*.deb Depends | grep -o 'linux-image-[^ ]*riscv64' | head -n 1)
"$here/../debian.sh" debs trixie riscv64 "$work/kernel" "$package" >"$work/version"
mkdir -p "$work/new/modules"
cp "$work"/kernel/boot/vmlinu* "$work/new/vmlinux"
# In the order in which they need each other.
for module in crc32c_generic crc16 mbcache jbd2 ext4 virtio_blk failover net_failover virtio_net virtio-rng fat vfat nls_cp437 nls_ascii; do
  file=$(find "$work/kernel" -name "$module.ko*" -print -quit)
  case "$file" in
  '') continue ;; # built in by this kernel
  *.xz) xz -dc "$file" >"$work/new/modules/$module.ko" ;;
  *) cp "$file" "$work/new/modules/$module.ko" ;;
  esac
  echo "$module" >>"$work/new/modules/order"
done
mv "$work/version" "$work/new/version"
touch "$work/new/ok"
mv "$work/new" "$out"
