# shellcheck shell=bash
# tests/net/lib_frames.sh - sourced first by the rows of the bypass catalogue:
# lib.sh, and raw frames from where a sandbox's own rights end.
#
# `stand` makes three sandboxes under the default policy.  `row P7 WHAT` begins
# a row, and a line a row says how it went.  `gets VERDICT END FRAME...` sends
# frames from an end (sb1, sb2, inet) and compares where they came out
# (frames.c says what the verdicts are, frame.h what a frame is).
net_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$net_dir/lib.sh"

mac_on() { # INTERFACE [in_sb N | in_inet]
	local i=$1
	shift
	"$@" ip -o link show "$i" | sed 's/.*link\/ether \([^ ]*\).*/\1/'
}

end_of() { # SLOT: that sandbox's, as frames wants it
	echo "sb$1=${sb_pid[$1]}:eth0,$(gateway "$1"),$(sb4 "$1"),$(sb6 "$1")"
}

# What gets as far as a program of the host could hear it.
hear_host() {
	nft -f - <<-'EON'
		table inet heard {
			chain in {
				type filter hook input priority 100;
				iifgroup 1919 log group 78
			}
		}
	EON
}

stand() {
	local n
	internet
	privd_start "$@"
	must slots 1 4
	for n in 1 2 3; do
		link "$n"
		must apply "$n" + birth
	done
	hear_host
	mkfifo "$scratch/frames.in" "$scratch/frames.out"
	"$bin/tests/frames" "inet=$inet_pid:in0,$(mac_on up0),192.0.2.1,2001:db8:2::1" \
	    "host=$$:nflog" "$(end_of 1)" "$(end_of 2)" "$(end_of 3)" \
	    <"$scratch/frames.in" >"$scratch/frames.out" &
	exec {frames_in}>"$scratch/frames.in" {frames_out}<"$scratch/frames.out"
	read -r -t 10 -u "$frames_out" _ || { echo "# no frames"; exit 1; }
	# Both ends of the uplink know one another.
	true_that "the internet is there" test "$("$peer" tcp 1.1.1.1 80)" = open
	[ -z "$has6" ] || "$peer" udp 2606:4700:4700::1111 7 >/dev/null
	# It says nothing of itself: what the tests send is nobody's flow.
	in_inet nft -f - <<-'EON'
		table inet sink {
			chain in {
				type filter hook input priority 0;
				udp dport { 9, 5000-5999 } drop
				tcp dport 5000-5999 drop
			}
		}
	EON
	ask settle
}

# One command of frames.c; its answer is in $said.
ask() {
	echo "$*" >&"$frames_in"
	read -r -t 30 -u "$frames_out" said || said="no answer"
}

gets() { # VERDICT END FRAME [-- FRAME]...
	local want=$1
	shift
	ask shoot "$*"
	if [ "${said%% *}" = "$want" ]; then
		pass
	else
		fail "$*: want $want, got $said"
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
	local at
	for ((at = 0; at + $1 < $2; at += $1)); do
		echo -n "$3 slice=$at:$1+ $4 -- "
	done
	echo "$3 slice=$at:$1 $4"
}

# How many packets a rule has counted, by its comment.
counted() { # CHAIN COMMENT
	nft list chain inet coppice "$1" |
		sed -n "s/.*counter packets \([0-9]*\) .*comment \"$2\"$/\1/p"
}

# Whether a rule counts exactly N more than when `from_now` asked.
from_now() {
	counting=("$@")
	counted0=$(counted "$@")
}
counts() { # N
	is $((counted0 + $1)) counted "${counting[@]}"
}

row_name=
row() { # ID WHAT: a new one; the one before is told
	[ -z "$row_name" ] || row_end
	row_name="$1 $2" row_passed=$net_passed row_failed=$net_failed
}

row_end() {
	local p=$((net_passed - row_passed)) f=$((net_failed - row_failed))
	if [ "$f" = 0 ]; then
		echo "$row_name: $p checks, as they should be"
	else
		echo "$row_name: $f of $((p + f)) checks FAILED"
	fi
}

rows_end() {
	row_end
	done_testing
}
