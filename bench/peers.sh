#!/usr/bin/env bash
# Server CPU per request and memory per connection: halo beside h2o, nghttpd, nginx, Node and a bare TCP server,
# in one run.
#
#   bench/peers.sh [--rows ROW,...] [--rounds N] [--servers NAME,...] [--quick] [--minutes N]
#                  [--max ROW=RATIO]... [--json FILE] [--html FILE] [--scale X] [--build DIR] [--list]
#
#   --rows      which rows: names, patterns ("tls-*"), usual (four rows) or all (default; with --max: those
#               that it names); --list shows them
#   --rounds    interleaved rounds, of which the median counts (default 5)
#   --servers   a selection of halo,h2o,nghttpd,nginx,node,floor
#   --quick     one round with a fiftieth of the requests: shows that everything works, its figures mean nothing
#   --minutes   no measurement is begun after so many (default 60); what there is then is the result
#   --max       fail when halo needs more than this ratio to its peer in a row; may be repeated
#   --json      where everything that was measured is written (default: DIR/peers.json of the build)
#   --html      where the same is written as a page with bars (default: DIR/peers.html)
#   --scale     multiplies the number of requests (default 1)
#   --build     the build whose programs are measured as they are (default: build/release, made anew)
#
# All servers run at once, each with one worker on CPU 0; one load at a time runs on CPU 1. The figure is
# the run time that the scheduler accounts to the server's threads and processes, which does not depend on who
# waits for whom. Needs two CPUs, the packages of "scripts/deps.sh bench" and, for its column, node. A row and
# round takes about ten seconds, all rows with five rounds half an hour. Only processes that it started are ended, by
# their numbers; they end with it, whatever ends it. docs/performance.md says what the rows mean.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=bench/options.sh
. bench/options.sh
case " ${arguments[*]-} " in
*" --list "*) exec python3 bench/peers.py "${arguments[@]}" ;;
esac
make_build build bench
exec python3 bench/peers.py --build "$build" ${arguments[@]+"${arguments[@]}"}
