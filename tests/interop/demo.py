#!/usr/bin/env python3
"""scripts/demo.sh, as it is run by a program and as it is run by somebody at a terminal."""
import fcntl
import os
import pty
import re
import select
import subprocess
import termios
import time

from harness import HERE, Failure, Suite, check, contains, equal

suite = Suite("demo", "demo.sh")
SCRIPT = HERE.parent.parent / "scripts" / "demo.sh"


class Fixture:
    version = ""

    def __init__(self, env):
        self.env = env
        env.program("server", "halo-serve")
        env.program("client", "halo-get")
        self.variables = dict(os.environ, HALO_BUILD=str(env.build), TMPDIR=str(env.work))

    def recover(self):
        pass


def check_output(text):
    for part in ("halo-get http://127.0.0.1:", "halo-get --cacert", "--http2-prior-knowledge",
                 "curl -sS --noproxy \\* --http2 --cacert", "listening h2c 127.0.0.1:",
                 "halo-serve ended with status 0", "GET /"):
        contains(text, part, "output")
    equal(text.count("<p>Hello from halo"), 4, "pages that were fetched")


@suite.case("without a terminal", ("",))
def program(fixture, _):
    done = fixture.env.run([SCRIPT], timeout=60, env=fixture.variables)
    check_output(done.stdout.decode())
    left = [name for name in os.listdir(fixture.env.work) if name.startswith("tmp")]
    equal(left, [], "what it left in TMPDIR")


def read_until(terminal, text, part, timeout):
    """What the terminal has shown; None for `part`: until its end."""
    deadline = time.monotonic() + timeout
    while part is None or part not in text:
        readable, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
        if not readable:
            raise Failure(f"no {part!r} within {timeout} s in {text[-2000:]!r}")
        try:
            octets = os.read(terminal, 65536)
        except OSError:  # how Linux tells the end of a terminal
            octets = b""
        if not octets:
            check(part is None, f"it ended: {text[-2000:]!r}")
            break
        text += octets.decode(errors="replace")
    return text


@suite.case("on a terminal: goes on until Ctrl-C", ("",))
def terminal(fixture, _):
    master, slave = pty.openpty()
    demo = subprocess.Popen([SCRIPT], stdin=slave, stdout=slave, stderr=slave, close_fds=True,
                            env=fixture.variables, start_new_session=True,
                            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(slave)
    try:
        text = read_until(master, "", "Ctrl-C ends it", 60 * fixture.env.scale)
        address = re.search(r"listening h2c (127\.0\.0\.1:\d+)", text)[1]
        page = fixture.env.run([fixture.env.program("client", "halo-get"), f"http://{address}/"])
        contains(page.stdout.decode(), "Hello from halo", "the page, while it waits")
        os.write(master, b"\x03")
        text = read_until(master, text, None, 20 * fixture.env.scale)
        equal(demo.wait(20), 0, f"status; {text[-2000:]}")
        check_output(text)
    finally:
        demo.kill()
        demo.wait()
        os.close(master)


suite.main(Fixture)
