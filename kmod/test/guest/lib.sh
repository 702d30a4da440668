# shellcheck shell=sh
# kmod/test/guest/lib.sh - sourced first by the tests that run guests.
#
# FreeBSD, as root, vmm loaded, bhyve built with snapshots.  COP_LOADER is the
# built loader (guest/loader.c), COP_BHYVE and COP_BHYVECTL the programs,
# COP_GOLD_DIR where the checkpoint goes (its file system is what is tested).
# `original` makes the checkpoint; `clone MODE NAME` starts one from it, MODE
# is copy or cow; `drop NAME` ends it.  NAME.log is what the guest printed.
# All is taken away when a test ends; the last line is "N passed, N failed".
set -u

here=$(cd "$(dirname "$0")" && pwd)
loader=${COP_LOADER:-$here/guest/loader}
bhyve=${COP_BHYVE:-bhyve}
bhyvectl=${COP_BHYVECTL:-bhyvectl}
devices="-c 1 -m 64M -o acpi_tables=false -s 0,hostbridge -s 31,lpc"
devices="$devices -l com1,stdio"
own=$$
names=
passed=0 failed=0
work=$(mktemp -d /tmp/coppice-clones.XXXXXX) || exit 1
golden_dir=$(mktemp -d "${COP_GOLD_DIR:-/var/tmp}/coppice-golden.XXXXXX") ||
    exit 1
golden=$golden_dir/golden

skip() { rm -rf "$golden_dir" "$work"; echo "$*"; exit 77; }
pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); echo "# $(basename "$0"): $*"; }

true_that() { # SENTENCE COMMAND...
	what=$1
	shift
	if "$@"; then pass; else fail "$what"; fi
}

is() { # WHAT WANT GOT
	if [ "$2" = "$3" ]; then
		pass
	else
		fail "$1: want \"$2\", got \"$3\""
	fi
}

# within SECONDS COMMAND...: until it succeeds.  On a machine that is emulated
# and has to share, COP_PATIENCE is how many times longer.
within() {
	within_left=$(($1 * 5 * ${COP_PATIENCE:-1}))
	shift
	until "$@"; do
		within_left=$((within_left - 1))
		[ "$within_left" -gt 0 ] || return 1
		sleep 0.2
	done
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }
vm_name() { echo "coppice$own$1"; }
exists() { [ -c "/dev/vmm/$(vm_name "$1")" ]; }
pid_of() { cat "$work/$1.pid"; }
hash_of() { sha256 -q "$golden" "$golden.kern" "$golden.meta"; }
has_cow() { sysctl -n hw.vmm.memseg_fd >/dev/null 2>&1; }
may_write() { (: >>"$golden") 2>/dev/null; }
may_not_write() { ! may_write; }
lines() { [ "$(wc -l <"$work/$1.log")" -ge "$2" ]; }
printed() { [ -s "$work/$1.log" ]; }

run() { # NAME ARGUMENT...: bhyve, in the background
	run_name=$1
	shift
	case " $names " in
	*" $run_name "*) ;;
	*) names="$names $run_name" ;;
	esac
	: >"$work/$run_name.log"
	# shellcheck disable=SC2086
	"$bhyve" $devices "$@" "$(vm_name "$run_name")" <>"$input" \
	    >"$work/$run_name.log" 2>"$work/$run_name.err" &
	echo $! >"$work/$run_name.pid"
}

# The first guest: until it has printed every slice's sum, then it is saved.
original() {
	"$loader" -m 64 "$(vm_name orig)" || exit 1
	run orig
	within 60 lines orig 100 || { fail "the guest does not run"; finish; }
	"$bhyvectl" --vm="$(vm_name orig)" --suspend="$golden" || finish
	wait "$(pid_of orig)"
	is "bhyve's status after suspend" "$suspended" $?
	rm "$work/orig.pid"
	chmod 0400 "$golden"
	sync
	# From here on its pages are in memory for whoever wants them.
	# shellcheck disable=SC2034
	golden_hash=$(hash_of)
}

clone() { # MODE NAME
	clone_how=
	[ "$1" = copy ] || clone_how="-o snapshot.cow=true"
	"$loader" -e "$(vm_name "$2")" || { fail "no machine $2"; return 1; }
	# shellcheck disable=SC2086
	run "$2" $clone_how -r "$golden"
	# clones.sh measures it: look often.
	for _ in $(seq $((3000 * ${COP_PATIENCE:-1}))); do
		if printed "$2"; then return 0; fi
		sleep 0.02
	done
	fail "clone $2 says nothing: $(head -c 300 "$work/$2.err")"
	return 1
}

mail() { "$loader" -w "$2" "$(vm_name "$1")"; } # NAME BYTE

drop() { # NAME
	if [ -f "$work/$1.pid" ]; then
		kill -KILL "$(pid_of "$1")" 2>/dev/null
		wait "$(pid_of "$1")" 2>/dev/null
		rm "$work/$1.pid"
	fi
	if exists "$1"; then
		"$bhyvectl" --vm="$(vm_name "$1")" --destroy
	fi
}

# What the original printed and what its clone printed, and its clone, as one:
# every count in its turn, every slice's sum as it was the first time, and of
# its own area '.', then BYTE.  Says "right", or what is wrong.  What ends in
# "\r\n" is not the guest's: bhyve prints it when it suspends, in the middle of
# the guest's line.
joined() { # "NAME..." BYTE
	for joined_name in orig $1; do
		cat "$work/$joined_name.log"
	done | awk 'BEGIN { RS = "\r\n"; ORS = "" } {
		sub(/(Pausing|Restoring|Resuming) [a-z ]*\.\.\.$/, "")
		print }' | sed '$d' | awk -v byte="$2" '
	$1 != sprintf("%016x", NR - 1) || NF != 3 || length($0) != 35 {
		print "line", NR ": " $0; wrong = 1; exit }
	NR > 48 && $2 != sum[(NR - 1) % 48] {
		print "sum in line", NR ": " $0; wrong = 1; exit }
	NR <= 48 { sum[NR - 1] = $2 }
	$3 != (written ? byte : ".") {
		if (written || $3 != byte) {
			print "own area in line", NR ": " $0
			wrong = 1
			exit
		}
		written = 1
	}
	END { if (!wrong) print "right" }'
}

count_of() { sysctl -n "vm.stats.vm.v_$1_count"; }
free_pages() { count_of free; }

# Items in use of each of the kernel's zones named, after one look at all:
# alone, for a pipe's other end has objects, too.
zones() { # NAME...
	vmstat -z >"$work/zones"
	printf '%s\n' "$@" | awk -F '[:,]' '
	NR == FNR { used[$1] = $4 + 0; next }
	{ printf "%s %d; ", $1, used[$1] }' "$work/zones" -
}

finish() {
	for finish_name in $names; do
		drop "$finish_name"
	done
	rm -rf "$golden_dir" "$work"
	names=
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
	exit
}

[ "$(uname)" = FreeBSD ] || skip "FreeBSD only"
kldstat -qm vmm || skip "vmm is not loaded"
[ -x "$loader" ] || skip "no loader: build kmod/test/guest/loader.c"
[ "$(sysctl -n security.jail.jailed)" = 0 ] || skip "not in a jail"
mkdir -p /var/run/bhyve
# What bhyve reads, and how it ends when it was suspended.  Before 15.0 its
# uart ends it when its input is not to be waited for, as /dev/null is not.
input=/dev/null
suspended=5
if [ "$(sysctl -n kern.osreldate)" -lt 1500000 ]; then
	input=$work/input
	mkfifo "$input"
	suspended=0
fi
trap 'failed=$((failed + 1)); finish' INT TERM HUP
