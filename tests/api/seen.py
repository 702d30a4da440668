#!/usr/bin/env python3
"""tests/api/seen.py - what an engineer sees of a live sandbox's network: what
it was denied and by which rule, and what flows.  With real packets."""
import contextlib
import datetime
import json
import os
import pathlib
import signal
import sys
import threading
import time

os.environ.setdefault("COP_CONF", "max_sandboxes = 12\npool_slots = 4\nsite_deny = 9.9.9.0/24")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import coppice
from coppice import NOBODY, Sandbox, api, case, note, same, until

ONE, EIGHT, NINE = "1.1.1.1", "8.8.8.8", "9.9.9.9"
ONE6, EIGHT6 = "2606:4700:4700::1111", "2001:4860:4860::8888"
ALL = "0.0.0.0/0"
WITHIN = 1.0

# Sends one packet of each row's kind: [kind, address, port].
SEND = r"""
import json, socket, subprocess, sys
for kind, address, port in json.loads(sys.argv[1]):
    if kind == "ping":
        subprocess.run(["ping", "-c1", "-W1", address], capture_output=True)
        continue
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as s:
        s.settimeout(1)
        try:
            s.connect((address, port))
            s.send(b"hello")
        except OSError:
            pass
"""


def send(sbx, *rows):
    sbx.write("/tmp/send.py", SEND)
    sbx.sh("python3 /tmp/send.py '%s'" % json.dumps(rows))


def denials(sbx):
    r = sbx.api("GET", "/network/denials")
    assert r.status == 200, r
    return r.json


def find(sbx, **want):
    return [d for d in denials(sbx)["denials"] if all(d[k] == v for k, v in want.items())]


def denied(sbx, **want):
    """The newest denial that has these members; waits for it."""
    t0 = time.monotonic()
    found = until(lambda: find(sbx, **want), 3)
    assert found, "no %r in %r" % (want, denials(sbx)["denials"][-5:])
    late = time.monotonic() - t0
    assert late < WITHIN, "seen after %.1f s" % late
    return found[-1]


def rule(d):
    return d["rule"] and (d["rule"]["source"], d["rule"]["origin"], d["rule"]["text"])


def at(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


# --- denials -----------------------------------------------------------------

@case("a denied packet shows up with its flow, and the rule that denied it")
def _():
    sbx = Sandbox(network={"denyOut": [ONE, EIGHT]})
    same(denials(sbx), {"denials": [], "dropped": 0})
    t0 = time.time()
    send(sbx, ("tcp", EIGHT, 443), ("udp", EIGHT, 7), ("ping", ONE, 0), ("tcp", "10.99.0.1", 80), ("udp", NINE, 53))
    d = denied(sbx, destination=EIGHT, protocol="tcp")
    same((d["port"], d["direction"], d["verdict"], d["count"]), (443, "out", "drop", 1))
    same(rule(d), ("deny", "/network/denyOut/1", EIGHT))
    same(d["generation"], int(sbx.api("GET").headers["Coppice-Generation"]))
    assert t0 - 0.1 < at(d["time"]) < time.time() + 0.1 and d["sourcePort"] > 1023, d
    d = denied(sbx, destination=EIGHT, protocol="udp")
    same((d["port"], rule(d)[1]), (7, "/network/denyOut/1"))
    d = denied(sbx, destination=ONE, protocol="icmp")
    same((d["port"], d["sourcePort"], rule(d)[1]), (None, None, "/network/denyOut/0"))
    d = denied(sbx, destination="10.99.0.1")
    same((d["port"],) + rule(d), (80, "always denied", "built in", "10.0.0.0/8"))
    d = denied(sbx, destination=NINE)
    same((d["port"], rule(d)[0]), (53, "always denied"))
    assert rule(d)[1].startswith("coppiced.conf:"), d
    same(denials(sbx)["dropped"], 0)
    send(sbx, ("tcp", "8.8.4.4", 80))
    same(find(sbx, destination="8.8.4.4"), [], "what is allowed is not seen")


@case("the reason is that of the policy under which it was denied")
def _():
    sbx = Sandbox(network={"denyOut": [EIGHT]})
    for i, (policy, want) in enumerate((
            ({"denyOut": [ALL], "allowOut": [ONE]}, ("deny", "/network/denyOut/0", ALL)),
            ({"allow_internet_access": False}, ("no internet", "/allow_internet_access", ALL)),
            ({"denyOut": [NINE, "8.0.0.0/8"]}, ("deny", "/network/denyOut/1", "8.0.0.0/8")))):
        send(sbx, ("udp", EIGHT, 100 + i))
        sbx.network(**policy)
        send(sbx, ("udp", EIGHT, 200 + i))
        d = denied(sbx, destination=EIGHT, port=200 + i)
        same(rule(d)[1:], want[1:])
    same([rule(find(sbx, port=100 + i)[0])[1] for i in range(3)],
         ["/network/denyOut/0", "/network/denyOut/0", "/allow_internet_access"])
    generations = [d["generation"] for d in denials(sbx)["denials"]]
    same(generations, sorted(generations))


@case("IPv6 is seen like IPv4")
def _():
    if not coppice.has_ipv6():
        note("no IPv6 in this kernel")
        return
    sbx = Sandbox(network={"denyOut": ["2001:4860::/32"]})
    send(sbx, ("tcp", EIGHT6, 443), ("udp", EIGHT6, 7), ("ping", EIGHT6, 0), ("tcp", "fd00::1", 80))
    same(rule(denied(sbx, destination=EIGHT6, protocol="tcp", port=443)),
         ("deny", "/network/denyOut/0", "2001:4860::/32"))
    denied(sbx, destination=EIGHT6, protocol="udp", port=7)
    denied(sbx, destination=EIGHT6, protocol="icmpv6", port=None)
    same(rule(denied(sbx, destination="fd00::1", port=80))[:2], ("always denied", "built in"))


@case("what the other side sends on a flow that was revoked")
def _():
    sbx = Sandbox()
    sbx.python("import socket\ns=socket.create_connection(('%s',9000))\nprint('open')\n"
               "while True: s.recv(9999)" % EIGHT).until(b"open")
    sbx.network(denyOut=[EIGHT])
    d = denied(sbx, destination=EIGHT, direction="in")
    same((d["port"], d["protocol"], rule(d)[1]), (9000, "tcp", "/network/denyOut/0"))


@case("repeated packets of one flow are one, and the list is bounded")
def _():
    sbx = Sandbox(network={"denyOut": [EIGHT, ONE]})
    sbx.sh("python3 -c 'import socket,time\n"
           "s=socket.socket(type=socket.SOCK_DGRAM)\n"
           "for i in range(10):\n    s.sendto(b\"x\",(\"%s\",7))\n    time.sleep(0.06)'" % EIGHT)
    assert until(lambda: find(sbx, destination=EIGHT)[0]["count"] == 10, 3), denials(sbx)
    d = find(sbx, destination=EIGHT)
    same(len(d), 1)
    assert 0.4 < at(d[0]["lastTime"]) - at(d[0]["time"]) < 3, d
    sbx.sh("python3 -c 'import socket,time\n"
           "s=socket.socket(type=socket.SOCK_DGRAM)\n"
           "for i in range(300):\n    s.sendto(b\"x\",(\"%s\",1000+i))\n    time.sleep(0.052)'" % ONE)
    assert until(lambda: find(sbx, port=1299), 3)
    r = denials(sbx)
    assert len(r["denials"]) == 256 and r["dropped"] > 0, (len(r["denials"]), r["dropped"])
    same(find(sbx, destination=EIGHT), [], "the oldest made room")
    assert r["dropped"] + sum(d["count"] for d in r["denials"]) >= 300


@case("denials of a slot's last tenant are not the next one's")
def _():
    for _ in range(6):
        a = Sandbox(network={"denyOut": [EIGHT]})
        send(a, ("udp", EIGHT, 7))
        a.kill()
    b = Sandbox()
    same(denials(b)["denials"], [])
    time.sleep(0.3)
    same(denials(b)["denials"], [])


# --- flows -------------------------------------------------------------------

# Holds one connection of each kind open: kind, address, port.
HOLD = r"""
import socket, time
held = []
for kind, address, port in ROWS:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(3)
    s.connect((address, port))
    s.send(b"x")
    if kind == "udp":
        s.recv(9)
    held.append(s)
    print("port", s.getsockname()[1])
print("open")
while True:
    time.sleep(0.5)
    held[0].send(b"x")
"""


def flows(sbx, **want):
    r = sbx.api("GET", "/network/flows")
    assert r.status == 200, r
    return [f for f in r.json["flows"] if all(f[k] == v for k, v in want.items())]


@case("flows are listed with the generation that let them through")
def _():
    sbx = Sandbox()
    rows = [("tcp", ONE, 9001), ("udp", EIGHT, 7), ("tcp", EIGHT, 9001)]
    if coppice.has_ipv6():
        rows.append(("tcp", ONE6, 9001))
    p = sbx.python("ROWS = %r\n%s" % (rows, HOLD)).until(b"open\n")
    ports = [int(l.split()[1]) for l in p.out.decode().splitlines() if l.startswith("port")]
    first = int(sbx.api("GET").headers["Coppice-Generation"])
    for (kind, address, port), source in zip(rows, ports):
        f = flows(sbx, destination=address, port=port, protocol=kind)
        same(len(f), 1, address)
        same((f[0]["sourcePort"], f[0]["generation"], f[0]["current"]), (source, first, True))
        same(f[0]["state"], "ESTABLISHED" if kind == "tcp" else "REPLIED")
        assert f[0]["expiresInSeconds"] > 10, f
    other = Sandbox()
    same(flows(other, port=9001), [], "another sandbox's")
    sbx.network(denyOut=[EIGHT])
    second = int(sbx.api("GET").headers["Coppice-Generation"])
    assert second > first
    f = flows(sbx, destination=EIGHT, port=7)
    same([(x["generation"], x["current"]) for x in f], [(first, False)])
    # The first one talks, is judged again, and carries the new one.
    assert until(lambda: flows(sbx, destination=ONE, generation=second, current=True), 5), flows(sbx, destination=ONE)
    p.close()


@case("flows of many connections, while policies change")
def _():
    sbx = Sandbox()
    p = sbx.python("""
import resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (4000, 4000))
held = [socket.create_connection(("8.8.8.8", 9001), 10) for _ in range(1500)]
print("open")
time.sleep(100)
""").until(b"open")
    stop, seen = threading.Event(), []

    def ask():
        while not stop.is_set():
            seen.append(len(flows(sbx, destination=EIGHT)))
    t = threading.Thread(target=ask)
    t.start()
    times = []
    try:
        for i in range(60):
            t0 = time.monotonic()
            sbx.network(denyOut=["9.9.9.%d" % i])
            times.append((time.monotonic() - t0) * 1e3)
    finally:
        stop.set()
        t.join()
    same(set(seen), {1500})
    times.sort()
    note("%d answers of 1,500 flows; PUTs beside them: median %.1f ms, slowest %.1f ms" % (
        len(seen), times[len(times) // 2], times[-1]))
    p.close()


@case("unknown sandboxes and other methods")
def _():
    for path in ("denials", "flows"):
        r = api("GET", "/sandboxes/%s/network/%s" % (NOBODY, path))
        same((r.status, r.json), (404, {"code": 404, "message": api("GET", "/sandboxes/" + NOBODY).json["message"]}))
        same(api("POST", "/sandboxes/%s/network/%s" % (NOBODY, path), {}).status, 405)
        same(api("GET", "/sandboxes/%s/network/%s" % (NOBODY, path), key=None).status, 401)


@case("denials go on after a restart of any process")
def _():
    sbx = Sandbox(network={"denyOut": [EIGHT]})
    port = 1000
    for name in ("coppice-apid", "coppice-egressd", "coppice-privd rules", "coppice-egressd", "coppice-apid"):
        send(sbx, ("udp", EIGHT, port))
        denied(sbx, destination=EIGHT, port=port)
        pid = {n: p for p, n in coppice.daemons().items()}[name]
        os.kill(pid, signal.SIGKILL)
        assert until(lambda: pid not in coppice.processes() and len(coppice.daemons()) == 6 and health(), 10)
        port += 1
        assert until(lambda: send(sbx, ("udp", EIGHT, port)) or find(sbx, port=port), 5), "blind after " + name
        same(rule(denied(sbx, port=port))[1], "/network/denyOut/0")
        port += 1


# Takes what the process has open there and sends on it, as nobody or as root:
# that the kernel shall not log to this group any more.
UNBIND = r"""
import ctypes, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
pid, fd, uid = map(int, sys.argv[1:])
fd = libc.syscall(438, os.pidfd_open(pid), fd, 0)
assert fd >= 0, os.strerror(ctypes.get_errno())
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12, fileno=fd)
os.setgroups([])
os.setresuid(uid, uid, uid)
s.sendto(struct.pack("=IHHIIBBH", 28, 0x401, 1, 7, 0, 0, 0, socket.htons(1919)) + struct.pack("=HHBxxx", 5, 1, 2), (0, 0))
"""


@case("the socket of denied packets can only be read, without rights")
def _():
    rows = [l.split() for l in pathlib.Path("/proc/net/netlink").read_text().splitlines()[1:]]
    logs = {"socket:[%s]" % r[-1] for r in rows if r[1] == "12"}
    holders = {name: (str(pid), fd.name) for pid, name in coppice.daemons().items()
               if name in ("coppice-apid", "coppice-egressd")
               for fd in pathlib.Path("/proc/%d/fd" % pid).iterdir() if os.readlink(fd) in logs}
    same(sorted(holders), ["coppice-apid", "coppice-egressd"])
    sbx = Sandbox(network={"denyOut": [EIGHT]})
    for i, where in enumerate(holders.values()):
        coppice.host(sys.executable, "-c", UNBIND, *where, "65534")
        send(sbx, ("udp", EIGHT, 10 + i))
        denied(sbx, destination=EIGHT, port=10 + i)
    # With rights it would have worked: nothing is seen, until all is new.
    coppice.host(sys.executable, "-c", UNBIND, *holders["coppice-egressd"], "0")
    send(sbx, ("udp", EIGHT, 20))
    time.sleep(0.5)
    same(find(sbx, port=20), [])
    apid = int(holders["coppice-apid"][0])
    os.kill(apid, signal.SIGKILL)
    assert until(lambda: apid not in coppice.processes() and len(coppice.daemons()) == 6 and health(), 10)
    assert until(lambda: send(sbx, ("udp", EIGHT, 21)) or find(sbx, port=21), 5)


def health():
    with contextlib.suppress(OSError):
        return api("GET", "/health").status == 200
    return False


coppice.main()
