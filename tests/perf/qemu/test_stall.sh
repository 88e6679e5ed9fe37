#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A test host that stalls is told from one that works, and from a move that has ended.
#
#     test_stall.sh TOP-OF-SOURCES

set -u
. "$1/tests/dev/progress.sh"
. "$1/tests/dev/bench_qemu.sh"
stall_window=2

fail() {
	echo "$*" >&2
	exit 1
}

yes >/dev/null &
busy=$!
sleep 1000 &
asleep=$!
trap 'kill $busy $asleep' EXIT

(($(sched_us $$) > 0)) || {
	echo "this kernel does not say how long a thread waits for a CPU"
	exit 77
}
stall_watch "$busy" "$asleep" &
watching=$!
pause 7
kill -0 $watching 2>/dev/null || fail "a busy emulator was taken for one that stalls"
kill $watching
out=$(stall_watch "$asleep" "$busy")
[ $? = "$stalled" ] || fail "an emulator that sleeps was not seen to stall: $out"
sleep 0.1 &
stall_watch "$asleep" $! || fail "the end of the move was not seen"
echo "stalls are seen"
