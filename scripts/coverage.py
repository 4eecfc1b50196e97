#!/usr/bin/env python3
"""Adds up what gcov counted and prints lines and branches per file. Called by scripts/coverage.sh.

usage: coverage.py ROOT BUILD [--min-lines PERCENT] [--min-branches PERCENT] [--uncovered]

Lines and branches that cannot be reached on purpose do not count: those of HALO_ASSERT and
HPACK_ASSERT, whose failing side ends the program, and lines that end with the comment "not reached"
and why. Inline functions of headers count once, however many files include them.
"""
import argparse
import collections
import concurrent.futures
import gzip
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

WHERE = ("hpack/", "core/proto/")
ASSERT = re.compile(r"\b(HALO_ASSERT|HPACK_ASSERT)\(")
NOT_REACHED = re.compile(r"/\* not reached\b")


def gcov(objects, build):
    """The reports of gcov for these objects, as parsed JSON."""
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([os.environ.get("GCOV", "gcov"), "--branch-probabilities", "--json-format",
                        "--object-directory", str(objects[0].parent), *map(str, objects)],
                       cwd=work, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for path in pathlib.Path(work).glob("*.gcov.json.gz"):
            yield json.loads(gzip.decompress(path.read_bytes()))


def marked_lines(text):
    """Numbers of the lines that do not count: of assertions to their end, and marked ones."""
    marked, depth = set(), 0
    for number, line in enumerate(text.splitlines(), 1):
        start = ASSERT.search(line)
        if depth > 0 or (start and not line.lstrip().startswith("#define")):
            marked.add(number)
            part = line if depth > 0 else line[start.start():]
            depth += part.count("(") - part.count(")")
        if NOT_REACHED.search(line):
            marked.add(number)
    return marked


class File:
    def __init__(self, root, name):
        self.name = name
        self.text = (root / name).read_text()
        self.marked = marked_lines(self.text)
        self.lines = collections.Counter()
        self.branches = {}

    def add(self, report):
        for line in report["lines"]:
            number = line["line_number"]
            if number in self.marked:
                continue
            self.lines[number] += line["count"]
            counts = [branch["count"] for branch in line["branches"] if not branch["throw"]]
            # A line may be in several functions, an inline function in several objects; where their
            # shapes differ, the larger one is kept.
            known = self.branches.get(number, [])
            if len(counts) == len(known):
                self.branches[number] = [a + b for a, b in zip(known, counts)]
            elif len(counts) > len(known):
                self.branches[number] = counts

    def totals(self):
        outcomes = [count for counts in self.branches.values() for count in counts]
        return (sum(1 for count in self.lines.values() if count), len(self.lines),
                sum(1 for count in outcomes if count), len(outcomes))

    def uncovered(self):
        source = self.text.splitlines()
        for number in sorted(self.lines):
            counts = self.branches.get(number, [])
            missing = sum(1 for count in counts if count == 0)
            if self.lines[number] == 0:
                yield f"{self.name}:{number}: never run: {source[number - 1].strip()}"
            elif missing:
                yield f"{self.name}:{number}: {missing} of {len(counts)} branches: {source[number - 1].strip()}"


def percent(part, whole):
    return 100.0 * part / whole if whole else 100.0


def read(root, build):
    objects = sorted(path for path in (build / "libhalo_objects.a.p").glob("*.gcda")
                     if path.name.startswith(("hpack_", "core_proto_")))
    if not objects:
        sys.exit(f"coverage: nothing was counted in {build}")
    files = {}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for reports in pool.map(lambda path: list(gcov([path], build)), objects):
            for report in reports:
                for part in report["files"]:
                    path = (build / part["file"]).resolve()
                    if not path.is_relative_to(root):
                        continue
                    name = str(path.relative_to(root))
                    if name.startswith(WHERE):
                        files.setdefault(name, File(root, name)).add(part)
    return [files[name] for name in sorted(files)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("build", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("--min-lines", type=float, default=0)
    parser.add_argument("--min-branches", type=float, default=0)
    parser.add_argument("--uncovered", action="store_true")
    arguments = parser.parse_args()

    files = read(arguments.root, arguments.build)
    if arguments.uncovered:
        for file in files:
            for text in file.uncovered():
                print(text)
        print()
    print(f"{'':40} {'lines':>18} {'branches':>20}")
    rows = [(file.name, file.totals()) for file in files]
    for where in WHERE:
        part = [totals for name, totals in rows if name.startswith(where)]
        rows.append((where + " in all", tuple(map(sum, zip(*part)))))
    both = tuple(map(sum, zip(*(totals for name, totals in rows if not name.endswith("all")))))
    rows.append(("all", both))
    for name, (lines_run, lines, taken, branches) in rows:
        print(f"{name:40} {lines_run:5}/{lines:<5} {percent(lines_run, lines):5.1f} %"
              f" {taken:5}/{branches:<5} {percent(taken, branches):5.1f} %")
    failed = 0
    for what, part, whole, least in (("lines", both[0], both[1], arguments.min_lines),
                                     ("branches", both[2], both[3], arguments.min_branches)):
        if percent(part, whole) < least:
            print(f"coverage: {percent(part, whole):.2f} % of {what}, not {least:g} %")
            failed = 1
    return failed


sys.exit(main())
