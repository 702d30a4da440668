#!/usr/bin/env python3
"""One sandbox of coppice-privd spawn: what is around it holds."""
import os
import struct
import sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from spawnd import *  # noqa: F403

if os.geteuid() != 0:
    skip("needs root")


def mounts():
    # The test's own network namespace is one of them.
    return [m for m in open("/proc/self/mountinfo") if "coptest" not in m]


def refused(r, kind, what):
    check(r["rc"] != 0 and r["kind"] == kind and r["msg"], "%s: %s" % (what, r))


INVALID, NOTFOUND, CONFLICT = 1, 4, 5

# Run inside with python3: each line is CALL ERRNO-NAME.
CALLS = r"""
import ctypes, errno, os, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(name, nr, *args):
    r = libc.syscall(ctypes.c_long(nr), *[ctypes.c_long(a) for a in args])
    if r == 0 and name.startswith('clone'):
        pass
    print(name, 'ok' if r >= 0 else errno.errorcode[ctypes.get_errno()])
for name, flag in (('newns', 0x20000), ('newuser', 0x10000000), ('newnet', 0x40000000),
                   ('newpid', 0x20000000), ('newipc', 0x8000000), ('newuts', 0x4000000)):
    call('unshare-' + name, 272, flag)
    call('clone-' + name, 56, flag | 17, 0, 0, 0, 0)
call('clone3', 435, 0, 0)
call('setns', 308, 0, 0)
call('mount', 165, 0, 0, 0, 0, 0)
call('umount2', 166, 0, 0)
call('pivot_root', 155, 0, 0)
for n, nr in (('open_tree', 428), ('move_mount', 429), ('fsopen', 430), ('fsmount', 432),
              ('mount_setattr', 442), ('open_tree_attr', 467), ('bpf', 321), ('perf_event_open', 298),
              ('userfaultfd', 323), ('io_uring_setup', 425), ('keyctl', 250), ('add_key', 248),
              ('request_key', 249), ('open_by_handle_at', 304), ('reboot', 169),
              ('kexec_load', 246), ('init_module', 175), ('syslog', 103), ('acct', 163),
              ('swapon', 167), ('iopl', 172), ('process_madvise', 440), ('move_pages', 279),
              ('quotactl', 179), ('settimeofday', 164)):
    call(n, nr, 0, 0, 0, 0, 0)
for fam in (0, 3, 9, 15, 17, 21, 29, 31, 38, 40, 44, 45, 64, 1 << 20):
    call('socket-%d' % fam, 41, fam, 1, 0)
call('socket-high', 41, (7 << 32) | 17, 3, 0)
pair = (ctypes.c_int * 2)()
for fam in (0, 2, 3, 16, 30, 40, 1 << 20):
    call('socketpair-%d' % fam, 53, fam, 5, 0, ctypes.addressof(pair))
call('good-socketpair', 53, 1, 1, 0, ctypes.addressof(pair))
for proto in (4, 12, 16):
    call('netlink-%d' % proto, 41, 16, 3, proto)
call('netlink-high', 41, 16, 3, (1 << 32) | 12)
for proto in (33, 115, 132, 136, 256):
    for fam in (2, 10):
        for kind in (1, 2, 5, 6):
            call('proto-%d-%d-%d' % (proto, fam, kind), 41, fam, kind, proto)
call('proto-high', 41, (7 << 32) | 2, 1, (3 << 32) | 132)
for fam in (2, 10):
    call('good-tcp-%d' % fam, 41, fam, 1, 6)
    call('good-udp-%d' % fam, 41, fam, 2, 17)
for fam in (1, 2, 10):
    call('good-socket-%d' % fam, 41, fam, 1, 0)
call('good-netlink', 41, 16, 3, 0)
call('ptrace-1', 101, 16, 1, 0, 0)
call('ptrace-seize-1', 101, 0x4206, 1, 0, 0)
call('mknod', 133, 0, 0, 0)
"""


def rights(s):
    status = s.run(1, "cat /proc/self/status")
    for line in ("CapPrm:\t00000000a00425fb", "CapEff:\t00000000a00425fb",
                 "CapBnd:\t00000000a00425fb", "CapInh:\t0000000000000000",
                 "NoNewPrivs:\t0", "Seccomp:\t2"):
        check(line in status, "status has %r" % line)
    s.run(1, "cat > /tmp/calls.py <<'END'\n%s\nEND" % CALLS)
    for user in ("", "@1000 "):
        got = dict(l.split() for l in s.run(1, user + "python3 /tmp/calls.py").splitlines())
        check(len(got) > 50, "calls ran: %s" % got)
        for name, result in got.items():
            if name.startswith("good-"):
                check(result == "ok", "%s%s: %s" % (user, name, result))
            elif name == "clone3":
                check(result == "ENOSYS", "%s: %s" % (name, result))
            elif name.startswith("socket"):
                check(result == "EAFNOSUPPORT", "%s: %s" % (name, result))
            elif name.startswith(("netlink-", "proto-")):
                check(result == "EPROTONOSUPPORT", "%s: %s" % (name, result))
            elif name == "mknod":
                check(result != "ok", "%s: %s" % (name, result))
            else:
                check(result == "EPERM", "%s%s: %s" % (user, name, result))
    check(s.run(1, "cat /proc/sys/user/max_user_namespaces") == "0", "no user namespaces")
    check(s.run(1, "echo 5 > /proc/sys/user/max_user_namespaces; "
                   "cat /proc/sys/user/max_user_namespaces").endswith("0"), "and it stays so")
    # A user of another architecture's numbers gets nowhere either.
    check("nothing" in s.run(1, "chroot / echo nothing"), "chroot works")
    check("uid=0" in s.run(1, "@1000 sudo id"), "sudo works without a password")
    check("uid=1000(user)" in s.run(1, "su user -c id"), "su works")
    check("1 received" in s.run(1, "@1000 ping -c1 -W2 127.0.0.1"), "ping works for users")
    check("ok" in s.run(1, "mknod /tmp/d c 1 3 2>&1 || echo ok"), "no device nodes")
    check("ok" in s.run(1, "mkfifo /tmp/fifo && echo ok"), "fifos")
    check("cap_net_raw" in s.run(1, "cp /bin/true /tmp/t; setcap cap_net_raw+ep /tmp/t && "
                                    "getcap /tmp/t") or
          "not found" in s.run(1, "setcap -h 2>&1"), "file capabilities")


def envd_is_hidden(s):
    for path in ("mem", "environ", "maps", "exe", "fd", "ns/net", "root", "cwd"):
        out = s.run(1, "(cat /proc/1/%s || ls -l /proc/1/%s) 2>&1 | head -c 300" % (path, path))
        check("denied" in out or "not permitted" in out, "/proc/1/%s: %r" % (path, out))
    s.run(1, "kill -9 1; kill -STOP 1; kill -TERM 1")
    check(s.run(1, "echo alive") == "alive", "process 1 shrugs signals off")


def identity(s):
    ID = "i%020d" % 1
    check(s.run(1, "hostname; cat /etc/hostname") == ID + "\n" + ID, "host name")
    check(s.run(1, "cat /etc/resolv.conf") == "nameserver 10.78.0.1", "resolver")
    check(ID in s.run(1, "cat /etc/hosts"), "hosts")
    mine = s.run(1, "cat /proc/sys/kernel/random/boot_id")
    check(len(mine) == 36 and mine != open("/proc/sys/kernel/random/boot_id").read().strip(),
          "own boot id: %r" % mine)
    check(mine != s.run(2, "cat /proc/sys/kernel/random/boot_id"), "another has another")
    machine = s.run(1, "cat /etc/machine-id")
    check(len(machine) == 32 and machine != s.run(2, "cat /etc/machine-id"), "machine id")
    boot = s.run(1, "boot")
    for line in ("id=" + ID, "template=" + BASE, "secret=" + bytes(range(32)).hex(),
                 "cpu=1", "memory_mb=256", "disk_mb=64"):
        check(line in boot.splitlines(), "boot record has %r: %r" % (line, boot))
    check(s.run(1, "nproc") == "1", "nproc says what was bought")
    check(s.run(1, "umask") == "0022", "umask")
    check(s.run(1, "env | sort").startswith("PATH="), "environment: PATH alone")
    check(s.run(1, "ps -e --no-headers | wc -l; ls /proc | grep -c '^[0-9]'").split()[0] in
          ("3", "4", "5"), "sees its own processes only")
    check(s.run(1, "ls /proc/self/fd").split() == ["0", "1", "2", "3"], "no descriptor leaks: %s"
          % s.run(1, "ls -l /proc/self/fd"))
    pid1 = [p for p in s.pids(1)]
    fds = os.listdir("/proc/%d/fd" % pid1[0])
    check(sorted(map(int, fds))[:4] == [0, 1, 2, 3] and len(fds) <= 5,
          "process 1 holds %s" % fds)


def files(s):
    check(s.run(1, "cat /proc/kcore /proc/kmsg /proc/keys 2>/dev/null | wc -c") == "0", "masks")
    check("ok" in s.run(1, "touch /dev/x 2>&1 || echo ok"), "/dev is fixed")
    check("ok" in s.run(1, "rm /dev/null 2>&1 || echo ok; chmod 0 /dev/null 2>/dev/null"),
          "nodes stay")
    check(oct(os.stat("/dev/null").st_mode)[-3:] == "666", "the host's too")
    check("ok" in s.run(1, "echo mine > /dev/shm/x && echo ok"), "/dev/shm")
    check("No such" in s.run(2, "cat /dev/shm/x 2>&1"), "/dev/shm is its own")
    check("pts" in s.run(1, "script -qc tty /dev/null"), "pseudo-terminals")
    check(s.run(1, "python3 -c 'import os\nfor n in range(300):\n try: os.open(\"/dev/ptmx\", 2)\n"
                   " except OSError: break\nprint(n)'") == "256", "and an end of them")
    check("ok" in s.run(1, "echo b > /proc/sysrq-trigger 2>&1 || echo ok"), "no sysrq")
    for d in ("state", "disk", "eve", "new", "envd"):
        check("No such" in s.run(1, "ls /%s 2>&1" % d), "/%s is not seen" % d)
    check(s.run(1, "touch /a /root/b /home/user/c /usr/local/d && echo ok") == "ok", "writable")
    check("1000" in s.run(1, "stat -c %u /home/user"), "ids are plain inside")
    check("ok" in s.run(1, "chown 65536 /a 2>&1 || echo ok"), "ids end at 65535")
    check(s.run(1, "chown 65534 /a && stat -c %u /a") == "65534", "and go that far")
    check("ok" in s.run(1, "cat /sys/kernel/x 2>/dev/null; ls /sys | wc -l | grep -q '^0$' && "
                           "echo ok"), "no /sys of the host")


def network(s):
    ns = ["ip", "-n", s.netns]
    out = subprocess.run(ns + ["-d", "link", "show", "cop1"], capture_output=True, text=True).stdout
    for want in ("NOARP", "02:c0:71:00:00:01", "group 1919", "state UP"):
        check(want in out, "host end has %s: %s" % (want, out))
    out = subprocess.run(ns + ["addr", "show", "cop1"], capture_output=True, text=True).stdout
    check("10.78.0.2/31" in out, "host address: " + out)
    out = subprocess.run(ns + ["neigh", "show", "dev", "cop1"], capture_output=True, text=True).stdout
    check("10.78.0.3 lladdr 02:c0:70:00:00:01 PERMANENT" in out, "neighbour: " + out)
    check("inet6" not in subprocess.run(ns + ["-6", "addr", "show", "cop1", "scope", "link"],
                                        capture_output=True, text=True).stdout, "no link-local")
    inside = s.run(1, "ip -4 addr show eth0; ip route; ip neigh; ip link show eth0")
    for want in ("10.78.0.3/31", "default via 10.78.0.2 dev eth0", "onlink", "NOARP",
                 "10.78.0.2 dev eth0 lladdr 03:c0:71:00:00:01 PERMANENT", "02:c0:70:00:00:01"):
        check(want in inside, "inside has %s: %s" % (want, inside))
    check("1 received" in s.run(1, "ping -c1 -W2 10.78.0.2"), "reaches the host's end")
    # There is no rule here, so nobody says that a frame to a group is the host's.
    v6 = s.run(1, "ip -6 addr show eth0; ip -6 route")
    check("0 received" in s.run(1, "ping -c1 -W1 10.78.0.5"), "no table, no forwarding")
    if "fd77" in v6:
        check("0 received" in s.run(1, "ping -6 -c1 -W1 fd77::5"), "nor of IPv6")
    subprocess.run(["ip", "netns", "exec", s.netns, "nft", "add table inet t; add chain inet t c "
                    "{ type filter hook prerouting priority raw; }; "
                    "add rule inet t c iifgroup 1919 meta pkttype set host"], check=True)
    # Now 2 is reached through the host: by forwarding.
    check("1 received" in s.run(1, "ping -c1 -W2 10.78.0.5"), "packets are forwarded")
    if "fd77" in v6:
        check("fd77::3/127" in v6, "IPv6: " + v6)
        check("1 received" in s.run(1, "ping -6 -c1 -W2 fd77::5"), "IPv6 is forwarded")
    check("ok" in s.run(1, "ip link set eth0 down 2>&1 || echo ok"), "the link is the host's")
    check("ok" in s.run(1, "echo 0 > /proc/sys/net/ipv4/ip_forward 2>/dev/null || echo ok"),
          "and so are its settings")
    check("ok" in s.run(1, "ping -c1 -f -i 0 -W1 127.0.0.1 >/dev/null 2>&1; python3 -c \""
                           "import socket\ntry: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\n"
                           "except PermissionError: print('ok')\""), "no raw sockets")
    check("ok" in s.run(1, "@1000 python3 -c \"import socket; s=socket.socket(); "
                           "s.bind(('0.0.0.0',80)); print('ok')\""), "low ports")


def sockets(s):
    four = s.socket(1, n=3)
    check(len(four) == 3, "three sockets")
    four[0].setblocking(True)
    four[0].connect(("127.0.0.1", 49983))
    check(not os.get_blocking(four[1].fileno()), "non-blocking")
    six = s.socket(1, n=8, family=6)
    check(len(six) == 8 and six[0].family == socket.AF_INET6, "eight of IPv6")
    refused(s.socket(1, n=9, refuse=True), INVALID, "nine sockets")
    refused(s.socket(1, n=0, refuse=True), INVALID, "no socket")
    refused(s.socket(1, family=5, refuse=True), INVALID, "family 5")
    refused(s.socket(1, inc=9, refuse=True), NOTFOUND, "another tenant's")
    refused(s.socket(77, refuse=True), NOTFOUND, "an empty slot's")
    refused(s.socket(4000000000, refuse=True), NOTFOUND, "no slot's")


def wrong_requests(s):
    refused(s.ref(KILL, 3, refuse=True), NOTFOUND, "kill nobody")
    refused(s.ref(STATS, 1, 2, refuse=True), NOTFOUND, "stats of the next tenant")
    refused(s.create(1, refuse=True), CONFLICT, "create on a tenant")
    refused(s.create(9, refuse=True), NOTFOUND, "create on nothing")
    s.slots(3)
    for kw, kind in ((dict(id_="../x"), INVALID), (dict(id_="UP"), INVALID),
                     (dict(template="a/b"), INVALID), (dict(cpu=0), INVALID),
                     (dict(mem=1), INVALID), (dict(disk=0), INVALID), (dict(pids=1), INVALID),
                     (dict(keep=2), INVALID)):
        refused(s.create(3, refuse=True, **kw), kind, "create %s" % kw)
    refused(s.create(3, template="nosuch", refuse=True), NOTFOUND, "no such template")
    check(s.gone(3), "a slot half used is not used again")
    s.slots(3, inc=2)
    refused(s.create(3, inc=2, id_="i%020d" % 1, refuse=True), CONFLICT, "an id that is taken")
    check(s.run(1, "echo still") == "still", "and its owner keeps its files")
    for bad in ((0, 1, 1), (1, 0, 1), (300, 2, 1), (1, 1, 0), (1, 2 ** 32 - 1, 1)):
        refused(s.ask(SLOTS, struct.pack("=III", *bad), refuse=True), INVALID, "slots %s" % (bad,))
    refused(s.ask(DISCARD, (b"i%020d" % 1).ljust(32, b"\0"), refuse=True), CONFLICT,
            "discard files in use")


def killed_while_starting(s):
    for n in range(5, 10):
        s.slots(n)
        created = s.post(CREATE, s.create_body(n))
        killed = s.post(KILL, struct.pack("=II", n, 1))
        again = s.post(KILL, struct.pack("=II", n, 1))
        check(s.reply(killed)["rc"] == 0, "slot %d: the kill is answered" % n)
        check(s.reply(created)["rc"] != 0, "slot %d: the create too, and not as done" % n)
        refused(s.reply(again), CONFLICT, "slot %d: killed twice" % n)
        check(s.gone(n), "slot %d is empty" % n)


def from_an_earlier_version(s):
    """A running sandbox has the gateway that it was given; adoption gives it today's."""
    def of_gateway():
        return s.run(1, "ip neigh show 10.78.0.2; ip -6 neigh show fd77::2")

    now = of_gateway()
    check("03:c0:71:00:00:01 PERMANENT" in now, "today's gateway: " + now)
    for a in ("10.78.0.2", "fd77::2") if "fd77" in now else ("10.78.0.2",):
        subprocess.run(["nsenter", "-t", str(s.pids(1)[0]), "-n", "ip", "neigh", "replace", a,
                        "lladdr", "02:c0:71:00:00:01", "dev", "eth0", "nud", "permanent"], check=True)
    check("03:c0" not in of_gateway(), "an earlier version's gateway")
    s.proc.kill()
    s.proc.wait(timeout=20)
    s.restart()
    check(of_gateway() == now, "adopted with today's gateway: " + of_gateway())


def misfit(s):
    for bad in (b"", b"\0" * 3, HDR.pack(SPAWN_BAD, 0, 0, 1), HDR.pack(KILL, 0, 4, 1) + b"1234",
                HDR.pack(HELLO, 0, 0, 0), HDR.pack(KILL, 0, 8, 1)):
        if not bad:
            continue
        s.chan.send(bad)
        check(s.proc.wait(timeout=20) == 1, "ends over %r" % bad)
        s.restart()
    s.sock.send(HDR.pack(KILL, 0, 8, 1) + struct.pack("=II", 1, 1))
    check(s.proc.wait(timeout=20) == 1, "the proxy may ask for sockets alone")
    s.restart()
    check(s.run(1, "echo on") == "on", "the sandbox lives on")


SPAWN_BAD = 9
before = mounts()
s = Spawnd()
try:
    check(s.backend.startswith("image: btrfs"), s.backend)
    s.slots(1, 2)
    s.create(1)
    s.create(2)
    check(mounts() == before, "nothing in the host's mount table")
    for part in (rights, envd_is_hidden, identity, files, network, sockets, wrong_requests,
                 killed_while_starting, from_an_earlier_version, misfit):
        part(s)
    s.kill(1)
    s.kill(2)
    check(s.settled(), "groups and files are gone: %s" % s.groups())
    check(mounts() == before, "and still nothing in the mount table")
finally:
    left = s.close()
    check(left == [], "left: %s" % left)
finish()
