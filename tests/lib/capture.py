#!/usr/bin/env python3
"""tests/lib/capture.py INTERFACE - what arrives there, as JSON, one packet a
line: when (seconds, wall clock, from the kernel), protocol, source,
destination, ports, TCP flags, and the send time (ns, CLOCK_MONOTONIC, else 0) of a
payload that begins with "sent at " and those eight bytes.  Prints "ready" first, the
packets when its standard input ends."""
import json
import select
import socket
import struct
import sys
import time

ETH_P_ALL = 3
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33


def packet(data):
    """The fields of an IPv4 or IPv6 packet behind an Ethernet header."""
    kind = struct.unpack(">H", data[12:14])[0]
    if kind == 0x0800:
        at = 14 + (data[14] & 15) * 4
        proto = data[23]
        ends = [socket.inet_ntop(socket.AF_INET, data[i:i + 4]) for i in (26, 30)]
    elif kind == 0x86dd:
        at, proto = 54, data[20]
        ends = [socket.inet_ntop(socket.AF_INET6, data[i:i + 16]) for i in (22, 38)]
    else:
        return None
    ports = struct.unpack(">HH", data[at:at + 4]) if proto in (6, 17) and len(data) >= at + 4 else (0, 0)
    flags = data[at + 13] if proto == 6 and len(data) > at + 13 else 0
    return [proto, *ends, *ports, flags, sent_at(proto, data, at)]


def sent_at(proto, data, at):
    """When its sender says that it was sent."""
    if proto == 6 and len(data) > at + 12:
        at += (data[at + 12] >> 4) * 4
    elif proto == 17:
        at += 8
    if data[at:at + 8] == b"sent at " and len(data) >= at + 16:
        return struct.unpack(">Q", data[at + 8:at + 16])[0]
    return 0


def main():
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    s.bind((sys.argv[1], 0))
    print("ready", flush=True)
    seen = []
    while not select.select([s, sys.stdin], [], [])[0].count(sys.stdin):
        take(s, seen)
    end = time.monotonic() + 0.2  # what is still queued
    while time.monotonic() < end and select.select([s], [], [], 0.05)[0]:
        take(s, seen)
    for row in seen:
        print(json.dumps(row))


def take(s, seen):
    data, extra, _, addr = s.recvmsg(256, 256)
    if addr[2] == socket.PACKET_OUTGOING:
        return
    row = packet(data)
    if row:
        sec, nsec = struct.unpack("qq", extra[0][2])
        seen.append([sec + nsec / 1e9, *row])


if __name__ == "__main__":
    main()
