#!/usr/bin/env python3
"""halo's server and clients of HTTP/1.1: curl, Node's http, raw sockets; and HTTP/2 on the same ports."""
import contextlib
import re
import signal
import socket
import ssl
import subprocess
import time

from fixtures import HaloServer, ServerFixture
from harness import (H2C, HERE, MIB, TLS, Suite, check, contains, equal, file_sha, pattern, pattern_sha,
                     require)

suite = Suite("server", "HTTP/1.1: curl, Node, raw sockets")
LENGTH = 10 * MIB


class Fixture(ServerFixture):
    OPTIONS = [*ServerFixture.OPTIONS, "--http1"]

    def __init__(self, env):
        self.curl, self.node = require("curl", "node")
        version = subprocess.run([self.curl, "--version"], capture_output=True, text=True,
                                 timeout=10).stdout
        super().__init__(env, "curl " + re.search(r"^curl (\S+)", version)[1])

    def fetch(self, transport, path, *options, version="--http1.1", timeout=60, status=0, **more):
        args = [self.curl, "-sS", "--noproxy", "*", version]
        args += ["--cacert", self.env.ca] if transport == TLS else []
        return self.env.run([*args, *options, self.url(transport, path)], timeout, status,
                            **more).stdout

    def run(self, transport, name, length=0):
        self.env.run([self.node, HERE / "http1_client.mjs", name, self.url(transport, ""),
                      self.env.ca if transport == TLS else "", length], 60)

    @contextlib.contextmanager
    def raw(self, transport, alpn=None):
        timeout = 20 * self.env.scale
        with socket.create_connection(("127.0.0.1", self.server.port(transport)), timeout) as plain:
            if transport == H2C:
                yield plain
                return
            context = ssl.create_default_context(cafile=self.env.ca)
            if alpn:
                context.set_alpn_protocols(alpn)
            with context.wrap_socket(plain, server_hostname="localhost") as secure:
                yield secure

    def converse(self, transport, octets, alpn=None):
        """All that is answered, until the server closes."""
        with self.raw(transport, alpn) as connection:
            connection.sendall(octets)
            return read_all(connection)


def read_all(connection):
    answer = b""
    while part := connection.recv(65536):
        answer += part
    return answer


# ---- curl ---------------------------------------------------------------------------------------

@suite.case("GET, HEAD, 404, statuses")
def simple(fixture, transport):
    contains(fixture.fetch(transport, "/", "-i").decode(), "HTTP/1.1 200 OK\r\n", "status")
    contains(fixture.fetch(transport, "/bytes/12345", "-I").decode(), "content-length: 12345", "HEAD")
    contains(fixture.fetch(transport, "/nowhere", "-i").decode(), "HTTP/1.1 404 Not Found\r\n", "status")
    for status in (204, 205, 304, 500):
        head = fixture.fetch(transport, f"/status/{status}", "-i").decode()
        contains(head, f"HTTP/1.1 {status} ", "status")
        check(head.endswith("\r\n\r\n"), f"content of {status}: {head!r}")


@suite.case("downloads of 10 MiB, byte-exact")
def downloads(fixture, transport):
    out = fixture.env.work / "http1-download"
    for route in ("bytes", "borrow"):
        fixture.fetch(transport, f"/{route}/{LENGTH}", "-o", out)
        equal(file_sha(out), pattern_sha(LENGTH), f"SHA-256 of /{route}")
    equal(fixture.fetch(transport, f"/later/{MIB}"), pattern(MIB), "/later")
    out.unlink()


@suite.case("uploads of 10 MiB, byte-exact: by length and in chunks")
def uploads(fixture, transport):
    file = fixture.env.pattern_file(LENGTH)
    for options in ((), ("-H", "Transfer-Encoding: chunked")):
        answer = fixture.fetch(transport, "/hash", "-T", file, "-X", "POST", *options)
        equal(answer.decode(), f"{pattern_sha(LENGTH)} {LENGTH}\n", "SHA-256 and length")


@suite.case("HTTP/1.0")
def old(fixture, transport):
    # curl's ALPN would be http/1.0 and nothing else.
    head, _, body = fixture.fetch(transport, "/later/1000", "-i", "--no-alpn",
                                  version="--http1.0").partition(b"\r\n\r\n")
    contains(head.decode(), "connection: close", "fields")
    check(b"chunked" not in head, "no chunks")
    equal(body, pattern(1000), "body")


@suite.case("HTTP/2 on the same port")
def http2(fixture, transport):
    version = "--http2-prior-knowledge" if transport == H2C else "--http2"
    contains(fixture.fetch(transport, "/", "-i", version=version).decode(), "HTTP/2 200", "status")
    answer = fixture.fetch(transport, "/hash", "-T", fixture.env.pattern_file(LENGTH), "-X", "POST",
                           version=version)
    equal(answer.decode(), f"{pattern_sha(LENGTH)} {LENGTH}\n", "SHA-256 and length")


@suite.case("no ALPN at all, and a client that offers HTTP/1.1 alone", transports=(TLS,))
def without_alpn(fixture, transport):
    for alpn in (None, ["http/1.1"], ["http/1.1", "spdy/3"]):
        answer = fixture.converse(transport, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", alpn)
        check(answer.startswith(b"HTTP/1.1 200 OK\r\n"), f"{alpn}: {answer!r}")


@suite.case("an upgrade to h2c is ignored", transports=(H2C,))
def upgrade(fixture, transport):
    head = fixture.fetch(transport, "/", "-i", version="--http2").decode()
    check(head.startswith("HTTP/1.1 200 OK\r\n"), head)


# ---- Node ---------------------------------------------------------------------------------------

for case, (function, length) in {
    "Node: GET": ("get", 0),
    "Node: 200 requests on one connection": ("keepAlive", 0),
    "Node: echo of 10 MiB, byte-exact": ("echo", LENGTH),
    "Node: trailers both ways": ("trailers", 0),
    "Node: 1xx before the response": ("information", 0),
    "Node: expect: 100-continue": ("expect", 0),
    "Node: a reset closes the connection": ("reset", 0),
}.items():
    suite.case(case)(lambda fixture, transport, function=function, length=length:
                     fixture.run(transport, function, length))


# ---- raw sockets --------------------------------------------------------------------------------

@suite.case("200 pipelined requests, octet by octet in part")
def pipeline(fixture, transport):
    count = 200
    requests = [f"GET /bytes/{i} HTTP/1.1\r\nHost: a\r\n\r\n" for i in range(count - 1)]
    requests.append(f"GET /bytes/{count - 1} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    octets = "".join(requests).encode()
    with fixture.raw(transport) as connection:
        for at in range(200):
            connection.sendall(octets[at:at + 1])
        connection.sendall(octets[200:])
        answer = read_all(connection)
    for i in range(count):
        head, _, answer = answer.partition(b"\r\n\r\n")
        equal(head.split(b"\r\n")[1], f"content-length: {i}".encode(), "length")
        equal(answer[:i], pattern(i), f"body {i}")
        answer = answer[i:]
    equal(answer, b"", "what follows")


@suite.case("refused requests end the connection")
def refused(fixture, transport):
    for octets, status in ((b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
                           (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n", 400),
                           (b"GET /" + 20000 * b"a" + b" HTTP/1.1\r\n\r\n", 414),
                           (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + 40000 * b"a", 431),
                           (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
                           (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505)):
        answer = fixture.converse(transport, octets)
        check(answer.startswith(f"HTTP/1.1 {status} ".encode()) and answer.count(b"HTTP/1.1") == 1,
              f"{octets[:60]}: {answer!r}")


@suite.case("the first octets of either protocol, one by one", transports=(H2C,))
def sniffing(fixture, transport):
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04\x00" + bytes(4)
    with fixture.raw(transport) as connection:
        for at in range(len(preface)):
            connection.sendall(preface[at:at + 1])
            time.sleep(0.002)
        equal(connection.recv(4)[3], 4, "type of the first frame")
    for first in ("P", "PR", "PRI", "PRI * HTTP/2"):
        with fixture.raw(transport) as connection:
            connection.sendall(first.encode())
            time.sleep(0.02)
            connection.sendall(b"OST / HTTP/1.0\r\n\r\n" if first == "P" else b"X / HTTP/1.0\r\n\r\n")
            status = b"200" if first == "P" else b"501" if "*" not in first else b"400"
            contains(read_all(connection).decode(), f"HTTP/1.1 {status.decode()} ", first)


@suite.case("a half-closed connection is answered", transports=(H2C,))
def half_closed(fixture, transport):
    with fixture.raw(transport) as connection:
        connection.sendall(b"GET /slow/100 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        equal(read_all(connection).count(b"HTTP/1.1 200 OK"), 2, "answers")


@suite.case("a client that does not read is held back")
def held_back(fixture, transport):
    with fixture.raw(transport) as connection:
        connection.settimeout(2)
        sent = 0
        try:
            while sent < 200 * MIB:
                sent += connection.send(b"GET /bytes/100000 HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
        except (TimeoutError, ssl.SSLWantWriteError):
            pass
        check(sent < 100 * MIB, f"{sent} octets were taken")
    fixture.server.await_quiet()


# ---- ends ---------------------------------------------------------------------------------------

@suite.case("graceful end of the server with a response under way")
def graceful(fixture, transport):
    server = fixture.make()
    context = ssl.create_default_context(cafile=fixture.env.ca) if transport == TLS else None
    plain = socket.create_connection(("127.0.0.1", server.port(transport)), 20 * fixture.env.scale)
    idle = socket.create_connection(("127.0.0.1", server.port(transport)), 20 * fixture.env.scale)
    connection = context.wrap_socket(plain, server_hostname="localhost") if context else plain
    with connection, idle:
        connection.sendall(b"GET /slow/500 HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(0.2)
        server.process.signal(signal.SIGTERM)
        answer = read_all(connection)
        equal(idle.recv(1), b"", "idle connection")
        contains(answer.decode(), "HTTP/1.1 200 OK", "status")
        contains(answer.decode(), "connection: close", "fields")
    server.await_end()


@suite.case("halo-serve --http1", transports=(H2C,))
def serve(fixture, transport):
    root = fixture.env.work / "http1-root"
    root.mkdir()
    (root / "file").write_bytes(pattern(LENGTH))
    options = ["--root", root, "--listen", "127.0.0.1:0", "--quiet"]
    program = fixture.env.program("server", "halo-serve")
    server = HaloServer(fixture.env, program, [*options, "--http1"], 1)
    out = fixture.env.work / "http1-file"
    for version in ("--http1.1", "--http1.0", "--http2-prior-knowledge"):
        fixture.env.run([fixture.curl, "-sS", "--noproxy", "*", version, "-o", out,
                         server.url(H2C, "/file")], 60)
        equal(file_sha(out), pattern_sha(LENGTH), version)
    ranged = fixture.env.run([fixture.curl, "-sS", "--noproxy", "*", "--http1.1", "-r", "5-9",
                              server.url(H2C, "/file")]).stdout
    equal(ranged, pattern(10)[5:], "range")
    server.stop()
    server = HaloServer(fixture.env, program, options, 1)
    with socket.create_connection(("127.0.0.1", server.port(H2C)), 20 * fixture.env.scale) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        check(b"HTTP/1.1" not in read_all(connection), "served without --http1")
    server.stop()


suite.main(Fixture)
