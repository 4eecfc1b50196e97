#!/usr/bin/env python3
"""Holds idle HTTP/2 connections for the rows of bench/peers.py about memory; h2load cannot.

    bench/peers_hold.py h2c|tls PORT CONNECTIONS

Each connection does one request, acknowledges the server's SETTINGS and its PINGs, and stays open. When all
are there, "held CONNECTIONS" is printed; the end of standard input ends the program.
"""
import resource
import selectors
import signal
import socket
import ssl
import struct
import sys

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
ACK = END_STREAM = 1
END_HEADERS = 4
TIMEOUT_SECONDS = 20
LIFE_SECONDS = 120


def frame(kind, flags, stream_id, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream_id) + payload


def request(scheme):
    """GET /: three fields of the static table, and :authority and user-agent as every client sends them: put into
    the dynamic table, which servers then keep."""
    authority, agent = b"localhost", b"halo-hold"
    block = b"\x82" + (b"\x87" if scheme == "https" else b"\x86") + b"\x84" + \
        b"\x41" + bytes([len(authority)]) + authority + b"\x7a" + bytes([len(agent)]) + agent
    return frame(HEADERS, END_STREAM | END_HEADERS, 1, block)


def tls_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2"])
    return context


class Connection:
    def __init__(self, context, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
            if self.socket.selected_alpn_protocol() != "h2":
                raise RuntimeError("the server does not speak h2")
        self.input = b""
        self.answered = self.configured = self.settled = False
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0) + request("https" if context else "http"))
        while not (self.answered and self.configured and self.settled):
            self.take(self.socket.recv(65536))
        self.socket.setblocking(False)

    def take(self, octets):
        if not octets:
            raise RuntimeError("the server closed a connection")
        self.input += octets
        while len(self.input) >= 9:
            length = int.from_bytes(self.input[:3], "big")
            if len(self.input) < 9 + length:
                return
            kind, flags = self.input[3], self.input[4]
            self.on_frame(kind, flags, self.input[9:9 + length])
            self.input = self.input[9 + length:]

    def on_frame(self, kind, flags, payload):
        if kind == SETTINGS and not flags & ACK:
            self.socket.sendall(frame(SETTINGS, ACK, 0))
            self.configured = True
        elif kind == SETTINGS:
            self.settled = True
        elif kind == PING and not flags & ACK:
            self.socket.sendall(frame(PING, ACK, 0, payload))
        elif kind in (DATA, HEADERS) and flags & END_STREAM:
            self.answered = True
        elif kind in (RST_STREAM, GOAWAY):
            raise RuntimeError("the server sent frame type %d: %r" % (kind, payload))

    def on_readable(self):
        try:
            while True:
                self.take(self.socket.recv(65536))
        except (BlockingIOError, ssl.SSLWantReadError):
            pass


def main():
    transport, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    signal.alarm(LIFE_SECONDS) # nobody holds them for ever
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    context = tls_context() if transport == "tls" else None
    selector = selectors.DefaultSelector()
    for _ in range(count):
        connection = Connection(context, port)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    selector.register(sys.stdin, selectors.EVENT_READ, None)
    print("held %d" % count, flush=True)
    while True:
        for key, _ in selector.select():
            if key.data is None:
                return 0
            key.data.on_readable()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, RuntimeError) as error:
        print("peers_hold: %s" % error, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
