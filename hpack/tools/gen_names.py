#!/usr/bin/env python3
"""Writes names_table.inc: known names, the static table, and the lookup of a name.

    hpack/tools/gen_names.py include/halo/names.h > hpack/names_table.inc

The lookup is a perfect hash over the length and the first and last two octets of a name. The hashes of names and
static entries are those of hpack/field.h; a unit test compares them.
"""
import re
import sys

MASK64 = (1 << 64) - 1
MULTIPLIER = 0x9E3779B97F4A7C15
LOOKUP_BITS = 9

STATIC = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"),
    (":path", "/index.html"), (":scheme", "http"), (":scheme", "https"), (":status", "200"),
    (":status", "204"), (":status", "206"), (":status", "304"), (":status", "400"),
    (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""),
    ("accept", ""), ("access-control-allow-origin", ""), ("age", ""), ("allow", ""),
    ("authorization", ""), ("cache-control", ""), ("content-disposition", ""),
    ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""),
    ("date", ""), ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", ""),
    ("if-match", ""), ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""),
    ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""), ("location", ""),
    ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""),
    ("via", ""), ("www-authenticate", ""),
]

# Names whose values may repeat (a file that is asked for again) or may not (one per request), so
# that only a value seen twice is given a place in the table. A date repeats for a second: often
# on a busy connection, never on a quiet one.
SECOND = """
    :path age content-disposition content-length content-location content-md5 content-range date
    etag expires forwarded http2-settings if-match if-modified-since if-none-match if-range
    if-unmodified-since last-modified link location max-forwards proxy-authenticate range referer
    refresh retry-after sec-websocket-accept sec-websocket-key warning www-authenticate
    x-forwarded-for
""".split()
OTHERS = {
    "cookie": "COOKIE",
    "set-cookie": "SET_COOKIE",
    "authorization": "NEVER",
    "proxy-authorization": "NEVER",
}

# Names that are often in one message do not share one of the 32 places that the encoder's index
# always has. A message is a request or a response, so each kind has its own 32.
PLACES = 32
IN_BOTH = """
    content-type content-length cache-control content-encoding date via priority forwarded
""".split()
IN_RESPONSES = """
    :status server etag last-modified expires vary accept-ranges age set-cookie location
    strict-transport-security access-control-allow-origin x-content-type-options alt-svc
    x-frame-options x-xss-protection content-security-policy link content-language
    content-disposition access-control-allow-credentials access-control-expose-headers
    timing-allow-origin content-range
""".split()
IN_REQUESTS = """
    :method :authority :scheme :path user-agent accept accept-encoding accept-language cookie
    referer origin if-none-match if-modified-since range dnt upgrade-insecure-requests te host
    x-forwarded-for x-forwarded-proto x-forwarded-host authorization access-control-request-method
    access-control-request-headers
""".split()


def step(value, word):
    value = ((value << 5) | (value >> 59)) & MASK64
    return ((value ^ word) * MULTIPLIER) & MASK64


def octets_hash(text):
    def word(at, size):
        return int.from_bytes(text[at:at + size], "little")
    size = len(text)
    value = (size * MULTIPLIER) & MASK64
    if size >= 8:
        value = step(value, word(0, 8))
        if size > 16:
            value = step(value, word(8, 8))
            if size > 32:
                value = step(value, word(size // 2 - 8, 8))
                value = step(value, word(size // 2, 8))
            value = step(value, word(size - 16, 8))
        return step(value, word(size - 8, 8))
    if size >= 4:
        return step(value, word(0, 4) | word(size - 4, 4) << 32)
    if size > 0:
        return step(value, text[0] | text[size // 2] << 8 | text[size - 1] << 16)
    return value


def name_hash(name):
    value = octets_hash(name.encode())
    return (value >> 32 ^ value) & 0xFFFFFFFF


def field_hash(name, text):
    value = step(name_hash(name), octets_hash(text.encode()))
    return ((value >> 32 ^ value) & 0xFFFFFFFF) or 1


def lookup_key(name):
    text = name.encode()
    return (text[0] | text[1] << 8 | text[-2] << 16 | text[-1] << 24) + 8 * len(text) & 0xFFFFFFFF


def find_multiplier(names):
    keys = [lookup_key(name) for name in names]
    if len(set(keys)) != len(keys):
        sys.exit("gen_names.py: two names have one lookup key; take other octets")
    multiplier = 1
    while True:
        multiplier = (multiplier * 0x915F77F5 + 0x3C6EF372) & 0xFFFFFFFF | 1
        places = {(key * multiplier & 0xFFFFFFFF) >> (32 - LOOKUP_BITS) for key in keys}
        if len(places) == len(keys):
            return multiplier


def give_places(names):
    """Places that are different for the names of one kind of message; the others are spread."""
    places = {}
    assert len(IN_BOTH + IN_RESPONSES) <= PLACES and len(IN_BOTH + IN_REQUESTS) <= PLACES
    for chosen in (IN_BOTH + IN_RESPONSES, IN_BOTH + IN_REQUESTS):
        places.update((name, i) for i, name in enumerate(chosen))
    for i, name in enumerate(name for name in names if name not in places):
        places[name] = PLACES - 1 - i % PLACES
    return places


def policy(name):
    if name in OTHERS:
        return OTHERS[name]
    return "SECOND" if name in SECOND else "FIRST"


def main():
    with open(sys.argv[1], encoding="ascii") as header:
        names = re.findall(r'^    X\(([A-Z0-9_]+), "([^"]+)"\)', header.read(), re.M)
    texts = [text for _, text in names]
    for name in (SECOND + list(OTHERS) + [name for name, _ in STATIC] + IN_BOTH + IN_RESPONSES +
                 IN_REQUESTS):
        if name not in texts:
            sys.exit("gen_names.py: no such name: " + name)
    print("/* Generated by tools/gen_names.py; do not edit. */\n")
    print('_Static_assert(HALO_NAME_COUNT == %d, "names.h changed: run tools/gen_names.py");\n'
          % (len(names) + 1))

    print("const struct hpack_name hpack_names[HALO_NAME_COUNT] = {")
    print('    [HALO_NAME_UNKNOWN] = { "", 0, 0, 0, 0, HPACK_POLICY_FIRST },')
    places = give_places(texts)
    for name, text in names:
        indices = [i + 1 for i, entry in enumerate(STATIC) if entry[0] == text]
        values = [i for i in indices if STATIC[i - 1][1]]
        if values and len(values) != len(indices) and values[0] != indices[0]:
            sys.exit("gen_names.py: static entries with values must come first")
        print('    [HALO_NAME_%s] = { "%s", %d, %d, %d, %d, HPACK_POLICY_%s },' % (
            name, text, len(text), places[text], indices[0] if indices else 0, len(values),
            policy(text)))
    print("};\n")
    print("const uint32_t hpack_name_hashes[HALO_NAME_COUNT] = {")
    for name, text in names:
        print("    [HALO_NAME_%s] = 0x%08x," % (name, name_hash(text)))
    print("};\n")

    tokens = {text: name for name, text in names}
    print("const struct hpack_entry hpack_static_entries[HPACK_STATIC_COUNT + 1] = {")
    print('    [0] = { "", "", 0, 0, 0, 0, 0 },')
    for i, (name, value) in enumerate(STATIC):
        print('    [%d] = { "%s", "%s", %d, %d, 0x%08x, HALO_NAME_%s, 0 },' % (
            i + 1, name, value, len(name), len(value), field_hash(name, value), tokens[name]))
    print("};\n")

    multiplier = find_multiplier(texts)
    table = [0] * (1 << LOOKUP_BITS)
    for token, text in enumerate(texts, 1):
        table[(lookup_key(text) * multiplier & 0xFFFFFFFF) >> (32 - LOOKUP_BITS)] = token
    print("_Static_assert(HPACK_LOOKUP_BITS == %d && HPACK_LOOKUP_MULTIPLIER == 0x%08x," % (
        LOOKUP_BITS, multiplier))
    print('               "put these into field.h");\n')
    print("const uint8_t hpack_name_lookup[1 << HPACK_LOOKUP_BITS] = {")
    for at in range(0, len(table), 16):
        print("    " + " ".join("%d," % token for token in table[at:at + 16]))
    print("};")


main()
