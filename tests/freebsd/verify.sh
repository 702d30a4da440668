#!/bin/sh
# `netpolicy verify --pf`: the same as compiled, and each kind of edit by name.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/freebsd/lib.sh
. "$here/lib.sh"

np=$bin/netpolicy
anchor=coppice/sb7
trap 'pfctl -q -a $anchor -F all 2>/dev/null; rm -rf "$scratch"' EXIT

cd "$scratch" || exit 2
[ "$(id -u)" = 0 ] || skip "needs root"
kldload -n pf 2>/dev/null
echo '{"allowOut":["8.8.8.8","2606:4700::/32"],"denyOut":["0.0.0.0/0"]}' >policy
echo '{"allowOut":["8.8.8.8"],"denyOut":["0.0.0.0/0"]}' >other

load() { "$np" compile --pf -p policy --slot 7 | pfctl -q -a $anchor -f -; }

verify() { # POLICY: what it says, and how it ends
	"$np" verify --pf -p "$1" --slot 7
	echo "exit $?"
}

load
is "exit 0" verify policy
is "! $anchor: table <ok> has 2606:4700::/32, which is not ours
exit 1" verify other

pfctl -q -a $anchor -t ok -T add 1.1.1.1
pfctl -q -a $anchor -t ok -T delete 8.8.8.8
is "exit 1" eval 'verify policy | tail -n 1'
is 1 eval 'verify policy | grep -c "has 1.1.1.1, which is not ours"'
is 1 eval 'verify policy | grep -c "8.8.8.8"'

load
is "exit 0" verify policy
pfctl -q -a $anchor -F rules
is 1 eval 'verify policy | grep -c "rule 1 is missing: block drop in quick on cop7 inet from ! 10.78.0.15"'

load
"$np" compile --pf -p policy --slot 7 | sed 's/^block return.*/pass in all/' |
	pfctl -q -a $anchor -f - 2>/dev/null
is 1 eval 'verify policy | grep -c "is not as we make it: pass in"'
is false eval '"$np" verify --pf --json -p policy --slot 7 | sed -n "s/.*\"same\": \(.*\),/\1/p"'

echo "$net_passed passed, $net_failed failed"
[ "$net_failed" = 0 ]
