#!/bin/sh
# tools/install.sh BIN DESTDIR PREFIX - copies what was built into place.
#
#	PREFIX/sbin		coppiced
#	PREFIX/bin		coppice, netpolicy
#	PREFIX/libexec/coppice	what only coppiced starts, and mktemplate
#	PREFIX/share/man	manual pages
#	/lib/systemd/system	coppiced.service, coppice-templates.service
#
# envd gets no read permission: it is executed inside of sandboxes, whose root
# could otherwise read and trace it.
set -eu
cd "$(dirname "$0")/.."
[ $# -eq 3 ] || { echo "usage: install.sh BIN DESTDIR PREFIX" >&2; exit 2; }
bin=$1 destdir=$2 prefix=$3
to=$destdir$prefix

put() { # MODE FILE DIRECTORY
	install -D -m "$1" "$2" "$3/$(basename "$2")"
}

libexec=$to/libexec/coppice
put 0755 "$bin/coppiced" "$libexec"
for p in coppice-apid coppice-privd coppice-proxyd coppice-egressd \
    coppice-capture; do
	[ ! -e "$bin/$p" ] || put 0755 "$bin/$p" "$libexec"
done
put 0711 "$bin/envd" "$libexec"
put 0755 tools/mktemplate "$libexec"
put 0644 tools/linux/mktemplate.sh "$libexec"
for f in tools/templates/*; do
	put 0644 "$f" "$libexec/templates"
done
[ ! -e "$bin/coppice-code" ] || put 0755 "$bin/coppice-code" "$libexec"
find dataplane/code/kernels -type f ! -path '*/__pycache__/*' |
	while read -r f; do
		to_dir=$libexec/${f#dataplane/code/}
		put 0644 "$f" "${to_dir%/*}"
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

unit=$destdir/lib/systemd/system/coppiced.service
mkdir -p "${unit%/*}"
# Sandboxes outlive the daemon: only its own process is stopped, and the
# control groups that it makes are its business.
cat >"$unit" <<EOU
[Unit]
Description=Coppice sandboxes
Documentation=man:coppiced(8)
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=$prefix/libexec/coppice/coppiced -f /etc/coppice/coppiced.conf
Restart=always
RestartSec=1
KillMode=process
Delegate=yes
TasksMax=infinity
LimitNOFILE=524288
StateDirectory=coppice

[Install]
WantedBy=multi-user.target
EOU
chmod 0644 "$unit"
# The larger template takes a minute, once, and nobody waits for it.
more=$destdir/lib/systemd/system/coppice-templates.service
cat >"$more" <<EOU
[Unit]
Description=Coppice template code-interpreter-v1
After=coppiced.service

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'exec $prefix/libexec/coppice/mktemplate code-interpreter-v1 "\$\$($prefix/libexec/coppice/coppiced -nv -f /etc/coppice/coppiced.conf | sed -n "s/^state_dir = //p")"'
Nice=10

[Install]
WantedBy=coppiced.service
EOU
chmod 0644 "$more"
conf=$destdir/etc/coppice/coppiced.conf
if [ ! -e "$conf" ]; then
	mkdir -p "${conf%/*}"
	echo '# See coppiced.conf(5); an empty file is a working configuration.' \
	    >"$conf"
fi
