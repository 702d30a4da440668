#!/bin/sh
# tools/freebsd-bundle.sh DIRECTORY - DIRECTORY/coppice.tar, of what `make
# freebsd` built there: programs and test programs in bin/, without what a
# debugger wants, and the scripts and texts that they and the tests read, where
# they lie in the tree.  It is unpacked anywhere in a machine.
set -eu
cd "$(dirname "$0")/.."
[ $# -eq 1 ] || { echo "usage: freebsd-bundle.sh DIRECTORY" >&2; exit 2; }
stage=$1/bundle
strip=${STRIP:-strip}

# What a machine is given beside programs.
texts() {
	git ls-files --cached --others --exclude-standard docs tools \
	    tests/freebsd tests/golden dataplane/code/kernels kmod/test |
		grep -v '\.[ch]$' |
		while read -r f; do [ ! -e "$f" ] || echo "$f"; done
}

mkdir -p "$stage/bin/tests"
for p in "$1"/bin/* "$1"/bin/tests/*; do
	case $p in *.full) continue ;; esac
	to=$stage/${p#"$1"/}
	[ -f "$p" ] || continue
	[ -z "$(find "$p" -newer "$to" 2>&1)" ] || $strip --strip-debug -o "$to" "$p"
done
# What is built no more does not go with it.
for to in "$stage"/bin/* "$stage"/bin/tests/*; do
	[ -e "$1/${to#"$stage"/}" ] || rm -f "$to"
done
texts >"$stage/texts"
tar -cf "$1/coppice.tar.new" -C "$stage" bin -C "$PWD" -T "$stage/texts"
mv "$1/coppice.tar.new" "$1/coppice.tar"
