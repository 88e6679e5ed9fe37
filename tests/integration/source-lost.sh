#!/bin/bash
# SPDX-License-Identifier: MIT
# The source host loses its power in mid-move and never comes back: status says so,
# says LOST after the configured time, and an operator's abandon ends it.

resume_timeout_s=20
. "$(dirname "$0")/lib/resume.sh"
. "$(dirname "$0")/lib/test.sh"

hosts_up
move_stage
ticket=$(ticket_id)
running_at_b
cp "$share_a/a.console" "$share_b/a.console"
on B "$GMEM_BUILD/gmem-pager/gmemctl" --state-dir $share/state session abandon "$ticket" --reason early &&
	fail "a move that goes well was abandoned"
says B pager 'abandon was refused'
expect "host A cannot be killed" "$BED" kill A
says B pager 'connection lost.*silent|connection lost.*lost'
shown B '^peer is .*trying to get it back.*last heard at 20'
says B pager 'LOST: the other side has not come back.*last heard at 20.*gmemctl session abandon'
shown B '^peer is .*LOST'
shown B '^state .*RUNNING'
shown B '^way out .*session abandon'
expect "abandon is refused" on B "$GMEM_BUILD/gmem-pager/gmemctl" --state-dir $share/state session abandon \
	"$ticket" --reason "host A burnt down"
exits B pager 4 'abandoned by uid 0: host A burnt down'
exits B vmm 3 'stopped|missing'
shown B '^state .*LOST'
guest_saw_nothing_wrong
echo "ok $test_name"
