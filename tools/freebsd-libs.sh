#!/bin/sh
# tools/freebsd-libs.sh [--check] [LIBRARY...] - what FreeBSD takes from packages, for `make freebsd`.
#
# Builds other people's libraries for FreeBSD from Debian's source packages,
# static, into build/freebsd-libs/{include,lib}.  apt fetches the sources and
# checks them against its signed lists, which stand in a folder of our own.
# What is built has a stamp; a second run does nothing.  --check names what is
# missing and exits 1.
set -eu
cd "$(dirname "$0")/.."

# Quick ones first.
all="libev jansson zlib libmd protobuf-c sqlite3 libpcap openssl curl"
out=$PWD/build/freebsd-libs
src=$out/src
cc=$PWD/tools/zig-cc
flags="-O2 -g -fPIC -ffunction-sections -fdata-sections -w"
host=x86_64-unknown-freebsd15.0

say() { echo "freebsd-libs: $*"; }
die() {
	echo "freebsd-libs: $*" >&2
	exit 1
}

missing() {
	for m; do
		[ -e "$out/stamps/$m" ] || printf '%s ' "$m"
	done
}

# --- sources ------------------------------------------------------------------

# Lists of source packages beside, not among, the machine's: the same places.
lists() {
	apt=$out/apt
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
	apt-get indextargets --format \
	    'deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)' \
	    'Created-By: Packages' 'Origin: Debian' 'Component: main' |
		awk '!seen[$0]++' >"$apt/sources.list"
	[ -s "$apt/sources.list" ] || die "apt knows no Debian sources here"
	cat >"$apt/conf" <<-EOF
		Dir::Etc::SourceList "$apt/sources.list";
		Dir::Etc::SourceParts "-";
		Dir::State::Lists "$apt/lists";
		Dir::Cache "$apt/cache";
		APT::Sandbox::User "root";
		Acquire::Languages "none";
	EOF
	APT_CONFIG=$apt/conf apt-get update -qq ||
		die "apt-get update failed: is there a network?"
}

# Into $src/NAME.  A mirror may lack the newest version's files: then the one
# before.
source_of() { # NAME
	export APT_CONFIG="$out/apt/conf"
	rm -rf "${src:?}/$1"
	mkdir -p "$src/$1"
	for v in $(apt-cache showsrc --only-source "$1" |
	    sed -n 's/^Version: //p' | sort -uVr); do
		(cd "$src/$1" && apt-get source -qq "$1=$v") \
		    >"$src/$1.log" 2>&1 && break
		rm -rf "${src:?}/$1"/*
	done
	unset APT_CONFIG
	cd "$src/$1"/*/ 2>/dev/null || {
		tail -n 3 "$src/$1.log" >&2
		die "cannot get the source of $1 from Debian"
	}
}

# --- building -----------------------------------------------------------------

archive() { # NAME FLAGS FILE.c...: lib/libNAME.a
	name=$1 extra=$2
	shift 2
	rm -rf obj-freebsd "$out/lib/lib$name.a"
	mkdir obj-freebsd
	for c; do
		o=${c##*/}
		# shellcheck disable=SC2086
		$cc $flags $extra -c "$c" -o "obj-freebsd/${o%.c}.o"
	done
	ar rcs "$out/lib/lib$name.a" obj-freebsd/*.o
}

headers() {
	cp "$@" "$out/include/"
}

build_libev() {
	archive ev "-DEV_STANDALONE=1 -DEV_USE_KQUEUE=1 -DEV_USE_POLL=1
		-DEV_USE_SELECT=1 -DEV_USE_MONOTONIC=1 -DEV_USE_REALTIME=0
		-DEV_USE_NANOSLEEP=1 -DEV_USE_CLOCK_SYSCALL=0" ev.c
	headers ev.h
}

build_jansson() {
	: >src/jansson_private_config.h
	sed -e 's/@json_inline@/inline/' -e 's/@json_[a-z_]*@/1/' \
	    src/jansson_config.h.in >src/jansson_config.h
	archive jansson "-Isrc -DHAVE_STDINT_H -DHAVE_SYS_TYPES_H
		-DHAVE_SYS_TIME_H -DHAVE_UNISTD_H -DHAVE_FCNTL_H -DHAVE_SCHED_H
		-DHAVE_OPEN -DHAVE_READ -DHAVE_CLOSE -DHAVE_GETPID
		-DHAVE_GETTIMEOFDAY -DHAVE_SCHED_YIELD -DHAVE_LOCALECONV
		-DHAVE_ATOMIC_BUILTINS -DUSE_URANDOM" src/*.c
	headers src/jansson.h src/jansson_config.h
}

build_zlib() {
	archive z "-DHAVE_UNISTD_H -DHAVE_STDARG_H" adler32.c compress.c crc32.c deflate.c \
	    infback.c inffast.c inflate.c inftrees.c trees.c uncompr.c zutil.c
	sed 's/^#ifdef HAVE_UNISTD_H.*/#if 1/' zconf.h >zconf.h.new
	mv zconf.h.new zconf.h
	headers zlib.h zconf.h
}

# What FreeBSD's own libmd has, too, but what reads files.
build_libmd() {
	: >include/config.h
	archive md "-Iinclude -D_GNU_SOURCE" src/md5.c src/sha1.c src/sha2.c
	headers include/md5.h include/sha.h include/sha1.h include/sha2.h \
	    include/sha256.h include/sha512.h
}

build_protobuf_c() {
	archive protobuf-c -I. protobuf-c/protobuf-c.c
	mkdir -p "$out/include/protobuf-c"
	cp protobuf-c/protobuf-c.h "$out/include/protobuf-c/"
}

# The amalgamation is made by a native run of its own tools.
build_sqlite3() {
	./configure --disable-tcl --disable-readline
	make sqlite3.c
	archive sqlite3 "-DSQLITE_THREADSAFE=1 -DSQLITE_OMIT_LOAD_EXTENSION
		-DHAVE_USLEEP=1 -DHAVE_FDATASYNC=1" sqlite3.c
	headers sqlite3.h sqlite3ext.h
}

# Debian's patch for its own port to FreeBSD's kernel includes what is not there.
build_libpcap() {
	sed -i '/<sys\/kern\/time.h>/d' pcap-bpf.c
	CC=$cc CFLAGS=$flags ./configure --host=$host --prefix="$out" \
	    --with-pcap=bpf --disable-shared --disable-usb --disable-dbus \
	    --disable-rdma --without-libnl --disable-bluetooth
	make -j2 libpcap.a
	cp libpcap.a "$out/lib/"
	mkdir -p "$out/include/pcap"
	cp pcap/*.h "$out/include/pcap/"
	headers pcap.h
}

build_openssl() {
	CC=$cc ./Configure BSD-x86_64 no-shared no-tests no-asm no-dso \
	    no-engine no-module no-legacy no-deprecated no-ui-console \
	    --prefix="$out" --libdir=lib --openssldir=/etc/ssl -w
	make -j2 build_generated libssl.a libcrypto.a
	cp libssl.a libcrypto.a "$out/lib/"
	cp -R include/openssl "$out/include/"
}

build_curl() {
	export ACLOCAL=: AUTOCONF=: AUTOHEADER=: AUTOMAKE=: # as it came
	CC=$cc CFLAGS=$flags CPPFLAGS=-I$out/include LDFLAGS=-L$out/lib \
	    LIBS=-lpthread PKG_CONFIG=false ./configure --host=$host --prefix="$out" \
	    --disable-shared --with-openssl --with-zlib --without-libpsl \
	    --disable-ldap --disable-ftp --disable-file --disable-dict \
	    --disable-telnet --disable-tftp --disable-pop3 --disable-imap \
	    --disable-smb --disable-smtp --disable-gopher --disable-mqtt \
	    --disable-rtsp --disable-manual --disable-ntlm --without-brotli \
	    --without-zstd --without-libidn2 --without-nghttp2 \
	    --without-librtmp --without-ca-bundle \
	    --with-ca-path=/etc/ssl/certs
	make -j2 -C lib
	make -C lib install-libLTLIBRARIES
	make -C include install
}

if [ "${1:-}" = -one ]; then # what we start ourselves with, below
	source_of "$2"
	"build_$(echo "$2" | tr - _)" >>"$src/$2.log" 2>&1
	exit
fi

build() { # NAME: by a process of its own, which ends at the first failure
	say "$1"
	tools/freebsd-libs.sh -one "$1" || {
		tail -n 12 "$src/$1.log" >&2
		die "$1 does not build; all of it is in build/freebsd-libs/src/$1.log"
	}
	touch "$out/stamps/$1"
	rm -rf "${src:?}/$1"
}

check=
if [ "${1:-}" = --check ]; then
	check=1
	shift
fi
# shellcheck disable=SC2086
[ $# -gt 0 ] || set -- $all
todo=$(missing "$@")
[ -n "$todo" ] || exit 0
if [ -n "$check" ]; then
	say "missing: $todo"
	exit 1
fi
mkdir -p "$out/include" "$out/lib" "$out/stamps" "$src"
lists
for l in $todo; do
	build "$l"
done
