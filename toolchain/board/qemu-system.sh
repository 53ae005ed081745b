#!/usr/bin/env bash
# qemu-system.sh INITRAMFS KERNEL OPTIONS...: the virtual board's machine: one core and 256 MB, like the SG2002.
set -euo pipefail
initramfs=$1 kernel=$2
shift 2
exec qemu-system-riscv64 -machine virt -smp "${BOARD_CPUS:-1}" -m 256 -display none \
  -kernel "$kernel" -initrd "$initramfs" -append "console=ttyS0 quiet" "$@"
