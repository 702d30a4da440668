#!/bin/sh
# The jail driver by itself: a sandbox's whole life, each step by a process that
# finds it anew; and what is left when such a process is killed at any moment.
# shellcheck source-path=SCRIPTDIR source=lib.sh
# shellcheck disable=SC2016
. "$(dirname "$0")/lib.sh"
# shellcheck source=lib_slots.sh
. "$(dirname "$0")/lib_slots.sh"
stand_slots

# --- what a host must be
quiet sysctl net.inet.ip.forwarding=0
is "the host forwards no packets: \`sysctl net.inet.ip.forwarding=1', and gateway_enable=\"YES\" in /etc/rc.conf" \
    ctl scan
quiet sysctl net.inet.ip.forwarding=1

# --- begin, and be found
got=$(ctl up 5 1 ibox base)
is up: echo "${got%% *}"
echo "= a slot and its start: ${got#up: }"
echo >"$state/stopped/9-9" # of a slot that is no more
is "5-1 id=ibox alive" ctl scan
is "" ls "$state/stopped"
is "ibox 0 1" box 'echo $(hostname) $(id -u) $(grep -c secret=5a5a /boot-record)'
is 10.78.0.11 box "ifconfig eth0 | awk '/inet / { print \$2 }'"
is 0 box 'ping -c1 -t5 10.78.0.10 >/dev/null; echo $?'
is 0 box 'ping -6 -c1 -t5 fd77::a >/dev/null; echo $?'
is 0 box 'ping -6 -c1 -t5 ::1 >/dev/null; echo $?'
is 0 box 'ping -c1 -t5 127.0.0.1 >/dev/null; echo $?'
is envd box "ps -axo command | awk '/envd/ { print \$1; exit }'"
is "" sh -c "ifconfig cop5 | grep -o 'TXCSUM,'"
is 2 sh -c "jls name | grep -cE '^coppice-[0-9a-f]{8}-5-1(.ibox)?\$'"

# --- sockets, connections
got=$(ctl sockets 5 8)
is 8 echo "${got%% *}"
echo "= $got"
"$bin/tests/slotattack" listen 10.78.0.10 5555 >/dev/null 2>&1 &
listener=$!
is "" box '(/slotattack connect 10.78.0.10 5555 >/c 2>&1) </dev/null >/dev/null 2>&1 &'
becomes connected box 'cat /c'
is "5555 10.78.0.10" sh -c "'$bin/tests/slotctl' '$conf' '$bin/tests/slotprobe' connected 5 2>/dev/null |
	sed -E 's/.*->([0-9]+) state 1 to /\1 /'"
is "cut 1 of 1 again 0" sh -c "'$bin/tests/slotctl' '$conf' '$bin/tests/slotprobe' cut 5 2>/dev/null |
	grep -v state | xargs"
becomes "connected read: -1 Software caused connection abort" box 'cat /c | xargs'
quiet kill "$listener"
wait "$listener" 2>/dev/null
listener=

# --- what goes over its link
if [ -x "$bin/coppice-capture" ] && pw usershow _coppice_cap >/dev/null 2>&1; then
	mkdir "$scratch/beside"
	cp "$bin/coppice-capture" "$bin/tests/slotprobe" "$scratch/beside/"
	"$bin/tests/slotctl" "$conf" "$scratch/beside/slotprobe" \
	    capture 5 icmp 2 >"$scratch/capture" 2>/dev/null &
	pid=$!
	becomes 1 sh -c 'ps -axo command | grep -c "^coppice-captur[e]"'
	is 0 box 'ping -c3 -t5 10.78.0.10 >/dev/null; echo $?'
	wait $pid # at most thirty seconds
	is 0 echo $?
	is "1 1" sh -c "od -An -v -tx1 '$scratch/capture' | tr -d ' \\n' |
	    awk '{ print gsub(/02c07100000502c0700000050800/, \"\"), gsub(/02c07000000502c0710000050800/, \"\") }'"
fi

# --- frozen, with one who was stopped before
cat >"$boxes/ibox/root/run.sh" <<'END'
sleep 1001 & echo $! >/stopped; sleep 0.3; kill -STOP $(cat /stopped)
sh -c 'n=0; while :; do n=$((n + 1)); echo $n >/count; done' &
sh -c 'while :; do sleep 0.01; done' &
END
is "" box 'sh /run.sh </dev/null >/dev/null 2>&1'
becomes T box 'ps -o stat= -p $(cat /stopped) | cut -c1'
got=$(ctl freeze 5)
is frozen echo "${got%% *}"
echo "= $got"
a=$(cat "$boxes/ibox/root/count")
sleep 1
is "$a" cat "$boxes/ibox/root/count"
is "5-1 id=ibox alive frozen" ctl scan
got=$(ctl thaw 5)
is thawed echo "${got%% *}"
echo "= $got"
is "5-1 id=ibox alive" ctl scan
is T box 'ps -o stat= -p $(cat /stopped) | cut -c1'
b=$(cat "$boxes/ibox/root/count")
for _ in $(seq 50); do
	[ "$(cat "$boxes/ibox/root/count")" != "$b" ] && break
	sleep 0.1
done
true_that "what ran goes on" [ "$(cat "$boxes/ibox/root/count")" != "$b" ]
got=$(ctl stats 5)
true_that "processor time is counted: $got" \
    [ "$(echo "$got" | sed 's/cpu_us=\([0-9]*\).*/\1/')" -gt 1000 ]

# --- killed, files kept, begun again on them
is "" box 'echo mine >/kept; chflags schg /kept'
got=$(ctl kill 5 keep)
is dead echo "${got%% *}"
echo "= $got"
is "files $boxes/ibox" left
is "0-0 id=ibox kept" ctl scan
got=$(ctl up 5 2 ibox base keep)
is up: echo "${got%% *}"
is mine box 'cat /kept'
is dead sh -c "'$bin/tests/slotctl' '$conf' '$bin/tests/slotprobe' kill 5 2>/dev/null | cut -d' ' -f1"
is "" left

# --- a slot that nobody came to; a second tenant right after the first
is made sh -c "'$bin/tests/slotctl' '$conf' '$bin/tests/slotprobe' make 5 3 2>/dev/null | cut -d' ' -f1"
is "5-3 id= pooled" ctl scan
is up: sh -c "'$bin/tests/slotctl' '$conf' '$bin/tests/slotprobe' up 5 4 inext base 2>/dev/null | cut -d' ' -f1"
is "5-4 id=inext alive" ctl scan

# --- limits
if [ "$(sysctl -n kern.racct.enable 2>/dev/null)" = 1 ]; then
	box 'for i in $(seq 100); do sleep 5 & done' >/dev/null 2>&1
	got=$(ctl stats 5 | sed 's/.*pids=//')
	true_that "64 processes at most: $got" [ "$got" -le 64 ]
	becomes pids=1 sh -c "'$bin/tests/slotctl' '$conf' '$bin/tests/slotprobe' stats 5 2>/dev/null | grep -o 'pids=.*'"
	is ended sh -c "'$bin/tests/slotctl' '$conf' '$bin/tests/slotprobe' run 5 '(dd if=/dev/zero of=/dev/null bs=600m count=1000) >/dev/null 2>&1 && echo had || echo ended' 2>/dev/null | tail -n 1"
	is had box '(dd if=/dev/zero of=/dev/null bs=60m count=1) >/dev/null 2>&1 && echo had || echo ended'
fi
is dead sh -c "'$bin/tests/slotctl' '$conf' '$bin/tests/slotprobe' kill 5 2>/dev/null | cut -d' ' -f1"
is "" left

# --- killed at any moment: the next one finds it all
got=$(ctl up 5 5 itime base)
whole=$(echo "$got" | awk '{ print $4 + $8 }')
true_that "it takes its time: $got" [ "${whole:-0}" -gt 0 ]
is dead sh -c "'$bin/tests/slotctl' '$conf' '$bin/tests/slotprobe' kill 5 2>/dev/null | cut -d' ' -f1"
n=0
for k in $(seq 24); do
	"$bin/tests/slotctl" "$conf" "$bin/tests/slotprobe" up 5 $((100 + k)) \
	    ikill base >"$scratch/up" 2>/dev/null &
	pid=$!
	sleep "$(echo "$k $whole" | awk '{ printf "%.3f", $1 * $2 / 20000 }')"
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	if ctl scan | grep -q alive; then
		is dead sh -c "'$bin/tests/slotctl' '$conf' '$bin/tests/slotprobe' kill 5 2>/dev/null | cut -d' ' -f1"
	else
		n=$((n + 1))
	fi
	ctl clean
	becomes "" left
done
echo "= killed 24 times on the way to a sandbox of $whole ms: $n times before it lived"
true_that "some were killed on the way" [ $n -gt 3 ]
done_testing
