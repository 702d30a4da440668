#!/bin/bash
# What a sandbox may reach, and what it never may: allow, deny, private ranges,
# the host, its neighbours, forged sources, IPv6 (rows P4, P6, P9 and P11 among
# others).  Every "no" follows a "yes".
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
internet
privd_start
is "ok max_gen=255 rebuilt=1 nslots=0" privd hello
must slots 1 8
link 1
link 2
tcp() { in_sb "$1" "$peer" tcp "$2" "$3"; }
udp() { in_sb "$1" "$peer" udp "$2" "$3" "${4:-16}"; }

# A slot is made closed.
is silent tcp 1 1.1.1.1 80
must apply 1 + birth
is open tcp 1 1.1.1.1 80
is open udp 1 1.1.1.1 7
is open in_sb 1 "$peer" ping 1.1.1.1
# The other one still is.
is silent tcp 2 1.1.1.1 80
must apply 2 + birth

# Fragments are put together before they are judged.
is open udp 1 1.1.1.1 7 5000

# Deny, and allow over deny; specificity and order do not matter.
must apply 1 + -1.1.1.0/24
is refused tcp 1 1.1.1.1 80
is denied udp 1 1.1.1.1 7
is denied in_sb 1 "$peer" ping 1.1.1.1
is open tcp 1 8.8.8.8 80
must apply 1 + +1.1.1.1/32 deny-all
is open tcp 1 1.1.1.1 80
is open udp 1 1.1.1.1 7
is refused tcp 1 8.8.8.8 80
must apply 1 + +1.0.0.0/8 -1.1.1.1/32
is open tcp 1 1.1.1.1 80
must apply 1 + no-internet
is refused tcp 1 1.1.1.1 80
must apply 1 + +1.1.1.1/32 no-internet
is open tcp 1 1.1.1.1 80
is refused tcp 1 9.9.9.9 80

# What nobody may reach; the host can, so it is not just closed.
must apply 1 + +0.0.0.0/0
is open tcp 1 8.8.8.8 80
for a in $private4; do
	is open "$peer" tcp "$a" 80
	is refused tcp 1 "$a" 80
	is denied udp 1 "$a" 7
done
must apply 1 + +10.0.0.0/8 +172.16.0.0/12 +192.168.0.0/16 +169.254.0.0/16
for a in $private4; do is refused tcp 1 "$a" 80; done

# The host: its own addresses, all of them, and its end of the link.
serve
for a in 127.0.0.1 192.0.2.2 "$(host4 1)"; do
	is open "$peer" tcp "$a" 80
done
is open in_inet "$peer" tcp 192.0.2.2 80
for a in 192.0.2.2 "$(host4 1)" "$(host4 2)"; do
	is refused tcp 1 "$a" 80
	is denied udp 1 "$a" 7
	is denied in_sb 1 "$peer" ping "$a"
done

# One sandbox to another, by any of its addresses; no one comes in from outside.
serve in_sb 2
is open in_sb 2 "$peer" tcp "$(sb4 2)" 80
is refused tcp 1 "$(sb4 2)" 80
is denied udp 1 "$(sb4 2)" 7
in_inet ip route add 10.78.0.0/16 via 192.0.2.2
is silent in_inet "$peer" tcp "$(sb4 2)" 80
is silent in_inet "$peer" udp "$(sb4 2)" 7
# Nor the host itself: a program there is no way round the proxy.
is silent "$peer" tcp "$(sb4 2)" 80

# A forged source address goes nowhere, whoever has it.
count() { in_inet nft list counters table inet seen | awk '/packets/ { print $2 }'; }
in_inet nft -f - <<-'EON'
	table inet seen {
		counter n { }
		chain c {
			type filter hook prerouting priority -400;
			ip saddr != 192.0.2.2 ip saddr != 127.0.0.0/8 iifname in0 counter name n
		}
	}
EON
for a in "$(sb4 2)" 127.0.0.1 8.8.4.4 10.99.0.7; do
	in_sb 1 sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet'
	in_sb 1 ip addr add "$a/32" dev eth0 2>/dev/null
	is silent in_sb 1 "$peer" from "$a" 1.1.1.1 7
	in_sb 1 ip addr del "$a/32" dev eth0 2>/dev/null
done
is open in_sb 1 "$peer" from "$(sb4 1)" 1.1.1.1 7
in_sb 1 ip link set eth0 address 02:c0:70:00:00:02
neighbours 1
is silent udp 1 1.1.1.1 7
in_sb 1 ip link set eth0 address "$(mac 70 1)"
neighbours 1
is open udp 1 1.1.1.1 7
is 0 count

if [ -n "$has6" ]; then
	g=2606:4700:4700::1111 h=2001:4860:4860::8888
	must apply 1 +
	is open tcp 1 $g 80
	is open udp 1 $g 7
	is open in_sb 1 "$peer" ping $g
	is open udp 1 $g 7 5000
	must apply 1 + deny-all
	is refused tcp 1 $g 80
	is denied udp 1 $g 7
	must apply 1 + +$g/128 deny-all
	is open tcp 1 $g 80
	is refused tcp 1 $h 80
	must apply 1 + +::/1 +8000::/1
	is refused tcp 1 fd77::5 80
	is refused tcp 1 2001:db8:2::2 80
	is refused tcp 1 "$(host6 1)" 80
	in_sb 1 ip addr add 2001:db8:77::1/128 dev eth0 nodad
	is silent in_sb 1 "$peer" from 2001:db8:77::1 $g 7
	is open in_sb 1 "$peer" from "$(sb6 1)" $g 7
fi

state() { privd state 1 | grep -o 'gen=[0-9]*'; }
is "gen=$(privd hello | sed 's/.*max_gen=\([0-9]*\).*/\1/')" state
done_testing
