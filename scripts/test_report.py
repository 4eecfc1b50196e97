#!/usr/bin/env python3
"""Counts what scripts/test.sh ran, and prints the output of what failed.

usage: test_report.py DIRECTORY

DIRECTORY holds for each type of build TYPE.build-failed when it did not compile, else
TYPE.status (meson's exit status) and TYPE.json (meson's log: one JSON object per test).
A unit test prints TAP; each of its cases counts as one test. Any other test counts as one.
"""
import json
import pathlib
import re
import sys

CASE = re.compile(r"^(not )?ok \d+(.*)$", re.MULTILINE)
PLAN = re.compile(r"^1\.\.\d+", re.MULTILINE)


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0


def count_cases(output, count):
    """Adds the cases of a TAP output; false when there is none in it."""
    if not PLAN.search(output):
        return False
    for bad, rest in CASE.findall(output):
        if bad:
            count.failed += 1
        elif "# skip" in rest.lower():
            count.skipped += 1
        else:
            count.passed += 1
    return True


def count_test(test, total):
    """Adds one test of meson's log; false when it failed."""
    result = test["result"]
    output = test.get("stdout", "") + "\n" + test.get("stderr", "")
    good = result in ("OK", "EXPECTEDFAIL", "SKIP")
    cases = Count()
    if result == "SKIP":
        cases.skipped = 1
    elif not count_cases(output, cases):
        cases.passed = int(good)
    # A program can also fail outside its cases: by a crash, a leak, a time-out.
    if not good and cases.failed == 0:
        cases.failed = 1
    if cases.failed:
        good = False
    total.passed += cases.passed
    total.failed += cases.failed
    total.skipped += cases.skipped
    return good


def print_failure(build, test):
    print(f"\n---- failed: {build}: {test['name']} ({test['result']}, {test.get('duration', 0):.1f} s)")
    for stream in ("stdout", "stderr"):
        text = test.get(stream, "").strip()
        if text:
            print(text[-20000:])


def main():
    directory = pathlib.Path(sys.argv[1])
    total = Count()
    for marker in sorted(directory.glob("*.build-failed")):
        print(f"\n---- failed: {marker.stem}: does not build (output above)")
        total.failed += 1
    for status in sorted(directory.glob("*.status")):
        build = status.stem
        log = status.with_suffix(".json")
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        good = True
        for line in lines:
            test = json.loads(line)
            if not count_test(test, total):
                good = False
                print_failure(build, test)
        # Meson can fail without a failing test, for one by having been interrupted.
        if good and status.read_text().strip() != "0":
            print(f"\n---- failed: {build}: meson test ended with status {status.read_text().strip()}")
            total.failed += 1
    if total.passed + total.failed == 0:
        print("\nno test ran, which counts as a failure")
        total.failed = 1
    print()
    line = f"{total.passed} passed, {total.failed} failed"
    print(line + (f", {total.skipped} skipped" if total.skipped else ""))
    return 1 if total.failed else 0


sys.exit(main())
