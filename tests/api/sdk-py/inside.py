"""tests/api/sdk-py/inside.py - every method of e2b of PyPI that lives inside a
sandbox, and the classes of errors; each with Sandbox and with AsyncSandbox."""
import asyncio
import io
import time
import urllib.parse

from e2b import (AuthenticationException, CommandExitException, ConnectionConfig, FileNotFoundException,
                 FilesystemEventType, FileType, InvalidArgumentException,
                 NotEnoughSpaceException, NotFoundException, PtySize, RateLimitException,
                 SandboxException, SandboxNotFoundException,
                 SandboxNotRunningException, SandboxQuery, TimeoutException, get_signature, wait_for_file, wait_for_port,
                 wait_for_process, wait_for_timeout, wait_for_url)

from harness import both, same, way_in

DAY = 24 * 3600


# --- commands ----------------------------------------------------------------

@both("commands listed with what they are")
async def _(k):
    sbx = await k.box()
    h = await k(sbx.commands.run("sleep 61", background=True, envs={"MARK": "x"}, cwd="/tmp"))
    p = next(p for p in await k(sbx.commands.list()) if p.pid == h.pid)
    same((p.cmd, p.args, p.cwd, p.envs["MARK"]), ("/bin/bash", ["-l", "-c", "sleep 61"], "/tmp", "x"))
    same(await k(sbx.commands.kill(h.pid)), True)
    same(await k.until(lambda: gone(k, sbx, h.pid)), True)


async def pieces(k, to, pid, data):
    """Input as a stream: here all of it is given, there it is sent."""
    if not k.is_async:
        to.stream_input(pid, data)
        return
    stream = to.stream_input(pid)
    for piece in data:
        await stream.send(piece)
    await stream.close()


async def gone(k, sbx, pid):
    return pid not in [p.pid for p in await k(sbx.commands.list())]


@both("input by pid, and its end")
async def _(k):
    sbx = await k.box()
    h = await k(sbx.commands.run("cat", background=True, stdin=True))
    await k(sbx.commands.send_stdin(h.pid, "text "))
    await pieces(k, sbx.commands, h.pid, ["in ", b"pieces "])
    await k(h.send_stdin("byä"))
    await k(sbx.commands.close_stdin(h.pid))
    same((await k(h.wait())).stdout, "text in pieces byä")
    await k.raises(NotFoundException, lambda: sbx.commands.send_stdin(h.pid, "late"))
    h = await k(sbx.commands.run("cat; echo end", background=True, stdin=True))
    await k(h.close_stdin())
    same((await k(h.wait())).stdout, "end\n")


@both("handle tells how it ended")
async def _(k):
    sbx = await k.box()
    h = await k(sbx.commands.run("echo out; echo err >&2; exit 9", background=True))
    assert h.pid > 0
    e = await k.raises(CommandExitException, h.wait)
    same((e.exit_code, e.stdout, e.stderr, e.error), (9, "out\n", "err\n", "exit status 9"))
    if k.is_async:
        same((h.exit_code, h.stdout, h.stderr, h.error), (9, "out\n", "err\n", "exit status 9"))
    first = await k(sbx.commands.run("read x; echo got $x", background=True, stdin=True))
    await k(first.disconnect())
    second = await k(sbx.commands.connect(first.pid))
    await k(second.send_stdin("it\n"))
    same((await k(second.wait())).stdout, "got it\n")
    h = await k(sbx.commands.run("sleep 62", background=True))
    same(await k(h.kill()), True)
    assert "killed" in (await k.raises(CommandExitException, h.wait)).error
    same(await k(h.kill()), False)


async def pty(k, sbx, how, seen):
    """A terminal whose output goes to seen; its handle, and its end."""
    if k.is_async:
        h = await how(on_data=lambda d: seen.append(bytes(d)))
        return h, h.wait
    h = how()
    return h, lambda: h.wait(on_pty=lambda d: seen.append(bytes(d)))


@both("pty found again, and killed")
async def _(k):
    sbx = await k.box()
    seen = []
    size = PtySize(rows=24, cols=80)
    first, _ = await pty(k, sbx, lambda **o: sbx.pty.create(size, **o), [])
    await k(first.disconnect())
    h, end = await pty(k, sbx, lambda **o: sbx.pty.connect(first.pid, **o), seen)
    await k(sbx.pty.resize(h.pid, PtySize(rows=30, cols=100)))
    await k(sbx.pty.send_stdin(h.pid, b"stty size; echo $((6*7))\n"))
    assert await k.until(lambda: not k.is_async or b"\n42\r" in b"".join(seen)), seen
    await pieces(k, sbx.pty, h.pid, [b"exit", b" 0\n"])
    same((await k(end())).exit_code, 0)
    out = b"".join(seen)
    assert b"30 100" in out and b"\n42\r" in out, out
    h, end = await pty(k, sbx, lambda **o: sbx.pty.create(size, **o), [])
    same(await k(sbx.pty.kill(h.pid)), True)
    await k.raises(CommandExitException, end)
    same(await k(sbx.pty.kill(h.pid)), False)


# --- files -------------------------------------------------------------------

class Watch:
    """One way to look at events that come, and at those that are fetched."""

    def __init__(self, k, sbx):
        self.k, self.sbx, self.events, self.exited = k, sbx, [], False

    async def start(self, path, **opts):
        if self.k.is_async:
            def ended(_):
                self.exited = True
            self.handle = await self.sbx.files.watch_dir(path, on_event=self.events.append, on_exit=ended, **opts)
        else:
            self.handle = self.sbx.files.watch_dir(path, **opts)
        return self

    def seen(self):
        if not self.k.is_async:
            self.events += self.handle.get_new_events()
        return self.events

    def has(self, kind, name):
        return any((e.type, e.name) == (kind, name) for e in self.seen())


@both("directory watched")
async def _(k):
    sbx = await k.box()
    await k(sbx.files.make_dir("watched"))
    w = await Watch(k, sbx).start("watched")
    await k(sbx.files.write("watched/a", "one"))
    await k(sbx.files.rename("watched/a", "watched/b"))
    await k(sbx.files.remove("watched/b"))
    t = FilesystemEventType
    assert await k.until(lambda: w.has(t.CREATE, "a") and w.has(t.WRITE, "a") and w.has(t.RENAME, "a")
                         and w.has(t.REMOVE, "b")), w.events
    await k(w.handle.stop())
    n = len(w.events)
    await k(sbx.files.write("watched/late", ""))
    await asyncio.sleep(0.2)
    same(len(w.events), n)
    if k.is_async:
        assert await k.until(lambda: w.exited)
    else:
        await k.raises(SandboxException, w.handle.get_new_events)
    other = Watch(k, sbx)
    await k.raises(NotFoundException, lambda: other.start("no/such/dir"))


@both("directory watched below, with entries")
async def _(k):
    sbx = await k.box()
    await k(sbx.files.make_dir("tree-watched/sub"))
    w = await Watch(k, sbx).start("tree-watched", recursive=True, include_entry=True)
    await k(sbx.files.write("tree-watched/sub/f", "four"))
    assert await k.until(lambda: any(e.name == "sub/f" and e.entry and
                                     e.entry.path == "/home/user/tree-watched/sub/f" for e in w.seen())), w.events
    await k(w.handle.stop())


@both("file with metadata")
async def _(k):
    sbx = await k.box()
    w = await k(sbx.files.write("meta", "x", metadata={"Kind": "note", "by": "sdk"}))
    same(w.metadata, {"kind": "note", "by": "sdk"})
    same((await k(sbx.files.get_info("meta"))).metadata, {"kind": "note", "by": "sdk"})
    await k.raises(InvalidArgumentException, lambda: sbx.files.write("meta", "x", metadata={"a b": "c"}))


@both("file packed on the way")
async def _(k):
    sbx = await k.box()
    data = "packed " * 20000
    await k(sbx.files.write("packed", data, gzip=True))
    same(await k.text(sbx, "wc -c < packed"), str(len(data)))
    same(await k(sbx.files.read("packed", gzip=True)), data)
    await k(sbx.files.write("plain", data, use_octet_stream=True))
    same(await k(sbx.files.read("plain")), data)


@both("file read as a stream")
async def _(k):
    sbx = await k.box()
    data = b"0123456789" * 50000
    await k(sbx.files.write("streamed", io.BytesIO(data)))
    stream = await k(sbx.files.read("streamed", format="stream"))
    got = b"".join([x async for x in stream] if k.is_async else stream)
    assert got == data
    same(bytes(await k(sbx.files.read("streamed", format="bytes"))), data)


@both("files written together")
async def _(k):
    sbx = await k.box()
    r = await k(sbx.files.write_files([{"path": "both/1", "data": "one"}, {"path": "both/2", "data": b"two"}]))
    same([(f.name, f.type) for f in r], [("1", FileType.FILE), ("2", FileType.FILE)])
    same(await k.text(sbx, "cat both/*"), "onetwo")
    same([e.name for e in await k(sbx.files.list("both"))], ["1", "2"])
    same(await k(sbx.files.exists("both/1")), True)
    await k(sbx.files.remove("both/1"))
    same(await k(sbx.files.exists("both/1")), False)


@both("symbolic link")
async def _(k):
    sbx = await k.box()
    await k(sbx.commands.run("echo x > aim; ln -sfn aim arrow; ln -sfn nowhere broken"))
    e = await k(sbx.files.get_info("arrow"))
    same((e.type, e.symlink_target), (FileType.FILE, "/home/user/aim"))
    same(await k(sbx.files.read("arrow")), "x\n")
    # One that leads nowhere is of no type, as in the original.
    e = await k(sbx.files.get_info("broken"))
    same((e.type, e.symlink_target), (None, "/home/user/broken"))


@both("signed urls")
async def _(k):
    sbx = await k.box()
    host = sbx.get_host(49983)

    def ask(url, **opts):
        # With E2B_SANDBOX_URL set their host is that one: the sandbox's is said here.
        u = urllib.parse.urlsplit(url)
        return way_in(host, u.path + "?" + u.query, **opts)
    form = ("--xBx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"signed.txt\"\r\n\r\n"
            "by url\r\n--xBx--\r\n")
    up = ask(sbx.upload_url("signed.txt", use_signature_expiration=60), method="POST", body=form,
             headers={"Content-Type": "multipart/form-data; boundary=xBx"})
    same(up[0], 200)
    down = sbx.download_url("signed.txt")
    same(ask(down)[::2], (200, "by url"))
    same(ask(down.replace("signed.txt", "%2Fetc%2Fpasswd"))[0], 401)
    token = sbx._envd_access_token
    sign = get_signature("signed.txt", "read", None, token)["signature"]
    assert urllib.parse.parse_qs(urllib.parse.urlsplit(down).query)["signature"] == [sign]
    late = sbx.download_url("signed.txt", use_signature_expiration=1)
    same(ask(late)[0], 200)
    assert await k.until(lambda: ask(late)[0] == 401, 4)


# --- the sandbox -------------------------------------------------------------

@both("host, mcp url and token")
async def _(k):
    sbx = await k.box()
    same(sbx.get_host(8080), "8080-%s.%s" % (sbx.sandbox_id, sbx.sandbox_domain))
    same(sbx.get_mcp_url(), "https://50005-%s.%s/mcp" % (sbx.sandbox_id, sbx.sandbox_domain))
    await k(sbx.commands.run("mkdir -p /etc/mcp-gateway; printf tok-en > /etc/mcp-gateway/.token", user="root"))
    same(await k(sbx.get_mcp_token()), "tok-en")


@both("mcp start-up without its template")
async def _(k):
    key = "mcp%d" % time.time_ns()
    mcp = {"exa": {"apiKey": "k'\"$"}}
    await k.raises(SandboxException, lambda: k.Sandbox.create("base", mcp=mcp, metadata={"key": key}, timeout=60),
                   "mcp-gateway: command not found")
    for s in await k.listed(k.Sandbox.list(SandboxQuery(metadata={"key": key}))):
        same(await k(k.Sandbox.kill(s.sandbox_id)), True)


@both("metrics within a range")
async def _(k):
    import datetime as dt
    sbx = await k.box()

    async def any_yet():
        return len(await k(sbx.get_metrics())) > 0
    assert await k.until(any_yet, 15)
    now = dt.datetime.now(dt.timezone.utc)
    ago = dt.timedelta(hours=1)
    assert len(await k(sbx.get_metrics(start=now - ago, end=now + dt.timedelta(seconds=1)))) > 0
    same(await k(sbx.get_metrics(start=now - 2 * ago, end=now - ago)), [])


@both("asked by its id alone")
async def _(k):
    S = k.Sandbox
    sbx = await k.create()
    i = sbx.sandbox_id
    same((await k(S.get_info(i))).sandbox_id, i)
    assert isinstance(await k(S.get_metrics(i)), list)
    await k(S.set_timeout(i, 100))
    info = await k(sbx.get_info())
    assert info.end_at.timestamp() - time.time() > 90
    await k(sbx.set_timeout(120))
    await k(S.update_network(i, {"deny_out": ["8.8.8.8"]}))
    await k(sbx.update_network({}))
    same(await k(S.pause(i)), True)
    same(await k(S.beta_pause(i)), False)
    again = await k(S.connect(i))
    same(await k.text(again, "echo back"), "back")
    same(await k(again.beta_pause()), True)
    same(await k((await k(again.connect())).is_running()), True)
    same(await k(again.pause()), True)
    same(await k(again.pause()), False)
    same(await k(S.kill(i)), True)
    same(await k(again.kill()), False)


@both("snapshots and forks say what is missing")
async def _(k):
    S = k.Sandbox
    sbx = await k.box()
    i = sbx.sandbox_id
    for ask in (sbx.create_snapshot, lambda: S.create_snapshot(i), lambda: sbx.list_snapshots().next_items(),
                lambda: S.list_snapshots().next_items(), lambda: S.delete_snapshot("none"), sbx.fork,
                lambda: S.fork(i)):
        await k.raises(SandboxException, ask, "501")


# --- what templates run ------------------------------------------------------

@both("ready commands")
async def _(k):
    sbx = await k.create()

    async def ready(cmd):
        try:
            await k(sbx.commands.run(cmd.get_cmd(), user="root"))
            return True
        except CommandExitException:
            return False
    all_ = [wait_for_port(8123), wait_for_url("http://127.0.0.1:8123/", 200), wait_for_process("ready-proc"),
            wait_for_file("/tmp/ready-file")]
    for r in all_:
        same(await ready(r), False)
    await k(sbx.commands.run("exec python3 -m http.server 8123 --bind 127.0.0.1", background=True))
    await k(sbx.commands.run("cp /bin/sleep /tmp/ready-proc; touch /tmp/ready-file; exec /tmp/ready-proc 60",
                             background=True))
    for r in all_:
        assert await k.until(lambda r=r: ready(r)), r.get_cmd()
    same(await ready(wait_for_port(812)), False)
    same(await ready(wait_for_timeout(10)), True)


# --- classes of errors -------------------------------------------------------

@both("error: nothing of that name")
async def _(k):
    sbx = await k.box()
    await k.raises(FileNotFoundException, lambda: sbx.files.read("/no/such"))
    await k.raises(NotFoundException, lambda: sbx.commands.connect(4_000_000))
    await k.raises(SandboxNotFoundException, lambda: k.Sandbox.connect("inobodynobodynobody00"))
    gone_box = await k.create()
    await k(gone_box.kill())
    await k.raises(SandboxNotRunningException, lambda: gone_box.commands.run("true"))


@both("error: an argument that cannot be")
async def _(k):
    sbx = await k.box()
    for ask in (lambda: sbx.files.write("/etc", "x", user="root"), lambda: sbx.files.read("/etc"),
                lambda: sbx.files.list("/etc/passwd"), lambda: sbx.files.list("/etc", depth=0),
                lambda: sbx.commands.run("true", cwd="/no/such")):
        await k.raises(InvalidArgumentException, ask)


@both("error: not who it says")
async def _(k):
    sbx = await k.create()
    await k.raises(AuthenticationException, lambda: sbx.commands.run("true", user="nobody-here"))
    config = ConnectionConfig(extra_sandbox_headers={
        "E2b-Sandbox-Id": sbx.sandbox_id, "E2b-Sandbox-Port": "49983", "X-Access-Token": "a-guess"})
    stranger = k.Sandbox(sandbox_id=sbx.sandbox_id, sandbox_domain=sbx.sandbox_domain,
                         envd_version=sbx._envd_version, envd_access_token="a-guess",
                         connection_config=config)
    await k.raises(AuthenticationException, lambda: stranger.commands.run("true"))
    await k.raises(AuthenticationException, lambda: stranger.files.read("/etc/hostname"))


@both("error: too late")
async def _(k):
    sbx = await k.box()
    await k.raises(TimeoutException, lambda: sbx.commands.run("sleep 63", timeout=0.5))
    await k.raises(TimeoutException, lambda: sbx.files.list("/usr", depth=30, request_timeout=0.001))


@both("error: more than fits in a message")
async def _(k):
    sbx = await k.box()
    h = await k(sbx.commands.run("sleep 64", background=True, stdin=True))
    await k.raises(RateLimitException, lambda: sbx.commands.send_stdin(h.pid, "x" * (27 << 20)))
    await k(h.kill())
    same(await k.text(sbx, "echo works"), "works")


@both("error: a full disk")
async def _(k):
    sbx = await k.create()
    await k(sbx.commands.run("i=0; while fallocate -l 64M fill$i && [ $i -lt 1000 ]; do i=$((i+1)); done 2>/dev/null; "
                             "head -c 64M /dev/zero > rest 2>/dev/null; sync; true"))
    await k.raises(NotEnoughSpaceException, lambda: sbx.files.write("big", "x" * (16 << 20)))
    same(await k.text(sbx, "rm -f fill* rest; echo works"), "works")
