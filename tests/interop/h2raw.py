"""A few HTTP/2 frames by hand, for clients that behave as no library would. Not a client: header
blocks are written as literals and not read at all but for the first octet."""
import contextlib
import socket
import ssl
import struct

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
STATUS_200 = 0x88  # the indexed field ":status: 200"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
INITIAL_WINDOW = 0x4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def text(value):
    """A string literal without Huffman coding."""
    octets = value.encode()
    if len(octets) < 127:
        return bytes([len(octets)]) + octets
    length, rest = b"\x7f", len(octets) - 127
    while rest >= 128:
        length += bytes([rest % 128 + 128])
        rest //= 128
    return length + bytes([rest]) + octets


def block(fields):
    return b"".join(b"\0" + text(name) + text(value) for name, value in fields)


class Connection:
    def __init__(self, port, ca=None, host="127.0.0.1", timeout=20, settings=b""):
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.scheme = "https" if ca else "http"
        if ca:
            context = ssl.create_default_context(cafile=str(ca))
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.next_stream = 1
        self.pending = b""
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def send(self, octets):
        self.socket.sendall(octets)

    def request(self, path, method="GET", fields=(), end=True):
        stream = self.next_stream
        self.next_stream += 2
        pseudo = [(":method", method), (":scheme", self.scheme), (":path", path),
                  (":authority", "localhost")]
        self.send(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream,
                        block(pseudo + list(fields))))
        return stream

    def _read(self, count):
        while len(self.pending) < count:
            octets = self.socket.recv(65536)
            if not octets:
                raise EOFError
            self.pending += octets
        taken, self.pending = self.pending[:count], self.pending[count:]
        return taken

    def read_frame(self):
        """kind, flags, stream, payload; SETTINGS and PING are answered. EOFError at the end."""
        head = self._read(9)
        length = int.from_bytes(head[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        payload = self._read(length)
        if kind in (SETTINGS, PING) and not flags & ACK:
            # The peer may be gone already: what it has sent still counts.
            with contextlib.suppress(OSError):
                self.send(frame(kind, ACK, 0, payload if kind == PING else b""))
        return kind, flags, stream, payload

    def response(self, stream):
        """First octet of the header block and the body of one response, giving credit."""
        first, body = None, b""
        while True:
            kind, flags, got, payload = self.read_frame()
            if got == stream and kind == RST_STREAM:
                raise ConnectionError(f"stream reset with {int.from_bytes(payload, 'big')}")
            if kind == GOAWAY and payload[4:8] != bytes(4):
                raise ConnectionError(f"GOAWAY with {int.from_bytes(payload[4:8], 'big')}")
            if got != stream:
                continue
            if kind == HEADERS and first is None:
                first = payload[0]
            if kind == DATA and payload:
                body += payload
                credit = struct.pack(">I", len(payload))
                self.send(frame(WINDOW_UPDATE, 0, 0, credit))
                if not flags & END_STREAM:
                    self.send(frame(WINDOW_UPDATE, 0, stream, credit))
            if flags & END_STREAM and kind in (DATA, HEADERS):
                return first, body

    def get(self, path, fields=()):
        return self.response(self.request(path, fields=fields))

    def reset(self):
        """Ends the connection by a TCP RST instead of a FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()
