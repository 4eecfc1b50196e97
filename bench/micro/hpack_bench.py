#!/usr/bin/env python3
"""Instructions of halo's HPACK against libnghttp2's, counted by callgrind.

    bench/micro/hpack_bench.py PROGRAM [ROUNDS [JOB]] [--json FILE]

PROGRAM is the built hpack_bench; JOB a prefix of the jobs wanted. Prints instructions per field (huffman: per
octet of text) for both, the ratio, and the target of the row.
"""
import argparse
import json
import re
import subprocess
import tempfile

LISTS = ["browser-request", "api-request", "browser-response", "api-response"]
JOBS = [
    ("decode-same", LISTS, 0.25),
    ("decode-own", LISTS, 0.25),
    ("encode-same", LISTS, 0.30),
    ("encode-prepared", LISTS, 0.30),
    ("decode-changed", LISTS, 0.40),
    ("encode-changed", LISTS, 0.50),
    ("decode-first", LISTS, 0.40),
    ("encode-first", LISTS, 0.50),
    ("huffman-decode", LISTS[:1], 1 / 2.5),
    ("huffman-encode", LISTS[:1], 1 / 1.7),
]


def count(program, who, job, name, rounds):
    """Instructions per unit."""
    with tempfile.NamedTemporaryFile() as out:
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", "--collect-atstart=no",
             "--callgrind-out-file=" + out.name, program, who, job, name, str(rounds)],
            capture_output=True, text=True, check=True)
    collected = re.search(r"Collected : (\d+)", run.stderr)
    units = int(run.stdout.split()[0])
    return int(collected.group(1)) / rounds / units


def measure(program, rounds, only=""):
    """Yields what each job and list takes."""
    for job, names, target in JOBS:
        if not job.startswith(only):
            continue
        for name in names:
            other = count(program, "nghttp2", job.replace("-prepared", "-same"), name, rounds)
            halo = count(program, "halo", job, name, rounds)
            yield {"job": job, "list": name, "nghttp2": other, "halo": halo, "ratio": halo / other, "target": target}


def main():
    parser = argparse.ArgumentParser(prog="bench/micro/hpack_bench.py")
    parser.add_argument("program")
    parser.add_argument("rounds", type=int, nargs="?", default=100)
    parser.add_argument("job", nargs="?", default="")
    parser.add_argument("--json")
    options = parser.parse_args()
    rows = []
    print("%-16s %-18s %9s %9s %7s %7s" % ("job", "list", "nghttp2", "halo", "ratio", "target"))
    for row in measure(options.program, options.rounds, options.job):
        rows.append(row)
        print("%-16s %-18s %9.1f %9.1f %7.3f %7.2f%s" % (
            row["job"], row["list"], row["nghttp2"], row["halo"], row["ratio"], row["target"],
            "" if row["ratio"] <= row["target"] else "  missed"), flush=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
