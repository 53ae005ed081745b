#!/usr/bin/env bash
# progress.sh build ARGUMENTS...: go build with progress: one line on a terminal, elsewhere a line every hundred packages.
# GO is the go command. It prints nothing if little has to be compiled.
set -euo pipefail
go=${MAIXSTREAM_GO:-${GO:-go}}
[ "${1:-}" = build ] || { echo "usage: progress.sh build ARGUMENTS..." >&2; exit 2; }
shift
# Flags that affect whether a package is compiled are passed to go list, too; it does not accept the output's name.
list=()
for ((i = 1; i <= $#; i++)); do
  case "${!i}" in
  -o) i=$((i + 1)) ;;
  *) list+=("${!i}") ;;
  esac
done
terminal=
[ ! -t 2 ] || terminal=1

# show TOTAL: of go's messages on standard input, counts what is downloaded and compiled, and passes on the rest.
show() {
  awk -v total="$1" -v terminal="$terminal" '
    function tell(text) { if (terminal) { printf "\r\033[K%s", text; shown = 1 } else print text; fflush() }
    function clear() { if (shown) printf "\r\033[K"; shown = 0 }
    /^go: downloading / { downloaded++; if (terminal || downloaded == 1) tell(terminal ? "downloading modules: " downloaded : "downloading modules"); next }
    # -v names each package when its compilation begins.
    /^[a-z][^ ]*$/ { compiled++; if (total && (terminal || compiled % 100 == 0)) tell("compiled " compiled " of " (compiled > total ? compiled : total) " packages"); next }
    { clear(); print; fflush() }
    END { clear() }' >&2
}

total=0
stale=$("$go" list -deps -f '{{if .Stale}}{{.ImportPath}}{{end}}' "${list[@]}" 2> >(show 0)) || exec "$go" build "$@" # which says what is wrong
[ -z "$stale" ] || total=$(wc -l <<<"$stale")
[ "$total" -gt 40 ] || total=0
[ "$total" -lt 200 ] || echo "building: the first time takes some minutes ($total packages); afterwards seconds" >&2
"$go" build -v "$@" 2>&1 | show "$total"
