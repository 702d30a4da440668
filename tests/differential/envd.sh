#!/bin/sh
# tests/differential/envd.sh REF [OPTION...] - our envd and another one (REF, a
# program) beside each other, asked the same; envd.py says what differs.
#
# Both are pid 1 of a pid namespace of their own, on a throw-away overlay over
# the base template (else over this machine's files), with a /dev and devpts of
# their own, in a network namespace that has nothing but a loopback, and may
# neither mount, nor set the clock, nor load modules.
set -eu
here=$(dirname "$(realpath "$0")")
top=$(realpath "$here/../..")
[ "${PAIR_STAGE-}" ] || PAIR_STAGE=outer
caps=-sys_admin,-sys_time,-sys_boot,-sys_module,-sys_rawio,-sys_ptrace,-mknod,-syslog

# One root of its own for each.
make_root() { # NAME BINARY
	mkdir "$PAIR_DIR/$1" "$PAIR_DIR/$1/up" "$PAIR_DIR/$1/work" "$PAIR_DIR/$1/root"
	root=$PAIR_DIR/$1/root
	mount -t overlay -o "lowerdir=$PAIR_BASE,upperdir=$PAIR_DIR/$1/up,workdir=$PAIR_DIR/$1/work" \
	    overlay "$root"
	rm -rf "$root/home/user"
	for f in passwd group; do
		awk -F: '$1 != "user" && $3 != 1000' "$PAIR_BASE/etc/$f" > "$root/etc/$f"
	done
	echo 'user:x:1000:1000::/home/user:/bin/bash' >> "$root/etc/passwd"
	echo 'user:x:1000:' >> "$root/etc/group"
	mkdir -p "$root/home/user" "$root/dev" "$root/proc" "$root/run"
	chown 1000:1000 "$root/home/user"
	# The other one starts a forwarder for whatever listens on the loopback.
	rm -f "$root/usr/bin/socat"
	mount -t tmpfs -o mode=755 tmpfs "$root/dev"
	for n in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
		mknod -m 666 "$root/dev/${n%%:*}" c "$(echo "$n" | cut -d: -f2)" "${n##*:}"
	done
	mkdir "$root/dev/pts" "$root/dev/shm"
	mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$root/dev/pts"
	ln -s pts/ptmx "$root/dev/ptmx"
	ln -s /proc/self/fd "$root/dev/fd"
	cp "$2" "$root/envd"
}

# Starts what the inner stage says; $! is unshare, whose one child is pid 1.
begin() { # ROOT ARGUMENT...
	PAIR_STAGE=inner PAIR_ROOT=$1 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	export PAIR_STAGE PAIR_ROOT PATH
	shift
	unshare -pmf --kill-child sh "$here/envd.sh" "$@" > "$PAIR_DIR/log" 2>&1 &
}

finish() { # PID
	kill -KILL "$(pgrep -P "$1")" 2>/dev/null || :
	wait "$1" 2>/dev/null || :
}

case $PAIR_STAGE in
outer)
	PAIR_REF=${1-} PAIR_OURS=$top/build/${VARIANT:-debug}/bin/envd
	[ $# = 0 ] || shift
	if [ "$(id -u)" != 0 ]; then
		echo "needs root"
		exit 77
	elif [ ! -x "$PAIR_REF" ]; then
		echo "no other envd to compare with: make envd-diff REF=/path/to/envd"
		exit 77
	fi
	PAIR_REF=$(realpath "$PAIR_REF")
	PAIR_DIR=$(mktemp -d /tmp/envd-pair.XXXXXX)
	export PAIR_REF PAIR_OURS PAIR_DIR PAIR_STAGE=mid
	trap 'rm -rf "$PAIR_DIR"' EXIT
	rc=0
	unshare -mn --propagation private sh "$here/envd.sh" "$@" || rc=$?
	exit $rc
	;;
mid)
	ip link set lo up
	mount -t tmpfs tmpfs "$PAIR_DIR"
	PAIR_BASE=/var/lib/coppice/templates/coppicebase000000000/rootfs
	[ -d "$PAIR_BASE/usr" ] || PAIR_BASE=/
	make_root ours "$PAIR_OURS"
	make_root theirs "$PAIR_REF"
	secret=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
	printf 'id=itest0123456789abcdef\ntemplate=base\nsecret=%s\ncpu=%d\n' "$secret" "$(nproc)" \
	    > "$PAIR_DIR/ours/root/run/envd.boot"
	begin "$PAIR_DIR/ours/root" -port 49983 -boot /run/envd.boot
	ours=$!
	begin "$PAIR_DIR/theirs/root" -port 49984 -isnotfc -no-cgroups
	theirs=$!
	rc=0
	python3 "$here/envd.py" 49983 "$PAIR_DIR/ours/root" "$secret" \
	    49984 "$PAIR_DIR/theirs/root" "$@" || rc=$?
	finish "$ours"
	finish "$theirs"
	exit $rc
	;;
inner)
	mount -t proc proc "$PAIR_ROOT/proc"
	exec setpriv --bounding-set="$caps" --inh-caps="$caps" \
	    env -i --default-signal PATH="$PATH" chroot "$PAIR_ROOT" /envd "$@"
	;;
esac
