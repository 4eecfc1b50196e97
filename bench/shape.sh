#!/usr/bin/env bash
# The shape of the cost: server CPU per request and requests/s as connections, streams and bodies grow, beside h2o,
# nghttpd and nginx; and what must not grow: the cost with 9,900 idle connections beside, with a second worker, with
# the streams that were there before.
#
#   bench/shape.sh [--parts PART,...] [--rounds N] [--check-rounds N] [--servers NAME,...] [--transports h2c,tls]
#                  [--quick] [--minutes N] [--strict] [--json FILE] [--html FILE] [--scale X] [--build DIR] [--list]
#
#   --parts        which sweeps and checks: names, patterns, or all (default); --list shows them
#   --rounds       interleaved rounds of the sweeps, of which the median counts (default 2)
#   --check-rounds the same of the checks (default 3)
#   --servers      a selection of halo,h2o,nghttpd,nginx,node (default: all but node)
#   --transports   h2c (default), tls or both
#   --quick        one round of a few points with a fiftieth of the requests: shows that everything works, its figures
#                  mean nothing
#   --minutes      no measurement is begun after so many (default 30); what there is then is the result
#   --strict       fail when a check misses its target
#   --json         where everything that was measured is written (default: DIR/shape.json of the build)
#   --html         where the same is written as a page with plots (default: DIR/shape.html)
#   --scale        multiplies the number of requests (default 1)
#   --build        the build whose programs are measured as they are (default: build/release, made anew)
#
# As bench/peers.sh, whose parts it uses: servers on CPU 0, one load at a time on CPU 1, CPU time as the scheduler
# accounts it; the same packages, and only processes that it started are ended. docs/performance.md says what
# the parts mean.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=bench/options.sh
. bench/options.sh
case " ${arguments[*]-} " in
*" --list "*) exec python3 bench/shape.py "${arguments[@]}" ;;
esac
make_build build bench
exec python3 bench/shape.py --build "$build" ${arguments[@]+"${arguments[@]}"}
