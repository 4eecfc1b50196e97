#!/usr/bin/env bash
# Builds with gcc's counters, runs the tests that drive the protocol engine, and prints which part of
# hpack/ and core/proto/ they ran: lines and branches per file, as gcov (of gcc) counts them.
#
#   scripts/coverage.sh [--min-lines PERCENT] [--min-branches PERCENT] [--uncovered] [--suite NAME]...
#
#   --min-lines, --min-branches   fail when less was run in all, say 97 and 92
#   --uncovered                   name each line and branch that was not run
#   --suite NAME                  count this suite of tests too (fuzz, sim, interop ...); always: unit and
#                                 session
#
# docs/coverage.md says what is left and why. Environment: HALO_SKIP_DEPS=1 does not look for missing
# packages first.
set -euo pipefail
cd "$(dirname "$0")/.."

suites=(--suite unit --suite session)
report=()
while [ $# -gt 0 ]; do
    case $1 in
    --min-lines | --min-branches | --suite)
        [ $# -ge 2 ] || { echo "coverage: $1 needs a value" >&2; exit 2; }
        if [ "$1" = --suite ]; then suites+=(--suite "$2"); else report+=("$1" "$2"); fi
        shift
        ;;
    --uncovered) report+=("$1") ;;
    *)
        sed -n '5,12s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
    shift
done

[ -n "${HALO_SKIP_DEPS:-}" ] || scripts/deps.sh build test
log=$(mktemp)
trap 'rm -f "$log"' EXIT
HALO_SKIP_DEPS=1 scripts/build.sh coverage >"$log" 2>&1 || { cat "$log"; exit 1; }
find build/coverage -name '*.gcda' -delete
status=0
meson test -C build/coverage --no-rebuild --num-processes "$(nproc)" "${suites[@]}" >"$log" 2>&1 || status=$?
[ "$status" = 0 ] || { cat "$log"; echo "coverage: tests failed; what follows is without them"; }
scripts/coverage.py . build/coverage ${report[@]+"${report[@]}"} || status=1
exit "$status"
