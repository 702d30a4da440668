#!/usr/bin/env python3
"""tests/api/churn.py - live flows through 1,000 updates a second.

From inside a sandbox, two streams of checksummed blocks, in both directions,
and two UDP echoes go to two servers in "the internet".  One server stays
allowed through every update; the other one is closed twenty times, opened
again, and closed for good.

Whatever is sent carries the moment it was sent.  A packet is late if it was
sent more than a millisecond after the closing update's 204 had been read, and
arrived before the opening one was sent: what stood in a queue meanwhile, on a
machine that has other things to do, is not."""
import json
import os
import pathlib
import subprocess
import sys
import time

os.environ.setdefault("COP_LOG", "info")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import coppice
from coppice import Capture, Sandbox, case, enter, note, same, until, within

KEPT, FORBIDDEN = "1.1.1.1", "8.8.8.8"
RATE, SECONDS, FLIPS = 1000, 10, 21
RATE_LEAST = 250
LATE_NS = 1_000_000
CHURN = str(pathlib.Path(os.environ["COP_BIN"]) / "tests/churn")

# What both ends share: blocks of 1 KiB with time, number and hash, and the
# reading of them.
BLOCKS = r"""
import hashlib, json, select, socket, struct, sys, threading, time
KEPT, FORBIDDEN = %r
now = time.monotonic_ns
def block(n):
    body = b"sent at " + struct.pack(">QQ", now(), n) + bytes([n & 255]) * 968
    return body + hashlib.sha256(body).digest()
def read_blocks(s, log):
    # log: how many came whole, what was wrong, when each was sent and came.
    n = 0
    while True:
        b = b""
        while len(b) < 1024:
            try:
                got = s.recv(1024 - len(b))
            except OSError:
                return False
            if not got:
                return not b
            b += got
        sent, number = struct.unpack(">QQ", b[8:24])
        if number != n or b[:8] != b"sent at " or hashlib.sha256(b[:-32]).digest() != b[-32:]:
            log["broken"].append(n)
        n += 1
        log["blocks"] += 1
        if "times" in log:
            log["times"].append((sent, now()))
def write_blocks(s, log, going):
    n = 0
    while going():
        for _ in range(4):
            s.sendall(block(n))
            n += 1
            log["sent"] += 1
        time.sleep(0.002)
    s.shutdown(socket.SHUT_WR)
def new_log(address):
    log = {"blocks": 0, "broken": [], "sent": 0, "conns": [], "dead": [], "echoed": 0, "asked": 0}
    if address == FORBIDDEN:
        log["times"], log["pushed"] = [], []
    return log
logs = {a: new_log(a) for a in (KEPT, FORBIDDEN)}
""" % ((KEPT, FORBIDDEN),)

# Inside the sandbox, until there is /tmp/stop.
INSIDE = BLOCKS + r"""
import os
stop = False
def going():
    return not stop
def once(address, log):
    begun = now()
    with socket.socket() as s:
        s.settimeout(20)
        if s.connect_ex((address, 9100)):
            time.sleep(0.002)
            return
        log["conns"].append((begun, now()))
        reader = threading.Thread(target=read_blocks, args=(s, log))
        reader.start()
        try:
            write_blocks(s, log, going)
        except OSError:
            log["dead"].append(now())
        reader.join()
def stream(address):
    while going():
        once(address, logs[address])
def echo(address):
    log = logs[address]
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setblocking(False)
    s.connect((address, 9101))
    end = None
    while end is None or now() < end:
        if going():
            try:
                s.send(b"sent at " + struct.pack(">Q", now()))
                log["asked"] += 1
            except OSError:
                pass
        elif end is None:
            end = now() + 500_000_000
        time.sleep(0.001)
        for _ in range(100):
            try:
                got = s.recv(100)
            except BlockingIOError:
                break
            except OSError:
                continue
            log["echoed"] += got[16:] == b"echo"
            if "pushed" in log:
                log["pushed"].append((struct.unpack(">Q", got[8:16])[0], now()))
threads = [threading.Thread(target=f, args=(a,)) for f in (stream, echo) for a in logs]
for t in threads:
    t.start()
while not os.path.exists("/tmp/stop"):
    time.sleep(0.05)
stop = True
for t in threads:
    t.join()
print(json.dumps(logs))
"""

# In the internet, until its standard input ends.  Whoever sent a datagram to
# the forbidden address gets others for a while, asked for or not.
SINK = BLOCKS + r"""
def serve(c, log):
    with c:
        # Its own end is no business of the block count.
        ours = {"sent": 0}
        def write():
            try:
                write_blocks(c, ours, lambda: True)
            except OSError:
                pass
        threading.Thread(target=write, daemon=True).start()
        log["conns"].append(read_blocks(c, log))
def accept(address):
    s = socket.create_server((address, 9100))
    while True:
        threading.Thread(target=serve, args=(s.accept()[0], logs[address]), daemon=True).start()
def echo(address):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, 9101))
    s.settimeout(0.001)
    peer, until = None, 0
    while True:
        try:
            _, peer = s.recvfrom(100)
            s.sendto(b"sent at " + struct.pack(">Q", now()) + b"echo", peer)
            until = now() + 300_000_000
        except socket.timeout:
            if address == FORBIDDEN and now() < until:
                s.sendto(b"sent at " + struct.pack(">Q", now()) + b"push", peer)
        except OSError:
            pass
for f in (accept, echo):
    for a in logs:
        threading.Thread(target=f, args=(a,), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
print(json.dumps(logs), flush=True)
"""


def sink():
    p = subprocess.Popen(enter("COP_INET") + [sys.executable, "-u", "-c", SINK],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    same(p.stdout.readline(), "ready\n")
    return p


def late(times, tight):
    """Of (sent, arrived): those that were sent too late, and got through."""
    return [(s, at) for s, at in times if within(s, tight) is not None and at < within(s, tight)]


@case("C2: two streams and two echoes through 1,000 updates a second")
def _():
    sbx = Sandbox()
    there = sink()
    with Capture() as packets:
        inside = sbx.python(INSIDE)
        time.sleep(1)
        said = subprocess.run([CHURN, sbx.id, FORBIDDEN, KEPT, str(RATE), str(SECONDS), str(FLIPS)],
                              stdout=subprocess.PIPE, text=True, timeout=SECONDS + 30)
        same(said.returncode, 0, "churn")
        time.sleep(2)
        end = time.monotonic_ns()
        # The forbidden stream may have nobody who hears its farewell.
        sbx.write("/tmp/stop", b"")
        inside.wait()
        time.sleep(0.5)
        there = json.loads(there.communicate("", timeout=20)[0])
    assert inside.exit_code == 0, inside.err.decode()
    here = json.loads(inside.out)
    lines = [l.split() for l in said.stdout.splitlines()]
    closed = [int(l[1]) for l in lines if l[0] == "tight"]
    opened = [int(l[1]) for l in lines if l[0] == "loose"] + [end]
    # A machine that is busy elsewhere does not get through all of them in time.
    same(len(closed), len(opened), "closings and openings")
    assert len(closed) >= FLIPS * 2 // 3, "hardly closed: %d times" % len(closed)
    judge_rate(lines[-1])
    judge_kept(here[KEPT], there[KEPT])
    judge_forbidden(here[FORBIDDEN], there[FORBIDDEN], packets, [*zip(closed, opened)])


def judge_rate(done):
    n, ms, p50, p99 = (int(x) for x in done[1:])
    note("%d updates in %d ms: %d a second; p50 %d us, p99 %d us" % (n, ms, n * 1000 // ms, p50, p99))
    assert n * 1000 / ms >= RATE_LEAST, "too slow"


def judge_kept(here, there):
    note("allowed: %d blocks out, %d back, %d of %d echoes" % (
        there["blocks"], here["blocks"], here["echoed"], here["asked"]))
    same((here["broken"], there["broken"], here["dead"]), ([], [], []), "the allowed stream")
    same((len(here["conns"]), there["conns"]), (1, [True]), "its connections, and whether they ended in order")
    same(there["blocks"], here["sent"], "blocks sent and received")
    assert here["blocks"] > 1000 and there["blocks"] > 1000, "hardly a stream"
    same(here["asked"] - here["echoed"], 0, "echoes lost")


def judge_forbidden(here, there, packets, spans):
    tight = [(a + LATE_NS, b) for a, b in spans]
    last = spans[-1][0]
    sent = packets.stamped(FORBIDDEN)
    note("forbidden: %d connections, %d blocks out, %d packets with a time out, %d datagrams in; closed %d times" % (
        len(here["conns"]), there["blocks"], len(sent), len(here["pushed"]), len(spans)))
    same((here["broken"], there["broken"]), ([], []), "the forbidden stream, as long as it lived")
    same(late(there["times"], tight), [], "blocks sent after a closing")
    same(late(here["times"], tight), [], "blocks sent by the server after a closing")
    same(late(sent, tight), [], "packets sent after a closing")
    same(late(here["pushed"], tight), [], "datagrams sent by the server after a closing")
    same(late(here["conns"], tight), [], "handshakes after a closing")
    wall = (last + packets.ahead) / 1e9
    same(packets.to(FORBIDDEN, wall + 1), [], "packets a second after the last closing, whenever sent")
    # It was alive whenever it might, or all this would say nothing.
    lived = [any(a < s < b for s, _ in sent) and any(a < d < b for _, d in here["conns"])
             for a, b in zip([0] + [b for _, b in spans], [a for a, _ in spans])]
    assert sum(lived) >= len(lived) - 3, lived
    died = [min((d - a for d in here["dead"] if d > a - LATE_NS), default=0) / 1e6 for a, _ in spans]
    note("the forbidden stream's sender knew after %s ms" % " ".join("%.1f" % d for d in died))


coppice.main()
