#!/bin/sh
# clones.sh [N]: one suspended guest and N clones of it (6), by copy and by
# copy-on-write: each goes on at the very next step of the original with the
# right memory, no one sees what another wrote, the golden file stays as it
# is.  Prints what it cost.  A kernel without VM_ALLOC_MEMSEG_FD does the
# first half only, and says so.
# shellcheck disable=SC2317 # what `each` calls
# shellcheck source-path=SCRIPTDIR source=guest/lib.sh
. "$(dirname "$0")/guest/lib.sh"
count=${1:-6}
case $count in # one alone shares with nobody
[2-9] | 1[0-9] | 2[0-6]) ;;
*) skip "from 2 to 26 clones" ;;
esac
table=$work/table

byte_of() { printf '%b' "\\0$(printf %o $((64 + $1)))"; }
mib() { echo "$1" | awk '{ printf "%.1f", $1 / 256 }'; }
says() { tail -n 2 "$work/$1.log" | grep -q "^.\{34\}$2\$"; } # NAME BYTE
each() { # COMMAND...: with every clone's number and name behind it
	for each_i in $(seq "$count"); do
		"$@" "$each_i" "$mode$each_i"
	done
}

# One after the other, those that were first stand still: what is measured is
# one start on an idle machine.
start_one() {
	began=$(now_ms)
	clone "$mode" "$2" || finish
	echo $(($(now_ms) - began)) >>"$work/$mode.ms"
	kill -STOP "$(pid_of "$2")"
}
go_on() { kill -CONT "$(pid_of "$2")"; }
has_read_all() { true_that "$2 goes on" within 120 lines "$2" 60; }
rss_of() { ps -o rss= -p "$(pid_of "$2")" >>"$work/$mode.rss"; }
write_own() { mail "$2" "$(byte_of "$1")" || fail "no mail to $2"; }
shows_own() {
	true_that "$2 shows what it wrote" within 60 says "$2" "$(byte_of "$1")"
	before=$(wc -l <"$work/$2.log")
	within 60 lines "$2" $((before + 60)) || fail "$2 stands still"
}
compare() { is "$2" right "$(joined "$2" "$(byte_of "$1")")"; }
drop_one() { drop "$2"; }

spread() { # FILE: least, median, most
	sort -n "$1" | awk '{ v[NR] = $1 }
	END { printf "%d/%d/%d", v[1], v[int((NR + 1) / 2)], v[NR] }'
}

half() { # MODE
	mode=$1
	true_that "$mode: nobody holds the file" may_write
	start=$(free_pages)
	each start_one
	ready=$((start - $(free_pages)))
	each go_on
	each has_read_all
	has_read=$((start - $(free_pages)))
	each rss_of
	each write_own
	each shows_own
	has_written=$((start - $(free_pages)))
	each compare
	is "$mode: the golden file while they run" "$golden_hash" "$(hash_of)"
	if [ "$mode" = cow ]; then
		true_that "cow: the file is busy text" may_not_write
	fi
	# What they wrote is theirs: who comes later starts as they did.
	clone "$mode" "${mode}late" || finish
	within 120 lines "${mode}late" 60
	is "${mode}late" right "$(joined "${mode}late" .)"
	drop "${mode}late"
	each drop_one
	is "$mode: the golden file after all" "$golden_hash" "$(hash_of)"
	true_that "$mode: nobody holds the file again" may_write
	printf '%-5s %10s %10s %10s %9s %16s\n' "$mode" "$(mib $ready)" \
	    "$(mib $has_read)" "$(mib $has_written)" \
	    "$(awk '{ s += $1 } END { printf "%.1f", s / NR / 1024 }' \
		"$work/$mode.rss")" "$(spread "$work/$mode.ms")" >>"$table"
	last_cost=$cost
	cost=$has_read
}

cost=0
original
half copy
if has_cow; then
	half cow
	# 49 of its 64 MiB are read by each: were they not shared, each had
	# taken them.  Once they may be: ZFS caches files twice, and what was
	# read before for the hash is in the other place.
	true_that "cow: $cost pages is too near to $last_cost" \
	    [ $((cost - 49 * 256)) -lt $((last_cost / 4)) ]
else
	echo "cow: not here: no sysctl hw.vmm.memseg_fd, a kernel without it"
fi

echo "$count clones of a guest of 64 MiB that reads 49 MiB and writes 1 MiB;"
fs=$(df -T "$golden" | awk 'NR == 2 { print $2 }')
echo "$(sysctl -n hw.ncpu) CPUs; golden on $fs"
printf '%-5s %10s %10s %10s %9s %16s\n' mode "started" "has read" \
    "wrote" "RSS each" "first output, ms"
printf '%-5s %10s %10s %10s %9s %16s\n' "" MiB MiB MiB MiB \
    "least/mid/most"
cat "$table"
finish
