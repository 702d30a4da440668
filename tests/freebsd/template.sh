#!/bin/sh
# tools/mktemplate with nothing but the base system: of the host's own files, of
# a directory and of an archive; what is not the host's business to give away
# stays out, and what SDKs call runs in a jail of it.  Needs no network.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

make=
for f in "$top/tools/mktemplate" "$bin/../tools/mktemplate" "$bin/mktemplate"; do
	[ ! -x "$f" ] || make=$f
done
state=$scratch/state
root=$state/templates/coppicebase000000000/rootfs

[ "$(id -u)" = 0 ] || skip "needs root"
[ -n "$make" ] || skip "mktemplate is not near $top"

tidy() {
	trap - EXIT HUP INT TERM
	quiet jail -r copttemplate
	quiet umount -f "$root/dev"
	[ ! -d "$scratch/pkg" ] || rm -rf /usr/local/bin/tree \
	    /usr/local/lib/coptest /usr/local/share/man/man1/coptest.1
	chflags -R 0 "$scratch" 2>/dev/null
	rm -rf "$scratch"
}
trap tidy EXIT
trap 'exit 130' HUP INT TERM

build() { sh "$make" "$@" "$state" 2>&1 | tail -n 1 | sed 's/(recipe .*/(/; s/, [0-9]* MB//'; }
in_jail() { jexec copttemplate "$@"; }
as_user() { jexec -U user copttemplate "$@"; }

is_base() {
	is "$1 0 0" stat -f "%p %u %g" "$root"
	is "120755 sh" stat -f "%p %Y" "$root/bin/bash"
	is "41777" stat -f %p "$root/tmp"
	is "40755 1000 1000" stat -f "%p %u %g" "$root/home/user"
	is "100600" stat -f %p "$root/etc/master.passwd"
	is 0 sh -c "find '$root' -flags +schg | wc -l | tr -d ' '"
	is "" find "$root/dev" "$root/tmp" -mindepth 1
	for f in etc/rc.conf etc/hostid etc/fstab boot usr/bin/cc \
	    usr/include usr/share/man; do
		true_that "$f is in it" [ ! -e "$root/$f" ]
	done
	is coppicebase000000000 sed -n 's/.*"templateID": "\(.*\)",/\1/p' \
	    "$root/../template.json"
}

runs() {
	chmod 0755 "$root" # as that of a sandbox is
	must_run mount -t devfs -o ruleset=4 devfs "$root/dev"
	must_run quiet jail -c name=copttemplate "path=$root" persist \
	    devfs_ruleset=4 enforce_statfs=2
	is "hello 42" in_jail /bin/bash -l -c 'echo hello $((6 * 7))'
	is "0 /root" in_jail /bin/bash -l -c 'echo $(id -u) ~'
	is "1000 /home/user wheel" as_user /bin/bash -l -c \
	    'echo $(id -u) $HOME $(id -Gn | tr " " "\n" | grep wheel)'
	is /usr/local/bin as_user /bin/bash -l -c \
	    'echo $PATH | tr : "\n" | grep local/bin'
	is C.UTF-8 in_jail /bin/bash -l -c 'echo $LANG'
	is FreeBSD in_jail /bin/bash -l -c '. /etc/os-release; echo $NAME'
	in_jail /bin/bash -l -c 'exit 3'
	is 3 echo $?
	is refused as_user /bin/bash -c \
	    'cat /etc/master.passwd 2>/dev/null || echo refused'
	is written as_user /bin/bash -c 'echo written >~/f && cat ~/f'
	is written as_user /bin/bash -c \
	    'echo written >/usr/local/lib/f && cat /usr/local/lib/f'
	quiet jail -r copttemplate
	must_run umount -f "$root/dev"
	chmod 0700 "$root"
}

ready="template base: ready in $state/templates/coppicebase000000000"
is "$ready" build base
is_base 40700
runs
is "template base: present (" build base

# Packages: those of the list that the host has, and what they need, without
# their manuals.  pkg(8) is a stand-in: it knows tree, which needs a library.
if [ ! -e /usr/local/bin/tree ]; then
	mkdir -p "$scratch/pkg" /usr/local/bin /usr/local/lib/coptest \
	    /usr/local/share/man/man1
	cp /bin/cat /usr/local/bin/tree
	echo lib >/usr/local/lib/coptest/lib
	echo page >/usr/local/share/man/man1/coptest.1
	cat >"$scratch/pkg/pkg" <<-'END'
	#!/bin/sh
	case "$*" in
	-N) ;;
	"query -g %n "*" tree "*) echo tree ;;
	"query %dn "*coptest*) ;;
	"query %dn tree") echo coptestlib ;;
	"query %n-%v "*) printf 'coptestlib-1.0\ntree-2.1\n' ;;
	"query %Fp "*) printf '/usr/local/%s\n' bin/tree lib/coptest/lib \
	    share/man/man1/coptest.1 ;;
	*) exit 1 ;;
	esac
	END
	chmod 755 "$scratch/pkg/pkg"
	old_path=$PATH
	PATH=$scratch/pkg:$PATH
	is "$ready" build base
	PATH=$old_path
	true_that "the package is not in it" [ -x "$root/usr/local/bin/tree" ]
	is lib cat "$root/usr/local/lib/coptest/lib"
	true_that "its manual is in it" \
	    [ ! -e "$root/usr/local/share/man/man1/coptest.1" ]
fi

# Of a directory: what the last one was made of, with something of its own.
mkdir "$scratch/from"
must_run cp -Rp "$root/" "$scratch/from"
echo host >"$scratch/from/etc/rc.conf"
mkdir -p "$scratch/from/boot" "$scratch/from/usr/include"
echo kernel >"$scratch/from/boot/kernel"
chflags schg "$scratch/from/bin/sh"
is "$ready" build --from "$scratch/from" base
is "host" cat "$root/etc/rc.conf"
rm "$root/etc/rc.conf"
is_base 40700
# Asked again without a word, it is not made of the host.
is "template base: present (" build base

# Of an archive, as base.txz is.
rm "$scratch/from/etc/rc.conf"
must_run tar -C "$scratch/from" -cf "$scratch/base.tar" .
is "$ready" build --from "$scratch/base.tar" base
is_base 40700
rm "$scratch/base.tar"
is "template base: present; $scratch/base.tar, of which it was made, is gone" \
    build base

# Links in an archive lead nowhere but into it.
mkdir "$scratch/outside"
echo precious >"$scratch/outside/file"
rm -rf "$scratch/from/tmp" "$scratch/from/var/run" "$scratch/from/etc/hosts"
ln -s "$scratch/outside" "$scratch/from/tmp"
ln -s "$scratch/outside" "$scratch/from/var/run"
ln -s "$scratch/outside/file" "$scratch/from/etc/hosts"
is "$ready" build --from "$scratch/from" base
is precious cat "$scratch/outside/file"
is file ls "$scratch/outside"
chflags noschg "$scratch/from/bin/sh"
mv "$scratch/from/bin/sh" "$scratch/from/bin/no"
echo changed >>"$scratch/from/bin/freebsd-version"
is "mktemplate: template base: $scratch/from has no /bin/sh" \
    build --from "$scratch/from" base
true_that "the old one is still there" [ -x "$root/bin/sh" ]
true_that "nothing is left of the attempt" \
    [ -z "$(ls -d "$state"/templates/.tmp-* 2>/dev/null)" ]
is "mktemplate: template debian: $scratch/from is no 64-bit Linux system: it has no lib64/ld-linux-x86-64.so.2" \
    build --from "$scratch/from" debian
is "mktemplate: no recipe for \"nosuch\"; there is base debian" build nosuch
done_testing
