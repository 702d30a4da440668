#!/bin/sh
# kmod/test/bhyve.sh - what bhyve promises about checkpoints, tried out.
#
#	kmod/test/bhyve.sh LOADER [FOLDER]
#
# On FreeBSD with vmm loaded, as root, with bhyve and bhyvectl of a patched tree
# that have BHYVE_SNAPSHOT.  LOADER is kmod/test/guest's, compiled; FOLDER, by
# default /var/tmp, is where the checkpoints go.  On a kernel without the patch
# it looks at what bhyve says then, and at nothing else.
set -u
# shellcheck disable=SC3045 # its sh has it
ulimit -c 0 # bhyve may abort when its machine is destroyed under it
export LC_ALL=C

loader=${1:?the guest\'s loader} passed=0 failed=0
work=$(mktemp -d "${2:-/var/tmp}/bhyve.XXXXXX") || exit 1
cd "$work" || exit 1
vm=coptest$$
mem=67108864

say() {
	if [ "$1" = 0 ]; then passed=$((passed + 1)); else
		failed=$((failed + 1))
		echo "FAILED: $2"
	fi
}

# soon COMMAND...: it is true within a minute.
soon() {
	tries=240
	until "$@"; do
		[ $((tries -= 1)) -gt 0 ] || return 1
		sleep 0.25
	done
}

# start NAME ARGUMENT...: a bhyve, its output in NAME.out, .err and .rc.
start() {
	name=$1
	shift
	rm -f "$name".out "$name".err "$name".rc
	: >"$name".out
	{
		bhyve "$@" -o acpi_tables=false -s 0,hostbridge -s 31,lpc \
		    -l com1,stdio "$vm$name" </dev/null >"$name".out 2>"$name".err
		echo $? >"$name".rc
	} 2>/dev/null &
}

restore() { # NAME CHECKPOINT ARGUMENT...
	into=$1 from=$2
	shift 2
	start "$into" -r "$work/$from" "$@"
}

ended() { [ -s "$1".rc ]; }
exists() { [ -e "/dev/vmm/$vm$1" ]; }
gone() { ! exists "$1"; }

end() {
	for name; do
		! exists "$name" || bhyvectl --vm="$vm$name" --destroy
		[ ! -e "$name".err ] || soon ended "$name"
	done
}

trap 'end $(cd /dev/vmm 2>/dev/null && ls | sed -n "s/^$vm//p"); cd /; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# What the guest wrote, without what bhyve says, which ends in CR LF.
lines() {
	cat "$@" | awk '
	{
		cr = sub(/\r$/, "")
		sub(/(Pausing|Restoring|Resuming) [a-z ]*\.\.\.$/, "")
		printf "%s%s", $0, cr ? "" : "\n"
	}'
}

has_lines() { [ "$(lines "$1".out | wc -l)" -gt "$2" ]; }

# goes_on NAME [LINES]: it writes more.
goes_on() {
	at=$(lines "$1".out | wc -l)
	soon has_lines "$1" $((at + ${2:-2}))
}

# one_story NAME...: put together, the lines of one guest that was never
# interrupted: counts without a gap, and every slice has the sum that it had.
# A clone alone may begin within a line, and any may end so.
one_story() {
	# shellcheck disable=SC2046 # names have no spaces
	lines $(printf '%s.out ' "$@") | awk '
	function number(hex,   i, n) {
		for (i = 9; i <= 16; i++)
			n = n * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
		return n
	}
	function look(line,   f, n) {
		split(line, f, " ")
		n = number(f[1])
		if (length(line) != 35 || f[3] == "!" || (lines && n != last + 1))
			bad = bad "\n" line
		if (n % 48 in sum && sum[n % 48] != f[2])
			bad = bad "\n" line ", but the sum was " sum[n % 48]
		sum[n % 48] = f[2]
		last = n
		lines++
	}
	NR > 1 && (NR > 2 || length(held) == 35) { look(held) }
	{ held = $0 }
	END {
		if (bad || lines < 4)
			print "lines: " lines + 0 bad
		exit bad != "" || lines < 4
	}'
}

# The mark that the guest has all over its own area.
mark() { lines "$1".out | sed '$d' | tail -n 1 | cut -c 35; }
has_mark() { [ "$(mark "$1")" = "$2" ]; }

sums() { sha256 -q "$1" "$1".kern "$1".meta; }
copy() { for e in '' .kern .meta; do cp "$1$e" "$2$e"; done; }
says() { grep -qF -e "$2" "$1".err; }

# works ARGUMENT...: a restore of golden runs; its machine is taken away.
works() {
	restore x golden "$@"
	soon has_lines x 2
	say $? "a restore with: $*: $(cat x.err)"
	end x
}

# refused TEXT CHECKPOINT ARGUMENT...: bhyve says so and ends with 4.
refused() {
	text=$1
	shift
	restore x "$@"
	soon ended x && [ "$(cat x.rc)" = 4 ] && says x "$text"
	say $? "it should say \"$text\", but: $(cat x.rc 2>/dev/null) $(cat x.err)"
	end x
}

put_away() { # NAME CHECKPOINT
	bhyvectl --vm="$vm$1" --suspend="$work/$2" && soon ended "$1" &&
	    [ "$(cat "$1".rc)" = 5 ] && gone "$1"
}

# A guest that has been round all of its memory, and stops.
golden() {
	"$loader" "$vm"first || exit 1
	start first
	soon has_lines first 50
	say $? "a guest that was loaded runs: $(cat first.err)"
	put_away first golden
	say $? "a suspended guest ends with 5: $(cat first.rc)"
	[ "$(stat -f %z golden)" = $mem ]
	say $? "a checkpoint is as long as memory: $(stat -f %z golden)"
	[ $(($(stat -f %b golden) * 512)) -lt $((mem * 7 / 8)) ]
	say $? "what is zero takes no disk: $(stat -f %b golden) blocks"
	echo "disk of a checkpoint of $mem bytes: $(($(stat -f %b golden) * 512))"
}

# As it was before the patch, but that nobody has to create the machine.
copying() {
	! exists copied && restore copied golden
	soon has_lines copied 50
	say $? "a restore creates its machine: $(cat copied.err)"
	one_story first copied
	say $? "a restore that reads memory goes on where it stopped"
	end copied
	"$loader" -e "$vm"copied && restore copied golden && soon has_lines copied 4
	say $? "a restore into a machine that is there: $(cat copied.err)"
	end copied
}

clones() {
	for i in 1 2 3 4 5 6; do
		restore c$i golden -o snapshot.cow=true
	done
	for i in 1 2 3 4 5 6; do
		soon has_lines c$i 4 && one_story first c$i
		say $? "clone $i goes on where the first stopped: $(cat c$i.err)"
	done
	# shellcheck disable=SC2009 # what they take is of interest
	ps -axo rss,command | grep "[b]hyve: $vm"
	end c3 c4 c5 c6
	soon has_lines c1 50 && one_story first c1
	say $? "a clone has all of the memory"
	[ "$(sums golden)" = "$golden" ]
	say $? "the checkpoint did not change"
	"$loader" -w X "$vm"c1 && soon has_mark c1 X
	say $? "a mark of its own reaches clone 1"
	goes_on c2 && has_mark c2 .
	say $? "and not clone 2"
}

# With clones 1 and 2 running.
busy() {
	! (: >>golden) 2>/dev/null
	say $? "nobody can write to a checkpoint in use"
	bhyvectl --vm="$vm"c1 --checkpoint="$work"/golden
	soon says c1 "golden is the memory of a running VM" && goes_on c1
	say $? "no checkpoint over one in use: $(cat c1.err)"
	[ "$(sums golden)" = "$golden" ]
	say $? "nor over what belongs to it"
}

# A checkpoint of a clone, whose clones have its mark.
again() {
	bhyvectl --vm="$vm"c1 --checkpoint="$work"/second && soon test -s second.meta && goes_on c1
	say $? "a checkpoint of a clone, which goes on: $(cat c1.err)"
	[ "$(stat -f %z second)" = $mem ]
	say $? "a clone's checkpoint is as long as memory"
	restore d1 second -o snapshot.cow=true
	soon has_lines d1 50 && one_story d1 && has_mark d1 X
	say $? "a clone of a clone has what that one wrote: $(cat d1.err)"
	put_away c2 third
	say $? "a clone that is suspended ends with 5"
	restore d2 third
	soon has_lines d2 4 && one_story first c2 d2 && has_mark d2 .
	say $? "its checkpoint is read into memory: $(cat d2.err)"
	end d1 d2 c1
}

# The file may go while it is used.
unlinked() {
	copy golden away
	restore u away -o snapshot.cow=true
	soon has_lines u 2
	say $? "a clone of a copy: $(cat u.err)"
	rm away away.kern away.meta
	soon has_lines u 50 && one_story first u
	say $? "a clone goes on without a name of its file"
	end u
}

settings() {
	works -o snapshot.cow=true
	echo snapshot.cow=true >conf
	works -k conf
	works -o snapshot.cow=true -C
	works -o snapshot.cow=false -S
	refused 'Invalid value maybe' golden -o snapshot.cow=maybe
	refused 'is to be wired (-S, memory.wired)' golden -o snapshot.cow=true -S
	works -o snapshot.cow=true -o domains.0.size=64M -o domains.0.cpus=0
	refused 'is to have 2 NUMA domains' golden -o snapshot.cow=true \
	    -o domains.0.size=32M -o domains.0.cpus=0 -o domains.1.size=32M -o domains.1.cpus=0
	refused "has $mem bytes, but the memory of ${vm}x 33554432" golden \
	    -o snapshot.cow=true -o domains.0.size=32M -o domains.0.cpus=0
}

files() {
	copy golden other
	restore x other -o snapshot.cow=true
	soon has_lines x 2
	say $? "a copy of a checkpoint serves as well: $(cat x.err)"
	end x
	sleep 3600 3>>other &
	writer=$!
	refused 'other is open for writing' other -o snapshot.cow=true
	kill $writer
	wait $writer 2>/dev/null
	restore x other -o snapshot.cow=true
	soon has_lines x 2
	say $? "with the writer gone, it works: $(cat x.err)"
	end x
	truncate -s -4096 other
	refused "other has $((mem - 4096)) bytes" other -o snapshot.cow=true
}

# A bhyve that is killed leaves its machine, and that has memory.
killed() {
	restore k golden -o snapshot.cow=true
	soon has_lines k 2
	say $? "one to be killed: $(cat k.err)"
	kill -9 "$(pgrep -f "^bhyve: ${vm}k( |\$)")"
	soon ended k && exists k
	say $? "its machine stays: $(cat k.rc)"
	restore k golden -o snapshot.cow=true
	soon ended k && says k "${vm}k has memory already: destroy it (bhyvectl --vm=${vm}k --destroy)"
	say $? "a machine with memory is not given another: $(cat k.err)"
	end k
	restore k golden -o snapshot.cow=true
	soon has_lines k 2
	say $? "as soon as it is destroyed, it works: $(cat k.err)"
	end k
	: >>golden
	say $? "the last one gone, the checkpoint can be written to"
}

# A disk that is too small for what is not zero.
full() {
	mkdir small && mount -t tmpfs -o size=20m tmpfs small || exit 1
	restore x golden -o snapshot.cow=true
	soon has_lines x 2
	say $? "one for a small disk: $(cat x.err)"
	bhyvectl --vm="$vm"x --suspend="$work"/small/it
	soon says x 'No space left on device' && goes_on x
	say $? "a checkpoint that finds no room says so, and the guest goes on: $(cat x.err)"
	put_away x room
	say $? "where there is room, it is written"
	umount small
}

# A kernel that does not have it.
without() {
	works
	works -o snapshot.cow=false
	refused 'this kernel cannot back guest memory by a file (hw.vmm.memseg_fd is 0, needed is 1)' \
	    golden -o snapshot.cow=true
	works
}

kldstat -qm vmm || { echo "bhyve.sh: vmm is not loaded" >&2; exit 1; }
mkdir -p /var/run/bhyve
golden
golden=$(sums golden)
copying
if sysctl -n hw.vmm.memseg_fd >/dev/null 2>&1; then
	clones
	busy
	again
	unlinked
	settings
	files
	killed
	full
	[ "$(sums golden)" = "$golden" ]
	say $? "after all of that the checkpoint is what it was"
else
	without
fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
