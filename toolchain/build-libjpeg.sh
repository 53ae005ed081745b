#!/usr/bin/env bash
# build-libjpeg.sh DIR [PROCESSOR]: libjpeg-turbo, static, from its pinned source, with $CC, $AR and $RANLIB and $CFLAGS for
# PROCESSOR (riscv64 unless given: the board, with a musl compiler):
#   DIR/include DIR/lib/{libjpeg.a,libturbojpeg.a,pkgconfig/} DIR/LICENSE.md DIR/README.ijg
# (libjpeg-turbo has no SIMD code for riscv64, and the chip no standard vector unit.)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/pins.sh"
. "$here/once.sh"
out=$1 processor=${2:-riscv64}
simd=ON
[ "$processor" = riscv64 ] && simd=OFF
build_once "$out" "building libjpeg-turbo $LIBJPEG_TURBO_VERSION for $processor"
tarball=$("$here/debian.sh" orig bookworm libjpeg-turbo "$LIBJPEG_TURBO_VERSION" "$LIBJPEG_TURBO_SHA256" "$(dirname "$out")/sources")
mkdir "$work/src" && tar -xf "$tarball" -C "$work/src" --strip-components=1
cat >"$work/toolchain.cmake" <<END
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR $processor)
set(CMAKE_C_COMPILER $CC)
set(CMAKE_AR $AR)
set(CMAKE_RANLIB $RANLIB)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
END
{
  cmake -G Ninja -S "$work/src" -B "$work/build" -DCMAKE_TOOLCHAIN_FILE="$work/toolchain.cmake" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_C_FLAGS="${CFLAGS:-} -ffile-prefix-map=$work=." -DCMAKE_INSTALL_PREFIX="$out" -DCMAKE_INSTALL_LIBDIR=lib \
    -DENABLE_SHARED=OFF -DENABLE_STATIC=ON -DWITH_SIMD=$simd -DREQUIRE_SIMD=$simd -DWITH_JAVA=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON &&
    ninja -C "$work/build" jpeg-static turbojpeg-static && cd "$work" &&
    for part in libjpeg.a libturbojpeg.a; do install -D -m 644 "build/$part" "new/lib/$part"; done &&
    for header in jpeglib.h jerror.h jmorecfg.h turbojpeg.h; do install -D -m 644 "src/$header" "new/include/$header"; done &&
    install -m 644 build/jconfig.h new/include/ &&
    install -m 644 src/LICENSE.md src/README.ijg new/ &&
    for pc in libjpeg libturbojpeg; do install -D -m 644 "build/pkgscripts/$pc.pc" "new/lib/pkgconfig/$pc.pc"; done
} >"$work/log" 2>&1 || { tail -n 30 "$work/log" >&2; echo "build-libjpeg.sh: libjpeg-turbo did not build" >&2; exit 1; }
echo "libjpeg-turbo $LIBJPEG_TURBO_VERSION $LIBJPEG_TURBO_SHA256" >"$work/new/ok"
mv "$work/new" "$out"
