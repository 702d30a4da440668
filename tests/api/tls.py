#!/usr/bin/env python3
"""tests/api/tls.py - the way in by TLS: unchanged SDKs that know a domain and a
key and nothing else, curl, and connections that end in every way there is."""
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings

os.environ.setdefault("COP_CONF", "max_sandboxes = 16\npool_slots = 4\ndomain = tls.test")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import coppice
from coppice import KEY, STATE, TOP, Sandbox, case, note, same, until

DOMAIN = "tls.test"
CERTS = pathlib.Path(STATE, "certs")
CONF = pathlib.Path(STATE, "coppiced.conf")
LOG = pathlib.Path(STATE, "log")


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=CERTS)


def certificate(name, days="2"):
    """NAME.pem, with its issuer behind it, and NAME.key, which is root's."""
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", "/CN=way in " + name, "-keyout", name + ".key", "-out", name + ".csr")
    (CERTS / "ext").write_text("subjectAltName=DNS:*.%s,DNS:%s\nextendedKeyUsage=serverAuth\n" % (DOMAIN, DOMAIN))
    openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", days, "-extfile", "ext", "-out", name + ".leaf")
    (CERTS / (name + ".pem")).write_text((CERTS / (name + ".leaf")).read_text() + (CERTS / "ca.pem").read_text())
    (CERTS / (name + ".key")).chmod(0o600)


def install(name, key=None):
    for kind, source in (("pem", name), ("key", key or name)):
        (CERTS / ("used." + kind)).write_bytes((CERTS / (source + "." + kind)).read_bytes())
    (CERTS / "used.key").chmod(0o600)


def refused_start():
    """What coppiced says of the configuration that there is, and how it ends."""
    r = subprocess.run([os.environ["COP_BIN"] + "/coppiced", "-f", str(CONF)], capture_output=True, text=True, timeout=60)
    return r.returncode, r.stdout + r.stderr


@case("a configuration that cannot work is refused, with the key's name")
def _():
    coppice.daemon("stop")
    CERTS.mkdir()
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=test CA", "-keyout", "ca.key", "-out", "ca.pem")
    certificate("one")
    certificate("two")
    plain = CONF.read_text()

    def tries(lines, *words):
        CONF.write_text(plain + lines)
        code, text = refused_start()
        assert code == 1, text
        for word in words:
            assert word in text, text
    tries("tls_listen = 127.0.0.1:443\n", "tls_cert: tls_listen needs one", "tls_key: tls_listen needs one")
    tries("tls_listen = 443\n", 'tls_listen: "443" is not ADDRESS:PORT')
    tries("tls_listen = 127.0.0.1:3002\ntls_cert = /x\ntls_key = /y\n", "tls_listen: 127.0.0.1:3002 is way_in_listen's already")
    tries("tls_cert = x\n", 'tls_cert: "x" is not an absolute path')
    where = "tls_listen = 127.0.0.1:443\ntls_cert = %s\ntls_key = %s\n"
    tries(where % ("/nonexistent", CERTS / "one.key"), "tls_cert: /nonexistent: No such file")
    tries(where % (CERTS / "one.pem", "/nonexistent"), "tls_key: /nonexistent: No such file")
    tries(where % (CERTS / "one.key", CERTS / "one.key"), "tls_cert: there is no certificate in it")
    tries(where % (CERTS / "one.pem", CERTS / "one.pem"), "tls_key: there is no key without a password in it")
    tries(where % (CERTS / "one.pem", CERTS / "two.key"), "tls_key: it is not the key of tls_cert's certificate")
    openssl("ec", "-in", "one.key", "-aes128", "-passout", "pass:x", "-out", "locked.key")
    tries(where % (CERTS / "one.pem", CERTS / "locked.key"), "tls_key: there is no key without a password in it")
    big = CERTS / "big"
    big.write_bytes(300_000 * b"x")
    tries(where % (big, CERTS / "one.key"), "tls_cert: ", "is longer than 262144 bytes")
    install("one")
    CONF.write_text(plain + where % (CERTS / "used.pem", CERTS / "used.key"))
    coppice.daemon("start")


def context(**opts):
    c = ssl.create_default_context(cafile=str(CERTS / "ca.pem"))
    for name, value in opts.items():
        setattr(c, name, value)
    return c


def connect(name, ctx=None):
    s = socket.create_connection(("127.0.0.1", 443), timeout=20)
    return (ctx or context()).wrap_socket(s, server_hostname="%s.%s" % (name, DOMAIN),
                                              suppress_ragged_eofs=False)


def ask(name, method="GET", path="/", body=None, headers=None):
    c = http.client.HTTPSConnection("%s.%s" % (name, DOMAIN), timeout=20)
    c.sock = connect(name)
    try:
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        return coppice.Reply(r.status, r.headers, r.read())
    finally:
        c.close()


SERVER = r"""
import socket, threading
def one(c):
    f = c.makefile("rb")
    first = f.readline()
    n = 0
    while (h := f.readline().strip()):
        if h.lower().startswith(b"content-length:"):
            n = int(h.split(b":")[1])
    what = first.split()[1].decode()
    try:
        if what == "/tunnel":
            c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
            c.sendall(b"all of %d" % len(f.read()))
        elif what == "/forever":
            c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                c.sendall(b"4000\r\n" + 0x4000 * b"z" + b"\r\n")
        elif what == "/wait":
            open("/tmp/waits", "w").close()
            got = c.recv(1)
            open("/tmp/ended", "w").write(repr(got))
        elif what.startswith("/bytes"):
            n = int(what[6:])
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % n)
            block = bytes(range(256)) * 256
            while n:
                c.sendall(block[:n])
                n -= len(block[:n])
        else:
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere")
    except OSError as e:
        open("/tmp/ended", "w").write(repr(e))
    f.close()
    c.close()
s = socket.create_server(("127.0.0.1", 8000))
print("ready", flush=True)
while True:
    threading.Thread(target=one, args=(s.accept()[0],), daemon=True).start()
"""


def serving():
    sbx = Sandbox()
    sbx.server = sbx.python(SERVER).until(b"ready")
    return sbx


def begin(sbx, path, extra="", ctx=None):
    name = "8000-" + sbx.id
    s = connect(name, ctx)
    s.sendall(("GET %s HTTP/1.1\r\nHost: %s.%s\r\n%s\r\n" % (path, name, DOMAIN, extra)).encode())
    return s


def tunnelled(sbx, data):
    """Sends it through a tunnel, then a close_notify; all that comes back.

    ssl.SSLSocket cannot say that and go on reading, what is below it can."""
    raw = socket.create_connection(("127.0.0.1", 443), timeout=20)
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    name = "8000-" + sbx.id
    tls = context().wrap_bio(into, out, server_hostname="%s.%s" % (name, DOMAIN))

    def step(act, *args):
        while True:
            try:
                return act(*args)
            except ssl.SSLWantReadError:
                raw.sendall(out.read())
                got = raw.recv(65536)
                if got:
                    into.write(got)
                else:
                    into.write_eof()
            finally:
                raw.sendall(out.read())
    step(tls.do_handshake)
    step(tls.write, ("GET /tunnel HTTP/1.1\r\nHost: %s.%s\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
                     % (name, DOMAIN)).encode())
    for i in range(0, len(data), 16384):
        step(tls.write, data[i:i + 16384])
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.unwrap()
    raw.sendall(out.read())
    got = b""
    with contextlib.suppress(ssl.SSLZeroReturnError):
        while True:
            more = step(tls.read, 65536)
            if not more:
                break
            got += more
    raw.close()
    return got


slow_hands = []


@case("versions, protocols, and who does not speak TLS at all")
def _():
    # Nobody waits for a handshake for ever: looked at again at the end.
    slow_hands.append((time.monotonic(), socket.create_connection(("127.0.0.1", 443))))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        c = context(minimum_version=version, maximum_version=version)
        with connect("api", c) as s:
            same(s.version(), version.name.replace("_", "."))
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        connect("api", old)
        raise AssertionError("TLS 1.1 is spoken")
    except ssl.SSLError:
        pass
    for offered, want in ((["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), (None, None)):
        c = context()
        if offered:
            c.set_alpn_protocols(offered)
        with connect("api", c) as s:
            same(s.selected_alpn_protocol(), want)
    c = context()
    c.set_alpn_protocols(["h2"])
    try:
        connect("api", c)
        raise AssertionError("h2 alone is agreed to")
    except ssl.SSLError as e:
        assert "no application protocol" in str(e).lower().replace("_", " "), e
    r = coppice.send(coppice.urllib.parse.urlsplit("http://127.0.0.1:443"), "GET", "/")
    same(r.status, 400)


@case("api.DOMAIN is the API, sandbox.DOMAIN and PORT-ID.DOMAIN are sandboxes")
def _():
    same(ask("api", path="/health").raw, b"Health check successful")
    same(ask("api", path="/v2/sandboxes").status, 401)
    r = ask("api", "POST", "/v2/sandboxes", json.dumps({"templateID": "base", "timeout": 60}),
            {"X-API-Key": KEY, "Content-Type": "application/json"})
    same(r.status, 201, r)
    same(r.json["domain"], DOMAIN)
    sbx = Sandbox.found(r.json)
    assert sbx.id in [s["sandboxID"] for s in ask("api", path="/v2/sandboxes", headers={"X-API-Key": KEY}).json]
    same(ask("49983-" + sbx.id, path="/health").status, 204)
    same(ask("sandbox", path="/health", headers=sbx.headers()).status, 204)
    same(ask("81-" + sbx.id).json["message"], "The sandbox is running but port is not open")
    same(ask("49983-" + sbx.id, "POST", "/init").status, 404)
    same(ask("nothing").status, 400)
    # Only by TLS: without it the way in has no such name.
    same(coppice.send(coppice.WAY_IN, "GET", "/health", headers={"Host": "api." + DOMAIN}).status, 400)
    # What a client says of where it comes from is not believed.
    same(ask("api", path="/v2/sandboxes", headers={"X-API-Key": KEY, "X-Coppice-Peer": "192.0.2.1"}).status, 200)
    r = coppice.api("GET", "/v2/sandboxes", X_Coppice_Peer="192.0.2.1")
    same(r.status, 403)


@case("megabytes both ways, and a client that does not read")
def _():
    sbx = serving()
    want = hashlib.sha256((bytes(range(256)) * 256 * 320)[:20_000_003]).hexdigest()
    same(hashlib.sha256(ask("8000-" + sbx.id, path="/bytes20000003").raw).hexdigest(), want)
    data = os.urandom(20_000_000)
    r = ask("49983-" + sbx.id, "POST", "/files?path=/tmp/up&username=user", data,
            {"X-Access-Token": sbx.token, "Content-Type": "application/octet-stream"})
    same(r.status, 200)
    same(sbx.sh("sha256sum </tmp/up")[:64], hashlib.sha256(data).hexdigest())
    proxyd = [p for p, n in coppice.daemons().items() if n == "coppice-proxyd"][0]

    def rss():
        return int(pathlib.Path("/proc/%d/statm" % proxyd).read_text().split()[1]) * 4
    before = rss()
    lazy = [begin(sbx, "/forever") for _ in range(20)]
    time.sleep(1)
    grown = rss() - before
    note("%d KiB for each of 20 that do not read" % (grown / 20))
    assert grown < 20 * 400, grown
    for s in lazy:
        s.close()


@case("ends: close_notify is half a close, going away is an abrupt one")
def _():
    sbx = serving()
    got = tunnelled(sbx, 100_000 * b"x")
    assert got.endswith(b"\r\n\r\nall of 100000"), got[-60:]
    # The client goes away: so does its connection inside.
    s = begin(sbx, "/wait")
    assert until(lambda: sbx.sh("ls /tmp") and "waits" in sbx.sh("ls /tmp"))
    socket.socket(fileno=s.detach()).close()  # without a close_notify
    assert until(lambda: "ended" in sbx.sh("ls /tmp"))
    # The sandbox goes away: no close_notify, no end of the chunks.
    s = begin(sbx, "/forever")
    s.recv(1000)
    same(sbx.kill(), 204)
    try:
        while s.recv(1 << 20):
            pass
        raise AssertionError("a clean end")
    except (ConnectionResetError, ssl.SSLEOFError):
        pass


@case("curl: uploads with 100-continue, HTTP/1.0, kept connections")
def _():
    sbx = serving()

    def curl(*args):
        return subprocess.run(["curl", "-sS", "-m", "20", "--cacert", str(CERTS / "ca.pem"), "--connect-to",
                               "::127.0.0.1:443", *args], check=True, capture_output=True).stdout
    base = "https://8000-%s.%s" % (sbx.id, DOMAIN)
    same(curl(base + "/a", base + "/b", base + "/c"), b"hereherehere")
    same(curl("-0", base + "/a"), b"here")
    path = CERTS / "body"
    path.write_bytes(os.urandom(1_000_000))
    curl("-F", "file=@%s" % path, "-H", "X-Access-Token: " + sbx.token, "-H", "Expect: 100-continue",
         "https://49983-%s.%s/files?path=/tmp/c&username=user" % (sbx.id, DOMAIN))
    same(sbx.sh("sha256sum </tmp/c")[:64], hashlib.sha256(path.read_bytes()).hexdigest())


def serial(ctx=None):
    with connect("api", ctx) as s:
        return s.getpeercert()["serialNumber"]


@case("SIGHUP: a new certificate for new connections; a bad one is left where it is")
def _():
    pid = int(pathlib.Path(STATE, "pid").read_text())
    before = serial()
    kept = http.client.HTTPSConnection("api." + DOMAIN)
    kept.sock = connect("api")

    def health():
        kept.request("GET", "/health")
        return kept.getresponse().read()
    same(health(), b"Health check successful")
    daemons = coppice.daemons()
    install("two", key="one")
    os.kill(pid, signal.SIGHUP)
    assert until(lambda: "tls_key: it is not the key of tls_cert's certificate" in LOG.read_text()[-4000:])
    same(serial(), before)
    install("two")
    os.kill(pid, signal.SIGHUP)
    assert until(lambda: serial() != before)
    same(health(), b"Health check successful")
    same(coppice.daemons(), daemons, "something started anew")


@contextlib.contextmanager
def names():
    """A name server for *.DOMAIN on this host's loopback; a resolv.conf for it."""
    p = subprocess.Popen(["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                          "--listen-address=127.0.0.1", "--bind-interfaces", "--user=root", "--pid-file=",
                          "--address=/%s/127.0.0.1" % DOMAIN])
    path = CERTS / "resolv.conf"
    path.write_text("nameserver 127.0.0.1\n")
    try:
        yield path
    finally:
        p.kill()
        p.wait()


def sdk(*argv, **env):
    """Runs a program that knows the domain and the key alone."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("E2B_", "COP_"))}
    ca = str(CERTS / "ca.pem")
    with names() as resolv:
        r = subprocess.run(
            ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(resolv), *argv],
            env={**keep, "E2B_DOMAIN": DOMAIN, "E2B_API_KEY": KEY, "CURL_CA_BUNDLE": ca, **env},
            cwd=TOP, capture_output=True, text=True, timeout=120)
    assert r.returncode == 0 and r.stdout == "all is well\n", r.stdout + r.stderr


@case("e2b of npm, with E2B_DOMAIN and E2B_API_KEY")
def _():
    if not (TOP / "build/sdk-js/node_modules/e2b").exists():
        raise coppice.Skip("no e2b package: run tools/setup")
    node = coppice.host(str(TOP / "tools/setup"), "--node").strip()
    sdk(node + "/node", "--no-warnings", "tests/lib/tls_sdk.mjs", NODE_EXTRA_CA_CERTS=str(CERTS / "ca.pem"))


@case("e2b of PyPI, with E2B_DOMAIN and E2B_API_KEY")
def _():
    if not (TOP / "build/sdk-py/ready").exists():
        raise coppice.Skip("no e2b package: run tools/setup")
    sdk("build/sdk-py/bin/python", "tests/lib/tls_sdk.py", SSL_CERT_FILE=str(CERTS / "ca.pem"))


@case("a handshake that does not begin is not waited for")
def _():
    since, s = slow_hands[0]
    s.settimeout(max(1, 13 - (time.monotonic() - since)))
    same(s.recv(1), b"")


coppice.main()
