#!/bin/sh
# The compiler against pf: random policies and flows, real packets through a
# real epair; what arrives is what np_judge() says.  SEED=n repeats a run.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
[ -x "$bin/tests/differential" ] || skip "$bin/tests/differential is not built"
stand
slot 1
slot 2
# The internet has every address there is: all of them lead to two, and all
# ports to an echo.
in_inet pfctl -q -f - <<-'EOT'
	set limit states 200000
	rdr on in0 inet proto { tcp udp } from any to any -> 1.1.1.1 port 7
	rdr on in0 inet from any to any -> 1.1.1.1
	rdr on in0 inet6 proto { tcp udp } from any to any -> 2606:4700:4700::1111 port 7
	rdr on in0 inet6 from any to any -> 2606:4700:4700::1111
EOT
in_inet pfctl -q -e
is open "$peer" udp 203.0.113.77 80
is open "$peer" udp 2a00:1::77 80
for n in 1 2; do
	quiet in_sb $n sysctl net.inet.tcp.blackhole=2 net.inet.udp.blackhole=1
done
configured() {
	printf 'ipv6 = yes\nmax_sandboxes = 100\nstate_dir = %s\n' "$scratch" >"$privd_conf"
}
configured
POLICIES=${POLICIES:-60} FLOWS=${FLOWS:-40} "$bin/tests/differential" \
    "$bin/coppice-privd" "$privd_conf" "$(jid coptestinet)" "$(jid coptest1)" \
    "$(jid coptest2)" 2>>"$privd_log" >"$scratch/out.txt"
rc=$?
sed 's/^# seed/= seed/' "$scratch/out.txt"
is 0 echo "$rc"
[ "$rc" = 0 ] || tail -n 5 "$privd_log" | sed 's/^/# /'
packets() { sed -n 's/.* policies, \([0-9]*\) packets.*/\1/p' "$scratch/out.txt"; }
true_that "$(packets) packets" test "$(packets)" -ge 1000

# And of connections that are under way, when policies change.
configured # the program before has added to it
quiet in_sb 1 sysctl net.inet.tcp.blackhole=0 net.inet.udp.blackhole=0
POLICIES=${POLICIES:-40} FLOWS=${FLOWS:-24} "$bin/tests/liveflows" \
    "$bin/coppice-privd" "$privd_conf" "$(jid coptest1)" 2>>"$privd_log" \
    >"$scratch/live.txt"
rc=$?
sed 's/^# seed/= seed/' "$scratch/live.txt"
is 0 echo "$rc"
[ "$rc" = 0 ] || tail -n 5 "$privd_log" | sed 's/^/# /'
done_testing
