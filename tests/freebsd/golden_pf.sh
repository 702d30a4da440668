#!/bin/sh
# Every pf text of the golden cases goes through the real pfctl: the anchors
# with `-nf`, those of the root rule set likewise.  A dozen of them is loaded by
# our own driver, too, and read back: it must be what was meant.
set -u
here=$(cd "$(dirname "$0")" && pwd)
golden=${GOLDEN:-$here/../golden}
bin=${COP_BIN:-$(cd "$here/../.." && pwd)/bin}
skip() { echo "$*"; exit 77; }
[ "$(id -u)" = 0 ] || skip "needs root"
[ -d "$golden" ] || skip "no golden cases at $golden"
kldload -n pf 2>/dev/null
[ -e /etc/pf.os ] || : >/etc/pf.os
pfctl -q -e 2>/dev/null
passed=0 failed=0 parsed=0 loaded=0
scratch=$(mktemp -d /tmp/coppice-golden.XXXXXX)
trap 'pfctl -q -a coppice/sb1 -F all 2>/dev/null; rm -rf "$scratch"' EXIT
ok() { passed=$((passed + 1)); }
fail() {
	failed=$((failed + 1))
	echo "# golden_pf.sh: $*" | cut -c1-400
}

parses() { # WHAT COMMAND...
	what=$1
	shift
	parsed=$((parsed + 1))
	if said=$("$@" 2>&1) && [ -z "$said" ]; then ok; else fail "$what: $said"; fi
}

# A file without its rules would pass anything.
for f in "$golden"/*/pf.txt; do
	case=$(basename "$(dirname "$f")")
	[ -s "$f" ] || { fail "$case: empty"; continue; }
	parses "$case" pfctl -n -a coppice/sb1 -f "$f"
done
[ "$parsed" -ge 30 ] || fail "$parsed anchors, want 30"

"$bin/netpolicy" compile --pf-root --freebsd "$(($(uname -K) / 100000))" >"$scratch/root" ||
	fail "no root rule set"
parses "root" pfctl -n -f "$scratch/root"

# What pfctl refuses, so that its yes means something.
echo "block return in log quick on cop7 al" >"$scratch/bad"
if pfctl -n -a coppice/sb1 -f "$scratch/bad" >/dev/null 2>&1; then
	fail "pfctl takes anything"
else
	ok
fi

# Each kind of rule, by our driver: every fourth case is enough.
n=0
try=$bin/tests/pf_try
for f in "$golden"/*/pf.txt; do
	n=$((n + 1))
	[ $((n % 4)) = 0 ] || continue
	case=$(basename "$(dirname "$f")")
	for how in load load-pfctl; do
		loaded=$((loaded + 1))
		said=$("$try" $how coppice/sb1 "$f" 2>&1) || fail "$case: $how: $said"
		said=$("$try" verify coppice/sb1 "$f" 2>&1)
		if [ "$said" = "0 differences" ]; then
			ok
		else
			fail "$case: $how: $said"
		fi
	done
done
echo "= $parsed texts through pfctl -n, $loaded loads read back"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
