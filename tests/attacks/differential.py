#!/usr/bin/env python3
"""The same requests, most of them with something wrong, to halo, nginx, nghttpd, h2o and Node: who takes
them, which file comes back, what else does.

Those with a body or trailers go to servers that read the request to its end and send the body back: the test
server's echo as halo, nginx and h2o in front of an HTTP/1.1 server of Node, nghttpd --echo-upload, Node. All
others ask for files, of halo-serve.

Each request goes over a connection of its own in cleartext. It is a good one with one or two changes of
the list below; a server's answer is a status with a body, a stream's reset, or the end of the
connection. The rules: halo never takes what two or more of the others refuse, never refuses what half of
the others or more take, and where it answers, one of the others answers the same. A table says why
where it is otherwise. Each change is sent alone first; a reason of one change counts for a pair only when
this change alone diverged in the same way and the other one alone did not. All divergences are listed in
BUILD/interop/differential.md.
"""
import collections
import concurrent.futures
import hashlib
import pathlib
import random
import signal
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))

import h2raw  # noqa: E402
from fixtures import HaloServer  # noqa: E402
from harness import H2C, Process, Skip, Suite, check, free_port, require, start_on_port  # noqa: E402

suite = Suite("server", "differential")
ATTACKS = pathlib.Path(__file__).resolve().parent
HALO = "halo"

# ---- changes ------------------------------------------------------------------------------------

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

    def frames(self):
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
        octets = h2raw.frame(h2raw.HEADERS, flags, 1, head)
        for number, piece in enumerate(pieces[1:], 2):
            octets += h2raw.frame(h2raw.CONTINUATION, h2raw.END_HEADERS if number == len(pieces) else 0, 1, piece)
        if self.body is not None:
            octets += h2raw.frame(h2raw.DATA, 0 if self.trailers is not None else h2raw.END_STREAM, 1, self.body)
        if self.trailers is not None:
            octets += h2raw.frame(h2raw.HEADERS, h2raw.END_HEADERS | h2raw.END_STREAM, 1,
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


# ---- why halo differs -----------------------------------------------------------------------------

DOTS = "halo-serve refuses segments that begin with a dot (server/serve_path.h)"

NAME = "a name is a token (RFC 9110 5.1, RFC 9113 8.2.1)"
SPACE = "no space around a value (RFC 9113 8.2.1)"
CONTROL = "no control characters in a value (RFC 9110 5.5)"
CONNECTION = "fields of a connection are malformed (RFC 9113 8.2.2)"

# Changes that halo takes though two or more others refuse them: none.
TAKEN = {}

# Changes that halo refuses though all or half of the others take them.
REFUSED = {
    ":authority 'user@localhost'": "no userinfo in :authority (RFC 9113 8.3.1)",
    ":path '/a%00.txt'": "halo-serve: a zero is in no file's name (server/serve_path.h)",
    "host different": "host must be that of :authority (RFC 9113 8.3.1)",
    "name ''": NAME,
    "name 'x\xff'": NAME,
    "name 'x(y'": NAME,
    "value ' a'": SPACE,
    "value 'a '": SPACE,
    "value '\\ta'": SPACE,
    "value 'a\\x01b'": CONTROL,
    "value 'a\\x7fb'": CONTROL,
    "keep-alive: 1": CONNECTION,
    "proxy-connection: close": CONNECTION,
    "http2-settings: AAA": "a part of Upgrade, and always named in Connection (RFC 7540 3.2.1, RFC 9113 8.2.2)",
    "content-length in trailers": "framing is no matter of trailers (RFC 9110 6.5.1)",
    "te in trailers": "te goes with the header section of a request alone (RFC 9110 10.1.4)",
}

# Changes after which another status or body is no surprise: what they ask for is the server's matter.
ROUTES = {
    ":path '/./a.txt'": DOTS,
    ":path '/b/../a.txt'": DOTS,
    ":path '/../a.txt'": DOTS,
}

# What Node's HTTP/1.1 server behind two of the others refuses.
BEHIND = (":path '/\xff'", ":method 'get'")

TAKES, REFUSES, ANSWERS = "halo takes it, two or more refuse", "halo refuses it, half or more take it", \
    "another answer than all others"
REASONS = {TAKES: TAKEN, REFUSES: REFUSED, ANSWERS: ROUTES}

# ---- servers --------------------------------------------------------------------------------------

NGINX = """
daemon off; pid {work}/nginx.pid; error_log {work}/nginx-errors.log crit; worker_processes 1; user root;
events {{ worker_connections 1024; }}
http {{ access_log off; client_body_temp_path {work}/n1; fastcgi_temp_path {work}/n2; proxy_temp_path {work}/n3;
  scgi_temp_path {work}/n4; uwsgi_temp_path {work}/n5; default_type text/plain;
  server {{ listen 127.0.0.1:{port} http2; root {root}; location / {{ error_page 405 =200 $uri; }} }}
  server {{ listen 127.0.0.1:{echo} http2; location / {{ proxy_pass http://127.0.0.1:{behind}; }} }} }}
"""
H2O = """
user: root
num-threads: 1
hosts:
  files:
    listen: {{host: 127.0.0.1, port: {port}}}
    paths:
      /:
        file.dir: {root}
  echo:
    listen: {{host: 127.0.0.1, port: {echo}}}
    paths:
      /:
        proxy.reverse.url: "http://127.0.0.1:{behind}/"
"""


class Nginx(Process):
    """Its master ends its workers; killed, it would leave them behind."""

    def kill(self):
        if self.running():
            self.signal(signal.SIGTERM)
            self.wait(10)
        super().kill()


class Fixture:
    def __init__(self, env):
        self.env = env
        self.version = ""
        self.root = env.work / "root"
        (self.root / "b").mkdir(parents=True)
        (self.root / "index.html").write_text("index\n")
        (self.root / "a.txt").write_text("the file a\n")
        (self.root / "b" / "c.txt").write_text("the file c\n")
        for path in (env.work, self.root, self.root / "b"):
            path.chmod(0o755)
        self.halo = HaloServer(env, env.program("server", "halo-serve"),
                               ["--root", self.root, "--quiet", "--listen", "127.0.0.1:0"], 1)
        self.echo = HaloServer(env, env.program("tests", "interop", "test_server"),
                               ["--listen", "127.0.0.1:0", "--echo"], 1)
        self.ports = {HALO: (self.halo.port(H2C), self.echo.port(H2C))}
        node = require("node")
        _, self.behind = start_on_port(lambda port: self.node(node, port, 0, "http1"))
        for name, make in (("nginx", self.nginx), ("nghttpd", self.nghttpd), ("h2o", self.h2o), ("node", self.node)):
            try:
                program = require(name)
            except Skip:
                continue
            echo = free_port()
            _, files = start_on_port(lambda port, make=make, program=program, echo=echo: make(program, port, echo))
            self.ports[name] = (files, files if name == "nghttpd" else echo)
        if len(self.ports) < 4:
            raise Skip("fewer than three other servers are installed")

    def nginx(self, program, port, echo):
        file = self.env.work / "nginx.conf"
        file.write_text(NGINX.format(work=self.env.work, root=self.root, port=port, echo=echo, behind=self.behind))
        return Nginx(self.env, [program, "-c", file, "-e", self.env.work / "nginx-start.log"])

    def nghttpd(self, program, port, _echo):
        return Process(self.env, [program, "--no-tls", "-a", "127.0.0.1", "--echo-upload", "-d", self.root, str(port)])

    def h2o(self, program, port, echo):
        file = self.env.work / "h2o.conf"
        file.write_text(H2O.format(root=self.root, port=port, echo=echo, behind=self.behind))
        return Process(self.env, [program, "-m", "worker", "-c", file])

    def node(self, program, port, echo, kind="http2"):
        return Process(self.env, [program, ATTACKS / "node_serve.mjs", self.root, str(port), str(echo), kind])

    def recover(self):
        for server in (self.halo, self.echo):
            check(server.process.running(), f"{server.process.name} crashed:\n" + server.process.errors(6000))

    def finish(self):
        self.recover()
        self.halo.stop()
        self.echo.stop()


# ---- answers --------------------------------------------------------------------------------------

def huffman_digits(octets):
    bits, digits = "".join(f"{octet:08b}" for octet in octets), ""
    while len(digits) < 3:
        if bits.startswith("00"):
            digits, bits = digits + str(int(bits[:5], 2)), bits[5:]
        else:
            digits, bits = digits + str(int(bits[:6], 2) - 0x19 + 3), bits[6:]
    return int(digits)


def status_of(block):
    at = 0
    while 0x20 <= block[at] < 0x40:  # size updates of the table
        if block[at] & 0x1f == 0x1f:
            at += 1
            while block[at] & 0x80:
                at += 1
        at += 1
    known = {0x88: 200, 0x89: 204, 0x8a: 206, 0x8b: 304, 0x8c: 400, 0x8d: 404, 0x8e: 500}
    if block[at] in known:
        return known[block[at]]
    check(block[at] & 0x0f in (8, 9, 10, 11, 12, 13, 14) and block[at] < 0x80, f"status not understood: {block[:8].hex()}")
    text = block[at + 2:at + 2 + (block[at + 1] & 0x7f)]
    return huffman_digits(text) if block[at + 1] & 0x80 else int(text)


def ask(port, octets):
    """(what, status, body): what is "answer", "reset", "closed" or "silent"."""
    connection = h2raw.Connection(port, timeout=2)
    status, body = None, b""
    try:
        connection.send(octets)
        while True:
            kind, flags, stream, payload = connection.read_frame()
            if kind == h2raw.GOAWAY and payload[4:8] != bytes(4):
                return "closed", None, b""
            if stream != 1:
                continue
            if kind == h2raw.RST_STREAM:  # in the middle of an answer, too
                return "reset", None, b""
            if kind == h2raw.HEADERS and status is None:
                status = status_of(payload)
                if status < 200:
                    status = None
                    continue
            if kind == h2raw.DATA:
                body += payload
            if flags & h2raw.END_STREAM and kind in (h2raw.DATA, h2raw.HEADERS):
                return "answer", status, body
    except TimeoutError:
        return "silent", status, body
    except (EOFError, OSError):
        return ("answer", status, body) if status else ("closed", None, b"")
    finally:
        connection.close()


def is_taken(answer):
    """Read as a request and answered as one: with a file, or with none of that name."""
    what, status, _ = answer
    return what == "answer" and status not in (400, 413, 414, 421, 431, 501)


def brief(answer):
    what, status, body = answer
    if what != "answer":
        return what
    return f"{status} {hashlib.sha256(body).hexdigest()[:4]}" if status == 200 and body else str(status)


# ---- the comparison -------------------------------------------------------------------------------

def divergence(answers):
    """How halo differs from the others; None: in no way that matters."""
    own, others = answers[HALO], {name: answer for name, answer in answers.items() if name != HALO}
    taken = [name for name, answer in others.items() if is_taken(answer)]
    if is_taken(own) and len(others) - len(taken) >= 2:
        return TAKES
    if not is_taken(own) and len(taken) * 2 >= len(others):
        return REFUSES
    if is_taken(own) and taken and brief(own) not in [brief(others[name]) for name in taken]:
        return ANSWERS
    return None


def explain_pair(names, answers, echo):
    """Reasons of two changes together, which neither has alone."""
    first, second = sorted(names)
    if not echo and first.startswith(":method") and second.startswith(":path") and answers[HALO][1] == 405:
        return "halo-serve looks at the method before it looks at the path"
    refused = {name for name, answer in answers.items() if not is_taken(answer)}
    if echo and refused == {"nginx", "h2o"} and any(name in BEHIND for name in names) and \
            all(answers[name][1] == 400 for name in refused):
        return "it is the HTTP/1.1 server behind nginx and h2o that refuses it"
    return None


def explain(names, what, answers, alone, echo):
    """The reason that a table has for this divergence. `alone`: that of each change when it was sent alone; all of
    them need a reason of their own, and one of them must be this."""
    if len(names) == 1:
        return REASONS[what].get(names[0])
    parts = [(name, alone[name]) for name in names if alone[name]]
    if all(name in REASONS[kind] for name, kind in parts):
        for name, kind in parts:
            if kind == what:
                return REASONS[what][name]
    return explain_pair(names, answers, echo)


def compare(fixture, plans):
    rows, wrong, alone = collections.OrderedDict(), [], {}
    with concurrent.futures.ThreadPoolExecutor(len(fixture.ports)) as pool:
        for names in plans:
            request = Request()
            for name in names:
                CHANGES[name](request)
            octets = request.frames()
            futures = {name: pool.submit(ask, ports[request.echo], octets) for name, ports in fixture.ports.items()}
            answers = {name: future.result() for name, future in futures.items()}
            check(answers[HALO][0] != "silent", f"{names}: halo does not answer")
            what = divergence(answers)
            if len(names) == 1:
                alone[names[0]] = what
            if what:
                why = explain(names, what, answers, alone, request.echo)
                rows[names] = (answers, what, why)
                if why is None:
                    wrong.append(f"{' + '.join(names)}: {what}: " +
                                 ", ".join(f"{name} {brief(answer)}" for name, answer in answers.items()))
    return rows, wrong


def write_table(path, servers, count, rows):
    lines = [f"{count} requests, {len(rows)} divergences.", "", "| request | " + " | ".join(servers) + " | what | why |",
             "|" + "---|" * (len(servers) + 3)]
    for names, (answers, what, why) in rows.items():
        cells = [brief(answers[name]) for name in servers]
        title = " + ".join(names).replace("|", "\\|")
        lines.append(f"| {title} | " + " | ".join(cells) + f" | {what} | {why} |")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def run(fixture, count, seed):
    chance = random.Random(seed)
    names = list(CHANGES)
    plans = [(name,) for name in names]
    while len(plans) < count:
        plans.append(tuple(chance.sample(names, 2)))
    rows, wrong = compare(fixture, plans)
    write_table(pathlib.Path(fixture.env.build) / "interop" / "differential.md", list(fixture.ports), len(plans), rows)
    print(f"# {len(plans)} requests to {', '.join(fixture.ports)}: {len(rows)} divergences, {len(wrong)} not explained")
    check(not wrong, f"{len(wrong)} divergences without a reason:\n" + "\n".join(wrong))


@suite.case("scorecard 50: the same requests to five servers", transports=(H2C,))
def test_scorecard_50_differential(fixture, _transport):
    run(fixture, 200, 1)


@suite.case("scorecard 50: ten times as many", transports=(H2C,), long=True)
def test_scorecard_50_differential_long(fixture, _transport):
    run(fixture, 2000, 2)


register()
suite.main(Fixture)
