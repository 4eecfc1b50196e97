#!/usr/bin/env python3
"""halo's server and curl."""
import contextlib
import hashlib
import os
import re
import signal
import subprocess
import threading

from fixtures import ServerFixture
from harness import (H2C, MIB, TLS, Process, Suite, check, contains, ending, equal, file_sha, pattern,
                     pattern_sha, require)

suite = Suite("server", "curl")


class Fixture(ServerFixture):
    def __init__(self, env):
        self.curl = require("curl")
        version = subprocess.run([self.curl, "--version"], capture_output=True, text=True,
                                 timeout=10).stdout
        super().__init__(env, re.search(r"^curl (\S+)", version)[1])

    def args(self, transport):
        """curl's options for HTTP/2 and nothing else."""
        args = [self.curl, "-sS", "--noproxy", "*"]
        if transport == H2C:
            return [*args, "--http2-prior-knowledge"]
        return [*args, "--http2", "--cacert", self.env.ca]

    def fetch(self, transport, path, *options, timeout=30, status=0, **more):
        return self.env.run([*self.args(transport), *options, self.url(transport, path)], timeout,
                            status, **more).stdout

    def head_and_body(self, transport, path, *options, **more):
        """Header blocks (1xx and final) and the body, with the trailers behind it."""
        text = self.fetch(transport, path, "-i", *options, **more).decode()
        heads = []
        while text.startswith("HTTP/2 "):
            head, _, text = text.partition("\r\n\r\n")
            heads.append(head)
        return heads, text

    def download(self, transport, path, length):
        out = self.env.work / "download"
        self.fetch(transport, path, "-o", out, timeout=60)
        equal(out.stat().st_size, length, "length")
        equal(file_sha(out), pattern_sha(length), "SHA-256")
        out.unlink()

    def upload(self, transport, path, length):
        """What comes back for a body of the pattern."""
        out = self.env.work / "uploaded"
        self.fetch(transport, path, "-T", self.env.pattern_file(length), "-X", "POST", "-o", out,
                   timeout=60)
        return out


@suite.case("GET")
def get(fixture, transport):
    heads, body = fixture.head_and_body(transport, "/")
    contains(heads[0], "HTTP/2 200", "status")
    equal(body, "halo test server\n", "body")


@suite.case("HEAD")
def head(fixture, transport):
    heads, _ = fixture.head_and_body(transport, "/bytes/12345", "-I")
    contains(heads[0], "HTTP/2 200", "status")
    contains(heads[0], "content-length: 12345", "fields")


@suite.case("404")
def not_found(fixture, transport):
    heads, body = fixture.head_and_body(transport, "/nowhere")
    contains(heads[0], "HTTP/2 404", "status")
    equal(body, "not found\n", "body")


@suite.case("statuses without a body")
def statuses(fixture, transport):
    for status in (200, 204, 205, 304, 400, 500, 503, 599):
        heads, body = fixture.head_and_body(transport, f"/status/{status}")
        contains(heads[0], f"HTTP/2 {status}", "status")
        equal(body, "", "body")


@suite.case("large download, byte-exact")
def large_download(fixture, transport):
    fixture.download(transport, f"/bytes/{fixture.env.big()}", fixture.env.big())


@suite.case("large download of borrowed memory, byte-exact")
def borrowed_download(fixture, transport):
    fixture.download(transport, f"/borrow/{fixture.env.big()}", fixture.env.big())


@suite.case("download from a source that is not always ready")
def later_download(fixture, transport):
    length = fixture.env.big(8 * MIB, MIB)
    fixture.download(transport, f"/later/{length}", length)


@suite.case("bodies around frame and window sizes")
def odd_lengths(fixture, transport):
    for length in (0, 1, 1023, 1024, 1025, 16383, 16384, 16385, 65535, 65536, 65537, 1048577):
        for route in ("bytes", "borrow"):
            equal(fixture.fetch(transport, f"/{route}/{length}"), pattern(length),
                  f"/{route}/{length}")


@suite.case("large upload, byte-exact")
def large_upload(fixture, transport):
    length = fixture.env.big()
    answer = fixture.upload(transport, "/hash", length).read_text()
    equal(answer, f"{pattern_sha(length)} {length}\n", "SHA-256 and length")


@suite.case("large echo, byte-exact")
def large_echo(fixture, transport):
    length = fixture.env.big()
    for route in ("/echo", "/echo-slice"):
        out = fixture.upload(transport, route, length)
        equal(file_sha(out), pattern_sha(length), f"SHA-256 of {route}")
        out.unlink()


@suite.case("trailers received")
def trailers(fixture, transport):
    heads, body = fixture.head_and_body(transport, "/trailers", "-d", "hello")
    contains(heads[0], "trailer: body-octets", "fields")
    equal(body, "hellobody-octets: 5\r\n", "body and trailers")


@suite.case("1xx before the response")
def information(fixture, transport):
    heads, body = fixture.head_and_body(transport, "/info")
    equal([head.split()[1] for head in heads], ["103", "103", "200"], "statuses")
    contains(heads[1], "link: </code.js>", "fields of the second 103")
    equal(body, "hinted\n", "body")


@suite.case("expect: 100-continue")
def expect(fixture, transport):
    heads, body = fixture.head_and_body(transport, "/hash", "-H", "expect: 100-continue", "-d",
                                        "hello")
    equal([head.split()[1] for head in heads], ["100", "200"], "statuses")
    contains(body, hashlib.sha256(b"hello").hexdigest(), "body")


@suite.case("RST_STREAM instead of an answer")
def reset(fixture, transport):
    done = fixture.env.run([*fixture.args(transport), fixture.url(transport, "/reset/2")],
                           status=92)  # CURLE_HTTP2_STREAM
    contains(done.stderr.decode(), "INTERNAL_ERROR", "error")


# With --http2-prior-knowledge, curl 7.88 says "Error in the HTTP2 framing layer" for each further
# request on a connection, whoever the server is: hence these two over TLS only.
@suite.case("10,000 requests in sequence on one connection", (TLS,))
def sequence(fixture, transport):
    count = fixture.env.big(10000, 2000)
    out = fixture.fetch(transport, f"/bytes/100?[1-{count}]", "-o", os.devnull, "-w",
                        "%{num_connects} %{http_code} %{size_download}\n", timeout=60)
    lines = out.decode().splitlines()
    equal(len(lines), count, "answers")
    equal(sum(int(line.split()[0]) for line in lines), 1, "connections")
    equal({line.split(maxsplit=1)[1] for line in lines}, {"200 100"}, "statuses and lengths")


@suite.case("100 streams at once on one connection", (TLS,))
def parallel(fixture, transport):
    out = fixture.fetch(transport, "/slow/100?[1-200]", "-Z", "--parallel-max", "100", "-o",
                        os.devnull, "-w", "%{num_connects} %{http_code}\n")
    lines = out.decode().splitlines()
    equal(len(lines), 200, "answers")
    equal({line.split()[1] for line in lines}, {"200"}, "statuses")


@suite.case("big header fields")
def big_headers(fixture, transport):
    fields = [f"x-big-{number}: {chr(97 + number % 26) * 1000}" for number in range(28)]
    single = f"x-single: {'z' * 16000}"
    for sent in (fields, [single]):
        options = [part for field in sent for part in ("-H", field)]
        lines = fixture.fetch(transport, "/headers", *options).decode().splitlines()
        for field in sent:
            check(field in lines, f"{field[:20]}... did not arrive")


@suite.case("many cookies")
def cookies(fixture, transport):
    value = "; ".join(f"name{number}=value{number}" for number in range(200))
    contains(fixture.fetch(transport, "/headers", "-b", value).decode(), f"cookie: {value}\n",
             "fields")


@suite.case("odd methods")
def methods(fixture, transport):
    for method in ("DELETE", "OPTIONS", "PROPFIND", "PURGE", "M-SEARCH", "x"):
        body = fixture.fetch(transport, "/headers", "-X", method).decode()
        contains(body, f":method: {method}\n", method)


@suite.case("IPv6, and a host name")
def ipv6(fixture, transport):
    for host, index in (("[::1]", 1), ("localhost", 0)):
        url = fixture.url(transport, "/", host, index)
        body = fixture.env.run([*fixture.args(transport), url]).stdout
        equal(body, b"halo test server\n", url)


@suite.case("graceful close after the response")
def close(fixture, transport):
    url = fixture.url(transport, "/close")
    done = fixture.env.run([*fixture.args(transport), "-w", "%{num_connects}\n", url, url, url])
    equal(done.stdout.decode(), "closing\n1\n" * 3, "answers and new connections")


def vanish(fixture, process, octets):
    """Kills curl, by its id, after it has received that much, and waits until halo knows."""
    with ending(process):
        received = 0
        while received < octets:
            part = process.child.stdout.read1(65536)
            check(part, f"curl ended after {received} octets; {process.errors()}")
            received += len(part)
        check(process.running(), "curl ended early")
        process.signal(signal.SIGKILL)
        process.wait(10)
    fixture.server.process.await_line(r"^stream \d+ failed", 20 * fixture.env.scale)
    fixture.server.await_quiet()


@suite.case("client killed in the middle of a download")
def vanish_download(fixture, transport):
    for route in ("bytes", "borrow", "later"):
        args = [*fixture.args(transport), "-N", fixture.url(transport, f"/{route}/10000000000")]
        vanish(fixture, Process(fixture.env, args, lines=False), MIB)


def feed(body):
    """Writes until the reader is gone."""
    with contextlib.suppress(BrokenPipeError), body:
        while True:
            body.write(pattern(MIB))


@suite.case("client killed in the middle of an upload")
def vanish_upload(fixture, transport):
    for route in ("/echo", "/echo-slice"):
        args = [*fixture.args(transport), "-N", "-T", "-", "-X", "POST",
                fixture.url(transport, route)]
        process = Process(fixture.env, args, lines=False, stdin=subprocess.PIPE)
        feeder = threading.Thread(target=feed, args=(process.child.stdin,), daemon=True)
        feeder.start()
        vanish(fixture, process, MIB)
        feeder.join(10)


@suite.case("SIGTERM during a transfer loses nothing")
def sigterm(fixture, transport):
    length = fixture.env.big(64 * MIB, 8 * MIB)
    server = fixture.make()
    with ending(server.process):
        args = [*fixture.args(transport), "-N", server.url(transport, f"/bytes/{length}")]
        with ending(Process(fixture.env, args, lines=False)) as curl:
            digest = hashlib.sha256(curl.child.stdout.read(MIB))
            check(curl.running() and server.process.running(), "the transfer was too quick")
            server.process.signal(signal.SIGTERM)
            while part := curl.child.stdout.read(MIB):
                digest.update(part)
            equal(curl.wait(20 * fixture.env.scale), 0, f"curl's status ({curl.errors()})")
            equal(digest.hexdigest(), pattern_sha(length), "SHA-256")
        server.await_end()


suite.main(Fixture)
