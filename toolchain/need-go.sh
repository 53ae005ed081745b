#!/usr/bin/env bash
# need-go.sh: says in one message what to do when there is no Go, or one that is too old; make calls it before it installs anything.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
wanted=$(sed -n 's/^go //p' go.mod)
get="get it from https://go.dev/dl/ (any Go from 1.21 on fetches $wanted by itself), unpack it into /usr/local, and: export PATH=\$PATH:/usr/local/go/bin"
if ! command -v "$go" >/dev/null; then
  [ -x /usr/local/go/bin/go ] && get='it is in /usr/local/go, which is not in PATH: export PATH=$PATH:/usr/local/go/bin'
  echo "no Go in PATH; maixstream needs Go $wanted or later: $get" >&2
  exit 1
fi
# From 1.21 on go fetches the version that go.mod wants, or says why it cannot; an older one takes no notice of it.
if ! said=$("$go" env GOVERSION 2>&1); then
  echo "maixstream needs Go $wanted or later, and $(command -v "$go") says: $said" >&2
  echo "$get" >&2
  exit 1
fi
found=$(tail -n 1 <<<"$said" | sed 's/^go//; s/[ -].*//')
if [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" != "$wanted" ]; then
  echo "maixstream needs Go $wanted or later, and $(command -v "$go") is Go $found: $get" >&2
  exit 1
fi
