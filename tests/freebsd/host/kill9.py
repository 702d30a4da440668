#!/usr/bin/env python3
"""tests/freebsd/host/kill9.py VM DIR - each process of a daemon on FreeBSD is
killed with SIGKILL, with a sandbox running and another one paused; then a storm
of creates.  VM and DIR are tools/freebsd-vm and its machine; where the daemon
is, the environment says, as e2b itself asks."""
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "api/sdk-py"))
from e2b import Sandbox  # noqa: E402
from harness import create, made, same, text, until  # noqa: E402

PROCESSES = ("coppice-egressd", "coppice-proxyd", "coppice-apid", "coppice-privd rules",
             "coppice-privd spawn", "coppiced")
STORM, AT_ONCE = 50, 4
BACK_S, GONE_S = 60, 120

vm, machine = sys.argv[1:3]
passed = failed = 0


def check(what, good):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print("not ok %s" % what, flush=True)


def inside(command, seconds=60):
    """What root's shell in the machine prints."""
    r = subprocess.run([vm, "sh", machine, "--seconds", str(seconds), command],
                       capture_output=True, text=True, timeout=seconds + 30)
    return r.stdout.strip()


def pid_of(name):
    # coppiced was started by its path, the others have their names alone.
    return inside("ps -axww -o pid= -o command= | sed 's,/usr/local/libexec/coppice/,,' | "
                  "awk -v want='%s ' 'index(substr($0, index($0, $2)), want) == 1 { print $1; exit }'"
                  % name)


def healthy():
    try:
        with urllib.request.urlopen(os.environ["E2B_API_URL"] + "/health", timeout=5) as r:
            return r.status == 200
    except OSError:
        return False


def works(body):
    """Whether it holds within BACK_S; what is being started anew refuses."""
    def one():
        try:
            return body()
        except Exception:  # it is tried again
            return False
    return until(one, BACK_S)


def reach(sbx, host):
    return text(sbx, "nc -z -w 3 %s 80 2>/dev/null && echo open || echo closed" % host)


def kill_each(sbx, counter, paused):
    allowed = "1.1.1.1"
    for name in PROCESSES:
        before = pid_of(name)
        check("%s: there is one to kill" % name, before.isdigit())
        t0 = time.monotonic()
        inside("kill -9 %s" % before)
        check("%s: another one comes" % name,
              works(lambda: pid_of(name) not in ("", before) and healthy()))
        check("%s: commands run" % name, works(lambda: text(sbx, "echo on") == "on"))
        back = time.monotonic() - t0
        check("%s: its processes went on" % name,
              works(lambda: counter.pid in [p.pid for p in sbx.commands.list()]))
        denied = "8.8.8.8" if allowed == "1.1.1.1" else "1.1.1.1"
        check("%s: its policy holds" % name,
              works(lambda: (reach(sbx, allowed), reach(sbx, denied)) == ("open", "closed")))
        check("%s: it takes another one" % name, works(lambda: sbx.update_network(
            {"allow_out": [denied], "deny_out": ["0.0.0.0/0"]}) is None))
        check("%s: which holds" % name,
              works(lambda: (reach(sbx, denied), reach(sbx, allowed)) == ("open", "closed")))
        allowed = denied
        check("%s: the paused one is paused" % name,
              works(lambda: not Sandbox.get_info(paused).state.value == "running"))
        print("= %s: killed, and commands run again after %.1f s" % (name, back), flush=True)


def left():
    """Tenants' jails, datasets, mounts, states of slots: counted."""
    return inside("jls name | grep -c '[.]i'; zfs list -H -o name 2>/dev/null | grep -c /sandboxes/i; "
                  "mount -p | grep -c /sandboxes/; pfctl -ss 2>/dev/null | grep -c '10[.]78[.]'").split()


def settled():
    jails, files, _, states = left()
    return jails == files and states == "0"


def storm():
    def one(_):
        sbx = Sandbox.create(timeout=300)
        said = text(sbx, "echo $((6*7))")
        return said == "42" and sbx.kill()
    t0 = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        good = sum(bool(x) for x in pool.map(lambda i: works(lambda: one(i)), range(STORM)))
    check("storm: %d of %d came and went" % (good, STORM), good == STORM)
    print("= %d sandboxes created, used and killed, %d at a time: %.1f s"
          % (STORM, AT_ONCE, time.monotonic() - t0), flush=True)


def main():
    network = {"allow_out": ["1.1.1.1"], "deny_out": ["0.0.0.0/0"]}
    sbx = create(timeout=1800, network=network)
    counter = sbx.commands.run("while :; do sleep 1; done", background=True, timeout=0)
    sleeper = create(timeout=1800)
    held = sleeper.commands.run("i=0; while :; do i=$((i+1)); echo $i >/tmp/i; sleep 0.1; done",
                                background=True, timeout=0)
    assert until(lambda: sleeper.files.exists("/tmp/i"))
    sleeper.pause()
    kill_each(sbx, counter, sleeper.sandbox_id)
    back = Sandbox.connect(sleeper.sandbox_id)
    check("the paused one goes on", held.pid in [p.pid for p in back.commands.list()])
    first = int(back.files.read("/tmp/i") or 0)
    check("and counts", works(lambda: int(back.files.read("/tmp/i")) > first))
    same((sbx.kill(), back.kill()), (True, True))
    # What the pool holds is all that is left; so it is afterwards.
    check("as many files as jails, and no states", until(settled, GONE_S))
    before = left()
    storm()
    check("storm: nothing is left behind: %s, %s" % (before, left()),
          until(lambda: left() == before, GONE_S))
    print("= left before and after: %s, %s" % (before, left()), flush=True)
    for s in made:
        try:
            s.kill()
        except Exception:  # it is gone
            pass
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(failed != 0)


main()
