#!/bin/bash
# SPDX-License-Identifier: MIT
# A guest is suspended into an encrypted file at A, and restored from it at B, its memory
# following on demand: it goes on, and finds every byte right.

export MIN_PAGES=4096
mem_mib=${mem_mib:-160}
guest_append="gmem.write_mib=24 gmem.fixed_mib=16"
. "$(dirname "$0")/lib/test.sh"
. "$(dirname "$0")/lib/snapshot.sh"

hosts_up
move_identities
guest_boot
suspend_start
expect "the guest does not get going: $(tail -n2 "$share_a/a.console")" ctl A wait-fixed $((200 * patience))
expect "the guest makes no rounds" ctl A wait-round 2 $((200 * patience))
expect "the guest cannot be suspended" ctl A move $share/a.hash
expect "the VMM on A ended badly" "$BED" wait A vmm --timeout $((300 * patience))
expect "gmem-source ended badly" "$BED" wait A suspend --timeout $((60 * patience))
root=$(snapshot_root) || fail "gmem-source does not say the snapshot's root"
[ -s "$share_a/vm.snapshot" ] && [ ! -e "$share_a/vm.snapshot.partial" ] || fail "there is no snapshot, or more than that"
grep -q 'ROUND 2 ' "$share_a/a.console" && ! grep -aq 'gmem.write_mib=24' "$share_a/vm.snapshot" ||
	fail "the guest's text stands in the snapshot"

# Another one of the same guest is not what is wanted.
move_ticket
pager_start
guest_incoming
restore_start "${root//[0-7]/8}"
"$BED" wait A $source_job --timeout $((60 * patience)) && fail "a snapshot with another root was restored"
grep -q 'root' "$share_a/source.log" || fail "it does not say what is wrong: $(tail -n1 "$share_a/source.log")"

source_job=restore
restore_start "$root"
expect "the guest is not restored at B" ctl B wait-move $((300 * patience))
move_settle
move_report "$BED_DIR/snapshot.json" || fail "the restore is not right: $(python3 -c 'import json,sys; print("; ".join(json.load(open(sys.argv[1]))["findings"]))' "$BED_DIR/snapshot.json" 2>&1 | tail -n1)"
number "$(stat -c 'snapshot of %s bytes' "$share_a/vm.snapshot"), $(python3 -c 'import json,sys; m=json.load(open(sys.argv[1]))["migration"]; print(m["pages_total"], "pages,", m["pages_demand"], "on demand,", m["pages_zero"], "zero")' "$BED_DIR/snapshot.json")"
echo "ok $test_name"
