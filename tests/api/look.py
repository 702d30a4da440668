#!/usr/bin/env python3
"""tests/api/look.py - what a policy means, asked of a live sandbox: GET
/network, explain, dry runs and `coppice net`, against what packets do."""
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import coppice
from coppice import API, KEY, NOBODY, Sandbox, api, case, note, same

ONE, EIGHT, NINE = "1.1.1.1", "8.8.8.8", "9.9.9.9"
ALL = "0.0.0.0/0"
DIAL = "timeout 3 bash -c 'exec 3<>/dev/tcp/%s/%d' 2>&- && echo open || echo closed"


def look(sbx):
    r = api("GET", "/sandboxes/%s/network" % sbx.id)
    same(r.status, 200)
    same(r.headers["Coppice-Generation"], str(r.json["generation"]))
    return r.json


def explain(sbx, **question):
    r = api("POST", "/sandboxes/%s/network/explain" % sbx.id, question)
    same(r.status, 200, r.raw)
    return r.json


def dry(sbx, **body):
    r = api("PUT", "/sandboxes/%s/network?dryRun=1" % sbx.id, body)
    same(r.status, 200, r.raw)
    return r.json


def net(*args, stdin=None):
    """`coppice net ...`: exit status, standard output and error."""
    env = dict(os.environ, COPPICE_URL=API.geturl(), COPPICE_API_KEY=KEY)
    p = subprocess.run([os.environ["COP_BIN"] + "/coppice", "net", *args], input=stdin, env=env, text=True,
                       capture_output=True)
    return p.returncode, p.stdout, p.stderr


@case("GET shows the policy as written, in its generation, and what it comes down to")
def _():
    sbx = Sandbox(network={"allowOut": ["8.8.8.8/16", ONE, ONE], "denyOut": [ALL]})
    got = look(sbx)
    same(got["network"], {"allowOut": ["8.8.8.8/16", ONE, ONE], "denyOut": [ALL]})
    same(got["reach"]["ipv4"], [{"to": ONE, "origin": "/network/allowOut/1"},
                                {"to": "8.8.0.0/16", "origin": "/network/allowOut/0"}])
    same(got["reach"]["ipv6"], [])
    assert any(r["source"] == "deny" and r["origin"] == "/network/denyOut/0" for r in got["rules"])
    sbx.network()
    after = look(sbx)
    assert after["generation"] > got["generation"]
    same(after["network"], {})
    assert len(after["reach"]["ipv4"]) >= 10


@case("GET counts what was judged")
def _():
    sbx = Sandbox(network={"allowOut": [ONE], "denyOut": [ALL]})
    before = look(sbx)["counters"]
    same(sbx.sh(DIAL % (ONE, 9001)).strip(), "open")
    same(sbx.sh(DIAL % (EIGHT, 9001)).strip(), "closed")
    after = look(sbx)["counters"]
    assert after["passed"] > before["passed"], (before, after)
    assert after["denied"] > before["denied"], (before, after)


@case("P15: what leaves by the way in is counted, and egress rules do not stop it")
def _():
    sbx = Sandbox(network={"denyOut": [ALL]})
    sbx.sh("mkdir -p /tmp/www && head -c 3000000 /dev/urandom >/tmp/www/loot")
    sbx.start("cd /tmp/www && exec python3 -m http.server 8123 --bind 127.0.0.1")
    assert coppice.until(lambda: sbx.way_in(8123, "/").status == 200)
    before = look(sbx)["wayIn"]
    same(len(sbx.way_in(8123, "/loot").raw), 3000000)
    sent = coppice.until(lambda: look(sbx)["wayIn"]["sentBytes"] - before["sentBytes"] >= 3000000)
    assert sent, (before, look(sbx)["wayIn"])
    same(sbx.way_in(8123, "/", "POST", b"x" * 500000).status, 501)
    assert coppice.until(lambda: look(sbx)["wayIn"]["receivedBytes"] - before["receivedBytes"] >= 500000)


@case("explain says what packets do, and why")
def _():
    sbx = Sandbox(network={"allowOut": [ONE], "denyOut": [ALL]})
    for address, want, origin in ((ONE, "pass", "/network/allowOut/0"), (EIGHT, "drop", "/network/denyOut/0"),
                                  ("10.99.0.1", "drop", "built in")):
        x = explain(sbx, dst=address, port=9001, proto="tcp")
        same((x["verdict"], x["by"]["origin"]), (want, origin), address)
        same(sbx.sh(DIAL % (address, 9001)).strip(), "open" if want == "pass" else "closed", address)
        same(x["generation"], look(sbx)["generation"])
    x = explain(sbx, dst="10.78.0.1", port=53, proto="udp")
    same((x["verdict"], x["by"]), ("pass", None))
    assert any("operator" in n for n in explain(sbx, dst="10.99.0.1")["notes"])


@case("explain refuses what it cannot judge, naming it")
def _():
    sbx = Sandbox()
    path = "/sandboxes/%s/network/explain" % sbx.id
    for body, status, where, word in (
            ({}, 400, "/dst", "dst"), ({"dst": "1.1.1"}, 400, "/dst", "1.1.1"),
            ({"dst": ONE, "port": 0}, 400, "/port", "65535"), ({"dst": ONE, "port": 65536}, 400, "/port", "65536"),
            ({"dst": ONE, "port": 5, "proto": "icmp"}, 400, "/port", "no ports"),
            ({"dst": ONE, "proto": "tpc"}, 400, "/proto", "tpc"), ({"dst": ONE, "proto": 256}, 400, "/proto", "256"),
            ({"dst": ONE, "host": "a.example"}, 501, "/host", "host")):
        r = api("POST", path, body)
        same(r.status, status, body)
        same(r.json.get("where"), where, body)
        assert word in r.json["message"], (body, r.json)
    for method, path in (("GET", ""), ("POST", "/explain"), ("PUT", "?dryRun=1")):
        same(api(method, "/sandboxes/%s/network%s" % (NOBODY, path), {"dst": ONE}).status, 404, path)


@case("a dry run names what would close and open, and changes nothing")
def _():
    sbx = Sandbox(network={"denyOut": ["9.0.0.0/8"]})
    before = look(sbx)
    d = dry(sbx, denyOut=[EIGHT])
    same(d["closed"], [{"to": EIGHT, "origin": "/network/denyOut/0"}])
    same(d["opened"], [{"to": "9.0.0.0/8", "origin": "nothing denies it"}])
    same({k: look(sbx)[k] for k in ("generation", "network")}, {k: before[k] for k in ("generation", "network")})
    same(sbx.sh(DIAL % (EIGHT, 9001)).strip(), "open")
    same(sbx.sh(DIAL % (NINE, 9001)).strip(), "closed")
    d = dry(sbx, denyOut=["9.0.0.0/8"])
    same(d, {"closed": [], "opened": [], "flows": []})
    r = api("PUT", "/sandboxes/%s/network?dryRun=1" % sbx.id, {"denyOut": ["x"]})
    same((r.status, r.json["message"]), (400, "invalid denied CIDR x"))
    same(api("PUT", "/sandboxes/%s/network?dryRun=maybe" % sbx.id, {}).status, 400)


@case("a dry run names the live flows that it would cut")
def _():
    sbx = Sandbox()
    for address in (ONE, EIGHT):
        sbx.start("exec 3<>/dev/tcp/%s/9000; cat <&3 >/dev/null" % address)
    found = coppice.until(lambda: [f for f in dry(sbx, denyOut=[EIGHT])["flows"] if f["protocol"] == "tcp"])
    same([(f["destination"], f["port"]) for f in found], [(EIGHT, 9000)])
    same(dry(sbx, denyOut=[NINE])["flows"], [])


@case("coppice net: show, explain, diff and counters say the same as the API")
def _():
    sbx = Sandbox(network={"allowOut": [ONE], "denyOut": [ALL]})
    rc, out, _ = net("show", sbx.id)
    same(rc, 0)
    assert "/network/allowOut/0" in out and "generation %d" % look(sbx)["generation"] in out, out
    rc, out, _ = net("show", "--json", sbx.id)
    same(json.loads(out)["reach"], look(sbx)["reach"])
    rc, out, _ = net("explain", sbx.id, EIGHT + ":443/tcp")
    same((rc, out.splitlines()[0]), (1, "DROP"))
    rc, out, _ = net("explain", sbx.id, ONE)
    same((rc, out.splitlines()[0]), (0, "PASS"))
    rc, out, _ = net("diff", sbx.id, "-", stdin='{"allowOut":["%s"],"denyOut":["%s"]}' % (EIGHT, ALL))
    same(rc, 1)
    same([line.split()[:2] for line in out.splitlines()], [["-", ONE], ["+", EIGHT]])
    rc, out, _ = net("diff", sbx.id, "-", stdin='{"allowOut":["%s"],"denyOut":["%s"]}' % (ONE, ALL))
    same((rc, out), (0, ""))
    rc, out, _ = net("counters", "--json", sbx.id)
    same(sorted(json.loads(out)["counters"]), ["denied", "passed", "stale"])


HOWTO = coppice.TOP / "docs/howto/why-is-it-denied.md"


def transcript(command):
    """The lines that the how-to shows for it, without what differs each time."""
    lines = HOWTO.read_text().split("$ coppice net " + command, 1)[1].split("```", 1)[0].splitlines()[1:]
    return [plain(line) for line in lines]


def plain(line):
    return " ".join(w for w in line.split() if not w.startswith("20"))


@case("docs/howto/why-is-it-denied.md shows what the commands say")
def _():
    sbx = Sandbox(network={"allowOut": ["192.168.99.1", ONE], "denyOut": [ALL]})
    same(sbx.sh(DIAL % ("192.168.99.1", 9001)).strip(), "closed")
    want = transcript("denials")
    got = coppice.until(lambda: [plain(x) for x in net("denials", sbx.id)[1].splitlines()])
    same(got, want)
    same([plain(x) for x in net("explain", sbx.id, "192.168.99.1:9001/tcp")[1].splitlines()], transcript("explain"))


@case("coppice net says what it does not take")
def _():
    sbx = Sandbox()
    for args, word in ((("explain", sbx.id, "1.1.1"), "no address"), (("show", "../x"), "not a sandbox id"),
                       (("show", NOBODY), NOBODY), (("frobnicate",), "no such verb"), (("show",), "usage")):
        rc, _, err = net(*args)
        assert rc != 0 and word in err, (args, rc, err)
    rc, _, err = net("diff", sbx.id, "-", stdin='{"denyOut":["x"]}')
    assert rc == 2 and "invalid denied CIDR x" in err, err


coppice.main()
