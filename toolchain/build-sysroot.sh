#!/usr/bin/env bash
# build-sysroot.sh DIR: a riscv64 musl toolchain in DIR: Debian's cross gcc behind wrappers that know nothing of glibc,
# and a sysroot of musl (from its pinned source) and the kernel's headers.
#   DIR/bin/riscv64-linux-musl-{gcc,ar,ranlib,strip,readelf,...}   DIR/sysroot
# DIR appears whole or not at all, and is never built twice.
set -euo pipefail
unset CFLAGS # of a make around us
here=$(cd "$(dirname "$0")" && pwd)
. "$here/pins.sh"
. "$here/once.sh"
out=$1
build_once "$out" "building the riscv64 musl toolchain (musl $MUSL_VERSION, about a minute)"
tarball=$("$here/debian.sh" orig bookworm musl "$MUSL_VERSION" "$MUSL_SHA256" "$(dirname "$out")/sources")
tar -xf "$tarball" -C "$work"
cd "$work/musl-$MUSL_VERSION"
log=$work/log
{
  ./configure --target=riscv64-linux-musl CROSS_COMPILE=riscv64-linux-gnu- --prefix=/usr --syslibdir=/lib --disable-gcc-wrapper \
    CFLAGS="-O2 -ffile-prefix-map=$work=. -Wl,--build-id=none" &&
    make -j"$(nproc)" && make DESTDIR="$work/new/sysroot" install
} >"$log" 2>&1 || { grep -v "^riscv64-linux-gnu-" "$log" | tail -n 30 >&2; echo "build-sysroot.sh: musl did not build" >&2; exit 1; }

# The loader under each of the names that the boards' images use, so that programs run below qemu -L as they are.
root=$work/new/sysroot
for name in ld-musl-riscv64 ld-musl-riscv64xthead ld-musl-riscv64v0p7_xthead; do
  ln -sfn ../usr/lib/libc.so "$root/lib/$name.so.1"
done
# Kernel headers: Debian keeps them among glibc's, so exactly the files of that package.
dpkg -L linux-libc-dev-riscv64-cross | sed -n 's,^/usr/riscv64-linux-gnu/include/,,p' | while read -r header; do
  [ -f "/usr/riscv64-linux-gnu/include/$header" ] || continue
  case "$header" in scsi/*) [ -e "$root/usr/include/$header" ] && continue ;; esac
  install -D -m 644 "/usr/riscv64-linux-gnu/include/$header" "$root/usr/include/$header"
done

install -D -m 644 "$here/musl.specs" "$work/new/musl.specs"
mkdir -p "$work/new/bin"
cat >"$work/new/bin/riscv64-linux-musl-gcc" <<'END'
#!/bin/sh
# Debian's cross compiler with musl in glibc's place; finds its files beside itself, so the directory can be moved.
dir=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
MAIXSTREAM_SYSROOT=$dir/sysroot exec riscv64-linux-gnu-gcc -specs="$dir/musl.specs" -march=rv64gc -mabi=lp64d "$@"
END
chmod +x "$work/new/bin/riscv64-linux-musl-gcc"
for tool in ar as ld nm objcopy objdump ranlib readelf strip; do
  ln -s "$(command -v riscv64-linux-gnu-$tool)" "$work/new/bin/riscv64-linux-musl-$tool"
done
echo "musl $MUSL_VERSION $MUSL_SHA256" >"$work/new/ok"
mv "$work/new" "$out"
