"""http_cases.py - routes, methods, cross-origin, and Connect's own rules."""
import gzip
import json

from side import JSON, STREAM, basic, envelope

STAT = "/filesystem.Filesystem/Stat"
LIST = "/process.Process/List"
START = "/process.Process/Start"
RPCS = [f"/filesystem.Filesystem/{m}" for m in (
    "Stat", "MakeDir", "Move", "ListDir", "Remove", "WatchDir", "CreateWatcher",
    "GetWatcherEvents", "RemoveWatcher")] + [f"/process.Process/{m}" for m in (
        "List", "Connect", "Start", "Update", "StreamInput", "SendInput", "SendSignal",
        "CloseStdin")]
REST = ["/health", "/metrics", "/files", "/files/compose"]
OTHER = ["/", "/nothing", "/filesystem.Filesystem", "/filesystem.Filesystem/",
         "/filesystem.Filesystem/Nothing", "/process.Process/stat", "/health/", "//health",
         "/files/", "/files/x", "/./health", "/files/../health", "/health%2f", "/%68ealth"]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]


def case_methods(s):
    for path in RPCS + REST + OTHER:
        for method in METHODS:
            if path in ("/metrics", "/files/compose", "/files") and method in ("GET", "POST"):
                continue  # have cases of their own
            s.ask(f"{method} {path}", method, path)


def case_metrics(s):
    st, head, data = s.raw("GET", "/metrics")
    v = json.loads(data)
    s.note("status, type, caching", (st, head.get("content-type"), head.get("cache-control")))
    s.note("names and types", {k: type(x).__name__ if k != "cpu_used_pct" else "number"
                               for k, x in v.items()})
    s.note("total memory", v["mem_total"])
    s.note("processors", v["cpu_count"])
    s.note("in MiB, whole", (v["mem_total_mib"] == v["mem_total"] >> 20,
                      v["mem_used_mib"] == v["mem_used"] >> 20))
    s.note("total disk", v["disk_total"])


def case_envs(s):
    s.init(envVars={"A": "1", "B": "", "E2B_SANDBOX": "x", "E2B_SANDBOX_ID": "x",
                    "E2B_EVENTS_ADDRESS": "x", "Ü": "ü", "sp ace": "a\nb"})
    st, head, data = s.raw("GET", "/envs")
    v = json.loads(data)
    s.note("head", (st, s.clean_head(head, data, False)))
    s.note("daemon's own", v["E2B_EVENTS_ADDRESS"])
    s.note("given", {k: x for k, x in v.items() if not k.startswith("E2B_")})
    s.init()
    s.note("unchanged by one without", sorted(k for k in json.loads(s.raw("GET", "/envs")[2])
                                              if not k.startswith("E2B_")))
    s.init(envVars={"C": "3"})
    s.note("all replaced", sorted(k for k in json.loads(s.raw("GET", "/envs")[2])
                                  if not k.startswith("E2B_")))
    s.init(envVars={})
    s.note("none left", sorted(k for k in json.loads(s.raw("GET", "/envs")[2])
                               if not k.startswith("E2B_")))


def case_init(s):
    """What the host says, but for the way it proves that it may."""
    def init(label, body):
        h = {"X-Coppice-Init": s.secret} if s.secret else {}
        st, head, _ = s.raw("POST", "/init", body, h)
        s.note(label, (st, head.get("x-envd-version"), head.get("cache-control") if st == 204 else None))
    for b in (b"", b"{}", b"{", b"[]", b"null", b"1", b'{"more":1}', b'{"accessToken":""}',
              b'{"accessToken":"a\\\\b"}', b'{"accessToken":1}', b'{"accessToken":null}', b'{"envVars":null}',
              b'{"envVars":{"A":1}}', b'{"envVars":[]}', b'{"envVars":{"A":null}}', b'{"defaultUser":""}',
              b'{"defaultUser":1}', b'{"defaultWorkdir":1}', b'{"timestamp":"x"}', b'{"timestamp":1}',
              b'{"timestamp":null}', b'{"timestamp":""}', b'{"timestamp":"2020-01-01"}', b'{}{}', b'{"defaultUser":"user"} '):
        init(f"{b!r}", b)
    s.rpc("nothing changed", STAT, {"path": ""})
    now = "2026-01-01T00:00:0%d%s"
    for i, (sec, zone, who) in enumerate(((5, "Z", "root"), (4, "Z", "user"), (5, "Z", "user"), (6, "+01:00", "user"),
                                          (5, ".5Z", "user"), (5, ".25Z", "root"), (6, "z", "root"))):
        init(f"{i}: at {sec}{zone}", json.dumps({"timestamp": now % (sec, zone), "defaultUser": who}).encode())
        v = json.loads(s.raw("POST", STAT, b'{"path":""}', {"Content-Type": JSON})[2])
        s.note(f"{i}: user", v.get("entry", {}).get("name"))


def case_large(s):
    for n in 4000, 16000, 60000:
        s.ask(f"header of {n}", "GET", "/health", headers={"X-Big": "x" * n})
        s.ask(f"query of {n}", "GET", "/files?path=/etc/hostname&more=" + "x" * n)
    s.ask("90 headers", "GET", "/health", headers={f"X-{i}": "x" for i in range(90)})
    s.rpc("a large message", STAT, {"path": "/etc/hostname", "more": "x" * 3000000}, basic("root"))
    s.rpc("deeply nested", STAT, b'{"path":"/etc/hostname","more":' + b"[" * 1000 + b"]" * 1000 + b"}", basic("root"))
    s.stream("a large message, stream", START, {"process": {"cmd": "/bin/true", "envs": {}}, "more": "x" * 3000000})
    s.stream("many arguments", START, {"process": {"cmd": "/bin/sh", "args": ["-c", "echo $#", "x"] + ["y"] * 9000}})
    s.stream("many variables", START, {"process": {"cmd": "/bin/sh", "args": ["-c", "env | grep -c ^Y"],
                                                   "envs": {f"Y{i}": "z" * 20 for i in range(300)}}})


def case_cors(s):
    o = {"Origin": "https://x.example"}
    pre = {**o, "Access-Control-Request-Method": "POST"}
    for path in "/health", "/files", STAT, "/nothing":
        s.ask(f"origin {path}", "GET", path, headers=o)
        s.ask(f"preflight {path}", "OPTIONS", path, headers=pre)
    for m in METHODS + ["TRACE", "post", "CONNECT", ""]:
        s.ask(f"preflight of {m!r}", "OPTIONS", "/files",
              headers={**o, "Access-Control-Request-Method": m})
    for h in ("x-access-token", "Content-Type, X-A", "content-type,x-a", "", "a b", "X-\u00e9", "*",
              "x-b,x-a"):
        s.ask(f"preflight with {h!r}", "OPTIONS", "/files",
              headers={**pre, "Access-Control-Request-Headers": h.encode()})
    s.ask("preflight without origin", "OPTIONS", "/files",
          headers={"Access-Control-Request-Method": "POST"})
    s.ask("preflight, empty origin", "OPTIONS", "/files",
          headers={"Origin": "", "Access-Control-Request-Method": "POST"})
    s.ask("preflight, private network", "OPTIONS", "/files",
          headers={**pre, "Access-Control-Request-Private-Network": "true"})
    s.ask("options, only origin", "OPTIONS", "/files", headers=o)
    s.ask("empty origin", "GET", "/health", headers={"Origin": ""})
    s.ask("null origin", "GET", "/health", headers={"Origin": "null"})
    s.ask("error with origin", "GET", "/files?path=/nothing", headers=o)
    s.ask("file with origin", "GET", "/files?path=/etc/hostname", headers=o)
    s.ask("rpc with origin", "POST", LIST, b"{}", {**o, "Content-Type": JSON})
    s.ask("unknown user with origin", "GET", "/health", headers={**o, **basic("nobodyhere")})
    s.ask("preflight with unknown user", "OPTIONS", "/health",
          headers={**pre, **basic("nobodyhere")})
    s.ask("put with origin", "PUT", "/health", headers=o)


def case_users(s):
    for who in ("user", "root", "nobodyhere", "", "1000", "us er", "ü", "user\0", "nobody",
                "x" * 300):
        for path in "/health", "/files?path=/etc/hostname", "/nothing":
            s.ask(f"{who[:20]!r} {path}", "GET", path, headers=basic(who))
        s.rpc(f"{who[:20]!r} stat", STAT, {"path": ""}, basic(who))
        s.rpc("password", STAT, {"path": ""}, basic("root", "secret"))
    for a in ("Bearer xyz", "Basic", "Basic ", "Basic !!!", "Basic dXNlcg==", "basic cm9vdDo=",
              "Basic cm9vdDo", "Basic  cm9vdDo=", "BASIC cm9vdDo=", "Digest cm9vdDo=",
              "Basic cm9vdDo= "):
        s.rpc(f"authorization {a!r}", STAT, {"path": ""}, {"Authorization": a})
    s.ask("unknown on a preflight", "OPTIONS", "/files", headers=basic("nobodyhere"))
    s.ask("unknown, stream type, rest", "POST", "/files", b"", {**basic("nobodyhere"),
          "Content-Type": STREAM})
    s.ask("unknown, binary type", "POST", STAT, b"", {**basic("nobodyhere"),
          "Content-Type": "application/proto"})
    s.init(defaultUser="nobodyhere")
    s.ask("default unknown: health", "GET", "/health")
    s.ask("default unknown: file", "GET", "/files?path=/etc/hostname")
    s.rpc("default unknown: stat", STAT, {"path": "/etc"})
    s.rpc("default unknown: list", LIST, {})
    s.stream("default unknown: start", START, {"process": {"cmd": "/bin/true"}})
    s.fs("default unknown, but given", "Stat", {"path": ""})
    s.init(defaultUser="root")
    s.fs("default root", "Stat", {"path": ""}, user=None)
    s.init(defaultUser="user")


def case_content_types(s):
    for t in (JSON, "application/json; charset=utf-8", "application/json;charset=UTF-8",
              "Application/JSON", "application/json; charset=latin1", "text/plain", "", None,
              "application/jsonx", "application/connect+json", "application/xml",
              "application/json; x=y"):
        h = {} if t is None else {"Content-Type": t}
        s.ask(f"unary {t!r}", "POST", STAT, b'{"path":"/etc"}', h)
    for t in (STREAM, STREAM + "; charset=utf-8", JSON, "text/plain", None,
              "application/connect+xml", "Application/Connect+JSON"):
        h = {} if t is None else {"Content-Type": t}
        st, head, _ = s.raw("POST", START, envelope({"process": {"cmd": "/bin/true"}}), h)
        s.note(f"stream {t!r}", (st, s.clean_head(head, b"", False)))


def case_bodies(s):
    ok = {"path": "/etc/hostname"}
    for b in (b"", b"{}", b"[]", b"null", b"1", b'"x"', b"{", b'{"path":1}', b'{"path":null}',
              b'{"path":"/etc/hostname"', b'{"path":"/etc/hostname"} ',
              b'{"path":"/etc/hostname"}{}', b'{"path":"/etc/hostname","path":"/etc/passwd"}',
              b'{"path":"/etc/hostname","more":{"a":[1,2]}}', b'{"path":["/etc"]}',
              b'\xef\xbb\xbf{"path":"/etc"}', b'{"path":"\xff"}', b'{"path":"/etc\\u0000x"}',
              b'{"path":"\\ud800"}', b' \n{"path" : "/etc/hostname"}\n', b"{'path':'/etc'}",
              b'{"path":"/etc/hostname",}', b'{"PATH":"/etc/hostname"}', b'{"path":true}',
              b'{"path":"\\u002fetc\\/hostname"}', b'{"path":{}}', b'{"path":1.5}', b"NaN"):
        s.rpc(f"stat {b!r}", STAT, b, basic("root"))
    for b in (b'{"path":"/etc","depth":1}', b'{"path":"/var","depth":"1"}',
              b'{"path":"/var","depth":-1}', b'{"path":"/var","depth":1.0}',
              b'{"path":"/var","depth":1.5}', b'{"path":"/var","depth":4294967296}',
              b'{"path":"/var","depth":"x"}', b'{"path":"/var","depth":null}',
              b'{"path":"/var","depth":1e0}', b'{"path":"/var","depth":" 1"}'):
        st, _, _ = s.raw("POST", "/filesystem.Filesystem/ListDir", b, {"Content-Type": JSON})
        s.note(f"number {b!r}", st)
    for v in ("1", "2", "", "x"):
        s.rpc(f"protocol {v!r}", STAT, ok, {"Connect-Protocol-Version": v})
        s.stream(f"stream, protocol {v!r}", START, {"process": {"cmd": "/bin/true"}},
                 {"Connect-Protocol-Version": v})
    for v in ("60000", "0000060000", "00000060000", "x", "-1", "1.5", "", "+5000", " 60000"):
        s.rpc(f"timeout {v!r}", STAT, ok, {"Connect-Timeout-Ms": v})
    for v in ("60000", "00000060000", "x", "1.5", "9999999999"):
        s.stream(f"stream, timeout {v!r}", START, {"process": {"cmd": "/bin/true"}},
                 {"Connect-Timeout-Ms": v})
    packed = gzip.compress(json.dumps(ok).encode())
    s.rpc("gzip request", STAT, packed, {"Content-Encoding": "gzip"})
    s.rpc("no gzip, but says so", STAT, ok, {"Content-Encoding": "gzip"})
    s.rpc("identity request", STAT, ok, {"Content-Encoding": "identity"})
    s.rpc("br request", STAT, ok, {"Content-Encoding": "br"})
    s.rpc("empty encoding", STAT, ok, {"Content-Encoding": ""})
    s.rpc("GZIP request", STAT, packed, {"Content-Encoding": "GZIP"})
    st, head, data = s.raw("POST", STAT, json.dumps(ok).encode(),
                           {"Content-Type": JSON, "Accept-Encoding": "gzip"})
    coded = head.get("content-encoding")
    s.note("gzip answer coded", coded)
    s.note("gzip answer", json.loads(gzip.decompress(data) if coded else data)["entry"]["path"])
    s.ask("chunked", "POST", STAT, headers={"Content-Type": JSON, **basic("root"),
          "Transfer-Encoding": "chunked"}, chunked=[b'{"pa', b'th":"/etc/host', b'name"}'])


def case_envelopes(s):
    one = envelope({"process": {"cmd": "/bin/true"}})
    packed = gzip.compress(b'{"process":{"cmd":"/bin/true"}}')
    for name, body in (
            ("nothing", b""), ("half a head", one[:3]), ("half a message", one[:20]),
            ("two", one + one), ("with an end", one + envelope({}, 2)),
            ("only an end", envelope({}, 2)), ("empty message", envelope(b"")),
            ("no JSON", envelope(b"x")), ("a list", envelope(b"[]")),
            ("junk behind", one + b"xyz"), ("flag 0x80", b"\x80" + one[1:]),
            ("flag 4", b"\x04" + one[1:]), ("compressed, not said", envelope(packed, 1)),
            ("length of 4 GiB", b"\0\xff\xff\xff\xff{}"),
            ("no process", envelope({})), ("null process", envelope({"process": None})),
            ("no cmd", envelope({"process": {}})),
            ("wrong type", envelope({"process": {"cmd": 5}})),
            ("wrong args", envelope({"process": {"cmd": "/bin/true", "args": "x"}})),
            ("null arg", envelope({"process": {"cmd": "/bin/true", "args": [None]}})),
            ("wrong envs", envelope({"process": {"cmd": "/bin/true", "envs": {"A": 1}}})),
            ("null env", envelope({"process": {"cmd": "/bin/true", "envs": {"A": None}}})),
            ("wrong stdin", envelope({"process": {"cmd": "/bin/true"}, "stdin": "x"})),
            ("wrong pty", envelope({"process": {"cmd": "/bin/true"}, "pty": 1}))):
        s.stream(name, START, body)
    s.stream("compressed", START, envelope(packed, 1), {"Connect-Content-Encoding": "gzip"})
    s.stream("compressed badly", START, envelope(b"xxxx", 1), {"Connect-Content-Encoding": "gzip"})
    s.stream("said, not compressed", START, one, {"Connect-Content-Encoding": "gzip"})
    s.stream("unknown compression", START, one, {"Connect-Content-Encoding": "br"})
    s.stream("identity", START, one, {"Connect-Content-Encoding": "identity",
                                      "Connect-Accept-Encoding": "identity"})
    s.stream("unary's header", START, one, {"Content-Encoding": "identity"})
    for m in "Connect", "WatchDir":
        svc = "/process.Process/" if m == "Connect" else "/filesystem.Filesystem/"
        for name, body in (("nothing", b""), ("torn", one[:7])):
            s.stream(f"{m}: {name}", svc + m, body)


def case_sockets(s):
    def first(data):
        out, closed = s.socket(data, 1.0)
        return out.split(b"\r\n")[0][9:12], closed
    s.note("no HTTP", first(b"hello\r\n\r\n"))
    s.note("no host", first(b"GET /health HTTP/1.1\r\n\r\n"))
    s.note("1.0", first(b"GET /health HTTP/1.0\r\n\r\n"))
    s.note("1.0 keep-alive", first(b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")[0])
    s.note("2.0", first(b"GET /health HTTP/2.0\r\nHost: x\r\n\r\n"))
    s.note("close", first(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    s.note("keep", first(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"))
    s.note("two lengths", first(b"POST /files HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                                b"Content-Length: 2\r\n\r\nab")[0])
    s.note("length and chunked", first(b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
                                       b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")[0])
    s.note("negative length", first(b"POST /files HTTP/1.1\r\nHost: x\r\n"
                                    b"Content-Length: -1\r\n\r\n")[0])
    s.note("bad target", first(b"GET health HTTP/1.1\r\nHost: x\r\n\r\n")[0])
    s.note("absolute target", first(b"GET http://x/health HTTP/1.1\r\nHost: x\r\n\r\n")[0])
    s.note("bad escape", first(b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n")[0])
    s.note("bad escape in query", first(b"GET /files?path=%zz HTTP/1.1\r\nHost: x\r\n\r\n")[0])
    s.note("semicolon in query", first(b"GET /files?path=/etc/hostname;x=1 HTTP/1.1\r\n"
                                       b"Host: x\r\n\r\n")[0])
    out, _ = s.socket(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 3, 1.0)
    s.note("three at once", out.count(b"HTTP/1.1 204"))
    out, _ = s.socket(b"POST /filesystem.Filesystem/Stat HTTP/1.1\r\nHost: x\r\nContent-Type: "
                      b"application/json\r\nContent-Length: 15\r\nExpect: 100-continue\r\n\r\n", 1.0)
    s.note("expect", out.split(b"\r\n")[0])
