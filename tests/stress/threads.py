#!/usr/bin/env python3
"""What happens between threads: workers, hand-off, start and stop under load, the resolver.

Quick in every build; it is for the build with the thread sanitizer, whose reports end a process with
a status of their own.
"""
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))

from fixtures import ServerFixture  # noqa: E402
from harness import H2C, TLS, Process, Suite, check, contains, ending, require  # noqa: E402

suite = Suite("threads", "h2load")


class Fixture(ServerFixture):
    OPTIONS = ["--workers", "4", "--balance", "--max-streams", "1100"]

    def __init__(self, env):
        self.h2load = require("h2load")
        super().__init__(env)

    def load_args(self, server, transport, requests, *options, path="/"):
        return [self.h2load, "-n", requests, *options, server.url(transport, path)]

    def load(self, server, transport, requests, *options, path="/"):
        text = self.env.run(self.load_args(server, transport, requests, *options, path=path),
                            timeout=60).stdout.decode()
        contains(text, f"{requests} succeeded, 0 failed, 0 errored", "h2load")


@suite.case("workers with hand-off under load")
def balance(fixture, transport):
    fixture.load(fixture.server, transport, 20000, "-c64", "-m8", "-t2")
    fixture.load(fixture.server, transport, 1000, "-c300", "-m1", "-t2")
    fixture.load(fixture.server, transport, 100, "-c8", "-m4", path="/borrow/1000000")


@suite.case("workers with listeners of their own under load")
def own_listeners(fixture, transport):
    fixture.OPTIONS = ["--workers", "3"]
    server = fixture.make()
    fixture.OPTIONS = Fixture.OPTIONS
    with ending(server.process):
        fixture.load(server, transport, 20000, "-c64", "-m8", "-t2")
        server.stop()


@suite.case("start and stop, 20 times", (H2C,))
def cycles(fixture, transport):
    for _ in range(20):
        server = fixture.make()
        with ending(server.process):
            fixture.load(server, transport, 50, "-c5", "-m2")
            server.stop()


@suite.case("stop while connections come and requests run")
def stop_under_load(fixture, transport):
    for signals in (1, 2):
        for _ in range(5):
            server = fixture.make("--drain-ms", "3000")
            with ending(server.process):
                args = fixture.load_args(server, transport, 1000000, "-c100", "-m4", "-r20", "-t2")
                with ending(Process(fixture.env, args)) as load:
                    load.await_line("progress: 10%|^starting|spawning", 20)
                    while server.stats()["total"] < 500:
                        check(load.running(), "h2load ended early")
                    for _ in range(signals):
                        server.process.signal(signal.SIGTERM)
                    server.await_end(20)


@suite.case("clients that resolve names, 100 at once")
def clients(fixture, transport):
    program = fixture.env.program("tests", "interop", "test_client")
    trust = ["--cacert", fixture.env.ca] if transport == TLS else []
    done = fixture.env.run([program, *trust, "--connections", "100", "--count", "10",
                            fixture.url(transport, "/", "localhost")], timeout=60)
    contains(done.stdout.decode(), "1000 complete, 0 cancelled, 0 failed", "test_client")


suite.main(Fixture)
