#!/usr/bin/env bash
# build.sh DIR [CAMERA]: the virtual board's files in DIR: vmlinux, initramfs, board.dtb, and new disks root.ext4 and boot.vfat.
# CAMERA none omits the simulator of the camera's libraries, which replaces the MPI's: the test card is served then.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$1
camera=${2:-simulated}
settings=$(CROSS_COMPILE='' "$here/../env.sh")
eval "$settings"
key() { cat "$@" | sha256sum | cut -c1-12; }
programs=$MAIXSTREAM_CACHE/board-programs-$(key "$here"/{build-programs.sh,../pins.sh})
kernel=$MAIXSTREAM_CACHE/board-kernel-$(key "$here"/build-kernel.sh)
"$here/build-programs.sh" "$programs"
"$here/build-kernel.sh" "$kernel"

mkdir -p "$dir"
work=$(mktemp -d "$dir/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The first root: busybox, modules, init.
mkdir -p "$work/first/bin"
cp "$programs/busybox" "$work/first/busybox"
ln -s ../busybox "$work/first/bin/busybox"
cp -r "$kernel/modules" "$work/first/modules"
install -m 755 "$here/init" "$work/first/init"
(cd "$work/first" && find . | cpio -o -H newc --quiet) >"$work/initramfs"

# The root file system, with MaixCAM's layout.
root=$work/root
mkdir -p "$root"/{bin,sbin,dev,proc,sys,tmp,run,root,mnt/{system/{usr/{lib/3rd,bin},lib,ko},cfg/param,data},maixapp/{apps/launcher,tmp},lib,usr/{bin,sbin,lib/python3.11/site-packages/maix/dl_lib},var/log,etc/dropbear,opt}
ln -s ../run "$root/var/run"
cp -r "$here/root/etc" "$root/"
mkdir "$root/boot"
chmod 700 "$root/root"
chmod 600 "$root/etc/shadow"
cp "$programs/busybox" "$root/bin/busybox"
cp "$programs/dropbear" "$root/usr/sbin/dropbear"
for applet in $(qemu-riscv64 "$programs/busybox" --list-full); do
  mkdir -p "$root/$(dirname "$applet")"
  [ -e "$root/$applet" ] || ln -s /bin/busybox "$root/$applet"
done
ln -sf /bin/busybox "$root/sbin/init"
# musl, under one of the loader's three names, other than the one that programs are linked with: the installer has to adapt them.
install -m 755 "$SYSROOT/usr/lib/libc.so" "$root/lib/libc.so"
ln -s libc.so "$root/lib/ld-musl-riscv64xthead.so.1"
"$CC" $TARGET_CFLAGS -O2 -static -o "$root/maixapp/apps/launcher/launcher" "$here/onboard/launcher.c"
"${PREFIX}strip" "$root/maixapp/apps/launcher/launcher"
# One ssh identity for all of this user's virtual boards, so that a new disk is not taken for an impostor.
hostkey=$MAIXSTREAM_CACHE/board-hostkey
[ -s "$hostkey" ] || qemu-riscv64 "$programs/dropbearkey" -t ed25519 -f "$hostkey" >/dev/null 2>&1
install -m 600 "$hostkey" "$root/etc/dropbear/dropbear_ed25519_host_key"
mkdir -p "$root/etc/default"
if [ "$camera" != none ]; then
  "$here/add-simulator.sh" "$root"
else # a MaixCAM without a camera: the test card in its place
  echo 'ARGS="--source testcard"' >"$root/etc/default/maixstream"
fi

rm -f "$work/root.ext4" "$work/boot.vfat"
mke2fs -q -t ext4 -L root -d "$root" "$work/root.ext4" 192M
mkfs.vfat -C -n BOOT "$work/boot.vfat" 4096 >/dev/null
mcopy -i "$work/boot.vfat" "$here"/root/boot/* ::

# qemu's device tree, with MaixCAM's name.
"$here/qemu-system.sh" "$work/initramfs" "$kernel/vmlinux" -machine virt,dumpdtb="$work/board.dtb" >/dev/null 2>&1
fdtput -t s "$work/board.dtb" / model "LicheeRv Nano MaixCAM (virtual)"
cp "$kernel/vmlinux" "$work/vmlinux"
for file in vmlinux initramfs board.dtb root.ext4 boot.vfat; do mv "$work/$file" "$dir/$file"; done
