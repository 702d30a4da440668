#!/usr/bin/env python3
"""tests/api/capture.py - captures of a sandbox's link.

Files are read twice: by a reader of our own, which looks at every block, and
by tcpdump.  What a capture must not hold is made at the same time by a second
sandbox."""
import contextlib
import http.client
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

os.environ.setdefault("COP_CONF", "max_sandboxes = 12\npool_slots = 4")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import coppice
from coppice import API, KEY, NOBODY, Sandbox, api, case, same, until

ONE, EIGHT, NINE = "1.1.1.1", "8.8.8.8", "9.9.9.9"
TCP, UDP = 6, 17
INBOUND, OUTBOUND = 1, 2
COPPICE = os.path.join(os.environ["COP_BIN"], "coppice")

# Says something by TCP and by UDP, a hundred times a second, until it is killed.
TALK = r"""
import socket, time
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.setblocking(False)
while True:
    with socket.socket() as t:
        t.settimeout(2)
        try:
            t.connect(("%(to)s", 80))
            t.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while t.recv(65536):
                pass
        except OSError:
            pass
    for _ in range(5):
        try:
            u.sendto(b"hello" * 20, ("%(to)s", 7))
            u.recv(1000)
        except OSError:
            pass
        time.sleep(0.002)
"""

# Sends 60 MB of datagrams, and says how many those were.
FLOOD = r"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
n = 0
while n < 43000:
    try:
        n += s.sendto(bytes(1400), ("%s", 9)) == 1400
    except OSError:
        pass
print(n)
"""


# --- reading -----------------------------------------------------------------

class Packet:
    def __init__(self, at_ns, length, flags, data):
        self.at_ns, self.length, self.data = at_ns, length, data
        self.direction = flags & 3
        kind = struct.unpack(">H", data[12:14])[0]
        self.ends, self.proto, self.ports = (), None, (0, 0)
        if kind == 0x0800 and len(data) >= 34:
            self.proto = data[23]
            self.ends = tuple(socket.inet_ntoa(data[i:i + 4]) for i in (26, 30))
            at = 14 + (data[14] & 15) * 4
            if self.proto in (TCP, UDP) and len(data) >= at + 4:
                self.ports = struct.unpack(">HH", data[at:at + 4])


class File:
    """A pcapng file, every block checked; .whole if its statistics are last."""

    def __init__(self, raw):
        self.raw, self.packets, self.stats, kinds = raw, [], None, []
        at = 0
        while at < len(raw):
            kind, n = struct.unpack_from("<II", raw, at)
            assert n >= 12 and n % 4 == 0 and at + n <= len(raw), "block of %d at %d of %d" % (n, at, len(raw))
            same(struct.unpack_from("<I", raw, at + n - 4)[0], n, "the length again")
            self.block(kind, raw[at + 8:at + n - 4])
            kinds.append(kind)
            at += n
        same(kinds[:2], [0x0A0D0D0A, 1])
        same(set(kinds[2:]) - {5, 6}, set())
        self.whole = kinds[-1] == 5
        same(kinds.count(5), int(self.whole))

    def block(self, kind, body):
        if kind == 0x0A0D0D0A:
            same(struct.unpack_from("<IHHq", body), (0x1A2B3C4D, 1, 0, -1))
        elif kind == 1:
            self.link, _, self.snaplen = struct.unpack_from("<HHI", body)
            self.options = self.read_options(body[8:])
            same(self.link, 1)
            same(self.options[9], b"\x09")
        elif kind == 6:
            i, high, low, cap, length = struct.unpack_from("<IIIII", body)
            same(i, 0)
            assert cap <= self.snaplen and cap <= length
            options = self.read_options(body[20 + (cap + 3 & ~3):])
            self.packets.append(Packet(high << 32 | low, length, struct.unpack("<I", options[2])[0], body[20:20 + cap]))
        elif kind == 5:
            o = self.read_options(body[12:])
            self.stats = {name: struct.unpack("<Q", o[code])[0] for code, name in
                          ((4, "received"), (5, "dropped"), (8, "delivered"))}

    @staticmethod
    def read_options(body):
        found, at = {}, 0
        while at < len(body):
            code, n = struct.unpack_from("<HH", body, at)
            if code == 0:
                same(at + 4, len(body), "the end of the options")
                return found
            found[code] = body[at + 4:at + 4 + n]
            at += 4 + (n + 3 & ~3)
        raise AssertionError("options without an end")


def tcpdump(raw, *args):
    """What tcpdump reads out of a file: a line a packet."""
    r = subprocess.run(["tcpdump", "-nn", "-r", "-", *args], input=raw, capture_output=True)
    assert r.returncode == 0, r.stderr
    return r.stdout.decode().splitlines()


# --- asking ------------------------------------------------------------------

def path(sbx, **query):
    return "/sandboxes/%s/network/capture?%s" % (sbx.id if isinstance(sbx, Sandbox) else sbx,
                                               urllib.parse.urlencode(query))


class Stream:
    """A capture under way: a connection that has the answer's head."""

    def __init__(self, sbx, **query):
        self.conn = http.client.HTTPConnection(API.hostname, API.port, timeout=40)
        self.conn.request("GET", path(sbx, **query), headers={"X-API-Key": KEY})
        self.sock = self.conn.sock
        self.reply = self.conn.getresponse()
        self.status = self.reply.status

    def stop(self):
        """Says that it wants no more, and reads the rest."""
        self.sock.shutdown(socket.SHUT_WR)
        return self.read()

    def read(self):
        raw = self.reply.read()
        self.close()
        return raw

    def close(self):
        self.reply.close()
        self.conn.close()


def ours():
    return [p for p, n in coppice.processes().items() if n == "coppice-capture"]


def none_left():
    assert until(lambda: not ours(), 10), "captures are left: %s" % ours()


def again(sbx):
    """A capture where one has just ended: privd may not know yet."""
    def attempt():
        s = Stream(sbx)
        return s if s.status == 200 else s.close()
    return until(attempt)


def inside(sbx):
    """The command prefix for the network of a sandbox."""
    own = address_of(sbx)
    for pid, name in coppice.processes().items():
        enter = ["nsenter", "-t", str(pid), "-n", "--"]
        if name.startswith("envd") and own in coppice.host(*enter, "ip", "-4", "-o", "addr", check=False):
            return enter
    raise AssertionError("no envd has %s" % own)


def address_of(sbx):
    return sbx.sh("ip -4 -o addr show scope global | awk '{print $4}' | cut -d/ -f1 | head -n 1")


@contextlib.contextmanager
def talking(sbx, to):
    command = sbx.python(TALK % {"to": to}, timeout_ms=280_000)
    try:
        yield
    finally:
        with contextlib.suppress(AssertionError):  # the sandbox may be gone
            sbx.run("kill %d" % command.pid)
        command.close()


def curl(to):
    return "curl -sm5 -o /dev/null http://%s/" % to


# --- what is in it -----------------------------------------------------------

@case("TCP and UDP of one sandbox, both ways, and of no other")
def _():
    sbx, other = Sandbox(), Sandbox()
    own, not_ours = address_of(sbx), address_of(other)
    with talking(other, NINE), talking(sbx, ONE):
        s = Stream(sbx)
        same(s.status, 200)
        same(s.reply.headers["Content-Type"], "application/x-pcapng")
        same(s.reply.headers["Transfer-Encoding"], "chunked")
        time.sleep(1.5)
        began = time.time_ns()
        raw = s.stop()
    f = File(raw)
    assert f.whole and f.snaplen == 65535
    assert len(f.packets) > 50, len(f.packets)
    for p in f.packets:
        assert own in p.ends and not_ours not in p.ends and NINE not in p.ends, p.ends
        same(p.direction, INBOUND if p.ends[0] == own else OUTBOUND, p.ends)
        assert abs(p.at_ns - began) < 60e9
    same({p.proto for p in f.packets} & {TCP, UDP}, {TCP, UDP})
    same({p.direction for p in f.packets}, {INBOUND, OUTBOUND})
    same(f.stats["delivered"], len(f.packets))
    same(f.stats["dropped"], 0)
    assert f.options[2].startswith(b"cop"), f.options[2]
    assert sbx.id.encode() in f.options[3], f.options[3]
    lines = tcpdump(raw)
    same(len(lines), len(f.packets))
    assert any("Flags [S]" in line and ONE + ".80" in line for line in lines), lines[:5]
    same(len(tcpdump(raw, "src host " + own)), sum(p.direction == INBOUND for p in f.packets))
    none_left()


@case("what the policy forbids is seen all the same")
def _():
    sbx = Sandbox(network={"denyOut": [EIGHT]})
    own = address_of(sbx)
    s = Stream(sbx, filter="tcp port 80")
    sbx.run(curl(EIGHT))
    f = File(s.stop())
    assert any(p.ends == (own, EIGHT) and p.direction == INBOUND for p in f.packets)
    assert any(p.ends == (EIGHT, own) and p.data[47] & 4 for p in f.packets), "no reset came back"


@case("the filter holds, in the kernel")
def _():
    sbx = Sandbox()
    with talking(sbx, ONE):
        for text, proto in (("udp and dst port 7", UDP), ("tcp port http", TCP)):
            s = Stream(sbx, filter=text)
            time.sleep(0.7)
            f = File(s.stop())
            assert f.packets and {p.proto for p in f.packets} == {proto}, (text, len(f.packets))
            same(f.stats["delivered"], len(f.packets))
            # What came while the end was written is counted, and not there.
            assert 0 <= f.stats["received"] - len(f.packets) < 20, f.stats
            same(f.options[11], b"\0" + text.encode())
        s = Stream(sbx, filter="host 8.8.8.8")
        time.sleep(0.5)
        same(File(s.stop()).packets, [])
    s = Stream(sbx, filter="ip6 host 2001:db8::1 or ether host 02:c0:70:00:00:01 and ip proto 17")
    same(File(s.stop()).packets, [])


@case("a VLAN tag is where it was")
def _():
    sbx = Sandbox()
    s = Stream(sbx)
    # A sandbox has no packet sockets: root of the host sends from in there.
    subprocess.run(inside(sbx) + [sys.executable, "-c", """if True:
        import socket
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        s.bind(("eth0", 0))
        s.send(bytes(6) + bytes([2] * 6) + bytes.fromhex("8100612388b5") + b"tagged" * 10)"""], check=True)
    f = File(s.stop())
    tagged = [p for p in f.packets if b"taggedtagged" in p.data]
    same([p.data[12:18] for p in tagged], [bytes.fromhex("8100612388b5")])
    same((len(tagged[0].data), tagged[0].length), (78, 78))
    same(sum("vlan 291" in line for line in tcpdump(f.raw, "-e", "vlan 291")), 1)
    none_left()


@case("so many packets, so many seconds, so much of each")
def _():
    sbx = Sandbox()
    with talking(sbx, ONE):
        f = File(Stream(sbx, packets=17).read())
        assert f.whole
        same(len(f.packets), 17)
        t0 = time.monotonic()
        f = File(Stream(sbx, seconds=1).read())
        assert f.whole and 0.9 < time.monotonic() - t0 < 10 and f.packets
        f = File(Stream(sbx, packets=60, snaplen=64).read())
        same(f.snaplen, 64)
        same(max(len(p.data) for p in f.packets), 64)
        assert max(p.length for p in f.packets) > 100


@case("the byte budget is never exceeded, and the file is whole")
def _():
    sbx = Sandbox()
    sbx.start("while :; do head -c 2000000 </dev/tcp/%s/9000 >/dev/null; done" % ONE)
    for most in (4096, 5000, 70000, 1 << 20, 3_333_333):
        raw = Stream(sbx, bytes=most).read()
        f = File(raw)
        assert f.whole and len(raw) <= most, (len(raw), most)
        same(len(tcpdump(raw)), len(f.packets))
    assert len(raw) > most - 70000 and len(f.packets) > 40, len(raw)
    none_left()


@case("a slow reader loses packets, which are counted, and holds up nobody")
def _():
    sbx = Sandbox()
    s = Stream(sbx, bytes=1 << 30, filter="udp port 9")
    sent = int(sbx.python(FLOOD % ONE).wait().out)
    f = File(s.stop())
    assert f.whole
    assert f.stats["dropped"] > 0, f.stats
    same(f.stats["received"], sent)
    same(f.stats["delivered"], len(f.packets))
    same(sent, f.stats["delivered"] + f.stats["dropped"])
    # All that can wait: the kernel's buffers, ours, and the connection's.
    assert len(f.raw) < 20e6, len(f.raw)
    none_left()


# --- what is refused ---------------------------------------------------------

@case("what is wrong names itself")
def _():
    sbx = Sandbox()

    def refused(status, *words, to=sbx, **query):
        none_left()
        r = api("GET", path(to, **query))
        same(r.status, status, query)
        for word in words:
            assert word in r.json["message"], (word, r.json)
    refused(400, "filter: ", "syntax error", filter="tcp prot 80")
    refused(400, "filter: ", "nowhere.example", filter="host nowhere.example")
    refused(400, "filter: ", filter="host 1.2.3.4 and (")
    refused(400, "filter: ", "1024", filter="tcp" + " " * 1022)
    refused(400, "filter: ", filter="wlan type mgt subtype beacon")
    refused(400, "bytes", "4096", "1073741824", "100", bytes=100)
    refused(400, "bytes", "2000000000", bytes=2_000_000_000)
    refused(400, "packets", "-1", packets=-1)
    refused(400, "packets", "many", packets="many")
    refused(400, "seconds", "3600", "0", seconds=0)
    refused(400, "snaplen", "64", "10", snaplen=10)
    refused(404, NOBODY, to=NOBODY)
    refused(404, NOBODY, to=NOBODY, bytes=1)
    same(api("POST", path(sbx)).status, 405)
    same(api("GET", path(sbx), key=None).status, 401)
    same(sbx.api("POST", "/pause").status, 204)
    refused(409, sbx.id)
    none_left()


@case("a filter that is long or deep does no harm")
def _():
    sbx = Sandbox()
    for text in ("(" * 500 + "tcp" + ")" * 500, " or ".join("port %d" % p for p in range(100, 190)),
                 "tcp[" * 250 + "0", "not " * 250 + "tcp", "\x01\x02\xff", "%s%n" * 100):
        r = Stream(sbx, filter=text)
        if r.status == 200:
            assert File(r.stop()).whole
        else:
            same(r.status, 400, text[:20])
            r.read()
        none_left()


@case("four for a sandbox, and the fifth is told so")
def _():
    sbx, other = Sandbox(), Sandbox()
    running = [Stream(sbx) for _ in range(4)]
    same([s.status for s in running], [200] * 4)
    r = api("GET", path(sbx))
    same(r.status, 429)
    assert sbx.id in r.json["message"] and "4 captures" in r.json["message"], r.json
    s = Stream(other)
    same(s.status, 200)
    s.close()
    same(len(until(lambda: len(ours()) == 4 and ours())), 4)
    running.pop().close()
    assert until(lambda: len(ours()) == 3)
    s = again(sbx)
    for s in [s, *running]:
        s.close()
    none_left()


@case("thirty-two for all")
def _():
    running = [Stream(sbx) for sbx in [Sandbox() for _ in range(8)] for _ in range(4)]
    same([s.status for s in running], [200] * 32)
    last = Sandbox()
    r = api("GET", path(last))
    same(r.status, 429)
    assert "32 captures" in r.json["message"], r.json
    running.pop().close()
    assert until(lambda: len(ours()) == 31)
    s = again(last)
    for s in [s, *running]:
        assert File(s.stop()).whole
    none_left()


# --- how it ends -------------------------------------------------------------

@case("a client that goes away ends it, whether packets flow or not")
def _():
    sbx = Sandbox()
    s = Stream(sbx, filter="host 203.0.113.7")
    same(len(ours()), 1)
    s.close()
    none_left()
    with talking(sbx, ONE):
        s = Stream(sbx)
        s.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
        none_left()


@case("a client that says no more with its request gets a file, too")
def _():
    sbx = Sandbox()
    with socket.create_connection((API.hostname, API.port), 20) as c:
        c.sendall(("GET %s HTTP/1.0\r\nHost: localhost\r\nX-API-Key: %s\r\n\r\n" % (path(sbx), KEY)).encode())
        c.shutdown(socket.SHUT_WR)
        raw = b"".join(iter(lambda: c.recv(65536), b""))
    head, body = raw.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200 "), head
    assert File(body).whole
    none_left()


@case("a pause is a pause in it")
def _():
    sbx = Sandbox()
    s = Stream(sbx, filter="tcp port 80")
    sbx.sh(curl(ONE))
    same(sbx.api("POST", "/pause").status, 204)
    same(len(ours()), 1)
    assert sbx.api("POST", "/connect", {"timeout": 300}).status in (200, 201)
    sbx.sh(curl(EIGHT))
    f = File(s.stop())
    assert f.whole
    same({a for p in f.packets for a in p.ends} & {ONE, EIGHT}, {ONE, EIGHT})
    none_left()


@case("the end of the sandbox ends it, with a whole file")
def _():
    sbx = Sandbox()
    with talking(sbx, ONE):
        s = Stream(sbx)
        time.sleep(0.5)
        sbx.kill()
    f = File(s.read())
    assert f.whole and f.packets
    none_left()


@case("the slot's next tenant is not in it")
def _():
    sbx = Sandbox()
    own = address_of(sbx)
    s = Stream(sbx)
    sbx.sh(curl(ONE))
    sbx.kill()
    killed = time.time_ns()
    for _ in range(24):
        nxt = Sandbox()
        if address_of(nxt) == own:
            break
        nxt.kill()
    else:
        raise AssertionError("no sandbox got the slot again")
    nxt.sh(curl(EIGHT))
    f = File(s.read())
    assert f.whole and f.packets
    assert all(p.at_ns < killed for p in f.packets)
    assert not any(EIGHT in p.ends for p in f.packets)
    none_left()


@case("one that is killed takes nobody with it, and the command says so")
def _():
    sbx = Sandbox()
    before = coppice.daemons()
    with tempfile.TemporaryDirectory() as d:
        p = command("-w", "f", sbx.id, cwd=d)
        name = os.path.join(d, "f")
        assert until(lambda: os.path.exists(name) and os.path.getsize(name) > 100)
        pid, = ours()
        os.kill(pid, signal.SIGKILL)
        err = p.communicate(timeout=20)[1].decode()
        same(p.returncode, 1, err)
        assert "broke off" in err, err
        assert not File(pathlib.Path(name).read_bytes()).whole
    s = Stream(sbx, filter="tcp")
    same(s.status, 200)
    assert File(s.stop()).whole
    same(coppice.daemons(), before)
    none_left()


@case("a daemon that is killed leaves none")
def _():
    sbx = Sandbox()
    s = Stream(sbx)
    pid = [p for p, n in coppice.daemons().items() if n == "coppice-privd spawn"][0]
    os.kill(pid, signal.SIGKILL)
    none_left()
    with contextlib.suppress(Exception):
        s.read()
    assert until(lambda: coppice.send(API, "GET", "/health").status == 200, 20)


# --- who it is ---------------------------------------------------------------

@case("it is nobody, has no rights, and can call almost nothing")
def _():
    import pwd
    sbx = Sandbox()
    s = Stream(sbx)
    pid, = ours()
    p = pathlib.Path("/proc/%d" % pid)
    status = dict(line.split(":\t", 1) for line in (p / "status").read_text().splitlines())
    uid, gid = pwd.getpwnam("_coppice_cap")[2:4]
    same(status["Uid"].split(), [str(uid)] * 4)
    same(status["Gid"].split(), [str(gid)] * 4)
    same(status["Groups"].strip(), "")
    for which in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
        same(int(status[which], 16), 0, which)
    same(status["NoNewPrivs"], "1")
    same(status["Seccomp"], "2")
    names = {f: os.readlink(p / "fd" / f) for f in os.listdir(p / "fd")}
    same(sum(n.startswith("socket:") for n in names.values()) - sum(
        names[f].startswith("socket:") for f in "012"), 2, names)
    same(len(names), 5, names)
    env = [v for v in (p / "environ").read_text().split("\0") if v]
    same([v.split("=")[0] for v in env], ["COPPICE_FDS"])
    # It sees no files of the host.
    assert not os.path.exists(p / "root/etc"), os.listdir(p / "root")
    File(s.stop())


# --- the command -------------------------------------------------------------

def command(*args, **more):
    env = {**os.environ, "COPPICE_API_KEY": KEY, "COPPICE_URL": os.environ["E2B_API_URL"]}
    return subprocess.Popen([COPPICE, "net", "capture", *args], env=env,
                            stderr=subprocess.PIPE, **more)


@case("coppice net capture: a file, not over another, and a filter in words")
def _():
    sbx = Sandbox()
    with tempfile.TemporaryDirectory() as d, talking(sbx, ONE):
        p = command("-c", "9", sbx.id, "udp", "and", "dst", "port", "7", cwd=d)
        same((p.communicate()[1].decode(), p.returncode)[1], 0)
        name = os.path.join(d, sbx.id + ".pcapng")
        f = File(pathlib.Path(name).read_bytes())
        assert f.whole
        same([p.ports[1] for p in f.packets], [7] * 9)
        same(os.stat(name).st_mode & 0o777, 0o600)
        p = command(sbx.id, cwd=d)
        err = p.communicate()[1].decode()
        same(p.returncode, 1)
        assert "exists" in err, err
        p = command(sbx.id, "-f", "-c", "3", cwd=d)
        p.communicate()
        same((p.returncode, len(File(pathlib.Path(name).read_bytes()).packets)), (0, 3))
        p = command("-w", "x", sbx.id, "prot", "80", cwd=d)
        err = p.communicate()[1].decode()
        same(p.returncode, 1)
        assert "filter: " in err and not os.path.exists(os.path.join(d, "x")), err


@case("coppice net capture: Ctrl-C leaves a whole file")
def _():
    sbx = Sandbox()
    for busy in (True, False):
        with tempfile.TemporaryDirectory() as d, contextlib.ExitStack() as stack:
            if busy:
                stack.enter_context(talking(sbx, ONE))
            p = command("-w", "f", sbx.id, cwd=d)
            assert until(ours)
            name = os.path.join(d, "f")
            assert until(lambda: os.path.exists(name) and os.path.getsize(name) > (2000 if busy else 100))
            p.send_signal(signal.SIGINT)
            err = p.communicate(timeout=20)[1].decode()
            same(p.returncode, 0, err)
            assert " packets, " in err, err
            f = File(pathlib.Path(name).read_bytes())
            assert f.whole and bool(f.packets) == busy
    none_left()


@case("coppice net capture: into a pipe, as it comes")
def _():
    sbx = Sandbox()
    p = command("-w", "-", sbx.id, "tcp port 80", stdout=subprocess.PIPE)
    reader = subprocess.Popen(["tcpdump", "-lnn", "-r", "-"], stdin=p.stdout,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    p.stdout.close()
    assert until(ours)
    sbx.sh(curl(ONE))
    # A packet is there before the capture has ended.
    assert ONE.encode() + b".80" in reader.stdout.readline()
    reader.kill()
    reader.wait()
    sbx.sh(curl(ONE))
    same(p.wait(10), 0)
    none_left()
    import pty
    master, slave = pty.openpty()
    p = command("-w", "-", sbx.id, stdout=slave)
    err = p.communicate(timeout=20)[1].decode()
    same(p.returncode, 2)
    assert "terminal" in err, err
    os.close(master)
    os.close(slave)


if __name__ == "__main__":
    coppice.main()
