#!/bin/bash
# SPDX-License-Identifier: MIT
# A page that is sent to another GFN is refused.
# Asks the kernel for nothing that move.sh does not.

connect=127.0.0.1:7701
. "$(dirname "$0")/lib/spoil.sh"
. "$(dirname "$0")/lib/test.sh"

hosts_up
bend --act gfn --lane bulk --op PAGES --nth 30
move_stage
spoil_go
exits B pager 4 'authentic|record'
was_bent
guest_is_stopped
echo "ok $test_name"
