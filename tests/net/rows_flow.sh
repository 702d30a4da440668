#!/bin/bash
# The bypass catalogue, flows and their state: rows P13 to P17, and that path
# MTU discovery works.
# shellcheck source-path=SCRIPTDIR source=lib_frames.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib_frames.sh"
stand
ok=1.1.1.1 no=8.8.8.8
ok6=2606:4700:4700::1111 no6=2001:4860:4860::8888
in_inet ip route add 10.78.0.0/16 via 192.0.2.2
[ -z "$has6" ] || in_inet ip -6 route add fd77::/64 via 2001:db8:2::2
# No end answers what only the tests began.
in_inet nft add rule inet sink in tcp dport 21 drop
in_sb 1 nft -f - <<-'EON'
	table inet sink {
		chain in {
			type filter hook input priority 0;
			tcp sport { 21, 5000-5999 } drop
		}
	}
EON

# A connection of sandbox 1 that ticks; what it says is in $scratch/held.
hold() { # PORT
	in_sb 1 "$peer" hold tcp $ok "$1" >"$scratch/held" 2>&1 &
	held=$!
	for _ in $(seq 100); do
		grep -q up "$scratch/held" && { pass; return; }
		sleep 0.02
	done
	fail "no flow to hold"
}
# Its port, and the next byte of each side between two ticks: the last segment
# carried eight, and so does its echo.
flow() {
	ask last inet
	read -r _ sport _ _ seq ack <<<"$said"
	seq=$(((seq + 8) & 0xffffffff)) ack=$(((ack + 8) & 0xffffffff))
}

row P17 "exhaustion: 4,096 flows of a sandbox, and the one beside it"
median() { # of twenty connections of sandbox 1, in microseconds
	local t0 i
	for i in $(seq 20); do
		t0=$(date +%s%N)
		[ "$(in_sb 1 "$peer" tcp $ok 80)" = open ] || echo closed
		echo $((($(date +%s%N) - t0) / 1000))
	done | sort -n | tee "$scratch/times" | sed -n 10p
}
t_before=$(median)
ask settle
gets inet sb2 ip dst=$ok udp sport=40070 dport=5070 data
from_now sb2 "too many flows"
ask flood sb2 5000 ip dst=$ok tcp sport=1@ dport=5000 data
came inet 4095
came reset 905
counts 905
# What it has open goes on, what is new is refused, and asking names still works.
gets inet sb2 ip dst=$ok udp sport=40070 dport=5070 data
gets refused sb2 ip dst=$ok udp sport=40071 dport=5071 data
gets refused sb2 ip dst=$ok icmp data
gets refused sb2 ip dst=$no tcp data
gets host sb2 ip dst=10.78.0.1 udp dport=53 data
[ -z "$has6" ] || gets refused sb2 ip6 dst=$ok6 udp data
from_now sb1 "too many flows"
t_after=$(median)
is 20 grep -c '^[0-9]*$' "$scratch/times"
counts 0
# The slot's next tenant has all of its own.
must clear 2
must apply 2 + birth
gets inet sb2 ip dst=$ok tcp sport=40072 dport=5072 data
true_that "connecting took $t_before us, and beside a full one $t_after us" \
    test "$t_after" -lt $((4 * t_before + 20000))
ask settle

row P13 "source port = a published port: the same verdict as from any"
must apply 1 + +$ok/32 +$ok6/128 deny-all
serve
for port in 22 53 80 443 3000 3002 5300 49983; do
	for what in udp tcp; do
		gets inet sb1 ip dst=$ok $what sport=$port dport=5100 data
		gets refused sb1 ip dst=$no $what sport=$port dport=5100 data
		gets refused sb1 ip dst=192.0.2.2 $what sport=$port dport=80 data
		[ -n "$has6" ] || continue
		gets inet sb1 ip6 dst=$ok6 $what sport=$port dport=5100 data
		gets refused sb1 ip6 dst=$no6 $what sport=$port dport=5100 data
	done
done
# The flow owns its own answers, and nothing of the host's port.
gets sb1 inet ip src=$ok dst=192.0.2.2 udp sport=5100 dport=80 data
nowhere inet ip src=$ok dst=192.0.2.2 udp sport=5101 dport=80 data
nowhere inet ip src=$no dst=192.0.2.2 udp sport=5100 dport=80 data
is open in_inet "$peer" tcp 192.0.2.2 80
ask settle

row P14 "TCP oddities: SYN+data, odd flags, no state, RST injection, simultaneous open"
gets inet sb1 ip dst=$ok tcp sport=40001 dport=5001 flags=S data len=1000
gets refused sb1 ip dst=$no tcp sport=40001 dport=5001 flags=S data len=1000
for flags in SF SR FPU - SAFRPU F P U FR; do
	for to in $ok $no 10.99.0.1 192.0.2.2; do
		nowhere sb1 ip dst=$to tcp sport=40002 dport=5002 flags=$flags data
	done
done
for flags in A PA FA RA R SA; do
	for to in $no 10.99.0.1 192.0.2.2; do
		nowhere sb1 ip dst=$to tcp sport=40003 dport=5003 flags=$flags data
	done
done
for flags in FA RA R SA; do
	nowhere sb1 ip dst=$ok tcp sport=40004 dport=5004 flags=$flags data
done
# A stream that is under way may be taken up, where a new one could begin.
gets inet sb1 ip dst=$ok tcp sport=40005 dport=5005 flags=A data
# From outside, without state: to the sandbox's own address.
gets sb1 inet ip src=$ok dst=192.0.2.2 tcp sport=5005 dport=40005 flags=A \
    seq=0 ack=1040 data
from_now sb1 "nobody comes in this way"
for flags in S A PA; do
	gets silent inet ip src=$ok dst="$(sb4 1)" tcp dport=22 flags=$flags data
done
counts 3
for flags in SA R RA F FPU SF -; do
	gets silent inet ip src=$ok dst="$(sb4 1)" tcp dport=22 flags=$flags data
done
gets silent inet ip src=$ok dst="$(sb4 1)" udp data
gets silent inet ip src=$ok dst="$(sb4 1)" icmp data
counts 5
# It opened no way out, either.
gets refused sb1 ip dst=$no tcp sport=22 flags=SA data
gets silent inet ip src=$no dst="$(sb4 1)" tcp sport=5006 dport=40006 flags=S data
nowhere sb1 ip dst=$no tcp sport=40006 dport=5006 flags=SA seq=9 ack=1041 data
if [ -n "$has6" ]; then
	for what in "tcp flags=S" "tcp flags=A" udp icmp6; do
		gets silent inet ip6 src=$ok6 dst="$(sb6 1)" $what data
	done
fi
hold 7
for off in 1000000000 -1000000 2000000000 -90000; do
	flow
	ask shoot inet ip src=$ok dst=192.0.2.2 tcp sport=7 dport="$sport" \
	    flags=R seq=$(((ack + off) & 0xffffffff)) data
	came sb1 0
done
# Near, but not the next byte: the sandbox's own TCP asks back, and goes on.
flow
ask shoot inet ip src=$ok dst=192.0.2.2 tcp sport=7 dport="$sport" flags=R \
    seq=$((ack + 1000)) data
sleep 0.2
true_that "wrong resets do not end a flow" kill -0 "$held"
# The right one does, or the wrong ones proved nothing.
how_ended() { sed -n 's/ after.*//p' "$scratch/held"; }
for _ in $(seq 200); do
	flow
	ask shoot inet ip src=$ok dst=192.0.2.2 tcp sport=7 dport="$sport" \
	    flags=R seq="$ack"
	[ -z "$(how_ended)" ] || break
done
becomes refused how_ended
ask settle
# Both ends begin at once: a flow that the sandbox opened, if it may.
gets inet sb1 ip dst=$ok tcp sport=40050 dport=5050 data
gets sb1 inet ip src=$ok dst=192.0.2.2 tcp sport=5050 dport=40050 data
gets refused sb1 ip dst=$no tcp sport=40051 dport=5051 data
nowhere inet ip src=$no dst=192.0.2.2 tcp sport=5051 dport=40051 data
nowhere inet ip src=$no dst="$(sb4 1)" tcp sport=5051 dport=40051 data

row P15 "flows from outside: none but by the way in, whatever the policy"
for policy in "+0.0.0.0/0" "" "no-internet"; do
	must apply 1 + $policy
	from_now sb1 "nobody comes in this way"
	gets silent inet ip src=$ok dst="$(sb4 1)" tcp dport=49983 data
	gets silent inet ip src=$ok dst="$(sb4 1)" udp dport=49983 data
	counts 2
	# Nor from the host: no packet of its own gets to the sandbox.
	is silent "$peer" tcp "$(sb4 1)" 49983
done
# A server in the sandbox that answers all the same is no flow of its own.
must apply 1 + +$ok/32 deny-all
nowhere sb1 ip dst=$no tcp sport=49983 dport=5060 flags=SA data
nowhere sb1 ip dst=$no tcp sport=49983 dport=5060 flags=PA data
nowhere sb1 ip dst=192.0.2.2 tcp sport=49983 dport=5060 flags=SA data
ask settle

row P16 "connection tracking's helpers: FTP's PORT opens no hole"
hex() { printf '%s\r\n' "$1" | od -An -v -tx1 | tr -d ' \n'; }
expected() { grep -c . /proc/net/nf_conntrack_expect; }
# The control connection, up to the command; the data port is 5120.
control() { # PORT
	local c="ip dst=$ok tcp sport=$1 dport=21"
	gets inet sb1 "$c" seq=1000 data
	gets sb1 inet ip src=$ok dst=192.0.2.2 tcp sport=21 dport="$1" flags=SA \
	    seq=2000 ack=1041 data
	gets inet sb1 "$c" flags=PA seq=1041 ack=2041 data len=38 hex v=0d0a
	gets inet sb1 "$c" flags=PA seq=1081 ack=2041 \
	    hex v="$(hex "PORT ${mine//./,},20,0")" data
}
mine=$(sb4 1)
data_port() {
	nowhere inet ip src=$ok dst=192.0.2.2 tcp sport=20 dport=5120 data
	nowhere inet ip src=$ok dst="$(sb4 1)" tcp sport=20 dport=5120 data
}
must apply 1 + +$ok/32 deny-all
is 0 sh -c 'grep -l 1 /proc/sys/net/netfilter/nf_conntrack_helper 2>/dev/null | wc -l'
is 0 sh -c 'nft list table inet coppice | grep -c "ct helper"'
control 40060
is 0 expected
data_port
# With the helper that somebody else switched on, it is FTP: something is
# expected.  Coppice's rules let it in no more than before.
nft -f - <<-'EON'
	table inet theirs {
		ct helper ftp {
			type "ftp" protocol tcp;
		}
		chain c {
			type filter hook prerouting priority 0;
			tcp dport 21 ct helper set "ftp"
		}
	}
EON
control 40061
is 1 expected
data_port
nft delete table inet theirs

row mtu "path MTU discovery: an allowed flow's \"fragmentation needed\" comes in"
must apply 1 + +$ok/32 +$ok6/128 deny-all
known() { in_sb 1 ip route get $ok | grep -o 'mtu [0-9]*'; }
too_big() { # PORT SEQ
	echo "ip src=192.0.2.1 dst=192.0.2.2 icmp type=3 code=4 rest=1400" \
	    "ip src=192.0.2.2 dst=$ok tcp sport=$1 dport=7 flags=A seq=$2 data"
}
is "" known
hold 7
for _ in $(seq 50); do
	flow
	ask shoot inet "$(too_big "$sport" "$seq")"
	[ -z "$(known)" ] || break
done
came sb1 1
is "mtu 1400" known
nowhere inet "$(too_big 40999 1)"
# It is the sandbox's no more once the flow is forbidden.
must apply 1 + deny-all
nowhere inet "$(too_big "$sport" "$seq")"
becomes refused how_ended
ask settle
if [ -n "$has6" ]; then
	must apply 1 + +$ok6/128 deny-all
	gets inet sb1 ip6 dst=$ok6 udp sport=40080 dport=5080 data
	gets sb1 inet ip6 src=2001:db8:2::1 dst=2001:db8:2::2 icmp6 type=2 \
	    rest=1400 ip6 src=2001:db8:2::2 dst=$ok6 udp sport=40080 dport=5080 data
	nowhere inet ip6 src=2001:db8:2::1 dst=2001:db8:2::2 icmp6 type=2 \
	    rest=1400 ip6 src=2001:db8:2::2 dst=$ok6 udp sport=40081 dport=5080 data
fi
rows_end
