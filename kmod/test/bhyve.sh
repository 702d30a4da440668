#!/bin/sh
# bhyve.sh: what bhyve promises about checkpoints.  Holes for zero pages; a
# restore that needs no machine; -o snapshot.cow=true, each of its errors after
# the success it is nearest to; a checkpoint of a clone, and clones of that;
# no checkpoint over one in use.  On a kernel without VM_ALLOC_MEMSEG_FD: what
# bhyve says then, and all of it that needs no such kernel.
# shellcheck disable=SC2086,SC2317 # settings are words; what `within` calls
# shellcheck source-path=SCRIPTDIR source=guest/lib.sh
. "$(dirname "$0")/guest/lib.sh"
# shellcheck disable=SC3045
ulimit -c 0 # bhyve may abort when its machine is destroyed
mem=67108864
cow="-o snapshot.cow=true"

ended() {
	case $(ps -o state= -p "$(pid_of "$1")") in
	Z* | '') ;;
	*) return 1 ;;
	esac
}
# ends NAME STATUS: by itself.
ends() {
	within 60 ended "$1" || { fail "$1 still runs"; return; }
	wait "$(pid_of "$1")"
	is "status of $1: $(cat "$work/$1.err")" "$2" $?
	rm "$work/$1.pid"
}

says() { grep -qF -e "$2" "$work/$1.err"; }
shows() { tail -n 2 "$work/$1.log" | grep -q "^.\{34\}$2\$"; } # NAME BYTE
goes_on() {
	goes_on_at=$(wc -l <"$work/$1.log")
	within 60 lines "$1" $((goes_on_at + 3))
}
size_of() { stat -f %z "$1"; }
disk_of() { echo $(($(stat -f %b "$1") * 512)); }
copy() { for e in '' .kern .meta; do cp "$golden$e" "$golden_dir/$1$e"; done; }

# restored NAME CHECKPOINT ARGUMENT...: and it runs.
restored() {
	restored_name=$1 restored_from=$2
	shift 2
	run "$restored_name" -r "$golden_dir/$restored_from" "$@"
	if within 60 lines "$restored_name" 3; then
		pass
	else
		fail "restore with $*: $(cat "$work/$restored_name.err")"
	fi
}

# works CHECKPOINT ARGUMENT...: nothing is left of it.
works() {
	restored w "$@"
	drop w
}

# refused TEXT CHECKPOINT ARGUMENT...
refused() {
	refused_text=$1 refused_from=$2
	shift 2
	run r -r "$golden_dir/$refused_from" "$@"
	ends r 4
	true_that "\"$refused_text\", not: $(cat "$work/r.err")" \
	    says r "$refused_text"
	drop r
}

holes() {
	is "length of a checkpoint" $mem "$(size_of "$golden")"
	true_that "$(disk_of "$golden") bytes on disk: no holes" \
	    [ "$(disk_of "$golden")" -lt $((mem * 7 / 8)) ]
	echo "a checkpoint of $mem bytes takes $(disk_of "$golden") on disk"
}

no_machine() {
	true_that "there is a machine already" [ ! -e "/dev/vmm/$(vm_name a)" ]
	restored a golden
	within 60 lines a 60
	is "by copy, without a machine" right "$(joined a .)"
	drop a
	"$loader" -e "$(vm_name b)" || fail "no machine"
	restored b golden
	drop b
	works golden -o snapshot.cow=false -S
}

over_one_in_use() {
	restored a golden $cow
	"$bhyvectl" --vm="$(vm_name a)" --checkpoint="$golden"
	true_that "a checkpoint over itself is refused" within 60 \
	    says a "golden is the memory of a running VM"
	true_that "a guest whose checkpoint was refused" goes_on a
	is "the checkpoint and what belongs to it" "$golden_hash" "$(hash_of)"
}

# With the clone that the last one left.
of_a_clone() {
	mail a X && true_that "a mark of its own" within 60 shows a X
	"$bhyvectl" --vm="$(vm_name a)" --checkpoint="$golden_dir/live"
	true_that "a checkpoint of a clone" \
	    within 60 test -s "$golden_dir/live.meta"
	true_that "the clone" goes_on a
	is "length of a clone's checkpoint" $mem "$(size_of "$golden_dir/live")"
	restored b live $cow
	true_that "the mark in its clone" shows b X
	"$bhyvectl" --vm="$(vm_name a)" --suspend="$golden_dir/second"
	ends a 5
	restored c second $cow
	restored d second
	within 60 lines c 60
	within 60 lines d 60
	is "a clone of a clone" right "$(joined "a c" X)"
	is "a copy of a clone" right "$(joined "a d" X)"
	for name in b c d; do drop $name; done
}

settings() {
	works golden $cow -C
	echo snapshot.cow=true >"$work/conf"
	works golden -k "$work/conf"
	refused "Invalid value maybe" golden -o snapshot.cow=maybe
	works golden $cow
	refused "is to be wired (-S, memory.wired)" golden $cow -S
	one="-o domains.0.cpus=0 -o domains.0.size"
	two="-o domains.1.cpus=0 -o domains.1.size"
	works golden $cow $one=64M
	refused "is to have 2 NUMA domains" golden $cow $one=32M $two=32M
	refused "has $mem bytes, but the memory of $(vm_name r) 33554432" \
	    golden $cow $one=32M
}

files() {
	copy other
	works other $cow
	sleep 3600 3>>"$golden_dir/other" &
	writer=$!
	refused "other is open for writing" other $cow
	kill $writer
	wait $writer 2>/dev/null
	works other $cow
	truncate -s -4096 "$golden_dir/other"
	refused "other has $((mem - 4096)) bytes" other $cow
}

unlinked() {
	copy away
	restored a away $cow
	rm "$golden_dir/away" "$golden_dir/away.kern" "$golden_dir/away.meta"
	within 60 lines a 60
	is "a clone whose file has no name" right "$(joined a .)"
	drop a
}

# Memory above 3 GiB comes right behind it in the file, but from 4 GiB on in the
# guest.  The file is made by hand: a guest of that size would have to be read.
high_memory() {
	copy big
	big=$((3328 * 1024 * 1024))
	truncate -s $big "$golden_dir/big"
	sed -i '' "s/$mem/$big/" "$golden_dir/big.meta"
	printf 'high memory' | dd of="$golden_dir/big" bs=4096 \
	    seek=$((3 * 262144 + 1)) conv=notrunc 2>/dev/null
	restored a big $cow
	is "what is at 4 GiB + 4 KiB" "high memory" "$(dd bs=4096 count=1 \
	    if="/dev/vmm/$(vm_name a)" skip=$((4 * 262144 + 1)) 2>/dev/null |
	    tr -d '\0')"
	drop a
	truncate -s $mem "$golden_dir/big"
	refused "big has $mem bytes, but the memory of $(vm_name r) $big" \
	    big $cow
}

# A bhyve that is killed leaves its machine, and that has memory.
killed() {
	restored a golden $cow
	kill -KILL "$(pid_of a)"
	ends a 137
	true_that "its machine is there" exists a
	run a -r "$golden" $cow
	ends a 4
	true_that "it has memory: $(cat "$work/a.err")" says a \
	    "$(vm_name a) has memory already: destroy it (bhyvectl --vm="
	drop a
	restored a golden $cow
	drop a
}

full() {
	mkdir "$work/small"
	true_that "a small file system" \
	    mount -t tmpfs -o size=20m tmpfs "$work/small"
	restored a golden $1
	"$bhyvectl" --vm="$(vm_name a)" --suspend="$work/small/it"
	true_that "no room is what it says" \
	    within 60 says a "No space left on device"
	true_that "a guest that found no room" goes_on a
	umount "$work/small"
	"$bhyvectl" --vm="$(vm_name a)" --suspend="$golden_dir/room"
	ends a 5
	restored b room
	within 60 lines b 60
	is "what was written then" right "$(joined "a b" .)"
	drop b
}

whole() {
	over_one_in_use
	of_a_clone
	settings
	files
	unlinked
	[ "$(uname -m)" != amd64 ] || high_memory
	killed
	full "$cow"
}

original
holes
no_machine
if has_cow; then
	whole
else
	echo "not here: no sysctl hw.vmm.memseg_fd, a kernel without it"
	refused "this kernel cannot back guest memory by a file" golden $cow
	works golden
	full ""
fi
is "the checkpoint after all" "$golden_hash" "$(hash_of)"
finish
