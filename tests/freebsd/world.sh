#!/bin/sh
# tests/freebsd/world.sh start [KEY=VALUE ...] | stop - the whole daemon, in a scratch machine.
#
# As docs/freebsd.md tells a person to do it: users, modules, a ZFS dataset, the
# lines in pf's main rule set, tools/freebsd/install.sh, and rc.d's script.  The
# programs are those of COP_BIN, or bin/ beside tests/.  KEY=VALUE are lines of
# coppiced.conf.  The API is on 3000, the way in on 3002, of all addresses; the
# key is "key1".
#
# COP_DISK (/dev/vtbd1) is an empty disk for a pool; without zfs.ko or that disk,
# or with COP_DISK=none, files are copied.  `stop' takes everything away again
# but the users and what is installed.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
bin=${COP_BIN:-$top/bin}
disk=${COP_DISK:-/dev/vtbd1}
pool=copworld
state=/var/db/coppice
conf=/usr/local/etc/coppiced.conf
uplink=$(route -n get default 2>/dev/null | awk '/interface:/ { print $2 }')
PATH=$PATH:/usr/local/bin

die() {
	echo "world: $*" >&2
	exit 1
}

users() {
	for u in _coppice _coppice_px _coppice_eg _coppice_cap; do
		pw usershow "$u" >/dev/null 2>&1 ||
			pw useradd "$u" -d /nonexistent -s /usr/sbin/nologin
	done
}

files() {
	[ "$disk" != none ] && [ -e "$disk" ] || return 0
	kldload -n zfs 2>/dev/null || return 0
	zpool create -f -m none -O atime=off $pool "$disk"
	zfs create -o mountpoint=$state $pool/coppice
}

network() {
	kldload -n pf pflog if_epair
	sysctl -q net.inet.ip.forwarding=1 net.inet6.ip6.forwarding=1 >/dev/null
	[ -e /etc/pf.os ] || : >/etc/pf.os
	echo '{}' | netpolicy compile --pf-root \
	    --uplink "${uplink:-vtnet0}" >/etc/pf.conf
	pfctl -q -f /etc/pf.conf
	pfctl -q -e 2>/dev/null || true
}

configure() { # KEY=VALUE...
	cat >$conf <<-EOC
		api_listen = 0.0.0.0:3000
		way_in_listen = 0.0.0.0:3002
		api_keys = key1
	EOC
	for line; do
		echo "${line%%=*} = ${line#*=}" >>$conf
	done
}

# Its answer on this port, without a program that may be missing.
healthy() {
	printf 'GET /health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' |
		nc -w 2 127.0.0.1 3000 2>/dev/null | grep -q '^HTTP/1.1 200'
}

start() {
	[ -x "$bin/coppiced" ] || die "no coppiced in $bin"
	users
	files
	inst=$(mktemp -d /tmp/coppice-world.XXXXXX)
	"$top/tools/freebsd/install.sh" "$bin" "$inst" /usr/local
	(cd "$inst" && tar -cf - usr) | tar -C / -xf - --no-same-owner
	rm -rf "$inst"
	network
	configure "$@"
	service coppiced onestart || die "coppiced does not start"
	# The first start builds the template.
	for _ in $(seq 1200); do
		! healthy || return 0
		sleep 0.1
	done
	tail -n 30 /var/log/coppiced.log >&2
	die "it does not answer"
}

stop() {
	COPPICE_API_KEY=key1 coppice kill --all || true
	service coppiced onestop || true
	pfctl -q -F all 2>/dev/null || true
	for a in $(pfctl -sA -v 2>/dev/null | grep coppice); do
		pfctl -q -a "$a" -F all 2>/dev/null || true
	done
	if zpool list $pool >/dev/null 2>&1; then
		zpool destroy -f $pool
	fi
	rm -rf "${state:?}"
}

what=${1:-}
[ $# -eq 0 ] || shift
case $what in
start) start "$@" ;;
stop) stop ;;
*) die "start or stop" ;;
esac
