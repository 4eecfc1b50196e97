#!/usr/bin/env python3
"""Checks the tables of docs/ that name tests.

usage: rules.py ROOT

In docs/rfc*.md, docs/scorecard.md and docs/traps.md the last cell of a row names tests as `FILE: NAME`: the
function NAME of tests/FILE.c or tests/FILE_test.c (or of a .py or .mjs there). Each must exist.
Rows without a test are counted and printed. docs/traps.md has each of TRAPS once, in order, with a
test that is called after it.
"""
import pathlib
import re
import sys

SUFFIXES = ["_test.c", ".c", "_test.py", ".py", ".mjs"]
TRAPS = [f"T{number:02}" for number in range(1, 36)]
NAMED = re.compile(r"`([\w./-]+): (\w+)`")


def rows(path):
    """Yields line number and cells of the rows of all tables, without their heads."""
    head = True
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.startswith("|"):
            head = True
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            head = False
        elif not head:
            yield number, cells


class Sources:
    def __init__(self, root):
        self.root = root
        self.texts = {}

    def text(self, name):
        if name not in self.texts:
            paths = [self.root / "tests" / (name + suffix) for suffix in SUFFIXES]
            self.texts[name] = next((path.read_text() for path in paths if path.is_file()), None)
        return self.texts[name]

    def has(self, name, test):
        text = self.text(name)
        if text is None:
            return False
        defined = rf"^(?:static )?void {test}\(|^\s*def {test}\(|\b{test}\b\s*[:=(]"
        defined += rf"|_ROW\({test},"  # a row of a table whose cases share a function
        return re.search(defined, text, re.M) is not None


def check_file(path, sources):
    failures = 0
    count = without = 0
    for number, cells in rows(path):
        named = NAMED.findall(cells[-1])
        count += 1
        if not named:
            without += 1
            print(f"{path.name}:{number}: no test: {cells[0]} {cells[1]}")
        for name, test in named:
            if not sources.has(name, test):
                failures += 1
                print(f"error: {path.name}:{number}: there is no test {test} in tests/{name}")
    print(f"{path.name}: {count} rows, {without} without a test")
    return failures, count


def check_traps(path):
    failures = 0
    found = []
    for number, cells in rows(path):
        found.append(cells[0])
        if f": test_trap_{cells[0]}_" not in cells[-1]:
            failures += 1
            print(f"error: {path.name}:{number}: no test is called after {cells[0]}")
    if found != TRAPS:
        failures += 1
        print(f"error: {path.name}: not the traps {TRAPS[0]} to {TRAPS[-1]} in order")
    return failures


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    sources = Sources(root)
    paths = sorted((root / "docs").glob("rfc*.md")) + [root / "docs/scorecard.md", root / "docs/traps.md"]
    failures = check_traps(root / "docs/traps.md")
    for path in paths:
        failed, count = check_file(path, sources)
        failures += failed
        if count == 0:
            failures += 1
            print(f"error: {path.name} has no table")
    return 1 if failures else 0


sys.exit(main())
