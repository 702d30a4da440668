#!/bin/bash
# Live flows: what a new policy denies dies on its next packet, in either
# direction; what it leaves open does not notice (rows C1, C2, C3 and C17).
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
internet
privd_start
must slots 1 4
link 1

# hold WHAT ADDR PORT: a flow that ticks; its output is in $scratch/WHAT.
hold() {
	in_sb 1 "$peer" hold "$@" >"$scratch/$1" 2>&1 &
	held=$!
	for _ in $(seq 100); do
		grep -q up "$scratch/$1" && { pass; return; }
		sleep 0.02
	done
	fail "no $1 flow to $2"
}
ended() { sed -n 's/ after.*//p' "$scratch/$1"; }

# Tightening cuts a flow that is under way, and says so to the sandbox.
must apply 1 + birth
hold tcp 1.1.1.1 7
must apply 1 + -1.1.1.1/32
becomes refused ended tcp
must apply 1 +
hold udp 1.1.1.1 7
must apply 1 + deny-all
becomes denied ended udp
if [ -n "$has6" ]; then
	must apply 1 +
	hold tcp 2606:4700:4700::1111 7
	must apply 1 + deny-all
	becomes refused ended tcp
fi

# A server that pushes at a sandbox that says nothing: cut on the way in.
must apply 1 +
in_sb 1 "$peer" knock 1.1.1.1 8 4000
heard() { in_sb 1 "$peer" hear 4000 300; }
some() { [ "$(heard)" -gt 10 ]; }
true_that "the push arrives" some
must apply 1 + deny-all
is 0 heard
# Opened, closed and open again (ABA): judged by what holds now.
must apply 1 + +1.1.1.1/32 deny-all
true_that "the push arrives again" some
must apply 1 + +8.8.8.8/32 deny-all
is 0 heard

# The next tenant of the slot allows everything, and still hears nothing.
must clear 1
is 0 heard
must apply 1 + birth
is 0 heard
stale() { privd state 1 | sed 's/.*stale=//'; }
got=$(stale)
true_that "stale packets are counted ($got)" test "$got" -gt 20
# Its own flow through the same port is no stale one.
in_sb 1 "$peer" knock 1.0.0.1 8 4001
heard_own() { in_sb 1 "$peer" hear 4001 300; }
own() { [ "$(heard_own)" -gt 10 ]; }
true_that "the new tenant's own push arrives" own

# The slot changes hands with its link, too.
unlink_slot 1
must clear 1
link 1
must apply 1 + birth
is 0 heard
is 0 heard_own
is open in_sb 1 "$peer" tcp 1.1.1.1 80

# A checksummed stream through a thousand updates that leave it open.
must apply 1 + +1.1.1.1/32 deny-all
in_sb 1 "$peer" stream 1.1.1.1 9000 6 >"$scratch/stream" &
held=$!
sleep 0.3
for i in $(seq 500); do
	must apply 1 + +1.1.1.1/32 "+9.0.$((i & 255)).0/24" "-8.8.8.8/32"
	must apply 1 + +1.1.1.0/24 "+9.1.0.$((i & 255))/32" deny-all
done
kill -0 "$held" 2>/dev/null || echo "# the stream ended before the updates did"
wait "$held"
got=$(cat "$scratch/stream")
case $got in
*[!0-9]* | '') fail "stream: $got" ;;
*) true_that "stream: $got bytes" test "$got" -gt 1000000 ;;
esac
done_testing
