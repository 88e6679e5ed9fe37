# SPDX-License-Identifier: MIT
# The half of ./dev bench pager that compares whole moves with QEMU's post-copy.  Sourced by dev.

qemu_kinds='qemu gmem_plain qemu_tls gmem'
qemu_tries=4
# Seconds that are looked at, and what an emulated CPU has to be given of them, or to wait for, in percent.
stall_window=60
stall_percent=25
stalled=75

# sched_us PID: what the busiest thread of a process has run or has waited for a CPU, in us; 0 if the kernel does not say.
sched_us() {
	cat "/proc/$1/task"/*/schedstat 2>/dev/null |
		awk '{ t = $1 + $2; if (t > max) max = t } END { printf "%d\n", max / 1000 }'
}

# stall_watch PID JOB: 0 once the process JOB, a child, has ended; $stalled if before that the emulator PID has stalled.
# A test host that counts instructions polls while it is idle: no program in it, and no kernel, lets the emulated CPU sleep.
# One that neither runs nor waits for a CPU of this machine is QEMU waiting for itself.  Its virtual clock stands then,
# or nearly so; but it is slow on a busy machine too, hence it is not the clock that is asked.
stall_watch() {
	local begin=$SECONDS before now

	before=$(sched_us "$1")
	while kill -0 "$2" 2>/dev/null; do
		pause 0.5
		((SECONDS - begin >= stall_window)) || continue
		now=$(sched_us "$1")
		if ((now > 0 && (now - before) * 100 < (SECONDS - begin) * 1000000 * stall_percent)); then
			echo "of $((SECONDS - begin)) s the emulated CPU has run or has waited for a CPU $(((now - before) / 1000)) ms"
			return "$stalled"
		fi
		before=$now
		begin=$SECONDS
	done
	return 0
}

# emulator_pid HOST: of its QEMU, which is the child of what `bed list` names.
emulator_pid() {
	local keeper pid

	keeper=$("$BED" list | sed -n "s/^$1 .*pid //p")
	pid=$(pgrep -P "${keeper:-0}")
	[[ $(cat "/proc/${pid:-none}/comm" 2>/dev/null) == qemu-system* ]] && echo "$pid"
}

bench_qemu_host() {
	"$BED" list | grep -q '^host ' ||
		"$BED" up host --kernel "$bzimage" --mem 2048 --icount --boot-timeout 900
}

# bench_qemu_run KIND FILE: one move in the test host; its figures are kept in FILE.  $stalled if the host has to be ended.
bench_qemu_run() {
	local job emulator

	bench_qemu_host || return
	emulator=$(emulator_pid host) || { echo "the test host's QEMU is not found" >&2; return 1; }
	"$BED" run host --timeout 1800 -- /usr/bin/python3 -B "$dev_top/tests/perf/qemu/run.py" "$1" --kernel "$bzimage" \
		--initrd "$build_dir/tests/vmm/guest/gmem-guest.cpio" --build "$build_dir" >"$2" </dev/null &
	job=$!
	stall_watch "$emulator" "$job" || {
		"$BED" kill host
		wait "$job"
		return "$stalled"
	}
	wait "$job" && return
	bench_qemu_threads >"$2.threads" 2>&1
	echo "what each thread in the test host did then: $2.threads" >&2
	return 1
}

# bench_qemu_threads: twice, 10 s of the host's own clock apart, where each of its threads is and what it has used.
bench_qemu_threads() {
	"$BED" run host --timeout 300 -- /bin/sh -c 'for i in 1 2; do
			date +%T.%N
			ps -eLo pid,tid,stat,time,wchan:32,comm
			sleep 10
		done
		for t in /proc/[0-9]*/task/[0-9]*; do
			echo "$t $(cat "$t/comm")"
			cat "$t/stack"
		done'
}

# bench_qemu_move KIND FILE: as bench_qemu_run, again in a fresh host after a stall; each stall adds a line to $dev_log/stalls.
bench_qemu_move() {
	local try rc

	for ((try = 1; try <= qemu_tries; try++)); do
		bench_qemu_run "$@"
		rc=$?
		((rc == stalled)) || return "$rc"
		"$BED" check-log host || return 1	# then it is not the emulator
		"$BED" down host
		echo "$1, try $try" >>"$dev_log/stalls"
	done
	echo "the test host stalled $qemu_tries times in a row" >&2
	return 1
}

# bench_qemu N: runs 1 to N, the kinds in turns, in one boot if it does not stall; KIND.R and stalls in $dev_log.  Wants
# $build_dir.
bench_qemu() {
	local n=$1 flavour=gmem debug_kernel=0 bzimage='' r kind n_stalls=0 n_before

	kernel_need bench
	beds_init
	: >"$dev_log/stalls"
	must "test host that counts instructions" bench_qemu_host
	for ((r = 1; r <= n; r++)); do
		for kind in $qemu_kinds; do
			must "run $r of $n, a move: $kind" bench_qemu_move "$kind" "$dev_log/$kind.$r"
			n_before=$n_stalls
			n_stalls=$(wc -l <"$dev_log/stalls")
			((n_stalls == n_before)) ||
				echo "     the emulator stalled $((n_stalls - n_before)) times: again, each time in a fresh test host"
		done
	done
	must "kernel log" "$BED" check-log host
	"$BED" down host
}
