#!/bin/sh
# tests/lib/fuzz.sh FUZZER SECONDS - feeds one fuzzer, seeds from the tree.
#
# What it finds interesting stays in build/; an input that breaks it is shown
# and counts as a failure.
set -u
fuzzer=$1
seconds=$2
name=${fuzzer##*/}
corpus=build/fuzz/corpus/$name
seeds=tests/fuzz/corpus/$name
mkdir -p "$corpus" "build/fuzz/crash/$name"
[ -d "$seeds" ] || seeds=
# shellcheck disable=SC2086
if "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
    -print_final_stats=0 -artifact_prefix="build/fuzz/crash/$name/" \
    "$corpus" $seeds >"$corpus.log" 2>&1; then
	echo "1 passed, 0 failed"
else
	tail -n 30 "$corpus.log"
	echo "0 passed, 1 failed"
	exit 1
fi
