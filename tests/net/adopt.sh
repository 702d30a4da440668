#!/bin/bash
# Ends and beginnings of the rules process: what lives on, what is adopted, what
# is refused, what it may still do, and that --remove leaves nothing.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
internet
# An earlier version had routing rules; what it left goes, other people's stays.
theirs() { ip rule; [ -z "$has6" ] || ip -6 rule; }
for f in 4 ${has6:+6}; do
	ip "-$f" rule add prio 1918 iif other9 prohibit
	ip "-$f" rule add prio 1920 from "$([ "$f" = 4 ] && echo 10.78.0.0/16 ||
		echo fd77::/64)" lookup main
done
had=$(theirs)
left_rules() {
	local f net
	for f in 4 ${has6:+6}; do
		net=10.78.0.0/16
		[ "$f" = 4 ] || net=fd77::/64
		ip "-$f" rule add prio 1919 from "$net" type nop
		ip "-$f" rule add prio 1917 from "$net" iif lo goto 1919
		ip "-$f" rule add prio 1918 from "$net" \
		    fwmark 0/0x40000000 prohibit
	done
}
left_rules
true_that "there are old rules" test "$(theirs)" != "$had"
privd_start
is "ok max_gen=255 rebuilt=1 nslots=0" privd hello
is "$had" theirs
must slots 1 70
link 1
must apply 1 + birth -8.8.8.8/32
tcp() { in_sb 1 "$peer" tcp "$1" 80; }
is open tcp 1.1.1.1
is refused tcp 8.8.8.8

# What it keeps of all its rights is one.
pid=$(pgrep -f "coppice-privd rules" | head -n 1)
caps() { awk '/^Cap/ { print $2 }' "/proc/$pid/status" | sort -u | xargs; }
is "0000000000000000 0000000000001000" caps
is 0 awk '/^Uid/ { print $3 }' "/proc/$pid/status"

# kill -9: the rules stay, and so does a flow; its successor adopts them.
in_sb 1 "$peer" stream 1.1.1.1 9000 3 >"$scratch/stream" &
held=$!
sleep 0.2
must kill
is "ok max_gen=256 rebuilt=0 nslots=70" privd hello
is refused tcp 8.8.8.8
is open tcp 1.1.1.1
# Under an adopted slot, only what changed is sent: its sets have been read.
must apply 1 + -9.9.9.9/32
is open tcp 8.8.8.8
is refused tcp 9.9.9.9
wait "$held"
case $(cat "$scratch/stream") in
*[!0-9]* | '') fail "stream: $(cat "$scratch/stream")" ;;
*) pass ;;
esac

# An end by SIGTERM leaves the rules, too.
is "ok exit=0" privd_stop
is refused tcp 9.9.9.9
privd_start
is "ok max_gen=257 rebuilt=0 nslots=70" privd hello

# A table that was edited meanwhile is not adopted.
is "ok exit=0" privd_stop
nft insert rule inet coppice judge_out accept
privd_start
hello=$(privd hello)
case $hello in
"ok max_gen="*" rebuilt=1 nslots=0") pass ;;
*) fail "$hello" ;;
esac
# Its slots are closed until they are made and have a policy, and flows of the
# time before belong to nobody.
is silent tcp 1.1.1.1
true_that "generations go on" test "$(echo "$hello" | sed 's/.*max_gen=\([0-9]*\).*/\1/')" -ge 256
must slots 1 2
must apply 1 + birth
is open tcp 1.1.1.1

# What is refused, and what is worse.
error() { privd "$@" | sed 's/^error [0-9]* //'; }
is "apply: slot 3 has no chain" error apply 3 +
is "apply: generation 256: $(privd hello | sed 's/.*max_gen=\([0-9]*\).*/\1/') has been used" error apply 1 256
is "clear: slot 3 has no chain" error clear 3
misfit() { # HEX [FILE]
	is "ok exit=1" privd raw "$@"
	must kill
}
hdr() { printf '%02x00%04x%02x000000%02x000000' "$1" 0 "$2" "$3"; } # TYPE LEN SEQ
misfit 00
misfit "$(hdr 9 0 1)"
misfit "$(hdr 0 0 0)"
misfit "$(hdr 0 4 1)"
misfit "$(hdr 3 4 1)0000"
misfit "$(hdr 3 4 1)00000000"
misfit "$(hdr 3 4 1)ffff0000"
misfit "$(hdr 1 8 1)0100000000000000"
# APPLY: a flag that is none, a list that is not there, host bits.
misfit "$(hdr 2 24 1)01000000000100400000000000000000000000000200000000"
misfit "$(hdr 2 24 1)010000000001004000000000010000000000000000000000"
misfit "$(hdr 2 52 1)0100000000010040000000000100000000000000000000000a0000010000000000000000000000000408000000000000"
# A list in a file that can change while it is read: one entry, 8.8.8.8.
printf '\010\010\010\010\0\0\0\0\0\0\0\0\0\0\0\0\004\040\0\0\0\0\0\0' >"$scratch/entries"
misfit "$(hdr 2 24 1)010000000000100000000000010000000000000000000100" "$scratch/entries"
misfit "$(hdr 2 24 1)010000000000100000000000010000000000000000000100"
is open tcp 1.1.1.1

# --remove: the table goes, other people's stays.  What still runs is closed.
privd hello >/dev/null # it has begun
is "ok exit=0" privd_stop
nft add table inet theirs
left_rules
"$privd_bin" rules -f "$privd_conf" --remove
is 0 echo $?
is "table inet theirs" nft list tables
is silent tcp 1.1.1.1
is "$had" theirs
# Once more, with nothing left to remove.
"$privd_bin" rules -f "$privd_conf" --remove
is 0 echo $?
done_testing
