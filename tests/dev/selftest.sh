# SPDX-License-Identifier: MIT
# KVM's own selftests and ours, in a test host.  Sourced by dev.

selftest_timeout=600
selftest_timeout_debug=3600

# Run DIRECTORY/NAME in host HOST; the log is its output.  KSFT_SKIP (4) is a skip.
selftest_run() {
	local rc limit=$selftest_timeout

	((debug_kernel)) && limit=$selftest_timeout_debug
	"$BED" run "$1" --timeout "$limit" -- "$2/$3"
	rc=$?
	[ $rc = 4 ] && return 77
	return $rc
}

# What a run said, without what differs from run to run: its code and the verdicts.
selftest_digest() {
	echo "exit $1"
	grep -aE '^(not )?ok |^1\.\.|^# (Totals|PASSED|FAILED)' "$2" | sed 's/0x[0-9a-f]*//g'
}

# The stock tests on the unpatched kernel, once per kernel: sets stock_dir.
selftests_stock() {
	local dir key t

	must "selftests (unpatched)" "$kscripts/selftests" stock
	dir=$(tail -n1 "$step_log")
	stock_dir=$dir/results
	[ -e "$stock_dir/done" ] && return
	kernel_need stock
	must "test host (unpatched)" "$BED" up stock --kernel "$bzimage" --mem 2048
	mkdir -p "$stock_dir"
	while read -r t; do
		step_quiet=1 step "$t (unpatched)" selftest_run stock "$dir" "$t"
		selftest_digest $? "$step_log" >"$stock_dir/$t"
	done <"$dir/list"
	"$BED" down stock
	: >"$stock_dir/done"
}

# Same verdicts as on the unpatched kernel?
selftest_unchanged() {
	diff "$1" "$2" && return
	echo "differs from the unpatched kernel (<)"
	return 1
}

# How much it did, and how to do it again.
fuzz_figures() {
	grep -aE '^# (--seed|DIVERGENCE|[0-9]+ operations in )' "$step_log" | sed 's/^#/    /'
}

# Run DIRECTORY/gmem_demand_paging_fuzz in host HOST for SECONDS.
fuzz_run() {
	"$BED" run "$1" --timeout $(($3 + selftest_timeout)) -- "$2/gmem_demand_paging_fuzz" --seconds "$3"
}

# The same with a model that is wrong now and then: it must say so, and with what seed.
fuzz_finds() {
	local what out

	for what in presence contents count errno; do
		out=$("$BED" run "$1" --timeout $selftest_timeout -- "$2/gmem_demand_paging_fuzz" --seconds 120 --inject $what)
		echo "$out"
		grep -q '^# DIVERGENCE with --seed [0-9]' <<<"$out" || { echo "not found: $what"; return 1; }
	done
}

test_kernel() {
	local dir t rc stock_dir n=0 slow=''

	kernel_need "$flavour"
	beds_init
	selftests_stock
	must "selftests" "$kscripts/selftests" gmem
	dir=$(tail -n1 "$step_log")
	kernel_need "$flavour"
	# The 1G page of the backing test is found above 4 GiB only.
	must "test host" "$BED" up self --kernel "$bzimage" --mem 5120 --append "hugepagesz=1G hugepages=1"
	while read -r t; do
		test_one "$t" selftest_run self "$dir" "$t"
		rc=$?
		n=$((n + 1))
		[[ $t != *_fuzz ]] || fuzz_figures
		[ -e "$stock_dir/$t" ] || continue
		selftest_digest $rc "$step_log" >"$BED_DIR/$t.digest"
		test_one "$t as on the unpatched kernel" selftest_unchanged "$stock_dir/$t" "$BED_DIR/$t.digest"
	done <"$dir/list"
	test_one "the fuzzer finds what is put wrong" fuzz_finds self "$dir"
	if ((fuzz_minutes)); then
		test_one "fuzzing for $fuzz_minutes minutes" fuzz_run self "$dir" $((fuzz_minutes * 60))
		fuzz_figures
	fi
	test_one "kernel log of the selftests" "$BED" check-log self
	"$BED" down self
	numbers+="selftests $n, "
}
