#!/usr/bin/env bash
# nightly.sh [TARGET...]: tries the make targets that README and docs name (all of targets, or those given), each in a bare Debian 12 of its own: debootstrap's
# minimal system with git, make and an installed one's sources of packages, this machine's Go, and a fresh clone of the commit that is checked out here. What
# each printed, with the time, is in build/nightly/TARGET.log. Needs root, and the network by this machine's own apt and Go configuration. NIGHTLY_KEEP=1 leaves
# the systems there.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
dir=$repo/build/nightly
fail() { echo "nightly: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "only root can make a Debian system and enter it"
"$here/../apt.sh" nightly
mkdir -p "$dir"

# The base of all systems. The mirrors are those of this machine's apt.
if [ ! -e "$dir/debian.tar" ]; then
  mirror=$(MAIXSTREAM_CACHE=$dir "$here/../debian.sh" mirror)
  rm -rf "$dir/base"
  debootstrap --variant=minbase --include=git,make,ca-certificates bookworm "$dir/base" "$mirror" >"$dir/debootstrap.log" 2>&1 ||
    { tail -n 20 "$dir/debootstrap.log" >&2; fail "debootstrap failed"; }
  security=$(MAIXSTREAM_CACHE=$dir "$here/../debian.sh" security)
  printf 'deb %s main\n' "$mirror bookworm" "$mirror bookworm-updates" ${security:+"$security bookworm-security"} >"$dir/base/etc/apt/sources.list"
  apt-config dump | grep -E '^Acquire::(http|https)::' >"$dir/base/etc/apt/apt.conf.d/90machine" || true
  cp -a /usr/local/share/ca-certificates/. "$dir/base/usr/local/share/ca-certificates/" 2>/dev/null || true
  chroot "$dir/base" update-ca-certificates >/dev/null 2>&1
  rm -f "$dir/base"/var/cache/apt/archives/*.deb
  tar -C "$dir/base" -cf "$dir/debian.tar.new" . && mv "$dir/debian.tar.new" "$dir/debian.tar"
  rm -rf "$dir/base"
fi

goroot=$(cd "$repo" && go env GOROOT)
settings=(HOME=/root TERM=dumb LANG=C.UTF-8 PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
for name in GOPROXY GOSUMDB GONOSUMDB GOPRIVATE; do settings+=("$name=$(go env "$name")"); done
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do [ -z "${!name:-}" ] || settings+=("$name=${!name}"); done
settings+=(NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt)

# try TARGET MINUTES COMMAND
try() {
  local root=$dir/root-$1 begin=$SECONDS status=0
  rm -rf --one-file-system "$root"
  mkdir -p "$root"
  tar -C "$root" -xf "$dir/debian.tar"
  git clone -q --no-hardlinks "file://$repo" "$root/src"
  git -C "$root/src" checkout -q --detach "$(git -C "$repo" rev-parse HEAD)"
  mkdir -p "$root/usr/local/go"
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  printf '127.0.0.1\tlocalhost\n::1\tlocalhost\n' >"$root/etc/hosts" # as Debian's installer writes it
  echo "nightly: $1: $3"
  # In a separate process namespace, whose end terminates everything started in it.
  timeout --foreground "${2}m" unshare --mount --pid --fork --kill-child --propagation private bash -c '
    set -e
    root=$1 goroot=$2 command=$3
    shift 3
    mount --bind "$root" "$root" # unshare wants / to be a mount point
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount --rbind /dev "$root/dev"
    mount --bind -o ro "$goroot" "$root/usr/local/go"
    chroot "$root" /usr/bin/env -i "$@" bash -c "cd /src && exec bash toolchain/nightly/inside.sh \"\$1\"" - "$command"
  ' - "$root" "$goroot" "$3" "${settings[@]}" PORT="$(free_port)" </dev/null 2>&1 |
    while IFS= read -r line; do printf '%(%H:%M:%S)T %s\n' -1 "$line"; done | tee "$dir/$1.log" || status=1
  [ -n "${NIGHTLY_KEEP:-}" ] || rm -rf --one-file-system "$root"
  if [ "$status" = 0 ]; then
    echo "nightly: $1 passed in $((SECONDS - begin)) s"
  else
    echo "nightly: $1 FAILED after $((SECONDS - begin)) s: build/nightly/$1.log"
    failed+=("$1")
  fi
}

# free_port prints a port such that it and the next are unused.
free_port() {
  local port
  for ((port = 20000 + RANDOM % 10000; ; port += 2)); do
    { : </dev/tcp/127.0.0.1/$port; } 2>/dev/null || { : </dev/tcp/127.0.0.1/$((port + 1)); } 2>/dev/null || break
  done
  echo "$port"
}

failed=()
wanted=" $* "
while read -r target minutes command; do
  case $target in '' | '#'*) continue ;; esac
  [ "$minutes" != - ] || continue
  [ $# = 0 ] || [[ $wanted == *" $target "* ]] || continue
  try "$target" "$minutes" "$command"
done <"$here/targets"
[ ${#failed[@]} = 0 ] || fail "failed: ${failed[*]}"
