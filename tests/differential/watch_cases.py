"""watch_cases.py - what a watched directory tells, event by event."""
import os
import shutil
import time

from fs_cases import fresh_dir
from side import basic, mask, settle

FS = "/filesystem.Filesystem/"


def event(e):
    """One event; of its entry what does not hang on the moment it was read."""
    e = dict(e)
    if "entry" in e:
        e["entry"] = {k: v for k, v in mask(e["entry"]).items()
                      if k not in ("size", "modifiedTime")}
    return e


def squeeze(events):
    """The kernel joins equal events that nobody has read yet."""
    out = []
    for e in events:
        if not out or out[-1] != e:
            out.append(e)
    return out


class Watch:
    def __init__(self, s, path, **kw):
        r = s.raw("POST", FS + "CreateWatcher", json_of({"path": path, **kw}),
                  {"Content-Type": "application/json", **basic("user")})
        self.s, self.id = s, loads(r[2]).get("watcherId")

    def get(self):
        r = self.s.raw("POST", FS + "GetWatcherEvents", json_of({"watcherId": self.id}),
                       {"Content-Type": "application/json"})
        v = loads(r[2])
        return v.get("events", []) if r[0] == 200 else [{"error": v.get("code")}]

    def said(self, label, do):
        do()
        self.s.note(label, squeeze([event(e) for e in settle(self.get)]))

    def stop(self):
        self.s.raw("POST", FS + "RemoveWatcher", json_of({"watcherId": self.id}),
                   {"Content-Type": "application/json"})


def json_of(v):
    import json
    return json.dumps(v).encode()


def loads(b):
    import json
    return json.loads(b)


def write(path, data=b"x", flags=os.O_CREAT | os.O_WRONLY | os.O_TRUNC):
    fd = os.open(path, flags, 0o644)
    if data:
        os.write(fd, data)
    os.close(fd)


def case_watcher_calls(s):
    fresh_dir(s)
    write(s.path("/home/user/w/f"))
    os.symlink("/home/user/w", s.path("/home/user/wl"))
    for p in ("w", "nothing", "w/f", "w/f/x", "~root", "", "wl", "/dev/null", "/proc", "/dev/shm",
              "x" * 256, "a\0b"):
        s.fs(f"create {p[:20]!r}", "CreateWatcher", {"path": p})
        s.fs(f"create {p[:20]!r} recursive", "CreateWatcher", {"path": p, "recursive": True}
             if p not in ("/proc", "") else {"path": p})
    os.unlink(s.path("/home/user/wl"))
    for m in "GetWatcherEvents", "RemoveWatcher":
        for i in ("wxxxxxxxxxxxxxxxxxxxx", "", "w"):
            s.fs(f"{m} {i!r}", m, {"watcherId": i})
        s.fs(f"{m} nothing", m, {})
    w = Watch(s, "w")
    s.fs("empty at first", "GetWatcherEvents", {"watcherId": w.id})
    s.fs("of another user", "GetWatcherEvents", {"watcherId": w.id}, user="root")
    s.rpc("snake case", FS + "GetWatcherEvents", {"watcher_id": w.id})
    s.fs("remove", "RemoveWatcher", {"watcherId": w.id})
    s.fs("remove again", "RemoveWatcher", {"watcherId": w.id})
    s.fs("after it", "GetWatcherEvents", {"watcherId": w.id})
    for p in ("nothing", "w/f", "~root"):
        s.stream(f"stream {p}", FS + "WatchDir", {"path": p}, basic("user"))
    s.stream("stream, deadline", FS + "WatchDir", {"path": "w"},
             {**basic("user"), "Connect-Timeout-Ms": "300"})
    s.stream("stream, network mounts", FS + "WatchDir", {"path": "w", "allowNetworkMounts": True},
             {**basic("user"), "Connect-Timeout-Ms": "300"})
    s.stream("stream, keepalive", FS + "WatchDir", {"path": "w"},
             {**basic("user"), "Connect-Timeout-Ms": "1500", "Keepalive-Ping-Interval": "1"})
    for k in ("x", "1.5", "", "99999999"):
        s.stream(f"stream, keepalive {k!r}", FS + "WatchDir", {"path": "w"},
                 {**basic("user"), "Connect-Timeout-Ms": "300", "Keepalive-Ping-Interval": k})


def both(s, label, do, recursive=False, entry=False):
    """One watch from a clean directory: do() gets its path outside."""
    w = fresh_dir(s)
    os.makedirs(w + "/in/deep")
    os.makedirs(s.path("/home/user/out"), exist_ok=True)
    write(w + "/old", b"old")
    write(w + "/in/old", b"old")
    x = Watch(s, "w", recursive=recursive, includeEntry=entry)
    x.said(label, lambda: do(w))
    x.stop()
    shutil.rmtree(s.path("/home/user/out"), ignore_errors=True)


def pause(*steps):
    """Steps far enough apart that no event of one is joined with the next."""
    for step in steps:
        step()
        time.sleep(0.15)


OPS = {
    "create empty": lambda w: write(w + "/n", b""),
    "create and write": lambda w: pause(lambda: write(w + "/n", b""),
                                        lambda: write(w + "/n", b"x", os.O_WRONLY)),
    "overwrite": lambda w: write(w + "/old", b"new"),
    "truncate": lambda w: os.truncate(w + "/old", 0),
    "truncate empty": lambda w: pause(lambda: os.truncate(w + "/old", 0),
                                      lambda: os.truncate(w + "/old", 0)),
    "append": lambda w: write(w + "/old", b"more", os.O_WRONLY | os.O_APPEND),
    "read": lambda w: open(w + "/old", "rb").read(),
    "chmod": lambda w: os.chmod(w + "/old", 0o600),
    "chown": lambda w: os.chown(w + "/old", 1000, 1000),
    "utimes": lambda w: os.utime(w + "/old", (1, 1)),
    "xattr": lambda w: os.setxattr(w + "/old", "user.e2b.a", b"1"),
    "link": lambda w: os.link(w + "/old", w + "/l"),
    "symlink": lambda w: os.symlink("old", w + "/s"),
    "dangling symlink": lambda w: os.symlink("nothing", w + "/s"),
    "remove": lambda w: os.unlink(w + "/old"),
    "rename": lambda w: os.rename(w + "/old", w + "/new"),
    "rename over": lambda w: pause(lambda: write(w + "/b", b""),
                                   lambda: os.rename(w + "/old", w + "/b")),
    "rename in": lambda w: pause(lambda: write(w + "/../out/f"),
                                 lambda: os.rename(w + "/../out/f", w + "/f")),
    "rename out": lambda w: os.rename(w + "/old", w + "/../out/f"),
    "rename down": lambda w: os.rename(w + "/old", w + "/in/new"),
    "rename up": lambda w: os.rename(w + "/in/old", w + "/new"),
    "mkdir": lambda w: os.mkdir(w + "/d"),
    "rmdir": lambda w: pause(lambda: os.rmdir(w + "/in/deep"),
                             lambda: os.unlink(w + "/in/old"), lambda: os.rmdir(w + "/in")),
    "rename dir": lambda w: os.rename(w + "/in", w + "/in2"),
    "rename dir, then in it": lambda w: pause(lambda: os.rename(w + "/in", w + "/in2"),
                                              lambda: write(w + "/in2/f", b""),
                                              lambda: write(w + "/in2/deep/f", b"")),
    "dir moved out, then in it": lambda w: pause(lambda: os.rename(w + "/in", w + "/../out/in"),
                                                 lambda: write(w + "/../out/in/f", b"")),
    "dir moved in, then in it": lambda w: pause(lambda: os.makedirs(w + "/../out/o/p"),
                                                lambda: write(w + "/../out/o/x"),
                                                lambda: os.rename(w + "/../out/o", w + "/o"),
                                                lambda: write(w + "/o/y", b""),
                                                lambda: write(w + "/o/p/y", b"")),
    "deep write": lambda w: write(w + "/in/deep/n", b""),
    "nested later": lambda w: pause(lambda: os.mkdir(w + "/a"), lambda: os.mkdir(w + "/a/b"),
                                    lambda: write(w + "/a/b/f", b""),
                                    lambda: write(w + "/a/b/f", b"x", os.O_WRONLY)),
    "rename up and down": lambda w: pause(lambda: os.rename(w + "/in/deep", w + "/deep"),
                                          lambda: write(w + "/deep/f", b""),
                                          lambda: os.rename(w + "/deep", w + "/in/back"),
                                          lambda: write(w + "/in/back/g", b"")),
    "chmod of a dir": lambda w: os.chmod(w + "/in", 0o700),
    "chmod of the root": lambda w: os.chmod(w, 0o700),
    "xattr of the root": lambda w: os.setxattr(w, "user.x", b"1"),
    "remove it all": lambda w: pause(lambda: os.unlink(w + "/old"),
                                     lambda: os.unlink(w + "/in/old"),
                                     lambda: os.rmdir(w + "/in/deep"), lambda: os.rmdir(w + "/in"),
                                     lambda: os.rmdir(w)),
    "root moved away": lambda w: pause(lambda: os.rename(w, w + "2"),
                                       lambda: write(w + "2/n", b""),
                                       lambda: os.rename(w + "2", w)),
    "root moved, another there": lambda w: pause(lambda: os.rename(w, w + "/../out/w"),
                                                 lambda: os.mkdir(w),
                                                 lambda: write(w + "/n", b"")),
    "dir removed and made again": lambda w: pause(lambda: shutil.rmtree(w + "/in"),
                                                  lambda: os.mkdir(w + "/in"),
                                                  lambda: write(w + "/in/f", b"")),
    "odd names": lambda w: pause(lambda: write(w + "/a b", b""), lambda: write(w + "/ü", b""),
                                 lambda: write(w + "/..x", b""), lambda: write(w + "/\\", b"")),
    "not UTF-8": lambda w: write(w.encode() + b"/\xff", b""),
    "fifo": lambda w: os.mkfifo(w + "/p"),
}


def case_watch_plain(s):
    for name, do in OPS.items():
        both(s, name, do)


def case_watch_recursive(s):
    for name, do in OPS.items():
        both(s, name, do, recursive=True)


def case_watch_entries(s):
    for name in ("create empty", "overwrite", "chmod", "symlink", "dangling symlink", "remove",
                 "rename", "mkdir", "xattr", "fifo", "deep write", "chmod of the root"):
        both(s, name, OPS[name], recursive=True, entry=True)


def case_watch_linked(s):
    """A watch through a link, and two of one directory."""
    w = fresh_dir(s)
    link = s.path("/home/user/wl")
    os.symlink("/home/user/w", link)
    os.makedirs(w + "/in")
    os.symlink("/home/user/w/in", w + "/inlink")
    for path in ("wl", "/home/user/wl", "/home/user/w/", "/home/user/../user/w", "wl/in"):
        x = Watch(s, path, recursive=True, includeEntry=True)
        x.said(f"{path}: file", lambda: write(w + "/n", b""))
        x.said(f"{path}: deep", lambda: write(w + "/in/n", b""))
        x.said(f"{path}: gone", lambda: (os.unlink(w + "/n"), os.unlink(w + "/in/n")))
        x.stop()
    a, b = Watch(s, "w"), Watch(s, "w")
    write(w + "/two", b"")
    s.note("first of two", [event(e) for e in settle(a.get)])
    s.note("second of two", [event(e) for e in settle(b.get)])
    a.stop()
    write(w + "/three", b"")
    s.note("second alone", [event(e) for e in settle(b.get)])
    b.stop()
    os.unlink(link)


def case_watch_upload(s):
    """Three events for a new small file: SDK tests count them."""
    fresh_dir(s)
    x = Watch(s, "w")

    def up(path, data, headers=None):
        h = {"Content-Type": "application/octet-stream", **(headers or {})}
        s.raw("POST", f"/files?path={path}&username=user", data, h)

    def form(path, data):
        b = (b"--BB\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n"
             + data + b"\r\n--BB--\r\n")
        s.raw("POST", f"/files?path={path}&username=user", b,
              {"Content-Type": "multipart/form-data; boundary=BB"})

    def exact(label, do):
        do()
        s.note(label, [event(e) for e in settle(x.get)])
    exact("new file", lambda: up("w/a", b"hello"))
    exact("new file, form", lambda: form("w/b", b"hello"))
    exact("new empty file", lambda: up("w/c", b""))
    x.said("overwritten", lambda: up("w/a", b"other"))
    x.said("overwritten, form", lambda: form("w/b", b"other"))
    exact("overwritten, empty by empty", lambda: up("w/c", b""))
    x.said("with metadata", lambda: up("w/m", b"hello", {"X-Metadata-A": "1"}))
    x.said("metadata taken away", lambda: up("w/m", b"hello"))
    x.said("in a new directory", lambda: up("w/new/dir/f", b"hello"))
    x.said("makedir", lambda: s.raw("POST", FS + "MakeDir", json_of({"path": "w/made/d"}),
                                    {"Content-Type": "application/json", **basic("user")}))
    x.said("move", lambda: s.raw("POST", FS + "Move", json_of({"source": "w/a", "destination": "w/z"}),
                                 {"Content-Type": "application/json", **basic("user")}))
    x.said("remove", lambda: s.raw("POST", FS + "Remove", json_of({"path": "w/new"}),
                                   {"Content-Type": "application/json", **basic("user")}))
    x.stop()


def case_watch_stream(s):
    w = fresh_dir(s)
    x = s.live(FS + "WatchDir", {"path": "w", "includeEntry": True}, basic("user"))
    s.note("head", s.clean_head({k.lower(): v for k, v in x.r.getheaders()}, b"", False))
    s.note("first", x.next())
    write(w + "/n", b"")
    f, v = x.next()
    s.note("create", (f, {"filesystem": event(v["filesystem"])}))
    os.unlink(w + "/n")
    s.note("remove", x.next())
    os.rmdir(w)
    s.note("its end", x.next())
    x.close()
    w = fresh_dir(s)
    y = s.live(FS + "WatchDir", {"path": "w"}, {**basic("user"), "User-Agent": "connect-python"})
    s.note("legacy client", y.next())
    y.close()
