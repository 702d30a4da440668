#!/bin/sh
# tests/freebsd/memseg.sh - memory that a file backs, on a kernel that has it.
exec "$(dirname "$0")/../../kmod/test/run"
