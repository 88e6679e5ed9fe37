# SPDX-License-Identifier: MIT
# The half of ./dev bench pager that compares whole moves with QEMU's post-copy.  Sourced by dev.

qemu_kinds='qemu gmem_plain qemu_tls gmem'

# bench_qemu_run KIND FILE: one move in the test host; its figures are kept in FILE.
bench_qemu_run() {
	"$BED" run host --timeout 1800 -- /usr/bin/python3 -B "$dev_top/tests/perf/qemu/run.py" "$1" --kernel "$bzimage" \
		--initrd "$build_dir/tests/vmm/guest/gmem-guest.cpio" --build "$build_dir" >"$2" </dev/null
}

# bench_qemu N: runs 1 to N, the kinds in turns, in one boot; KIND.R in $dev_log.  Wants $build_dir.
bench_qemu() {
	local n=$1 flavour=gmem debug_kernel=0 bzimage='' r kind

	kernel_need bench
	beds_init
	must "test host that counts instructions" "$BED" up host --kernel "$bzimage" --mem 2048 --icount --boot-timeout 900
	for ((r = 1; r <= n; r++)); do
		for kind in $qemu_kinds; do
			must "run $r of $n, a move: $kind" bench_qemu_run "$kind" "$dev_log/$kind.$r"
		done
	done
	must "kernel log" "$BED" check-log host
	"$BED" down host
}
