#!/bin/bash
# SPDX-License-Identifier: MIT
# A table of faults in mid-move, how often each was made, and what came of it.  A line of it is
# one move by itself; what must come is that the guest goes on at B, every byte right, but where
# another outcome is named.  A source's host that is lost for good: tests/integration/source-lost.sh.
#
# GMEM_TIMES: how many random points gmem-pager is killed at (20); GMEM_ROWS: a regular expression, the rows to make (all).

background_limit=0
. "$(dirname "$0")/../integration/lib/resume.sh"
. "$(dirname "$0")/../integration/lib/test.sh"
. "$(dirname "$0")/../integration/lib/snapshot.sh"
. "$(dirname "$0")/../integration/lib/convert.sh"

# The guest may have everything that it touches when a fault comes late.
export MIN_DEMAND=0
times=${GMEM_TIMES:-20}
slow=1M kill_within_s=15	# some 70 MiB cross the link
row=0

# Processes of this row have names of their own.
row_begin() {
	row=$((row + 1))
	vmm_job=vmm$row pager_job=pager$row source_job=source$row suspend_job=suspend$row
	rm -f "$share_a"/{a.json,a.hash,a.console} "$share_b"/{b.json,b.hash,b.console}
	for h in A B; do
		on $h rm -f $sock/pager.sock $sock/source.sock $sock/vmm.sock
	done
}

guest_goes() {
	expect "the guest does not get going: $(tail -n2 "$share_a/a.console")" ctl A wait-fixed $((200 * patience))
	expect "the guest makes no rounds" ctl A wait-round 1 $((200 * patience))
}

stage() {
	move_ticket
	guest_boot
	pager_start
	guest_incoming
	source_start
	guest_goes
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
	pager_job=$pager_job-again
	pager_start
}

source_again() {
	on A rm -f $sock/source.sock
	source_job=$source_job-again
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

# What would lose the guest is refused while nobody knows of the other side.
cut_and_aborted() {
	local h

	running_at_b
	"$BED" cut A B
	says A $source_job 'connection lost'
	says B $pager_job 'connection lost'
	for h in A B; do
		on $h "$GMEM_BUILD/gmem-pager/gmemctl" --state-dir $state_dir session abort "$(ticket_id)" --reason "in a hurry" &&
			fail "a move whose guest runs at B was aborted on $h"
	done
	"$BED" heal A B
	says A $source_job 'connected again'
	release
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
# The stream is slow, so that none of these moments comes after the end.
pager_killed() {
	ctl A move $share/a.hash >"$share_a/move.out" 2>&1 &
	sleep "$(python3 -c "import random; print(random.Random($seed).uniform(0, $kill_within_s))")"
	expect "gmem-pager ended by itself" signal B $pager_job KILL
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
	# All may be here by now, what the guest asked for, and gmem-source gone: all_is_right() looks at how it ended.
	(release) || true
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

# The guest has pages discarded and converted before and after they arrive, and never sees what they were.
converted() {
	local background_limit=$trickle

	convert_options
	stage
	running_at_b
	converts_and_kills
	all_is_right
	conversions_happened
	outcome="went on at B, no old content"
}

source_killed() {
	running_at_b
	expect "gmem-source ended by itself" signal A $source_job KILL
	"$BED" wait A $source_job --timeout $((60 * patience))
	source_again
	says B $pager_job 'connected again'
	release
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

# ---- what does not move the guest; each stages itself and ends what it began ----

goes_on_at_a() {
	expect "the guest does not go on at A" ctl A wait-more 2 $((200 * patience))
	guest_saw_nothing_wrong
	[ ! -s "$share_b/b.console" ] || fail "something ran at B"
	outcome="$1; went on at A"
}

guest_end() {
	expect "the VMM on A does not end" ctl A quit
	"$BED" wait A $vmm_job --timeout $((60 * patience))
}

# with_state_unwritable HOST JOB COMMAND...: nothing can be written there, as root neither.
with_state_unwritable() {
	local host=$1 job=$2

	shift 2
	on "$host" mount -t tmpfs -o ro,size=1M none $state_dir || fail "no file system that is read-only on $host"
	("$@")	# its socket may be there for a moment
	exits "$host" "$job" 1 "$state_dir: Read-only"
	on "$host" umount $state_dir
}

state_unwritable() {
	move_ticket
	guest_boot
	with_state_unwritable B $pager_job pager_start
	with_state_unwritable A $source_job source_start
	guest_goes
	goes_on_at_a "refused on either host"
	guest_end
}

# A snapshot takes more than 20 MiB.
snapshot_disk_full() {
	local snapshot=/run/small/vm.snapshot

	move_ticket
	on A sh -c 'mkdir -p /run/small && mount -t tmpfs -o size=8M none /run/small' || fail "no small file system on A"
	guest_boot
	suspend_start
	guest_goes
	ctl A move >"$share_a/move.out" 2>&1
	exits A $suspend_job 3 'No space left'
	[ -z "$(on A ls /run/small)" ] || fail "a snapshot that failed left $(on A ls /run/small)"
	goes_on_at_a "the snapshot failed"
	guest_end
	on A umount /run/small
}

suspended() {
	rm -f "$share_a/vm.snapshot"
	move_ticket
	guest_boot
	suspend_start
	guest_goes
	expect "the guest cannot be suspended" ctl A move $share/a.hash
	"$BED" wait A $vmm_job --timeout $((300 * patience))
	"$BED" wait A $suspend_job --timeout $((60 * patience))
	root=$(snapshot_root) || fail "gmem-source does not say the snapshot's root: $(tail -n1 "$share_a/$suspend_job.log")"
	vmm_job+=-b
	move_ticket
	pager_start
	guest_incoming
}

snapshot_truncated() {
	suspended
	truncate -s -4096 "$share_a/vm.snapshot"
	restore_start "$root"
	exits A $source_job 1 'vm.snapshot'
	[ ! -s "$share_b/b.console" ] || fail "something ran at B"
	signal B $pager_job TERM
	"$BED" wait B $pager_job --timeout $((60 * patience))
	"$BED" wait B $vmm_job --timeout $((60 * patience))
	outcome="refused"
}

# A byte of the pages that the guest never wrote again: found when they come.
snapshot_flipped() {
	suspended
	python3 - "$share_a/vm.snapshot" <<-'PYTHON'
	import sys
	with open(sys.argv[1], "r+b") as f:
	    f.seek(0, 2)
	    f.seek(f.tell() * 6 // 10)
	    byte = f.read(1)[0]
	    f.seek(-1, 1)
	    f.write(bytes([byte ^ 16]))
	PYTHON
	restore_start "$root"
	exits A $source_job 4 'page [0-9]+'
	exits B $vmm_job 3 'stopped|missing'
	guest_saw_nothing_wrong
	outcome="stopped at the page, which is named"
}

# ---- the table ----

# row NAME COMMAND...: a line of it, made in a shell of its own.
row() {
	local outcome="went on at B"

	[[ $1 =~ ${GMEM_ROWS:-} ]] || return 0
	row_begin
	(
		trap - EXIT
		"${@:2}"
		echo "$outcome" >"$BED_DIR/outcome"
	) >"$BED_DIR/row.out" 2>&1
	tell "$1" $?
}

moved_with() {
	stage
	$1
	all_is_right
}

# goes_on NAME FAULT [LIMIT]: LIMIT is that of the background stream.
goes_on() {
	local background_limit=${3:-0}

	row "$1" moved_with "$2"
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

n_right=0 n_wrong=0 seed=0
hosts_up
move_identities
goes_on "nothing" nothing
goes_on "1 % of all packets lost" loss
goes_on "50 ms delay" delay
goes_on "network cut for 10 s" cut
goes_on "abort tried on both hosts while they do not meet" cut_and_aborted $trickle
for ((seed = 1; seed <= times; seed++)); do
	goes_on "gmem-pager killed at random ($seed of $times)" pager_killed $slow
done
goes_on "gmem-pager killed, all vCPUs waiting" pager_killed_waiting $trickle
row "pages discarded and converted, gmem-pager killed" converted
goes_on "gmem-source killed and started again" source_killed $trickle
goes_on "gmem-pager stopped for 30 s" pager_stopped
goes_on "clock of B an hour ahead" clock_ahead
goes_on "clock of B an hour back" clock_back
row "state directory cannot be written" state_unwritable
row "disk full for a snapshot" snapshot_disk_full
row "snapshot cut short" snapshot_truncated
row "snapshot with one bit flipped" snapshot_flipped
number "$n_right right, $n_wrong wrong"
((n_wrong == 0)) || fail "$n_wrong of $((n_right + n_wrong)) did not come out as they must"
echo "ok $test_name"
