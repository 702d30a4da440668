#!/bin/sh
# The bypass catalogue, the link layer: rows P7 and P8, and that a sandbox's
# link needs no neighbour discovery at all.  No tenant has frames of its own
# (hostile.sh): these come from the jail around it, which owns the link.
# shellcheck source-path=SCRIPTDIR source=lib_frames.sh
. "$(dirname "$0")/lib_frames.sh"
stand_rows

row link "no ARP and no neighbour discovery on a sandbox's link"
hear_link() { # what the host and the sandbox say to one another
	ask link sb1
	echo "$said"
}
quiet hear_link
is open in_sb 1 "$peer" udp 1.1.1.1 7
is open in_sb 1 "$peer" udp 2606:4700:4700::1111 7
is refused in_sb 1 "$peer" udp "$(sb4 2)" 7
is "arp=0 nd=0" hear_link
# It would have been heard: the internet's link does both.
ask link inet
quiet arp -d 192.0.2.1
quiet ndp -d 2001:db8:2::1
is open in_sb 1 "$peer" udp 1.1.1.1 7
is open in_sb 1 "$peer" udp 2606:4700:4700::1111 7
ask link inet
true_that "the uplink asks: $said" test "${said#arp=0}" = "$said"
true_that "and for IPv6: $said" test "${said%nd=0}" = "$said"

row P7 "ARP request, reply, gratuitous, MAC change, MAC flood"
neighbours_of_host() { { arp -an; ndp -an; } | grep -v up0 | awk '{ print $1, $2, $3, $4 }' | sort; }
known=$(neighbours_of_host)
# Such a frame is learned from and answered where ARP is spoken.
learned() { arp -n 192.0.2.1 | awk '{ print $4 }'; }
ask settle
quiet arp -d 192.0.2.1
gets silent inet eth dst="$(mac_on up0)" arp op=1 sha=02:00:00:00:00:99 \
    spa=192.0.2.1 tpa=192.0.2.2 data
is 02:00:00:00:00:99 learned
quiet arp -d 192.0.2.1
is open "$peer" tcp 1.1.1.1 80
ask settle
ask link sb1
ask link sb2
for to in ff:ff:ff:ff:ff:ff "$(mac 71 1)" "$(mac 70 2)"; do
	for about in "$(host4 1)" "$(sb4 1)" "$(sb4 2)" "$(host4 2)" 192.0.2.1; do
		gets silent sb1 eth dst="$to" arp op=1 spa="$(sb4 1)" tpa="$about" data
		gets silent sb1 eth dst="$to" arp op=2 spa="$about" \
		    tpa="$(host4 1)" tha="$(mac 71 1)" data
		gets silent sb1 eth dst="$to" arp op=1 spa="$about" tpa="$about" data
		gets silent sb1 eth dst="$to" src=02:00:00:00:00:66 arp op=2 \
		    sha=02:00:00:00:00:66 spa="$about" tpa="$about" data
	done
done
is "arp=0 nd=0" hear_link
is "$known" neighbours_of_host
# The MAC is nobody's: the interface and the source address decide.
must apply 1 + +1.1.1.1/32 deny-all
gets inet sb1 ip dst=1.1.1.1 udp data
gets inet sb1 eth src=02:00:00:00:00:66 ip dst=1.1.1.1 udp data
gets refused sb1 eth src=02:00:00:00:00:66 ip dst=8.8.8.8 udp data
gets silent sb1 eth src="$(mac 70 2)" ip src="$(sb4 2)" dst=1.1.1.1 udp data
must apply 1 +
# Thousands of them: none is learned, and others go on.
flood_macs() {
	for i in 1 2 3 4 5 6 7 8; do
		ask flood sb1 250 eth src=02:00:00:00:0"$i":01 \
		    dst=ff:ff:ff:ff:ff:ff arp op=2 sha=02:00:00:00:0"$i":01 \
		    spa=10.78."$i".@ tpa=10.78.0.2 data
		echo "${said%% *}"
	done | sort -u
}
is silent flood_macs
is "$known" neighbours_of_host
is open in_sb 1 "$peer" udp 1.1.1.1 7
is open in_sb 2 "$peer" tcp 1.1.1.1 80

row P8 "VLAN tag, QinQ, unknown ethertype, 802.3 LLC"
gets inet sb1 ip dst=1.1.1.1 udp data
for id in 1 5 4094; do
	gets silent sb1 eth vlan id="$id" ip dst=1.1.1.1 udp data
	gets silent sb1 eth qinq id="$id" ip dst=1.1.1.1 udp data
	gets silent sb1 eth qinq id="$id" vlan id=7 ip dst=1.1.1.1 udp data
	gets silent sb1 eth vlan id=0 vlan id="$id" ip dst=1.1.1.1 udp data
done
# A priority tag (VLAN 0) is taken off by the kernel: what is left is judged.
must apply 1 + +1.1.1.1/32 deny-all
gets inet sb1 eth vlan id=0 ip dst=1.1.1.1 udp data
gets refused sb1 eth vlan id=0 ip dst=8.8.8.8 udp data
gets silent sb1 eth vlan id=0 ip src="$(sb4 2)" dst=1.1.1.1 udp data
must apply 1 +
for type in 0x88b5 0x0806 0x8847 0x8863 0x8864 0x88cc 0x88e5 0x9000 0x22f3; do
	gets silent sb1 eth type="$type" ip dst=1.1.1.1 udp data
	gets silent sb1 eth dst=ff:ff:ff:ff:ff:ff type="$type" ip dst=1.1.1.1 udp data
done
# LLC, spanning tree's and SNAP with an IP packet in it.
gets silent sb1 eth dst=01:80:c2:00:00:00 type=48 hex v=424203 data
gets silent sb1 eth type=100 hex v=aaaa030000000800 ip dst=1.1.1.1 udp data
# A frame for another's MAC is not taken up; a broadcast one is not forwarded.
must apply 1 + +1.1.1.1/32 deny-all
gets silent sb1 eth dst="$(mac 71 2)" ip dst=1.1.1.1 udp data
gets inet sb1 eth dst="$(mac 71 1)" ip dst=1.1.1.1 udp data
for to in ff:ff:ff:ff:ff:ff 01:00:5e:01:01:01; do
	nowhere sb1 eth dst="$to" ip dst=8.8.8.8 udp data
	gets silent sb1 eth dst="$to" ip src="$(sb4 2)" dst=1.1.1.1 udp data
done
must apply 1 +
gets inet sb1 ip dst=1.1.1.1 udp data
rows_end
