#!/bin/sh
# tools/freebsd-check.sh [FILE.c...] - compiles for FreeBSD what is not Linux's.
#
# All of netpolicy, dataplane, ctl, tools and what kmod has for user land but
# */linux/, as `make freebsd` would, through zig, which brings FreeBSD's own
# headers; those of portable libraries are this machine's, gathered one by one:
# nothing else of its /usr/include may leak in.  For the oldest FreeBSD, too,
# what knows versions: */freebsd/.  What has not changed since is not compiled
# again.
set -eu
cd "$(dirname "$0")/.."

libs=build/freebsd-headers
portable="ev.h jansson.h jansson_config.h sqlite3.h sqlite3ext.h pcap.h pcap
	zlib.h zconf.h protobuf-c openssl curl md5.h sha2.h sha256.h"

gather() {
	rm -rf "$libs.new"
	mkdir -p "$libs.new/include"
	for h in $portable; do
		for d in /usr/include /usr/include/x86_64-linux-gnu; do
			[ ! -e "$d/$h" ] || cp -rLp "$d/$h" "$libs.new/include/"
		done
	done
	rm -rf "$libs"
	mv "$libs.new" "$libs"
}

sources() {
	find netpolicy dataplane ctl tools kmod/model kmod/test -name '*.c' \
	    -not -path 'kmod/test/guest/*' "$@" | sort
}

compile() { # DIRECTORY FILE.c...
	o=$1
	shift
	printf '%s\n' "$@" | sed "s|\(.*\)\.c$|$o/\1.o|" |
		xargs make --no-print-directory -s -k -j2 OS=freebsd O="$o" \
		    CC=tools/zig-cc libs.dir=$libs >"$o.log" 2>&1 && return
	grep -v '^make' "$o.log" | head -n 24 >&2
	echo "freebsd-check: not all files compile for FreeBSD ${FREEBSD:-15.0}" >&2
	exit 1
}

for zig in build/zig/lib/python3*/site-packages/ziglang/zig; do :; done
[ -x "$zig" ] || {
	echo "freebsd-check: no zig: run tools/setup" >&2
	exit 1
}
unset MAKEFLAGS MFLAGS MAKEOVERRIDES
gather
if [ $# -gt 0 ]; then
	compile build/freebsd-check "$@"
	exit
fi
# shellcheck disable=SC2046
compile build/freebsd-check $(sources -not -path '*/linux/*')
export FREEBSD=14.0
# shellcheck disable=SC2046
compile build/freebsd-check-14 $(sources -path '*/freebsd/*')
