#!/usr/bin/env python3
"""envd_debug.py - the Python SDK against a bare envd (its debug mode).

Run by envd_inside.sh with a python that has `e2b`:
  E2B_DEBUG=true python envd_debug.py
Ends with "N passed, M failed".
"""
import io
import os
import sys
import traceback
import urllib.request

from e2b import (CommandExitException, FileNotFoundException, FilesystemEventType,
                 NotFoundException, Sandbox, TimeoutException)

passed = failed = 0


def check(ok, what):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print(f"# FAILED: {what}")


def eq(a, b, what):
    check(a == b, f"{what}: {a!r} is not {b!r}")


def raises(f, cls, what):
    try:
        f()
    except cls as e:
        check(True, what)
        return e
    except Exception as e:
        check(False, f"{what}: raised {type(e).__name__}: {e}")
        return e
    check(False, f"{what}: raised nothing")


def commands(s):
    r = s.commands.run("echo hello; echo err >&2")
    eq((r.stdout, r.stderr, r.exit_code), ("hello\n", "err\n", 0), "run")
    e = raises(lambda: s.commands.run("exit 7"), CommandExitException, "exit")
    eq(e.exit_code, 7, "exit code")
    raises(lambda: s.commands.run("sleep 10", timeout=0.5), TimeoutException, "timeout")
    raises(lambda: s.commands.run("true", cwd="/nonexistent"), Exception, "cwd")
    r = s.commands.run("printf 'a\\377b'")
    check("a" in r.stdout and "b" in r.stdout, "broken UTF-8")
    r = s.commands.run("echo $A", envs={"A": "b c"})
    eq(r.stdout, "b c\n", "env")
    h = s.commands.run("sleep 100", background=True)
    check(any(p.pid == h.pid for p in s.commands.list()), "listed")
    check(h.kill(), "kill")
    raises(h.wait, CommandExitException, "killed")
    raises(lambda: s.commands.run(f"kill -0 {h.pid}"), CommandExitException, "gone")
    check(not s.commands.kill(999999), "kill nobody")
    h = s.commands.run("cat", background=True, stdin=True)
    s.commands.send_stdin(h.pid, "Hello, World!\n")
    s.commands.close_stdin(h.pid)
    eq(h.wait().stdout, "Hello, World!\n", "stdin")
    h = s.commands.run("sleep 0.3; echo x", background=True)
    c = s.commands.connect(h.pid)
    eq((c.pid, c.wait().stdout), (h.pid, "x\n"), "connect")
    raises(lambda: s.commands.connect(999999), NotFoundException, "connect nobody")


def pty(s):
    from e2b import PtySize
    h = s.pty.create(PtySize(rows=24, cols=80))
    s.pty.send_stdin(h.pid, b"tput cols; exit\n")
    out = []
    r = h.wait(on_pty=lambda d: out.append(d))
    check(b"80" in b"".join(out) and r.exit_code == 0, "pty")


def files(s):
    i = s.files.write("a/b.txt", "content")
    eq((i.name, i.path), ("b.txt", "/home/user/a/b.txt"), "write")
    eq(s.files.read("a/b.txt"), "content", "read")
    eq(bytes(s.files.read("a/b.txt", format="bytes")), b"content", "bytes")
    eq(b"".join(s.files.read("a/b.txt", format="stream")), b"content", "stream")
    s.files.write("io.txt", io.BytesIO(b"bytes"))
    eq(s.files.read("io.txt"), "bytes", "bytes object")
    s.files.write("z.txt", "z" * 100000, gzip=True)
    eq(len(s.files.read("z.txt", gzip=True)), 100000, "gzip")
    w = s.files.write_files([{"path": f"m/{i}", "data": str(i)} for i in range(5)])
    eq([x.path for x in w], [f"/home/user/m/{i}" for i in range(5)], "several")
    raises(lambda: s.files.read("none"), FileNotFoundException, "missing")
    check(s.files.make_dir("d/e") and not s.files.make_dir("d/e"), "make_dir")
    eq([e.name for e in s.files.list("d")], ["e"], "list")
    eq(s.files.rename("a/b.txt", "a/c.txt").path, "/home/user/a/c.txt", "rename")
    check(s.files.exists("a/c.txt") and not s.files.exists("a/b.txt"), "exists")
    s.files.remove("a")
    check(not s.files.exists("a"), "removed")


def watch(s):
    s.files.make_dir("w")
    h = s.files.watch_dir("w", recursive=True)
    eq(h.get_new_events(), [], "nothing yet")
    s.files.write("w/f", "x")
    ev = h.get_new_events()
    eq([(e.name, e.type) for e in ev],
       [("f", FilesystemEventType.CREATE), ("f", FilesystemEventType.CHMOD),
        ("f", FilesystemEventType.WRITE)], "three events")
    s.files.make_dir("w/sub")
    h.get_new_events()
    s.files.write("w/sub/g", "x")
    eq([e.name for e in h.get_new_events()], ["sub/g"] * 3, "below")
    h.stop()
    raises(h.get_new_events, Exception, "stopped")


def main():
    # What templates set.
    urllib.request.urlopen(urllib.request.Request(
        "http://127.0.0.1:49983/init", b'{"defaultUser":"user"}',
        {"X-Coppice-Init": os.environ["ENVD_SECRET"]}))
    s = Sandbox.create()
    for f in (commands, pty, files, watch):
        if len(sys.argv) > 1 and f.__name__ not in sys.argv:
            continue
        try:
            f(s)
        except Exception:
            check(False, f"{f.__name__}: {traceback.format_exc()}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
