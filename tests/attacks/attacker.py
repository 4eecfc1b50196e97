"""What attackers over real sockets share: a connection that sends and reads many frames at once, and what
the attacked process takes: resident memory, stacks, processor time."""
import contextlib
import pathlib
import re
import ssl
import struct

import h2raw
from harness import H2C, Failure
from fixtures import HaloServer

KIB = 1024
# Indexed fields of the static table.
GET, POST, HTTP, HTTPS = b"\x82", b"\x83", b"\x86", b"\x87"
FRAME = struct.Struct(">BHBBI")


def request_block(path, method=GET, scheme=HTTP):
    """A block without the dynamic table: what it does is the same however often it comes."""
    return method + scheme + b"\x04" + h2raw.text(path) + b"\x01\x09localhost"


def frame(kind, flags, stream, payload=b""):
    return FRAME.pack(len(payload) >> 16, len(payload) & 0xffff, kind, flags, stream) + payload


# A socket that does not block, or not any longer, has nothing, or no room.
NOTHING_YET = (TimeoutError, BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Ended(Exception):
    """The server said GOAWAY with an error, or closed."""

    def __init__(self, code):
        super().__init__(f"the connection ended, GOAWAY {code}")
        self.code = code


class Attacker(h2raw.Connection):
    """Counts what comes, and answers SETTINGS; nothing else is answered."""

    def __init__(self, server, transport=H2C, settings=b"", timeout=20):
        super().__init__(server.port(transport), ca=server.env.ca if transport != H2C else None,
                         timeout=timeout * server.env.scale, settings=settings)
        self.block_scheme = HTTP if transport == H2C else HTTPS
        self.ended = 0  # streams whose last frame has come
        self.resets = 0
        self.pongs = 0
        self.code = None
        self.input = bytearray()

    def block(self, path, method=GET):
        return request_block(path, method, self.block_scheme)

    def streams(self, count):
        """The next numbers."""
        first = self.next_stream
        self.next_stream += 2 * count
        return range(first, self.next_stream, 2)

    def _take(self, kind, flags, at, length):
        if kind in (h2raw.DATA, h2raw.HEADERS):
            self.ended += flags & h2raw.END_STREAM
        elif kind == h2raw.RST_STREAM:
            self.resets += 1
        elif kind == h2raw.PING:
            self.pongs += flags & h2raw.ACK
        elif kind == h2raw.SETTINGS and not flags & h2raw.ACK:
            with contextlib.suppress(OSError):  # the server may be gone already: what it has said still counts
                self.send(frame(h2raw.SETTINGS, h2raw.ACK, 0))
        elif kind == h2raw.GOAWAY:
            self.code = int.from_bytes(self.input[at + 4:at + 8], "big")

    def read_some(self):
        """Takes what has come; waits for it. Ended at the end."""
        try:
            octets = self.socket.recv(1 << 18)
        except NOTHING_YET:
            raise
        except OSError:
            octets = b""
        if not octets:
            raise Ended(self.code)
        self.input += octets
        at, have = 0, len(self.input)
        while have - at >= 9:
            high, low, kind, flags, _ = FRAME.unpack_from(self.input, at)
            length = high << 16 | low
            if have - at - 9 < length:
                break
            self._take(kind, flags, at + 9, length)
            at += 9 + length
        del self.input[:at]
        if self.code:
            raise Ended(self.code)

    def await_ended(self, count):
        while self.ended < count:
            self.read_some()

    def ping(self):
        """Once it is answered, what was sent before has been read."""
        wanted = self.pongs + 1
        self.send(frame(h2raw.PING, 0, 0, bytes(8)))
        while self.pongs < wanted:
            self.read_some()

    def ask(self, path="/status/204"):
        """Once it is answered, what was sent before has been read, for which PINGs would be too many."""
        wanted = self.ended + 1
        self.send(frame(h2raw.HEADERS, h2raw.END_HEADERS | h2raw.END_STREAM, self.streams(1)[0], self.block(path)))
        self.await_ended(wanted)

    def touch_buffers(self):
        """Fills each receive buffer of the server once, with frames of no known type, so that later resident memory
        does not depend on how far the first ones were filled."""
        for _ in range(25):
            self.send(frame(0xfa, 0, 0, bytes(16384)) * 10)
        self.ping()

    def read_to_end(self):
        """The code of GOAWAY, or None."""
        try:
            while True:
                self.read_some()
        except Ended as end:
            return end.code


# ---- the attacked process -----------------------------------------------------------------------

def start_server(env, *options, stack=None, listeners=1):
    """The test server; `stack`: octets of each thread's."""
    program = env.program("tests", "interop", "test_server")
    args = [*options, "--listen", "127.0.0.1:0"]
    if env.has_tls:
        args += ["--cert", env.cert, "--key", env.key, "--listen-tls", "127.0.0.1:0"]
        listeners += 1
    return HaloServer(env, program, args, listeners, stack=stack)


def resident(server):
    """Resident octets, exactly: /proc/PID/status may be off by what each processor has not added yet."""
    text = pathlib.Path(f"/proc/{server.process.pid}/smaps_rollup").read_text()
    return int(re.search(r"^Rss:\s+(\d+) kB", text, re.M)[1]) * KIB


def processor_ns(server):
    """Nanoseconds that all its threads have run."""
    tasks = pathlib.Path(f"/proc/{server.process.pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir())


def stacks(server, size):
    """Resident octets of each thread's stack, the main one first: threads have mappings of `size` behind a page
    that nobody may touch."""
    main, others, guard_end = None, [], None
    text = pathlib.Path(f"/proc/{server.process.pid}/smaps").read_text()
    for entry in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", text, flags=re.M)[1:]:
        head = entry.split("\n", 1)[0]
        start, end = (int(part, 16) for part in head.split(" ", 1)[0].split("-"))
        octets = int(re.search(r"^Rss:\s+(\d+) kB", entry, re.M)[1]) * KIB
        if head.endswith("[stack]"):
            main = octets
        elif " rw-p " in head and guard_end == start and size - 16 * KIB <= end - start <= size:
            others.append(octets)
        guard_end = end if " ---p " in head else None
    if main is None:
        raise Failure("no stack in smaps")
    return [main, *others]
