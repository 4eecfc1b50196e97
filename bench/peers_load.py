"""One measurement of bench/peers.py: a load is run against a server, and what it cost the server is returned."""
import os
import re
import subprocess
import time

from peers_rows import CIPHER, UNITS

LOAD_CPU = "1"
LOAD_SECONDS = 120
# What a server still has to do when the last answer is there: connections are closed.
SETTLE_SECONDS = 0.05

WARM_UP_CONNECTIONS = 16
# Servers give back what idle connections do not need after some moments.
IDLE_SECONDS = 2.0


def on_load_cpu(command):
    # setpriv: the load ends with this program, whatever ends that.
    return ["setpriv", "--pdeathsig", "KILL", "taskset", "-c", LOAD_CPU] + command


def loopback_octets():
    with open("/sys/class/net/lo/statistics/tx_bytes") as file:
        return int(file.read())


def command_of(server, row, requests):
    if server.name == "floor":
        return server.load(row, requests)
    url = server.url(row)
    if row.kind == "upload":
        return row.h2load(url, requests)[:-1] + ["-d", server.site.path(row.body), url]
    return row.h2load(url, requests)


def check_load(server, row, requests, output, octets):
    """Stops when a request failed, not all octets went over, or TLS is not what it should be: such figures mean
    nothing."""
    if server.name == "floor":
        return
    done = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", output)
    statuses = re.search(r"status codes: (\d+) 2xx", output)
    if done is None or int(done.group(1)) != requests or int(statuses.group(1)) != requests:
        raise RuntimeError("%s, %s: not all requests succeeded:\n%s" % (row.name, server.name, output))
    data = re.search(r"\((\d+)\) data", output)
    if row.body_out() is not None and int(data.group(1)) != requests * row.body_out():
        raise RuntimeError("%s, %s: %s octets of bodies instead of %d" % (
            row.name, server.name, data.group(1), requests * row.body_out()))
    if octets < requests * row.body_in():
        raise RuntimeError("%s, %s: bodies were not taken: %d octets on the loopback instead of %d" % (
            row.name, server.name, octets, requests * row.body_in()))
    check_tls(server, row, output)


def check_tls(server, row, output):
    if row.transport == "tls":
        protocol = re.search(r"TLS Protocol: (\S+)", output)
        cipher = re.search(r"Cipher: (\S+)", output)
        if protocol.group(1) != "TLSv1.3" or cipher.group(1) != CIPHER:
            raise RuntimeError("%s, %s: not TLS 1.3 with %s" % (row.name, server.name, CIPHER))


def run_load(server, row, requests):
    """Nanoseconds of server CPU that the row's load took, and what the load printed, which is checked."""
    command = on_load_cpu(command_of(server, row, requests))
    octets = loopback_octets()
    before = server.cpu_ns()
    load = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=LOAD_SECONDS)
    time.sleep(SETTLE_SECONDS)
    after = server.cpu_ns()
    if load.returncode != 0:
        raise RuntimeError("%s failed:\n%s" % (" ".join(command), load.stdout[-2000:]))
    check_load(server, row, requests, load.stdout, loopback_octets() - octets)
    return after - before, load.stdout


def measure_cpu(server, row, scale):
    """Server CPU per request, in the row's unit."""
    requests = row.scaled(scale, server.name)
    nanoseconds, _ = run_load(server, row, requests)
    return nanoseconds / UNITS[row.unit] / requests


class Held:
    """Connections that peers_hold.py holds while this is open."""

    def __init__(self, row, port, count):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers_hold.py")
        self.what = "%s: %d connections" % (row.name, count)
        self.process = subprocess.Popen(
            on_load_cpu(["python3", script, row.transport, str(port), str(count)]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        if not self.process.stdout.readline().startswith("held "):
            raise RuntimeError("%s cannot be held: %s" % (self.what, self.process.stderr.read()[-500:]))
        return self

    def check(self):
        if self.process.poll() is not None:
            raise RuntimeError("%s were not held: %s" % (self.what, self.process.stderr.read()[-500:]))

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def measure_memory(server, row, scale):
    """KiB of a held connection. In a new server of the kind: one that has worked has memory to spare, which
    would hide what connections need."""
    count = row.scaled(scale)
    fresh = type(server)(server.site, server.build)
    try:
        fresh.start()
        port = fresh.ports[row.transport]
        with Held(row, port, WARM_UP_CONNECTIONS):
            pass
        time.sleep(SETTLE_SECONDS)
        before = fresh.memory_kib()
        with Held(row, port, count) as held:
            time.sleep(IDLE_SECONDS)
            after = fresh.memory_kib()
            held.check()
    finally:
        fresh.stop()
    return (after - before) / count


def measure(server, row, scale):
    if row.kind == "memory":
        return measure_memory(server, row, scale)
    return measure_cpu(server, row, scale)


def describe(server, row, scale):
    """The command line, as it is printed."""
    if row.kind == "memory":
        return "bench/peers_hold.py %s PORT %d" % (row.transport, row.scaled(scale))
    command = " ".join("'%s'" % part if " " in part else part
                       for part in command_of(server, row, row.scaled(scale, server.name)))
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", command.replace(server.site.root + "/", ""))
