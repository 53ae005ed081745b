#!/usr/bin/env bash
# toolchain/apt.sh GROUP...: make sure that the Debian packages of toolchain/packages/GROUP are installed.
# Quick and offline if they are; one apt-get call if not; a clear message if that cannot work.
set -euo pipefail
cd "$(dirname "$0")"
missing=()
for group in "$@"; do
  [ -r "packages/$group" ] || { echo "apt.sh: no package group '$group' (see toolchain/packages/)" >&2; exit 2; }
  while read -r package _; do
    case "$package" in ''|'#'*) continue ;; esac
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done <"packages/$group"
done
[ ${#missing[@]} -eq 0 ] && exit 0

how="install them by hand: apt-get install ${missing[*]}"
command -v apt-get >/dev/null || { echo "apt.sh: missing Debian packages, and no apt-get on this machine: ${missing[*]}" >&2; exit 1; }
sudo=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "apt.sh: not root and no sudo; $how" >&2; exit 1; }
  sudo=(sudo env DEBIAN_FRONTEND=noninteractive) # sudo drops the environment
fi
echo "installing Debian packages: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
# One installer at a time: several make targets may run concurrently.
exec 9>"${TMPDIR:-/tmp}/maixstream-apt-$(id -u).lock"
flock 9
# Output is shown only on failure. No pseudo-terminal: minimal systems have no /dev/pts.
said=$(mktemp)
trap 'rm -f "$said"' EXIT
quietly() { "${sudo[@]}" apt-get -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "$@" </dev/null >"$said" 2>&1 || { cat "$said" >&2; return 1; }; }
quietly update || { echo "apt.sh: apt-get update failed (no network?); $how" >&2; exit 1; }
quietly install -y --no-install-recommends "${missing[@]}" || { echo "apt.sh: apt-get install failed; $how" >&2; exit 1; }
