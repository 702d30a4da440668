#!/bin/bash
# The compiler against the kernel: random policies and flows, thousands of real
# packets; what arrives is what np_judge() says.  SEED=n repeats a run.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
internet
printf 'ipv6 = %s\nmax_sandboxes = 100\n' "$([ -n "$has6" ] && echo yes || echo no)" \
    >"$privd_conf"
link 1
link 2
# The internet has every address there is.
in_inet ip route add local 0.0.0.0/0 dev lo table main
[ -z "$has6" ] || in_inet ip -6 route add local ::/0 dev lo table main
is open "$peer" tcp 203.0.113.77 80
[ -z "$has6" ] || is open "$peer" tcp 2a00:1::77 80
"$bin/tests/differential" "$privd_bin" "$privd_conf" "$inet_pid" \
    "${sb_pid[1]}" "${sb_pid[2]}" 2>>"$privd_log" >"$scratch/out.txt"
rc=$?
cat "$scratch/out.txt"
is 0 echo "$rc"
[ "$rc" = 0 ] || tail -n 5 "$privd_log" | sed 's/^/# /'
packets() { sed -n 's/.* policies, \([0-9]*\) packets.*/\1/p' "$scratch/out.txt"; }
true_that "$(packets) packets" test "$(packets)" -ge 2000
done_testing
