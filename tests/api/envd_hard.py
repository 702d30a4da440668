#!/usr/bin/env python3
"""tests/api/envd_hard.py - envd under heavy use: processes by the thousand,
output that nobody reads, programs that will not end, files of any size and
name.  Each case first sees the thing work, and envd holds afterwards what it
held before."""
import base64
import concurrent.futures
import contextlib
import os
import pathlib
import sys
import threading
import time

# Fewer than fit into the memory of a sandbox.
os.environ.setdefault("COP_CONF", "pids_max = 1200")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import coppice
import envd_client as envd
from coppice import ENVD_PORT, Sandbox, case, note, same, until
from envd_client import PROC, connect, leaves_nothing, listed, signal, start, unary

KILL, TERM = "SIGNAL_SIGKILL", "SIGNAL_SIGTERM"


def bash(sbx, script, **opts):
    return start(sbx, "/bin/bash", "-c", script, **{"stdin": False, **opts})


def took(body):
    t0 = time.monotonic()
    body()
    return time.monotonic() - t0


def ended(sbx, pid):
    return sbx.run("kill -0 %d" % pid, user="root").exit_code != 0


def quick(sbx, limit=2.0):
    """Others are served while something goes on."""
    worst = 0.0
    for _ in range(5):
        worst = max(worst, took(lambda: same(sbx.way_in(ENVD_PORT, "/health").status, 204)))
    assert worst < limit, "/health took %.1f s" % worst
    return worst


# --- processes ----------------------------------------------------------------

# What a fresh exit says is asked again at the end, when it is forgotten.
retained = {}


@case("an exit is kept for a while")
def _():
    sbx = retained["sandbox"] = Sandbox()
    Sandbox.alive.pop(sbx.id)
    s = bash(sbx, "exit 5", tag="brief")
    same(s.rest()["end"]["exitCode"], 5)
    retained["at"] = time.monotonic()
    retained["pid"] = s.pid
    for selector in ({"pid": s.pid}, {"tag": "brief"}):
        c = connect(sbx, **selector)
        same(c.next(), {"start": {"pid": s.pid}})
        same(c.rest()["end"], {"exitCode": 5, "exited": True, "status": "exit status 5", "error": "exit status 5"})
    # Another process of that tag: the old exit is nobody's any more.
    s = bash(sbx, "sleep 0.2; exit 6", tag="again")
    same(s.rest()["end"]["exitCode"], 6)
    s = bash(sbx, "exit 7", tag="again")
    same(s.rest()["end"]["exitCode"], 7)
    same(connect(sbx, tag="again").rest()["end"]["exitCode"], 7)


@case("tags")
def _():
    sbx = Sandbox()
    held = [start(sbx, "/bin/sleep", "300", tag=t) for t in ("a", "b", "c", "b")]
    held.append(start(sbx, "/bin/sleep", "300"))
    same(sorted(str(p.get("tag")) for p in listed(sbx)), ["None", "a", "b", "b", "c"])
    same(signal(sbx, KILL, tag="c"), (200, {}))
    same(held[2].rest()["end"]["status"], "signal: killed")
    same(signal(sbx, KILL, tag="none")[1]["code"], "not_found")
    same(signal(sbx, KILL, tag="b")[0], 200)
    same(signal(sbx, KILL, tag="b")[0], 200)
    for s in (held[1], held[3]):
        same(s.rest()["end"]["exitCode"], -1)
    same(signal(sbx, KILL, tag="b")[1]["code"], "not_found")
    same(unary(sbx, PROC + "SendSignal", {"signal": KILL})[1]["code"], "unimplemented")


@case("a thousand processes at once")
def _():
    sbx = Sandbox()
    # A thousand exits are kept for half a minute, all over what is free.
    with leaves_nothing(sbx, 4096) as pid:
        before = envd.rss_kib(pid)
        socks = envd.inside(sbx, 1000, timeout=60)
        same(len(socks), 1000)
        t0 = time.monotonic()
        held = [start(sbx, "/bin/sleep", "600", sock=s, stdin=True) for s in socks]
        note("1,000 starts in %.1f s" % (time.monotonic() - t0))
        same(len(listed(sbx)), 1000)
        each = envd.rss_kib(pid) - before
        note("1,000 running commands: %d KiB more of envd" % each)
        assert each < 16 * 1024, each
        same(sbx.sh("echo more"), "more")
        quick(sbx)
        for s in held:
            same(signal(sbx, KILL, pid=s.pid)[0], 200)
        for s in held:
            same(s.rest()["end"]["status"], "signal: killed")
        same(listed(sbx), [])


@case("output that nobody reads waits in bounded memory")
def _():
    sbx = Sandbox()
    same(bash(sbx, "yes | head -c 1000000").rest()["stdout"], b"y\n" * 500_000)
    with leaves_nothing(sbx, 1536) as pid:
        envd.reset_peak(pid)
        before = envd.rss_kib(pid)
        held = [start(sbx, "/usr/bin/yes", "x" * 1000) for _ in range(100)]
        time.sleep(1.0)
        note("/health beside it: %.0f ms" % (1e3 * quick(sbx)))
        peak = envd.peak_kib(pid) - before
        note("100 unread streams: %d KiB more of envd" % peak)
        assert peak < 48 * 1024, peak
        for s in held:
            s.close()
        assert until(lambda: signal(sbx, KILL, pid=held[0].pid)[0] != 200)
        for s in held[1:]:
            signal(sbx, KILL, pid=s.pid)
        assert until(lambda: not listed(sbx))


@case("a slow reader gets everything, late")
def _():
    sbx = Sandbox()
    s = bash(sbx, "seq 1 400000; exit 3")
    got = b""
    for _ in range(20):
        e = s.next()
        got += base64.b64decode(e["data"]["stdout"])
        time.sleep(0.02)
    rest = s.rest()
    got += rest["stdout"]
    same(rest["end"]["exitCode"], 3)
    same(got == b"".join(b"%d\n" % i for i in range(1, 400001)), True, "the numbers")


@case("who does not read does not stop who does")
def _():
    sbx = Sandbox()
    with leaves_nothing(sbx, 1536) as pid:
        s = bash(sbx, "for i in $(seq 400); do seq 1 20000; sleep 0.005; done")
        idle = [connect(sbx, pid=s.pid) for _ in range(10)]
        same([c.next() for c in idle], [{"start": {"pid": s.pid}}] * 10)
        envd.reset_peak(pid)
        same(len(s.rest()["stdout"]), 400 * 108894)
        # Who fell behind was told so, and what waited for them was bounded.
        codes = set()
        for c in idle:
            with contextlib.suppress(ConnectionError):
                c.rest()
                codes.add((c.error or {}).get("code"))
        note("unread subscribers ended with %r; peak %d KiB" % (codes, envd.peak_kib(pid)))
        assert codes <= {"resource_exhausted", None}, codes
        assert "resource_exhausted" in codes
        assert envd.peak_kib(pid) < 96 * 1024


@case("nobody listens, and it runs on")
def _():
    sbx = Sandbox()
    with leaves_nothing(sbx):
        s = bash(sbx, "seq 1 1000000; echo done > /tmp/ran; for i in 1 2 3 4 5 6 7 8 9; do sleep 1; echo $i; done")
        s.close()
        assert until(lambda: sbx.run("cat /tmp/ran").out == b"done\n"), "it was stopped by its own output"
        c = connect(sbx, pid=s.pid)
        c.next()
        said = base64.b64decode(c.next()["data"]["stdout"])
        assert len(said) <= 2, "old output: %r" % said
        c.close()
        same(signal(sbx, KILL, pid=s.pid)[0], 200)
        assert until(lambda: not listed(sbx))


@case("a process that closes its output and lives")
def _():
    sbx = Sandbox()
    s = bash(sbx, "echo out; exec >&- 2>&- <&-; sleep 1.5; exit 7")
    t0 = time.monotonic()
    rest = s.rest()
    same((rest["stdout"], rest["end"]["exitCode"]), (b"out\n", 7))
    assert time.monotonic() - t0 > 1, "its end was told before it"


@case("a process that ignores SIGTERM")
def _():
    sbx = Sandbox()
    s = bash(sbx, "trap '' TERM; echo ready; for i in $(seq 300); do sleep 1; done")
    same(base64.b64decode(s.next()["data"]["stdout"]), b"ready\n")
    same(signal(sbx, TERM, pid=s.pid), (200, {}))
    same(signal(sbx, "SIGNAL_UNSPECIFIED", pid=s.pid)[1]["code"], "unimplemented")
    time.sleep(0.3)
    same([p["pid"] for p in listed(sbx)], [s.pid])
    same(signal(sbx, KILL, pid=s.pid), (200, {}))
    same(s.rest()["end"]["status"], "signal: killed")
    assert ended(sbx, s.pid)
    t = start(sbx, "/bin/sleep", "300")
    same(signal(sbx, TERM, pid=t.pid), (200, {}))
    same(t.rest()["end"]["status"], "signal: terminated")


@case("a daemon that holds the output")
def _():
    sbx = Sandbox()
    with leaves_nothing(sbx):
        # The end waits for whoever may still write ...
        s = bash(sbx, "(sleep 2; echo late) & echo early; exit 4")
        t0 = time.monotonic()
        rest = s.rest()
        same((rest["stdout"], rest["end"]["exitCode"]), (b"early\nlate\n", 4))
        assert time.monotonic() - t0 > 1.5
        # ... unless it is told not to, before or after its own exit.
        s = bash(sbx, "sleep 30 & echo $!; wait")
        child = int(base64.b64decode(s.next()["data"]["stdout"]))
        same(signal(sbx, KILL, pid=s.pid)[0], 200)
        assert took(lambda: same(s.rest()["end"]["status"], "signal: killed")) < 3
        assert not ended(sbx, child), "signals are for one process"
        s = bash(sbx, "sleep 31 & exit 9")
        time.sleep(0.5)
        same([p["pid"] for p in listed(sbx)], [s.pid])
        same(signal(sbx, KILL, pid=s.pid)[0], 200)
        assert took(lambda: same(s.rest()["end"]["exitCode"], 9)) < 3
        sbx.sh("pkill sleep")


@case("the time of a process runs on without its client")
def _():
    sbx = Sandbox()
    s = start(sbx, "/bin/sleep", "300", timeout_ms=1500)
    s.close()
    same([p["pid"] for p in listed(sbx)], [s.pid])
    assert until(lambda: not listed(sbx), 5), "it outlived its time"
    assert ended(sbx, s.pid)
    # The time of whoever connects is his own.
    s = start(sbx, "/bin/sleep", "300")
    c = connect(sbx, timeout_ms=500, pid=s.pid)
    while c.next() is not None:
        pass
    same(c.error["code"], "deadline_exceeded")
    same([p["pid"] for p in listed(sbx)], [s.pid])
    # A daemon that holds its pipes does not hold its end over its time.
    s = bash(sbx, "sleep 33 & exit 0", timeout_ms=1000)
    assert took(lambda: s.rest()) < 5
    assert until(lambda: len(listed(sbx)) == 1, 3)


@case("terminals")
def _():
    sbx = Sandbox()
    size = {"size": {"cols": 91, "rows": 23}}
    with leaves_nothing(sbx) as pid:
        s = start(sbx, "/bin/bash", "--norc", pty=size)
        unary(sbx, PROC + "SendInput", {"process": {"pid": s.pid}, "input": {"pty": base64.b64encode(
            b"stty size; tty; exit 3\n").decode()}})
        rest = s.rest()
        assert b"23 91" in rest["pty"] and b"/dev/pts/" in rest["pty"], rest
        same(rest["end"]["exitCode"], 3)
        # More input than a terminal takes, to one that reads none of it.
        s = start(sbx, "/bin/sh", "-c", "stty raw -echo; echo ok; sleep 300", pty=size)
        s.next()
        many = base64.b64encode(b"x" * 1_000_000).decode()
        t = threading.Thread(target=lambda: unary(sbx, PROC + "SendInput",
                                                  {"process": {"pid": s.pid}, "input": {"pty": many}}), daemon=True)
        t.start()
        quick(sbx)
        same(unary(sbx, PROC + "Update", {"process": {"pid": s.pid}, "pty": {"size": {}}})[0], 200)
        same(signal(sbx, KILL, pid=s.pid)[0], 200)
        same(s.rest()["end"]["status"], "signal: killed")
        t.join(5)
        assert not t.is_alive(), "whoever sent it was never answered"
        # There is an end to terminals, and they come back.
        held, refused = [], None
        for sock in envd.inside(sbx, 300):
            try:
                held.append(start(sbx, "/bin/sleep", "60", sock=sock, pty=size))
            except AssertionError as e:
                refused = e
                break
        assert refused and len(held) >= 200, len(held)
        same(refused.args[0]["code"], "invalid_argument")
        for s in held:
            signal(sbx, KILL, pid=s.pid)
        for s in held:
            s.rest()
        start(sbx, "/bin/true", pty=size).rest()


@case("orphans are reaped")
def _():
    sbx = Sandbox()
    with leaves_nothing(sbx) as pid:
        s = bash(sbx, "for i in $(seq 500); do (sleep 0.1 & ) ; done; sleep 0.5")
        same(s.rest()["end"].get("exitCode", 0), 0)
        assert until(lambda: not envd.children(pid), 5), envd.children(pid)


@case("no more processes")
def _():
    sbx = Sandbox()
    sbx.sh("mkdir -p t/a/b; touch t/a/b/c")
    with leaves_nothing(sbx) as pid:
        eater = start(sbx, "/usr/bin/python3", "-uc", """
import os, time
kids = []
try:
    while True:
        p = os.fork()
        if p == 0:
            os.closerange(0, 3)
            time.sleep(60)
            os._exit(0)
        kids.append(p)
except OSError as e:
    os.write(1, b"%d %d\\n" % (e.errno, len(kids)))  # in one piece
time.sleep(4)
for p in kids:
    os.kill(p, 9)
for p in kids:
    os.waitpid(p, 0)
""")
        errno, n = base64.b64decode(eater.next()["data"]["stdout"]).split()
        same(errno, b"11")
        note("%s processes were to be had" % n.decode())
        for path, message in ((PROC + "Start", None), (envd.FS + "Remove", {"path": "/home/user/t"})):
            if message is None:
                with contextlib.suppress(AssertionError):
                    start(sbx, "/bin/true")
                    raise RuntimeError("there was one more process")
            else:
                same(unary(sbx, path, message)[1]["code"], "internal")
        same(len(listed(sbx)), 1)
        same(envd.files(sbx, "/tmp/f", "POST", b"x").status, 200)
        quick(sbx)
        same(eater.rest()["end"].get("exitCode", 0), 0)
        same(sbx.sh("echo back"), "back")
        same(unary(sbx, envd.FS + "Remove", {"path": "/home/user/t"}), (200, {}))


@case("a fork bomb")
def _():
    sbx = Sandbox()
    pid = envd.envd_of(sbx)
    bash(sbx, "f() { f | f & }; f; sleep 60")
    time.sleep(2)
    note("/health beside it: %.0f ms" % (1e3 * quick(sbx, 5)))
    same(envd.files(sbx, "/tmp/f", "POST", b"x").status, 200)
    same(len(listed(sbx)), 1)
    assert len(envd.zombies(pid)) < 3000
    same(envd.envd_of(sbx), pid)
    same(sbx.kill(), 204)


@case("commands are born to die before envd")
def _():
    sbx = Sandbox()
    for _ in range(30):
        same(start(sbx, "/bin/cat", "/proc/self/oom_score_adj").rest()["stdout"], b"100\n")
    same(start(sbx, "/bin/cat", "/proc/self/oom_score_adj", user="root").rest()["stdout"], b"100\n")
    # The first thing that it does is to fork.
    same(start(sbx, "/bin/sh", "-c", "cat /proc/self/oom_score_adj | cat").rest()["stdout"], b"100\n")
    pid = envd.envd_of(sbx)
    same(pathlib.Path("/proc/%d/oom_score_adj" % pid).read_text(), "0\n")


@case("memory runs out")
def _():
    sbx = Sandbox()
    pid = envd.envd_of(sbx)
    with leaves_nothing(sbx):
        for hog in ("b = []\nwhile 1: b.append(bytearray(8 << 20))",
                    "import os, time\nfor i in range(40):\n if os.fork() == 0:\n  b = bytearray(32 << 20)\n"
                    "  time.sleep(4)\n  os._exit(0)\ntime.sleep(6)"):
            s = start(sbx, "/usr/bin/python3", "-c", hog, timeout_ms=30_000)
            bystander = start(sbx, "/bin/sleep", "5")
            end = s.rest()["end"]
            note("the hog: %r" % (end and end["status"]))
            same(envd.envd_of(sbx), pid)
            same(sbx.sh("echo lives"), "lives")
            bystander.rest()


@case("an exit is kept for a while, and not for ever")
def _():
    if not retained:
        raise coppice.Skip("follows the case of that name")
    sbx = retained["sandbox"]
    Sandbox.alive[sbx.id] = sbx
    assert until(lambda: time.monotonic() - retained["at"] > 31, 31)
    for selector in ({"pid": retained["pid"]}, {"tag": "brief"}):
        c = connect(sbx, **selector)
        same(c.next(), None)
        same(c.error["code"], "not_found")


coppice.main()
