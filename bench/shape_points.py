"""What bench/shape.py sweeps over: one thing grows from point to point, everything else stays.

A point is a row of bench/peers_rows.py that knows its place on the axis. Two ways to load:

Counted (streams, body): a number of requests on 16 connections, as in peers.sh; so many that opening the connections is
less than 1 % of what the quickest server needs for all of them.

Timed (connections): with thousands of connections there would have to be millions of requests, and some of the
connections are opened seconds after the others, because a listener's backlog overflows and TCP tries again after one
second, then two. So they are opened and used for a while (h2load --warm-up-time) before the clock starts, and what
opening costs is in neither figure.
"""
import fnmatch

from peers_rows import SMALL, WORK_SERVERS, Row

KIB = 1024
SERVERS_OF_SHAPE = WORK_SERVERS + ("node",)

CONNECTIONS = (1, 4, 16, 64, 256, 1024, 4096)
STREAMS = (1, 2, 4, 8, 16, 32, 64, 128)
BODIES = (0, SMALL, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, KIB * KIB)
# --quick has these of them.
QUICK = {"connections": (1, 64, 1024), "streams": (1, 16, 128), "body": (0, 16 * KIB, KIB * KIB)}

# Seconds until all connections are there and busy: the first tries of TCP are after 1 and 3 seconds; a handshake of
# TLS costs the load generator a millisecond, too.
WARM_UP = ((256, 0.5), (1024, 1.5), (4096, 4.0))
WARM_UP_TLS = ((256, 1.0), (1024, 3.0), (4096, 9.0))
TIMED_SECONDS = 1.5
# The slowest of 4096 connections must have its turn.
TIMED_SECONDS_MANY = 2.5


def octets_text(octets):
    """Short, for the axis."""
    if octets >= KIB * KIB:
        return "%gM" % (octets / KIB / KIB)
    return "%gK" % (octets / KIB) if octets >= KIB else str(octets)


def body_path(octets):
    return "body-%d.bin" % octets


class Point(Row):
    timed = False

    def __init__(self, sweep, transport, value, label, connections, streams, requests, octets=None):
        # Node's program serves one page alone.
        super().__init__("%s-%s-%s" % (transport, sweep, label), "", connections, streams, requests,
                         None, SERVERS_OF_SHAPE if octets is None else WORK_SERVERS,
                         "" if octets is None else body_path(octets))
        self.sweep = sweep
        self.value = value
        self.label = label
        self.octets = SMALL if octets is None else octets

    def body_out(self):
        return self.octets


class TimedPoint(Point):
    """As many requests as fit into `seconds`, after `warm_up`."""

    timed = True

    def __init__(self, transport, connections):
        super().__init__("connections", transport, connections, str(connections), connections, 1, 0)
        table = WARM_UP_TLS if transport == "tls" else WARM_UP
        self.warm_up = next(seconds for most, seconds in table if connections <= most)
        self.seconds = TIMED_SECONDS if connections <= 1024 else TIMED_SECONDS_MANY

    def scaled(self, scale, server_name=None):
        """No number of requests is given."""
        return None

    def h2load(self, url, requests):
        command = super().h2load(url, 0)
        at = command.index("-n")
        command[at:at + 2] = ["-D", "%dms" % (self.seconds * 1000), "--warm-up-time=%dms" % (self.warm_up * 1000)]
        return command


def connections_point(transport, count):
    return TimedPoint(transport, count)


def streams_point(transport, streams):
    """Few streams at once cost several times as much as many."""
    return Point("streams", transport, streams, str(streams), 16, streams, 80000 if streams <= 4 else 240000)


def body_point(transport, octets):
    requests = 160000 if octets <= 4 * KIB else 1024 * KIB * KIB // octets + 256
    return Point("body", transport, octets, octets_text(octets), 16, 16, requests, octets)


class Sweep:
    def __init__(self, name, title, axis, values, make_point):
        self.name = name
        self.title = title
        self.axis = axis
        self.values = values
        self.make_point = make_point

    def points(self, transport, quick=False):
        values = QUICK[self.name] if quick else self.values
        return [self.make_point(transport, value) for value in values]


SWEEPS = {sweep.name: sweep for sweep in (
    Sweep("connections", "connections x 1 stream, 13 octets", "connections", CONNECTIONS, connections_point),
    Sweep("streams", "16 connections x streams, 13 octets", "streams on each connection", STREAMS, streams_point),
    Sweep("body", "16 connections x 16 streams, bodies", "octets of the body (K: 1024)", BODIES, body_point),
)}


def choose(patterns, names):
    """Those of `names` that a name, a pattern or "all" means, in their order; or ValueError with the text that
    means none."""
    chosen = set()
    for pattern in patterns:
        found = names if pattern == "all" else fnmatch.filter(names, pattern)
        if not found:
            raise ValueError(pattern)
        chosen.update(found)
    return [name for name in names if name in chosen]
