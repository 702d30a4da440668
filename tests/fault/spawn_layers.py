#!/usr/bin/env python3
"""A sandbox whose template is a stack: what each layer adds, hides and takes
away, and what is said of a stack that cannot be."""
import itertools
import os
import shutil
import subprocess
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from spawnd import *  # noqa: F403

if os.geteuid() != 0:
    skip("needs root")

NOTFOUND, SYS = 4, 8
MID, TOP = "coptestmid0000000000", "coptesttop0000000000"
DEEP = ["coptestdeep%09d" % n for n in range(12)]


spare = itertools.count(6)


class Layers:
    """A directory of templates of our own: base hard-linked, ours beside it."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="coptest-", dir=os.path.dirname(find_templates()))
        subprocess.run(["cp", "-al", find_templates() + "/" + BASE, self.dir], check=True)

    def add(self, id_, layers, files=()):
        root = "%s/%s/rootfs" % (self.dir, id_)
        os.makedirs(root)
        for name, content in files:
            os.makedirs(os.path.dirname(root + name), exist_ok=True)
            with open(root + name, "w") as f:
                f.write(content)
        if layers is not None:
            with open("%s/%s/layers" % (self.dir, id_), "w") as f:
                f.write(layers)
        return root

    def whiteout(self, path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.mknod(path, 0o020000, 0)

    def opaque(self, path):
        os.makedirs(path, exist_ok=True)
        os.setxattr(path, "trusted.overlay.opaque", b"y")

    def close(self):
        shutil.rmtree(self.dir)


def build(t):
    mid = t.add(MID, BASE + "\n", [("/opt/both", "mid"), ("/opt/mid", "mid"),
                                   ("/opt/gone", "mid"), ("/opt/dir/hidden", "mid")])
    t.whiteout(mid + "/etc/debian_version")
    top = t.add(TOP, MID + "\n" + BASE + "\n", [("/opt/both", "top"), ("/opt/top", "top"),
                                                ("/opt/dir/seen", "top")])
    t.whiteout(top + "/opt/gone")
    t.opaque(top + "/opt/dir")
    os.chown(top + "/opt/top", 1000, 1000)
    for n, id_ in enumerate(DEEP):
        t.add(id_, "\n".join(DEEP[n + 1:] + [BASE]), [("/opt/deep%d" % n, str(n))])


def two_layers(s):
    s.create(1, template=TOP)
    check(s.run(1, "cat /opt/both") == "top", "the upper layer wins")
    check(s.run(1, "cat /opt/top /opt/mid") == "topmid", "both are there")
    check(s.run(1, "cat /etc/hostname") == "i%020d" % 1, "over base")
    check(s.run(1, "ls /opt/dir") == "seen", "an opaque directory hides what is below")
    for gone in ("/opt/gone", "/etc/debian_version"):
        check("No such file" in s.run(1, "cat %s 2>&1" % gone), "%s is taken away" % gone)
    check(s.run(1, "stat -c %u:%g /opt/top /opt/mid") == "1000:1000\n0:0", "ids are plain inside")
    check(s.run(1, "echo new > /opt/mid && rm /opt/both && ls /opt | xargs; cat /opt/mid") ==
          "dir mid top\nnew", "and all of it may be changed")


def as_it_was(s):
    s.create(2, template=TOP)
    check(s.run(2, "cat /opt/both /opt/mid") == "topmid", "for itself alone")
    s.create(3, template=MID)
    check(s.run(3, "cat /opt/gone; ls /opt/dir") == "midhidden", "a layer is a template too")
    s.create(4)
    check("No such" in s.run(4, "ls /opt/mid 2>&1"), "base has nothing of it")


def twelve(s):
    """As many as there may be, base included, and one more."""
    s.create(5, template=DEEP[1])
    got = s.run(5, "ls /opt | wc -l")
    check(got == "11", "eleven layers over base: %s" % got)
    refused(s, DEEP[0], SYS, "more than 11 below it")


def refused(s, template, kind, words):
    slot = next(spare)  # what failed has used its slot up
    s.slots(slot)
    r = s.create(slot, template=template, refuse=True)
    check(r["rc"] != 0 and r["kind"] == kind and words in r["msg"] and template in r["msg"],
          "%r of %s: %s" % (words, template, r))


def broken(s, t):
    for n, (layers, kind, words) in enumerate((
            ("coptestnone000000000\n" + BASE + "\n", NOTFOUND, "its layer coptestnone000000000 has no root"),
            ("../%s\n" % BASE, SYS, "line 1 is not of [a-z0-9]"),
            (BASE + "\n\n", SYS, "line 2 is not of [a-z0-9]"),
            (BASE + "\n" + BASE + "\n", SYS, BASE + " is in it twice"),
            (BASE + "\0\n", SYS, "not a short text"),
            ("x" * 32 + "\n", SYS, "line 1 is not of [a-z0-9]"),
            ((BASE + "\n") * 30, SYS, "not a short text"))):
        id_ = "coptestbad%010d" % n
        t.add(id_, layers)
        refused(s, id_, kind, words)
    # A link out of the directory is no layer, wherever it leads.
    t.add("coptestlink000000000", "coptestaway000000000\n" + BASE + "\n")
    os.mkdir(t.dir + "/coptestaway000000000")
    os.symlink("/", t.dir + "/coptestaway000000000/rootfs")
    refused(s, "coptestlink000000000", SYS, "layer coptestaway000000000")
    t.add("coptestdir0000000000", None)
    os.mkdir(t.dir + "/coptestdir0000000000/layers")
    refused(s, "coptestdir0000000000", SYS, "layers")


t = Layers()
s = None
try:
    build(t)
    s = Spawnd(templates=t.dir)
    s.slots(1, 5)
    two_layers(s)
    as_it_was(s)
    twelve(s)
    broken(s, t)
    for slot in range(1, 6):
        s.kill(slot)
    check(s.settled(), "all is gone")
finally:
    left = s.close() if s is not None else []
    t.close()
check(left == [], "left: %s" % left)
finish()
