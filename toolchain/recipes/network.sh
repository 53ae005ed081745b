#!/usr/bin/env bash
# network.sh COMMAND...: runs a command on "the PC" of a network that has "the board" on it, too, as maixcam.local; to be called in
# fresh network and mount namespaces:   unshare --net --mount network.sh COMMAND...
#   ip netns exec board COMMAND...   then runs something on the board
# connect.prusa3d.com is the PC, too, where a test replaces it.
# So the recipes' commands work exactly as written, and no port of this machine is used.
set -euo pipefail
mount --make-rprivate /
mkdir -p /run/netns
mount -t tmpfs tmpfs /run/netns
ip netns add board
ip link set lo up
ip -n board link set lo up
ip link add pc type veth peer name eth0 netns board
ip addr add 10.77.0.1/24 dev pc
ip link set pc up
ip -n board addr add 10.77.0.2/24 dev eth0
ip -n board link set eth0 up
ip route add default dev pc
ip -n board route add default dev eth0
hosts=$(mktemp)
printf '127.0.0.1 localhost\n::1 localhost\n10.77.0.2 maixcam.local\n10.77.0.1 pc.local connect.prusa3d.com\n' >"$hosts"
chmod 644 "$hosts"
mount --bind "$hosts" /etc/hosts
rm -f "$hosts"
exec "$@"
