#!/bin/bash
# SPDX-License-Identifier: MIT
# The network is gone for 10 s, twice, while the guest runs at the destination: it
# goes on, and finds every byte right.

. "$(dirname "$0")/lib/resume.sh"
. "$(dirname "$0")/lib/test.sh"

hosts_up
move_stage
running_at_b
for n in 1 2; do
	expect "the link cannot be cut" on A ip link set link0 down
	says B pager 'connection lost' $n
	says A source 'connection lost' $n
	sleep 10
	expect "the link cannot be healed" on A ip link set link0 up
	says B pager 'connected again' $n
	says A source 'connected again' $n
done
release
all_is_right
echo "ok $test_name"
