#!/usr/bin/env python3
"""halo's client and Node's http2 server: node_server.mjs."""
import client_cases
from harness import (H2C, HERE, TLS, Process, Skip, Suite, check, contains, equal, file_sha,
                     pattern_sha, require)

suite = Suite("client", "Node")


class Fixture(client_cases.ClientFixture):
    def __init__(self, env):
        self.node = require("node")
        version = env.run([self.node, "--version"]).stdout.decode().strip()
        if int(version[1:].split(".")[0]) < 18:
            raise Skip(f"Node {version} is older than 18")
        super().__init__(env, version[1:])
        self.start()

    def start(self):
        files = [self.env.key, self.env.cert] if self.env.has_tls else []
        node = Process(self.env, [self.node, HERE / "node_server.mjs", *files])
        for transport in (H2C, TLS)[:2 if self.env.has_tls else 1]:
            match = node.await_line(r"^listening \w+ (\d+)$", 20 * self.env.scale)
            self.ports[transport] = int(match[1])
            self.process[transport] = node
        node.await_line("^ready$", 20 * self.env.scale)


client_cases.register(suite)


@suite.case("large upload, byte-exact")
def upload(fixture, transport):
    length = fixture.env.big()
    want = f"{pattern_sha(length)} {length}"
    done = fixture.get(transport, "/hash", "-d", f"@{fixture.env.pattern_file(length)}")
    equal(done.stdout.decode().strip(), want, "halo-get")
    lines = fixture.client(transport, "/hash", "--body", length, "--text")
    contains(lines, want, "test_client")


@suite.case("large echo, byte-exact")
def echo(fixture, transport):
    length = fixture.env.big()
    out = fixture.env.work / "echo"
    fixture.get(transport, "/echo", "-d", f"@{fixture.env.pattern_file(length)}", "-o", out)
    equal(file_sha(out), pattern_sha(length), "SHA-256 of halo-get")
    out.unlink()
    lines = fixture.client(transport, "/echo", "--body", length)
    contains(lines, f"body {pattern_sha(length)} {length}", "test_client")


@suite.case("uploads on many streams")
def uploads(fixture, transport):
    fixture.all_complete(transport, "/hash", 200, "--count", 200, "--body", 100000)


@suite.case("trailers received")
def trailers(fixture, transport):
    lines = fixture.client(transport, "/trailers", "--body", 1000)
    contains(lines, "trailer body-octets: 1000", "test_client")
    out = fixture.get(transport, "/trailers", "-i", "-d", "hello").stdout.decode()
    contains(out, "body-octets: 5", "halo-get -i")


@suite.case("trailers sent")
def trailers_sent(fixture, transport):
    lines = fixture.client(transport, "/trailers", "--body", 1000, "--trailers")
    contains(lines, "trailer echo-x-sum: abc", "test_client")
    contains(lines, "trailer echo-x-more: d e f", "test_client")


@suite.case("1xx before the response")
def information(fixture, transport):
    lines = fixture.client(transport, "/info")
    equal([line for line in lines if line.startswith(("information link", "status"))],
          ["information link: </style.css>; rel=preload; as=style",
           "information link: </code.js>; rel=preload; as=script", "status 200"], "test_client")


@suite.case("expect: 100-continue")
def expect(fixture, transport):
    lines = fixture.client(transport, "/hash", "--expect", "--body", 100000, "--text")
    contains(lines, "information 100", "test_client")
    contains(lines, f"{pattern_sha(100000)} 100000", "test_client")


@suite.case("1,000 streams at once, as the server counts them")
def streams(fixture, transport):
    fixture.all_complete(transport, "/slow/500", 1000, "--count", 1000)
    peak = int(fixture.get(transport, "/peak").stdout.split()[1])
    check(peak >= 1000, f"only {peak} streams at once")


@suite.case("RST_STREAM instead of an answer")
def reset(fixture, transport):
    for code, name in ((2, "INTERNAL_ERROR"), (7, "REFUSED_STREAM"), (11, "ENHANCE_YOUR_CALM")):
        done = fixture.get(transport, f"/reset/{code}", status=1)
        contains(done.stderr.decode(), name, "halo-get's error")


@suite.case("big header fields")
def big_headers(fixture, transport):
    out = fixture.get(transport, "/fields/28", "-i").stdout.decode()
    for number in range(28):
        contains(out, f"x-big-{number}: {chr(97 + number % 26) * 1000}", "fields")
    equal(out.count("set-cookie: name"), 100, "cookies")
    fields = [part for number in range(8)
              for part in ("-H", f"x-sent-{number}: {chr(97 + number) * 1000}")]
    out = fixture.get(transport, "/headers", *fields).stdout.decode()
    for number in range(8):
        contains(out, f"x-sent-{number}: {chr(97 + number) * 1000}\n", "fields that were sent")


@suite.case("odd methods")
def methods(fixture, transport):
    for method in ("DELETE", "OPTIONS", "PROPFIND", "PURGE", "M-SEARCH"):
        out = fixture.get(transport, "/headers", "-X", method).stdout.decode()
        contains(out, f":method: {method}\n", method)


@suite.case("graceful close after the response")
def close(fixture, transport):
    out = fixture.get(transport, ["/close", "/close", "/"]).stdout.decode()
    equal(out, "closing\nclosing\nhalo test server\n", "bodies")


@suite.case("graceful close in the middle of a transfer loses nothing")
def close_early(fixture, transport):
    out = fixture.env.work / "early"
    length = fixture.env.big(32 << 20, 8 << 20)
    fixture.get(transport, f"/close-early/{length}", "-o", out)
    equal(file_sha(out), pattern_sha(length), "SHA-256")


suite.main(Fixture)
