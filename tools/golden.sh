#!/bin/sh
# golden.sh check|update|cases NETPOLICY - a directory of tests/golden a case.
#
# request.json goes in; what netpolicy says of it is filed beside it: ir.txt,
# nft.txt, pf.txt and explain.txt, or error.txt where it refuses.  The flows
# for explain.txt are the lines of flows.txt; args.txt holds more options;
# site.txt is an operator's file; the lines of commands.txt are run in the
# directory, and commands-out.txt is what they say.  `update` rewrites; the diff is
# the review.  `cases` does not look into docs/ and at other tests.
set -u
cd "$(dirname "$0")/.." || exit 1
what=${1-}
bin=${2-}
cases=tests/golden
files='ir.txt nft.txt pf.txt explain.txt error.txt commands-out.txt'
case $what in
check | update | cases) [ -x "$bin" ] ;;
*) false ;;
esac || {
	echo "usage: golden.sh check|update|cases NETPOLICY" >&2
	exit 2
}
got=$(mktemp -d) || exit 1
trap 'rm -rf "$got"' EXIT
case $bin in /*) ;; *) bin=$PWD/$bin ;; esac
passed=0 failed=0

pass() { passed=$((passed + 1)); }
fail() {
	failed=$((failed + 1))
	echo "# $1: $2"
}

# run CASE ARGS... - netpolicy on a case's files.
run() {
	dir=$1
	cmd=$2
	shift 2
	if [ -f "$dir/site.txt" ]; then
		set -- --site "$dir/site.txt" "$@"
	fi
	# shellcheck disable=SC2046 # args.txt is a list of words
	"$bin" "$cmd" -p "$dir/request.json" \
		$(cat "$dir/args.txt" 2>/dev/null) "$@"
}

explain() {
	[ ! -f "$1/flows.txt" ] || while read -r flow; do
		echo "\$ netpolicy explain -t $flow"
		run "$1" explain -t "$flow"
		echo "exit status $?"
		echo
	done <"$1/flows.txt"
	echo "\$ netpolicy lint"
	run "$1" lint
	echo "exit status $?"
}

commands() {
	while read -r line; do
		echo "\$ netpolicy $line"
		# shellcheck disable=SC2086 # a line is words
		(cd "$1" && "$bin" $line 2>&1 </dev/null)
		echo "exit status $?"
		echo
	done <"$1/commands.txt"
}

# Everything that netpolicy says of a case, into $got.
produce() {
	rm -f "$got"/*
	if [ -f "$1/commands.txt" ]; then
		commands "$1" >"$got/commands-out.txt"
	fi
	if [ ! -f "$1/request.json" ]; then
		return
	fi
	if ! run "$1" compile --ir >"$got/ir.txt" 2>"$got/error.txt"; then
		rm -f "$got/ir.txt"
		return
	fi
	rm -f "$got/error.txt"
	run "$1" compile --nft >"$got/nft.txt"
	run "$1" compile --pf >"$got/pf.txt"
	explain "$1" >"$got/explain.txt" 2>&1
}

compare() {
	for f in $files; do
		if [ ! -e "$got/$f" ] && [ ! -e "$1/$f" ]; then
			continue
		elif [ ! -e "$1/$f" ]; then
			fail "$1/$f" "there is output, and no file"
		elif [ ! -e "$got/$f" ]; then
			fail "$1/$f" "there is a file, and no output"
		elif diff -u "$1/$f" "$got/$f" >"$got/diff"; then
			pass
		else
			fail "$1/$f" "differs"
			sed 's/^/#   /' "$got/diff" | head -20
		fi
	done
}

file_away() {
	for f in $files; do
		rm -f "$1/$f"
		if [ -e "$got/$f" ]; then
			cp "$got/$f" "$1/$f"
		fi
	done
}

# The ranges of the ok sets and the maps beside them, from nft's listing.
kernel_ranges() {
	jq -r '
	  def text: if type == "object" then
	      if has("elem") then .elem.val | text
	      elif has("prefix") then "\(.prefix.addr)/\(.prefix.len)"
	      else "\(.range[0])-\(.range[1])" end
	    else . end;
	  .nftables[] |
	  ((.set? // empty | select(.name | test("_ok[46]$")) | .elem[]?),
	   (.map? // empty | select(.name | test("_some[46]$")) | .elem[]?[0])) |
	  text' "$1" | sort
}

# What the kernel lists, read back, is what was compiled; a closed slot is not.
verify() {
	slot=$(grep -o -e '--slot [0-9]*' "$1/args.txt" 2>/dev/null)
	# shellcheck disable=SC2086 # an option and its argument
	if run "$1" verify ${slot:---slot 1} "$got/list.txt" \
		>"$got/verify.txt" 2>&1 ||
		[ "$(cat "$got/verify.txt")" = \
			"! the slot is closed: it has no generation" ]; then
		pass
	else
		fail "$1/nft.txt" "read back it is something else"
		sed 's/^/#   /' "$got/verify.txt" | head -20
	fi
}

# Does the kernel take it, and hold what was meant?  In a network namespace
# of its own.
load() {
	if [ ! -e "$1/nft.txt" ] || [ -z "$nft" ]; then
		return
	fi
	# shellcheck disable=SC2016 # for that shell
	if unshare -n sh -c 'nft -c -f "$1" && nft -f "$1" &&
		nft -j list ruleset >"$2" && nft list ruleset >"$3"' - \
		"$1/nft.txt" "$got/list.json" "$got/list.txt" \
		>"$got/nft.log" 2>&1; then
		pass
	else
		fail "$1/nft.txt" "nft refuses it: $(head -1 "$got/nft.log")"
		return
	fi
	verify "$1"
	kernel_ranges "$got/list.json" >"$got/kernel.txt"
	awk -v no_v6="$(grep -c no-v6 "$1/args.txt" 2>/dev/null)" \
		'$1 == "ok4" || ($1 == "ok6" && !no_v6) { print $3 }' \
		"$1/ir.txt" | sort >"$got/meant.txt"
	if diff -u "$got/meant.txt" "$got/kernel.txt" >"$got/diff"; then
		pass
	else
		fail "$1/nft.txt" "the kernel holds something else"
		sed 's/^/#   /' "$got/diff" | head -20
	fi
}

# Every case is named in the specification, and every name there is a case.
named() {
	for dir in "$cases"/*/; do
		name=$(basename "$dir")
		if grep -q "\`$name\`" docs/policy.md; then
			pass
		else
			fail "$name" "docs/policy.md does not name it"
		fi
	done
	# shellcheck disable=SC2013,SC2016 # words; the quotes are Markdown's
	for name in $(grep -o '\[`[a-z0-9-]*`\]' docs/policy.md | tr -d '[]`'); do
		if [ -d "$cases/$name" ]; then
			pass
		else
			fail "docs/policy.md" "names $name, which is no case"
		fi
	done
}

# The table that the specification shows is the one that is made.
table() {
	dir=$cases/the-table-of-the-specification
	awk '/^```$/ { on = 0 } on; /^```nft$/ { on = 1 }' docs/policy.md \
		>"$got/doc.txt"
	if diff -u "$got/doc.txt" "$dir/nft.txt" >"$got/diff"; then
		pass
	else
		fail "docs/policy.md" "its table is not what compile prints"
		sed 's/^/#   /' "$got/diff" | head -20
	fi
	awk '/^```$/ { on = 0 } on; /^```pf$/ { on = 1 }' docs/policy.md \
		>"$got/doc.txt"
	run "$dir" compile --pf-root >"$got/root.txt"
	if cat "$got/root.txt" "$dir/pf.txt" |
		diff -u "$got/doc.txt" - >"$got/diff"; then
		pass
	else
		fail "docs/policy.md" "its pf rules are not what compile prints"
		sed 's/^/#   /' "$got/diff" | head -20
	fi
}

# How a test says that it tries a row of the bypass catalogue.
tries() { # FILE ROW
	case $1 in
	*/rows_*.sh) grep -q "^[[:space:]]*row $2 " "$1" ;;
	*.py) grep -q "^[[:space:]]*@case(\"$2: " "$1" ;;
	*) grep -q "^# .*\<$2\>" "$1" ;;
	esac
}

# Every row has a test that is there and names it, and every test that names a
# row is in the row's line.
catalogue() {
	awk '/^## / { on = /bypass catalogue/ } on && /^\| [A-Z][0-9]+ \|/' \
		docs/policy.md >"$got/rows.txt"
	for row in $(seq -f P%.0f 18) $(seq -f C%.0f 10) C12 C14 C15 C16 C17; do
		tests=$(grep "^| $row |" "$got/rows.txt" |
			grep -o '`tests/[^`]*`' | tr -d '`')
		if [ -z "$tests" ]; then
			fail "docs/policy.md" "row $row has no test"
		fi
		for test in $tests; do
			if [ -x "$test" ] && tries "$test" "$row"; then
				pass
			else
				fail "docs/policy.md" "row $row: $test does not try it"
			fi
		done
	done
	grep -oE '^[[:space:]]*(row |@case\(")[CP][0-9]+[: ]' tests/net/rows_*.sh \
		tests/api/*.py tests/fault/*.py |
		sed -E 's/:[[:space:]]*(row |@case\(")/ /; s/[: ]*$//' |
		sort -u >"$got/named.txt"
	while read -r test row; do
		if grep -q "^| $row |.*\`$test\`" "$got/rows.txt"; then
			pass
		else
			fail "$test" "tries row $row, and docs/policy.md does not say so"
		fi
	done <"$got/named.txt"
}

nft=
if [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null &&
	command -v nft >/dev/null && command -v jq >/dev/null; then
	nft=yes
else
	echo "# not root, no nft or no jq: nft.txt is compared, not loaded"
fi
for dir in "$cases"/*/; do
	dir=${dir%/}
	produce "$dir"
	if [ "$what" = update ]; then
		file_away "$dir"
	fi
	compare "$dir"
	load "$dir"
done
if [ "$what" != cases ]; then
	named
	table
	catalogue
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
