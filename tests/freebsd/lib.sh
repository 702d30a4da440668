# shellcheck shell=sh
# tests/freebsd/lib.sh - sourced first by every packet test of FreeBSD.
#
# "The internet" is a VNET jail of ours behind an epair: it owns 1.1.1.1 and
# others, public and private, of both families, and serves there.  `stand` makes
# it, and the main rule set; `slot N` makes what dataplane/link makes, with a
# jail that sees the host's files, so that `in_sb N` can run our programs there.
# `is` and `becomes` compare; the last line is "N passed, N failed".
#
# Everything is made anew by a test and taken away when it ends.
set -u

lib=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$lib/../.." && pwd)
bin=${COP_BIN:-$top/bin}
peer=$bin/tests/peer
net_passed=0 net_failed=0
scratch=$(mktemp -d /tmp/coppice-test.XXXXXX)
inet4="1.1.1.1 1.0.0.1 8.8.8.8 9.9.9.9"
private4="10.99.0.1 172.16.99.1 192.168.99.1 169.254.169.254 100.64.99.1"
inet6="2606:4700:4700::1111 2001:4860:4860::8888"
slots=
freebsd=$(($(uname -K) / 100000))

skip() { echo "$*"; exit 77; }
pass() { net_passed=$((net_passed + 1)); }
fail() {
	net_failed=$((net_failed + 1))
	echo "# $(basename "$0"): $*" | cut -c1-400
}

# is WANT COMMAND...: what it prints is WANT.
is() {
	is_want=$1
	shift
	is_got=$("$@" 2>&1)
	if [ "$is_got" = "$is_want" ]; then
		pass
	else
		fail "$*: want \"$is_want\", got \"$is_got\""
	fi
}

# becomes WANT COMMAND...: within ten seconds.
becomes() {
	is_want=$1
	shift
	for _ in $(seq 100); do
		is_got=$("$@" 2>&1)
		[ "$is_got" != "$is_want" ] || { pass; return; }
		sleep 0.1
	done
	fail "$*: want \"$is_want\", got \"$is_got\""
}

true_that() { # SENTENCE COMMAND...
	what=$1
	shift
	if "$@"; then pass; else fail "$what"; fi
}

# below LIMIT "WORD NUMBER" WORD: the same word, and a number under the limit.
below() {
	if [ "${2% *}" = "$3" ] && [ "${2##* }" -lt "$1" ]; then
		pass
	else
		fail "want $3 below $1, got $2"
	fi
}

must_run() { "$@" || { fail "$*"; done_testing; }; }

done_testing() {
	echo "$net_passed passed, $net_failed failed"
	[ "$net_failed" = 0 ]
	exit $?
}

# --- the world ----------------------------------------------------------------

mac() { printf '02:c0:%s:00:%02x:%02x' "$1" $(($2 >> 8)) $(($2 & 255)); }
host4() { echo "10.78.$((2 * $1 >> 8)).$((2 * $1 & 255))"; }
sb4() { echo "10.78.$(((2 * $1 + 1) >> 8)).$(((2 * $1 + 1) & 255))"; }
host6() { printf 'fd77::%x' $((2 * $1)); }
sb6() { printf 'fd77::%x' $((2 * $1 + 1)); }
in_inet() { jexec coptestinet "$@"; }
in_sb() {
	in_sb_n=$1
	shift
	jexec "coptest$in_sb_n" "$@"
}
jid() { jls -j "$1" jid; }
quiet() { "$@" >/dev/null 2>&1; }

mac_on() { # INTERFACE [COMMAND...]
	mac_if=$1
	shift
	"$@" ifconfig "$mac_if" ether | awk '$1 == "ether" { print $2 }'
}

pair() { # A B: the names of both ends
	pair_a=$(ifconfig epair create) || return 1
	ifconfig "$pair_a" -txcsum -txcsum6 2>/dev/null
	quiet ifconfig "${pair_a%a}b" name "$2" && quiet ifconfig "$pair_a" name "$1"
}

internet() {
	must_run pair up0 in0
	must_run quiet jail -c name=coptestinet path=/ persist vnet=new \
	    allow.raw_sockets host.hostname=internet
	must_run ifconfig in0 vnet coptestinet
	ifconfig up0 inet 192.0.2.2/30 up
	ifconfig up0 inet6 2001:db8:2::2/64 no_dad -ifdisabled
	in_inet ifconfig lo0 inet 127.0.0.1/8 up
	in_inet ifconfig in0 inet 192.0.2.1/30 up
	in_inet ifconfig in0 inet6 2001:db8:2::1/64 no_dad -ifdisabled
	for a in $inet4 $private4; do in_inet ifconfig lo0 inet "$a/32" alias; done
	for a in $inet6; do in_inet ifconfig lo0 inet6 "$a/128" alias; done
	quiet in_inet sysctl net.inet.icmp.icmplim=0 net.inet6.icmp6.errppslimit=100000
	quiet route -4 delete default
	quiet route -6 delete default
	quiet route -4 add default 192.0.2.1
	quiet route -6 add default 2001:db8:2::1
	# No packet waits for a neighbour, and is lost with what else waits.
	there=$(mac_on in0 in_inet) here=$(mac_on up0)
	quiet arp -s 192.0.2.1 "$there"
	quiet ndp -s 2001:db8:2::1 "$there"
	quiet in_inet arp -s 192.0.2.2 "$here"
	quiet in_inet ndp -s 2001:db8:2::2 "$here"
	quiet sysctl net.inet.ip.forwarding=1 net.inet6.ip6.forwarding=1 \
	    net.inet.icmp.icmplim=0 net.inet6.icmp6.errppslimit=100000
	serve in_inet
}

# serve COMMAND...: the peer's servers there, until the test ends.
serve() {
	"$@" "$peer" serve >"$scratch/served" 2>&1 &
	servers="${servers:-} $!"
	for _ in $(seq 100); do
		grep -q ready "$scratch/served" && return
		sleep 0.1
	done
	fail "peer serve: $(cat "$scratch/served")"
}

root_rules() {
	echo "{}" | "$bin/netpolicy" compile --pf-root --uplink up0 --freebsd \
	    "$freebsd"
}

pf_on() {
	quiet kldload -n pf
	quiet kldload -n pflog
	root_rules >"$scratch/pf.conf"
	# A trimmed image may lack its list of fingerprints, and pfctl minds.
	[ -e /etc/pf.os ] || : >/etc/pf.os
	must_run pfctl -q -f "$scratch/pf.conf"
	pfctl -q -e 2>/dev/null
}

# The link of a slot: epair, no ARP, fixed neighbours; the jail has its network.
slot() { # N
	must_run pair "cop$1" "eth0"
	must_run quiet jail -c "name=coptest$1" path=/ persist vnet=new \
	    allow.raw_sockets "host.hostname=slot$1"
	slots="$slots $1"
	ifconfig "cop$1" group coppice
	ifconfig "cop$1" ether "$(mac 71 "$1")"
	ifconfig eth0 ether "$(mac 70 "$1")"
	must_run ifconfig eth0 vnet "coptest$1"
	ifconfig "cop$1" inet "$(host4 "$1")/31" -arp up
	ifconfig "cop$1" inet6 "$(host6 "$1")/127" no_dad -ifdisabled -nud
	in_sb "$1" ifconfig lo0 inet 127.0.0.1/8 up
	in_sb "$1" ifconfig eth0 inet "$(sb4 "$1")/31" -arp up
	in_sb "$1" ifconfig eth0 inet6 "$(sb6 "$1")/127" no_dad -ifdisabled -nud
	neighbours "$1"
	quiet in_sb "$1" route -4 add default "$(host4 "$1")"
	quiet in_sb "$1" route -6 add default "$(host6 "$1")"
}

neighbours() { # N
	quiet arp -s "$(sb4 "$1")" "$(mac 70 "$1")"
	quiet ndp -s "$(sb6 "$1")%cop$1" "$(mac 70 "$1")" ||
		quiet ndp -s "$(sb6 "$1")" "$(mac 70 "$1")"
	quiet in_sb "$1" arp -s "$(host4 "$1")" "$(mac 71 "$1")"
	quiet in_sb "$1" ndp -s "$(host6 "$1")" "$(mac 71 "$1")"
}

unslot() { # N
	quiet ifconfig "cop$1" destroy
	quiet jail -r "coptest$1"
	quiet pfctl -q -a "coppice/sb$1" -F all
}

# The anchor of a slot by its text, for tests that are about pf alone.
anchor() { # N POLICY
	echo "$2" | "$bin/netpolicy" compile --pf --slot "$1" \
	    --freebsd "$freebsd" |
		pfctl -q -a "coppice/sb$1" -f -
}

stand() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	for f in "$peer" "$bin/netpolicy"; do
		[ -x "$f" ] || skip "$f is not built"
	done
	sweep
	trap finish EXIT
	trap 'exit 130' HUP INT TERM
	internet
	pf_on
}

# What a test that was killed left behind.
sweep() {
	for j in $(jls name | grep '^coptest'); do quiet jail -r "$j"; done
	for i in $(ifconfig -l); do
		case $i in cop[0-9]* | up0 | epair*a) quiet ifconfig "$i" destroy ;; esac
	done
}

finish() {
	trap - EXIT HUP INT TERM
	quiet privd_stop
	for n in $slots; do unslot "$n"; done
	[ -z "${servers:-}" ] || quiet kill $servers
	quiet ifconfig up0 destroy
	quiet jail -r coptestinet
	quiet route -4 delete default
	quiet route -6 delete default
	quiet pfctl -q -d
	quiet pfctl -q -F all
	quiet pfctl -q -F states
	rm -rf "$scratch"
}

# --- privd --------------------------------------------------------------------

privd_conf=$scratch/coppiced.conf
privd_log=$scratch/log

privd_start() { # [CONF LINE...]
	{
		echo "ipv6 = yes"
		echo "log_level = ${COP_LOG:-info}"
		echo "state_dir = $scratch"
		printf '%s\n' "$@"
	} >"$privd_conf"
	rm -f "$scratch/in" "$scratch/out"
	mkfifo "$scratch/in" "$scratch/out"
	"$bin/tests/rulesctl" "$bin/coppice-privd" "$privd_conf" \
	    2>>"$privd_log" <"$scratch/in" >"$scratch/out" &
	privd_pid=$!
	exec 5>"$scratch/in" 6<"$scratch/out"
}

privd_stop() {
	[ -n "${privd_pid:-}" ] || return 0
	privd stop
	exec 5>&- 6<&-
	wait "$privd_pid"
	privd_pid=
}

# One command, its answer on standard output.
privd() {
	echo "$*" >&5
	read -r privd_line <&6 || privd_line="no answer"
	echo "$privd_line"
}

# must COMMAND...: an answer that is not "ok" ends the test.
must() {
	must_got=$(privd "$@")
	case $must_got in
	ok*) ;;
	*)
		fail "privd $*: $must_got"
		tail -n 5 "$privd_log" | sed 's/^/# /'
		done_testing
		;;
	esac
}

# What a rule of a slot has counted, by the word of its label.
counted() { # SLOT WORD
	pfctl -a "coppice/sb$1" -sl 2>/dev/null |
		awk -v l="coppice:sb$1:$2" '$1 == l { n += $3 } END { print n + 0 }'
}
