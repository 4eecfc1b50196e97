#!/usr/bin/env python3
"""The same requests, most of them with something wrong, to halo, nginx, nghttpd, h2o and Node: who takes
them, which file comes back, what else does.

Those with a body or trailers go to servers that read the request to its end and send the body back: the test
server's echo as halo, nginx and h2o in front of an HTTP/1.1 server of Node, nghttpd --echo-upload, Node. All
others ask for files, of halo-serve.

Each request is a good one with one to five of the changes of changes.py, in cleartext; a server's answer is a status
with a body, a stream's reset, or the end of the connection. The rules: halo never takes what two or more of the
others refuse, never refuses what half of the others or more take, and where it answers, one of the others answers
the same. A table says why where it is otherwise. Each change is sent alone first; a reason of one change counts for
several together only when all of those that diverged alone have one. Those of several changes travel in batches
(batches.py); where one diverges without a reason, it is asked again by itself.

--long has 100,000 requests, or as many as --count says, within --seconds: all pairs fit in 10,000. BUILD/interop/differential.md has the
divergences by reason, and the first of them in full.
"""
import collections
import concurrent.futures
import dataclasses
import hashlib
import itertools
import multiprocessing
import pathlib
import random
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))

import batches  # noqa: E402
import h2raw  # noqa: E402
from changes import CHANGES, Request  # noqa: E402
from fixtures import HaloServer  # noqa: E402
from harness import H2C, Failure, Process, Skip, Suite, check, free_port, require, start_on_port  # noqa: E402

suite = Suite("server", "differential")
ATTACKS = pathlib.Path(__file__).resolve().parent
HALO = "halo"

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
METHODS_BEHIND = ("get", "x")

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
        connection.reset()  # no port stays taken


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


def refused_alone(names, server, alone):
    return any(not is_taken(alone[name].answers[server]) for name in names)


def explain_together(names, what, answers, alone, echo):
    """Reasons of changes together, which none has alone."""
    refused = {server for server, answer in answers.items() if not is_taken(answer)}
    said = dict(make_request(names).pseudo)
    other_scheme = said.get(":scheme", "").lower() not in ("http", "https", "")
    if not echo and answers[HALO][1] == 405 and any(name.startswith(":method") for name in names):
        return "halo-serve looks at the method before it looks at the path"
    if what == REFUSES and any(name.startswith("host ") for name in names) and \
            any(name.startswith(":authority") for name in names):
        return REFUSED["host different"]
    if what == TAKES and echo and ":method 'HEAD'" in names and answers[HALO][2] == b"":
        return "the echo answers HEAD when its fields have come, and the rest of the request is refused behind that"
    if what == REFUSES and not echo and other_scheme and answers[HALO][1] == 400:
        return "a path without a slash is good for other schemes, but no file of halo-serve"
    if what == TAKES and refused <= {"nghttpd", "node", "nginx"} and other_scheme and \
            ":authority" not in said:
        return "only http and https must have an authority (RFC 9113 8.3.1); nghttp2, which Node has, too, wants it always"
    if echo and refused <= {"nginx", "h2o"} and \
            (any(name in BEHIND for name in names) or said.get(":method") in METHODS_BEHIND) and \
            all(answers[server][1] == 400 or refused_alone(names, server, alone) for server in refused):
        return "it is the HTTP/1.1 server behind nginx and h2o that refuses it"
    return None


def explain_refusers(names, answers, alone):
    """Each of the others that refuse does so for a change that it refuses alone, and no two for the same one."""
    refusers = {}
    for name in names:
        own = alone[name].answers
        refused = [server for server in own if not is_taken(own[server])]
        if len(refused) == 1:
            refusers[refused[0]] = name
    refused = [server for server in answers if not is_taken(answers[server])]
    if all(server in refusers for server in refused):
        return "each server that refuses it has a change of its own for that"
    return None


def explain(names, what, answers, alone, echo):
    """The reason that a table has for this divergence. `alone`: what came of each change when it was sent alone; all
    that diverged need a reason of their own, and one of them must be this."""
    if len(names) == 1:
        return REASONS[what].get(names[0])
    parts = [(name, alone[name].what) for name in names if alone[name].what]
    if all(name in REASONS[kind] for name, kind in parts):
        for name, kind in parts:
            if kind == what:
                return REASONS[what][name]
    why = explain_together(names, what, answers, alone, echo)
    return why or (explain_refusers(names, answers, alone) if what == TAKES else None)


@dataclasses.dataclass
class Outcome:
    """Of one request."""
    names: tuple
    answers: dict
    what: str = None  # the divergence
    why: str = None


def make_request(names):
    request = Request()
    for name in names:
        CHANGES[name](request)
    return request


def judge(names, answers, alone, echo):
    check(answers[HALO][0] != "silent", f"{names}: halo does not answer")
    outcome = Outcome(names, answers, divergence(answers))
    if outcome.what:
        outcome.why = explain(names, outcome.what, answers, alone, echo)
    return outcome


def ask_single(fixture, names, alone, pool):
    request = make_request(names)
    octets = request.frames()
    futures = {name: pool.submit(ask, ports[request.echo], octets) for name, ports in fixture.ports.items()}
    return judge(names, {name: future.result() for name, future in futures.items()}, alone, request.echo)


def ask_changes(fixture, pool):
    """Each change by itself: what the others are judged by."""
    alone = {}
    for name in CHANGES:
        alone[name] = ask_single(fixture, (name,), alone, pool)
    return alone


def ask_batch(fixture, plans, alone, pool):
    """Requests of several changes. A server gets one by itself when one of its changes ends the connection; so do all
    when there is a divergence without a reason, to be sure of it."""
    outcomes = []
    for echo in (False, True):
        pairs = [(names, request) for names in plans if (request := make_request(names)).echo == echo]
        ports = {name: both[echo] for name, both in fixture.ports.items()}
        answers = batches.ask_all(
            ports, [request for _, request in pairs], status_of, ask,
            lambda server, number: any(alone[name].answers[server][0] != "answer" and
                                       alone[name].answers[server][0] != "reset" for name in pairs[number][0]))
        for number, (names, _) in enumerate(pairs):
            outcome = judge(names, {server: answers[server][number] for server in ports}, alone, echo)
            if outcome.what and not outcome.why:
                outcome = ask_single(fixture, names, alone, pool)
            outcomes.append(outcome)
    return outcomes


# ---- many of them ---------------------------------------------------------------------------------

BATCH = 32
SHARDS = 2
ROWS_MAX = 3000  # in the table


def plan(count, seed):
    """Each change alone is not among them: pairs, all of which come when there is room, then three to five."""
    chance, names = random.Random(seed), list(CHANGES)
    pairs = list(itertools.combinations(names, 2))
    chance.shuffle(pairs)
    plans = [tuple(chance.sample(pair, 2)) for pair in pairs[:count]]
    while len(plans) < count:
        plans.append(tuple(chance.sample(names, chance.choice((3, 4, 4, 5)))))
    return plans


@dataclasses.dataclass
class Tally:
    count: int = 0
    reasons: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    rows: list = dataclasses.field(default_factory=list)  # with a divergence

    def add(self, outcome):
        self.count += 1
        if outcome.what:
            self.reasons[outcome.what, outcome.why] += 1
            if len(self.rows) < ROWS_MAX or outcome.why is None:
                self.rows.append(outcome)

    def merge(self, other):
        self.count += other.count
        self.reasons += other.reasons
        self.rows += other.rows


def run_shard(fixture, plans, alone):
    tally, started = Tally(), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(len(fixture.ports)) as pool:
        for at in range(0, len(plans), BATCH):
            if time.monotonic() - started > SECONDS:
                break
            for outcome in ask_batch(fixture, plans[at:at + BATCH], alone, pool):
                tally.add(outcome)
            if at // BATCH % 500 == 499:
                print(f"# {tally.count} requests, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return tally


def run_shards(fixture, plans, alone):
    """Processes of their own: an interpreter uses one processor."""
    if len(plans) < 1000:
        return [run_shard(fixture, plans, alone)]
    context = multiprocessing.get_context("fork")
    pipes = []
    for shard in range(SHARDS):
        receive, send = context.Pipe(False)
        child = context.Process(target=lambda send=send, shard=shard: send.send(
            run_shard(fixture, plans[shard::SHARDS], alone)))
        child.start()
        send.close()
        pipes.append((child, receive))
    tallies = []
    for child, receive in pipes:
        try:
            tallies.append(receive.recv())
        except EOFError:
            raise Failure("a part of it ended; what it said is above") from None
        child.join()
    return tallies


def write_table(path, servers, tally):
    lines = [f"{tally.count} requests, {sum(tally.reasons.values())} divergences.", "", "| what | why | requests |",
             "|---|---|---|"]
    for (what, why), count in tally.reasons.most_common():
        lines.append(f"| {what} | {why} | {count} |")
    lines += ["", "| request | " + " | ".join(servers) + " | what | why |", "|" + "---|" * (len(servers) + 3)]
    for outcome in tally.rows[:ROWS_MAX]:
        cells = [brief(outcome.answers[name]) for name in servers]
        title = " + ".join(outcome.names).replace("|", "\\|")
        lines.append(f"| {title} | " + " | ".join(cells) + f" | {outcome.what} | {outcome.why} |")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def run(fixture, count, seed):
    with concurrent.futures.ThreadPoolExecutor(len(fixture.ports)) as pool:
        alone = ask_changes(fixture, pool)
    tally = Tally()
    for outcome in alone.values():
        tally.add(outcome)
    for part in run_shards(fixture, plan(count - len(alone), seed), alone):
        tally.merge(part)
    write_table(pathlib.Path(fixture.env.build) / "interop" / "differential.md", list(fixture.ports), tally)
    wrong = [f"{' + '.join(row.names)}: {row.what}: " +
             ", ".join(f"{name} {brief(answer)}" for name, answer in row.answers.items())
             for row in tally.rows if row.why is None]
    print(f"# {tally.count} requests to {', '.join(fixture.ports)}: {sum(tally.reasons.values())} divergences, "
          f"{len(wrong)} not explained, {sum(row.what == TAKES for row in tally.rows if row.why is None)} of them taken")
    check(not wrong, f"{len(wrong)} divergences without a reason:\n" + "\n".join(wrong[:200]))


@suite.case("scorecard 50: the same requests to five servers", transports=(H2C,))
def test_scorecard_50_differential(fixture, _transport):
    run(fixture, 2000, 1)


@suite.case("scorecard 50: more of them", transports=(H2C,), long=True)
def test_scorecard_50_differential_long(fixture, _transport):
    run(fixture, COUNT, 2)


def take_option(arguments, name, default):
    """An option of this driver alone, with a number."""
    if name not in arguments:
        return default
    at = arguments.index(name)
    _, number = arguments[at:at + 2]
    del arguments[at:at + 2]
    return int(number)


COUNT = take_option(sys.argv, "--count", 100000)
SECONDS = take_option(sys.argv, "--seconds", 1 << 30)  # then it ends with what it has


suite.main(Fixture)
