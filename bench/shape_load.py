"""One point of bench/shape.py: a load is run, and server CPU per request and requests/s are returned."""
import re
import subprocess
import time

from peers_load import LOAD_SECONDS, SETTLE_SECONDS, check_tls, command_of, on_load_cpu, run_load

# CPU is read from here to there of the timed period: nothing of its edges is in it.
FIRST_SHARE, LAST_SHARE = 0.02, 0.96


class Figure:
    """`cpu_us`: server CPU per request; `rate`: requests/s by the load's clock."""

    def __init__(self, cpu_us, rate):
        self.cpu_us = cpu_us
        self.rate = rate


def duration(text):
    """Seconds of "1.23s", "456.78ms" or "12us", as h2load writes them."""
    found = re.fullmatch(r"([\d.]+)(us|ms|s)", text)
    return float(found.group(1)) * {"us": 1e-6, "ms": 1e-3, "s": 1}[found.group(2)]


def measure_counted(server, point, scale):
    requests = point.scaled(scale, server.name)
    nanoseconds, output = run_load(server, point, requests)
    seconds = duration(re.search(r"finished in (\S+),", output).group(1))
    return Figure(nanoseconds / 1000 / requests, requests / seconds)


def check_timed(server, point, output):
    """The number of requests; stops when one failed, a body was cut, or a connection had no answer."""
    done = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", output)
    statuses = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", output)
    data = re.search(r"\((\d+)\) data", output)
    # "req/s: least most ..." is of each connection.
    least = re.search(r"req/s\s*:\s*([\d.]+)", output)
    if None in (done, statuses, data, least):
        raise RuntimeError("%s, %s: h2load said something else:\n%s" % (point.name, server.name, output[-2000:]))
    requests = int(done.group(1))
    # Fields of the first answers may have come before the clock started, and of the last ones without their ends.
    unsure = abs(requests - int(statuses.group(1)))
    if requests == 0 or requests != int(done.group(2)) or unsure > point.connections * point.streams or any(
            int(bad) > 0 for bad in done.group(3, 4, 5) + statuses.group(2, 3, 4)):
        raise RuntimeError("%s, %s: not all requests succeeded:\n%s" % (point.name, server.name, output[-2000:]))
    # Those of the time before the clock starts are in it, too.
    octets = int(data.group(1))
    if octets < requests * point.octets or octets % point.octets != 0:
        raise RuntimeError("%s, %s: %d octets of %d bodies" % (point.name, server.name, octets, requests))
    if not float(least.group(1)) > 0:
        raise RuntimeError("%s, %s: not all connections were served" % (point.name, server.name))
    check_tls(server, point, output)
    return requests


def read_cpu(server):
    """The clock between two halves of the reading: it takes milliseconds, in which the server goes on."""
    before = time.monotonic()
    nanoseconds = server.cpu_ns()
    return nanoseconds, (before + time.monotonic()) / 2


def watch(server, load, seconds):
    """Waits for the timed period; returns CPU per second of it, and what the load printed."""
    lines = []
    share = None
    for line in load.stdout:
        lines.append(line)
        if "Main benchmark duration is started" in line:
            began = time.monotonic()
            time.sleep(seconds * FIRST_SHARE)
            cpu, at = read_cpu(server)
            time.sleep(max(began + seconds * LAST_SHARE - time.monotonic(), 0))
            cpu_later, later = read_cpu(server)
            share = (cpu_later - cpu) / 1e9 / (later - at)
            if later > began + seconds:
                raise RuntimeError("the machine is too busy: a timed period was over before its CPU was read")
    return share, "".join(lines)


def measure_timed(server, point):
    command = on_load_cpu(command_of(server, point, None))
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True) as load:
        try:
            share, output = watch(server, load, point.seconds)
            load.wait(LOAD_SECONDS)
        finally:
            load.kill()
    if load.returncode != 0 or share is None:
        raise RuntimeError("%s failed:\n%s" % (" ".join(command), output[-2000:]))
    requests = check_timed(server, point, output)
    time.sleep(SETTLE_SECONDS)
    rate = requests / point.seconds
    return Figure(share * 1e6 / rate, rate)


def measure_point(server, point, scale):
    return measure_timed(server, point) if point.timed else measure_counted(server, point, scale)
