#!/usr/bin/env python3
"""tests/api/ports.py - rules for ports through the API: what is accepted, what
GET says, and what packets do; through pauses, restarts and both ways in."""
import contextlib
import json
import os
import pathlib
import subprocess
import sys

os.environ.setdefault("COP_CONF", "max_sandboxes = 8\npool_slots = 4")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import coppice
from coppice import Sandbox, api, case, host, same, until

ONE, EIGHT = "1.1.1.1", "8.8.8.8"
ALL = "0.0.0.0/0"
HTTP = {"port": 80, "protocol": "tcp", "access": "allow"}

PROBE = r"""
import json, socket, subprocess, sys
def probe(kind, address, port):
    if kind == "ping":
        return subprocess.run(["ping", "-c1", "-W2", address], capture_output=True).returncode == 0
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        try:
            s.connect((address, port))
            for _ in range(3 if kind == "udp" else 0):
                s.send(b"hello")
                s.settimeout(0.7)
                try:
                    return s.recv(100) == b"hello"
                except socket.timeout:
                    pass
            return kind == "tcp"
        except OSError:
            return False
print(json.dumps([probe(*row) for row in json.loads(sys.argv[1])]))
"""
ROWS = [("tcp", ONE, 80), ("tcp", EIGHT, 80), ("tcp", ONE, 9000), ("udp", ONE, 7), ("ping", ONE, 0)]


def open_to(sbx):
    sbx.write("/tmp/probe.py", PROBE)
    return json.loads(sbx.sh("python3 /tmp/probe.py '%s'" % json.dumps(ROWS)))


def apid():
    return [p for p, n in coppice.processes().items() if n == "coppice-apid"][0]


def health():
    with contextlib.suppress(OSError):
        return api("GET", "/health").status == 200
    return False


@case("a port through deny-all, by PUT; GET shows it as written")
def _():
    sbx = Sandbox()
    same(open_to(sbx), [True] * 5)
    rules = [HTTP, {"port": "9000-9002", "protocol": None, "access": "deny", "description": "not here"}]
    sbx.network(ports=rules, denyOut=[ALL])
    same(open_to(sbx), [True, True, False, False, False])
    shown = sbx.api("GET").json["network"]
    same(shown["ports"], rules)
    same(shown["denyOut"], [ALL])
    # A PUT that does not say it clears it.
    sbx.network(denyOut=[ALL])
    same(open_to(sbx), [False] * 5)
    assert not sbx.api("GET").json["network"].get("ports"), sbx.api("GET").json["network"]


@case("ports at create; through pause and resume, and kill -9 of the daemon")
def _():
    rules = [{"port": 80, "protocol": "tcp", "access": "deny"}]
    sbx = Sandbox(network={"ports": rules, "allowOut": [EIGHT]})
    wanted = [False, True, True, True, True]
    same(open_to(sbx), wanted)
    same(sbx.api("POST", "/pause").status, 204)
    same(sbx.api("POST", "/resume", {"timeout": 100}).status, 201)
    same(open_to(sbx), wanted)
    same(sbx.api("GET").json["network"]["ports"], rules)
    pid = apid()
    subprocess.run(["kill", "-KILL", str(pid)], check=True)
    assert until(lambda: pid not in coppice.processes() and health(), 10)
    same(open_to(sbx), wanted)
    same(sbx.api("GET").json["network"]["ports"], rules)
    sbx.network(ports=[HTTP], denyOut=[ALL])
    same(open_to(sbx), [True, True, False, False, False])


@case("what is refused leaves the policy as it was")
def _():
    sbx = Sandbox()
    sbx.network(ports=[HTTP], denyOut=[ALL])
    for ports, words in (
            ([{"port": 0, "access": "deny"}], "a port from 1 to 65535"),
            ([{"port": 1, "protocol": "icmp", "access": "deny"}], '"tcp" or "udp"'),
            ([{"port": 1, "access": "drop"}], '"allow" or "deny"'),
            ([HTTP, {"port": "1-100", "access": "deny"}], "port 80 of tcp is both allowed and denied"),
            ([{"port": i + 1, "access": "deny"} for i in range(257)], "at most 256")):
        r = sbx.api("PUT", "/network", {"ports": ports})
        same(r.status, 400)
        assert words in r.json["message"], r.json
    same(open_to(sbx), [True, True, False, False, False])


@case("the table stands after a flush, ports and all, and the next tenant has none")
def _():
    sbx = Sandbox(network={"ports": [HTTP], "denyOut": [ALL]})
    same(open_to(sbx), [True, True, False, False, False])
    host("nft", "flush", "ruleset")
    assert until(lambda: open_to(sbx) == [True, True, False, False, False], 10)
    sbx.kill()
    for _ in range(4):
        same(open_to(Sandbox(network={"denyOut": [ALL]})), [False] * 5)


if __name__ == "__main__":
    coppice.main()
