#!/bin/bash
# Somebody else's hands: a table that is flushed or edited lets nothing out, is
# noticed and made anew; other people's rules and forwarding are left alone.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
internet
privd_start
must slots 1 2
link 1
must apply 1 + birth -8.8.8.8/32
tcp() { in_sb 1 "$peer" tcp "$1" 80; }
is open tcp 1.1.1.1
is refused tcp 8.8.8.8

# A foreign pair of interfaces that forwards through the same host.
new_namespace
sb_pid[foreign]=$holder
ip link add other0 type veth peer name eth0 netns "$holder"
ip addr add 198.51.100.1/24 dev other0
ip link set other0 up
echo 1 >/proc/sys/net/ipv4/conf/other0/forwarding
in_sb foreign ip addr add 198.51.100.2/24 dev eth0
in_sb foreign ip link set eth0 up
in_sb foreign ip route add default via 198.51.100.1
in_inet ip route add 198.51.100.0/24 via 192.0.2.2
is open in_sb foreign "$peer" tcp 8.8.8.8 80
is open in_sb foreign "$peer" udp 1.1.1.1 7


# The second barrier, with nobody there to repair: privd stopped.
pid=$(pgrep -f "coppice-privd rules" | head -n 1)
kill -STOP "$pid"
nft delete table inet coppice
is denied in_sb 1 "$peer" udp 1.1.1.1 7
closed() { [ "$(tcp 1.1.1.1)" != open ]; }
true_that "no TCP gets out" closed
is open in_sb foreign "$peer" tcp 8.8.8.8 80
# Replies of the host itself still find their way.
is open "$peer" tcp 1.1.1.1 80
t0=$(date +%s%N)
kill -CONT "$pid"
becomes open tcp 1.1.1.1
is refused tcp 8.8.8.8
ms=$((($(date +%s%N) - t0) / 1000000))
true_that "repaired after $ms ms" test "$ms" -lt 5000
is "ok lost=1" privd events 100

# Everything flushed, and this time privd is awake.
sleep 1.1
nft flush ruleset
is "ok lost=2" privd events 3000
is open tcp 1.1.1.1
is refused tcp 8.8.8.8

# Edits: a rule too many, a rule too few, an element, a whole chain emptied.
n=2
edited() {
	sleep 1.1
	nft "$@"
	n=$((n + 1))
	is "ok lost=$n" privd events 3000
	is open tcp 1.1.1.1
	is refused tcp 8.8.8.8
}
edited insert rule inet coppice judge_out accept
edited delete rule inet coppice sb1 handle "$(nft -a list chain inet coppice sb1 |
	sed -n 's/.*comment "denied" # handle //p')"
edited add element inet coppice live '{ 0x7777 }'
edited flush chain inet coppice source

# Other people's tables are no reason to do anything.
nft add table ip theirs
nft add chain ip theirs c '{ type filter hook forward priority 10; }'
nft delete table ip theirs
sleep 5.5
is "ok lost=$n" privd events 100
done_testing
