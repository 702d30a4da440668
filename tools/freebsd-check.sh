#!/bin/sh
# tools/freebsd-check.sh [FILE.c...] - compiles for FreeBSD what is not Linux's.
#
# All of netpolicy, dataplane and ctl but */linux/, with their freebsd/
# folders, through `zig cc -target x86_64-freebsd`.  zig brings FreeBSD's own
# headers; those of portable libraries are gathered from this machine into
# build/freebsd-include, one by one: nothing of its /usr/include may leak in.
set -eu
cd "$(dirname "$0")/.."

zig=build/zig/bin/python
out=build/freebsd
inc=build/freebsd-include
[ -x "$zig" ] || { echo "freebsd-check: no zig: run tools/setup" >&2; exit 1; }
export ZIG_GLOBAL_CACHE_DIR="$PWD/build/zig-cache"
export ZIG_LOCAL_CACHE_DIR="$PWD/build/zig-cache"

portable="ev.h jansson.h jansson_config.h sqlite3.h sqlite3ext.h pcap.h pcap
	zlib.h zconf.h archive.h archive_entry.h protobuf-c openssl curl md5.h
	sha2.h sha256.h"

gather() {
	rm -rf "$inc"
	mkdir -p "$inc"
	for h in $portable; do
		for d in /usr/include /usr/include/x86_64-linux-gnu; do
			[ ! -e "$d/$h" ] || cp -rL "$d/$h" "$inc/"
		done
	done
	cp -L /usr/share/include/llhttp/llhttp.h "$inc/"
}

sources() {
	find netpolicy dataplane ctl -name '*.c' -not -path '*/linux/*' | sort
}

check() { # FILE.c
	o=$out/${1%.c}.o
	mkdir -p "${o%/*}"
	"$zig" -m ziglang cc -target x86_64-freebsd -std=gnu17 -D_GNU_SOURCE \
	    '-DCOP_VERSION="0"' -I. -Inetpolicy -Idataplane -isystem "$inc" -isystem build/proto \
	    -Wall -Wextra -Werror -c "$1" -o "$o" 2>"$o.log" || {
		echo "freebsd-check: $1"
		head -n 12 "$o.log"
		return 1
	}
}

if [ "${1:-}" = -one ]; then # what we start ourselves with, below
	check "$2"
	exit
fi
gather
# shellcheck disable=SC2046
[ $# -gt 0 ] || set -- $(sources)
# zig spends its time in starting, so more than one at once.
printf '%s\n' "$@" | xargs -P 2 -n 1 "$0" -one || {
	echo "freebsd-check: not all files compile for FreeBSD" >&2
	exit 1
}
