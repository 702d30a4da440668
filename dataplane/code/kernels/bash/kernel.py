"""kernel.py - Bash for coppice-code: NDJSON on descriptor 3.

One shell runs all cells, each by eval, so what a cell sets the next one has.
A shell that ends (exit, set -e, an interrupt) leaves its variables, functions
and directory to the next one.
"""
import codecs
import json
import os
import selectors
import shlex
import signal
import socket
import subprocess
import tempfile
import time

CHANNEL = 3
GO, DONE, CELL = 100, 101, 102  # as the shell sees them
CHUNK = 65536
PATIENCE_S = 2.0  # with what ignores an interrupt

# On the first line, so that line numbers in messages are those of the cell.
# What a cell starts has nothing of ours open; what it reads is at its end.
LOOP = ("eval \"$1\"; shift; "
        "while read -r -u %(go)d; do "
        "eval \"$(</dev/fd/%(cell)d)\" </dev/null %(go)d<&- %(done)d>&- %(cell)d<&-; "
        "echo $? >&%(done)d; done; trap - EXIT" % {"go": GO, "done": DONE, "cell": CELL})

START = r"""
shopt -s expand_aliases
__coppice_state=%s
[ ! -s "$__coppice_state" ] || . "$__coppice_state" 2>/dev/null
__coppice_leave() {
	{
		declare -p | grep -Ev '^declare -[A-Za-z-]*r|^declare -[A-Za-z-]* (BASH[A-Z_]*|PPID|SHELLOPTS|_|PIPESTATUS|FUNCNAME)(=|$)'
		declare -f
		alias -p
		printf 'cd %%q\n' "$PWD"
	} >"$__coppice_state" 2>/dev/null
}
trap __coppice_leave EXIT
trap 'exit 130' INT
"""


class Shell:
    """A bash, and the ends of what goes in and out of it."""

    def __init__(self, state):
        go, self.go = os.pipe()
        self.done, done = os.pipe()
        self.out, out = os.pipe()
        self.cell = os.memfd_create("cell")
        self.pid = os.fork()
        if self.pid == 0:
            self.become(state, go, done, out)
        for fd in (go, done, out):
            os.close(fd)
        for fd in (self.done, self.out):
            os.set_blocking(fd, False)
        self.end = os.pidfd_open(self.pid)

    def become(self, state, go, done, out):
        try:
            os.setsid()  # an interrupt is for the cell, not for us
            # Python ignores the last two, and what is ignored stays so.
            for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            null = os.open("/dev/null", os.O_RDONLY)
            for fd, to in ((null, 0), (out, 1), (out, 2), (go, GO), (done, DONE),
                           (self.cell, CELL)):
                os.dup2(fd, to)
            os.closerange(3, GO)
            os.execv("/bin/bash", ["bash", "-c", LOOP, "bash", START % shlex.quote(state)])
        finally:
            os._exit(127)

    def start(self, code):
        os.ftruncate(self.cell, 0)
        os.pwrite(self.cell, code.encode("utf-8", "surrogateescape"), 0)
        os.write(self.go, b"\n")

    def signal(self, number, spare_shell=False):
        """To what the cell runs; background jobs have chosen not to hear SIGINT."""
        for pid in processes_of(self.pid):
            if pid != self.pid or not spare_shell:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass

    def close(self):
        """The exit status of a shell that has ended."""
        _, status = os.waitpid(self.pid, 0)
        for fd in (self.go, self.done, self.out, self.cell, self.end):
            os.close(fd)
        return os.waitstatus_to_exitcode(status)


def processes_of(group):
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.getpgid(int(name)) == group:
                    yield int(name)
            except ProcessLookupError:
                pass


class Kernel:
    def __init__(self):
        self.channel = socket.socket(fileno=CHANNEL)
        self.state = tempfile.NamedTemporaryFile(prefix="coppice-bash-")
        self.wake, self.woken = os.pipe()
        for fd in (self.wake, self.woken):
            os.set_blocking(fd, False)
        self.count = 0
        self.id = None
        self.shell = None

    def send(self, kind, content):
        line = json.dumps({"type": kind, "id": self.id, "content": content})
        self.channel.sendall(line.encode() + b"\n")

    # --- one cell -----------------------------------------------------------------

    def forward(self, text):
        if text:
            self.send("stream", {"name": "stdout", "text": text})

    def drain(self, decoder, rounds=64):
        """What is in the pipe; a job in the background may fill it for ever."""
        for _ in range(rounds):
            try:
                data = os.read(self.shell.out, CHUNK)
            except BlockingIOError:
                return
            if not data:
                return
            self.forward(decoder.decode(data))

    def wait(self, decoder):
        """The cell's exit status; None if its shell ended with it."""
        status, killing = b"", None
        with selectors.DefaultSelector() as sel:
            for fd in (self.shell.out, self.shell.done, self.shell.end, self.wake):
                sel.register(fd, selectors.EVENT_READ)
            while not status.endswith(b"\n"):
                left = None if killing is None else max(0.0, killing - time.monotonic())
                ready = {key.fd for key, _ in sel.select(left)}
                if self.wake in ready:
                    os.read(self.wake, CHUNK)
                    self.shell.signal(signal.SIGINT)
                    killing = killing or time.monotonic() + PATIENCE_S
                elif killing is not None and time.monotonic() >= killing:
                    self.shell.signal(signal.SIGKILL, spare_shell=True)
                    killing = time.monotonic() + PATIENCE_S
                if self.shell.out in ready:
                    self.drain(decoder, 1)
                if self.shell.done in ready:
                    status += os.read(self.shell.done, 64)
                if self.shell.end in ready:
                    break
        self.drain(decoder)
        return (int(status) if status.endswith(b"\n") else None), killing is not None

    def run(self, code):
        """Exit status, and whether it was interrupted."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        if self.shell is None:
            self.shell = Shell(self.state.name)
        self.shell.start(code)
        status, interrupted = self.wait(decoder)
        self.forward(decoder.decode(b"", True))
        if status is None:
            status = self.shell.close()
            self.shell = None
            if status < 0:
                status = 128 - status
        return status, interrupted

    # --- messages -------------------------------------------------------------------

    def execute(self, content):
        silent = content.get("silent", False)
        if content.get("store_history", True) and not silent:
            self.count += 1
        if not silent:
            self.send("execute_input", {"code": content["code"], "execution_count": self.count})
        status, interrupted = self.run(content["code"])
        reply = {"status": "ok", "payload": [], "user_expressions": {}}
        if interrupted or status != 0:
            error = {"ename": "KeyboardInterrupt" if interrupted else "",
                     "evalue": "" if interrupted else str(status), "traceback": []}
            if not silent:
                self.send("error", error)
            reply = dict(error, status="error")
        self.send("execute_reply", dict(reply, execution_count=self.count))

    def take(self, message):
        if message["type"] == "execute_request":
            self.id = message["id"]
            self.forget_interrupts()
            self.send("status", {"execution_state": "busy"})
            self.execute(message["content"])
            self.send("status", {"execution_state": "idle"})
        return message["type"] != "shutdown_request"

    def forget_interrupts(self):
        try:
            os.read(self.wake, CHUNK)
        except BlockingIOError:
            pass

    def main(self):
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.set_wakeup_fd(self.woken, warn_on_full_buffer=False)
        self.send("ready", {})
        for line in self.channel.makefile("rb"):
            if not self.take(json.loads(line)):
                break


if __name__ == "__main__":
    kernel = Kernel()
    try:
        kernel.main()
    finally:
        if kernel.shell is not None:
            kernel.shell.signal(signal.SIGKILL)
