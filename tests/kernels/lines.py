"""lines.py - a kernel that speaks lines, as coppice-code sees it; and checks.
For the tests in this directory, which run inside the template's root."""
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback

KERNELS = "/usr/lib/coppice/kernels"
passed = failed = 0


def case(name):
    def run(f):
        global passed, failed
        try:
            f()
            passed += 1
        except Exception:
            failed += 1
            print("# FAILED: %s" % name)
            print("".join("# %s\n" % x for x in traceback.format_exc().splitlines()), end="")
    return run


def same(got, want, what=""):
    assert got == want, "%s got %r, not %r" % (what, got, want)


def finish():
    print("%d passed, %d failed" % (passed, failed), flush=True)
    sys.exit(1 if failed else 0)


def missing(path, package):
    """Skips what the default template has no packages for."""
    if not os.path.exists(path):
        print("# skipped: %s is not installed" % package)
        print("0 passed, 0 failed, 1 skipped")
        sys.exit(0)


class Cell:
    """What came back of one execution."""

    def __init__(self, messages):
        self.messages = messages
        self.types = [t for t, _ in messages]

    def all(self, kind):
        return [c for t, c in self.messages if t == kind]

    def stream(self, name):
        return [c["text"] for c in self.all("stream") if c["name"] == name]

    @property
    def out(self):
        return "".join(self.stream("stdout"))

    @property
    def err(self):
        return "".join(self.stream("stderr"))

    @property
    def text(self):
        r = self.all("execute_result")
        return r[0]["data"]["text/plain"] if r else None

    @property
    def error(self):
        e = self.all("error")
        return (e[0]["ename"], e[0]["evalue"]) if e else None

    @property
    def reply(self):
        return self.all("execute_reply")[0]


class Kernel:
    def __init__(self, name, cwd="/home/user"):
        with open("%s/%s/kernel.json" % (KERNELS, name)) as f:
            argv = json.load(f)["argv"]
        self.channel, far = socket.socketpair()
        self.process = subprocess.Popen(
            argv, cwd=cwd, stdin=subprocess.DEVNULL, close_fds=False,
            preexec_fn=lambda: os.dup2(far.fileno(), 3, inheritable=True))
        far.close()
        self.file = self.channel.makefile("r")
        self.n = 0
        same(json.loads(self.file.readline())["type"], "ready")

    def ask(self, code, **content):
        self.n += 1
        content = dict({"code": code, "silent": False, "store_history": True}, **content)
        self.channel.sendall((json.dumps(
            {"type": "execute_request", "id": "m%d" % self.n, "content": content}) + "\n").encode())

    def run(self, code, interrupt_after=None, **content):
        self.ask(code, **content)
        if interrupt_after is not None:
            threading.Timer(interrupt_after, self.process.send_signal, [signal.SIGINT]).start()
        out = []
        while True:
            line = self.file.readline()
            assert line, "the kernel ended with %s" % self.process.wait()
            m = json.loads(line)
            same(m["id"], "m%d" % self.n)
            out.append((m["type"], m["content"]))
            if out[-1] == ("status", {"execution_state": "idle"}):
                return Cell(out)

    def close(self):
        self.channel.sendall(b'{"type": "shutdown_request"}\n')
        return self.process.wait(timeout=10)
