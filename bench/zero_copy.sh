#!/usr/bin/env bash
# Is a send without a copy (io_uring's SEND_ZC) worth anything between two network namespaces with a veth pair?
#
#   bench/zero_copy.sh [rounds] [MiB]      default: 7 rounds of 1024 MiB
#
# Runs build/release/bench/zero_copy in turn, with the copy and without, for several sizes of a send, from memory
# and from a file (in the page cache, read into the block that is sent). Prints medians of the processor's time for a
# MiB: of the sender, which does most of the network's work as well, and of sender and receiver together; the
# ratio without/with the copy (above 1: the copy is cheaper); and for how many of the notifications the kernel
# said that it had copied after all. Needs root, to make the namespaces; removes them at the end.
#
# Environment: HALO_BENCH_PROGRAM, another build of the program.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-7}
mib=${2:-1024}
program=${HALO_BENCH_PROGRAM:-build/release/bench/zero_copy}
sizes=(16384 65536 131072)
giver=halo-give-$$
taker=halo-take-$$
directory=$(mktemp -d)

clean_up() {
    ip netns del "$giver" 2>/dev/null || true
    ip netns del "$taker" 2>/dev/null || true
    rm -rf "$directory"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

if [ ! -x "$program" ]; then
    echo "zero_copy.sh: no $program: scripts/build.sh release" >&2
    exit 2
fi
ip netns add "$giver"
ip netns add "$taker"
ip link add give0 netns "$giver" type veth peer name take0 netns "$taker"
ip -n "$giver" addr add 10.213.0.1/30 dev give0
ip -n "$taker" addr add 10.213.0.2/30 dev take0
ip -n "$giver" link set give0 up
ip -n "$taker" link set take0 up
head -c 104857600 /dev/urandom >"$directory/file"

# One run: appends "give_us take_us notified copied" to the file of its kind.
run() {
    local way=$1 from=$2 size=$3 port=$4 source=memory
    [ "$from" = memory ] || source=$directory/file
    rm -f "$directory/taken"
    timeout 120 ip netns exec "$taker" "$program" take 10.213.0.2 "$port" >"$directory/taken" &
    until grep -q ready "$directory/taken" 2>/dev/null; do sleep 0.02; done
    timeout 120 ip netns exec "$giver" "$program" give 10.213.0.2 "$port" "$way" "$source" "$size" "$mib" \
        >"$directory/given"
    wait $!
    cat "$directory/given" "$directory/taken" | tr '\n' ' ' |
        sed -E 's/cpu_us=([0-9]+) wall_us=[0-9]+ notified=([0-9]+) copied=([0-9]+).*cpu_us=([0-9]+).*/\1 \4 \2 \3\n/' \
            >>"$directory/$way-$from-$size"
}

port=20000
for ((round = 0; round < rounds; round++)); do
    for size in "${sizes[@]}"; do
        for from in memory file; do
            ways=(copy zero)
            [ $((round % 2)) -eq 0 ] || ways=(zero copy)
            for way in "${ways[@]}"; do
                port=$((port + 1))
                run "$way" "$from" "$size" "$port"
            done
        done
    done
done

DIRECTORY=$directory MIB=$mib python3 - "${sizes[@]}" <<'PYTHON'
import os
import statistics
import sys

directory, mib = os.environ["DIRECTORY"], int(os.environ["MIB"])


def rows(way, source, size):
    with open(os.path.join(directory, "%s-%s-%s" % (way, source, size))) as file:
        return [[int(word) for word in line.split()] for line in file]


print("microseconds for a MiB, medians; ratio: without / with the copy, medians of the rounds (least..most)")
print("%7s %-7s %17s %6s %17s %6s  %-12s %s" % ("octets", "from", "sender", "ratio", "both ends", "ratio",
                                                 "(least..most)", "copied after all"))
for size in sys.argv[1:]:
    for source in ("memory", "file"):
        copy, zero = rows("copy", source, size), rows("zero", source, size)
        cells = []
        for measure in (lambda row: row[0], lambda row: row[0] + row[1]):
            ratios = [measure(z) / measure(c) for z, c in zip(zero, copy)]
            cells += ["%7.0f / %7.0f" % tuple(statistics.median(measure(row) for row in some) / mib
                                              for some in (zero, copy)), "%6.2f" % statistics.median(ratios)]
        print("%7s %-7s %s %s %s %s  %-12s %d of %d" % (
            size, source, *cells, "(%.2f..%.2f)" % (min(ratios), max(ratios)),
            sum(row[3] for row in zero), sum(row[2] for row in zero)))
PYTHON
