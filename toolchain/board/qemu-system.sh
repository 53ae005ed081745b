#!/usr/bin/env bash
# qemu-system.sh INITRAMFS KERNEL OPTIONS...: the machine of the virtual board: one core and 256 MB, as the SG2002's.
set -euo pipefail
initramfs=$1 kernel=$2
shift 2
exec qemu-system-riscv64 -machine virt -smp "${BOARD_CPUS:-1}" -m 256 -display none \
  -kernel "$kernel" -initrd "$initramfs" -append "console=ttyS0 quiet" "$@"
