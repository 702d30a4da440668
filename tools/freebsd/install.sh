#!/bin/sh
# tools/freebsd/install.sh BIN DESTDIR PREFIX - copies what was built into place, on FreeBSD.
#
#	PREFIX/sbin		coppiced
#	PREFIX/bin		coppice, netpolicy
#	PREFIX/libexec/coppice	what only coppiced starts, and mktemplate
#	PREFIX/etc		coppiced.conf, if there is none
#	PREFIX/etc/rc.d		coppiced
#	PREFIX/share/man	manual pages
#
# Without DESTDIR, the users that Coppice's processes run as are made as well.
# envd gets no read permission: it is executed inside of sandboxes, whose root
# could otherwise read it.
set -eu
cd "$(dirname "$0")/../.."
[ $# -eq 3 ] || { echo "usage: install.sh BIN DESTDIR PREFIX" >&2; exit 2; }
bin=$1 destdir=$2 prefix=$3
to=$destdir$prefix

put() { # MODE FILE DIRECTORY
	mkdir -p "$3"
	install -m "$1" "$2" "$3/$(basename "$2")"
}

libexec=$to/libexec/coppice
for p in coppiced coppice-apid coppice-privd coppice-proxyd coppice-egressd \
    coppice-capture; do
	put 0755 "$bin/$p" "$libexec"
done
put 0711 "$bin/envd" "$libexec"
[ ! -e "$bin/coppice-code" ] || put 0755 "$bin/coppice-code" "$libexec"
put 0755 tools/mktemplate "$libexec"
put 0644 tools/freebsd/mktemplate.sh "$libexec"
for f in tools/freebsd/templates/*; do
	put 0644 "$f" "$libexec/templates"
done
put 0755 "$bin/coppice" "$to/bin"
put 0755 "$bin/netpolicy" "$to/bin"
# coppiced starts what lies beside its own executable, so sbin has a link.
mkdir -p "$to/sbin"
ln -sf ../libexec/coppice/coppiced "$to/sbin/coppiced"

for page in docs/man/*.[1-9]; do
	[ -e "$page" ] || continue
	put 0644 "$page" "$to/share/man/man${page##*.}"
done

mkdir -p "$to/etc/rc.d"
sed "s|%%PREFIX%%|$prefix|g" tools/freebsd/coppiced >"$to/etc/rc.d/coppiced"
chmod 0555 "$to/etc/rc.d/coppiced"
[ -e "$to/etc/coppiced.conf" ] || {
	echo '# See coppiced.conf(5); an empty file is a working configuration.' \
	    >"$to/etc/coppiced.conf"
}

[ -z "$destdir" ] || exit 0
# Jails share the host's ids, so these are clear of what a template has.
id=60190
for u in _coppice _coppice_px _coppice_eg _coppice_cap; do
	id=$((id + 1))
	! pw usershow "$u" >/dev/null 2>&1 || continue
	pw usershow -u "$id" >/dev/null 2>&1 || want="-u $id"
	# shellcheck disable=SC2086
	pw useradd "$u" ${want:-} -c "Coppice" -d /nonexistent \
	    -s /usr/sbin/nologin
	want=
done
