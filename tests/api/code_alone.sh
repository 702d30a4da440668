#!/bin/sh
# code_alone.sh - coppice-code with nothing around it but Debian's ipykernel, a
# kernel that misbehaves (tests/lib/lines_kernel.py), and a stand-in for envd.
cd "$(dirname "$0")/../.." || exit 2
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
/usr/bin/python3 -c 'import ipykernel' 2>/dev/null || { echo "no ipykernel"; exit 77; }
code=$(realpath "build/${VARIANT:-debug}/bin/coppice-code")
dir=$(mktemp -d /tmp/code-test.XXXXXX)
trap 'rm -rf "$dir"' EXIT
rc=0
# A pid namespace, so that nothing outlives it.
unshare -mnpf --kill-child --propagation private sh -c '
	mount -t proc proc /proc && ip link set lo up && shift &&
	exec /usr/bin/python3 tests/lib/code_http.py "$@"' \
    sh sh "$code" "$dir" tests/lib/lines_kernel.py || rc=1

# Static, small, and it asks no library for users or names.
passed=0 failed=0
if nm "$code.full" | grep -Ew 'T (getpw[a-z_]*|getgrnam[a-z_]*|getaddrinfo|gethostby[a-z]*|iconv_open)'; then
	failed=$((failed + 1))
else
	passed=$((passed + 1))
fi
if [ "$(stat -c %s "$code")" -lt 1572864 ]; then
	passed=$((passed + 1))
else
	echo "# coppice-code is larger than 1.5 MiB"
	failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] || rc=1
exit $rc
