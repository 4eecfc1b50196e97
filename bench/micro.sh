#!/usr/bin/env bash
# What the parts of halo take by themselves: the engine, frames, TLS records, timers, HPACK.
#
#   bench/micro.sh [--only GROUP,...] [--quick] [--json FILE] [--build DIR]
#
#   --only      a selection of engine,frames,tls,timers,hpack
#   --quick     a twentieth of the rounds: shows that everything works
#   --json      where the figures are written (default: DIR/micro.json of the build)
#   --build     the build whose programs are measured as they are (default: build/release, made anew)
#
# Prints instructions (callgrind), which do not depend on what else the machine does, and nanoseconds,
# which do. Needs the packages of "scripts/deps.sh bench"; about three minutes.
# docs/performance.md says what is done for each row.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=bench/options.sh
. bench/options.sh
make_build build bench
[ -x "$build/bench/engine_bench" ] || {
    echo "micro: no $build/bench/engine_bench: it is built where libnghttp2-dev and valgrind are installed" >&2
    exit 1
}
exec python3 bench/micro/micro.py --build "$build" ${arguments[@]+"${arguments[@]}"}
