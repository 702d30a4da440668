#!/bin/sh
# kill -9 of the process that holds the rules: what is in force stays in force,
# its successor adopts it, and finds out what was changed meanwhile.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
stand
privd_start
must slots 1 3
slot 1
slot 2
tcp() { in_sb "$1" "$peer" tcp "$2" 80; }
must apply 1 + birth +8.8.8.8/32 +1.1.1.1/32 deny-all
must apply 2 + birth -1.1.1.1/32 -tcp/25
must apply 3 + birth
is open tcp 1 1.1.1.1
was=$(pfctl -a coppice/sb1 -sr; pfctl -a coppice/sb1 -t ok -T show)
in_sb 1 "$peer" stream 1.1.1.1 9000 8 >"$scratch/stream" &
held=$!
sleep 1

must kill
is open tcp 1 8.8.8.8
is refused tcp 1 9.9.9.9
is "ok max_gen=255 rebuilt=0 nslots=4096" privd hello
is "$was" eval 'pfctl -a coppice/sb1 -sr; pfctl -a coppice/sb1 -t ok -T show'
state() { privd state "$1" | sed 's/ passed.*//'; }
is "ok gen=1 ok4=2 ok6=0" state 1
# What it adopted is what it changes: one table, and the stream goes on.
must apply 1 300 +1.1.1.1/32 deny-all
is refused tcp 1 8.8.8.8
is open tcp 1 1.1.1.1
is refused tcp 2 1.1.1.1
is open tcp 2 8.8.8.8
wait "$held"
true_that "the stream came through: $(cat "$scratch/stream")" \
    grep -q '^[0-9]*$' "$scratch/stream"

# An anchor that is not ours as it is, when nobody looked: closed, and said.
pid=$(pgrep -P "$privd_pid")
kill -STOP "$pid"
echo "pass quick all" | pfctl -q -a coppice/sb2 -f -
echo "pass quick all" | pfctl -q -a coppice/other -f -
must kill
is "ok max_gen=255 rebuilt=1 nslots=4096" privd hello
rules_of() { pfctl -a "coppice/$1" -sr 2>/dev/null; }
is "" rules_of sb2
is silent tcp 2 8.8.8.8
true_that "it is told" grep -q "coppice/sb2 is not as we make it" "$privd_log"
# What is in nobody's slot goes away.
is "" rules_of other
true_that "the stray is told" grep -q "rules.stray anchor=coppice/other" "$privd_log"
is open tcp 1 1.1.1.1

# A slot that is cleared has no state, whoever made it.
states() { pfctl -ss 2>/dev/null | grep -c "10\.78\.0\.3[: ]"; }
true_that "there were states" test "$(states)" -gt 0
must clear 1
is 0 states
is silent tcp 1 1.1.1.1

# All of it can be taken away.
quiet privd_stop
must_run quiet "$bin/coppice-privd" rules -f "$privd_conf" --remove
is "" rules_of sb3

# Where pf does not call us, or is off, it does not start, and says why.
starts() { # WHAT it says
	COPPICE_FDS=rules=9 "$bin/coppice-privd" rules -f "$privd_conf" \
	    9<>/dev/null >"$scratch/off" 2>&1
	true_that "want \"$1\", got $(tail -n 1 "$scratch/off")" \
	    grep -q "$1" "$scratch/off"
}
grep -v '^anchor' "$scratch/pf.conf" | pfctl -q -f -
starts 'rules.root missing: anchor "coppice/\*" in on coppice'
starts "pf.conf lacks 1 of our lines"
pfctl -q -F all
starts "compile --pf-root --uplink"
pfctl -q -d
starts "pf is not enabled"
done_testing
