# shellcheck shell=sh
# tests/freebsd/lib_frames.sh - sourced first by the rows of the bypass
# catalogue: lib.sh, and raw frames, sent by bpf from the slot's jail, which
# has more rights over the link than any tenant.
#
# `stand_rows` makes three sandboxes under the default policy.  `row P7 WHAT`
# begins a row, and a line a row says how it went.  `gets VERDICT END FRAME...`
# sends frames from an end (sb1, sb2, inet) and compares where they came out
# (tests/net/frames.c says what the verdicts are, frame.h what a frame is).
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(cd "$(dirname "$0")" && pwd)/lib.sh"

end_of() { # SLOT: that sandbox's, as frames wants it
	echo "sb$1=$(jid "coptest$1"):eth0,$(mac 71 "$1"),$(sb4 "$1"),$(sb6 "$1")"
}

stand_rows() { # [CONF LINE...]
	[ -x "$bin/tests/frames" ] || skip "$bin/tests/frames is not built"
	stand
	privd_start "$@"
	must slots 1 4
	for n in 1 2 3; do
		slot "$n"
		# What the tests send is nobody's flow: no end answers it by itself.
		quiet in_sb "$n" sysctl net.inet.tcp.blackhole=2 net.inet.udp.blackhole=1
		must apply "$n" + birth
	done
	mkfifo "$scratch/frames.in" "$scratch/frames.out"
	"$bin/tests/frames" "inet=$(jid coptestinet):in0,$(mac_on up0),192.0.2.1,2001:db8:2::1" \
	    "$(end_of 1)" "$(end_of 2)" "$(end_of 3)" 2>"$scratch/frames.err" \
	    <"$scratch/frames.in" >"$scratch/frames.out" &
	exec 7>"$scratch/frames.in" 8<"$scratch/frames.out"
	read -r said <&8 || { fail "frames: $(cat "$scratch/frames.err")"; done_testing; }
	is open "$peer" tcp 1.1.1.1 80
	is open "$peer" udp 2606:4700:4700::1111 7
	quiet in_inet sysctl net.inet.tcp.blackhole=2 net.inet.udp.blackhole=1
	ask settle
}

# One command of frames.c; its answer is in $said.
ask() {
	echo "$*" >&7
	read -r said <&8 || said="no answer: $(cat "$scratch/frames.err")"
}

gets() { # VERDICT END FRAME [-- FRAME]...
	gets_want=$1
	shift
	ask shoot "$*"
	if [ "${said%% *}" = "$gets_want" ]; then
		pass
	else
		fail "$*: want $gets_want, got $said"
	fi
}

# came END N: of the last shot, so many packets.
came() {
	case $said in
	*" $1=$2 "*) pass ;;
	*) fail "want $1=$2, got $said" ;;
	esac
}

# nowhere END FRAME...: whether the sender is told or not.
nowhere() {
	ask shoot "$*"
	case $said in
	"refused "* | "silent "*) pass ;;
	*) fail "$*: want it nowhere, got $said" ;;
	esac
}

# The frames that make up a packet, SIZE bytes of its payload in each.
pieces() { # SIZE LENGTH "HEAD" "REST": HEAD is ip or ip6 with its fields
	p_at=0
	while [ $((p_at + $1)) -lt "$2" ]; do
		printf '%s' "$3 slice=$p_at:$1+ $4 -- "
		p_at=$((p_at + $1))
	done
	echo "$3 slice=$p_at:$1 $4"
}

# Whether a rule counts exactly N more than when `from_now` asked.
from_now() { # SLOT WORD
	now_slot=$1 now_word=$2
	counted0=$(counted "$@")
}
counts() { # N
	is $((counted0 + $1)) counted "$now_slot" "$now_word"
}

row_name=
row() { # ID WHAT: a new one; the one before is told
	[ -z "$row_name" ] || row_end
	row_name="$1 $2" row_passed=$net_passed row_failed=$net_failed
}

row_end() {
	row_p=$((net_passed - row_passed)) row_f=$((net_failed - row_failed))
	if [ "$row_f" = 0 ]; then
		echo "$row_name: $row_p checks, as they should be"
	else
		echo "$row_name: $row_f of $((row_p + row_f)) checks FAILED"
	fi
}

rows_end() {
	row_end
	done_testing
}
