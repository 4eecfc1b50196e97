"""Many requests at once to each of several servers: all of a batch over one connection, and one connection to each
server at a time. What a connection's end leaves without an answer, and what `alone` says, is asked again by
itself, so that answers are those that each request would get alone."""
import select
import socket
import struct
import time

import h2raw

PATIENCE_S = 3
LINGER = struct.pack("ii", 1, 0)  # closes with RST: no port stays taken
NO_TABLE = struct.pack(">HI", 1, 0)  # answers are literals and static entries: status_of() keeps no table
SETTINGS_ACK = h2raw.frame(h2raw.SETTINGS, h2raw.ACK, 0)


class Batch:
    """A connection with requests on it; `answers` is complete once `open` is empty, or it has ended."""

    def __init__(self, port, requests, status_of):
        self.status_of = status_of
        self.answers = [None] * len(requests)
        self.open = set(range(len(requests)))
        self.parts = {}
        self.input = bytearray()
        self.ended = False
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        octets = b"".join(request.frames(2 * number + 1) for number, request in enumerate(requests))
        try:
            self.socket.sendall(h2raw.PREFACE + h2raw.frame(h2raw.SETTINGS, 0, 0, NO_TABLE) + octets)
        except OSError:
            self.ended = True

    def _done(self, number, answer):
        self.answers[number] = answer
        self.open.discard(number)

    def _stream_frame(self, kind, flags, number, payload):
        status, body = self.parts.get(number, (None, b""))
        if kind == h2raw.RST_STREAM:
            self._done(number, ("reset", None, b""))
            return
        if kind == h2raw.HEADERS and status is None:
            status = self.status_of(payload)
            if status < 200:
                return
        elif kind == h2raw.DATA:
            body += payload
        if flags & h2raw.END_STREAM and kind in (h2raw.DATA, h2raw.HEADERS):
            self._done(number, ("answer", status, body))
        self.parts[number] = (status, body)

    def _frame(self, kind, flags, stream, payload):
        if kind == h2raw.GOAWAY and payload[4:8] != bytes(4):
            self.ended = True
        elif kind == h2raw.SETTINGS and not flags & h2raw.ACK:
            self.socket.sendall(SETTINGS_ACK)
        elif kind == h2raw.PING and not flags & h2raw.ACK:
            self.socket.sendall(h2raw.frame(h2raw.PING, h2raw.ACK, 0, payload))
        elif stream & 1 and (stream >> 1) in self.open:
            self._stream_frame(kind, flags, stream >> 1, payload)

    def read(self):
        try:
            octets = self.socket.recv(1 << 17)
            self.ended |= not octets
            self.input += octets
            at = 0
            while len(self.input) - at >= 9:
                length = int.from_bytes(self.input[at:at + 3], "big")
                if len(self.input) - at - 9 < length:
                    break
                kind, flags, stream = struct.unpack_from(">BBI", self.input, at + 3)
                self._frame(kind, flags, stream, bytes(self.input[at + 9:at + 9 + length]))
                at += 9 + length
            del self.input[:at]
        except OSError:
            self.ended = True

    def is_over(self):
        return self.ended or not self.open


def ask_all(ports, requests, status_of, ask, alone):
    """The answers of each server to each request: {name: [answer]}. ask(port, octets) asks one by itself;
    alone(name, number) says that it must be so."""
    batches, answers = {}, {}
    for name, port in ports.items():
        numbers = [number for number in range(len(requests)) if not alone(name, number)]
        answers[name] = [None] * len(requests)
        if numbers:
            batches[name] = numbers, Batch(port, [requests[number] for number in numbers], status_of)
    deadline = time.monotonic() + PATIENCE_S
    while waiting := [batch for _, batch in batches.values() if not batch.is_over()]:
        ready = select.select([batch.socket for batch in waiting], [], [], max(0.0, deadline - time.monotonic()))[0]
        if not ready:
            break
        for batch in waiting:
            if batch.socket in ready:
                batch.read()
    for name, (numbers, batch) in batches.items():
        batch.socket.close()
        for number, answer in zip(numbers, batch.answers):
            answers[name][number] = answer
    for name, port in ports.items():
        for number, answer in enumerate(answers[name]):
            if answer is None:
                answers[name][number] = ask(port, requests[number].frames())
    return answers
