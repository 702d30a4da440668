#!/usr/bin/env python3
"""Limits of one sandbox hold, and are its own problem alone."""
import os
import struct
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from spawnd import *  # noqa: F403

if os.geteuid() != 0:
    skip("needs root")

EAT = ("python3 -c \"b=[]\nfor i in range(400): b.append(bytearray(b'x')*(1<<20))\n"
       "print('ate all')\" 2>&1; echo ended $?")


def memory(s):
    out = s.run(1, EAT)
    check("ended 137" in out, "400 MB in 128 are killed: %r" % out)
    check("ate all" in s.run(2, EAT), "and fit in 512")
    st = s.ref(STATS, 1)
    check(st["oom_kills"] >= 1, "the kill is counted: %s" % st)
    check(st["mem_total"] == 128 << 20, "memory limit is told: %s" % st)
    check(s.run(1, "echo alive") == "alive", "envd lived through it")


def processes(s):
    out = s.run(1, "for i in $(seq 200); do sleep 5 & done 2>&1 | tail -c 200; "
                   "echo; ls -d /proc/[0-9]* | wc -l")
    check("fork" in out or int(out.split()[-1]) <= 64, "64 processes and no more: %r" % out)
    check(s.ref(STATS, 1)["pids"] <= 64, "pids: %s" % s.ref(STATS, 1))
    check("many" in s.run(2, "for i in $(seq 100); do sleep 1 & done; echo many"), "others may")
    time.sleep(5.5)


def disk(s):
    out = s.run(1, "dd if=/dev/zero of=/tmp/big bs=1M count=200 2>&1; stat -c %s /tmp/big")
    check("quota exceeded" in out.lower() or "no space" in out.lower(), "200 MB in 64: %r" % out)
    size = int(out.split()[-1])
    check(size <= 64 << 20, "no more than 64 MB: %d" % size)
    check("ok" in s.run(2, "dd if=/dev/zero of=/tmp/big bs=1M count=100 2>/dev/null && echo ok"),
          "others have room")
    # Delayed writes are charged when they are made.
    check(s.run(1, "rm /tmp/big && echo again > /tmp/small && cat /tmp/small") == "again",
          "room again after rm")
    os.system("sync -f %s" % s.state)
    out = s.run(2, "mkdir /tmp/many; cd /tmp/many; i=0; while [ $i -lt 300 ]; do "
                   ": > f$i; i=$((i+1)); done; ls | wc -l")
    check(out == "300", "many small files: %r" % out)
    end = time.time() + 25
    while time.time() < end and s.ref(STATS, 2)["disk_used"] < 90 << 20:
        time.sleep(0.5)
    st = s.ref(STATS, 2)
    check(90 << 20 < st["disk_used"] < 130 << 20, "usage is told: %s" % st)
    check(st["disk_total"] == 256 << 20, "and the limit: %s" % st)


def cpu(s):
    busy = "timeout 2 sh -c 'while :; do :; done'"
    a = s.ref(STATS, 1)["cpu_us"]
    s.run(1, "(%s) & (%s) & (%s) & wait" % (busy, busy, busy))
    used = s.ref(STATS, 1)["cpu_us"] - a
    check(used < 2.6e6, "one processor for two seconds, not three: %d us" % used)
    check(used > 0.8e6, "and one it gets: %d us" % used)
    check(s.run(1, "nproc") == "1" and s.run(2, "nproc") == str(min(2, os.cpu_count())),
          "nproc: %s %s" % (s.run(1, "nproc"), s.run(2, "nproc")))


def freeze(s):
    s.run(1, "(i=0; while :; do i=$((i+1)); echo $i > /tmp/count; sleep 0.02; done) "
             ">/dev/null 2>&1 </dev/null & echo started")
    time.sleep(0.3)
    t = time.perf_counter()
    s.ref(FREEZE, 1)
    took = time.perf_counter() - t
    check(took < 0.2, "frozen in %.4f s" % took)
    s.ref(FREEZE, 1)  # twice is once
    a = s.ref(STATS, 1)["cpu_us"]
    time.sleep(0.3)
    check(s.ref(STATS, 1)["cpu_us"] == a, "nothing runs while frozen")
    check(len(s.socket(1, n=2)) == 2, "sockets can be made meanwhile")
    s.ref(THAW, 1)
    s.ref(THAW, 1)
    before = int(s.run(1, "cat /tmp/count") or 0)
    time.sleep(0.3)
    check(int(s.run(1, "cat /tmp/count") or 0) > before, "and goes on after it")
    s.run(1, "kill -9 -1")


def keep(s):
    s.run(3, "echo kept > /root/file; mkdir /opt/dir; rm /.e2b; chmod 4755 /bin/ls; sync")
    s.kill(3, keep=True)
    check(s.gone(3), "processes and groups are gone")
    s.slots(4, inc=7)
    r = s.create(4, inc=7, id_="i%020d" % 3, keep=1, disk=64)
    out = s.run(4, "cat /root/file; ls -d /opt/dir; ls /.e2b 2>&1; stat -c %a /bin/ls", inc=7)
    check(out.split("\n")[0] == "kept" and "/opt/dir" in out and "No such" in out and
          "4755" in out, "files are as they were: %r" % out)
    check(s.run(4, "hostname", inc=7) == "i%020d" % 3, "and so is its name")
    s.kill(4, inc=7)
    s.gone(4, 7)
    s.slots(4, inc=8)
    r = s.create(4, inc=8, id_="i%020d" % 3, keep=1, refuse=True)
    check(r["kind"] == 4, "killed for good: %s" % r)
    s.slots(3, inc=2)
    s.create(3, inc=2, id_="i%020d" % 99, disk=64)
    s.kill(3, inc=2, keep=True)
    s.ask(DISCARD, (b"i%020d" % 99).ljust(32, b"\0"))
    s.ask(DISCARD, (b"inothing").ljust(32, b"\0"))


def dead(s):
    s.slots(5)
    s.create(5)
    os.kill(s.pids(5)[0], 9)
    t, body = s.event()
    check(t == EV_DEAD and struct.unpack("=II", body) == (5, 1), "the end is told")
    check(s.gone(5), "and cleared away")


def image_full(s):
    """All sandboxes together fill the volume: creates are refused before."""
    s.slots(10, 4)
    for i in range(10, 14):
        r = s.create(i, disk=400, refuse=True)
        if r["rc"] != 0:
            check(r["kind"] == 11 and "full" in r["msg"], "refused as busy: %s" % r)
            break
        s.run(i, "dd if=/dev/urandom of=/tmp/x bs=1M count=380 2>&1 | tail -1", wait=60)
        os.system("sync -f %s" % s.state)
    else:
        check(False, "1 GB took 4 x 380 MB")
    check(s.run(1, "echo alive; echo x > /tmp/y; cat /tmp/y").split()[0] == "alive",
          "the others live on")


s = Spawnd(image_mb=1024)
try:
    s.slots(1, 3)
    s.create(1, mem=128, pids=64)
    s.create(2, mem=512, disk=256, cpu=2, pids=256)
    s.create(3)
    for part in (memory, processes, disk, cpu, freeze, keep, dead, image_full):
        part(s)
    for slot in (1, 2, 10, 11, 12, 13):
        try:
            s.kill(slot)
        except Refused:
            pass
    s.stop()
    check(s.groups() == set(), "a tidy end leaves no group: %s" % s.groups())
finally:
    left = s.close()
    check(left == [], "left: %s" % left)
finish()
