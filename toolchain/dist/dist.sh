#!/usr/bin/env bash
# dist.sh DIR: the release's files into DIR: Debian packages (amd64, arm64), archives (amd64, arm64, riscv64-musl), a software bill of
# materials for each, SHA256SUMS. The same commit yields the same bytes.
#   VERSION, COMMIT   as git describes them, unless given
#   BOARD_PROGRAM     the board's program, built by make device
#   ARCHES            only for these: amd64 arm64 riscv64
set -euo pipefail
cd "$(dirname "$0")/../.."
dir=$1
go=${GO:-go}
ARCHES=${ARCHES:-amd64 arm64 riscv64}
tool=("$go" tool -modfile=toolchain/dist/go.mod)
VERSION=${VERSION:-$(git describe --tags --always --dirty)}
COMMIT=${COMMIT:-$(git rev-parse --short=12 HEAD)}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)} TZ=UTC LC_ALL=C
umask 022

# A Debian version begins with a digit, and a - would begin the Debian revision: v1.2.3 is 1.2.3, v1.2.3-4-gabc 1.2.3+4.gabc, and before
# the first tag it is 0~DATE.COMMIT, which is less than any release.
case "$VERSION" in
v[0-9]*) release=${VERSION#v} && release=${release/-/+} && release=${release//-/.} ;;
*) release=0~$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S).${VERSION//-/.} ;;
esac
export VERSION=$release
date_rfc=$(date -u -R -d "@$SOURCE_DATE_EPOCH")
ldflags="-X main.version=$release -X main.commit=$COMMIT"
cache=${MAIXSTREAM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/maixstream}
. toolchain/pins.sh

rm -rf "$dir"
mkdir -p "$dir/work"
dir=$(cd "$dir" && pwd)

# Common to all.
common=$dir/work/common
mkdir -p "$common/docs"
GO=$go toolchain/progress.sh build -ldflags "$ldflags" -o "$dir/work/host" ./cmd/maixstream
"$dir/work/host" completion bash >"$common/maixstream.bash"
"$dir/work/host" completion zsh >"$common/_maixstream"
"$dir/work/host" completion fish >"$common/maixstream.fish"
"$dir/work/host" man >"$common/maixstream.1"
gzip -9n <"$common/maixstream.1" >"$common/maixstream.1.gz"
printf 'maixstream (%s) unstable; urgency=medium\n\n  * Built from commit %s.\n\n -- maixstream <maixstream@users.noreply.github.com>  %s\n' \
  "$release" "$COMMIT" "$date_rfc" | gzip -9n >"$common/changelog.gz"
cp README.md CHANGELOG.md "$common/docs/"
for part in docs/service.md docs/device.md docs/recipes; do if [ -e $part ]; then cp -R $part "$common/docs/"; fi; done
find "$common/docs" -type f ! -name '*.md' ! -name '*.png' ! -name '*.jpg' ! -name '*.jpeg' ! -name '*.svg' -delete
find "$common/docs" -type d -empty -delete

# archive NAME STAGE: an archive whose bytes depend only on its files.
archive() {
  tar --create --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=ustar -C "$2/.." "$(basename "$2")" |
    gzip -9n >"$dir/$1"
}

# describe ARCH STAGE LICENCE: third-party software in it.
describe() {
  local jpeg=$3
  (
    export GOOS=linux GOARCH=$1 CGO_ENABLED=1
    "$dir/work/notices" ./cmd/maixstream "libjpeg-turbo $LIBJPEG_TURBO_VERSION (README.ijg)=$jpeg/README.ijg" \
      "libjpeg-turbo $LIBJPEG_TURBO_VERSION (LICENSE.md)=$jpeg/LICENSE.md" >"$2/NOTICES"
    "$dir/work/cyclonedx-gomod" bin -json -licenses -std -noserial -notimestamp -version "$release" -output "$dir/work/sbom.json" "$2/maixstream" 2>"$dir/work/sbom.log" ||
      { cat "$dir/work/sbom.log" >&2; exit 1; }
  )
  # Linked libraries that are not Go modules.
  jq --arg version "$LIBJPEG_TURBO_VERSION" --arg sha256 "$LIBJPEG_TURBO_SHA256" '
    del(.metadata.tools[].hashes) # of the tool as it was built here
    | .metadata.component.licenses = [{license: {id: "Apache-2.0"}}]
    | .metadata.component.copyright = "the maixstream authors"
    | .components += [{
        "bom-ref": "pkg:generic/libjpeg-turbo@\($version)", type: "library", name: "libjpeg-turbo", version: $version, scope: "required",
        purl: "pkg:generic/libjpeg-turbo@\($version)",
        hashes: [{alg: "SHA-256", content: $sha256}],
        licenses: [{license: {id: "IJG"}}, {license: {id: "BSD-3-Clause"}}, {license: {id: "Zlib"}}],
        externalReferences: [{type: "vcs", url: "https://github.com/libjpeg-turbo/libjpeg-turbo"}]}]
    | .metadata.component["bom-ref"] as $self
    | .dependencies |= map(if .ref == $self then .dependsOn += ["pkg:generic/libjpeg-turbo@\($version)"] else . end)
    ' "$dir/work/sbom.json" >"$2/sbom.cdx.json"
}

"$go" build -o "$dir/work/notices" ./toolchain/notices
echo "building the packaging tools"
for name in cyclonedx-gomod nfpm; do
  built=$("${tool[@]}" -n $name 2>"$dir/work/tools.log") || { cat "$dir/work/tools.log" >&2; exit 1; }
  cp "$built" "$dir/work/$name"
done

# pc ARCH: for other machines with Linux.
pc() {
  local arch=$1 stage
  stage=$dir/work/$arch/maixstream-$release-linux-$arch
  mkdir -p "$stage"
  MAIXSTREAM_CACHE=$cache MAIXSTREAM_LDFLAGS=$ldflags toolchain/dist/program.sh $arch "$stage/maixstream"
  # shellcheck disable=SC2012
  describe $arch "$stage" "$(ls -td "$cache/libjpeg-$arch-"*/ok | head -n 1 | xargs dirname)"
  # The oldest glibc with every function, in the versions that the program was linked with.
  GLIBC=$(readelf --dyn-syms --wide "$stage/maixstream" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)
  export GLIBC=${GLIBC#GLIBC_} ARCH=$arch STAGE=$dir/work/$arch/deb
  cp -R "$common" "$STAGE"
  cp "$stage/maixstream" "$stage/NOTICES" "$stage/sbom.cdx.json" "$STAGE/"
  "$dir/work/nfpm" package --config packaging/nfpm.yaml --packager deb --target "$dir/maixstream_${release}_$arch.deb" >"$dir/work/nfpm.log" 2>&1 ||
    { cat "$dir/work/nfpm.log" >&2; exit 1; }
  cp -R "$common"/{maixstream.bash,_maixstream,maixstream.fish,maixstream.1,docs} packaging/maixstream.yaml packaging/systemd LICENSE "$stage/"
  cp "$stage/sbom.cdx.json" "$dir/maixstream-$release-linux-$arch.cdx.json"
  archive "maixstream-$release-linux-$arch.tar.gz" "$stage"
}

# board: for a MaixCAM.
board() {
  local stage settings libjpeg offset
  stage=$dir/work/riscv64/maixstream-$release-linux-riscv64-musl
  mkdir -p "$stage"
  cp "${BOARD_PROGRAM:?dist.sh: BOARD_PROGRAM must name the board\'s program (make device)}" "$stage/maixstream"
  settings=$(toolchain/env.sh)
  libjpeg=$(eval "$settings" && echo "$LIBJPEG")
  describe riscv64 "$stage" "$libjpeg"
  cp -R toolchain/flash/onboard/S99maixstream packaging/maixstream.yaml "$common/docs" LICENSE "$stage/"
  # Offset of the loader's name in the program: images use three names, and the installer writes the right one there.
  offset=$(readelf --program-headers --wide "$stage/maixstream" | awk '$1 == "INTERP" {print $2}')
  sed "s/@OFFSET@/$((offset))/" packaging/board/install.sh >"$stage/install.sh"
  chmod 755 "$stage/install.sh" "$stage/S99maixstream" "$stage/maixstream"
  cp "$stage/sbom.cdx.json" "$dir/maixstream-$release-linux-riscv64-musl.cdx.json"
  archive "maixstream-$release-linux-riscv64-musl.tar.gz" "$stage"
}

for arch in $ARCHES; do
  case "$arch" in riscv64) board ;; *) pc "$arch" ;; esac
done

rm -rf "$dir/work"
(cd "$dir" && sha256sum maixstream* >SHA256SUMS && ls -l)
