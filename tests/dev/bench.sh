# SPDX-License-Identifier: MIT
# ./dev bench: a first table.  Sourced by dev.
#
# Wall clock under emulation says little; ratios inside one run say something.

bench_row() {
	printf '%-44s %s\n' "$1" "$2"
}


bench_kernel_lines() {
	(cd "$dev_top/kernel" && cat src/virt/kvm/*.[ch] src/include/linux/*.h 2>/dev/null | wc -l)
}

dev_bench() {
	local json flavour=gmem debug_kernel=0 build_dir='' bzimage='' records

	case ${1:-} in
	'') ;;
	kernel) shift; dev_bench_kernel "$@"; return ;;
	channel) shift; dev_bench_channel "$@"; return ;;
	pager) shift; dev_bench_pager "$@"; return ;;
	restore) shift; dev_bench_restore "$@"; return ;;
	*) die "bench: no such table: $1 (./dev help)." ;;
	esac
	machine_prepare
	kernel_need gmem
	user_build plain
	# Assertions and sanitizers are off in this build, and nothing else runs here.
	step "the channel against its raw operations" dev_bench_channel_table && records=$step_log
	json=$dev_log/bench.json
	step "a whole move" "$dev_top/dev" demo --json "$json" || die "bench: the move failed; see $step_log."
	echo
	bench_row "kernel: lines of the new files" "$(bench_kernel_lines)"
	bench_row "kernel: lines that the hooks add" "$(cat "$dev_top"/kernel/hooks/*/*.patch | grep -c '^+[^+]')"
	python3 - "$json" <<-'PY'
	import json, sys
	r = json.load(open(sys.argv[1]))
	m = r["migration"]
	rows = [
	    ("move: guest stopped", f"{m['downtime_ms']:.0f} ms"),
	    ("move: until everything is there", f"{m['total_ms'] / 1000:.1f} s"),
	    ("move: pages per second", f"{m['pages_total'] / m['total_ms'] * 1000:.0f}"),
	    ("move: demand faults of all pages", f"{100 * m['pages_demand'] / m['pages_total']:.1f} %"),
	    ("move: wire bytes per byte of non-zero page",
	     f"{m['bytes_wire'] / 4096 / (m['pages_total'] - m['pages_zero']):.3f}"),
	] + [(f"fault: {k}", f"{us / 1000:.1f} ms") for k, us in m["fault_latency_us"].items()]
	for name, value in rows:
	    print(f"{name:<44} {value}")
	PY
	[ -z "${records:-}" ] || { echo; cat "$records"; }
}
