#!/usr/bin/env python3
"""tests/api/network.py - policies through the API, verdicts from real packets.

"The internet" is the world's other namespace; what arrives there is captured
there, where nothing that a sandbox or the daemon says can be wrong."""
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

# Few slots, so that one is soon used again.
os.environ.setdefault("COP_CONF", "max_sandboxes = 12\npool_slots = 4")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import coppice
from coppice import Capture, Sandbox, api, case, host, note, same, until, within

ONE, EIGHT, NINE = "1.1.1.1", "8.8.8.8", "9.9.9.9"
ONE6, EIGHT6 = "2606:4700:4700::1111", "2001:4860:4860::8888"
ALL = "0.0.0.0/0"
PRIVATE = ("10.99.0.1", "172.16.99.1", "192.168.99.1", "169.254.169.254", "100.64.99.1")
UPLINK = "192.0.2.2"
TCP, UDP, RST = 6, 17, 4

PROBE = r"""
import concurrent.futures, json, socket, subprocess, sys
def probe(row):
    kind, address, port = row
    if kind == "ping":
        return subprocess.run(["ping", "-c1", "-W2", address], capture_output=True).returncode == 0
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        try:
            s.connect((address, port))
            if kind == "tcp":
                return True
            for _ in range(3):
                s.send(b"hello")
                s.settimeout(0.7)
                try:
                    return s.recv(100) == b"hello"
                except socket.timeout:
                    pass
            return False
        except OSError:
            return False
with concurrent.futures.ThreadPoolExecutor(32) as pool:
    rows = json.loads(sys.argv[1])
    print(json.dumps(list(pool.map(probe, rows))))
"""

# Reads the stream and checks every block; says how far it came.
READER = r"""
import hashlib, socket, struct
s = socket.create_connection(("%s", 9000), 10)
print("connected")
n = 0
try:
    while True:
        b = b""
        while len(b) < 1024:
            got = s.recv(1024 - len(b))
            if not got:
                raise EOFError
            b += got
        if struct.unpack(">Q", b[:8])[0] != n or hashlib.sha256(b[:-32]).digest() != b[-32:]:
            print("BROKEN at", n)
            break
        n += 1
        if n %% 100 == 0:
            print("blocks", n)
except (OSError, EOFError) as e:
    print("cut after", n, type(e).__name__)
"""

# Sends a datagram every 5 ms, with the time, and counts what comes back.
PINGER = r"""
import socket, struct, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setblocking(False)
s.connect(("%s", 7))
sent = got = 0
while True:
    try:
        s.send(b"sent at " + struct.pack(">Q", time.monotonic_ns()))
    except OSError:
        pass
    sent += 1
    try:
        while s.recv(100):
            got += 1
    except OSError:
        pass
    if sent %% 100 == 0:
        print("sent", sent, "got", got)
    time.sleep(0.005)
"""


# --- helpers -----------------------------------------------------------------

def verdicts(sbx, *rows):
    """What of ("tcp" | "udp" | "ping", address, port) answers."""
    sbx.write("/tmp/probe.py", PROBE)
    return json.loads(sbx.sh("python3 /tmp/probe.py '%s'" % json.dumps(rows)))


def expect(sbx, wanted):
    """wanted: {address: open?} asked by TCP, UDP echo and ping."""
    rows = [(k, a, {"tcp": 80, "udp": 7, "ping": 0}[k]) for a in wanted for k in ("tcp", "udp", "ping")]
    got = verdicts(sbx, *rows)
    wrong = [(r, "open" if g else "closed") for r, g in zip(rows, got) if g != wanted[r[1]]]
    assert not wrong, wrong


class Background:
    """Follows a program inside while the test goes on."""

    def __init__(self, sbx, source):
        self.command = sbx.python(source, timeout_ms=280_000)
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def follow(self):
        with contextlib.suppress(Exception):
            while self.command.step():
                pass

    @property
    def lines(self):
        return self.command.out.decode().rpartition("\n")[0].splitlines()

    def last(self, word):
        found = [l for l in self.lines if l.startswith(word)]
        return found[-1] if found else ""

    def number(self, word, field=1):
        line = self.last(word)
        return int(line.split()[field]) if line else 0


def address_of(sbx):
    return sbx.sh("ip -4 -o addr show scope global | awk '{print $4}' | cut -d/ -f1 | head -n 1")


# --- verdicts ----------------------------------------------------------------

@case("by default the internet is open, and nothing else")
def _():
    sbx = Sandbox()
    expect(sbx, {ONE: True, EIGHT: True, **{p: False for p in PRIVATE}})
    for p in PRIVATE:
        assert "to %s" % p in host("curl", "-sm3", "http://%s/" % p), "the host itself cannot reach " + p


@case("allow, deny, allow over deny")
def _():
    sbx = Sandbox(network={"denyOut": [EIGHT]})
    expect(sbx, {ONE: True, EIGHT: False})
    sbx.network(denyOut=["1.1.1.0/24", "8.8.0.0/16"], allowOut=[EIGHT])
    expect(sbx, {ONE: False, EIGHT: True, "8.8.4.4": False, NINE: True})
    sbx.network(denyOut=[ALL], allowOut=["1.0.0.0/15"])
    expect(sbx, {ONE: True, "1.0.0.1": True, EIGHT: False, NINE: False})
    sbx.network(denyOut=[ALL], allowOut=[ALL])
    expect(sbx, {ONE: True, EIGHT: True, PRIVATE[0]: False})
    sbx.network(allow_internet_access=False, allowOut=[NINE])
    expect(sbx, {ONE: False, NINE: True})
    sbx.network(allowOut=[ONE])
    expect(sbx, {ONE: True, EIGHT: True})
    sbx.network()
    expect(sbx, {ONE: True, EIGHT: True})


@case("no internet at create")
def _():
    sbx = Sandbox(allow_internet_access=False)
    expect(sbx, {ONE: False, EIGHT: False, PRIVATE[0]: False})


@case("an allow does not open what is always denied")
def _():
    sbx = Sandbox(network={"allowOut": list(PRIVATE) + ["10.0.0.0/8", "169.254.0.0/16", UPLINK, "192.0.2.0/24"]})
    expect(sbx, {**{p: False for p in PRIVATE}, UPLINK: False, ONE: True})


@case("services of the host are out of reach")
def _():
    sbx = Sandbox()
    listener = socket.create_server(("0.0.0.0", 3999))
    try:
        mine = address_of(sbx)
        gateway = sbx.sh("ip -4 route show default | awk '{print $3}'")
        rows = [("tcp", a, p) for a in (UPLINK, gateway, "192.0.2.1") for p in (3999, 3000, 3002, 22)
                if (a, p) != ("192.0.2.1", 22)]
        same([r for r, g in zip(rows, verdicts(sbx, *rows)) if g], [])
        assert socket.create_connection((UPLINK, 3999), 2), "the listener is not there"
        same(verdicts(sbx, ("tcp", "127.0.0.1", 3999), ("tcp", mine, 3999)), [False, False])
        assert not verdicts(sbx, ("ping", UPLINK, 0), ("ping", gateway, 0))[0]
    finally:
        listener.close()


@case("sandboxes do not reach each other")
def _():
    a, b = Sandbox(), Sandbox(network={"allowOut": ["10.78.0.0/16"]})
    server = a.python("import socket\ns=socket.create_server(('0.0.0.0',8000))\nprint('listening')\n"
                      "while True: s.accept()[0].close()")
    server.until(b"listening")
    there = address_of(a)
    same(verdicts(a, ("tcp", there, 8000)), [True])
    same(verdicts(b, ("tcp", there, 8000), ("ping", there, 0)), [False, False])
    same(b.sh("python3 -c 'import socket as s;c=s.socket();c.settimeout(3);print(c.connect_ex((\"%s\",8000)))'"
              % there), "111", "it is told at once")
    # What the host itself sends is no reply either.
    assert subprocess.run(["timeout", "2", "bash", "-c", "</dev/tcp/%s/8000" % there],
                          stderr=subprocess.DEVNULL).returncode != 0, "the host got in"
    server.close()


@case("a spoofed source goes nowhere")
def _():
    sbx = Sandbox()
    source = r"""
import socket
IP_FREEBIND = 15
def send(address, source):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if source:
        s.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
        s.bind((source, 4242))
    for _ in range(5):
        try:
            s.sendto(b"spoof" if source else b"honest", (address, 7))
        except OSError as e:
            print("refused", source, e)
send("1.1.1.1", None)
for source in ("9.9.9.9", "10.78.0.77", "192.0.2.2", "10.99.0.7"):
    send("1.1.1.1", source)
try:
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    head = bytes.fromhex("4500001c000100004011000009090909 01010101".replace(" ", ""))
    raw.sendto(head + bytes.fromhex("1092000700080000"), ("1.1.1.1", 0))
except OSError as e:
    print("raw:", e)
print("done")
"""
    with Capture() as c:
        sbx.python(source, user="root").until(b"done")
        time.sleep(0.3)
    same({r[2] for r in c.to(ONE)}, {UPLINK})
    same(len([r for r in c.to(ONE) if r[1] == UDP]), 5, "honest datagrams, and no other")


@case("IPv6 is judged like IPv4")
def _():
    if not coppice.has_ipv6():
        note("no IPv6 in this kernel")
        return
    sbx = Sandbox()
    expect(sbx, {ONE6: True, EIGHT6: True})
    same(verdicts(sbx, ("tcp", "2001:db8:2::2", 3000), ("tcp", "fd77::1", 80), ("ping", "ff02::1%lo", 0)),
         [False, False, False])
    sbx.network(denyOut=[EIGHT6])
    expect(sbx, {ONE6: True, EIGHT6: False, EIGHT: True})
    sbx.network(denyOut=[ALL])
    expect(sbx, {ONE6: False, EIGHT6: False, ONE: False})
    sbx.network(denyOut=[ALL], allowOut=["2606:4700::/32"])
    expect(sbx, {ONE6: True, EIGHT6: False, ONE: False})
    sbx.network(allow_internet_access=False)
    expect(sbx, {ONE6: False, ONE: False})


@case("names are resolved, and another resolver is an ordinary flow")
def _():
    sbx = Sandbox()
    same(sbx.sh("getent ahostsv4 one.example | awk 'NR==1{print $1}'"), ONE)
    same(sbx.run("getent hosts no-such.example").exit_code, 2)
    ask = ("python3 -c 'import socket;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.settimeout(2);"
           "s.sendto(bytes.fromhex(\"000101000001000000000000036f6e65076578616d706c650000010001\"),(\"%s\",53));"
           "print(len(s.recv(512)))'")
    assert int(sbx.sh(ask % NINE)) > 40
    sbx.network(denyOut=[NINE])
    assert sbx.run(ask % NINE).exit_code != 0
    same(sbx.sh("getent ahostsv4 one.example | awk 'NR==1{print $1}'"), ONE)


@case("the policy survives pause and resume")
def _():
    sbx = Sandbox(network={"allowOut": [ONE], "denyOut": [ALL]})
    same(sbx.api("POST", "/pause").status, 204)
    same(sbx.api("POST", "/resume", {"timeout": 100}).status, 201)
    expect(sbx, {ONE: True, EIGHT: False})
    same(sbx.api("GET").json["network"]["allowOut"], [ONE])


@case("the policy survives a restart of the daemon")
def _():
    sbx = Sandbox(network={"denyOut": [EIGHT]})
    pid = [p for p, n in coppice.processes().items() if n == "coppice-apid"][0]
    subprocess.run(["kill", "-KILL", str(pid)], check=True)
    assert until(lambda: pid not in coppice.processes() and health(), 10)
    expect(sbx, {ONE: True, EIGHT: False})
    sbx.network(denyOut=[ONE])
    expect(sbx, {ONE: False, EIGHT: True})


def health():
    with contextlib.suppress(OSError):
        return api("GET", "/health").status == 200
    return False


# --- live flows --------------------------------------------------------------

# Says every 20 ms on one connection what time it is; told at once when it is cut.
TALKER = r"""
import socket, struct, time
s = socket.create_connection(("%s", 9001), 10)
print("connected")
try:
    while True:
        s.send(b"sent at " + struct.pack(">Q", time.monotonic_ns()))
        time.sleep(0.02)
except OSError as e:
    print("cut", type(e).__name__)
"""


@case("C1: a tightening cuts the live TCP flows that it forbids, and only those")
def _():
    sbx = Sandbox()
    kept, cut, talker = (Background(sbx, p) for p in (READER % ONE, READER % EIGHT, TALKER % EIGHT))
    assert until(lambda: kept.number("blocks") >= 200 and cut.number("blocks") >= 200 and talker.last("connected"))
    with Capture() as c:
        t0 = time.monotonic()
        sbx.network(denyOut=[EIGHT])
        t1, t1_ns = time.time(), time.monotonic_ns()
        assert until(lambda: talker.last("cut"), 3), "who sends on a forbidden flow is not reset"
        note("the client that talks knew after %.1f ms" % ((time.monotonic() - t0) * 1e3))
        n, m = cut.number("blocks"), kept.number("blocks")
        assert until(lambda: kept.number("blocks") >= m + 500), kept.lines[-3:]
    # What had arrived is read to its end; then nothing more comes.
    assert cut.number("blocks") <= n + 100, cut.lines[-3:]
    same([s for s, _ in c.stamped(EIGHT) if s > t1_ns], [], "sent after the 204")
    # Acknowledgements carry no time; they may have stood in a queue.
    same([r for r in c.to(EIGHT, t1 + 0.25) if r[1] == TCP], [])
    assert not kept.last("cut") and not kept.last("BROKEN"), kept.lines[-3:]


@case("C1: a tightening cuts the live UDP flow that it forbids")
def _():
    sbx = Sandbox()
    with Capture() as c:
        p = Background(sbx, PINGER % EIGHT)
        assert until(lambda: p.number("sent", 3) > 100), p.lines[-3:]
        sbx.network(denyOut=[EIGHT])
        t1 = time.monotonic_ns()
        n = p.number("sent")
        assert until(lambda: p.number("sent") > n + 200), p.lines[-3:]
        t2 = time.monotonic_ns()
        sbx.network()
        m = p.number("sent", 3)
        assert until(lambda: p.number("sent", 3) > m + 50), "stays dead after the loosening"
    sent = c.stamped(EIGHT)
    same([s for s, at in sent if t1 < s and at < t2], [], "sent after the 204")
    assert any(s < t1 for s, _ in sent) and any(s > t2 for s, _ in sent)


@case("C2: an allowed stream is byte-identical under 1,000 updates")
def _():
    sbx = Sandbox()
    r = Background(sbx, READER % ONE)
    assert until(lambda: r.number("blocks") >= 100)
    for i in range(1000):
        sbx.network(denyOut=["9.9.%d.0/24" % (i % 256), EIGHT], allowOut=[ONE] if i % 3 else [])
    n = r.number("blocks")
    assert until(lambda: r.number("blocks") >= n + 300), r.lines[-3:]
    assert not r.last("cut") and not r.last("BROKEN"), r.lines[-3:]
    note("%d blocks of 1 KiB, all whole" % r.number("blocks"))


# Opens flows as fast as it can, each to be judged on its own.  UDP: a datagram
# from a socket of its own, with the moment it was sent (CLOCK_MONOTONIC: the
# machine has one).  TCP: when connect() began and when the handshake was done.
OPENER = r"""
import json, select, socket, struct, time
made, sent, done, pending = 0, [], [], {}
poll = select.poll()
def udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        now = time.monotonic_ns()
        try:
            s.sendto(b"sent at " + struct.pack(">Q", now), ("%(address)s", 9))
            sent.append(now)
        except OSError:
            pass
def tcp():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.setblocking(False)
    pending[s.fileno()] = s, time.monotonic_ns()
    s.connect_ex(("%(address)s", 9001))
    poll.register(s, select.POLLOUT)
    if len(pending) > 200:
        drop(next(iter(pending)))
def drop(fd):
    s, began = pending.pop(fd)
    poll.unregister(fd)
    if s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0 and connected(s):
        done.append((began, time.monotonic_ns()))
    s.close()
def connected(s):
    try:
        return bool(s.getpeername())
    except OSError:
        return False
while True:
    udp()
    made += 1
    if made %% 4 == 0:
        tcp()
        made += 1
    time.sleep(0.001)
    for fd, _ in poll.poll(1):
        drop(fd)
    if len(sent) >= 100:
        print("made", made)
        print("data", json.dumps([sent, done]))
        sent, done = [], []
"""


@case("C16: flows that open while the policy flips 1,000 times")
def _():
    # A packet is late only if it was sent after the 204 had been read; one that
    # was judged before, and waited in a queue since, is not.  What arrives after
    # the next loosening was asked for may have been judged by that one.
    sbx = Sandbox()
    tight, loose = [], []
    with Capture() as c:
        p = Background(sbx, OPENER % {"address": EIGHT})
        assert until(lambda: p.number("made") > 100)
        for _ in range(1000):
            sbx.network(denyOut=[EIGHT])
            t = time.monotonic_ns()
            time.sleep(0.012)
            tight.append((t, time.monotonic_ns()))
            sbx.network()
            t = time.monotonic_ns()
            time.sleep(0.003)
            loose.append((t, time.monotonic_ns()))
        end = time.monotonic_ns()
        assert until(lambda: p.number("made") >= 1500 and opened(p)[0][-1] > end, 30), p.lines[-1:]
        sent, done = opened(p)
    late = [s for s, at in c.stamped(EIGHT) if within(s, tight) is not None and at < within(s, tight)]
    # Done in the same time in which it began: no loosening can have let it in.
    late += [b for b, d in done if within(b, tight) is not None and d < within(b, tight)]
    probed = {within(s, tight) for s in sent} - {None}
    through = {within(s, loose) for s, _ in c.stamped(EIGHT)} - {None}
    note("%d flows, %d datagrams and %d handshakes got through; %d tight times were probed, %d loose ones open" % (
        p.number("made"), len(c.stamped(EIGHT)), len(done), len(probed), len(through)))
    same(late, [], "flows opened after a tightening's 204 that got through")
    assert len(probed) > 500, "the prober hardly ever ran while the policy was tight"
    assert len(through) > 100 and done, "the prober hardly ever got through"


def opened(p):
    """What the opener has said so far: send times, and handshakes."""
    rows = [json.loads(l[5:]) for l in p.lines if l.startswith("data ")]
    return [t for r in rows for t in r[0]], [tuple(d) for r in rows for d in r[1]]


def from_internet():
    """How many packets have come from there."""
    line = [l for l in pathlib.Path("/proc/net/dev").read_text().splitlines() if "up0:" in l][0]
    return int(line.split(":")[1].split()[1])


@case("C17: a server of the slot's previous tenant pushes on")
def _():
    a = Sandbox()
    there = address_of(a)
    a.sh("python3 -c 'import socket;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.settimeout(3);"
         "s.sendto(b\"x\",(\"%s\",8));print(s.recv(100))'" % EIGHT)
    count = "cat /proc/net/dev | awk '!/lo:/ && /:/ {n += $3} END {print n}'"
    n = int(a.sh(count))
    assert until(lambda: int(a.sh(count)) > n + 20), "nobody pushes"
    a.kill()
    for _ in range(300):
        b = Sandbox()
        if address_of(b) == there:
            break
        b.kill()
    else:
        raise AssertionError("the slot was not used again")
    n, m = int(b.sh(count)), from_internet()
    time.sleep(1)
    assert from_internet() - m > 20, "nobody pushes any more"
    assert int(b.sh(count)) - n <= 2, "%d packets came in" % (int(b.sh(count)) - n)
    expect(b, {EIGHT: True})


@case("C5: two racing updates end in one of the two, everywhere")
def _():
    sbx = Sandbox()
    policies = ({"denyOut": [ONE]}, {"denyOut": [EIGHT]})
    for _ in range(20):
        threads = [threading.Thread(target=sbx.api, args=("PUT", "/network", p)) for p in policies]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        stored = sbx.api("GET").json["network"]["denyOut"]
        assert stored in ([ONE], [EIGHT]), stored
    same(verdicts(sbx, ("tcp", ONE, 80), ("tcp", EIGHT, 80)), [stored != [ONE], stored != [EIGHT]])


# --- the host ----------------------------------------------------------------

@case("a foreign veth pair on the host still forwards")
def _():
    Sandbox()
    holders = []
    try:
        for i in (0, 1):
            p = subprocess.Popen(["unshare", "--net", "sleep", "60"])
            holders.append(p)
            assert until(lambda: net_of(p.pid) != net_of("self"))
            there = ["nsenter", "-t", str(p.pid), "-n", "--"]
            host("ip", "link", "add", "fo%d" % i, "type", "veth", "peer", "name", "e0", "netns", str(p.pid))
            host("ip", "addr", "add", "10.55.%d.1/24" % i, "dev", "fo%d" % i)
            host("ip", "link", "set", "fo%d" % i, "up")
            pathlib.Path("/proc/sys/net/ipv4/conf/fo%d/forwarding" % i).write_text("1")
            for cmd in ("ip addr add 10.55.%d.2/24 dev e0" % i, "ip link set e0 up",
                        "ip route add default via 10.55.%d.1" % i):
                subprocess.run(there + cmd.split(), check=True)
        r = subprocess.run(["nsenter", "-t", str(holders[0].pid), "-n", "--", "ping", "-c", "3", "-i", "0.2",
                            "-W", "2", "10.55.1.2"], capture_output=True, text=True)
        assert " 0% packet loss" in r.stdout, r.stdout
    finally:
        for p in holders:
            p.kill()
            p.wait()


def net_of(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path("/proc/%s/ns/net" % pid).readlink()


@case("C14: a flushed table lets nothing out, and is rebuilt")
def _():
    sbx = Sandbox(network={"denyOut": [EIGHT]})
    p = Background(sbx, OPENER % {"address": EIGHT})
    assert until(lambda: p.number("made") > 100)
    expect(sbx, {ONE: True, EIGHT: False})
    with Capture() as c:
        for how in (["flush", "ruleset"], ["delete", "table", "inet", "coppice"],
                    ["flush", "table", "inet", "coppice"]):
            host("nft", *how)
            time.sleep(0.2)
            assert until(lambda: verdicts(sbx, ("tcp", ONE, 80)) == [True], 8), "not rebuilt after " + " ".join(how)
            expect(sbx, {ONE: True, EIGHT: False})
    # A reset is the host's own answer to somebody whose flow is forgotten.
    same([r for r in c.to(EIGHT) if not r[6] & RST], [])
    same(Sandbox().sh("echo new ones work"), "new ones work")


@case("nothing is left of the rules of sandboxes that are gone")
def _():
    coppice.kill_all()
    before = host("nft", "-j", "list", "table", "inet", "coppice")
    for _ in range(5):
        Sandbox(network={"denyOut": [EIGHT, NINE]}).kill()

    def elements(text):
        return sum(len(x["set"].get("elem", [])) for x in json.loads(text)["nftables"] if "set" in x)
    assert until(lambda: elements(host("nft", "-j", "list", "table", "inet", "coppice")) <= elements(before), 5)


if __name__ == "__main__":
    coppice.main()
