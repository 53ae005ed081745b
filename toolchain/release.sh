#!/usr/bin/env bash
# release.sh vX.Y.Z: a release of that tag: everything in build/dist, with notes cut from CHANGELOG.md and checksums. It changes nothing
# outside of build and uploads nothing. The same tag yields the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
refuse() {
  echo "release.sh: $*" >&2
  exit 1
}
tag=${1:-}
[ $# -eq 1 ] && [[ $tag =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || { echo "usage: toolchain/release.sh vX.Y.Z (a tag of this repository)" >&2; exit 2; }

changed=$(git status --porcelain)
[ -z "$changed" ] || refuse "the tree has changes that are not in $tag; commit, stash or remove them:"$'\n'"$changed"
commit=$(git rev-parse -q --verify "refs/tags/$tag^{commit}") ||
  refuse "there is no tag $tag; give CHANGELOG.md its section, commit, and: git tag -a $tag -m 'maixstream $tag'"
[ "$commit" = "$(git rev-parse HEAD)" ] || refuse "$tag is commit ${commit:0:12}, and $(git rev-parse --short=12 HEAD) is checked out; run: git checkout $tag"

# The section is everything between "## X.Y.Z", optionally followed by a date, and the next heading of that kind.
notes=$(awk -v version="${tag#v}" '
  /^## / { name = $2; gsub(/^\[?v?|\]$/, "", name); inside = name == version; found += inside; next }
  inside { print }
  END { exit !found }' CHANGELOG.md) || refuse "CHANGELOG.md has no section \"## ${tag#v}\"; rename its section Unreleased, commit, and set the tag again"
[ -n "${notes//[[:space:]]/}" ] || refuse "the section \"## ${tag#v}\" of CHANGELOG.md is empty; write what users notice, commit, and set the tag again"

make --no-print-directory dist VERSION="$tag" COMMIT="${commit:0:12}"
cd build/dist
# Without the empty lines at both ends.
awk 'NF { for (; blank > 0; blank--) if (text) print ""; print; text = 1; blank = 0; next } { blank++ }' <<<"$notes" >NOTES.md
find . -maxdepth 1 -type f ! -name SHA256SUMS -printf '%f\n' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS
echo "release $tag is in build/dist: $(find . -maxdepth 1 -type f | wc -l) files; check them with: (cd build/dist && sha256sum -c SHA256SUMS)"
