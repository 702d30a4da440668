#!/bin/sh
# tests/lib/envd_inside.sh ENVD COMMAND... - runs COMMAND beside an envd of its own.
#
# Both get a network namespace with nothing but a loopback; envd is pid 1 of a
# pid namespace, on a throw-away overlay over this machine's files, with the
# user that templates have.  COMMAND finds it at 127.0.0.1:49983; $ENVD_ROOT is
# what it calls /, $ENVD_SECRET opens /init.
set -eu
[ "${ENVD_STAGE-}" ] || ENVD_STAGE=outer
case $ENVD_STAGE in
outer)
	ENVD_BIN=$(realpath "$1")
	shift
	ENVD_DIR=$(mktemp -d /tmp/envd-test.XXXXXX)
	export ENVD_BIN ENVD_DIR ENVD_STAGE=mid
	trap 'rm -rf "$ENVD_DIR"' EXIT
	rc=0
	unshare -mn --propagation private sh "$0" "$@" || rc=$?
	exit $rc
	;;
mid)
	ip link set lo up
	mount -t tmpfs tmpfs "$ENVD_DIR"
	mkdir "$ENVD_DIR/up" "$ENVD_DIR/work" "$ENVD_DIR/root"
	mount -t overlay -o "lowerdir=/,upperdir=$ENVD_DIR/up,workdir=$ENVD_DIR/work" \
	    overlay "$ENVD_DIR/root"
	ENVD_ROOT=$ENVD_DIR/root
	ENVD_SECRET=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
	rm -rf "$ENVD_ROOT/home/user"
	awk -F: '$1 != "user" && $3 != 1000' /etc/passwd > "$ENVD_ROOT/etc/passwd"
	echo 'user:x:1000:1000::/home/user:/bin/bash' >> "$ENVD_ROOT/etc/passwd"
	awk -F: '$1 != "user" && $3 != 1000' /etc/group > "$ENVD_ROOT/etc/group"
	echo 'user:x:1000:' >> "$ENVD_ROOT/etc/group"
	mkdir -p "$ENVD_ROOT/home/user" "$ENVD_ROOT/dev"
	chown 1000:1000 "$ENVD_ROOT/home/user"
	mount --rbind /dev "$ENVD_ROOT/dev"
	mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts \
	    "$ENVD_ROOT/dev/pts"
	mount --bind "$ENVD_ROOT/dev/pts/ptmx" "$ENVD_ROOT/dev/ptmx"
	cp "$ENVD_BIN" "$ENVD_ROOT/envd"
	printf 'id=itest0123456789abcdef\ntemplate=base\nsecret=%s\ncpu=2\nmemory_mb=512\ndisk_mb=1024\n' \
	    "$ENVD_SECRET" > "$ENVD_ROOT/envd.boot"
	export ENVD_ROOT ENVD_SECRET ENVD_STAGE=inner
	unshare -pf --kill-child sh "$0" &
	ns=$!
	i=0
	until curl -sf -o /dev/null http://127.0.0.1:49983/health; do
		i=$((i + 1))
		[ $i -lt 100 ] || { echo "# envd does not answer"; exit 1; }
		sleep 0.05
	done
	rc=0
	"$@" || rc=$?
	# envd, not its parent: somebody has to reap it.
	kill -KILL "$(pgrep -P "$ns")" 2>/dev/null || :
	wait "$ns" 2>/dev/null || :
	exit $rc
	;;
inner)
	mount -t proc proc "$ENVD_ROOT/proc"
	exec chroot "$ENVD_ROOT" /envd -boot /envd.boot -verbose
	;;
esac
