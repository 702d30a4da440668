#!/usr/bin/env python3
"""The internet of the tests: a network namespace that owns a few addresses.

Serves on all of them: HTTP (80, 8080), HTTPS (443; a certificate of its own, and
HTTP to whoever speaks that), a keyserver with one key (11371), UDP echo (7), UDP that
pushes for 15 seconds at whoever sends it a datagram (8), a TCP stream whose every
block carries its own checksum (9000), an acceptor that says nothing (9001), one that
says how many bytes it was sent, and their hash, once the other end has no more (9002),
SSH that lets nobody in (22; a mere greeter where dropbear is not installed), and DNS
(53, UDP and TCP).  Every answer over HTTP says which address gave it, in `Server`.
Prints "ready" when all listen.  Ends when its standard input does.
"""
import hashlib
import os
import selectors
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

BLOCK = 1024
NAMES = {
    "one.example": ("1.1.1.1", "2606:4700:4700::1111"),
    "google.example": ("8.8.8.8", "2001:4860:4860::8888"),
    "www.google.example": ("8.8.8.8", None),
    "maps.google.example": ("8.8.4.4", None),
    "cloudflare.example": ("1.1.1.1", None),
    "github.example": ("9.9.9.9", None),
    "echo.example": ("8.8.4.4", None),
    "plain.example": ("1.0.0.1", None),
    "keys.example": ("9.9.9.9", None),
    "private.example": ("10.99.0.1", None),
}
# Made for this, and of no other use: nobody has its secret half.
KEY = """-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEZHffgBYJKwYBBAHaRw8BAQdAtmL3cUh6PLLYt3u0I6Sp5JSrlOv03x1WS1qo
6/rKRsK0JUtleXNlcnZlciBvZiB0aGUgdGVzdHMgPGtleXNAZXhhbXBsZT6IkAQT
FggAOBYhBHJrWeJTq7XtAYkj/yoor6CM7ixWBQJkd9+AAhsDBQsJCAcCBhUKCQgL
AgQWAgMBAh4BAheAAAoJECoor6CM7ixWq40BAJvvTEWuKUgZlHWhpohUCfCSmvYb
hNtPK+mwKoRyT0btAP0dhNyJEaP0ipKXWSZMKg90Bg0+USL5XDc372fiP46XAA==
=A628
-----END PGP PUBLIC KEY BLOCK-----
"""
SSHD = shutil.which("dropbear", path="/usr/sbin:/usr/local/sbin:/usr/bin")
NOBODY = 65534
host_key = os.memfd_create("host_key")
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


def block(i):
    """Block i of the stream: its number, filler, and the hash of both."""
    body = struct.pack(">Q", i) + bytes([i & 255]) * (BLOCK - 40)
    return body + hashlib.sha256(body).digest()


def tcp(port, serve):
    s = socket.create_server(("::", port), family=socket.AF_INET6,
                             dualstack_ipv6=True, backlog=4096)

    def loop():
        while True:
            c, _ = s.accept()
            threading.Thread(target=guarded, args=(serve, c), daemon=True).start()
    threading.Thread(target=loop, daemon=True).start()


def guarded(serve, c):
    try:
        with c:
            serve(c)
    except (OSError, subprocess.SubprocessError):
        pass


def plain(address):
    return address[7:] if address.startswith("::ffff:") else address


def http(c):
    data = b""
    while b"\r\n\r\n" not in data:
        got = c.recv(4096)
        if not got:
            return
        data += got
    peer, here = plain(c.getpeername()[0]), plain(c.getsockname()[0])
    text = "%s to %s\n" % (peer, here)
    if data.startswith(b"GET /pks/lookup?op=get"):
        text = KEY
    head = ("HTTP/1.1 200 OK\r\nServer: internet %s\r\nConnection: close\r\n"
            "Content-Length: %d\r\n\r\n" % (here, len(text)))
    c.sendall((head if data.startswith(b"HEAD ") else head + text).encode())


def https(c):
    if c.recv(1, socket.MSG_PEEK) != b"\x16":
        return http(c)
    with tls.wrap_socket(c, server_side=True) as t:
        http(t)


def stream(c):
    """About 1,000 blocks a second until the other end goes."""
    i = 0
    while True:
        c.sendall(b"".join(block(i + k) for k in range(10)))
        i += 10
        time.sleep(0.01)


def silent(c):
    while c.recv(4096):
        pass


def counter(c):
    """Says nothing before the other end has said all."""
    n, h = 0, hashlib.sha256()
    while True:
        got = c.recv(65536)
        if not got:
            break
        n += len(got)
        h.update(got)
    c.sendall(b"%d %s\n" % (n, h.hexdigest().encode()))


def ssh(c):
    if not SSHD:
        c.sendall(b"SSH-2.0-internet\r\n")
        return silent(c)
    # No passwords (-s), and no keys: nobody has a home.
    subprocess.run([SSHD, "-i", "-s", "-r", "/proc/self/fd/%d" % host_key], stdin=c, stdout=c,
                   stderr=subprocess.DEVNULL, pass_fds=[host_key], timeout=30,
                   user=NOBODY, group=NOBODY, extra_groups=[])


def make_secrets():
    """Keys for TLS and SSH, in no file by the time this returns."""
    with tempfile.TemporaryDirectory() as d:
        pem, key = d + "/tls.pem", d + "/host_key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-days", "30", "-subj", "/CN=internet", "-keyout", pem, "-out", pem],
                       check=True, capture_output=True)
        tls.load_cert_chain(pem)
        if SSHD:
            subprocess.run(["dropbearkey", "-t", "ed25519", "-f", key], check=True, capture_output=True)
            with open(key, "rb") as f:
                os.write(host_key, f.read())
            os.fchown(host_key, NOBODY, NOBODY)


def answer(query):
    """One DNS answer; names that we do not know do not exist."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("ascii", "replace"))
        at += 1 + query[at]
    qtype = struct.unpack(">H", query[at + 1:at + 3])[0]
    question = query[12:at + 5]
    known = NAMES.get(".".join(labels).lower())
    rdata = None
    if known and qtype == 1 and known[0]:
        rdata = socket.inet_pton(socket.AF_INET, known[0])
    elif known and qtype == 28 and known[1]:
        rdata = socket.inet_pton(socket.AF_INET6, known[1])
    head = query[:2] + struct.pack(">HHHHH", 0x8180 if known else 0x8183, 1,
                                   1 if rdata else 0, 0, 0)
    if rdata is None:
        return head + question
    return head + question + struct.pack(">HHHIH", 0xc00c, qtype, 1, 30,
                                         len(rdata)) + rdata


def dns_tcp(c):
    data = b""
    while len(data) < 2 or len(data) < 2 + struct.unpack(">H", data[:2])[0]:
        got = c.recv(4096)
        if not got:
            return
        data += got
    reply = answer(data[2:])
    c.sendall(struct.pack(">H", len(reply)) + reply)


def push(s, peer):
    """A hundred datagrams a second, wanted or not, with the time (monotonic, ns)."""
    for _ in range(1500):
        try:
            s.sendto(b"sent at " + struct.pack(">Q", time.monotonic_ns()), peer)
        except OSError:
            pass
        time.sleep(0.01)


def pusher(address):
    s = udp_socket(address, 8)

    def loop():
        while True:
            try:
                _, peer = s.recvfrom(2048)
                threading.Thread(target=push, args=(s, peer), daemon=True).start()
            except OSError:
                pass
    threading.Thread(target=loop, daemon=True).start()


def udp_socket(address, port):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                      socket.SOCK_DGRAM)
    s.bind((address, port))
    return s


def udp(addresses):
    """Bound one by one, so that an answer comes from where it was asked."""
    sel = selectors.DefaultSelector()
    for a in addresses:
        pusher(a)
        for port, reply in ((7, lambda d: d), (53, answer)):
            sel.register(udp_socket(a, port), selectors.EVENT_READ, reply)

    def loop():
        while True:
            for k, _ in sel.select():
                try:
                    data, peer = k.fileobj.recvfrom(65535)
                    k.fileobj.sendto(k.data(data), peer)
                except (OSError, IndexError, struct.error):
                    pass
    threading.Thread(target=loop, daemon=True).start()


def main():
    make_secrets()
    for port, serve in ((80, http), (8080, http), (443, https), (11371, http), (9000, stream),
                        (9001, silent), (9002, counter), (22, ssh), (53, dns_tcp)):
        tcp(port, serve)
    udp(sys.argv[1:])
    print("ready", flush=True)
    while os.read(0, 4096):
        pass


if __name__ == "__main__":
    main()
