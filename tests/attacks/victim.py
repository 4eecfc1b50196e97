#!/usr/bin/env python3
"""An honest client: 200 requests a second for 1 KiB over one connection, while somebody else attacks its server.

usage: victim.py PORT [CA]

For each line on stdin a line of JSON on stdout, about the requests since the line before: their number, errors,
and the milliseconds that half, 99 % and the slowest of them took. The end of stdin ends it.
"""
import json
import pathlib
import select
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))

import h2raw  # noqa: E402

PERIOD = 0.005
OCTETS = 1024


def connect():
    return h2raw.Connection(int(sys.argv[1]), ca=sys.argv[2] if len(sys.argv) > 2 else None, timeout=20)


def report(times, errors):
    times.sort()
    print(json.dumps({"count": len(times), "errors": errors, "p50": times[len(times) // 2],
                      "p99": times[len(times) * 99 // 100], "max": times[-1]}), flush=True)


def main():
    connection = connect()
    times, errors = [], 0
    while True:
        started = time.monotonic()
        try:
            first, body = connection.get(f"/bytes/{OCTETS}")
            if first != h2raw.STATUS_200 or len(body) != OCTETS:
                raise EOFError
        except (EOFError, OSError):
            errors += 1
            connection = connect()
        times.append((time.monotonic() - started) * 1000)
        if select.select([sys.stdin], [], [], max(0.0, PERIOD - (time.monotonic() - started)))[0]:
            if not sys.stdin.readline():
                return
            report(times, errors)
            times, errors = [], 0


main()
