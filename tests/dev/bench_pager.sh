# SPDX-License-Identifier: MIT
# ./dev bench pager: the services against raw TCP on loopback, and whole moves against QEMU's.  Sourced by dev.

bench_pager_usage() {
	cat <<-TEXT
	./dev bench pager [--json FILE] [--runs N] [--part native|qemu]
	        native: the services in this machine, over loopback and userfaultfd, beside raw TCP with the same sizes:
	        rtt_vs_tcp           round trip of a demand fault by TCP's, at most 1.3
	        rtt_vs_tcp_plain     the same without encryption (in this benchmark alone)
	        stream_vs_tcp        throughput of the background stream by TCP's, at least 0.8
	        stream_vs_tcp_plain  the same without encryption
	        and without a goal rtt_opened_vs_tcp, rtt_alone_vs_tcp and theirs without encryption: docs/performance.md
	        qemu: a guest moves in an emulated test host that counts instructions, by QEMU's own post-copy and by the services,
	        over loopback; ours by QEMU's, each at most 1:
	        gap_vs_qemu                  from the last page that the guest touches at the source to the first at the destination
	        total_vs_qemu                from the command until both sides are done
	        source_cpu_per_page_vs_qemu  CPU time of the source's side without the guest's own, by pages that are not zeros
	        bytes_vs_qemu                on the wire
	        these four without encryption on both sides; gap_vs_qemu_tls, total_vs_qemu_tls, source_cpu_per_page_vs_qemu_tls:
	        with it, QEMU's by TLS; without a goal bytes_vs_qemu_tls
	        --part: one of the two halves; --json: {"figures": {NAME: {"value", "unit", "goal", "runs"}}, "raw": what each run printed,
	        "stalls": how often a move had to be done again, as the emulator stood}; --runs: 3
	native needs no test host and no patched kernel, but two CPUs, so that each side has one.  The exit code is 0 if all was measured, also if a
	goal is missed: the last line says it.
	TEXT
}

# One run of PROGRAM, kept in FILE.
bench_pager_run() {
	"$build_dir/tests/perf/pager/$1" >"$2"
}

bench_native() {
	local n=$1 r

	for ((r = 1; r <= n; r++)); do
		must "run $r of $n" bench_pager_run bench_pager "$dev_log/sealed.$r"
		must "run $r of $n, without encryption" bench_pager_run bench_pager_plain "$dev_log/plain.$r"
	done
}

dev_bench_pager() {
	local json='' n=3 build_dir='' part='' kind runs=()

	while [ $# -gt 0 ]; do
		case $1 in
		--help) bench_pager_usage; return ;;
		esac
		[ $# -gt 1 ] || die "bench pager: $1 needs a value."
		case $1 in
		--json) json=$(readlink -m "$2") ;;
		--runs) n=$2 ;;
		--part) part=$2 ;;
		*) die "bench pager: unknown option $1 (./dev bench pager --help)." ;;
		esac
		shift 2
	done
	[[ $n =~ ^[1-9][0-9]?$ ]] || die "bench pager: --runs is 1 to 99."
	[[ $part =~ ^(|native|qemu)$ ]] || die "bench pager: --part is native or qemu."
	machine_prepare
	user_build plain
	if [ "$part" != qemu ]; then
		bench_native "$n"
		runs+=(--sealed "$dev_log"/sealed.* --plain "$dev_log"/plain.*)
	fi
	if [ "$part" != native ]; then
		bench_qemu "$n"
		for kind in $qemu_kinds; do
			runs+=("--${kind//_/-}" "$dev_log/$kind".*)
		done
		runs+=(--stalls "$(wc -l <"$dev_log/stalls")")
	fi
	echo
	python3 "$dev_top/tests/dev/pager_figures.py" ${json:+--json "$json"} "${runs[@]}"
}
