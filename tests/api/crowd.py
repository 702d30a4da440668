#!/usr/bin/env python3
"""tests/api/crowd.py - two hundred sandboxes at once, made and killed by four
clients: all work, and nothing leaks."""
import os
import pathlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import coppice
from coppice import Sandbox, api, case, note, same, until

CROWD = int(os.environ.get("CROWD", "200"))


def counts():
    """What each of our processes holds, and what the kernel holds for us."""
    ours = {n: coppice.descriptors(p) for p, n in coppice.daemons().items()}
    links = len(coppice.host("ip", "-o", "link").splitlines())
    return ours, links


def wave(clients=4):
    t0 = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        boxes = list(pool.map(lambda i: Sandbox(metadata={"i": str(i)}, timeout=600), range(CROWD)))
        t1 = time.monotonic()
        said = list(pool.map(lambda b: b.sh("echo $((%d+1)); hostname" % CROWD).split(), boxes))
        t2 = time.monotonic()
        same(sorted(coppice.list_ids()), sorted(b.id for b in boxes))
        same(len({w[1] for w in said}), CROWD, "host names")
        same({w[0] for w in said}, {str(CROWD + 1)})
        same(set(pool.map(Sandbox.kill, boxes)), {204})
    note("%d made in %.1f s, ran in %.1f s, killed in %.1f s" % (CROWD, t1 - t0, t2 - t1, time.monotonic() - t2))
    same(coppice.list_ids(), [])


@case("two hundred at once, twice, and nothing leaks")
def _():
    wave()
    time.sleep(1)
    before = counts()
    wave()

    def settled():
        ours, links = counts()
        return links <= before[1] and all(n <= before[0].get(w, 0) + 8 for w, n in ours.items())
    assert until(settled, 15), "%s, then %s" % (before, counts())
    state = pathlib.Path(coppice.STATE) / "state"
    assert until(lambda: not list(state.rglob("i" + 20 * "[a-z0-9]")), 20), "files are left"


@case("churn: four clients make and kill for ten seconds")
def _():
    end = time.monotonic() + 10
    made = []

    def client(_):
        n = 0
        while time.monotonic() < end:
            sbx = Sandbox(timeout=60)
            same(sbx.sh("echo hi"), "hi")
            same(sbx.kill(), 204)
            n += 1
        made.append(n)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(client, range(4)))
    note("%d sandboxes, %.1f ms each for one client" % (sum(made), 4e4 / max(1, sum(made))))
    same(coppice.list_ids(), [])


@case("each has an address, an id range and files of its own")
def _():
    boxes = [Sandbox() for _ in range(8)]
    for b in boxes:
        b.sh("echo %s > /tmp/me; sudo sh -c 'echo %s > /etc/me'" % (b.id, b.id))
    same([b.sh("cat /tmp/me /etc/me").split() for b in boxes], [[b.id, b.id] for b in boxes])
    addresses = {b.sh("ip -4 -o addr show scope global | awk '{print $4}'") for b in boxes}
    same(len(addresses), len(boxes))
    maps = {b.sh("awk '{print $2}' /proc/self/uid_map") for b in boxes}
    same(len(maps), len(boxes))
    same(len({b.sh("cat /etc/machine-id") for b in boxes}), len(boxes))


coppice.main()
