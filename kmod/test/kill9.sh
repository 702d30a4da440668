#!/bin/sh
# kill9.sh [ROUNDS]: a restored bhyve is killed, its machine destroyed, over
# and over (30).  What that takes from the kernel must all come back: pages,
# vnodes, objects, swap's books, and the golden file can be written again.
# By copy, and by copy-on-write where the kernel has it.
# shellcheck disable=SC2317 # what `within` calls
# shellcheck source-path=SCRIPTDIR source=guest/lib.sh
. "$(dirname "$0")/guest/lib.sh"
rounds=${1:-30}
# Caches of each CPU breathe.  One page a round lost is more than that.
slack=$((rounds / 2))

# What is counted one by one.  Swap's books stay empty until memory is short.
books() {
	zones "VM OBJECT" VNODE swblk swpctrie
	echo "numvnodes $(sysctl -n vfs.numvnodes)"
}
pages_back() { [ $((start_free - $(free_pages))) -le "$slack" ]; }
books_back() { [ "$(books)" = "$start_books" ]; }

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
	sleep 1
	start_books=$(books)
	start_free=$(free_pages)
	for _ in $(seq "$rounds"); do
		round "$1"
	done
	true_that "$1: pages: $start_free free before, $(free_pages) after" \
	    within 30 pages_back
	within 30 books_back
	is "$1: books" "$start_books" "$(books)"
	is "$1: the golden file" "$golden_hash" "$(hash_of)"
	echo "$1: $rounds rounds; free pages $start_free -> $(free_pages);" \
	    "$(books)"
}

original
some copy
if has_cow; then
	some cow
else
	echo "cow: not here: no sysctl hw.vmm.memseg_fd, a kernel without it"
fi
finish
