# SPDX-License-Identifier: MIT
# The parts of a move, for scripts: identities, services, VMMs, and what came of
# it.  Sourced by test.sh.
#
# Names inside the hosts: /run/share is each host's $share_a or $share_b outside
# (keys, logs, console, reports, state records); sockets are in /run/gmem.
# Knobs: mem_mib, vcpus, guest_append, cipher, pager_program, source_program, connect, background_limit, sandbox, state_dir,
# vmm_options (of both VMMs);
# from and to, for a way back.

mem_mib=${mem_mib:-256} vcpus=${vcpus:-2} guest_append=${guest_append:-} vmm_options=${vmm_options:-} cipher=${cipher:-auto}
pager_program=${pager_program:-gmem-pager} source_program=${source_program:-gmem-source}
keygen=$GMEM_BUILD/gmem-pager/gmem-keygen
vmm=$GMEM_BUILD/tests/vmm/gmem-testvmm
share=/run/share sock=/run/gmem
pager_port=7700
pager_job=pager source_job=source vmm_job=vmm	# what bed calls them: another name for each start
from=A to=B
declare -A address=([A]=10.77.0.1 [B]=10.77.0.2)
connect=${connect:-${address[B]}:$pager_port}
background_limit=${background_limit:-0}
# Off here and nowhere else.  The hosts' /run/share, with the state directories, is 9p, where Landlock's rules do not hold:
# a script that wants the stages takes full with state directories in /run (sandboxed.sh), or full,-landlock.
sandbox=${sandbox:-off} state_dir=${state_dir:-/run/share/state}

# Two key pairs, each known to the other side; one ticket.
move_identities() {
	expect "keys" "$keygen" --private "$share_a/own.key" --public "$share_b/peer.pub"
	expect "keys" "$keygen" --private "$share_b/own.key" --public "$share_a/peer.pub"
	move_ticket
	expect "VM id" "$keygen" --id "$share_a/vm-id"
	cp "$share_a/vm-id" "$share_b/vm-id"
	for h in A B; do
		on "$h" mkdir -p $sock $state_dir
	done
}

# A ticket is good for one move.
move_ticket() {
	rm -f "$share_a/ticket" "$share_b/ticket"
	expect "ticket" "$keygen" --id "$share_a/ticket"
	cp "$share_a/ticket" "$share_b/ticket"
}

# The first digits of its id, as gmemctl takes them.
ticket_id() {
	head -c 8 "$share_a/ticket"
}

# wait_socket HOST PATH JOB: until it is there, or JOB has ended.
wait_socket() {
	local i

	for i in $(seq $((300 * patience))); do
		on "$1" test -S "$2" && return
		[ -e "$("$BED" share "$1")/$3.rc" ] && fail "$3 on $1 ended at once: $(tail -n1 "$("$BED" share "$1")/$3.log")"
		sleep 0.1
	done
	fail "$3 on $1 does not open $2"
}

service_options() {
	# Two emulated hosts on a busy machine are silent for seconds.
	echo --key $share/own.key --peer $share/peer.pub --ticket $share/ticket --vm-id $share/vm-id \
		--state-dir $state_dir --cipher "$cipher" --sandbox "$sandbox" --ping-interval 1000 \
		--linger 1000 --resume-timeout $((${resume_timeout_s:-300} * patience * 1000)) \
		--peer-timeout $((${peer_timeout_s:-20} * patience * 1000)) --handshake-timeout $((30000 * patience)) --log info
}

# pager_start [OPTION]...: gmem-pager on B, or where $to is.
pager_start() {
	"$BED" spawn $to $pager_job -- nice -n -15 "$GMEM_BUILD/gmem-pager/$pager_program" \
		--listen ${address[$to]}:$pager_port --socket $sock/pager.sock $(service_options) "$@" ||
		fail "gmem-pager does not start"
	wait_socket $to $sock/pager.sock $pager_job
}

# source_start [OPTION]...: gmem-source on A, or where $from is.
source_start() {
	"$BED" spawn $from $source_job -- nice -n -15 "$GMEM_BUILD/gmem-pager/$source_program" --connect "$connect" \
		--socket $sock/source.sock $(service_options) --background-limit "$background_limit" "$@" ||
		fail "gmem-source does not start"
	wait_socket $from $sock/source.sock $source_job
}

# What is left of the move comes as fast as it can.
release() {
	expect "the limit cannot be lifted" on A "$GMEM_BUILD/gmem-pager/gmemctl" --state-dir $state_dir \
		session limit "$(ticket_id)" 0
}

# guest_boot [OPTION]...: the VMM on A, with the guest of tests/vmm.
guest_boot() {
	"$BED" spawn A $vmm_job -- "$vmm" --kernel "$GMEM_BZIMAGE" --initrd "$GMEM_BUILD/tests/vmm/guest/gmem-guest.cpio" \
		--mem "$mem_mib" --vcpus "$vcpus" ${guest_append:+--append "$guest_append"} \
		--console $share/a.console --report $share/a.json \
		--service-wait "${service_wait_s:-600}" --gmem-source $sock/source.sock --control $sock/vmm.sock \
		$vmm_options "$@" || fail "the VMM does not start"
	wait_socket A $sock/vmm.sock $vmm_job
}

# guest_incoming [OPTION]...: the VMM on B, or where $to is, that waits for it.
guest_incoming() {
	"$BED" spawn $to $vmm_job -- "$vmm" --incoming $sock/pager.sock --mem "$mem_mib" --vcpus "$vcpus" \
		--service-wait "${service_wait_s:-600}" --console $share/${to,,}.console --report $share/${to,,}.json \
		--control $sock/vmm.sock $vmm_options "$@" || fail "the receiving VMM does not start"
	wait_socket $to $sock/vmm.sock $vmm_job
}

# ctl HOST COMMAND...: prints the VMM's answer.
ctl() {
	"$BED" run "$1" --timeout $((400 * patience)) -- "$vmm" ctl $sock/vmm.sock "${@:2}" </dev/null
}

# Everything up to the move: the guest writes, its fixed pages are known, B waits.
move_stage() {
	move_identities
	guest_boot
	pager_start
	guest_incoming
	source_start
	expect "the guest does not get going: $(tail -n2 "$share_a/a.console")" ctl A wait-fixed $((200 * patience))
	expect "the guest makes no rounds" ctl A wait-round 2 $((200 * patience))
}

# The move itself; hashes the fixed pages on A while it is frozen.
move_go() {
	expect "the move was refused" ctl A move $share/a.hash
	expect "the move fails on B" ctl B wait-move $((300 * patience))
	# The VMM on A ends by itself once B has everything.
	expect "the VMM on A ended badly" "$BED" wait A $vmm_job --timeout $((60 * patience))
}

# The guest goes on at B; then its fixed pages are hashed there, past the pager.
move_settle() {
	expect "the guest does not go on at B" ctl B wait-more "${more_rounds:-3}" $((300 * patience))
	cp "$share_a/a.console" "$share_b/a.console"
	expect "the pages cannot be hashed on B" ctl B freeze-hash $share/b.hash $share/a.console
	expect "the VMM on B does not end" ctl B quit
	expect "the VMM on B ended badly" "$BED" wait B $vmm_job --timeout $((60 * patience))
	expect "gmem-source ended badly" "$BED" wait A $source_job --timeout $((60 * patience))
	expect "gmem-pager ended badly" "$BED" wait B $pager_job --timeout $((60 * patience))
}

# Both sides' figures as one JSON document in FILE; fails if anything is not as it must be.
move_report() {
	python3 "$GMEM_TOP/tests/integration/lib/report.py" "$share_a" "$share_b" "$1"
}
