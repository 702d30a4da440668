#!/usr/bin/env python3
"""envd_corners.py - what the original does in corners, as tests/differential
found it.  Run by envd_inside.sh; ends with "N passed, M failed".
"""
import gzip
import json
import sys
import time
import traceback

import envd_behind as behind
import envd_http as e
from envd_http import basic, check, eq, get, put, req, stream, unary

FS = "/filesystem.Filesystem/"
P = "/process.Process/"


def code(path, msg):
    st, b = unary(path, msg)
    return st, b.get("code")


def raw(path, body):
    st, _, b = req("POST", path, body, {"Content-Type": "application/json"})
    return st, json.loads(b).get("code")


def test_filesystem():
    behind.makedirs("/t/d1/x")
    behind.makedirs("/t/d2")
    put("/t/f", "x")
    eq(code(FS + "Move", {"source": "/t/d1", "destination": "/t/d2"}), (500, "internal"), "onto a directory")
    check(behind.isdir("/t/d1/x"), "and it is where it was")
    eq(code(FS + "Move", {"source": "/t/no", "destination": "/t/d2"}), (404, "not_found"), "nothing onto it")
    eq(code(FS + "Remove", {"path": "/t/f/x"}), (500, "internal"), "remove below a file")
    behind.symlink("d1", "/t/l")
    eq(unary(FS + "Remove", {"path": "/t/l/"}), (200, {}), "remove a link")
    check(behind.isdir("/t/d1/x"), "not what it leads to")
    eq(code(FS + "Remove", {"path": "/t/d1/x/.."}), (500, "internal"), "remove by ..")
    check(behind.isdir("/t/d1/x"), "and it is there")
    eq(put("/t/none/../z", "x")[0], 500, "parents by ..")
    check(not behind.exists("/t/none"), "are not made")
    eq(code(FS + "MakeDir", {"path": "/t/none/../z"}), (500, "internal"), "directory by ..")
    eq(put("/t/new/", "x")[0], 400, "slash at the end")
    check(behind.isdir("/t/new"), "is a directory")
    eq(put("/t/f/", "x")[0], 500, "slash behind a file")
    eq(code(FS + "ListDir", {"path": "/t/f/x"}), (500, "internal"), "list below a file")
    behind.symlink("nothing", "/t/d1/dang")
    behind.symlink("d1", "/t/l")
    paths = {x["name"]: x for x in unary(FS + "ListDir", {"path": "/t/./d2/../l"})[1]["entries"]}
    eq(sorted(paths), ["dang", "x"], "listed")
    eq((paths["x"]["path"], paths["dang"]["symlinkTarget"]), ("/t/l/x", "/t/d1/dang"), "clean paths")


def events(wid, quiet=0.5):
    out, last = [], time.time()
    while time.time() - last < quiet:
        new = unary(FS + "GetWatcherEvents", {"watcherId": wid})[1].get("events", [])
        last = time.time() if new else last
        out += [(x["name"], x["type"][11:]) for x in new]
        time.sleep(0.05)
    return out


def test_watch():
    behind.makedirs("/w/in")
    behind.makedirs("/o/p/q")
    behind.touch("/o/x")
    wid = unary(FS + "CreateWatcher", {"path": "/w/../w/", "recursive": True})[1]["watcherId"]
    behind.rename("/o", "/w/o")
    eq(events(wid), [("o", "CREATE"), ("o/p", "CREATE"), ("o/p/q", "CREATE"), ("o/x", "CREATE")], "moved in")
    behind.touch("/w/o/p/q/y")
    eq(events(wid), [("o/p/q/y", "CREATE")], "in what was moved in")
    behind.rename("/w/o", "/w/in/o")
    eq(events(wid), [("o", "RENAME"), ("in/o", "CREATE")], "moved within")
    behind.rename("/w", "/w2")
    eq(events(wid), [(".", "RENAME")], "the root goes")
    behind.touch("/w2/z")
    eq(events(wid), [], "and nothing is heard of it")
    wid = unary(FS + "CreateWatcher", {"path": "/w2"})[1]["watcherId"]
    put("/w2/e", "")
    put("/w2/e", "")
    eq(events(wid), [("e", "CREATE"), ("e", "CHMOD"), ("e", "CHMOD"), ("e", "WRITE")], "empty over empty")
    put("/w2/m", "x", {"X-Metadata-A": "1"})
    eq(events(wid), [("m", "CREATE"), ("m", "CHMOD"), ("m", "WRITE"), ("m", "CHMOD")], "metadata comes last")


def test_files():
    z = gzip.compress(b"packed")
    h = {"Content-Encoding": "gzip"}
    put("/u/f", "kept")
    for bad in b"no gzip", b"", z[:6]:
        eq(put("/u/f", bad, h)[0], 400, f"no gzip: {bad!r}")
    eq(get("/u/f")[2], b"kept", "what was there is still there")
    eq((put("/u/f", z + z, h)[0], get("/u/f")[2]), (200, b"packedpacked"), "two members")
    eq(put("/u/f", z + b"junk", h)[0], 500, "junk behind it")
    eq(put("/u/none", b"x" * 5, {**h, "Content-Type": "text/plain"})[0], 400, "type")
    eq(put("/u/m", "x", {"X-Metadata-": "v"}), (200, [{"name": "m", "path": "/u/m", "type": "file"}]), "no key")
    body = (b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"/u/b\"\r\n\r\n"
            b"a\r\n--Bx\r\n--B-\r\n--B--\r\n")
    eq(req("POST", "/files", body, {"Content-Type": "multipart/form-data; boundary=B"})[0], 200, "form")
    eq(get("/u/b")[2], b"a\r\n--Bx\r\n--B-", "what looks like a boundary")
    for r, st in (("octets=0-1", 416), ("bytes=5-4", 416), ("bytes=,0-0,", 206), ("", 200)):
        eq(get("/u/b", {"Range": r})[0], st, f"range {r!r}")
    behind.touch("/u/empty")
    eq(get("/u/empty", {"Range": "bytes=0-5"})[0], 200, "range of nothing")
    for v, st in ((("If-Match", ""), 200), (("If-Match", '"x"'), 412),
                  (("If-Modified-Since", "Friday, 01-Jan-38 00:00:00 GMT"), 304),
                  (("If-Unmodified-Since", "Mon Jan  1 00:00:00 1990"), 412)):
        eq(get("/u/b", dict([v]))[0], st, f"{v}")
    behind.long_ago("/u/b")
    check("last-modified" not in get("/u/b")[1], "no date")
    eq(get("/u/b", signature_expiration="x")[0], 400, "expiration, and no token")


def test_requests():
    eq(raw(FS + "Stat", b'{"path":"/","path":"/"}'), (400, "invalid_argument"), "a field twice")
    st, b = unary(P + "SendSignal", {"process": {"pid": 1, "tag": "x"}, "signal": 9})
    eq((st, b["code"]), (400, "invalid_argument"), "two selectors")
    ev = stream(P + "Start", {"process": {"cmd": "/bin/true", "args": ["y" * 2_000_000]}})
    eq(ev[-1][1]["error"]["code"], "invalid_argument", "too long an argument")
    check(len(ev) == 1, "and no process")
    out, _ = e.run("env | grep ^A=", process={"envs": {"A=B": "x", "": "y"}})
    eq(out, "A=B=x\n", "odd names of variables")
    ev = stream(P + "Start", {"process": {"cmd": "/bin/true"}}, {"Connect-Timeout-Ms": "0"})
    eq([(f, v.get("error", {}).get("code")) for f, v in ev], [(2, "deadline_exceeded")], "no time at all")
    ev = stream(P + "StreamInput", {})
    eq(ev[-1][1]["error"]["code"], "unimplemented", "no event")
    ev = stream(P + "Start", b"\0\0\0\0\0", raw=True)
    check(ev[1][1]["event"]["data"]["stderr"] != "", "no bytes are a message")
    eq(req("GET", "/health", headers={"Authorization": "Basic dXNlcgA6"})[0], 401, "NUL in a name")
    eq(req("GET", "/health", headers={"Authorization": "Basic bm9ib2R5aGVyZTo"})[0], 204, "no padding")
    eq(req("GET", "/health", headers=basic("nobodyhere"))[0], 401, "padding")
    o = {"Origin": "x", "Access-Control-Request-Method": "OPTIONS"}
    eq(req("OPTIONS", "/files", headers=o)[1].get("access-control-allow-methods"), "OPTIONS", "preflight")
    eq(req("OPTIONS", "/files", headers={**o, "Access-Control-Request-Method": ""})[0], 405, "of nothing")
    check("access-control-allow-origin" not in req("GET", "/health", headers={"Origin": ""})[1], "no origin")


def main():
    for test in test_filesystem, test_watch, test_files, test_requests:
        try:
            test()
        except Exception:
            traceback.print_exc()
            check(False, test.__name__)
    print(f"{e.passed} passed, {e.failed} failed")
    return 1 if e.failed else 0


if __name__ == "__main__":
    sys.exit(main())
