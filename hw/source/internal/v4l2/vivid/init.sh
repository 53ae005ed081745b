#!/bin/busybox sh
# Init of the virtual machine: load vivid, run the test, report its exit code, power off. To try a program instead of a test, run
# the commands from the second serial line.
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
cd /tmp
if [ -x /test ]; then
  read -r flags </flags
  # shellcheck disable=SC2086 # words on purpose
  /test $flags
  echo "vivid-test-exit-code: $?"
  poweroff -f
fi

ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
stty -F /dev/ttyS1 raw -echo
exec </dev/ttyS1 >/dev/ttyS1 2>&1
echo "vm: ready"
while read -r line; do
  sh -c "$line" </dev/null
  echo "vm: exit $?"
done
