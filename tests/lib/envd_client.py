"""tests/lib/envd_client.py - envd by its own protocol, and looked at from the
host: what it holds before and after a test has leant on it."""
import base64
import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import socket
import struct
import threading
import urllib.parse

import coppice
from coppice import ENVD_PORT, WAY_IN, until

PROC = "/process.Process/"
FS = "/filesystem.Filesystem/"


def basic(user):
    return {"Authorization": "Basic " + base64.b64encode((user + ":").encode()).decode()}


def unary(sbx, path, message, user="user", timeout=30):
    """(status, answer) of a unary rpc."""
    r = sbx.way_in(ENVD_PORT, path, "POST", json.dumps(message), timeout=timeout,
                   **{"Content-Type": "application/json", **basic(user)})
    return r.status, json.loads(r.raw or b"{}")


def files(sbx, path, method="GET", body=None, user="root", timeout=60, **headers):
    q = urllib.parse.urlencode({"path": path, "username": user})
    if body is not None:
        headers.setdefault("Content-Type", "application/octet-stream")
    return sbx.way_in(ENVD_PORT, "/files?" + q, method, body, timeout, **headers)


class Stream:
    """A server stream that is read only when somebody asks for it."""

    def __init__(self, sbx, path, message, user="user", timeout=60, sock=None, **headers):
        data = json.dumps(message).encode()
        h = {**sbx.headers(), **basic(user), "Content-Type": "application/connect+json",
             "Connect-Protocol-Version": "1", **{k.replace("_", "-"): v for k, v in headers.items()}}
        self.conn = http.client.HTTPConnection(WAY_IN.hostname, WAY_IN.port, timeout=timeout)
        self.conn.sock = sock
        self.conn.request("POST", path, struct.pack(">BI", 0, len(data)) + data, h)
        self.reply = self.conn.getresponse()
        self.error = None
        assert self.reply.status == 200, "%s: %d %r" % (path, self.reply.status, self.reply.read())

    def next(self):
        """The next message; None at the end, with .error set or not."""
        last, m = coppice.envelope(self.reply)
        if last:
            self.error = m.get("error")
            self.conn.close()
            return None
        return m.get("event", m)

    def rest(self):
        """What is left of it, kind by kind."""
        out = {"stdout": [], "stderr": [], "pty": []}
        end = None
        while (e := self.next()) is not None:
            for kind, text in e.get("data", {}).items():
                out[kind].append(base64.b64decode(text))
            end = e.get("end", end)
        return {"end": end, **{kind: b"".join(pieces) for kind, pieces in out.items()}}

    def close(self):
        with contextlib.suppress(OSError):
            self.conn.sock.close()
        with contextlib.suppress(OSError):
            self.reply.close()
        self.conn.close()


def start(sbx, *argv, user="user", timeout=60, envs=None, cwd=None, timeout_ms=None, sock=None, **more):
    """Starts a program; its stream, with .pid."""
    process = {"cmd": argv[0], "args": list(argv[1:]), "envs": envs or {}}
    if cwd is not None:
        process["cwd"] = cwd
    headers = {"Connect_Timeout_Ms": str(timeout_ms)} if timeout_ms is not None else {}
    s = Stream(sbx, PROC + "Start", {"process": process, **more}, user, timeout, sock, **headers)
    first = s.next()
    assert first is not None, s.error
    s.pid = first["start"]["pid"]
    return s


def connect(sbx, timeout=60, timeout_ms=None, **selector):
    headers = {"Connect_Timeout_Ms": str(timeout_ms)} if timeout_ms is not None else {}
    return Stream(sbx, PROC + "Connect", {"process": selector}, timeout=timeout, **headers)


def signal(sbx, sig, **selector):
    return unary(sbx, PROC + "SendSignal", {"process": selector, "signal": sig})


def listed(sbx):
    return unary(sbx, PROC + "List", {})[1].get("processes", [])


# --- from the host ------------------------------------------------------------
#
# An envd that runs alone on another machine is asked for by a ps(1) there; what
# that does not say is 0.

def there(command):
    return coppice.Sandbox.__new__(coppice.Sandbox).alone().sh(command, user="root")


def envd_of(sbx):
    """The number that envd of this sandbox has on the host."""
    if coppice.ALONE:
        return int(sbx.sh("echo $PPID"))
    for pid, name in coppice.processes().items():
        if not name.startswith("envd"):
            continue
        with contextlib.suppress(OSError):
            if pathlib.Path("/proc/%d/root/run/e2b/.E2B_SANDBOX_ID" % pid).read_text().strip() == sbx.id:
                return pid
    raise AssertionError("no envd for " + sbx.id)


def rss_kib(pid):
    if coppice.ALONE:
        return int(there("ps -o rss= -p %d" % pid))
    for line in pathlib.Path("/proc/%d/status" % pid).read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def peak_kib(pid):
    if coppice.ALONE:
        return rss_kib(pid)
    for line in pathlib.Path("/proc/%d/status" % pid).read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1])
    raise AssertionError("no VmHWM")


def reset_peak(pid):
    if not coppice.ALONE:
        pathlib.Path("/proc/%d/clear_refs" % pid).write_text("5")


def children(pid):
    if coppice.ALONE:
        pairs = [line.split() for line in there("ps -axo pid= -o ppid= -o comm=").splitlines()]
        return [int(p) for p, parent, name in pairs if parent == str(pid) and name not in ("ps", "sh", "bash")]
    with contextlib.suppress(OSError):
        return [int(p) for p in pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]
    return []


def state(pid):
    if coppice.ALONE:
        return there("ps -o state= -p %d || true" % pid)[:1]
    with contextlib.suppress(OSError):
        return pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()[0]
    return None


def zombies(pid):
    return [p for p in children(pid) if state(p) == "Z"]


@contextlib.contextmanager
def leaves_nothing(sbx, grows_kib=1024, children_too=True):
    """After the block envd holds what it held before: descriptors, children,
    zombies and memory.  Memory may grow a little: what malloc keeps for the
    next time."""
    pid = envd_of(sbx)
    sbx.sh("true")
    before = coppice.descriptors(pid), len(children(pid)), rss_kib(pid)
    yield pid

    def now():
        return coppice.descriptors(pid), len(children(pid)) if children_too else before[1], rss_kib(pid)

    def settled():
        fds, kids, rss = now()
        # One connection for the logs comes and goes.
        return fds <= before[0] + 1 and kids <= before[1] and rss <= before[2] + grows_kib
    assert until(settled, 15), "envd had %d descriptors, %d children, %d KiB, and now %d, %d, %d" % (before + now())
    assert not zombies(pid), "zombies: %r" % zombies(pid)
    coppice.note("envd: %d KiB before, %d after" % (before[2], rss_kib(pid)))
    assert coppice.ALONE or os.path.exists("/proc/%d" % pid)


_setns = ctypes.CDLL(None, use_errno=True).setns


def inside(sbx, n=1, port=ENVD_PORT, timeout=20):
    """n sockets that come from inside the sandbox, by its loopback."""
    if coppice.ALONE:
        return [socket.create_connection((WAY_IN.hostname, WAY_IN.port), timeout) for _ in range(n)]
    made, pid = [], envd_of(sbx)

    def connect_all():
        # Of this thread alone, and a socket stays where it was made.
        with open("/proc/%d/ns/net" % pid) as ns:
            assert _setns(ns.fileno(), 0x40000000) == 0, os.strerror(ctypes.get_errno())
        with contextlib.suppress(OSError):
            for _ in range(n):
                made.append(socket.create_connection(("127.0.0.1", port), timeout))
    t = threading.Thread(target=connect_all)
    t.start()
    t.join()
    return made
