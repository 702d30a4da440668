#!/bin/sh
# kill9.sh [ROUNDS [MODE]]: a restored bhyve is killed, its machine destroyed,
# over and over (100).  What that takes from the kernel must all come back:
# pages, vnodes, objects, swap's books, and the golden file can be written
# again.  By copy, and by copy-on-write where the kernel has it.  Let nothing
# else run on the machine, no look at it either: that takes vnodes and pages.
# shellcheck disable=SC2317 # what `within` calls
# shellcheck source-path=SCRIPTDIR source=guest/lib.sh
. "$(dirname "$0")/guest/lib.sh"
rounds=${1:-100}
modes=${2:-copy cow}
# What else the system does takes some pages, or gives some back: up to 100 in
# either direction have been seen.  Two lost each round are more than this
# from 100 rounds on, one from 250; objects and vnodes do not vary like that.
slack=$((100 + rounds / 2))
few=$((rounds / 2))

# What is counted one by one.  Swap's books stay empty until memory is short.
books() {
	zones "VM OBJECT" VNODE swblk swpctrie
	echo "numvnodes $(sysctl -n vfs.numvnodes)"
}
# Pages that are free or can be had: what the kernel's allocator keeps for
# itself is given back first, and what caches a file is not lost.
free_at_last() {
	sysctl -q debug.uma_reclaim=2 >/dev/null # drain, each CPU's too
	buffers=$(($(sysctl -n vfs.bufspace) / $(sysctl -n hw.pagesize)))
	echo $(($(free_pages) + $(count_of inactive) + $(count_of laundry) + buffers))
}
pages_back() { [ $((start_free - $(free_at_last))) -le "$slack" ]; }
# No count may have grown: "NAME COUNT; " by "NAME COUNT; ".
books_back() {
	printf '%s\n%s\n' "$start_books" "$(books)" | awk -F '; ' -v few="$few" '
	{ for (i = 1; i <= NF; i++) {
		n = $i
		sub(/.* /, "", n)
		if (NR == 1)
			start[i] = n
		else if (n - start[i] >= few)
			exit 1 } }'
}

# Its machine outlives a killed bhyve, and with it what it holds.
round() { # MODE
	clone "$1" victim || finish
	mail victim x || fail "no mail"
	within 60 lines victim 3 || fail "it stands still"
	kill -KILL "$(pid_of victim)"
	wait "$(pid_of victim)" 2>/dev/null
	rm "$work/victim.pid"
	exists victim || fail "the machine went with its bhyve"
	if [ "$1" = cow ] && may_write; then
		fail "the golden file can be written while a machine holds it"
	fi
	"$bhyvectl" --vm="$(vm_name victim)" --destroy ||
	    fail "cannot destroy it"
	may_write || fail "the golden file is still held"
}

some() { # MODE
	may_write || fail "$1: the golden file cannot be written at the start"
	# What is taken once and kept: the first rounds pay it.
	for _ in 1 2 3; do
		round "$1"
	done
	# Measured twice: the first time runs programs for the first time.
	for _ in 1 2; do
		sleep 1
		start_free=$(free_at_last)
		start_books=$(books)
		pages_back && books_back
	done
	for _ in $(seq "$rounds"); do
		round "$1"
	done
	true_that "$1: pages: $start_free free before, $(free_at_last) after" \
	    within 30 pages_back
	true_that "$1: more than before: $start_books, $(books)" \
	    within 30 books_back
	is "$1: the golden file" "$golden_hash" "$(hash_of)"
	echo "$1: $rounds rounds; free pages $start_free -> $(free_at_last);"
	printf '\t%s\n' "$start_books" "$(books)"
}

original
for mode in $modes; do
	if [ "$mode" = cow ] && ! has_cow; then
		echo "cow: not here: no sysctl hw.vmm.memseg_fd"
	else
		some "$mode"
	fi
done
finish
