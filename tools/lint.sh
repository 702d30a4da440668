#!/bin/bash
# tools/lint.sh - static checks of C, shell and manual pages; quiet when well.
#
# clang-tidy (.clang-tidy says what for) and cppcheck on every C file, shellcheck
# on every script, mandoc on every page.  A C file that was well stays so until
# it, what it includes or the rules change: build/lint/ remembers.
set -u
cd "$(dirname "$0")/.." || exit 2
mkdir -p build/lint
bad=0

fail() {
	echo "lint: $*" >&2
	bad=1
}

known() { # files that git knows or will know
	git ls-files --cached --others --exclude-standard "$@" |
		while read -r f; do [ ! -e "$f" ] || echo "$f"; done
}

# One C file; its name goes to the standard output if anything is wrong.
tidy() {
	local f=$1 mark=build/lint/${1//\//_} headers=build/lint/headers
	# The compiler wrote down what it includes; if not, any header counts.
	[ ! -e "build/debug/${f%.c}.d" ] ||
		headers=$(sed 's/.*://; s/\\$//' "build/debug/${f%.c}.d")
	# shellcheck disable=SC2086
	[ ! -e "$mark" ] || [ -n "$(find "$f" .clang-tidy tests/.clang-tidy \
	    $headers -newer "$mark" 2>&1)" ] || return 0
	if clang-tidy-14 --quiet "$f" -- -std=gnu17 -D_GNU_SOURCE \
	    '-DCOP_VERSION="0"' -DCOP_FAULTS -I. -Inetpolicy -Idataplane -Itests \
	    -isystem /usr/share/include/llhttp -isystem build/proto >"$mark.log" 2>&1; then
		: >"$mark"
	else
		grep -v 'warnings generated\|non-user code' "$mark.log" >&2
		echo "$f"
	fi
}

# Touched only when a header changed.
headers=$(known '*.h' | xargs cat | sha256sum)
[ "$headers" = "$(cat build/lint/headers 2>/dev/null)" ] ||
	echo "$headers" >build/lint/headers

export -f tidy
wrong=$(known '*.c' | grep -v -e /freebsd/ -e '^kmod/src/' -e '^kmod/test/guest/' |
	xargs -P 2 -I{} bash -c 'tidy "$1"' tidy {})
[ -z "$wrong" ] || fail "clang-tidy does not like: $(echo "$wrong" | tr '\n' ' ')"

# Leaks: it does not know __attribute__((cleanup)) either; see .clang-tidy.  And
# what it calls not reentrant is: readdir, where each thread has its own
# directory, and getpwnam, in programs that have one thread when they ask.
# seqpkt_recv() fills what it is given, by an iovec that hides it.
mkdir -p build/lint/cppcheck
known '*.c' >build/lint/sources
cppcheck --quiet --std=c11 --enable=warning,performance,portability \
    --inline-suppr --error-exitcode=1 -j 2 --library=posix,gnu \
    --cppcheck-build-dir=build/lint/cppcheck --max-configs=1 \
    --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches \
    --suppress=unknownMacro --suppress=nullPointer --suppress=internalAstError \
    --suppress=resourceLeak --suppress=memleak \
    --suppress=readdirCalled --suppress=getpwnamCalled \
    --suppress=ctuuninitvar:dataplane/io/seqpkt.c \
    -D_GNU_SOURCE -DCOP_FAULTS '-DCOP_VERSION="0"' -D__linux__ \
    -I. -Inetpolicy -Idataplane -Itests --file-list=build/lint/sources ||
	fail "cppcheck found something"

scripts=$(known | while read -r f; do
	case $f in
	*.py | *.mjs | *.awk | *.c | *.h | *.md) continue ;;
	esac
	head -c 64 "$f" | head -n 1 | grep -aqE '^#!/bin/(ba)?sh' && echo "$f"
done)
# shellcheck disable=SC2086
shellcheck -x -S warning $scripts || fail "shellcheck found something"
# Read by tools/mktemplate, which has what they use and uses what they set.
shellcheck -s sh -S warning -e SC2034,SC2154 tools/templates/* \
    tools/*/mktemplate.sh tools/freebsd/templates/* ||
	fail "shellcheck found something in a recipe"

pages=$(known 'docs/man/*.[1-9]')
if [ -n "$pages" ]; then
	# shellcheck disable=SC2086
	mandoc -Tlint -W warning $pages || fail "mandoc found something"
fi
exit $bad
