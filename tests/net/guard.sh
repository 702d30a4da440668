#!/bin/bash
# Somebody else's hands: a table that is flushed or edited lets nothing out, is
# noticed and made anew (row C14); other people's rules and forwarding are left
# alone.
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


# What of UDP to port 7 comes out on the internet's side, whoever it is from.
in_inet nft -f - <<-'EON'
	table inet seen {
		chain in {
			type filter hook prerouting priority raw;
			iifname in0 udp dport 7 counter
		}
	}
EON
seen() { in_inet nft list table inet seen | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
got_out() { # COMMAND...: as many of its packets
	local had
	had=$(seen)
	"$@" >/dev/null
	sleep 0.1
	echo $(($(seen) - had))
}
sends() { in_sb 1 "$peer" udp "$1" 7; }
# With a source that is not its own, or its own again.
from() { # [SOURCE4 SOURCE6]
	# shellcheck disable=SC2086
	in_sb 1 ip route replace default via "$(host4 1)" ${1:+src $1}
	[ -z "$has6" ] || in_sb 1 ip -6 route replace default \
	    via "$(host6 1)" ${2:+src $2}
}
in_sb 1 ip addr add 203.0.113.77/32 dev lo
in_sb 1 ip addr add "$(sb4 2)/32" dev lo
if [ -n "$has6" ]; then
	in_sb 1 ip addr add 2001:db8:77::1/128 dev lo nodad
	in_sb 1 ip addr add "$(sb6 2)/128" dev lo nodad
fi
is 1 got_out sends 1.1.1.1
[ -z "$has6" ] || is 1 got_out sends 2606:4700:4700::1111

# The second barrier, with nobody there to repair: privd stopped.
pid=$(pgrep -f "coppice-privd rules" | head -n 1)
# What was counted, for `coppice status`.
counted() { sed -n 's/^\([0-9]*\) 20[0-9TZ:-]* \(.*\)/\1 \2/p' "$scratch/rules-lost"; }
n=0
closed() { [ "$(tcp 1.1.1.1)" != open ]; }
behind() { # HOW...: with privd stopped
	sleep 1.1
	kill -STOP "$pid"
	nft "$@" || fail "nft $*"
}
repaired() { # WHAT
	local t0 ms
	t0=$(date +%s%N)
	kill -CONT "$pid"
	n=$((n + 1))
	becomes open tcp 1.1.1.1
	is refused tcp 8.8.8.8
	ms=$((($(date +%s%N) - t0) / 1000000))
	true_that "$1: repaired after $ms ms" test "$ms" -lt 5000
	is "ok lost=$n" privd events 100
	is "$n somebody else changed the table" counted
}
for how in "delete table inet coppice" "flush table inet coppice" \
    "flush chain inet coppice source" "flush ruleset"; do
	# shellcheck disable=SC2086
	behind $how
	for as in "" "203.0.113.77 2001:db8:77::1" "$(sb4 2) $(sb6 2)" \
	    "192.0.2.2 2001:db8:2::2"; do
		[ "${as#192}" = "$as" ] ||
			in_sb 1 ip addr add 192.0.2.2/32 dev lo
		[ "${as#192}" = "$as" ] || [ -z "$has6" ] ||
			in_sb 1 ip addr add 2001:db8:2::2/128 dev lo nodad
		# shellcheck disable=SC2086
		from $as
		is 0 got_out sends 1.1.1.1
		[ -z "$has6" ] || is 0 got_out sends 2606:4700:4700::1111
	done
	in_sb 1 ip addr del 192.0.2.2/32 dev lo
	[ -z "$has6" ] || in_sb 1 ip addr del 2001:db8:2::2/128 dev lo
	from
	true_that "no TCP gets out after $how" closed
	[ -z "$has6" ] || is silent in_sb 1 "$peer" udp 2606:4700:4700::1111 7
	is open in_sb foreign "$peer" tcp 8.8.8.8 80
	# Replies of the host itself still find their way.
	is open "$peer" tcp 1.1.1.1 80
	repaired "$how"
done
# It is the frames' address that does it: with the host end's own, as an
# earlier version's sandbox had it, packets get out, and under the table the
# policy holds as for everybody.
for f in 4 ${has6:+6}; do
	in_sb 1 ip neigh replace "$("host$f" 1)" lladdr "$(mac 71 1)" \
	    dev eth0 nud permanent
done
is open tcp 1.1.1.1
is refused tcp 8.8.8.8
behind delete table inet coppice
is 1 got_out sends 1.1.1.1
[ -z "$has6" ] || is 1 got_out sends 2606:4700:4700::1111
repaired "delete table"
neighbours 1

# Edits of every kind, with privd awake.  Each is noticed within five seconds,
# said and counted; then it is as if nothing had been.
noticed() { # WHAT, after the edit
	local t0=$1 ms
	is "ok lost=$n" privd events 5000
	ms=$((($(date +%s%N) - t0) / 1000000))
	true_that "$2: noticed after $ms ms" test "$ms" -lt 5000
	is "$n somebody else changed the table" counted
	is open tcp 1.1.1.1
	is refused tcp 8.8.8.8
	[ -z "$has6" ] || is open tcp 2606:4700:4700::1111
}
edited() {
	local t0
	sleep 1.1
	t0=$(date +%s%N)
	nft "$@" || fail "nft $*"
	n=$((n + 1))
	noticed "$t0" "$*"
}
handle_of() { nft -a list chain inet coppice "$1" | sed -n "s/.*$2.* # handle //p" | head -n 1; }

edited flush ruleset
edited delete table inet coppice
edited flush table inet coppice
edited add table inet coppice '{ flags dormant; }'
edited flush chain inet coppice source
edited flush chain inet coppice forward
edited flush chain inet coppice judge_in
edited flush chain inet coppice sb1
edited flush set inet coppice live
edited flush map inet coppice gen
edited flush set inet coppice sb1_ok4
edited flush set inet coppice src4
edited insert rule inet coppice judge_out accept
edited insert rule inet coppice judge_in accept
edited insert rule inet coppice source accept
edited insert rule inet coppice sb1 accept
edited add rule inet coppice prerouting accept
edited delete rule inet coppice sb1 handle "$(handle_of sb1 'comment "denied"')"
edited replace rule inet coppice forward handle "$(handle_of forward judge_out)" accept
edited add element inet coppice live '{ 0x7777 }'
edited add element inet coppice sb1_ok4 '{ 8.8.8.8 }'
edited add element inet coppice gen '{ "cop9" : 0x7777 }'
edited delete element inet coppice out '{ "cop1" }'
edited add chain inet coppice ours '{ type filter hook forward priority -10; }'
edited add set inet coppice ours '{ type ipv4_addr; }'
edited chain inet coppice forward '{ policy drop; }'
if [ -n "$has6" ]; then
	edited add element inet coppice sb1_ok6 '{ ::1 }'
	edited flush set inet coppice sb1_ok6
	edited flush set inet coppice src6
fi

# The same behind privd's back: stopped, it was told of too much to hear all.
missed() { # WHAT it finds when it looks, and the edit
	n=$((n + 1))
	kill -STOP "$pid"
	nft add table ip noise
	nft add set ip noise s '{ type mark; }'
	echo "add element ip noise s { $(seq -s, 100000) }" | nft -f -
	nft "${@:2}" || fail "nft $*"
	nft delete table ip noise
	kill -CONT "$pid"
	is "ok lost=$n" privd events 5000
	got=$(counted)
	is "$n $1" sed "s/element [0-9a-f]* is/element N is/" <<<"$got"
	is open tcp 1.1.1.1
	is refused tcp 8.8.8.8
	sleep 1.1
}
missed "set live: element N is not as we make it" \
	add element inet coppice live '{ 0 }'
missed "set sb1_ok4 is not as we make it" \
	add element inet coppice sb1_ok4 '{ 8.8.8.8 }'
missed "set live: element N is not as we make it" \
	flush set inet coppice live
missed "set live: element N is not as we make it" \
	add element inet coppice gen "{ \"cop2\" : $(nft list set inet coppice live |
		sed -n 's/.*elements = { \(0x[0-9a-f]*\).*/\1/p') }"
missed "slot 1 has another birth or generation" \
	replace rule inet coppice sb1 handle "$(handle_of sb1 "previous tenant")" \
	'ct mark != 0 ct mark < 0x77777777 counter drop comment "the slot'"'"'s previous tenant"'
missed "chain judge_out is not as we make it" \
	insert rule inet coppice judge_out accept
lost=$n

# Live flows and a lost table.  The slot's last tenant left one behind that its
# server goes on pushing through; this tenant's stream is allowed.
sleep 1.1
heard() { in_sb 2 "$peer" hear "$1" 300; }
link 2
must apply 2 + birth
in_sb 2 "$peer" knock 1.1.1.1 8 4000
true_that "the push arrives" test "$(heard 4000)" -gt 10
must clear 2
must apply 2 + birth -8.8.8.8/32
is 0 heard 4000
in_sb 2 "$peer" knock 1.0.0.1 8 4001
true_that "the new tenant's own push arrives" test "$(heard 4001)" -gt 10
streams() {
	local f
	for f in 1.1.1.1 ${has6:+2606:4700:4700::1111}; do
		in_sb 2 "$peer" stream "$f" 9000 "$1" >"$scratch/stream.$f" &
		streaming+=($!)
	done
	sleep 0.5
}
whole() {
	local f got
	wait "${streaming[@]}"
	streaming=()
	for f in 1.1.1.1 ${has6:+2606:4700:4700::1111}; do
		got=$(cat "$scratch/stream.$f")
		case $got in
		*[!0-9]* | '') fail "stream of $f: $got" ;;
		*) true_that "stream of $f: $got bytes" test "$got" -gt 2000000 ;;
		esac
	done
}
streaming=()
streams 8
for how in "flush ruleset" "delete table inet coppice" "flush chain inet coppice source" "flush set inet coppice live"; do
	# shellcheck disable=SC2086
	nft $how
	lost=$((lost + 1))
	is "ok lost=$lost" privd events 5000
	is 0 heard 4000
	true_that "the push goes on after $how" test "$(heard 4001)" -gt 10
	sleep 1.1
done
whole
# Nobody there to repair for a second: then the same streams go on.
streams 8
kill -STOP "$pid"
nft flush ruleset
sleep 0.5
is 0 heard 4000
is 0 heard 4001
kill -CONT "$pid"
lost=$((lost + 1))
is "ok lost=$lost" privd events 5000
is 0 heard 4000
true_that "the push goes on" test "$(heard 4001)" -gt 10
whole
stale() { privd state 2 | sed 's/.*stale=//'; }
got=$(stale)
true_that "the last tenant's packets are counted ($got)" test "$got" -gt 5
got=$(nft list table inet coppice_guard | grep -c 'packets [1-9].*answers to sandboxes')
true_that "answers were held back in the meantime ($got)" test "$got" -ge 1
# It is not somebody else's to change.
nft delete table inet coppice_guard 2>/dev/null && fail "anybody may delete the guard"

# Other people's tables are no reason to do anything.
nft add table ip theirs
nft add chain ip theirs c '{ type filter hook forward priority 10; }'
nft delete table ip theirs
sleep 5.5
is "ok lost=$lost" privd events 100
done_testing
