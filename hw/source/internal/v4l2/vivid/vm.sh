#!/usr/bin/env bash
# vm.sh TEST-BINARY [TEST-FLAGS]: run a static test binary in a small virtual machine with vivid, the kernel's own test driver for video
# devices, as /dev/video0. Exit code: the test's.
#
# vm.sh --program PROGRAM PORT: a machine with the static PROGRAM as /bin/maixstream instead. Its port 8000 is PORT here. Its shell runs each line of standard
# input; after that command's output comes a line "vm: exit CODE".
#
# The kernel is Debian's (the cloud flavour has no media drivers), extracted from its package without installing it, and kept in build/vivid: offline after
# the first run.
set -euo pipefail
program='' port=''
if [ "$1" = --program ]; then
  program=$(realpath "$2") port=$3
else
  test_binary=$(realpath "$1"); shift
fi
here=$(dirname "$(realpath "$0")")
cache=$(realpath -m "$here/../../../../../build/vivid")
mkdir -p "$cache"

fail() { echo "vivid: $*" >&2; exit 1; }
for tool in qemu-system-x86_64 busybox cpio depmod dpkg-deb v4l2-ctl; do
  command -v "$tool" >/dev/null || fail "$tool is missing: run toolchain/apt.sh test"
done

# The kernel and the modules that vivid needs, with their dependencies.
unpack_kernel() {
  local package deb work=$cache/unpack
  package=$(apt-cache depends linux-image-amd64 | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }')
  [ -n "$package" ] || fail "apt knows no linux-image-amd64: run apt-get update"
  rm -rf "$work" && mkdir -p "$work/root"
  (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$package" 2>&1) || fail "download of $package failed (no network?)"
  deb=$(echo "$work"/*.deb)
  dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work/root" --wildcards './boot/vmlinuz-*' './lib/modules/*/modules.*' \
    './lib/modules/*/kernel/drivers/media/*' './lib/modules/*/kernel/drivers/video/*' './lib/modules/*/kernel/drivers/net/ethernet/intel/e1000/*'
  rm "$deb"
  local release
  release=$(ls "$work/root/lib/modules")
  depmod -b "$work/root" "$release"
  rm -rf "$work/kernel" && mkdir "$work/kernel"
  modprobe -d "$work/root" -S "$release" --all --show-depends vivid e1000 >"$work/depends" || fail "the kernel package $package lacks vivid or e1000"
  local n=10 path
  while read -r kind path _; do
    [ "$kind" = insmod ] || continue
    cp "$path" "$work/kernel/$n-$(basename "$path")"
    n=$((n + 1))
  done <"$work/depends"
  cp "$work/root/boot/vmlinuz-$release" "$work/kernel/vmlinuz"
  echo "$package $(basename "$deb")" >"$work/kernel/version"
  rm -rf "$cache/kernel" && mv "$work/kernel" "$cache/kernel"
  rm -rf "$work"
}
exec 9>"$cache/lock"
flock 9
compgen -G "$cache/kernel/*-e1000.ko" >/dev/null || unpack_kernel
echo "vivid: kernel $(cat "$cache/kernel/version")"

# The initramfs: busybox, the modules, the test.
run=$(mktemp -d "$cache/run.XXXXXX")
trap 'rm -rf "$run"' EXIT
mkdir -p "$run/root"/{bin,dev,proc,sys,tmp,modules}
cp "$(command -v busybox)" "$run/root/bin/busybox"
cp "$(command -v v4l2-ctl)" "$run/root/bin/v4l2-ctl"
ldd "$(command -v v4l2-ctl)" | grep -o '/[^ ]*' | while read -r library; do
  mkdir -p "$run/root$(dirname "$library")"
  cp -L "$library" "$run/root$library"
done
cp "$cache"/kernel/*.ko "$run/root/modules/"
if [ -n "$program" ]; then
  cp "$program" "$run/root/bin/maixstream"
else
  cp "$test_binary" "$run/root/test"
  chmod 755 "$run/root/test"
fi
cp "$here/init.sh" "$run/root/init"
printf '%s\n' "$*" >"$run/root/flags"
chmod 755 "$run/root/init" "$run/root/bin/"*
(cd "$run/root" && find . | cpio -o -H newc --quiet -R 0:0) >"$run/initrd"
flock -u 9

# Emulated, even if there is a /dev/kvm: a nested one may abort the virtual machine, and this boots in seconds.
machine=(timeout --foreground "${VIVID_TIMEOUT:-240}" qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot
  -machine q35 -accel "tcg,thread=multi" -cpu max -smp 2 -m 768 -kernel "$cache/kernel/vmlinuz" -initrd "$run/initrd"
  -append 'console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=unstable random.trust_cpu=on')
if [ -n "$program" ]; then
  "${machine[@]}" -serial "file:$run/console" -serial stdio -netdev "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:$port-:8000" -device e1000,netdev=net,romfile= ||
    { cat "$run/console" >&2; fail "the virtual machine failed or took longer than ${VIVID_TIMEOUT:-240} s"; }
  exit
fi

"${machine[@]}" -serial stdio </dev/null | tr -d '\r' | tee "$run/log" ||
  fail "the virtual machine failed or took longer than ${VIVID_TIMEOUT:-240} s"
code=$(sed -n 's/^vivid-test-exit-code: //p' "$run/log")
[ -n "$code" ] || fail "the test did not come to its end"
exit "$code"
