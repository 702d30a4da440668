"""fs_cases.py - Stat, ListDir, MakeDir, Move, Remove."""
import os
import shutil
import socket

from side import chown_tree

OLD = 1000000000
BAD_PATHS = ["", "~", "~/", "~/x", "~/../../etc", "~root", "~user/x", "~\\x", "~~", ".", "..", "x",
             "./x", "x/../y", "../../etc/hostname", "/", "//", "/etc/", "/etc//hostname",
             "/etc/../etc/hostname", "/etc/hostname/", "/etc/hostname/x", "/nothing", "/nothing/x",
             " ", "x ", "ü", "a\nb", "x" * 255, "x" * 256, "/" + "y/" * 2100, "a\0b", "\\", "*",
             "/proc/self/../1/comm", "/dev/null", "fx/link/", "fx/../fx/./file"]


def fixture(s):
    """A tree of everything, the same on both sides to the second."""
    fx = s.path("/home/user/fx")
    shutil.rmtree(fx, ignore_errors=True)
    os.makedirs(fx + "/dir/sub/deep/deeper")
    os.makedirs(fx + "/empty")
    for name, data in (("file", b"hello"), (".hidden", b""), ("dir/a", b"a"), ("dir/b.txt", b"bb"),
                       ("dir/sub/c", b"ccc"), ("dir/sub/deep/d", b"d"), ("a b", b""), ("ü", b"x"),
                       ("Z", b""), ("dir.x", b""), ("zero", b"")):
        with open(f"{fx}/{name}", "wb") as f:
            f.write(data)
    for to, name in (("file", "link"), ("/home/user/fx/file", "abs"), ("dir", "dirlink"),
                     ("nothing", "dangling"), ("loop2", "loop1"), ("loop1", "loop2"),
                     ("link", "linklink"), ("../../../etc/hostname", "out"), (".", "self"),
                     ("/dev/null", "devlink"), ("fifo", "fifolink"), ("loop1/x", "intoloop"),
                     ("dir/sub", "subdir"), ("dirlink/a", "through")):
        os.symlink(to, f"{fx}/{name}")
    os.mkfifo(fx + "/fifo")
    with socket.socket(socket.AF_UNIX) as u:
        here = os.getcwd()
        fd = os.open(fx, os.O_RDONLY)
        u.bind(f"/proc/self/fd/{fd}/sock")
        os.close(fd)
        os.chdir(here)
    os.mknod(fx + "/char", 0o20644, os.makedev(1, 3))
    os.mknod(fx + "/block", 0o60600, os.makedev(250, 250))
    chown_tree(fx, 1000)
    for name, mode in (("setuid", 0o4755), ("setgid", 0o2755), ("sticky", 0o1777), ("all", 0o7777),
                       ("none", 0), ("sx", 0o4644)):
        with open(f"{fx}/{name}", "wb") as f:
            f.write(b"#!/bin/sh\necho x\n")
        os.chmod(f"{fx}/{name}", mode)
    os.mkdir(fx + "/tmpish")
    os.chmod(fx + "/tmpish", 0o1777)
    os.chown(fx + "/zero", 12345, 54321)
    os.chown(fx + "/Z", 0, 1000)
    for k, v in (("user.e2b.a", b"1"), ("user.e2b.B", b"\xc3\xbc"), ("user.e2b.bad", b"\xff\xfe"),
                 ("user.other", b"x"), ("user.e2b.empty", b""), ("user.e2b.", b"noname")):
        try:
            os.setxattr(fx + "/file", k, v)
            os.setxattr(fx + "/dir", k, v)
        except OSError:
            pass
    for d, dirs, files in os.walk(fx, topdown=False):
        for n in dirs + files:
            os.utime(os.path.join(d, n), (OLD, OLD), follow_symlinks=False)
    os.utime(fx + "/file", ns=(OLD * 10**9, OLD * 10**9 + 123456789))
    os.utime(fx + "/Z", ns=(OLD * 10**9, OLD * 10**9 + 120000000))
    os.utime(fx + "/.hidden", ns=(OLD * 10**9, OLD * 10**9 + 123456000))
    os.utime(fx + "/none", (0, 0))
    os.utime(fx + "/sx", (-5, -5))
    os.utime(fx, (OLD, OLD))
    return fx


def case_stat(s):
    fx = fixture(s)
    for n in sorted(os.listdir(fx)):
        s.fs(n, "Stat", {"path": "fx/" + n})
    for n in ("dirlink/a", "dirlink/sub", "self/self/file", "subdir/c", "dangling/x", "loop1/x",
              "link/x", "file/x", "dirlink/", "link/", "../fx/file", "dirlink/../file"):
        s.fs("through " + n, "Stat", {"path": "/home/user/fx/" + n})
    for p in BAD_PATHS:
        s.fs(f"path {p[:40]!r} of {len(p)}", "Stat", {"path": p})
        s.fs(f"path {p[:40]!r} of {len(p)}, root", "Stat", {"path": p}, user="root")
    for p in ("/tmp", "/proc", "/sys", "/dev", "/dev/null", "/dev/ptmx", "/bin", "/bin/sh",
              "/proc/self/exe", "/proc/1", "/etc/shadow", "/proc/self", "/dev/fd", "/root"):
        r = s.raw("POST", "/filesystem.Filesystem/Stat", ('{"path":"%s"}' % p).encode(),
                  {"Content-Type": "application/json"})
        s.note(p, (r[0], strip_entry(r[2])))
    s.fs("legacy client", "Stat", {"path": "fx/file"}, headers={"User-Agent": "connect-python"})
    s.fs("no user", "Stat", {"path": "fx/file"}, user=None)
    s.fs("relative of root", "Stat", {"path": "fx/file"}, user="root")
    s.fs("no path", "Stat", {})


def strip_entry(data):
    import json
    e = json.loads(data).get("entry", {})
    return {k: v for k, v in e.items() if k not in ("size", "modifiedTime")} if e else None


def case_workdir(s):
    os.makedirs(s.path("/home/user/work/in"), exist_ok=True)
    s.fs("before", "Stat", {"path": ""})
    s.init(defaultUser="user", defaultWorkdir="/home/user/work")
    for p in "", ".", "in", "~", "~/work", "/":
        s.fs(f"{p!r}", "Stat", {"path": p})
        s.fs(f"{p!r} as root", "Stat", {"path": p}, user="root")
        s.sh(f"cwd {p!r}", "pwd", process={"cwd": p})
    s.sh("no cwd", "pwd")
    s.ask("download of it", "GET", "/files", text=True)
    s.init(defaultWorkdir="")
    s.fs("emptied", "Stat", {"path": ""})
    s.init(defaultWorkdir="work")
    s.fs("relative workdir", "Stat", {"path": ""})
    s.sh("relative workdir, cwd", "pwd")
    s.init(defaultWorkdir="~/work")
    s.fs("~ workdir", "Stat", {"path": ""})
    s.init(defaultWorkdir="/nothing")
    s.fs("missing workdir", "Stat", {"path": ""})
    s.sh("missing workdir, cwd", "pwd")
    # The other one has no way back to none but a directory that is the home.
    s.init(defaultWorkdir="/home/user")


def case_list(s):
    fixture(s)
    for p in ("fx", "fx/", "/home/user/fx", "/home/user/fx/", "fx/dirlink", "fx/self", "fx/subdir",
              "fx/empty", "fx/file", "fx/link", "fx/dangling", "fx/loop1", "fx/fifo", "fx/nothing",
              "~", "", "~root", "/home/user/../user/fx", "fx/dirlink/", "fx/dirlink/sub", "fx/char",
              "fx/file/x", "fx//dir", "fx/dirlink/../empty"):
        for d in (None, 0, 1, 2, 3, 5, 100, 4294967295):
            if p in ("fx/self", "~", "") and d not in (None, 1):
                continue
            m = {"path": p} if d is None else {"path": p, "depth": d}
            s.fs(f"{p} depth {d}", "ListDir", m)
    for p in ("file/", "link/", "dirlink/", "dirlink/.", "dirlink/..", "dirlink/../dir", "loop1/", "dangling/", "fifo/", ".",
              "./dir/", "dir//sub", "nothing/", "self/self/dir"):
        s.fs(f"absolute {p}", "ListDir", {"path": "/home/user/fx/" + p})
    s.fs("/etc/skel", "ListDir", {"path": "/etc/skel", "depth": 3}, user="root")
    s.fs("/", "ListDir", {"path": "/nothing/at/all"}, user="root")
    s.fs("legacy client", "ListDir", {"path": "fx/dir"}, headers={"User-Agent": "connect-python"})
    s.fs("names", "ListDir", {"path": "~root"})
    os.chmod(s.path("/home/user/fx/dir"), 0)
    s.fs("not readable for the user", "ListDir", {"path": "fx/dir", "depth": 2})


def case_makedir(s):
    w = fresh_dir(s)
    os.symlink("a", w + "/al")
    os.symlink("nothing", w + "/dang")
    open(w + "/f", "w", encoding="ascii").close()
    os.mkdir(w + "/ro", 0o500)
    for p in ("a", "a", "a/", "b/c/d", "b/c/d/", "f", "f/x", "f/", "al", "al/x", "dang", "dang/x", "b/../e",
              "/home/user/w/abs/x", "", "x" * 256, "~", "/", ".", "..", "ro/x", "sp ace/ü",
              "n\0n", "g//h", "g/./i", "a/."):
        full = p if p[:1] in ("/", "~", "") and not p.startswith("x") else "w/" + p
        s.fs(f"{p[:40]!r}", "MakeDir", {"path": full})
    for p in "n1/", "n1//n2", "n3/.", "n4/..", "./n5", "n6/../n7", "f/", "f/x", "f/..", "al/", "dang/", "dang/x":
        s.fs(f"absolute {p}", "MakeDir", {"path": "/home/user/w/" + p})
    s.fs("as root", "MakeDir", {"path": "/home/user/w/root/of"}, user="root")
    s.fs("bad ~", "MakeDir", {"path": "~root/x"})
    s.fs("in /proc", "MakeDir", {"path": "/proc/x"}, user="root")
    s.note("tree", tree(w))


def case_move(s):
    w = fresh_dir(s)
    for d in "d1/x", "d2", "d3/y", "d4":
        os.makedirs(f"{w}/{d}")
    for f in "a", "b", "c", "e", "d1/x/f", "g", "h":
        with open(f"{w}/{f}", "w", encoding="ascii") as o:
            o.write(f)
    os.symlink("a", w + "/l")
    os.symlink("d2", w + "/dl")
    chown_tree(w, 1000)
    for a, b in (("a", "a2"), ("a", "a3"), ("b", "c"), ("nothing", "x"), ("c", "new/deep/c"),
                 ("d1", "d2"), ("d2", "d3"), ("new", "new/deep/in"), ("e", "d4"), ("d4", "e"),
                 ("l", "l2"), ("dl", "dl2"), ("g", "g"), ("g", "dl2/g"), ("h", "g2/"), ("h", "./h2"),
                 ("h2", "../w/h3"), ("h3/", "h4"), ("h3", "f/../h5"), ("nothing", "made/by/it"),
                 ("h5", "x" * 256), ("d3", "h5"), ("d3/y", "d3/z/"), ("h5", ""), ("", "h6"),
                 ("h5", "e/x/y")):
        s.fs(f"{a} to {b[:30]}", "Move", {"source": "w/" + a, "destination": "w/" + b})
    os.makedirs(w + "/abs/d")
    for n in "f1", "f2", "f3", "f4":
        open(f"{w}/abs/{n}", "w", encoding="ascii").close()
    for a, b in (("f1", "g1/"), ("f1/", "g1"), ("d/", "e/"), ("./f1", "../abs/h1"), ("f2", "f3/x"), ("f2/x", "y"),
                 ("f2", "d"), ("e", "f4"), ("e/", "f4/"), ("f2", "."), (".", "z"), ("e/..", "zz"), ("f2", "new//deep//x"),
                 ("", "q"), ("f4", "")):
        p = "/home/user/w/abs/"
        s.fs(f"absolute {a} to {b}", "Move", {"source": p + a, "destination": p + b})
    s.fs("to /proc", "Move", {"source": "w/h5", "destination": "/proc/x"})
    s.fs("to another file system", "Move", {"source": "w/h5", "destination": "/dev/shm/x"})
    s.fs("bad source", "Move", {"source": "~root/x", "destination": "w/x"})
    s.fs("bad destination", "Move", {"source": "w/h5", "destination": "~root/x"})
    s.fs("no source", "Move", {"destination": "w/x"})
    s.fs("no destination", "Move", {"source": "w/h5"})
    s.fs("nothing given", "Move", {})
    s.fs("as root", "Move", {"source": "/home/user/w/h5", "destination": "/home/user/w/r/h6"},
         user="root")
    s.note("tree", tree(w))


def case_remove(s):
    w = fresh_dir(s)
    os.makedirs(w + "/d/e/f")
    for f in "a", "d/x", "d/e/f/y", "keep":
        open(f"{w}/{f}", "w", encoding="ascii").close()
    os.symlink("keep", w + "/l")
    os.symlink("d2", w + "/dl")
    os.symlink("nothing", w + "/dang")
    os.makedirs(w + "/d2/in")
    os.chmod(w + "/d/e", 0)
    for p in ("a", "a", "nothing", "nothing/x", "keep/x", "l", "dl/in", "dl", "dl/", "dang", "d",
              "d2/", "d2/.", "d2/..", "x" * 256, "y\0"):
        s.fs(f"{p[:30]!r}", "Remove", {"path": "w/" + p})
    os.makedirs(w + "/abs/d/e")
    os.symlink("d", w + "/abs/l")
    os.symlink("d", w + "/abs/l2")
    os.symlink("loop", w + "/abs/loop")
    for n in "f1", "f2":
        open(f"{w}/abs/{n}", "w", encoding="ascii").close()
    for p in ("f1/", "f1", "f2/x", "f2/..", "d/.", "d/..", "l/", "l2/e", "l2/", "loop/", "loop/x", "loop", "nothing/",
              "nothing/.", "d//e//", "./d", "../abs/f2", ""):
        s.fs(f"absolute {p}", "Remove", {"path": "/home/user/w/abs/" + p})
    s.fs("bad ~", "Remove", {"path": "~root/x"})
    s.fs("in /proc", "Remove", {"path": "/proc/uptime"}, user="root")
    s.fs("a mount point", "Remove", {"path": "/dev/shm/../pts"}, user="root")
    s.note("tree", tree(w))


def fresh_dir(s):
    w = s.path("/home/user/w")
    shutil.rmtree(w, ignore_errors=True)
    os.mkdir(w)
    os.chown(w, 1000, 1000)
    return w


def tree(top):
    """What is there: mode, owner, size or target, by name."""
    out = {}
    for d, dirs, files in os.walk(top):
        for n in dirs + files:
            p = os.path.join(d, n)
            st = os.lstat(p)
            link = os.path.islink(p)
            out[p[len(top):]] = (oct(st.st_mode), st.st_uid, st.st_gid,
                                 os.readlink(p) if link else
                                 0 if os.path.isdir(p) else st.st_size)
    return out
