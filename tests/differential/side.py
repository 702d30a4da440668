"""side.py - one of two daemons that are asked the same, and what it said.

Whatever a case asks is written into the side's log, made comparable: pids,
fresh times and random names become words.  Error texts are kept apart
("~text"), since no client parses them, but for those few that cases name.
"""
import base64
import gzip
import http.client
import json
import os
import re
import socket
import struct
import time

HEADERS = ("content-type", "content-length", "content-encoding", "vary", "allow", "accept-post",
           "cache-control", "content-disposition", "accept-ranges", "content-range",
           "last-modified", "transfer-encoding", "etag", "x-content-type-options",
           "access-control-allow-origin", "access-control-allow-methods",
           "access-control-allow-headers", "access-control-max-age",
           "access-control-expose-headers", "access-control-allow-credentials",
           "connect-content-encoding", "x-e2b-legacy-sdk", "location")
JSON = "application/json"
STREAM = "application/connect+json"


def basic(user, password=""):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def envelope(msg, flags=0):
    b = msg if isinstance(msg, bytes) else json.dumps(msg).encode()
    return bytes([flags]) + struct.pack(">I", len(b)) + b


def envelopes(data):
    out = []
    while data:
        if len(data) < 5:
            return out + [("torn", data)]
        n = struct.unpack(">I", data[1:5])[0]
        if len(data) < 5 + n:
            return out + [("torn", data)]
        p = data[5:5 + n]
        out.append((data[0] & ~1, json.loads(gzip.decompress(p) if data[0] & 1 and p else p or b"{}")))
        data = data[5 + n:]
    return out


def fresh(stamp):
    """Of today: of this run, and so not to be compared."""
    try:
        return abs(time.time() - time.mktime(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S"))) < 2e5
    except ValueError:
        return False


def mask(v, key=""):
    if isinstance(v, dict):
        return {k: mask(x, k) for k, x in v.items()}
    if isinstance(v, (list, tuple)):
        return type(v)(mask(x, key) for x in v)
    if key == "pid" and isinstance(v, int) and v > 0:
        return "PID"
    if key == "modifiedTime" and isinstance(v, str) and fresh(v):
        return "NOW"
    if key == "watcherId" and isinstance(v, str):
        return "WATCHER" if re.fullmatch("w[a-z0-9]{20}", v) else v
    return v


class Side:
    def __init__(self, name, port, root, secret=None):
        self.name, self.port, self.root, self.secret = name, port, root, secret
        self.token, self.log, self.asked = None, [], 0

    # --- what is written down ---------------------------------------------

    def note(self, label, value):
        self.log.append((label, value))

    def path(self, p):
        return self.root + p

    # --- plain HTTP -------------------------------------------------------

    def raw(self, method, path, body=None, headers=None, auth=True, chunked=False, timeout=20):
        h = dict(headers or {})
        if self.token and auth:
            h.setdefault("X-Access-Token", self.token)
        if body is None and method == "POST":
            body = b""
        self.asked += 1
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            if chunked:
                c.request(method, path, iter(chunked), h, encode_chunked=True)
            else:
                c.request(method, path, body, h)
            r = c.getresponse()
            data = r.read()
        finally:
            c.close()
        head = {}
        for k, v in r.getheaders():
            k = k.lower()
            head[k] = head[k] + ", " + v if k in head else v
        return r.status, head, data

    def clean_head(self, head, body, keep_length):
        out = {k: head[k] for k in HEADERS if k in head}
        if not keep_length or out.get("content-type") == STREAM:
            out.pop("content-length", None)
            out.pop("transfer-encoding", None)
        if "last-modified" in out and fresh_http(out["last-modified"]):
            out["last-modified"] = "NOW"
        if "allow" in out:
            out["allow"] = sorted(out["allow"].split(", "))
        if is_json(head, body):
            out["content-type"] = JSON
        if out.get("content-type") == "":  # nothing in other words
            del out["content-type"]
        # What the answer names is more than the other one says, and true.
        if out.get("vary") == "Origin, Accept-Encoding":
            out["vary"] = "Accept-Encoding"
        if "accept-post" in out:  # no client speaks gRPC here
            out["accept-post"] = [x for x in out["accept-post"].split(", ") if "/grpc" not in x]
        m = re.search("boundary=([0-9a-zA-Z]+)", out.get("content-type", ""))
        if m and "content-length" in out:  # as if the boundary were empty
            out["content-length"] = int(out["content-length"]) - body.count(m[1].encode()) * len(m[1])
        if m:
            out["content-type"] = out["content-type"].replace(m[1], "BOUNDARY")
        return out

    def ask(self, label, method, path, body=None, headers=None, text=False, auth=True,
            chunked=False, plain=False):
        """text: the error's message counts too; plain: only the status does."""
        st, head, data = self.raw(method, path, body, headers, auth, chunked)
        got = {"status": st}
        if not plain:
            parsed, said = self.body(st, head, data, text)
            got["head"] = self.clean_head(head, data, said is None and not is_json(head, data))
            got["body"] = parsed
            if said is not None:
                self.note(label + " ~text", said)
        self.note(label, got)
        return st, head, data

    def body(self, st, head, data, text):
        """The body to compare, and a message apart when it is none."""
        if is_json(head, data):
            try:
                # Who asks in gzip is answered so by one of them.
                v = mask(json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data))
            except ValueError:
                return ("bad JSON", data), None
            if st >= 400 and isinstance(v, dict) and not text:
                return {k: x for k, x in v.items() if k != "message"}, v.get("message")
            return v, None
        m = re.search("boundary=([0-9a-zA-Z]+)", head.get("content-type", ""))
        if m:
            data = data.replace(m[1].encode(), b"BOUNDARY")
        if st >= 400 and not text:
            return None, data.decode(errors="replace")
        return data, None

    # --- RPC --------------------------------------------------------------

    def rpc(self, label, method, msg, headers=None, text=False, **kw):
        body = msg if isinstance(msg, bytes) else json.dumps(msg).encode()
        _, _, data = self.ask(label, "POST", method, body, {"Content-Type": JSON, **(headers or {})},
                              text, **kw)
        try:
            return json.loads(data)
        except ValueError:
            return {}

    def fs(self, label, method, msg, user="user", **kw):
        h = {**basic(user), **kw.pop("headers", {})} if user else kw.pop("headers", {})
        return self.rpc(label, "/filesystem.Filesystem/" + method, msg, h, **kw)

    def proc(self, label, method, msg, **kw):
        return self.rpc(label, "/process.Process/" + method, msg, **kw)

    def stream(self, label, method, msg, headers=None, **kw):
        """A whole stream, as events; for those that end by themselves."""
        body = msg if isinstance(msg, bytes) else envelope(msg)
        st, head, data = self.raw("POST", method, body,
                                  {"Content-Type": STREAM, **(headers or {})}, **kw)
        got = {"status": st, "head": self.clean_head(head, data, False)}
        if head.get("content-type") == STREAM:
            got["events"], said = self.fold(envelopes(data))
            if said is not None:
                self.note(label + " ~text", said)
        else:
            got["body"], said = self.body(st, head, data, False)
        self.note(label, got)
        return got

    @staticmethod
    def fold(events):
        """Data of one kind joined, since how it is cut is a matter of time."""
        out, said, joined = [], None, {}
        for flags, v in events:
            ev = v.get("event", {}) if isinstance(v, dict) else {}
            if flags == 0 and "data" in ev:
                for k, x in ev["data"].items():
                    if k not in joined:
                        joined[k] = b""
                        out.append(k)
                    joined[k] += base64.b64decode(x)
            elif flags == 0 and "keepalive" in ev:
                out.append("keepalive")
            else:
                v = mask(v)
                if flags == 2 and "error" in v:
                    said = v["error"].pop("message", None)
                out.append((flags, v))
        kinds = sorted(((k, joined[k]) for k in joined))
        return [x for x in out if not (isinstance(x, str) and x in joined)] + kinds, said

    def live(self, method, msg, headers=None, timeout=20):
        self.asked += 1
        return Live(self, method, msg, headers, timeout)

    def start(self, cmd, *args, headers=None, user="user", process=None, **kw):
        h = {**(basic(user) if user else {}), **(headers or {})}
        return self.live("/process.Process/Start",
                         {"process": {"cmd": cmd, "args": list(args), **(process or {})}, **kw}, h)

    def run(self, label, cmd, *args, headers=None, user="user", process=None, **kw):
        h = {**(basic(user) if user else {}), **(headers or {})}
        return self.stream(label, "/process.Process/Start",
                           {"process": {"cmd": cmd, "args": list(args), **(process or {})}, **kw}, h)

    def sh(self, label, script, **kw):
        return self.run(label, "/bin/sh", "-c", script, **kw)

    # --- the rest ---------------------------------------------------------

    def init(self, **kw):
        h = {"X-Coppice-Init": self.secret} if self.secret else {}
        st, _, body = self.raw("POST", "/init", json.dumps(kw).encode(), h)
        if st != 204:
            raise RuntimeError(f"{self.name}: /init {kw}: {st} {body!r}")
        self.token = kw.get("accessToken")

    def socket(self, data, wait=2.0):
        """Bytes as they are; what comes back until it is quiet."""
        self.asked += 1
        out = b""
        with socket.create_connection(("127.0.0.1", self.port), 5) as c:
            c.settimeout(wait)
            try:
                c.sendall(data)
                while True:
                    got = c.recv(65536)
                    if not got:
                        return out, True
                    out += got
            except (TimeoutError, ConnectionError):
                return out, False


def is_json(head, data=b""):
    # What an upload says is JSON, though one of them does not say so.
    return (head.get("content-type", "").startswith("application/json")
            or (data[:2] in (b"[{", b"[]") and head.get("content-type", "").startswith("text/plain")))


def fresh_http(stamp):
    try:
        t = time.mktime(time.strptime(stamp, "%a, %d %b %Y %H:%M:%S GMT"))
    except ValueError:
        return False
    return abs(time.time() - t) < 2e5


class Live:
    """A stream that is read as it comes."""

    def __init__(self, side, method, msg, headers, timeout):
        self.c = http.client.HTTPConnection("127.0.0.1", side.port, timeout=timeout)
        h = {"Content-Type": STREAM, **(headers or {})}
        if side.token:
            h["X-Access-Token"] = side.token
        self.c.request("POST", method, msg if isinstance(msg, bytes) else envelope(msg), h)
        self.r = self.c.getresponse()
        self.pid = None

    def next(self):
        head = self.r.read(5)
        if len(head) < 5:
            return ("eof", None)
        v = json.loads(self.r.read(struct.unpack(">I", head[1:])[0]))
        pid = v.get("event", {}).get("start", {}).get("pid") if isinstance(v, dict) else None
        self.pid = pid or self.pid
        return head[0], v

    def until(self, want, kind="stdout"):
        """Reads until what came of one kind has these bytes."""
        have = b""
        while want not in have:
            flags, v = self.next()
            if flags != 0:
                return have + f"<{v}>".encode()
            have += base64.b64decode(v.get("event", {}).get("data", {}).get(kind, ""))
        return have

    def rest(self):
        return envelopes(self.r.read())

    def close(self):
        # The response keeps the socket open as long as it is not closed too.
        self.r.close()
        self.c.close()


def settle(get, quiet=0.4, limit=8.0):
    """Calls get() until it has brought nothing for a while."""
    out, last, end = [], time.time(), time.time() + limit
    while time.time() < end and time.time() - last < quiet:
        new = get()
        if new:
            out += new
            last = time.time()
        time.sleep(0.05)
    return out


def chown_tree(path, uid):
    os.chown(path, uid, uid)
    for d, dirs, files in os.walk(path):
        for n in dirs + files:
            os.lchown(os.path.join(d, n), uid, uid)
