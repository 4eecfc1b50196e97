#!/usr/bin/env python3
"""halo's HPACK and python-hpack, both ways: random lists, tables whose size changes, long values.

usage: python_test.py HPACK_PIPE [LISTS]

Skipped where the module hpack (Debian: python3-hpack) is not installed.
"""
import os
import random
import sys

from pipe import Pipe

SYSTEM = "/usr/bin/python3"

try:
    from hpack import Decoder, Encoder, HeaderTuple, NeverIndexedHeaderTuple
except ImportError:
    # Debian's packages are for Debian's own Python, which need not be the first.
    if os.path.realpath(sys.executable) != os.path.realpath(SYSTEM) and os.path.exists(SYSTEM):
        os.execv(SYSTEM, [SYSTEM, *sys.argv])
    print("the module hpack (Debian: python3-hpack) is not installed")
    sys.exit(77)

PIPE = sys.argv[1]
LISTS = int(sys.argv[2]) if len(sys.argv) > 2 else 3400  # each way
CONNECTION = 200  # lists
KNOWN = [b":method", b":path", b":status", b":authority", b"accept", b"cookie", b"set-cookie", b"content-type",
         b"content-length", b"authorization", b"etag", b"date", b"user-agent", b"x-request-id", b"link"]
OCTETS = b"abcdefghijklmnopqrstuvwxyz0123456789 -./:=?&%_ABCXYZ~|\x01\xff\x00\x80"
SIZES = [0, 32, 100, 500, 1000, 4096, 4096, 10000]


def random_field(chance):
    if chance.random() < 0.5:
        name = chance.choice(KNOWN)
    else:
        name = bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz-", k=chance.randrange(1, 30)))
    length = chance.randrange(400) if chance.random() < 0.12 else chance.randrange(30)
    return name, bytes(chance.choices(OCTETS, k=length)), chance.random() < 0.1


def random_list(chance, pool):
    """Most fields come again, as they do."""
    for _ in range(3):
        pool[chance.randrange(len(pool))] = random_field(chance)
    return [chance.choice(pool) for _ in range(chance.randrange(25))]


def connections(seed):
    """Yields a source of chance and a pool of fields for each."""
    for number in range((LISTS + CONNECTION - 1) // CONNECTION):
        chance = random.Random(seed * 1000 + number)
        yield chance, [random_field(chance) for _ in range(60)]


def table_octets(table):
    return sum(32 + len(name) + len(value) for name, value in table.dynamic_entries)


def test_halo_to_python():
    lists = 0
    for chance, pool in connections(1):
        pipe = Pipe(PIPE)
        decoder = Decoder(max_header_list_size=1 << 20)
        for _ in range(CONNECTION):
            for _ in range(3 if chance.random() < 0.05 else 0):
                size = chance.choice(SIZES)
                pipe.set_encoder(size)
                decoder.max_allowed_table_size = size
            fields = random_list(chance, pool)
            block, size = pipe.encode(fields)
            got = decoder.decode(block, raw=True)
            assert [tuple(field) for field in got] == [field[:2] for field in fields]
            for field, (_, _, secret) in zip(got, fields):
                assert not (secret and field.indexable), field  # halo takes more for secrets
            assert table_octets(decoder.header_table) == size
            lists += 1
        pipe.end()
    return f"{lists} lists"


def test_python_to_halo():
    lists = 0
    for chance, pool in connections(2):
        pipe = Pipe(PIPE)
        encoder = Encoder()
        for number in range(CONNECTION):
            if chance.random() < 0.05:
                size = chance.choice(SIZES)
                encoder.header_table_size = size
                pipe.set_decoder(size)
            fields = random_list(chance, pool)
            block = encoder.encode([(NeverIndexedHeaderTuple if secret else HeaderTuple)(name, value)
                                    for name, value, secret in fields], huffman=number % 3 != 0)
            status, got, size = pipe.decode(block)
            assert status == 0, status
            assert got == fields, (got, fields)
            assert table_octets(encoder.header_table) == size
            lists += 1
        pipe.end()
    return f"{lists} lists"


def test_long_values():
    """Values far beyond what sessions send by default."""
    values = [b"|" * length for length in (1 << 14, (1 << 21) - 1, 1 << 21, (1 << 21) + 1, 1 << 22)]
    values.append(b"a" * (1 << 14))
    values.append(b"a" * (1 << 19))  # coded: slow in Python
    pipe = Pipe(PIPE)
    decoder = Decoder(max_header_list_size=1 << 23)
    for value in values:
        fields = [(b":status", b"200", False), (b"x-long", value, False), (b"x-short", b"1", False)]
        block, _ = pipe.encode(fields)
        assert [tuple(field) for field in decoder.decode(block, raw=True)] == [field[:2] for field in fields]
    pipe.end()
    return f"{len(values)} values"


def main():
    for test in (test_halo_to_python, test_python_to_halo, test_long_values):
        print(f"ok   {test.__name__}: {test()}")


main()
