"""What of Node's http2 surface is proved by tests that passed. See scripts/parity.sh."""

import argparse
import collections
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAYERS = ["session", "server", "client", "tls"]
NAME = re.compile(r"test_((?:[A-Z]{1,2}\d\d_)+)(%s)(?:_|\b)" % "|".join(LAYERS))
# cmocka's lines, those that it writes as TAP, and those of the Python tests.
PASSED = re.compile(r"^\[\s+OK \] (\w+)|^ok \d+ - (\w+)|^ok\b.*?\b(test_\w+)", re.M)
FAILED = re.compile(r"^\[  FAILED  \] (\w+)|^\[  ERROR   \] (\w+)|^not ok \d+ - (\w+)|^not ok\b.*?\b(test_\w+)",
                    re.M)


def read_others(text):
    """The fourth column: groups of tests that prove the row together, "[LAYER:]name,name", with spaces between."""
    others = {}
    for group in text.split():
        layer, _, names = group.rpartition(":")
        others[layer or "session"] = names.split(",")
    return others


def read_rows(root=ROOT):
    """Row -> its group, its layers, and the tests of other names for each of them."""
    rows = {}
    for line in (root / "tests/parity/rows.tsv").read_text().splitlines():
        if line.startswith("#"):
            continue
        identifier, group, layers, *more = line.split("\t")
        concerned = [] if layers == "-" else layers.split(",")
        rows[identifier] = (group, concerned, read_others(more[0]) if more and concerned else {})
    return rows


def newest_source():
    return max(path.stat().st_mtime for pattern in ("*.c", "*.h", "*.py", "meson.build")
               for top in ("bench", "client", "core", "examples", "hpack", "include", "server", "tests", "tls")
               for path in (ROOT / top).rglob(pattern))


def newest_logs():
    """The logs of builds that were tested since the sources last changed."""
    logs = list(ROOT.glob("build/*/meson-logs/testlog.json"))
    changed = newest_source()
    fresh = [log for log in logs if log.stat().st_mtime > changed]
    for log in logs:
        if log not in fresh:
            print(f"parity: not counted: build/{log.parent.parent.name}, tested before the sources changed",
                  file=sys.stderr)
    if not fresh:
        sys.exit("parity: no test has run since the sources changed: scripts/test.sh, or scripts/parity.sh --run")
    return fresh


def read_tests(logs):
    """Names of the tests that passed, and never failed."""
    passed, failed = set(), set()
    for log in logs:
        for line in log.read_text().splitlines():
            entry = json.loads(line)
            text = (entry.get("stdout") or "") + "\n" + (entry.get("stderr") or "")
            names = lambda pattern: {next(filter(None, match)) for match in
                                     (m.groups() for m in pattern.finditer(text)) if any(match)}
            failed |= names(FAILED)
            passed |= names(PASSED)
            if entry["result"] not in ("OK", "FAIL", "SKIP"):
                failed |= names(PASSED)  # it crashed or hung: nothing it said counts
    return passed - failed


def read_proofs(rows, tests):
    proofs = set()
    for test in tests:
        match = NAME.match(test)
        if match:
            for identifier in match[1].strip("_").split("_"):
                if identifier not in rows:
                    sys.exit(f"parity: {test} names {identifier}, which is no row")
                proofs.add((identifier, match[2]))
    for identifier, (_, _, others) in rows.items():
        for layer, names in others.items():
            if all(name in tests for name in names):
                proofs.add((identifier, layer))
    return proofs


def print_table(rows, proofs):
    concerned, proved = collections.Counter(), collections.Counter()
    groups = list(dict.fromkeys(group for group, _, _ in rows.values()))
    for identifier, (group, layers, _) in rows.items():
        for layer in layers:
            for key in ((group, layer), ("all", layer)):
                concerned[key] += 1
                proved[key] += (identifier, layer) in proofs
    print("group " + "".join(f"{layer:>12}" for layer in LAYERS))
    for group in groups + ["all"]:
        cells = (f"{proved[group, layer]} / {concerned[group, layer]}" if concerned[group, layer] else "-"
                 for layer in LAYERS)
        print(f"{group:<6}" + "".join(f"{cell:>12}" for cell in cells))


def print_left(rows, proofs):
    for layer in LAYERS:
        left = [identifier for identifier, (_, layers, _) in rows.items()
                if layer in layers and (identifier, layer) not in proofs]
        print(f"\nnot proved, {layer}: {' '.join(left) or 'none'}")
    done = sum(1 for identifier, (_, layers, _) in rows.items()
               if all((identifier, layer) in proofs for layer in layers))
    print(f"\n{done} of {len(rows)} rows are done in every layer that they concern"
          f" ({sum(not layers for _, layers, _ in rows.values())} have no meaning in C)")
    return done == len(rows)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", action="append", type=pathlib.Path)
    parser.add_argument("--strict", action="store_true")
    arguments = parser.parse_args()
    rows = read_rows()
    proofs = read_proofs(rows, read_tests(arguments.log or newest_logs()))
    print_table(rows, proofs)
    complete = print_left(rows, proofs)
    sys.exit(0 if complete or not arguments.strict else 1)


if __name__ == "__main__":
    main()
