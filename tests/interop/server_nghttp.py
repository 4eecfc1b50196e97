#!/usr/bin/env python3
"""halo's server and nghttp, whose -v shows every frame."""
import hashlib
import re

from fixtures import ServerFixture
from harness import MIB, Suite, check, contains, equal, file_sha, pattern, pattern_sha, require

suite = Suite("server", "nghttp")


class Fixture(ServerFixture):
    def __init__(self, env):
        self.nghttp = require("nghttp")
        version = env.run([self.nghttp, "--version"]).stdout.decode()
        super().__init__(env, re.search(r"nghttp2/(\S+)", version)[1])

    def run(self, transport, path, *options, timeout=60):
        """nghttp does not look at certificates by itself; an unknown one is just noted."""
        paths = path if isinstance(path, list) else [path]
        urls = [self.url(transport, one) for one in paths]
        return self.env.run([self.nghttp, *options, *urls], timeout).stdout

    def frames(self, transport, path, *options):
        text = self.run(transport, path, "-v", *options).decode(errors="replace")
        return re.sub(r"\x1b\[[0-9;]*m", "", text)

    def download(self, transport, path, length, *options):
        out = self.env.work / "download"
        with open(out, "wb") as file:
            self.env.run_to(file, [self.nghttp, *options, self.url(transport, path)])
        equal(out.stat().st_size, length, "length")
        equal(file_sha(out), pattern_sha(length), "SHA-256")


@suite.case("GET")
def get(fixture, transport):
    equal(fixture.run(transport, "/"), b"halo test server\n", "body")


@suite.case("HEAD")
def head(fixture, transport):
    text = fixture.frames(transport, "/bytes/12345", "-H", ":method: HEAD")
    contains(text, ":status: 200", "frames")
    contains(text, "content-length: 12345", "frames")
    check("recv DATA" not in text, f"DATA came: {text}")


@suite.case("404")
def not_found(fixture, transport):
    contains(fixture.frames(transport, "/nowhere"), ":status: 404", "frames")


@suite.case("large download, byte-exact")
def large_download(fixture, transport):
    fixture.download(transport, f"/bytes/{fixture.env.big()}", fixture.env.big())


@suite.case("download through small windows")
def small_windows(fixture, transport):
    for bits, length in ((10, 100000), (12, MIB), (30, 8 * MIB)):
        fixture.download(transport, f"/bytes/{length}", length, "-w", bits, "-W", bits)
        fixture.download(transport, f"/borrow/{length}", length, "-w", bits, "-W", bits)


@suite.case("large upload, byte-exact")
def large_upload(fixture, transport):
    length = fixture.env.big()
    answer = fixture.run(transport, "/hash", "-d", fixture.env.pattern_file(length))
    equal(answer.decode(), f"{pattern_sha(length)} {length}\n", "SHA-256 and length")


@suite.case("large echo, byte-exact")
def large_echo(fixture, transport):
    length = fixture.env.big(32 * MIB)
    for route in ("/echo", "/echo-slice"):
        fixture.download(transport, route, length, "-d", fixture.env.pattern_file(length))


@suite.case("padded frames")
def padding(fixture, transport):
    length = 300000
    answer = fixture.run(transport, "/hash", "--padding=100", "-d", fixture.env.pattern_file(length))
    equal(answer.decode(), f"{pattern_sha(length)} {length}\n", "SHA-256 and length")


@suite.case("trailers received")
def trailers(fixture, transport):
    text = fixture.frames(transport, "/trailers", "-d", fixture.env.pattern_file(1000))
    contains(text, "body-octets: 1000", "frames")


@suite.case("trailers sent")
def trailers_sent(fixture, transport):
    text = fixture.frames(transport, "/trailers", "-d", fixture.env.pattern_file(1000),
                          "--trailer", "x-sum: abc", "--trailer", "x-more: d e f")
    contains(text, "echo-x-sum: abc", "frames")
    contains(text, "echo-x-more: d e f", "frames")


@suite.case("1xx before the response")
def information(fixture, transport):
    text = fixture.frames(transport, "/info")
    equal(re.findall(r":status: (\d+)", text), ["103", "103", "200"], "statuses")


@suite.case("expect: 100-continue")
def expect(fixture, transport):
    text = fixture.frames(transport, "/hash", "--expect-continue", "-d",
                          fixture.env.pattern_file(1000))
    equal(re.findall(r":status: (\d+)", text), ["100", "200"], "statuses")
    contains(text, hashlib.sha256(pattern(1000)).hexdigest(), "body")


@suite.case("1,000 streams at once on one connection")
def streams(fixture, transport):
    paths = [f"/slow/500?{number}" for number in range(1000)]
    equal(fixture.run(transport, paths), b"slow\n" * 1000, "bodies")
    peak = fixture.server.stats()["peak"]
    check(peak >= 1000, f"only {peak} streams at once")


@suite.case("CONTINUATION")
def continuation(fixture, transport):
    # nghttp adds some large fields that do not fit in one frame.
    body = fixture.run(transport, "/headers", "--continuation").decode()
    contains(body, "continuation-test-", "body")
    check(len(body) > 16384, f"only {len(body)} octets of fields")


@suite.case("big header fields")
def big_headers(fixture, transport):
    # 30 KiB of fields in one block: HEADERS and CONTINUATION both ways of writing it.
    fields = [f"x-big-{number}: {chr(97 + number % 26) * 1000}" for number in range(28)]
    options = [part for field in fields for part in ("-H", field)]
    body = fixture.run(transport, "/headers", *options).decode().splitlines()
    for field in fields:
        check(field in body, f"{field[:20]}... did not arrive")


@suite.case("dynamic table of other sizes")
def table_sizes(fixture, transport):
    for size in ("0", "100", "4096", "65536"):
        for option in ("--header-table-size", "--encoder-header-table-size"):
            body = fixture.run(transport, ["/headers?a", "/headers?b", "/headers?c"],
                               f"{option}={size}", "-H", "x-repeated: again and again")
            equal(body.decode().count("x-repeated: again and again\n"), 3, f"{option}={size}")


@suite.case("many requests with many priorities")
def priorities(fixture, transport):
    paths = [f"/bytes/{1000 + number}" for number in range(200)]
    body = fixture.run(transport, paths, "-p", "200", "--weight=10")
    equal(len(body), sum(1000 + number for number in range(200)), "length of all bodies")


@suite.case("RST_STREAM instead of an answer")
def reset(fixture, transport):
    text = fixture.frames(transport, "/reset/11")
    contains(text, "recv RST_STREAM", "frames")
    contains(text, "ENHANCE_YOUR_CALM", "frames")


@suite.case("graceful close after the response")
def close(fixture, transport):
    text = fixture.frames(transport, "/close")
    contains(text, "recv GOAWAY", "frames")
    contains(text, "error_code=NO_ERROR", "frames")
    contains(text, "closing", "body")


suite.main(Fixture)
