#!/bin/bash
# SPDX-License-Identifier: MIT
# kill -9 of gmem-source while the guest runs at the destination, and a new one, twice:
# the VMM hands it the frozen VM again, and every byte arrives.

. "$(dirname "$0")/lib/resume.sh"
. "$(dirname "$0")/lib/test.sh"

hosts_up
move_stage
running_at_b
for n in 1 2; do
	expect "gmem-source cannot be killed" "$BED" stop A $source_job KILL
	says B pager 'connection lost' $n
	source_job=source$n
	[ $n = 1 ] || background_limit=0
	source_start
	says A $source_job 'connected again'
	says B pager 'connected again' $n
	sleep 5
done
all_is_right
echo "ok $test_name"
