#!/usr/bin/env bash
# Which rows of Node's http2 surface (tests/parity/rows.tsv) are proved, by group and layer.
#
#   scripts/parity.sh [--run] [--strict] [--log FILE...]
#
#   --run         build build/debug and run its tests first
#   --strict      fail while a row is not proved
#   --log FILE    meson's testlog.json to read, several times for several; default: those of all
#                 build/* that were tested since the sources last changed, as scripts/test.sh leaves
#                 them
#
# A test proves a row in a layer when its name says so, test_P06_P07_session_..., or when the row
# names it, and it passed wherever it ran.
set -euo pipefail
cd "$(dirname "$0")/.."

arguments=()
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        sed -n '2,/^set /{/^#/s/^# \?//p}' "$0"
        exit 0
        ;;
    --run)
        HALO_SKIP_DEPS=1 scripts/build.sh debug >/dev/null
        # What has failed is not counted.
        meson test -C build/debug --no-rebuild --suite session --suite conform --suite unit --suite tidy --quiet >&2 ||
            true
        ;;
    *) arguments+=("$1") ;;
    esac
    shift
done
exec python3 scripts/parity.py ${arguments[@]+"${arguments[@]}"}
