"""What the interop drivers share: cases and their report, processes, certificates, bodies.

A driver makes a Suite, registers cases with @suite.case(...), and ends with suite.main(Fixture).
It prints TAP, one line for each case and transport, and leaves its results as JSON in
BUILD/interop; the table BUILD/interop.md is made of all results found there.
"""
import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import table

HERE = pathlib.Path(__file__).resolve().parent
MIB = 1024 * 1024
H2C, TLS = "h2c", "TLS"


class Failure(Exception):
    """A case did not end as it should."""


class Skip(Exception):
    """A case cannot be run here; the text says why."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def equal(actual, expected, what):
    if actual != expected:
        raise Failure(f"{what}: got {shorten(actual)}, want {shorten(expected)}")


def contains(text, part, what):
    if part not in text:
        raise Failure(f"{what}: {shorten(part)} is not in {shorten(text)}")


def shorten(value, limit=1500):
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"


# ---- bodies -------------------------------------------------------------------------------------

PERIOD = 65521
_UNIT = bytes((i * 31 + (i >> 8)) & 0xff for i in range(PERIOD))


def pattern(length, offset=0):
    """The octets that tests/lib/pattern.c makes."""
    start = offset % PERIOD
    return (_UNIT * ((start + length) // PERIOD + 1))[start:start + length]


def pattern_sha(length):
    digest = hashlib.sha256()
    for offset in range(0, length, 64 * PERIOD):
        digest.update(pattern(min(64 * PERIOD, length - offset), offset))
    return digest.hexdigest()


def file_sha(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(MIB):
            digest.update(block)
    return digest.hexdigest()


# ---- processes ----------------------------------------------------------------------------------

class Process:
    """A child that is always ended, by its id. Its stdout is read by lines as they come (unless
    `lines` is false: then it is a pipe of octets), its stderr goes to a file."""

    def __init__(self, env, args, lines=True, stdin=None, name=None):
        self.args = [str(arg) for arg in args]
        self.name = name or pathlib.Path(self.args[0]).name
        handle, self.errors_path = tempfile.mkstemp(prefix=self.name + "-", dir=env.work)
        with os.fdopen(handle, "wb") as errors:
            self.child = subprocess.Popen(self.args, stdin=stdin or subprocess.DEVNULL,
                                          stdout=subprocess.PIPE, stderr=errors)
        self.pid = self.child.pid
        self.lines = []
        self._arrived = queue.Queue()
        self._reader = None
        if lines:
            self._reader = threading.Thread(target=self._read_lines, daemon=True)
            self._reader.start()
        env.processes.append(self)

    def _read_lines(self):
        for line in self.child.stdout:
            self._arrived.put(line.decode(errors="replace").rstrip("\n"))
        self._arrived.put(None)

    def await_line(self, expression, timeout):
        """The match of the first line, from now on, that has the expression in it."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                line = self._arrived.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise Failure(f"{self.name}: no line with {expression!r} within {timeout} s; "
                              f"had {self.lines[-5:]}; {self.errors()}") from None
            if line is None:
                raise Failure(f"{self.name} ended; {self.errors()}")
            self.lines.append(line)
            if match := re.search(expression, line):
                return match

    def errors(self, limit=3000):
        """The end of what it wrote on stderr."""
        text = pathlib.Path(self.errors_path).read_text(errors="replace")
        return text[-limit:].strip()

    def errors_all(self):
        return pathlib.Path(self.errors_path).read_text(errors="replace")

    def running(self):
        return self.child.poll() is None

    def signal(self, number):
        if self.running():
            self.child.send_signal(number)

    def wait(self, timeout):
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} still runs after {timeout} s; {self.errors()}") from None

    def kill(self):
        if self.running():
            self.child.kill()
        self.child.wait()
        if self._reader:
            self._reader.join(5)
        self.child.stdout.close()

    def rss(self):
        """Resident octets."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


def free_port():
    """A port that was free just now, for programs that cannot be asked for any (see start_on_port)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_connect(process, port, timeout):
    """Waits until a program that does not say when it is ready accepts connections."""
    deadline = time.monotonic() + timeout
    while process.running():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            check(time.monotonic() < deadline, f"{process.name} does not listen; {process.errors()}")
            time.sleep(0.02)
    raise Failure(f"{process.name} ended; {process.errors()}")


def start_on_port(make, timeout=10, attempts=5):
    """make(port) -> Process; tried again with another port when somebody took it in between."""
    for attempt in range(attempts):
        port = free_port()
        process = make(port)
        try:
            await_connect(process, port, timeout)
            return process, port
        except Failure:
            process.kill()
            if attempt == attempts - 1:
                raise


def require(*names):
    """The paths of programs; Skip when one is not installed."""
    paths = []
    for name in names:
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if path is None:
            raise Skip(f"{name} is not installed")
        paths.append(path)
    return paths[0] if len(paths) == 1 else paths


# ---- the environment of a run -------------------------------------------------------------------

class Env:
    def __init__(self, options, work):
        self.build = pathlib.Path(options.build).resolve()
        self.sanitized = options.sanitized
        self.has_tls = not options.no_tls
        self.long = options.long
        self.work = pathlib.Path(work)
        self.scale = 5 if self.sanitized else 1
        self.processes = []
        self.ca = self.cert = self.key = None

    def big(self, release=100 * MIB, sanitized=32 * MIB):
        """The size of a large body: smaller where each octet costs more."""
        return sanitized if self.sanitized else release

    def pattern_file(self, length):
        path = self.work / f"pattern-{length}"
        if not path.exists():
            with open(path, "wb") as file:
                for offset in range(0, length, 64 * PERIOD):
                    file.write(pattern(min(64 * PERIOD, length - offset), offset))
        return path

    def program(self, *parts):
        path = self.build.joinpath(*parts)
        if not os.access(path, os.X_OK):
            raise Skip(f"{path.name} is not built")
        return path

    def make_certificate(self):
        """A CA and a leaf for localhost, both P-256."""
        if self.cert:
            return
        openssl = require("openssl")
        work = self.work
        (work / "leaf.ext").write_text(
            "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\nbasicConstraints=CA:FALSE\n")
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        for args in (
                ["req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
                 "-subj", "/CN=halo test CA"],
                ["req", *curve, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=localhost"],
                ["x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                 "-CAcreateserial", "-days", "2", "-extfile", "leaf.ext", "-out", "leaf.pem"]):
            subprocess.run([openssl, *args], cwd=work, check=True, capture_output=True, timeout=30)
        self.ca, self.cert, self.key = work / "ca.pem", work / "leaf.pem", work / "leaf.key"

    def run(self, args, timeout=30, status=0, **options):
        """Runs a program to its end; .stdout and .stderr are octets. `status` None: any."""
        limit = timeout * self.scale
        options.setdefault("stdin", subprocess.DEVNULL)
        if "input" in options:
            del options["stdin"]
        try:
            done = subprocess.run([str(arg) for arg in args], capture_output=True, timeout=limit,
                                  **options)
        except subprocess.TimeoutExpired as expired:
            raise Failure(f"{args[0]} still runs after {limit} s; "
                          f"{(expired.stderr or b'')[-2000:]!r}") from None
        if status is not None and done.returncode != status:
            raise Failure(f"{args[0]} ended with {done.returncode}, want {status}: "
                          f"{done.stderr[-600:].decode(errors='replace')} "
                          f"{done.stdout[-300:]!r}")
        return done

    def run_to(self, file, args, timeout=60):
        """Runs a program with its output in a file."""
        limit = timeout * self.scale
        try:
            done = subprocess.run([str(arg) for arg in args], stdin=subprocess.DEVNULL, stdout=file,
                                  stderr=subprocess.PIPE, timeout=limit)
        except subprocess.TimeoutExpired:
            raise Failure(f"{args[0]} still runs after {limit} s") from None
        equal(done.returncode, 0, f"status of {args[0]} ({done.stderr[-600:]!r})")

    def end_all(self):
        for process in reversed(self.processes):
            process.kill()


# ---- cases --------------------------------------------------------------------------------------

class Suite:
    def __init__(self, role, peer):
        self.role = role  # what halo is: "server" or "client"
        self.peer = peer
        self.cases = []
        self.results = []
        self.failures = 0
        self.version = ""

    def case(self, name, transports=(H2C, TLS), long=False):
        """Registers fixture.function(transport) -> note or None under this name."""
        def register(function):
            self.cases.append((name, transports, long, function))
            return function
        return register

    def _report(self, env, name, transport, outcome, text, seconds):
        number = len(self.results) + 1
        label = f"{self.role} {self.peer}: {name}" + (f" ({transport})" if transport else "")
        if outcome == "skip":
            print(f"ok {number} - {label} # skip {text}")
        elif outcome == "pass":
            print(f"ok {number} - {label}, {seconds:.1f} s" + (f", {text}" if text else ""))
        else:
            self.failures += 1
            print(f"not ok {number} - {label}, {seconds:.1f} s")
            for line in text.splitlines():
                print(f"#   {line}")
        sys.stdout.flush()
        self.results.append([name, transport, outcome])

    def _run(self, env, name, transport, function, *args):
        started = time.monotonic()
        outcome, text = "pass", ""
        try:
            text = function(*args) or ""
            if name == "start":
                return outcome  # is no case of its own
        except Skip as skip:
            outcome, text = "skip", str(skip)
        except Failure as failure:
            outcome, text = "FAIL", str(failure)
        except Exception:  # a bug of the driver, or a peer that speaks nonsense
            outcome, text = "FAIL", traceback.format_exc()
        self._report(env, name, transport, outcome, text, time.monotonic() - started)
        return outcome

    def _run_all(self, env, fixture, only):
        for name, transports, long, function in self.cases:
            if long != env.long or (only and only not in name):
                continue
            for transport in transports:
                if transport == TLS and not env.has_tls:
                    continue
                if self._run(env, name, transport, function, fixture, transport) == "FAIL":
                    fixture.recover()
        if hasattr(fixture, "finish"):
            self._run(env, "halo's process ends with status 0, nothing leaked", "", fixture.finish)

    def main(self, make_fixture):
        parser = argparse.ArgumentParser()
        parser.add_argument("--build", required=True, help="the build directory")
        parser.add_argument("--sanitized", action="store_true", help="smaller bodies, longer limits")
        parser.add_argument("--no-tls", action="store_true")
        parser.add_argument("--long", action="store_true", help="the long cases instead of the others")
        parser.add_argument("--only", help="only cases with this text in their names")
        options = parser.parse_args()
        # Whatever ends the driver, its processes are ended and its files are removed.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        with tempfile.TemporaryDirectory(prefix="halo-interop-") as work:
            env = Env(options, work)
            try:
                self._run_suite(env, make_fixture, options.only)
            finally:
                env.end_all()
        print(f"1..{len(self.results)}")
        if not options.only:
            table.save(env, self)
        sys.exit(1 if self.failures else 0)

    def _run_suite(self, env, make_fixture, only):
        fixture = None

        def start():
            nonlocal fixture
            if env.has_tls:
                env.make_certificate()
            fixture = make_fixture(env)
            self.version = fixture.version

        self._run(env, "start", "", start)
        if fixture is not None:
            self._run_all(env, fixture, only)


@contextlib.contextmanager
def ending(process):
    try:
        yield process
    finally:
        process.kill()
