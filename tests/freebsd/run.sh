#!/bin/sh
# tests/freebsd/run.sh [NAME] - the suite of FreeBSD, inside the machine: every
# test here whose file name contains NAME, a line each; the last line is
# "N passed, N failed, N skipped".
#
# The machine is a scratch one: the suite sets routes, sysctls and pf's main
# rule set.  What a test leaves behind (jails, interfaces, mounts, rules,
# states, processes, datasets) is a failure of that test.
#
# A test is a program whose last line is "N passed, N failed"; exit 77 is a
# skip, and its last line says why; any other end without that line is one
# failure.  TEST_SECONDS (600) is how long each may take.
set -u
cd "$(dirname "$0")" || exit 2
name=${1:-}
out=$(mktemp) before=$(mktemp) after=$(mktemp)
trap 'rm -f "$out" "$before" "$after"' EXIT
passed=0 failed=0 skipped=0

# What a test could leave behind, and nothing that changes by itself.
look() {
	jls name 2>/dev/null | sed 's/^/jail /'
	ifconfig -l | tr ' ' '\n' | sed 's/^/interface /'
	mount -p | awk '{ print "mount " $2 " " $3 }'
	pfctl -a '*' -sr 2>/dev/null |
		sed -n 's/.*label "coppice:\(sb[0-9]*\):.*/anchor \1/p' | sort -u
	pfctl -ss 2>/dev/null | grep -E '[ (](10\.78\.|fd77:)' | sed 's/^/state /'
	ps -axww -o command | grep -E '^[^ ]*(coppice|envd|tests/[a-z_]*)' |
		sed 's/^/process /'
	zfs list -H -o name -t all 2>/dev/null | sed 's/^/dataset /'
}

# Compares for up to ten seconds: jails and interfaces take their time.
same_world() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		look | sort >"$after"
		cmp -s "$before" "$after" && return 0
		sleep 1
	done
	diff "$before" "$after" | grep '^[<>]' | head -n 20 |
		sed 's/^</# gone: /; s/^>/# left behind: /' >>"$out"
	return 1
}

run() { # TEST
	look | sort >"$before"
	t0=$(date +%s)
	timeout -k 30 "${TEST_SECONDS:-600}" "./$1" >"$out" 2>&1 </dev/null
	rc=$?
	counts=$(awk '/^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/ {
		n++; p += $1; f += $3; s += $5 } END { if (n) print p, f, s + 0 }' "$out")
	verdict=ok
	if [ "$rc" = 77 ]; then
		p=0 f=0 s=1
		verdict="skipped: $(tail -n 1 "$out")"
	elif [ -z "$counts" ]; then
		p=0 f=1 s=0
		verdict="FAILED: ended with $rc and no closing line"
	else
		# shellcheck disable=SC2086
		set -- "$1" $counts
		p=$2 f=$3 s=$4
		if [ "$rc" != 0 ] && [ "$f" = 0 ]; then
			f=1
		fi
		[ "$f" = 0 ] || verdict="FAILED: $f, ended with $rc"
	fi
	if ! same_world; then
		f=$((f + 1))
		verdict="$verdict; left something behind"
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	printf '%-24s %5d checks %4d s  %s\n' "${1%.sh}" $((p + f)) \
	    $(($(date +%s) - t0)) "$verdict"
	if [ "$f" = 0 ]; then
		# Rows of the bypass catalogue and figures are in every log.
		grep -E '^([CP][0-9]+ .*: [0-9]+ checks|= )' "$out" | sed 's/^/    /'
	else
		grep -Ev '^ok |already defined in anchor' "$out" | tail -n 60 | sed 's/^/    /'
	fi
}

echo "$(uname -srm), kern.osreldate $(uname -K)"
for t in *.sh; do
	case $t in
	run.sh | world.sh | lib*.sh) ;;
	*"$name"*) run "$t" ;;
	esac
done
echo "$passed passed, $failed failed, $skipped skipped"
# None at all is for whoever chose them to judge: there are more outside.
[ "$failed" = 0 ]
