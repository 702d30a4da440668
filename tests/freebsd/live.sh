#!/bin/sh
# Live flows: what a new policy denies dies with the policy, in either
# direction; what it leaves open does not notice (rows C1, C2, C3, C4, C17),
# and a slot has nothing before its rules (C15).
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
stand
privd_start
must slots 1 4
slot 1
row_of() { echo "$1: $((net_passed - at)) checks, as they should be"; at=$net_passed; }
at=0

# A slot is made closed.
is silent in_sb 1 "$peer" tcp 1.1.1.1 80
must prepare 1
true_that "a slot that is prepared is closed" \
    test "$(in_sb 1 "$peer" tcp 1.1.1.1 80)" != open
must apply 1 + birth
is open in_sb 1 "$peer" tcp 1.1.1.1 80
row_of "C15 a slot before its rules sends nothing"

# hold WHAT ADDR PORT: a flow that ticks; its output is in $scratch/WHAT.
hold() {
	: >"$scratch/$1"
	in_sb 1 "$peer" hold "$@" >"$scratch/$1" 2>&1 &
	held=$!
	for _ in $(seq 100); do
		grep -q up "$scratch/$1" && { pass; return; }
		sleep 0.05
	done
	fail "no $1 flow to $2"
}
ended() { sed -n 's/ after.*//p' "$scratch/$1"; }

# Tightening cuts a flow that is under way, and says so to the sandbox.
hold tcp 1.1.1.1 7
must apply 1 + -1.1.1.1/32
becomes refused ended tcp
must apply 1 +
hold udp 1.1.1.1 7
must apply 1 + deny-all
becomes refused ended udp
sed 's/^refused/= a denied UDP flow: refused/' "$scratch/udp" | grep '='
must apply 1 +
hold tcp 2606:4700:4700::1111 7
must apply 1 + deny-all
becomes refused ended tcp
# A server that pushes at a sandbox that says nothing: cut on the way in.
heard() { in_sb 1 "$peer" hear 4000 400; }
some() { [ "$(heard)" -gt 10 ]; }
must apply 1 +
in_sb 1 "$peer" knock 1.1.1.1 8 4000
true_that "the push arrives" some
must apply 1 + deny-all
is 0 heard
row_of "C1 a live flow, then a tightening"

# Opened, closed and open again (ABA): judged by what holds now.  pf has no
# memory of what it closed: the flow is opened anew, by the sandbox alone.
must apply 1 + +1.1.1.1/32 deny-all
is 0 heard
in_sb 1 "$peer" knock 1.1.1.1 8 4000
true_that "the push arrives again" some
must apply 1 + +8.8.8.8/32 deny-all
is 0 heard
must apply 1 + +8.8.8.8/32 +1.1.1.1/32 deny-all
in_sb 1 "$peer" knock 1.1.1.1 8 4000
true_that "and again" some
row_of "C3 tightened, loosened, tightened"

# The next tenant of the slot allows everything, and still hears nothing.
must clear 1
is 0 heard
must apply 1 + birth
is 0 heard
in_sb 1 "$peer" knock 1.0.0.1 8 4001
heard_own() { in_sb 1 "$peer" hear 4001 400; }
own() { [ "$(heard_own)" -gt 10 ]; }
true_that "the new tenant's own push arrives" own
row_of "C17 a server of the slot's previous tenant pushes on"

# The slot changes hands with its link, too.
unslot 1
must clear 1
must slots 1 1
slot 1
must apply 1 + birth
is 0 heard
is 0 heard_own
is open in_sb 1 "$peer" tcp 1.1.1.1 80
row_of "C4 a slot used again at once"

# A checksummed stream through many updates that leave it open.
must apply 1 + +1.1.1.1/32 deny-all
in_sb 1 "$peer" stream 1.1.1.1 9000 12 >"$scratch/stream" &
held=$!
sleep 0.5
updates=0
t0=$(date +%s)
while [ $(($(date +%s) - t0)) -lt 8 ]; do
	must apply 1 + +1.1.1.1/32 "+9.0.$((updates & 255)).0/24" "-8.8.8.8/32"
	must apply 1 + +1.1.1.0/24 "+9.1.0.$((updates & 255))/32" deny-all
	updates=$((updates + 2))
done
kill -0 "$held" 2>/dev/null || fail "the stream ended before the updates did"
wait "$held"
got=$(cat "$scratch/stream")
case $got in
*[!0-9]* | '') fail "stream: $got" ;;
*) true_that "stream: $got bytes" test "$got" -gt 100000 ;;
esac
true_that "$updates updates" test "$updates" -ge 10
echo "= $updates updates, and a stream of $got bytes without a fault"
row_of "C2 a live allowed flow, then unrelated changes"
must clear 1
done_testing
