#!/usr/bin/env bash
# Formats the C sources in place by .clang-format (made for clang-format 14).
#
#   scripts/format.sh [--check] [file...]     default: all sources
#
# --check changes nothing, and fails when something would be changed.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v clang-format >/dev/null || {
    echo "format: clang-format is not installed (Debian: apt-get install clang-format)" >&2
    exit 1
}

mode=(-i)
if [ "${1:-}" = --check ]; then
    mode=(--dry-run --Werror)
    shift
fi

if [ $# -gt 0 ]; then
    files=("$@")
else
    mapfile -t files < <(find include hpack core tls server client bench examples tests \
        -name '*.[ch]' | sort)
fi
clang-format "${mode[@]}" "${files[@]}"
