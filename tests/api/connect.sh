#!/bin/sh
# connect.sh - a Connect client of others, with its binary codec, calls every
# rpc of an envd with nothing around it; the same in JSON, packed and not.
cd "$(dirname "$0")/../.." || exit 2
envd=build/${VARIANT:-debug}/bin/envd
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
[ -d build/connect-js/node_modules/@connectrpc/connect-node ] ||
	{ echo "no Connect client: run tools/setup"; exit 77; }
exec sh tests/lib/envd_inside.sh "$envd" "$(tools/setup --node)/node" \
    --no-warnings tests/lib/connect_suite.mjs build/connect-js build/proto/envd.bin
