#!/bin/sh
# tests/kmod/patches.sh [FOLDER] - the form of the series in kmod/patches.
#
# No text of FreeBSD's is in them: hunks insert, have no context, and take
# nothing away; an Edit names as little as a statement; a New file is ours.
# What is wrong with a patch is looked for in toy patches first.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/kmod-patches.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM
passed=0 failed=0

pass() { passed=$((passed + 1)); }

fail() {
	failed=$((failed + 1))
	echo "# $*"
}

# form PATCH: what is wrong with it, a line each.
form() {
	awk '
	function wrong(why) { print FILENAME ":" FNR ": " why }
	function statement(text) {
		if (length(text) > 80)
			wrong("a statement of " length(text) " characters")
	}
	function edit(line,   quoted, n) {
		n = split(line, quoted, "\"")
		if (line !~ /^Edit: [^ ]+ [a-z_0-9]+ "/ || n != 5 ||
		    quoted[3] != " " || quoted[5] != "") {
			wrong("not an Edit: " line)
			return
		}
		statement(quoted[2])
		statement(quoted[4])
	}
	/[ \t]$/ && !left { wrong("ends with a blank") }
	!body && /^---$/ { body = 1; next }
	!body {
		if (FNR == 1 && (length($0) > 72 || $0 !~ /^[a-z_.0-9, ]+: [^ ]/))
			wrong("not a subject: " $0)
		if (FNR == 2 && $0 != "")
			wrong("no blank line after the subject")
		if (FNR > 2 && /[a-z]/ && !/^(New|Edit): /)
			reason = 1
		if (length($0) > 80 && !/^Edit: /)
			wrong("more than 80 characters")
		if (/^Edit:/)
			edit($0)
		if (/^New:/ && !/^New: [^ ]+( = [^ ]+)?$/)
			wrong("not a New: " $0)
		next
	}
	left > 0 && /^\+/ { left--; next }
	left > 0 { wrong("context or a line that is taken away"); left = 0; next }
	/^@@ -[0-9]+,0 \+[0-9]+(,[0-9]+)? @@$/ {
		split($0, at, /[ ,+-]+/)
		left = at[5] == "@@" ? 1 : at[5]
		hunks++
		next
	}
	/^@@/ { wrong("a hunk that does not only insert, or has text: " $0); next }
	/^--- a\/[^ ]+$/ { from = substr($0, 7); next }
	/^\+\+\+ b\/[^ ]+$/ && substr($0, 7) == from { next }
	{ wrong("neither hunk nor file") }
	END {
		if (!body)
			wrong("no line ---")
		if (!reason)
			wrong("no reason")
		if (left > 0)
			wrong("ends within a hunk")
		if (body && !hunks)
			wrong("changes nothing")
	}' "$1"
}

# touched PATCH: files of the tree that it changes.
touched() {
	sed -n '/^---$/,$s|^+++ b/||p' "$1"
	sed '/^---$/,$d' "$1" | sed -n 's/^Edit: \([^ ]*\) .*/\1/p'
}

# series FOLDER: what is wrong with a series as a whole.
series() {
	(cd "$1" && printf '%s\n' *.patch) >"$work/there"
	sort "$1/series" | diff - "$work/there" |
		sed -n 's/^[<>] \(.*\)/\1: in the series or in the folder only/p'
	grep -vE '^[0-9a-f]{64}  [^ ]+$' "$1/pristine" | sed 's/^/pristine: /'
	sed 's/^[^ ]*  //' "$1/pristine" >"$work/pristine"
	sort -u "$work/pristine" | cmp -s - "$work/pristine" ||
		echo 'pristine: not sorted, or a file twice'
	for patch in "$1"/*.patch; do
		touched "$patch"
	done | sort -u | diff - "$work/pristine" |
		sed -n 's/^< /pristine lacks /p; s/^> /no patch touches /p'
	sed -n 's/^New: //p' "$1"/*.patch | while read -r path is from; do
		[ -z "$is" ] || path=$from
		[ -n "$is" ] || path=src/$path
		[ -f "$top/kmod/$path" ] || echo "kmod/$path is not there"
	done
}

# What it finds, on toys.
toy() {
	cat >"$work/0001-toy.patch" <<'EOF'
toy: a subject

A reason.

New: sys/dev/vmm/vmm_memseg_fd.h = uapi/vmm_memseg_fd.h
Edit: a/b.c f "x = 1;" "x = 2;"
---
--- a/a/b.c
+++ b/a/b.c
@@ -3,0 +4,2 @@
+one
+
@@ -9,0 +12 @@
+two
EOF
	echo 0001-toy.patch >"$work/series"
	printf '%064d  a/b.c\n' 0 >"$work/pristine.own"
}

clean() {
	if [ -z "$(form "$work/0001-toy.patch")" ]; then
		pass
	else
		fail "a good toy: $(form "$work/0001-toy.patch")"
	fi
}

# finds TEXT SCRIPT: after that edit of the toy it is what is found.
finds() {
	toy
	clean
	sed "$2" "$work/0001-toy.patch" >"$work/sed"
	cat "$work/sed" >"$work/0001-toy.patch"
	case $(form "$work/0001-toy.patch") in
	*"$1"*) pass ;;
	*) fail "not found: $1" ;;
	esac
}

long=$(printf '%081d' 0)
finds 'context or a line that is taken away' 's/^+two/ two/'
finds 'context or a line that is taken away' 's/^+two/-two/'
finds 'neither hunk nor file' '$s/$/\
 three/'
finds 'a hunk that does not only insert' 's/^@@ -9,0 +12/@@ -9 +12/'
finds 'or has text' 's/^\(@@ -9.*\)/\1 main(void)/'
finds 'ends within a hunk' 's/+12 @@/+12,2 @@/'
finds 'neither hunk nor file' 's/^+++ b\/a/+++ b\/c/'
finds 'a statement of 81 characters' "s/x = 1;/$long/"
finds 'not an Edit' 's/"x = 1;"/x = 1;/'
finds 'not a New' 's/ = uapi/ uapi/'
finds 'not a subject' '1s/://'
finds 'no blank line after the subject' '2s/$/x/'
finds 'no reason' '3d'
finds 'no line ---' '/^---$/d'
finds 'changes nothing' '/^--- a/,$d'

folder=$work/1.0
mkdir "$folder"
toy
cp "$work/0001-toy.patch" "$work/series" "$folder"
cp "$work/pristine.own" "$folder/pristine"
in_series() { # TEXT: is what is found now
	case $(series "$folder") in
	*"$1"*) pass ;;
	*) fail "not found in a series: $1 ($(series "$folder"))" ;;
	esac
}
if [ -z "$(series "$folder")" ]; then pass; else fail "a good series: $(series "$folder")"; fi
cp "$work/0001-toy.patch" "$folder/0002-toy.patch"
in_series '0002-toy.patch: in the series or in the folder only'
rm "$folder/0002-toy.patch"
printf '%064d  a/c.c\n' 0 >>"$folder/pristine"
in_series 'no patch touches a/c.c'
printf '%064d  a/c.c\n' 0 >"$folder/pristine"
in_series 'pristine lacks a/b.c'
printf '%063d  a/b.c\n' 0 >"$folder/pristine"
in_series 'pristine: 0000'
cp "$work/pristine.own" "$folder/pristine"
sed 's/^New: .*/New: sys\/none.c/' "$work/0001-toy.patch" >"$folder/0001-toy.patch"
in_series 'kmod/src/sys/none.c is not there'

# And the project's own.
for folder in "${1:-$top/kmod/patches}"/*/; do
	for patch in "$folder"*.patch; do
		found=$(form "$patch")
		if [ -z "$found" ]; then pass; else fail "$found"; fi
	done
	found=$(series "${folder%/}")
	if [ -z "$found" ]; then pass; else fail "$folder: $found"; fi
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
