#!/usr/bin/env python3
"""tests/api/kernels.py - the code interpreter's kernels by themselves, with
Debian's own packages: each of tests/kernels/test_*.py in the root of the template
code-interpreter-v1, with the kernels of this tree.

In namespaces of its own, over layers that are only read.  COP_LAYER may name
one more directory on top, with the packages that Java and R want.
"""
import os
import pathlib
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
STATE = "/var/lib/coppice"
LAYERS = ("coppicecodepkgs00000", "coppicebase000000000")
TESTS = ("charts", "python3", "javascript", "bash", "java", "r")

INSIDE = r"""
set -eu
top=$1 lower=$2 test=$3
m=/mnt
mount -t tmpfs none $m && cd $m && mkdir upper work root
mount -t overlay -o "lowerdir=$lower,upperdir=$m/upper,workdir=$m/work" kernels root
mkdir -p root/usr/lib/coppice/kernels root/tests
mount --bind "$top/dataplane/code/kernels" root/usr/lib/coppice/kernels
mount --bind "$top/tests/kernels" root/tests
mount -t proc proc root/proc
mount -t tmpfs -o mode=0755 dev root/dev
for n in null:3 zero:5 random:8 urandom:9; do mknod -m 0666 root/dev/${n%:*} c 1 ${n#*:}; done
ln -s /proc/self/fd root/dev/fd
mkdir root/dev/pts root/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts root/dev/pts
ln -s pts/ptmx root/dev/ptmx
exec chroot root env -i HOME=/root PATH=/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 \
    timeout -k 5 200 python3 /tests/test_$test.py
"""


def main():
    if os.geteuid() != 0:
        print("needs root")
        sys.exit(77)
    if not shutil.which("mmdebstrap") or \
            subprocess.run([TOP / "tools/mktemplate", "code-packages", STATE],
                           stdout=subprocess.DEVNULL).returncode != 0:
        print("the packages of code-interpreter-v1 cannot be had: see above")
        sys.exit(77)
    lower = ":".join("%s/templates/%s/rootfs" % (STATE, x) for x in LAYERS)
    if os.environ.get("COP_LAYER"):
        lower = os.environ["COP_LAYER"] + ":" + lower
    bad = 0
    for test in [t for t in TESTS if len(sys.argv) < 2 or t in sys.argv[1:]]:
        print("# %s" % test, flush=True)
        bad += subprocess.run(["unshare", "-mpfin", "--kill-child", "--propagation", "private", "bash", "-c", INSIDE,
                               "kernels", str(TOP), lower, test]).returncode != 0
    sys.exit(1 if bad else 0)


main()
