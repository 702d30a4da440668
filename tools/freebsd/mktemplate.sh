# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154  # sourced by mktemplate
# freebsd/mktemplate.sh - what FreeBSD's part of mktemplate does its own way,
# with what the base system has.

find_sources()
{
	:
}

# --- what the system calls otherwise ------------------------------------------

begin()
{
	for f in tar lockf sha256; do
		command -v $f > /dev/null ||
			die "$f is missing: it belongs to the base system"
	done
	codename=FreeBSD-$(freebsd-version -u 2> /dev/null || uname -r)
}

# What is started anew holds the lock for as long as it runs.
one_at_a_time() # FILE ARGUMENT...
{
	[ "${MKTEMPLATE_LOCK:-}" != "$id" ] || return 0
	lock=$1
	shift
	[ -z "$from" ] || set -- --from "$from" "$@"
	trap - EXIT
	MKTEMPLATE_LOCK=$id exec lockf -k "$lock" "$here/mktemplate" "$@"
}

sha256()
{
	command sha256 -q
}

unmount_all() # DIR
{
	:
}

sync_files() # DIR
{
	sync
}

# Never into a directory that is there.
move() # FROM TO
{
	[ ! -e "$2" ] || die "$2 exists"
	mv "$1" "$2"
}

# Each has its own copy, or a clone of one: an old root may go at once.
sandboxes_live()
{
	return 1
}

# --- systems ------------------------------------------------------------------

# Immutable files could not be taken away again, and mean nothing inside.
unpack() # ROOT [TAR_ARGUMENT...]: from standard input
{
	unpack_to=$1
	shift
	tar -C "$unpack_to" -x -p -f - --no-fflags "$@"
}

# --exclude for each word; words have no blanks, but stars.
excludes() # WORD...
{
	for w; do
		printf -- '--exclude\n%s\n' "$w"
	done
}

# A whole system, of an archive or a directory, without $leave_out.
unpack_system() # ROOT
{
	step "unpacking $from"
	excludes $leave_out > "$tmp/excludes"
	set -f
	# shellcheck disable=SC2046
	if [ -d "$from" ]; then
		tar -C "$from" -c -f - $(cat "$tmp/excludes") . |
			unpack "$1" --numeric-owner
	else
		tar -C "$1" -x -p -f "$from" --no-fflags --numeric-owner \
		    $(cat "$tmp/excludes")
	fi
	set +f
	rm -f "$tmp/excludes"
}

# Nothing of these is written through a link, which would lead into the host.
empty_dir() # DIR [MODE]
{
	rm -rf "${1:?}"
	mkdir -m "${2:-0755}" "$1"
}

home_and_local() # ROOT
{
	mkdir -p "$1/home/user" "$1/usr/local/bin" "$1/usr/local/lib"
	chown 1000:1000 "$1/home/user"
	# As in Linux's: whoever is inside may install there.
	chmod -R a+rwX "$1/usr/local"
	chmod 0777 "$1/usr/local"
}

# These belong to the sandbox that starts, not to the template.
no_identity() # ROOT
{
	rm -f "$1/etc/hostid" "$1/etc/machine-id" "$1"/etc/ssh/ssh_host_* \
	    "$1/var/db/entropy-file" "$1/entropy" "$1/etc/resolv.conf" \
	    "$1/etc/hosts" "$1/.e2b"
	: > "$1/etc/resolv.conf"
	printf '127.0.0.1\tlocalhost\n::1\tlocalhost\n' > "$1/etc/hosts"
}
