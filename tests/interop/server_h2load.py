#!/usr/bin/env python3
"""halo's server under h2load: many requests, many streams, many connections, and flat memory."""
import re

from fixtures import ServerFixture
from harness import MIB, Suite, check, equal, require

suite = Suite("server", "h2load")


class Fixture(ServerFixture):
    def __init__(self, env):
        self.h2load = require("h2load")
        version = env.run([self.h2load, "--version"]).stdout.decode()
        super().__init__(env, re.search(r"nghttp2/(\S+)", version)[1])

    def load(self, transport, requests, *options, path="/", timeout=120, server=None):
        """Runs h2load; every request must succeed. Returns requests a second, as text."""
        url = (server or self.server).url(transport, path)
        text = self.env.run([self.h2load, "-n", requests, *options, url], timeout).stdout.decode()
        done = re.search(r"requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, "
                         r"(\d+) failed, (\d+) errored, (\d+) timeout", text)
        check(done, f"no summary in {text}")
        equal([int(part) for part in done.groups()], [requests] * 3 + [0] * 3,
              "total, done, succeeded, failed, errored, timeout")
        equal(int(re.search(r"status codes: (\d+) 2xx", text)[1]), requests, "statuses 2xx")
        return f"{float(re.search(r'([0-9.]+) req/s', text)[1]):.0f} requests/s"


@suite.case("1,000 streams at once on one connection")
def streams(fixture, transport):
    fixture.load(transport, 3000, "-c1", "-m1000", path="/slow/500")
    peak = fixture.server.stats()["peak"]
    check(peak >= 1000, f"only {peak} streams at once")


@suite.case("10,000 requests in sequence on one connection")
def sequence(fixture, transport):
    return fixture.load(transport, 10000, "-c1", "-m1", path="/bytes/100")


@suite.case("1,000 connections at once")
def connections(fixture, transport):
    return fixture.load(transport, 10000, "-c1000", "-m1", "-t2", path="/bytes/1000")


@suite.case("uploads on many streams")
def uploads(fixture, transport):
    body = fixture.env.pattern_file(100000)
    fixture.load(transport, 2000, "-c4", "-m32", "-d", body, path="/hash")
    fixture.load(transport, 1000, "-c4", "-m32", "-d", body, path="/echo")


@suite.case("downloads on many streams, small windows")
def windows(fixture, transport):
    fixture.load(transport, 500, "-c4", "-m32", "-w12", "-W14", path="/bytes/100000")
    fixture.load(transport, 500, "-c4", "-m32", "-w30", "-W30", path="/borrow/1000000")


@suite.case("large bodies on many streams")
def large(fixture, transport):
    fixture.load(transport, 100, "-c2", "-m8", path=f"/bytes/{fixture.env.big(8 * MIB, MIB)}")


def flat(fixture, transport, requests):
    """A server of its own: what a run like it has brought to size must then do."""
    server = fixture.make()
    options = ("-c16", "-m32")
    try:
        fixture.load(transport, max(requests // 10, 20000), *options, server=server)
        before = server.process.rss()
        speed = fixture.load(transport, requests, *options, server=server, timeout=600)
        grown = server.process.rss() - before
        # Quarantine and shadow of a sanitizer grow by design.
        check(grown < 2 * MIB or fixture.env.sanitized, f"memory grew by {grown / MIB:.1f} MiB")
        server.stop()
    finally:
        server.process.kill()
    return f"{speed}, memory {grown / 1024:+.0f} KiB"


@suite.case("100,000 requests by -c16 -m32, memory flat")
def hundred_thousand(fixture, transport):
    return flat(fixture, transport, fixture.env.big(100000, 20000))


@suite.case("1,000,000 requests by -c16 -m32, memory flat", long=True)
def million(fixture, transport):
    return flat(fixture, transport, 1000000)


@suite.case("workers: 4 threads, each with its listener")
def workers(fixture, transport):
    for options in ((), ("--balance",)):
        server = fixture.make("--workers", "4", *options)
        try:
            fixture.load(transport, 20000, "-c64", "-m8", server=server)
            fixture.load(transport, 2000, "-c500", "-m2", server=server)
            server.stop()
        finally:
            server.process.kill()


suite.main(Fixture)
