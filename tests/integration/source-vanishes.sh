#!/bin/bash
# SPDX-License-Identifier: MIT
# The source host loses its power in mid-move, and nobody is to wait for it
# (--resume-timeout 0): the guest stops, and is said to be.

peer_timeout_s=5
. "$(dirname "$0")/lib/spoil.sh"
background_limit=$trickle
. "$(dirname "$0")/lib/test.sh"

hosts_up
move_stage
mid_move
cp "$share_a/a.console" "$share_b/a.console"
expect "host A cannot be killed" "$BED" kill A
exits B pager 4 'lost|silent|gone|closed'
exits B vmm 3 'stopped|missing'
guest_saw_nothing_wrong
echo "ok $test_name"
