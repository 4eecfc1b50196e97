#!/usr/bin/env python3
"""Counts what the parts of halo take by themselves, and prints a table. Started by bench/micro.sh."""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import engine
import hpack_bench

TIMED_RUNS = 5
RUN_SECONDS = 300
ENGINE_MAX = {"halo": 1800}


class Job:
    """One command line of a program that prints "units nanoseconds octets-copied". `unit` is what a figure is
    for, of which the program's units make up `units_in` each."""

    def __init__(self, group, name, command, counted, timed, unit, units_in=1):
        self.group = group
        self.name = name
        self.command = command
        self.counted = counted # rounds under callgrind
        self.timed = timed     # rounds by the clock
        self.unit = unit
        self.units_in = units_in


def jobs(build, identity):
    def program(name):
        return os.path.join(build, "bench", name)
    found = [
        Job("frames", "header", [program("frame_bench"), "header"], 640, 64000, "header"),
        Job("frames", "DATA of 1 KiB", [program("frame_bench"), "data-1k"], 5000, 500000, "frame"),
        Job("frames", "DATA of 16 KiB", [program("frame_bench"), "data-16k"], 5000, 500000, "frame"),
    ]
    for way in ("seal", "open"):
        found.append(Job("tls", "%s 64 octets" % way, [program("tls_bench"), way, "64"] + identity, 2000, 200000,
                         "record", 64))
        for kib in (1, 16, 64):
            found.append(Job("tls", "%s %d KiB" % (way, kib), [program("tls_bench"), way, str(kib * 1024)] + identity,
                             800 // kib, 40000 // kib, "KiB", 1024))
    for job in ("add", "later", "sooner", "cancel", "expire"):
        found.append(Job("timers", job, [program("timers_bench"), job], 2, 100, "timer"))
    return found


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS)
    if done.returncode != 0:
        raise RuntimeError("%s failed:\n%s" % (" ".join(command), done.stderr[-2000:]))
    return done


def scaled(rounds, scale):
    return str(max(int(rounds * scale), 1))


def measure(job, scale):
    """Instructions, nanoseconds and octets copied for one of job.unit. The clock: the best of some runs, which
    other programs have disturbed least."""
    with tempfile.NamedTemporaryFile() as out:
        counted = run(["valgrind", "--tool=callgrind", "--collect-atstart=no",
                       "--callgrind-out-file=" + out.name] + job.command + [scaled(job.counted, scale)])
    units = int(counted.stdout.split()[0]) / job.units_in
    instructions = int(re.search(r"Collected : (\d+)", counted.stderr).group(1)) / units
    best = None
    for _ in range(TIMED_RUNS):
        figures = [int(text) for text in run(job.command + [scaled(job.timed, scale)]).stdout.split()]
        ns = figures[1] * job.units_in / figures[0]
        best = ns if best is None else min(best, ns)
    row = {"group": job.group, "name": job.name, "unit": job.unit, "instructions": instructions, "ns": best}
    if job.group == "tls":
        row["copies"] = figures[2] / figures[0]
    return row


def measure_engine(build, scale):
    program = os.path.join(build, "bench", "engine_bench")
    base = None
    with tempfile.TemporaryDirectory() as directory:
        for variant, title in engine.VARIANTS:
            found = engine.measure(program, variant, max(int(200 * scale), 1), os.path.join(directory, variant))
            base = base or found["instructions"]
            row = {"group": "engine", "name": title, "unit": "request", "instructions": found["instructions"],
                   "ns": found["ns"], "to_nghttp2": found["instructions"] / base}
            if variant in ENGINE_MAX:
                row["instructions_max"] = ENGINE_MAX[variant]
            yield row


def measure_hpack(build, scale):
    for found in hpack_bench.measure(os.path.join(build, "bench", "hpack_bench"), max(int(100 * scale), 1)):
        yield {"group": "hpack", "name": found["job"] + " " + found["list"],
               "unit": "octet" if found["job"].startswith("huffman") else "field",
               "instructions": found["halo"], "to_nghttp2": found["ratio"], "ratio_max": found["target"]}


# ---- the table ----------------------------------------------------------------------------------

LINE = "%-7s %-34s %-8s %12s %10s %11s %7s %8s %s"


def verdict(row):
    if "instructions_max" in row:
        limit, found = row["instructions_max"], row["instructions"]
    elif "ratio_max" in row:
        limit, found = row["ratio_max"], row["to_nghttp2"]
    else:
        return "", ""
    return "%g" % round(limit, 2), "met" if found <= limit else "missed"


def print_row(row):
    def text(name, form):
        return form % row[name] if name in row else ""
    per_second = "%.3g" % (1e9 / row["ns"]) if row.get("ns") else ""
    limit, said = verdict(row)
    print((LINE % (row["group"], row["name"], row["unit"], text("instructions", "%.1f"), text("ns", "%.1f"),
                   per_second, text("copies", "%.2f"), text("to_nghttp2", "%.3f"),
                   ("<= " + limit + " " + said) if limit else "")).rstrip(), flush=True)


def print_head():
    print("Instructions by callgrind and nanoseconds by the clock, for one unit. copies: octets that memcpy and "
          "memmove\ncarry for an octet of plaintext. nghttp2: instructions against libnghttp2's for the same.\n")
    print(LINE % ("", "", "unit", "instructions", "ns", "a second", "copies", "nghttp2", "at most"))


def make_identity(directory):
    identity = [os.path.join(directory, name) for name in ("certificate.pem", "key.pem")]
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "7",
         "-subj", "/CN=localhost", "-keyout", identity[1], "-out", identity[0]])
    return identity


def all_rows(options, identity):
    scale = 0.05 if options.quick else 1
    wanted = options.only
    if "engine" in wanted:
        yield from measure_engine(options.build, scale)
    for job in jobs(options.build, identity):
        if job.group not in wanted:
            continue
        if os.access(job.command[0], os.X_OK):
            yield measure(job, scale)
        else:
            print("micro: %s is not there and left out" % job.command[0], file=sys.stderr)
    if "hpack" in wanted:
        yield from measure_hpack(options.build, scale)


def main():
    groups = ("engine", "frames", "tls", "timers", "hpack")
    parser = argparse.ArgumentParser(prog="bench/micro.sh")
    parser.add_argument("--build", required=True)
    parser.add_argument("--only", default=",".join(groups))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    options.only = options.only.split(",")
    for name in options.only:
        if name not in groups:
            parser.error("no group %s; there are %s" % (name, " ".join(groups)))
    rows = []
    with tempfile.TemporaryDirectory(prefix="halo-micro.") as directory:
        identity = make_identity(directory)
        print_head()
        for row in all_rows(options, identity):
            print_row(row)
            rows.append(row)
    path = options.json or os.path.join(options.build, "micro.json")
    with open(path, "w") as file:
        json.dump(rows, file, indent=2)
        file.write("\n")
    print("\nwritten: " + path)


if __name__ == "__main__":
    try:
        main()
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        print("micro: %s" % error, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
