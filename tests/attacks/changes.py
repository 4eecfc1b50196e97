"""A good request, and what can be wrong with it: CHANGES has a name and a function for each."""
import struct

import h2raw

CHANGES = {}


class Request:
    def __init__(self):
        self.pseudo = [(":method", "GET"), (":scheme", "http"), (":path", "/a.txt"), (":authority", "localhost")]
        self.fields = []
        self.body = None  # octets: DATA frames follow
        self.trailers = None
        self.padding = None
        self.priority = False
        self.cut = 0  # pieces of the header block
        self.echo = False  # goes to the servers that read bodies

    def set(self, name, value):
        self.pseudo = [(key, value if key == name else old) for key, old in self.pseudo]

    def drop(self, name):
        self.pseudo = [pair for pair in self.pseudo if pair[0] != name]

    def frames(self, stream=1):
        fields = h2raw.block([(as_text(name), as_text(value)) for name, value in self.pseudo + self.fields])
        end = h2raw.END_STREAM if self.body is None and self.trailers is None else 0
        pieces = [fields]
        if self.cut:
            size = len(fields) // self.cut + 1
            pieces = [fields[at:at + size] for at in range(0, len(fields), size)]
        head, flags = pieces[0], end | (h2raw.END_HEADERS if len(pieces) == 1 else 0)
        if self.priority:
            head, flags = struct.pack(">IB", 0, 15) + head, flags | 0x20
        if self.padding is not None:
            head, flags = bytes([self.padding]) + head + bytes(self.padding), flags | 0x8
        octets = h2raw.frame(h2raw.HEADERS, flags, stream, head)
        for number, piece in enumerate(pieces[1:], 2):
            octets += h2raw.frame(h2raw.CONTINUATION, h2raw.END_HEADERS if number == len(pieces) else 0, stream, piece)
        if self.body is not None:
            octets += h2raw.frame(h2raw.DATA, 0 if self.trailers is not None else h2raw.END_STREAM, stream, self.body)
        if self.trailers is not None:
            octets += h2raw.frame(h2raw.HEADERS, h2raw.END_HEADERS | h2raw.END_STREAM, stream,
                                  h2raw.block(self.trailers))
        return octets


class Octets(str):
    """A string whose characters are octets: h2raw.text() encodes it so."""

    def encode(self, *_):
        return super().encode("latin-1")


def as_text(value):
    return Octets(value)


def change(name, function):
    CHANGES[name] = function


def field(name, *pairs):
    change(name, lambda request: request.fields.extend(pairs))


def pseudo(label, name, value):
    change(f"{name} {label}", lambda request: request.set(name, value))


def with_body(name, body, *pairs):
    def apply(request):
        request.echo = True
        request.set(":method", "POST")
        request.body = body
        request.fields.extend(pairs)
    change(name, apply)


def register():
    change("nothing", lambda request: None)
    for value in ("HEAD", "POST", "OPTIONS", "get", "G ET", "", "PURGE", "GET\r"):
        pseudo(repr(value), ":method", value)
    for value in ("/", "/b/c.txt", "/missing", "", "*", "a.txt", "/a.txt?x=1", "/a.txt#x", " /a.txt", "/a.txt ",
                  "//a.txt", "/./a.txt", "/b/../a.txt", "/../a.txt", "/b%2fc.txt", "/%61.txt", "/a%00.txt", "/a\tb",
                  "/a\r\nb", "/a\0b", "/a\x7f", "/\xff", "http://localhost/a.txt", "/a\\b"):
        pseudo(repr(value), ":path", value)
    for value in ("https", "ftp", "", "ht tp", "HTTP"):
        pseudo(repr(value), ":scheme", value)
    for value in ("localhost:80", "LOCALHOST", "user@localhost", "", "a b", "a/b", "a\0", "a,b", "[::1]", "a:b"):
        pseudo(repr(value), ":authority", value)
    for name in (":method", ":scheme", ":path", ":authority"):
        change(f"no {name}", lambda request, name=name: request.drop(name))
        change(f"{name} twice", lambda request, name=name: request.pseudo.append(
            next((pair for pair in request.pseudo if pair[0] == name), (name, "x"))))
        change(f"{name} behind a field", lambda request, name=name: (
            request.fields.append(("x-before", "1")),
            request.fields.extend(pair for pair in request.pseudo if pair[0] == name), request.drop(name)))
    change("order of pseudo-header fields", lambda request: request.pseudo.reverse())
    change("unknown pseudo-header field", lambda request: request.pseudo.append((":unknown", "1")))
    change(":status in a request", lambda request: request.pseudo.append((":status", "200")))
    change(":protocol without CONNECT", lambda request: request.pseudo.append((":protocol", "websocket")))
    change("host alone", lambda request: (request.drop(":authority"), request.fields.append(("host", "localhost"))))
    field("host the same", ("host", "localhost"))
    field("host different", ("host", "example.org"))
    field("host twice", ("host", "localhost"), ("host", "localhost"))
    for name in ("X-Upper", "", "x y", "x:y", "x\0y", "x\ry", "x\x7f", "x\xff", "x(y"):
        field(f"name {name!r}", (name, "1"))
    for value in (" a", "a ", "\ta", "a\tb", "a\rb", "a\nb", "a\0b", "a\x01b", "a\x7fb", "a\xffb", ""):
        field(f"value {value!r}", ("x-value", value))
    for name, value in (("connection", "close"), ("connection", "keep-alive"), ("keep-alive", "1"), ("upgrade", "h2c"),
                        ("proxy-connection", "close"), ("transfer-encoding", "chunked"), ("te", "trailers"),
                        ("te", "gzip"), ("te", "trailers, gzip"), ("http2-settings", "AAA")):
        field(f"{name}: {value}", (name, value))
    field("cookie in crumbs", ("cookie", "a=1"), ("cookie", "b=2"))
    field("priority: u=1", ("priority", "u=1"))
    field("100 fields", *((f"x-{i}", "1") for i in range(90)))
    for value in ("5", "0", "05", "4", "6", "-5", "+5", "5, 5", "5 ", "x", "", "18446744073709551621"):
        with_body(f"body of 5, content-length {value!r}", b"12345", ("content-length", value))
    with_body("body of 5", b"12345")
    with_body("empty body", b"")
    for value in ("0", "5", "-1", "x"):
        with_body(f"POST without a body, content-length {value!r}", None, ("content-length", value))
        with_body(f"empty body, content-length {value!r}", b"", ("content-length", value))
    with_body("content-length twice the same", b"12345", ("content-length", "5"), ("content-length", "5"))
    with_body("content-length twice", b"12345", ("content-length", "5"), ("content-length", "6"))
    field("content-length 0, no body", ("content-length", "0"))
    field("content-length 5, no body", ("content-length", "5"))
    for name, trailers in (("trailers", [("x-sum", "1")]), ("empty trailers", []),
                           (":path in trailers", [(":path", "/")]), ("connection in trailers", [("connection", "x")]),
                           ("content-length in trailers", [("content-length", "5")]), ("X-Upper in trailers", [("X-Sum", "1")]), ("a value with a line feed in trailers", [("x-sum", "a\nb")]),
                           ("te in trailers", [("te", "trailers")])):
        change(name, lambda request, trailers=trailers: (
            setattr(request, "echo", True), request.set(":method", "POST"), setattr(request, "body", b"12345"), setattr(request, "trailers", trailers)))
    change("padding", lambda request: setattr(request, "padding", 10))
    change("priority", lambda request: setattr(request, "priority", True))
    change("CONTINUATION", lambda request: setattr(request, "cut", 2))
    change("3 CONTINUATION", lambda request: setattr(request, "cut", 4))


register()
