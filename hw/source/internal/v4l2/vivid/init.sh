#!/bin/busybox sh
# The first program of the virtual machine: load vivid, run the test, say how it ended, power off.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
for module in /modules/*; do
  case $module in
    *vivid.ko) insmod "$module" n_devs=1 node_types=0x1 ;; # video capture only
    *) insmod "$module" ;;
  esac || echo "init: insmod $module failed"
done
read -r flags </flags
cd /tmp
# shellcheck disable=SC2086 # words on purpose
/test $flags
echo "vivid-test-exit-code: $?"
poweroff -f
