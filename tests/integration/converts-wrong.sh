#!/bin/bash
# SPDX-License-Identifier: MIT
# A VMM that punches and converts and knows of no move: its guest sees old content, and says so.  This is what converts.sh would notice.
# Asks the kernel for nothing that move.sh does not.

. "$(dirname "$0")/lib/resume.sh"
. "$(dirname "$0")/lib/convert.sh"
convert_options bare
. "$(dirname "$0")/lib/test.sh"

hosts_up
move_stage
running_at_b
converts 1
(guest_saw_nothing_wrong) >"$share_b/wrong" && fail "old content went unnoticed"
# The pages are those of this test, and what they hold is what they did.
for class in discard round-trip; do
	grep -aq "^CONVERT step=1 class=$class when=before missing=[1-9]" "$share_b/b.console" || fail "no page of class $class was missing"
done
n=$(grep -ac '^MISMATCH area=convert' "$share_b/b.console")
((n >= convert_least)) || fail "old content in $n pages alone"
number "$n times old content was seen"
echo "ok $test_name"
