#!/usr/bin/env bash
# Which rows of Node's http2 surface (tests/parity/rows.tsv) are proved, by group and layer.
#
#   scripts/parity.sh [--run] [--strict] [--log FILE...]
#
#   --run         run the tests of build/debug first (it is built when it is not there)
#   --strict      fail while a row is not proved
#   --log FILE    meson's testlog.json to read, several times for several; default: the newest of build/*
#
# A test proves a row in a layer when its name says so, test_P06_P07_session_..., and it passed.
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
        scripts/build.sh debug >/dev/null
        meson test -C build/debug --suite session --suite unit --quiet || true
        ;;
    *) arguments+=("$1") ;;
    esac
    shift
done
exec python3 scripts/parity.py ${arguments[@]+"${arguments[@]}"}
