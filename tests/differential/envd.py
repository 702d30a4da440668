#!/usr/bin/env python3
"""envd.py - the same requests to two envds; prints where they differ.

Run by envd.sh.  Every case is a function of a *_cases.py here and asks one
side; it runs for both at once.  kept.txt names the differences that are ours
on purpose (docs/e2b.md gives the reasons); any other is a failure, and so is a
line of kept.txt that nothing matches any more.  --texts shows error texts
that differ, too, which fail nothing; --only NAME picks cases.
"""
import argparse
import fnmatch
import os
import sys
import threading
import time
import traceback

import files_cases
import fs_cases
import http_cases
import process_cases
import watch_cases
from side import Side

MODULES = (http_cases, fs_cases, watch_cases, process_cases, files_cases)


def wait_for(side):
    for _ in range(200):
        try:
            if side.raw("GET", "/health")[0] == 204:
                return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"# {side.name} does not answer")


def one(case, side):
    side.log = []
    try:
        side.init(defaultUser="user", envVars={})
        case(side)
    except Exception:  # a side that breaks off is a difference like others
        side.note("broke off", traceback.format_exc(limit=-3).splitlines()[-1])
        if os.environ.get("TRACE"):
            traceback.print_exc()


def run(case, sides):
    threads = [threading.Thread(target=one, args=(case, s)) for s in sides]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def pair(ours, theirs):
    """By label, in order; what one has and the other has not is None."""
    labels = list(dict.fromkeys([k for k, _ in ours] + [k for k, _ in theirs]))
    a, b = {}, {}
    for log, into in (ours, a), (theirs, b):
        for k, v in log:
            into.setdefault(k, []).append(v)
    for k in labels:
        x, y = a.get(k, [None]), b.get(k, [None])
        yield k, x if len(x) > 1 else x[0], y if len(y) > 1 else y[0]


def parts(a, b):
    """Only the members that differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = [k for k in list(a) + [k for k in b if k not in a] if a.get(k) != b.get(k)]
        return {k: a.get(k) for k in keys}, {k: b.get(k) for k in keys}
    return a, b


def same_error(a, b):
    """Refused alike; of the two, ours says why in JSON wherever it does."""
    if not (isinstance(a, dict) and isinstance(b, dict) and a.get("status") == b.get("status")
            and a.get("status", 0) >= 400):
        return False
    x, y = ({k: v for k, v in z["head"].items() if k not in ("content-type", "content-length")}
            for z in (a, b))
    return (x == y and a["head"].get("content-type") == "application/json"
            and b["head"].get("content-type", "").startswith("text/plain"))


def show(v):
    t = repr(v)
    return t if len(t) < 1500 else t[:1500] + f"... ({len(t)} characters)"


def kept_list():
    with open(os.path.join(os.path.dirname(__file__), "kept.txt"), encoding="utf-8") as f:
        return [x.strip() for x in f if x.strip() and not x.startswith("#")]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("port", type=int)
    p.add_argument("root")
    p.add_argument("secret")
    p.add_argument("their_port", type=int)
    p.add_argument("their_root")
    p.add_argument("--only", default="")
    p.add_argument("--texts", action="store_true")
    p.add_argument("-v", action="store_true")
    o = p.parse_args()
    sides = Side("ours", o.port, o.root, o.secret), Side("theirs", o.their_port, o.their_root)
    for s in sides:
        wait_for(s)
    cases = [(m, n) for m in MODULES for n in vars(m)
             if n.startswith("case_") and o.only in m.__name__ + "." + n]
    kept, matched = kept_list(), set()
    same = different = texts = 0
    for m, n in cases:
        t0 = time.time()
        run(getattr(m, n), sides)
        name = n[5:]
        for label, a, b in pair(sides[0].log, sides[1].log):
            what = f"{name}: {label}"
            if label.endswith("~text"):
                texts += a != b
                if o.texts and a != b:
                    print(f"~ {what}\n    ours   {show(a)}\n    theirs {show(b)}")
                continue
            if (a == b or same_error(a, b)) and label != "broke off":
                same += 1
                if o.v:
                    print(f"= {what}: {a!r}")
                continue
            why = [k for k in kept if fnmatch.fnmatchcase(what, k.removeprefix("? "))]
            matched.update(why)
            if why:
                if o.v:
                    x, y = parts(a, b)
                    print(f"k {what}\n    ours   {show(x)}\n    theirs {show(y)}")
                continue
            different += 1
            x, y = parts(a, b)
            print(f"# {what}\n    ours   {show(x)}\n    theirs {show(y)}", flush=True)
        if o.v:
            print(f"  {name}: {time.time() - t0:.1f} s")
    if not o.only:
        for k in kept:
            if k not in matched and not k.startswith("? "):
                different += 1
                print(f"# kept.txt: nothing differs any more: {k}")
    asked = min(s.asked for s in sides)
    print(f"# {asked} requests to each, {len(matched)} kinds of difference kept,"
          f" {texts} error texts worded otherwise")
    print(f"{same} passed, {different} failed")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
