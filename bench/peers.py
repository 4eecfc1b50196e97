#!/usr/bin/env python3
"""Compares servers by the CPU time they need for a request. Started by bench/peers.sh."""
import argparse
import datetime
import os
import platform
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

import peers_report
from peers_load import LOAD_CPU, describe, measure
from peers_rows import ROWS, choose
from peers_servers import SERVER_CPU, SERVERS, Site, first_line

QUICK_SCALE = 0.02


def machine(options, servers):
    with open("/proc/cpuinfo") as file:
        cpu = re.search(r"model name\s*: (.*)", file.read())
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "kernel": platform.release(),
        "cpu": "%d x %s" % (os.cpu_count(), cpu.group(1) if cpu else platform.machine()),
        "h2load": first_line(["h2load", "--version"], r"nghttp2/(\S+)"),
        "versions": {server.name: server.version() for server in servers},
        "rounds": options.rounds,
        "rounds_done": 0,
        "scale": options.scale,
    }


def servers_of(row, servers):
    return [server for server in servers if server.name in row.servers]


def say(text):
    print(text, file=sys.stderr, flush=True)


class Run:
    """The rounds: every server does every row in each. What fails is told and left out; halo's failure ends it."""

    name_width = 14

    def __init__(self, rows, servers, options):
        self.rows = rows
        self.servers = servers
        self.options = options
        self.figures = {row.name: {server.name: [] for server in servers_of(row, servers)} for row in rows}
        self.failed = set()
        self.rounds_done = 0
        self.ends_at = time.monotonic() + options.minutes * 60

    def one(self, turn, row, server):
        if (row.name, server.name) in self.failed:
            return
        began = time.monotonic()
        try:
            value = self.measure(server, row)
        except (RuntimeError, subprocess.SubprocessError) as error:
            if server.name == "halo":
                raise
            server.check_alive()
            say("peers: left out: %s" % error)
            self.failed.add((row.name, server.name))
            self.figures[row.name][server.name] = []
            return
        self.figures[row.name][server.name].append(value)
        say("round %d  %-*s %-8s %s %5.1f s" % (
            turn + 1, self.name_width, row.name, server.name, self.text(row, value), time.monotonic() - began))

    def measure(self, server, row):
        return measure(server, row, self.options.scale)

    def text(self, row, value):
        return "%10s %-4s" % (peers_report.number(value), row.unit)

    def all(self):
        for turn in range(self.options.rounds):
            for row in self.rows:
                # Memory does not depend on what else the machine does: twice is enough.
                if row.kind == "memory" and turn >= 2:
                    continue
                here = servers_of(row, self.servers)
                # Another one begins in every round, so that nobody is always first or behind the same one.
                shift = turn % len(here) if here else 0
                for server in here[shift:] + here[:shift]:
                    if time.monotonic() > self.ends_at:
                        say("peers: %g minutes are over" % self.options.minutes)
                        return
                    self.one(turn, row, server)
            self.rounds_done = turn + 1


def parse_limits(parser, texts):
    try:
        limits = {row: float(limit) for row, limit in (text.split("=") for text in texts)}
    except ValueError:
        parser.error("--max takes ROW=RATIO")
    for name in limits:
        if name not in ROWS:
            parser.error("no row %s; there are %s" % (name, " ".join(ROWS)))
    return limits


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/peers.sh")
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--rows")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--servers", default=",".join(SERVERS))
    parser.add_argument("--max", action="append", default=[], metavar="ROW=RATIO")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--json")
    parser.add_argument("--html")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    options.max = parse_limits(parser, options.max)
    if options.rows is None:
        options.rows = ",".join(options.max) or "all"
    try:
        options.rows = choose(options.rows.split(","))
    except ValueError as unknown:
        parser.error("no row %s; there are %s" % (unknown, " ".join(ROWS)))
    missing = [name for name in options.max if name not in [row.name for row in options.rows]]
    if missing:
        parser.error("--max for %s, which is not among --rows" % missing[0])
    options.servers = options.servers.split(",")
    for name in options.servers:
        if name not in SERVERS:
            parser.error("no server %s; there are %s" % (name, " ".join(SERVERS)))
    if options.quick:
        options.scale *= QUICK_SCALE
    if options.rounds is None:
        options.rounds = 1 if options.quick else 5
    if options.rounds < 1 or not options.scale > 0 or not options.minutes > 0:
        parser.error("--rounds, --scale and --minutes must be positive")
    return options


def print_rows(rows):
    for row in rows:
        print("%-14s %-50s %4d x %2d, %7d requests, at most %.2f of %s" % (
            row.name, row.title, row.connections, row.streams, row.requests, row.target,
            "the best peer" if row.against == "best" else row.against))


def start_servers(names, site, build, started):
    """Starts what is installed; each is in `started` before, so that the caller can end it."""
    for name in names:
        server = SERVERS[name](site, build)
        if server.program() is None:
            say("peers: %s is not there and left out" % name)
            continue
        started.append(server)
        server.start()


def prepare_process():
    if not {int(SERVER_CPU), int(LOAD_CPU)} <= os.sched_getaffinity(0):
        raise RuntimeError("this needs CPUs %s and %s: one for the server and one for the load" % (
            SERVER_CPU, LOAD_CPU))
    os.sched_setaffinity(0, {int(LOAD_CPU)})
    # Inherited by the servers: thousands of connections are held.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))


def command_lines(rows, servers, scale):
    loads = {}
    for row in rows:
        here = servers_of(row, servers)
        if here:
            # The floor's own client only when nobody else is in the row.
            loads[row.name] = describe(min(here, key=lambda one: one.name == "floor"), row, scale)
    return loads


def measure_all(options, directory):
    """Results, servers' names, facts about the run, and command lines; prints the table."""
    servers = []
    try:
        start_servers(options.servers, Site(directory), options.build, servers)
        about = machine(options, servers)
        run = Run(options.rows, servers, options)
        try:
            run.all()
        except KeyboardInterrupt:
            say("peers: interrupted; this is what there is")
            about["interrupted"] = True
        about["rounds_done"] = run.rounds_done
        loads = command_lines(options.rows, servers, options.scale)
        results = [peers_report.Result(row, run.figures[row.name]) for row in options.rows]
        names = [server.name for server in servers]
        peers_report.print_table(results, names, about)
        peers_report.print_commands(servers, loads)
    finally:
        for server in servers:
            server.stop()
    return results, names, about, loads


def check_limits(results, limits):
    ratios = {result.row.name: result.ratio() for result in results}
    status = 0
    for name, limit in limits.items():
        if ratios[name] is None or ratios[name] > limit:
            say("peers: %s: the ratio is %s, more than %.2f" % (
                name, "not measured" if ratios[name] is None else "%.3f" % ratios[name], limit))
            status = 1
    return status


def main():
    options = parse_arguments()
    if options.list:
        print_rows(options.rows)
        return 0
    prepare_process()
    with tempfile.TemporaryDirectory(prefix="halo-peers.") as directory:
        results, names, about, loads = measure_all(options, directory)
    stem = os.path.join(options.build, "peers")
    for path, write in ((options.json or stem + ".json",
                         lambda path: peers_report.write_json(path, results, about, loads)),
                        (options.html or stem + ".html",
                         lambda path: peers_report.write_page(path, results, names, about, loads))):
        write(path)
        print("written: " + path)
    return 130 if about.get("interrupted") else check_limits(results, options.max)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        say("peers: %s" % error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
