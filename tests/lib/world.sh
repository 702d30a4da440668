#!/bin/bash
# tests/lib/world.sh PROGRAM [ARGUMENT...] - runs a test in a world of its own.
#
# The world is two network namespaces: "the host", where coppiced runs, and
# "the internet" (internet.py), which is its only uplink.  Both belong to a
# process, so nothing of them is bound anywhere.  Before and after, the real
# machine is looked at; what the test left there is one failure.
#
# world.sh start | stop | wipe, inside a world, is for tests that restart the
# daemon: start it and wait until it answers; stop it; kill every sandbox.
# world.sh machine prints what a test could leave behind on this machine, and
# world.sh same compares its standard input with what it is by now (an argument
# could be taken for a process of the world whose files it names).
#
# The program finds in its environment: E2B_API_URL, E2B_SANDBOX_URL,
# E2B_API_KEY; COP_STATE (a directory: coppiced.conf, log), COP_BIN (our
# programs), COP_HOST and COP_INET (a process in each namespace).  It may set
# COP_CONF (more lines of configuration), COP_TEMPLATES (those it wants beside
# base), COP_LOG, COP_DISK_MB, COP_KEEP (where the daemon's log goes) and
# COPPICED_ARGS before it asks for its world.
set -u

lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$lib/../.." && pwd)
inet4="1.1.1.1 1.0.0.1 8.8.8.8 8.8.4.4 9.9.9.9"
inet6="2606:4700:4700::1111 2001:4860:4860::8888"
# Nobody may reach these, but the host can: a test that finds them closed has
# not just forgotten to open them.
private4="10.99.0.1 172.16.99.1 192.168.99.1 169.254.169.254 100.64.99.1"

# --- the machine --------------------------------------------------------------

# What a suite could leave behind, and nothing that changes by itself.
machine() {
	network
	ip netns | awk '{ print "netns " $1 }'
	awk '{ print "mount " $5 }' /proc/self/mountinfo | sort
	find /sys/fs/cgroup -type d -name 'coppice*' 2>/dev/null |
		sort | sed 's/^/cgroup /'
	losetup -nO BACK-FILE 2>/dev/null | sed 's/^/loop /'
	ours | sed 's/^/process /'
}

network() {
	ip -o link | awk -F': ' '{ print "interface " $2 }'
	for f in -4 -6; do ip "$f" rule | sed "s/^/rule $f /"; done
	nft -s list ruleset 2>/dev/null | sed 's/^/nft /'
}

# What one world could leave behind, whoever else runs tests at the time.
leavings() { # STATE
	local group p
	group=$(group_of "$1/state")
	network
	grep -F "$1" /proc/self/mountinfo | awk '{ print "mount " $5 }'
	find /sys/fs/cgroup -type d -path "*/$group*" 2>/dev/null |
		sed 's/^/cgroup /'
	losetup -nO BACK-FILE 2>/dev/null | grep -F "$1/" | sed 's/^/loop /'
	# By -f, or grep would find itself.
	{
		grep -lFs -f <(echo "$1/") /proc/[0-9]*/cmdline
		grep -lFs -f <(echo "$group") /proc/[0-9]*/cgroup
	} | while read -r p; do
		echo "process $p: $(tr '\0' ' ' <"${p%/*}/cmdline" | cut -c1-160)"
	done
}

# Processes of ours, by what they execute: names can be changed.
ours() {
	local p exe
	for p in /proc/[0-9]*; do
		exe=$(readlink "$p/exe" 2>/dev/null) || continue
		case ${exe##*/} in
		coppiced* | coppice-* | envd*) echo "${exe##*/}" ;;
		esac
	done | sed 's/ (deleted)//' | sort | uniq -c
}

# The control group of an installation is named after its state directory
# (FNV-1a, as ctl/substrate/linux/sub.c has it).
group_of() { # STATE_DIR
	local h=2166136261 i c
	for ((i = 0; i < ${#1}; i++)); do
		printf -v c %d "'${1:i:1}"
		h=$((((h ^ c) * 16777619) & 0xffffffff))
	done
	printf 'coppice-%08x' "$h"
}

# Ends what a failed test left running, so that the next one is not judged by
# it: what names this state on its command line, and its control groups.
sweep() { # STATE
	local group p dirs
	for p in /proc/[0-9]*; do
		! grep -qs "$1/" "$p/cmdline" || kill -KILL "${p#/proc/}"
	done
	group=$(group_of "$1/state")
	dirs=$(find /sys/fs/cgroup -depth -type d -path "*/$group*" 2>/dev/null)
	for p in $dirs; do
		xargs -r kill -KILL <"$p/cgroup.procs" 2>/dev/null
	done
	sleep 0.5
	for p in $dirs; do rmdir "$p" 2>/dev/null; done
}

# Compares with what was, for up to ten seconds: the kernel takes its time.
settled() { # BEFORE COMMAND...
	local before=$1 now=
	shift
	for _ in $(seq 50); do
		now=$("$@")
		[ "$now" != "$before" ] || return 0
		sleep 0.2
	done
	diff <(echo "$before") <(echo "$now") | sed -n 's/^[<>]/# machine: &/p' |
		head -n 40
	return 1
}

# --- namespaces ---------------------------------------------------------------

in_host() { nsenter -t "$COP_HOST" -n -- "$@"; }
in_inet() { nsenter -t "$COP_INET" -n -- "$@"; }

# Starts a process in a new network namespace; its number is in $holder.  It
# ignores what interrupts the test: finish() needs the namespaces to clear up.
new_namespace() {
	(trap '' TERM INT HUP; exec unshare --net sleep infinity) &
	holder=$!
	while [ "$(readlink "/proc/$holder/ns/net")" = \
	    "$(readlink /proc/self/ns/net)" ]; do
		kill -0 "$holder" || return 1
		sleep 0.01
	done
}

namespaces_start() {
	local a
	new_namespace && COP_HOST=$holder || return 1
	new_namespace && COP_INET=$holder || return 1
	export COP_HOST COP_INET
	in_host ip link set lo up
	in_inet ip link set lo up
	in_host ip link add up0 type veth peer name in0 netns "$COP_INET"
	in_host ip addr add 192.0.2.2/30 dev up0
	in_inet ip addr add 192.0.2.1/30 dev in0
	in_host ip link set up0 up
	in_inet ip link set in0 up
	in_host ip route add default via 192.0.2.1
	for a in $inet4 $private4; do
		in_inet ip addr add "$a/32" dev lo
	done
	if [ -e /proc/net/if_inet6 ]; then
		in_host ip addr add 2001:db8:2::2/64 dev up0 nodad
		in_inet ip addr add 2001:db8:2::1/64 dev in0 nodad
		in_host ip -6 route add default via 2001:db8:2::1
		for a in $inet6; do
			in_inet ip addr add "$a/128" dev lo nodad
		done
	else
		inet6=
	fi
	# shellcheck disable=SC2086
	coproc INTERNET { trap '' TERM INT HUP
	    exec nsenter -t "$COP_INET" -n -- "$lib/internet.py" $inet4 $inet6 $private4; }
	inet_pid=$INTERNET_PID
	read -r -t 20 -u "${INTERNET[0]}" _ ||
		{ echo "# the internet did not start"; return 1; }
}

namespaces_stop() {
	kill -KILL "$inet_pid" "$COP_HOST" "$COP_INET" 2>/dev/null
	wait 2>/dev/null
}

# --- the daemon ---------------------------------------------------------------

# Tests count slots and take the cold path, unless they ask for a pool.
pool_size() {
	case ${COP_CONF:-} in
	*pool_size*) ;;
	*) echo "pool_size = 0" ;;
	esac
}

write_conf() {
	cat >"$COP_STATE/coppiced.conf" <<-EOC
	api_listen = 127.0.0.1:3000
	way_in_listen = 127.0.0.1:3002
	state_dir = $COP_STATE/state
	upstream_dns = 8.8.8.8
	ipv6 = $([ -n "$inet6" ] && echo yes || echo no)
	disk_image_mb = ${COP_DISK_MB:-6144}
	log_level = ${COP_LOG:-debug}
	$(pool_size)
	${COP_CONF:-}
	EOC
	chmod 0644 "$COP_STATE/coppiced.conf"
}

api() { # METHOD PATH [CURL ARGUMENT...]
	local method=$1 path=$2
	shift 2
	in_host curl -sS -m 60 -X "$method" -H "X-API-Key: $E2B_API_KEY" \
	    "$@" "$E2B_API_URL$path"
}

daemon_pid() { cat "$COP_STATE/pid" 2>/dev/null; }

daemon_start() {
	# exec all the way, so that the number is that of coppiced itself.
	# shellcheck disable=SC2086
	(exec nsenter -t "$COP_HOST" -n -- setsid "$COP_BIN/coppiced" \
	    -f "$COP_STATE/coppiced.conf" $COPPICED_ARGS \
	    </dev/null >>"$COP_STATE/log" 2>&1) &
	echo $! >"$COP_STATE/pid"
	for _ in $(seq 600); do
		[ "$(api GET /health -o /dev/null -w '%{http_code}' \
		    2>/dev/null)" = 200 ] && return 0
		kill -0 "$(daemon_pid)" 2>/dev/null || break
		sleep 0.1
	done
	echo "# coppiced does not answer; the end of its log:"
	tail -n 20 "$COP_STATE/log" | sed 's/^/# /'
	return 1
}

daemon_stop() {
	local pid
	pid=$(daemon_pid)
	[ -n "$pid" ] || return 0
	kill -TERM "$pid" 2>/dev/null
	for _ in $(seq 200); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	if kill -0 "$pid" 2>/dev/null; then
		echo "# coppiced did not end within 20 s of SIGTERM"
		kill -KILL "$pid"
	fi
	rm -f "$COP_STATE/pid"
}

sandboxes_wipe() {
	local id
	api GET '/v2/sandboxes?limit=100&state=running,paused' |
	    jq -r '.[].sandboxID' 2>/dev/null | while read -r id; do
		api DELETE "/sandboxes/$id" -o /dev/null
	done
	[ "$(api GET '/v2/sandboxes?limit=100&state=running,paused' |
	    jq length 2>/dev/null)" = 0 ] || return 1
}

# --- templates ----------------------------------------------------------------

# Built once for this machine, and linked into each world that wants them; what
# holds our own programs is built in the world, of the programs under test.
templates_here() {
	local t
	mkdir "$COP_STATE/state/templates"
	template_link base coppicebase000000000 || return 1
	for t in ${COP_TEMPLATES:-}; do
		[ "$t" != code-interpreter-v1 ] ||
			template_link code-packages coppicecodepkgs00000 ||
			return 1
		"$top/tools/mktemplate" "$t" "$COP_STATE/state" "$COP_BIN" \
		    >/dev/null || return 1
	done
}

template_link() { # NAME ID
	"$top/tools/mktemplate" "$1" /var/lib/coppice >/dev/null &&
		cp -al "/var/lib/coppice/templates/$2" \
		    "$COP_STATE/state/templates"
}

# --- one test -----------------------------------------------------------------

finish() {
	trap - EXIT HUP INT TERM
	if [ -n "$(daemon_pid)" ]; then
		for _ in $(seq 50); do
			kill -0 "$(daemon_pid)" 2>/dev/null || break
			! sandboxes_wipe || break
			sleep 0.1
		done
		daemon_stop
	fi
	[ -z "${COP_KEEP:-}" ] || cp "$COP_STATE/log" "$COP_KEEP"
	namespaces_stop
	rm -rf "$COP_STATE"
	if settled "$before" leavings "$COP_STATE"; then
		echo "1 passed, 0 failed"
	else
		echo "# the test left something on the machine"
		sweep "$COP_STATE"
		echo "0 passed, 1 failed"
		rc=1
	fi
	exit "$rc"
}

main() {
	[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
	COP_BIN=${COP_BIN:-$top/build/${VARIANT:-debug}/bin}
	COP_STATE=$(mktemp -d /var/lib/coppice/test.XXXXXX)
	before=$(leavings "$COP_STATE")
	chmod 0755 "$COP_STATE"
	mkdir -p "$COP_STATE/state"
	templates_here || exit 1
	E2B_API_URL=http://127.0.0.1:3000
	E2B_SANDBOX_URL=http://127.0.0.1:3002
	E2B_API_KEY=e2b_0123456789abcdef0123456789abcdef01234567
	export COP_BIN COP_STATE E2B_API_URL E2B_SANDBOX_URL E2B_API_KEY
	# Sandboxes outlive their daemon unless it is told otherwise.
	COPPICED_ARGS=${COPPICED_ARGS---stop-sandboxes}
	export COP_WORLD=1 COPPICED_ARGS PYTHONDONTWRITEBYTECODE=1
	: >"$COP_STATE/log"
	rc=1
	trap finish EXIT
	trap 'rc=130; exit' HUP INT TERM
	namespaces_start || exit
	write_conf
	daemon_start || exit
	in_host "$@"
	rc=$?
	[ "$rc" = 0 ] || sed -n 's/^/# log: /p' "$COP_STATE/log" | tail -n 15
}

case ${1:-} in
start) daemon_start ;;
stop) daemon_stop ;;
wipe) sandboxes_wipe ;;
machine) machine ;;
same) settled "$(cat)" machine ;;
"") echo "usage: world.sh PROGRAM [ARGUMENT...]" >&2; exit 2 ;;
*) main "$@" ;;
esac
