#!/usr/bin/env python3
"""halo's server and Node's http2 client: the cases are in node_client.mjs."""
from fixtures import ServerFixture
from harness import HERE, TLS, Skip, Suite, require

suite = Suite("server", "Node")


class Fixture(ServerFixture):
    def __init__(self, env):
        self.node = require("node")
        version = env.run([self.node, "--version"]).stdout.decode().strip()
        if int(version[1:].split(".")[0]) < 18:
            raise Skip(f"Node {version} is older than 18")
        super().__init__(env, version[1:])

    def run(self, transport, name, length=0, count=0, timeout=60):
        self.env.run([self.node, HERE / "node_client.mjs", name, self.url(transport, ""),
                      self.env.ca if transport == TLS else "", length, count], timeout)


CASES = {
    "GET": ("get",),
    "HEAD": ("head",),
    "404": ("notFound",),
    "trailers received": ("trailersReceived",),
    "trailers sent": ("trailersSent",),
    "1xx before the response": ("information",),
    "expect: 100-continue": ("expect",),
    "1,000 streams at once on one connection": ("streams", 0, 1000),
    "RST_STREAM instead of an answer": ("resets",),
    "cancelled downloads, and the connection goes on": ("cancel",),
    "PING": ("ping",),
    "SETTINGS in between": ("settings",),
    "100 connections at once": ("connections",),
    "big header fields": ("bigHeaders",),
    "many cookies": ("cookies",),
    "odd methods": ("methods",),
    "graceful close after the response": ("close",),
}


def add(name, args):
    @suite.case(name)
    def run(fixture, transport):
        fixture.run(transport, *args)


for case, arguments in CASES.items():
    add(case, arguments)


@suite.case("large download, byte-exact")
def download(fixture, transport):
    fixture.run(transport, "download", fixture.env.big())


@suite.case("large upload, byte-exact")
def upload(fixture, transport):
    fixture.run(transport, "upload", fixture.env.big())


@suite.case("large echo, byte-exact")
def echo(fixture, transport):
    fixture.run(transport, "echo", fixture.env.big())


@suite.case("10,000 requests in sequence on one connection")
def sequence(fixture, transport):
    fixture.run(transport, "sequence", 0, 10000)


suite.main(Fixture)
