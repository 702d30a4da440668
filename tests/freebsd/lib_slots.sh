# shellcheck shell=sh
# tests/freebsd/lib_slots.sh - sourced after lib.sh by tests of the jail driver:
# an installation of its own below $scratch, a small template of the host's own
# programs, and slotctl, which is a new `privd spawn` each time.
# shellcheck disable=SC2154,SC2009

conf=$scratch/conf
state=$scratch/state
boxes=$state/sandboxes
ctl() { "$bin/tests/slotctl" "$conf" "$bin/tests/slotprobe" "$@" 2>/dev/null; }
box() { ctl run 5 "$1"; }
word() { awk -v n="$1" '{ print $n; exit }'; }

small_template() {
	t=$state/templates/base/rootfs
	mkdir -p "$t/tmp" "$t/root" "$t/dev" "$t/etc" "$t/usr"
	chmod 1777 "$t/tmp"
	for d in bin sbin lib libexec usr/bin usr/sbin; do
		mkdir -p "$t/$d"
		tar -C "/$d" -cf - . 2>/dev/null | tar -C "$t/$d" -xf - 2>/dev/null
	done
	cp /etc/master.passwd /etc/passwd /etc/group "$t/etc/" 2>/dev/null
	cp "$bin/tests/slotattack" "$t/slotattack"
}

stand_slots() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	for f in slotctl slotprobe slotattack; do
		[ -x "$bin/tests/$f" ] || skip "$bin/tests/$f is not built"
	done
	forwarding=$(sysctl -n net.inet.ip.forwarding)
	quiet sysctl net.inet.ip.forwarding=1
	trap finish_slots EXIT
	trap 'exit 130' HUP INT TERM
	mkdir -p "$state"
	printf 'state_dir = %s\nipv6 = yes\n' "$state" >"$conf"
	small_template
}

finish_slots() {
	trap - EXIT HUP INT TERM
	[ -z "${listener:-}" ] || quiet kill "$listener"
	for n in 5 6; do quiet ctl kill $n; done
	quiet ctl clean
	quiet sysctl "net.inet.ip.forwarding=$forwarding"
	rm -rf "$scratch"
}

# What installations have on the host: nothing, when all is cleared away.
left() {
	jls name | grep -E '^coppice' | sed 's/^/jail /'
	ifconfig -l | tr ' ' '\n' | grep -E '^(cop[0-9]|epair|eth0)' | sed 's/^/interface /'
	mount -p | grep -F "$state" | awk '{ print "mount " $2 }'
	find "$boxes" -mindepth 1 -maxdepth 1 2>/dev/null | sed 's/^/files /'
	find "$state/stopped" -type f 2>/dev/null | sed 's/^/list /'
	ps -axww -o command | grep -E '^envd -listen-fd' | sed 's/^/process /'
	rctl 2>/dev/null | grep '^jail:coppice' | sed 's/^/limit /'
}
