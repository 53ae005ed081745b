#!/usr/bin/env bash
# program.sh ARCH FILE: the program for a Linux PC, amd64 or arm64, into FILE: with libjpeg-turbo linked in, so that it needs only
# a distribution's glibc, and with the same bytes for the same commit wherever it is built.
#   MAIXSTREAM_LDFLAGS  further linker flags, such as -X main.version=…
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
arch=$1 file=$2
case "$arch" in
amd64) triplet=x86_64-linux-gnu processor=x86_64 ;;
arm64) triplet=aarch64-linux-gnu processor=aarch64 ;;
*) echo "program.sh: unknown architecture: $arch (amd64, arm64; the board's program is made by make device)" >&2; exit 2 ;;
esac
export MAIXSTREAM_CACHE=${MAIXSTREAM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/maixstream}
export CC=$triplet-gcc AR=$triplet-ar RANLIB=$triplet-ranlib
command -v "$CC" >/dev/null || { echo "program.sh: no $CC (toolchain/apt.sh dist installs it)" >&2; exit 1; }
libjpeg=$MAIXSTREAM_CACHE/libjpeg-$arch-$( (cat "$here"/../{pins.sh,build-libjpeg.sh} && "$CC" --version) | sha256sum | cut -c1-12)
CFLAGS=-fPIC "$here/../build-libjpeg.sh" "$libjpeg" "$processor"

export GOOS=linux GOARCH=$arch CGO_ENABLED=1 GOAMD64=v1 GOARM64=v8.0
export CGO_CFLAGS="-O2 -g0 -I$libjpeg/include" CGO_LDFLAGS="-L$libjpeg/lib"
link="-Wl,-z,relro,-z,now -Wl,--exclude-libs,ALL -Wl,--build-id=none"
exec "$here/../progress.sh" build -buildmode=pie -trimpath -buildvcs=false -ldflags "-s -w -buildid= -linkmode external -extldflags '$link' ${MAIXSTREAM_LDFLAGS:-}" \
  -o "$file" ./cmd/maixstream
