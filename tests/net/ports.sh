#!/bin/bash
# Rules for ports, by real packets: what they open and close, of both protocols
# and families; what has no ports; live flows; and a thousand flips of ports
# during which no allowed flow breaks and nothing forbidden gets out.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
internet
privd_start
must slots 1 4
link 1
tcp() { in_sb 1 "$peer" tcp "$1" "$2"; }
udp() { in_sb 1 "$peer" udp "$1" "$2"; }
ping_to() { in_sb 1 "$peer" ping "$1"; }
objects() { nft list table inet coppice | grep -c "sb1_\(some\|tcp\|udp\|rest\)"; }

# A policy without ports makes nothing of this.
must apply 1 + birth
is open tcp 1.1.1.1 80
is 0 objects

# A port through deny-all; the other protocol, and what has no ports, stay shut.
must apply 1 + deny-all
is refused tcp 1.1.1.1 80
must apply 1 + deny-all +tcp/80
is open tcp 1.1.1.1 80
is open tcp 8.8.8.8 80
is refused tcp 1.1.1.1 9000
is denied udp 1.1.1.1 7
is denied ping_to 1.1.1.1
true_that "now there are objects" test "$(objects)" -gt 5
must apply 1 + deny-all +udp/7
is refused tcp 1.1.1.1 80
is open udp 1.1.1.1 7
is refused tcp 1.1.1.1 7
# What is always denied stays so.
must apply 1 + deny-all +tcp/1-65535 +udp/1-65535
is open tcp 1.1.1.1 80
for a in $private4; do
	is refused tcp "$a" 80
	is denied udp "$a" 7
done
is denied ping_to 1.1.1.1

# A denied port of an open internet; allowOut beats it; a narrow deny of an
# address closes all ports but the allowed ones.
must apply 1 + -tcp/80
is refused tcp 1.1.1.1 80
is open tcp 1.1.1.1 7
is open udp 1.1.1.1 7
is open ping_to 1.1.1.1
must apply 1 + +1.1.1.1/32 -tcp/80
is open tcp 1.1.1.1 80
is refused tcp 8.8.8.8 80
must apply 1 + -1.1.1.1/32 +tcp/80 -tcp/9000-9002
is open tcp 1.1.1.1 80
is refused tcp 1.1.1.1 7
is denied udp 1.1.1.1 7
is denied ping_to 1.1.1.1
is refused tcp 8.8.8.8 9001
is open tcp 8.8.8.8 7
is open tcp 8.8.8.8 80
# Ends of ranges.
must apply 1 + deny-all +tcp/1-79 +tcp/81-65535 +udp/1-6
is refused tcp 1.1.1.1 80
is open tcp 1.1.1.1 7
is open tcp 1.1.1.1 9000
is denied udp 1.1.1.1 7

# A protocol that no rule can name: open with the internet, shut with it.
heard() { # PROTOCOL: packets of it that arrive
	in_inet nft -f - <<-EON
		table inet seen
		delete table inet seen
		table inet seen {
			counter n { }
			chain c {
				type filter hook prerouting priority -400;
				ip protocol $1 iifname in0 counter name n
			}
		}
	EON
	in_sb 1 python3 -c "import socket
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, $1)
try:
    s.sendto(b'x' * 32, ('1.1.1.1', 0))
except OSError:
    pass"
	sleep 0.1
	in_inet nft list counters table inet seen | awk '/packets/ { print $2 }'
}
must apply 1 + -tcp/1-65535 -udp/1-65535
is 1 heard 253
is refused tcp 1.1.1.1 80
is open ping_to 1.1.1.1
must apply 1 + deny-all +tcp/1-65535 +udp/1-65535
is 0 heard 253
is open tcp 1.1.1.1 80

# An answer that says a port is closed gets in, whatever port it speaks of.
must apply 1 + deny-all +udp/99
is refused udp 1.1.1.1 99

if [ -n "$has6" ]; then
	g=2606:4700:4700::1111
	must apply 1 + deny-all +tcp/80
	is open tcp $g 80
	is refused tcp $g 7
	is denied ping_to $g
	must apply 1 + -udp/7
	is open tcp $g 80
	is denied udp $g 7
	is open ping_to $g
fi

# Live flows: the stream whose port is closed dies on its next packet, the
# other one does not notice, and it goes on through every other change.
must apply 1 + deny-all +tcp/9001-9002
in_sb 1 "$peer" stream 1.1.1.1 9002 8 >"$scratch/stays" &
stays=$!
in_sb 1 "$peer" stream 1.1.1.1 9001 60 >"$scratch/goes" &
goes=$!
sleep 0.3
kill -0 "$goes" "$stays"
is 0 echo $?
must apply 1 + deny-all +tcp/9002
wait "$goes"
true_that "9001 ends: $(cat "$scratch/goes")" grep -q "^ended at" "$scratch/goes"
must apply 1 + -tcp/9001
must apply 1 +
must apply 1 + +1.1.1.1/32 deny-all -tcp/9002
must apply 1 + -8.8.8.8/32 -udp/9002
must apply 1 + -1.0.0.0/8 +tcp/9002
wait "$stays"
got=$(cat "$scratch/stays")
case $got in
*[!0-9]* | '') fail "9002: $got" ;;
*) true_that "9002: $got bytes" test "$got" -gt 1000000 ;;
esac

# The next tenant of the slot, without ports: the objects are there, and empty.
must clear 1
is silent tcp 1.1.1.1 80
must apply 1 + birth deny-all
is refused tcp 1.1.1.1 80
must apply 1 +
is open tcp 1.1.1.1 80

# kill -9: adopted, with its ports; only what changed is sent after that.
must apply 1 + deny-all +tcp/80
must kill
case $(privd hello) in *" rebuilt=0 "*) pass ;; *) fail "$(privd hello)" ;; esac
is open tcp 1.1.1.1 80
is refused tcp 1.1.1.1 7
must apply 1 + deny-all +tcp/7
is refused tcp 1.1.1.1 80
is open tcp 1.1.1.1 7

# A table that somebody flushed is made anew, ports and all.
nft flush ruleset
becomes open tcp 1.1.1.1 7
is refused tcp 1.1.1.1 80

# Sets that hold what no policy would, as after a crash between two steps.
privd_stop >/dev/null
nft add element inet coppice sb1_tcp '{ 0:999 . 80 }'
nft add element inet coppice sb1_some4 '{ 9.9.9.9 comment "odd" : 0:999 }' 2>/dev/null
privd_start
case $(privd hello) in *" rebuilt=0 "*) pass ;; *) fail "$(privd hello)" ;; esac
is open tcp 1.1.1.1 7
must apply 1 + deny-all +tcp/80
is open tcp 1.1.1.1 80
is refused tcp 1.1.1.1 7
is 0 sh -c "nft list table inet coppice | grep -c 0:999"
privd_stop >/dev/null

# A thousand flips: ports shut and open again, by rules alone; each kind of
# change.  Beside it runs a stream that every policy allows.
flips() { # WORD... / WORD...
	privd_start
	privd hello >/dev/null
	must apply 1 +
	privd_stop >/dev/null
	in_sb 1 "$peer" stream 1.1.1.1 9002 60 >"$scratch/stays" &
	stays=$!
	sleep 0.2
	got=$("$bin/tests/flip" "$privd_bin" "$privd_conf" \
	    "/proc/${sb_pid[1]}/ns/net" "/proc/$inet_pid/ns/net" in0 250 \
	    "$@" 2>>"$privd_log")
	rc=$?
	echo "# $* : $got"
	is 0 echo "$rc"
	true_that "the allowed stream: $(cat "$scratch/stays")" kill -0 "$stays"
	kill "$stays" 2>/dev/null
	wait "$stays" 2>/dev/null
}
# Or flows that are over are counted with the others, up to the limit.
for t in tcp_timeout_{time_wait,close,close_wait,fin_wait,last_ack,syn_sent} \
    udp_timeout udp_timeout_stream; do
	echo 1 >"/proc/sys/net/netfilter/nf_conntrack_$t"
done
flips -tcp/80 -udp/7
flips deny-all +tcp/9000-9002 / deny-all +tcp/1-65535 +udp/1-65535
flips +8.8.8.8/32 -1.0.0.0/8 +tcp/9002 / +1.1.1.1/32 deny-all
flips -tcp/80 -udp/1-100 / -1.1.1.1/32 +tcp/1-65535 +udp/1-65535
[ "$net_failed" = 0 ] || tail -n 5 "$privd_log" | sed 's/^/# /'
done_testing
