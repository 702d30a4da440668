#!/usr/bin/env python3
"""tests/freebsd/host/sdk_py.py - e2b of PyPI against a daemon on FreeBSD: what
its users do most.  The environment says where it is, as e2b itself asks."""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "api/sdk-py"))
from e2b import CommandExitException, NotFoundException, Sandbox, TimeoutException  # noqa: E402
from e2b import PtySize  # noqa: E402
from harness import Follow, create, made, raises, same, text, until  # noqa: E402

passed = failed = 0


def case(name, body, *args):
    global passed, failed
    t0 = time.monotonic()
    try:
        body(*args)
        passed += 1
        print("ok %s (%d ms)" % (name, (time.monotonic() - t0) * 1000), flush=True)
    except Exception as e:  # the next case runs all the same
        failed += 1
        print("not ok %s: %s: %s" % (name, type(e).__name__, str(e)[:400]), flush=True)


def reach(sbx, host):
    return text(sbx, "nc -z -w 3 %s 80 2>/dev/null && echo open || echo closed" % host)


def foreground(sbx):
    same(text(sbx, "echo $((6*7)); uname -s"), "42\nFreeBSD")
    r = sbx.commands.run("echo out; echo err >&2", cwd="/tmp", envs={"A": "b"})
    same((r.stdout, r.stderr, r.exit_code), ("out\n", "err\n", 0))
    with raises(CommandExitException) as r:
        sbx.commands.run("exit 7")
    same(r.error.exit_code, 7)


def background(sbx):
    h = sbx.commands.run("echo one; sleep 0.3; echo two", background=True)
    seen = Follow(h)
    same(seen.end().stdout, "one\ntwo\n")
    h = sbx.commands.run("sleep 61", background=True)
    assert h.pid in [p.pid for p in sbx.commands.list()]
    same(sbx.commands.kill(h.pid), True)
    same(until(lambda: h.pid not in [p.pid for p in sbx.commands.list()]), True)


def stdin(sbx):
    h = sbx.commands.run("cat", background=True, stdin=True)
    sbx.commands.send_stdin(h.pid, "through a pipe")
    sbx.commands.close_stdin(h.pid)
    same(h.wait().stdout, "through a pipe")


def pty(sbx):
    h = sbx.pty.create(PtySize(rows=24, cols=80), timeout=60)
    seen = Follow(h)
    sbx.pty.send_stdin(h.pid, b"echo a$((1+1))b; stty size; exit\n")
    assert until(lambda: "a2b" in seen.out and "24 80" in seen.out, 15), seen.out
    seen.join(15)


def late(sbx):
    with raises(TimeoutException):
        sbx.commands.run("sleep 30", timeout=2)


def files(sbx):
    f = sbx.files
    f.write("/home/user/a/b.txt", "text")
    same(f.read("/home/user/a/b.txt"), "text")
    blob = bytes(range(256)) * 4096
    f.write("/home/user/a/blob", blob)
    same(bytes(f.read("/home/user/a/blob", format="bytes")), blob)
    same(sorted(e.name for e in f.list("/home/user/a")), ["b.txt", "blob"])
    same(f.exists("/home/user/a/b.txt"), True)
    same(f.get_info("/home/user/a/blob").size, len(blob))
    f.rename("/home/user/a/b.txt", "/home/user/a/c.txt")
    same(f.read("/home/user/a/c.txt"), "text")
    f.make_dir("/home/user/d/e")
    f.remove("/home/user/a")
    same(f.exists("/home/user/a"), False)
    with raises(NotFoundException):
        f.read("/home/user/none")


def watch(sbx):
    sbx.files.make_dir("/home/user/w")
    h = sbx.files.watch_dir("/home/user/w")
    sbx.files.write("/home/user/w/new", "x")
    seen = []
    assert until(lambda: seen.extend(e.name for e in h.get_new_events()) or "new" in seen), seen
    h.stop()


def network(sbx):
    same((reach(sbx, "1.1.1.1"), reach(sbx, "8.8.8.8")), ("open", "open"))
    sbx.update_network({"allow_out": ["1.1.1.1"], "deny_out": ["0.0.0.0/0"]})
    same((reach(sbx, "1.1.1.1"), reach(sbx, "8.8.8.8")), ("open", "closed"))
    sbx.update_network({"deny_out": ["1.1.1.1"]})
    same((reach(sbx, "1.1.1.1"), reach(sbx, "8.8.8.8")), ("closed", "open"))
    sbx.update_network({})
    same((reach(sbx, "1.1.1.1"), reach(sbx, "10.99.0.1")), ("open", "closed"))


def made_closed():
    sbx = create(network={"allow_out": ["8.8.8.8"], "deny_out": ["0.0.0.0/0"]})
    same((reach(sbx, "1.1.1.1"), reach(sbx, "8.8.8.8")), ("closed", "open"))
    same(sbx.kill(), True)


def pause():
    sbx = create(timeout=600)
    h = sbx.commands.run("i=0; while :; do i=$((i+1)); echo $i >/tmp/i; sleep 0.1; done", background=True)
    assert until(lambda: sbx.files.exists("/tmp/i"))
    sbx.pause()
    same(sbx.is_running(), False)
    back = Sandbox.connect(sbx.sandbox_id)
    same(back.is_running(), True)
    first = int(back.files.read("/tmp/i"))
    assert until(lambda: int(back.files.read("/tmp/i") or 0) > first), first
    assert h.pid in [p.pid for p in back.commands.list()]
    same(back.kill(), True)


def listing(sbx):
    p = Sandbox.list()
    found = []
    while p.has_next:
        found += [s.sandbox_id for s in p.next_items()]
    assert sbx.sandbox_id in found
    same(sbx.get_info().sandbox_id, sbx.sandbox_id)


def expiry():
    sbx = create(timeout=60)
    sbx.set_timeout(2)
    same(until(lambda: not sbx.is_running(), 20), True)


def kill():
    sbx = create()
    same(sbx.kill(), True)
    same(Sandbox.kill(sbx.sandbox_id), False)


def main():
    sbx = None

    def first():
        nonlocal sbx
        sbx = create(timeout=900, metadata={"a": "b"}, envs={"HERE": "yes"})
        same(text(sbx, "echo $HERE"), "yes")
    case("create", first)
    if sbx:
        for name, body in (
                ("command in the foreground", foreground), ("command in the background", background),
                ("stdin", stdin), ("pty", pty), ("command that exceeds its timeout", late),
                ("files", files), ("watch", watch), ("network updated live", network), ("list", listing)):
            case(name, body, sbx)
    for name, body in (("network at create", made_closed), ("pause and resume", pause),
                       ("timeout and expiry", expiry), ("kill", kill)):
        case(name, body)
    for s in made:
        try:
            s.kill()
        except Exception:  # it is gone
            pass
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(failed != 0)


main()
