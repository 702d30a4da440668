#!/usr/bin/env python3
"""tests/api/policy_rows.py - the rows of the bypass catalogue that are about
policies and the control plane, through the API.

C1, C2, C14, C16 and C17 are cases of network.py, more of C2 is churn.py.  What
the kernel should hold is worked out here, from the lists and from what it holds
without any: nothing of ours is asked for it."""
import contextlib
import ipaddress
import json
import os
import pathlib
import random
import re
import signal
import sys
import threading
import time

# Few slots, so that one is soon used again; sandboxes that outlive the daemon.
os.environ.setdefault("COP_CONF", "max_sandboxes = 16\npool_slots = 4")
os.environ.setdefault("COPPICED_ARGS", "")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import coppice
from coppice import NOBODY, Capture, Sandbox, api, case, host, note, same, until

ONE, EIGHT, NINE = "1.1.1.1", "8.8.8.8", "9.9.9.9"
EIGHT6 = "2001:4860:4860::8888"
ALL = "0.0.0.0/0"
BITS = {4: 32, 6: 128}
FAMILIES = (4, 6) if coppice.has_ipv6() else (4,)


# --- what the kernel holds, and what it should -------------------------------

def span(text):
    """First and last address of an entry, and its family."""
    if "-" in text:
        a, b = (ipaddress.ip_address(x) for x in text.split("-"))
        return a.version, int(a), int(b)
    n = ipaddress.ip_network(text, strict=False)
    mapped = getattr(n.network_address, "ipv4_mapped", None)
    if mapped:
        n = ipaddress.ip_network("%s/%d" % (mapped, n.prefixlen - 96), strict=False)
    return n.version, int(n[0]), int(n[-1])


def union(spans):
    out = []
    for a, b in sorted(spans):
        if out and a <= out[-1][1] + 1:
            out[-1][1] = max(out[-1][1], b)
        else:
            out.append([a, b])
    return [tuple(x) for x in out]


def minus(these, those):
    """Both are unions."""
    out, j = [], 0
    for a, b in these:
        while j < len(those) and those[j][1] < a:
            j += 1
        k = j
        while k < len(those) and those[k][0] <= b:
            if those[k][0] > a:
                out.append((a, those[k][0] - 1))
            a = those[k][1] + 1
            k += 1
        if a <= b:
            out.append((a, b))
    return out


def of(entries, family):
    if ALL in entries:
        return [(0, (1 << BITS[family]) - 1)]
    return union((a, b) for v, a, b in map(span, entries) if v == family)


def wanted(policy, family):
    """The meaning, in one line: what is public and allowed, or not denied."""
    denied = of([ALL] if policy.get("allow_internet_access") is False else policy.get("denyOut") or [], family)
    return minus(public()[family], minus(denied, of(policy.get("allowOut") or [], family)))


def loaded(sbx, family):
    """What the kernel lets this sandbox reach."""
    text = json.loads(host("nft", "-j", "list", "set", "inet", "coppice", "sb%d_ok%d" % (slot_of(sbx), family)))
    elements = [x["set"] for x in text["nftables"] if "set" in x][0].get("elem", [])
    return union(element(e) for e in elements)


def element(e):
    if isinstance(e, dict) and "elem" in e:
        e = e["elem"]["val"]
    if isinstance(e, str):
        return span(e)[1:]
    if "prefix" in e:
        return span("%s/%d" % (e["prefix"]["addr"], e["prefix"]["len"]))[1:]
    return span("-".join(e["range"]))[1:]


def slot_of(sbx):
    if not hasattr(sbx, "slot"):
        mine = sbx.sh("ip -4 -o addr show scope global | awk '{print $4}' | cut -d/ -f1 | head -n 1")
        sbx.slot = (int(ipaddress.ip_address(mine)) & 0xffff) // 2
    return sbx.slot


_public = {}


def public():
    """What the kernel holds for a sandbox that says nothing."""
    if not _public:
        sbx = Sandbox()
        _public.update({f: loaded(sbx, f) for f in FAMILIES})
        sbx.kill()
        v4 = _public[4]
        for inside, address in ((True, ONE), (True, EIGHT), (False, "10.0.0.1"), (False, "127.0.0.1"),
                                (False, "169.254.169.254"), (False, "255.255.255.255")):
            same(any(a <= span(address)[1] <= b for a, b in v4), inside, address)
    return _public


def stored(sbx):
    """The policy as GET has it, in the words of a PUT."""
    d = sbx.api("GET").json
    p = {k: v for k, v in (d.get("network") or {}).items() if k in ("allowOut", "denyOut")}
    return {**p, "allow_internet_access": d.get("allowInternetAccess", True)}


def agree(sbx):
    """Store and kernel say the same; what they say."""
    policy = stored(sbx)
    for f in FAMILIES:
        same(short(loaded(sbx, f)), short(wanted(policy, f)), "the kernel's set %d of %r" % (f, str(policy)[:200]))
    return policy


def short(spans):
    """Nobody reads 10,000 ranges."""
    return spans if len(spans) < 20 else (len(spans), hash(tuple(spans)))


def marks():
    """Marks that are live, and those that slots stamp with: the same."""
    text = json.loads(host("nft", "-j", "list", "table", "inet", "coppice"))["nftables"]
    live = [x["set"].get("elem", []) for x in text if x.get("set", {}).get("name") == "live"][0]
    gen = [x["map"].get("elem", []) for x in text if x.get("map", {}).get("name") == "gen"][0]
    return sorted(live), sorted(v for _, v in gen)


def is_policy(sbx, want):
    got = stored(sbx)
    return all((got.get(k) or []) == (want.get(k) or []) for k in ("allowOut", "denyOut"))


def gone(r, sbx):
    """404, or 409 with a sentence: what a PUT may meet in a race."""
    if r.status == 404:
        same(r.json["message"], 'Sandbox "%s" doesn\'t exist or you don\'t have access to it' % sbx.id)
    else:
        same(r.status, 409)
        assert re.fullmatch('Sandbox "%s" is (being (paused|killed|resumed)|already paused)' % sbx.id,
                            r.json["message"]), r


def at_once(*calls):
    """Runs them together, with a random head start; their results."""
    out = [None] * len(calls)
    ready = threading.Barrier(len(calls))

    def one(i):
        ready.wait()
        time.sleep(random.random() * 0.002)
        out[i] = calls[i]()
    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(calls))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return out


def some_policy():
    return random.choice((
        {"denyOut": [ONE]}, {"denyOut": [EIGHT]}, {}, {"denyOut": [ALL]}, {"denyOut": [ALL], "allowOut": [NINE]},
        {"denyOut": ["%d.0.0.0/8" % random.randrange(11, 100) for _ in range(random.randrange(1, 60))]},
        {"denyOut": ["1.0.0.0/8"], "allowOut": ["1.%d.0.0/16" % i for i in range(random.randrange(1, 60))]}))


# --- C3, C4: flows of another time -------------------------------------------

# One flow, from one socket: speaks if told to (/tmp/speak), and says what came
# back: "got", when the other end sent it (0: an echo), when it came.
FLOW = r"""
import os, select, socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 4242))
s.setblocking(False)
print("bound")
while True:
    if os.path.exists("/tmp/speak"):
        try:
            s.sendto(b"sent at " + struct.pack(">Q", time.monotonic_ns()), ("8.8.8.8", %d))
        except OSError:
            pass
    end = time.monotonic() + %g
    while time.monotonic() < end:
        if select.select([s], [], [], 0.005)[0]:
            try:
                got = s.recv(100)
                print("got", struct.unpack(">Q", got[8:16])[0], time.monotonic_ns())
            except OSError:
                pass
"""


class Flow:
    def __init__(self, sbx, port, speak=True):
        self.sbx = sbx
        self.speak(speak)
        # Every datagram to the pusher is fifteen seconds of pushes.
        self.command = sbx.python(FLOW % (port, 0.2 if port == 8 else 0.005), timeout_ms=280_000)
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()
        assert until(lambda: b"bound" in self.command.out), "no flow"

    def follow(self):
        with contextlib.suppress(Exception):
            while self.command.step():
                pass

    def speak(self, yes):
        if yes:
            self.sbx.write("/tmp/speak", b"")
        else:
            self.sbx.sh("rm -f /tmp/speak")

    def got(self):
        """(sent, arrived) of all that came back."""
        lines = self.command.out.decode().rpartition("\n")[0].splitlines()
        return [tuple(map(int, l.split()[1:])) for l in lines if l.startswith("got")]

    def comes(self, after, before=1 << 63):
        """How many came that were sent in this time."""
        return sum(1 for s, at in self.got() if after < s and at < before)


@case("C3: closed and opened again: a flow is judged by what holds now")
def _():
    sbx = Sandbox()
    echo = Flow(sbx, 7)
    assert until(lambda: echo.comes(0) > 20), "no echo"
    for _ in range(20):
        sbx.network(denyOut=[EIGHT])
        sbx.network()
    t = time.monotonic_ns()
    assert until(lambda: echo.comes(t) > 20), "dead, though all is open"
    # Closed two generations later, not by the next one.
    sbx.network(denyOut=[NINE])
    sbx.network(denyOut=[EIGHT])
    t = time.monotonic_ns()
    time.sleep(0.5)
    same(echo.comes(t), 0, "echoes of what was sent after the 204")
    agree(sbx)


@case("C3: the same, for a flow on which only the server speaks")
def _():
    sbx = Sandbox()
    push = Flow(sbx, 8)
    assert until(lambda: push.comes(0) > 20), "no push"
    push.speak(False)
    for last in (True, False, True):
        for _ in range(10):
            sbx.network(denyOut=[EIGHT])
            sbx.network(denyOut=[NINE])
        if last:
            sbx.network(denyOut=[EIGHT])
        t = time.monotonic_ns()
        time.sleep(0.5)
        n = push.comes(t)
        assert (n == 0) if last else (n > 10), "%d pushes came, while it was %s" % (n, "closed" if last else "open")


def reused(slot, seconds):
    """A new sandbox in this slot."""
    t0 = time.monotonic()
    while time.monotonic() < t0 + seconds:
        sbx = Sandbox()
        if slot_of(sbx) == slot:
            note("used again after %.0f ms" % ((time.monotonic() - t0) * 1e3))
            return sbx
        sbx.kill()
    raise AssertionError("the slot was not used again")


def is_new(sbx):
    """Hears nothing of what was before, and its flows are its own."""
    heard = Flow(sbx, 8, speak=False)  # the old port, and all is open
    count = "awk '!/lo:/ && /:/ { n += $3 } END { print n }' /proc/net/dev"
    n = int(sbx.sh(count))
    time.sleep(1)
    same(heard.comes(0), 0, "what the dead one was sent")
    assert int(sbx.sh(count)) - n <= 2, "packets came in"
    same(sbx.sh("curl -sm5 http://%s/" % ONE), "192.0.2.2 to " + ONE)
    sbx.network(denyOut=[ALL])
    same(sbx.run("curl -sm2 http://%s/" % ONE).exit_code, 7)
    agree(sbx)


@case("C4: the address of a dead sandbox, used again at once")
def _():
    a = Sandbox()
    push = Flow(a, 8)
    assert until(lambda: push.comes(0) > 20), "no push"
    slot, t = slot_of(a), time.monotonic()
    a.kill()
    is_new(reused(slot, 10))
    assert time.monotonic() < t + 13, "too slow: nobody pushes any more"


@case("C4: the same, after connections that nobody closed")
def _():
    # Their FIN gets nowhere: they keep the old network until they give up.
    a = Sandbox()
    silent = a.python("import socket,time\nl=[socket.create_connection(('%s', 9001)) for _ in range(20)]\n"
                      "print('on')\ntime.sleep(100)" % ONE)
    silent.until(b"on")
    slot = slot_of(a)
    a.kill()
    is_new(reused(slot, 30))
    log = (pathlib.Path(coppice.STATE) / "log").read_text()
    assert "slots.failed" not in log, [l for l in log.splitlines() if "slots.failed" in l]


# --- C5: races ---------------------------------------------------------------

@case("C5: PUT against PUT")
def _():
    sbx = Sandbox()
    won = [0, 0]
    for _ in range(100):
        two = some_policy(), some_policy()
        answers = at_once(*(lambda p=p: sbx.api("PUT", "/network", p) for p in two))
        same([r.status for r in answers], [204, 204])
        agree(sbx)
        which = [is_policy(sbx, p) for p in two]
        assert any(which), "neither %r" % (two,)
        # The later generation is the one that holds.
        order = [int(r.headers["Coppice-Generation"]) for r in answers]
        assert which[order.index(max(order))], (order, which)
        won[order.index(max(order))] += 1
    note("the first was last %d times of 100" % won[0])
    live, gens = marks()
    same(live, gens, "marks of nobody")


@case("C5: PUT against pause")
def _():
    sbx = Sandbox()
    met = {}
    for _ in range(50):
        before, new = stored(sbx), some_policy()
        put, pause = at_once(lambda: sbx.api("PUT", "/network", new), lambda: sbx.api("POST", "/pause"))
        same(pause.status, 204)
        met[put.status] = met.get(put.status, 0) + 1
        if put.status != 204:
            gone(put, sbx)
            same(stored(sbx), before, "the policy before a refused PUT")
        else:
            assert is_policy(sbx, new), (stored(sbx), new)
        same(sbx.api("POST", "/resume", {"timeout": 300}).status, 201)
        assert put.status != 204 or is_policy(sbx, new), "lost in the pause"
        agree(sbx)
    note("answers to PUT: %r" % met)


@case("C5: PUT against kill")
def _():
    met = {}
    for _ in range(40):
        sbx = Sandbox()
        put, kill = at_once(lambda: sbx.api("PUT", "/network", some_policy()), lambda: sbx.kill())
        same(kill, 204)
        met[put.status] = met.get(put.status, 0) + 1
        if put.status != 204:
            gone(put, sbx)
        same(sbx.api("GET").status, 404)
        same(sbx.api("PUT", "/network", {}).status, 404)
    note("answers to PUT: %r" % met)

    def clean():
        live, gens = marks()
        return live == gens and len(gens) == len(coppice.list_ids())
    assert until(clean, 5), "marks of nobody: %r" % (marks(),)


# --- C6: kill -9 in mid-apply ------------------------------------------------

VICTIMS = ("coppice-apid", "coppice-privd rules", "coppice-privd spawn", "coppiced", "coppice-proxyd", "coppice-egressd")


def pid_of(name):
    return next((p for p, what in coppice.daemons().items() if what == name), None)


def shoot(name):
    """kill -9; the pid that is no more."""
    pid = until(lambda: pid_of(name), 15)
    assert pid, "%s is not running" % name
    os.kill(pid, signal.SIGKILL)
    return pid


def back(name, pid):
    if name == "coppiced":
        # What keeps the monitor alive is systemd, or `make run`; here, us.
        until(lambda: pid not in coppice.processes(), 5)
        coppice.daemon("start")
    assert until(lambda: pid_of(name) not in (None, pid), 15), name + " did not come back"
    assert until(coppice.answers, 15), "no health after the death of " + name


class Writer(threading.Thread):
    """Updates one sandbox's policy as fast as it can, until one fails."""

    def __init__(self, sbx, holds):
        super().__init__(daemon=True)
        self.sbx, self.holds, self.asked = sbx, holds, None
        self.n, self.stop, self.wrong = 0, False, None
        self.start()

    def run(self):
        while not self.stop:
            self.asked = [{"denyOut": [EIGHT] + ["11.%d.%d.0/24" % (self.n & 255, i) for i in range(0, 200, 2)]},
                          {"denyOut": [ALL], "allowOut": [EIGHT]},
                          {"denyOut": [ONE]}][self.n % 3]
            try:
                r = self.sbx.api("PUT", "/network", self.asked)
            except Exception:
                return
            if r.status != 204:
                self.wrong = r
                return
            self.holds, self.asked = self.asked, None
            self.n += 1


def reachable(sbx):
    return sbx.sh("for a in %s %s; do curl -so/dev/null -m2 http://$a/ && echo open || echo closed; done" % (ONE, EIGHT)).split()


@case("C6: kill -9 in the middle of an update")
def _():
    sbx = Sandbox()
    sbx.network(denyOut=[ONE])
    holds, updates = {"denyOut": [ONE]}, 0
    slot_of(sbx)
    public()
    for n in range(24):
        victim = VICTIMS[n % len(VICTIMS)]
        w = Writer(sbx, holds)
        time.sleep(0.05 + random.random() * 0.05)
        pid = shoot(victim)
        if victim in ("coppice-proxyd", "coppice-egressd"):
            w.stop = True
            w.join(20)
            # The core starts anew with proxyd; who asks meanwhile is told so.
            assert w.wrong is None or victim == "coppice-proxyd" and w.wrong.status == 503, w.wrong
        else:
            w.join(20)
        assert not w.is_alive(), "the client hangs"
        # Nothing but the old policy or the new one, even before the recovery.
        may = [p for p in (w.holds, w.asked) if p is not None]
        found = loaded(sbx, 4)
        assert found in [wanted(p, 4) for p in may], "%s: half of %r" % (victim, may)
        back(victim, pid)
        assert w.wrong is None or w.wrong.status >= 500, w.wrong
        now = agree(sbx)
        assert any(is_policy(sbx, p) for p in may), "%s: neither of %r, but %r" % (victim, may, now)
        live, gens = marks()
        same(live, gens, "marks of nobody")
        # And the next one works.
        holds = {"denyOut": [(ONE, EIGHT)[n & 1]]}
        sbx.network(**holds)
        agree(sbx)
        same(reachable(sbx), ["open", "closed"] if n & 1 else ["closed", "open"])
        updates += w.n
    note("%d updates, 24 deaths" % updates)
    assert updates > 24, "hardly ever in the middle of one"


# --- C7, C8: lists -----------------------------------------------------------

HOSTS = ["%d.%d.%d.%d" % (11 + i % 80, i >> 12 & 255, i >> 4 & 255, i & 15) for i in range(10000)]

LISTS = {
    "duplicates": {"denyOut": [EIGHT, EIGHT + "/32", EIGHT, "8.8.8.8/32"], "allowOut": [ONE, ONE]},
    "nested": {"denyOut": ["8.0.0.0/8", "8.8.0.0/16", EIGHT, "8.0.0.0/7"], "allowOut": ["8.8.8.0/24", "8.8.8.0/30"]},
    "overlapping": {"denyOut": ["8.8.8.0/23", "8.8.9.0/24", "8.8.8.128/25"], "allowOut": ["8.8.9.128/25", "8.8.9.0/24"]},
    "adjacent": {"denyOut": ["8.8.8.0/25", "8.8.8.128/25", "8.8.9.0/24", "8.8.10.0", "8.8.10.1"]},
    "reversed": {"denyOut": ["%d.0.0.0/8" % i for i in range(99, 10, -1)], "allowOut": [NINE, EIGHT, ONE]},
    "host bits": {"denyOut": ["8.8.8.8/16", "1.1.1.1/9"], "allowOut": ["8.8.4.4/22"]},
    "everything, and others": {"denyOut": [ALL, EIGHT, "1.0.0.0/8", ALL], "allowOut": [ONE, "9.0.0.0/8"]},
    "both halves": {"denyOut": ["1.0.0.0/1", "128.0.0.0/1"], "allowOut": [ONE]},
    "to the top": {"denyOut": ["192.0.0.0/2", "255.255.255.255"], "allowOut": ["223.255.255.255", "255.255.255.255/32"]},
    "at the edges of what is never allowed": {"denyOut": ["9.255.255.255", "11.0.0.0"],
                                              "allowOut": ["9.0.0.0/7", "10.0.0.0/8", "172.15.255.255/11"]},
    "10,000 addresses": {"denyOut": HOSTS},
    "10,000 of each": {"denyOut": HOSTS, "allowOut": HOSTS[5000:] + HOSTS[:5000]},
    "10,000 holes": {"denyOut": [ALL], "allowOut": HOSTS},
    "10,000 times the same": {"denyOut": [EIGHT] * 10000},
    "no internet, holes": {"allow_internet_access": False, "denyOut": [ONE], "allowOut": ["8.0.0.0/8", NINE]},
    "nothing but allows": {"allowOut": [ONE, "0.0.0.0/0"]},
    "IPv6": {"denyOut": ["2001:4860::/32", "2606:4700:4700::1111/48", "8000::/1"], "allowOut": [EIGHT6, "2606:4700::/33"]},
    "IPv6 to the top": {"denyOut": ["4000::/2", "8000::/1"], "allowOut": ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]},
    "mapped": {"denyOut": ["::ffff:8.8.8.8", "::ffff:1.0.0.0/104"]},
}


def odd_list(name, policy):
    @case("C7: " + name)
    def _():
        sbx = Sandbox()
        public()
        for lists in (policy, {k: v[::-1] if isinstance(v, list) else v for k, v in policy.items()}):
            sbx.network(**lists)
            assert is_policy(sbx, lists), "not shown as written"
            agree(sbx)


for name, policy in LISTS.items():
    odd_list(name, policy)


@case("C7: one entry too many")
def _():
    sbx = Sandbox()
    sbx.network(denyOut=[NINE])
    for field in ("allowOut", "denyOut"):
        for body in ({field: HOSTS + [EIGHT]}, {field: [EIGHT] * 10001}):
            r = sbx.api("PUT", "/network", body)
            same(r.status, 400)
            for word in (field, "10001", "10000"):
                assert word in r.json["message"].replace(",", ""), r
    same(agree(sbx)["denyOut"], [NINE])
    r = api("POST", "/v2/sandboxes", {"templateID": "base", "network": {"denyOut": [EIGHT] * 10001}})
    same(r.status, 400)


@case("C8: everything in both lists")
def _():
    sbx = Sandbox(network={"allowOut": [ALL], "denyOut": [ALL]})
    same({f: loaded(sbx, f) for f in FAMILIES}, public())
    agree(sbx)
    same(reachable(sbx), ["open", "open"])
    for private in ("10.99.0.1", "172.16.99.1", "192.168.99.1", "169.254.169.254", "100.64.99.1"):
        assert "to " + private in host("curl", "-sm3", "http://%s/" % private), "not there"
        assert sbx.run("curl -sm2 http://%s/" % private).exit_code in (7, 28), private


# --- C9, C10, C12: hostile bodies --------------------------------------------

POISON = ["1.1.1.1; flush ruleset", "1.1.1.1\nflush ruleset\n", "1.1.1.1 }; delete table inet coppice", '"', "'", "`id`",
          "${e2b.secrets.X}", "$(reboot)", "1.1.1.1\0", "1.1.1.1/32 comment \"x\"", "@live", "sb1_ok4", "1.1.1.1,8.8.8.8",
          "1.1.1.1-9.9.9.9", "0.0.0.0/0;", "1.1.1.1\r\nX-Header: y", "\u202e1.1.1.1", "1.1.1.1\u3002", "!8.8.8.8", "any",
          "include \"/etc/passwd\"", "# comment", "%n%s%x", "../../etc/passwd", "1.1.1.1 ", " 1.1.1.1", "\t8.8.8.8", "a" * (1 << 20)]


def rules_text():
    """The rules without what counts and what is counted."""
    text = host("nft", "-s", "list", "ruleset")
    return re.sub(r"counter packets \d+ bytes \d+", "counter", text)


@case("C9: rules, quotes and a MiB in every field go nowhere")
def _():
    sbx = Sandbox()
    sbx.network(denyOut=[NINE])
    ours, before = coppice.daemons(), rules_text()
    for bad in POISON:
        bodies = [{"denyOut": [bad]}, {"denyOut": [ALL, bad]}, {"allowOut": [bad]}, {"allowOut": [EIGHT, bad]},
                  {"egressProxy": {"address": bad}}, {"egressProxy": {"address": "9.9.9.9:1", "username": bad, "password": bad}},
                  {"rules": {bad: [{"transform": {"headers": {"X-A": "b"}}}]}},
                  {"rules": {"a.example": [{"transform": {"headers": {bad: bad}}}]}}, {"allow_internet_access": bad}]
        for body in bodies:
            for r in (sbx.api("PUT", "/network", body),
                      api("POST", "/v2/sandboxes", {"templateID": "base", "network": body} if "allow_internet_access" not in body
                          else {"templateID": "base", **body})):
                assert r.status in (400, 403, 413), (bad[:40], body.keys(), r)
                if r.status != 413:
                    same(r.json["code"], r.status)
                    assert len(r.raw) < 1000 and "\n" not in r.json["message"], "the message repeats the input"
    same(rules_text(), before, "the rules")
    same(coppice.daemons(), ours, "a process of ours died")
    same(coppice.list_ids(), [sbx.id])
    same(agree(sbx)["denyOut"], [NINE])


# Status, and what GET shows afterwards (None: as before).
ODD_JSON = [
    (b'{"denyOut":["1.1.1.1"],"denyOut":["8.8.8.8"]}', 204, {"denyOut": [EIGHT]}),  # the last one wins
    (b'{"allowOut":["nonsense"],"allowOut":["8.8.8.8"]}', 204, {"allowOut": [EIGHT]}),
    (b'{"denyOut":["8.8.8.8"],"denyOut":null}', 204, {}),
    (b'{"deny\\u004fut":["8.8.8.8"]}', 204, {"denyOut": [EIGHT]}),
    (b'{"denyOut":["8.8.8\\u002e8"]}', 204, {"denyOut": ["8.8.8.8"]}),
    (b'{"DENYOUT":["8.8.8.8"],"x":' + b"[" * 60 + b"]" * 60 + b"}", 204, {}),  # nobody knows these
    (b'{"denyOut":["8.8.8.8"],"n":123456789012345678}', 204, {"denyOut": [EIGHT]}),
    (b' \t\r\n{ "denyOut" : [ "8.8.8.8" ] }\n', 204, {"denyOut": [EIGHT]}),
    (b'{"denyOut":' + b"[" * 100000 + b"]" * 100000 + b"}", 400, None),
    (b'{"x":' + b'{"x":' * 100000 + b"1" + b"}" * 100001, 400, None),
    (b'{"allow_internet_access":"false"}', 400, None),
    (b'{"allow_internet_access":0}', 400, None),
    (b'{"denyOut":"8.8.8.8"}', 400, None),
    (b'{"denyOut":{"0":"8.8.8.8"}}', 400, None),
    (b'{"denyOut":[134744072]}', 400, None),
    (b'{"denyOut":["134744072"]}', 400, None),
    (b'{"denyOut":[["8.8.8.8"]]}', 400, None),
    (b'{"denyOut":["8.8.8.8",]}', 400, None),
    (b'{"denyOut":["8.8.8.8"]', 400, None),
    (b'{"denyOut":["8.8.8.8"]}{}', 400, None),
    (b"{'denyOut':[]}", 400, None),
    (b'{"denyOut":["8.8.8.8\\u0000"]}', 400, None),
    (b'{"denyOut\\u0000x":["8.8.8.8"]}', 400, None),
    (b'\xef\xbb\xbf{"denyOut":["8.8.8.8"]}', 400, None),  # a byte order mark
    (b'{"denyOut":["8.8.8.8\xff"]}', 400, None),
    (b'{"denyOut":["\xed\xa0\x80"]}', 400, None),
    (b'{"denyOut":["\xc0\xb8.8.8.8"]}', 400, None),
    (b'{"\xfe":1}', 400, None),
    ('{"denyOut":["8.8.8.8"]}'.encode("utf-16"), 400, None),
    (b'{"n":1e999}', 400, None),
    (b"[]", 400, None), (b"null", 400, None), (b'"denyOut"', 400, None), (b"", 400, None),
]


@case("C10: odd JSON")
def _():
    sbx = Sandbox()
    ours = coppice.daemons()
    for body, status, shows in ODD_JSON:
        sbx.network(denyOut=[NINE])
        r = sbx.api("PUT", "/network", body)
        same(r.status, status, "%r: %r" % (body[:60], r))
        if status == 400:
            same(r.json["code"], 400)
            assert r.json["message"], r
        assert is_policy(sbx, {"denyOut": [NINE]} if shows is None else shows), (body[:60], stored(sbx))
        agree(sbx)
    same(coppice.daemons(), ours, "a process of ours died")


@case("C12: secrets are refused, and shown nowhere")
def _():
    sbx = Sandbox()
    word = "correct-horse-battery"
    proxy = {"egressProxy": {"address": "9.9.9.9:1080", "username": "u", "password": word}}
    rules = {"rules": {"a.example": [{"transform": {"headers": {"Authorization": "Bearer " + word}}}]}}
    for method, path, wrap, where in (("PUT", "/sandboxes/%s/network" % sbx.id, lambda n: n, "egressProxy"),
                                      ("POST", "/v2/sandboxes", lambda n: {"templateID": "base", "network": n}, "network.egressProxy")):
        for body, status, message in (
                (proxy, 403, "Egress proxy (%s) is not enabled for this team." % where),
                (rules, 400, "Network transform rules are not available for your team.")):
            r = api(method, path, wrap(body))
            same((r.status, r.json["message"]), (status, message))
            assert word not in r.raw.decode(), "repeated"
    r = api("PUT", "/sandboxes/%s/network" % NOBODY, rules)
    same(r.status, 404, "transforms for a sandbox that is not there")
    for path in ("/sandboxes/" + sbx.id, "/v2/sandboxes", "/sandboxes", "/sandboxes/%s/logs" % sbx.id):
        r = api("GET", path)
        same(r.status, 200)
        assert word not in r.raw.decode(), path
    state = pathlib.Path(coppice.STATE)
    for f in [state / "log", *state.glob("state/*.db*")]:
        assert word.encode() not in f.read_bytes(), "%s has it" % f.name


# --- C15: before there are rules ---------------------------------------------

# Speaks to port %d as soon as there is anybody to do so, in every way it can.
EARLY = ("for i in $(seq 300); do echo x >/dev/udp/8.8.8.8/%d; echo x >/dev/udp/2001:4860:4860::8888/%d; "
         "[ $((i %% 30)) != 0 ] || timeout 1 bash -c '</dev/tcp/8.8.8.8/%d'; done 2>/dev/null; true")


@case("C15: a storm of creates; nothing gets out before its rules are in")
def _():
    closed = [{"allow_internet_access": False}, {"network": {"denyOut": [ALL]}}, {"network": {"denyOut": [EIGHT, EIGHT6]}},
              {"network": {"denyOut": [ALL], "allowOut": [ONE]}}]
    failed = []

    def one(i):
        body, port = (closed[i % 4], 5000) if i % 5 else ({}, 6000)
        try:
            sbx = Sandbox(**body)
            sbx.sh(EARLY % (port, port, port))
            if i % 3 == 0:
                sbx.kill()
        except Exception as e:
            failed.append(e)
    with Capture() as c:
        for wave in range(3):
            threads = [threading.Thread(target=one, args=(i,)) for i in range(12)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            coppice.kill_all()
    same(failed, [])
    # All that there is, whoever sent it and whenever; what the host itself says
    # (its neighbours, its own ICMP) is between it and its uplink.
    neighbours = ("fe80", "ff02:", "192.0.2.1", "2001:db8:2::1")
    there = [r for r in c.rows if not (r[2].startswith("fe80") or r[3].startswith(neighbours))]
    ports = {r[5] for r in there if r[1] in (6, 17)}
    assert ports <= {6000}, "packets to %r" % sorted(ports - {6000})
    same({r[2] for r in there if "." in r[2]}, {"192.0.2.2"}, "sources")
    same({r[3] for r in there} - {EIGHT, EIGHT6}, set(), "destinations")
    n = len([r for r in there if r[5] == 6000])
    assert n > 1000, "only %d of those that are allowed" % n
    note("%d packets of those that may, none of the others" % n)


@case("C15: no rules, no process")
def _():
    # Who makes the rules is stopped: whatever is created waits for them.
    Sandbox()
    rules = pid_of("coppice-privd rules")
    envds = len([n for n in coppice.processes().values() if n.startswith("envd")])
    made = []
    os.kill(rules, signal.SIGSTOP)
    try:
        t = threading.Thread(target=lambda: made.append(Sandbox(network={"denyOut": [EIGHT]})))
        t.start()
        time.sleep(1)
        same(len([n for n in coppice.processes().values() if n.startswith("envd")]), envds, "processes without rules")
        same(made, [])
    finally:
        os.kill(rules, signal.SIGCONT)
    t.join(20)
    same(len(made), 1, "made once there are rules")
    same(reachable(made[0]), ["open", "closed"])


coppice.main()
