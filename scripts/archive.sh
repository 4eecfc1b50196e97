#!/usr/bin/env bash
# Makes libhalo.a out of halo's objects and the parts of other libraries that they use.
#
#   scripts/archive.sh OUTPUT OBJECTS.a [LIBRARY.a...] -- CC [FLAG...]
#
# Everything is linked into one relocatable object, in which all names but halo_* are then made
# local. So an application may have a wolfSSL or llhttp of its own, of any version.
set -euo pipefail

output=$1
objects=$2
shift 2
libraries=()
while [ "$1" != -- ]; do
    libraries+=("$1")
    shift
done
shift

work=$(mktemp -d "$output.XXXXXX")
trap 'rm -rf "$work"' EXIT

# All of halo, and of the libraries the members that something refers to. Sections stay separate
# in a relocatable link; those that no public function reaches are dropped here already.
keep=()
while read -r symbol; do
    keep+=("-Wl,-u,$symbol")
done < <(${NM:-nm} --defined-only --extern-only --format=posix "$objects" 2>/dev/null | awk '$1 ~ /^halo_/ { print $1 }')

"$@" -r -nostdlib -o "$work/halo.o" -Wl,--gc-sections "${keep[@]}" \
    -Wl,--whole-archive "$objects" -Wl,--no-whole-archive \
    -Wl,--start-group "${libraries[@]}" -Wl,--end-group

${OBJCOPY:-objcopy} --wildcard --keep-global-symbol='halo_*' "$work/halo.o"

${AR:-ar} rcsD "$work/libhalo.a" "$work/halo.o"
mv "$work/libhalo.a" "$output"
