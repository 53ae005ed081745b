#!/usr/bin/env bash
# build-kernel.sh DIR: Debian's riscv64 kernel for the virtual board:  DIR/vmlinux DIR/modules/*.ko DIR/modules/order DIR/version
# Debian 12 has no riscv64; later releases, on the same mirror, do. Their signatures are checked like any package's.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../once.sh"
out=$1
build_once "$out" "getting Debian's riscv64 kernel for the virtual board (about 110 MB)"
fetch() { "$here/../debian.sh" debs "$suite" riscv64 "$@"; }
depends() { dpkg-deb -f "$1"/debs/*.deb Depends | grep -oE "linux-($2)-[0-9][^ ,]*-riscv64" | sort -u || true; }
# The next release; and the one after that where a mirror has no whole index of the first (it happens while they synchronise).
for suite in trixie forky; do
  rm -rf "$work/meta" "$work/image" "$work/kernel"
  fetch "$work/meta" linux-image-riscv64 >/dev/null || { echo "build-kernel.sh: no kernel from Debian $suite, see above" >&2; continue; }
  image=$(depends "$work/meta" image)
  fetch "$work/image" "$image" >/dev/null || continue
  parts=$(depends "$work/image" 'binary|modules') # since 7.x the files are in packages of their own
  # shellcheck disable=SC2086 # several words
  fetch "$work/kernel" ${parts:-$image} >"$work/version" && break
done
[ -s "$work/version" ] || { echo "build-kernel.sh: no riscv64 kernel to be had from this machine's Debian mirror (see above)" >&2; exit 1; }
mkdir -p "$work/new/modules"
cp "$(find "$work/kernel" -name 'vmlinu*' -type f -print -quit)" "$work/new/vmlinux"
# add NAME: a module behind those that it needs; nothing if this kernel has it built in.
add() {
  local file need
  grep -qsx "$1" "$work/new/modules/order" && return
  file=$(find "$work/kernel" \( -name "$1.ko*" -o -name "${1//_/-}.ko*" \) -print -quit)
  [ -n "$file" ] || return 0
  for need in $(modinfo -F depends "$file" | tr ',' ' '); do add "$need"; done
  case "$file" in
  *.xz) xz -dc "$file" >"$work/new/modules/$1.ko" ;;
  *) cp "$file" "$work/new/modules/$1.ko" ;;
  esac
  echo "$1" >>"$work/new/modules/order"
}
# (crc32c and the two code pages are asked for by name at run time, so no module says that it needs them)
for module in crc32c_generic ext4 virtio_blk virtio_net virtio_rng vfat nls_cp437 nls_ascii; do add $module; done
mv "$work/version" "$work/new/version"
touch "$work/new/ok"
mv "$work/new" "$out"
