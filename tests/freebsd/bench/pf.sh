#!/bin/sh
# tests/freebsd/bench/pf.sh - what bench_pf.c measures, at 1 and 200 anchors,
# with STATES (2000) of others around.  It sets the main rule set; the lines
# are those of build/bench.json.
set -u
bin=${COP_BIN:-$(cd "$(dirname "$0")/../../.." && pwd)/bin}
root=$(mktemp)
out=$(ifconfig epair create) || exit 1
trap 'rm -f "$root"; ifconfig "$out" destroy; pfctl -q -F all 2>/dev/null' EXIT
ifconfig "$out" inet 192.0.2.1/24 up
ifconfig "${out%a}b" up
{
	"$bin/netpolicy" compile --pf-root --uplink vtnet0
	echo "pass out on $out proto udp from any to 192.0.2.0/24 keep state"
} >"$root"
pfctl -q -f "$root" || exit 1
pfctl -q -e 2>/dev/null
for anchors in 1 200; do
	"$bin/tests/bench_pf" $anchors "${STATES:-2000}" "${RUNS:-60}" 192.0.2.9
done
for n in $(seq 200); do
	pfctl -q -a "coppice/sb$n" -F all 2>/dev/null
done
