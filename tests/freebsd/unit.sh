#!/bin/sh
# tests/freebsd/unit.sh [NAME] - the unit tests that are not another system's,
# and every golden case through this system's netpolicy.
set -u
cd "$(dirname "$0")/../.." || exit 2
bin=${COP_BIN:-$PWD/bin}
name=${1:-}
out=$(mktemp /tmp/coppice-unit.XXXXXX)
trap 'rm -f "$out"; addresses -alias' EXIT
trap 'exit 130' HUP INT TERM
passed=0 failed=0 skipped=0

# Sandboxes of proxyd and egressd are addresses of the loopback.
near="127.0.0.2 127.0.0.3 $(seq -f 127.0.1.%.0f 0 2 16)"
addresses() {
	for a in $near; do ifconfig lo0 inet "$a/32" "$1" 2>/dev/null; done
}

run() { # NAME COMMAND...
	what=$1
	shift
	timeout -k 10 300 "$@" >"$out" 2>&1 </dev/null
	rc=$?
	counts=$(awk '/^[0-9]+ passed, [0-9]+ failed/ { n++; p += $1; f += $3 }
		END { if (n) print p, f }' "$out")
	if [ "$rc" = 77 ]; then
		skipped=$((skipped + 1))
		echo "$what: skipped: $(tail -n 1 "$out")"
		return
	fi
	# shellcheck disable=SC2086 # two numbers
	set -- ${counts:-0 1}
	if [ "$rc" != 0 ] && [ "$2" = 0 ]; then
		set -- "$1" 1
	fi
	passed=$((passed + $1)) failed=$((failed + $2))
	if [ "$2" = 0 ]; then
		echo "ok $what: $1"
	else
		echo "# $what: $2 failed, ended with $rc"
		tail -n 20 "$out" | sed 's/^/#   /'
	fi
}

addresses alias
for t in "$bin"/tests/test_*"$name"*; do
	[ ! -x "$t" ] || run "${t##*/}" "$t"
done
if [ -z "$name" ] || [ "$name" = golden ]; then
	run golden tools/golden.sh cases "$bin/netpolicy"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
