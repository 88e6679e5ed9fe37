# SPDX-License-Identifier: MIT
# ./dev test.  Sourced by dev.
#
# Each part adds to n_passed, n_failed and n_skipped and goes on after a
# failure; the last line is for programs.

n_passed=0 n_failed=0 n_skipped=0 numbers=

count() {
	n_passed=$((n_passed + $1))
	n_failed=$((n_failed + $2))
	n_skipped=$((n_skipped + $3))
}

# Run one test as a step, and count it.
test_one() {
	local rc

	step "$@"
	rc=$?
	case $rc in
	0) count 1 0 0 ;;
	77) count 0 0 1 ;;
	*) count 0 1 0 ;;
	esac
	return $rc
}

# A number that meson prints as "Ok:  12".
meson_number() {
	sed -n "s/^$1: *\([0-9]*\).*/\1/p" "$step_log" | tail -n1
}

test_unit_flavour() {
	local flavour=$1 build_dir ok bad skip

	shift
	user_build "$flavour"
	step_quiet=1 step "unit tests ($flavour)" meson test -C "$build_dir" --no-rebuild --print-errorlogs \
		--no-suite integration --no-suite kernel "$@"
	if [ $? != 0 ]; then
		"$dev_top/tests/dev/failed_tests.py" "$build_dir" | sed 's/^/     | /'
		step_tail
	fi
	ok=$(meson_number Ok) bad=$(($(meson_number Fail) + $(meson_number Timeout))) skip=$(meson_number Skipped)
	[ -n "$ok" ] || bad=1
	count "${ok:-0}" "$bad" "${skip:-0}"
	[ "${skip:-0}" = 0 ] || sed -n 's/^ *[0-9]*\/[0-9]* \(.*\) SKIP .*/skip \1/p' "$step_log"
	numbers+="unit/$flavour ${ok:-0}, "
}

test_unit() {
	test_unit_flavour plain
	# Leaks are looked for by process; the sanitizers stop at the first error.
	ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
		test_unit_flavour asan --timeout-multiplier 4
	TSAN_OPTIONS=halt_on_error=1:suppressions=$dev_top/tests/dev/tsan.supp test_unit_flavour tsan --timeout-multiplier 8
}

test_uapi() {
	test_one "include/uapi is what the patched kernel exports" "$kscripts/headers" --verify
}

# The last line that it says: its numbers.
test_numbers() {
	test_one "$@"
	tail -n1 "$step_log" | sed 's/^/     /'
}

# Much at a time, or often: some minutes each, and in no other part.
test_load() {
	local build_dir programs=()

	user_build plain
	programs=("$build_dir"/gmem-pager/gmem-{keygen,source,pager} "$build_dir/docs/examples/example-vmm")
	test_numbers "64 moves at the same time" "$dev_top/tests/load/pairs.py" --pairs 64 "${programs[@]}"
	user_build asan
	ASAN_OPTIONS=detect_leaks=1:quarantine_size_mb=16 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
		test_numbers "10,000 lost connections (asan)" "$build_dir/tests/load/reconnects" --count 10000 --moves 32
	user_build tsan
	TSAN_OPTIONS=halt_on_error=1:suppressions=$dev_top/tests/dev/tsan.supp \
		test_numbers "10,000 lost connections (tsan)" "$build_dir/tests/load/reconnects" --count 10000 --moves 32
}

# A directory for this run's test hosts; they end with this process.
beds_init() {
	[ -n "${BED_DIR:-}" ] && [ "${bed_own:-}" = 1 ] && return
	BED_DIR=$(mktemp -d "${TMPDIR:-/tmp}/gmem-bed.XXXXXX") || die "cannot write ${TMPDIR:-/tmp}"
	export BED_DIR BED_OWNER=$$ BED_KERNEL=$bzimage BED=$dev_top/tests/bed/bed
	bed_own=1
	trap beds_fini EXIT
}

beds_fini() {
	local names

	# A job that is killed before it has dropped our trap is not us.
	[ "$BASHPID" = $$ ] || return
	names=$(jobs -p)
	[ -z "$names" ] || kill $names 2>/dev/null
	names=$("$BED" list 2>/dev/null | awk '{print $1}')
	[ -z "$names" ] || "$BED" down $names
	rm -rf "$BED_DIR"
}

# What an integration script finds in its environment.
integration_env() {
	export GMEM_TOP=$dev_top GMEM_BZIMAGE=${guest_bzimage:-$bzimage} GMEM_BUILD=$build_dir GMEM_DEBUG_KERNEL=$debug_kernel
	export GMEM_LOG=$dev_log
}

# What a script says of itself that a slow kernel need not run: what is tested is outside of it.
same_calls='# Asks the kernel for nothing that move.sh does not.'

test_integration() {
	local pattern=$1 t name guest_bzimage='' left_out=()

	# The guest has no memory to spare for KASAN; the hosts are what is tested.
	if ((debug_kernel)); then
		kernel_need gmem
		guest_bzimage=$bzimage
	fi
	kernel_need "$flavour"
	user_build plain
	beds_init
	integration_env
	for t in "$dev_top"/tests/integration/*.sh; do
		name=$(basename "$t" .sh)
		[ -x "$t" ] && [[ $name == $pattern ]] || continue
		if ((debug_kernel)) && [ "$pattern" = '*' ] && grep -qx "$same_calls" "$t"; then
			left_out+=("$name")
			continue
		fi
		n_scripts=$((${n_scripts:-0} + 1))
		test_one "$name" "$t"
		grep '^number ' "$step_log" | sed 's/^number /     /'
	done
	count 0 0 ${#left_out[@]}
	((${#left_out[@]} == 0)) || echo "skip on this kernel, for which they are nothing new (name one to run it): ${left_out[*]}"
	numbers+="integration ${n_scripts:-0}, "
}

# Scripts of tests/long: many moves each, so only when they are named.
test_long() {
	kernel_need "$flavour"
	user_build plain
	beds_init
	integration_env
	export GMEM_TIMES=$times
	test_one "$1" "$dev_top/tests/long/$1.sh"
	grep '^number ' "$step_log" | sed 's/^number /     /'
}

dev_test() {
	local parts=() p debug_kernel=0 flavour=gmem start=$SECONDS n_scripts=0 build_dir='' bzimage='' fuzz_minutes=0 all_selftests=0 mutations='' times=20

	while [ $# -gt 0 ]; do
		p=$1
		shift
		case $p in
		--debug-kernel) debug_kernel=1 flavour=debug ;;
		--kcsan-kernel) debug_kernel=1 flavour=kcsan ;;
		--all-selftests) all_selftests=1 ;;
		--fuzz)
			[[ ${1:-} =~ ^[1-9][0-9]{0,4}$ ]] || die "test: --fuzz takes a number of minutes (./dev help)."
			fuzz_minutes=$1
			shift ;;
		--times)
			[[ ${1:-} =~ ^[1-9][0-9]{0,2}$ ]] || die "test: --times takes a number, 1 to 999 (./dev help)."
			times=$1
			shift ;;
		--mutations)
			mutations=all
			case ${1:-} in
			''|-*|unit|uapi|kernel|integration|load|moves|faults) ;;
			*)
				compgen -G "$mutations_dir/$1.patch" >/dev/null || die "test: no such mutation: $1 (they are in tests/kernel/mutations)."
				mutations=$1
				shift ;;
			esac ;;
		unit|uapi|kernel|integration|load) parts+=("$p") ;;
		moves|faults) parts+=("long:$p") ;;
		-*) die "test: unknown option $p (./dev help)." ;;
		*)
			compgen -G "$dev_top/tests/integration/*$p*.sh" >/dev/null || die "test: no such test: $p (./dev help)."
			parts+=("integration:*$p*") ;;
		esac
	done
	[ -z "$mutations" ] || [ ${#parts[@]} -gt 0 ] || parts=(kernel)
	# The debug kernel changes nothing for what runs outside of it.
	[ ${#parts[@]} -gt 0 ] || { ((debug_kernel)) && parts=(kernel integration) || parts=(unit uapi kernel integration); }
	machine_prepare
	for p in "${parts[@]}"; do
		case $p in
		unit) test_unit ;;
		load) test_load ;;
		uapi) kernel_need gmem; test_uapi ;;
		kernel) if [ -n "$mutations" ]; then test_mutations "$mutations"; else test_kernel; fi ;;
		integration) test_integration '*' ;;
		integration:*) test_integration "${p#*:}" ;;
		long:*) test_long "${p#*:}" ;;
		esac
	done
	echo "${numbers}$n_skipped skipped, $((SECONDS - start)) s; logs in $dev_log"
	echo "$n_passed passed, $n_failed failed"
	((n_failed == 0 && n_passed > 0))
}
