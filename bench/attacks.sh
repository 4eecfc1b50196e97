#!/usr/bin/env bash
# Instructions that an attack costs the session, per frame of the attacker, counted by callgrind.
#
#   bench/attacks.sh [--build DIR] [--filter TEXT]
#
#   --build DIR     measure the programs of this build as they are (default: build/release, made anew)
#   --filter TEXT   only the attacks whose name holds TEXT
#
# The attacks are those of tests/session/attack_recipes.c, whose bounds session_attacks tests. Counted is what
# the session does from the octets of a frame to its answer (attack_feed), with the streams that
# the attack opens first, until the session ends, stops reading, or the recipe is over. A line of the
# table, in Markdown: frames, their octets, instructions per frame and per octet, memory, handlers started.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=bench/options.sh
. bench/options.sh

filter=
set -- ${arguments[@]+"${arguments[@]}"}
while [ $# -gt 0 ]; do
    [ "$1" = --filter ] || { echo "attacks: unknown option $1" >&2; exit 2; }
    [ $# -ge 2 ] || { echo "attacks: --filter needs a text" >&2; exit 2; }
    filter=$2
    shift 2
done
make_build build test bench
program=$build/tests/session/session_attacks
[ -x "$program" ] || { echo "attacks: no $program" >&2; exit 1; }

echo "| attack | frames | octets in | instructions a frame | an octet | octets out | memory | handlers |"
echo "|---|---|---|---|---|---|---|---|"
"$program" --names | grep -F -- "$filter" | while read -r name; do
    out=$(mktemp)
    log=$(mktemp)
    figures=$(valgrind --tool=callgrind --toggle-collect=attack_feed --callgrind-out-file="$out" \
        "$program" --play "$name" 1 2>"$log")
    instructions=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$log")
    rm -f "$out" "$log"
    read -r frames _ handlers _ memory octets_in octets_out <<<"$figures"
    awk -v name="$name" -v frames="$frames" -v octets="$octets_in" -v out="$octets_out" \
        -v memory="$memory" -v handlers="$handlers" -v instructions="$instructions" 'BEGIN {
        printf "| %s | %d | %d | %.0f | %s | %d | %d | %d |\n", name, frames, octets,
            instructions / frames, (octets ? sprintf("%.1f", instructions / octets) : "-"), out,
            memory, handlers
    }'
done
