# SPDX-License-Identifier: MIT
# Moves that something goes wrong with, and what must come of it.  Source it
# before test.sh: it makes the guest small and lets the source be diverted.

# What is shown is what is noticed and what it does to a move that gives up: by default nothing is tried again.
resume_timeout_s=${resume_timeout_s:-0}
guest_append="gmem.write_mib=24 gmem.fixed_mib=${fixed_mib:-16} ${guest_more:-}"
bend_port=7701
# What goes wrong in mid-move must not come too late on a fast machine: as background_limit this is a page a second,
# so that the stream alone would take hours, and the guest never asks for all that it has.  release() ends it.
trickle=4K

# bend OPTION OF wirebend...: somebody stands between source and pager.
bend() {
	local i

	"$BED" spawn A bend -- /usr/bin/python3 "$GMEM_TOP/tests/integration/wirebend.py" \
		--listen 127.0.0.1:$bend_port --to 10.77.0.2:$pager_port "$@" || fail "wirebend does not start"
	for i in $(seq $((600 * patience))); do
		grep -qs '^ready' "$share_a/bend.log" && return
		sleep 0.1
	done
	fail "wirebend is not ready: $(tail -n1 "$share_a/bend.log")"
}

# It struck.  What a host writes into its share may take a moment to show.
was_bent() {
	local i

	for i in $(seq $((600 * patience))); do
		grep -q '^bent' "$share_a/bend.log" && return
		sleep 0.1
	done
	fail "nothing was spoilt: $(tail -n1 "$share_a/bend.log")"
}

# Start the move; whether it comes to an end is not asked here.
spoil_go() {
	expect "the move was refused" ctl A move
}

# The guest runs at B, and most of its memory is still at A.
mid_move() {
	local i

	spoil_go
	for i in $(seq $((300 * patience))); do
		grep -qs 'the destination runs the guest' "$share_a/vmm.log" && return
		sleep 0.1
	done
	fail "the guest does not begin at B: $(tail -n1 "$share_a/vmm.log")"
}

# exits HOST JOB CODE SENTENCE: it ends like that, and says why.
exits() {
	local rc

	"$BED" wait "$1" "$2" --timeout $((120 * patience))
	rc=$?
	[ $rc = "$3" ] || fail "$2 on $1 ended with exit code $rc, not $3: $(tail -n1 "$("$BED" share "$1")/$2.log")"
	grep -Eqi -- "$4" "$("$BED" share "$1")/$2.log" ||
		fail "$2 on $1 does not say \"$4\": $(tail -n2 "$("$BED" share "$1")/$2.log")"
}

# Whatever the guest read, on either side, was right.
guest_saw_nothing_wrong() {
	local wrong

	wrong=$(cat "$share_a/a.console" "$share_b/b.console" 2>/dev/null | grep -aE 'MISMATCH|mismatches=[1-9]|[Kk]ernel panic|BUG|Oops' | head -n1)
	[ -z "$wrong" ] || fail "the guest saw: $wrong"
}

# The guest is stopped at B because a page is missing, and stays frozen at A.
guest_is_stopped() {
	exits B vmm 3 'stopped|missing'
	exits A vmm 4 'doubt'
	guest_saw_nothing_wrong
}
