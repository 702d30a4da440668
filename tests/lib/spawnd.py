"""A client of `coppice-privd spawn`: starts one in a network namespace of its
own and speaks ctl/priv/spawn_msg.h with it.  For tests/fault/spawn_*.py."""
import array
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.join(TOP, "build", os.environ.get("VARIANT", "debug"), "bin")
BASE = "coppicebase000000000"
STATES = [os.environ.get("COPPICE_TEST_STATE"), "/var/lib/coppice", "/var/lib/coppice-dev"]
(HELLO, SLOTS, CREATE, KILL, FREEZE, THAW, SOCK, STATS, DISCARD) = range(9)
EV_FOUND, EV_FOUND_END, EV_SLOT, EV_DEAD = 64, 65, 66, 67
HDR = struct.Struct("=HHII")
ERR = struct.Struct("=ii96s256s")
STAT = struct.Struct("=6Q2I")

passed = failed = 0


def check(ok, what):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print("# FAILED: %s" % (what,), flush=True)
    return ok


def finish():
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed else 0)


def skip(why):
    print(why)
    sys.exit(77)


def text(b):
    return b.split(b"\0", 1)[0].decode(errors="replace")


def find_templates():
    """Where there is a base template, built now if nowhere."""
    for state in filter(None, STATES):
        if os.path.exists("%s/templates/%s/template.json" % (state, BASE)):
            return state + "/templates"
    if subprocess.run([TOP + "/tools/mktemplate", "base", STATES[1]]).returncode != 0:
        skip("no base template, and it cannot be built")
    return STATES[1] + "/templates"


class Refused(Exception):
    pass


class Spawnd:
    def __init__(self, max_sandboxes=300, image_mb=1024, envd=None, conf="",
                 variant_env=None, wrap=(), templates=None):
        self.templates = templates or find_templates()
        self.dir = tempfile.mkdtemp(prefix="coptest-")
        os.chmod(self.dir, 0o755)
        self.netns = "coptest%d" % os.getpid()
        self.bin = self.dir + "/libexec"
        self.state = self.dir + "/state"
        os.makedirs(self.state + "/templates")
        os.makedirs(self.bin)
        for src, dst in ((BIN + "/coppice-privd", "coppice-privd"),
                         (envd or BIN + "/tests/spawn_init", "envd")):
            shutil.copy(src, self.bin + "/" + dst)
        self.conf = self.dir + "/conf"
        with open(self.conf, "w") as f:
            f.write("state_dir = %s\nmax_sandboxes = %d\ndisk_image_mb = %d\n%s"
                    % (self.state, max_sandboxes, image_mb, conf))
        subprocess.run(["ip", "netns", "add", self.netns], check=True)
        subprocess.run(["ip", "-n", self.netns, "link", "set", "lo", "up"], check=True)
        self.proc = None
        self.wrap = list(wrap)
        h = 2166136261
        for c in self.state.encode():
            h = (h ^ c) * 16777619 % 2 ** 32
        self.group = "coppice-%08x" % h
        self.seq = 0
        self.events = []
        self.start()

    # --- the process --------------------------------------------------------

    def start(self):
        self.chan, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock, far2 = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for s in (self.chan, self.sock):
            s.settimeout(30)
        for s in (far, far2):
            s.setblocking(False)
        env = dict(os.environ,
                   COPPICE_FDS="spawn=%d,sock=%d" % (far.fileno(), far2.fileno()))
        self.log = open(self.dir + "/log", "ab")
        cmd = ["nsenter", "--net=/run/netns/" + self.netns, "unshare", "-m", "sh", "-c",
               'mount --bind "$0" "$1" && shift && exec "$@"',
               self.templates, self.state + "/templates"]
        self.proc = subprocess.Popen(
            cmd + self.wrap + [self.bin + "/coppice-privd", "spawn", "-f", self.conf],
            env=env, pass_fds=(far.fileno(), far2.fileno()), stderr=self.log,
            stdin=subprocess.DEVNULL, stdout=self.log)
        far.close()
        far2.close()
        self.found = []
        self.early = {}
        r = self.ask(HELLO)
        self.backend = r["backend"]
        while True:
            t, body = self.event()
            if t == EV_FOUND_END:
                break
            slot, inc = struct.unpack_from("=II", body)
            frozen, alive, pooled = struct.unpack_from("=BBB", body, 72)
            self.found.append(dict(slot=slot, inc=inc, id=text(body[8:40]),
                                   template=text(body[40:72]), frozen=frozen,
                                   alive=alive, pooled=pooled))

    def stop(self, sig=15):
        if self.proc is None:
            return None
        self.proc.send_signal(sig)
        rc = self.proc.wait(timeout=30)
        self.proc = None
        self.chan.close()
        self.sock.close()
        return rc

    def close(self, keep_log=False):
        """Ends everything and says what is left that should not be."""
        left = []
        self.stop()
        for tree in self.trees():
            for g in sorted(os.listdir(tree)):
                if os.path.isdir(tree + "/" + g):
                    left.append("group " + tree + "/" + g)
                    self.kill_group(tree + "/" + g)
            if not self.rmdir(tree):
                left.append("group " + tree)
        if failed or keep_log:
            with open(self.dir + "/log") as f:
                print("# " + "# ".join(f.readlines()[-30:]))
        subprocess.run(["ip", "netns", "del", self.netns])
        shutil.rmtree(self.dir)
        return left

    def trees(self):
        tops = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
        tops += ["/sys/fs/cgroup/" + c for c in ("memory", "pids", "cpu")]
        return [t + "/" + self.group for t in tops if os.path.isdir(t + "/" + self.group)]

    @staticmethod
    def rmdir(path):
        for _ in range(200):
            try:
                os.rmdir(path)
                return True
            except OSError:
                time.sleep(0.01)
        return False

    def kill_group(self, path):
        try:
            for pid in open(path + "/cgroup.procs").read().split():
                os.kill(int(pid), 9)
        except OSError:
            pass
        self.rmdir(path)

    def groups(self):
        out = set()
        for tree in self.trees():
            out |= {g for g in os.listdir(tree) if os.path.isdir(tree + "/" + g)}
        return out

    def pids(self, slot, inc=1):
        path = "%s/%d-%d/cgroup.procs" % (self.trees()[0], slot, inc)
        return sorted(map(int, open(path).read().split()))

    def restart(self):
        """After it ended by itself."""
        self.proc = None
        self.chan.close()
        self.sock.close()
        self.events = []
        self.start()

    def gone(self, slot, inc=1, wait=10):
        end = time.time() + wait
        while "%d-%d" % (slot, inc) in self.groups():
            if time.time() > end:
                return False
            time.sleep(0.01)
        return True

    def settled(self, wait=15):
        """Whether nothing is left but what is parked or runs."""
        end = time.time() + wait
        while self.groups():
            if time.time() > end:
                return False
            time.sleep(0.02)
        return True

    # --- messages -----------------------------------------------------------

    def post(self, type_, body=b"", flags=0, chan=None):
        self.seq += 1
        (chan or self.chan).send(HDR.pack(type_, flags, len(body), self.seq) + body)
        return self.seq

    def take(self, chan=None):
        msg, anc, _, _ = (chan or self.chan).recvmsg(65536, socket.CMSG_SPACE(64))
        fds = array.array("i")
        for level, kind, data in anc:
            if kind == socket.SCM_RIGHTS:
                fds.frombytes(data[:len(data) - len(data) % 4])
        if not msg:
            raise EOFError("privd is gone")
        return HDR.unpack_from(msg), msg[HDR.size:], list(fds)

    def reply(self, seq, chan=None):
        """Answers may come in another order than the questions."""
        while seq not in self.early:
            (type_, _, _, s), body, fds = self.take(chan)
            if s == 0:
                self.events.append((type_, body))
            else:
                self.early[s] = (body, fds)
        body, fds = self.early.pop(seq)
        rs, rc = struct.unpack_from("=Ii", body)
        assert rs == seq and len(body) == 496, (rs, seq, len(body))
        kind, sys_errno, where, msg = ERR.unpack_from(body, 8)
        r = dict(rc=rc, kind=kind, errno=sys_errno, msg=text(msg), fds=fds,
                 backend=text(body[424:488]))
        r.update(zip(("cpu_us", "mem_used", "mem_cache", "mem_total", "disk_used",
                      "disk_total", "pids", "oom_kills"), STAT.unpack_from(body, 368)))
        return r

    def ask(self, type_, body=b"", flags=0, chan=None, refuse=False):
        r = self.reply(self.post(type_, body, flags, chan), chan)
        if r["rc"] != 0 and not refuse:
            raise Refused(r["msg"])
        return r

    def event(self, wait=30):
        if self.events:
            return self.events.pop(0)
        self.chan.settimeout(wait)
        try:
            (type_, _, _, s), body, _ = self.take()
        finally:
            self.chan.settimeout(30)
        assert s == 0, (type_, s)
        return type_, body

    # --- what is asked ------------------------------------------------------

    def slots(self, first, n=1, inc=1):
        self.ask(SLOTS, struct.pack("=III", first, n, inc))
        for _ in range(n):
            self.slot_event()

    def slot_event(self):
        while True:
            t, body = self.event()
            if t == EV_SLOT:
                break
        slot, inc, rc = struct.unpack_from("=IIi", body)
        if rc != 0:
            raise Refused("slot %d: %s" % (slot, text(ERR.unpack_from(body, 12)[3])))
        return slot, inc

    def create_body(self, slot, inc=1, id_=None, template=BASE, cpu=1, mem=256,
                    disk=64, pids=128, keep=0):
        id_ = id_ or "i%020d" % slot
        return struct.pack("=II32s32s32s5I", slot, inc, id_.encode(), template.encode(),
                           bytes(range(32)), cpu, mem, disk, pids, keep)

    def create(self, slot, inc=1, **kw):
        refuse = kw.pop("refuse", False)
        r = self.ask(CREATE, self.create_body(slot, inc, **kw), refuse=refuse)
        for fd in r["fds"]:
            if not kw.get("fds"):
                os.close(fd)
        return r

    def ref(self, type_, slot, inc=1, flags=0, **kw):
        return self.ask(type_, struct.pack("=II", slot, inc), flags, **kw)

    def kill(self, slot, inc=1, keep=False):
        return self.ref(KILL, slot, inc, 1 if keep else 0)

    def socket(self, slot, inc=1, n=1, family=4, chan=None, refuse=False):
        r = self.ask(SOCK, struct.pack("=IIII", slot, inc, n, family),
                     chan=chan or self.sock, refuse=refuse)
        return r if refuse else [socket.socket(fileno=f) for f in r["fds"]]

    def run(self, slot, command, inc=1, wait=20):
        """A shell command inside; what it printed."""
        s = self.socket(slot, inc)[0]
        s.setblocking(True)
        s.settimeout(wait)
        s.connect(("127.0.0.1", 49983))
        s.sendall(command.encode())
        s.shutdown(socket.SHUT_WR)
        out = b""
        while True:
            b = s.recv(65536)
            if not b:
                break
            out += b
        s.close()
        return out.decode(errors="replace").strip()
