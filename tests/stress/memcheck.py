#!/usr/bin/env python3
"""Valgrind's memcheck over the unit tests that make no threads, and over a server that works.

Single-threaded programs only: valgrind runs one thread at a time and, up to 3.19 at least, goes on holding
its lock while a thread waits in io_uring_enter, so a second thread never gets its turn. What
threads do with each other is the thread sanitizer's business (threads.py).
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))

from fixtures import HaloServer  # noqa: E402
from harness import H2C, TLS, Suite, check, contains, equal, require  # noqa: E402

suite = Suite("memcheck", "valgrind")

FOUND = 99
OPTIONS = ["-q", f"--error-exitcode={FOUND}", "--leak-check=full",
           "--show-leak-kinds=definite,possible", "--errors-for-leak-kinds=definite,possible"]


class Fixture:
    version = ""

    def __init__(self, env):
        self.env = env
        self.valgrind, self.h2load, self.curl = require("valgrind", "h2load", "curl")

    def recover(self):
        pass


# Programs with threads; what the kernel reads from a file by io_uring, which valgrind takes for never
# written; and system calls that it does not know (openat2).
LEFT_OUT = ("unit_io_", "unit_client", "unit_server", "unit_file", "unit_loop", "unit_serve",
            "unit_tls_accel")
# Those take from half a minute to some minutes under valgrind.
LONG = ("unit_tls_data", "unit_tls_handshake", "unit_hpack_huffman", "unit_hpack_round_trip",
        "unit_hpack_table", "session_flow", "session_credit", "session_nghttp2_peer",
        "session_scorecard", "session_floods", "session_window_growth", "session_steady",
        "unit_hpack_nghttp2_blocks", "unit_priority", "unit_origin", "unit_hpack_encode",
        "unit_hpack_field", "session_honest", "session_attacks", "session_memory",
        "session_parity_messages", "session_window_rules", "session_dribble", "unit_tls_context",
        "unit_tls_abuse", "unit_tls_memory", "unit_tls_records", "unit_tls_records_abuse",
        "session_send_edges", "session_nghttp2_edges")


def unit_tests(build):
    for directory in ("unit", "session"):
        for path in sorted((build / "tests" / directory).glob(f"{directory}_*")):
            if path.is_file() and not path.name.startswith(LEFT_OUT):
                yield path


def run_units(fixture, programs):
    ran = 0
    for path in programs:
        done = fixture.env.run([fixture.valgrind, *OPTIONS, path], timeout=300, status=None)
        check(done.returncode == 0,
              f"{path.name} ended with {done.returncode}: {done.stderr[-6000:].decode()}")
        ran += 1
    check(ran > 0, "no unit tests were found")
    return f"{ran} programs"


@suite.case("unit tests without threads", ("",))
def units(fixture, _):
    return run_units(fixture, [path for path in unit_tests(fixture.env.build)
                               if path.name not in LONG])


@suite.case("unit tests that take long", ("",), long=True)
def long_units(fixture, _):
    return run_units(fixture, [path for path in unit_tests(fixture.env.build)
                               if path.name in LONG])


@suite.case("a server at work", ("",))
def server(fixture, _):
    env = fixture.env
    program = env.program("tests", "interop", "test_server")
    args = [*OPTIONS, program, "--listen", "127.0.0.1:0"]
    if env.has_tls:
        args += ["--listen-tls", "127.0.0.1:0", "--cert", env.cert, "--key", env.key]
    server = HaloServer(env, pathlib.Path(fixture.valgrind), args, 2 if env.has_tls else 1)
    server.process.await_line("^ready$", 30)
    for transport in (H2C, TLS)[:2 if env.has_tls else 1]:
        for options in (("-n500", "-c4", "-m8"), ("-n50", "-c50", "-m1")):
            text = env.run([fixture.h2load, *options, server.url(transport, "/")], timeout=60)
            contains(text.stdout.decode(), " 0 failed, 0 errored", "h2load")
        body = env.pattern_file(300000)
        for route in ("/echo", "/echo-slice", "/hash", "/trailers"):
            text = env.run([fixture.h2load, "-n8", "-c2", "-m4", "-d", body,
                            server.url(transport, route)], timeout=60).stdout.decode()
            contains(text, "8 succeeded, 0 failed, 0 errored", route)
        for route in ("/bytes/300000", "/borrow/300000", "/later/100000", "/info", "/reset/2"):
            env.run([fixture.h2load, "-n8", "-c2", "-m4", server.url(transport, route)], timeout=60)
    # No signals: the thread that would take them is not given a turn.
    done = env.run([fixture.curl, "-sS", "--http2-prior-knowledge", server.url(H2C, "/quit")])
    equal(done.stdout, b"quitting\n", "/quit")
    status = server.process.wait(60)
    check(status == 0, f"valgrind ended with {status}: {server.process.errors_all()[:8000]}")


suite.main(Fixture)
