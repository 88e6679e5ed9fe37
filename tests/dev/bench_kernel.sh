# SPDX-License-Identifier: MIT
# ./dev bench kernel: the kernel half in counted instructions.  Sourced by dev.

# One run of bench_kernel on a host, in a memory cgroup as VMs are; what it prints is kept in FILE.
bench_kernel_run() {
	local name=$1 file=$2

	shift 2
	"$BED" run "$name" --timeout 900 -- sh -c 'g=/sys/fs/cgroup; echo +memory >$g/cgroup.subtree_control &&
		mkdir -p $g/bench && echo $$ >$g/bench/cgroup.procs && exec "$@"' sh \
		"$build_dir/tests/perf/kernel/bench_kernel" "$@" | tee "$file"
}

bench_kernel_host() {
	must "test host that counts instructions ($1 kernel)" "$BED" up "$1" --kernel "$2" --mem 5120 --icount \
		--append "hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=8"
}

dev_bench_kernel() {
	local json='' n=3 flavour=gmem debug_kernel=0 build_dir='' bzimage='' stock r vcpus=2

	while [ $# -gt 0 ]; do
		[ $# -gt 1 ] || die "bench kernel: $1 needs a value."
		case $1 in
		--json) json=$(readlink -m "$2") ;;
		--runs) n=$2 ;;
		--vcpus) vcpus=$2 ;;
		*) die "bench kernel: unknown option $1 (./dev help)." ;;
		esac
		shift 2
	done
	[[ $n =~ ^[1-9][0-9]?$ && $vcpus =~ ^[1-8]$ ]] || die "bench kernel: --runs is 1 to 99, --vcpus 1 to 8."
	machine_prepare
	kernel_need bench-stock
	stock=$bzimage
	kernel_need bench
	user_build plain
	beds_init
	bench_kernel_host stock "$stock"
	must "first touch, unpatched" bench_kernel_repeat stock "$n" anon --only anon
	"$BED" down stock
	bench_kernel_host gmem "$bzimage"
	# At the same point after booting as on the other.
	must "first touch, patched" bench_kernel_repeat gmem "$n" anon --only anon
	for ((r = 1; r <= n; r++)); do
		must "run $r of $n" bench_kernel_run gmem "$dev_log/all.$r" --vcpus "$vcpus"
		grep '^raw ' "$dev_log/anon.gmem.$r" >>"$dev_log/all.$r"
	done
	must "kernel log" "$BED" check-log gmem
	echo
	python3 "$dev_top/tests/dev/kernel_figures.py" ${json:+--json "$json"} \
		--stock "$dev_log"/anon.stock.* --runs "$dev_log"/all.*
}

# bench_kernel_repeat HOST N NAME ARG...: outputs in NAME.HOST.1 to N
bench_kernel_repeat() {
	local name=$1 n=$2 file=$3 r

	shift 3
	for ((r = 1; r <= n; r++)); do
		bench_kernel_run "$name" "$dev_log/$file.$name.$r" --vcpus "$vcpus" "$@" || return
	done
}
