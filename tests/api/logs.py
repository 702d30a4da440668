#!/usr/bin/env python3
"""tests/api/logs.py - what is said inside a sandbox reaches GET .../logs: in
time, in order, bounded, and never more than names and numbers."""
import json
import os
import pathlib
import signal
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import coppice
from coppice import ENVD_PORT, NOBODY, Sandbox, api, case, note, same, until

SOON = 2.0  # a second, on a machine that has other things to do


def v1(sbx_id, **query):
    r = api("GET", "/sandboxes/%s/logs?%s" % (sbx_id, urllib.parse.urlencode(query)))
    same(r.status, 200, str(r))
    return r.json


def lines(sbx_id, **query):
    """The second version's entries, oldest first unless asked otherwise."""
    query.setdefault("direction", "forward")
    r = api("GET", "/v2/sandboxes/%s/logs?%s" % (sbx_id, urllib.parse.urlencode(query)))
    same(r.status, 200, str(r))
    return r.json["logs"]


def of(sbx_id, event, **query):
    return [x for x in lines(sbx_id, **query) if x["fields"].get("event_type") == event]


def ended(sbx_id, command):
    """The start and the end of a process that was asked for so, if both are there."""
    for start in of(sbx_id, "process_start"):
        if command in start["fields"]["command"]:
            for end in of(sbx_id, "process_end"):
                if end["fields"]["pid"] == start["fields"]["pid"]:
                    return start, end
    return None


def listening(sbx):
    """Nothing of the first moments is lost, but it takes a moment to come."""
    assert until(lambda: of(sbx.id, "process_end") or sbx.run("true") and None, 10), "nobody listens"


@case("logs: the start and the end of a process, within a second")
def _():
    sbx = Sandbox()
    listening(sbx)
    t0 = time.monotonic()
    sbx.run("echo one; echo three >&2; exit 3", timeout_ms=45000)
    pair = until(lambda: ended(sbx.id, "echo one"), SOON)
    took = time.monotonic() - t0
    assert pair, lines(sbx.id)
    note("seen after %d ms" % (took * 1000))
    start, end = pair
    same((start["level"], start["message"]), ("info", "process started"))
    f = start["fields"]
    same((f["logger"], f["request_timeout_ms"]), ("process", "45000"))
    same(f["command"], "/bin/bash -l -c echo one; echo three >&2; exit 3")
    f = end["fields"]
    same((f["stdout_bytes"], f["stderr_bytes"], f["pty_bytes"]), ("4", "6", "0"))
    same(json.loads(f["process_result"])["exitCode"], 3)


@case("logs: files and rpcs, with what went wrong, and no contents or tokens")
def _():
    sbx = Sandbox()
    listening(sbx)
    sbx.write("/home/user/plan.txt", b"the-secret-content")
    same(sbx.way_in(ENVD_PORT, "/files?path=/home/user/plan.txt&username=user").raw, b"the-secret-content")
    same(sbx.way_in(ENVD_PORT, "/files?path=/nowhere").status, 404)
    same(sbx.way_in(ENVD_PORT, "/filesystem.Filesystem/Stat", "POST", {"path": "/none"}).status, 404)
    sbx.run("cat /home/user/plan.txt", envs={"HIDDEN": "the-secret-variable"})

    def files():
        got = [x for x in lines(sbx.id) if x["fields"]["logger"] == "filesystem"]
        return got if len(got) >= 4 else None
    got = until(files, SOON)
    assert got, lines(sbx.id)
    write, read, none, stat = got[:4]
    same((write["level"], write["message"], write["fields"]["path"], write["fields"]["username"]),
         ("info", "File write", "/home/user/plan.txt", "user"))
    same((read["level"], read["message"], read["fields"]["method"]), ("info", "File read", "GET /files"))
    same((none["level"], none["fields"]["error_code"], none["fields"]["path"]), ("error", "404", "/nowhere"))
    same((stat["level"], stat["message"], stat["fields"]["method"]),
         ("error", "Filesystem stat", "/filesystem.Filesystem/Stat"))
    assert until(lambda: [x for x in lines(sbx.id, level="debug")
                          if x["fields"].get("method") == "/process.Process/Start" and x["level"] == "debug"], SOON)
    text = json.dumps(v1(sbx.id))
    for secret in ("the-secret-content", "the-secret-variable", sbx.token):
        assert secret not in text, secret


@case("logs: the first version holds JSON lines with level and logger, as the CLI reads them")
def _():
    sbx = Sandbox()
    listening(sbx)
    sbx.run("true")
    until(lambda: ended(sbx.id, "true"), SOON)
    got = v1(sbx.id)
    same(len(got["logs"]), len(got["logEntries"]))
    seen = set()
    for old, new in zip(got["logs"], got["logEntries"]):
        line = json.loads(old["line"])
        assert isinstance(line["level"], str) and isinstance(line["logger"], str), line
        same((line["level"], line["message"], old["timestamp"]), (new["level"], new["message"], new["timestamp"]))
        assert all(isinstance(v, str) for v in new["fields"].values()), new
        seen.add(line["logger"])
    assert {"lifecycle", "process"} <= seen, seen
    same([x["timestamp"] for x in got["logs"]], sorted(x["timestamp"] for x in got["logs"]))
    # As the CLI follows: all after the last one, and nothing twice.
    last = got["logs"][-1]["timestamp"]
    ms = int(time.mktime(time.strptime(last[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone) * 1000 + int(last[20:23])
    before = len(v1(sbx.id)["logs"])
    sbx.run("echo more")
    assert until(lambda: ended(sbx.id, "echo more"), SOON)
    assert 0 < len(v1(sbx.id, start=ms + 1)["logs"]) <= len(v1(sbx.id)["logs"]) - before


@case("logs: level, search, direction, cursor and limit")
def _():
    sbx = Sandbox()
    listening(sbx)
    for i in range(5):
        sbx.run("echo marker-%d" % i)
    sbx.way_in(ENVD_PORT, "/files?path=/nowhere")
    assert until(lambda: ended(sbx.id, "marker-4"), SOON)
    assert until(lambda: lines(sbx.id, level="error"), SOON)
    assert all(x["level"] == "error" for x in lines(sbx.id, level="error"))
    assert not any(x["level"] == "debug" for x in lines(sbx.id, level="info"))
    same(len(lines(sbx.id, search="marker-3")), 1)
    same(lines(sbx.id, search="Marker-3"), [])
    forward = lines(sbx.id)
    same(lines(sbx.id, direction="backward"), forward[::-1])
    same(lines(sbx.id, limit=3), forward[:3])
    same(lines(sbx.id, direction="backward", limit=2), forward[::-1][:2])
    same(lines(sbx.id, cursor=int(time.time() * 1000) + 60000), [])
    same(api("GET", "/v2/sandboxes/%s/logs" % NOBODY).status, 404)
    for bad in ("level=loud", "direction=up", "limit=1001", "cursor=x", "search=" + 257 * "a"):
        same(api("GET", "/v2/sandboxes/%s/logs?%s" % (sbx.id, bad)).status, 400, bad)


FLOOD = """
import socket, time
n, ahead = %d, 50
s = socket.create_connection(("127.0.0.1", 49983))
one = b"GET /files?path=/etc/hostname HTTP/1.1\\r\\nHost: x\\r\\nX-Access-Token: %s\\r\\n\\r\\n"
sent = got = 0
tail = b""
while got < n:
    if sent < n and sent - got <= ahead:
        s.sendall(one * ahead)
        sent += ahead
    data = tail + s.recv(1 << 20)
    got += data.count(b"HTTP/1.1 200")
    tail = data[-11:]
print("flooded", got)
"""


@case("logs: a flood of 100,000 lines is bounded and says so; a neighbour's lines come in time")
def _():
    loud, quiet = Sandbox(), Sandbox()
    listening(loud)
    listening(quiet)
    apid = next(p for p, n in coppice.daemons().items() if n == "coppice-apid")
    rss = resident(apid)
    flood = loud.python(FLOOD % (100_000, loud.token))
    worst, rounds, t0 = 0.0, 0, time.monotonic()
    while "flooded" not in flood.out.decode() and time.monotonic() - t0 < 100:
        mark = "quiet-%d" % rounds
        quiet.run("echo " + mark)
        t = time.monotonic()
        assert until(lambda: ended(quiet.id, mark), 5), "round %d" % rounds
        worst = max(worst, time.monotonic() - t)
        rounds += 1
        while coppice.select.select([flood.reply.fp.raw._sock], [], [], 0)[0] and flood.step():
            pass
    took = time.monotonic() - t0
    assert "flooded" in flood.out.decode(), flood.out
    note("flooded in %.1f s; the neighbour's worst of %d: %d ms" % (took, rounds, worst * 1000))
    assert rounds >= 2 and worst < SOON, worst

    def told():
        return [x for x in lines(loud.id, level="warn") if "dropped" in x["fields"]]
    assert until(told, SOON), lines(loud.id, direction="backward", limit=5)
    time.sleep(1.5)
    dropped = sum(int(x["fields"]["dropped"]) for x in told())
    kept = count(loud.id)
    note("%d kept, %d dropped; apid grew by %d KiB" % (kept, dropped, (resident(apid) - rss) >> 10))
    # A burst of a thousand, then a hundred a second.
    assert kept < 1200 + 110 * (took + 3), kept
    assert kept + dropped >= 95_000, (kept, dropped)
    assert resident(apid) - rss < 32 << 20
    # It recovers: what is said now is heard now.
    t = time.monotonic()
    loud.run("echo afterwards")
    assert until(lambda: ended_late(loud.id, "echo afterwards"), 4), "after %.1f s" % (time.monotonic() - t)


def resident(pid):
    for line in pathlib.Path("/proc/%d/status" % pid).read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    return 0


def count(sbx_id):
    """All of them, by pages; whoever shares a moment with a page's end is counted once."""
    seen, cursor = set(), 0
    while True:
        page = lines(sbx_id, cursor=cursor)
        fresh = {json.dumps(x) for x in page} - seen
        if not fresh:
            return len(seen)
        seen |= fresh
        last = page[-1]["timestamp"]
        cursor = int(time.mktime(time.strptime(last[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone) * 1000 + int(last[20:23])


def ended_late(sbx_id, command):
    return [x for x in lines(sbx_id, direction="backward", limit=50)
            if command in x["fields"].get("command", "")]


@case("logs: kill -9 of apid loses nothing that was there, and doubles nothing")
def _():
    sbx = Sandbox()
    listening(sbx)
    for i in range(4):
        sbx.run("echo before-%d" % i)
    assert until(lambda: ended(sbx.id, "before-3"), SOON)
    seen = lines(sbx.id)
    apid = next(p for p, n in coppice.daemons().items() if n == "coppice-apid")
    os.kill(apid, signal.SIGKILL)
    for i in range(4):
        sbx.run("echo between-%d" % i)
    assert until(coppice.answers, 20), "it does not come back"
    sbx.run("echo after")
    assert until(lambda: ended(sbx.id, "after"), 10), lines(sbx.id)
    now = lines(sbx.id)
    same(now[:len(seen)], seen, "what was shown is there, in its place: ")
    said = [x["fields"]["command"].split()[-1] for x in of(sbx.id, "process_start") if "-c echo" in x["fields"]["command"]]
    same(said, ["before-%d" % i for i in range(4)] + ["between-%d" % i for i in range(4)] + ["after"])


@case("logs: paused by memory it stays quiet, and goes on; its end keeps what was said")
def _():
    sbx = Sandbox()
    listening(sbx)
    same(sbx.api("POST", "/pause").status, 204)
    time.sleep(0.3)
    same(sbx.api("POST", "/connect", {"timeout": 300}).status, 201)
    sbx.run("echo resumed")
    assert until(lambda: ended(sbx.id, "echo resumed"), SOON), lines(sbx.id)
    t0 = time.monotonic()
    same(sbx.kill(), 204)
    note("killed in %d ms" % ((time.monotonic() - t0) * 1000))
    assert ended(sbx.id, "echo resumed"), lines(sbx.id)
    assert until(lambda: lines(sbx.id)[-1]["message"].startswith("sandbox killed"), 5)


@case("logs: paused without memory, a new envd is heard")
def _():
    sbx = Sandbox()
    listening(sbx)
    sbx.run("echo first-life")
    assert until(lambda: ended(sbx.id, "first-life"), SOON)
    same(sbx.api("POST", "/pause", {"memory": False}).status, 204)
    r = sbx.api("POST", "/connect", {"timeout": 300})
    assert r.status in (200, 201), r
    sbx.run("echo second-life")
    assert until(lambda: ended(sbx.id, "second-life"), 5), lines(sbx.id)
    same(len([x for x in of(sbx.id, "process_start") if "life" in x["fields"]["command"]]), 2)


@case("logs: nobody inside reads or makes them without the secret")
def _():
    sbx = Sandbox()
    ask = "curl -s -m 3 -o /dev/null -w '%{http_code}' http://127.0.0.1:49983/logs"
    same(sbx.sh(ask, user="root"), "401")
    same(sbx.sh(ask + " -H 'X-Coppice-Init: %s'" % (64 * "0"), user="root"), "401")
    same(sbx.way_in(ENVD_PORT, "/logs").status, 404)


if __name__ == "__main__":
    coppice.main()
