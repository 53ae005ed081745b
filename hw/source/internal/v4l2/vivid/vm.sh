#!/usr/bin/env bash
# vm.sh TEST-BINARY [TEST-FLAGS]: run a static test binary in a small virtual machine whose kernel has vivid, the kernel's own test driver for video
# devices, as /dev/video0. Exit code: the test's.
#
# The kernel is Debian's (the cloud flavour has no media drivers), unpacked from its package without being installed, and kept in build/vivid: offline after
# the first run.
set -euo pipefail
test_binary=$(realpath "$1"); shift
here=$(dirname "$(realpath "$0")")
cache=$(realpath -m "$here/../../../../../build/vivid")
mkdir -p "$cache"

fail() { echo "vivid: $*" >&2; exit 1; }
for program in qemu-system-x86_64 busybox cpio depmod dpkg-deb v4l2-ctl; do
  command -v "$program" >/dev/null || fail "$program is missing: run toolchain/apt.sh test"
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
    './lib/modules/*/kernel/drivers/media/*' './lib/modules/*/kernel/drivers/video/*'
  rm "$deb"
  local release
  release=$(ls "$work/root/lib/modules")
  depmod -b "$work/root" "$release"
  rm -rf "$work/kernel" && mkdir "$work/kernel"
  modprobe -d "$work/root" -S "$release" --show-depends vivid >"$work/depends" || fail "the kernel package $package has no vivid module"
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
[ -e "$cache/kernel/version" ] || unpack_kernel
echo "vivid: kernel $(cat "$cache/kernel/version")"

# The first file system: busybox, the modules, the test.
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
cp "$test_binary" "$run/root/test"
cp "$here/init.sh" "$run/root/init"
printf '%s\n' "$*" >"$run/root/flags"
chmod 755 "$run/root/init" "$run/root/test" "$run/root/bin/busybox"
(cd "$run/root" && find . | cpio -o -H newc --quiet -R 0:0) >"$run/initrd"
flock -u 9

# Emulated, also where there is a /dev/kvm: a nested one may abort the virtual machine, and this boots in seconds.
timeout --foreground "${VIVID_TIMEOUT:-240}" qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot \
  -machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 768 \
  -kernel "$cache/kernel/vmlinuz" -initrd "$run/initrd" -serial stdio \
  -append 'console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=unstable random.trust_cpu=on' </dev/null | tr -d '\r' | tee "$run/log" ||
  fail "the virtual machine failed or took longer than ${VIVID_TIMEOUT:-240} s"
code=$(sed -n 's/^vivid-test-exit-code: //p' "$run/log")
[ -n "$code" ] || fail "the test did not come to its end"
exit "$code"
