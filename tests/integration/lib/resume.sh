# SPDX-License-Identifier: MIT
# Moves that lose a connection, a process or a host, and go on.  Source it before
# test.sh: it makes the guest small and notices a silent peer early.

# A guest that has to wait for 20 s says so, if it is let: its watchdogs look at wall time.
guest_more="nosoftlockup rcupdate.rcu_cpu_stall_suppress=1"
# The pages that are compared are few, so that the VMM on A has hashed them soon.
export MIN_PAGES=4096
mem_mib=${mem_mib:-160} peer_timeout_s=${peer_timeout_s:-6} resume_timeout_s=${resume_timeout_s:-300}
. "$(dirname "${BASH_SOURCE[0]}")/spoil.sh"
background_limit=${background_limit:-$trickle}

# The guest runs at B, and most of its memory is still at A.
running_at_b() {
	local i

	# It returns when A has hashed its memory, and the move may be over by then.
	ctl A move $share/a.hash >"$share_a/move.out" 2>&1 &
	for i in $(seq $((600 * patience))); do
		grep -qs 'the destination runs the guest' "$share_a/$vmm_job.log" && return
		sleep 0.1
	done
	fail "the guest does not begin at B: $(tail -n1 "$share_a/$vmm_job.log")"
}

# says HOST JOB SENTENCE [N]: its log has it, N times.
says() {
	local i n log

	log=$("$BED" share "$1")/$2.log
	for i in $(seq $((1800 * patience))); do
		n=$(grep -Ec -- "$3" "$log" 2>/dev/null)
		[ "${n:-0}" -ge "${4:-1}" ] && return
		[ -e "${log%.log}.rc" ] && break
		sleep 0.1
	done
	fail "$2 on $1 does not say \"$3\" ${4:-1} times: $(tail -n2 "$log")"
}

# shown HOST TEXT: what gmemctl says there of the session.
shown() {
	on "$1" "$GMEM_BUILD/gmem-pager/gmemctl" --state-dir $state_dir session show "$(ticket_id)" | grep -E -- "$2" ||
		fail "gmemctl on $1 does not show \"$2\""
}

# The move comes to its end, the guest goes on at B, and no byte of it differs.
all_is_right() {
	local json=$BED_DIR/$test_name.json

	expect "the move fails on B" ctl B wait-move $((500 * patience))
	expect "the VMM on A ended badly" "$BED" wait A $vmm_job --timeout $((120 * patience))
	move_settle
	guest_saw_nothing_wrong
	move_report "$json" || fail "the move is not right: $(python3 -c 'import json,sys; print("; ".join(json.load(open(sys.argv[1]))["findings"]))' "$json" 2>&1 | tail -n1)"
}
