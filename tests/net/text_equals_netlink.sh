#!/bin/bash
# The table that coppice-privd loads message by message is, listed, the table
# that `netpolicy compile --nft` prints, loaded by nft and listed.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[ -x "$bin/netpolicy" ] || { echo "# netpolicy is not built"; exit 1; }
new_namespace
text_pid=$holder

# Both as nft sees them; counters and limits aside.
from_text() { # NETPOLICY ARGUMENT...
	"$bin/netpolicy" compile --nft "$@" >"$scratch/nft" || return 1
	nsenter -t "$text_pid" -n -- sh -c \
	    "nft flush ruleset; nft -f $scratch/nft; nft -s list table inet coppice"
}

same() { # SLOT JSON WORD... : as JSON for netpolicy, as words for privd
	local slot=$1 json=$2 gen
	shift 2
	must apply "$slot" + birth "$@"
	gen=$(privd hello | sed 's/.*max_gen=\([0-9]*\).*/\1/')
	echo "$json" >"$scratch/policy"
	from_text -p "$scratch/policy" --slot "$slot" --gen "$gen" \
	    --birth "$birth" "${np_args[@]}" >"$scratch/a"
	nft -s list table inet coppice >"$scratch/b"
	if diff "$scratch/a" "$scratch/b" >"$scratch/diff"; then
		pass
	else
		fail "slot $slot: $json"
		sed 's/^/# /' "$scratch/diff" | head -n 20
	fi
	true_that "the table means the policy" "$bin/netpolicy" verify \
	    -p "$scratch/policy" --slot "$slot" "${np_args[@]}" "$scratch/b"
	true_that "a table with slot $slot" grep -q "chain sb$slot " "$scratch/b"
}

round() { # SLOT
	birth=256
	must slots "$1" 1
	same "$1" '{}'
	# A slot that had a tenant; the first rule has the new one's BIRTH.
	must clear "$1"
	birth=257
	same "$1" '{"allowOut":["8.8.8.8"],"denyOut":["0.0.0.0/0"]}' \
	    +8.8.8.8/32 -0.0.0.0/0 deny-all
	must clear "$1"
	birth=258
	same "$1" '{"denyOut":["1.1.1.0/24","2606:4700::/32"]}' \
	    -1.1.1.0/24 -2606:4700::/32
	must clear "$1"
	birth=259
	same "$1" '{"allow_internet_access":false}' no-internet
	must clear "$1"
	birth=260
	same "$1" '{"allowOut":["255.255.255.254/31","9.0.0.0/8"],"denyOut":["128.0.0.0/1"]}' \
	    +255.255.255.254/31 +9.0.0.0/8 -128.0.0.0/1
	# What ports need is there from now on, whoever has the slot.
	must clear "$1"
	birth=261
	same "$1" '{"ports":[{"port":443,"access":"allow"},{"port":"1-79","protocol":"tcp","access":"deny"}],"denyOut":["0.0.0.0/0"]}' \
	    +tcp/443 +udp/443 -tcp/1-79 -0.0.0.0/0 deny-all
	must clear "$1"
	birth=262
	same "$1" '{"ports":[{"port":25,"access":"deny"},{"port":"8000-8100","protocol":"udp","access":"allow"}],"denyOut":["128.0.0.0/1","2606:4700::/32"],"allowOut":["9.0.0.0/8"]}' \
	    -tcp/25 -udp/25 +udp/8000-8100 +9.0.0.0/8 -128.0.0.0/1 -2606:4700::/32
}

np_args=()
[ -n "$has6" ] || np_args=(--no-v6)
privd_start
round 7
privd_stop >/dev/null
"$privd_bin" rules -f "$privd_conf" --remove
# With caps on what one sandbox may do.
np_args+=(--max-flows 65535 --max-packets-per-s 100 --max-egress-mbit 100000 --max-ingress-mbit 1)
privd_start "max_flows = 65535" "max_packets_per_s = 100" \
    "max_egress_mbit = 100000" "max_ingress_mbit = 1"
round 8
# It is its own work that a new process finds, and an old table is made anew.
must kill
is "ok max_gen=262 rebuilt=0 nslots=0" privd hello
is "" grep -o "rules.lost.*" "$privd_log"
privd_stop >/dev/null
privd_start
is 1 grep -c rebuilt=1 <(privd hello)
is 1 grep -c 'rules.lost because="chain ' "$privd_log"
privd_stop >/dev/null
"$privd_bin" rules -f "$privd_conf" --remove
# And without IPv6, at the last slot of all.
np_args=(--no-v6)
has6=
privd_start "max_sandboxes = 16383"
round 16383
done_testing
