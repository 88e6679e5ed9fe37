#!/bin/bash
# SPDX-License-Identifier: MIT
# The destination's evidence is SEV-SNP's, through the kernel's configfs interface, both played by the test: a processor
# that is not AMD's, another measurement and another chip are refused before START, and the guest goes on; then it moves.
# Asks the kernel for nothing that move.sh does not.

peer_timeout_s=120 mem_mib=160
# A guest that waits for pages while others are looked at says so, if it is let.
guest_more="nosoftlockup rcupdate.rcu_cpu_stall_suppress=1"
. "$(dirname "$0")/lib/spoil.sh"
. "$(dirname "$0")/lib/test.sh"
. "$(dirname "$0")/lib/attested.sh"

# The programs as they are, but that what they take for AMD's root is that of generated evidence.
pager_program=../tests/integration/gmem-pager-generated
generated_source=../tests/integration/gmem-source-generated
facts=$GMEM_BUILD/tests/integration/snpfacts

# snp_move POLICY: B attests by its chip, A by its software key.
snp_move() {
	attested_ticket
	pager_with_guest --evidence tsm
	attested_source --policy "$share/$1"
}

# snp_refused POLICY RULE
snp_refused() {
	snp_move "$1"
	is_refused "the peer is not believed \\(attested\\): $2"
	exits B pager 2 'refused'
	pager_end
}

hosts_up
attested_identities
platform_b=$("$facts" platform)
expect "a policy" "$facts" policy >"$share_a/snp.policy"
sed 's/"3e/"3f/' "$share_a/snp.policy" >"$share_a/snp-other.policy"
cmp -s "$share_a/snp.policy" "$share_a/snp-other.policy" && fail "the other policy is none"
guest_boot
expect "the guest makes no rounds" ctl A wait-round 1 $((200 * patience))
snp_refused snp.policy 'snp\.chain'	# by gmem-source with AMD's roots
source_program=$generated_source
snp_refused snp-other.policy 'snp\.measurement'
platform_b=$(platform b) snp_refused snp.policy 'ticket\.platform'
snp_move snp.policy
expect "the guest does not get going" ctl A wait-fixed $((200 * patience))
move_go
more_rounds=1 move_settle
cmp "$share_a/a.hash" "$share_b/b.hash" || fail "a page came that was not sent"
guest_saw_nothing_wrong
echo "ok $test_name"
