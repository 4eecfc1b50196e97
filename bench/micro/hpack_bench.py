#!/usr/bin/env python3
"""Instructions of halo's HPACK against libnghttp2's, counted by callgrind.

    bench/micro/hpack_bench.py PROGRAM [ROUNDS]

PROGRAM is the built hpack_bench. Prints instructions per field (huffman: per octet of text) for
both, the ratio, and the target of the row.
"""
import re
import subprocess
import sys
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


def main():
    program = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    only = sys.argv[3] if len(sys.argv) > 3 else ""
    print("%-16s %-18s %9s %9s %7s %7s" % ("job", "list", "nghttp2", "halo", "ratio", "target"))
    for job, names, target in JOBS:
        if not job.startswith(only):
            continue
        for name in names:
            other = count(program, "nghttp2", job.replace("-prepared", "-same"), name, rounds)
            halo = count(program, "halo", job, name, rounds)
            print("%-16s %-18s %9.1f %9.1f %7.3f %7.2f%s" % (
                job, name, other, halo, halo / other, target,
                "" if halo / other <= target else "  missed"))


main()
