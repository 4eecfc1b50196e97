#!/usr/bin/env python3
"""halo's client and nghttpd, which serves files and echoes uploads."""
import re

import client_cases
from harness import (H2C, TLS, Process, Suite, contains, equal, file_sha, pattern_sha, require,
                     start_on_port)

suite = Suite("client", "nghttpd")


class Fixture(client_cases.ClientFixture):
    small = "/small"

    def __init__(self, env):
        self.nghttpd = require("nghttpd")
        version = env.run([self.nghttpd, "--version"]).stdout.decode()
        super().__init__(env, re.search(r"nghttp2/(\S+)", version)[1])
        self.large = "/large"
        self.root = env.work / "root"
        self.root.mkdir()
        (self.root / "small").symlink_to(env.pattern_file(client_cases.SMALL))
        (self.root / "large").symlink_to(env.pattern_file(self.large_length))
        (self.root / "index.html").write_text("halo test server\n")
        self.start()

    def make(self, transport, *options):
        secure = [self.env.key, self.env.cert] if transport == TLS else []
        return start_on_port(lambda port: Process(
            self.env, [self.nghttpd, "-a", "127.0.0.1", "-d", self.root, "-m", "1100",
                       "--echo-upload", "--trailer", "x-sum: abc", *options,
                       *([] if secure else ["--no-tls"]), port, *secure], lines=False))

    def start(self):
        for transport in (H2C, TLS)[:2 if self.env.has_tls else 1]:
            self.process[transport], self.ports[transport] = self.make(transport)


client_cases.register(suite)


@suite.case("large upload, byte-exact")
def upload(fixture, transport):
    length = fixture.env.big()
    lines = fixture.client(transport, "/echo", "--body", length)
    contains(lines, f"body {pattern_sha(length)} {length}", "test_client")
    out = fixture.env.work / "echo"
    fixture.get(transport, "/echo", "-d", f"@{fixture.env.pattern_file(length)}", "-o", out)
    equal(file_sha(out), pattern_sha(length), "SHA-256 of halo-get")


@suite.case("trailers received")
def trailers(fixture, transport):
    contains(fixture.client(transport, "/small"), "trailer x-sum: abc", "test_client")
    out = fixture.get(transport, "/small", "-i").stdout
    contains(out, b"x-sum: abc", "halo-get -i")


@suite.case("expect: 100-continue")
def expect(fixture, transport):
    lines = fixture.client(transport, "/echo", "--expect", "--body", 100000)
    contains(lines, "information 100", "test_client")
    contains(lines, f"body {pattern_sha(100000)} 100000", "test_client")


@suite.case("padded frames, small windows and other table sizes")
def variants(fixture, transport):
    small = client_cases.SMALL
    for options in (("-b", "200"), ("-w", "10", "-W", "11"), ("-w", "30", "-W", "30"),
                    ("-c", "0"), ("-c", "65536"), ("--encoder-header-table-size=0",)):
        before = fixture.ports[transport]
        process, fixture.ports[transport] = fixture.make(transport, *options)
        try:
            fixture.all_complete(transport, "/small", 100, "--count", 100)
            # Octets sent before the server's SETTINGS may be more than its windows hold, for which nghttpd
            # may reset the stream (RFC 9113 6.9.3): the body waits for the 100, which comes behind them.
            lines = fixture.client(transport, "/echo", "--expect", "--body", 300000)
            contains(lines, f"body {pattern_sha(300000)} 300000", f"upload with {options}")
            equal(len(fixture.get(transport, "/small").stdout), small, f"length with {options}")
        finally:
            process.kill()
            fixture.ports[transport] = before


suite.main(Fixture)
