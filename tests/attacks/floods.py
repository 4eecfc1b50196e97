#!/usr/bin/env python3
"""Attackers beside an honest client of the same server thread: how the attack ends, what the process holds
meanwhile and afterwards, and what the honest client feels.

ATTACKS is the table. Each attack is played on several connections at once, and against another server first:
that is what the honest client's times are compared with, since on a small machine an attacker takes time from
everybody. In the normal run that client must have no error, and half of its requests must take no longer than then;
that 99 % of them do, and that those who hold on are ended within 35 s, is for --long, which runs alone.
"""
import dataclasses
import json
import pathlib
import select
import struct
import subprocess
import sys
import time
import typing

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))

import h2raw  # noqa: E402
from attacker import KIB, NOTHING_YET, POST, Attacker, Ended, frame, processor_ns, resident, start_server  # noqa: E402
from harness import H2C, MIB, Failure, Suite, check  # noqa: E402

suite = Suite("server", "floods")
HEADERS_END = h2raw.END_HEADERS | h2raw.END_STREAM
CALM = 11  # ENHANCE_YOUR_CALM
STREAMS = 128  # that the server allows
CANCEL = struct.pack(">I", 8)
NO_WINDOW = struct.pack(">HI", h2raw.INITIAL_WINDOW, 0)
WIDE_WINDOW = struct.pack(">HI", h2raw.INITIAL_WINDOW, 0x7fffffff)
BACK_MAX = 2 * MIB  # that may be left 5 s after the attack
STALL_S = 35
# The loop's receive buffers, which belong to no connection, double when they run out.
LOOP_MAX = MIB

# ---- what attackers send: pieces, until they are told to stop -----------------------------------


def pings(_connection):
    while True:
        yield frame(h2raw.PING, 0, 0, bytes(8)) * 500


def settings(_connection):
    while True:
        yield frame(h2raw.SETTINGS, 0, 0) * 500


def empty_data(connection):
    stream = connection.streams(1)[0]
    yield frame(h2raw.HEADERS, h2raw.END_HEADERS, stream, connection.block("/hash", POST))
    while True:
        yield frame(h2raw.DATA, 0, stream) * 500


def rapid_resets(connection):
    block = connection.block("/slow/1000")
    for _ in range(250):
        yield b"".join(frame(h2raw.HEADERS, HEADERS_END, stream, block) + frame(h2raw.RST_STREAM, 0, stream, CANCEL)
                       for stream in connection.streams(400))


def continuations(connection):
    yield frame(h2raw.HEADERS, h2raw.END_STREAM, connection.streams(1)[0], connection.block("/"))
    # A field never indexed, its value coded: 8 octets of it are 64 characters or so.
    piece = (b"\x10\x01a\xff\x81\x3f" + b"\x00" * 8190) * 2
    while True:
        yield frame(h2raw.CONTINUATION, 0, connection.next_stream - 2, piece[:16384])


def bomb(connection, first, again, path="/bytes/1000000"):
    """A field that goes into the table, then its index: an octet for a field."""
    for stream in connection.streams(STREAMS):
        yield frame(h2raw.HEADERS, HEADERS_END, stream, connection.block(path) + first + b"\xbe" * again)


def fields_beyond(connection):
    return bomb(connection, b"\x40\x01a\x00", 16000)


def fields_within(connection):
    return bomb(connection, b"\x40\x01a\x00", 120)


def crumbs_beyond(connection):
    return bomb(connection, b"\x60\x00", 4091)


def crumbs_within(connection):
    return bomb(connection, b"\x60\x00", 250)


def bodies(connection):
    yield frame(h2raw.WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7fffffff - 65535))
    block = connection.block("/bytes/10485760")
    yield b"".join(frame(h2raw.HEADERS, HEADERS_END, stream, block) for stream in connection.streams(STREAMS))


def drip(connection):
    """An octet of window for each stream: more is refused soon."""
    return b"".join(frame(h2raw.WINDOW_UPDATE, 0, stream, struct.pack(">I", 1))
                    for stream in range(1, connection.next_stream, 2))


@dataclasses.dataclass
class Attack:
    name: str
    send: typing.Callable
    mem_max: int  # octets of a connection, beside what one without anything takes
    connections: int = 10
    reads: bool = True
    code: int = None  # of GOAWAY; None: the connection is held, and ends by a deadline
    settings: bytes = b""
    drips: bool = False
    handlers_max: int = None  # of a connection


ATTACKS = {
    "8": Attack("PING, answers read", pings, 64 * KIB, code=CALM),
    "9": Attack("PING, answers not read", pings, 64 * KIB, reads=False),
    "10": Attack("SETTINGS", settings, 64 * KIB, code=CALM),
    "12": Attack("empty DATA", empty_data, 64 * KIB, code=CALM),
    "18": Attack("rapid reset", rapid_resets, 256 * KIB, code=CALM, handlers_max=257 + 33),
    "30": Attack("CONTINUATION", continuations, 128 * KIB, code=CALM),
    "33": Attack("HTTP/2 bomb beyond the limits", fields_beyond, 128 * KIB, code=CALM, settings=NO_WINDOW),
    "33a": Attack("HTTP/2 bomb within the limits", fields_within, 4 * MIB, connections=50, settings=NO_WINDOW,
                  drips=True),
    "34": Attack("cookie crumbs beyond the limits", crumbs_beyond, 128 * KIB, code=CALM, settings=NO_WINDOW),
    "34a": Attack("cookie crumbs within the limits", crumbs_within, 4 * MIB, connections=50, settings=NO_WINDOW,
                  drips=True),
    "41": Attack("bodies that nobody reads", bodies, 3 * MIB // 2, reads=False, settings=WIDE_WINDOW),
}

# ---- those around -------------------------------------------------------------------------------


class Victim:
    def __init__(self, server, transport):
        args = [sys.executable, pathlib.Path(__file__).resolve().parent / "victim.py", server.port(transport)]
        if transport != H2C:
            args.append(server.env.ca)
        self.child = subprocess.Popen([str(arg) for arg in args], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def report(self):
        """Of the requests since the last report."""
        self.child.stdin.write(b"\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        check(line, "the honest client ended")
        return json.loads(line)

    def end(self):
        self.child.stdin.close()
        self.child.stdout.close()
        try:
            self.child.wait(20)
        finally:
            self.child.kill()
            self.child.wait()


class Fixture:
    """A server for each case, and one that a rehearsal attacks instead, so that the machine is as busy."""

    def __init__(self, env):
        self.env = env
        self.version = ""
        self.servers = []

    def start(self):
        self.servers.append(start_server(self.env))
        return self.servers[-1]

    def stop(self, server):
        server.stop()
        self.servers.remove(server)

    def recover(self):
        for server in self.servers:
            server.process.kill()
        self.servers = []

    def finish(self):
        for server in list(self.servers):
            self.stop(server)


def warm_up(server, transport):
    """So that what is kept for reuse has its size: output, streams, their lists."""
    connections = [Attacker(server, transport, settings=WIDE_WINDOW) for _ in range(12)]
    for connection in connections:
        for piece in bodies(connection):
            connection.send(piece)
    time.sleep(0.1)
    for connection in connections:
        connection.close()
    server.await_quiet()


def await_alone(server, seconds, sessions=1):
    """Waits until so many sessions are left, and no streams but of the honest client."""
    deadline = time.monotonic() + seconds * server.env.scale
    while (stats := server.stats())["sessions"] > sessions or stats["streams"] > 1:
        check(time.monotonic() < deadline, f"after {seconds} s there are {stats}")
        time.sleep(0.1)


# ---- a run --------------------------------------------------------------------------------------


class Player:
    """One attacking connection. It sends as fast as the server takes it, without ever waiting."""

    def __init__(self, attack, server, transport):
        self.attack = attack
        self.connection = Attacker(server, transport, settings=attack.settings)
        self.pieces = attack.send(self.connection)
        self.left = b""
        self.ended = False
        self.connection.socket.setblocking(False)

    def fileno(self):
        return self.connection.socket.fileno()

    def _send(self):
        while not self.left:
            piece = next(self.pieces, None)
            if piece is None:
                self.pieces = iter(())
                return False
            self.left = memoryview(piece)
        try:
            self.left = self.left[self.connection.socket.send(self.left):]
        except NOTHING_YET:
            return False
        return True

    def _read(self):
        try:
            while True:
                self.connection.read_some()
        except NOTHING_YET:
            pass

    def turn(self):
        try:
            if self.attack.reads:
                self._read()
            for _ in range(8):
                if not self._send():
                    break
        except NOTHING_YET:
            pass
        except (Ended, OSError):
            self.finish()

    def drip(self):
        if not self.ended and not self.left:
            self.left = memoryview(drip(self.connection))

    def finish(self):
        """It could not send any more: what the server has said is read, if anything is left of it."""
        self.ended = True
        try:
            self._read()
        except (Ended, OSError):
            pass

    def close(self):
        self.connection.close()


def play(players, server, seconds, drips):
    """Until all have ended, or the time is over; the most memory that the process had."""
    deadline = time.monotonic() + seconds
    sampled = dripped = time.monotonic()
    most = resident(server)
    while time.monotonic() < deadline:
        open_ones = [player for player in players if not player.ended]
        if not open_ones:
            break
        for player in open_ones:
            player.turn()
        now = time.monotonic()
        if drips and now - dripped > 1:
            dripped = now
            for player in open_ones:
                player.drip()
        if now - sampled > 0.05:
            sampled = now
            most = max(most, resident(server))
        select.select(open_ones, [], [], 0.005)
    return max(most, resident(server))


class Slow(Failure):
    """The honest client had to wait."""


def check_victim(env, before, during):
    check(during["errors"] == 0, f"the honest client had {during['errors']} errors")
    if env.sanitized:
        return
    for name in ("p50", "p99") if env.long else ("p50",):
        limit = max(2 * before[name], before[name] + 5)
        if during[name] > limit:
            raise Slow(f"the honest client's {name}: {before[name]:.1f} ms beside the rehearsal, "
                       f"{during[name]:.1f} ms during the attack")


def check_ends(attack, players):
    codes = [player.connection.code for player in players]
    check(all(player.ended for player in players), f"{sum(not player.ended for player in players)} go on")
    check(all(code in (attack.code, None) for code in codes), f"codes of GOAWAY: {codes}")
    check(attack.code in codes, "nobody heard GOAWAY")


@dataclasses.dataclass
class Wave:
    """What an attack that goes on for some time, wave after wave, took."""
    connections: int = 0
    most: int = 0
    seconds: float = 0
    players: list = ()  # that hold on


def attack_for(seconds, attack, server, transport):
    wave, started = Wave(), time.monotonic()
    try:
        while not wave.connections or time.monotonic() - started < seconds:
            wave.players = [Player(attack, server, transport) for _ in range(attack.connections)]
            wave.connections += len(wave.players)
            patience = seconds if attack.code is None else 10 * server.env.scale
            wave.most = max(wave.most, play(wave.players, server, patience, attack.drips))
            if attack.code is not None:
                check_ends(attack, wave.players)
                close_all(wave)
    except BaseException:
        close_all(wave)
        raise
    wave.seconds = time.monotonic() - started
    return wave


def close_all(wave):
    for player in wave.players:
        player.close()
    wave.players = []


def rehearse(fixture, transport, attack, victim, seconds):
    """The same attack on another server: what the honest client feels then is the machine's matter. Returns that,
    and what each connection made a server hold that had nothing to reuse."""
    decoy = fixture.start()
    connection = Attacker(decoy, transport)
    connection.touch_buffers()
    connection.close()
    decoy.await_quiet()
    memory = resident(decoy)
    victim.report()
    wave = attack_for(seconds, attack, decoy, transport)
    close_all(wave)
    time.sleep(0.2)
    before = victim.report()
    decoy.await_quiet()
    fixture.stop(decoy)
    return before, (wave.most - memory) // attack.connections


def check_memory(env, attack, each, left):
    if not env.sanitized:
        limit = attack.mem_max + LOOP_MAX // attack.connections
        check(each <= limit, f"{each // KIB} KiB a connection")
        check(left <= BACK_MAX, f"{left // KIB} KiB are left")


def run(fixture, transport, attack, seconds):
    server = fixture.start()
    warm_up(server, transport)
    victim = Victim(server, transport)
    try:
        before, each = rehearse(fixture, transport, attack, victim, seconds)
        first = server.stats()["total"]
        victim.report()
        memory, processor = resident(server), processor_ns(server)
        wave = attack_for(seconds, attack, server, transport)
        spent = (processor_ns(server) - processor) / 1e6
        time.sleep(0.2)
        during = victim.report()
        handlers = (server.stats()["total"] - first - during["count"]) / wave.connections
        try:
            if fixture.env.long and attack.code is None:
                await_alone(server, STALL_S - wave.seconds, 1 + wave.connections)
        finally:
            close_all(wave)
        await_alone(server, 5)
    finally:
        victim.end()
    server.await_quiet()
    left = resident(server) - memory
    fixture.stop(server)
    check_victim(fixture.env, before, during)
    check_memory(fixture.env, attack, each, left)
    if attack.handlers_max is not None:
        check(handlers <= attack.handlers_max, f"{handlers:.0f} handlers a connection")
    return (f"{wave.connections} connections, {each // KIB} KiB each, {left // KIB} KiB left, {handlers:.0f} handlers "
            f"each, {spent / wave.connections:.2f} ms of processor each; honest p50 {before['p50']:.2f} -> "
            f"{during['p50']:.2f}, p99 {before['p99']:.2f} -> {during['p99']:.2f} ms of {during['count']}")


def run_quietly(fixture, transport, attack, seconds):
    """Three times at most: whoever else uses the machine can only make it slower."""
    for _ in range(2):
        try:
            return run(fixture, transport, attack, seconds)
        except Slow:
            pass
    return run(fixture, transport, attack, seconds)


def register(row, attack):
    @suite.case(f"scorecard {row}: {attack.name}", (H2C,))
    def test_scorecard_flood(fixture, transport):
        return run_quietly(fixture, transport, attack, 0.3)

    @suite.case(f"scorecard {row}: {attack.name}, to its end", long=True)
    def test_scorecard_flood_long(fixture, transport):
        return run_quietly(fixture, transport, attack, 5)


for row, attack in ATTACKS.items():
    register(row, attack)
suite.main(Fixture)
