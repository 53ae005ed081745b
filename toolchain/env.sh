#!/usr/bin/env bash
# env.sh: prints the locations of the board's toolchain as shell assignments; builds missing parts.
#   MAIXSTREAM_CACHE  the cache directory (default: maixstream in the user's cache); everything in it can be rebuilt
#   CROSS_COMPILE     prefix of another riscv64 musl toolchain, such as riscv64-unknown-linux-musl- (the vendor's)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export MAIXSTREAM_CACHE=${MAIXSTREAM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/maixstream}
# A directory's name identifies its inputs, so that a changed recipe never uses an old result.
key() { cat "$@" | sha256sum | cut -c1-12; }

sysroot_dir=$MAIXSTREAM_CACHE/musl-$(key "$here"/{pins.sh,musl.specs,build-sysroot.sh})
"$here/build-sysroot.sh" "$sysroot_dir"

if [ -z "${CROSS_COMPILE:-}" ]; then
  prefix=$sysroot_dir/bin/riscv64-linux-musl-
  CC=${prefix}gcc
  TARGET_CFLAGS="-march=rv64gc -mabi=lp64d"
else
  prefix=$CROSS_COMPILE
  CC=$(command -v "${prefix}gcc") || { echo "env.sh: CROSS_COMPILE=$CROSS_COMPILE: no ${prefix}gcc in PATH" >&2; exit 1; }
  prefix=${CC%gcc}
  TARGET_CFLAGS="-mcpu=c906fdv -march=rv64imafdcv0p7xthead -mcmodel=medany -mabi=lp64d"
fi
libjpeg=$MAIXSTREAM_CACHE/libjpeg-$( (cat "$here"/{pins.sh,build-libjpeg.sh} && echo "$TARGET_CFLAGS" && "$CC" --version) | sha256sum | cut -c1-12)
CC=$CC AR=${prefix}ar RANLIB=${prefix}ranlib CFLAGS="$TARGET_CFLAGS" "$here/build-libjpeg.sh" "$libjpeg"

printf 'export MAIXSTREAM_CACHE=%q\nSYSROOT=%q\nPREFIX=%q\nCC=%q\nTARGET_CFLAGS=%q\nLIBJPEG=%q\n' \
  "$MAIXSTREAM_CACHE" "$sysroot_dir/sysroot" "$prefix" "$CC" "$TARGET_CFLAGS" "$libjpeg"
