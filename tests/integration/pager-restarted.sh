#!/bin/bash
# SPDX-License-Identifier: MIT
# kill -9 of gmem-pager while the guest runs on missing pages, and a new one, twice:
# the VMM hands it a new session, the guest notices a pause, every byte is right.

# The last gmem-pager may come when the guest has all that it touches.
export MIN_DEMAND=0
. "$(dirname "$0")/lib/resume.sh"
. "$(dirname "$0")/lib/test.sh"

hosts_up
move_stage
running_at_b
for n in 1 2; do
	expect "gmem-pager cannot be killed" "$BED" stop B $pager_job KILL
	says A source 'connection lost' $n
	pager_job=pager$n
	pager_start
	says B $pager_job 'connected again'
	says A source 'connected again' $n
	sleep 5
done
release
all_is_right
echo "ok $test_name"
