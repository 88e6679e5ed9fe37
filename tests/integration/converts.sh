#!/bin/bash
# SPDX-License-Identifier: MIT
# A guest has pages discarded, and converted to shared, to private, there and back, before
# and after they arrive, with kill -9 of gmem-pager between: it never sees what they were.

# The last gmem-pager may come when the guest has all that it touches.
export MIN_DEMAND=0
. "$(dirname "$0")/lib/resume.sh"
. "$(dirname "$0")/lib/convert.sh"
convert_options
. "$(dirname "$0")/lib/test.sh"

hosts_up
move_stage
running_at_b
converts_and_kills
all_is_right
conversions_happened
echo "ok $test_name"
