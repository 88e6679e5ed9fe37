# SPDX-License-Identifier: MIT
# ./dev bench restore: how soon a guest from a snapshot gives its first output.  Sourced by dev.

bench_restore_usage() {
	cat <<-TEXT
	./dev bench restore [--json FILE] [--runs N] [--mib N]
	        a process under userfaultfd is restored from a snapshot and touches a tenth of its memory; until its first output,
	        by the time that reading everything first takes:
	        restore_lazy_vs_full                pages on demand, the rest behind them, at most 0.25
	        restore_working_set_vs_full         with the working set of an earlier restore first, at most 0.25
	        and without a goal the same with ..._single, pages one by one: docs/performance.md
	        --json: {"figures": {NAME: {"value", "unit", "goal", "runs"}}, "raw": seconds by the clock and of the processors};
	        --runs: 3; --mib: memory of the process, 512
	No test host and no patched kernel is needed.  The exit code is 1 if a goal is missed.
	TEXT
}

dev_bench_restore() {
	local json='' n=3 mib=512 build_dir=''

	while [ $# -gt 0 ]; do
		case $1 in
		--help) bench_restore_usage; return ;;
		esac
		[ $# -gt 1 ] || die "bench restore: $1 needs a value."
		case $1 in
		--json) json=$(readlink -m "$2") ;;
		--runs) n=$2 ;;
		--mib) mib=$2 ;;
		*) die "bench restore: unknown option $1 (./dev bench restore --help)." ;;
		esac
		shift 2
	done
	[[ $n =~ ^[1-9][0-9]?$ ]] || die "bench restore: --runs is 1 to 99."
	[[ $mib =~ ^(64|128|256|512|1024|2048|4096)$ ]] || die "bench restore: --mib is a power of 2, 64 to 4096."
	machine_prepare
	user_build plain
	python3 "$dev_top/tests/perf/pager/restore.py" --runs "$n" --mib "$mib" ${json:+--json "$json"} \
		"$build_dir"/gmem-pager/gmem-{keygen,source,pager} "$build_dir/gmem-pager/gmemctl" \
		"$build_dir/tests/unit/pager/uffd_vmm"
}
