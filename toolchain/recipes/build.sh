#!/usr/bin/env bash
# build.sh DIR: builds go2rtc and MediaMTX in DIR, in the versions of the go.mod beside this script.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$here"
newer() { [ "$out/$1" -nt go.mod ] && [ "$out/$1" -nt build.sh ]; }
newer go2rtc && newer mediamtx && exit 0
export CGO_ENABLED=0 GOFLAGS="${GOFLAGS:-} -trimpath"
go=${GO:-go}

"$go" build -o "$out/go2rtc" github.com/AlexxIT/go2rtc

# MediaMTX embeds files that its own build creates or downloads: a version, and the HLS player of its page,
# which no test here uses. So it is built from a copy of its source with these files.
"$go" mod download github.com/bluenviron/mediamtx
source=$("$go" list -m -f '{{.Dir}}' github.com/bluenviron/mediamtx)
copy=$(mktemp -d "$out/mediamtx-source.XXXXXX")
trap 'rm -rf "$copy"' EXIT
cp -R "$source/." "$copy"
chmod -R u+w "$copy"
"$go" list -m -f '{{.Version}}' github.com/bluenviron/mediamtx | tr -d '\n' >"$copy/internal/core/VERSION"
: >"$copy/internal/servers/hls/hls.min.js"
cd "$copy"
"$go" build -o "$out/mediamtx" .
