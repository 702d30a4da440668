#!/usr/bin/env python3
"""tests/api/pool.py [CASE] - the warm pool and the start command: what a claimed
sandbox is, that nobody sees one that is not claimed, that its network is closed
until then, and what becomes of members when things die."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
os.environ.setdefault("COP_CONF", "max_sandboxes = 24\npool_slots = 4\npool_size = 2")
import coppice
from coppice import NOBODY, Capture, Sandbox, api, case, daemons, list_ids, note, same, until

STATE = pathlib.Path(coppice.STATE)
TEMPLATES = STATE / "state/templates"
BASE = "coppicebase000000000"


def log(pattern, start=0):
    text = (STATE / "log").read_text(errors="replace")[start:]
    return re.findall(pattern, text)


def log_end():
    return len((STATE / "log").read_text(errors="replace"))


def status(template="base"):
    return next((t for t in api("GET", "/pool").json if t["template"] == template), None)


def members():
    """The ids of those that are ready, as the log has them."""
    live = []
    for sbx, old, new in log(r"sandbox.state sbx=(\w+) from=(\w+) to=(\w+)"):
        if new == "warm":
            live.append(sbx)
        elif old == "warm":
            live.remove(sbx)
    return live


def full(template="base", n=None, seconds=10):
    def enough():
        s = status(template)
        return s and s["ready"] == (s["target"] if n is None else n) and s["warming"] == 0
    assert until(enough, seconds), status(template)


def from_pool(sbx):
    return bool(log(r"sbx=%s from=warm to=creating" % sbx.id))


class Template:
    """One of our own, with the root of base, while the block runs."""

    def __init__(self, name, **fields):
        self.name, self.id = name, ("t" + name + "0" * 20)[:20]
        self.dir = TEMPLATES / self.id
        self.fields = {"templateID": self.id, "name": name, "buildID": "b-" + name, "memoryMB": 512,
                       "cpuCount": 1, "diskSizeMB": 512, **fields}

    def write(self, **fields):
        self.fields.update(fields)
        new = self.dir / "new"
        new.write_text(json.dumps(self.fields))
        new.rename(self.dir / "template.json")

    def __enter__(self):
        self.dir.mkdir()
        subprocess.run(["cp", "-al", str(TEMPLATES / BASE / "rootfs"), str(self.dir / "rootfs")], check=True)
        self.write()
        # Known at once by whoever asks for it, and by the pool within a while.
        assert until(lambda: status(self.name), 6), "no template " + self.name
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir)


def inside(sbx_id):
    """A process on the host that is this sandbox's first."""
    for pid, name in coppice.processes().items():
        if not name.startswith("envd"):
            continue
        try:
            if pathlib.Path("/proc/%d/root/run/e2b/.E2B_SANDBOX_ID" % pid).read_text().strip() == sbx_id:
                return pid
        except OSError:
            pass
    return None


# --- what is claimed ---------------------------------------------------------

@case("a create takes a member, which is then somebody's")
def _():
    full()
    was = members()
    sbx = Sandbox(metadata={"who": "me"}, envVars={"COLOUR": "blue"}, timeout=77)
    assert sbx.id in was and from_pool(sbx), (sbx.id, was)
    same(sbx.sh("hostname; cat /etc/hostname").split(), [sbx.id] * 2)
    same(sbx.sh("echo $E2B_SANDBOX_ID $COLOUR; cat /run/e2b/.E2B_SANDBOX_ID").split(), [sbx.id, "blue", sbx.id])
    got = sbx.api("GET").json
    same(got["metadata"], {"who": "me"})
    same(got["state"], "running")
    assert got["startedAt"] > "2026-01-01" and got["endAt"] > got["startedAt"], got
    # Its token, and nobody without.
    same(sbx.way_in(49983, "/envs", **{"X-Access-Token": sbx.token}).json["COLOUR"], "blue")
    same(sbx.way_in(49983, "/envs", **{"X-Access-Token": "no"}).status, 401)
    same(list_ids(), [sbx.id])
    same(status()["inUse"], 1)
    full()
    assert sbx.id not in members()
    same(sbx.kill(), 204)
    assert until(lambda: status()["inUse"] == 0)


@case("its policy is in force with the answer")
def _():
    for policy, want in (({}, "open"), ({"network": {"denyOut": ["8.8.8.8"]}}, "closed"),
                         ({"allow_internet_access": False}, "closed")):
        full()
        sbx = Sandbox(**policy)
        assert from_pool(sbx)
        same(sbx.sh("timeout 2 bash -c '</dev/tcp/8.8.8.8/80' 2>/dev/null && echo open || echo closed"), want)
        r = sbx.api("PUT", "/network", {"denyOut": ["8.8.8.8"]})
        same(r.status, 204)
        same(sbx.sh("timeout 2 bash -c '</dev/tcp/8.8.8.8/80' 2>/dev/null && echo open || echo closed"), "closed")
        sbx.kill()


@case("nobody sees a member")
def _():
    full()
    ready = members()
    same(len(ready), 2)
    same(list_ids(), [])
    for m in ready:
        for method, path, body in (("GET", "", None), ("DELETE", "", None), ("POST", "/pause", {}),
                                   ("POST", "/connect", {"timeout": 60}), ("POST", "/timeout", {"timeout": 60}),
                                   ("PUT", "/network", {"denyOut": []}), ("GET", "/network", None),
                                   ("GET", "/metrics", None)):
            same(api(method, "/sandboxes/%s%s" % (m, path), body).status, 404, method + path)
        same(api("GET", "/sandboxes/%s/logs" % m).status, api("GET", "/sandboxes/%s/logs" % NOBODY).status)
        r = coppice.send(coppice.WAY_IN, "GET", "/health", None, {"E2b-Sandbox-Id": m, "E2b-Sandbox-Port": "49983"})
        same(r.status, 502)
    same(members(), ready)
    time.sleep(6)  # metrics are taken every five seconds
    same(api("GET", "/sandboxes/metrics?sandbox_ids=" + ready[0]).json.get("sandboxes", {}), {})


@case("a storm of creates beyond the pool")
def _():
    full()
    start, failed, made = log_end(), [], []

    def one(i):
        try:
            sbx = Sandbox(metadata={"i": str(i)}, envVars={"I": str(i)})
            made.append(sbx.id)
            same(sbx.sh("echo $I; hostname").split(), [str(i), sbx.id])
            same(sbx.api("GET").json["metadata"], {"i": str(i)})
        except Exception as e:
            failed.append(e)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    same(failed, [])
    same(len(set(made)), 16)
    assert len(log(r"from=warm to=creating", start)) >= 2
    coppice.kill_all()
    full()


@case("members give way to who is here for real")
def _():
    full()
    made = [Sandbox() for _ in range(24)]
    same(len(list_ids()), 24)
    same(status()["ready"], 0)
    r = api("POST", "/v2/sandboxes", {"templateID": "base"})
    same(r.status, 429)
    made.pop().kill()
    Sandbox()
    coppice.kill_all()
    full()


# --- the start command -------------------------------------------------------

NOISY = ("(while :; do echo x >/dev/udp/8.8.8.8/5999; timeout 0.2 bash -c 'echo x >/dev/tcp/1.1.1.1/5998'; "
         "timeout 0.2 getent ahosts example.com; sleep 0.02; done) 2>/dev/null >/dev/null & "
         "touch /tmp/started; exec python3 -m http.server 8123 --bind 127.0.0.1 -d /run/e2b")


@case("two templates; the network of a member is closed until it is claimed")
def _():
    with Capture() as c:
        with Template("noisy", startCmd=NOISY, readyCmd="curl -sf http://127.0.0.1:8123/ >/dev/null",
                      poolSize=3, env={"SIZE": "small", "FROM": "template"}):
            full("noisy", 3)
            full("base")
            time.sleep(1)
            claimed = time.time()
            sbx = Sandbox(templateID="noisy", envVars={"SIZE": "large"},
                          network={"allowOut": ["8.8.8.8"], "denyOut": ["0.0.0.0/0"]})
            assert from_pool(sbx)
            same(sbx.sh("echo $SIZE $FROM; ls /tmp/started").split(), ["large", "template", "/tmp/started"])
            same(sbx.way_in(8123, "/").status, 200)
            time.sleep(1)
            base = Sandbox()
            assert from_pool(base)
            same(base.run("ls /tmp/started").exit_code, 2)
            # Its start command, and nobody else's.
            assert status("noisy")["inUse"] == 1 and status("base")["inUse"] == 1
            coppice.kill_all()
    ours = [r for r in c.rows if not r[2].startswith("fe80") and not r[3].startswith(("ff02:", "192.0.2.1"))]
    early = [r for r in ours if r[0] < claimed]
    same(early, [], "before anybody had claimed one")
    # Their resolver did not ask for them either, and does now.
    assert any(r[5] == 53 for r in ours), "no query of the one that was claimed"
    later = {(r[3], r[5]) for r in ours if r[5] in (5998, 5999)}
    same(later, {("8.8.8.8", 5999)}, "of the one that was claimed")


@case("a cold create waits until it is ready")
def _():
    with Template("slow", startCmd="sleep 0.7; touch /tmp/there; exec sleep infinity",
                  readyCmd="test -e /tmp/there", poolSize=0):
        t0 = time.monotonic()
        sbx = Sandbox(templateID="slow")
        assert time.monotonic() - t0 > 0.6
        assert not from_pool(sbx)
        same(sbx.sh("ls /tmp/there; id -un"), "/tmp/there\nuser")
        same(sbx.sh("stat -c %U /tmp/there"), "root")
        # From its files alone: the command runs again.
        sbx.sh("sudo rm /tmp/there")
        same(sbx.api("POST", "/pause", {"memory": False}).status, 204)
        same(api("POST", "/sandboxes/%s/connect" % sbx.id, {"timeout": 60}).status, 201)
        same(sbx.sh("ls /tmp/there"), "/tmp/there")
        # It is started again when it dies.
        sbx.sh("sudo rm /tmp/there; sudo pkill -x sleep")
        same(until(lambda: sbx.run("ls /tmp/there").exit_code == 0, 5), True)
        sbx.kill()


@case("a start command that fails")
def _():
    with Template("broken", startCmd="sleep 0.1; echo this is why >&2; exit 3", readyCmd="false", poolSize=2):
        start = log_end()
        r = api("POST", "/v2/sandboxes", {"templateID": "broken"})
        same(r.status, 500)
        assert "exited with status 3: this is why" in r.json["message"], r
        time.sleep(2.5)
        assert 1 <= len(log("pool.failed template=tbroken", start)) <= 4, log("pool.failed.*", start)
        same(status("broken")["ready"], 0)
    with Template("never", startCmd="exec sleep 100", readyCmd="echo not yet >&2; false", startTimeoutS=1, poolSize=0):
        r = api("POST", "/v2/sandboxes", {"templateID": "never"})
        same(r.status, 503)
        assert "not ready within 1000 ms: not yet" in r.json["message"], r
    same(list_ids(), [])


@case("what template.json may not say")
def _():
    bad = (("startCmd", 7, '"startCmd" is not a string: 7'),
           ("startUser", "a b", '"startUser" is not the name of a user: "a b"'),
           ("startTimeoutS", 0, '"startTimeoutS" is not a number from 1 to 600: 0'),
           ("poolSize", -1, '"poolSize" is not a number from 0 to 1024: -1'),
           ("env", {"A": 1}, '"env" has a value that is no text: 1'),
           ("env", {"A=B": "1"}, '"env" has "A=B"'))
    start = log_end()
    made = [Template("bad%d" % i, **{field: value}) for i, (field, value, _) in enumerate(bad)]
    for t in made:
        t.dir.mkdir()
        t.write()
    assert until(lambda: log("template.skipped", start), 6)
    for t, (_, _, says) in zip(made, bad):
        assert log("template.skipped template %s: %s" % (
            re.escape(str(t.dir / "template.json")), re.escape(says)), start), says
        same(api("POST", "/v2/sandboxes", {"templateID": t.name}).status, 404)
        shutil.rmtree(t.dir)


# --- the operator ------------------------------------------------------------

@case("warm and drain")
def _():
    full()
    same(api("POST", "/pool/base/warm", {"count": 4}).status, 202)
    full(n=4)
    same(status(), {"template": "base", "templateID": BASE, "ready": 4, "warming": 0, "target": 4, "inUse": 0})
    r = api("POST", "/pool/%s/drain" % BASE)
    same((r.status, r.json), (200, {"template": "base", "drained": 4}))
    same(api("POST", "/pool/base/drain").json["drained"], 0)
    time.sleep(1)
    same(status()["ready"], 0)
    sbx = Sandbox()
    assert not from_pool(sbx)
    same(sbx.sh("echo hi"), "hi")
    sbx.kill()
    for body, what in (({"count": 0}, "0"), ({"count": "x"}, "x"), ({"count": 5000}, "5000"), ({}, "count")):
        r = api("POST", "/pool/base/warm", body)
        assert r.status == 400 and what in r.json["message"], r
    same(api("POST", "/pool/nobody/warm", {"count": 1}).status, 404)
    same(api("POST", "/pool/nobody/drain").status, 404)
    r = api("POST", "/pool/base/warm", {"count": 20})
    assert r.status == 429 and "12" in r.json["message"], r
    coppice_pool = [os.environ["COP_BIN"] + "/coppice", "pool"]
    out = subprocess.run(coppice_pool + ["warm", "base", "2"], capture_output=True, text=True, check=True).stdout
    assert "base" in out, out
    full(n=2)
    out = subprocess.run(coppice_pool, capture_output=True, text=True, check=True).stdout
    assert re.search(r"^base +%s +2 +0 +2 +0$" % BASE, out, re.M), out
    r = subprocess.run(coppice_pool + ["drain", "nobody"], capture_output=True, text=True)
    assert r.returncode == 1 and "not found" in r.stderr, r


@case("a template that is built anew, and one that goes")
def _():
    with Template("moving", poolSize=2) as t:
        full("moving", 2)
        old = members()
        t.write(buildID="b-other")
        assert until(lambda: log("pool.rebuilt template=" + t.id), 5)
        full("moving", 2)
        assert len(set(members()) - set(old)) == 2, (old, members())
        sbx = Sandbox(templateID="moving")
        assert from_pool(sbx)
        sbx.kill()
        t.write(poolSize=0)
        assert until(lambda: status("moving")["ready"] == 0, 5)
        t.write(poolSize=1)
        full("moving", 1)
    assert until(lambda: len(members()) == status()["ready"], 5), members()


# --- death -------------------------------------------------------------------

@case("a member that dies is replaced")
def _():
    full()
    start = log_end()
    victim = members()[0]
    os.kill(inside(victim), signal.SIGKILL)
    assert until(lambda: log("pool.died template=%s sbx=%s" % (BASE, victim), start), 5)
    assert victim not in members()
    sbx = Sandbox()
    assert sbx.id != victim
    same(sbx.sh("echo hi"), "hi")
    full()
    sbx.kill()


@case("a member whose envd does not answer is none")
def _():
    full()
    start = log_end()
    victim = members()[0]
    pid = inside(victim)
    os.kill(pid, signal.SIGSTOP)
    t0 = time.monotonic()
    sbx = Sandbox()
    took = time.monotonic() - t0
    assert sbx.id != victim and not from_pool(sbx) and took < 8, (sbx.id, victim, took)
    assert log("pool.claim_failed template=%s sbx=%s" % (BASE, victim), start)
    same(sbx.sh("echo hi"), "hi")
    assert until(lambda: inside(victim) is None, 5)
    sbx.kill()
    full()


@case("kill -9 of the daemon with members: none of them is left")
def _():
    full()
    sbx = Sandbox()
    full()
    old, start = members(), log_end()
    pid = next(p for p, n in daemons().items() if n == "coppice-apid")
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: log("reclaim.done", start), 15)
    assert until(coppice.answers, 10)
    assert until(lambda: all(inside(m) is None for m in old), 5)
    same(list_ids(), [sbx.id])
    same(sbx.sh("echo hi"), "hi")
    full()
    again = [m for m in members() if m not in old]
    same(len(again), 2)
    same(Sandbox().id in again, True)


@case("SIGTERM of the core takes the members along")
def _():
    full()
    old, start = members(), log_end()
    pid = next(p for p, n in daemons().items() if n == "coppice-apid")
    os.kill(pid, signal.SIGTERM)
    assert until(lambda: log("reclaim.done", start), 15)
    assert until(coppice.answers, 10)
    same(log("reclaim.stray", start), [])
    assert all(inside(m) is None for m in old)
    full()


@case("another pool_size by a reload")
def _():
    full()
    conf = STATE / "coppiced.conf"
    conf.write_text(conf.read_text().replace("pool_size = 2", "pool_size = 3"))
    subprocess.run([os.environ["COP_BIN"] + "/coppice", "reload", "-f", str(conf)], check=True, capture_output=True)
    assert until(lambda: coppice.answers() and status()["target"] == 3, 15)
    full(n=3)
    note("%d members" % status()["ready"])


coppice.main()
