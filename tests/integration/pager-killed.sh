#!/bin/bash
# SPDX-License-Identifier: MIT
# kill -9 of gmem-pager in mid-move, and none comes in its place: the VMM lets go after
# the time that it was told, and the kernel fails closed.

. "$(dirname "$0")/lib/spoil.sh"
background_limit=$trickle
. "$(dirname "$0")/lib/test.sh"

service_wait_s=10
hosts_up
move_stage
mid_move
expect "gmem-pager cannot be killed" "$BED" stop B pager KILL
guest_is_stopped
exits A source 4 'lost|gone|closed|doubt'
echo "ok $test_name"
