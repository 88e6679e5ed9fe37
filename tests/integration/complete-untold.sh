#!/bin/bash
# SPDX-License-Identifier: MIT
# gmem-pager has recorded COMPLETE, nothing that it says reaches the source any more, and it is killed (kill -9).
# The source waits, frozen, and the guest runs on; a new gmem-pager, without a VM, tells it, and both sides end well.
# Asks the kernel for nothing that move.sh does not.

connect=127.0.0.1:7701
# The last gmem-source may come when the guest has all that it touches.
export MIN_DEMAND=0
peer_timeout_s=60	# only what is held back here shall be lost
. "$(dirname "$0")/lib/resume.sh"
. "$(dirname "$0")/lib/test.sh"

hosts_up
bend --again --act stall --lane control --op COMPLETE --from pager
move_stage
running_at_b
release
was_bent
says B pager 'complete: [0-9]+ pages are present'
expect "the VMM at B is not told that the guest is whole" ctl B wait-move $((300 * patience))
expect "gmem-pager cannot be killed" "$BED" stop B $pager_job KILL
says A source 'connection lost'
expect "the wire does not end" "$BED" wait A bend --timeout $((120 * patience))
shown B '^state .*COMPLETE'
shown A '^state .*GIVEN'
expect "the guest does not go on at B" ctl B wait-more 1 $((300 * patience))
[ ! -e "$share_a/vmm.rc" ] && [ ! -e "$share_a/source.rc" ] || fail "the source did not wait"

pager_job=pager1
pager_start
says B $pager_job 'this move is over \(COMPLETE\): only its source is waited for'
bend --again --act none
says A source 'complete: the destination has every page'
all_is_right
shown A '^state .*RELEASED'
shown B '^state .*COMPLETE'
echo "ok $test_name"
