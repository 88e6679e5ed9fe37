#!/bin/bash
# SPDX-License-Identifier: MIT
# A map of present pages that was recorded on an earlier connection is refused on a
# later one; the move goes on over a third, and every byte is right.
# Asks the kernel for nothing that move.sh does not.

connect=127.0.0.1:7701
. "$(dirname "$0")/lib/resume.sh"
. "$(dirname "$0")/lib/test.sh"

hosts_up
bend --act stale --lane control --op MAP --from pager
move_stage
running_at_b
was_bent
says A source 'control lane is not authentic'
says A source 'connected again' 2
says B pager 'connected again' 2
release
all_is_right
echo "ok $test_name"
