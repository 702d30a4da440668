#!/usr/bin/env python3
"""tests/api/site.py - the operator changes the ranges of the site while
sandboxes run: what is denied dies, what is not never notices.  And what others
do to the table that keeps these rules."""
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

os.environ.setdefault("COP_CONF", "max_sandboxes = 24\npool_slots = 4")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent))
import coppice
from coppice import Sandbox, api, case, host, note, same, until
from network import ALL, EIGHT, NINE, ONE, READER, TCP, Background, Capture, verdicts

CONF = pathlib.Path(coppice.STATE) / "coppiced.conf"
LOG = pathlib.Path(coppice.STATE) / "log"
PLAIN = CONF.read_text()
OFFICE = "10.99.0.1"


# --- helpers -----------------------------------------------------------------

class Log:
    """What the daemons say from here on."""

    def __init__(self):
        self.at = LOG.stat().st_size

    @property
    def text(self):
        with LOG.open("rb") as f:
            f.seek(self.at)
            return f.read().decode("utf-8", "replace")

    def has(self, pattern, seconds=10):
        found = until(lambda: re.search(pattern, self.text), seconds)
        assert found, "no %r in:\n%s" % (pattern, self.text[-3000:])
        return found


def coppice_reload(conf=CONF):
    return subprocess.run([os.environ["COP_BIN"] + "/coppice", "reload", "-f", str(conf)],
                          capture_output=True, text=True)


def reload(*lines):
    """Those lines over the plain configuration; returns when they are in force."""
    log = Log()
    CONF.write_text(PLAIN + "".join(l + "\n" for l in lines))
    t0 = time.monotonic()
    r = coppice_reload()
    same(r.returncode, 0, r.stdout + r.stderr)
    log.has(r"coppice-apid.* rules\.again sandboxes=\d+ failed=0 ")
    return (time.monotonic() - t0) * 1e3


@contextlib.contextmanager
def restored():
    """Afterwards the plain configuration holds again, whatever happened."""
    try:
        yield
    finally:
        changed = not CONF.exists() or CONF.read_text() != PLAIN
        log = Log()
        CONF.write_text(PLAIN)
        if changed:
            coppice_reload()
            log.has(r"rules\.again sandboxes=|coppiced\.ready|nothing is different")


def generations():
    """{interface: generation} of all slots that are open."""
    text = host("nft", "list", "map", "inet", "coppice", "gen")
    return {i: int(g, 16) for i, g in re.findall(r'"(cop\d+)" : (0x[0-9a-f]+)', text)}


def pids():
    return {name: pid for pid, name in coppice.daemons().items()}


def is_open(sbx, address):
    return verdicts(sbx, ("tcp", address, 80))[0]


def line_of(text):
    return 1 + CONF.read_text().splitlines().index(text)


# --- cases -------------------------------------------------------------------

@case("a range that the operator denies: its stream dies, the other is whole")
def _():
    with restored():
        sbx, empty, full = Sandbox(), Sandbox(), Sandbox(network={"denyOut": [ALL], "allowOut": [EIGHT, ONE]})
        kept, cut = Background(sbx, READER % ONE), Background(sbx, READER % EIGHT)
        assert until(lambda: kept.number("blocks") >= 200 and cut.number("blocks") >= 200)
        before, who = generations(), pids()
        same(len(before), 3)
        with Capture() as c:
            note("in force after %.0f ms" % reload("site_deny = " + EIGHT))
            t1 = time.time()
            n, m = kept.number("blocks"), cut.number("blocks")
            assert until(lambda: kept.number("blocks") >= n + 500), kept.lines[-3:]
        assert cut.number("blocks") <= m + 100, "the denied stream goes on"
        # Acknowledgements carry no time; they may have stood in a queue.
        same([r for r in c.to(EIGHT, t1 + 0.25) if r[1] == TCP], [])
        assert not kept.last("cut") and not kept.last("BROKEN"), kept.lines[-3:]
        after = generations()
        same(set(after), set(before))
        for i in before:
            assert after[i] > max(before.values()), (i, before, after)
        for s in (sbx, empty, full, Sandbox()):
            same((is_open(s, EIGHT), is_open(s, ONE)), (False, True))
        same(pids(), who, "a process started anew")
        # What was denied opens again, for those who were there.
        reload()
        for s in (sbx, empty, full):
            same(is_open(s, EIGHT), True)
        same(pids(), who, "a process started anew")


@case("a hole in what is built in opens, and closes on whoever is in it")
def _():
    with restored():
        sbx = Sandbox()
        same(is_open(sbx, OFFICE), False)
        reload("site_allow = " + OFFICE)
        same(is_open(sbx, OFFICE), True)
        same(is_open(Sandbox(network={"denyOut": [ALL]}), OFFICE), False, "lists decide in a hole")
        r = Background(sbx, READER % OFFICE)
        assert until(lambda: r.number("blocks") >= 200), r.lines[-3:]
        reload("# closed again")
        n = r.number("blocks")
        time.sleep(0.5)
        assert r.number("blocks") <= n + 100, "the stream through the hole goes on"
        same(is_open(sbx, OFFICE), False)


@case("a file with errors changes nothing, and its line and reason are said")
def _():
    with restored():
        sbx = Sandbox()
        before, who, log = generations(), pids(), Log()
        CONF.write_text(PLAIN + "site_deny = 8.8.8.8/40\ncolour = red\nsite_deny = 1.1.1.1\n")
        n = line_of("colour = red")
        want = ["%s:%d: site_deny: \"8.8.8.8/40\": the prefix length is 0 to 32" % (CONF, n - 1),
                "%s:%d: colour: there is no such key" % (CONF, n)]
        r = coppice_reload()
        same((r.returncode, r.stderr.splitlines()), (1, want + ["coppice: nothing was changed"]))
        os.kill(who["coppiced"], signal.SIGHUP)
        log.has(r"coppiced\.reload nothing was changed")
        for line in want:
            assert line in log.text.splitlines(), log.text
        # privd looks for itself, and asked directly it refuses as well.
        os.kill(who["coppice-privd rules"], signal.SIGHUP)
        log.has(r"rules\.site nothing was changed")
        same((is_open(sbx, EIGHT), is_open(sbx, ONE)), (True, True))
        same((generations(), pids()), (before, who))
        CONF.unlink()
        os.kill(who["coppiced"], signal.SIGHUP)
        log.has(re.escape("%s: cannot be opened: No such file" % CONF))
        same((generations(), pids()), (before, who))


@case("who says reload when there is nobody, or nothing new")
def _():
    with restored():
        sbx = Sandbox()
        reload("site_deny = " + EIGHT)
        before, who, log = generations(), pids(), Log()
        same(coppice_reload().returncode, 0)
        log.has("coppiced.reload: nothing is different")
        other = CONF.with_name("other.conf")
        other.write_text("state_dir = %s/nowhere\n" % coppice.STATE)
        r = coppice_reload(other)
        same((r.returncode, r.stderr), (1, "coppice: no coppiced runs with state_dir %s/nowhere\n" % coppice.STATE))
        same((generations(), pids()), (before, who))
        # A line more on top: what is denied is denied in another line.
        CONF.write_text("# first\n" + CONF.read_text())
        n, log = line_of("site_deny = " + EIGHT), Log()
        same(coppice_reload().returncode, 0)
        log.has(r"rules\.again sandboxes=1 failed=0")
        assert re.search(r"rules\.site deny=%s at=coppiced\.conf:%d\n" % (EIGHT, n), log.text), log.text
        same(is_open(sbx, EIGHT), False)


@case("what cannot change is named and keeps its value, also after a crash")
def _():
    with restored():
        sbx = Sandbox()
        who, log = pids(), Log()
        reload("site_deny = " + EIGHT, "net4 = 10.79.0.0/16", "id_base = 3145728000", "resolver_port = 5301")
        for key, value in (("net4", "10.78.0.0/16"), ("resolver_port", "5300"), ("id_base", "2147483648")):
            log.has(r"warn coppiced.* key=%s needs a restart of coppiced and keeps its value: %s\n" % (key, value))
        same(pids(), who)
        same((is_open(sbx, EIGHT), is_open(sbx, ONE)), (False, True))
        log = Log()
        os.kill(who["coppice-apid"], signal.SIGKILL)
        log.has(r"coppiced\.ready")
        assert re.search(r"reclaim\.adopted sbx=%s" % sbx.id, log.text), log.text
        fresh = Sandbox()
        for s in (sbx, fresh):
            same((is_open(s, EIGHT), is_open(s, ONE)), (False, True))
        assert fresh.sh("ip -4 -o addr").find("10.78.") > 0
        same(int(pathlib.Path("/proc/%s/status" % init_of()).read_text().split("Uid:")[1].split()[0]) >> 16 << 16 <
             3145728000, True)


def init_of():
    return max(pid for pid, name in coppice.processes().items() if name.startswith("envd"))


@case("any other key: the core starts anew, as ever, with the new ranges")
def _():
    with restored():
        sbx = Sandbox()
        kept = Background(sbx, READER % ONE)
        assert until(lambda: kept.number("blocks") >= 100)
        who, log = pids(), Log()
        CONF.write_text(PLAIN + "default_timeout_s = 111\nsite_deny = %s\n" % EIGHT)
        same(coppice_reload().returncode, 0)
        log.has(r"coppiced\.reload keys=site_deny,default_timeout_s: the core and egressd start anew")
        log.has(r"coppiced\.ready")
        now = pids()
        same({n for n in now if now[n] == who[n]}, {"coppiced", "coppice-proxyd"})
        same((is_open(sbx, EIGHT), is_open(sbx, ONE)), (False, True))
        n = kept.number("blocks")
        assert until(lambda: kept.number("blocks") >= n + 200), kept.lines[-3:]
        assert not kept.last("cut") and not kept.last("BROKEN"), kept.lines[-3:]
    same(is_open(sbx, EIGHT), True)


class Load:
    """About 200 PUTs a second on its own sandboxes; every one must be a 204."""

    def __init__(self, sbxs):
        self.sbxs, self.n, self.bad, self.end = sbxs, 0, [], False
        self.threads = [threading.Thread(target=self.run, args=(s,), daemon=True) for s in sbxs]

    def run(self, sbx):
        i = 0
        while not self.end:
            i += 1
            r = sbx.api("PUT", "/network", {"denyOut": ["9.9.%d.0/24" % (i % 200), NINE], "allowOut": [ONE]})
            self.n += 1
            if r.status != 204:
                self.bad.append(r)
            time.sleep(len(self.sbxs) / 200)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.end = True
        for t in self.threads:
            t.join()


@case("twenty reloads under 200 updates a second")
def _():
    with restored():
        sbxs = [Sandbox() for _ in range(4)]
        kept = Background(sbxs[0], READER % ONE)
        assert until(lambda: kept.number("blocks") >= 100)
        made, wrong = [], []

        def creating():
            while not load.end:
                made.append(Sandbox())
                time.sleep(0.1)
                if len(made) > 8:
                    made.pop(0).kill()

        with Load(sbxs) as load:
            t = threading.Thread(target=creating, daemon=True)
            t.start()
            t0 = time.monotonic()
            for i in range(20):
                denied = i % 2 == 0
                reload(*(["site_deny = " + EIGHT] if denied else ["# open"]))
                if is_open(sbxs[i % 4], EIGHT) == denied:
                    wrong.append(i)
            seconds = time.monotonic() - t0
            reload("site_deny = " + EIGHT)
        t.join()
        note("%d updates and %d creates in %.1f s" % (load.n, len(made), seconds))
        same((load.bad, wrong), ([], []))
        assert load.n / seconds > 50, "no load to speak of"
        for s in sbxs + made:
            same((is_open(s, EIGHT), is_open(s, ONE)), (False, True), s.id)
        assert not kept.last("cut") and not kept.last("BROKEN"), kept.lines[-3:]


@case("killed right after a reload, all come up with the new ranges")
def _():
    with restored():
        for victim in ("coppiced", "coppice-apid", "coppice-privd rules"):
            for deny in (True, False):
                sbx = Sandbox()
                # With coppiced the way in dies, and whoever follows through it.
                sbx.write("/tmp/reader.py", READER % ONE)
                sbx.sh("setsid python3 -u /tmp/reader.py >/tmp/said 2>&1 </dev/null &")

                def blocks():
                    said = sbx.sh("tail -n 1 /tmp/said")
                    return int((said or "none 0").split()[1]) if "blocks" in said else -1
                assert until(lambda: blocks() >= 100)
                CONF.write_text(PLAIN + ("site_deny = %s\n" % EIGHT if deny else ""))
                log, pid = Log(), pids()[victim]
                same(coppice_reload().returncode, 0)
                os.kill(pid, signal.SIGKILL)
                if victim == "coppiced":
                    assert until(lambda: pid not in coppice.processes(), 5)
                    coppice.daemon("start")
                log.has(r"coppiced\.ready", 20)
                want = (not deny, True)
                # The death may have been noticed only after the first of two starts.
                assert until(lambda: (is_open(sbx, EIGHT), is_open(sbx, ONE)) == want, 5), (victim, deny)
                assert until(lambda: api("GET", "/health").status == 200)
                fresh = Sandbox()
                same((is_open(fresh, EIGHT), is_open(fresh, ONE)), want, victim)
                n = blocks()
                assert until(lambda: blocks() >= n + 100), sbx.sh("tail /tmp/said")
                sbx.kill()
                fresh.kill()


@case("a table that others flush: counted, said, and no allowed stream is cut")
def _():
    def status():
        r = subprocess.run([os.environ["COP_BIN"] + "/coppice", "status", "-f", str(CONF)], capture_output=True,
                           text=True, env={**os.environ, "COPPICE_API_KEY": coppice.KEY})
        return next(l for l in r.stdout.splitlines() if l.startswith("rules "))

    def times():
        return int((re.search(r"repaired (\d+) times", status()) or [0, 0])[1])

    sbx = Sandbox(network={"denyOut": [EIGHT]})
    kept = Background(sbx, READER % ONE)
    assert until(lambda: kept.number("blocks") >= 100)
    had = times()
    for i in range(3):
        log, before = Log(), generations()
        host("nft", "flush", "ruleset")
        log.has(r"privd-rules.* rules\.lost because=\"somebody else changed the table\" times=%d\n" % (had + i + 1))
        log.has(r"rules\.again sandboxes=1 failed=0")
        same((is_open(sbx, ONE), is_open(sbx, EIGHT)), (True, False))
        after = generations()
        assert set(after) == set(before) and min(after.values()) > max(before.values()), (before, after)
        time.sleep(1.1)
    assert times() == had + 3, status()
    n = kept.number("blocks")
    assert until(lambda: kept.number("blocks") >= n + 200), kept.lines[-3:]
    assert not kept.last("cut") and not kept.last("BROKEN"), kept.lines[-3:]


if __name__ == "__main__":
    coppice.main()
