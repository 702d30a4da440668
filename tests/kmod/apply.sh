#!/bin/sh
# tests/kmod/apply.sh - kmod/apply, on a toy tree with a toy series.
#
# Every refusal comes after the same thing was seen to succeed, and is held to
# three things: a status of its own, a message that says what is wrong, and a
# tree that no byte was changed in.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/kmod-apply.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM
passed=0 failed=0
tree=$work/tree
patches=$work/kmod/patches/1.0

pass() { passed=$((passed + 1)); }

fail() {
	failed=$((failed + 1))
	echo "# $what: $*"
	sed 's/^/#   /' "$work/out"
}

if command -v sha256sum >/dev/null; then
	sum() { sha256sum <"$1" | cut -d ' ' -f 1; }
else
	sum() { sha256 -q "$1"; }
fi

if command -v sha256sum >/dev/null; then sums=sha256sum; else sums='sha256 -r'; fi

# What a folder has: folders, contents of files, and which can be run.
look() {
	(cd "$1" && {
		find . -type d | sed 's|$|/|'
		# shellcheck disable=SC2086
		find . -type f -exec $sums {} +
		find . -type f -perm -100 | sed 's|$| runs|'
	}) | sort
}

# A toy tree and series, as new; the tool is the project's.
fresh() {
	rm -rf "$tree" "$work/kmod"
	mkdir -p "$tree/sys/conf" "$tree/bin" "$patches" "$work/kmod/src/sys/new"
	cp "$top/kmod/apply" "$work/kmod/apply"
	printf 'TYPE="Toy"\nREVISION="1.0"\n' >"$tree/sys/conf/newvers.sh"
	cat >"$tree/bin/one.c" <<'EOF'
static int twice(int);

int
first(int a)
{
	if (a)
		return (twice(a));
	return (0);
}

static int
twice(int a)
{
	a += a;
	if (a)
		return (a);
	return (a);
}
EOF
	printf 'one\ntwo\nthree' >"$tree/bin/no-newline"
	printf '#!/bin/sh\n:\n' >"$tree/bin/run"
	chmod 755 "$tree/bin/run"
	printf 'not touched\n' >"$tree/bin/other"
	printf 'ours\n' >"$work/kmod/src/sys/new/ours.c"
	mkdir "$work/kmod/uapi"
	printf 'header\n' >"$work/kmod/uapi/ours.h"
	printf '%s\n' 0001-a.patch 0002-b.patch >"$patches/series"
	cat >"$patches/0001-a.patch" <<'EOF'
toy: lines at the start, within and at the end

They go where the numbers say, two hunks in one file.

New: sys/new/ours.c
New: sys/new/deep/ours.h = uapi/ours.h
---
--- a/bin/one.c
+++ b/bin/one.c
@@ -0,0 +1,2 @@
+#include "ours.h"
+
@@ -6,0 +9 @@
+		/* twice */
@@ -18,0 +22 @@
+/* end */
--- a/bin/run
+++ b/bin/run
@@ -1,0 +2 @@
+# -- ++ \n & %s
EOF
	cat >"$patches/0002-b.patch" <<'EOF'
toy: a statement that is there twice, but once in its function

The numbers are those that the first patch left.

Edit: bin/one.c first "if (a)" "if (a && a != '\n')"
---
--- a/bin/one.c
+++ b/bin/one.c
@@ -22,0 +23 @@
+/* the very end */
EOF
	pristine bin/one.c bin/run
	look "$tree" >"$work/was"
}

pristine() {
	for f; do
		echo "$(sum "$tree/$f")  $f"
	done >"$patches/pristine"
}

# apply STATUS ARGUMENT...: run the tool, and see how it ended.
apply() {
	want=$1
	shift
	sh "$work/kmod/apply" "$@" >"$work/out" 2>&1
	got=$?
	if [ "$got" = "$want" ]; then pass; else fail "ended with $got, not $want"; fi
}

# says TEXT: among what it printed.
says() {
	if grep -qF -e "$1" "$work/out"; then pass; else fail "does not say: $1"; fi
}

# The tree has no byte, file or folder that it had not before.
untouched() {
	if look "$tree" | diff "$work/was" - >"$work/diff"; then
		pass
	else
		fail "the tree is changed: $(head -n 5 "$work/diff" | tr '\n' ' ')"
	fi
}

# refused TEXT...: nothing is changed, and it says why.
refused() {
	apply 1 "$tree"
	for text; do
		says "$text"
	done
	untouched
}

# Each refusal: a fresh tree, that takes the series, and then what is wrong.
start() {
	what=$1
	fresh
	apply 0 -n "$tree"
	untouched
}

# replace FILE FROM TO: the one line that is FROM becomes TO.
replace() {
	FROM=$2 TO=$3 awk '$0 == ENVIRON["FROM"] { $0 = ENVIRON["TO"]; n++ }
	    { print } END { exit n != 1 }' "$1" >"$work/replaced" ||
		fail "the test found no such line in $1: $2"
	cat "$work/replaced" >"$1"
}

expected() {
	cat <<'EOF'
#include "ours.h"

static int twice(int);

int
first(int a)
{
	if (a && a != '\n')
		/* twice */
		return (twice(a));
	return (0);
}

static int
twice(int a)
{
	a += a;
	if (a)
		return (a);
	return (a);
}
/* end */
/* the very end */
EOF
}

#
# It applies, says so when asked again, and takes all of it out.
#
start 'the series'
apply 0 "$tree"
says 'applied 1.0'
expected >"$work/expected"
if cmp -s "$tree/bin/one.c" "$work/expected"; then
	pass
else
	fail "bin/one.c: $(diff "$work/expected" "$tree/bin/one.c" | head -n 8 | tr '\n' '|')"
fi
{
	grep -v ' \./bin/one\.c$\| \./bin/run$' "$work/was"
	(cd "$tree" && $sums ./bin/one.c ./bin/run ./sys/new/ours.c ./sys/new/deep/ours.h)
	printf './sys/new/\n./sys/new/deep/\n'
} | sort >"$work/expected"
look "$tree" | grep -v '\./\.coppice-kmod' >"$work/is"
if cmp -s "$work/expected" "$work/is"; then
	pass
else
	fail "other files than these: $(diff "$work/expected" "$work/is" | tr '\n' '|')"
fi
if cmp -s "$tree/sys/new/ours.c" "$work/kmod/src/sys/new/ours.c" &&
    cmp -s "$tree/sys/new/deep/ours.h" "$work/kmod/uapi/ours.h"; then
	pass
else
	fail 'the new files are not ours'
fi
is_run=$(sed -n 2p "$tree/bin/run")
if [ "$is_run" = '# -- ++ \n & %s' ]; then pass; else fail "bin/run: $is_run"; fi

what='the series, applied twice'
look "$tree" >"$work/was"
apply 0 "$tree"
says 'applied already: 1.0'
untouched

what='the series, taken out'
: >"$work/before"
apply 0 -R "$tree"
look "$tree" >"$work/is"
# What was built from the patched files is older than they are now.
for path in $(cut -c 67- "$patches/pristine"); do
	if [ -n "$(find "$tree/$path" -newer "$work/before")" ]; then
		pass
	else
		fail "$path is as old as it was: make would not build it"
	fi
done
fresh
if cmp -s "$work/was" "$work/is"; then
	pass
else
	fail "not as before: $(diff "$work/was" "$work/is" | tr '\n' '|')"
fi
apply 1 -R "$tree"
says 'nothing is applied'
untouched

#
# Trees that it does not know.
#
start 'a byte is changed'
expect=$(sum "$tree/bin/one.c")
printf ' ' >>"$tree/bin/one.c"
look "$tree" >"$work/was"
refused "bin/one.c: is $(sum "$tree/bin/one.c"); $expect was expected" 'says it is 1.0'

start 'a file is missing'
expect=$(sum "$tree/bin/run")
rm "$tree/bin/run"
look "$tree" >"$work/was"
refused "bin/run: not there; $expect was expected"

start 'a branch of the release'
mv "$patches" "$work/kmod/patches/1.0-branch"
apply 0 -n "$tree"
says 'would apply 1.0-branch'
printf ' ' >>"$tree/bin/one.c"
look "$tree" >"$work/was"
refused "bin/one.c: is $(sum "$tree/bin/one.c")" 'not those that 1.0-branch was made for'

start 'another release'
printf 'REVISION="2.0"\n' >"$tree/sys/conf/newvers.sh"
apply 0 -n "$tree"
printf ' ' >>"$tree/bin/one.c"
look "$tree" >"$work/was"
refused 'is none of: 1.0'

start 'no source tree'
rm "$tree/sys/conf/newvers.sh"
look "$tree" >"$work/was"
refused 'not a FreeBSD source tree'
apply 1 "$tree/nowhere"
says 'no such folder'
apply 2
says 'kmod/apply -R TREE'

#
# Series that it does not take.
#
start 'a hunk with context'
replace "$patches/0002-b.patch" '@@ -22,0 +23 @@' '@@ -22 +22,2 @@'
replace "$patches/0002-b.patch" '+/* the very end */' ' /* end */'
printf '+/* the very end */\n' >>"$patches/0002-b.patch"
refused 'a hunk that does not only insert: @@ -22 +22,2 @@' 'bin/one.c stays as it is'

start 'context in a hunk that says it inserts'
replace "$patches/0002-b.patch" '+/* the very end */' ' /* the very end */'
refused 'not an inserted line:  /* the very end */'

start 'a minus line'
replace "$patches/0002-b.patch" '+/* the very end */' '-/* end */'
refused 'not an inserted line: -/* end */'

start 'a minus line after a hunk'
echo '-/* end */' >>"$patches/0002-b.patch"
refused 'neither a hunk nor a file: -/* end */'

start 'a file that becomes another'
replace "$patches/0002-b.patch" '+++ b/bin/one.c' '+++ b/bin/run'
refused 'one file becomes another: +++ b/bin/run'

start 'line numbers that do not fit each other'
replace "$patches/0001-a.patch" '@@ -6,0 +9 @@' '@@ -6,0 +8 @@'
refused 'the hunk says line 8, but it comes to 9'

start 'an insertion after the end'
replace "$patches/0002-b.patch" '@@ -22,0 +23 @@' '@@ -23,0 +24 @@'
refused 'inserts after line 23 of bin/one.c, which has 22'

start 'a hunk that is cut off'
replace "$patches/0002-b.patch" '@@ -22,0 +23 @@' '@@ -22,0 +23,2 @@'
refused 'ends within a hunk'

start 'a file that is not recognised by its sum'
replace "$patches/0002-b.patch" '--- a/bin/one.c' '--- a/bin/other'
replace "$patches/0002-b.patch" '+++ b/bin/one.c' '+++ b/bin/other'
refused 'bin/other is not among the files that are recognised'

edit='Edit: bin/one.c first "if (a)" "if (a && a != '\''\n'\'')"'
start 'an Edit whose statement is there twice'
replace "$patches/0002-b.patch" "$edit" 'Edit: bin/one.c twice "return (a);" "return (0);"'
refused 'twice has `return (a);` 2 times, not once'

start 'an Edit whose statement is twice in a line'
replace "$patches/0002-b.patch" "$edit" 'Edit: bin/one.c twice "a" "b"'
refused 'twice has `a` '

start 'an Edit whose statement is not there'
replace "$patches/0002-b.patch" "$edit" 'Edit: bin/one.c first "if (b)" "if (a)"'
refused 'first has `if (b)` 0 times, not once'

start 'an Edit of a function that is not there'
replace "$patches/0002-b.patch" "$edit" 'Edit: bin/one.c third "if (a)" "if (b)"'
refused 'no function third'

start 'an Edit that cannot be read'
replace "$patches/0002-b.patch" "$edit" 'Edit: bin/one.c first if (a)'
refused 'cannot read `Edit: bin/one.c first if (a)`'

start 'a New file that is there already'
mkdir "$tree/sys/new"
echo theirs >"$tree/sys/new/ours.c"
look "$tree" >"$work/was"
refused 'sys/new/ours.c is there already'

start 'a New file that is a file we have not'
rm "$work/kmod/uapi/ours.h"
refused 'uapi/ours.h is not in kmod'

start 'a New file that comes twice'
replace "$patches/0001-a.patch" 'New: sys/new/deep/ours.h = uapi/ours.h' \
    'New: sys/new/ours.c = uapi/ours.h'
refused 'sys/new/ours.c is there already'

start 'no line between message and hunks'
replace "$patches/0002-b.patch" '---' '--'
refused 'before the hunks'

start 'a patch that is not there'
rm "$patches/0002-b.patch"
refused '0002-b.patch: no such patch'

#
# Ended half-way.  What fails is a tool that it runs: on its Nth call with an
# argument that matches, a stand-in for it does nothing but HOW.
#
stand_in() { # TOOL MATCH N HOW
	mkdir -p "$work/bin"
	rm -f "$work/bin"/*
	: >"$work/calls"
	cat >"$work/bin/$1" <<EOF
#!/bin/sh
case "\$*" in
*$2*)
	echo >>"$work/calls"
	if [ "\$(wc -l <"$work/calls")" -eq $3 ]; then
		$4
	fi
	;;
esac
exec $(command -v "$1") "\$@"
EOF
	chmod 755 "$work/bin/$1"
}

with_stand_in() { # STATUS ARGUMENT...
	path=$PATH
	PATH=$work/bin:$PATH
	apply "$@"
	PATH=$path
	if [ "$(wc -l <"$work/calls")" -ge "$nth" ]; then
		pass
	else
		fail 'the test did not get to the call that was to fail'
	fi
}

start 'a file that cannot grow'
awk 'BEGIN { for (i = 0; i < 4000; i++) print "0123456789abcdef" }' \
    >"$work/kmod/src/sys/new/ours.c"
apply 0 -n "$tree"
(ulimit -f 8 && sh "$work/kmod/apply" "$tree") >"$work/out" 2>&1
got=$?
if [ "$got" != 0 ]; then pass; else fail 'nothing failed'; fi
untouched
apply 0 "$tree"

start 'a copy that fails while it prepares'
nth=2
stand_in cp kept 2 'echo "cp: no space left" >&2; exit 1'
with_stand_in 1 "$tree"
says 'no space left'
untouched
apply 0 "$tree"

for n in 1 2 3 4; do
	start "file $n of 4 cannot be put in place"
	nth=$n
	stand_in mv new/tree/ "$n" 'echo "mv: no permission" >&2; exit 1'
	with_stand_in 1 "$tree"
	says 'no permission'
	says "kmod/apply -R $tree"
	apply 1 "$tree"
	says "kmod/apply -R $tree"
	apply 0 -R "$tree"
	untouched
	apply 0 "$tree"
	apply 0 -R "$tree"
	untouched
done

# The same, but the tool itself is ended, and can say nothing.
start 'killed while it prepares'
nth=1
stand_in cp own 1 'kill -KILL "$PPID"; exit 1'
with_stand_in 137 "$tree"
apply 0 "$tree"
apply 0 -R "$tree"
untouched

for n in 1 2 3 4; do
	start "killed at file $n of 4"
	nth=$n
	stand_in mv new/tree/ "$n" 'kill -KILL "$PPID"; exit 1'
	with_stand_in 137 "$tree"
	apply 1 "$tree"
	says "kmod/apply -R $tree"
	apply 0 -R "$tree"
	untouched
	apply 0 "$tree"
done

for n in 1 2; do
	start "killed while it puts back file $n of 2"
	apply 0 "$tree"
	nth=$n
	stand_in cp own "$n" 'kill -KILL "$PPID"; exit 1'
	with_stand_in 137 -R "$tree"
	apply 0 -R "$tree"
	untouched
done

for n in 1 2; do
	start "file $n of 2 cannot be put back"
	apply 0 "$tree"
	nth=$n
	stand_in cp own "$n" 'echo "cp: no space left" >&2; exit 1'
	with_stand_in 1 -R "$tree"
	says 'no space left'
	apply 0 -R "$tree"
	untouched
done

#
# What others changed meanwhile is theirs.
#
for file in bin/one.c sys/new/ours.c; do
	start "$file changes after it was applied"
	apply 0 "$tree"
	apply 0 -n -R "$tree"
	echo '/* somebody */' >>"$tree/$file"
	look "$tree" >"$work/was"
	apply 1 "$tree"
	says 'not as it was left'
	apply 1 -R "$tree"
	says "$file: is $(sum "$tree/$file")"
	says 'nothing was put back'
	untouched
done

start 'a file of others in a folder of ours'
apply 0 "$tree"
echo theirs >"$tree/sys/new/theirs"
apply 0 -R "$tree"
if [ -f "$tree/sys/new/theirs" ] && [ ! -e "$tree/sys/new/deep" ]; then
	pass
else
	fail 'their file is gone, or our folder is there'
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
