#!/usr/bin/env bash
# go.sh ARGUMENTS...: the go command set up for the board: riscv64, cgo with the musl toolchain, our static libjpeg-turbo, and a
# link that fits the board's image. `make device` and `make test-riscv64` call it; so can a developer:
#   make toolchain && toolchain/go.sh build ./examples/serve-camera
#
# CROSS_COMPILE=riscv64-unknown-linux-musl- takes the vendor's compiler instead of ours, with the vendor's flags.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
settings=$("$here/env.sh") # SYSROOT CC LIBJPEG TARGET_CFLAGS
eval "$settings"

# The longest of the three loader names in use: the installer writes the board's own over it in place.
loader=/lib/ld-musl-riscv64v0p7_xthead.so.1
# The MPI libraries open each other by bare name, which musl looks up along the program's RPATH: an own copy beside the
# program comes first, then the image's.
rpath='$ORIGIN/dl_lib:/mnt/system/usr/lib:/mnt/system/usr/lib/3rd'
# musl's threads have 128 KiB of stack unless the program asks for more here; vendor code keeps whole tables on it.
link="-Wl,--dynamic-linker=$loader -Wl,--disable-new-dtags -Wl,-rpath,$rpath -Wl,-z,stack-size=2097152"
# libsys and libisp expect these of libatomic and libgcc_s, which an image may lack: the program defines and exports them.
for symbol in __atomic_compare_exchange_1 __sync_fetch_and_add_1 __sync_fetch_and_and_1; do
  link+=" -Wl,--export-dynamic-symbol=$symbol"
done
# Nothing else is exported, of our own or of our static libraries: a library of the image that wants its own libjpeg, or has a
# function of the same name, must not get ours.
link+=" -Wl,--no-export-dynamic -Wl,--exclude-libs,ALL -Wl,--build-id=none -static-libgcc"

export GOOS=linux GOARCH=riscv64 GORISCV64=rva20u64 CGO_ENABLED=1 CC
export CGO_CFLAGS="-O2 -g0 $TARGET_CFLAGS -I$LIBJPEG/include"
export CGO_LDFLAGS="$TARGET_CFLAGS -L$LIBJPEG/lib"
export PKG_CONFIG_LIBDIR=$LIBJPEG/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR= PKG_CONFIG_PATH=
ldflags="-s -w -buildid= -funcalign=2 -linkmode external -extldflags '$link' ${MAIXSTREAM_LDFLAGS:-}"
# The board has little disk and memory: no HTTP/2 (streams do not gain from it), functions at 2 bytes, and no inlining in packages
# where it buys no frame anything: all but ours and the standard library, without these of them. Ciphers stay as they are, with TLS every
# byte goes through them; and so do packages whose small functions make garbage when they are called and not inlined (strings,
# slices, time). Together that is a sixth of the program. The last pattern that fits a package counts.
small=(-tags nethttpomithttp2,netgo,osusergo -gcflags=all=-l -gcflags=std= '-gcflags=github.com/maixstream/...=' '-gcflags=golang.org/x/image/...=')
for cold in crypto/{x509,tls,hpke,rsa,dsa,elliptic,ecdsa,ecdh,ed25519,des,rc4,internal/{fips140cache,fips140hash,fips140deps}} \
  crypto/internal/fips140/{mlkem,mldsa,rsa,ecdsa,ecdh,ed25519,nistec,sha3,sha512,hkdf,pbkdf2,ssh,tls12,tls13,check,drbg} vendor/golang.org/x/{net,text} \
  encoding math/big regexp mime compress text html log go container net fmt reflect os unicode path io/fs embed debug expvar flag runtime/{debug,pprof} \
  internal/{reflectlite,profile,godebug,fmtsort,strconv,syscall,saferio,testlog,singleflight,nettrace,oserror,filepathlite,bisect} \
  github.com/maixstream/maixstream/{cmd,pipeline/{push,publish},server/{upload,web,internal/{page,reply}},internal/{bench,discover,doctor},hw/source}; do
  small+=("-gcflags=$cold/...=-l")
done
verb=$1
shift
case "$verb" in
build | install | run) exec "${GO:-go}" "$verb" -trimpath -buildvcs=false "${small[@]}" -ldflags "$ldflags" "$@" ;;
test) exec "${GO:-go}" test -trimpath -buildvcs=false "${small[@]}" -ldflags "$ldflags" -exec "$here/qemu.sh" "$@" ;;
*) exec "${GO:-go}" "$verb" "$@" ;;
esac
