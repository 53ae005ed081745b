#!/usr/bin/env bash
# add-simulator.sh ROOT: builds the simulator of the camera's libraries for the board and installs it into the root file system in place of
# the vendor's; called by build.sh. Slow sensor, smallest size: all of its work runs on the emulated core.
set -euo pipefail
unset CFLAGS LDFLAGS CPPFLAGS MAKEFLAGS MFLAGS MAKELEVEL # of a make around us
root=$1
cd "$(dirname "$0")/../.."
settings=$(CROSS_COMPILE='' toolchain/env.sh)
eval "$settings"
build() { make -s "$@" SIM_CC="$CC" SIM_JPEG="-I$LIBJPEG/include $LIBJPEG/lib/libjpeg.a" >/dev/null; }
build sim-libs SIM_ARCH=riscv64-musl
# Its tool is static, to run whatever name the loader has on this board.
build build/sim/riscv64-static/maixsim SIM_ARCH=riscv64-static SIM_CFLAGS=-static

private=$root/usr/lib/python3.11/site-packages/maix/dl_lib # MaixPy's copies: the sensors' drivers of the newer kind are only there
for library in build/sim/riscv64-musl/*.so; do
  case "$library" in
  */libsophgo-middleware.so) to=$private ;;
  *) to=$root/mnt/system/usr/lib ;;
  esac
  "${PREFIX}strip" -o "$to/$(basename "$library")" "$library"
done
"${PREFIX}strip" -o "$root/mnt/system/usr/bin/maixsim" build/sim/riscv64-static/maixsim
cat >"$root/etc/default/maixstream" <<'END'
# The virtual board's camera: the simulator's files stand in for those in /proc, /sys and /dev.
export MAIXSTREAM_ROOT=/run/maixsim MAIXSIM_TOOL=/mnt/system/usr/bin/maixsim MAIXSIM_SET='sensor=gc030a;sensor_fps=10'
PATH=/run/maixsim/bin:$PATH
END
