#!/usr/bin/env python3
"""Checks tests/parity/rows.tsv against the tests, and what no program can check of the public headers.

usage: parity_rows.py ROOT

Tests that a row names must exist: a function under tests/ that is not only defined but run, or a row of
a table of tests. Tests whose own name says which rows they prove must name rows of the table.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(ROOT / "scripts"))
sys.dont_write_bytecode = True
import parity  # noqa: E402


def read_sources():
    return "\n".join(path.read_text() for suffix in (".c", ".py", ".mjs")
                     for path in sorted((ROOT / "tests").rglob("*" + suffix)))


def read_words(text):
    """How often each word stands in the sources of the tests."""
    words = {}
    for word in re.findall(r"\b[A-Za-z_]\w*\b", text):
        words[word] = words.get(word, 0) + 1
    return words


def check_rows():
    rows = parity.read_rows(ROOT)
    text = read_sources()
    words = read_words(text)
    defined = set(re.findall(r"^(?:static )?void (\w+)\(", text, re.M))
    defined |= set(re.findall(r"^\s*def (\w+)\(", text, re.M))
    in_tables = set(re.findall(r'\.name = "(test_\w+)"', text))
    wrong = []
    for identifier, (_, layers, others) in rows.items():
        for layer, names in others.items():
            if layer not in layers:
                wrong.append(f"rows.tsv: {identifier}: {layer} is no layer that it concerns")
            for name in names:
                if name not in in_tables and (name not in defined or words[name] < 2):
                    wrong.append(f"rows.tsv: {identifier}: no such test: {name}")
    for word in words:
        match = parity.NAME.match(word)
        for identifier in match[1].strip("_").split("_") if match else []:
            if identifier not in rows:
                wrong.append(f"{word}: there is no row {identifier}")
    return wrong


def test_M16_session_types_are_opaque():
    """Handles are made by calls alone: no header defines them."""
    wrong = []
    for path in sorted((ROOT / "include/halo").glob("*.h")):
        text = path.read_text()
        for name in ("session", "stream", "server", "client", "loop", "timer", "tls_context", "header_set"):
            if re.search(rf"^struct halo_{name}\s*{{", text, re.M):
                wrong.append(f"{path.name}: struct halo_{name} is defined")
    types = (ROOT / "include/halo/types.h").read_text()
    for name in ("session", "stream"):
        if not re.search(rf"^typedef struct halo_{name} halo_{name};", types, re.M):
            wrong.append(f"types.h: no type halo_{name}")
    return wrong


def main():
    failed = False
    for number, (name, check) in enumerate([
            ("test_parity_rows", check_rows),
            ("test_M16_session_types_are_opaque", test_M16_session_types_are_opaque)], 1):
        wrong = check()
        for line in wrong:
            print(line)
        print(f"{'not ok' if wrong else 'ok'} {number} - {name}")
        failed |= bool(wrong)
    sys.exit(failed)


if __name__ == "__main__":
    main()
