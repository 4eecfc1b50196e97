"""halo's test server as the other end of a driver."""
import contextlib
import re
import signal
import time

import h2raw
from harness import H2C, TLS, Process, check, require

# What sanitizers and the C library say when something is wrong.
REPORTS = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|Assertion|assert")


class HaloServer:
    """One running server: the test server, or halo-serve with its own options."""

    def __init__(self, env, program, options, listeners, stack=None):
        """`stack`: octets of the main thread's stack, and of each other that does not ask for more."""
        limit = [require("prlimit"), f"--stack={stack}:{stack}"] if stack else []
        self.env = env
        self.process = Process(env, [*limit, program, *options], name=program.name)
        self.ports = {H2C: [], TLS: []}
        for _ in range(listeners):
            match = self.process.await_line(r"^listening (\S+) (\S+):(\d+)$", 10 * env.scale)
            self.ports[H2C if match[1] == "h2c" else TLS].append((match[2], int(match[3])))
        if program.name == "test_server":
            self.process.await_line("^ready$", 10 * env.scale)

    def port(self, transport, index=0):
        return self.ports[transport][index][1]

    def url(self, transport, path="/", host="127.0.0.1", index=0):
        scheme = "http" if transport == H2C else "https"
        return f"{scheme}://{host}:{self.port(transport, index)}{path}"

    def raw(self, transport, **options):
        return h2raw.Connection(self.port(transport), ca=self.env.ca if transport == TLS else None,
                                timeout=20 * self.env.scale, **options)

    def stats(self):
        """What /stats counts, without the connection and stream that ask for it."""
        with contextlib.closing(self.raw(H2C)) as connection:
            _, body = connection.get("/stats")
        stats = {name: int(value) for name, value in re.findall(r"(\w+) (\d+)", body.decode())}
        stats["sessions"] -= 1
        stats["streams"] -= 1
        return stats

    def await_quiet(self, timeout=10):
        """Waits until the server holds no session but the one that asks."""
        deadline = time.monotonic() + timeout * self.env.scale
        while (stats := self.stats())["sessions"] or stats["streams"]:
            check(time.monotonic() < deadline, f"sessions or streams are left: {stats}")
            time.sleep(0.05)

    def stop(self, timeout=10):
        """A graceful end; Failure when it is none."""
        check(self.process.running(),
              f"{self.process.name} had ended with {self.process.child.poll()}; "
              f"{self.process.errors()}")
        self.process.signal(signal.SIGTERM)
        self.await_end(timeout)

    def await_end(self, timeout=10):
        status = self.process.wait(timeout * self.env.scale)
        self.process.kill()
        errors = self.process.errors_all()
        check(status == 0, f"{self.process.name} ended with {status}; {self.process.errors()}")
        check(not REPORTS.search(errors), f"{self.process.name}: {errors[:6000]}")
        odd = [line for line in list(self.process._arrived.queue) + self.process.lines
               if line and line.startswith("unexpected")]
        check(not odd, f"{self.process.name}: {odd[:5]}")


class ServerFixture:
    """The test server for a whole suite. A crash fails the case and is told again at the end."""
    OPTIONS = ["--max-streams", "1100", "--report"]

    def __init__(self, env, version=""):
        self.env = env
        self.version = version
        self.crashes = []
        self.server = self.make()

    def make(self, *options):
        program = self.env.program("tests", "interop", "test_server")
        args = [*self.OPTIONS, *options, "--listen", "127.0.0.1:0", "--listen", "[::1]:0"]
        listeners = 2
        if self.env.has_tls:
            args += ["--cert", self.env.cert, "--key", self.env.key,
                     "--listen-tls", "127.0.0.1:0", "--listen-tls", "[::1]:0"]
            listeners += 2
        return HaloServer(self.env, program, args, listeners)

    def url(self, *args, **options):
        return self.server.url(*args, **options)

    def recover(self):
        """After a failed case: the next one gets a server that works."""
        if not self.server.process.running():
            self.crashes.append(self.server.process.errors(6000))
            self.server = self.make()

    def finish(self):
        check(not self.crashes, "it had crashed:\n" + "\n".join(self.crashes))
        self.server.stop()


