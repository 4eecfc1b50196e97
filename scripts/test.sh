#!/usr/bin/env bash
# Builds halo in several ways and runs its tests. The last line is "N passed, N failed".
#
#   scripts/test.sh [--long] [--filter TEXT]
#
#   --long          the tests of the suite "long" too; each fuzzer for 20 minutes, not 10 seconds
#   --filter TEXT   only tests whose SUITE/NAME contains TEXT
#
# Environment: HALO_SKIP_DEPS=1 does not look for missing packages first.
set -uo pipefail
cd "$(dirname "$0")/.."

long=
filter=
while [ $# -gt 0 ]; do
    case $1 in
    --long) long=1 ;;
    --filter)
        [ $# -ge 2 ] || { echo "test: --filter needs a text" >&2; exit 2; }
        filter=$2
        shift
        ;;
    *)
        echo "usage: scripts/test.sh [--long] [--filter TEXT]" >&2
        exit 2
        ;;
    esac
    shift
done

if [ -z "${HALO_SKIP_DEPS:-}" ]; then
    scripts/deps.sh build test || { echo "0 passed, 1 failed"; exit 1; }
    # asan and clang are built with it where it can be had; release is without.
    [ "$(uname -m)" != x86_64 ] || scripts/deps.sh accel || echo "test: without libipsec-mb"
fi
export HALO_SKIP_DEPS=1

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# Unit tests report each of their cases; see scripts/test_report.py.
export CMOCKA_MESSAGE_OUTPUT=TAP

# Builds one type and runs its tests. $1: the type, then options of `meson test`. What happened
# is left in $logs/TYPE.*, one file per question that the report asks.
run_type() {
    local type=$1 started=$SECONDS names
    shift
    echo "== $type"
    if ! scripts/build.sh "$type" >"$logs/$type.build" 2>&1; then
        cat "$logs/$type.build"
        touch "$logs/$type.build-failed"
        return
    fi
    [ -n "$long" ] || set -- "$@" --no-suite long
    if [ -n "$filter" ]; then
        # Listed as "halo:SUITE / NAME"; meson itself takes whole names only.
        names=$(meson test -C "build/$type" --no-rebuild --list "$@" 2>/dev/null |
            sed -n 's/^halo:\([^ ]*\) \/ /\1\//p' | grep -F -- "$filter" | sed 's/^[^/]*\///')
        [ -n "$names" ] || return 0
        # shellcheck disable=SC2086 # names of tests hold no blanks
        set -- "$@" $names
    fi
    rm -f "build/$type/meson-logs/testlog.json"
    # The table of the interop tests is of what runs now.
    [ -n "$filter" ] || rm -rf "build/$type/interop" "build/$type/interop.md"
    meson test -C "build/$type" --no-rebuild --num-processes "$(nproc)" "$@" >"$logs/$type.run" 2>&1
    echo $? >"$logs/$type.status"
    cp "build/$type/meson-logs/testlog.json" "$logs/$type.json" 2>/dev/null || cat "$logs/$type.run"
    echo "   $((SECONDS - started)) s"
}

run_type release
# What the sources look like and how the archive is installed has been tested by then.
run_type asan --no-suite tidy --no-suite install --timeout-multiplier 3
run_type clang --suite unit --suite install
# The engine is the same without TLS.
run_type h2c --no-suite tidy --no-suite interop --no-suite stress --no-suite threads \
    --no-suite conform --no-suite sim --no-suite fuzz
run_type tsan --suite threads
# Everywhere above the kept inputs of the fuzzers were run once; here they are where it starts from,
# for ten seconds each.
run_type fuzz --suite fuzz

scripts/test_report.py "$logs"
