#!/usr/bin/env python3
"""Tests halo-get: its command line, its output, its exit status.

usage: halo_get_test.py HALO_GET GET_SERVER
"""
import fcntl
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time

HALO_GET, GET_SERVER = sys.argv[1:3]
MIB = 1024 * 1024
failures = 0


def say(good, name, detail=""):
    global failures
    failures += not good
    print(("ok   " if good else "FAIL ") + name)
    if not good:
        print("     " + detail.replace("\n", "\n     "))


def run(*arguments, stdin=b"", **more):
    return subprocess.run([HALO_GET, *arguments], input=stdin, capture_output=True, timeout=60, **more)


def expect(name, arguments, status, out=None, error="", stdin=b"", lines=1):
    """`error` is a part of the only line on stderr; "" means that there is none."""
    done = run(*arguments, stdin=stdin)
    said = done.stderr.decode(errors="replace")
    good = done.returncode == status and error in said
    good = good and (said.count("\n") == lines and said.startswith("halo-get: ") if error else said == "")
    good = good and (out is None or done.stdout == out)
    say(good, name, f"{arguments}\nstatus {done.returncode}, not {status}\nstderr {said!r}\n"
                    f"stdout {done.stdout[:300]!r}")


# ---- the command line ---------------------------------------------------------------------------

def usage(scratch):
    url = "http://127.0.0.1:9/"
    table = [
        ([], "no URL is given"),
        (["--nonsense", url], "option --nonsense is not known"),
        (["--nonsense=1", url], "option --nonsense=1 is not known"),
        (["-z", url], "option -z is not known"),
        (["-iz", url], "option -z is not known"),
        ([url, "-o"], "option -o needs a value"),
        ([url, "-X"], "option -X needs a value"),
        ([url, "-H"], "option -H needs a value"),
        ([url, "-d"], "option -d needs a value"),
        ([url, "--cacert"], "option --cacert needs a value"),
        ([url, "--max-time"], "option --max-time needs a value"),
        ([url, "--connect-timeout"], "option --connect-timeout needs a value"),
        (["--insecure=yes", url], "option --insecure=yes takes no value"),
        (["--parallel=2", url], "option --parallel=2 takes no value"),
        (["--in", url], "option --in is not known"),  # --include or --insecure
        (["example.org"], "does not begin with http:// or https://"),
        (["ftp://example.org/"], "does not begin with http:// or https://"),
        ([""], "does not begin with http:// or https://"),
        (["http://"], "host or port cannot be read"),
        (["http://a:99999/"], "host or port cannot be read"),
        (["http://::1/"], "IPv6 addresses in brackets"),
        (["http://a/b c"], "write it as %XX"),
        (["http://b\u00fc/"], "write it as %XX"),
        ([url, "http://a:x/"], "URL 'http://a:x/'"),
        (["-o", "x", url, url], "-o takes the body of one URL, but 2 are given"),
        (["-o", "x", "-o", "y", url], "option -o is given twice"),
        (["-o", "", url], "the file name is empty"),
        (["-o", "/nonexistent/x", url], "option -o: /nonexistent/x cannot be written: No such file"),
        (["-o", scratch, url], "cannot be written"),
        (["-d", "a", "-d", "b", url], "option -d is given twice"),
        (["-d", "@/nonexistent", url], "option -d: /nonexistent cannot be read: No such file"),
        (["-d", "@" + scratch, url], "is a directory"),
        (["-d", "@", url], "file name behind '@' is missing"),
        (["-d", "@-", url, url], "can be read only once"),
        (["-X", "", url], "the method is empty"),
        (["-X", "A B", url], "'A B' is not a method"),
        (["-X", "G\u00c4T", url], "is not a method"),
        (["-X", "CONNECT", url], "makes no tunnels"),
        (["-X", "PUT", "-X", "GET", url], "option -X is given twice"),
        (["-H", "name", url], "'name' is not a field"),
        (["-H", ": value", url], "': value' is not a field"),
        (["-H", ":path: /", url], "is not a field"),
        (["-H", "na me: value", url], "has no valid field name"),
        (["-H", "name : value", url], "has no valid field name"),
        (["-H", "name: a\nb", url], "the value of name has an octet"),
        (["-H", "Connection: close", url], "connection cannot be sent over HTTP/2"),
        (["-H", "transfer-encoding: chunked", url], "transfer-encoding cannot be sent over HTTP/2"),
        (["--max-time", "x", url], "option --max-time: 'x' is not a number of seconds"),
        (["--max-time", "0", url], "option --max-time: '0' is not"),
        (["--max-time", "-1", url], "option --max-time: '-1' is not"),
        (["--max-time", "nan", url], "option --max-time: 'nan' is not"),
        (["--max-time", "1e30", url], "option --max-time: '1e30' is not"),
        (["--max-time", "", url], "option --max-time: '' is not"),
        (["--connect-timeout", "1s", url], "option --connect-timeout: '1s' is not"),
        (["--cacert", "a", "--cacert", "b", url], "option --cacert is given twice"),
    ]
    if b"without TLS" in run("--version").stdout:
        table += [(["--cacert", "x", url], "built without TLS"), (["https://a/"], "built without TLS")]
    else:
        table += [(["--cacert", name, url], "option --cacert: ") for name in ("/nonexistent", os.devnull, scratch)]
    for arguments, error in table:
        expect("usage: " + " ".join(arguments)[:60].replace("\n", "?"), arguments, 2, b"", error)
    done = run("--help")
    say(done.returncode == 0 and done.stdout.startswith(b"usage: halo-get") and not done.stderr, "--help")
    done = run("--version")
    say(done.returncode == 0 and done.stdout.startswith(b"halo-get "), "--version")
    say(max(len(line) for line in run("--help").stdout.splitlines()) <= 100, "--help fits the screen")


# ---- transfers ----------------------------------------------------------------------------------

def head(text):
    """The status and the fields of a response that -i has written, and what follows."""
    first, rest = text.split(b"\n\n", 1)
    return first.decode().split("\n"), rest


def requests(base):
    expect("GET", [base + "/echo"], 0, b"")
    expect("404 is complete", [base + "/status/404"], 0, b"")
    expect("POST", ["-d", "hello", base + "/echo"], 0, b"hello")
    expect("POST stdin", ["-d", "@-", base + "/echo"], 0, b"from stdin", stdin=b"from stdin")
    expect("POST nothing", ["-d", "", base + "/echo"], 0, b"")
    lines, body = head(run("-i", "-d", "12345", base + "/echo").stdout)
    say(lines[0] == "HTTP/2 200" and "x-method: POST" in lines and "x-length: 5" in lines and body == b"12345",
        "-i -d", repr(lines))
    lines, body = head(run("-i", "-X", "PUT", "-d", "", base + "/echo").stdout)
    say("x-method: PUT" in lines and "x-length: 0" in lines, "-X with an empty body", repr(lines))
    lines, body = head(run("-i", "-X", "HEAD", base + "/echo").stdout)
    say("x-method: HEAD" in lines and body == b"", "-X HEAD", repr(lines))
    lines, body = head(run("-i", "-H", "Host: other.test", base + "/echo").stdout)
    say("x-authority: other.test" in lines, "-H host is the authority", repr(lines))
    out = run("-i", base + "/hints").stdout
    say(out.startswith(b"HTTP/2 103\nlink: </a>\n\nHTTP/2 200\n") and out.endswith(b"\n\nbody\n\nx-sum: 1\n"),
        "-i with 103 and trailers", repr(out))
    done = run("-v", base + "?query")
    say(b">   :path: /?query" in done.stderr, "a query without a path", done.stderr.decode())
    done = run("-v", base + "/hints")
    said = done.stderr.decode()
    parts = ["> SETTINGS ", "> HEADERS stream=1 ", ">   :path: /hints", "* connected to ", "< SETTINGS ",
             "<   :status: 103", "<   :status: 200", "< DATA stream=1 len=5", "<   x-sum: 1"]
    say(done.stdout == b"body\n" and all(part in said for part in parts), "-v", said)


def large(base, scratch):
    body = os.urandom(MIB) * 20
    name = os.path.join(scratch, "large")
    with open(name, "wb") as file:
        file.write(body)
    expect("POST of a large file", ["-d", "@" + name, base + "/echo"], 0, body)
    expect("POST of a large pipe", ["-d", "@-", base + "/echo"], 0, body, stdin=body)
    with open(name, "rb") as file:
        file.seek(19 * MIB)
        done = subprocess.run([HALO_GET, "-d", "@-", base + "/echo"], stdin=file, capture_output=True, timeout=60)
    say(done.stdout == body[19 * MIB:], "POST of the rest of stdin")
    # stdout is a pipe that nobody reads for a while: memory must not grow with the body.
    server_side = f"{base}/slow/1/{60 * MIB}"
    # (What the address sanitizer keeps of freed memory does not count.)
    few = dict(os.environ, ASAN_OPTIONS="quarantine_size_mb=1")
    with subprocess.Popen([HALO_GET, server_side], stdout=subprocess.PIPE, env=few) as child:
        time.sleep(1)
        with open(f"/proc/{child.pid}/statm") as file:
            resident = int(file.read().split()[1]) * resource.getpagesize()
        total = len(child.stdout.read())
    say(total == 60 * MIB and child.returncode == 0, "slow stdout: whole", str(total))
    say(resident < 50 * MIB, "slow stdout: memory", f"{resident / MIB:.1f} MiB")


def incomplete(base):
    url = base + "/short"
    expect("body too short", [url], 1, None, f"{url}: body does not match content-length")
    expect("reset", [base + "/reset"], 1, None, "INTERNAL_ERROR")
    expect("connection breaks", [base + "/break"], 1, None, "ENHANCE_YOUR_CALM")
    expect("--max-time", ["--max-time", "0.2", base + "/never"], 1, b"", "not complete within 0.2 seconds")
    expect("a bad one among good ones", [base + "/hints", base + "/short", base + "/hints"], 1,
           None, "/short: ")
    expect("not taken up: tried again", [base + "/hints", base + "/refuse", base + "/hints"], 0,
           b"body\npart\nbody\n")
    urls = [base + "/hints"] * 20
    urls[3] = base + "/refuse"
    expect("not taken up: all tried again", ["--parallel", *urls], 0, b"body\n" * 3 + b"part\n" + b"body\n" * 16)
    expect("GOAWAY: a new connection", [base + "/goaway"] * 3, 0, b"part\n" * 3)
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        port = dead.getsockname()[1]
        expect("refused", [f"http://127.0.0.1:{port}/"], 1, b"", f"connection to 127.0.0.1:{port} refused")
        dead.listen(0)
        expect("no HTTP/2", ["--max-time", "0.5", f"http://127.0.0.1:{port}/"], 1, b"", "not complete within")
    expect("unknown host", ["http://halo.invalid/"], 1, b"", "host name halo.invalid not found")


def parallel(base):
    urls = [f"{base}/slow/{ms}/{size}" for ms, size in
            [(700, 100), (50, 300000), (400, 40000), (1, 5), (200, 0), (90, 2 * MIB)]]
    wanted = b"7" * 100 + b"5" * 300000 + b"4" * 40000 + b"1" * 5 + b"9" * (2 * MIB)
    start = time.monotonic()
    expect("--parallel keeps the order", ["--parallel", *urls], 0, wanted)
    at_once = time.monotonic() - start
    start = time.monotonic()
    expect("one after the other", urls, 0, wanted)
    say(at_once < time.monotonic() - start, "--parallel is parallel")
    urls = [f"{base}/slow/{i % 10}/{i}" for i in range(1500)]
    wanted = b"".join(str(i % 10).encode() * i for i in range(1500))
    expect("--parallel with many", ["--parallel", *urls], 0, wanted)
    done = run("-v", "--parallel", *urls[:50])
    say(done.stderr.count(b"connected to") == 1, "one connection per origin")
    done = run("-v", *urls[:50])
    say(done.stderr.count(b"connected to") == 1, "one connection per origin, one after the other")
    os.environ["TMPDIR"] = "/nonexistent"
    expect("no place for the temporary file", ["--parallel", base + "/slow/300/5", base + "/slow/1/100000"], 1,
           None, "a temporary file cannot be written: No such file")


def output(base, scratch):
    name = os.path.join(scratch, "out")
    expect("-o", ["-o", name, base + "/hints"], 0, b"")
    with open(name, "rb") as file:
        say(file.read() == b"body\n", "-o: content")
    with open(name, "wb") as file:
        file.write(b"x" * 1000)
    expect("-o again", ["-o", name, base + "/hints"], 0, b"")
    say(os.path.getsize(name) == 5, "-o: the old content is gone")
    expect("-o without a response", ["--max-time", "0.1", "-o", name, base + "/never"], 1, b"", "not complete")
    say(os.path.getsize(name) == 5, "-o: without a response the old content stays")
    os.unlink(name)
    expect("-o without a response", ["--max-time", "0.1", "-o", name, base + "/never"], 1, b"", "not complete")
    say(not os.path.exists(name), "-o: without a response there is no file")
    expect("-o of an empty body", ["-o", name, base + "/status/204"], 0, b"")
    say(os.path.getsize(name) == 0, "-o: an empty body is an empty file")
    expect("-o -", ["-o", "-", base + "/hints"], 0, b"body\n")
    expect("full disk", ["-o", "/dev/full", base + "/hints"], 1, b"", "/dev/full: No space left on device")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([HALO_GET, base + "/slow/1/1000000"], stdout=full, stderr=subprocess.PIPE, timeout=60)
    say(done.returncode == 1 and done.stderr == b"halo-get: stdout: No space left on device\n", "full stdout",
        repr(done))
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([HALO_GET, "--parallel", *[base + "/slow/1/1000000"] * 5], stdout=writer,
                          stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    say(done.returncode == 1 and done.stderr == b"halo-get: stdout: Broken pipe\n", "closed pipe", repr(done))
    done = subprocess.run(f"'{HALO_GET}' {base}/hints >&-", shell=True, stderr=subprocess.PIPE, timeout=60)
    say(done.returncode == 1 and done.stderr == b"halo-get: stdout: Bad file descriptor\n", "closed stdout",
        repr(done))
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETFL, os.O_NONBLOCK)
    with subprocess.Popen([HALO_GET, base + "/slow/1/1000000"], stdout=writer) as child:
        os.close(writer)
        time.sleep(0.3)
        total = 0
        while chunk := os.read(reader, 65536):
            total += len(chunk)
    os.close(reader)
    say(total == 1000000 and child.returncode == 0, "non-blocking stdout", str(total))


def main():
    server = subprocess.Popen([GET_SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    ipv6 = subprocess.Popen([GET_SERVER, "[::1]:0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    base = server.stdout.readline().decode().strip()
    with tempfile.TemporaryDirectory() as scratch:
        usage(scratch)
        requests(base)
        expect("IPv6", [ipv6.stdout.readline().decode().strip() + "/hints"], 0, b"body\n")
        large(base, scratch)
        incomplete(base)
        os.environ["TMPDIR"] = scratch
        output(base, scratch)
        parallel(base)
    for child in (server, ipv6):
        child.stdin.close()
        say(child.wait(10) == 0, "the server ends well")
    print(f"{failures} failed")
    return 1 if failures else 0


sys.exit(main())
