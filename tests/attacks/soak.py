#!/usr/bin/env python3
"""Much of the same on one connection or process, over real sockets: memory stays where it was, stacks stay
small, octets cost no more than others. The normal run has a tenth of the size or less; --long has it in full."""
import collections
import pathlib
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))

import h2raw  # noqa: E402
from attacker import (KIB, POST, Attacker, frame, processor_ns, resident, stacks,  # noqa: E402
                      request_block, start_server)
from harness import H2C, Suite, check, equal  # noqa: E402

suite = Suite("server", "soak")
HEADERS_END = h2raw.END_HEADERS | h2raw.END_STREAM
DRIFT_MAX = 64 * KIB
STACK = 64 * KIB
CLOSE_STACK_MAX = 8 * KIB  # more, for a thousand streams that end, than for a few
WORKER_STACK_MAX = 24 * KIB  # in all
OPEN_STREAMS = 1024
COST_MAX = 3
STREAMS = 128  # that the server allows at once
BATCH = 100
NO_WINDOW = struct.pack(">HI", h2raw.INITIAL_WINDOW, 0)
CANCEL = struct.pack(">I", 8)


class Fixture:
    def __init__(self, env):
        self.env = env
        self.version = ""
        self.servers = []

    def start(self, *options, **others):
        server = start_server(self.env, *options, **others)
        self.servers.append(server)
        return server

    def size(self, normal, full):
        return full if self.env.long else normal // 5 if self.env.sanitized else normal

    def check_drift(self, server, before, what):
        """Sanitizers keep what was freed: there only the run counts."""
        drift = resident(server) - before
        if not self.env.sanitized:
            check(drift <= DRIFT_MAX, f"{what}: {drift // KIB} KiB more")
        return drift // KIB

    def recover(self):
        self.servers = [server for server in self.servers if server.process.running()]

    def finish(self):
        for server in self.servers:
            server.stop()


def end_server(fixture, server):
    server.await_quiet()
    server.stop()
    fixture.servers.remove(server)


# ---- row 21: places among the streams -----------------------------------------------------------

def refill(connection, block, count):
    """All places are taken, and a handler works at each. `count` times one is reset and another comes at once; now and
    then there is one too many."""
    def open_one():
        stream = connection.streams(1)[0]
        taken.append(stream)
        return frame(h2raw.HEADERS, HEADERS_END, stream, block)

    def reset_one():
        return frame(h2raw.RST_STREAM, 0, taken.popleft(), CANCEL)

    taken = collections.deque()
    connection.send(b"".join(open_one() for _ in range(STREAMS)))
    for turn in range(1, count // BATCH + 1):
        connection.send(b"".join(reset_one() + open_one() for _ in range(BATCH)))
        connection.send(frame(h2raw.HEADERS, HEADERS_END, connection.streams(1)[0], block) + reset_one())
        connection.ask()
        connection.send(open_one())
        equal(connection.resets, turn, "streams refused")


def places(fixture, transport, count):
    server = fixture.start("--resets", "2000000000")
    connection = Attacker(server, transport)
    connection.touch_buffers()
    refill(connection, connection.block("/slow/600000"), count)
    connection.close()
    server.await_quiet()
    equal(server.stats()["peak"], STREAMS, "handlers at once")
    end_server(fixture, server)
    return f"{count} times, {STREAMS} handlers at once"


@suite.case("scorecard 21: 20,000 resets while all places are taken", (H2C,))
def test_scorecard_21_places(fixture, transport):
    return places(fixture, transport, fixture.size(20000, 0))


@suite.case("scorecard 21: a million resets while all places are taken", (H2C,), long=True)
def test_scorecard_21_million_places(fixture, transport):
    return places(fixture, transport, 1000000)


# ---- row 24: the peer's end ---------------------------------------------------------------------

def script():
    """What a client says, with each kind of frame."""
    get, post = request_block("/bytes/100000"), request_block("/echo", POST)
    return b"".join((
        h2raw.PREFACE, frame(h2raw.SETTINGS, 0, 0, NO_WINDOW + struct.pack(">HI", 1, 100)),
        frame(h2raw.SETTINGS, h2raw.ACK, 0), frame(h2raw.HEADERS, HEADERS_END, 1, get),
        frame(h2raw.HEADERS, 0, 3, post[:5]), frame(h2raw.CONTINUATION, h2raw.END_HEADERS, 3, post[5:]),
        frame(h2raw.DATA, 0x8, 3, b"\x03hello\0\0\0"), frame(h2raw.WINDOW_UPDATE, 0, 1, struct.pack(">I", 50)),
        frame(h2raw.PING, 0, 0, bytes(8)), frame(h2raw.HEADERS, HEADERS_END, 5, request_block("/slow/60000")),
        frame(0xfa, 0, 5, b"unknown"), frame(h2raw.RST_STREAM, 0, 5, CANCEL), frame(2, 0, 1, bytes(5)),
        frame(h2raw.HEADERS, HEADERS_END, 3, b"\x40\x01a\x01b"), frame(h2raw.GOAWAY, 0, 0, bytes(8)),
        frame(h2raw.WINDOW_UPDATE, 0, 1, struct.pack(">I", 100000)), frame(h2raw.SETTINGS, 0, 0)))


def end_at(server, octets, reset, wait):
    """Says so much; what comes back before the end is not read unless it is waited for."""
    client = socket.create_connection(("127.0.0.1", server.port(H2C)), 10)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(octets)
    if wait and octets:
        client.recv(1 << 16)
    if reset:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def descriptors(server):
    return len(list(pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir()))


@suite.case("scorecard 24: the client's end at each octet, by FIN and by RST", (H2C,))
def test_scorecard_24_end_at_each_octet(fixture, transport):
    server = fixture.start()
    whole = script()
    Attacker(server, transport).close()
    server.await_quiet()
    time.sleep(0.1)  # the connection that asked is closed, too
    before = descriptors(server)
    for length in range(len(whole) + 1):
        for reset in (False, True):
            for wait in (False, True):
                end_at(server, whole[:length], reset, wait and length >= len(h2raw.PREFACE) + 9)
    server.await_quiet()
    time.sleep(0.1)
    equal(descriptors(server), before, "descriptors")
    end_server(fixture, server)
    return f"{len(whole)} octets, 4 ways each"


# ---- row 25: streams opened and reset -----------------------------------------------------------

def reset_answered(connection, block, count):
    """Each stream is reset after its answer has come, which is what refills the budget."""
    for _ in range(0, count, BATCH):
        ids = connection.streams(BATCH)
        wanted = connection.ended + BATCH
        connection.send(b"".join(frame(h2raw.HEADERS, HEADERS_END, stream, block) for stream in ids))
        connection.await_ended(wanted)
        connection.send(b"".join(frame(h2raw.RST_STREAM, 0, stream, CANCEL) for stream in ids))


def reset_open(connection, block, count):
    """Each stream is reset while its handler is at work: a request whose body has not ended."""
    for _ in range(0, count, BATCH):
        connection.send(b"".join(frame(h2raw.HEADERS, h2raw.END_HEADERS, stream, block) +
                                 frame(h2raw.RST_STREAM, 0, stream, CANCEL)
                                 for stream in connection.streams(BATCH)))
        connection.ask()


def soak_resets(fixture, transport, play, path, method, count):
    server = fixture.start("--resets", "2000000000")
    connection = Attacker(server, transport)
    block = connection.block(path, method)
    connection.touch_buffers()
    play(connection, block, count // 10)
    before = resident(server)
    play(connection, block, count)
    drift = fixture.check_drift(server, before, f"{count} streams")
    connection.close()
    end_server(fixture, server)
    return f"{count} streams, {drift} KiB more"


def resets_answered(fixture, transport, count):
    return soak_resets(fixture, transport, reset_answered, "/status/204", b"\x82", count)


def resets_open(fixture, transport, count):
    return soak_resets(fixture, transport, reset_open, "/hash", POST, count)


@suite.case("scorecard 25: 25,000 streams on a connection reset after their answers", (H2C,))
def test_scorecard_25_resets_after_answers(fixture, transport):
    return resets_answered(fixture, transport, fixture.size(25000, 0))


@suite.case("scorecard 25: 25,000 streams on a connection reset while they are open", (H2C,))
def test_scorecard_25_resets_of_open_streams(fixture, transport):
    return resets_open(fixture, transport, fixture.size(25000, 0))


@suite.case("scorecard 25: a million streams on a connection reset after their answers", long=True)
def test_scorecard_25_million_after_answers(fixture, transport):
    return resets_answered(fixture, transport, 1000000)


@suite.case("scorecard 25: a million streams on a connection reset while they are open", (H2C,), long=True)
def test_scorecard_25_million_of_open_streams(fixture, transport):
    return resets_open(fixture, transport, 1000000)


# ---- row 28: a small stack ----------------------------------------------------------------------

def open_streams(connection, count):
    """Handlers that wait, bodies that do not end, responses without window."""
    blocks = [(connection.block("/slow/60000"), HEADERS_END),
              (connection.block("/hash", POST), h2raw.END_HEADERS),
              (connection.block("/bytes/1000000"), HEADERS_END)]
    out = []
    for number, stream in enumerate(connection.streams(count)):
        block, flags = blocks[number % len(blocks)]
        out.append(frame(h2raw.HEADERS, flags, stream, block))
    connection.send(b"".join(out))
    connection.ping()
    equal((connection.ended, connection.resets), (0, 0), "streams that ended")


def end_by_reset(connection):
    connection.reset()


def end_by_goaway(connection):
    connection.send(frame(h2raw.GOAWAY, 0, 0, bytes(8)))
    connection.close()


def end_by_fault(connection):
    """The server ends it: DATA on stream 0."""
    connection.send(frame(h2raw.DATA, 0, 0, b"x"))
    equal(connection.read_to_end(), 1, "code of GOAWAY")
    connection.close()


ENDS = {"RST": end_by_reset, "GOAWAY": end_by_goaway, "close": Attacker.close, "fault": end_by_fault}


def mass_close(fixture, transport, workers):
    size = STACK * 4 if fixture.env.sanitized else STACK  # frames are larger there
    server = fixture.start("--max-streams", "1100", "--workers", workers, stack=size)
    notes = []
    for _ in range(8):  # each worker has seen each end
        for end in ENDS.values():
            connection = Attacker(server, transport, settings=NO_WINDOW)
            open_streams(connection, len(ENDS))
            end(connection)
    server.await_quiet()
    for name, end in ENDS.items():
        connection = Attacker(server, transport, settings=NO_WINDOW)
        open_streams(connection, OPEN_STREAMS)
        equal(server.stats()["streams"], OPEN_STREAMS, "streams that are open")
        before = stacks(server, size)
        end(connection)
        server.await_quiet()
        after = stacks(server, size)
        grown = sum(after) - sum(before)
        check(grown <= CLOSE_STACK_MAX or fixture.env.sanitized, f"{name}: the end touched {grown} octets of stack")
        notes.append(f"{name} +{grown // KIB}")
    check(max(after[1:]) <= WORKER_STACK_MAX or fixture.env.sanitized, f"stacks of workers: {after[1:]}")
    end_server(fixture, server)
    return "stacks of " + ", ".join(str(octets // KIB) for octets in after) + " KiB; " + ", ".join(notes)


@suite.case("scorecard 28: 1,024 streams end at once on the main thread with a stack of 64 KiB")
def test_scorecard_28_small_stack_of_main(fixture, transport):
    return mass_close(fixture, transport, "0")


@suite.case("scorecard 28: 1,024 streams end at once on a worker with a stack of 64 KiB")
def test_scorecard_28_small_stack_of_workers(fixture, transport):
    return mass_close(fixture, transport, "2")


# ---- row 39: names ------------------------------------------------------------------------------

NAMES = 100  # of a request
TRAILERS = 15  # that the test server echoes


def literal(name, indexed=True):
    return (b"\x40" if indexed else b"\x00") + h2raw.text(name) + b"\x011"


def in_blocks(connection, count, block_of):
    """`count` requests, each with the block that `block_of` gives it, in batches."""
    for at in range(0, count, BATCH // 4):
        batch = range(at, min(at + BATCH // 4, count))
        wanted = connection.ended + len(batch)
        connection.send(b"".join(block_of(number, stream)
                                 for number, stream in zip(batch, connection.streams(len(batch)))))
        connection.await_ended(wanted)


class Names:
    """Requests whose names are the number-th ones: as fields of the request, or as trailers that come back, so
    that our encoder has them, too."""

    def __init__(self, connection, name_of, trailers):
        self.connection = connection
        self.name_of = name_of
        self.trailers = trailers
        self.each = TRAILERS if trailers else NAMES
        self.octets = 0
        self.head = connection.block("/trailers", POST) if trailers else connection.block("/status/204")

    def frames(self, number, stream):
        first = number * self.each
        block = b"".join(literal(self.name_of(name)) for name in range(first, first + self.each))
        if self.trailers:
            out = (frame(h2raw.HEADERS, h2raw.END_HEADERS, stream, self.head) +
                   frame(h2raw.HEADERS, HEADERS_END, stream, block))
        else:
            out = frame(h2raw.HEADERS, HEADERS_END, stream, self.head + block)
        self.octets += len(out)
        return out


def cost(server, names, first, count):
    """Nanoseconds of the process for each octet of so many requests."""
    names.octets = 0
    before = processor_ns(server)
    in_blocks(names.connection, count, lambda number, stream: names.frames(first + number, stream))
    return (processor_ns(server) - before) / names.octets


def compare_names(fixture, transport, name_of, trailers, count):
    """So many different names, against the same ones again and again. Both in turns, and the cheapest turn of
    each counts: whatever else the machine does only adds."""
    server = fixture.start()
    connection = Attacker(server, transport)
    connection.touch_buffers()
    rounds = 10
    requests = -(-count // (TRAILERS if trailers else NAMES) // rounds)
    usual = Names(connection, lambda number: name_of(number % (TRAILERS if trailers else NAMES)), trailers)
    other = Names(connection, name_of, trailers)
    cost(server, usual, 0, requests)
    cost(server, other, 0, requests)
    before = resident(server)
    usual_cost, other_cost = [], []
    for turn in range(1, rounds + 1):
        usual_cost.append(cost(server, usual, 0, requests))
        other_cost.append(cost(server, other, turn * requests, requests))
    drift = fixture.check_drift(server, before, f"{count} names")
    factor = min(other_cost) / min(usual_cost)
    check(factor <= COST_MAX or fixture.env.sanitized, f"an octet of them costs {factor:.2f} times as much as usual")
    connection.close()
    end_server(fixture, server)
    return (f"{rounds * requests * other.each} names, {drift} KiB more, {min(other_cost):.1f} ns an octet, "
            f"{factor:.2f} times the usual")


def distinct(number):
    return f"x-{number:08}"


def colliding(number):
    """One hash in the encoder, which leaves out what is between the first 16 octets, the middle and the end: the
    server puts echo- in front."""
    return "x" * 15 + f"{number:020}" + "y" * 60


def names(fixture, transport, count):
    plain = compare_names(fixture, transport, distinct, False, count)
    echoed = compare_names(fixture, transport, distinct, True, count // 2)
    return f"{plain}; echoed: {echoed}"


@suite.case("scorecard 39: 100,000 names that never come again", (H2C,))
def test_scorecard_39_distinct_names(fixture, transport):
    return names(fixture, transport, fixture.size(100000, 0))


@suite.case("scorecard 39: a million names that never come again", long=True)
def test_scorecard_39_million_names(fixture, transport):
    return names(fixture, transport, 1000000)


@suite.case("scorecard 39: names with one hash", (H2C,))
def test_scorecard_39_colliding_names(fixture, transport):
    return compare_names(fixture, transport, colliding, True, fixture.size(15000, 0))


@suite.case("scorecard 39: a million names with one hash", (H2C,), long=True)
def test_scorecard_39_million_colliding_names(fixture, transport):
    return compare_names(fixture, transport, colliding, True, 1000000)


def long_name(connection, octets, piece):
    """A request with a name of so many octets, in frames of `piece` of its block each."""
    stream = connection.streams(1)[0]
    block = connection.block("/status/204") + b"\x00" + h2raw.text("x" * octets) + b"\x011"
    pieces = [block[at:at + piece] for at in range(0, len(block), piece)]
    out = [frame(h2raw.HEADERS, h2raw.END_STREAM, stream, pieces[0])]
    out += [frame(h2raw.CONTINUATION, 0, stream, part) for part in pieces[1:-1]]
    out.append(frame(h2raw.CONTINUATION, h2raw.END_HEADERS, stream, pieces[-1]))
    return b"".join(out)


@suite.case("scorecard 39: names of 1 MiB in small frames end their connections", (H2C,))
def test_scorecard_39_long_name_ends(fixture, transport):
    server = fixture.start()
    count, told, before = fixture.size(60, 60), 0, 0
    for number in range(count):
        if number == count // 4:
            server.await_quiet()
            before = resident(server)
        connection = Attacker(server, transport)
        try:
            connection.send(long_name(connection, KIB * KIB, 1000))
        except ConnectionError:
            pass  # it closed while we were sending
        code = connection.read_to_end()
        check(code in (11, None), f"GOAWAY with {code}")
        told += code == 11
        connection.close()
    check(told > 0, "no GOAWAY with ENHANCE_YOUR_CALM")
    server.await_quiet()
    drift = fixture.check_drift(server, before, "names of 1 MiB")
    end_server(fixture, server)
    return f"{count} connections, {drift} KiB more"


@suite.case("scorecard 39: names of 1 MiB in small frames where limits let them through", (H2C,))
def test_scorecard_39_long_name_passes(fixture, transport):
    """Each octet is touched a few times, however small the frames are: no part of a block is read twice."""
    server = fixture.start("--block", str(2 * KIB * KIB))
    connection = Attacker(server, transport)
    usual = Names(connection, lambda number: distinct(number % NAMES), False)
    usual_cost, long_cost = [], []
    before = None
    for turn in range(12):
        usual_cost.append(cost(server, usual, 0, 50))
        octets = long_name(connection, KIB * KIB, 100)
        started, wanted = processor_ns(server), connection.ended + 1
        connection.send(octets)
        connection.await_ended(wanted)
        long_cost.append((processor_ns(server) - started) / len(octets))
        if turn == 3:
            before = resident(server)
    drift = fixture.check_drift(server, before, "names of 1 MiB")
    factor = min(long_cost) / min(usual_cost)
    check(factor <= COST_MAX or fixture.env.sanitized, f"an octet of them costs {factor:.2f} times as much as usual")
    connection.close()
    end_server(fixture, server)
    return f"{drift} KiB more, {min(long_cost):.1f} ns an octet, {factor:.2f} times the usual"


suite.main(Fixture)
