"""tests/api/sdk-py/outside.py - life, network and the everyday calls, with e2b
of PyPI."""
import json
import time
from concurrent.futures import ThreadPoolExecutor

from e2b import (ALL_TRAFFIC, AuthenticationException, CommandExitException,
                 FileType, InvalidArgumentException, NotFoundException, PtySize,
                 Sandbox, SandboxException, SandboxQuery, SandboxState,
                 TimeoutException)

from harness import Follow, box, create, listed, now, raises, reach, same, test, text, until, way_in

# --- create ------------------------------------------------------------------

@test("create with metadata, envs and timeout")
def _():
    before = now()
    sbx = create(metadata={"who": "py", "a b": "c&d=é"},
                 envs={"COLOUR": "green", "SPACED": "a b"}, timeout=90)
    info = sbx.get_info()
    same(info.metadata, {"who": "py", "a b": "c&d=é"})
    life = (info.end_at - info.started_at).total_seconds()
    assert 88 < life < 92, life
    assert abs((info.started_at - before).total_seconds()) < 10
    same(text(sbx, 'echo "$COLOUR/$SPACED"'), "green/a b")
    same(sbx.is_running(), True)


# --- commands ----------------------------------------------------------------

@test("command in the foreground")
def _():
    r = box().commands.run('echo hello; echo "ä€𝄞"')
    same((r.exit_code, r.stdout, r.stderr), (0, "hello\nä€𝄞\n", ""))


@test("command in the background")
def _():
    sbx = box()
    h = sbx.commands.run("echo begun; sleep 60", background=True)
    assert h.pid > 0
    f = Follow(h)
    assert until(lambda: f.out == "begun\n"), f.out
    assert h.pid in [p.pid for p in sbx.commands.list()]
    same(h.kill(), True)
    with raises(CommandExitException):
        f.end()
    assert until(lambda: h.pid not in [p.pid for p in sbx.commands.list()])
    same(sbx.commands.kill(h.pid), False)


@test("command found again by its pid")
def _():
    sbx = box()
    first = sbx.commands.run('read x; echo "got $x"', background=True, stdin=True)
    first.disconnect()
    second = sbx.commands.connect(first.pid)
    sbx.commands.send_stdin(first.pid, "it\n")
    same(second.wait().stdout, "got it\n")


@test("command with stdin")
def _():
    sbx = box()
    h = sbx.commands.run("cat; echo end", background=True, stdin=True)
    f = Follow(h)
    h.send_stdin("one\n")
    h.send_stdin("two ä\n")
    assert until(lambda: f.out == "one\ntwo ä\n"), f.out
    h.close_stdin()
    same(f.end().stdout, "one\ntwo ä\nend\n")


@test("command in a pty")
def _():
    sbx = box()
    h = sbx.pty.create(PtySize(rows=24, cols=80), timeout=30)
    f = Follow(h)
    sbx.pty.send_stdin(h.pid, b"stty size; tty; echo $((6*7)) $TERM\n")
    assert until(lambda: "24 80" in f.out and "/dev/pts/" in f.out and "\n42 xterm" in f.out), f.out
    sbx.pty.resize(h.pid, PtySize(rows=30, cols=100))
    sbx.pty.send_stdin(h.pid, b"stty size\n")
    assert until(lambda: "30 100" in f.out), f.out
    sbx.pty.send_stdin(h.pid, b"exit 0\n")
    same(f.end().exit_code, 0)


@test("command with a non-zero exit")
def _():
    with raises(CommandExitException) as r:
        box().commands.run("echo out; echo err >&2; exit 7")
    same((r.error.exit_code, r.error.stdout, r.error.stderr), (7, "out\n", "err\n"))


@test("stdout and stderr apart, streamed")
def _():
    out, err = [], []
    r = box().commands.run("for i in 1 2 3; do echo o$i; echo e$i >&2; sleep 0.1; done",
                           on_stdout=out.append, on_stderr=err.append)
    same((r.stdout, r.stderr), ("o1\no2\no3\n", "e1\ne2\ne3\n"))
    same("".join(out), r.stdout)
    assert len(out) > 1, "came in one piece"
    same("".join(err), r.stderr)


@test("command with a working directory")
def _():
    sbx = box()
    same(text(sbx, "pwd"), "/home/user")
    same(text(sbx, "pwd", cwd="/usr/lib"), "/usr/lib")
    with raises(SandboxException):
        sbx.commands.run("pwd", cwd="/no/such")


@test("command as another user")
def _():
    sbx = box()
    same(text(sbx, "id -un; id -u; echo $HOME"), "user\n1000\n/home/user")
    same(text(sbx, "id -un; id -u; echo $HOME", user="root"), "root\n0\n/root")
    same(text(sbx, "sudo -n id -un"), "root")


@test("command with environment variables")
def _():
    sbx = create(envs={"A": "sandbox", "B": "sandbox"})
    same(text(sbx, "echo $A $B $C", envs={"B": "command", "C": "command"}),
         "sandbox command command")


@test("command that exceeds its timeout")
def _():
    sbx = box()
    t0 = time.monotonic()
    with raises(TimeoutException):
        sbx.commands.run("sleep 4243", timeout=1)
    assert time.monotonic() - t0 < 6
    assert until(lambda: text(sbx, 'pgrep -fx "sleep 4243" || true') == "")


@test("twenty commands at once")
def _():
    sbx = box()
    with ThreadPoolExecutor(20) as pool:
        got = list(pool.map(lambda i: text(sbx, "sleep 0.2; echo %d" % i), range(20)))
    same(got, [str(i) for i in range(20)])


# --- files -------------------------------------------------------------------

@test("file written and read as text")
def _():
    sbx = box()
    w = sbx.files.write("text.txt", "héllo\n")
    same((w.path, w.name), ("/home/user/text.txt", "text.txt"))
    same(sbx.files.read("text.txt"), "héllo\n")
    sbx.files.write("/home/user/text.txt", "new")
    same(sbx.files.read("/home/user/text.txt"), "new")
    same(text(sbx, "stat -c %U text.txt"), "user")
    sbx.files.write("a/deep/er/one.txt", "")
    same(sbx.files.read("a/deep/er/one.txt"), "")


@test("file written and read as bytes")
def _():
    sbx = box()
    data = bytes((i * 7) & 255 for i in range(4096))
    sbx.files.write("/tmp/bytes.bin", data)
    same(bytes(sbx.files.read("/tmp/bytes.bin", format="bytes")), data)


@test("file of eight MiB")
def _():
    sbx = box()
    big = bytes(range(256)) * (8 << 12)
    sbx.files.write("/tmp/big.bin", big)
    same(text(sbx, "stat -c %s /tmp/big.bin"), str(8 << 20))
    assert bytes(sbx.files.read("/tmp/big.bin", format="bytes")) == big


@test("several files in one call")
def _():
    sbx = box()
    r = sbx.files.write_files([{"path": "many/1", "data": "one"},
                               {"path": "many/2", "data": "two"}])
    same([f.path for f in r], ["/home/user/many/1", "/home/user/many/2"])
    same(text(sbx, "cat many/1 many/2"), "onetwo")


@test("directory listed")
def _():
    sbx = box()
    sbx.commands.run("mkdir -p ls/sub; echo abc > ls/f; echo x > ls/sub/g; ln -s f ls/link")
    same([(e.name, e.type, e.path) for e in sbx.files.list("ls")],
         [("f", FileType.FILE, "/home/user/ls/f"),
          ("link", FileType.FILE, "/home/user/ls/link"),
          ("sub", FileType.DIR, "/home/user/ls/sub")])
    assert "/home/user/ls/sub/g" in [e.path for e in sbx.files.list("ls", depth=2)]


@test("file exists")
def _():
    sbx = box()
    same(sbx.files.exists("/etc/passwd"), True)
    same(sbx.files.exists("/etc"), True)
    same(sbx.files.exists("/no/such"), False)


@test("file information")
def _():
    sbx = box()
    sbx.commands.run("printf 12345 > info; chmod 640 info")
    e = sbx.files.get_info("info")
    same((e.name, e.type, e.path, e.size, e.mode, e.permissions, e.owner, e.group),
         ("info", FileType.FILE, "/home/user/info", 5, 0o640, "-rw-r-----", "user", "user"))
    assert abs((e.modified_time - now()).total_seconds()) < 60


@test("file renamed")
def _():
    sbx = box()
    sbx.files.write("old", "content")
    same(sbx.files.rename("old", "new/name").path, "/home/user/new/name")
    same(sbx.files.exists("old"), False)
    same(sbx.files.read("new/name"), "content")
    with raises(NotFoundException):
        sbx.files.rename("nothing", "x")


@test("file removed")
def _():
    sbx = box()
    sbx.files.write("tree/a/b", "x")
    sbx.files.remove("tree")
    same(sbx.files.exists("tree"), False)


@test("directory made")
def _():
    sbx = box()
    same(sbx.files.make_dir("made/by/sdk"), True)
    same(sbx.files.make_dir("made/by/sdk"), False)
    same(text(sbx, 'stat -c "%F %U" made/by/sdk'), "directory user")


@test("missing file")
def _():
    sbx = box()
    for ask in (sbx.files.read, sbx.files.list, sbx.files.get_info):
        with raises(NotFoundException):
            ask("/no/such")


# --- the way in --------------------------------------------------------------

@test("http server at the way in")
def _():
    sbx = box()
    sbx.files.write("www/index.html", "from inside")
    h = sbx.commands.run("exec python3 -u -m http.server 8000 --bind 127.0.0.1 -d www",
                         background=True, timeout=60)
    host = sbx.get_host(8000)
    assert host.startswith("8000-%s." % sbx.sandbox_id), host
    assert until(lambda: way_in(host)[0] == 200)
    same(way_in(host)[2], "from inside")
    same(way_in(host, "/none")[0], 404)
    h.kill()


@test("closed port at the way in")
def _():
    sbx = box()
    status, kind, body = way_in(sbx.get_host(8999))
    same((status, kind), (502, "application/json; charset=utf-8"))
    same(json.loads(body), {"sandboxId": sbx.sandbox_id, "code": 502, "port": 8999,
                            "message": "The sandbox is running but port is not open"})


# --- list and information ----------------------------------------------------

@test("list with metadata filter")
def _():
    key = "k%d" % time.time_ns()
    a = create(metadata={key: "x y"})
    create(metadata={key: "other"})
    hit = listed(Sandbox.list(SandboxQuery(metadata={key: "x y"})))
    same([s.sandbox_id for s in hit], [a.sandbox_id])
    same((hit[0].state, hit[0].metadata[key]), (SandboxState.RUNNING, "x y"))
    assert a.sandbox_id in [s.sandbox_id for s in listed(Sandbox.list())]
    same(listed(Sandbox.list(SandboxQuery(metadata={key: "x y"}, state=[SandboxState.PAUSED]))), [])


@test("list by pages")
def _():
    key = "p%d" % time.time_ns()
    ids = [create(metadata={"key": key}).sandbox_id for _ in range(3)][::-1]
    pages = Sandbox.list(SandboxQuery(metadata={"key": key}), limit=1)
    seen = []
    for _ in range(3):
        same(pages.has_next, True)
        page = pages.next_items()
        same(len(page), 1)
        seen.append(page[0].sandbox_id)
    same(pages.has_next, False)
    same(seen, ids)


@test("information of a sandbox")
def _():
    sbx = box()
    info = sbx.get_info()
    same((info.sandbox_id, info.name, info.state), (sbx.sandbox_id, "base", SandboxState.RUNNING))
    assert info.cpu_count > 0 and info.memory_mb > 0
    same(text(sbx, "nproc"), str(info.cpu_count))
    assert until(lambda: len(sbx.get_metrics()) > 0, 15)
    m = sbx.get_metrics()[0]
    same((m.cpu_count, m.mem_total), (info.cpu_count, info.memory_mb << 20))


# --- life --------------------------------------------------------------------

@test("timeout set, and expiry")
def _():
    sbx = create()
    sbx.set_timeout(2)
    assert (sbx.get_info().end_at - now()).total_seconds() < 3
    same(sbx.is_running(), True)
    assert until(lambda: not sbx.is_running(), 5)
    with raises(Exception):
        sbx.commands.run("true")
    with raises(NotFoundException):
        sbx.get_info()
    with raises(NotFoundException):
        sbx.set_timeout(5)


@test("pause and connect")
def _():
    sbx = create(metadata={"kept": "yes"}, envs={"KEPT": "env"})
    h = sbx.commands.run("i=0; while :; do i=$((i+1)); echo $i > /tmp/count; sleep 0.05; done",
                         background=True, timeout=0)
    assert until(lambda: sbx.files.exists("/tmp/count"))
    same(sbx.pause(), True)
    same(sbx.pause(), False)
    same(sbx.is_running(), False)
    same(sbx.get_info().state, SandboxState.PAUSED)
    paused = listed(Sandbox.list(SandboxQuery(state=[SandboxState.PAUSED])))
    assert sbx.sandbox_id in [s.sandbox_id for s in paused]
    again = Sandbox.connect(sbx.sandbox_id, timeout=60)
    same(again.sandbox_id, sbx.sandbox_id)
    same(again.is_running(), True)
    info = again.get_info()
    same((info.state, info.metadata["kept"]), (SandboxState.RUNNING, "yes"))
    same(text(again, "echo $KEPT"), "env")
    # The same process counts on: memory survived.  (It writes by truncating.)
    def count():
        return int(text(again, "until grep . /tmp/count; do :; done"))
    n = count()
    assert until(lambda: count() > n)
    assert h.pid in [p.pid for p in again.commands.list()]


@test("automatic pause")
def _():
    sbx = create(timeout=2, lifecycle={"on_timeout": "pause"})
    life = sbx.get_info().lifecycle
    same(json.loads(json.dumps(life, default=vars)), {"on_timeout": "pause", "auto_resume": False})
    sbx.files.write("/tmp/kept", "still here")
    assert until(lambda: sbx.get_info().state == SandboxState.PAUSED, 6)
    same(sbx.is_running(), False)
    again = sbx.connect(timeout=60)
    same(again.files.read("/tmp/kept"), "still here")


@test("kill")
def _():
    sbx = create()
    same(sbx.kill(), True)
    same(sbx.is_running(), False)
    same(sbx.kill(), False)
    same(Sandbox.kill(sbx.sandbox_id), False)
    assert sbx.sandbox_id not in [s.sandbox_id for s in listed(Sandbox.list())]
    with raises(NotFoundException):
        Sandbox.connect(sbx.sandbox_id)


# --- network -----------------------------------------------------------------

@test("network options at create")
def _():
    sbx = create(network={"allow_out": ["1.1.1.1"], "deny_out": lambda ctx: [ctx.all_traffic]})
    same(reach(sbx, "1.1.1.1"), "open")
    same(reach(sbx, "8.8.8.8", 53), "closed")
    network = sbx.get_info().network
    same((network["allow_out"], network["deny_out"]), (["1.1.1.1"], [ALL_TRAFFIC]))


@test("no internet access")
def _():
    sbx = create(allow_internet_access=False)
    same(reach(sbx, "1.1.1.1"), "closed")
    same(sbx.get_info().allow_internet_access, False)
    same(text(sbx, "echo works"), "works")


@test("network updated live")
def _():
    sbx = create()
    same(reach(sbx, "1.1.1.1"), "open")
    same(reach(sbx, "8.8.8.8", 53), "open")
    sbx.update_network({"deny_out": ["8.8.8.0/24"]})
    same(reach(sbx, "8.8.8.8", 53), "closed")
    same(reach(sbx, "1.1.1.1"), "open")
    sbx.update_network({"allow_out": ["8.8.8.8"], "deny_out": [ALL_TRAFFIC]})
    same(reach(sbx, "8.8.8.8", 53), "open")
    same(reach(sbx, "1.1.1.1"), "closed")
    sbx.update_network({})
    same(reach(sbx, "1.1.1.1"), "open")


# --- errors ------------------------------------------------------------------

NOBODY = "inobodynobodynobody00"


@test("unknown sandbox")
def _():
    for ask in (Sandbox.connect, Sandbox.get_info,
                lambda i: Sandbox.set_timeout(i, 1), lambda i: Sandbox.update_network(i, {})):
        with raises(NotFoundException):
            ask(NOBODY)
    same(Sandbox.kill(NOBODY), False)


@test("unknown template")
def _():
    with raises(SandboxException, "no-such-template") as r:
        Sandbox.create("no-such-template")
    assert "404" in str(r.error), str(r.error)


@test("unknown user")
def _():
    with raises(AuthenticationException):
        box().commands.run("true", user="nobody-here")


@test("invalid network")
def _():
    sbx = box()
    with raises(SandboxException, "400: invalid denied CIDR not-an-address"):
        sbx.update_network({"deny_out": ["not-an-address"]})
    with raises(SandboxException, "400: When specifying allowed domains"):
        sbx.update_network({"allow_out": ["example.com"]})
    with raises(SandboxException):
        Sandbox.create(network={"deny_out": ["10.0.0.0/33"]})
    same(reach(sbx, "1.1.1.1"), "open")


@test("invalid timeout")
def _():
    with raises((SandboxException, InvalidArgumentException), "400"):
        Sandbox.create(timeout=1000 * 3600)
