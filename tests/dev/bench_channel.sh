# SPDX-License-Identifier: MIT
# ./dev bench channel: records, handshake and evidence against the operations they are made of.  Sourced by dev.

# One run.
bench_channel_run() {
	"$build_dir/tests/perf/channel/bench_channel" || return
	"$build_dir/tests/perf/channel/bench_handshake" || return
	"$build_dir/tests/perf/channel/bench_snp" || [ $? = 1 ]
}

# Output of one run in FILE; nothing else of ours runs meanwhile.
bench_channel_keep() {
	bench_channel_run >"$1"
}

# For the table of ./dev bench.
dev_bench_channel_table() {
	local r

	for r in 1 2 3; do
		bench_channel_keep "$dev_log/table.$r" || return
	done
	# A goal that is missed is for `./dev bench channel` to say.
	python3 "$dev_top/tests/dev/channel_figures.py" "$dev_log"/table.[123] || [ $? = 1 ]
}

dev_bench_channel() {
	local json='' n=7 build_dir='' r

	while [ $# -gt 0 ]; do
		[ $# -gt 1 ] || die "bench channel: $1 needs a value."
		case $1 in
		--json) json=$(readlink -m "$2") ;;
		--runs) n=$2 ;;
		*) die "bench channel: unknown option $1 (./dev help)." ;;
		esac
		shift 2
	done
	[[ $n =~ ^[1-9][0-9]?$ ]] || die "bench channel: --runs is 1 to 99."
	machine_prepare
	user_build plain
	for ((r = 1; r <= n; r++)); do
		must "run $r of $n" bench_channel_keep "$dev_log/channel.$r"
	done
	echo
	python3 "$dev_top/tests/dev/channel_figures.py" ${json:+--json "$json"} "$dev_log"/channel.*
}
