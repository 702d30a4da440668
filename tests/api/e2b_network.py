#!/usr/bin/env python3
"""tests/api/e2b_network.py - E2B's own network cases, through E2B's own SDK.

One case here for each one of E2B's integration tests of egress, in their order:
`out:` are those of sandbox_network_out_test.go, `update:` those of
sandbox_network_update_test.go; the comment in a case names the original.  The
internet is the world's (tests/lib/internet.py), where google.example is
8.8.8.8, cloudflare.example 1.1.1.1, and so on.

A case that allows names is skipped as long as the server answers them with 501,
in the words below; the day it does not, it runs."""
import contextlib
import os
import pathlib
import signal
import sys
import threading

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
PYTHON = TOP / "build/sdk-py/bin/python"
if pathlib.Path(sys.prefix).resolve() != PYTHON.parent.parent.resolve():
    if not (TOP / "build/sdk-py/ready").exists():
        print("no e2b package: run tools/setup")
        sys.exit(77)
    os.execv(PYTHON, [str(PYTHON), *sys.argv])
sys.path.insert(0, str(TOP / "tests/lib"))
import coppice
from coppice import Skip, api, case, same, until

from e2b import (ALL_TRAFFIC, CommandExitException, NotFoundException, Sandbox, SandboxException)

ONE, EIGHT, FOUR, NINE = "1.1.1.1", "8.8.8.8", "8.8.4.4", "9.9.9.9"
GOOGLE, CLOUDFLARE, GITHUB = "google.example", "cloudflare.example", "github.example"
NO_NAMES = ("501: allowOut holds names, and this server has no egress proxy to judge them:"
            " allow addresses or CIDRs instead")
NEEDS_DENY = ("400: When specifying allowed domains in allow out, you must include 'ALL_TRAFFIC' in deny out"
              " to block all other traffic.")
# What curl says when the network, and not its caller, is to blame: no such
# name, no connection, no time left, no TLS, nothing sent, nothing received.
NO_WAY = (6, 7, 28, 35, 52, 55, 56)


# --- helpers -----------------------------------------------------------------

@contextlib.contextmanager
def names(lists):
    """Around what sends a policy: a 501 to its names skips the case."""
    try:
        yield
    except SandboxException as e:
        if not str(e).startswith("501") or not any(c.isalpha() or c == "*" for a in lists for c in a):
            raise
        same(str(e), NO_NAMES)
        raise Skip("names in allowOut answer 501 until the egress proxy exists")


def create(allow=None, deny=None, **opts):
    network = {k: v for k, v in (("allow_out", allow), ("deny_out", deny)) if v is not None}
    with names(allow or []):
        sbx = Sandbox.create(timeout=60, network=network or None, **opts)
    coppice.Sandbox.alive[sbx.sandbox_id] = sbx
    return sbx


def update(sbx, allow=None, deny=None, internet=None):
    """SDK and server say nothing when it went well."""
    body = {k: v for k, v in (("allow_out", allow), ("deny_out", deny), ("allow_internet_access", internet))
            if v is not None}
    with names(allow or []):
        sbx.update_network(body)


def exit_code(sbx, command, **opts):
    """And all output, of a command that may fail."""
    try:
        r = sbx.commands.run(command, timeout=30, **opts)
        return 0, r.stdout + r.stderr
    except CommandExitException as e:
        return e.exit_code, e.stdout + e.stderr


def opens(sbx, *urls):
    for url in urls:
        code, out = exit_code(sbx, "curl --connect-timeout 5 --max-time 10 -Iks " + url)
        assert code == 0 and " 200 OK" in out, "%s should be reachable: %d %s" % (url, code, out)


def blocked(sbx, *urls):
    for url in urls:
        code, out = exit_code(sbx, 'RES_OPTIONS="timeout:1 attempts:1" curl --connect-timeout 3 --max-time 5 -Iks ' + url)
        assert code in NO_WAY and not out, "%s should be blocked: %d %s" % (url, code, out)


def https(*hosts):
    return ["https://" + h for h in hosts]


# dig, which the template does not have: asks a server for a name's address.
DIG = """python3 -c '
import socket, struct, sys
server, name = sys.argv[1:]
q = b"".join(bytes([len(l)]) + l.encode() for l in name.split("."))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
s.connect((server, 53))
for _ in range(2):
    try:
        s.send(struct.pack(">6H", 77, 0x100, 1, 0, 0, 0) + q + struct.pack(">xHH", 1, 1))
        print(socket.inet_ntoa(s.recv(512)[-4:]))
        break
    except OSError as e:
        if not isinstance(e, socket.timeout):
            sys.exit(9)
else:
    sys.exit(9)' """


def resolves(sbx, server, name=GOOGLE):
    same(exit_code(sbx, DIG + server + " " + name), (0, EIGHT + "\n"), "a query to " + server)


def resolves_not(sbx, server, name=GOOGLE):
    same(exit_code(sbx, DIG + server + " " + name), (9, ""), "a query to " + server)


def pause_and_resume(sbx):
    same(api("POST", "/sandboxes/%s/pause" % sbx.sandbox_id).status, 204)
    same(api("POST", "/sandboxes/%s/resume" % sbx.sandbox_id, {"timeout": 60}).status, 201)


# --- create ------------------------------------------------------------------

@case("out: one allowed address")
def _():
    # TestEgressFirewallAllowSpecificIP
    sbx = create([EIGHT], [ALL_TRAFFIC])
    opens(sbx, *https(EIGHT))
    blocked(sbx, *https(ONE))


@case("out: one blocked address")
def _():
    # TestEgressFirewallBlockSpecificIP
    sbx = create(deny=[ONE])
    blocked(sbx, *https(ONE))
    opens(sbx, *https(EIGHT))


@case("out: an allowed range")
def _():
    # TestEgressFirewallAllowCIDRRange
    sbx = create(["1.1.1.0/24"], [ALL_TRAFFIC])
    opens(sbx, *https(ONE))
    blocked(sbx, *https(EIGHT))


@case("out: a blocked range")
def _():
    # TestEgressFirewallBlockCIDRRange
    sbx = create(deny=["1.1.1.0/24"])
    blocked(sbx, *https(ONE, "1.1.1.2"))
    opens(sbx, *https(EIGHT))


@case("out: one allowed address while everything is blocked")
def _():
    # TestEgressFirewallAllowAndBlockCombination
    sbx = create([EIGHT], ["0.0.0.0/0"])
    opens(sbx, *https(EIGHT))
    blocked(sbx, *https(ONE))


@case("out: the policy is there after a resume")
def _():
    # TestEgressFirewallPersistsAfterResume
    sbx = create([EIGHT, FOUR], [ALL_TRAFFIC])
    opens(sbx, *https(EIGHT))
    blocked(sbx, *https(ONE))
    pause_and_resume(sbx)
    opens(sbx, *https(EIGHT, FOUR))
    blocked(sbx, *https(ONE))


@case("out: an empty list restricts nothing")
def _():
    # TestEgressFirewallEmptyConfig
    sbx = create([])
    opens(sbx, *https(EIGHT))


@case("out: everything allowed")
def _():
    # TestEgressFirewallAllowAll
    sbx = create([ALL_TRAFFIC], [ALL_TRAFFIC])
    opens(sbx, *https(EIGHT, ONE))


@case("out: allow over block")
def _():
    # TestEgressFirewallAllowOverridesBlock
    sbx = create([ONE], [ONE])
    opens(sbx, *https(ONE, EIGHT))


@case("out: in neither list is open")
def _():
    # TestEgressFirewallPartialAllowDenyDefaultAllow
    sbx = create([EIGHT], [ONE])
    opens(sbx, *https(EIGHT))
    blocked(sbx, *https(ONE))
    opens(sbx, *https(NINE))


@case("out: several allowed addresses")
def _():
    # TestEgressFirewallMultipleAllowedIPs
    sbx = create([EIGHT, FOUR, ONE], [ALL_TRAFFIC])
    opens(sbx, *https(EIGHT, FOUR, ONE))
    blocked(sbx, *https(NINE))


@case("out: no internet access, but what is allowed")
def _():
    # TestEgressFirewallWithInternetAccessFalse
    sbx = create([EIGHT], allow_internet_access=False)
    opens(sbx, *https(EIGHT))
    blocked(sbx, *https(ONE))


def private(name, allowed, target):
    @case("out: private ranges stay blocked: " + name)
    def _():
        # TestEgressFirewallPrivateIPRangesAlwaysBlocked.  The host can reach
        # the address, so that it is not just absent.
        assert coppice.host("curl", "-skm3", "https://%s/" % target).endswith("to %s\n" % target)
        blocked(create([allowed]), "http://" + target, "https://" + target)


private("10.0.0.0/8", "10.0.0.0/8", "10.99.0.1")
private("192.168.0.0/16", "192.168.0.0/16", "192.168.99.1")
private("172.16.0.0/12", "172.16.0.0/12", "172.16.99.1")
private("169.254.0.0/16", "169.254.0.0/16", "169.254.169.254")


@case("out: everything allowed, twice")
def _():
    # TestEgressFirewallAllowAllDuplicate
    sbx = create([ALL_TRAFFIC, ALL_TRAFFIC], [ALL_TRAFFIC])
    opens(sbx, *https(EIGHT, ONE))


@case("out: an address, then everything")
def _():
    # TestEgressFirewallRegularIPThenAllowAll
    sbx = create([EIGHT, ALL_TRAFFIC], [ALL_TRAFFIC])
    opens(sbx, *https(EIGHT, ONE))


@case("out: a name through the blocked internet")
def _():
    # TestEgressFirewallAllowDomainThroughBlockedInternet
    sbx = create([GOOGLE], [ALL_TRAFFIC])
    opens(sbx, *https(GOOGLE))
    blocked(sbx, *https(CLOUDFLARE))


@case("out: names below one, through the blocked internet")
def _():
    # TestEgressFirewallAllowWildcardDomainThroughBlockedInternet
    sbx = create(["*." + GOOGLE], [ALL_TRAFFIC])
    opens(sbx, *https("www." + GOOGLE, "maps." + GOOGLE))
    blocked(sbx, *https(CLOUDFLARE))


@case("out: a name is not the names below it")
def _():
    # TestEgressFirewallExactDomainMatchVsSubdomain
    sbx = create([GOOGLE], [ALL_TRAFFIC])
    opens(sbx, *https(GOOGLE))
    blocked(sbx, *https("www." + GOOGLE))


@case("out: every name")
def _():
    # TestEgressFirewallAllowAllDomainsWildcard
    sbx = create(["*"], [ALL_TRAFFIC])
    opens(sbx, *https(GOOGLE, CLOUDFLARE, GITHUB))


@case("out: case does not matter in names")
def _():
    # TestEgressFirewallDomainCaseInsensitive
    sbx = create(["Google.EXAMPLE"], [ALL_TRAFFIC])
    opens(sbx, *https(GOOGLE))
    blocked(sbx, *https(CLOUDFLARE))


@case("out: a name and an address")
def _():
    # TestEgressFirewallAllowDomainAndIP
    sbx = create([GOOGLE, "1.0.0.1"], [ALL_TRAFFIC])
    opens(sbx, *https(GOOGLE, "1.0.0.1"))
    blocked(sbx, *https(CLOUDFLARE, FOUR))


@case("out: HTTPS by address is judged by address")
def _():
    # TestEgressFirewallHTTPSByIPNoHostname.  It is the address of the name.
    sbx = create([CLOUDFLARE], [ALL_TRAFFIC])
    opens(sbx, *https(CLOUDFLARE))
    blocked(sbx, *https(ONE))


@case("out: a name is allowed after a resume, too")
def _():
    # TestEgressFirewallDomainPersistsAfterResume
    sbx = create([GOOGLE], [ALL_TRAFFIC])
    opens(sbx, *https(GOOGLE))
    blocked(sbx, *https(CLOUDFLARE))
    pause_and_resume(sbx)
    opens(sbx, *https(GOOGLE))
    blocked(sbx, *https(CLOUDFLARE))


@case("out: HTTP is judged by its Host")
def _():
    # TestEgressFirewallHTTPDomainFiltering
    sbx = create(["echo.example"], [ALL_TRAFFIC])
    opens(sbx, "http://echo.example/get")
    blocked(sbx, "http://plain.example")


@case("out: UDP to an allowed address")
def _():
    # TestEgressFirewallUDPAllowedIP
    sbx = create([EIGHT], [ALL_TRAFFIC])
    resolves(sbx, EIGHT)
    resolves_not(sbx, ONE)


@case("out: UDP to an allowed range")
def _():
    # TestEgressFirewallUDPAllowedCIDR
    sbx = create(["8.8.8.0/24"], [ALL_TRAFFIC])
    resolves(sbx, EIGHT)
    resolves_not(sbx, ONE)


@case("out: a forged address of an allowed name is of no use")
def _():
    # TestEgressFirewallDNSSpoofingNeutralized.  Who answered is in `Server`.
    sbx = create([GOOGLE], [ALL_TRAFFIC])

    def served_by():
        code, out = exit_code(sbx, "curl --connect-timeout 5 --max-time 10 -Iks https://" + GOOGLE)
        same(code, 0, out)
        return [l.split()[-1] for l in out.splitlines() if l.lower().startswith("server:")]
    true = ([EIGHT], ["2001:4860:4860::8888"])
    assert served_by() in true, served_by()
    exit_code(sbx, "echo '1.1.1.1 %s' >> /etc/hosts" % GOOGLE, user="root")
    same(exit_code(sbx, "getent ahostsv4 %s | head -n 1 | cut -d' ' -f1" % GOOGLE), (0, ONE + "\n"), "forged")
    assert served_by() in true, served_by()


def ssh(sbx):
    """SSH gets as far as the question for a key."""
    code, out = exit_code(sbx, "ssh -T -o StrictHostKeyChecking=accept-new -o ConnectTimeout=5 git@" + GITHUB)
    if "port 22" not in out and "internet" in out:
        raise Skip("no SSH server on this machine: run tools/setup")
    same(code, 255)
    assert "Permission denied (publickey)" in out, out


@case("out: SSH without a policy")
def _():
    # TestNoNetworkConfig_SSHWorks
    ssh(create())


@case("out: SSH with everything allowed and blocked")
def _():
    # TestWithNetworkConfig_SSHWorks
    ssh(create([ALL_TRAFFIC], [ALL_TRAFFIC]))


def keyserver(sbx):
    """A key over HKP; and a client that has said all, and waits."""
    code, out = exit_code(sbx, "gpg --keyserver hkp://keys.example --recv-key"
                               " 726B59E253ABB5ED018923FF2A28AFA08CEE2C56; r=$?; gpgconf --kill all; exit $r")
    assert code == 0 and "imported: 1" in out, "%d %s" % (code, out)
    code, out = exit_code(sbx, "head -c 1000000 /dev/zero | nc -w 10 -N %s 9002" % NINE)
    assert code == 0 and out.startswith("1000000 "), "%d %s" % (code, out)


@case("out: a keyserver, without a policy")
def _():
    # TestGPGKeyserverWorks/without network config
    keyserver(create())


@case("out: a keyserver, with everything allowed and blocked")
def _():
    # TestGPGKeyserverWorks/with network config
    keyserver(create([ALL_TRAFFIC], [ALL_TRAFFIC]))


# --- update: what it answers -------------------------------------------------

box = None


def the_one():
    """All updates are of one sandbox; each replaces what was before."""
    global box
    if box is None:
        box = Sandbox.create(timeout=280)
    return box


@case("update: an unknown sandbox")
def _():
    # TestUpdateEgressConfig/not_found, with a body that is good
    for nobody in ("ixxxxxxxxxxxxxxxxxx0", coppice.NOBODY):
        try:
            Sandbox.update_network(nobody, {"allow_out": [EIGHT]})
            raise AssertionError("no error")
        except NotFoundException:
            pass
        r = api("PUT", "/sandboxes/%s/network" % nobody, {"allowOut": [EIGHT]})
        same((r.status, r.json["message"]),
             (404, 'Sandbox "%s" doesn\'t exist or you don\'t have access to it' % nobody))


@case("update: without a key")
def _():
    # TestUpdateEgressConfig/unauthorized; not even the id is looked at
    same(api("PUT", "/sandboxes/any-sandbox-id/network", {}, key=None).status, 401)


def refused(name, message, allow=None, deny=None, internet=None):
    @case("update: refused: " + name)
    def _():
        # TestUpdateEgressConfig/reject
        sbx = the_one()
        update(sbx, deny=[NINE])
        try:
            update(sbx, allow, deny, internet)
        except SandboxException as e:
            same(str(e), message)
        else:
            raise AssertionError("taken")
        same(sbx.get_info().network["deny_out"], [NINE], "the old policy")


refused("a name in deny", "400: invalid denied CIDR example.com", None, ["example.com"])
refused("garbage in deny", "400: invalid denied CIDR not-a-cidr", None, ["not-a-cidr"])
refused("a name in deny beside everything", "400: invalid denied CIDR example.com", None, [ALL_TRAFFIC, "example.com"])
refused("a name allowed, nothing denied", NEEDS_DENY, ["google.com"])
refused("a name allowed, a range denied", NEEDS_DENY, ["google.com"], ["10.0.0.0/8"])
refused("a pattern allowed, nothing denied", NEEDS_DENY, ["*.example.com"])
refused("a pattern allowed, a range denied", NEEDS_DENY, ["*.example.com"], ["10.0.0.0/8"])
refused("a name and an address, a range denied", NEEDS_DENY, ["example.com", EIGHT], ["10.0.0.0/8"])
refused("a name allowed, and no internet", NEEDS_DENY, ["google.com"], None, False)


def taken(name, allow=None, deny=None):
    @case("update: taken: " + name)
    def _():
        # TestUpdateEgressConfig/accept
        sbx = the_one()
        update(sbx, allow, deny)
        shown = sbx.get_info().network or {}
        same((shown.get("allow_out") or [], shown.get("deny_out") or []), (allow or [], deny or []))


taken("nothing")
taken("an address allowed", [EIGHT])
taken("an address allowed, a range denied", [EIGHT], ["10.0.0.0/8"])
taken("a range allowed", ["8.8.0.0/16"])
taken("everything denied", None, [ALL_TRAFFIC])
taken("an address allowed, everything denied", [EIGHT], [ALL_TRAFFIC])
taken("a name allowed, everything denied", ["google.com"], [ALL_TRAFFIC])
taken("a pattern allowed, everything denied", ["*.example.com"], [ALL_TRAFFIC])
taken("a name and an address allowed, everything denied", ["example.com", EIGHT], [ALL_TRAFFIC])
taken("several ranges denied", None, ["10.0.0.0/8", "192.168.0.0/16"])


# --- update: what it does ----------------------------------------------------

def step(name, allow=None, deny=None, internet=None, open=(), closed=()):
    @case("update: " + name)
    def _():
        # TestUpdateEgressConfig: one of its steps, which follow each other
        sbx = the_one()
        update(sbx, allow, deny, internet)
        opens(sbx, *https(*open))
        blocked(sbx, *https(*closed))


BOTH = (EIGHT, ONE)
EVERYTHING = [ALL_TRAFFIC]
step("reset", open=BOTH)
step("deny everything", None, EVERYTHING, closed=BOTH)
step("let one address through", [EIGHT], EVERYTHING, open=[EIGHT], closed=[ONE])
step("another one instead", [ONE], EVERYTHING, open=[ONE], closed=[EIGHT])
step("several addresses", [EIGHT, ONE], EVERYTHING, open=BOTH)
step("a range", ["8.8.8.0/24"], EVERYTHING, open=[EIGHT], closed=[ONE])
step("a name", [GOOGLE], EVERYTHING, open=[GOOGLE], closed=[CLOUDFLARE])
step("a name and an address", [GOOGLE, "1.0.0.1"], EVERYTHING, open=[GOOGLE, "1.0.0.1"], closed=[CLOUDFLARE])
step("nothing allowed any more, everything still denied", None, EVERYTHING, closed=[GOOGLE, EIGHT])
step("clear", open=BOTH)
step("an address again, after the clearing", [ONE], EVERYTHING, open=[ONE], closed=[EIGHT])
step("an address allowed where nothing is denied", [EIGHT], open=BOTH)
step("clear again", open=BOTH)
step("no internet", internet=False, closed=BOTH)
step("internet again", internet=True, open=BOTH)
step("no internet, but one address", [EIGHT], internet=False, open=[EIGHT], closed=[ONE])
step("no internet, but one range", ["1.1.1.0/24"], internet=False, open=[ONE], closed=[EIGHT])
step("no internet, and a deny that has nothing to say", [EIGHT], [NINE], False, open=[EIGHT], closed=[ONE, NINE])
step("no internet, everything denied, one address", [EIGHT], EVERYTHING, False, open=[EIGHT], closed=[ONE])
step("internet, and everything denied", None, EVERYTHING, True, closed=BOTH)
step("internet, everything denied, one address", [ONE], EVERYTHING, True, open=[ONE], closed=[EIGHT])
step("internet, and one address denied", None, [ONE], True, open=[EIGHT], closed=[ONE])
step("internet not mentioned after it was off", None, None, None, open=BOTH)


@case("update: a sandbox that is on its way")
def _():
    # 409; the state is held still by stopping who would finish it.
    privd = [p for p, n in coppice.daemons().items() if n == "coppice-privd spawn"]
    for method, path, doing in (("POST", "/pause", "paused"), ("DELETE", "", "killed")):
        sbx = create()
        where = "/sandboxes/" + sbx.sandbox_id
        change = threading.Thread(target=api, args=(method, where + path))
        os.kill(privd[0], signal.SIGSTOP)
        try:
            change.start()
            r = until(lambda: (lambda r: r.status != 204 and r)(api("PUT", where + "/network", {})))
        finally:
            os.kill(privd[0], signal.SIGCONT)
        change.join()
        same((r.status, r.json["message"]), (409, 'Sandbox "%s" is being %s' % (sbx.sandbox_id, doing)))


@case("update: pause and resume keep it")
def _():
    # TestUpdateEgressConfig/pause_resume_preserves_rules
    sbx = the_one()
    update(sbx, [EIGHT], EVERYTHING)
    opens(sbx, *https(EIGHT))
    blocked(sbx, *https(ONE))
    pause_and_resume(sbx)
    opens(sbx, *https(EIGHT))
    blocked(sbx, *https(ONE))
    sbx.kill()


coppice.main()
