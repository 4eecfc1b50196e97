#!/usr/bin/env python3
"""halo-serve and whoever fetches files from it: curl, nghttp, h2load, Node and halo-get."""
import hashlib
import os
import re
import signal

from fixtures import HaloServer
from harness import (H2C, HERE, MIB, TLS, Process, Suite, check, contains, ending, equal, file_sha,
                     pattern, pattern_sha, require)

# One column of the table: the other drivers are about the library, this one about the program.
suite = Suite("server", "all of them and halo-get, from halo-serve")

INDEX = "<!doctype html><title>halo</title>\n"


class Fixture:
    def __init__(self, env):
        self.env = env
        self.version = ""
        self.crashes = []
        self.program = env.program("server", "halo-serve")
        self.get_program = env.program("client", "halo-get")
        self.curl, self.nghttp, self.h2load, self.node = require("curl", "nghttp", "h2load", "node")
        self.root = env.work / "root"
        (self.root / "below").mkdir(parents=True)
        (self.root / "index.html").write_text(INDEX)
        (self.root / "below" / "index.html").write_text(INDEX * 2)
        (self.root / "small.txt").write_bytes(pattern(12345))
        (self.root / "empty").write_bytes(b"")
        # A link within the root: the bodies are made once.
        os.link(env.pattern_file(env.big()), self.root / "large")
        (env.work / "secret").write_text("not to be served\n")
        self.server = self.make()

    def make(self, *options):
        args = ["--root", self.root, "--max-streams", "1100", "--quiet", *options,
                "--listen", "127.0.0.1:0", "--listen", "[::1]:0"]
        if self.env.has_tls:
            args += ["--listen-tls", "127.0.0.1:0", "--listen-tls", "[::1]:0",
                     "--cert", self.env.cert, "--key", self.env.key]
        return HaloServer(self.env, self.program, args, 4 if self.env.has_tls else 2)

    def recover(self):
        if not self.server.process.running():
            self.crashes.append(self.server.process.errors(6000))
            self.server = self.make()

    def finish(self):
        check(not self.crashes, "it had crashed:\n" + "\n".join(self.crashes))
        self.server.stop()

    def curl_args(self, transport):
        args = [self.curl, "-sS", "--noproxy", "*", "--path-as-is"]
        if transport == H2C:
            return [*args, "--http2-prior-knowledge"]
        return [*args, "--http2", "--cacert", self.env.ca]

    def trust(self, transport):
        return ["--cacert", self.env.ca] if transport == TLS else []

    def fetch(self, transport, path, *options, **more):
        """By curl: head (lower case) and body."""
        args = [*self.curl_args(transport), "-i", *options, self.server.url(transport, path)]
        head, _, body = self.env.run(args, **more).stdout.partition(b"\r\n\r\n")
        return head.decode().lower(), body


@suite.case("GET")
def get(fixture, transport):
    url = fixture.server.url(transport, "/")
    head, body = fixture.fetch(transport, "/")
    contains(head, "http/2 200", "curl")
    for field in (f"content-length: {len(INDEX)}", "content-type: text/html", "date: ",
                  "last-modified: ", "etag: "):
        contains(head, field, "fields")
    equal(body.decode(), INDEX, "curl")
    equal(fixture.env.run([fixture.nghttp, url]).stdout.decode(), INDEX, "nghttp")
    got = fixture.env.run([fixture.get_program, *fixture.trust(transport), url]).stdout
    equal(got.decode(), INDEX, "halo-get")
    equal(fixture.fetch(transport, "/below/")[1].decode(), INDEX * 2, "index.html of a directory")
    equal(fixture.fetch(transport, "/empty")[1], b"", "empty file")


@suite.case("HEAD")
def head(fixture, transport):
    head, body = fixture.fetch(transport, "/small.txt", "-I")
    contains(head, "content-length: 12345", "fields")
    contains(head, "content-type: text/plain", "fields")
    equal(body, b"", "body")


@suite.case("404")
def not_found(fixture, transport):
    contains(fixture.fetch(transport, "/nowhere")[0], "http/2 404", "curl")


@suite.case("other methods get 405, with allow")
def methods(fixture, transport):
    for method in ("POST", "PUT", "DELETE", "PURGE"):
        head, _ = fixture.fetch(transport, "/small.txt", "-X", method)
        contains(head, "http/2 405", method)
        check(re.search(r"allow: .*get", head), f"no allow in {head}")
    large = fixture.env.pattern_file(fixture.env.big(8 * MIB))
    head, _ = fixture.fetch(transport, "/small.txt", "--data-binary", f"@{large}", status=None)
    contains(head, "http/2 405", "POST of a large body")


@suite.case("nothing outside of the root")
def traversal(fixture, transport):
    for path in ("/../secret", "/below/../../secret", "/%2e%2e/secret", "/..%2fsecret",
                 "/below/%2e%2e/%2e%2e/secret", "//../secret", "/below/..\\..\\secret",
                 "/%00", "/small.txt%00.html"):
        head, body = fixture.fetch(transport, path)
        check(re.match(r"http/2 4\d\d", head), f"{path}: {head.splitlines()[0]}")
        check(b"not to be served" not in body, f"{path} was served")


@suite.case("conditional requests")
def conditional(fixture, transport):
    head, _ = fixture.fetch(transport, "/small.txt")
    etag = re.search(r'etag: (\S+)', head)[1]
    modified = re.search(r"last-modified: (.*)", head)[1].strip()
    # HTTP dates are case-sensitive; curl printed them, and the head was made lower case here.
    modified = re.sub(r"\b[a-z]", lambda letter: letter[0].upper(), modified).replace("Gmt", "GMT")
    for field in (f"if-none-match: {etag}", f"if-modified-since: {modified}"):
        head, body = fixture.fetch(transport, "/small.txt", "-H", field)
        contains(head, "http/2 304", field)
        equal(body, b"", "body")


@suite.case("large download, byte-exact")
def large_download(fixture, transport):
    want = pattern_sha(fixture.env.big())
    url = fixture.server.url(transport, "/large")
    out = fixture.env.work / "download"
    for name, args in (("curl", [*fixture.curl_args(transport), "-o", out, url]),
                       ("halo-get", [fixture.get_program, *fixture.trust(transport), "-o", out,
                                     url])):
        fixture.env.run(args, timeout=60)
        equal(file_sha(out), want, name)
        out.unlink()
    with open(out, "wb") as file:
        fixture.env.run_to(file, [fixture.nghttp, url])
    equal(file_sha(out), want, "nghttp")


@suite.case("requests by Node")
def node(fixture, transport):
    for name in ("notFound", "ping"):
        fixture.env.run([fixture.node, HERE / "node_client.mjs", name,
                         fixture.server.url(transport, ""),
                         fixture.env.ca if transport == TLS else "", 0, 0])


def load(fixture, transport, path, requests, *options, server=None, timeout=120):
    url = (server or fixture.server).url(transport, path)
    text = fixture.env.run([fixture.h2load, "-n", requests, *options, url],
                           timeout).stdout.decode()
    contains(text, f"{requests} succeeded, 0 failed, 0 errored, 0 timeout", "h2load")
    contains(text, f"status codes: {requests} 2xx", "h2load")
    return text


@suite.case("1,000 streams at once on one connection")
def streams(fixture, transport):
    load(fixture, transport, "/small.txt", 10000, "-c1", "-m1000")


@suite.case("10,000 requests in sequence on one connection")
def sequence(fixture, transport):
    load(fixture, transport, "/small.txt", 10000, "-c1", "-m1")


@suite.case("1,000 connections at once")
def connections(fixture, transport):
    load(fixture, transport, "/small.txt", 5000, "-c1000", "-m1")


def flat(fixture, transport, requests):
    server = fixture.make()
    try:
        load(fixture, transport, "/", max(requests // 10, 20000), "-c16", "-m32", server=server)
        before = server.process.rss()
        load(fixture, transport, "/", requests, "-c16", "-m32", server=server, timeout=600)
        grown = server.process.rss() - before
        check(grown < 2 * MIB or fixture.env.sanitized, f"memory grew by {grown / MIB:.1f} MiB")
        server.stop()
    finally:
        server.process.kill()
    return f"memory {grown / 1024:+.0f} KiB"


@suite.case("100,000 requests by -c16 -m32, memory flat")
def hundred_thousand(fixture, transport):
    return flat(fixture, transport, fixture.env.big(100000, 20000))


@suite.case("1,000,000 requests by -c16 -m32, memory flat", long=True)
def million(fixture, transport):
    return flat(fixture, transport, 1000000)


@suite.case("client killed in the middle of a download")
def vanish(fixture, transport):
    for _ in range(5):
        args = [*fixture.curl_args(transport), "-N", fixture.server.url(transport, "/large")]
        with ending(Process(fixture.env, args, lines=False)) as curl:
            check(len(curl.child.stdout.read(MIB)) == MIB, "curl ended early")
            curl.signal(signal.SIGKILL)
            curl.wait(10)
    equal(fixture.fetch(transport, "/")[1].decode(), INDEX, "the next request")


def sigterm_during_transfer(fixture, transport, *options):
    server = fixture.make(*options)
    with ending(server.process):
        args = [*fixture.curl_args(transport), "-N", server.url(transport, "/large")]
        with ending(Process(fixture.env, args, lines=False)) as curl:
            digest = hashlib.sha256(curl.child.stdout.read(MIB))
            check(curl.running() and server.process.running(), "the transfer was too quick")
            server.process.signal(signal.SIGTERM)
            while part := curl.child.stdout.read(MIB):
                digest.update(part)
            equal(curl.wait(20 * fixture.env.scale), 0, f"curl's status ({curl.errors()})")
            equal(digest.hexdigest(), pattern_sha(fixture.env.big()), "SHA-256")
        server.await_end()


@suite.case("SIGTERM during a transfer loses nothing")
def sigterm(fixture, transport):
    sigterm_during_transfer(fixture, transport)
    sigterm_during_transfer(fixture, transport, "--workers", "2")


@suite.case("a second SIGTERM ends it at once")
def second_sigterm(fixture, transport):
    server = fixture.make()
    with ending(server.process):
        args = [*fixture.curl_args(transport), "-N", server.url(transport, "/large")]
        with ending(Process(fixture.env, args, lines=False)) as curl:
            curl.child.stdout.read(MIB)
            server.process.signal(signal.SIGTERM)
            # The listener is closed once the first signal was seen.
            for _ in range(500):
                probe = fixture.env.run([*fixture.curl_args(transport), "-o", os.devnull,
                                         server.url(transport, "/")], status=None)
                if probe.returncode != 0:
                    break
            check(server.process.running(), "it ended with a transfer under way")
            server.process.signal(signal.SIGTERM)
            server.process.wait(10 * fixture.env.scale)


@suite.case("bad options end with status 2 and a reason", (H2C,))
def bad_options(fixture, _):
    for args in ((), ("--root", fixture.root), ("--listen", "127.0.0.1:0"),
                 ("--root", "/nowhere/at/all", "--listen", "127.0.0.1:0"),
                 ("--root", fixture.root, "--listen", "nonsense"),
                 ("--root", fixture.root, "--listen", "127.0.0.1:99999"),
                 ("--root", fixture.root, "--listen-tls", "127.0.0.1:0"),
                 ("--root", fixture.root, "--listen-tls", "127.0.0.1:0", "--cert", "/nowhere",
                  "--key", "/nowhere"),
                 ("--root", fixture.root, "--listen", "127.0.0.1:0", "--workers", "many"),
                 ("--unknown",)):
        done = fixture.env.run([fixture.program, *args], status=2)
        check(len(done.stderr) > 10, f"{args}: no reason on stderr")


@suite.case("IPv6")
def ipv6(fixture, transport):
    url = fixture.server.url(transport, "/", "[::1]", 1)
    equal(fixture.env.run([*fixture.curl_args(transport), url]).stdout.decode(), INDEX, "curl")
    got = fixture.env.run([fixture.get_program, *fixture.trust(transport), url]).stdout.decode()
    equal(got, INDEX, "halo-get")


suite.main(Fixture)
