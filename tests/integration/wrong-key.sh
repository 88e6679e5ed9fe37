#!/bin/bash
# SPDX-License-Identifier: MIT
# Who does not have the pinned key is refused, and the guest goes on where it is.
# Asks the kernel for nothing that move.sh does not.

. "$(dirname "$0")/lib/spoil.sh"
. "$(dirname "$0")/lib/test.sh"

# The pager has a key of its own making, not the one that A knows.
impostor() {
	rm "$share_b/own.key"
	"$keygen" --private "$share_b/own.key" --public "$share_b/own.pub"
}

hosts_up
move_identities
expect "a second key" impostor
guest_boot
pager_start
guest_incoming
source_start
expect "the guest makes no rounds" ctl A wait-round 1 $((200 * patience))
spoil_go
ctl A wait-move $((60 * patience)) >"$share_a/move.answer" 2>&1 && fail "the move to an impostor was not refused"
grep -Eqi 'refus|key' "$share_a/move.answer" || fail "no reason is given: $(tail -n1 "$share_a/move.answer")"
expect "the guest does not go on at A" ctl A wait-more 2 $((200 * patience))
[ ! -s "$share_b/b.console" ] || fail "something ran at B"
guest_saw_nothing_wrong
echo "ok $test_name"
