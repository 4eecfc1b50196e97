#!/usr/bin/env python3
"""Sweeps connections, streams and bodies, and checks what must not grow. Started by bench/shape.sh."""
import argparse
import os
import subprocess
import sys
import tempfile
import time

import peers
import shape_report
from peers import QUICK_SCALE, prepare_process, say, start_servers
from peers_servers import SERVERS, Site
from shape_checks import CHECKS, Context, run_checks
from shape_load import measure_point
from shape_points import BODIES, SERVERS_OF_SHAPE, SWEEPS, body_path, choose

PARTS = list(CHECKS) + list(SWEEPS)
TRANSPORTS = ("h2c", "tls")


class ShapeRun(peers.Run):
    """The rounds over all points of the sweeps."""

    name_width = 22

    def measure(self, server, row):
        return measure_point(server, row, self.options.scale)

    def text(self, row, value):
        return "%9.2f us %9.0f/s" % (value.cpu_us, value.rate)


def named(parser, option, texts, names):
    try:
        return choose(texts.split(","), names)
    except ValueError as unknown:
        parser.error("%s: no %s; there are %s" % (option, unknown, " ".join(names)))


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/shape.sh")
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--parts", default="all")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--check-rounds", type=int)
    parser.add_argument("--servers", default=",".join(SERVERS_OF_SHAPE[:-1]))
    parser.add_argument("--transports", default="h2c")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json")
    parser.add_argument("--html")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    options.parts = named(parser, "--parts", options.parts, PARTS)
    options.servers = named(parser, "--servers", options.servers, list(SERVERS_OF_SHAPE))
    options.transports = named(parser, "--transports", options.transports, list(TRANSPORTS))
    if options.quick:
        options.scale *= QUICK_SCALE
    if options.rounds is None:
        options.rounds = 1 if options.quick else 2
    if options.check_rounds is None:
        options.check_rounds = 1 if options.quick else 3
    if min(options.rounds, options.check_rounds) < 1 or not options.scale > 0 or not options.minutes > 0:
        parser.error("--rounds, --check-rounds, --scale and --minutes must be positive")
    return options


def chosen_sweeps(options):
    """(transport, sweep, points)"""
    return [(transport, SWEEPS[name], SWEEPS[name].points(transport, options.quick))
            for transport in options.transports for name in options.parts if name in SWEEPS]


def print_parts(options):
    for name in options.parts:
        if name in CHECKS:
            print("%-16s (check)" % name)
    for transport, sweep, points in chosen_sweeps(options):
        print("%-16s %s: %s" % (sweep.name, sweep.title, " ".join(point.label for point in points)))
        for point in points:
            print("    %-24s %s" % (point.name, shape_report.load_text(point)))


def run_sweeps(sweeps, servers, options, ends_at):
    points = [point for _, _, of_sweep in sweeps for point in of_sweep]
    run = ShapeRun(points, servers, options)
    run.ends_at = ends_at
    interrupted = False
    try:
        run.all()
    except KeyboardInterrupt:
        say("shape: interrupted; this is what there is")
        interrupted = True
    results = [shape_report.SweepResult(transport, sweep, of_sweep, run.figures)
               for transport, sweep, of_sweep in sweeps]
    return results, run.rounds_done, interrupted


def measure_all(options, directory):
    """Everything, as shape_report has it."""
    ends_at = time.monotonic() + options.minutes * 60
    site = Site(directory)
    for octets in BODIES:
        site.write(body_path(octets), os.urandom(octets))
    context = Context(options, site, lambda: time.monotonic() > ends_at, say)
    outcomes = run_checks([name for name in options.parts if name in CHECKS], context)
    sweeps = chosen_sweeps(options)
    servers = []
    try:
        start_servers(options.servers, site, options.build, servers)
        about = peers.machine(options, servers)
        results, about["rounds_done"], about["interrupted"] = run_sweeps(sweeps, servers, options, ends_at)
        about["check_rounds"] = options.check_rounds
        about["commands"] = shape_report.commands_of(servers)
    finally:
        for server in servers:
            server.stop()
    return shape_report.Report(about, outcomes, results)


def main():
    options = parse_arguments()
    if options.list:
        print_parts(options)
        return 0
    prepare_process()
    with tempfile.TemporaryDirectory(prefix="halo-shape.") as directory:
        report = measure_all(options, directory)
    shape_report.print_report(report)
    stem = os.path.join(options.build, "shape")
    for path, write in ((options.json or stem + ".json", shape_report.write_json),
                        (options.html or stem + ".html", shape_report.write_page)):
        write(path, report)
        print("written: " + path)
    if report.about["interrupted"]:
        return 130
    missed = [outcome.name for outcome in report.outcomes if outcome.verdict() == "missed"]
    if missed and not options.quick:
        say("shape: missed: " + " ".join(missed))
    return 1 if missed and options.strict else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        say("shape: %s" % error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
