#!/bin/bash
# SPDX-License-Identifier: MIT
# One guest moves there and back, many times in a row, while it writes as fast as it can and
# looks at its clock: a line of figures a move, and at the end every page is as it was.

mem_mib=${mem_mib:-512}
guest_append="gmem.write_mib=${write_mib:-192} gmem.fixed_mib=64 gmem.pause_ms=0 gmem.clock=1 nosoftlockup rcupdate.rcu_cpu_stall_suppress=1"
. "$(dirname "$0")/../integration/lib/test.sh"

times=${GMEM_TIMES:-20}
rows=$BED_DIR/moves
mkdir "$rows"

# go_over N: the guest goes from $from to $to; on success these are swapped.
go_over() {
	local hash=() old=$vmm_job

	vmm_job=vmm$1 pager_job=pager$1 source_job=source$1
	connect=${address[$to]}:$pager_port
	((n == 1)) || move_ticket
	pager_start
	guest_incoming --gmem-source $sock/source.sock
	source_start
	# What the guest never writes is hashed where it begins, and where it ends up.
	((n > 1)) || hash=("$share/a.hash")
	expect "move $1 was refused" ctl $from move "${hash[@]}"
	expect "move $1 fails on $to" ctl $to wait-move $((600 * patience))
	expect "the VMM on $from ended badly" "$BED" wait $from "$old" --timeout $((120 * patience))
	# Where those pages are; the whole of it is in the file once the VMM has ended.
	((n > 1)) || tee "$share_b/first.console" <"$share_a/a.console" >"$share_a/first.console"
	expect "gmem-source ended badly" "$BED" wait $from $source_job --timeout $((60 * patience))
	expect "gmem-pager ended badly" "$BED" wait $to $pager_job --timeout $((60 * patience))
	expect "the guest does not go on at $to" ctl $to wait-more 1 $((600 * patience))
	cp "$("$BED" share $from)/${from,,}.json" "$rows/$1.left"
	ctl $to status | sed 's/^ok //' >"$rows/$1.came"
	number "$(python3 "$GMEM_TOP/tests/long/moves.py" row "$1" "$from" "$to" "$rows/$1.left" "$rows/$1.came")"
	((n % 2)) && from=B to=A || from=A to=B
}

hosts_up
move_identities
guest_boot
expect "the guest does not get going: $(tail -n2 "$share_a/a.console")" ctl A wait-fixed $((200 * patience))
expect "the guest makes no rounds" ctl A wait-round 1 $((400 * patience))
number "$(python3 "$GMEM_TOP/tests/long/moves.py" head)"
for ((n = 1; n <= times; n++)); do
	go_over $n
done
expect "the pages cannot be hashed on $from" ctl $from freeze-hash $share/last.hash $share/first.console
expect "the VMM on $from does not end" ctl $from quit
expect "the VMM on $from ended badly" "$BED" wait $from $vmm_job --timeout $((60 * patience))
number "$(python3 "$GMEM_TOP/tests/long/moves.py" end "$rows" "$share_a/a.hash" "$("$BED" share $from)/last.hash" \
	"$share_a/a.console" "$share_b/b.console" ${GMEM_JSON:+"$GMEM_JSON"})" || fail "the moves were not right"
echo "ok $test_name"
