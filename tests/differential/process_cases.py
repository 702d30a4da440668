"""process_cases.py - what is started, how it ends, and who may speak to it."""
import base64
import json
import os
import time

from side import STREAM, basic, envelope, envelopes, mask

P = "/process.Process/"


def b64(b):
    return base64.b64encode(b).decode()


def said(s, label, live):
    """The rest of a stream, folded."""
    events, _ = s.fold(live.rest())
    s.note(label, events)
    live.close()


def status_only(got):
    """Of a shell's message only that there was one."""
    return [(k, bool(v)) if k == "stderr" else (k, v) for k, v in got.get("events", [])]


def case_start(s):
    s.sh("true", "true")
    s.sh("output", "echo out; echo err >&2")
    s.sh("exit 3", "exit 3")
    s.sh("exit 255", "exit 255")
    s.sh("exit 256", "exit 256")
    s.sh("no newline", "printf abc")
    s.sh("bytes", "printf '\\377\\000\\200x'")
    s.sh("much", "head -c 300000 /dev/zero | tr '\\0' x")
    s.sh("much of both", "head -c 100000 /dev/zero | tr '\\0' x; head -c 100000 /dev/zero | tr '\\0' y >&2")
    s.run("through PATH", "echo", "a", "b  c", "", "d\ne", "'\"$x\\")
    s.run("no args", "/bin/true")
    s.run("unicode", "echo", "ü", "\U0001f600")
    for cmd in ("nosuchprogram", "/nosuch/program", "/etc", "/etc/hostname", "./x", "", "-x", "a b",
                "~/x", "$HOME", "\0x", "echo\n"):
        got = s.live(P + "Start", {"process": {"cmd": cmd}}, basic("user"))
        events, _ = s.fold(got.rest())
        s.note(f"program {cmd!r}", [(k, bool(v)) if k == "stderr" else (k, v) for k, v in events])
    with open(s.path("/home/user/noexec"), "w", encoding="ascii") as f:
        f.write("#!/bin/sh\necho no\n")
    with open(s.path("/home/user/noshebang"), "w", encoding="ascii") as f:
        f.write("echo shebang $0 $1\n")
    with open(s.path("/home/user/badshebang"), "w", encoding="ascii") as f:
        f.write("#!/nosuch\n")
    for f in "noshebang", "badshebang":
        os.chmod(s.path("/home/user/" + f), 0o755)
    for p in "noexec", "noshebang", "badshebang":
        got = s.live(P + "Start", {"process": {"cmd": "/home/user/" + p, "args": ["x"]}},
                     basic("user"))
        events, _ = s.fold(got.rest())
        s.note(p, [(k, bool(v)) if k == "stderr" else (k, v) for k, v in events])
    s.run("relative program", "./noshebang", "y")
    s.run("PATH of the request", "noshebang", process={"envs": {"PATH": "/home/user"}})
    s.run("argument 0", "/bin/sh", "-c", "echo $0; cat /proc/$$/cmdline | tr '\\0' ' '")
    s.run("nul in an argument", "echo", "a\0b")
    s.run("long argument", "/bin/sh", "-c", "echo ${#1}", "x", "y" * 100000)
    s.run("too long an argument", "/bin/true", "y" * 200000)


def case_signals(s):
    for sig in "KILL", "TERM", "HUP", "INT", "PIPE", "USR1", "SEGV", "ABRT", "ALRM", "QUIT", "STKFLT":
        s.sh(f"by {sig}", f"ulimit -c 0; kill -{sig} $$; sleep 5")
    s.sh("ignored", "trap '' TERM; kill -TERM $$; echo lived")
    s.sh("real-time signal", "ulimit -c 0; kill -40 $$; sleep 5")
    for name, sig in (("KILL", "SIGNAL_SIGKILL"), ("TERM", "SIGNAL_SIGTERM"), ("9", 9), ("15", 15)):
        p = s.start("/bin/sh", "-c", "echo up; exec sleep 60")
        p.until(b"up\n")
        s.proc(f"send {name}", "SendSignal", {"process": {"pid": p.pid}, "signal": sig})
        said(s, f"sent {name}", p)
        s.proc(f"send {name} again", "SendSignal", {"process": {"pid": p.pid}, "signal": sig})
    p = s.start("/bin/sh", "-c", "echo up; exec sleep 60")
    p.until(b"up\n")
    for sig in ("SIGNAL_UNSPECIFIED", 0, 1, 2, "SIGNAL_SIGINT", "9", -9, None, 64, 1.5):
        s.proc(f"send {sig!r}", "SendSignal", {"process": {"pid": p.pid}, "signal": sig})
    s.proc("send none", "SendSignal", {"process": {"pid": p.pid}})
    for sel in ({}, {"pid": 0}, {"pid": 999999}, {"tag": "nothing"}, {"tag": ""}, {"pid": 1},
                {"pid": -1}, {"pid": "x"}, {"pid": 4294967295}, {"pid": 1, "tag": "x"}, None,
                {"pid": None}):
        s.proc(f"select {sel!r}", "SendSignal", {"process": sel, "signal": "SIGNAL_SIGKILL"})
    s.proc("select nothing", "SendSignal", {"signal": "SIGNAL_SIGKILL"})
    s.proc("end", "SendSignal", {"process": {"pid": str(p.pid)}, "signal": "SIGNAL_SIGKILL"})
    said(s, "its end", p)
    # Killed, while a grandchild holds the pipes.
    p = s.start("/bin/sh", "-c", "echo up; sleep 6; echo x")
    p.until(b"up\n")
    t = time.time()
    s.proc("kill the shell", "SendSignal", {"process": {"pid": p.pid}, "signal": 9})
    said(s, "end without the grandchild", p)
    s.note("at once", time.time() - t < 3)
    s.note("gone from the list", [x["pid"] for x in listed(s) if x["pid"] == p.pid])
    p = s.start("/bin/sh", "-c", "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done")
    p.until(b"up\n")
    s.proc("term", "SendSignal", {"process": {"pid": p.pid}, "signal": 15})
    events, _ = s.fold(p.rest())
    s.note("end of one that catches it", [e for e in events if e[0] != "stdout"])


def listed(s):
    _, _, data = s.raw("POST", P + "List", b"{}", {"Content-Type": "application/json"})
    return json.loads(data).get("processes", [])


def case_ends(s):
    t = time.time()
    s.sh("grandchild holds the pipe", "sleep 1.5 & echo x")
    s.note("waited", time.time() - t > 1.3)
    t = time.time()
    s.sh("grandchild without the pipe", "sleep 5 >/dev/null 2>&1 & echo x")
    s.note("did not wait", time.time() - t < 3)
    s.sh("output after the end", "(sleep 0.5; echo late) & echo early")
    s.sh("closes its output", "exec >&- 2>&-; sleep 0.5; exit 4")
    s.sh("timeout", "echo x; sleep 20", headers={"Connect-Timeout-Ms": "700"})
    s.sh("timeout of 0", "echo x", headers={"Connect-Timeout-Ms": "0"})
    s.sh("timeout not reached", "echo x", headers={"Connect-Timeout-Ms": "15000"})
    # The client leaves; the deadline still ends it.
    p = s.start("/bin/sh", "-c", "echo up; exec sleep 60", headers={"Connect-Timeout-Ms": "900"})
    p.until(b"up\n")
    p.close()
    s.note("there", any(x["pid"] == p.pid for x in listed(s)))
    time.sleep(1.4)
    s.note("ended by its deadline", any(x["pid"] == p.pid for x in listed(s)))
    s.stream("retained", P + "Connect", {"process": {"pid": p.pid}})


def case_environment(s):
    s.init(envVars={"GLOBAL": "g", "OVER": "global", "PATHX": "1"})
    env = "env | grep -v -e '^_=' -e '^PWD=' -e '^SHLVL=' -e '^OLDPWD=' -e '^E2B_SANDBOX' -e '^E2B_TEMPLATE' | sort"
    s.sh("plain", env)
    s.sh("of root", env, user="root")
    s.sh("of nobody", env + "; id", user="nobody", process={"cwd": "/"})
    s.sh("of no user", env, user=None)
    s.sh("request's", env, process={"envs": {"OVER": "mine", "NEW": "n", "EMPTY": ""}})
    s.sh("over HOME and PATH", env, process={"envs": {"HOME": "/x", "PATH": "/bin:/usr/bin", "USER": "u"}})
    s.sh("over E2B", "echo $E2B_SANDBOX", process={"envs": {"E2B_SANDBOX": "mine"}})
    s.sh("odd names", "env | grep -a -e ODD -e MULTI | sort",
         process={"envs": {"ODD NAME": "1", "MULTI": "a\nb", "ODDÜ": "ü", "ODD": "=x="}})
    for e in ({"": "x"}, {"A=B": "x"}, {"A\0": "x"}, {"A": "x\0y"}):
        s.sh(f"bad {e!r}", "env | grep -a -e '^A' -e '^=' | sort", process={"envs": e})
    s.sh("ids", "id; umask; ulimit -n >/dev/null; nice; cat /proc/self/oom_score_adj")
    s.sh("ids of root", "id", user="root")
    s.sh("ionice", "ionice -p $$")
    s.sh("nice and session", "ps -o ni=,tty= -p $$; [ $(ps -o sid= -p $$) = $$ ] && echo leader; true")
    s.sh("descriptors", "ls /proc/self/fd | grep '^[0-24-9]$' | tr '\\n' ' '", stdin=False)
    s.sh("blocked and ignored signals", "grep SigBlk /proc/$$/status; i=$(sed -n 's/SigIgn:.//p' /proc/$$/status);"
         " echo $((0x$i & 0x7fffffff))")  # not signal 32, which a libc leaves ignored
    s.sh("bash -l", "true")
    s.run("login shell", "/bin/bash", "-l", "-c", env)
    s.init(envVars={})


def case_cwd(s):
    os.makedirs(s.path("/home/user/d"), exist_ok=True)
    os.makedirs(s.path("/root/priv"), exist_ok=True)
    os.chmod(s.path("/root"), 0o700)
    if not os.path.islink(s.path("/home/user/dl")):
        os.symlink("d", s.path("/home/user/dl"))
    for c in (None, "", "/", "/tmp", "d", "./d", "d/", "d/..", "~", "~/d", "~root", "/nothing", "nothing",
              "/etc/hostname", "/root/priv", "/root", "dl", "/home/user/dl", "/home//user", "a\0b",
              "/home/user/../user/d", "x" * 300):
        s.sh(f"{(c or '')[:30]!r}" if c is not None else "none", "pwd; pwd -P; echo $PWD",
             process={} if c is None else {"cwd": c})
    s.sh("root in a private one", "pwd", process={"cwd": "/root/priv"}, user="root")
    gone = s.path("/home/user/gone")
    os.makedirs(gone, exist_ok=True)
    s.sh("deleted under way", "rmdir /home/user/gone; pwd", process={"cwd": "/home/user/gone"})


def case_stdin(s):
    s.sh("none: read", "read x; echo $?", stdin=False)
    s.sh("none: what it is", "readlink /proc/self/fd/0", stdin=False)
    for given in ({}, {"stdin": True}, {"stdin": None}):
        p = s.start("/bin/sh", "-c", "cat; sleep 0.7", **given)
        p.next()
        for data in (b"hello\n", b"", b"\xff\x00"):
            s.proc(f"{given} input {data!r}", "SendInput",
                   {"process": {"pid": p.pid}, "input": {"stdin": b64(data)}})
        s.note(f"{given} back", p.until(b"\x00"))
        # Its end waits for that sleep.
        s.proc(f"{given} pty input", "SendInput",
               {"process": {"pid": p.pid}, "input": {"pty": b64(b"x")}})
        s.proc(f"{given} no input", "SendInput", {"process": {"pid": p.pid}, "input": {}})
        s.proc(f"{given} null input", "SendInput", {"process": {"pid": p.pid}})
        s.proc(f"{given} bad base64", "SendInput",
               {"process": {"pid": p.pid}, "input": {"stdin": "!!"}})
        s.proc(f"{given} url base64", "SendInput",
               {"process": {"pid": p.pid}, "input": {"stdin": "LV8-"}})
        s.proc(f"{given} unpadded", "SendInput",
               {"process": {"pid": p.pid}, "input": {"stdin": "YQ"}})
        s.proc(f"{given} both", "SendInput",
               {"process": {"pid": p.pid}, "input": {"stdin": "YQ==", "pty": "YQ=="}})
        s.proc(f"{given} close", "CloseStdin", {"process": {"pid": p.pid}})
        s.proc(f"{given} close again", "CloseStdin", {"process": {"pid": p.pid}})
        said(s, f"{given} end", p)
        s.proc(f"{given} after the end", "CloseStdin", {"process": {"pid": p.pid}})
        s.proc(f"{given} input after the end", "SendInput",
               {"process": {"pid": p.pid}, "input": {"stdin": "YQ=="}})
    p = s.start("/bin/sleep", "60", stdin=False)
    p.next()
    s.proc("no stdin: input", "SendInput", {"process": {"pid": p.pid}, "input": {"stdin": "YQ=="}})
    s.proc("no stdin: close", "CloseStdin", {"process": {"pid": p.pid}})
    s.proc("no stdin: update", "Update", {"process": {"pid": p.pid}})
    s.proc("no stdin: resize", "Update",
           {"process": {"pid": p.pid}, "pty": {"size": {"cols": 10, "rows": 10}}})
    s.proc("no stdin: empty pty", "Update", {"process": {"pid": p.pid}, "pty": {}})
    s.raw("POST", P + "SendSignal", json.dumps({"process": {"pid": p.pid}, "signal": 9}).encode(),
          {"Content-Type": "application/json"})
    said(s, "no stdin: end", p)
    p = s.start("/bin/sh", "-c", "exec <&-; echo shut; sleep 60")
    p.until(b"shut\n")
    s.proc("broken pipe", "SendInput", {"process": {"pid": p.pid}, "input": {"stdin": "YQ=="}})
    s.proc("kill", "SendSignal", {"process": {"pid": p.pid}, "signal": 9})
    p.close()
    for m in "SendInput", "CloseStdin", "Update":
        for sel in ({}, {"pid": 999999}, {"tag": "nothing"}):
            s.proc(f"{m} of {sel}", m, {"process": sel, "input": {"stdin": "YQ=="}})
        s.proc(f"{m} of nothing", m, {})


def case_stream_input(s):
    p = s.start("/bin/cat")
    p.next()
    sel = {"start": {"process": {"pid": p.pid}}}

    def data(b):
        return {"data": {"input": {"stdin": b64(b)}}}

    def send(label, *msgs, raw=None):
        body = raw if raw is not None else b"".join(envelope(m) for m in msgs)
        s.stream(label, P + "StreamInput", body)
    send("start and data", sel, data(b"one "), {"keepalive": {}}, data(b"two "))
    send("only start", sel)
    send("nothing")
    send("unknown process", {"start": {"process": {"pid": 999999}}})
    send("no selector", {"start": {}})
    send("no event", sel, {})
    send("pty to a pipe", sel, {"data": {"input": {"pty": "YQ=="}}})
    send("no input", sel, {"data": {}})
    send("no JSON", raw=envelope(sel) + envelope(b"x"))
    send("torn", raw=envelope(sel) + envelope(data(b"t "))[:-3])
    send("with an end", raw=envelope(sel) + envelope(data(b"three\n")) + envelope({}, 2))
    s.note("arrived", p.until(b"\n"))
    q = s.start("/bin/cat")
    q.next()
    send("two processes", sel, data(b"p\n"), {"start": {"process": {"pid": q.pid}}}, data(b"q\n"))
    s.note("first", p.until(b"\n"))
    s.note("second", q.until(b"\n"))
    for x in p, q:
        s.proc("close", "CloseStdin", {"process": {"pid": x.pid}})
        said(s, "end", x)


def case_list(s):
    s.note("empty", listed(s))
    p = s.start("/bin/sh", "-c", "echo up; sleep 60", tag="t1",
                process={"envs": {"A": "1"}, "cwd": "/tmp"})
    p.until(b"up\n")
    q = s.start("/bin/sleep", "60", user="root", stdin=False)
    q.next()
    r = s.start("sleep", "60", tag="", process={"cwd": ""}, pty={"size": {"cols": 10, "rows": 5}})
    r.next()
    s.note("three", sorted((mask(x) for x in listed(s)), key=str))
    s.proc("kill by tag", "SendSignal", {"process": {"tag": "t1"}, "signal": "SIGNAL_SIGKILL"})
    for x in p, q, r:
        s.raw("POST", P + "SendSignal", json.dumps({"process": {"pid": x.pid}, "signal": 9}).encode(),
              {"Content-Type": "application/json"})
        said(s, "end", x)
    s.note("none left", listed(s))


def case_connect(s):
    p = s.start("/bin/sh", "-c", "echo first; while read x; do echo got $x; done; exit 5", tag="conn")
    p.until(b"first\n")

    def tell(word):
        s.raw("POST", P + "SendInput", json.dumps(
            {"process": {"pid": p.pid}, "input": {"stdin": b64(word)}}).encode(),
            {"Content-Type": "application/json"})
    a = s.live(P + "Connect", {"process": {"pid": p.pid}})
    s.note("begins", (mask(a.next()), a.pid == p.pid))
    b = s.live(P + "Connect", {"process": {"tag": "conn"}})
    s.note("by tag", (mask(b.next()), b.pid == p.pid))
    tell(b"one\n")
    for name, x in (("starter", p), ("a", a), ("b", b)):
        s.note(name + " hears", x.until(b"one\n"))
    p.close()
    a.close()
    time.sleep(0.2)
    tell(b"two\n")
    s.note("b goes on", b.until(b"two\n"))
    c = s.live(P + "Connect", {"process": {"pid": p.pid}}, {"Connect-Timeout-Ms": "400"})
    said(s, "connect with a deadline", c)
    s.note("process lives on", any(x["pid"] == p.pid for x in listed(s)))
    s.proc("close", "CloseStdin", {"process": {"pid": p.pid}})
    said(s, "b's end", b)
    for sel in ({"pid": p.pid}, {"tag": "conn"}):
        s.stream(f"retained by {list(sel)[0]}", P + "Connect", {"process": sel})
    s.sh("tag used again", "exit 6", tag="conn")
    s.stream("the later of them", P + "Connect", {"process": {"tag": "conn"}})
    s.stream("the first, by pid", P + "Connect", {"process": {"pid": p.pid}})
    for sel in ({}, {"pid": 999999}, {"tag": "nothing"}, {"pid": 0}, None):
        s.stream(f"connect to {sel}", P + "Connect", {"process": sel})
    s.note("not in the list", listed(s))
    s.proc("signal to a retained one", "SendSignal", {"process": {"tag": "conn"}, "signal": 9})
    s.proc("input to a retained one", "SendInput",
           {"process": {"tag": "conn"}, "input": {"stdin": "YQ=="}})
    # Two with one tag.
    x = s.start("/bin/sleep", "60", tag="twice")
    x.next()
    y = s.start("/bin/sleep", "60", tag="twice")
    s.note("same tag", mask(y.next()))
    for z in x, y:
        s.raw("POST", P + "SendSignal", json.dumps({"process": {"pid": z.pid}, "signal": 9}).encode(),
              {"Content-Type": "application/json"})
        z.close()
    # Nobody listens, and it never blocks.
    p = s.start("/bin/sh", "-c", "echo up; head -c 4000000 /dev/zero; sleep 0.3; echo done; sleep 2; exit 8",
                stdin=False)
    p.until(b"up\n")
    p.close()
    time.sleep(1.2)
    c = s.live(P + "Connect", {"process": {"pid": p.pid}})
    events, _ = s.fold(c.rest())
    s.note("after the flood", events)


def case_keepalive(s):
    s.sh("every second", "sleep 2.6", headers={"Keepalive-Ping-Interval": "1"})
    s.sh("reset by output", "for i in 1 2 3 4; do sleep 0.6; echo $i; done",
         headers={"Keepalive-Ping-Interval": "1"})
    s.sh("not a number", "sleep 0.2", headers={"Keepalive-Ping-Interval": "x"})
    # Not 0 or less: the other one dies of that.


def case_pty(s):
    size = {"size": {"cols": 80, "rows": 24}}
    s.sh("size", "stty size; tty -s && echo tty; stty -a | tr ';' '\\n' | grep -e speed -e line -e eol",
         pty=size)
    s.sh("settings", "stty -a | tail -n +2", pty=size)
    s.sh("no size", "stty size", pty={})
    s.sh("zero", "stty size", pty={"size": {"cols": 0, "rows": 0}})
    s.sh("large", "stty size", pty={"size": {"cols": 70000, "rows": 65536}})
    s.sh("half a size", "stty size", pty={"size": {"cols": 7}})
    s.sh("null", "tty", pty=None)
    s.sh("both outputs", "echo out; echo err >&2", pty=size)
    s.sh("exit", "exit 9", pty=size)
    s.sh("killed", "kill -9 $$", pty=size)
    s.sh("session", "[ $(ps -o sid= -p $$) = $$ ] && echo leader; ps -o tpgid= -p $$ | grep -c '[0-9]'",
         pty=size)
    s.sh("tty's owner", "stat -c '%U %G %a' $(tty)", pty=size)
    s.sh("tty's owner for root", "stat -c '%U %G %a' $(tty)", pty=size, user="root")
    s.sh("stdin ignored", "tty -s && echo tty", pty=size, stdin=False)
    s.sh("environment", "env | grep -e TERM -e LANG; true", pty=size)
    for cmd, cwd in (("nosuchprogram", None), ("/etc/hostname", None), ("/bin/true", "/nothing"),
                     ("/bin/true", "/root/priv"), ("", None)):
        got = s.live(P + "Start", {"process": {"cmd": cmd, **({"cwd": cwd} if cwd else {})},
                                   "pty": size}, basic("user"))
        events, _ = s.fold(got.rest())
        s.note(f"{cmd!r} in {cwd}", [(k, bool(v)) if k == "pty" else (k, v) for k, v in events])
    s.sh("timeout", "sleep 20", pty=size, headers={"Connect-Timeout-Ms": "600"})
    t = time.time()
    s.sh("child holds the tty", "sleep 1.5 & echo x", pty=size)
    s.note("waited for it", time.time() - t > 1.3)
    p = s.start("/bin/sh", "-c", "stty -echo; echo ready; while read x; do echo got $x; done; echo over",
                pty=size)
    p.until(b"ready\r\n", "pty")

    def to(word, kind="pty"):
        s.proc(f"{kind} {word!r}", "SendInput",
               {"process": {"pid": p.pid}, "input": {kind: b64(word)}})
    to(b"x\n")
    s.note("answer", p.until(b"got x\r\n", "pty"))
    to(b"")
    to(b"y\n", "stdin")
    s.proc("close", "CloseStdin", {"process": {"pid": p.pid}})
    s.proc("update", "Update", {"process": {"pid": p.pid}})
    s.proc("resize", "Update", {"process": {"pid": p.pid}, "pty": {"size": {"cols": 99, "rows": 9}}})
    s.proc("resize, no size", "Update", {"process": {"pid": p.pid}, "pty": {}})
    s.proc("resize to 0", "Update", {"process": {"pid": p.pid}, "pty": {"size": {}}})
    a = s.live(P + "Connect", {"process": {"pid": p.pid}})
    a.next()
    to(b"z\n")
    s.note("connected", a.until(b"got z\r\n", "pty"))
    to(b"\x04")
    said(s, "end", p)
    said(s, "connected's end", a)
    p = s.start("/bin/sh", "-c", "echo up; exec sleep 60", pty=size)
    p.until(b"up\r\n", "pty")
    to(b"\x03")
    said(s, "interrupted", p)
    p = s.start("/bin/sh", "-c", "trap 'stty size' WINCH; echo up; while :; do sleep 0.1; done",
                pty=size)
    p.until(b"up\r\n", "pty")
    s.proc("resize it", "Update",
           {"process": {"pid": p.pid}, "pty": {"size": {"cols": 100, "rows": 30}}})
    s.note("it saw", p.until(b"30 100\r\n", "pty"))
    s.proc("kill", "SendSignal", {"process": {"pid": p.pid}, "signal": "SIGNAL_SIGKILL"})
    said(s, "killed end", p)
    s.sh("bash prompt", "exit 3", pty=size)


def case_binary_stream_head(s):
    """What a stream's head is before anything has happened."""
    p = s.start("/bin/sleep", "1")
    s.note("head", s.clean_head({k.lower(): v for k, v in p.r.getheaders()}, b"", False))
    s.note("first", mask(p.next()))
    said(s, "rest", p)
    st, head, data = s.raw("POST", P + "Start", envelope({"process": {"cmd": "/bin/echo", "args": ["x"]}}),
                           {"Content-Type": STREAM, **basic("user"), "Accept-Encoding": "gzip",
                            "Connect-Accept-Encoding": "identity"})
    s.note("accept-encoding of unary calls", (st, s.clean_head(head, data, False),
                                              [f for f, _ in envelopes(data)]))
