#!/bin/sh
# What a sandbox may not reach is refused at once (a partial checksum in a
# reset would let it wait), and what it may is open; one anchor of 200, too.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
stand
slot 7

# Without an anchor a slot is closed.
is silent in_sb 7 "$peer" tcp 1.1.1.1 80
anchor 7 '{}'
is open in_sb 7 "$peer" tcp 1.1.1.1 80
is open in_sb 7 "$peer" udp 1.1.1.1 7
is open in_sb 7 "$peer" ping 1.1.1.1
is open in_sb 7 "$peer" tcp 2606:4700:4700::1111 80
is open in_sb 7 "$peer" udp 2606:4700:4700::1111 7
is open in_sb 7 "$peer" ping 2606:4700:4700::1111

refused_soon() { # WHAT
	for a in 1.1.1.1 2606:4700:4700::1111; do
		got=$(in_sb 7 "$peer" slowest 20 $a 80)
		below 500 "$got" refused
		echo "= $1: 20 connections to $a: the slowest ${got##* } ms"
	done
}
anchor 7 '{"denyOut": ["0.0.0.0/0"]}'
refused_soon "one anchor"

# The 199 others differ in nothing but their slot.
echo '{"allowOut": ["9.9.9.9"], "denyOut": ["0.0.0.0/0"]}' |
	"$bin/netpolicy" compile --pf --slot 500 --freebsd "$freebsd" >"$scratch/500"
for n in $(seq 8 206); do
	sed "s/cop500/cop$n/g; s/sb500/sb$n/g" "$scratch/500" |
		pfctl -q -a "coppice/sb$n" -f - || fail "anchor $n"
done
refused_soon "200 anchors"
anchor 7 '{"allowOut": ["1.1.1.1"], "denyOut": ["0.0.0.0/0"]}'
got=$(in_sb 7 "$peer" slowest 20 1.1.1.1 80)
below 500 "$got" open
echo "= 200 anchors: 20 connections that are allowed: the slowest ${got##* } ms"
is refused in_sb 7 "$peer" tcp 8.8.8.8 80
for n in $(seq 8 206); do quiet pfctl -q -a "coppice/sb$n" -F all; done
done_testing
