#!/usr/bin/env python3
"""tests/api/way_in.py - requests to servers inside sandboxes, by real clients:
where servers may listen, upgrades, framing, ends, exact answers, and waking."""
import contextlib
import datetime
import hashlib
import http.client
import os
import pathlib
import socket
import struct
import subprocess
import sys
import threading
import time

os.environ.setdefault("COP_CONF", "max_sandboxes = 16\npool_slots = 4\ndomain = sandbox.example.com\naccess_log = yes")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import coppice
from coppice import WAY_IN, ENVD_PORT, NOBODY, Sandbox, case, has_ipv6, same, until

FOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"

# A server of many talents: what it does is the path it is asked for.
SERVER = r"""
import base64, hashlib, socket, struct, sys, threading
def line(f):
    return f.readline().rstrip(b"\r\n")
def body(f, h):
    if h.get("transfer-encoding") == "chunked":
        data = b""
        while True:
            n = int(line(f), 16)
            data += f.read(n)
            line(f)
            if n == 0:
                return data
    return f.read(int(h.get("content-length", 0)))
def websocket(c, f, h):
    accept = base64.b64encode(hashlib.sha1(h["sec-websocket-key"].encode()
        + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
              b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    while True:
        head = f.read(2)
        if len(head) < 2:
            return
        n = head[1] & 127
        if n == 126:
            n = struct.unpack(">H", f.read(2))[0]
        elif n == 127:
            n = struct.unpack(">Q", f.read(8))[0]
        mask = f.read(4)
        data = bytes(b ^ mask[i % 4] for i, b in enumerate(f.read(n)))
        out = bytes([head[0]])
        if n < 126:
            out += bytes([n])
        elif n < 65536:
            out += struct.pack(">BH", 126, n)
        else:
            out += struct.pack(">BQ", 127, n)
        c.sendall(out + data)
        if head[0] & 15 == 8:
            return
def answer(c, data, more=b""):
    c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(data), more, data))
def one(c):
    f = c.makefile("rb")
    while True:
        request = line(f)
        if not request:
            break
        h = {}
        raw = b""
        while True:
            s = line(f)
            if not s:
                break
            raw += s + b"\n"
            k, v = s.decode("latin-1").split(":", 1)
            h[k.strip().lower()] = v.strip()
        what = request.split()[1].decode().split("?")[0]
        if what == "/ws":
            websocket(c, f, h)
            break
        if h.get("expect") == "100-continue":
            c.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if what == "/tunnel":
            c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
            data = f.read()
            c.sendall(b"all of %d" % len(data))
            break
        data = body(f, h)
        if what == "/head":
            answer(c, request + b"\n" + raw)
        elif what == "/sum":
            answer(c, hashlib.sha256(data).hexdigest().encode())
        elif what == "/chunks":
            c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for word in (b"one ", b"two ", b"three"):
                c.sendall(b"%x\r\n%s\r\n" % (len(word), word))
            c.sendall(b"0\r\n\r\n")
        elif what == "/close":
            c.sendall(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")
            break
        elif what == "/forever":
            c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                c.sendall(b"5\r\ntick\n\r\n")
                import time; time.sleep(0.05)
        elif what == "/short":
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
            break
        else:
            answer(c, b"here " + what.encode())
    try:
        c.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    c.close()
def serve(address, port):
    v6 = ":" in address
    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if v6 and address == "::":
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((address, port))
    s.listen(64)
    def loop():
        while True:
            c, _ = s.accept()
            threading.Thread(target=one, args=(c,), daemon=True).start()
    threading.Thread(target=loop, daemon=True).start()
for arg in sys.argv[1:]:
    address, port = arg.rsplit("=", 1)
    serve(address, int(port))
print("ready", flush=True)
threading.Event().wait()
"""


def serving(sbx, *where):
    sbx.write("/tmp/server.py", SERVER)
    return sbx.start("exec python3 -u /tmp/server.py " + " ".join(where)).until(b"ready")


shared = []


def box():
    """A sandbox with a server on port 8000 of its loopback, for all."""
    if not shared or shared[0].api("GET").status != 200:
        sbx = Sandbox()
        shared[:] = [sbx, serving(sbx, "127.0.0.1=8000")]
    Sandbox.alive.pop(shared[0].id, None)  # it outlives a case
    return shared[0]


def raw(sbx, text, port=8000):
    """A connection on which this request has been sent."""
    s = socket.create_connection((WAY_IN.hostname, WAY_IN.port), timeout=20)
    s.sendall(text.replace("HOST", "Host: %d-%s.sandbox.example.com" % (port, sbx.id)).encode())
    return s


def everything(s):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while True:
            got = s.recv(65536)
            if not got:
                s.close()
                return data
            data += got
    s.close()
    return data + b" CUT"


def head_of(s):
    data = b""
    while b"\r\n\r\n" not in data:
        got = s.recv(1)
        assert got, data
        data += got
    return data


def curl(sbx, path, *args, port=8000):
    return subprocess.run(
        ["curl", "-sS", "-m", "20", *args, "-H", "Host: %d-%s.sandbox.example.com" % (port, sbx.id),
         WAY_IN.geturl() + path], check=True, capture_output=True).stdout


@case("servers on 127.0.0.1, ::1, 0.0.0.0, :: and localhost are reached")
def _():
    sbx = Sandbox()
    where = ["127.0.0.1=9001", "0.0.0.0=9002", "localhost=9003"]
    if has_ipv6():
        where += ["::1=9004", "::=9005"]
    serving(sbx, *where)
    for at in where:
        port = int(at.rsplit("=", 1)[1])
        r = sbx.way_in(port, "/x")
        same((r.status, r.raw), (200, b"here /x"), at)
    own = sbx.sh("hostname -I").split()
    c = serving(sbx, *["%s=%d" % (a, 9010 + i) for i, a in enumerate(own)])
    for i, a in enumerate(own):
        same(sbx.way_in(9010 + i, "/own").raw, b"here /own", a)
    c.close()


@case("WebSocket: echo of frames of all lengths, pings and the closing one")
def _():
    s = raw(box(), "GET /ws HTTP/1.1\r\nHOST\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    head = head_of(s)
    assert head.startswith(b"HTTP/1.1 101 "), head
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head, head
    f = s.makefile("rb")

    def echo(opcode, data):
        mask = os.urandom(4)
        n = len(data)
        size = bytes([128 | n]) if n < 126 else struct.pack(">BH", 254, n) if n < 65536 else struct.pack(">BQ", 255, n)
        masked = bytes(b ^ mask[i % 4] for i, b in enumerate(data))
        threading.Thread(target=s.sendall, args=(bytes([128 | opcode]) + size + mask + masked,)).start()
        first, n = f.read(2)
        if n == 126:
            n, = struct.unpack(">H", f.read(2))
        elif n == 127:
            n, = struct.unpack(">Q", f.read(8))
        same((first & 15, f.read(n)), (opcode, data))
    for opcode, data in ((1, b"hello"), (2, os.urandom(200)), (9, b"ping"), (2, os.urandom(70000)),
                         (2, os.urandom(500000)), (8, b"\x03\xe8bye")):
        echo(opcode, data)
    same(f.read(), b"")


@case("a tunnel: the client has said all, and the answer still comes")
def _():
    s = raw(box(), "GET /tunnel HTTP/1.1\r\nHOST\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + 1000 * "x")
    s.shutdown(socket.SHUT_WR)
    got = everything(s)
    assert got.startswith(b"HTTP/1.1 101 ") and got.endswith(b"\r\n\r\nall of 1000"), got


@case("a client that half-closes behind its request gets the answer")
def _():
    s = raw(box(), "GET /half HTTP/1.1\r\nHOST\r\n\r\n")
    s.shutdown(socket.SHUT_WR)
    assert everything(s).endswith(b"\r\n\r\nhere /half")


@case("curl: HTTP/1.0, 100-continue, chunked both ways, until the end")
def _():
    sbx = box()
    data = os.urandom(3_000_000)
    path = pathlib.Path(os.environ["COP_STATE"], "body")
    path.write_bytes(data)
    want = hashlib.sha256(data).hexdigest().encode()
    same(curl(sbx, "/old", "-0"), b"here /old")
    same(curl(sbx, "/chunks", "-0"), b"one two three")
    same(curl(sbx, "/chunks"), b"one two three")
    same(curl(sbx, "/close"), b"until the end")
    same(curl(sbx, "/sum", "-T", str(path), "-H", "Expect: 100-continue", "--expect100-timeout", "10"), want)
    same(curl(sbx, "/sum", "-X", "POST", "-H", "Transfer-Encoding: chunked", "--data-binary", "@" + str(path)), want)
    # It is the server inside that says to go on, not the proxy.
    s = raw(sbx, "PUT /sum HTTP/1.1\r\nHOST\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    same(head_of(s), b"HTTP/1.1 100 Continue\r\n\r\n")
    s.sendall(b"abc")
    assert head_of(s).startswith(b"HTTP/1.1 200 "), "no answer"
    s.close()


@case("what reaches the server: the Host that it may see, no tokens, no hop's headers")
def _():
    sbx = Sandbox(network={"allowPublicTraffic": False, "maskRequestHost": "app.test:${PORT}"})
    serving(sbx, "127.0.0.1=8000")
    token = sbx.answer["trafficAccessToken"]
    r = sbx.way_in(8000, "/head")
    same((r.status, r.headers["Content-Type"]), (403, "application/json; charset=utf-8"))
    same(r.json, {"sandboxId": sbx.id, "code": 403, "message": "Sandbox is secured with traffic access token. "
                  "Token header 'e2b-traffic-access-token' is missing"})
    r = sbx.way_in(8000, "/head", **{"e2b-traffic-access-token": token[:-1]})
    same(r.json, {"sandboxId": sbx.id, "code": 403, "message": "Sandbox is secured with traffic access token. "
                  "Provided token in header 'e2b-traffic-access-token' is invalid"})
    r = sbx.way_in(8000, "/head?q=%20", **{"E2B-Traffic-Access-Token": token, "Connection": "x-hop, close",
                                            "X-Hop": "1", "X-Coppice-Init": "x", "X-Kept": "a:b"})
    same(r.status, 200)
    text = r.raw.decode()
    assert text.startswith("GET /head?q=%20 HTTP/1.1\n"), text
    assert "Host: app.test:8000\n" in text and "X-Kept: a:b\n" in text, text
    for gone in (token, "x-hop", "x-coppice-init", WAY_IN.netloc):
        assert gone not in text.lower(), text


@case("answers of the way in, word for word, and pages for browsers")
def _():
    sbx = box()
    closed = {"sandboxId": sbx.id, "message": "The sandbox is running but port is not open", "port": 81, "code": 502}
    r = sbx.way_in(81)
    same((r.status, r.headers["Content-Type"], r.json), (502, "application/json; charset=utf-8", closed))
    for headers, html in (({}, True), ({"Accept": "application/json"}, False), ({"Sec-Fetch-Mode": "cors"}, False),
                          ({"X-Requested-With": "XMLHttpRequest"}, False),
                          ({"Sec-Fetch-Mode": "navigate", "Accept": "application/json"}, True)):
        r = sbx.way_in(81, **{"User-Agent": FOX, **headers})
        same((r.status, r.headers["Content-Type"].startswith("text/html")), (502, html), str(headers))
        assert (closed["message"] + "<" in r.raw.decode()) == html, r
    r = coppice.send(WAY_IN, "GET", "/health", headers={"E2b-Sandbox-Id": NOBODY, "E2b-Sandbox-Port": "49983"})
    same((r.status, r.json), (502, {"sandboxId": NOBODY, "message": "The sandbox was not found", "code": 502}))
    for headers in ({"E2b-Sandbox-Id": sbx.id}, {"E2b-Sandbox-Port": "80"}, {"Host": "nothing"}, {"Host": "x.y"},
                    {"Host": "0-%s.x" % sbx.id}, {"Host": "70000-%s.x" % sbx.id}, {"Host": "80-%s.x" % sbx.id.upper()},
                    {"E2b-Sandbox-Id": sbx.id, "E2b-Sandbox-Port": "8o"}):
        same(coppice.send(WAY_IN, "GET", "/", headers=headers).status, 400, str(headers))
    # Headers count only where the host's own name says nothing.
    r = coppice.send(WAY_IN, "GET", "/x", headers={"Host": "8000-%s.any.where" % sbx.id, "E2b-Sandbox-Id": NOBODY,
                                                   "E2b-Sandbox-Port": "1"})
    same((r.status, r.raw), (200, b"here /x"))
    same(coppice.send(WAY_IN, "GET", "/x", headers={"Host": "8000-%s-of-mine.any.where" % sbx.id}).raw, b"here /x")


def log_lines(text):
    return [line for line in pathlib.Path(coppice.STATE, "log").read_text().splitlines() if " access " in line and text in line]


@case("the log of requests: what was asked and answered, and no secrets; on and off by SIGHUP")
def _():
    sbx = box()
    same(sbx.way_in(8000, "/logged/a%20b?token=hush", **{"X-Access-Token": "hush"}).status, 200)
    line, = until(lambda: log_lines("/logged/"))  # it's written when all has been sent
    for part in (" method=GET host=127.0.0.1:3002 id=%s port=8000 path=/logged/a%%20b status=200 bytes=" % sbx.id, " ms="):
        assert part in line, line
    assert "hush" not in pathlib.Path(coppice.STATE, "log").read_text()
    sbx.way_in(81, "/closed", "POST")
    assert until(lambda: [x for x in log_lines("path=/closed") if " method=POST " in x and " status=502 " in x])
    coppice.send(WAY_IN, "GET", "/nowhere", headers={"Host": 'a"b=c\xe9'})
    assert until(lambda: log_lines("/nowhere"))
    assert " host=a%22b%3Dc%E9 id=- port=0 path=/nowhere status=400 " in log_lines("/nowhere")[0], log_lines("/nowhere")
    s = raw(sbx, "GET /forever HTTP/1.1\r\nHOST\r\n\r\n")
    head_of(s)
    s.close()
    assert until(lambda: log_lines("path=/forever status=200"))
    conf = pathlib.Path(coppice.STATE, "coppiced.conf")
    text, daemons = conf.read_text(), coppice.daemons()
    pid = int(pathlib.Path(coppice.STATE, "pid").read_text())
    conf.write_text(text.replace("access_log = yes", "access_log = no"))
    os.kill(pid, 1)
    seen = []

    def quiet():
        seen.append("/quiet%d" % len(seen))
        sbx.way_in(8000, seen[-1])
        time.sleep(0.05)
        return not log_lines(seen[-1])
    assert until(quiet)
    conf.write_text(text)
    os.kill(pid, 1)
    assert until(lambda: not quiet())
    same(coppice.daemons(), daemons)


@case("paths of envd that are not for outside, however they are written")
def _():
    sbx = box()
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        for path in ("/init", "/freeze", "/unfreeze", "/collapse", "/fsfreeze", "/fsthaw", "/upgrade", "/start", "/logs"):
            r = sbx.way_in(ENVD_PORT, path, method)
            same((r.status, r.headers["Content-Type"]), (404, "application/json; charset=utf-8"), method + path)
            same({k: r.json[k] for k in ("path", "code")}, {"path": path, "code": 404})
            assert r.json["message"], r
    for path in ("//init", "/init/", "/x/../init", "/%2e%2e/init", "/%69nit", "/INIT", "/./start?x", "/%2flogs",
                 "/x%2f..%2Fstart/", "/%256cogs", "/logs;a", "/init%00", "http://127.0.0.1/init"):
        same(sbx.way_in(ENVD_PORT, path, "POST").status, 404, path)
        assert b'"path"' in sbx.way_in(ENVD_PORT, path).raw, path
    same(sbx.way_in(ENVD_PORT, "/health").status, 204)
    same(sbx.way_in(8000, "/init").raw, b"here /init")


@case("a server that stops short, and a sandbox that is killed: the end is not a clean one")
def _():
    sbx = Sandbox()
    serving(sbx, "127.0.0.1=8000")
    got = everything(raw(sbx, "GET /short HTTP/1.1\r\nHOST\r\n\r\n"))
    assert got.endswith(b"short CUT"), got
    open_ = [raw(sbx, "GET /forever HTTP/1.1\r\nHOST\r\n\r\n"),
             raw(sbx, "GET /ws HTTP/1.1\r\nHOST\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: x\r\n\r\n")]
    for s in open_:
        head_of(s)
    follow = sbx.start("while :; do echo x; sleep 0.1; done")
    same(sbx.kill(), 204)
    for s in open_:
        got = everything(s)
        assert got.endswith(b"CUT") and b"0\r\n\r\n" not in got, got[-50:]
    try:
        follow.wait()
        raise AssertionError("the command's stream ended as if all were well")
    except (http.client.IncompleteRead, ConnectionError):
        pass
    r = sbx.way_in(ENVD_PORT, "/health")
    same((r.status, r.json["message"]), (502, "The sandbox was not found"))


@case("a sandbox that dies by itself is cut off, too")
def _():
    sbx = Sandbox()
    serving(sbx, "127.0.0.1=8000")
    s = raw(sbx, "GET /forever HTTP/1.1\r\nHOST\r\n\r\n")
    head_of(s)
    # Its first process is the one whose host name it is.
    for pid, name in coppice.processes().items():
        if name.startswith("envd"):
            with contextlib.suppress(OSError):
                if subprocess.run(["nsenter", "-t", str(pid), "-u", "hostname"], capture_output=True,
                                          text=True).stdout.strip() == sbx.id:
                    os.kill(pid, 9)
    assert everything(s).endswith(b"CUT")
    assert until(lambda: sbx.api("GET").status == 404)
    Sandbox.alive.pop(sbx.id, None)


def end_of(sbx):
    text = sbx.api("GET").json["endAt"]
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


@case("a paused sandbox with autoResume is woken by requests, once, for its first timeout")
def _():
    sbx = Sandbox(timeout=120, autoPause=True, autoResume={"enabled": True})
    serving(sbx, "127.0.0.1=8000")
    same(sbx.api("POST", "/timeout", {"timeout": 3000}).status, 204)
    same(sbx.api("POST", "/pause").status, 204)
    same(sbx.api("GET").json["state"], "paused")
    # Those that may not do not wake it.
    r = coppice.send(WAY_IN, "GET", "/health", headers={"E2b-Sandbox-Id": sbx.id, "E2b-Sandbox-Port": "49983"})
    same((r.status, r.json["code"], r.json["sandboxId"]), (403, 403, sbx.id))
    same(sbx.way_in(ENVD_PORT, "/init", "POST").status, 404)
    same(sbx.api("GET").json["state"], "paused")
    got = []

    def ask():
        got.append(sbx.way_in(8000, "/awake").raw)
    threads = [threading.Thread(target=ask) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    same(got, 20 * [b"here /awake"])
    same(sbx.api("GET").json["state"], "running")
    left = end_of(sbx) - time.time()
    assert 100 < left < 125, left
    resumed = [line for line in sbx.api("GET", "/logs").json["logs"] if "resumed" in line["line"]]
    same(len(resumed), 1)
    # By its daemon's port, with the token; an upload comes through whole.
    same(sbx.api("POST", "/pause").status, 204)
    sbx.write("/tmp/while-asleep", 100_000 * b"z")
    same(sbx.sh("wc -c </tmp/while-asleep"), "100000")
    same(sbx.api("POST", "/pause").status, 204)
    assert sbx.way_in(81).json["port"] == 81  # woken, and nobody listens
    same(sbx.api("GET").json["state"], "running")


@case("requests while it is being paused, and pauses while requests come")
def _():
    sbx = Sandbox(timeout=300, autoPause=True, autoResume={"enabled": True})
    serving(sbx, "127.0.0.1=8000")
    over = threading.Event()
    bad, n = [], [0]

    def ask():
        while not over.is_set():
            r = sbx.way_in(8000, "/x")
            n[0] += 1
            if r.raw != b"here /x":
                bad.append(r)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for t in threads:
        t.start()
    pauses = []
    for _ in range(20):
        pauses.append(sbx.api("POST", "/pause").status)
        # Those that are inside by now are frozen with it, until the next comes.
        same(sbx.way_in(8000, "/x").raw, b"here /x")
    over.set()
    for t in threads:
        t.join()
    same(bad, [])
    assert pauses.count(204) > 5 and set(pauses) <= {204, 409}, pauses
    coppice.note("%d requests through %d pauses" % (n[0], pauses.count(204)))


@case("without autoResume, or paused without its memory, it sleeps on: 502")
def _():
    plain = Sandbox()
    deep = Sandbox(autoPause=True, autoResume={"enabled": True})
    same(plain.api("POST", "/pause").status, 204)
    same(deep.api("POST", "/pause", {"memory": False}).status, 204)
    for sbx in (plain, deep):
        for port in (ENVD_PORT, 8000):
            r = sbx.way_in(port, "/health")
            same((r.status, r.json), (502, {"sandboxId": sbx.id, "message": "The sandbox was not found", "code": 502}))
        same(sbx.api("GET").json["state"], "paused")


@case("of private traffic only its token wakes")
def _():
    sbx = Sandbox(autoPause=True, autoResume={"enabled": True}, network={"allowPublicTraffic": False})
    serving(sbx, "127.0.0.1=8000")
    same(sbx.api("POST", "/pause").status, 204)
    same(sbx.way_in(8000).status, 403)
    same(sbx.way_in(8000, **{"e2b-traffic-access-token": "x"}).status, 403)
    same(sbx.api("GET").json["state"], "paused")
    r = sbx.way_in(8000, "/y", **{"e2b-traffic-access-token": sbx.answer["trafficAccessToken"]})
    same(r.raw, b"here /y")


@case("the daemon dies while requests wait to wake a sandbox")
def _():
    sbx = Sandbox(timeout=300, autoPause=True, autoResume={"enabled": True})
    serving(sbx, "127.0.0.1=8000")
    same(sbx.api("POST", "/pause").status, 204)
    for pid, name in coppice.daemons().items():
        if name == "coppice-apid":
            os.kill(pid, 9)
    same(sbx.way_in(8000, "/after", timeout=40).raw, b"here /after")
    assert until(coppice.answers, 15)


coppice.main()
