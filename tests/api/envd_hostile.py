#!/usr/bin/env python3
"""tests/api/envd_hostile.py - envd among enemies: clients outside that flood,
stall and lie, and a root inside that kills, stops, traces and starves what it
finds.  envd serves on, for what can still work, and the host is untouched."""
import base64
import contextlib
import json
import os
import pathlib
import random
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import coppice
import envd_client as envd
from coppice import ENVD_PORT, WAY_IN, Sandbox, case, note, same, until
from envd_client import FS, PROC, files, inside, leaves_nothing, listed, start, unary

START = PROC + "Start"


def serves(sbx, limit=3.0):
    """All that it does, and how long that took."""
    t0 = time.monotonic()
    same(sbx.way_in(ENVD_PORT, "/health").status, 204)
    same(files(sbx, "/tmp/still", "POST", b"here").status, 200)
    same(files(sbx, "/tmp/still").raw, b"here")
    same(start(sbx, "/bin/echo", "still").rest()["stdout"], b"still\n")
    took = time.monotonic() - t0
    assert took < limit, "it took %.1f s" % took
    return took


def request(sbx, method="GET", path="/health", headers="", token=True):
    return ("%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n" % (
        method, path, "X-Access-Token: %s\r\n" % sbx.token if token and sbx.token else "", headers)).encode()


def outside(n, timeout=20):
    """From an address of its own: no one may have more than half of the way in."""
    made = []
    with contextlib.suppress(OSError):
        for _ in range(n):
            made.append(socket.create_connection((WAY_IN.hostname, WAY_IN.port), timeout, ("127.0.0.9", 0)))
    return made


def close_all(socks):
    for s in socks:
        s.close()


def answer(s, timeout=10):
    """All that comes until the other end closes, or is quiet."""
    s.settimeout(timeout)
    got = b""
    with contextlib.suppress(OSError):
        while piece := s.recv(65536):
            got += piece
    return got


# --- clients ------------------------------------------------------------------

@case("ten thousand connections from inside")
def _():
    sbx = Sandbox()
    pid = envd.envd_of(sbx)
    with leaves_nothing(sbx, 4096):
        stream = start(sbx, "/bin/sleep", "300")
        # All of them at once: silent, half a head, and answered once.
        socks = inside(sbx, 10_000)
        same(len(socks), 10_000)
        for i, s in enumerate(socks):
            with contextlib.suppress(OSError):
                if i % 3 == 1:
                    s.sendall(b"GET /hea")
                elif i % 3 == 2:
                    s.sendall(request(sbx))
        note("with 10,000 connections: %.0f ms for the usual; %d descriptors, %d KiB" % (
            1e3 * serves(sbx), coppice.descriptors(pid), envd.rss_kib(pid)))
        assert 5000 < coppice.descriptors(pid) < 8300, coppice.descriptors(pid)
        # What was under way has not been touched.
        same([p["pid"] for p in listed(sbx)], [stream.pid])
        same(envd.signal(sbx, "SIGNAL_SIGKILL", pid=stream.pid)[0], 200)
        same(stream.rest()["end"]["status"], "signal: killed")
        close_all(socks)


@case("thousands of connections from outside")
def _():
    sbx, other = Sandbox(), Sandbox()
    with leaves_nothing(sbx, 4096):
        socks = outside(4000)
        for i, s in enumerate(socks):
            with contextlib.suppress(OSError):
                head = "E2b-Sandbox-Id: %s\r\nE2b-Sandbox-Port: 49983\r\n" % sbx.id
                if i % 2:  # a body that does not come
                    s.sendall(request(sbx, "POST", "/files?path=/tmp/x%d" % i, head +
                                      "Content-Type: application/octet-stream\r\nContent-Length: 10\r\n"))
                else:  # a head that does not end
                    s.sendall(request(sbx, "GET", "/health", head)[:-2])
        note("%d connections outside: a neighbour's usual takes %.0f ms" % (len(socks), 1e3 * serves(other)))
        close_all(socks)
        assert until(lambda: sbx.way_in(ENVD_PORT, "/health").status == 204, 10)
        serves(sbx)


@case("an answer does not wait for a body that does not come")
def _():
    sbx = Sandbox()
    with leaves_nothing(sbx):
        socks = inside(sbx, 3)
        for s, path in zip(socks, ("/health", "/nothing", "/files?path=/x")):
            s.sendall(request(sbx, "GET", path, "Content-Length: 1000\r\n", token=False))
        t0 = time.monotonic()
        for s in socks:
            assert answer(s).startswith(b"HTTP/1.1 ")
        assert time.monotonic() - t0 < 9, "it holds the connection"
        close_all(socks)


@case("pipelining floods")
def _():
    sbx = Sandbox()
    with leaves_nothing(sbx, 2048):
        s, = inside(sbx)
        flood = request(sbx) * 20_000
        t = threading.Thread(target=lambda: contextlib.suppress(OSError).__enter__() or s.sendall(flood), daemon=True)
        t.start()
        got = b""
        while got.count(b"HTTP/1.1 204") < 20_000:
            piece = s.recv(1 << 20)
            assert piece, "closed after %d answers" % got.count(b"HTTP/1.1 204")
            got += piece
        t.join()
        s.close()
        # Of answers that nobody reads only so many are made.
        socks = inside(sbx, 20)
        for s in socks:
            s.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(200):
                    s.send(request(sbx, "GET", "/envs") * 500)
        serves(sbx)
        pid = envd.envd_of(sbx)
        assert envd.rss_kib(pid) < 32 * 1024, envd.rss_kib(pid)
        close_all(socks)


# What is sent, and what may come back (a status, or nothing).
MALFORMED = [
    (b"\0" * 100, 400), (b"GARBAGE\r\n\r\n", 400), (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400), (b"GET / HTTP/9.9\r\n\r\n", 505), (b"GET /\r\n\r\n", (400, 505)),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\tfolded: b\r\n\r\n", 400), (b"GET / HTTP/1.1\nHost: a\n\n", None),
    (b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: b\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nA: \0\r\n\r\n", 400),
    (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n", 431), (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n", 431),
    (b"POST /files HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n", 400),
    (b"POST /files HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n", (400, 413)),
    (b"POST /files HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST /files HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
    (b"POST /files HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST /files HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    (b"POST %s HTTP/1.1\r\nHost: a\r\n%sContent-Type: application/connect+json\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"fffffffffffffffff\r\n", 400),
    (b"POST %s HTTP/1.1\r\nHost: a\r\n%sContent-Type: application/connect+json\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"zz\r\n", 400),
    (b"POST %s HTTP/1.1\r\nHost: a\r\n%sContent-Type: application/connect+json\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"5;" + b"x" * 100_000 + b"\r\n", 400),
    (b"POST %s HTTP/1.1\r\nHost: a\r\n%sContent-Type: application/connect+json\r\nContent-Length: 1000000000000\r\n\r\n", 200),
]


@case("malformed requests and lengths that cannot be")
def _():
    sbx = Sandbox()
    token = b"X-Access-Token: %s\r\n" % (sbx.token or "").encode()
    with leaves_nothing(sbx):
        for sent, want in MALFORMED:
            s, = inside(sbx)
            if b"%s" in sent:
                sent = sent.replace(b"%s", START.encode(), 1).replace(b"%s", token, 1)
            with contextlib.suppress(OSError):
                s.sendall(sent)
                s.shutdown(socket.SHUT_WR)
            got = answer(s)
            status = int(got.split()[1]) if got.startswith(b"HTTP/1.") else None
            assert status == want or isinstance(want, tuple) and status in want or want is None or (
                status is None and not got), "%r: %r" % (sent[:100], got[:200])
            s.close()
        serves(sbx)


def envelope(data, flags=0, length=None):
    return struct.pack(">BI", flags, len(data) if length is None else length) + data


@case("malformed envelopes")
def _():
    sbx = Sandbox()
    good = b'{"process":{"cmd":"/bin/echo","args":["x"]}}'

    def post(path, body, kind="application/connect+json"):
        r = sbx.way_in(ENVD_PORT, path, "POST", body, 20, **{"Content-Type": kind})
        return r.status, r.raw
    with leaves_nothing(sbx):
        assert b"stdout" in post(START, envelope(good))[1]
        rng = random.Random(7)
        bad = [b"", b"\0", b"\0\0\0\0", envelope(b""), envelope(b"", length=0xffffffff), envelope(good, length=0x7fffffff),
               envelope(good, 0xff), envelope(good, 1), envelope(good, 2), envelope(good) * 2, envelope(b"[" * 100_000),
               envelope(b'{"process":' * 50_000), envelope(b'{"process":{"cmd":"\\u0000"}}'), envelope(b"\xff\xfe"),
               envelope(b'{"process":{"cmd":"' + b"\\ud800" * 9 + b'"}}'), envelope(b"{}"), envelope(b'{"process":null}'),
               envelope(b'{"process":{"cmd":"x","args":[' + b'"",' * 2_000_000 + b'""]}}'),
               envelope(b'{"process":{"cmd":"/bin/true","args":["' + b"x" * 3_000_000 + b'"]}}'),
               envelope(b'{"process":{"cmd":"/bin/true","envs":{"A=B":"x"}}}'),
               envelope(b'{"process":{"cmd":"/bin/true"},"pty":{"size":{"cols":1e99}}}')]
        bad += [envelope(rng.randbytes(rng.randrange(200)), rng.randrange(4)) for _ in range(100)]
        for body in bad:
            for kind in ("application/connect+json", "application/connect+proto"):
                status, raw = post(START, body, kind)
                same(status, 200, repr(body[:60]))
                assert b'"error"' in raw or b'"end"' in raw or b"proto" in kind.encode(), (body[:60], raw[:200])
        for body in bad[:30]:
            for kind in ("application/json", "application/proto"):
                assert post(FS + "Stat", body[5:], kind)[0] in (200, 400, 401, 404, 429, 500, 501), body[:60]
        # A stream of input whose message never ends: no more than it may hold.
        s, = inside(sbx)
        s.sendall(request(sbx, "POST", PROC + "StreamInput", "Content-Type: application/connect+json\r\n"
                          "Transfer-Encoding: chunked\r\n"))
        data = envelope(b"", length=0x70000000)
        s.sendall(b"%x\r\n%s\r\n" % (len(data), data))
        got = answer(s)
        assert b"resource_exhausted" in got, got
        s.close()
        serves(sbx)


@case("messages that would not fit together")
def _():
    sbx = Sandbox()
    pid = envd.envd_of(sbx)
    with leaves_nothing(sbx, 2048):
        envd.reset_peak(pid)
        socks = inside(sbx, 12)
        body = b'{"path":"' + b"x" * (30 << 20)

        def fill(s):
            with contextlib.suppress(OSError):
                s.sendall(request(sbx, "POST", FS + "Stat", "Content-Type: application/json\r\nContent-Length: %d\r\n"
                                  % (len(body) + 10)) + body)
        ts = [threading.Thread(target=fill, args=(s,), daemon=True) for s in socks]
        [t.start() for t in ts]
        [t.join(20) for t in ts]
        note("12 messages of 30 MiB: envd at most %d KiB" % envd.peak_kib(pid))
        assert envd.peak_kib(pid) < 200 * 1024
        serves(sbx)
        close_all(socks)


@case("clients that vanish")
def _():
    sbx = Sandbox()
    with leaves_nothing(sbx, 2048):
        for i in range(300):
            s, = inside(sbx) if i % 10 == 0 else outside(1)
            head = "" if i % 10 == 0 else "E2b-Sandbox-Id: %s\r\nE2b-Sandbox-Port: 49983\r\n" % sbx.id
            data = envelope(b'{"process":{"cmd":"/bin/sh","args":["-c","echo x; sleep 0.%d; echo y"]}}' % (i % 9))
            sent = request(sbx, "POST", START, head + "Content-Type: application/connect+json\r\nContent-Length: %d\r\n"
                           % len(data)) + data
            if i % 3 == 0:
                sent = sent[:random.Random(i).randrange(len(sent))]
            s.sendall(sent)
            if i % 2:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
        serves(sbx)
        assert until(lambda: not listed(sbx), 10)


@case("private paths, from inside")
def _():
    sbx = Sandbox()
    for path in ("/init", "/start", "/logs", "/freeze", "/upgrade", "/fsfreeze", "/collapse"):
        for method in ("POST", "GET", "PUT"):
            for secret in ("", "X-Coppice-Init: \r\n", "X-Coppice-Init: %s\r\n" % ("0" * 64)):
                s, = inside(sbx)
                s.sendall(request(sbx, method, path, secret + "Content-Length: 2\r\nConnection: close\r\n") + b"{}")
                got = answer(s)
                s.close()
                assert got.split()[1] in (b"401", b"403", b"404", b"405"), (method, path, got[:200])
    same(sbx.sh("echo same token"), "same token")


# --- root inside --------------------------------------------------------------

@case("init cannot be killed, stopped or traced")
def _():
    sbx = Sandbox()
    pid = envd.envd_of(sbx)
    with leaves_nothing(sbx):
        # The same program does it to another process: it works there.
        source = """
import ctypes, os, signal, subprocess
libc = ctypes.CDLL(None, use_errno=True)
def trace(p):
    r = libc.ptrace(16, p, 0, 0)
    if r == 0: os.waitpid(p, 0x40000000); libc.ptrace(17, p, 0, 0)
    return r
def writev(p):
    b = ctypes.create_string_buffer(8)
    v = (ctypes.c_void_p * 2)(ctypes.addressof(b), 8)
    return libc.process_vm_readv(p, v, 1, v, 1, 0)
for victim in (subprocess.Popen(["sleep", "60"]).pid, 1):
    said = []
    said.append(trace(victim) == 0)
    for name in ("mem", "environ", "maps", "auxv", "syscall", "stack"):
        try: said.append(open("/proc/%d/%s" % (victim, name), "rb").read is not None)
        except OSError: said.append(False)
    for name in ("exe", "root", "cwd", "fd/0", "ns/net"):
        try: said.append(bool(os.readlink("/proc/%d/%s" % (victim, name))))
        except OSError: said.append(False)
    for sig in (signal.SIGSTOP, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT, signal.SIGTRAP, signal.SIGKILL, signal.SIGXCPU,
                signal.SIGCHLD, signal.SIGALRM, signal.SIGHUP, signal.SIGINT, 34, 35, 64):
        try: os.kill(victim, sig)
        except ProcessLookupError: pass
    try: said.append(os.waitpid(victim, 0)[0] == victim)
    except ChildProcessError: said.append(False)
    print(said)
"""
        s = start(sbx, "/usr/bin/python3", "-c", source, user="root", stdin=False)
        rest = s.rest()
        worked, refused = rest["stdout"].decode().splitlines()
        assert worked.count("True") >= 12, rest
        assert "True" not in refused, rest
        same(envd.envd_of(sbx), pid)
        same(envd.state(pid) in "SR", True)
        serves(sbx)


@case("limits, priority and processors of init are its own")
def _():
    sbx = Sandbox()
    pid = envd.envd_of(sbx)

    def about():
        p = pathlib.Path("/proc/%d" % pid)
        stat = (p / "stat").read_text().rsplit(")", 1)[1].split()
        status = (p / "status").read_text()
        return ((p / "limits").read_text(), stat[15:17], stat[38:40], status.split("Cpus_allowed:")[1].split()[0],
                (p / "oom_score_adj").read_text())
    before = about()
    source = """
import os, resource
def attempt(what):
    try: what()
    except OSError as e: return e.errno
    return 0
for p in (os.getpid(), 1):
    print([attempt(f) for f in (
        lambda: resource.prlimit(p, resource.RLIMIT_NOFILE, (64, 64)),
        lambda: resource.prlimit(p, resource.RLIMIT_AS, (1 << 40, 1 << 40)),
        lambda: resource.prlimit(p, resource.RLIMIT_CPU, (10000, 10000)),
        lambda: os.setpriority(os.PRIO_PROCESS, p, 19),
        lambda: os.sched_setaffinity(p, {min(os.sched_getaffinity(p))}),
        lambda: os.sched_setscheduler(p, os.SCHED_IDLE, os.sched_param(0)))])
try: open("/proc/1/oom_score_adj", "w").write("1000")
except OSError as e: print(e.errno)
"""
    s = start(sbx, "/usr/bin/python3", "-c", source, user="root")
    said = s.rest()["stdout"].decode().splitlines()
    same(said, ["[0, 0, 0, 0, 0, 0]", "[1, 1, 1, 1, 1, 1]", "13"])
    same(about(), before)
    serves(sbx)


@case("commands start while somebody stops everything")
def _():
    sbx = Sandbox()
    pid = envd.envd_of(sbx)
    with leaves_nothing(sbx):
        for sig in ("STOP", "KILL"):
            bad = start(sbx, "/usr/bin/python3", "-uc", """
import os, signal
print("on it")
while True:
    try: os.kill(-1, signal.SIG%s)
    except ProcessLookupError: pass
""" % sig, user="root", stdin=False)
            bad.next()
            hit = 0
            for _ in range(60):
                t0 = time.monotonic()
                with contextlib.suppress(AssertionError):
                    s = start(sbx, "/bin/true", timeout=20, stdin=False)
                    s.close()
                    hit += 1
                assert time.monotonic() - t0 < 10, "envd hung for %.1f s" % (time.monotonic() - t0)
            same(sbx.way_in(ENVD_PORT, "/health").status, 204)
            note("%d of 60 starts under kill -%s" % (hit, sig))
            same(envd.signal(sbx, "SIGNAL_SIGKILL", pid=bad.pid)[0], 200)
            bad.rest()
            # What is stopped for good is ended by its number, or by all.
            for p in listed(sbx):
                envd.signal(sbx, "SIGNAL_SIGKILL", pid=p["pid"])
            assert until(lambda: not listed(sbx), 10), listed(sbx)
            serves(sbx)
    same(envd.envd_of(sbx), pid)


def call(sbx, path, message):
    """An rpc that names no user."""
    return sbx.way_in(ENVD_PORT, path, "POST", json.dumps(message), **{"Content-Type": "application/json"})


@case("what a root may break for itself")
def _():
    sbx = Sandbox()
    before = coppice.processes().keys()
    # One who can mend it, whatever has become of the users and the shell.
    mender = start(sbx, "/bin/bash", "-c", "cp /etc/passwd /bin/bash /tmp; while read -r line; do eval \"$line\"; echo done; done",
                   user="root", stdin=True)

    def inside_do(script):
        same(call(sbx, PROC + "SendInput", {"process": {"pid": mender.pid}, "input": {
            "stdin": base64.b64encode(script.encode() + b"\n").decode()}}).status, 200)
        while "stdout" not in mender.next().get("data", {}):
            pass
    # A users' file that is gone, or none.
    for how in ("true", "mkfifo /etc/passwd", "ln -s /etc/passwd /etc/passwd", "mkdir /etc/passwd",
                "head -c 3000000 /dev/urandom > /etc/passwd", "head -c 900000 /dev/urandom > /etc/passwd",
                "ln -s /dev/zero /etc/passwd", "ln -s /proc/1/mem /etc/passwd"):
        inside_do("rm -f /etc/passwd; " + how)
        t0 = time.monotonic()
        same(sbx.way_in(ENVD_PORT, "/health").status, 204)
        same(call(sbx, PROC + "List", {}).status, 200)
        same(unary(sbx, FS + "Stat", {"path": "/"})[1]["code"], "unauthenticated", how)
        assert time.monotonic() - t0 < 2, how
        inside_do("rm -rf /etc/passwd; cp /tmp/passwd /etc/passwd; chmod 644 /etc/passwd")
        same(unary(sbx, FS + "Stat", {"path": "/"})[0], 200, how)
    serves(sbx)
    # The shell is something else.
    inside_do("rm -f /bin/sh; printf '#!/bin/sh\\n' > /bin/sh; chmod 755 /bin/sh")
    assert start(sbx, "/bin/sh", "-c", "echo x").rest()["end"]["exitCode"] in (126, 127)
    serves(sbx)
    inside_do("rm -f /bin/sh; cp /tmp/bash /bin/sh")
    same(start(sbx, "/bin/sh", "-c", "echo x").rest()["stdout"], b"x\n")
    inside_do("rm -rf --one-file-system /bin/* /usr/bin/* /lib/* 2>/dev/null || true")
    same(sbx.way_in(ENVD_PORT, "/health").status, 204)
    same(files(sbx, "/tmp/still", "POST", b"here").status, 200)
    assert start(sbx, "/bin/echo", "x").rest()["end"]["exitCode"] in (126, 127)
    same(coppice.processes().keys() - before, set())


@case("what a root may use up")
def _():
    sbx = Sandbox()
    for what in ("""
import ctypes, os
libc = ctypes.CDLL(None)
n = 0
while libc.inotify_init() >= 0: n += 1
print(n)
""", """
import socket
l = []
try:
    while True: l.append(socket.socketpair())
except OSError: print(len(l))
""", """
import os
n = 0
try:
    while True:
        f = os.open("/dev/shm/%d" % n, os.O_CREAT | os.O_WRONLY); os.write(f, bytes(1 << 22)); os.close(f); n += 1
        if n > 400: break
except OSError: pass
print(n)
"""):
        s = start(sbx, "/usr/bin/python3", "-uc", what + "\nimport time\ntime.sleep(60)", user="root")
        same("data" in s.next(), True)
        same(sbx.way_in(ENVD_PORT, "/health").status, 204)
        same(start(sbx, "/bin/echo", "still").rest()["stdout"], b"still\n")
        status, said = unary(sbx, FS + "CreateWatcher", {"path": "/tmp"})
        note("with that: a watcher gives %d %s" % (status, said.get("message", "")))
        same(envd.signal(sbx, "SIGNAL_SIGKILL", pid=s.pid)[0], 200)
        s.rest()
        sbx.run("rm -rf /dev/shm/*", user="root")
    serves(sbx, 10)
    status, said = unary(sbx, FS + "CreateWatcher", {"path": "/tmp"})
    same(status, 200)


@case("signals that descriptors send")
def _():
    # Of a pipe whose other end is envd's: its owner may be told by any signal.
    sbx = Sandbox()
    pid = envd.envd_of(sbx)
    s = start(sbx, "/usr/bin/python3", "-uc", """
import fcntl, os, signal
def aim(at, sig):
    fcntl.fcntl(0, fcntl.F_SETOWN, at); fcntl.fcntl(0, 10, sig)
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
aim(1, signal.SIGKILL); print("aimed"); os.read(0, 10)
aim(1, signal.SIGSTOP); print("aimed"); os.read(0, 10)
print("now at me"); aim(os.getpid(), signal.SIGKILL); os.read(0, 10); os.read(0, 10)
""", user="root", stdin=True)
    for _ in range(2):
        s.next()
        same(unary(sbx, PROC + "SendInput", {"process": {"pid": s.pid}, "input": {"stdin": "eA=="}})[0], 200)
    s.next()
    unary(sbx, PROC + "SendInput", {"process": {"pid": s.pid}, "input": {"stdin": "eA=="}})
    same(s.rest()["end"]["status"], "signal: killed")
    same(envd.envd_of(sbx), pid)
    serves(sbx)


coppice.main()
