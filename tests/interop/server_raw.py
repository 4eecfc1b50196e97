#!/usr/bin/env python3
"""halo's server and clients that vanish, stall or hold connections, made of raw sockets."""
import contextlib
import socket
import struct

import h2raw
from fixtures import ServerFixture
from harness import H2C, Suite, check, equal, pattern

suite = Suite("server", "raw sockets")


def await_failure(fixture, count=1):
    for _ in range(count):
        fixture.server.process.await_line(r"^stream \d+ failed", 20 * fixture.env.scale)


def start_download(fixture, transport, route):
    """A connection on which DATA has come, and much more is under way."""
    connection = fixture.server.raw(transport)
    stream = connection.request(f"/{route}/1000000000")
    while connection.read_frame()[0] != h2raw.DATA:
        pass
    return connection, stream


@suite.case("client resets the connection in the middle of a download")
def reset_download(fixture, transport):
    for route in ("bytes", "borrow", "later"):
        start_download(fixture, transport, route)[0].reset()
        await_failure(fixture)
    fixture.server.await_quiet()


@suite.case("client ends the connection in the middle of a download")
def end_download(fixture, transport):
    for route in ("bytes", "borrow", "later"):
        start_download(fixture, transport, route)[0].close()
        await_failure(fixture)
    fixture.server.await_quiet()


@suite.case("client ends the connection in the middle of an upload")
def end_upload(fixture, transport):
    for path in ("/hash", "/echo", "/echo-slice", "/trailers", "/slow/60000"):
        for end in ("close", "reset"):
            connection = fixture.server.raw(transport)
            stream = connection.request(path, "POST", end=False)
            connection.send(h2raw.frame(h2raw.DATA, 0, stream, pattern(10000)))
            if path.startswith("/echo"):  # else nothing comes back before the end
                while connection.read_frame()[0] != h2raw.DATA:
                    pass
            else:
                connection.send(h2raw.frame(h2raw.PING, 0, 0, bytes(8)))
                while connection.read_frame()[:2] != (h2raw.PING, h2raw.ACK):
                    pass
            getattr(connection, end)()
            await_failure(fixture)
    fixture.server.await_quiet()


@suite.case("client vanishes with 100 streams open")
def many_streams(fixture, transport):
    connection = fixture.server.raw(transport)
    for _ in range(100):
        connection.request("/bytes/1000000000")
    # Once the PING is answered, all requests before it have been read.
    connection.send(h2raw.frame(h2raw.PING, 0, 0, bytes(8)))
    while connection.read_frame()[:2] != (h2raw.PING, h2raw.ACK):
        pass
    connection.reset()
    await_failure(fixture, 100)
    fixture.server.await_quiet()


@suite.case("client vanishes before and in the preface", (H2C,))
def preface(fixture, transport):
    for octets in (b"", b"P", h2raw.PREFACE[:-1], h2raw.PREFACE, b"GET / HTTP/1.1\r\n\r\n"):
        for linger in (False, True):
            client = socket.create_connection(("127.0.0.1", fixture.server.port(transport)), 10)
            if linger:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(octets)
            client.close()
    fixture.server.await_quiet()


@suite.case("client vanishes in the TLS handshake", ("TLS",))
def handshake(fixture, transport):
    hello = bytes.fromhex("16030100") + b"\xc0\x01\x00\x00\xbc\x03\x03" + bytes(60)
    for octets in (b"", hello[:3], hello, b"not TLS at all\r\n\r\n"):
        for linger in (False, True):
            client = socket.create_connection(("127.0.0.1", fixture.server.port(transport)), 10)
            if linger:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(octets)
            client.close()
    fixture.server.await_quiet()


@suite.case("1,000 connections held open, each with a stream")
def thousand(fixture, transport):
    count = 1000
    with contextlib.ExitStack() as stack:
        held = []
        for _ in range(count):
            connection = stack.enter_context(contextlib.closing(fixture.server.raw(transport)))
            held.append((connection, connection.request("/hash", "POST", end=False)))
        # All are known to the server once the last of them has been heard.
        for connection, _ in held:
            while connection.read_frame()[0] != h2raw.SETTINGS:
                pass
        stats = fixture.server.stats()
        check(stats["sessions"] >= count, f"sessions: {stats}")
        for connection, stream in held:
            connection.send(h2raw.frame(h2raw.DATA, h2raw.END_STREAM, stream, b"hello"))
        for connection, stream in held:
            equal(connection.response(stream)[0], h2raw.STATUS_200, "first octet of the block")
    fixture.server.await_quiet()


@suite.case("stream without window waits, and goes on")
def no_window(fixture, transport):
    settings = struct.pack(">HI", h2raw.INITIAL_WINDOW, 0)
    with contextlib.closing(fixture.server.raw(transport, settings=settings)) as connection:
        waiting = connection.request("/bytes/100")
        first, body = connection.response(connection.request("/status/204"))
        equal(body, b"", "body of 204")
        connection.send(h2raw.frame(h2raw.WINDOW_UPDATE, 0, waiting, struct.pack(">I", 1)))
        octets = b""
        while len(octets) < 100:
            kind, _, stream, payload = connection.read_frame()
            if kind == h2raw.DATA and stream == waiting and payload:
                octets += payload
                credit = struct.pack(">I", 7)
                connection.send(h2raw.frame(h2raw.WINDOW_UPDATE, 0, waiting, credit))
        equal(octets, pattern(100), "body")


@suite.case("cookies in crumbs")
def crumbs(fixture, transport):
    with contextlib.closing(fixture.server.raw(transport)) as connection:
        fields = [("cookie", f"name{number}=value{number}") for number in range(200)]
        _, body = connection.get("/headers", fields)
        got = [line[8:] for line in body.decode().splitlines() if line.startswith("cookie: ")]
        equal("; ".join(got), "; ".join(value for _, value in fields), "cookies")


suite.main(ServerFixture)
