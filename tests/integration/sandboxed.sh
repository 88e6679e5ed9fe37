#!/bin/bash
# SPDX-License-Identifier: MIT
# Both services with every stage of isolation: the network is gone for 10 s while the guest runs at the destination, it goes
# on, and finds every byte right. Before and after, no thread of either has more than the stages leave.

sandbox=full state_dir=/run/gmem-state
. "$(dirname "$0")/lib/resume.sh"
. "$(dirname "$0")/lib/test.sh"

# sealed HOST PROGRAM: each of its threads, by the kernel.
sealed() {
	local said

	said=$(on "$1" sh -c 'cat /proc/$(pidof '"$2"')/task/*/status') || fail "no process $2 on $1"
	grep -q '^Seccomp:' <<<"$said" || fail "$2 on $1: the kernel says nothing of its threads"
	if grep -E '^(NoNewPrivs|Seccomp|CapInh|CapPrm|CapEff|CapBnd|CapAmb):' <<<"$said" |
	   grep -vE '^(NoNewPrivs:.1|Seccomp:.2|Cap[A-Za-z]*:.0+)$'; then
		fail "$2 on $1: a thread is not sealed"
	fi
	echo "$2 on $1: $(grep -c '^Seccomp:' <<<"$said") threads are sealed"
}

hosts_up
move_stage
running_at_b
sealed A gmem-source
sealed B gmem-pager
expect "the link cannot be cut" on A ip link set link0 down
says B pager 'connection lost' 1
says A source 'connection lost' 1
sleep 10
expect "the link cannot be healed" on A ip link set link0 up
says B pager 'connected again' 1
says A source 'connected again' 1
sealed A gmem-source
sealed B gmem-pager
release
all_is_right
echo "ok $test_name"
