#!/bin/bash
# Ten thousand entries, the edges of ranges, and hands that meddle meanwhile.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
internet
privd_start
must slots 1 2
link 1
must apply 1 + birth
tcp() { in_sb 1 "$peer" tcp "$1" 80; }
is open tcp 1.1.1.1

# Every second address of a range: the most elements that a list can make.
words() { # OFFSET COUNT
	seq "$1" 2 $((2 * $2 - 2 + $1)) | awk '{
		printf "+44.%d.%d.%d/32 ", $1 / 65536, $1 / 256 % 256, $1 % 256 }'
}
few=$(words 0 9999) more=$(words 1 9999)
ok4() { privd state 1 | grep -o 'ok4=[0-9]*'; }
for _ in 1 2; do
	must apply 1 + "$few" +1.1.1.1/32 deny-all
	is ok4=10000 ok4
	is open tcp 1.1.1.1
	is refused tcp 8.8.8.8
	must apply 1 + "$more" +8.8.8.8/32 deny-all
	is ok4=10000 ok4
	is refused tcp 1.1.1.1
	is open tcp 8.8.8.8
done
is 0 sh -c "grep -c 'lost\|error' $privd_log"

# privd does not listen while it sends so much; it finds out all the same.
for i in 1 2 3; do
	(sleep 0.00$i; nft flush ruleset) &
	must apply 1 + "$few" +1.1.1.1/32 deny-all
	wait $!
	becomes open tcp 1.1.1.1
	is refused tcp 8.8.8.8
	must apply 1 + "$more" +8.8.8.8/32 deny-all
	becomes open tcp 8.8.8.8
	is refused tcp 1.1.1.1
done

# The edges of a range, and of the whole.
edges() { # ADDRESS...: open, the others refused
	local a
	for a in 1.0.0.1 1.1.1.1 8.8.8.8 9.9.9.9; do
		case " $* " in
		*" $a "*) is open tcp "$a" ;;
		*) is refused tcp "$a" ;;
		esac
	done
}
must apply 1 + +1.1.1.1/32 deny-all
edges 1.1.1.1
must apply 1 + +1.1.1.0/31 +8.8.8.9/32 deny-all
edges 1.1.1.1
must apply 1 + +1.1.1.2/31 +1.1.1.0/32 +9.9.9.9/32 deny-all
edges 9.9.9.9
must apply 1 + -0.0.0.0/1
edges
must apply 1 + -1.0.0.2/31 -1.1.1.2/31 -8.8.8.0/29 -9.9.9.10/31
edges 1.0.0.1 1.1.1.1 8.8.8.8 9.9.9.9
must apply 1 + -1.0.0.0/30 -9.0.0.0/8
edges 1.1.1.1 8.8.8.8
done_testing
