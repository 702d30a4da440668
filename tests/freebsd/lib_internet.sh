#!/bin/sh
# tests/freebsd/lib_internet.sh start | stop - the internet of the tests, for
# one that is driven from outside the machine: the way out leads there.
what=${1:-}
[ $# -eq 0 ] || shift
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
pidfile=/var/run/coppice-test-internet
case $what in
start)
	sweep
	internet
	is open "$peer" tcp 1.1.1.1 80
	is open "$peer" tcp 8.8.8.8 80
	echo "$servers" >"$pidfile"
	;;
stop)
	servers=$(cat "$pidfile" 2>/dev/null)
	rm -f "$pidfile"
	finish
	;;
*) fail "start or stop" ;;
esac
done_testing
