"""The servers that bench/peers.py compares: how each is set up, started, watched and ended.

All serve the same files over h2c with prior knowledge and over TLS, without an access log and with one worker,
and take what is posted to /upload. What they differ in beyond that is theirs.
"""
import glob
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time

from peers_rows import LARGE, MEDIUM

SERVER_CPU = "0"
START_SECONDS = 10
STOP_SECONDS = 5
PAGE = b"Hello, world\n"

# The handler of /upload runs when the whole body has come; until then h2o gathers it. neverbleed keeps the
# private key in a process of its own, which no other server does: each handshake would have to ask it.
H2O_CONF = """\
num-threads: 1
max-connections: 16000
http2-max-concurrent-requests-per-connection: 256
http2-idle-timeout: 600
error-log: {directory}/h2o.log
{user}listen:
  host: 127.0.0.1
  port: {h2c}
listen:
  host: 127.0.0.1
  port: {tls}
  ssl:
    certificate-file: {certificate}
    key-file: {key}
    ocsp-update-interval: 0
    neverbleed: OFF
hosts:
  default:
    paths:
      /upload:
        mruby.handler: |
          Proc.new {{|env| [200, {{"content-type" => "text/plain"}}, ["taken\\n"]] }}
      /:
        file.dir: {root}
"""

# With sendfile on, small files over cleartext HTTP/2 wait for a delayed ACK (40 ms).
# /upload: "return 200" would answer before the body and cut it off. The mirror module reads all of it before
# the request goes on, and what it mirrors to does nothing; the static file's 405 is then turned into 200.
NGINX_CONF = """\
daemon off;
master_process off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log crit;
events {{ worker_connections 16000; }}
http {{
    access_log off;
    sendfile off;
    keepalive_requests 100000000;
    keepalive_timeout 600s;
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
        client_max_body_size 0;
        location = /upload {{
            client_body_buffer_size 128m;
            mirror /nothing;
            error_page 404 405 =200 /index.html;
        }}
        location = /nothing {{ internal; return 204; }}
    }}
}}
"""


class Site:
    """What all servers serve, in a directory that goes away with the run."""

    def __init__(self, directory):
        self.directory = directory
        os.chmod(directory, 0o755)
        self.root = os.path.join(directory, "root")
        self.certificate = os.path.join(directory, "certificate.pem")
        self.key = os.path.join(directory, "key.pem")
        os.mkdir(self.root)
        self.write("index.html", PAGE)
        self.write("16k.bin", os.urandom(MEDIUM))
        self.write("100m.bin", os.urandom(LARGE // 100) * 100)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "7", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", self.key, "-out", self.certificate],
            check=True, capture_output=True)

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, octets):
        with open(self.path(name), "wb") as file:
            file.write(octets)


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


def with_descendants(pids):
    """These processes and all that came of them: what a server leaves to children counts as well."""
    children = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as file:
                pid, rest = file.read().split(" (", 1)
        except OSError:
            continue # ended meanwhile
        children.setdefault(int(rest.rpartition(") ")[2].split()[1]), []).append(int(pid))
    found = list(pids)
    for pid in found: # grows as it goes
        found += children.get(pid, [])
    return found


def read_or_empty(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return "" # the thread or process has ended meanwhile


class Server:
    """One server: one process or several. `ports` maps "h2c" and "tls", and "upload-h2c" and "upload-tls" where
    that is another one, to where it listens."""

    name = ""
    cpus = SERVER_CPU

    def __init__(self, site, build):
        self.site = site
        self.build = build
        self.ports = {}
        self.processes = []
        self.commands = []

    def program(self):
        """The path of the program, or None when it is not there."""
        return shutil.which(self.name) or shutil.which("/usr/sbin/" + self.name)

    def built(self, *parts):
        path = os.path.join(self.build, *parts)
        return path if os.access(path, os.X_OK) else None

    def version(self):
        return ""

    def prepare(self):
        """Writes configuration and sets self.commands and self.ports."""
        raise NotImplementedError

    def start(self):
        self.prepare()
        logs = [os.path.join(self.site.directory, "%s-%d-%d.out" % (self.name, id(self), index))
                for index in range(len(self.commands))]
        for log, command in zip(logs, self.commands):
            # setpriv: the server ends with this program, whatever ends that.
            with open(log, "wb") as output:
                self.processes.append(subprocess.Popen(
                    ["setpriv", "--pdeathsig", "KILL", "taskset", "-c", self.cpus] + command,
                    stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                    start_new_session=True))
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready(logs):
            if any(process.poll() is not None for process in self.processes) or time.monotonic() > deadline:
                raise RuntimeError("%s did not start:\n%s" % (
                    self.name, "".join(read_or_empty(log) for log in logs)[-2000:]))
            time.sleep(0.05)

    def url(self, row):
        port = self.ports.get(row.kind + "-" + row.transport, self.ports[row.transport])
        return "%s://127.0.0.1:%d/%s" % ("https" if row.transport == "tls" else "http", port, row.path)

    def is_ready(self, _logs):
        """Does it answer a request? A port that takes connections says nothing yet."""
        return all("1 succeeded" in subprocess.run(
            ["h2load", "-n", "1", "%s://127.0.0.1:%d/" % ("https" if transport == "tls" else "http", port)],
            text=True, capture_output=True, timeout=START_SECONDS).stdout
            for transport, port in self.ports.items())

    def stop(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def check_alive(self):
        for process in self.processes:
            if process.poll() is not None:
                raise RuntimeError("%s has ended with status %d" % (self.name, process.returncode))

    def cpu_ns(self):
        """Run time of all its threads and processes, as the scheduler accounts it."""
        self.check_alive()
        total = 0
        for pid in with_descendants(process.pid for process in self.processes):
            for path in glob.glob("/proc/%d/task/*/schedstat" % pid):
                total += int((read_or_empty(path).split() or ["0"])[0])
        return total

    def memory_kib(self):
        """Pss of all its processes: shared pages count by their share."""
        self.check_alive()
        found = [re.search(r"^Pss:\s+(\d+) kB", read_or_empty("/proc/%d/smaps_rollup" % pid), re.M)
                 for pid in with_descendants(process.pid for process in self.processes)]
        return sum(int(one.group(1)) for one in found if one)


class H2o(Server):
    name = "h2o"

    def version(self):
        return first_line(["h2o", "--version"], r"version (\S+)")

    def prepare(self):
        self.ports = dict(zip(("h2c", "tls"), free_ports(2)))
        conf = os.path.join(self.site.directory, "h2o-%d.conf" % self.ports["h2c"])
        # Else it becomes "nobody", and a process that changes its user outlives whoever kills this program.
        user = "user: %s\n" % pwd.getpwuid(0).pw_name if os.geteuid() == 0 else ""
        with open(conf, "w") as file:
            file.write(H2O_CONF.format(user=user, **vars(self.site), **self.ports))
        self.commands = [[self.program(), "-c", conf]]


class Nginx(Server):
    name = "nginx"

    def version(self):
        return first_line([self.program(), "-v"], r"nginx/(\S+)")

    def prepare(self):
        self.ports = dict(zip(("h2c", "tls"), free_ports(2)))
        conf = os.path.join(self.site.directory, "nginx-%d.conf" % self.ports["h2c"])
        with open(conf, "w") as file:
            file.write(NGINX_CONF.format(**vars(self.site), **self.ports))
        self.commands = [[self.program(), "-c", conf, "-e", os.path.join(self.site.directory, "nginx.log")]]


class Nghttpd(Server):
    """Serves one port only, so there are two of it."""

    name = "nghttpd"

    def version(self):
        return first_line(["nghttpd", "--version"], r"nghttp2/(\S+)")

    def prepare(self):
        self.ports = dict(zip(("h2c", "tls"), free_ports(2)))
        command = [self.program(), "-a", "127.0.0.1", "-n", "1", "-m", "256", "-d", self.site.root]
        self.commands = [command + ["--no-tls", str(self.ports["h2c"])],
                         command + [str(self.ports["tls"]), self.site.key, self.site.certificate]]


class Announcing(Server):
    """Chooses its ports itself and prints "listening KIND 127.0.0.1:PORT"."""

    kinds = {}

    def is_ready(self, logs):
        for log in logs:
            for kind, port in re.findall(r"^listening (\S+) 127\.0\.0\.1:(\d+)$", read_or_empty(log), re.M):
                self.ports[self.kinds[kind]] = int(port)
        return set(self.ports) == set(self.kinds.values())


class Halo(Announcing):
    """halo-serve, and beside it a server of the library that takes uploads: halo-serve serves files alone."""

    name = "halo"
    kinds = {"h2c": "h2c", "tls": "tls", "h2": "tls", "post-h2c": "upload-h2c", "post-tls": "upload-tls"}
    workers = 1

    def program(self):
        return self.built("server", "halo-serve") and self.built("bench", "upload_server") and \
            self.built("server", "halo-serve")

    def version(self):
        return first_line([self.program(), "--version"], r"(\d+\.\d+\.\d+)")

    def prepare(self):
        self.commands = [
            [self.program(), "--root", self.site.root, "--workers", str(self.workers), "--quiet",
             "--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0",
             "--cert", self.site.certificate, "--key", self.site.key],
            [self.built("bench", "upload_server"), self.site.certificate, self.site.key],
        ]


class Node(Announcing):
    name = "node"
    kinds = {"h2c": "h2c", "h2": "tls"}

    def version(self):
        return first_line(["node", "--version"], r"v(\S+)")

    def prepare(self):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers_node.mjs")
        self.commands = [[self.program(), script, self.site.path("index.html"), self.site.certificate,
                          self.site.key]]


class Floor(Announcing):
    """No protocol: 64 octets for 64 octets, and 100 MiB for 64 octets."""

    name = "floor"
    kinds = {"floor": "h2c", "file": "file-h2c"}

    def program(self):
        return self.built("bench", "floor")

    def prepare(self):
        self.commands = [[self.program(), "serve"], [self.program(), "serve-file", self.site.path("100m.bin")]]

    def load(self, row, requests):
        """The row's command line of its own client."""
        if row.path:
            return [self.program(), "load-file", str(self.ports["file-h2c"]), str(requests), str(row.body_out())]
        if row.kind == "connect":
            return [self.program(), "connect", str(self.ports["h2c"]), str(requests), str(row.burst)]
        return [self.program(), "load", str(self.ports["h2c"]), str(row.connections), str(row.streams),
                str(requests)]


SERVERS = {kind.name: kind for kind in (Halo, H2o, Nghttpd, Nginx, Node, Floor)}
