#!/usr/bin/env python3
"""tests/api/envd_files.py - files through envd that are many, large, packed,
oddly named, no files at all, or changed while envd is at them.

ENVD_LARGE=1 (`make envd-large`) takes files of 5 GiB instead of 300 MiB."""
import concurrent.futures
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import random
import socket
import sys
import threading
import time
import urllib.parse
import zlib

LARGE = os.environ.get("ENVD_LARGE") == "1"
if LARGE:
    os.environ.setdefault("COP_DISK_MB", "20480")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import coppice
import envd_client as envd
from coppice import ENVD_PORT, WAY_IN, Sandbox, case, note, same, until
from envd_client import FS, files, leaves_nothing, unary

MIB = 1 << 20
SIZE = 5 * 1024 * MIB if LARGE else 300 * MIB
PIECE = bytes(random.Random(1).randbytes(MIB))


def larger_disks():
    """The template says how much a sandbox gets; its file is linked, and so replaced."""
    for f in pathlib.Path(coppice.STATE, "state/templates").glob("*/template.json"):
        new = f.with_suffix(".new")
        new.write_text(json.dumps({**json.loads(f.read_text()), "diskSizeMB": 13000}))
        new.rename(f)

    def known():
        return coppice.api("GET", "/templates/base").json["builds"][0]["diskSizeMB"] == 13000
    assert until(known), "another size of its disk"


def upload(sbx, path, pieces, user="root", **headers):
    """A body that is made while it is sent, as far as somebody takes it."""
    s = socket.create_connection((WAY_IN.hostname, WAY_IN.port), 300)
    q = urllib.parse.urlencode({"path": path, "username": user})
    chunked = "Content-Length" not in headers
    headers = {**sbx.headers(), "Host": "localhost", "Content-Type": "application/octet-stream", **headers}
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
    head = "POST /files?%s HTTP/1.1\r\n" % q + "".join("%s: %s\r\n" % h for h in headers.items()) + "\r\n"
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        s.sendall(head.encode())
        for piece in pieces:
            s.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        s.sendall(b"0\r\n\r\n" if chunked else b"")
    r = http.client.HTTPResponse(s, method="POST")
    r.begin()
    raw = r.read()
    assert raw[:1] in b"[{" and raw, (r.status, raw, str(r.headers))
    answer = r.status, json.loads(raw)
    s.close()
    return answer


def parts(named):
    body = b"".join(b"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"%s\"\r\n\r\n%s\r\n"
                    % (name.encode(), data) for name, data in named)
    return body + b"--B--\r\n"


def multipart(sbx, named, timeout=60):
    r = sbx.way_in(ENVD_PORT, "/files?username=user", "POST", parts(named), timeout,
                   **{"Content-Type": "multipart/form-data; boundary=B"})
    return r.status, r.json


def health_beside(sbx, stop, worst):
    while not stop.is_set():
        t0 = time.monotonic()
        same(sbx.way_in(ENVD_PORT, "/health").status, 204)
        worst[0] = max(worst[0], time.monotonic() - t0)
        time.sleep(0.02)


@contextlib.contextmanager
def others_are_served(sbx, limit=1.0):
    """While the block runs, how long others wait."""
    stop, worst = threading.Event(), [0.0]
    t = threading.Thread(target=health_beside, args=(sbx, stop, worst), daemon=True)
    t.start()
    yield
    stop.set()
    t.join()
    note("/health beside it: %.0f ms at worst" % (1e3 * worst[0]))
    assert worst[0] < limit, "others waited %.1f s" % worst[0]


# --- many, and large ----------------------------------------------------------

@case("a thousand files in one request")
def _():
    sbx = Sandbox()
    with leaves_nothing(sbx):
        status, answer = multipart(sbx, [("many/%d/%d" % (i % 7, i), b"%d" % i) for i in range(1000)])
        same((status, len(answer)), (200, 1000))
        same(answer[999], {"name": "999", "path": "/home/user/many/5/999", "type": "file"})
        same(sbx.sh("cat many/*/* | wc -c; find many -type f -user user | wc -l").split(), ["2890", "1000"])
        status, answer = multipart(sbx, [("many/%d" % (i % 999 + 1000), b"x") for i in range(1000)])
        same(status, 400)
        # Looking for the same name twice must not take the square of it.
        t0 = time.monotonic()
        with others_are_served(sbx):
            status, answer = multipart(sbx, [("/tmp/m/%d" % i, b"") for i in range(20000)], 120)
        same((status, len(answer)), (200, 20000))
        note("20,000 parts in %.1f s" % (time.monotonic() - t0))


@case("a large file, up and down, in constant memory")
def _():
    if LARGE:
        larger_disks()
    sbx = Sandbox()
    with leaves_nothing(sbx) as pid:
        for how in ("chunked", "length"):
            envd.reset_peak(pid)
            headers = {"Content-Length": str(SIZE)} if how == "length" else {}
            t0 = time.monotonic()
            with others_are_served(sbx):
                same(upload(sbx, "/root/large", (PIECE for _ in range(SIZE // MIB)), **headers)[0], 200)
            note("up (%s): %d MiB in %.1f s, envd at most %d KiB" % (
                how, SIZE // MIB, time.monotonic() - t0, envd.peak_kib(pid)))
            assert envd.peak_kib(pid) < 4096
            same(sbx.sh("sudo stat -c %s /root/large"), str(SIZE))
        # To pack takes the processor a while.
        packed = SIZE if LARGE else 64 * MIB
        sbx.sh("sudo head -c %d /root/large | sudo tee /root/packed | wc -c" % packed)
        for coding, path, size in (("identity", "/root/large", SIZE), ("gzip", "/root/packed", packed)):
            envd.reset_peak(pid)
            t0 = time.monotonic()
            with others_are_served(sbx):
                n, digest = download(sbx, path, coding)
            note("down (%s): %.1f s, envd at most %d KiB" % (coding, time.monotonic() - t0, envd.peak_kib(pid)))
            assert envd.peak_kib(pid) < 4096
            same((n, digest), (size, expected(size)))


def expected(size):
    h = hashlib.blake2b()
    for _ in range(size // MIB):
        h.update(PIECE)
    return h.hexdigest()


def download(sbx, path, coding):
    c = http.client.HTTPConnection(WAY_IN.hostname, WAY_IN.port, timeout=300)
    c.request("GET", "/files?" + urllib.parse.urlencode({"path": path, "username": "root"}), None,
              {**sbx.headers(), "Accept-Encoding": "gzip;q=1, identity;q=0.1" if coding == "gzip" else coding})
    r = c.getresponse()
    same((r.status, r.headers.get("Content-Encoding", "identity")), (200, coding))
    unpack = zlib.decompressobj(31) if coding == "gzip" else None
    h, n = hashlib.blake2b(), 0
    while piece := r.read(MIB):
        piece = unpack.decompress(piece) if unpack else piece
        h.update(piece)
        n += len(piece)
    c.close()
    return n, h.hexdigest()


@case("ranges of a file of 5 GiB")
def _():
    sbx = Sandbox()
    size = 5 << 30
    sbx.sh("truncate -s %d big; printf end | dd of=big bs=1 seek=%d conv=notrunc 2>/dev/null" % (size, size - 3))
    with leaves_nothing(sbx):
        r = files(sbx, "/home/user/big", Range="bytes=-3")
        same((r.status, r.raw, r.headers["Content-Range"]),
             (206, b"end", "bytes %d-%d/%d" % (size - 3, size - 1, size)))
        r = files(sbx, "/home/user/big", Range="bytes=%d-" % size)
        same((r.status, r.headers["Content-Range"]), (416, "bytes */%d" % size))
        r = files(sbx, "/home/user/big", Range="bytes=0-0,4294967296-4294967297,-3")
        same((r.status, r.raw.count(b"Content-Range")), (206, 3))
        assert b"\0\0\r\n" in r.raw and b"end\r\n" in r.raw
        # More ranges than anybody needs.
        r = files(sbx, "/etc/passwd", Range="bytes=" + "0-0," * 5000 + "1-1")
        assert r.status in (200, 416) and len(r.raw) < 10000, r


@case("what unpacks to much more")
def _():
    sbx = Sandbox()
    z = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(z.compress(bytes(MIB)) for _ in range(300)) + z.flush()
    note("%d bytes unpack to 300 MiB" % len(bomb))
    with leaves_nothing(sbx) as pid:
        envd.reset_peak(pid)
        with others_are_served(sbx, 2):
            same(upload(sbx, "/tmp/bomb", [bomb], **{"Content-Encoding": "gzip"})[0], 200)
        same(sbx.sh("stat -c %s /tmp/bomb"), str(300 * MIB))
        assert envd.peak_kib(pid) < 4096, envd.peak_kib(pid)
        # One member after the other, as some packers write them.
        a, b = (zlib.compressobj(wbits=31) for _ in range(2))
        two = a.compress(b"one ") + a.flush() + b.compress(b"two") + b.flush()
        same(upload(sbx, "/tmp/two", [two[:10], two[10:30], two[30:]], **{"Content-Encoding": "gzip"})[0], 200)
        same(sbx.sh("cat /tmp/two"), "one two")
        same(upload(sbx, "/tmp/two", [two[:-4]], **{"Content-Encoding": "gzip"})[0], 500)
        same(upload(sbx, "/tmp/two", [b"no gzip"], **{"Content-Encoding": "gzip"})[0], 400)
        # A bomb for an rpc.
        z = zlib.compressobj(9, zlib.DEFLATED, 31)
        packed = b"".join(z.compress(b" " * MIB) for _ in range(64)) + z.flush()
        r = sbx.way_in(ENVD_PORT, FS + "Stat", "POST", packed, 60,
                       **{"Content-Type": "application/json", "Content-Encoding": "gzip"})
        same((r.status, r.json["code"]), (429, "resource_exhausted"))


@case("a full disk")
def _():
    sbx = Sandbox()
    free = int(sbx.sh("df --output=avail -B1 / | tail -1"))
    n = free + 64 * MIB
    said = "attempted to write %d bytes: not enough disk space available"
    with leaves_nothing(sbx):
        r = upload(sbx, "/tmp/fits", [PIECE])
        same(r[0], 200)
        # Announced: refused before it is written.
        same(upload(sbx, "/tmp/f", (PIECE for _ in range(n // MIB)), **{"Content-Length": str(n // MIB * MIB)}),
             (507, {"code": 507, "message": said % (n // MIB * MIB)}))
        # Not announced: found on the way.
        same(upload(sbx, "/tmp/f", (PIECE for _ in range(n // MIB))),
             (507, {"code": 507, "message": "not enough disk space available"}))
        same(sbx.run("rm -f /tmp/f; sync", user="root").exit_code, 0)

        def room_again():
            return upload(sbx, "/tmp/small", [PIECE])[0] == 200
        assert until(room_again, 10), "full for good"


# --- odd ----------------------------------------------------------------------

@case("what is no file")
def _():
    sbx = Sandbox()
    sbx.sh("mkfifo fifo; ln -s loop loop; ln -s /nowhere dangling; mkdir dir; ln -s dir dirlink; "
           "python3 -c 'import socket; socket.socket(1).bind(\"sock\")'; chmod 600 sock")
    with leaves_nothing(sbx), others_are_served(sbx):
        for name in ("fifo", "sock", "/dev/zero", "/dev/ptmx", "/dev/tty", "/dev/full", "loop"):
            path = name if name[0] == "/" else "/home/user/" + name
            assert files(sbx, path, timeout=10).status in (400, 404, 500), name
        for name, ok in (("fifo", (400, 500)), ("sock", (400, 500)), ("/dev/full", (500, 507)), ("/dev/zero", (200, 500)),
                         ("loop", (400, 500)), ("dirlink", (400,)), ("dir", (400,)), ("dir/", (400,))):
            path = name if name[0] == "/" else "/home/user/" + name
            r = files(sbx, path, "POST", b"x" * 100, timeout=10)
            assert r.status in ok, "%s: %r" % (name, r)
        same(files(sbx, "/home/user/dangling", "POST", b"x").status, 200)
        same(sbx.sh("cat /nowhere"), "x")
        same(unary(sbx, FS + "ListDir", {"path": "/home/user", "depth": 9})[0], 200)
        # A pipe with a reader that reads nothing: what fits in, and an error.
        reader = envd.start(sbx, "/bin/sh", "-c", "exec 3<>/home/user/fifo; exec sleep 30", stdin=False)
        time.sleep(0.2)
        assert files(sbx, "/home/user/fifo", "POST", PIECE, timeout=10).status in (200, 500)
        same(envd.signal(sbx, "SIGNAL_SIGKILL", pid=reader.pid)[0], 200)
        reader.rest()
        # A lease makes whoever opens wait, or go.
        holder = envd.start(sbx, "/usr/bin/python3", "-uc", """
import fcntl, signal, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
f = open("/home/user/leased", "w")
fcntl.fcntl(f, 1024, fcntl.F_WRLCK)
print("held")
time.sleep(30)
""", user="root")
        holder.next()
        t0 = time.monotonic()
        files(sbx, "/home/user/leased", timeout=60)
        files(sbx, "/home/user/leased", "POST", b"x", timeout=60)
        assert time.monotonic() - t0 < 5, "envd waited for whoever holds a lease"
        same(envd.signal(sbx, "SIGNAL_SIGKILL", pid=holder.pid)[0], 200)
        holder.rest()


@case("files about envd itself")
def _():
    sbx = Sandbox()
    pid = envd.envd_of(sbx)
    same(files(sbx, "/proc/uptime").status, 200)
    for name in ("mem", "environ", "maps", "exe", "auxv", "stack", "syscall", "fd/3", "task/1/mem", "oom_score_adj"):
        for who in ("1", "self", "thread-self", "self/task/1"):
            path = "/proc/%s/%s" % (who, name)
            r = files(sbx, path, timeout=10)
            assert r.status >= 400 or not r.raw, "%s: %r" % (path, r)
            r = files(sbx, path, "POST", b"1000", timeout=10)
            assert r.status >= 400, "%s: %r" % (path, r)
    same(pathlib.Path("/proc/%d/oom_score_adj" % pid).read_text(), "0\n")
    # By this way round one is where one was.
    sbx.sh("echo here > /tmp/here")
    same(files(sbx, "/proc/1/root/tmp/here").raw, b"here\n")
    same(files(sbx, "/proc/self/cwd/../../../../../../tmp/here").raw, b"here\n")
    same(files(sbx, "/proc/1/root/proc/1/root/etc/hostname").raw, sbx.sh("cat /etc/hostname").encode() + b"\n")
    mark = "coppice-%d" % os.getpid()
    pathlib.Path("/tmp/" + mark).write_text("the host's")
    try:
        for path in ("/proc/1/root/../../../tmp/", "/proc/1/cwd/../tmp/", "/tmp/", "/../../tmp/", "/proc/1/fd/../root/tmp/"):
            same(files(sbx, path + mark).status, 404)
    finally:
        os.unlink("/tmp/" + mark)


@case("names of any bytes")
def _():
    sbx = Sandbox()
    names = [b"new\nline", b"tab\t", b"\xff\xfe not text", b"quote\"back\\slash", b" blank ", b"-rf", b"*?[",
             b"\x01\x7f", "ü😀".encode(), b"a" * 255, b"%41+%2f", b"...", b"semi;colon=x\r"]
    with leaves_nothing(sbx):
        for name in names:
            path = b"/home/user/names/" + name
            r = files(sbx, path, "POST", b"content of " + name)
            same(r.status, 200, repr(name))
            r = files(sbx, path)
            same((r.status, r.raw), (200, b"content of " + name), repr(name))
            assert "\n" not in r.headers["Content-Disposition"]
        same(int(sbx.sh("find names -type f -printf x | wc -c")), len(names))
        r = unary(sbx, FS + "ListDir", {"path": "names"})
        same((r[0], len(r[1]["entries"])), (200, len(names)))
        for path, want in ((b"/home/user/" + b"a" * 256, 500), (b"/home/user/nul\0x", 400), (b"/" + b"a/" * 2046 + b"a", 200),
                           (b"/" + b"a/" * 5000, 400), (b"~other/x", 400)):
            r = files(sbx, path, "POST", b"x")
            same(r.status // 100 * 100 if want != 400 else r.status, want, repr(path[:30]))
        same(unary(sbx, FS + "Remove", {"path": "names"}), (200, {}))


@case("a tree of ten thousand levels")
def _():
    sbx = Sandbox()
    sbx.sh("""python3 -c '
import os
os.mkdir("deep"); os.chdir("deep")
for i in range(10000):
    os.mkdir("d"); open("f", "w").close(); os.chdir("d")
'""")
    with leaves_nothing(sbx), others_are_served(sbx):
        status, answer = unary(sbx, FS + "ListDir", {"path": "deep", "depth": 100})
        same((status, len(answer["entries"])), (200, 200))
        # Below what a path can name there is nothing to say but that.
        same(unary(sbx, FS + "ListDir", {"path": "deep", "depth": 4294967295})[1]["code"], "internal")
        t0 = time.monotonic()
        same(unary(sbx, FS + "Remove", {"path": "deep"}, timeout=120), (200, {}))
        note("removed in %.1f s" % (time.monotonic() - t0))
        same(sbx.run("test -e deep").exit_code, 1)


@case("wide trees")
def _():
    sbx = Sandbox()
    n = 100_000 if LARGE else 40_000
    sbx.sh("""mkdir wide && python3 -c '
import os
for i in range(""" + str(n) + """): os.mknod("wide/%0120d" % i)
for i in range(2000): os.makedirs("bushy/%d/x/y" % i)
'""", timeout_ms=100_000)
    with leaves_nothing(sbx, 4096) as pid:
        envd.reset_peak(pid)
        t0 = time.monotonic()
        with others_are_served(sbx):
            status, answer = unary(sbx, FS + "ListDir", {"path": "wide"}, timeout=60)
        if LARGE:  # more than an answer may hold
            same((status, answer["code"]), (429, "resource_exhausted"))
        else:
            same((status, len(answer["entries"]), answer["entries"][-1]["name"]), (200, n, "%0120d" % (n - 1)))
        note("%d entries in %.1f s, envd at most %d KiB" % (n, time.monotonic() - t0, envd.peak_kib(pid)))
        # Several at once: what cannot be had is refused, and envd stays small.
        with concurrent.futures.ThreadPoolExecutor(8) as pool, others_are_served(sbx, 3):
            codes = list(pool.map(lambda _: unary(sbx, FS + "ListDir", {"path": "wide"}, timeout=120)[0], range(8)))
        assert set(codes) <= {200, 429} and 429 in codes and (200 in codes or LARGE), codes
        note("eight at once: %r, envd at most %d KiB" % (codes, envd.peak_kib(pid)))
        assert envd.peak_kib(pid) < 200 * 1024
        with others_are_served(sbx):
            same(unary(sbx, FS + "Remove", {"path": "bushy"}, timeout=60), (200, {}))
            same(unary(sbx, FS + "Remove", {"path": "wide"}, timeout=60), (200, {}))
        same(sbx.run("test -e wide -o -e bushy").exit_code, 1)


@case("directories that turn into links meanwhile")
def _():
    sbx = Sandbox()
    flip = envd.start(sbx, "/usr/bin/python3", "-c", """
import os, shutil
os.makedirs("/home/user/real"); os.makedirs("/home/user/other")
while True:
    for step in (lambda: os.makedirs("/home/user/d/e"), lambda: shutil.rmtree("/home/user/d"),
                 lambda: os.symlink("/home/user/other", "/home/user/d"), lambda: os.unlink("/home/user/d"),
                 lambda: os.symlink("d", "/home/user/d"), lambda: os.unlink("/home/user/d"),
                 lambda: os.mkfifo("/home/user/d"), lambda: os.unlink("/home/user/d")):
        try: step()
        except OSError: pass
""")
    assert until(lambda: sbx.run("test -d other").exit_code == 0)
    seen = {}
    with leaves_nothing(sbx), others_are_served(sbx):
        end = time.monotonic() + 4
        while time.monotonic() < end:
            for what in (lambda: files(sbx, "/home/user/d/e/f", "POST", b"x" * 5000, timeout=10).status,
                         lambda: files(sbx, "/home/user/d/e/f", timeout=10).status,
                         lambda: files(sbx, "/home/user/d", "POST", b"x", timeout=10).status,
                         lambda: unary(sbx, FS + "ListDir", {"path": "d", "depth": 3}, timeout=10)[0],
                         lambda: unary(sbx, FS + "MakeDir", {"path": "d/e/g"}, timeout=10)[0],
                         lambda: unary(sbx, FS + "Remove", {"path": "d"}, timeout=10)[0]):
                status = what()
                seen[status] = seen.get(status, 0) + 1
    note("answers: %r" % seen)
    assert seen.get(200, 0) > 10 and max(seen) < 501, seen
    same(envd.signal(sbx, "SIGNAL_SIGKILL", pid=flip.pid)[0], 200)
    flip.rest()


@case("uploads into one new directory")
def _():
    sbx = Sandbox()
    with leaves_nothing(sbx), concurrent.futures.ThreadPoolExecutor(40) as pool:
        got = list(pool.map(lambda i: files(sbx, "/home/user/new/a/b/c/%d" % i, "POST", b"%d" % i, "user").status, range(200)))
        same(got, [200] * 200)
        same(sbx.sh("ls new/a/b/c | wc -l; stat -c %U new new/a/b/c | sort -u").split(), ["200", "user"])


@case("compose")
def _():
    sbx = Sandbox()
    with leaves_nothing(sbx):
        same(multipart(sbx, [("c/%04d" % i, b"%04d\n" % i) for i in range(500)])[0], 200)

        def compose(sources, to):
            r = sbx.way_in(ENVD_PORT, "/files/compose", "POST", json.dumps(
                {"source_paths": sources, "destination": to, "username": "user"}), 20)
            return r.status
        same(compose(["/home/user/c/%04d" % i for i in range(500)], "/home/user/all"), 200)
        same(sbx.sh("cat all"), "\n".join("%04d" % i for i in range(500)))
        same(sbx.sh("ls c | wc -l"), "0")
        sbx.sh("mkfifo c/fifo; echo x > c/x")
        same(compose(["/home/user/c/fifo"], "/home/user/all2"), 400)
        # A pipe in the place of a file, behind our back: no wait for ever.
        flip = envd.start(sbx, "/bin/sh", "-c", "cd c; while :; do rm -f x; mkfifo x; rm -f x; echo x > x; done")
        got = [compose(["/home/user/c/x"], "/home/user/all3") for _ in range(150)]
        assert set(got) <= {200, 400, 404, 500} and 200 in got, got
        envd.signal(sbx, "SIGNAL_SIGKILL", pid=flip.pid)
        flip.rest()


@case("metadata and its limits")
def _():
    sbx = Sandbox()
    with leaves_nothing(sbx):
        def put(headers):
            return files(sbx, "/tmp/meta", "POST", b"x", **headers)
        r = put({"X-Metadata-" + "k" * 246: "v" * 3000})
        same((r.status, r.json[0]["metadata"]), (200, {"k" * 246: "v" * 3000}))
        same(put({"X-Metadata-" + "k" * 247: "v"}).status, 400)
        same(put({"X-Metadata-a": "v" * 4096}).status, 400)
        many = {"X-Metadata-k%d" % i: "v" for i in range(80)}
        same(len(put(many).json[0]["metadata"]), 80)
        same(unary(sbx, FS + "Stat", {"path": "/tmp/meta"})[1]["entry"]["metadata"]["k79"], "v")
        same("metadata" in put({}).json[0], False)


@case("watches have an end")
def _():
    sbx = Sandbox()
    sbx.sh("mkdir -p w; cd w; for i in $(seq 40); do mkdir -p $i/{a,b,c,d,e}/{1,2,3,4,5,6,7,8,9}; done")
    with leaves_nothing(sbx, 2048):
        held, refused = [], None
        for _ in range(1100):
            status, answer = unary(sbx, FS + "CreateWatcher", {"path": "w"})
            if status != 200:
                refused = answer
                break
            held.append(answer["watcherId"])
        assert refused and refused["code"] in ("internal", "resource_exhausted"), refused
        note("%d watchers, then %s" % (len(held), refused["message"]))
        for i in held:
            same(unary(sbx, FS + "RemoveWatcher", {"watcherId": i})[0], 200)
        # A deep one: everything below is watched, and told in order.
        status, answer = unary(sbx, FS + "CreateWatcher", {"path": "w", "recursive": True})
        same(status, 200)
        sbx.sh("touch w/40/e/9/new; rm -r w/1")
        said = unary(sbx, FS + "GetWatcherEvents", answer)[1]["events"]
        same(said[0], {"name": "40/e/9/new", "type": "EVENT_TYPE_CREATE"})
        same(sum(e["type"] == "EVENT_TYPE_REMOVE" for e in said), 1 + 5 + 45)
        # Nobody fetches: it ends, and envd holds no more than it may.
        sbx.sh("for i in $(seq 30); do for j in $(seq 9); do touch w/*/e/$j; done; done")
        assert unary(sbx, FS + "GetWatcherEvents", answer)[0] in (200, 500)
        same(unary(sbx, FS + "RemoveWatcher", answer)[0], 200)


coppice.main()
