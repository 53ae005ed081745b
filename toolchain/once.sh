# shellcheck shell=bash
# once.sh: sourced by the scripts that build a directory once.

# build_once DIR WHAT: ends the script if DIR is built. Otherwise it says what is built, waits for another process that builds it, and makes an empty
# $work that goes with the script: move $work/new to DIR when $work/new/ok exists, so that DIR appears whole or not at all.
build_once() {
  unset LDFLAGS CPPFLAGS MAKEFLAGS MFLAGS MAKELEVEL # of a make around us
  [ -e "$1/ok" ] && exit 0
  mkdir -p "$(dirname "$1")"
  exec 8>"$1.lock"
  flock 8
  [ -e "$1/ok" ] && exit 0
  echo "$2 in $1" >&2
  rm -rf "$1"
  work=$(mktemp -d "$1.work.XXXXXX")
  trap 'rm -rf "$work"' EXIT
}
