#!/usr/bin/env bash
# Instructions per request of halo's engine alone, beside libnghttp2's, counted by callgrind.
#
#   bench/engine.sh [--batches N] [--max N] [--profile [VARIANT]] [--json FILE] [--build DIR]
#
#   --batches N     how many batches of 32 requests are counted (default 200)
#   --max N         fail when halo needs more instructions per request with plain lists
#   --max-set N     the same with a prepared header set and date as a plain field
#   --max-set-all N the same with date in the set
#   --profile       also print where halo's instructions go; VARIANT is halo (default), halo-set or halo-set-all
#   --json FILE     write the figures to FILE as well
#   --build DIR     measure the programs of this build as they are (default: build/release, made anew)
#
# What is done for a request is described at the top of bench/engine_bench.c. Instruction counts do not
# depend on what else the machine does; the nanoseconds do, and are for orientation.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=bench/options.sh
. bench/options.sh
make_build build bench
[ -x "$build/bench/engine_bench" ] || {
    echo "engine: no $build/bench/engine_bench: it is built where libnghttp2-dev and valgrind are installed" >&2
    exit 1
}
exec python3 bench/engine.py --program "$build/bench/engine_bench" ${arguments[@]+"${arguments[@]}"}
