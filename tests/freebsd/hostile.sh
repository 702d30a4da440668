#!/bin/sh
# What root in a sandbox tries against the host, and against its own walls.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib_slots.sh
. "$(dirname "$0")/lib_slots.sh"
stand_slots
is up: sh -c "'$bin/tests/slotctl' '$conf' '$bin/tests/slotprobe' up 5 1 ihost base 2>/dev/null | cut -d' ' -f1"
is up: sh -c "'$bin/tests/slotctl' '$conf' '$bin/tests/slotprobe' up 6 1 iother base 2>/dev/null | cut -d' ' -f1"

# The attempts themselves work where they may: else "refused" would mean nothing.
is "route.add DONE" "$bin/tests/slotattack" route.add
quiet route delete 1.2.3.0/24
is "jail.look DONE" "$bin/tests/slotattack" jail.look
is "dev.mem DONE" "$bin/tests/slotattack" dev.mem
is "host.priority DONE" "$bin/tests/slotattack" host.priority
is "mount.tmpfs DONE" "$bin/tests/slotattack" mount.tmpfs
quiet umount /mnt
is "dev.bpf DONE" "$bin/tests/slotattack" dev.bpf

# Each alone: one that hangs is one failure.
cp "$bin/tests/slotattack" "$scratch/attacks"
names=$("$bin/tests/slotattack" names)
true_that "there are attempts" [ "$(echo "$names" | wc -l)" -gt 40 ]
for a in $names; do
	got=$(timeout 30 "$bin/tests/slotctl" "$conf" "$bin/tests/slotprobe" \
	    run 5 "/slotattack $a" 2>/dev/null)
	case $got in
	"$a refused: "*) pass ;;
	*) fail "$a: $got" ;;
	esac
done

# It stands as it stood.
is "5-1 id=ihost alive" sh -c "'$bin/tests/slotctl' '$conf' '$bin/tests/slotprobe' scan 2>/dev/null | grep ihost"
is "02:c0:70:00:00:05 1500" box "ifconfig eth0 | awk '/ether/ { m = \$2 } /mtu/ { t = \$NF } END { print m, t }'"
is 0 box 'ping -c1 -t5 10.78.0.10 >/dev/null; echo $?'

# Nobody else is seen.
is "" box 'ps -axo jid= | sort -u | tail -n +2'
is 1 box 'ls -d / | wc -l | tr -d " "'
is "" box 'netstat -an | grep 10.78.0.13'
is 1 box 'mount | wc -l | tr -d " "'
is 0 box 'jls | tail -n +2 | wc -l | tr -d " "'

# Who breeds without end is killed whole, and his neighbour is not disturbed.
cat >"$boxes/ihost/root/bomb.sh" <<'END'
bomb() { bomb & bomb & }
bomb
END
is "" box 'sh /bomb.sh </dev/null >/dev/null 2>&1 &'
sleep 2
is ready ctl run 6 'echo ready'
got=$(ctl kill 5)
is dead echo "${got%% *}"
echo "= a fork bomb: $got"
is alive sh -c "'$bin/tests/slotctl' '$conf' '$bin/tests/slotprobe' scan 2>/dev/null | awk '{ print \$3 }'"
is dead sh -c "'$bin/tests/slotctl' '$conf' '$bin/tests/slotprobe' kill 6 2>/dev/null | cut -d' ' -f1"
is "" left
done_testing
