#!/usr/bin/env python3
"""tests/api/bad_input.py - a clear error or a closed connection for whatever
comes in, and the daemon serves on: the same processes, and no slower."""
import json
import pathlib
import socket
import ssl
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import coppice
from coppice import NOBODY, Sandbox, api, case, same, until

HEAD = ("X-API-Key: %s\r\nHost: 127.0.0.1:3000\r\n" % coppice.KEY).encode()
ours = None


def dial(port, timeout=20):
    return socket.create_connection(("127.0.0.1", port), timeout)


def drain(s):
    """All that comes until the other end closes; None if nothing does."""
    data = b""
    try:
        while True:
            got = s.recv(65536)
            if not got:
                return data
            data += got
    except ConnectionError:
        return data
    except TimeoutError:
        return data or None


def raw(data, port=3000, timeout=20):
    """What comes back for these bytes, until the other end closes."""
    with dial(port, timeout) as s:
        try:
            s.sendall(data)
        except ConnectionError:
            pass
        return drain(s)


def status(answer):
    assert answer is not None, "neither an answer nor a closed connection"
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else None


def post(path, body, extra=b"", method=b"POST"):
    return raw(method + b" " + path.encode() + b" HTTP/1.1\r\n" + HEAD + extra +
               b"Connection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
               % len(body) + body)


def e2b_error(answer, *wanted):
    got = status(answer)
    assert got in wanted, "%s, expected %s: %r" % (got, wanted, answer[:300])
    body = json.loads(answer.split(b"\r\n\r\n", 1)[1])
    same(body["code"], got)
    assert len(body["message"]) < 2000, "the message repeats the input"
    return body["message"]


def serves():
    """The daemon answers, quickly, and is the one that it was."""
    t0 = time.monotonic()
    same(api("GET", "/health").status, 200)
    assert time.monotonic() - t0 < 2
    same(coppice.daemons(), ours, "a process of ours died")


def checked(name):
    def add(body):
        def both():
            global ours
            if ours is None:
                ours = coppice.daemons()
            body()
            serves()
        return case(name)(both)
    return add


# --- bodies ------------------------------------------------------------------

@checked("malformed JSON")
def _():
    for body in (b"", b"{", b"}", b"{]", b"nul", b'{"templateID"', b'{"templateID":"base"', b"\xff\xfe{}",
                 b'{"templateID":"\xff"}', b'{"a":"\\u0000"}', b'{"a":"\\ud800"}', b"[]", b'"x"', b"1", b"null",
                 b"true", b'{"templateID":"base"}x', b'{"timeout":NaN}', b'{"timeout":1e999}',
                 b'{"timeout":0x10}', b"{'templateID':'base'}", b"\xef\xbb\xbf{", b"[" * 100000,
                 b'{"a":' * 50000):
        e2b_error(post("/v2/sandboxes", body), 400, 413)
        e2b_error(post("/sandboxes/%s/network" % NOBODY, body, method=b"PUT"), 400, 404, 413)
    same(coppice.list_ids(), [])


@checked("wrong types in every field")
def _():
    fields = ("templateID", "timeout", "autoPause", "autoPauseMemory", "autoResume", "secure",
              "allow_internet_access", "network", "metadata", "envVars", "volumeMounts", "iam")
    for field in fields:
        for value in (True, 7, -7, 1.5, "text", [1], {"a": 1}, [[[]]], {"": {}}):
            body = json.dumps({"templateID": "base", field: value}).encode()
            got = status(post("/v2/sandboxes", body))
            assert got in (201, 400, 404), (field, value, got)
    coppice.Sandbox.alive.update({i: Sandbox.found({"sandboxID": i}) for i in coppice.list_ids()})
    for field in ("allowOut", "denyOut", "rules", "egressProxy", "allow_internet_access"):
        for value in (7, "text", [1], [None], [[]], {"a": 1}, 1e300):
            got = status(post("/sandboxes/%s/network" % NOBODY, json.dumps({field: value}).encode(),
                              method=b"PUT"))
            assert got in (400, 403, 404), (field, value, got)


@checked("absurd numbers")
def _():
    for n in ("0", "-1", "2147483648", "4294967296", "9223372036854775807", "9223372036854775808",
              "1" + "0" * 400, "-" + "9" * 50, "1e10", "1e-400", "0.1"):
        e2b_error(post("/v2/sandboxes", b'{"templateID":"base","timeout":%s}' % n.encode()), 400)
        e2b_error(raw(b"GET /v2/sandboxes?limit=%s HTTP/1.1\r\nConnection: close\r\n%s\r\n"
                      % (n.encode(), HEAD)), 400)
    same(coppice.list_ids(), [])


@checked("strings of one MiB in every field")
def _():
    big = "a" * (1 << 20)
    for body in ({"templateID": big}, {"templateID": "base", "metadata": {"k": big}},
                 {"templateID": "base", "metadata": {big: "v"}}, {"templateID": "base", "envVars": {"K": big}},
                 {"templateID": "base", big: 1}, {"templateID": "base", "network": {"maskRequestHost": big}},
                 {"templateID": "base", "network": {"denyOut": [big]}}):
        got = status(post("/v2/sandboxes", json.dumps(body).encode()))
        assert got in (201, 400, 404, 413), (list(body)[-1][:20], got)
    for i in coppice.list_ids():
        api("DELETE", "/sandboxes/" + i)
    for body in ({"allowOut": [big]}, {"denyOut": ["1.1.1.1", big]}, {big: []}):
        e2b_error(post("/sandboxes/%s/network" % NOBODY, json.dumps(body).encode(), method=b"PUT"), 400, 404, 413)
    for path in ("/sandboxes/" + big, "/" + big, "/v2/sandboxes?metadata=" + big):
        got = status(raw(b"GET " + path.encode() + b" HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n"))
        assert got is None or 400 <= got < 500, got


@checked("bodies over the limit")
def _():
    e2b_error(post("/v2/sandboxes", b" " * (17 << 20)), 413, 400)
    # Refused from the head alone: nobody waits for what is announced.
    t0 = time.monotonic()
    answer = raw(b"POST /v2/sandboxes HTTP/1.1\r\n" + HEAD + b"Content-Length: 1099511627776\r\n\r\n")
    e2b_error(answer, 413, 400)
    assert time.monotonic() - t0 < 5
    chunks = b"POST /v2/sandboxes HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    chunks += (b"100000\r\n" + b" " * 0x100000 + b"\r\n") * 18 + b"0\r\n\r\n"
    got = status(raw(chunks))
    assert got in (413, 400, None), got


@checked("ten thousand entries, and one more than allowed")
def _():
    sbx = Sandbox()
    many = ["%d.%d.%d.%d" % (11 + i % 80, i >> 12 & 255, i >> 4 & 255, i & 15) for i in range(10000)]
    same(sbx.api("PUT", "/network", {"denyOut": many}).status, 204)
    e2b_error(post("/sandboxes/%s/network" % sbx.id, json.dumps({"denyOut": many + ["9.9.9.9"] * 90001}).encode(),
                   method=b"PUT"), 400, 413)
    same(len(sbx.api("GET").json["network"]["denyOut"]), 10000)


# --- HTTP --------------------------------------------------------------------

@checked("what is not HTTP")
def _():
    for port in (3000, 3002):
        for data in (b"\0" * 1000, b"\x16\x03\x01" + b"\xff" * 500, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                     b"G" * 70000, b"GET / HTTP/1.1\r\nA b: c\r\n\r\n", b"GET / HTTP/1.1\r\n: x\r\n\r\n",
                     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
                     b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
                     b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                     b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
                     b"GET / HTTP/1.1\r\nA: " + b"b" * 200000 + b"\r\n\r\n"):
            got = status(raw(data, port))
            assert got is None or 400 <= got <= 505, (port, data[:40], got)
    with dial(3000) as s:
        try:
            ssl.create_default_context().wrap_socket(s, server_hostname="localhost")
        except (ssl.SSLError, ConnectionError):
            pass


@checked("paths that try to climb or to break out")
def _():
    for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/sandboxes/..%2f..", "/sandboxes/%00",
                 "/sandboxes/%zz", "/sandboxes/%", "//sandboxes", "/sandboxes//", "/sandboxes/' OR 1=1",
                 "/templates/..%2F..%2Fetc", "/templates/%00", "*"):
        got = status(raw(b"GET " + path.replace(" ", "%20").encode() + b" HTTP/1.1\r\n" + HEAD +
                         b"Connection: close\r\n\r\n"))
        assert got in (400, 404, 405), (path, got)
    for name in ("../../../etc", "..", ".", "a/../b", "base\0", "ba\nse", "base;rm", "a" * 5000):
        got = api("POST", "/v2/sandboxes", {"templateID": name}).status
        assert got in (400, 404), (name[:20], got)


@checked("pipelined requests are all answered, in order")
def _():
    one = b"GET /sandboxes/%s HTTP/1.1\r\n" % NOBODY.encode() + HEAD + b"\r\n"
    last = b"GET /health HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n"
    answer = raw(one * 50 + last)
    same((answer.count(b"HTTP/1.1 404"), answer.count(b"HTTP/1.1 200")), (50, 1))
    assert answer.rindex(b"HTTP/1.1 200") > answer.rindex(b"HTTP/1.1 404")


# --- slow and idle clients ---------------------------------------------------

@checked("half requests are given up on")
def _():
    held = []
    for port in (3000, 3002):
        for data in (b"", b"GET", b"GET /health HTTP/1.1\r\nHost: 127", b"POST /v2/sandboxes HTTP/1.1\r\n" + HEAD +
                     b"Content-Length: 100\r\n\r\n{"):
            s = dial(port, 90)
            s.sendall(data)
            held.append((port, data, s))
    serves()
    for port, data, s in held:
        # The way in streams bodies: a slow one is the sandbox's affair.
        if data == b"" or (port == 3002 and data.startswith(b"POST")):
            s.close()
            continue
        t0 = time.monotonic()
        answer = drain(s)
        assert answer is not None, "port %d: %r is still held after 90 s" % (port, data[:30])
        got = status(answer)
        assert got in (None, 400, 408), (port, data[:30], got)
        s.close()
        coppice.note("port %d gave up on %r after %.0f s" % (port, data[:20], time.monotonic() - t0))


@checked("a client that sends a byte a second")
def _():
    text = b"GET /health HTTP/1.1\r\n" + HEAD + b"\r\n"
    with dial(3000, 5) as s:
        t0 = time.monotonic()
        closed = False
        for i in range(min(len(text), 45)):
            try:
                s.sendall(text[i:i + 1])
                s.settimeout(1)
                got = s.recv(100)
                closed = got == b"" or got.startswith(b"HTTP/1.1 4")
                if closed:
                    break
            except TimeoutError:
                pass
            except ConnectionError:
                closed = True
                break
        assert closed, "still there after %.0f s" % (time.monotonic() - t0)


@checked("a client that does not read")
def _():
    Sandbox()
    with dial(3000) as s:
        s.settimeout(5)
        one = b"GET /v2/sandboxes HTTP/1.1\r\n" + HEAD + b"\r\n"
        try:
            for _ in range(20000):
                s.sendall(one)
        except (TimeoutError, ConnectionError):
            pass
        serves()


@checked("a thousand idle connections")
def _():
    before = {p: coppice.descriptors(p) for p in coppice.daemons()}
    for port in (3000, 3002):
        idle = [dial(port) for _ in range(1000)]
        serves()
        sbx = Sandbox()
        same(sbx.sh("echo ok"), "ok")
        sbx.kill()
        for s in idle:
            s.close()
    assert until(lambda: all(coppice.descriptors(p) <= n + 20 for p, n in before.items()), 20), \
        "descriptors: %s, then %s" % (before, {p: coppice.descriptors(p) for p in before})


@checked("connections that come and go at once")
def _():
    for _ in range(500):
        s = dial(3000)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.sendall(b"POST /v2/sandboxes HTTP/1.1\r\n" + HEAD + b"Content-Length: 100\r\n\r\n")
        s.close()


@checked("clients that leave while their sandbox is made")
def _():
    body = b'{"templateID":"base","timeout":20}'
    for _ in range(20):
        s = dial(3000)
        s.sendall(b"POST /v2/sandboxes HTTP/1.1\r\n" + HEAD + b"Content-Type: application/json\r\n"
                  b"Content-Length: %d\r\n\r\n" % len(body) + body)
        s.close()
    # Whatever was made is listed, and can be killed.
    time.sleep(0.5)
    for i in coppice.list_ids():
        same(api("DELETE", "/sandboxes/" + i).status, 204)
    assert until(lambda: coppice.list_ids() == [], 5)


# --- envd --------------------------------------------------------------------

@checked("bad input to envd hurts nobody")
def _():
    sbx = Sandbox()
    pid = sbx.sh("cat /proc/1/stat | cut -d' ' -f1")
    same(pid, "1")
    for path in ("/process.Process/Start", "/process.Process/Connect", "/process.Process/SendInput",
                 "/filesystem.Filesystem/Stat", "/filesystem.Filesystem/ListDir", "/nothing"):
        for kind in ("application/json", "application/connect+json", "text/plain"):
            for body in (b"", b"{", b"[]", b"\0\0\0\0\0", b"\0\xff\xff\xff\xff{}", b"\2\0\0\0\2{}",
                         b"\0\0\0\0\x02{}", b"x" * 100000):
                r = sbx.way_in(coppice.ENVD_PORT, path, "POST", body, **{"Content-Type": kind})
                assert 200 <= r.status < 600, r
    for path in ("/files", "/files?path=", "/files?path=" + "a" * 8000, "/files?path=%00", "/files?path=/dev/zero/x"):
        r = sbx.way_in(coppice.ENVD_PORT, path)
        assert 400 <= r.status < 500, (path[:30], r)
    same(sbx.sh("echo ok"), "ok")
    same(sbx.api("GET").json["state"], "running")


coppice.main()
