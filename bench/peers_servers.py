"""The servers that bench/peers.py compares: how each is set up, started, watched and ended.

All serve one 13-octet file over h2c with prior knowledge and over TLS, without an access log and with one
worker. What they differ in beyond that is theirs.
"""
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import time

SERVER_CPU = "0"
START_SECONDS = 10
STOP_SECONDS = 5
PAGE = b"Hello, world\n"

H2O_CONF = """\
num-threads: 1
max-connections: 10000
http2-max-concurrent-requests-per-connection: 256
error-log: {directory}/h2o.log
listen:
  host: 127.0.0.1
  port: {h2c}
listen:
  host: 127.0.0.1
  port: {tls}
  ssl:
    certificate-file: {certificate}
    key-file: {key}
    ocsp-update-interval: 0
hosts:
  default:
    paths:
      /:
        file.dir: {root}
"""

# With sendfile on, small files over cleartext HTTP/2 wait for a delayed ACK (40 ms).
NGINX_CONF = """\
daemon off;
master_process off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log;
events {{ worker_connections 10000; }}
http {{
    access_log off;
    sendfile off;
    keepalive_requests 100000000;
    http2_max_concurrent_streams 256;
    open_file_cache max=1000;
    types {{ text/html html; }}
    client_body_temp_path {directory}/nginx-body;
    proxy_temp_path {directory}/nginx-proxy;
    fastcgi_temp_path {directory}/nginx-fastcgi;
    uwsgi_temp_path {directory}/nginx-uwsgi;
    scgi_temp_path {directory}/nginx-scgi;
    server {{
        listen 127.0.0.1:{h2c} http2;
        listen 127.0.0.1:{tls} ssl http2;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;
        root {root};
    }}
}}
"""


class Site:
    """What all servers serve, in a directory that goes away with the run."""

    def __init__(self, directory):
        self.directory = directory
        # Started by root, h2o becomes another user before it reads files.
        os.chmod(directory, 0o755)
        self.root = os.path.join(directory, "root")
        self.certificate = os.path.join(directory, "certificate.pem")
        self.key = os.path.join(directory, "key.pem")
        os.mkdir(self.root)
        with open(os.path.join(self.root, "index.html"), "wb") as file:
            file.write(PAGE)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "7", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", self.key, "-out", self.certificate],
            check=True, capture_output=True)


def free_ports(count):
    """Port numbers that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def first_line(command, pattern):
    """The version that a program tells, or ""."""
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(pattern, told.stdout + told.stderr)
    return found.group(1) if found else ""


class Server:
    """One server process. `ports` maps "h2c" and "tls" to where it listens."""

    name = ""

    def __init__(self, site, build):
        self.site = site
        self.build = build
        self.ports = {}
        self.process = None
        self.command = []

    def program(self):
        """The path of the program, or None when it is not there."""
        return shutil.which(self.name) or shutil.which("/usr/sbin/" + self.name)

    def version(self):
        return ""

    def prepare(self):
        """Writes configuration and sets self.command and self.ports."""
        raise NotImplementedError

    def start(self):
        self.prepare()
        log = os.path.join(self.site.directory, self.name + ".out")
        # setpriv: the server ends with this program, whatever ends that.
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "taskset", "-c", SERVER_CPU] + self.command,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready(log):
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(log, errors="replace") as output:
                    raise RuntimeError("%s did not start:\n%s" % (self.name, output.read()[-2000:]))
            time.sleep(0.05)

    def url(self, transport):
        return "%s://127.0.0.1:%d/" % ("https" if transport == "tls" else "http", self.ports[transport])

    def is_ready(self, _log):
        """Does it answer a request? A port that takes connections says nothing yet."""
        return all("1 succeeded" in subprocess.run(["h2load", "-n", "1", self.url(transport)], text=True,
                                                   capture_output=True, timeout=START_SECONDS).stdout
                   for transport in self.ports)

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu_ns(self):
        """Run time of all its threads, as the scheduler accounts it."""
        total = 0
        for path in glob.glob("/proc/%d/task/*/schedstat" % self.process.pid):
            try:
                with open(path) as file:
                    total += int(file.read().split()[0])
            except OSError:
                pass # the thread has ended meanwhile
        return total


class H2o(Server):
    name = "h2o"

    def version(self):
        return first_line(["h2o", "--version"], r"version (\S+)")

    def prepare(self):
        self.ports = dict(zip(("h2c", "tls"), free_ports(2)))
        conf = os.path.join(self.site.directory, "h2o.conf")
        with open(conf, "w") as file:
            file.write(H2O_CONF.format(**vars(self.site), **self.ports))
        self.command = [self.program(), "-c", conf]


class Nginx(Server):
    name = "nginx"

    def version(self):
        return first_line([self.program(), "-v"], r"nginx/(\S+)")

    def prepare(self):
        self.ports = dict(zip(("h2c", "tls"), free_ports(2)))
        conf = os.path.join(self.site.directory, "nginx.conf")
        with open(conf, "w") as file:
            file.write(NGINX_CONF.format(**vars(self.site), **self.ports))
        self.command = [self.program(), "-c", conf, "-e", os.path.join(self.site.directory, "nginx.log")]


class Nghttpd(Server):
    """Serves one port only, so there are two of it."""

    name = "nghttpd"

    def __init__(self, site, build):
        super().__init__(site, build)
        self.second = None

    def version(self):
        return first_line(["nghttpd", "--version"], r"nghttp2/(\S+)")

    def prepare(self):
        self.ports = {"h2c": free_ports(1)[0]}
        self.command = [self.program(), "-a", "127.0.0.1", "-n", "1", "-m", "256", "-d",
                        self.site.root, "--no-tls", str(self.ports["h2c"])]

    def start(self):
        super().start()
        self.second = NghttpdTls(self.site, self.build)
        self.second.start()
        self.ports["tls"] = self.second.ports["tls"]

    def stop(self):
        super().stop()
        if self.second is not None:
            self.second.stop()

    def cpu_ns(self):
        return super().cpu_ns() + self.second.cpu_ns()


class NghttpdTls(Nghttpd):
    def prepare(self):
        self.ports = {"tls": free_ports(1)[0]}
        self.command = [self.program(), "-a", "127.0.0.1", "-n", "1", "-m", "256", "-d",
                        self.site.root, str(self.ports["tls"]), self.site.key, self.site.certificate]

    def start(self):
        Server.start(self)

    def cpu_ns(self):
        return Server.cpu_ns(self)


class Announcing(Server):
    """Chooses its ports itself and prints "listening KIND 127.0.0.1:PORT"."""

    kinds = {}

    def is_ready(self, log):
        with open(log, errors="replace") as output:
            for kind, port in re.findall(r"^listening (\S+) 127\.0\.0\.1:(\d+)$", output.read(), re.M):
                self.ports[self.kinds[kind]] = int(port)
        return set(self.ports) == set(self.kinds.values())


class Halo(Announcing):
    name = "halo"
    kinds = {"h2c": "h2c", "tls": "tls", "h2": "tls"}

    def program(self):
        path = os.path.join(self.build, "server", "halo-serve")
        return path if os.access(path, os.X_OK) else None

    def version(self):
        return first_line([self.program(), "--version"], r"(\d+\.\d+\.\d+)")

    def prepare(self):
        self.command = [self.program(), "--root", self.site.root, "--workers", "1", "--quiet",
                        "--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0",
                        "--cert", self.site.certificate, "--key", self.site.key]


class Floor(Announcing):
    name = "floor"
    kinds = {"floor": "h2c"}

    def program(self):
        path = os.path.join(self.build, "bench", "floor")
        return path if os.access(path, os.X_OK) else None

    def prepare(self):
        self.command = [self.program(), "serve"]


SERVERS = {kind.name: kind for kind in (Halo, H2o, Nghttpd, Nginx, Floor)}
