"""The bash kernel."""
import os

from lines import Kernel, case, finish, same

k = Kernel("bash")


@case("messages come in Jupyter's order; both outputs are stdout")
def _():
    c = k.run("echo out; echo err >&2")
    same(c.types[:2], ["status", "execute_input"])
    same(c.types[-2:], ["execute_reply", "status"])
    same((c.out, c.err, c.error), ("out\nerr\n", "", None))
    same(c.reply["execution_count"], 1)
    same(k.run("echo quiet", silent=True).all("execute_input"), [])


@case("state stays: variables, exports, functions, aliases, directory")
def _():
    k.run("x=5; export Y=7; cd /tmp; f() { echo \"f $1\"; }; alias ll='ls -d'; arr=(1 2 3); declare -A m=([a]=b)")
    same(k.run("echo $x; printenv Y; pwd; f 1; ll /; echo ${arr[1]} ${m[a]}").out, "5\n7\n/tmp\nf 1\n/\n2 b\n")


@case("an exit status is an error without a name")
def _():
    for code, value in (("false", "1"), ("(exit 3)", "3"), ("exit 4", "4"), ("nosuchcommand", "127")):
        same(k.run(code).error, ("", value), code)
    same(k.run("true\nnosuchcommand").out, "bash: line 2: nosuchcommand: command not found\n")
    c = k.run("if then")
    same(c.error, ("", "2"))
    assert "syntax error" in c.out, c.out
    same(k.run("true").error, None)


@case("a shell that ends leaves what it has to the next")
def _():
    for code in ("exit", "exit 4", "set -e; false; echo no", "set -u; echo $undefined", "echo ${x:?}; kill -9 $$"):
        k.run(code)
        same(k.run("echo $x $Y $PWD ${m[a]}; f 2; ll /").out, "5 7 /tmp b\nf 2\n/\n", code)


@case("what reads is at its end, and no descriptor of ours is open in what is started")
def _():
    same(k.run("cat; read -r l; echo \"[$l]\"; head -c1 | wc -c").out, "[]\n0\n")
    same(k.run("cat <<E\nhere $x\nE").out, "here 5\n")
    same(k.run("exec 5>/tmp/five; echo hi >&5; cat /tmp/five; exec 5>&-").out, "hi\n")
    same(k.run("ls /proc/self/fd | grep -c '^10[0-9]$'").out, "0\n")


@case("output comes as it is made, and whole")
def _():
    same(k.run("for i in 1 2 3; do echo $i; sleep 0.1; done").stream("stdout"), ["1\n", "2\n", "3\n"])
    same(k.run("printf '\\xe6\\x97'; sleep 0.1; printf '\\xa5'").out, "\u65e5")
    same(k.run("printf 'a\\xff'").out, "a\ufffd")
    same(len(k.run("yes | head -c 3000000").out), 3000000)
    same(k.run("v='" + "y" * 300000 + "'; echo ${#v}").out, "300000\n")


@case("a job in the background keeps nobody waiting")
def _():
    same(k.run("sleep 60 & echo started").out, "started\n")
    same(k.run("yes >/dev/null & jobs | wc -l; kill %%").error, None)


@case("an interrupt ends the cell, whatever it is at, and keeps the state")
def _():
    for code in ("sleep 60", "sleep 60; echo not reached", "while :; do :; done"):
        c = k.run(code, interrupt_after=0.3)
        same((c.error, c.out), (("KeyboardInterrupt", ""), ""), code)
        same(k.run("echo $x $PWD").out, "5 /tmp\n", code)
    # It does not listen: it is killed.
    deaf = "python3 -c 'import signal, time; signal.signal(2, signal.SIG_IGN); time.sleep(60)'; echo no"
    same(k.run(deaf, interrupt_after=0.3).error, ("KeyboardInterrupt", ""))
    same(k.run("echo $x").out, "5\n")


@case("nothing is left when it ends")
def _():
    k.run("sleep 12345 &")
    same(k.close(), 0)
    left = [p for p in os.listdir("/proc") if p.isdigit() and
            b"12345" in open("/proc/%s/cmdline" % p, "rb").read()]
    same(left, [])


finish()
