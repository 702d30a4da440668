#!/usr/bin/env python3
"""The internet of the tests: a network namespace that owns a few addresses.

Serves on all of them: HTTP (80, 8080, 443 without TLS), UDP echo (7), UDP that
pushes for 15 seconds at whoever sends it a datagram (8), a TCP stream whose every
block carries its own checksum (9000), an acceptor that says nothing (9001), a
greeter (22), and DNS (53, UDP and TCP).  Prints "ready" when all listen.  Ends
when its standard input does.
"""
import hashlib
import os
import selectors
import socket
import struct
import sys
import threading
import time

BLOCK = 1024
NAMES = {
    "one.example": ("1.1.1.1", "2606:4700:4700::1111"),
    "google.example": ("8.8.8.8", "2001:4860:4860::8888"),
    "private.example": ("10.99.0.1", None),
}


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
    except OSError:
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
    text = "%s to %s\n" % (plain(c.getpeername()[0]), plain(c.getsockname()[0]))
    c.sendall(b"HTTP/1.1 200 OK\r\nServer: internet\r\nConnection: close\r\n"
              b"Content-Length: %d\r\n\r\n%s" % (len(text), text.encode()))


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


def greeter(c):
    c.sendall(b"SSH-2.0-internet\r\n")
    silent(c)


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
    """A hundred datagrams a second, wanted or not."""
    for i in range(1500):
        try:
            s.sendto(b"pushed %d" % i, peer)
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
    for port, serve in ((80, http), (8080, http), (443, http), (9000, stream),
                        (9001, silent), (22, greeter), (53, dns_tcp)):
        tcp(port, serve)
    udp(sys.argv[1:])
    print("ready", flush=True)
    while os.read(0, 4096):
        pass


if __name__ == "__main__":
    main()
