#!/usr/bin/env bash
# qemu.sh PROGRAM ARGUMENTS...: runs a riscv64 program linked for the board on this machine: files that exist in the
# toolchain's sysroot (the loader, musl) are taken from there, all others from this machine.
set -euo pipefail
settings=$("$(dirname "$0")/env.sh")
eval "$settings"
command -v qemu-riscv64 >/dev/null || { echo "qemu.sh: no qemu-riscv64: apt-get install qemu-user (make setup-device)" >&2; exit 1; }
exec qemu-riscv64 -L "$SYSROOT" "$@"
