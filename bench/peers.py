#!/usr/bin/env python3
"""Compares servers by the CPU time they need for a request. Started by bench/peers.sh."""
import argparse
import datetime
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile

from peers_servers import SERVERS, Site, first_line

LOAD_CPU = "1"
LOAD_SECONDS = 180
# Every server speaks it, and all are to encrypt alike.
CIPHER = "TLS_AES_128_GCM_SHA256"


class Row:
    """One command line of h2load. `requests` is so high that opening the connections (about 25 us each, 200 us
    with TLS) is less than 1 % of what the quickest server needs for all of them."""

    def __init__(self, name, connections, streams, requests, target):
        self.name = name
        self.transport = name.split("-")[0]
        self.connections = connections
        self.streams = streams
        self.requests = requests
        self.target = target

    def command(self, server, requests):
        if server.name == "floor":
            return [server.program(), "load", str(server.ports["h2c"]), str(self.connections), str(self.streams),
                    str(requests)]
        command = ["h2load", "-t", "1", "-c", str(self.connections), "-m", str(self.streams),
                   "-n", str(requests)]
        if self.transport == "tls":
            command += ["--tls13-ciphers=" + CIPHER]
        return command + [server.url(self.transport)]


ROWS = {row.name: row for row in (
    #    name        connections, streams, requests, ratio to h2o at most
    Row("h2c-16x32", 16, 32, 400000, 0.35),
    Row("h2c-64x1", 64, 1, 100000, 0.70),
    Row("h2c-512x1", 512, 1, 200000, 0.67),
    Row("h2c-1x1", 1, 1, 20000, 0.71),
    Row("tls-16x32", 16, 32, 600000, 0.42),
    Row("tls-64x1", 64, 1, 160000, 0.60),
    Row("tls-512x1", 512, 1, 600000, 0.50),
    Row("tls-1x1", 1, 1, 20000, 0.58),
)}
USUAL_ROWS = "h2c-16x32,h2c-64x1,tls-16x32,tls-64x1"


def check_load(server, row, requests, output):
    """Stops when a request failed or TLS is not what it should be: such figures mean nothing."""
    if server.name == "floor":
        return
    done = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", output)
    statuses = re.search(r"status codes: (\d+) 2xx", output)
    if done is None or int(done.group(1)) != requests or int(statuses.group(1)) != requests:
        raise RuntimeError("%s, %s: not all requests succeeded:\n%s" % (row.name, server.name, output))
    if row.transport == "tls":
        protocol = re.search(r"TLS Protocol: (\S+)", output)
        cipher = re.search(r"Cipher: (\S+)", output)
        if protocol.group(1) != "TLSv1.3" or cipher.group(1) != CIPHER:
            raise RuntimeError("%s, %s: not TLS 1.3 with %s" % (row.name, server.name, CIPHER))


def measure(server, row, requests):
    """Server CPU in microseconds per request."""
    command = ["taskset", "-c", LOAD_CPU] + row.command(server, requests)
    before = server.cpu_ns()
    load = subprocess.run(["setpriv", "--pdeathsig", "KILL"] + command, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=LOAD_SECONDS)
    after = server.cpu_ns()
    if load.returncode != 0:
        raise RuntimeError("%s failed:\n%s" % (" ".join(command), load.stdout[-2000:]))
    check_load(server, row, requests, load.stdout)
    return (after - before) / 1000 / requests


def machine():
    with open("/proc/cpuinfo") as file:
        cpu = re.search(r"model name\s*: (.*)", file.read())
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "kernel": platform.release(),
        "cpu": "%d x %s" % (os.cpu_count(), cpu.group(1) if cpu else platform.machine()),
        "h2load": first_line(["h2load", "--version"], r"nghttp2/(\S+)"),
    }


def run(rows, servers, rounds, scale):
    """{row: {server: [us per request, one a round]}}"""
    figures = {row.name: {server.name: [] for server in servers if row.transport in server.ports}
               for row in rows}
    for turn in range(rounds):
        for row in rows:
            here = [server for server in servers if row.transport in server.ports]
            # Another one begins in every round, so that nobody is always first or behind the same one.
            for server in here[turn % len(here):] + here[:turn % len(here)]:
                requests = max(int(row.requests * scale), row.connections * row.streams)
                us = measure(server, row, requests)
                figures[row.name][server.name].append(us)
                print("round %d  %-10s %-8s %8.3f us" % (turn + 1, row.name, server.name, us),
                      file=sys.stderr, flush=True)
    return figures


def ratio(figures, row):
    found = figures[row.name]
    if "halo" not in found or "h2o" not in found:
        return None
    return statistics.median(found["halo"]) / statistics.median(found["h2o"])


def print_table(rows, servers, figures, rounds):
    print("\nServer CPU per request in microseconds: median (lowest - highest) of %d rounds" % rounds)
    names = [server.name for server in servers]
    print("%-11s" % "" + "".join("%-25s" % name for name in names) + "halo/h2o  target")
    for row in rows:
        line = "%-11s" % row.name
        for name in names:
            values = figures[row.name].get(name)
            line += "%-25s" % ("-" if not values else "%.3f (%.3f - %.3f)" % (
                statistics.median(values), min(values), max(values)))
        found = ratio(figures, row)
        line += "%-9s %.2f" % ("-" if found is None else "%.3f" % found, row.target)
        print(line)


def print_commands(rows, servers, scale):
    print("\nServers, each on CPU 0:")
    for server in servers:
        print("  %-8s %-8s %s" % (server.name, server.version(), " ".join(server.command)))
    print("Load, on CPU 1 (floor: the same connections and requests in flight, 64 octets each way):")
    for row in rows:
        here = [server for server in servers if row.transport in server.ports]
        if here:
            # The floor's own client only when nobody else is in the row.
            server = min(here, key=lambda one: one.name == "floor")
            command = " ".join(row.command(server, int(row.requests * scale)))
            print("  %-10s %s" % (row.name, re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", command)))


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/peers.sh")
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--rows", default=USUAL_ROWS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--servers", default=",".join(SERVERS))
    parser.add_argument("--max", action="append", default=[], metavar="ROW=RATIO")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    options.rows = options.rows.split(",")
    options.servers = options.servers.split(",")
    for name in options.rows:
        if name not in ROWS:
            parser.error("no row %s; there are %s" % (name, " ".join(ROWS)))
    for name in options.servers:
        if name not in SERVERS:
            parser.error("no server %s; there are %s" % (name, " ".join(SERVERS)))
    try:
        options.max = {row: float(limit) for row, limit in (text.split("=") for text in options.max)}
    except ValueError:
        parser.error("--max takes ROW=RATIO")
    if options.rounds < 1 or not options.scale > 0:
        parser.error("--rounds and --scale must be positive")
    return options


def start_servers(names, site, build):
    """Starts what is installed and adds each to the list at once, so that the caller can end it."""
    for name in names:
        server = SERVERS[name](site, build)
        if server.program() is None:
            print("peers: %s is not there and left out" % name, file=sys.stderr)
            continue
        yield server


def main():
    options = parse_arguments()
    if options.list:
        for row in ROWS.values():
            print("%-10s %4d connections x %2d streams, %7d requests, at most %.2f of h2o" % (
                row.name, row.connections, row.streams, row.requests, row.target))
        return 0
    if len(os.sched_getaffinity(0)) < 2:
        raise RuntimeError("this needs two CPUs: one for the server and one for the load")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows = [ROWS[name] for name in options.rows]
    servers = []
    with tempfile.TemporaryDirectory(prefix="halo-peers.") as directory:
        try:
            site = Site(directory)
            for server in start_servers(options.servers, site, options.build):
                servers.append(server)
                server.start()
            about = machine()
            about["versions"] = {server.name: server.version() for server in servers}
            figures = run(rows, servers, options.rounds, options.scale)
            print("%s, Linux %s, %s, h2load %s" % (
                about["date"], about["kernel"], about["cpu"], about["h2load"]))
            print_table(rows, servers, figures, options.rounds)
            print_commands(rows, servers, options.scale)
        finally:
            for server in servers:
                server.stop()
    ratios = {row.name: ratio(figures, row) for row in rows}
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": about, "us_per_request": figures, "halo_to_h2o": ratios,
                       "rounds": options.rounds,
                       "rows": {row.name: vars(row) for row in rows}}, file, indent=2)
            file.write("\n")
    status = 0
    for name, limit in options.max.items():
        if ratios.get(name) is None or ratios[name] > limit:
            print("peers: %s: halo/h2o is %s, more than %.2f" % (
                name, "not measured" if ratios.get(name) is None else "%.3f" % ratios[name], limit),
                file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, subprocess.SubprocessError) as error:
        print("peers: %s" % error, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
