#!/usr/bin/env bash
# need-go.sh: reports in one message a missing or outdated Go, and the remedy; make calls it before installing anything.
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
# Since 1.21 go fetches the version that go.mod requires, or reports why it cannot; older ones ignore the requirement.
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
