#!/bin/sh
# The files of jails: clones in a ZFS pool of our own, and copies.  What is
# made is what an overlay of the layers would show; a limit holds; what is kept
# comes back after a "reboot"; what a kill -9 leaves is found and removed; no
# name in a tenant's tree leads a mount elsewhere.  Needs no network.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

ctl=$bin/tests/diskctl
work=/var/tmp/coptest-disk.$$
state=$work/state
pool=coptestdisk
clones=${COP_CLONES:-50}
base=coptestbase000000000 top=coptesttop0000000000

[ "$(id -u)" = 0 ] || skip "needs root"
[ -x "$ctl" ] || skip "$ctl is not built"

tidy() {
	trap - EXIT HUP INT TERM
	[ ! -e "$work/conf" ] || quiet disk remove-all
	for m in $(mount -p | awk -v w="$work" 'index($2, w) == 1 { print $2 }' |
		sort -r); do
		quiet umount -f "$m"
	done
	quiet zpool destroy -f "$pool"
	chflags -R 0 "$work" "$scratch" 2>/dev/null
	rm -rf "$work" "$scratch"
}
trap tidy EXIT
trap 'exit 130' HUP INT TERM

disk() { "$ctl" "$work/conf" "$@" 2>>"$scratch/log"; }
inode() { stat -f %i "$1"; }
root() { disk root "$1"; }
mounts_of() { mount -p | awk -v p="$(root "$1")" 'index($2, p) == 1' | wc -l | tr -d ' '; }
here() { [ -e "$1" ] && echo yes || echo no; }

# --- templates -------------------------------------------------------------------

# Two layers: the upper hides a file and the content of a directory of the
# lower one, changes a file, and adds one.
templates() {
	b=$state/templates/$base/rootfs t=$state/templates/$top/rootfs
	mkdir -p "$b/bin" "$b/etc" "$b/dir/sub" "$b/opaque" "$b/var/empty" \
	    "$b/home/user" "$t/etc" "$t/dir" "$t/opaque"
	mkdir -m 1777 "$b/tmp"
	chmod 0700 "$b" "$t" # as mktemplate leaves them
	echo base >"$b/etc/name"
	echo stays >"$b/etc/stays"
	echo gone >"$b/dir/gone"
	echo deep >"$b/dir/sub/deep"
	echo hidden >"$b/opaque/hidden"
	cp /bin/sh "$b/bin/sh"
	ln "$b/bin/sh" "$b/bin/again"
	ln -s ../etc/name "$b/bin/link"
	cp /bin/cat "$b/bin/setuid"
	chmod 4711 "$b/bin/setuid"
	chown 1000:1000 "$b/home/user"
	chmod 0750 "$b/home/user"
	truncate -s 64m "$b/holes"
	chflags schg "$b/bin/sh" "$b/var/empty"
	touch -t 200102030405 "$b/etc/stays"
	echo top >"$t/etc/name"
	echo new >"$t/etc/new"
	whiteout=no
	! mknod "$t/dir/gone" c 0 0 2>/dev/null || whiteout=yes
	echo shown >"$t/opaque/shown"
	opaque=no
	! quiet setextattr user overlay.opaque y "$t/opaque" || opaque=yes
	echo "$base" >"$state/templates/$top/layers"
}

looks_like_an_overlay() { # ROOT
	is 40755 stat -f %p "$1"
	is 40700 stat -f %p "$state/sandboxes"
	is top cat "$1/etc/name"
	is new cat "$1/etc/new"
	is stays cat "$1/etc/stays"
	is deep cat "$1/dir/sub/deep"
	is shown cat "$1/opaque/shown"
	[ "$whiteout" = no ] || is no here "$1/dir/gone"
	[ "$opaque" = no ] || is no here "$1/opaque/hidden"
	is "$(inode "$1/bin/sh")" inode "$1/bin/again"
	is ../etc/name readlink "$1/bin/link"
	is "104711 0 0" stat -f "%p %u %g" "$1/bin/setuid"
	is "40750 1000 1000" stat -f "%p %u %g" "$1/home/user"
	is "41777" stat -f %p "$1/tmp"
	is schg stat -f %Sf "$1/bin/sh"
	is schg stat -f %Sf "$1/var/empty"
	is 67108864 stat -f %z "$1/holes"
	true_that "holes stay holes" [ "$(stat -f %b "$1/holes")" -lt 2048 ]
	is "$(stat -f %m "$state/templates/$base/rootfs/etc/stays")" \
	    stat -f %m "$1/etc/stays"
}

# --- one sandbox -----------------------------------------------------------------

life() {
	is "" disk make one "$top" 64
	r=$(root one)
	looks_like_an_overlay "$r"
	is "error: files of one exist already" disk make one "$top" 64
	is "one $top keep=0 limit=67108864" disk each
	is freebsd disk abi one
	is "" disk identity one
	is "nameserver 10.78.0.1" cat "$r/etc/resolv.conf"
	true_that "its name is in hosts" grep -q "localhost one" "$r/etc/hosts"
	echo mine >"$r/home/user/file"

	# Another one sees the template, not its neighbour.
	is "" disk make two "$top" 64
	is no here "$(root two)/home/user/file"
	is "" disk remove two
	is no here "$state/sandboxes/two"

	# Kept, unmounted as by a reboot, mounted again.
	is "" disk keep one 1
	is "one $top keep=1 limit=67108864" disk each
	is "" disk sync one
	is "" disk unmount one
	is 0 mounts_of one
	is "" disk mount one
	is "" disk mount one
	is mine cat "$r/home/user/file"
	is "" disk keep one 0

	is "error: files of nobody: there are none" disk mount nobody
	is "" disk remove nobody
	is "error: sandbox \"../x\" is not of [a-z0-9]" disk remove ../x
	has "template absent has no root" disk make three absent 64
	is no here "$state/sandboxes/three"
}

has() { # TEXT COMMAND...: it is in what it prints.
	has_want=$1
	shift
	has_got=$("$@" 2>&1)
	case $has_got in
	*"$has_want"*) pass ;;
	*) fail "$*: \"$has_want\" is not in \"$has_got\"" ;;
	esac
}

# --- mounts below it ---------------------------------------------------------------

devices() {
	r=$(root one)
	is "" disk up one
	is yes here "$r/dev/null"
	is yes here "$r/dev/fd"
	is yes here "$r/dev/ctty"
	is no here "$r/dev/zfs"
	is no here "$r/dev/mem"
	is no here "$r/dev/bpf"
	is "" disk up one # again: what was there is not covered
	is 2 sh -c "mount -p | awk -v p='$r/' 'index(\$2, p) == 1' | wc -l | tr -d ' '"
	exec 9<"$r/dev/null" # busy: taken away by force
	is "" disk down one
	exec 9<&-
	is no here "$r/dev/null"
	has "it has no rules" disk up one 4321

	# A tenant's root that waits to be mounted on: nothing follows its links.
	rm -rf "${r:?}/dev"
	mkdir -p "$work/host"
	ln -s "$work/host" "$r/dev"
	has "error: root of one: dev" disk up one
	is 0 sh -c "mount -p | awk -v p='$work/host' 'index(\$2, p) == 1' | wc -l | tr -d ' '"
	rm "$r/dev"
	is "" disk up one
	is yes here "$r/dev/null"

	rm -rf "${r:?}/etc"
	ln -s "$work/host" "$r/etc"
	has "error: etc" disk identity one
	is "" ls "$work/host"
	rm "$r/etc"
	mkdir "$r/etc"
	ln -s "$work/host/written" "$r/etc/hosts"
	is "" disk identity one
	is no here "$work/host/written"
	is "" disk remove one # with all that is mounted below
	is no here "$state/sandboxes/one"
	is "" disk each
}

# --- killed in the middle ------------------------------------------------------------

# kill -9 at many moments of the first make of a template and its sandbox.
killed() {
	for ms in 5 20 50 100 200 400 800; do
		touch "$state/templates/$base/rootfs/etc/stays"
		renew "$top"
		disk make "k$ms" "$top" 64 >/dev/null 2>&1 &
		pid=$!
		sleep "$(printf '0.%03d' $ms)"
		kill -9 $pid 2>/dev/null
		wait $pid 2>/dev/null
		disk remove-all >/dev/null
		is "" disk each
		is "" disk make after "$top" 64
		is top cat "$(root after)/etc/name"
		is "" disk remove after
	done
	disk forget
}

# The template under the same id, made anew.
renew() {
	cp -Rp "$state/templates/$1/rootfs" "$state/templates/$1/fresh"
	chflags -R 0 "$state/templates/$1/rootfs"
	rm -rf "$state/templates/$1/rootfs"
	mv "$state/templates/$1/fresh" "$state/templates/$1/rootfs"
}

# Deeper than any path may be, and what may not change.
hostile_tree() {
	is "" disk make deep "$base" 64
	(
		cd "$(root deep)/tmp" || exit
		for _ in $(seq 300); do
			mkdir d && cd d || exit
		done
		echo x >f
		chflags schg f
		mkfifo pipe
	)
	is "" disk remove deep
	is no here "$state/sandboxes/deep"
}

many() {
	is "" disk template "$base"
	echo "= $1: $(disk make-many m 1 "$clones" "$base")"
	disk each >"$scratch/each"
	is "$clones" awk 'END { print NR }' "$scratch/each"
	begun=$(date +%s)
	is "$clones removed" disk remove-all
	echo "= $1: $clones removed in $(($(date +%s) - begun)) s"
	is "" disk each
}

common() { # NAME
	life
	devices
	killed
	hostile_tree
	many "$1"
}

# --- what only clones can --------------------------------------------------------------

names_below() { zfs list -H -o name -r "$1" | sed 1d | wc -l | tr -d ' '; }

limits() {
	is "" disk make full "$base" 32
	r=$(root full)
	dd if=/dev/random of="$r/tmp/big" bs=1m count=128 >"$scratch/dd" 2>&1
	true_that "a limit holds: $(tail -n 1 "$scratch/dd")" \
	    grep -Eq 'quota exceeded|No space left' "$scratch/dd"
	size=$(($(stat -f %z "$r/tmp/big") >> 20))
	true_that "$size MB went into 32" [ "$size" -ge 24 ] && [ "$size" -le 48 ]
	is "" disk sync full
	# shellcheck disable=SC2046
	set -- $(disk usage full)
	true_that "usage $1 of $2" [ "$1" -ge 25165824 ] && [ "$2" = 33554432 ]
	rm "$r/tmp/big"
	is "" disk sync full
	# shellcheck disable=SC2046
	set -- $(disk usage full)
	true_that "room comes back: $1" [ "$1" -lt 4194304 ]

	# Its neighbours have room of their own.
	is "" disk make other "$base" 32
	true_that "another one can write" dd if=/dev/random \
	    of="$(root other)/tmp/x" bs=1m count=8 2>/dev/null
	is "2 removed" disk remove-all
}

# Snapshots of old templates go once nobody stands on them.
forgets() {
	is "" disk make old "$top" 64
	renew "$top"
	is "" disk make new "$top" 64
	before=$(names_below "$pool/state/templates")
	disk forget
	is "$before" names_below "$pool/state/templates"
	is "" disk remove old
	disk forget
	is "$((before - 1))" names_below "$pool/state/templates"
	is top cat "$(root new)/etc/name"
	is "" disk remove new

	# A data set whose directory is gone is found, too.
	is "" disk make lost "$top" 64
	is "" disk unmount lost
	rm -rf "$state/sandboxes/lost"
	is "lost - keep=0 limit=0" disk each
	is "" disk remove lost
	is "" disk each
}

on_zfs() {
	quiet kldload -n zfs && command -v zpool >/dev/null || {
		echo "= no ZFS here: copies alone are tested"
		return
	}
	truncate -s 4g "$work/pool"
	must_run zpool create -f -m none "$pool" "${DISK:-$work/pool}"
	must_run zfs create -o mountpoint="$state" "$pool/state"
	templates
	printf 'state_dir = %s\ndisk_backend = zfs\n' "$state" >"$work/conf"
	must_run disk text >/dev/null
	is "zfs: clones below $pool/state" disk text
	common zfs
	limits
	forgets
	# The data set that is named, wherever state_dir is.
	must_run zfs create -o mountpoint=none "$pool/else"
	echo "zfs_dataset = $pool/else" >>"$work/conf"
	is "zfs: clones below $pool/else" disk text
	is "" disk make one "$base" 64
	is 1 names_below "$pool/else/sandboxes"
	is "" disk remove one
	printf 'state_dir = %s\nzfs_dataset = %s/none\n' "$state" "$pool" \
	    >"$work/conf"
	has "zfs_dataset = $pool/none: there is none" disk text
	must_run zpool destroy -f "$pool"
	rm -f "$work/pool"
}

mkdir -p "$state"
templates
printf 'state_dir = %s\ndisk_backend = copy\n' "$state" >"$work/conf"
is "copy: as configured; no disk limit is held" disk text
common copy
is "" disk make u $base 64
is "0 0" disk usage u
is "" disk remove u
printf 'state_dir = %s\ndisk_backend = btrfs\n' "$state" >"$work/conf"
has "on FreeBSD it is auto, zfs or copy" disk text
printf 'state_dir = %s\ndisk_backend = zfs\n' "$state" >"$work/conf"
has "state_dir is on ufs" disk text
chflags -R 0 "$work"
rm -rf "$work"
mkdir -p "$state"
on_zfs
done_testing
