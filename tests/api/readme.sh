#!/bin/bash
# tests/api/readme.sh - pastes README's commands, line by line: make run, the
# exports it shows, the example; then Ctrl-C, and nothing of it is left.
#
# The daemon of the world is stopped first: make run starts its own, with the
# configuration that a newcomer has, which is none.
set -u
cd "$(dirname "$0")/../.." || exit 2
[ -n "${COP_WORLD:-}" ] || exec tests/lib/world.sh tests/api/readme.sh "$@"
export COPPICE_TEMPLATES= # base will do
unset E2B_API_URL E2B_SANDBOX_URL E2B_API_KEY
passed=0 failed=0

check() { # NAME COMMAND...
	local name=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
		echo "ok $name"
	else
		failed=$((failed + 1))
		echo "not ok $name"
	fi
}

# The code blocks of one language, in order.
blocks() { # LANGUAGE
	awk -v want="\`\`\`$1" '/^```/ { on = $0 == want; next } on' README.md
}

finish() {
	[ -z "${run:-}" ] || kill -KILL -- "-$run" 2>/dev/null
	rm -f "$out" "$out.sh"
}

tests/lib/world.sh stop || exit 1
out=$(mktemp)
trap finish EXIT

commands=$(blocks sh)
check "README says make run and make test" \
    test "$(grep -cx 'make run\|make test' <<<"$commands")" = 2
check "README exports three variables" \
    test "$(grep -c '^export E2B_' <<<"$commands")" = 3

# In a process group of its own, so that its Ctrl-C is not ours.
set -m
make run >"$out" 2>&1 </dev/null &
run=$!
set +m
for _ in $(seq 2400); do
	grep -q '^PY$' "$out" && break
	kill -0 "$run" 2>/dev/null || break
	sleep 0.1
done
check "make run shows the exports that README shows" \
    diff <(grep -o 'export E2B_[A-Z_]*' "$out" | sort -u) \
	<(grep -o 'export E2B_[A-Z_]*' <<<"$commands" | sort -u)
[ "$failed" = 0 ] || tail -n 20 "$out" | sed 's/^/# /'

# What is printed is what is pasted: the exports, then the example's five lines.
awk '/^export E2B_/ || /<<.PY.$/ { on = 1 } on; /^PY$/ { exit }' "$out" >"$out.sh"
check "the example has five lines" \
    test "$(awk '/<<.PY.$/ { n = 1 } n { print; n++ }' "$out.sh" | wc -l)" = 5
check "README shows the same example" diff \
    <(sed -n '/^from e2b import/,/^PY$/p' "$out.sh") \
    <(sed -n '/^from e2b import/,/^PY$/p' README.md)
said=$(timeout 60 bash -u "$out.sh" 2>&1)
check "pasted, it says who it is" grep -qx user <<<"$said"
[ "$failed" = 0 ] || sed 's/^/# /' <<<"$said"

kill -INT -- "-$run"
for _ in $(seq 200); do
	kill -0 "$run" 2>/dev/null || break
	sleep 0.1
done
check "Ctrl-C ends make run" bash -c "! kill -0 $run 2>/dev/null"
# Its sandboxes, and the slots it made ahead, were to run on; not here.
"$COP_BIN/coppiced" --stop-sandboxes >"$out" 2>&1 &
last=$!
for _ in $(seq 200); do
	grep -q 'coppiced: ready' "$out" && break
	sleep 0.1
done
kill -TERM "$last"
wait "$last"
check "make help lists what README names" bash -c \
    'for t in run test check bench lint install; do make -s help | grep -q "^$t " || exit 1; done'
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
