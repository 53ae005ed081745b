#!/usr/bin/env bash
# Files from this machine's Debian mirror, through a separate apt: the machine's lists, sources
# and installed packages stay unchanged. apt verifies everything against Debian's archive keys.
#
#   debian.sh orig SUITE SOURCE VERSION SHA256 DIR   upstream tarball of a source package, into DIR
#   debian.sh mirror                                 print this machine's Debian mirror
#   debian.sh security                               print this machine's mirror of Debian's security archive, if it has one
#   debian.sh debs SUITE ARCH DIR PACKAGE...         binary packages, unpacked below DIR (no dependencies, no scripts)
#
# orig pins the upstream release and its bytes: a later Debian revision of the same release has the same tarball.
set -euo pipefail
cache=${MAIXSTREAM_CACHE:?debian.sh: MAIXSTREAM_CACHE must name a directory}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

die() { echo "debian.sh: $*" >&2; exit 1; }

# mirror prints this machine's mirror of Debian's packages (not the security archive, nor a third party's).
mirror() {
  local line
  line=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -m1 '^Debian|Debian|main|') || true
  if [ -z "$line" ]; then # before the first apt-get update the origin is not known: the first source that is no security archive
    line=$(apt-get indextargets --format '-|-|$(COMPONENT)|$(REPO_URI)|$(CODENAME)' 'Created-By: Packages' 2>/dev/null | grep '|main|.*/debian/*|' | grep -v security | head -n1) || true
  fi
  [ -n "$line" ] || die "no Debian mirror in this machine's apt sources; add one for bookworm main and run apt-get update"
  line=${line#*|*|*|}
  echo "${line%%|*}"
}

security() {
  apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | sed -n 's/^Debian|Debian-Security|main|//p' | head -n1
}

# apt_root SUITE ARCH creates a separate apt and sets apt=(its options).
apt_root() {
  local root=$cache/apt/$1-$2 site
  site=$(mirror)
  mkdir -p "$root"/{etc/apt.conf.d,etc/preferences.d,etc/trusted.gpg.d,state/lists/partial,cache/archives/partial,log}
  [ -e "$root/state/status" ] || : >"$root/state/status"
  cat >"$root/etc/sources.list" <<END
deb [arch=$2 signed-by=$keyring] $site $1 main
deb-src [signed-by=$keyring] $site $1 main
END
  apt=(-qq -o Dir::Etc="$root/etc" -o Dir::Etc::sourcelist="$root/etc/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::State="$root/state" -o Dir::State::status="$root/state/status" -o Dir::Cache="$root/cache" -o Dir::Log="$root/log"
    -o APT::Architecture="$2" -o APT::Architectures="$2" -o APT::Sandbox::User=root -o Acquire::Languages=none
    -o Acquire::Retries=3 -o APT::Install-Recommends=false -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false)
  # At most one update per hour; if existing lists are stale and the network is down, apt reports it later.
  if [ -z "$(find "$root/updated" -mmin -60 2>/dev/null)" ]; then
    apt-get "${apt[@]}" update >&2 || die "apt-get update for $1/$2 failed: is the mirror $site reachable?"
    touch "$root/updated"
  fi
}

exec 9>"${TMPDIR:-/tmp}/maixstream-debian-$(id -u).lock"
flock 9 # one at a time: processes with the same cache share apt's lists

case "${1:-}" in
mirror) mirror ;;
security) security ;;
orig)
  [ $# = 6 ] || die "usage: debian.sh orig SUITE SOURCE VERSION SHA256 DIR"
  suite=$2 source=$3 version=$4 sha256=$5 dir=$6
  mkdir -p "$dir"
  apt_root "$suite" amd64
  available=$(apt-cache "${apt[@]}" showsrc "$source" | sed -n 's/^Version: //p' | sort -u)
  full=$(grep -m1 -E "^([0-9]+:)?${version//./\\.}(-|\$)" <<<"$available") ||
    die "$source $version is not on the mirror (it has: ${available:-nothing}); the pin in toolchain/pins.sh wants that release"
  (cd "$dir" && apt-get "${apt[@]}" source --download-only --tar-only "$source=$full" >&2) || die "download of $source $full failed"
  tarball=$(find "$dir" -maxdepth 1 -name "${source}_*.orig.tar.*" ! -name '*.asc' -print -quit)
  [ -n "$tarball" ] || die "$source $full came without an upstream tarball"
  got=$(sha256sum "$tarball" | cut -d' ' -f1)
  [ "$got" = "$sha256" ] || die "$(basename "$tarball") has sha256 $got, the pin is $sha256: not used"
  echo "$tarball"
  ;;
debs)
  [ $# -ge 5 ] || die "usage: debian.sh debs SUITE ARCH DIR PACKAGE..."
  suite=$2 arch=$3 dir=$4
  shift 4
  mkdir -p "$dir/debs"
  apt_root "$suite" "$arch"
  (cd "$dir/debs" && apt-get "${apt[@]}" download "$@" >&2) || die "download of $* ($suite, $arch) failed"
  for deb in "$dir"/debs/*.deb; do
    dpkg-deb -x "$deb" "$dir"
    basename "$deb"
  done
  ;;
*) die "usage: debian.sh orig|debs ..." ;;
esac
