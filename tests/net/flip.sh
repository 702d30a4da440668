#!/bin/bash
# C16: 1,500 flows and more open while the policy flips 1,000 times; no packet
# to a denied address that was sent after a tightening had returned.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
internet
echo "max_sandboxes = 100" >"$privd_conf"
link 1
got=$("$bin/tests/flip" "$privd_bin" "$privd_conf" "/proc/${sb_pid[1]}/ns/net" \
    "/proc/$inet_pid/ns/net" in0 1000 2>>"$privd_log")
rc=$?
echo "# $got"
is 0 echo "$rc"
[ "$rc" = 0 ] || tail -n 3 "$privd_log" | sed 's/^/# /'
done_testing
