"""tests/lib/coppice.py - what the Python tests share: the harness, a client of
the API and of envd that hides nothing, and ways into the world's namespaces.

A test file ends with coppice.main().  Run by hand, it puts itself into a world
of its own (world.sh).  With ENVD_ADDR=HOST:PORT there is no world: every
sandbox is the envd that runs there alone, its files removed.
"""
import base64
import bisect
import contextlib
import http.client
import json
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
import urllib.parse

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
WORLD = str(TOP / "tests/lib/world.sh")
ALONE = os.environ.get("ENVD_ADDR")
if "COP_WORLD" not in os.environ and sys.argv[0] and not ALONE:
    os.execv(WORLD, [WORLD, os.path.abspath(sys.argv[0]), *sys.argv[1:]])

API = urllib.parse.urlsplit(os.environ.get("E2B_API_URL", "http://127.0.0.1:3000"))
WAY_IN = urllib.parse.urlsplit("http://" + ALONE if ALONE else
                               os.environ.get("E2B_SANDBOX_URL", "http://127.0.0.1:3002"))
KEY = os.environ.get("E2B_API_KEY", "e2b_" + 40 * "0")
STATE = os.environ.get("COP_STATE", "")
ENVD_PORT = 49983
NOBODY = "inobodynobodynobody00"

# --- harness -----------------------------------------------------------------

_cases = []


class Skip(Exception):
    """Raised by a case that cannot run here, with the reason."""


def case(name):
    def add(body):
        _cases.append((name, body))
        return body
    return add


def same(got, want, about=""):
    assert got == want, "%s%r, expected %r" % (about and about + ": ", got, want)


def until(condition, seconds=10.0):
    """Waits for a condition, with a limit; its last value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.02)


def note(text):
    print("# " + str(text), flush=True)


def main():
    pick = sys.argv[1] if len(sys.argv) > 1 else ""
    passed = failed = skipped = 0
    for name, body in _cases:
        # A file that another one borrows from keeps its cases to itself.
        if pick not in name or body.__module__ != "__main__":
            continue
        t0 = time.monotonic()
        try:
            body()
            passed += 1
            print("ok %s (%d ms)" % (name, (time.monotonic() - t0) * 1000), flush=True)
        except Skip as e:
            skipped += 1
            print("skipped %s: %s" % (name, e), flush=True)
        except Exception as e:  # a failing case prints, and the next one runs
            failed += 1
            print("not ok " + name)
            for line in traceback.format_exception(e)[-4:]:
                print("#   " + line.rstrip().replace("\n", "\n#   "), flush=True)
            until(answers, 0 if ALONE else 15)  # it may have failed in the middle of a restart
        kill_all()
    print("%d passed, %d failed" % (passed, failed) + (", %d skipped" % skipped if skipped else ""), flush=True)
    os._exit(failed != 0)


# --- the API -----------------------------------------------------------------

class Reply:
    def __init__(self, status, headers, raw):
        self.status, self.headers, self.raw = status, headers, raw

    @property
    def json(self):
        return json.loads(self.raw)

    def __repr__(self):
        return "%d %r" % (self.status, self.raw[:300])


def send(url, method, path, body=None, headers=None, timeout=70):
    """One request on a connection of its own; body: bytes, or JSON to be."""
    c = http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)
    try:
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        c.request(method, path, body, headers)
        r = c.getresponse()
        return Reply(r.status, r.headers, r.read())
    finally:
        c.close()


def api(method, path, body=None, key=KEY, **headers):
    h = {k.replace("_", "-"): v for k, v in headers.items()}
    if key is not None:
        h["X-API-Key"] = key
    return send(API, method, path, body, h)


class Sandbox:
    alive = {}

    def __init__(self, **body):
        if ALONE:
            self.alone().sh("rm -rf /home/user/* /tmp/* 2>/dev/null; cd /home/user", user="root")
            return
        r = api("POST", "/v2/sandboxes", {"templateID": "base", "timeout": 300, **body})
        assert r.status == 201, r
        self.adopt(r.json)

    def alone(self):
        self.id, self.token = "ialone00000000000000", None
        return self

    def adopt(self, answer):
        self.answer = answer
        self.id = answer["sandboxID"]
        self.token = answer.get("envdAccessToken")
        Sandbox.alive[self.id] = self

    @classmethod
    def found(cls, answer):
        sbx = cls.__new__(cls)
        sbx.adopt(answer)
        return sbx

    def api(self, method, path="", body=None):
        return api(method, "/sandboxes/%s%s" % (self.id, path), body)

    def network(self, **policy):
        r = self.api("PUT", "/network", policy)
        assert r.status == 204, r

    def kill(self):
        if ALONE:
            return 204
        Sandbox.alive.pop(self.id, None)
        return self.api("DELETE").status

    # --- envd

    def headers(self, port=ENVD_PORT):
        h = {"E2b-Sandbox-Id": self.id, "E2b-Sandbox-Port": str(port)}
        if self.token and port == ENVD_PORT:
            h["X-Access-Token"] = self.token
        return h

    def way_in(self, port, path="/", method="GET", body=None, timeout=20, **headers):
        return send(WAY_IN, method, path, body, {**self.headers(port), **headers}, timeout)

    def start(self, command, **opts):
        return Command(self, command, **opts)

    def run(self, command, **opts):
        """Runs a shell command to its end; its Command."""
        c = self.start(command, **opts)
        c.wait()
        return c

    def sh(self, command, **opts):
        """The standard output of a command that must succeed."""
        c = self.run(command, **opts)
        assert c.exit_code == 0, "%s: %d %s%s" % (command, c.exit_code, c.out, c.err)
        return c.out.decode().strip()

    def write(self, path, data, user="user"):
        q = urllib.parse.urlencode({"path": path, "username": user})
        r = self.way_in(ENVD_PORT, "/files?" + q, "POST", data,
                        **{"Content-Type": "application/octet-stream"})
        assert r.status == 200, r

    def python(self, source, **opts):
        """Starts a Python program inside, unbuffered."""
        packed = base64.b64encode(source.encode()).decode()
        return self.start("exec python3 -u -c \"import base64;exec(base64.b64decode('%s'))\""
                          % packed, **opts)


def exactly(reply, n):
    data = b""
    while len(data) < n:
        got = reply.read(n - len(data))
        if not got:
            raise ConnectionError("the stream ended early")
        data += got
    return data


def envelope(reply):
    """The next one of a Connect stream: whether it is the last, and its message."""
    flags, n = struct.unpack(">BI", exactly(reply, 5))
    return bool(flags & 2), json.loads(exactly(reply, n) or b"{}")


class Command:
    """A process started through envd as the SDKs do."""

    def __init__(self, sbx, command, user="user", timeout_ms=120_000, envs=None, argv=None):
        argv = argv or ["/bin/bash", "-l", "-c", command]
        start = {"process": {"cmd": argv[0], "args": argv[1:], "envs": envs or {}}, "stdin": False}
        data = json.dumps(start).encode()
        h = sbx.headers()
        h["Content-Type"] = "application/connect+json"
        h["Connect-Protocol-Version"] = "1"
        h["Connect-Timeout-Ms"] = str(timeout_ms)
        h["Authorization"] = "Basic " + base64.b64encode((user + ":").encode()).decode()
        self.conn = http.client.HTTPConnection(WAY_IN.hostname, WAY_IN.port, timeout=timeout_ms / 1000 + 5)
        self.conn.request("POST", "/process.Process/Start", struct.pack(">BI", 0, len(data)) + data, h)
        self.reply = self.conn.getresponse()
        self.out = self.err = b""
        self.pid = self.exit_code = self.error = None
        if self.reply.status != 200:
            self.error = self.reply.read().decode("utf-8", "replace")
            raise AssertionError("start: %d %s" % (self.reply.status, self.error))
        while self.pid is None and self.step():
            pass
        assert self.pid, "start: " + str(self.error)

    def step(self):
        """Takes one message; False at the end."""
        last, m = envelope(self.reply)
        if last:
            self.error = m.get("error")
            self.conn.close()
            return False
        event = m.get("event", {})
        if "start" in event:
            self.pid = event["start"]["pid"]
        if "data" in event:
            self.out += base64.b64decode(event["data"].get("stdout", ""))
            self.err += base64.b64decode(event["data"].get("stderr", ""))
        if "end" in event:
            self.exit_code = event["end"].get("exitCode", 0)
        return True

    def until(self, text):
        """Reads until the output holds this text."""
        while text not in self.out:
            assert self.step(), "ended with %r, %r before %r" % (self.out, self.err, text)
        return self

    def wait(self):
        while self.step():
            pass
        if self.exit_code is None:
            raise AssertionError("no exit code: %s" % self.error)
        return self

    def close(self):
        with contextlib.suppress(OSError):
            self.conn.sock.shutdown(socket.SHUT_RDWR)
        self.conn.close()


def answers():
    with contextlib.suppress(Exception):
        return api("GET", "/health").status == 200
    return False


def kill_all():
    for sbx in list(Sandbox.alive.values()):
        with contextlib.suppress(Exception):
            sbx.kill()
    Sandbox.alive.clear()


def list_ids(state="running,paused"):
    ids, token = [], ""
    while True:
        r = api("GET", "/v2/sandboxes?limit=100&state=%s%s" % (
            state, "&nextToken=" + urllib.parse.quote(token) if token else ""))
        assert r.status == 200, r
        ids += [s["sandboxID"] for s in r.json]
        token = r.headers.get("X-Next-Token")
        if not token:
            return ids


# --- the world ---------------------------------------------------------------

def enter(who):
    """The command prefix that runs something in the namespace of who."""
    return ["nsenter", "-t", os.environ[who], "-n", "--"]


def host(*argv, check=True):
    """Runs a command in the host's namespace, where the test runs anyway."""
    return subprocess.run(argv, check=check, capture_output=True, text=True).stdout


def internet(*argv, check=True):
    return subprocess.run(enter("COP_INET") + list(argv), check=check,
                          capture_output=True, text=True).stdout


class Capture:
    """Packets that reach the internet while the block runs, as .rows."""

    def __enter__(self):
        self.p = subprocess.Popen(enter("COP_INET") + [str(TOP / "tests/lib/capture.py"), "in0"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        same(self.p.stdout.readline(), "ready\n")
        self.ahead = time.time_ns() - time.monotonic_ns()
        return self

    def __exit__(self, *_):
        out, _ = self.p.communicate("")
        self.rows = [json.loads(line) for line in out.splitlines()]

    def stamped(self, address):
        """(sent, arrived) of what carries its own send time; ns, monotonic."""
        return [(r[7], int(r[0] * 1e9) - self.ahead) for r in self.rows if r[3] == address and r[7]]

    def to(self, address, after=0.0, before=9e18):
        return [r for r in self.rows if r[3] == address and after < r[0] < before]


def within(t, spans):
    """When the span that holds this moment ends; None without one."""
    i = bisect.bisect(spans, (t,)) - 1
    return spans[i][1] if i >= 0 and spans[i][0] < t < spans[i][1] else None


def daemon(what):
    r = subprocess.run([WORLD, what], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr


def has_ipv6():
    return os.path.exists("/proc/net/if_inet6")


def processes():
    """Our own processes: {pid: what it executes and says it is}.

    Those in the world's host, whoever else runs a daemon on this machine, and
    every envd: each has a network namespace of its own."""
    found = {}
    here = os.readlink("/proc/self/ns/net")
    for p in pathlib.Path("/proc").iterdir():
        if not p.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            exe = os.path.basename(os.readlink(p / "exe")).removesuffix(" (deleted)")
            daemon_of_ours = exe.startswith(("coppiced", "coppice-"))
            if daemon_of_ours and os.readlink(p / "ns/net") == here or exe.startswith("envd"):
                args = (p / "cmdline").read_bytes().split(b"\0")
                mode = args[1].decode() if exe == "coppice-privd" and len(args) > 1 else ""
                found[int(p.name)] = (exe + " " + mode).strip()
    return found


def daemons():
    """coppiced and what it started; helpers come and go beside them."""
    found = processes()

    def parent(pid):
        with contextlib.suppress(OSError):
            return int(pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()[1])
    return {pid: name for pid, name in found.items()
            if name.startswith("coppice") and (name == "coppiced" or found.get(parent(pid)) == "coppiced")}


def descriptors(pid):
    if ALONE:  # a number on another machine, where nobody inside may look
        return 0
    with contextlib.suppress(OSError):
        return len(os.listdir("/proc/%d/fd" % pid))
    return 0
