#!/bin/sh
# The bypass catalogue, flows and their state: rows P13 to P17, and that path
# MTU discovery works.
# shellcheck source-path=SCRIPTDIR source=lib_frames.sh
. "$(dirname "$0")/lib_frames.sh"
stand_rows
ok=1.1.1.1 no=8.8.8.8
ok6=2606:4700:4700::1111 no6=2001:4860:4860::8888
quiet in_inet route add -net 10.78.0.0/16 192.0.2.2
quiet in_inet route -6 add -net fd77:: -prefixlen 64 2001:db8:2::2

# A connection of sandbox 1 that ticks; what it says is in $scratch/held.
hold() { # PORT
	: >"$scratch/held"
	in_sb 1 "$peer" hold tcp $ok "$1" >"$scratch/held" 2>&1 &
	held=$!
	for _ in $(seq 100); do
		grep -q up "$scratch/held" && { pass; return; }
		sleep 0.05
	done
	fail "no flow to hold"
}
# Its ports as the world has them, and the next byte of each side between two
# ticks: the last segment carried eight, and so does its echo.
flow() {
	ask last inet
	# shellcheck disable=SC2086
	set -- $said
	sport=$2 seq=$((($5 + 8) & 0xffffffff)) ack=$((($6 + 8) & 0xffffffff))
}
# When it is over in the sandbox, the other side would say things again to it,
# later and later: nobody waits for that.
let_go() {
	wait "$held"
	quiet in_inet tcpdrop -a
	ask settle
}
how_ended() { sed -n 's/ after.*//p' "$scratch/held"; }

row P13 "source port = a published port: the same verdict as from any"
must apply 1 + +$ok/32 +$ok6/128 deny-all
serve
for port in 22 53 80 443 3000 3002 5300 49983; do
	for what in udp tcp; do
		gets inet sb1 ip dst=$ok $what sport=$port dport=5100 data
		gets refused sb1 ip dst=$no $what sport=$port dport=5100 data
		nowhere sb1 ip dst=192.0.2.2 $what sport=$port dport=80 data
		gets inet sb1 ip6 dst=$ok6 $what sport=$port dport=5100 data
		gets refused sb1 ip6 dst=$no6 $what sport=$port dport=5100 data
	done
done
is open in_inet "$peer" tcp 192.0.2.2 80
ask settle

row P14 "TCP oddities: SYN+data, odd flags, no state, RST injection, simultaneous open"
gets inet sb1 ip dst=$ok tcp sport=40001 dport=5001 flags=S data len=1000
gets refused sb1 ip dst=$no tcp sport=40001 dport=5001 flags=S data len=1000
for flags in SF SR FPU - SAFRPU F P U FR; do
	for to in $no 10.99.0.1 192.0.2.2; do
		nowhere sb1 ip dst=$to tcp sport=40002 dport=5002 flags=$flags data
	done
done
for flags in FPU - F P U FR SR; do
	nowhere sb1 ip dst=$ok tcp sport=40002 dport=5002 flags=$flags data
done
for flags in A PA FA RA R SA; do
	for to in $ok $no 10.99.0.1 192.0.2.2; do
		nowhere sb1 ip dst=$to tcp sport=40003 dport=5003 flags=$flags data
	done
done
# From outside, without state: to the sandbox's own address.
for flags in S A PA SA R RA F FPU SF -; do
	gets silent inet ip src=$ok dst="$(sb4 1)" tcp dport=22 flags=$flags data
done
gets silent inet ip src=$ok dst="$(sb4 1)" udp data
gets silent inet ip src=$ok dst="$(sb4 1)" icmp data
# It opened no way out, either.
nowhere sb1 ip dst=$no tcp sport=22 flags=SA data
gets silent inet ip src=$no dst="$(sb4 1)" tcp sport=5006 dport=40006 flags=S data
nowhere sb1 ip dst=$no tcp sport=40006 dport=5006 flags=SA seq=9 ack=1041 data
for what in "tcp flags=S" "tcp flags=A" udp icmp6; do
	gets silent inet ip6 src=$ok6 dst="$(sb6 1)" $what data
done
hold 7
for off in 1000000000 -1000000 2000000000 -90000; do
	flow
	ask shoot inet ip src=$ok dst=192.0.2.2 tcp sport=7 dport="$sport" \
	    flags=R seq=$(((ack + off) & 0xffffffff)) data
	came sb1 0
done
sleep 0.2
true_that "wrong resets do not end a flow: $(how_ended)" test -z "$(how_ended)"
# The right one does, or the wrong ones proved nothing.
for _ in $(seq 200); do
	flow
	ask shoot inet ip src=$ok dst=192.0.2.2 tcp sport=7 dport="$sport" \
	    flags=R seq="$ack"
	[ -z "$(how_ended)" ] || break
done
becomes refused how_ended
let_go

row P15 "flows from outside: none but by the way in, whatever the policy"
for policy in "+0.0.0.0/0" "" "no-internet"; do
	must apply 1 + $policy
	gets silent inet ip src=$ok dst="$(sb4 1)" tcp dport=49983 data
	gets silent inet ip src=$ok dst="$(sb4 1)" udp dport=49983 data
	# Nor from the host: no packet of its own gets to the sandbox.
	is denied "$peer" tcp "$(sb4 1)" 49983
done
# A server in the sandbox that answers all the same is no flow of its own.
must apply 1 + +$ok/32 deny-all
for flags in SA PA; do
	nowhere sb1 ip dst=$no tcp sport=49983 dport=5060 flags=$flags data
	nowhere sb1 ip dst=192.0.2.2 tcp sport=49983 dport=5060 flags=$flags data
done
ask settle

row P16 "helpers of the packet filter: FTP's PORT opens no hole"
# pf has none but what ftp-proxy(8) is; nothing of it is in the rules.
is 0 sh -c 'pfctl -sr -a "*" 2>/dev/null | grep -c ftp'
gets inet sb1 ip dst=$ok tcp sport=40060 dport=21 seq=1000 data
gets silent inet ip src=$ok dst="$(sb4 1)" tcp sport=20 dport=5120 data
nowhere inet ip src=$ok dst=192.0.2.2 tcp sport=20 dport=5120 data

row mtu "path MTU discovery: an allowed flow's \"fragmentation needed\" comes in"
must apply 1 + +$ok/32 +$ok6/128 deny-all
too_big() { # PORT SEQ
	echo "ip src=192.0.2.1 dst=192.0.2.2 icmp type=3 code=4 rest=1400" \
	    "ip src=192.0.2.2 dst=$ok tcp sport=$1 dport=7 flags=A seq=$2 data"
}
hold 7
for _ in $(seq 50); do
	flow
	ask shoot inet "$(too_big "$sport" "$seq")"
	case $said in *" sb1=1 "*) break ;; esac
done
came sb1 1
# The flow ticks on: what counts is where the token is.
ask shoot inet "$(too_big 40999 1)"
for n in 1 2 3; do came "sb$n" 0; done
# It is the sandbox's no more once the flow is forbidden.
must apply 1 + deny-all
ask shoot inet "$(too_big "$sport" "$seq")"
for n in 1 2 3; do came "sb$n" 0; done
becomes refused how_ended
let_go

row P17 "exhaustion: 4,096 flows of a sandbox, and the one beside it"
must apply 1 +
gets inet sb2 ip dst=$ok udp sport=40070 dport=5070 data
ask flood sb2 5000 ip dst=$ok tcp sport=1@ dport=5000 data
came inet 4095
# What it has open goes on, what is new is not, and the other has all of its own.
gets inet sb2 ip dst=$ok udp sport=40070 dport=5070 data
nowhere sb2 ip dst=$ok udp sport=40071 dport=5071 data
nowhere sb2 ip dst=$ok icmp data
nowhere sb2 ip6 dst=$ok6 udp data
from_now 2 dns
ask shoot sb2 ip dst=10.78.0.1 udp dport=53 data
true_that "it may still ask names" test "$(counted 2 dns)" -gt "$counted0"
got=$(in_sb 1 "$peer" slowest 20 $ok 80)
below 500 "$got" open
# The slot's next tenant has all of its own.
must clear 2
must apply 2 + birth
gets inet sb2 ip dst=$ok tcp sport=40072 dport=5072 data
must clear 2
rows_end
