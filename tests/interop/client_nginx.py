#!/usr/bin/env python3
"""halo's client and nginx, which serves files and stores uploads."""
import grp
import os
import pathlib
import pwd
import re
import signal

import client_cases
from harness import (H2C, TLS, Process, Suite, check, contains, ending, equal, file_sha, free_port,
                     pattern_sha, require, start_on_port)

suite = Suite("client", "nginx")

CONFIGURATION = """
daemon off;
pid {work}/nginx.pid;
error_log {work}/nginx-errors.log warn;
user {user} {group};
worker_processes 1;
worker_rlimit_nofile 8192;
worker_shutdown_timeout 60s;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    default_type text/plain;
    keepalive_requests 1000000;
    http2_max_concurrent_streams 1100;
    client_max_body_size 0;
    client_body_temp_path {work}/nginx-body;
    fastcgi_temp_path {work}/nginx-fastcgi;
    proxy_temp_path {work}/nginx-proxy;
    scgi_temp_path {work}/nginx-scgi;
    uwsgi_temp_path {work}/nginx-uwsgi;
    server {{
        listen 127.0.0.1:{h2c} http2;
        {listen_tls}
        root {root};
        location / {{ add_trailer x-sum abc; }}
        location /upload/ {{ dav_methods PUT; create_full_put_path on; }}
    }}
}}
"""


class Nginx(Process):
    def workers(self):
        """Its children, by id."""
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in children.read_text().split()] if children.exists() else []

    def kill(self):
        # The master ends its workers; killed, it would leave them behind.
        if self.running():
            workers = self.workers()
            self.signal(signal.SIGTERM)
            try:
                self.wait(10)
            finally:
                for pid in workers if self.running() else []:
                    os.kill(pid, signal.SIGKILL)
        super().kill()


class Fixture(client_cases.ClientFixture):
    small = "/small"

    def __init__(self, env):
        self.nginx = require("nginx")
        version = env.run([self.nginx, "-v"]).stderr.decode()
        super().__init__(env, re.search(r"nginx/(\S+)", version)[1])
        self.large = "/large"
        self.root = env.work / "root"
        (self.root / "upload").mkdir(parents=True)
        # nginx serves what it may open: links to the bodies do.
        (self.root / "small").symlink_to(env.pattern_file(client_cases.SMALL))
        (self.root / "large").symlink_to(env.pattern_file(self.large_length))
        (self.root / "index.html").write_text("halo test server\n")
        self.start()

    def make(self, port):
        """Two ports: the second is asked for here, and a clash makes it start anew."""
        env = self.env
        self.tls_port = free_port()
        listen_tls = f"""listen 127.0.0.1:{self.tls_port} ssl http2;
        ssl_certificate {env.cert};
        ssl_certificate_key {env.key};""" if env.has_tls else ""
        (env.work / "nginx.conf").write_text(CONFIGURATION.format(
            work=env.work, root=self.root, h2c=port, listen_tls=listen_tls,
            user=pwd.getpwuid(os.getuid()).pw_name, group=grp.getgrgid(os.getgid()).gr_name))
        return Nginx(env, [self.nginx, "-c", env.work / "nginx.conf", "-p", env.work, "-e",
                           env.work / "nginx-errors.log"], lines=False)

    def start(self):
        nginx, port = start_on_port(self.make)
        self.ports = {H2C: port, TLS: self.tls_port}
        self.process = {H2C: nginx, TLS: nginx}

    def vanish(self, transport):
        for pid in self.process[transport].workers():
            os.kill(pid, signal.SIGKILL)


client_cases.register(suite)


@suite.case("large upload, byte-exact")
def upload(fixture, transport):
    length = fixture.env.big()
    stored = fixture.root / "upload" / "body"
    for number in (1, 2):
        if number == 1:
            fixture.get(transport, "/upload/body", "-X", "PUT", "-d",
                        f"@{fixture.env.pattern_file(length)}")
        else:
            fixture.all_complete(transport, "/upload/body", 1, "--method", "PUT", "--body", length)
        equal(file_sha(stored), pattern_sha(length), "SHA-256 of what was stored")
        stored.unlink()


@suite.case("upload that is refused in the middle")
def refused_upload(fixture, transport):
    """nginx answers 405 to a POST of a file, and does not read the body."""
    length = fixture.env.big(8 << 20)
    out = fixture.get(transport, "/small", "-i", "-d", f"@{fixture.env.pattern_file(length)}",
                      status=None).stdout
    contains(out[:200], b"405", "head")


@suite.case("trailers received")
def trailers(fixture, transport):
    contains(fixture.client(transport, "/small"), "trailer x-sum: abc", "test_client")


@suite.case("graceful end of the server in the middle of a transfer loses nothing")
def graceful(fixture, transport):
    args = [fixture.client_program, *fixture.trust(transport), "--report",
            fixture.url(transport, fixture.large)]
    with ending(Process(fixture.env, args)) as client:
        client.await_line("^received$", 20 * fixture.env.scale)
        fixture.process[transport].signal(signal.SIGQUIT)
        match = client.await_line("^body (.*)$", 60 * fixture.env.scale)
        equal(match[1], f"{pattern_sha(fixture.large_length)} {fixture.large_length}", "body")
        equal(client.wait(20 * fixture.env.scale), 0, "status")
    check(fixture.process[transport].wait(20) == 0, "nginx did not end")
    fixture.restart()


suite.main(Fixture)
