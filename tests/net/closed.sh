#!/bin/bash
# A slot that is nobody's: closed whatever its sets hold, the resolver too; and
# what RULES_PREPARE puts there is what a policy without entries opens.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
internet
privd_start
must slots 1 8
link 1
link 2
# Somebody who listens where the resolver would.
python3 -c 'import socket
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", 5300)); s.listen(64); print("ready", flush=True)
while True: s.accept()[0].close()' >"$scratch/listener" &
becomes ready cat "$scratch/listener"
tcp() { in_sb "$1" "$peer" tcp "$2" "${3:-80}"; }
sets() { privd state "$1" | sed 's/.*gen=\([0-9]*\) ok4=\([0-9]*\).*/\1 \2/'; }

# Made, and then prepared: the sets are full, and nothing passes.
is "0 0" sets 1
must prepare 1
true_that "its sets hold something" test "$(sets 1)" != "0 0"
full=$(sets 1)
is silent tcp 1 1.1.1.1
is silent tcp 1 10.78.0.1 53
# Once more is the same.
must prepare 1
is "$full" sets 1
# In force it is what an empty policy is anywhere.
must apply 1 + birth
must apply 2 + birth
is open tcp 1 1.1.1.1
is open tcp 1 10.78.0.1 53
is refused tcp 1 10.99.0.1
reach() { nft list set inet coppice "sb$1_ok4" | sed "s/sb$1//"; }
is "$(reach 2)" reach 1
is "${full#0 }" eval 'sets 1 | cut -d" " -f2'

# Closed again: what flowed is nobody's, and the resolver is silent.
in_sb 1 "$peer" stream 1.1.1.1 9000 2 >"$scratch/stream" &
held=$!
sleep 0.3
must clear 1
is silent tcp 1 1.1.1.1
is silent tcp 1 10.78.0.1 53
must prepare 1
is silent tcp 1 1.1.1.1
kill "$held"
wait "$held" 2>/dev/null

# A policy with entries takes out what it does not open.
must apply 1 + birth +8.8.8.8/32 deny-all
is open tcp 1 8.8.8.8
is refused tcp 1 1.1.1.1
is refused tcp 1 9.9.9.9
must clear 1
must prepare 1
must apply 1 + birth -9.9.9.9/32
is open tcp 1 8.8.8.8
is refused tcp 1 9.9.9.9

# Of a live slot it closes what was open, as a clear does.
must prepare 1
is silent tcp 1 8.8.8.8
# And a table that is made anew has it as it was.
must prepare 3
was=$(sets 3)
nft delete table inet coppice
becomes "$was" sets 3
is silent tcp 1 8.8.8.8
must apply 1 + birth
becomes open tcp 1 8.8.8.8

# A successor adopts the closed one, and looks before it fills.
must kill
is ok eval 'privd hello | cut -d" " -f1'
is "$was" sets 3
must prepare 3
is "$was" sets 3
done_testing
