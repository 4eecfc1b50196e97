"""What bench/peers.py measures: one row is one piece of work, done by every server that can.

`requests` is so high that opening the connections (about 25 us each, 200 us with TLS, of server CPU) is less
than 1 % of what the quickest server needs for all of them; rows that are about connections are the
exception. Servers that need ten times as long do a share of them (SHARES), for which the same holds but with Node's
512 connections over TLS. The targets are ratios of medians in one run.
"""
import fnmatch

# Every server speaks it, and all are to encrypt alike.
CIPHER = "TLS_AES_128_GCM_SHA256"

SMALL, MEDIUM, LARGE = 13, 16 * 1024, 100 * 1024 * 1024
# What a path gives, in octets; "upload" takes what is posted.
FILES = {"": SMALL, "16k.bin": MEDIUM, "100m.bin": LARGE}

# Of the 25 fields of a browser's request, h2load makes the first four itself.
BROWSER_FIELDS = (
    "user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/118.0.0.0 Safari/537.36",
    "cache-control: max-age=0",
    'sec-ch-ua: "Chromium";v="118", "Google Chrome";v="118", "Not=A?Brand";v="99"',
    "sec-ch-ua-mobile: ?0",
    'sec-ch-ua-platform: "Linux"',
    'sec-ch-ua-arch: "x86"',
    'sec-ch-ua-model: ""',
    "upgrade-insecure-requests: 1",
    "accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
    "sec-fetch-site: same-origin",
    "sec-fetch-mode: navigate",
    "sec-fetch-user: ?1",
    "sec-fetch-dest: document",
    "referer: https://www.example.com/articles/index.html",
    "accept-encoding: gzip, deflate, br",
    "accept-language: en-US,en;q=0.9,de;q=0.8",
    "cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; consent=all",
    "dnt: 1",
    "viewport-width: 1920",
    "device-memory: 8",
    "priority: u=0, i",
)

SMALL_SERVERS = ("halo", "h2o", "nghttpd", "nginx", "node")
# Whom the targets compare in the rows of large work: Node is for orientation, where it costs no minutes.
WORK_SERVERS = ("halo", "h2o", "nghttpd", "nginx")

# The part of a row's requests that a slow server does.
SHARES = {"nginx": 0.5, "node": 0.2}

UNITS = {"us": 1e3, "ms": 1e6}  # nanoseconds of CPU in it


class Row:
    """`kind`: load (requests on few connections), connect (one request each), upload (POST), memory (held
    connections). `target` is a ratio to `against`: h2o, or the best peer of the row."""

    kind = "load"
    unit = "us"
    against = "h2o"

    def __init__(self, name, title, connections, streams, requests, target, servers=SMALL_SERVERS, path="",
                 options=()):
        self.name = name
        self.title = title
        self.transport = name.split("-")[0]
        self.connections = connections
        self.streams = streams
        self.requests = requests
        self.target = target
        self.servers = servers
        self.path = path
        self.options = list(options)

    def scaled(self, scale, server_name=None):
        """How many requests a server does; a whole number of rounds over all streams."""
        wanted = int(self.requests * scale * SHARES.get(server_name, 1))
        if self.requests < 1000:
            return max(wanted, 2)
        step = self.connections * self.streams
        return max(wanted // step, 1) * step

    def h2load(self, url, requests):
        command = ["h2load", "-t", "1", "-c", str(self.connections), "-m", str(self.streams), "-n", str(requests)]
        if self.transport == "tls":
            command.append("--tls13-ciphers=" + CIPHER)
        return command + self.options + [url]

    def body_in(self):
        """Octets that a request carries, and that an answer must carry (None: anything)."""
        return 0

    def body_out(self):
        return FILES[self.path]


class Connect(Row):
    """Each request has a connection of its own; `burst` of them are opened every tenth of a second, so that
    none waits for another burst and no backlog overflows."""

    kind = "connect"

    def __init__(self, name, title, requests, burst, target, servers):
        super().__init__(name, title, 1, 1, requests, target, servers)
        self.burst = burst

    def scaled(self, scale, server_name=None):
        return max(int(self.requests * scale), self.burst)

    def h2load(self, url, requests):
        command = super().h2load(url, requests)
        command[command.index("-c") + 1] = str(requests)
        command[-1:-1] = ["-r", str(self.burst), "--rate-period=100ms"]
        return command


class Upload(Row):
    kind = "upload"
    against = "best"

    def __init__(self, name, title, connections, streams, requests, body, target):
        # nghttpd drops a body it does not echo by resetting the stream, so there is nothing to compare.
        super().__init__(name, title, connections, streams, requests, target, ("halo", "h2o", "nginx", "node"),
                         path="upload")
        self.body = body

    def body_in(self):
        return FILES[self.body]

    def body_out(self):
        return None


class Memory(Row):
    kind = "memory"
    unit = "KiB"

    def __init__(self, name, title, connections, target):
        super().__init__(name, title, connections, 1, connections, target,
                         SMALL_SERVERS)

    def scaled(self, scale, server_name=None):
        return max(int(self.connections * scale), 400)


def in_ms(row):
    row.unit = "ms"
    return row


def large_file(name, title, target, servers=WORK_SERVERS):
    return in_ms(Row(name, title, 1, 1, 20, target, servers, "100m.bin", ("-w", "24", "-W", "24")))


BROWSER_OPTIONS = [part for field in BROWSER_FIELDS for part in ("-H", field)]

ROWS = {row.name: row for row in (
    Row("h2c-16x32", "h2c, 16 connections x 32 streams", 16, 32, 400000, 0.35, SMALL_SERVERS + ("floor",)),
    Row("h2c-64x1", "h2c, 64 x 1", 64, 1, 100000, 0.70, SMALL_SERVERS + ("floor",)),
    Row("h2c-512x1", "h2c, 512 x 1", 512, 1, 200000, 0.67, SMALL_SERVERS + ("floor",)),
    Row("h2c-1x1", "h2c, 1 x 1", 1, 1, 20000, 0.71, SMALL_SERVERS + ("floor",)),
    Row("tls-16x32", "TLS 1.3, 16 x 32", 16, 32, 600000, 0.42),
    Row("tls-64x1", "TLS 1.3, 64 x 1", 64, 1, 160000, 0.60),
    Row("tls-512x1", "TLS 1.3, 512 x 1", 512, 1, 600000, 0.50),
    Row("tls-1x1", "TLS 1.3, 1 x 1", 1, 1, 20000, 0.58),
    Connect("tls-new", "new TLS 1.3 connection + 1 request (ECDSA P-256)", 2000, 100, 0.69, WORK_SERVERS),
    Connect("h2c-new", "new h2c connection + 1 request", 8000, 400, 0.75, WORK_SERVERS + ("floor",)),
    Row("h2c-16k", "h2c, 16 KiB file, 16 x 16", 16, 16, 100000, 0.80, WORK_SERVERS, "16k.bin"),
    large_file("h2c-100m", "h2c, 100 MiB file, 1 x 1, 16 MiB windows", 0.78, WORK_SERVERS + ("floor",)),
    Row("tls-16k", "TLS, 16 KiB file, 16 x 16", 16, 16, 100000, 0.80, WORK_SERVERS, "16k.bin"),
    large_file("tls-100m", "TLS, 100 MiB file, 1 x 1, 16 MiB windows", 0.82),
    Upload("h2c-post-16k", "h2c, POST of 16 KiB, 16 x 16", 16, 16, 50000, "16k.bin", 0.80),
    in_ms(Upload("h2c-post-100m", "h2c, POST of 100 MiB, 1 x 1", 1, 1, 20, "100m.bin", 0.80)),
    Upload("tls-post-16k", "TLS, POST of 16 KiB, 16 x 16", 16, 16, 50000, "16k.bin", 0.80),
    in_ms(Upload("tls-post-100m", "TLS, POST of 100 MiB, 1 x 1", 1, 1, 20, "100m.bin", 0.80)),
    Row("h2c-browser", "h2c, requests of 25 fields, 16 x 32", 16, 32, 400000, 0.35, WORK_SERVERS + ("node",),
        options=BROWSER_OPTIONS),
    Memory("h2c-memory", "memory of an idle h2c connection", 4000, 0.79),
    Memory("tls-memory", "memory of an idle TLS connection", 4000, 0.29),
)}
USUAL_ROWS = ("h2c-16x32", "h2c-64x1", "tls-16x32", "tls-64x1")


def choose(patterns):
    """Rows by names, patterns ("tls-*") and the words all and usual, in the table's order; or the first text
    that matches none."""
    chosen = set()
    for pattern in patterns:
        words = {"all": list(ROWS), "usual": list(USUAL_ROWS)}
        found = words.get(pattern) or fnmatch.filter(ROWS, pattern)
        if not found:
            raise ValueError(pattern)
        chosen.update(found)
    return [row for name, row in ROWS.items() if name in chosen]
