# shellcheck shell=bash
# tests/net/lib.sh - sourced first by every packet test.
#
# The test gets a network namespace of its own, "the host": nothing of the
# machine's is touched.  "The internet" and each sandbox are further ones, held
# by a process, so that all of it is gone when the test ends.  `privd` drives
# coppice-privd rules, `in_sb N` and `in_inet` run something there, `is` and
# `becomes` compare.  The last line is "N passed, N failed".
set -u

net_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$net_lib/../.." && pwd)
O=${COP_O:-$top/build/${VARIANT:-debug}}
bin=$O/bin
peer=$bin/tests/peer
privd_bin=${COP_PRIVD:-$bin/coppice-privd}

skip() { echo "$*"; exit 77; }

if [ -z "${COP_NET:-}" ]; then
	[ "$(id -u)" = 0 ] || skip "needs root"
	command -v nft >/dev/null || skip "no nft"
	unshare --net true 2>/dev/null || skip "no network namespaces"
	for f in "$peer" "$bin/tests/rulesctl" "$privd_bin"; do
		[ -x "$f" ] || { echo "# $f is not built"; exit 1; }
	done
	# Around the test: what it leaves on the machine is a failure of its own.
	look() { "$top/tests/lib/world.sh" machine | grep -E '^(interface|nft|rule) '; }
	before=$(look)
	COP_NET=1 unshare --net --mount --pid --fork --kill-child --mount-proc \
	    "$0" "$@"
	rc=$?
	if [ "$(look)" != "$before" ]; then
		echo "# the test left something on the machine"
		echo "0 passed, 1 failed"
		rc=1
	fi
	exit $rc
fi
mount -t sysfs none /sys 2>/dev/null

net_passed=0 net_failed=0
has6=
[ ! -e /proc/net/if_inet6 ] || has6=yes

pass() { net_passed=$((net_passed + 1)); }

fail() {
	net_failed=$((net_failed + 1))
	echo "# $(basename "$0"):${BASH_LINENO[1]}: $*" | cut -c1-400
}

# is WANT COMMAND...: what it prints is WANT.
is() {
	local want=$1 got
	shift
	got=$("$@" 2>&1)
	if [ "$got" = "$want" ]; then
		pass
	else
		fail "$*: want \"$want\", got \"$got\""
	fi
}

# becomes WANT COMMAND...: within five seconds.
becomes() {
	local want=$1 got=
	shift
	for _ in $(seq 50); do
		got=$("$@" 2>&1)
		[ "$got" != "$want" ] || { pass; return; }
		sleep 0.1
	done
	fail "$*: want \"$want\", got \"$got\""
}

true_that() { # SENTENCE COMMAND...
	local what=$1
	shift
	if "$@"; then pass; else fail "$what"; fi
}

done_testing() {
	echo "$net_passed passed, $net_failed failed"
	[ "$net_failed" = 0 ]
	exit $?
}

# --- namespaces ---------------------------------------------------------------

# A process in a new network namespace; its number is in $holder.
new_namespace() {
	unshare --net sleep infinity &
	holder=$!
	while [ "$(readlink "/proc/$holder/ns/net")" = \
	    "$(readlink /proc/self/ns/net)" ]; do
		sleep 0.01
	done
}

inet4="1.1.1.1 1.0.0.1 8.8.8.8 9.9.9.9"
private4="10.99.0.1 172.16.99.1 192.168.99.1 169.254.169.254 100.64.99.1"
inet6="2606:4700:4700::1111 2001:4860:4860::8888"

# The internet owns a few addresses, and serves on all of them.
internet() {
	local a
	ip link set lo up
	new_namespace
	inet_pid=$holder
	in_inet ip link set lo up
	ip link add up0 type veth peer name in0 netns "$inet_pid"
	ip addr add 192.0.2.2/30 dev up0
	in_inet ip addr add 192.0.2.1/30 dev in0
	ip link set up0 up
	in_inet ip link set in0 up
	ip route add default via 192.0.2.1
	echo 1 >/proc/sys/net/ipv4/conf/up0/forwarding
	for a in $inet4 $private4; do in_inet ip addr add "$a/32" dev lo; done
	if [ -n "$has6" ]; then
		ip addr add 2001:db8:2::2/64 dev up0 nodad
		in_inet ip addr add 2001:db8:2::1/64 dev in0 nodad
		ip -6 route add default via 2001:db8:2::1
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
		for a in $inet6; do in_inet ip addr add "$a/128" dev lo nodad; done
	fi
	# Refusals are what the tests count; the kernel would hold some back.
	echo 0 >/proc/sys/net/ipv4/icmp_ratelimit
	[ -z "$has6" ] || echo 0 >/proc/sys/net/ipv6/icmp/ratelimit
	serve in_inet
}

# serve [in_sb N | in_inet]: the peer's servers, until the test ends.
serve() {
	local fd
	exec {fd}< <("$@" "$peer" serve)
	read -r -t 10 -u "$fd" _ || { echo "# peer serve"; exit 1; }
}

in_inet() { nsenter -t "$inet_pid" -n -- "$@"; }
in_sb() {
	local n=$1
	shift
	nsenter -t "${sb_pid[$n]}" -n -- "$@"
}

declare -A sb_pid=()

mac() { printf '02:c0:%s:00:%02x:%02x' "$1" $(($2 >> 8)) $(($2 & 255)); }
# What a sandbox takes its gateway for: a group (dataplane/link/linux/veth.c).
gateway() { printf '03:c0:71:00:%02x:%02x' $(($1 >> 8)) $(($1 & 255)); }
host4() { echo "10.78.$((2 * $1 >> 8)).$((2 * $1 & 255))"; }
sb4() { echo "10.78.$(((2 * $1 + 1) >> 8)).$(((2 * $1 + 1) & 255))"; }
host6() { printf 'fd77::%x' $((2 * $1)); }
sb6() { printf 'fd77::%x' $((2 * $1 + 1)); }

# What the spawn side does (dataplane/link): a veth pair, no ARP, permanent
# neighbours, nothing that one end says of itself.
link() { # SLOT
	local n=$1 key
	new_namespace
	sb_pid[$n]=$holder
	ip link add "cop$n" group 1919 address "$(mac 71 "$n")" type veth \
	    peer name eth0 netns "$holder" address "$(mac 70 "$n")"
	ip addr add "$(host4 "$n")" peer "$(sb4 "$n")" dev "cop$n"
	for key in rp_filter=0 accept_redirects=0 secure_redirects=0 \
	    send_redirects=0 accept_source_route=0 arp_ignore=8; do
		echo "${key#*=}" >"/proc/sys/net/ipv4/conf/cop$n/${key%=*}"
	done
	if [ -n "$has6" ]; then
		ip link set "cop$n" addrgenmode none
		in_sb "$n" ip link set eth0 addrgenmode none
	fi
	in_sb "$n" ip link set lo up
	in_sb "$n" ip addr add "$(sb4 "$n")/31" dev eth0
	in_sb "$n" ip link set eth0 arp off up
	ip link set "cop$n" arp off up
	in_sb "$n" ip route add default via "$(host4 "$n")"
	in_sb "$n" sh -c 'echo "0 2147483647" >/proc/sys/net/ipv4/ping_group_range'
	echo 1 >"/proc/sys/net/ipv4/conf/cop$n/forwarding"
	if [ -n "$has6" ]; then
		ip addr add "$(host6 "$n")/127" dev "cop$n" nodad
		in_sb "$n" ip addr add "$(sb6 "$n")/127" dev eth0 nodad
		in_sb "$n" ip -6 route add default via "$(host6 "$n")"
	fi
	neighbours "$n"
}

# A change of the interface's address forgets even permanent ones.
neighbours() { # SLOT
	local n=$1 f=4
	for f in 4 ${has6:+6}; do
		ip neigh replace "$("sb$f" "$n")" lladdr "$(mac 70 "$n")" \
		    dev "cop$n" nud permanent
		in_sb "$n" ip neigh replace "$("host$f" "$n")" \
		    lladdr "$(gateway "$n")" dev eth0 nud permanent
	done
}

unlink_slot() { # SLOT: the tenant goes, and its namespace with it
	kill -9 "${sb_pid[$1]}"
	wait "${sb_pid[$1]}" 2>/dev/null
	for _ in $(seq 100); do
		[ -e "/sys/class/net/cop$1" ] || break
		sleep 0.05
	done
	unset "sb_pid[$1]"
}

# --- privd --------------------------------------------------------------------

scratch=$(mktemp -d)
privd_log=$scratch/log
privd_conf=$scratch/coppiced.conf
: >"$privd_log"
trap 'rm -rf "$scratch"' EXIT

privd_start() { # [CONF LINE...]
	{
		echo "ipv6 = $([ -n "$has6" ] && echo yes || echo no)"
		echo "log_level = ${COP_LOG:-info}"
		echo "state_dir = $scratch"
		printf '%s\n' "$@"
	} >"$privd_conf"
	rm -f "$scratch/in" "$scratch/out"
	mkfifo "$scratch/in" "$scratch/out"
	"$bin/tests/rulesctl" "$privd_bin" "$privd_conf" 2>>"$privd_log" \
	    <"$scratch/in" >"$scratch/out" &
	exec {privd_in}>"$scratch/in" {privd_out}<"$scratch/out"
}

privd_stop() {
	privd stop
	exec {privd_in}>&- {privd_out}<&-
}

# One command, its answer on standard output.
privd() {
	local line
	echo "$*" >&"$privd_in"
	read -r -t 30 -u "$privd_out" line || line="no answer"
	echo "$line"
}

# must COMMAND...: an answer that is not "ok" ends the test.
must() {
	local got
	got=$(privd "$@")
	case $got in
	ok*) ;;
	*)
		echo "# privd $*: $got" | cut -c1-200
		sed 's/^/# /' "$privd_log" | tail -n 5
		echo "$net_passed passed, $((net_failed + 1)) failed"
		exit 1
		;;
	esac
}
