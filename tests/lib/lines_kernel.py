"""A kernel that speaks in lines, and misbehaves on request: the code is an order."""

import json
import os
import signal
import socket
import sys
import time

wire = socket.socket(fileno=3)
count = 0
said = []  # what was run silently


class Interrupted(Exception):
    pass


def on_int(*_):
    raise Interrupted()


def say(kind, ident="", **content):
    wire.sendall(json.dumps({"type": kind, "id": ident, "content": content}).encode() + b"\n")


def run(ident, code, silent):
    global count
    order, _, rest = code.partition(" ")
    if silent:
        said.append(code)
        return "ok"
    count += 1
    say("execute_input", ident, code=code, execution_count=count)
    if order == "echo":
        say("stream", ident, name="stdout", text=rest)
    elif order == "said":
        say("stream", ident, name="stdout", text=json.dumps(said))
    elif order == "cwd":
        say("stream", ident, name="stdout", text=os.getcwd())
    elif order == "die":
        say("stream", ident, name="stdout", text="last words")
        os._exit(9)
    elif order == "cut":
        wire.shutdown(socket.SHUT_RDWR)
        time.sleep(300)
    elif order == "sleep":
        time.sleep(float(rest))
    elif order == "deaf":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        time.sleep(float(rest))
    elif order == "garbage":
        wire.sendall(b'\xff\xfe\n{"type":\n\n[]\n{"type":"stream","id":' + b'"' * 100 + b"\n")
        wire.sendall(b'{"type":"stream","content":{"name":"stdout","text":"of nobody"}}\n')
        say("stream", ident, name="stdout", text="still here")
    elif order == "raw":  # a message as it is, $ID filled in
        wire.sendall(rest.replace("$ID", ident).encode("utf-8", "surrogateescape") + b"\n")
    elif order == "endless":
        for _ in range(70):
            wire.sendall(b"x" * 1048576)
        wire.sendall(b"\n")
    elif order == "flood":
        for i in range(int(rest)):
            say("stream", ident, name="stdout", text="%07d " % i + "f" * 1000)
    elif order == "aborted":
        return "aborted"
    elif order == "lost":
        return None
    return "ok"


def main():
    global count
    time.sleep(float(os.environ.get("DOUBLE_SLOW", "0")))
    if os.environ.get("DOUBLE_EXIT"):
        sys.exit(3)
    if os.environ.get("DOUBLE_MUTE"):
        time.sleep(300)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    say("ready")
    for line in wire.makefile("rb"):
        m = json.loads(line)
        if m["type"] == "shutdown_request":
            return
        ident, c = m["id"], m["content"]
        say("status", ident, execution_state="busy")
        try:
            signal.signal(signal.SIGINT, on_int)
            status = run(ident, c["code"], c["silent"])
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        except Interrupted:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            status = "error"
            say("error", ident, ename="KeyboardInterrupt", evalue="", traceback=[])
        say("execute_reply", ident, status=status or "ok", execution_count=count)
        if status is not None:
            say("status", ident, execution_state="idle")


main()
