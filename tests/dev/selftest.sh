# SPDX-License-Identifier: MIT
# KVM's own selftests and ours, in a test host.  Sourced by dev.

selftest_timeout=600
selftest_timeout_debug=3600

# The lines of kernel/selftests.list that this run is about: WHEN HOW PROGRAM ARGUMENT...
selftest_lines() {
	sed 's/#.*//; /^[[:space:]]*$/d' "$dev_top/kernel/selftests.list" | while read -r when line; do
		[ "$when" = each ] || ((all_selftests)) && echo "$line"
	done
}

# What a program and its arguments are called, and a file name of that.
selftest_name() {
	echo "${*##*/}"
}

selftest_slug() {
	echo "${1//[^A-Za-z0-9]/_}"
}

# Run DIRECTORY/PROGRAM with arguments in host HOST; the log is its output.  KSFT_SKIP (4) is a skip.
selftest_run() {
	local host=$1 program=$2/${3##*/} rc limit=$selftest_timeout

	shift 3
	((debug_kernel)) && limit=$selftest_timeout_debug
	"$BED" run "$host" --timeout "$limit" -- ${paged:+env "KVM_SELFTEST_DEMAND_PAGING=$paged"} "$program" "$@"
	rc=$?
	[ $rc = 4 ] && return 77
	return $rc
}

# As selftest_run, for one that passes, fails or skips ($1); what it says is left in $2.
selftest_as_known() {
	local how=$1 digest=$2 rc

	shift 2
	selftest_run "$@" 2>&1 | tee "$digest.out"
	rc=${PIPESTATUS[0]}
	selftest_digest $rc "$digest.out" >"$digest.new" || return 1
	rm "$digest.out"
	case $how:$rc in
	fails:0|fails:77|fails:12[45]) ;;	# 124 and 125 are the bed's
	fails:*) rc=0 ;&
	passes:0|passes:77|skips:77)
		mv "$digest.new" "$digest" && return $rc ;;
	esac
	echo "exit code $rc; kernel/selftests.list says: $how"
	return 1
}

# On a kernel with demand paging, all of whose memslots are missing at first.
selftest_paged() {
	local n paged=$1

	shift
	selftest_run "$@" 2>&1 | tee "$BED_DIR/paged.out"
	[ "${PIPESTATUS[0]}" = 0 ] || return 1
	n=$(sed -n 's/.*demand paging: \([0-9]*\) pages served.*/\1/p' "$BED_DIR/paged.out" | tail -n1)
	[ "${n:-0}" -gt 0 ] && return
	echo "it was not paged"
	return 1
}

# What a run said, without what differs from run to run: its code and the verdicts.
selftest_digest() {
	echo "exit $1"
	LC_ALL=C sed -nE '/^(not )?ok |^1\.\.|^# (Totals|PASSED|FAILED)/{s/0x[0-9a-f]*//g; p}' "$2"
}

# The stock tests on the unpatched kernel, once per kernel and kind of host: sets stock_dir.
selftests_stock() {
	local dir how words name up=0

	must "selftests (unpatched)" "$kscripts/selftests" stock
	dir=$(tail -n1 "$step_log")
	stock_dir=${dir%-*}-results-$(sha256sum <"$dev_top/tests/bed/lib/host.sh" | cut -c1-8)
	mkdir -p "$stock_dir" || die "cannot write $stock_dir."
	while read -r how words; do
		name=$(selftest_name $words)
		[[ $how = paged=* ]] || [ -e "$stock_dir/$(selftest_slug "$name")" ] && continue
		if ((!up)); then
			kernel_need stock
			must "test host (unpatched)" "$BED" up stock --kernel "$bzimage" --mem 2048
			up=1
		fi
		step_quiet=1 step "$name (unpatched)" \
			selftest_as_known "$how" "$stock_dir/$(selftest_slug "$name")" stock "$dir" $words
	done < <(selftest_lines)
	((!up)) || "$BED" down stock
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

# The stock tests in host self: each must say what it says on the unpatched kernel.
selftests_compare() {
	local dir=$1 how words name slug

	while read -r how words; do
		name=$(selftest_name $words)
		slug=$(selftest_slug "$name")
		case $how in
		paged=*)
			test_one "$name, paged" selftest_paged "${how#*=}" self "$dir" $words
			;;
		passes)
			test_one "$name" selftest_as_known "$how" "$BED_DIR/$slug.digest" self "$dir" $words
			test_one "$name as on the unpatched kernel" selftest_unchanged "$stock_dir/$slug" "$BED_DIR/$slug.digest"
			;;
		*)
			test_one "$name ($how on the unpatched kernel)" \
				selftest_as_known "$how" "$BED_DIR/$slug.digest" self "$dir" $words
			test_one "$name as on the unpatched kernel" selftest_unchanged "$stock_dir/$slug" "$BED_DIR/$slug.digest"
			;;
		esac
		n=$((n + 1))
	done < <(selftest_lines)
}

test_kernel() {
	local dir t stock_dir n=0 append="hugepagesz=1G hugepages=1"

	kernel_need "$flavour"
	beds_init
	selftests_stock
	must "selftests" "$kscripts/selftests" gmem
	dir=$(tail -n1 "$step_log")
	kernel_need "$flavour"
	# The 1G page of the backing test is found above 4 GiB only.
	[ "$flavour" = debug ] && append+=" no5lvl"   # As tests/integration/lib/hosts.sh says.
	must "test host" "$BED" up self --kernel "$bzimage" --mem 5120 --append "$append"
	selftests_compare "$dir"
	while read -r t; do
		test_one "$t" selftest_run self "$dir" "$t"
		n=$((n + 1))
		[[ $t != *_fuzz ]] || fuzz_figures
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
