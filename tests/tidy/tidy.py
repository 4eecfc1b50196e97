#!/usr/bin/env python3
"""Checks of the source tree that no compiler makes.

usage: tidy.py ROOT CHECK [ARGUMENT...]

  includes            each layer includes only what lies below it
  sizes               length of functions and files
  words               no notes to self in the sources
  lists               each source and public header is in a meson.build
  symbols LIBHALO HOW libhalo.a defines no global names but halo_*; HOW is "embedded" when it holds
                      the libraries it uses, "system" when it leaves wolfSSL to the linker
  purity OBJECTS      hpack and core/proto call nothing that allocates, waits or reads a clock
"""
import os
import pathlib
import re
import subprocess
import sys

SOURCE_DIRECTORIES = ["include", "hpack", "core", "tls", "server", "client", "bench", "examples", "tests"]

# A layer is a directory; the longest match counts. What it may include of the tree:
LAYERS = {
    "include/halo": ["include/halo"],
    "hpack": ["include/halo/types.h", "include/halo/names.h", "hpack"],
    "core/base": ["include/halo", "hpack", "core/base"],
    "core/proto": ["include/halo", "hpack", "core/base", "core/proto"],
    "core/io": ["include/halo", "core/base", "core/io"],
    "core/conn": ["include/halo", "hpack", "core"],
    "tls": ["include/halo", "hpack", "core", "tls"],
    "server": ["include/halo", "hpack", "core", "tls", "server"],
    "client": ["include/halo", "hpack", "core", "tls", "client"],
    "examples": ["include/halo", "examples"],
    "bench": ["include/halo", "hpack", "core", "tls", "server", "client", "bench"],
    "tests": ["include/halo", "hpack", "core", "tls", "server", "client", "tests"],
}

# Headers of other libraries, and the only places that may know them.
FOREIGN = {
    r"liburing(\.h|/.*)": ["core/io", "tests", "bench"],
    r"wolfssl/.*": ["tls", "tests/unit/tls"],
    r"llhttp\.h": ["server"],
}

# The protocol is a function of its input: no clock, no I/O, no threads.
FORBIDDEN_SYSTEM = {
    "core/proto": r"(time|unistd|stdio|fcntl|poll|pthread|signal|netdb)\.h|(sys(?!/uio)|netinet|arpa|linux)/.*",
    "hpack": r"(time|unistd|stdio|fcntl|poll|pthread|signal|netdb)\.h|(sys|netinet|arpa|linux)/.*",
}

FUNCTION_WARN, FUNCTION_FAIL = 70, 100
FILE_WARN, FILE_FAIL = 600, 900

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


class Report:
    def __init__(self):
        self.failures = 0

    def fail(self, text):
        self.failures += 1
        print("error:", text)

    def warn(self, text):
        print("warning:", text)


def source_files(root, suffixes):
    for directory in SOURCE_DIRECTORIES:
        for path in sorted((root / directory).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield path


def lies_in(path, places):
    return any(path == place or path.startswith(place + "/") for place in places)


def layer_of(path):
    best = max((layer for layer in LAYERS if path.startswith(layer + "/")), key=len, default=None)
    return best


def resolve(root, file, name, quoted):
    """The path in the tree that an include names; None for a header from elsewhere."""
    candidates = []
    if quoted:
        candidates += [file.parent / name, root / name, root / "tests/lib" / name]
    candidates += [root / "include" / name]
    for candidate in candidates:
        if candidate.is_file() or candidate.with_name(candidate.name + ".in").is_file():
            return os.path.relpath(os.path.normpath(candidate), root)
    return None


def check_include(report, root, file, number, quoted, name):
    path = str(file.relative_to(root))
    where = f"{path}:{number}"
    target = resolve(root, file, name, quoted)
    layer = layer_of(path)
    if target is None:
        if quoted:
            report.fail(f'{where}: "{name}" is not in the tree (other libraries\' headers go in <>)')
        for pattern, places in FOREIGN.items():
            if re.fullmatch(pattern, name) and not lies_in(path, places):
                report.fail(f"{where}: <{name}> may only be included in {', '.join(places)}")
        if layer in FORBIDDEN_SYSTEM and re.fullmatch(FORBIDDEN_SYSTEM[layer], name):
            report.fail(f"{where}: <{name}> may not be included in {layer}, which is pure")
    elif layer is None:
        report.fail(f"{where}: this directory belongs to no layer")
    elif not lies_in(target, LAYERS[layer]):
        report.fail(f"{where}: {layer} may not include {target}")


def check_includes(report, root):
    for file in source_files(root, {".c", ".h", ".in", ".inc"}):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if match:
                check_include(report, root, file, number, match[1] == '"', match[2])


def functions(lines):
    """Yields first line, name and length of each function: by .clang-format a function's braces,
    and nothing else's, stand alone in the first column."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            head = " ".join(lines[max(0, start - 6):start - 1])
            names = re.findall(r"(\w+)\s*\(", head.split(";")[-1].split("}")[-1])
            yield start, names[0] if names else "?", number - start + 1
            start = None


def check_sizes(report, root):
    for file in source_files(root, {".c", ".h"}):
        lines = file.read_text().splitlines()
        path = file.relative_to(root)
        if len(lines) > FILE_FAIL:
            report.fail(f"{path}: {len(lines)} lines, at most {FILE_FAIL}")
        elif len(lines) > FILE_WARN:
            report.warn(f"{path}: {len(lines)} lines, better at most {FILE_WARN}")
        for start, name, length in functions(lines):
            if length > FUNCTION_FAIL:
                report.fail(f"{path}:{start}: {name} has {length} lines, at most {FUNCTION_FAIL}")
            elif length > FUNCTION_WARN:
                report.warn(f"{path}:{start}: {name} has {length} lines, better at most {FUNCTION_WARN}")


def check_words(report, root):
    # Written apart, so that this file passes its own check.
    words = re.compile(r"\b(" + "|".join(["TO" "DO", "FIX" "ME", "XX" "X"]) + r")\b")
    files = [path for path in root.glob("*") if path.is_file()]
    for directory in SOURCE_DIRECTORIES + ["docs", "scripts"]:
        files += [path for path in (root / directory).rglob("*") if path.is_file()]
    for file in sorted(files):
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            match = words.search(line)
            if match:
                report.fail(f"{file.relative_to(root)}:{number}: {match[1]}")


def check_lists(report, root):
    public = (root / "include/halo/meson.build").read_text()
    for header in sorted((root / "include/halo").glob("*.h")):
        if f"'{header.name}'" not in public:
            report.fail(f"{header.relative_to(root)} is not in include/halo/meson.build")
    for file in source_files(root, {".c"}):
        # Named by the directory's own list, by a parent's or a sister's, or by a script beside it.
        lists = [*file.parent.glob("*.build"), *file.parent.glob("*/meson.build"), *file.parent.glob("*.sh"),
                 *file.parent.glob("*.py"), *file.parent.parent.glob("meson.build"),
                 *file.parent.parent.glob("*/meson.build")]
        if not any(file.name in listed.read_text() for listed in lists):
            report.fail(f"{file.relative_to(root)} is in no meson.build")


def undefined_or_global(archive, flags):
    """Yields (member, symbol) as nm prints them."""
    output = subprocess.run([os.environ.get("NM", "nm"), *flags, "--format=posix", archive],
                            check=True, capture_output=True, text=True).stdout
    member = ""
    for line in output.splitlines():
        match = re.fullmatch(r".*?\[?([^\[\]/]+\.o)\]?:", line)
        if match:
            member = match[1]
        elif line.strip():
            yield member, line.split()[0]


def check_symbols(report, _root, library, how):
    count = 0
    for _, symbol in undefined_or_global(library, ["--defined-only", "--extern-only"]):
        count += 1
        if not symbol.startswith("halo_"):
            report.fail(f"libhalo.a defines the global name {symbol}")
    if count == 0:
        report.fail("libhalo.a defines no global name")
    unresolved = r"(llhttp_|halo_)" if how == "system" else r"(wolf|wc_|llhttp_|halo_)"
    for _, symbol in undefined_or_global(library, ["--undefined-only"]):
        if re.match(unresolved, symbol):
            report.fail(f"libhalo.a refers to {symbol}, which it does not hold")


IMPURE = re.compile(
    r"(clock_gettime|gettimeofday|time|getrandom|rand|random|[mc]alloc|realloc|free|strdup|read|write|recv|send"
    r"|recvmsg|sendmsg|socket|open|openat|close|(v?f|v)?printf|puts|getenv|pthread_.*|io_uring_.*|nanosleep)")


def check_purity(report, _root, objects):
    for member, symbol in undefined_or_global(objects, ["--undefined-only"]):
        if re.match(r"(hpack_|core_proto_)", member) and IMPURE.fullmatch(symbol):
            report.fail(f"{member} refers to {symbol}")


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    report = Report()
    globals()["check_" + sys.argv[2]](report, root, *sys.argv[3:])
    return 1 if report.failures else 0


sys.exit(main())
