"""halo as client: the cases that all servers can serve, and what their fixtures share.

halo-get does what a user does; test_client does what a program does with the library: a thousand
requests at once, trailers, cancels.
"""
import signal

from harness import (H2C, TLS, Process, check, contains, ending, equal, file_sha, pattern,
                     pattern_sha)

SMALL = 12345


class ClientFixture:
    """What a server must offer: `small` and `large` are paths of pattern bodies of SMALL and
    `large_length` octets."""
    small = f"/bytes/{SMALL}"
    host = "127.0.0.1"

    def __init__(self, env, version):
        self.env = env
        self.version = version
        self.ports = {}
        self.process = {}
        self.large_length = env.big()
        self.large = f"/bytes/{self.large_length}"
        self.get_program = env.program("client", "halo-get")
        self.client_program = env.program("tests", "interop", "test_client")

    def start(self):
        """Starts what self.ports and self.process (by transport) name."""
        raise NotImplementedError

    def vanish(self, transport):
        """Kills what serves the transport's connections; start() follows."""
        self.process[transport].signal(signal.SIGKILL)

    def recover(self):
        if not all(process.running() for process in self.process.values()):
            self.restart()

    def restart(self):
        for process in self.process.values():
            process.kill()
        self.start()

    def url(self, transport, path="/", host=None):
        scheme = "http" if transport == H2C else "https"
        return f"{scheme}://{host or self.host}:{self.ports[transport]}{path}"

    def trust(self, transport):
        return ["--cacert", self.env.ca] if transport == TLS else []

    def get(self, transport, path, *options, timeout=60, status=0):
        paths = path if isinstance(path, list) else [path]
        return self.env.run([self.get_program, *self.trust(transport), *options,
                             *(self.url(transport, one) for one in paths)], timeout, status)

    def client(self, transport, path, *options, timeout=60, status=0):
        """The lines that test_client prints."""
        return self.env.run([self.client_program, *self.trust(transport), *options,
                             self.url(transport, path)], timeout, status).stdout.decode().splitlines()

    def all_complete(self, transport, path, count, *options, timeout=60):
        lines = self.client(transport, path, *options, timeout=timeout)
        equal(lines[-1], f"{count} complete, 0 cancelled, 0 failed", "sum")
        return lines


def register(suite):
    """The cases for any server."""

    @suite.case("GET")
    def get(fixture, transport):
        equal(fixture.get(transport, fixture.small).stdout, pattern(SMALL), "body")
        head, _, rest = fixture.get(transport, fixture.small, "-i").stdout.partition(b"\n\n")
        contains(head.decode().splitlines()[0], "200", "first line")
        equal(rest[:SMALL], pattern(SMALL), "body behind the head")  # trailers may follow

    @suite.case("HEAD")
    def head(fixture, transport):
        out = fixture.get(transport, fixture.small, "-i", "-X", "HEAD").stdout.decode()
        contains(out, f"content-length: {SMALL}", "head")
        check(len(out) < 1000, f"a body came: {len(out)} octets")

    @suite.case("404")
    def not_found(fixture, transport):
        out = fixture.get(transport, "/nowhere", "-i").stdout.decode()
        contains(out.splitlines()[0], "404", "first line")

    @suite.case("a line for each frame")
    def verbose(fixture, transport):
        text = fixture.get(transport, fixture.small, "-v").stderr.decode()
        for name in ("SETTINGS", "HEADERS", "DATA", "END_STREAM"):
            contains(text, name, "frames")

    @suite.case("large download, byte-exact")
    def large_download(fixture, transport):
        out = fixture.env.work / "download"
        fixture.get(transport, fixture.large, "-o", out)
        equal(out.stat().st_size, fixture.large_length, "length")
        equal(file_sha(out), pattern_sha(fixture.large_length), "SHA-256")
        out.unlink()
        lines = fixture.all_complete(transport, fixture.large, 1)
        contains(lines, f"body {pattern_sha(fixture.large_length)} {fixture.large_length}",
                 "test_client")

    @suite.case("many URLs, one after the other and at once")
    def parallel(fixture, transport):
        paths = [fixture.small] * 50
        for options in ([], ["--parallel"]):
            equal(fixture.get(transport, paths, *options).stdout, pattern(SMALL) * 50, "bodies")

    @suite.case("1,000 streams at once on one connection")
    def streams(fixture, transport):
        fixture.all_complete(transport, fixture.small, 1000, "--count", 1000)

    @suite.case("10,000 requests in sequence on one connection")
    def sequence(fixture, transport):
        count = 10000
        fixture.all_complete(transport, fixture.small, count, "--count", count, "--sequence")

    @suite.case("1,000 connections at once")
    def connections(fixture, transport):
        count = 1000
        fixture.all_complete(transport, fixture.small, count, "--connections", count)

    @suite.case("cancelled downloads, and the connection goes on")
    def cancel(fixture, transport):
        lines = fixture.client(transport, fixture.large, "--count", 20, "--cancel-after", 100000)
        equal(lines[-1], "1 complete, 20 cancelled, 0 failed", "sum")

    @suite.case("server killed in the middle of a download")
    def vanish(fixture, transport):
        # Slower than the server can fill the sockets: the transfer cannot be over too soon.
        args = [fixture.client_program, *fixture.trust(transport), "--report", "--count", "20",
                fixture.url(transport, fixture.large)]
        with ending(Process(fixture.env, args)) as client:
            client.await_line("^received$", 20 * fixture.env.scale)
            fixture.vanish(transport)
            status = client.wait(20 * fixture.env.scale)
            fixture.restart()
            equal(status, 1, f"status of test_client ({client.errors()})")

    @suite.case("server that is not there")
    def refused(fixture, transport):
        before = fixture.ports[transport]
        fixture.ports[transport] = 9  # discard: nobody listens on it
        try:
            done = fixture.get(transport, "/", status=1)
        finally:
            fixture.ports[transport] = before
        contains(done.stderr.decode().lower(), "refused", "error")

    @suite.case("IPv4 behind a host name with two addresses")
    def host_name(fixture, transport):
        url = fixture.url(transport, fixture.small, "localhost")
        done = fixture.env.run([fixture.get_program, *fixture.trust(transport), url])
        equal(done.stdout, pattern(SMALL), "body")

    @suite.case("unknown certificate is refused", (TLS,))
    def unknown_certificate(fixture, transport):
        url = fixture.url(transport, fixture.small)
        done = fixture.env.run([fixture.get_program, url], status=1)
        contains(done.stderr.decode().lower(), "certificate", "error")
        equal(done.stdout, b"", "body")
        done = fixture.env.run([fixture.get_program, "--insecure", url])
        equal(done.stdout, pattern(SMALL), "body with --insecure")
