#!/usr/bin/env python3
"""Many sandboxes come and go, privd is killed at any time: nothing leaks."""
import os
import random
import struct
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from spawnd import *  # noqa: F403

if os.geteuid() != 0:
    skip("needs root")
N = int(os.environ.get("SPAWN_CROWD", "200"))


def fds(s):
    return len(os.listdir("/proc/%d/fd" % s.proc.pid))


def links(s):
    out = subprocess.run(["ip", "-n", s.netns, "-o", "link"], capture_output=True, text=True)
    return out.stdout.count(" cop")


def wait_for(what, wait=15):
    end = time.time() + wait
    while not what():
        if time.time() > end:
            return False
        time.sleep(0.05)
    return True


def subvolumes(s):
    """As the kernel counts their limits, but for the volume's own."""
    for d in os.listdir("/proc/%d/root/sys/fs/btrfs" % s.proc.pid):
        pass
    return len(os.listdir("/proc/%d/root/disk/sandboxes" % s.proc.pid))


def crowd(s):
    idle = fds(s)
    for inc in (1, 2):
        t = time.time()
        s.slots(1, N, inc)
        made = time.time() - t
        t = time.time()
        for first in range(1, N + 1, 25):
            seqs = [s.post(CREATE, s.create_body(i, inc, id_="i%019d%d" % (i, inc), mem=64))
                    for i in range(first, min(first + 25, N + 1))]
            for q in seqs:
                r = s.reply(q)
                check(r["rc"] == 0, r["msg"])
                for fd in r["fds"]:
                    os.close(fd)
        created = time.time() - t
        check(fds(s) - idle <= 3 * N, "%d descriptors" % (fds(s) - idle))
        check(subvolumes(s) == N, "%d subvolumes" % subvolumes(s))
        check(s.run(N, "hostname", inc) == "i%019d%d" % (N, inc), "the last one answers")
        t = time.time()
        for q in [s.post(KILL, struct.pack("=II", i, inc)) for i in range(1, N + 1)]:
            r = s.reply(q)
            check(r["rc"] == 0, r["msg"])
        killed = time.time() - t
        check(s.settled(30), "groups are gone: %d" % len(s.groups()))
        print("# %d: slots %.2f s, created %.2f s, killed %.2f s" % (N, made, created, killed))
    check(wait_for(lambda: links(s) == 0), "links are gone: %d" % links(s))
    check(wait_for(lambda: fds(s) <= idle), "descriptors: %d, %d idle" % (fds(s), idle))
    check(wait_for(lambda: subvolumes(s) == 0), "%d subvolumes left" % subvolumes(s))


def adoption(s):
    s.slots(1, 4, 7)
    s.create(1, 7)
    s.create(2, 7)
    s.run(1, "echo precious > /root/f; (sleep 1000 >/dev/null 2>&1 </dev/null &)", 7)
    s.ref(FREEZE, 2, 7)
    s.stop(9)
    s.start()
    by_id = {f["id"]: f for f in s.found}
    one, two = by_id.get("i%020d" % 1), by_id.get("i%020d" % 2)
    check(one and one["alive"] and not one["frozen"] and (one["slot"], one["inc"]) == (1, 7) and
          one["template"] == BASE, "the running one is found: %s" % s.found)
    check(two and two["alive"] and two["frozen"], "the frozen one is found: %s" % s.found)
    check(s.gone(3, 7) and s.gone(4, 7), "parked ones are not kept")
    check(s.run(1, "cat /root/f", 7) == "precious", "it never noticed")
    s.ref(THAW, 2, 7)
    check(s.run(2, "echo up", 7) == "up", "the frozen one goes on")
    check(s.ref(STATS, 1, 7)["pids"] >= 2, "is measured as before")
    os.kill(s.pids(2, 7)[0], 9)
    check(s.event()[0] == EV_DEAD, "the end of an adopted one is told")
    s.kill(1, 7)
    check(s.settled(), "and all goes away")
    s.slots(1, 4, 8)
    s.create(3, 8)
    check(s.run(3, "echo new", 8) == "new", "slots are used again")
    s.kill(3, 8)


def kills(s, rounds=12):
    """kill -9 in the middle of everything; then all that is left is known."""
    rnd = random.Random(7)
    inc = 100
    for _ in range(rounds):
        inc += 1
        s.post(SLOTS, struct.pack("=III", 1, 12, inc))
        done = {}
        end = time.time() + rnd.random() * 0.15
        asked = set()
        s.chan.settimeout(0.02)
        while time.time() < end:
            try:
                (t, _, _, q), body, got = s.take()
            except (TimeoutError, socket.timeout):
                continue
            for fd in got:
                os.close(fd)
            if t == EV_SLOT and struct.unpack_from("=i", body, 8)[0] == 0:
                slot = struct.unpack_from("=I", body)[0]
                if slot % 4 != 0:
                    asked.add(slot)
                    done[s.post(CREATE, s.create_body(slot, inc,
                                                      id_="i%017d%03d" % (inc, slot)))] = slot
            elif t == CREATE and struct.unpack_from("=i", body, 4)[0] == 0:
                done[q] = -done[q]
        s.stop(9)
        s.start()
        alive = {f["slot"] for f in s.found if f["alive"] and not f["pooled"]}
        answered = {-v for v in done.values() if v < 0}
        check(answered <= alive, "answered %s, alive %s" % (answered, alive))
        check(alive <= asked, "asked %s, alive %s" % (asked, alive))
        for f in s.found:
            if f["alive"] and not f["pooled"]:
                try:
                    s.kill(f["slot"], f["inc"])
                except Refused as e:
                    check("no tenant" in str(e), "kill: %s" % e)
        s.events = []
        check(s.settled(), "left: %s" % s.groups())
        check(wait_for(lambda: subvolumes(s) == 0), "%d subvolumes left" % subvolumes(s))
    check(wait_for(lambda: links(s) == 0), "links are gone: %d" % links(s))


s = Spawnd(max_sandboxes=max(N, 20), image_mb=2048)
try:
    for part in (crowd, adoption, kills):
        part(s)
    s.stop()
finally:
    left = s.close()
    check(left == [], "left: %s" % left)
finish()
