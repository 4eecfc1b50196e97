#!/usr/bin/env python3
"""Runs bench/engine_bench under callgrind and prints the table. Started by bench/engine.sh."""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

VARIANTS = [
    ("nghttp2", "libnghttp2"),
    ("halo", "halo, plain lists"),
    ("halo-set", "halo, prepared set + date"),
    ("halo-set-all", "halo, prepared set"),
]
HALO_VARIANTS = [variant for variant, _ in VARIANTS if variant != "nghttp2"]
# Long enough that the clock sees more than the batches' jitter.
TIMED_BATCHES = 10000
PROFILE_LINES = 40


def fail(message):
    print("engine: " + message, file=sys.stderr)
    sys.exit(1)


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        fail("%s failed:\n%s" % (" ".join(command), done.stderr))
    return done


def measure(program, variant, batches, out):
    """Instructions and nanoseconds per request, and octets in and out."""
    counted = run(["valgrind", "--tool=callgrind", "--collect-atstart=no",
                   "--callgrind-out-file=" + out, program, variant, str(batches)])
    instructions = int(re.search(r"Collected : (\d+)", counted.stderr).group(1))
    requests = int(counted.stdout.split()[0])
    _, ns, octets_in, octets_out = run([program, variant, str(TIMED_BATCHES)]).stdout.split()
    return {
        "instructions": round(instructions / requests, 1),
        "ns": float(ns),
        "octets_in": float(octets_in),
        "octets_out": float(octets_out),
    }


def annotate(out, inclusive):
    """(instructions, function) by callgrind_annotate, largest first."""
    text = run(["callgrind_annotate", "--threshold=100", "--auto=no",
                "--inclusive=" + ("yes" if inclusive else "no"), out]).stdout
    functions = {}
    for line in text.splitlines():
        # "1,798,400 (11.83%)  path/hpack/field.c:hpack_name_flags [program]"; the percentage is optional.
        found = re.match(r" *([\d,]+)(?: \([ \d.]+%\))? +(\S+)", line)
        if found and ":" in found.group(2) and "(below" not in line and ":0x" not in line:
            path, _, function = found.group(2).rpartition(":")
            path = re.sub(r".*/(hpack|core|include|bench)/", r"\1/", path)
            name = function + ("  " + path if path not in ("", "???") else "")
            functions[name] = functions.get(name, 0) + int(found.group(1).replace(",", ""))
    return sorted(functions.items(), key=lambda item: -item[1])


def print_profile(out, variant, requests):
    # Inlined functions count for the function around them; with debug information ("meson setup
    # -Ddebug=true"), those from headers show as lines of their own.
    for inclusive in (False, True):
        print("\n%s, instructions per request by function, %s:" % (
            variant, "with what it calls" if inclusive else "by itself"))
        for name, count in annotate(out, inclusive)[:PROFILE_LINES]:
            if count >= requests:
                print("  %8.1f  %s" % (count / requests, name))


def print_table(results):
    base = results["nghttp2"]["instructions"]
    print("32 requests of 5 fields in, 32 responses of :status, 5 fields and 13 octets out")
    print("%-26s %13s %7s %9s %7s %9s" % (
        "", "instructions", "ratio", "ns", "octets", "octets"))
    print("%-26s %13s %7s %9s %7s %9s" % ("", "a request", "", "a request", "in", "out"))
    for variant, title in VARIANTS:
        row = results[variant]
        print("%-26s %13.0f %7.2f %9.0f %7.0f %9.0f" % (
            title, row["instructions"], row["instructions"] / base, row["ns"],
            row["octets_in"], row["octets_out"]))


def main():
    parser = argparse.ArgumentParser(prog="bench/engine.sh")
    parser.add_argument("--program", required=True)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--max", type=float)
    parser.add_argument("--max-set", type=float)
    parser.add_argument("--max-set-all", type=float)
    parser.add_argument("--profile", nargs="?", const="halo", choices=HALO_VARIANTS)
    parser.add_argument("--json")
    options = parser.parse_args()
    if options.batches < 1:
        parser.error("--batches must be 1 or more")

    results = {}
    with tempfile.TemporaryDirectory() as directory:
        for variant, _ in VARIANTS:
            out = os.path.join(directory, variant)
            results[variant] = measure(options.program, variant, options.batches, out)
        print_table(results)
        if options.profile:
            print_profile(os.path.join(directory, options.profile), options.profile,
                          options.batches * 32)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=2)
            file.write("\n")
    for variant, limit in zip(HALO_VARIANTS, (options.max, options.max_set, options.max_set_all)):
        if limit is not None and results[variant]["instructions"] > limit:
            fail("%s: %.0f instructions a request, more than %.0f" % (
                variant, results[variant]["instructions"], limit))


if __name__ == "__main__":
    main()
