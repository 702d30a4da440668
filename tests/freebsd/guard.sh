#!/bin/sh
# Somebody else's hands (row C14): what flushes or edits our rules opens nothing
# that was closed, is noticed within seconds, said, and made anew; and while pf
# does not call our rules, links are down.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
stand
privd_start
must slots 1 2
slot 1
must apply 1 + birth -8.8.8.8/32 -tcp/25
tcp() { in_sb 1 "$peer" tcp "$1" "${2:-80}"; }
is open tcp 1.1.1.1
is refused tcp 8.8.8.8
n=0
times_lost() { sed -n 's/^\([0-9]*\) 20[0-9TZ:-]* .*/\1/p' "$scratch/rules-lost"; }

# Each edit, with privd awake.
edited() { # SENTENCE COMMAND...
	want=$1
	shift
	t0=$(date +%s)
	"$@" >/dev/null 2>&1 || fail "$*"
	n=$((n + 1))
	must_lost
	t1=$(($(date +%s) - t0))
	true_that "$*: noticed after $t1 s" test "$t1" -le 5
	is "$n" times_lost
	if grep "rules.lost" "$privd_log" | tail -n 1 | grep -q "$want"; then
		pass
	else
		fail "$*: want \"$want\", got $(grep rules.lost "$privd_log" | tail -n 1)"
	fi
	# Where pf was off for a while, see docs/policy.md.
	becomes open tcp 1.1.1.1
	is refused tcp 8.8.8.8
	is refused tcp 1.1.1.1 25
}
must_lost() { is "ok lost=$n" privd events 5000; }
an=coppice/sb1
others() { echo "$1" | pfctl -q -a "$an" -f -; }

edited "rule 1 is missing" pfctl -q -a $an -F rules
edited "rule 1 is missing" pfctl -q -a $an -F nat
edited "is missing" pfctl -q -a $an -F all
edited "lacks\|is missing" pfctl -q -a $an -t but -T flush
edited "has 8.8.8.8, which is not ours" pfctl -q -a $an -t but -T add 8.8.8.8
edited "lacks" pfctl -q -a $an -t but -T delete 9.0.0.0/8
edited "not as we make it\|is not ours\|is missing" others "pass quick all"
edited "not ours" sh -c 'echo "pass in quick on cop2 all" | pfctl -q -a coppice/sb2 -f -'
edited "pf was disabled" pfctl -q -d

# Behind its back: a flushed anchor lets nothing out, and nothing comes back.
pid=$(pgrep -P "$privd_pid")
kill -STOP "$pid"
for what in rules nat Tables all; do
	quiet pfctl -q -a $an -F $what
done
is silent tcp 1.1.1.1
is silent tcp 8.8.8.8
kill -CONT "$pid"
n=$((n + 1))
must_lost
becomes open tcp 1.1.1.1
is refused tcp 8.8.8.8

# The root's lines are the operator's: without them links go down, and up again.
up() { ifconfig cop1 | grep -c '<UP,'; }
is 1 up
echo "pass quick all" | pfctl -q -f -
becomes 0 up
is silent tcp 1.1.1.1
true_that "what is missing is said" \
    grep -q 'rules.root missing: anchor "coppice/\*" in on coppice' "$privd_log"
pfctl -q -f "$scratch/pf.conf"
becomes 1 up
neighbours 1
becomes open tcp 1.1.1.1
is refused tcp 8.8.8.8
done_testing
