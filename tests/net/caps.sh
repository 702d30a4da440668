#!/bin/bash
# What one sandbox may do in a second: packets, bytes out, bytes in, and how
# many connections at a time.  Its neighbour does not notice.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
internet

# As many datagrams as go out in that time, to a port where nobody listens.
flood() { # ADDRESS SECONDS BYTES
	in_sb 1 python3 - "$@" <<-'PY'
	import socket, sys, time
	s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
	to, data, n = (sys.argv[1], 40000), int(sys.argv[3]) * b"x", 0
	end = time.monotonic() + float(sys.argv[2])
	while time.monotonic() < end:
	    try:
	        s.sendto(data, to)
	    except OSError:
	        pass
	    n += 1
	print(n)
	PY
}

# A port that takes whatever comes, or gives all it has; per connection, the
# megabits a second from the second second on.
in_inet python3 - <<-'PY' &
import socket, socketserver, threading, time
class Sink(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.settimeout(10)
        while self.request.recv(1 << 20):
            pass
class Source(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            while True:
                self.request.sendall(bytes(1 << 16))
        except OSError:
            pass
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    address_family = socket.AF_INET6
for port, what in ((9100, Sink), (9101, Source)):
    threading.Thread(target=Server(("::", port), what).serve_forever, daemon=True).start()
time.sleep(600)
PY

bulk() { # SANDBOX ADDRESS out|in SECONDS: megabits a second that arrive
	in_sb "$1" python3 - "${@:2}" <<-'PY'
	import fcntl, socket, struct, sys, termios, time
	address, way, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
	s = socket.create_connection((address, 9100 if way == "out" else 9101), 10)
	s.settimeout(10)
	start = time.monotonic()
	data, n, base, since = bytes(1 << 16), 0, None, None
	def arrived():
	    # What the other end has acknowledged, of what we have written.
	    left = struct.unpack("i", fcntl.ioctl(s, termios.TIOCOUTQ, bytes(4)))[0] if way == "out" else 0
	    return n - left
	while time.monotonic() < start + seconds:
	    n += s.send(data) if way == "out" else len(s.recv(1 << 16))
	    if base is None and time.monotonic() > start + 2:
	        base, since = arrived(), time.monotonic()
	print(round((arrived() - base) * 8 / 1e6 / (time.monotonic() - since), 1))
	PY
}

arrived() { in_inet awk '$1 == "in0:" { print $3 }' /proc/net/dev; }
dropped() { # CHAIN COMMENT
	nft list chain inet coppice "$1" | sed -n "s/.*counter packets \([0-9]*\) .*\"$2\"/\1/p"
}
between() { awk -v lo="$1" -v x="$2" -v hi="$3" 'BEGIN { exit !(x >= lo && x <= hi) }'; }
setup() { # CONF LINE...
	privd_start "$@"
	must hello
	must slots 1 2
	must apply 1 + birth
	must apply 2 + birth
}
teardown() {
	privd_stop >/dev/null
	"$privd_bin" rules -f "$privd_conf" --remove
}
link 1
link 2

# Nothing is said, and nothing is there.
setup
is 0 grep -c cap_ <(nft list table inet coppice)
is 2 grep -c "ct count over 4096" <(nft list table inet coppice)
had=$(arrived)
sent=$(flood 1.1.1.1 1 100)
got=$(($(arrived) - had))
true_that "without a cap $got of $sent arrive" test "$got" -gt 5000
free=$(bulk 1 1.1.1.1 out 4)
true_that "without a cap $free Mbit/s go out" between 200 "$free" 1000000
teardown

# Packets.
setup "max_packets_per_s = 1000"
for a in 1.1.1.1 ${has6:+2606:4700:4700::1111}; do
	had=$(arrived) before=$(dropped source "too many packets")
	flood "$a" 4 100 >"$scratch/sent" &
	flooding=$!
	sleep 0.5
	# The neighbour has its own.
	opened=0
	for _ in $(seq 20); do
		[ "$(in_sb 2 "$peer" udp 1.0.0.1 7)" != open ] || opened=$((opened + 1))
	done
	is 20 echo "$opened"
	is open in_sb 2 "$peer" tcp 1.1.1.1 80
	wait "$flooding"
	sent=$(cat "$scratch/sent")
	got=$(($(arrived) - had - 25))
	true_that "$a: $got of $sent arrive in 4 s" between 2800 "$got" 5200
	n=$(($(dropped source "too many packets") - before))
	true_that "$a: $n of $sent are counted, $got arrived" \
	    between $((sent - got - sent / 10)) "$n" $((sent - got + sent / 10))
done
# Who has been quiet may send again.
sleep 0.3
is open in_sb 1 "$peer" udp 1.1.1.1 7
is 1 grep -c '"cop1" limit rate over 1000/second' <(nft list set inet coppice cap_pps)
teardown

# Bytes, either way.  Who was quiet for a second may send that second's bytes, too
# (nft_limit_init() in net/netfilter/nft_limit.c: rate and burst), and what is
# measured are five or six of them: up to a fifth more.
setup "max_egress_mbit = 40" "max_ingress_mbit = 20"
is 0 grep -c cap_pps <(nft list table inet coppice)
for a in 1.1.1.1 ${has6:+2606:4700:4700::1111}; do
	out=$(bulk 1 "$a" out 8)
	true_that "$a: $out of 40 Mbit/s go out" between 24 "$out" 50
	in=$(bulk 1 "$a" in 8)
	true_that "$a: $in of 20 Mbit/s come in" between 12 "$in" 26
done
n=$(dropped source "too many bytes out")
true_that "$n are counted, out" test "$n" -gt 0
n=$(dropped judge_in "too many bytes in")
true_that "$n are counted, in" test "$n" -gt 0
# Both at the same time, and each has all of it.
bulk 2 1.0.0.1 out 8 >"$scratch/two" &
two=$!
one=$(bulk 1 1.1.1.1 out 8)
wait "$two"
two=$(cat "$scratch/two")
true_that "side by side: $one and $two of 40 Mbit/s" between 24 "$one" 50
true_that "side by side: $two and $one of 40 Mbit/s" between 24 "$two" 50
# A policy that denies is not what a cap could open.
must apply 1 + deny-all
is refused in_sb 1 "$peer" tcp 1.1.1.1 80
is denied in_sb 1 "$peer" udp 1.1.1.1 7
teardown

# Connections at a time.
setup "max_flows = 20"
is 2 grep -c "ct count over 20" <(nft list table inet coppice)
opened=0
for _ in $(seq 30); do
	[ "$(in_sb 2 "$peer" udp 9.9.9.9 7)" != open ] || opened=$((opened + 1))
done
# The kernel's count may miss one that it looks for while it is being entered.
true_that "$opened connections at a time" between 12 "$opened" 22
is denied in_sb 2 "$peer" udp 9.9.9.9 7
is open in_sb 1 "$peer" udp 9.9.9.9 7
n=$(dropped sb2 "too many flows")
true_that "$n refusals are counted" test "$n" -ge 8
done_testing
