#!/bin/sh
# envd_alone.sh - envd with nothing around it: by plain HTTP, then with the
# SDKs' own classes in their debug mode, and what the binary is made of.
cd "$(dirname "$0")/../.." || exit 2
envd=build/${VARIANT:-debug}/bin/envd
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
rc=0

sh tests/lib/envd_inside.sh "$envd" python3 tests/lib/envd_http.py || rc=1
sh tests/lib/envd_inside.sh "$envd" python3 tests/lib/envd_corners.py || rc=1

export E2B_DEBUG=true E2B_API_KEY=debug
if [ -d build/sdk-js/node_modules/e2b ]; then
	PATH=$(tools/setup --node):$PATH
	export PATH
	sh tests/lib/envd_inside.sh "$envd" sh -c 'cd build/sdk-js &&
		exec node --no-warnings ../../tests/lib/envd_debug.mjs' || rc=1
fi
if [ -f build/sdk-py/ready ]; then
	sh tests/lib/envd_inside.sh "$envd" build/sdk-py/bin/python \
	    tests/lib/envd_debug.py || rc=1
fi

# Static, small, and it asks no library for users or names.
passed=0 failed=0
if nm "$envd.full" | grep -Ew 'T (getpw[a-z_]*|getgrnam[a-z_]*|getgrgid[a-z_]*|getaddrinfo|gethostby[a-z]*|iconv_open)'; then
	failed=$((failed + 1))
else
	passed=$((passed + 1))
fi
if [ "$(stat -c %s "$envd")" -lt 1572864 ]; then
	passed=$((passed + 1))
else
	echo "# envd is larger than 1.5 MiB"
	failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] || rc=1
exit $rc
