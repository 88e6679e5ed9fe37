#!/bin/bash
# SPDX-License-Identifier: MIT
# A record that comes twice is refused.
# Asks the kernel for nothing that move.sh does not.

connect=127.0.0.1:7701
. "$(dirname "$0")/lib/spoil.sh"
background_limit=$trickle
. "$(dirname "$0")/lib/test.sh"

hosts_up
bend --act replay --lane urgent --op PAGES --nth 10
move_stage
spoil_go
exits B pager 4 'authentic|record'
was_bent
guest_is_stopped
echo "ok $test_name"
