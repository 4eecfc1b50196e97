#!/usr/bin/env python3
"""The published collection of header blocks (a checkout of hpack-test-case) through halo, both ways.

usage: stories.py HPACK_PIPE CHECKOUT

HPACK_PIPE is the built hpack_pipe (build/release/tests/unit/hpack/hpack_pipe). Each story of CHECKOUT/*/story_*.json whose
encoder follows the RFC (its "draft" is 9 or later, or is not said) is decoded, and every list compared. Stories
without blocks (raw-data) are encoded by halo, and read back by halo and, where the module hpack is installed, by
python-hpack.
"""
import json
import pathlib
import sys

from pipe import Pipe

try:
    from hpack import Decoder
except ImportError:
    Decoder = None

DRAFT_MIN = 9  # earlier ones have a reference set


def fields_of(case):
    return [(name.encode(), value.encode()) for field in case["headers"] for name, value in field.items()]


def decode_story(program, story, path):
    pipe = Pipe(program)
    size = 4096
    for case in story["cases"]:
        if case.get("header_table_size", size) != size:
            size = case["header_table_size"]
            pipe.set_decoder(size)
        status, got, _ = pipe.decode(bytes.fromhex(case["wire"]))
        assert status == 0, f"{path}: case {case['seqno']}: {status}"
        assert [field[:2] for field in got] == fields_of(case), f"{path}: case {case['seqno']}: {got}"
    pipe.end()
    return len(story["cases"])


def encode_story(program, story, path):
    pipe = Pipe(program)
    python = Decoder() if Decoder is not None else None
    for number, case in enumerate(story["cases"]):
        fields = fields_of(case)
        block, _ = pipe.encode([(name, value, False) for name, value in fields])
        status, got, _ = pipe.decode(block)
        assert status == 0 and [field[:2] for field in got] == fields, f"{path}: case {number}"
        if python is not None:
            read = [tuple(field) for field in python.decode(block, raw=True)]
            assert read == fields, f"{path}: case {number}: python-hpack reads {read}"
    pipe.end()
    return len(story["cases"])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, checkout = sys.argv[1], pathlib.Path(sys.argv[2])
    decoded = encoded = skipped = 0
    for path in sorted(checkout.glob("**/story_*.json")):
        story = json.loads(path.read_text())
        if not all("wire" in case for case in story["cases"]):
            encoded += encode_story(program, story, path)
        elif int(story.get("draft", DRAFT_MIN)) < DRAFT_MIN:
            skipped += 1
        else:
            decoded += decode_story(program, story, path)
    print(f"{decoded} blocks decoded, {encoded} lists encoded and read back, {skipped} stories of early drafts left out")
    return 0 if decoded + encoded > 0 else 1


sys.exit(main())
