#!/bin/bash
# SPDX-License-Identifier: MIT
# A table of faults in mid-move, how often each was made, and what came of it.  A line of it is
# one move by itself; what must come is that the guest goes on at B, every byte right, but where
# another outcome is named.
#
# GMEM_TIMES: how many random points gmem-pager is killed at (20).

background_limit=0
. "$(dirname "$0")/../integration/lib/resume.sh"
. "$(dirname "$0")/../integration/lib/test.sh"

# The guest may have everything that it touches when a fault comes late.
export MIN_DEMAND=0
times=${GMEM_TIMES:-20}
row=0

# Processes of this row have names of their own.
row_begin() {
	row=$((row + 1))
	vmm_job=vmm$row pager_job=pager$row source_job=source$row
	rm -f "$share_a"/{a.json,a.hash,a.console} "$share_b"/{b.json,b.hash,b.console}
	for h in A B; do
		on $h rm -f $sock/pager.sock $sock/source.sock $sock/vmm.sock
	done
}

stage() {
	move_ticket
	guest_boot
	pager_start
	guest_incoming
	source_start
	expect "the guest does not get going: $(tail -n2 "$share_a/a.console")" ctl A wait-fixed $((200 * patience))
	expect "the guest makes no rounds" ctl A wait-round 1 $((200 * patience))
}

# The program of a job, not the shell around it: signal HOST JOB SIGNAL.
signal() {
	on "$1" sh -c 'kill -s "$1" $(pgrep -P "$(cat "$0")")' "$share/$2.pid" "$3"
}

shape() {
	for h in A B; do
		expect "link0 of $h cannot be shaped" on $h tc qdisc replace dev link0 root netem "$@"
	done
}

unshape() {
	for h in A B; do
		on $h tc qdisc del dev link0 root 2>/dev/null
	done
}

pager_again() {
	on B rm -f $sock/pager.sock
	pager_job=$pager_job+
	pager_start
}

source_again() {
	on A rm -f $sock/source.sock
	source_job=$source_job+
	source_start
}

# ---- the faults; each is staged already ----

nothing() {
	running_at_b
}

loss() {
	shape loss 1%
	running_at_b
}

delay() {
	shape delay 25ms	# there and back: 50 ms
	running_at_b
}

cut() {
	running_at_b
	"$BED" cut A B
	sleep 10
	"$BED" heal A B
}

# Where the guest goes on: not known at once when a process was killed.
stays_at_a() {
	local i

	for i in $(seq $((1200 * patience))); do
		grep -qs 'the destination runs the guest' "$share_a/$vmm_job.log" && return 1
		grep -qs 'the guest runs on here' "$share_a/$vmm_job.log" && return 0
		sleep 0.1
	done
	fail "the guest goes on nowhere: $(tail -n1 "$share_a/$vmm_job.log")"
}

# At a moment of its own: before START the move may also be off, the guest goes on at A, and goes over with another ticket.
pager_killed() {
	ctl A move $share/a.hash >"$share_a/move.out" 2>&1 &
	sleep "$(python3 -c "import random; print(random.Random($seed).uniform(0, $move_s))")"
	signal B $pager_job KILL
	"$BED" wait B $pager_job --timeout $((60 * patience))
	pager_again
	wait
	if stays_at_a; then
		outcome="went on at A, then at B"
		"$BED" wait A $source_job --timeout $((60 * patience))
		signal B $pager_job KILL 2>/dev/null
		"$BED" wait B $pager_job --timeout $((60 * patience))
		move_ticket
		pager_again
		source_again
		running_at_b
	fi
}

# All vCPUs wait, events are read, and nothing was populated for them.
pager_killed_waiting() {
	running_at_b
	signal A $source_job STOP
	sleep 3
	signal B $pager_job KILL
	"$BED" wait B $pager_job --timeout $((60 * patience))
	pager_again
	signal A $source_job CONT
	says B $pager_job 'connected again'
	release
}

source_killed() {
	running_at_b
	signal A $source_job KILL
	"$BED" wait A $source_job --timeout $((60 * patience))
	source_again
}

pager_stopped() {
	running_at_b
	signal B $pager_job STOP
	sleep 30
	signal B $pager_job CONT
}

clock_ahead() {
	running_at_b
	expect "the clock of B cannot be set" on B date -s '+1 hour'
	sleep 2
}

clock_back() {
	running_at_b
	expect "the clock of B cannot be set" on B date -s '-1 hour'
	sleep 2
}

# ---- the table ----

# goes_on NAME FAULT [LIMIT]: one line of it, in a shell of its own; LIMIT is that of the background stream.
goes_on() {
	local outcome="went on at B" background_limit=${3:-0}

	row_begin
	(
		trap - EXIT
		stage
		$2
		all_is_right
		echo "$outcome" >"$BED_DIR/outcome"
	) >"$BED_DIR/row.out" 2>&1
	tell "$1" $?
	unshape
}

tell() {
	if [ "$2" = 0 ]; then
		n_right=$((n_right + 1))
		number "$(printf '%-42s %s' "$1" "$(cat "$BED_DIR/outcome")")"
		return
	fi
	n_wrong=$((n_wrong + 1))
	number "$(printf '%-42s WRONG: %s' "$1" "$(grep -a '^FAIL' "$BED_DIR/row.out" | tail -n1)")"
	cat "$BED_DIR/row.out"
	hosts_save_logs "${GMEM_LOG:-$BED_DIR}/faults.$row"
	# What is left of it must not disturb the next.
	"$BED" down A B
	hosts_up
	move_identities
}

n_right=0 n_wrong=0 seed=0 move_s=0
hosts_up
move_identities
begin=$(date +%s.%N)
goes_on "nothing" nothing
move_s=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["move"]["total_ms"] / 1000)' "$share_a/a.json" 2>/dev/null || echo 15)
goes_on "1 % of all packets lost" loss
goes_on "50 ms delay" delay
goes_on "network cut for 10 s" cut
for ((seed = 1; seed <= times; seed++)); do
	goes_on "gmem-pager killed at random ($seed of $times)" pager_killed
done
goes_on "gmem-pager killed, all vCPUs waiting" pager_killed_waiting $trickle
goes_on "gmem-source killed and started again" source_killed
goes_on "gmem-pager stopped for 30 s" pager_stopped
goes_on "clock of B an hour ahead" clock_ahead
goes_on "clock of B an hour back" clock_back
number "$n_right right, $n_wrong wrong"
((n_wrong == 0)) || fail "$n_wrong of $((n_right + n_wrong)) did not come out as they must"
echo "ok $test_name"
