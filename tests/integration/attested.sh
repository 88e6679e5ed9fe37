#!/bin/bash
# SPDX-License-Identifier: MIT
# Tickets, policies and evidence: what is not as they say is refused before START, and the guest goes on; then it moves.
# Asks the kernel for nothing that move.sh does not.

peer_timeout_s=120 mem_mib=160
# A guest that waits for pages while others are looked at says so, if it is let.
guest_more="nosoftlockup rcupdate.rcu_cpu_stall_suppress=1"
. "$(dirname "$0")/lib/spoil.sh"
. "$(dirname "$0")/lib/test.sh"
. "$(dirname "$0")/lib/attested.sh"

wrong_measurement_at_the_destination() {
	attested_ticket
	attested_pager
	attested_source --policy $share/other.policy
	is_refused 'the peer is not believed \(attested\): software.keys'
	grep -q 'software.keys' "$share_a/move.answer" || fail "the VMM is not told why: $(cat "$share_a/move.answer")"
	exits B pager 2 'refused'
	pager_end
}

wrong_measurement_at_the_source() {
	attested_ticket
	attested_pager --policy $share/other.policy
	attested_source
	is_refused 'evidence: software.keys fails'
	exits B pager 2 'software.keys'
	pager_end
}

# B's static key is stolen; the machine that answers with it is as good as B, and another one.
diversion() {
	attested_ticket
	attested_pager --evidence-key $share/x.key
	attested_source
	is_refused 'ticket.platform'
	pager_end
}

# Both static keys are stolen; B's genuine evidence is of another handshake.
relay() {
	attested_ticket
	attested_pager
	cp "$share_b/own.key" "$share_a/stolen.key"
	"$BED" spawn A relay -- "$GMEM_BUILD/tests/integration/evrelay" 127.0.0.1:7701 10.77.0.2:$pager_port $share/ticket \
		$share/vm-id $share/own.key $share/stolen.key
	says '^taken' "$share_a/relay.log"
	connect=127.0.0.1:7701 attested_source
	is_refused 'software.signature'
	exits A relay 0 '^refused'
}

# The relay spent the ticket at B, where nothing came of it; gmem-pager dies.
ticket_after_a_crash() {
	pager_dies
	attested_pager
	attested_source --state-dir $share/state-lost	# A has forgotten
	is_refused 'this ticket was used before'
	pager_end
	attested_pager
	attested_source
	is_refused 'this ticket was used before'
	pager_end
}

# Both services in the middle of the move.
look_at_keys() {
	local a b

	says 'accepted by' "$share_b/pager.log"
	keys_are_guarded A source a & a=$!
	keys_are_guarded B pager b & b=$!
	wait $a || fail "gmem-source's keys are where they should not be, or it did not live long enough to look"
	wait $b || fail "gmem-pager's keys are where they should not be, or it did not live long enough to look"
}

hosts_up
attested_identities
guest_boot
expect "the guest makes no rounds" ctl A wait-round 1 $((200 * patience))
wrong_measurement_at_the_destination
wrong_measurement_at_the_source
diversion
relay
ticket_after_a_crash
attested_ticket
attested_pager
background_limit=$trickle attested_source	# there is time to look
expect "the guest does not get going" ctl A wait-fixed $((200 * patience))
expect "the move was refused" ctl A move $share/a.hash
look_at_keys
release
expect "the move fails on B" ctl B wait-move $((300 * patience))
expect "the VMM on A ended badly" "$BED" wait A vmm --timeout $((60 * patience))
more_rounds=1 move_settle
cmp "$share_a/a.hash" "$share_b/b.hash" || fail "a page came that was not sent"
guest_saw_nothing_wrong
echo "ok $test_name"
