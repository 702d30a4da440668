#!/usr/bin/env python3
"""tests/api/contract.py - status codes, bodies and headers of the control API
and of the way in, to the letter where clients look at the letter."""
import datetime
import json
import os
import pathlib
import re
import sys
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import coppice
from coppice import NOBODY, Sandbox, api, case, same, until

GONE = 'Sandbox "%s" doesn\'t exist or you don\'t have access to it'
DENY_ALL = ["0.0.0.0/0"]


def error(r, status, text=""):
    """An error of E2B's form: JSON, the code again, and a message."""
    assert r.status == status, "%s, expected %d %s" % (r, status, text)
    assert r.headers["Content-Type"].startswith("application/json"), r.headers["Content-Type"]
    same(r.json["code"], status)
    assert isinstance(r.json["message"], str) and r.json["message"], r
    assert text in r.json["message"], "%r lacks %r" % (r.json["message"], text)


def create(version="/v2", **body):
    r = api("POST", version + "/sandboxes", {"templateID": "base", **body})
    same(r.status, 201, r.raw)
    return Sandbox.found(r.json)


def seconds_left(sbx):
    end = sbx.api("GET").json["endAt"]
    return datetime.datetime.fromisoformat(end.replace("Z", "+00:00")).timestamp() - time.time()


def near(got, want, slack=3):
    assert abs(got - want) <= slack, "%s is not about %s" % (got, want)


# --- everything --------------------------------------------------------------

@case("health needs no key")
def _():
    r = api("GET", "/health", key=None)
    same((r.status, r.raw), (200, b"Health check successful"))


@case("a request without a key")
def _():
    for method, path in (("GET", "/v2/sandboxes"), ("POST", "/v2/sandboxes"),
                         ("GET", "/sandboxes/" + NOBODY), ("GET", "/templates"),
                         ("PUT", "/sandboxes/%s/network" % NOBODY)):
        error(api(method, path, {} if method != "GET" else None, key=None), 401)


@case("unknown routes and wrong methods")
def _():
    error(api("GET", "/no/such/route"), 404)
    error(api("GET", "/sandboxes/%s/nothing" % NOBODY), 404)
    for method, path in (("DELETE", "/v2/sandboxes"), ("PUT", "/health"),
                         ("PATCH", "/sandboxes/" + NOBODY), ("GET", "/sandboxes/%s/pause" % NOBODY),
                         ("POST", "/sandboxes/%s/network" % NOBODY)):
        error(api(method, path), 405)


@case("malformed sandbox ids")
def _():
    for path in ("/sandboxes/UPPER", "/sandboxes/i%2e%2e", "/sandboxes/a-b-c", "/sandboxes/" + 200 * "a"):
        r = api("GET", path)
        assert r.status in (400, 404), r
        error(r, r.status)
    sbx = create()
    same(api("GET", "/sandboxes/%s-6532622b" % sbx.id).status, 200, "legacy suffix")


# --- create ------------------------------------------------------------------

@case("create answers with what clients need")
def _():
    a = create().answer
    assert re.fullmatch("i[a-z0-9]{20}", a["sandboxID"]), a
    assert re.fullmatch("[a-z0-9]{20}", a["templateID"]), a
    assert tuple(map(int, a["envdVersion"].split("."))) >= (0, 6, 4), a
    assert a["clientID"] and a["alias"] == "base" and a["envdAccessToken"], a


@case("defaults of v1 and v2 differ")
def _():
    v1, v2 = create(""), create("/v2")
    near(seconds_left(v1), 15)
    near(seconds_left(v2), 300)
    assert "envdAccessToken" not in v1.answer, v1.answer
    assert create("", secure=True).answer["envdAccessToken"]
    assert create("/v2", secure=False).answer["envdAccessToken"]


@case("what create refuses")
def _():
    for version in ("", "/v2"):
        def refuse(status, text="", **body):
            error(api("POST", version + "/sandboxes", {"templateID": "base", **body}), status, text)
        refuse(404, "no-such", templateID="no-such")
        refuse(400, templateID="a b!")
        refuse(400, templateID="")
        refuse(400, templateID=7)
        refuse(400, timeout=0)
        refuse(400, timeout=-5)
        refuse(400, timeout="60")
        refuse(400, timeout=1.5)
        refuse(400, timeout=10 ** 12)
        refuse(400, timeout=25 * 3600)
        refuse(400, metadata={"a": 1})
        refuse(400, metadata="a")
        refuse(400, envVars={"A": None})
        refuse(400, envVars=["A=b"])
        refuse(400, autoPause="yes")
        refuse(400, autoPauseMemory=False)
        refuse(400, network=[])
        refuse(400, "invalid denied CIDR x", network={"denyOut": ["x"]})
        refuse(400, "When specifying allowed domains", network={"allowOut": ["a.example"]})
        refuse(400, "mask request host is not valid", network={"maskRequestHost": "a b"})
        refuse(400, "Network transform rules are not available for your team.",
               network={"rules": {"a.example": [{"transform": {"headers": {"A": "b"}}}]}})
        refuse(403, "(network.egressProxy) is not enabled", network={"egressProxy": {"address": "9.9.9.9:1080"}})
        refuse(501, network={"allowOut": ["a.example"], "denyOut": DENY_ALL})
        refuse(400, iam={"tokens": {"a": {"audience": "x", "tokenType": "JWT-SVID"}}})
        refuse(400, volumeMounts=[{"name": "v", "path": "/v"}])
    error(api("POST", "/sandboxes", {"templateID": "base", "network": {"allowPublicTraffic": False}}), 400)
    error(api("POST", "/v2/sandboxes", {}), 400)
    same(coppice.list_ids(), [])


@case("schema errors begin as E2B's")
def _():
    error(api("POST", "/v2/sandboxes", {"templateID": "base", "timeout": "x"}), 400, "validation error")
    error(api("GET", "/v2/sandboxes?limit=0"), 400, "validation error")


@case("create with an idempotency key")
def _():
    key = "k%d" % time.time_ns()
    body = {"templateID": "base", "metadata": {"once": key}}
    first = api("POST", "/v2/sandboxes", body, Idempotency_Key=key)
    again = api("POST", "/v2/sandboxes", body, Idempotency_Key=key)
    same((first.status, again.status), (201, 201))
    Sandbox.found(first.json)
    same(again.json, first.json)
    other = api("POST", "/v2/sandboxes", {**body, "timeout": 7}, Idempotency_Key=key)
    error(other, 409)
    same(other.json["error_code"], "idempotency_request_mismatch")
    error(api("POST", "/v2/sandboxes", body, Idempotency_Key="NOT-ok"), 400)
    same(len(coppice.list_ids()), 1)


# --- get, kill ---------------------------------------------------------------

@case("get a sandbox")
def _():
    sbx = create(metadata={"a": "b"}, timeout=77)
    d = sbx.api("GET").json
    for field in ("templateID", "sandboxID", "clientID", "startedAt", "endAt", "cpuCount", "memoryMB",
                  "diskSizeMB", "state", "envdVersion"):
        assert d.get(field) not in (None, ""), field
    same((d["state"], d["alias"], d["metadata"]), ("running", "base", {"a": "b"}))
    same(d["lifecycle"], {"onTimeout": "kill", "autoResume": False})
    assert d["startedAt"].endswith("Z") and d["endAt"].endswith("Z"), d
    assert "network" not in d, "never null, absent when never set"
    same(d["envdAccessToken"], sbx.answer["envdAccessToken"])
    error(api("GET", "/sandboxes/" + NOBODY), 404, "doesn't exist or you don't have access to it")


@case("kill a sandbox")
def _():
    sbx = create()
    same(sbx.api("DELETE").status, 204)
    error(sbx.api("GET"), 404, GONE % sbx.id)
    error(sbx.api("DELETE"), 404)
    error(api("DELETE", "/sandboxes/" + NOBODY), 404)
    r = sbx.way_in(8000)
    same((r.status, r.headers["Content-Type"]), (502, "application/json; charset=utf-8"))
    same(r.json, {"sandboxId": sbx.id, "message": "The sandbox was not found", "code": 502})
    paused = create()
    same(paused.api("POST", "/pause").status, 204)
    same(paused.api("DELETE").status, 204)
    error(paused.api("DELETE"), 404)


# --- list --------------------------------------------------------------------

@case("list: filters, order, pages")
def _():
    boxes = [create(metadata={"n": str(i), "t": "x"}) for i in range(4)]
    ids = [b.id for b in boxes]
    same(boxes[1].api("POST", "/pause").status, 204)

    def ids_of(query, version="/v2"):
        r = api("GET", version + "/sandboxes" + query)
        same(r.status, 200, r.raw)
        return [s["sandboxID"] for s in r.json]

    same(ids_of(""), ids[::-1])
    same(ids_of("?order=asc"), ids)
    same(ids_of("?state=running"), [i for i in ids[::-1] if i != ids[1]])
    same(ids_of("?state=paused"), [ids[1]])
    same(ids_of("?state=running,paused"), ids[::-1])
    same(ids_of("?state=running&state=paused"), ids[::-1])
    same(ids_of("?template=base"), ids[::-1])
    same(ids_of("?template=nothing"), [])
    same(ids_of("?metadata=n%3D2"), [ids[2]])
    same(ids_of("?metadata=" + urllib.parse.quote(urllib.parse.urlencode({"n": "2", "t": "x"}))), [ids[2]])
    same(ids_of("?metadata=n%3D2%26t%3Dy"), [])
    same(ids_of("", ""), [i for i in ids[::-1] if i != ids[1]], "v1 lists running ones")
    started = boxes[2].api("GET").json["startedAt"]
    same(ids_of("?startedAfter=" + urllib.parse.quote(started)), ids[:1:-1])
    seen, token = [], ""
    for _ in range(4):
        r = api("GET", "/v2/sandboxes?limit=1" + (token and "&nextToken=" + urllib.parse.quote(token)))
        seen += [s["sandboxID"] for s in r.json]
        token = r.headers.get("X-Next-Token")
    same((seen, token), (ids[::-1], None))
    same(api("GET", "/v2/sandboxes").headers["X-Total-Running"], "3")
    s = api("GET", "/v2/sandboxes?limit=1").json[0]
    for field in ("templateID", "sandboxID", "clientID", "startedAt", "endAt", "cpuCount", "memoryMB",
                  "diskSizeMB", "state", "envdVersion"):
        assert field in s, field


@case("list: what it refuses")
def _():
    for query in ("limit=0", "limit=101", "limit=x", "limit=-1", "state=dead", "order=up",
                  "nextToken=garbage", "startedAfter=yesterday", "template=base:tag",
                  "limit=99999999999999999999"):
        error(api("GET", "/v2/sandboxes?" + query), 400)
    create(), create()
    token = api("GET", "/v2/sandboxes?limit=1").headers["X-Next-Token"]
    error(api("GET", "/v2/sandboxes?limit=1&order=asc&nextToken=" + urllib.parse.quote(token)), 400)


# --- pause, resume, connect --------------------------------------------------

@case("pause")
def _():
    sbx = create()
    same(sbx.api("POST", "/pause").status, 204)
    error(sbx.api("POST", "/pause"), 409)
    d = sbx.api("GET").json
    same(d["state"], "paused")
    near(seconds_left(sbx), 0)
    error(api("POST", "/sandboxes/%s/pause" % NOBODY), 404)
    r = sbx.way_in(coppice.ENVD_PORT, "/health")
    same((r.status, r.json["message"]), (502, "The sandbox was not found"))
    error(sbx.api("POST", "/timeout", {"timeout": 60}), 404)
    error(sbx.api("POST", "/refreshes", {}), 404)
    error(sbx.api("PUT", "/network", {}), 404, GONE % sbx.id)


@case("several pauses at once all succeed")
def _():
    sbx = create()
    with ThreadPoolExecutor(6) as pool:
        got = [r.status for r in pool.map(lambda _: sbx.api("POST", "/pause"), range(6))]
    assert set(got) <= {204, 409} and 204 in got, got
    same(sbx.api("GET").json["state"], "paused")


@case("resume")
def _():
    sbx = create()
    error(sbx.api("POST", "/resume", {}), 409)
    sbx.api("POST", "/pause")
    r = sbx.api("POST", "/resume", {"timeout": 50})
    same((r.status, r.json["sandboxID"]), (201, sbx.id))
    near(seconds_left(sbx), 50)
    error(api("POST", "/sandboxes/%s/resume" % NOBODY, {}), 404,
          "doesn't exist or you don't have access to it")
    sbx.api("POST", "/pause")
    same(api("POST", "/sandboxes/%s/resume" % sbx.id).status, 201, "no body")
    near(seconds_left(sbx), 15)


@case("connect")
def _():
    sbx = create(timeout=200)

    def connect(version="/v2", body=None):
        return api("POST", "%s/sandboxes/%s/connect" % (version, sbx.id), body)
    same(connect(body={"timeout": 10}).status, 200)
    near(seconds_left(sbx), 200)
    r = connect(body={"timeout": 400})
    same((r.status, r.json["envdAccessToken"]), (200, sbx.token))
    near(seconds_left(sbx), 400)
    same(connect().status, 200, "v2 needs no body")
    error(connect(body={"timeout": 0}), 400)
    error(connect("", {}), 400)
    same(connect("", {"timeout": 0}).status, 200)
    sbx.api("POST", "/pause")
    r = connect(body={"timeout": 60})
    same((r.status, r.json["envdAccessToken"]), (201, sbx.token))
    near(seconds_left(sbx), 60)
    error(connect(body={"timeout": 10 ** 9}), 400)
    error(api("POST", "/v2/sandboxes/%s/connect" % NOBODY, {}), 404)


@case("concurrent connects to a paused sandbox")
def _():
    sbx = create()
    sbx.api("POST", "/pause")
    with ThreadPoolExecutor(6) as pool:
        got = [r.status for r in pool.map(
            lambda _: api("POST", "/v2/sandboxes/%s/connect" % sbx.id, {"timeout": 60}), range(6))]
    assert set(got) <= {200, 201} and 201 in got, got
    same(sbx.sh("echo ok"), "ok")


# --- timeout, refresh --------------------------------------------------------

@case("timeout")
def _():
    sbx = create(timeout=200)
    same(sbx.api("POST", "/timeout", {"timeout": 50}).status, 204)
    near(seconds_left(sbx), 50)
    for body in ({}, {"timeout": -1}, {"timeout": "5"}, {"timeout": 10 ** 10}, {"timeout": 25 * 3600}, []):
        error(sbx.api("POST", "/timeout", body), 400)
    error(api("POST", "/sandboxes/%s/timeout" % NOBODY, {"timeout": 5}), 404)
    same(sbx.api("POST", "/timeout", {"timeout": 0}).status, 204)
    assert until(lambda: sbx.api("GET").status == 404, 3)


@case("refreshes")
def _():
    sbx = create(timeout=100)
    same(sbx.api("POST", "/refreshes", {"duration": 20}).status, 204)
    near(seconds_left(sbx), 100)
    same(sbx.api("POST", "/refreshes", {"duration": 300}).status, 204)
    near(seconds_left(sbx), 300)
    same(sbx.api("POST", "/refreshes", {}).status, 204)
    short = create(timeout=5)
    same(short.api("POST", "/refreshes", {"duration": 1}).status, 204)
    near(seconds_left(short), 15)
    for body in ({"duration": 3601}, {"duration": -1}, {"duration": "x"}):
        error(sbx.api("POST", "/refreshes", body), 400)
    error(api("POST", "/sandboxes/%s/refreshes" % NOBODY, {}), 404)


@case("expiry kills, or pauses if asked")
def _():
    short, kept = create(timeout=2), create(timeout=2, autoPause=True)
    same(kept.api("GET").json["lifecycle"], {"onTimeout": "pause", "autoResume": False})
    assert until(lambda: short.api("GET").status == 404, 4)
    assert until(lambda: kept.api("GET").json["state"] == "paused", 4)


# --- templates, metrics ------------------------------------------------------

@case("templates")
def _():
    for path in ("/templates", "/v2/templates"):
        r = api("GET", path)
        same(r.status, 200, r.raw)
        found = r.json if isinstance(r.json, list) else r.json["templates"]
        assert any("base" in t.get("aliases", []) + t.get("names", []) for t in found), r
    tid = create().answer["templateID"]
    same(api("GET", "/templates/" + tid).status, 200)
    error(api("GET", "/templates/nosuchtemplate000000"), 404)
    r = api("GET", "/templates/aliases/base")
    same((r.status, r.json["templateID"]), (200, tid))
    error(api("GET", "/templates/aliases/no-such"), 404)
    same(create(templateID=tid).answer["templateID"], tid)
    same(create(templateID="base:default").answer["templateID"], tid)


@case("metrics")
def _():
    sbx = create()
    assert until(lambda: sbx.api("GET", "/metrics").json, 15)
    m = sbx.api("GET", "/metrics").json[0]
    for field in ("timestamp", "timestampUnix", "cpuCount", "cpuUsedPct", "memUsed", "memTotal", "memCache",
                  "diskUsed", "diskTotal"):
        assert field in m, field
    d = sbx.api("GET").json
    same((m["cpuCount"], m["memTotal"]), (d["cpuCount"], d["memoryMB"] << 20))
    now = int(time.time())
    same(sbx.api("GET", "/metrics?start=%d&end=%d" % (now - 3600, now - 1800)).json, [])
    error(sbx.api("GET", "/metrics?start=%d&end=%d" % (now, now - 10)), 400)
    error(api("GET", "/sandboxes/%s/metrics" % NOBODY), 404)
    r = api("GET", "/sandboxes/metrics?sandbox_ids=%s,%s" % (sbx.id, NOBODY))
    same((r.status, list(r.json["sandboxes"])), (200, [sbx.id]))


# --- network -----------------------------------------------------------------

@case("network: accepted and shown as written")
def _():
    sbx = create()
    for body in ({}, {"allowOut": ["1.1.1.1"]}, {"allowOut": ["1.1.1.1"], "denyOut": ["8.8.8.8/32"]},
                 {"allowOut": ["1.0.0.0/8"]}, {"denyOut": DENY_ALL},
                 {"allowOut": ["1.1.1.1", "8.8.8.0/24"], "denyOut": DENY_ALL},
                 {"denyOut": ["9.9.9.9/16", "8.8.8.8", "8.8.8.8"]},
                 {"allowOut": None, "denyOut": [], "rules": None, "egressProxy": None},
                 {"allow_internet_access": False}, {"allow_internet_access": True}):
        r = sbx.api("PUT", "/network", body)
        same((r.status, r.raw), (204, b""), body)
        shown = sbx.api("GET").json.get("network", {})
        for field in ("allowOut", "denyOut"):
            same(shown.get(field) or [], body.get(field) or [], field)
    sbx.network(allow_internet_access=False)
    same(sbx.api("GET").json["allowInternetAccess"], False)
    sbx.network()
    same(sbx.api("GET").json["allowInternetAccess"], True)


@case("network: refused, in the order of checks")
def _():
    sbx = create()
    sbx.network(denyOut=["8.8.8.8"])

    def refuse(status, text, body):
        for target in (sbx.id, NOBODY) if status == 400 and "rules" not in body else (sbx.id,):
            error(api("PUT", "/sandboxes/%s/network" % target, body), status, text)
    domains = ("When specifying allowed domains in allow out, you must include 'ALL_TRAFFIC' in deny out"
               " to block all other traffic.")
    for bad in ("example.com", "x", "", "1.1.1.1; flush ruleset", "10.0.0.0/33", "::/0", "0.0.0.0",
                "0.0.0.0/8", "a" * 1000):
        refuse(400, "invalid denied CIDR " + bad[:50], {"denyOut": [bad]})
    refuse(400, "invalid denied CIDR x", {"denyOut": DENY_ALL + ["x"]})
    refuse(400, "invalid allowed address 0.0.0.0", {"allowOut": ["0.0.0.0"]})
    refuse(400, domains, {"allowOut": ["a.example"]})
    refuse(400, domains, {"allowOut": ["*.a.example", "1.1.1.1"], "denyOut": ["8.8.8.8"]})
    refuse(403, "Egress proxy (egressProxy) is not enabled for this team.",
           {"egressProxy": {"address": "9.9.9.9:1080"}})
    refuse(400, "Network transform rules are not available for your team.", {"rules": {"a.example": []}})
    refuse(501, "", {"allowOut": ["a.example"], "denyOut": DENY_ALL})
    refuse(400, "", {"allowOut": "1.1.1.1"})
    refuse(400, "", {"denyOut": [1]})
    refuse(400, "", {"allow_internet_access": "no"})
    refuse(400, "", [])
    error(api("PUT", "/sandboxes/%s/network" % NOBODY, {}), 404, GONE % NOBODY)
    error(api("PUT", "/sandboxes/%s/network" % sbx.id, b"{"), 400, "Error when parsing request")
    same(sbx.api("GET").json["network"]["denyOut"], ["8.8.8.8"])


# --- the way in --------------------------------------------------------------

def raw_way_in(host, headers=None, path="/"):
    return coppice.send(coppice.WAY_IN, "GET", path, None, {"Host": host, **(headers or {})}, 20)


@case("way in: what it cannot route")
def _():
    sbx = create()
    for host in ("nodot", "8000-%s" % sbx.id, "x-%s.e2b.app" % sbx.id, "8000.e2b.app",
                 "8000-UPPER.e2b.app", "99999999999-%s.e2b.app" % sbx.id):
        same(raw_way_in(host).status, 400, host)
    same(raw_way_in("localhost", {"E2b-Sandbox-Id": sbx.id}).status, 400)
    same(raw_way_in("localhost", {"E2b-Sandbox-Port": "80"}).status, 400)
    r = raw_way_in("8000-%s.e2b.app" % NOBODY)
    same((r.status, r.json["message"]), (502, "The sandbox was not found"))
    r = raw_way_in("8000-%s-more.e2b.app" % sbx.id)
    same(r.json, {"sandboxId": sbx.id, "message": "The sandbox is running but port is not open",
                  "port": 8000, "code": 502})


@case("way in: headers count only for hosts that say nothing")
def _():
    a, b = create(), create()
    r = raw_way_in("8000-%s.e2b.app" % a.id, {"E2b-Sandbox-Id": b.id, "E2b-Sandbox-Port": "49983"}, "/health")
    same(r.json["sandboxId"], a.id)
    for host in ("localhost", "127.0.0.1:3002", "sandbox.e2b.app"):
        r = raw_way_in(host, {"E2b-Sandbox-Id": b.id, "E2b-Sandbox-Port": "49983"}, "/health")
        same(r.status, 204, host)


@case("way in: a browser gets a page")
def _():
    r = raw_way_in("8000-%s.e2b.app" % NOBODY, {"User-Agent": "Mozilla/5.0", "Accept": "text/html"})
    same(r.status, 502)
    assert r.headers["Content-Type"].startswith("text/html"), r.headers["Content-Type"]


@case("way in: traffic tokens")
def _():
    sbx = create(network={"allowPublicTraffic": False})
    token = sbx.answer["trafficAccessToken"]
    prefix = "Sandbox is secured with traffic access token. "
    r = sbx.way_in(8000)
    same((r.status, r.json["message"]), (403, prefix + "Token header 'e2b-traffic-access-token' is missing"))
    r = sbx.way_in(8000, **{"e2b-traffic-access-token": "wrong"})
    same((r.status, r.json["message"]),
         (403, prefix + "Provided token in header 'e2b-traffic-access-token' is invalid"))
    r = sbx.way_in(8000, **{"e2b-traffic-access-token": token})
    same((r.status, r.json["message"]), (502, "The sandbox is running but port is not open"))
    same(sbx.sh("echo ok"), "ok", "envd needs none")


@case("way in: envd's inner routes are closed")
def _():
    sbx = create()
    for path in ("/init", "//init", "/init/", "/freeze", "/unfreeze", "/collapse", "/fsfreeze", "/fsthaw", "/upgrade", "/logs"):
        r = sbx.way_in(coppice.ENVD_PORT, path, "POST", {})
        same((r.status, r.json["code"]), (404, 404), path)


@case("way in: envd wants its token")
def _():
    sbx = create()
    token, sbx.token = sbx.token, "wrong"
    same(sbx.way_in(coppice.ENVD_PORT, "/metrics").status, 401)
    same(sbx.way_in(coppice.ENVD_PORT, "/health").status, 204)
    sbx.token = token
    same(sbx.way_in(coppice.ENVD_PORT, "/metrics").status, 200)


# --- keys --------------------------------------------------------------------

@case("configured keys are the only ones")
def _():
    good, other = "e2b_" + 40 * "a", "e2b_" + 40 * "b"
    coppice.daemon("stop")
    os.environ["COPPICE_API_KEYS"] = good
    try:
        coppice.daemon("start")
        same(api("GET", "/v2/sandboxes", key=good).status, 200)
        error(api("GET", "/v2/sandboxes", key=other), 401)
        error(api("GET", "/v2/sandboxes", key=None), 401)
        same(api("GET", "/health", key=None).status, 200)
    finally:
        coppice.daemon("stop")
        del os.environ["COPPICE_API_KEYS"]
        coppice.daemon("start")


@case("another host name on loopback")
def _():
    r = coppice.send(coppice.API, "GET", "/v2/sandboxes", None,
                     {"Host": "evil.example", "X-API-Key": coppice.KEY})
    assert r.status >= 400, r
    assert json.loads(r.raw)["code"] == r.status
    r = coppice.send(coppice.API, "OPTIONS", "/v2/sandboxes", None,
                     {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"})
    assert "Access-Control-Allow-Origin" not in r.headers, "CORS without keys"


coppice.main()
