#!/bin/sh
# The bypass catalogue, IP: rows P1 to P6, P9 to P12 and P18.
# shellcheck source-path=SCRIPTDIR source=lib_frames.sh
. "$(dirname "$0")/lib_frames.sh"
stand_rows
ok=1.1.1.1 no=8.8.8.8
ok6=2606:4700:4700::1111 no6=2001:4860:4860::8888

# An address of the internet that the host itself reaches.
exists() { # ADDRESS...
	for a; do
		case $a in
		*:*) quiet in_inet ifconfig lo0 inet6 "$a/128" alias ;;
		*) quiet in_inet ifconfig lo0 inet "$a/32" alias ;;
		esac
		becomes open "$peer" tcp "$a" 80
	done
	ask settle
}

row P1 "IPv6 while the policy speaks of IPv4: RA, redirect, link-local, ULA, SLAAC"
must apply 1 + -$no/32
gets inet sb1 ip6 dst=$ok6 udp data
must apply 1 + +$ok/32 deny-all
gets inet sb1 ip dst=$ok udp data
for what in udp tcp "dstopt udp"; do
	gets refused sb1 ip6 dst=$ok6 $what data
done
gets silent sb1 ip6 dst=$ok6 icmp6 type=128 data
must apply 1 + +$ok/32 no-internet
gets refused sb1 ip6 dst=$ok6 udp data
must apply 1 +
# An advertisement of a router and a prefix, as one should be.
ra="hop=255 icmp6 type=134 rest=0x40000708 hex v=0000000000000000"
ra=${ra}030440c0000151800000384000000000
ra=${ra}20010db8007700000000000000000000fe06
ra="$ra data len=46"
nd=33:33:00:00:00:01
routers() { ndp -rn; }
quiet sysctl net.inet6.ip6.rfc6204w3=1
quiet ifconfig up0 inet6 accept_rtadv
is "" routers
gets silent inet eth dst=$nd ip6 src=fe80::99 dst=ff02::1 $ra
true_that "a router that the host listens to is learned: $(routers)" \
    test -n "$(routers)"
quiet ifconfig up0 inet6 -accept_rtadv
quiet ndp -R
quiet ndp -P
is "" routers
quiet ifconfig cop1 inet6 accept_rtadv
table() { netstat -rn -f inet6; routers; ifconfig cop1 inet6; }
known=$(table)
from_now 1 spoof6
for src in fe80::99 fe80::1 "$(host6 1)" ::; do
	gets silent sb1 eth dst=$nd ip6 src=$src dst=ff02::1 $ra
done
gets silent sb1 ip6 src=fe80::99 dst="$(sb6 1)" hop=255 icmp6 type=137 \
    hex v=20014860486000000000000000008888fd770000000000000000000000000003 data
for src in fe80::c0:70ff:fe00:1 fd12:3456::1 2001:db8:77:0:c0:70ff:fe00:1; do
	gets silent sb1 ip6 src=$src dst=$ok6 udp data
done
true_that "forged ones are counted" test "$(counted 1 spoof6)" -gt $((counted0 + 3))
nowhere sb1 eth dst=$nd ip6 dst=ff02::1 $ra
nowhere sb1 ip6 dst="$(host6 1)" $ra
nowhere sb1 ip6 dst="$(host6 1)" hop=255 icmp6 type=137 \
    hex v=20014860486000000000000000008888fd770000000000000000000000000003 data
# Solicitation and advertisement: nobody answers, nobody learns.
nowhere sb1 eth dst=33:33:ff:00:00:02 ip6 dst=ff02::1:ff00:2 hop=255 \
    icmp6 type=135 hex v=fd770000000000000000000000000002 data
nowhere sb1 ip6 dst="$(host6 1)" hop=255 icmp6 type=136 rest=0x60000000 \
    hex v=fd7700000000000000000000000000050201020000000066 data
nowhere sb1 ip6 dst=fe80::99 udp data
is "$known" table
quiet ifconfig cop1 inet6 -accept_rtadv
quiet sysctl net.inet6.ip6.rfc6204w3=0
gets inet sb1 ip6 dst=$ok6 udp data

row P2 "IPv4 in IPv6 and tunnels: mapped, NAT64, 6to4, Teredo, 41, GRE, IPIP, ESP, SCTP"
must apply 1 + +64:ff9b::/96 +2002::/16 +2001::/32
exists 64:ff9b::101:101 2001:0:101:101::1
for a in 64:ff9b::101:101 2002:101:101::1 2001:0:101:101::1; do
	gets refused sb1 ip6 dst=$a udp data
	gets refused sb1 ip6 dst=$a tcp data
done
nowhere sb1 ip6 dst=::ffff:1.1.1.1 udp data
nowhere sb1 ip6 dst=::1.1.1.1 udp data
nowhere sb1 ip6 dst=::ffff:0:101:101 udp data
must apply 1 + +$ok/32 +$ok6/128 deny-all
while read -r what; do
	gets inet sb1 ip dst=$ok $what
	nowhere sb1 ip dst=$no $what
	nowhere sb1 ip dst=10.99.0.1 $what
	gets inet sb1 ip6 dst=$ok6 $what
	nowhere sb1 ip6 dst=$no6 $what
done <<EOT
ip6 dst=$no6 udp data
gre ip dst=$no udp data
gre ip6 udp data
ip dst=10.99.0.1 udp data
sctp data
data
EOT
# IGMP, EGP, RSVP, ESP, AH, SKIP, EIGRP, OSPF, EtherIP, PIM, L2TP, Shim6, 255.
for proto in 2 8 46 50 51 57 88 89 97 103 115 140 255; do
	gets inet sb1 ip dst=$ok proto=$proto hex v=1020304050607080 data
	nowhere sb1 ip dst=$no proto=$proto hex v=1020304050607080 data
done

row P3 "ICMP: echo tunnel, errors that quote a foreign flow, none, or another's"
must apply 1 + +$ok/32 deny-all
gets inet sb1 ip dst=$ok icmp data len=1000
for what in 8 13 15 17 10 42 0 14 16 18; do
	nowhere sb1 ip dst=$no icmp type=$what data
	nowhere sb1 ip dst=10.99.0.1 icmp type=$what data
done
quote() { # TO FROM HERE PORT PORT [TYPE]: an error about a packet from there
	echo "ip dst=$1 icmp type=${6:-3} code=0 ip src=$2 dst=$3 udp sport=$4 dport=$5 data"
}
gets inet sb1 ip dst=$ok udp sport=40001 dport=5001 data
gets inet sb2 ip dst=$ok udp sport=40002 dport=5002 data
gets inet sb2 ip dst=$no udp sport=40003 dport=5003 data
for type in 3 11 12; do
	gets inet sb1 "$(quote $ok $ok "$(sb4 1)" 5001 40001 $type)"
done
# Of sandbox 2's flow, at its address and as the world sees it; of no flow.
# Whether one may talk to that address does not matter.
for type in 3 4 5 11 12; do
	for to in $ok $no 10.99.0.1 "$(sb4 2)"; do
		gets silent sb1 "$(quote "$to" "$to" "$(sb4 2)" 5003 40003 $type)"
		gets silent sb1 "$(quote "$to" $ok 192.0.2.2 5002 40002 $type)"
		gets silent sb1 "$(quote "$to" $ok "$(sb4 1)" 5009 40009 $type)"
	done
	gets silent sb1 "$(quote $ok $ok "$(sb4 2)" 5002 40002 $type)"
	gets silent sb1 ip dst=$ok icmp type=$type data
done
# Of its own allowed flow, but sent to somebody else.
for to in $no 10.99.0.1 "$(sb4 2)" 192.0.2.2; do
	nowhere sb1 "$(quote "$to" $ok "$(sb4 1)" 5001 40001)"
done
gets inet sb1 "$(quote $ok $ok "$(sb4 1)" 5001 40001)"
# And of one that was allowed.
must apply 1 + +9.9.9.9/32 deny-all
nowhere sb1 "$(quote $ok $ok "$(sb4 1)" 5001 40001)"
must apply 1 + +$ok6/128 deny-all
quote6() {
	echo "ip6 dst=$1 icmp6 type=${6:-1} code=0 ip6 src=$2 dst=$3 udp sport=$4 dport=$5 data"
}
gets inet sb1 ip6 dst=$ok6 icmp6 type=128 data
nowhere sb1 ip6 dst=$no6 icmp6 type=128 data
gets inet sb1 ip6 dst=$ok6 udp sport=40001 dport=5001 data
gets inet sb2 ip6 dst=$ok6 udp sport=40002 dport=5002 data
for type in 1 2 3 4; do
	gets inet sb1 "$(quote6 $ok6 $ok6 "$(sb6 1)" 5001 40001 $type)"
	gets silent sb1 "$(quote6 $ok6 $ok6 "$(sb6 2)" 5002 40002 $type)"
	gets silent sb1 "$(quote6 $ok6 $ok6 "$(sb6 1)" 5009 40009 $type)"
	gets silent sb1 "$(quote6 $no6 $ok6 "$(sb6 2)" 5002 40002 $type)"
	gets silent sb1 ip6 dst=$ok6 icmp6 type=$type data
done
nowhere sb1 "$(quote6 $no6 $ok6 "$(sb6 1)" 5001 40001)"

row P4 "fragments: tiny, overlapping, first without ports, v6 with extension chain"
must apply 1 + +$ok/32 +$ok6/128 deny-all
# Put together and judged: whoever echoes it got all.
gets inet sb1 "$(pieces 8 88 "ip dst=$ok id=1" "icmp data len=80")"
came sb1 1
nowhere sb1 "$(pieces 8 88 "ip dst=$no id=1" "udp data len=80")"
gets inet sb1 "$(pieces 16 100 "ip dst=$ok id=2" "tcp data len=80")"
gets refused sb1 "$(pieces 16 100 "ip dst=$no id=2" "tcp data len=80")"
# Large ones: none of the parts gets out, all of the allowed ones do.
gets inet sb1 "$(pieces 1480 4008 "ip dst=$ok id=3" "icmp data len=4000")"
came inet 3
gets refused sb1 "$(pieces 1480 4008 "ip dst=$no id=3" "udp data len=4000")"
gets refused sb1 "$(pieces 1480 4008 "ip dst=10.99.0.1 id=3" "udp data len=4000")"
# In the wrong order, and with one twice: still the same packet.
gets inet sb1 ip dst=$ok id=4 slice=48:48 udp data len=88 -- \
    ip dst=$ok id=4 slice=0:48+ udp data len=88
gets inet sb1 ip dst=$ok id=5 slice=0:48+ udp data len=88 -- \
    ip dst=$ok id=5 slice=0:48+ udp data len=88 -- \
    ip dst=$ok id=5 slice=48:48 udp data len=88
# Overlaps, holes, an end without a beginning, a beginning without an end.
nowhere sb1 ip dst=$no id=6 slice=0:48+ udp data len=88 -- \
    ip dst=$no id=6 slice=40:56 udp data len=88
for to in $ok $no; do
	nowhere sb1 ip dst=$to id=7 slice=0:40+ udp data len=88 -- \
	    ip dst=$to id=7 slice=48:48 udp data len=88
	nowhere sb1 ip dst=$to id=8 slice=48:48 udp data len=88
	nowhere sb1 ip dst=$to id=9 slice=0:48+ udp data len=88
done
# Two destinations under one number are two packets, and neither is whole.
nowhere sb1 ip dst=$ok id=10 slice=0:48+ udp data len=88 -- \
    ip dst=$no id=10 slice=48:48 udp data len=88
gets inet sb1 "$(pieces 8 88 "ip6 dst=$ok6 id=1" "icmp6 data len=80")"
nowhere sb1 "$(pieces 8 88 "ip6 dst=$no6 id=1" "udp data len=80")"
gets inet sb1 "$(pieces 1448 4008 "ip6 dst=$ok6 id=3" "icmp6 data len=4000")"
came inet 3
nowhere sb1 "$(pieces 1448 4008 "ip6 dst=$no6 id=3" "udp data len=4000")"
gets inet sb1 ip6 dst=$ok6 id=4 slice=0:400 udp data
nowhere sb1 ip6 dst=$no6 id=4 slice=0:400 udp data
chain="dstopt dstopt dstopt udp data len=80"
# Options of IPv6 go nowhere, whole or in pieces.
nowhere sb1 ip6 dst=$ok6 $chain
nowhere sb1 ip6 dst=$no6 $chain
nowhere sb1 "$(pieces 64 112 "ip6 dst=$ok6 id=5" "$chain")"
nowhere sb1 "$(pieces 64 112 "ip6 dst=$no6 id=5" "$chain")"
nowhere sb1 "$(pieces 8 112 "ip6 dst=$no6 id=6" "$chain")"
for to in $ok6 $no6; do
	nowhere sb1 ip6 dst=$to id=7 slice=0:48+ udp data len=88 -- \
	    ip6 dst=$to id=7 slice=40:56 udp data len=88
	nowhere sb1 ip6 dst=$to id=8 slice=48:48 udp data len=88
done

row P5 "IP options: loose and strict source route, record route, router alert"
must apply 1 +
gets inet sb1 ip dst=$ok udp data
for opt in 8307040808080800 8907040808080800 0707040000000000 94040000 \
    440c050000000000000000 82030000 01010101 00000000 8307080808080800; do
	gets silent sb1 ip dst=$ok opt=$opt udp data
	gets silent sb1 ip dst="$(host4 1)" opt=$opt udp data
	gets silent sb1 ip dst=10.78.0.1 opt=$opt udp dport=53 data
done
# Those of IPv6 likewise; a route by way of us leads nowhere.
must apply 1 + +$ok6/128 deny-all
gets inet sb1 ip6 dst=$ok6 udp data
nowhere sb1 ip6 dst=$ok6 dstopt udp data
nowhere sb1 ip6 dst=$ok6 hbh opt=05020000 udp data
nowhere sb1 ip6 dst=$no6 hbh opt=05020000 udp data
for type in 0 2 3 4; do
	nowhere sb1 ip6 dst=$no6 rt type=$type to=$ok6 udp data
	for via in "$(host6 1)" 2001:db8:2::2; do
		nowhere sb1 ip6 dst=$via rt type=$type to=$ok6 udp data
		nowhere sb1 ip6 dst=$via rt type=$type to=$no6 udp data
	done
done

row P6 "forged source: neighbour's, host's, public, loopback, multicast, bogus IPv6"
must apply 1 +
gets inet sb1 ip dst=$ok udp data
from_now 1 spoof
for src in "$(sb4 2)" "$(host4 1)" 10.78.0.1 192.0.2.2 8.8.4.4 $ok 127.0.0.1 \
    0.0.0.0 255.255.255.255 224.0.0.1 10.99.0.7; do
	gets silent sb1 ip src=$src dst=$ok udp data
	gets silent sb1 ip src=$src dst=10.78.0.1 udp dport=53 data
	gets silent sb1 ip src=$src dst=$ok tcp data
	gets silent sb1 ip src=$src dst=$ok icmp data
done
true_that "forged ones are counted" test "$(counted 1 spoof)" -ge $((counted0 + 24))
# With its own address, but out of another's interface.
gets silent sb2 eth src="$(mac 70 1)" ip src="$(sb4 1)" dst=$ok udp data
gets silent sb2 ip src="$(sb4 1)" dst=$ok udp data
gets inet sb1 ip6 dst=$ok6 udp data
for src in "$(sb6 2)" "$(host6 1)" fd77::1 2001:db8:2::2 $no6 ::1 :: \
    fe80::1 ff02::1 ::ffff:1.1.1.1 fd77::ffff; do
	gets silent sb1 ip6 src=$src dst=$ok6 udp data
	gets silent sb1 ip6 src=$src dst=$ok6 icmp6 data
done

row P9 "the host: 0.0.0.0, 127/8, its addresses public and private, its listeners"
ifconfig up0 inet 198.51.100.7/32 alias
serve
quiet in_inet route add 198.51.100.7 192.0.2.2
for a in 192.0.2.2 198.51.100.7; do is open in_inet "$peer" tcp $a 80; done
must apply 1 + +192.0.2.0/24 +198.51.100.0/24 +127.0.0.0/8 +10.78.0.0/16
ask settle
# What reaches the host is the resolver's port of the resolver's address.
from_now 1 dns
gets silent sb1 ip dst=10.78.0.1 udp dport=53 data
nowhere sb1 ip dst=10.78.0.1 tcp dport=53 data
true_that "the resolver's port is open" test "$(counted 1 dns)" -gt "$counted0"
for a in 192.0.2.2 198.51.100.7 "$(host4 1)" "$(host4 2)"; do
	is silent in_sb 1 "$peer" tcp "$a" 80
	for port in 22 53 80 111 3000 3002 5300 49983; do
		nowhere sb1 ip dst="$a" tcp dport=$port data
		nowhere sb1 ip dst="$a" udp dport=$port data
	done
	nowhere sb1 ip dst="$a" icmp data
	nowhere sb1 ip dst="$a" gre ip dst=$ok udp data
done
for port in 22 80 5300; do
	nowhere sb1 ip dst=10.78.0.1 tcp dport=$port data
	nowhere sb1 ip dst=10.78.0.1 udp dport=$port data
done
for a in 0.0.0.0 0.0.0.1 127.0.0.1 127.8.8.8 127.0.0.53; do
	for port in 53 80 5300; do nowhere sb1 ip dst=$a udp dport=$port data; done
	nowhere sb1 ip dst=$a tcp dport=80 data
	nowhere sb1 ip dst=$a tcp dport=7 data
done
must apply 1 + +2001:db8::/32
is open in_inet "$peer" tcp 2001:db8:2::2 80
ask settle
for a in 2001:db8:2::2 "$(host6 1)" "$(host6 2)"; do
	is silent in_sb 1 "$peer" tcp "$a" 80
	nowhere sb1 ip6 dst="$a" udp dport=53 data
	nowhere sb1 ip6 dst="$a" udp dport=5300 data
	nowhere sb1 ip6 dst="$a" icmp6 data
done
for a in ::1 :: fd77::1; do
	nowhere sb1 ip6 dst=$a tcp dport=80 data
	nowhere sb1 ip6 dst=$a udp dport=5300 data
done

row P10 "metadata: 169.254.169.254, 168.63.129.16, 100.100.100.200, fd00:ec2::254"
meta="169.254.169.254 169.254.170.2 168.63.129.16 100.100.100.200 192.0.0.192"
exists 168.63.129.16 100.100.100.200 192.0.0.192
must apply 1 + +169.254.0.0/16 +168.63.129.16/32 +100.64.0.0/10 +192.0.0.0/24
for a in $meta; do
	is refused in_sb 1 "$peer" tcp $a 80
	nowhere sb1 ip dst=$a udp dport=80 data
	nowhere sb1 ip dst=$a icmp data
done
gets inet sb1 ip dst=168.63.129.15 udp data
exists fd00:ec2::254 fd20:ce::254
must apply 1 + +fd00:ec2::254/128 +fc00::/7
for a in fd00:ec2::254 fd20:ce::254; do
	is refused in_sb 1 "$peer" tcp $a 80
	nowhere sb1 ip6 dst=$a udp dport=80 data
done

row P11 "sandbox to sandbox: directly, by the host's public address, by the other's flow"
must apply 1 + +10.78.0.0/16 +192.0.2.0/24 +fd77::/64
serve in_sb 2
is open in_sb 2 "$peer" tcp "$(sb4 2)" 80
# What is sent to sandbox 2 is heard there: an answer to its own flow.
gets inet sb2 ip dst=$ok udp sport=40010 dport=5010 data
is refused in_sb 1 "$peer" tcp "$(sb4 2)" 80
is refused in_sb 1 "$peer" udp "$(sb4 2)" 7
nowhere sb1 ip dst="$(sb4 2)" icmp data
nowhere sb1 ip dst="$(sb4 2)" udp sport=5010 dport=40010 data
nowhere sb1 ip dst="$(sb4 2)" tcp flags=SA data
nowhere sb1 ip dst="$(sb4 2)" gre ip dst="$(sb4 2)" udp data
# By its hardware address; by what its flow looks like from outside.
nowhere sb1 eth dst="$(mac 70 2)" ip dst="$(sb4 2)" udp data
nowhere sb1 eth dst="$(mac 71 2)" ip dst="$(sb4 2)" udp data
nowhere sb1 eth dst=ff:ff:ff:ff:ff:ff ip dst="$(sb4 2)" udp data
nowhere sb1 ip dst=192.0.2.2 udp sport=5010 dport=40010 data
nowhere sb1 ip dst=192.0.2.2 tcp dport=40010 data
nowhere sb1 ip src=$ok dst=192.0.2.2 udp sport=5010 dport=40010 data
nowhere sb1 ip src=$ok dst="$(sb4 2)" udp sport=5010 dport=40010 data
# Slots that have nobody, and the ends of the pool.
for a in "$(sb4 4)" "$(sb4 9)" 10.78.0.0 10.78.255.255; do
	nowhere sb1 ip dst="$a" udp data
done
nowhere sb1 ip6 dst="$(sb6 2)" udp data
nowhere sb1 ip6 dst="$(sb6 2)" tcp data
nowhere sb1 ip6 dst="$(sb6 2)" icmp6 data
nowhere sb1 ip6 dst="$(sb6 9)" udp data
nowhere sb1 eth dst="$(mac 70 2)" ip6 dst="$(sb6 2)" udp data

row P12 "multicast, broadcast, 240/4, 198.18/15"
must apply 1 + +224.0.0.0/3 +198.18.0.0/15
exists 198.18.0.1 198.19.255.254
for a in 198.18.0.1 198.19.255.254; do
	gets refused sb1 ip dst=$a udp data
	gets refused sb1 ip dst=$a tcp data
done
for a in 224.0.0.1 224.0.0.251 239.255.255.250 232.1.1.1 255.255.255.255 \
    240.0.0.1 254.1.1.1 192.0.2.3 10.78.0.255; do
	for to in "$(mac 71 1)" ff:ff:ff:ff:ff:ff 01:00:5e:00:00:fb; do
		nowhere sb1 eth dst=$to ip dst=$a udp dport=5353 data
		nowhere sb1 eth dst=$to ip dst=$a icmp data
	done
done
must apply 1 + +ff00::/8
for a in ff02::1 ff02::2 ff02::fb ff05::2 ff0e::1 ff01::1; do
	for to in "$(mac 71 1)" 33:33:00:00:00:01 33:33:00:00:00:fb; do
		nowhere sb1 eth dst=$to ip6 dst=$a udp dport=5353 data
	done
done
must apply 1 +
gets inet sb1 ip dst=$ok udp data

row P18 "the gateway as next hop to a private host: the destination decides"
for a in 10.99.0.1 172.16.99.1 192.168.99.1 100.64.99.1; do
	is open "$peer" tcp "$a" 80
	quiet in_sb 1 route add "$a" "$(host4 1)"
	is refused in_sb 1 "$peer" tcp "$a" 80
	gets refused sb1 ip dst="$a" udp data
	nowhere sb1 ip dst="$a" proto=47 data
done
quiet in_sb 1 route add $ok "$(host4 1)"
is open in_sb 1 "$peer" tcp $ok 80
# Another's end of its link, and another sandbox, as next hop.
for to in "$(mac 71 2)" "$(mac 70 2)"; do
	nowhere sb1 eth dst="$to" ip dst=$no udp data
	nowhere sb1 eth dst="$to" ip dst=10.99.0.1 udp data
done
exists fd00:99::1
quiet in_sb 1 route -6 add fd00:99::1 "$(host6 1)"
is refused in_sb 1 "$peer" tcp fd00:99::1 80
rows_end
