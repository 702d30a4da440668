#!/usr/bin/env python3
"""envd_http.py - envd by plain HTTP: what SDKs rely on and never say.

Run by envd_inside.sh.  Needs nothing but Python; ends with "N passed, M failed".
"""
import base64
import gzip
import hashlib
import http.client
import json
import os
import socket
import struct
import sys
import threading
import time
import traceback
import urllib.parse

import envd_behind as behind
from envd_behind import ADDR

SECRET = os.environ["ENVD_SECRET"]
passed = failed = 0
token = None


def check(ok, what):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print(f"# FAILED: {what}")


def eq(a, b, what):
    check(a == b, f"{what}: {a!r} is not {b!r}")


def req(method, path, body=None, headers=None, auth=True):
    h = dict(headers or {})
    if token and auth:
        h.setdefault("X-Access-Token", token)
    c = http.client.HTTPConnection(*ADDR, timeout=20)
    c.request(method, path, body, h)
    r = c.getresponse()
    data = r.read()
    c.close()
    return r.status, {k.lower(): v for k, v in r.getheaders()}, data


def init(**kw):
    global token
    st, _, body = req("POST", "/init", json.dumps(kw), {"X-Coppice-Init": SECRET})
    if st == 204:
        token = kw.get("accessToken")
    return st, body


def basic(user):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:".encode()).decode()}


def unary(path, msg, headers=None):
    h = {"Content-Type": "application/json", **(headers or {})}
    st, _, body = req("POST", path, json.dumps(msg) if not isinstance(msg, bytes) else msg, h)
    return st, json.loads(body or b"null")


def envelope(msg, flags=0):
    b = msg if isinstance(msg, bytes) else json.dumps(msg).encode()
    return bytes([flags]) + struct.pack(">I", len(b)) + b


def envelopes(data):
    out = []
    while data:
        n = struct.unpack(">I", data[1:5])[0]
        out.append((data[0], json.loads(data[5:5 + n])))
        data = data[5 + n:]
    return out


def stream(path, msg, headers=None, raw=False):
    h = {"Content-Type": "application/connect+json", **(headers or {})}
    st, hd, body = req("POST", path, msg if raw else envelope(msg), h)
    eq(st, 200, f"{path} status")
    eq(hd.get("content-type"), "application/connect+json", "stream type")
    return envelopes(body)


class Live:
    """A stream that is read as it comes."""

    def __init__(self, path, msg, headers=None):
        self.c = http.client.HTTPConnection(*ADDR, timeout=20)
        h = {"Content-Type": "application/connect+json", **(headers or {})}
        if token:
            h["X-Access-Token"] = token
        self.c.request("POST", path, envelope(msg), h)
        self.r = self.c.getresponse()

    def next(self):
        head = self.r.read(5)
        return head[0], json.loads(self.r.read(struct.unpack(">I", head[1:])[0]))

    def rest(self):
        return envelopes(self.r.read())

    def close(self):
        self.r.close()
        self.c.close()


def start(cmd, *args, headers=None, **kw):
    process = {"cmd": cmd, "args": list(args), **kw.pop("process", {})}
    return Live("/process.Process/Start", {"process": process, **kw}, headers)


def run(script, **kw):
    ev = start("/bin/sh", "-c", script, **kw).rest()
    out = b"".join(base64.b64decode(e["event"]["data"].get("stdout", "")) for _, e in ev
                   if "data" in e.get("event", {}))
    return out.decode(), ev


behind.shell = lambda script: run(script, headers=basic("root"))[0]


def test_http():
    st, h, b = req("GET", "/health")
    eq((st, b, h["cache-control"]), (204, b"", "no-store"), "health")
    eq(req("GET", "/nothing")[0], 404, "unknown path")
    eq(req("DELETE", "/health")[0], 405, "wrong method")
    st, h, _ = req("GET", "/process.Process/List")
    eq((st, h["allow"]), (405, "POST"), "GET of an rpc")
    for path, good in (("List", "application/json, application/json; charset=utf-8, application/proto"),
                       ("Start", "application/connect+json, application/connect+json; charset=utf-8, "
                        "application/connect+proto")):
        for bad in "application/xml", "application/json; charset=latin1", "application/grpc", "":
            st, h, _ = req("POST", "/process.Process/" + path, b"{}", {"Content-Type": bad})
            eq((st, h["accept-post"]), (415, good), f"{path} of {bad}")
    eq(req("HEAD", "/files?path=/etc/passwd")[0], 405, "HEAD of files")
    st, h, _ = req("OPTIONS", "/files", headers={"Origin": "http://x",
                   "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-a"})
    eq((st, h["access-control-allow-origin"], h["access-control-allow-methods"],
        h["access-control-allow-headers"], h["access-control-max-age"]),
       (204, "*", "POST", "x-a", "7200"), "preflight")
    st, h, _ = req("GET", "/health", headers={"Origin": "http://x"})
    eq((h["access-control-allow-origin"], h["vary"]), ("*", "Origin"), "CORS")
    for path in "/health", "/files?path=/etc/passwd", "/nothing":
        eq(req("GET", path, headers=basic("nobodyhere"))[0], 401, f"unknown user: {path}")
    ev = stream("/process.Process/Start", {}, basic("nobodyhere"))
    eq(ev[0][1]["error"]["code"], "unauthenticated", "unknown user of a stream")
    m = json.loads(req("GET", "/metrics")[2])
    eq((m["cpu_count"], m["mem_total"], m["disk_total"]), (2, 512 << 20, 1 << 30), "metrics")


def test_init():
    eq(req("POST", "/init", "{}")[0], 401, "init without the secret")
    eq(req("POST", "/init", "{}", {"X-Coppice-Init": SECRET[:-1] + "x"})[0], 401, "wrong secret")
    eq(init(accessToken="")[0], 400, "empty token")
    eq(init(accessToken="a\\b")[0], 400, "backslash")
    eq(init(envVars={"A": 1})[0], 400, "number as variable")
    eq(init(timestamp="yesterday")[0], 400, "no time")
    eq(init(envVars={"A": "1", "E2B_SANDBOX": "no"}, defaultUser="user", defaultWorkdir="/tmp",
            timestamp="2026-01-02T00:00:00.5Z", hyperloopIP="1.2.3.4", volumeMounts=[])[0], 204, "init")
    e = json.loads(req("GET", "/envs")[2])
    eq((e["A"], e["E2B_SANDBOX"]), ("1", "true"), "envs")
    init(envVars={"A": "2"}, timestamp="2026-01-01T23:00:00-02:00")
    eq(json.loads(req("GET", "/envs")[2])["A"], "2", "newer by its zone")
    init(envVars={"A": "3"}, timestamp="2026-01-01T00:00:00Z")
    eq(json.loads(req("GET", "/envs")[2])["A"], "2", "older is ignored")
    eq(run("pwd; id -un")[0], "/tmp\nuser\n", "defaults")
    pem = "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"
    for i in range(2):
        eq(init(caBundle=pem, timestamp="2027-01-01T00:00:00Z")[0], 204, "certificates")
    eq(behind.read("/etc/ssl/certs/ca-certificates.crt").count(pem), 1, "certificates once")


def test_token():
    eq(init(accessToken="tok", timestamp="2028-01-01T00:00:00Z")[0], 204, "token")
    for path in "/envs", "/metrics":
        eq(req("GET", path, auth=False)[0], 401, f"{path} without a token")
    eq(req("GET", "/health", auth=False)[0], 204, "health needs none")
    st, _, b = req("POST", "/process.Process/List", "{}", {"Content-Type": "application/json"}, auth=False)
    eq((st, json.loads(b)["code"]), (401, 401), "rpc without a token")
    eq(req("POST", "/files/compose", "{}", auth=False)[0], 401, "compose without a token")
    sig_tests()
    init(timestamp="2028-01-02T00:00:00Z")
    eq(req("GET", "/envs", auth=False)[0], 200, "token cleared")


def sign(path, op, user, until=None):
    text = ":".join([path, op, user, "tok"] + ([str(until)] if until is not None else []))
    return "v1_" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def sig_tests():
    def get(headers=None, **q):
        st, _, b = req("GET", "/files?" + urllib.parse.urlencode(q), headers=headers, auth=False)
        return st, (json.loads(b)["message"] if st >= 400 else b)
    req("POST", "/files?path=/home/user/s+p.txt", "x", {"Content-Type": "application/octet-stream"})
    later = int(time.time()) + 100
    eq(get(path="s p.txt", username="user", signature=sign("s p.txt", "read", "user"))[0], 200, "signed")
    eq(get(path="s p.txt", username="user", signature=sign("s p.txt", "read", "user", later),
           signature_expiration=later)[0], 200, "signed for a while")
    eq(get(path="s p.txt", username="user", signature=sign("s p.txt", "read", "user", 100),
           signature_expiration=100), (401, "signature is already expired"), "expired")
    eq(get(path="s p.txt", username="user", signature=sign("s p.txt", "write", "user")),
       (401, "invalid signature"), "other operation")
    eq(get(path="s p.txt")[0], 401, "unsigned")
    eq(get(path="s p.txt", signature="x", signature_expiration="soon")[0], 400, "no number")
    eq(get({"X-Access-Token": "no"}, path="s p.txt", username="user",
           signature=sign("s p.txt", "read", "user"))[0], 401, "a wrong token beats a signature")
    body = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"up.txt\"\r\n\r\nx\r\n--b--\r\n"
    q = urllib.parse.urlencode({"username": "user", "signature": sign("", "write", "user")})
    st, _, b = req("POST", "/files?" + q, body, {"Content-Type": "multipart/form-data; boundary=b"}, auth=False)
    eq((st, json.loads(b)), (200, [{"name": "up.txt", "path": "/home/user/up.txt", "type": "file"}]),
       "signed upload without a path")


OCTET = {"Content-Type": "application/octet-stream"}


def put(path, data, headers=None, **q):
    q = urllib.parse.urlencode({"path": path, **q})
    st, _, b = req("POST", "/files?" + q, data, {**OCTET, **(headers or {})})
    return st, json.loads(b)


def get(path, headers=None, **q):
    return req("GET", "/files?" + urllib.parse.urlencode({"path": path, **q}), headers=headers)


def test_download():
    put("/d/r.bin", bytes(range(100)))
    def r(rng, **h):
        return get("/d/r.bin", {"Range": rng, **h})
    st, h, b = r("bytes=10-19")
    eq((st, h["content-range"], b), (206, "bytes 10-19/100", bytes(range(10, 20))), "range")
    st, h, b = r("bytes=-5")
    eq((st, b), (206, bytes(range(95, 100))), "suffix")
    st, h, b = r("bytes=0-1,50-51,-1")
    bound = h["content-type"].split("boundary=")[1].encode()
    parts = b.split(b"--" + bound)
    check(st == 206 and len(parts) == 5 and b"bytes 50-51/100\r\n" in parts[2] and
          parts[2].endswith(b"\r\n\r\n\x32\x33\r\n") and len(b) == int(h["content-length"]), "ranges")
    st, h, _ = r("bytes=200-")
    eq((st, h["content-range"]), (416, "bytes */100"), "beyond")
    st, h, b = get("/d/r.bin")
    eq((st, h["accept-ranges"], h["content-length"], h["vary"], h["content-disposition"]),
       (200, "bytes", "100", "Accept-Encoding" if "," not in h["vary"] else h["vary"],
        "inline; filename=r.bin"), "whole")
    lm = h["last-modified"]
    eq(get("/d/r.bin", {"If-Modified-Since": lm})[0], 304, "not modified")
    eq(get("/d/r.bin", {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"})[0], 412, "modified")
    eq(r("bytes=0-0", **{"If-Range": lm})[0], 206, "If-Range")
    eq(r("bytes=0-0", **{"If-Range": "Thu, 01 Jan 1970 00:00:00 GMT"})[0], 200, "If-Range, other")
    st, h, b = get("/d/r.bin", {"Accept-Encoding": "gzip, identity;q=0"})
    eq((st, h.get("content-encoding"), gzip.decompress(b)), (200, "gzip", bytes(range(100))), "packed")
    eq(r("bytes=0-0", **{"Accept-Encoding": "gzip, identity;q=0"})[0], 406, "range of packed")
    eq(get("/d/r.bin", {"Accept-Encoding": "*;q=0"})[0], 406, "nothing accepted")
    st, _, b = get("/d/none")
    eq((st, json.loads(b)), (404, {"code": 404, "message": "path '/d/none' does not exist"}), "missing")
    st, _, b = get("/d")
    eq((st, json.loads(b)["message"]), (400, "path '/d' is a directory"), "directory")
    eq(get("~root/x")[0], 400, "~root")
    eq(get("x", username="nobodyhere")[0], 401, "unknown user")
    eq(get("/dev/zero")[0], 400, "device")
    if behind.linux():
        check(b"MemTotal" in get("/proc/meminfo")[2], "/proc has sizes of 0")
    big = os.urandom(5_000_000)
    eq(put("/d/big", big)[0], 200, "big upload")
    check(get("/d/big")[2] == big, "big download")
    st, h, b = get("/d/big", {"Accept-Encoding": "gzip, identity;q=0"})
    check(gzip.decompress(b) == big, "big and packed")


def test_upload():
    eq(put("new/dir/f", "x", username="user"),
       (200, [{"name": "f", "path": "/home/user/new/dir/f", "type": "file"}]), "parents")
    s = behind.look("/home/user/new")
    eq((s.st_uid, s.st_gid, s.st_mode & 0o7777), (1000, 1000, 0o755), "owner of the parent")
    s = behind.look("/home/user/new/dir/f")
    eq((s.st_uid, s.st_mode & 0o7777), (1000, 0o644), "owner of the file")
    behind.chmod("/home/user/new/dir/f", 0o751)
    put("new/dir/f", "yy", username="root")
    s = behind.look("/root")
    put("/home/user/new/dir/f", "", username="root")
    s = behind.look("/home/user/new/dir/f")
    eq((s.st_uid, s.st_mode & 0o7777, s.st_size), (0, 0o751, 0), "chown, mode kept")
    eq(put("", "x")[0], 400, "empty path is a directory")
    eq(put("/home", "x")[0], 400, "directory")
    eq(put("/etc/passwd/x", "x")[0], 500, "below a file")
    eq(req("POST", "/files", "x", OCTET)[0], 400, "no path")
    eq(req("POST", "/files?path=x", "x", {"Content-Type": "text/plain"})[0], 400, "type")
    eq(put("z", gzip.compress(b"packed" * 1000), {"Content-Encoding": "gzip"})[0], 200, "packed")
    eq(get("z")[2], b"packed" * 1000, "unpacked")
    eq(put("z", b"notgzip", {"Content-Encoding": "gzip"})[0], 400, "not packed")
    eq(put("z", gzip.compress(os.urandom(1000))[:-9], {"Content-Encoding": "gzip"})[0], 500, "cut short")
    eq(put("z", b"x", {"Content-Encoding": "br"})[0], 400, "other coding")
    st, b = put("m", "x", {"X-Metadata-Color": "blue", "X-Metadata-b": "1"})
    if "metadata" in b[0]:
        eq(b[0]["metadata"], {"color": "blue", "b": "1"}, "metadata")
        check("metadata" not in put("m", "x")[1][0], "metadata cleared")
    eq(put("m", "x", {"X-Metadata-" + "k" * 247: "v"})[0], 400, "long key")
    eq(put("m", "x", {"X-Metadata-k": "v" * 4096})[0], 400, "too much metadata")
    eq(put("m", "x", {"X-Metadata-k": "v\xfc"})[0], 400, "not ASCII")

    def multi(parts, q="", end=True):
        b = b""
        for disp, data in parts:
            b += b"--B\r\nContent-Disposition: form-data; " + disp + b"\r\n\r\n" + data + b"\r\n"
        st, _, r = req("POST", "/files" + q, b + (b"--B--\r\n" if end else b""),
                       {"Content-Type": "multipart/form-data; boundary=B"})
        return st, json.loads(r)
    st, r = multi([(b'name="file"; filename="/mp/a/1"', b"one"), (b'name="other"', b"x"),
                   (b'name="file"; filename="mp2"', b"--B\r\nx")])
    eq((st, [x["path"] for x in r]), (200, ["/mp/a/1", "/home/user/mp2"]), "several parts")
    eq(get("mp2")[2], b"--B\r\nx", "content like a boundary")
    eq(multi([(b'name="file"', b"x")])[0], 400, "no name at all")
    eq(multi([(b'name="file"', b"x")], "?path=/mp/b")[0], 200, "form field with a path")
    eq(multi([(b'name="file"; filename="/mp/c"', b"x")] * 2)[0], 400, "twice the same")
    eq(get("/mp/c")[2], b"x", "the first stays")
    eq(multi([(b'name="file"; filename="/mp/d"', b"x")], end=False)[0], 500, "broken")
    c = socket.create_connection(ADDR)
    c.sendall(b"POST /files?path=/chunked HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\n"
              b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    time.sleep(0.05)
    c.sendall(b"3\r\ndef\r\n0\r\n\r\n")
    check(b"200 OK" in c.recv(1000), "chunked upload")
    c.close()
    eq(get("/chunked")[2], b"abcdef", "chunked content")
    ts = [threading.Thread(target=put, args=(f"/par/x/y/{i}", str(i))) for i in range(20)]
    [t.start() for t in ts]
    [t.join() for t in ts]
    eq(len(behind.listdir("/par/x/y")), 20, "concurrent parents")
    behind.makedirs("/small")
    run("mount -t tmpfs -o size=64k tmpfs /small", headers=basic("root"))
    st, r = put("/small/f", b"x" * 200000)
    eq((st, r["message"]), (507, "attempted to write 200000 bytes: not enough disk space available"), "full")
    st, r = put("/small/f", gzip.compress(b"x" * 200000), {"Content-Encoding": "gzip"})
    eq(st, 507, "found full on the way")
    st, _, b = req("POST", "/files/compose", json.dumps(
        {"source_paths": ["/mp/a/1", "/chunked"], "destination": "/comp/all", "username": "user"}))
    eq((st, json.loads(b)["path"], get("/comp/all")[2]), (200, "/comp/all", b"oneabcdef"), "compose")
    check(not behind.exists("/mp/a/1"), "sources go")
    eq(req("POST", "/files/compose", json.dumps(
        {"source_paths": ["/none"], "destination": "/c"}))[0], 404, "compose of nothing")


FS = "/filesystem.Filesystem/"


def test_filesystem():
    h = basic("user")
    st, r = unary(FS + "MakeDir", {"path": "fs/a"}, h)
    eq((st, r["entry"]["path"], r["entry"]["type"], r["entry"]["owner"], r["entry"]["permissions"],
        r["entry"]["mode"]), (200, "/home/user/fs/a", "FILE_TYPE_DIRECTORY", "user", "drwxr-xr-x", 0o755), "mkdir")
    eq(unary(FS + "MakeDir", {"path": "fs/a"}, h)[1]["code"], "already_exists", "mkdir again")
    put("/home/user/fs/f", "x")
    eq(unary(FS + "MakeDir", {"path": "fs/f"}, h)[1]["code"], "invalid_argument", "mkdir over a file")
    eq(unary(FS + "MakeDir", {"path": "fs/f/x"}, h)[1]["code"], "internal", "mkdir below a file")
    eq(unary(FS + "Stat", {"path": "none"}, h), (404, {"code": "not_found",
       "message": "file not found: /home/user/none"}), "stat nothing")
    eq(unary(FS + "Stat", {"path": "~x"}, h)[1]["code"], "invalid_argument", "~x")
    eq(unary(FS + "Stat", {"path": 5}, h)[1]["code"], "invalid_argument", "a number")
    eq(unary(FS + "Stat", b"", h)[1]["code"], "invalid_argument", "an empty body")
    eq(unary(FS + "Stat", b"[]", h)[1]["code"], "invalid_argument", "a list")
    eq(unary(FS + "Stat", {"path": "/tmp"})[1]["entry"]["permissions"], "dtrwxrwxrwx", "sticky")
    run("ln -s fs /home/user/l; ln -s l2 /home/user/l2; mkfifo /home/user/ff; ln -s none /home/user/dl")
    e = unary(FS + "Stat", {"path": "l"}, h)[1]["entry"]
    eq((e["type"], e["symlinkTarget"], e["permissions"][0]), ("FILE_TYPE_DIRECTORY", "/home/user/fs", "L"), "link")
    e = unary(FS + "Stat", {"path": "dl"}, h)[1]["entry"]
    check("type" not in e and "mode" not in e and e["symlinkTarget"] == "/home/user/dl", "dangling")
    e = unary(FS + "Stat", {"path": "ff"}, h)[1]["entry"]
    check("type" not in e and e["permissions"] == "prw-r--r--", "fifo")
    st, r = unary(FS + "ListDir", {"path": "l", "depth": 2}, h)
    eq([x["path"] for x in r["entries"]], ["/home/user/l/a", "/home/user/l/f"], "list through a link")
    put("/home/user/fs/a/z", "")
    put("/home/user/fs/a-b", "")
    st, r = unary(FS + "ListDir", {"path": "fs", "depth": 3}, h)
    eq([x["path"][14:] for x in r["entries"]], ["a", "a/z", "a-b", "f"], "order")
    check("size" not in r["entries"][1], "zero is left out")
    eq(unary(FS + "ListDir", {"path": "fs/a-b"}, h)[1]["code"], "invalid_argument", "list a file")
    eq(unary(FS + "ListDir", {"path": "none"}, h)[1]["code"], "not_found", "list nothing")
    eq(unary(FS + "ListDir", {"path": "l2"}, h)[1]["code"], "failed_precondition", "list a loop")
    eq(unary(FS + "Move", {"source": "fs/f", "destination": "mv/x/f"}, h)[1]["entry"]["path"],
       "/home/user/mv/x/f", "move")
    eq(unary(FS + "Move", {"source": "fs/f", "destination": "q"}, h)[1]["code"], "not_found", "move nothing")
    eq(unary(FS + "Move", {"source": "mv/x/f", "destination": "fs"}, h)[1]["code"], "internal", "move over a dir")
    eq(unary(FS + "Remove", {"path": "fs"}, h), (200, {}), "remove a tree")
    check(not behind.exists("/home/user/fs"), "removed")
    eq(unary(FS + "Remove", {"path": "fs"}, h), (200, {}), "remove nothing")
    eq(unary(FS + "Stat", {"path": "/"}, {"Connect-Protocol-Version": "2"})[1]["code"], "invalid_argument", "version")
    eq(unary(FS + "Stat", {"path": "/"}, {"Connect-Timeout-Ms": "12345678901"})[1]["code"],
       "invalid_argument", "timeout")
    eq(unary(FS + "Stat", gzip.compress(b'{"path":"/"}'), {"Content-Encoding": "gzip"})[0], 200, "gzip")
    eq(unary(FS + "Stat", b"{}", {"Content-Encoding": "br"})[1]["code"], "unimplemented", "br")


def test_watch():
    unary(FS + "MakeDir", {"path": "/w/d"})
    _, r = unary(FS + "CreateWatcher", {"path": "/w", "recursive": True, "includeEntry": True})
    wid = r["watcherId"]
    check(len(wid) == 21 and wid[0] == "w", "id")
    eq(unary(FS + "GetWatcherEvents", {"watcherId": wid}), (200, {}), "nothing yet")

    def events():
        return [(e["name"], e["type"][11:]) for e in
                unary(FS + "GetWatcherEvents", {"watcher_id": wid})[1].get("events", [])]
    put("/w/f", "x")
    eq(events(), [("f", "CREATE"), ("f", "CHMOD"), ("f", "WRITE")], "a new file")
    unary(FS + "Move", {"source": "/w/f", "destination": "/w/g"})
    eq(events(), [("f", "RENAME"), ("g", "CREATE")], "renamed")
    unary(FS + "Remove", {"path": "/w/g"})
    eq(events(), [("g", "REMOVE")], "removed")
    unary(FS + "Move", {"source": "/w/d", "destination": "/w/e"})
    put("/w/e/h", "")
    ev = events()
    check(("d", "RENAME") in ev and ("e", "CREATE") in ev and ("e/h", "CREATE") in ev, f"subtree: {ev}")
    unary(FS + "Remove", {"path": "/w/e"})
    ev = events()
    check(ev.count(("e", "REMOVE")) == 1, f"once: {ev}")
    eq(unary(FS + "RemoveWatcher", {"watcherId": wid}), (200, {}), "remove")
    eq(unary(FS + "GetWatcherEvents", {"watcherId": wid})[1]["code"], "not_found", "gone")
    s = Live(FS + "WatchDir", {"path": "/w"}, {"Keepalive-Ping-Interval": "1"})
    eq(s.next(), (0, {"start": {}}), "start")
    put("/w/s", "")
    eq(s.next()[1]["filesystem"], {"name": "s", "type": "EVENT_TYPE_CREATE"}, "no entry unless asked for")
    s.next()
    eq(s.next()[1], {"keepalive": {}}, "keepalive")
    s.close()
    s = Live(FS + "WatchDir", {"path": "/w"}, {"Connect-Timeout-Ms": "100"})
    eq(s.rest()[-1][1]["error"]["code"], "deadline_exceeded", "deadline")
    eq(stream(FS + "WatchDir", {"path": "/none"})[0][1]["error"]["code"], "not_found", "watch nothing")
    eq(stream(FS + "WatchDir", {"path": "/w/s"})[0][1]["error"]["code"], "invalid_argument", "watch a file")


P = "/process.Process/"


def end(ev):
    return next(e["event"]["end"] for _, e in ev if "end" in e.get("event", {}))


def test_process():
    ev = start("nosuch").rest()
    eq((end(ev)["exitCode"], ev[-1]), (127, (2, {})), "not found")
    eq(end(start("/etc/passwd").rest())["exitCode"], 126, "not executable")
    eq(end(start("/bin/true").rest()), {"exited": True, "status": "exit status 0"}, "true")
    e = end(run("kill -TERM $$")[1])
    eq(e, {"exitCode": -1, "status": "signal: terminated", "error": "signal: terminated"}, "signal")
    put("/noline", "echo script $1")
    behind.chmod("/noline", 0o755)
    ev = start("/noline", "arg").rest()
    eq(base64.b64decode(ev[1][1]["event"]["data"]["stdout"]), b"script arg\n", "script without #!")
    for cwd, what in (("/none", "missing"), ("/etc/passwd", "a file"), ("~x", "~x")):
        eq(start("/bin/true", process={"cwd": cwd}).rest()[-1][1]["error"]["code"], "invalid_argument", what)
    behind.chmod("/root", 0o700)
    ev = start("/bin/true", process={"cwd": "/root"}, headers=basic("user")).rest()
    eq(ev[-1][1]["error"]["code"], "invalid_argument", "unreadable cwd")
    if behind.linux():
        asks = ("cat /proc/self/environ | tr '\\0' '\\n' | sort; ls /proc/self/fd; umask; cat /proc/self/oom_score_adj;"
                "grep SigIgn /proc/self/status; grep SigBlk /proc/self/status")
        want = ["0022\n100", "SigIgn:\t0000000000000000", "SigBlk:\t0000000000000000"]
    else:
        asks = ("env | sort; for fd in 0 1 2 3 4 5 6 7 8 9; do (: >&$fd) && echo $fd; done 2>/dev/null; echo 3; umask;"
                "echo $(ps -o ignored= -o blocked= -p $$)")
        want = ["0022\n18488000 0"]  # what is ignored by default counts there
    out, _ = run(asks, process={"envs": {"Q": "1"}})
    want += ["E2B_SANDBOX=true", "Q=1", "USER="]
    check(all(w in out for w in want) and "LANG" not in out and "\n0\n1\n2\n3\n0022" in "\n" + out, f"child: {out}")
    s = start("/bin/sh", "-c", "read x; echo got $x", tag="t1")
    pid = s.next()[1]["event"]["start"]["pid"]
    st, r = unary(P + "List", {})
    eq(r["processes"], [{"config": {"cmd": "/bin/sh", "args": ["-c", "read x; echo got $x"]}, "pid": pid,
                         "tag": "t1"}], "list")
    eq(unary(P + "SendInput", {"process": {"pid": pid}, "input": {"pty": "YQ=="}})[1]["code"], "internal", "no pty")
    eq(unary(P + "SendInput", {"process": {"pid": pid}, "input": {}})[1]["code"], "unimplemented", "no input")
    eq(unary(P + "SendInput", {"process": {}, "input": {"stdin": ""}})[1]["code"], "unimplemented", "no selector")
    eq(unary(P + "SendInput", {"process": {"pid": 1}, "input": {"stdin": ""}})[1]["code"], "not_found", "no pid")
    eq(unary(P + "Update", {"process": {"pid": pid}}), (200, {}), "update nothing")
    eq(unary(P + "Update", {"process": {"pid": pid}, "pty": {"size": {"cols": 1}}})[1]["code"], "internal", "no tty")
    eq(unary(P + "SendSignal", {"process": {"pid": pid}, "signal": 3})[1]["code"], "unimplemented", "SIGQUIT")
    # client stream: start, data, keepalive
    body = envelope({"start": {"process": {"tag": "t1"}}}) + envelope({"keepalive": {}}) + \
        envelope({"data": {"input": {"stdin": base64.b64encode(b"li").decode()}}}) + \
        envelope({"data": {"input": {"stdin": base64.b64encode(b"ne\n").decode()}}})
    eq(stream(P + "StreamInput", body, raw=True), [(0, {}), (2, {})], "stream input")
    check(b"got line\n" in base64.b64decode(s.next()[1]["event"]["data"]["stdout"]), "input came")
    s.rest()
    eq(unary(P + "List", {}), (200, {}), "unlisted")
    eq(stream(P + "StreamInput", envelope({"data": {"input": {"stdin": ""}}}), raw=True)[0][1]["error"]["code"],
       "invalid_argument", "data before start")
    ev = stream(P + "Connect", {"process": {"tag": "t1"}})
    eq([list(e.get("event", e)) for _, e in ev], [["start"], ["end"], []], "connect to what has ended")
    eq(stream(P + "Connect", {"process": {"pid": 1}})[0][1]["error"]["code"], "not_found", "connect to nobody")
    eq(stream(P + "Start", b"", raw=True)[0][1]["error"]["code"], "unimplemented", "no message")
    eq(stream(P + "Start", envelope({}) * 2, raw=True)[0][1]["error"]["code"], "unimplemented", "two messages")
    eq(stream(P + "Start", envelope({})[:3], raw=True)[0][1]["error"]["code"], "invalid_argument", "cut short")
    t0 = time.time()
    ev = start("/bin/sleep", "10", headers={"Connect-Timeout-Ms": "200"}).rest()
    eq(ev[-1][1]["error"]["code"], "deadline_exceeded", "timeout")
    check(time.time() - t0 < 2, "in time")
    time.sleep(0.1)
    eq(unary(P + "List", {}), (200, {}), "killed by the timeout")
    s = start("/bin/sleep", "10", headers={"Connect-Timeout-Ms": "400"})
    s.next()
    s.close()
    time.sleep(0.7)
    eq(unary(P + "List", {}), (200, {}), "killed though nobody listened")
    # an end waits for whoever holds the pipe, unless it was killed
    t0 = time.time()
    run("sleep 0.5 & true")
    check(time.time() - t0 > 0.4, "waits for the pipe")
    s = start("/bin/sh", "-c", "sleep 30 & echo x; wait")
    pid = s.next()[1]["event"]["start"]["pid"]
    s.next()
    unary(P + "SendSignal", {"process": {"pid": pid}, "signal": "SIGNAL_SIGKILL"})
    t0 = time.time()
    eq(end(s.rest())["status"], "signal: killed", "killed")
    check(time.time() - t0 < 1, "does not wait when killed")
    run("kill $(pgrep -x sleep)")
    a = start("/bin/sh", "-c", "read x; seq 1 20000")
    pid = a.next()[1]["event"]["start"]["pid"]
    b = Live(P + "Connect", {"process": {"pid": pid}})
    unary(P + "SendInput", {"process": {"pid": pid}, "input": {"stdin": "Cg=="}})
    ea, eb = a.rest(), b.rest()[1:]
    check(ea == eb and len(ea) > 2, "two listeners hear the same")
    s = start("/bin/sh", "-c", "cat; sleep 0.5", stdin=True)
    pid = s.next()[1]["event"]["start"]["pid"]
    for _ in range(2):
        eq(unary(P + "CloseStdin", {"process": {"pid": pid}}), (200, {}), "close stdin")
    eq(end(s.rest())["status"], "exit status 0", "cat ended")
    s = start("/bin/sh", pty={"size": {"cols": 7, "rows": 9}})
    pid = s.next()[1]["event"]["start"]["pid"]
    eq(unary(P + "CloseStdin", {"process": {"pid": pid}})[1]["code"], "unknown", "close a pty")
    eq(unary(P + "SendInput", {"process": {"pid": pid}, "input": {"stdin": "YQ=="}})[1]["code"], "internal",
       "stdin of a pty")
    unary(P + "SendInput", {"process": {"pid": pid}, "input": {"pty": base64.b64encode(b"stty size; exit 4\n").decode()}})
    ev = s.rest()
    out = b"".join(base64.b64decode(e["event"]["data"]["pty"]) for _, e in ev if "data" in e.get("event", {}))
    check(b"9 7" in out and end(ev)["exitCode"] == 4, "pty")
    s = start("/bin/sleep", "0.1", headers={"Keepalive-Ping-Interval": "-1"})
    eq(len(s.rest()), 3, "keepalive below zero")


class Logs:
    """A reader of envd's log."""

    def __init__(self, after=0, small=False):
        self.s = socket.socket()
        if small:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.s.connect(ADDR)
        self.s.sendall(f"GET /logs?after={after} HTTP/1.1\r\nHost: x\r\nX-Coppice-Init: {SECRET}\r\n\r\n".encode())
        self.data = b""

    def lines(self, until=None, seconds=5):
        """What has come, once a line holds this text; all of it, parsed."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (until and until.encode() in self.data):
            self.s.settimeout(0.3)
            try:
                more = self.s.recv(1 << 20)
            except TimeoutError:
                if until is None:
                    break
                continue
            if not more:
                break
            self.data += more
        _, _, rest = self.data.partition(b"\r\n\r\n")
        body = b""
        while rest:
            n, _, rest = rest.partition(b"\r\n")
            n = int(n or b"0", 16)
            if len(rest) < n:
                break
            body += rest[:n]
            rest = rest[n + 2:]
        return [json.loads(x) for x in body.split(b"\n")[:-1] if x != b"{}"]


def test_logs():
    init()
    eq(req("GET", "/logs")[0], 401, "logs without the secret")
    eq(req("GET", "/logs", headers={"X-Coppice-Init": 64 * "0"})[0], 401, "logs with another one")
    run("true")
    before = Logs()
    log = Logs(after=before.lines()[-1]["seq"])
    run("echo logged-one; exit 4")
    got = log.lines("process_end")
    start = [x for x in got if x.get("event_type") == "process_start" and "logged-one" in x["command"]]
    end = [x for x in got if x.get("event_type") == "process_end" and x["pid"] == start[0]["pid"]]
    eq((end[0]["process_result"]["exitCode"], end[0]["stdout_bytes"], end[0]["logger"]), (4, 11, "process"), "its end")
    seqs = [x["seq"] for x in got]
    eq(seqs, list(range(seqs[0], seqs[0] + len(seqs))), "numbers without a gap")
    again = Logs(after=seqs[1]).lines()
    eq(again[0]["seq"], seqs[2], "after a number")
    long = "x" * 5000 + "\u00e4\u0001\"\\"
    run("true # " + long)
    line = [x for x in log.lines("more]") if "xxxx" in x.get("command", "")][0]
    check(len(json.dumps(line)) < 2048 and "more]" in line["command"], "a long line is cut, and says so")
    # Who does not read: the ring drops, nothing is queued without limit.
    slow = Logs(small=True)
    rss = behind.rss()
    auth = f"X-Access-Token: {token}\r\n" if token else ""
    ask = f"GET /files?path=/no/such&username=root HTTP/1.1\r\nHost: x\r\n{auth}\r\n".encode()
    c = socket.create_connection(ADDR)
    for i in range(400):
        c.sendall(ask * 100)
        n, tail = 0, b""
        while n < 100:
            data = tail + c.recv(1 << 20)
            n += data.count(b"HTTP/1.1 404")
            tail = data[-11:]
    c.close()
    check(behind.rss() - rss < 600, f"40,000 lines for a slow reader: {behind.rss() - rss} KiB")
    run("echo the-last-one")
    got = slow.lines("the-last-one", 10)
    dropped = sum(x.get("dropped", 0) for x in got)
    kept = len([x for x in got if "dropped" not in x])
    eq(got[-1]["seq"] - got[0]["seq"] + 1 <= dropped + kept, True, "what is missing was counted")
    check(dropped > 3000 and any("the-last-one" in x.get("command", "") for x in got), f"dropped {dropped}, kept {kept}")
    readers = [Logs() for _ in range(6)]
    check(any(b" 503 " in r.s.recv(100) for r in readers), "not for any number of readers")
    for r in readers + [before, log, slow]:
        r.s.close()


def test_load():
    """Slow readers, abandoned ones, many of everything."""
    c = socket.create_connection(ADDR)
    body = envelope({"process": {"cmd": "/bin/sh", "args": ["-c", "head -c 20000000 /dev/zero; echo done > /tmp/done"]}})
    c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    c.sendall(b"POST /process.Process/Start HTTP/1.1\r\nHost: a\r\nContent-Type: application/connect+json\r\n"
              b"Content-Length: %d\r\n\r\n" % len(body) + body)
    time.sleep(1)
    check(not behind.exists("/tmp/done"), "a reader who stalls holds the process")
    rss = behind.rss()
    check(rss < 8000, f"and costs little: {rss} KiB")
    pid = unary(P + "List", {})[1]["processes"][0]["pid"]
    fast = Live(P + "Connect", {"process": {"pid": pid}})
    n = sum(len(e["event"]["data"]["stdout"]) for _, e in fast.rest() if "data" in e.get("event", {}))
    check(n > 20_000_000 and behind.exists("/tmp/done"), f"one who reads frees it: {n}")
    c.close()
    conns = []
    for i in range(1000 if behind.HERE else 200):  # what is between may not take more
        conns.append(socket.create_connection(ADDR))
    eq(req("GET", "/health")[0], 204, f"with {len(conns)} connections")
    rss = behind.rss()
    check(rss < 12000, f"{len(conns)} connections: {rss} KiB")
    for x in conns:
        x.close()
    live = [start("/bin/sleep", "60") for i in range(300)]
    for s in live:
        s.next()
    eq(len(unary(P + "List", {})[1]["processes"]), 300, "300 processes")
    for p in unary(P + "List", {})[1]["processes"]:
        unary(P + "SendSignal", {"process": {"pid": p["pid"]}, "signal": "SIGNAL_SIGKILL"})
    for s in live:
        s.rest()
        s.close()
    eq(unary(P + "List", {}), (200, {}), "all ended")
    out, _ = run("(sleep 0.1 & sleep 0.1 &) ; ($(command -v setsid) sh -c 'exit 1' &); sleep 0.4; ps -axo stat= | grep -c Z")
    eq(out.strip(), "0", "orphans are reaped")
    check(behind.descriptors() < 16, f"descriptors: {behind.descriptors()}")


def main():
    for name, f in list(globals().items()):
        if not name.startswith("test_") or (len(sys.argv) > 1 and name[5:] not in sys.argv):
            continue
        try:
            f()
        except Exception:
            check(False, f"{name}: {traceback.format_exc()}")
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
