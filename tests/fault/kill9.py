#!/usr/bin/env python3
"""tests/fault/kill9.py - kill -9 of each of our processes in turn, fifty
rounds, under create, exec and kill load.

What was acknowledged must hold: a sandbox whose 201 arrived and that nobody
killed is listed, answers, and has the policy of its last 204.  What was
killed is gone, from the list and from the machine."""
import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

os.environ.setdefault("COPPICED_ARGS", "")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import coppice
from coppice import Sandbox, api, case, note, same, until

ROUNDS = int(os.environ.get("KILL_ROUNDS", "50"))
KEEPERS = 6
VICTIMS = ("coppice-apid", "coppice-privd rules", "coppice-privd spawn", "coppice-proxyd",
           "coppice-egressd", "coppiced")
EIGHT, ONE = "8.8.8.8", "1.1.1.1"


def health():
    with contextlib.suppress(OSError, Exception):
        return api("GET", "/health").status == 200
    return False


def pid_of(name):
    for pid, what in coppice.daemons().items():
        if what == name:
            return pid
    return None


def shoot(name):
    """kill -9; returns once somebody else has taken the place."""
    pid = until(lambda: pid_of(name), 15)
    assert pid, "%s is not running: %s" % (name, coppice.processes())
    os.kill(pid, signal.SIGKILL)
    if name == "coppiced":
        # What keeps the monitor alive is systemd, or `make run`; here, us.
        until(lambda: pid not in coppice.processes(), 5)
        coppice.daemon("start")
    assert until(lambda: pid_of(name) not in (None, pid), 15), name + " did not come back"
    assert until(health, 15), "no health after the death of " + name


class Keeper:
    """A sandbox that must outlive everything, and its acknowledged policy."""

    def __init__(self, i):
        self.sbx = Sandbox(metadata={"keeper": str(i)}, timeout=3600)
        self.denied = None
        self.lock = threading.Lock()
        self.sbx.sh("echo %s > /tmp/mark; setsid sleep 100000 >/dev/null 2>&1 </dev/null &" % self.sbx.id)
        self.sleeper = self.sbx.sh("pgrep -x sleep")

    def flip(self):
        """Sends a policy; remembers it only if it was acknowledged."""
        want = random.choice((ONE, EIGHT))
        with self.lock:
            before, self.denied = self.denied, "unknown"
            try:
                r = self.sbx.api("PUT", "/network", {"denyOut": [want]})
                self.denied = want if r.status == 204 else before
            except OSError:
                pass  # either may hold; the store will say which

    def check(self):
        with self.lock:
            d = self.sbx.api("GET")
            same(d.status, 200, "keeper " + self.sbx.id)
            same(d.json["state"], "running")
            stored = d.json.get("network", {}).get("denyOut", [None])[0]
            if self.denied not in ("unknown", None):
                same(stored, self.denied, "policy acknowledged")
            self.denied = stored
            same(self.sbx.sh("cat /tmp/mark; pgrep -x sleep").split(), [self.sbx.id, self.sleeper])
            if stored:
                got = self.sbx.sh("for a in %s %s; do timeout 2 bash -c \"</dev/tcp/$a/80\" 2>/dev/null "
                                  "&& echo open || echo closed; done" % (ONE, EIGHT)).split()
                same(got, ["closed" if stored == a else "open" for a in (ONE, EIGHT)], "verdicts")


class Load(threading.Thread):
    """Creates, runs, kills; remembers what it was promised."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stop = False
        self.made = self.ran = self.refused = 0
        self.owned, self.wrong = {}, []

    def run(self):
        while not self.stop:
            try:
                self.once()
            except (OSError, Exception):
                self.refused += 1
                time.sleep(0.05)

    def once(self):
        r = api("POST", "/v2/sandboxes", {"templateID": "base", "timeout": 3600})
        if r.status != 201:
            raise OSError(r.status)
        sbx = Sandbox.found(r.json)
        Sandbox.alive.pop(sbx.id)
        self.owned[sbx.id] = "made"
        self.made += 1
        with contextlib.suppress(OSError, AssertionError, Exception):
            if sbx.sh("echo $((6*7))") == "42":
                self.ran += 1
        self.owned[sbx.id] = "going"
        status = api("DELETE", "/sandboxes/" + sbx.id).status
        if status in (204, 404):
            self.owned[sbx.id] = "gone"
            if status == 404:
                self.wrong.append("%s: acknowledged, then unknown" % sbx.id)


def groups():
    """Names of our control groups."""
    found = subprocess.run(["find", "/sys/fs/cgroup", "-type", "d", "-path", "*coppice*/*"],
                           capture_output=True, text=True).stdout
    return len(found.split())


@case("%d rounds of kill -9" % ROUNDS)
def _():
    keepers = [Keeper(i) for i in range(KEEPERS)]
    loads = [Load() for _ in range(2)]
    for l in loads:
        l.start()
    for n in range(ROUNDS):
        for k in random.sample(keepers, 2):
            k.flip()
        time.sleep(random.random() * 0.2)
        shoot(VICTIMS[n % len(VICTIMS)])
        for k in random.sample(keepers, 2):
            k.check()
    for l in loads:
        l.stop = True
    for l in loads:
        l.join(90)
        assert not l.is_alive(), "a client hangs"
    for k in keepers:
        k.check()
    note("%d created, %d ran, %d refused meanwhile" % tuple(
        sum(getattr(l, f) for l in loads) for f in ("made", "ran", "refused")))
    same([w for l in loads for w in l.wrong], [])
    # What the clients could not finish they finish now; the rest is nobody's.
    listed = set(coppice.list_ids())
    for l in loads:
        for i, state in l.owned.items():
            if state == "gone":
                assert i not in listed, "%s was killed and is listed" % i
            if state == "made":
                assert i in listed, "%s was acknowledged and is lost" % i
    own = {k.sbx.id for k in keepers}
    for i in listed - own:
        api("DELETE", "/sandboxes/" + i)
    same(set(coppice.list_ids()), own)
    assert sum(l.made for l in loads) > ROUNDS, "hardly any load"


@case("nothing is left of those that are gone")
def _():
    coppice.kill_all()
    for i in coppice.list_ids():
        api("DELETE", "/sandboxes/" + i)
    same(coppice.list_ids(), [])
    state = pathlib.Path(coppice.STATE) / "state"

    def left():
        ids = [str(p) for p in state.rglob("i" + 20 * "[a-z0-9]")]
        envds = [p for p, n in coppice.processes().items() if n.startswith("envd")]
        return ids, len(envds)
    until(lambda: left()[0] == [], 10)
    same(left()[0], [])


@case("a sandbox that dies with its init is noticed")
def _():
    sbx = Sandbox()
    with contextlib.suppress(Exception):
        sbx.sh("sudo kill -9 1; sudo kill -9 -1")
    same(sbx.api("GET").status, 200)
    before = set(coppice.processes())
    other = Sandbox()
    envd = [p for p, n in coppice.processes().items() if n.startswith("envd") and p not in before]
    assert envd, "no new envd"
    for pid in envd[:1]:
        os.kill(pid, signal.SIGKILL)
        assert until(lambda: other.api("GET").status == 404 or sbx.api("GET").status == 404, 10)


@case("a graceful restart adopts everything")
def _():
    k = Keeper(99)
    k.flip()
    coppice.daemon("stop")
    assert any(n.startswith("envd") for n in coppice.processes().values()), "the sandbox ended with its daemon"
    coppice.daemon("start")
    k.check()
    paused = Sandbox()
    paused.sh("echo kept > /tmp/kept")
    same(paused.api("POST", "/pause").status, 204)
    coppice.daemon("stop")
    coppice.daemon("start")
    same(paused.api("GET").json["state"], "paused")
    same(paused.api("POST", "/resume", {"timeout": 60}).status, 201)
    same(paused.sh("cat /tmp/kept"), "kept")
    short = Sandbox(timeout=3)
    coppice.daemon("stop")
    time.sleep(3)
    coppice.daemon("start")
    assert until(lambda: short.api("GET").status == 404, 5), "expired while nobody looked, and lives"


coppice.main()
