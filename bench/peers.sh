#!/usr/bin/env bash
# Server CPU per request: halo beside h2o, nghttpd, nginx and a bare TCP server, in one run.
#
#   bench/peers.sh [--rows ROW,...] [--rounds N] [--servers NAME,...] [--max ROW=RATIO]... [--json FILE]
#                  [--scale X] [--build DIR] [--list]
#
#   --rows      which rows (default h2c-16x32,h2c-64x1,tls-16x32,tls-64x1); --list shows all
#   --rounds    interleaved rounds, of which the median counts (default 5)
#   --servers   a selection of halo,h2o,nghttpd,nginx,floor
#   --max       fail when halo needs more than this ratio to h2o in a row; may be repeated
#   --json      write everything that was measured to FILE as well
#   --scale     multiplies the number of requests (default 1)
#   --build     the build whose programs are measured as they are (default: build/release, made anew)
#
# All servers run at once, each with one worker on CPU 0; h2load loads one at a time from CPU 1. The
# figure is the run time that the scheduler accounts to the server's threads, which does not depend on
# who waits for whom. Needs two CPUs, the packages of "scripts/deps.sh bench", and about half a
# minute a row and round. Only processes that it started are ended, by their numbers.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=bench/options.sh
. bench/options.sh
if [ "${arguments[0]:-}" = --list ]; then
    exec python3 bench/peers.py --list
fi
make_build build bench
exec python3 bench/peers.py --build "$build" ${arguments[@]+"${arguments[@]}"}
