# SPDX-License-Identifier: MIT
# ./dev test kernel --mutations: does a test notice when a guard of the kernel code is taken
# out?  Sourced by dev.
#
# tests/kernel/mutations/NAME.patch takes one guard out, and names in its header the test that
# has to fail then:  Test: [paged=N] PROGRAM [ARGUMENT]...

mutations_dir=$dev_top/tests/kernel/mutations
mutation_timeout=90		# besides what the test is told to take

# The test that a patch names.
mutation_test() {
	sed -n 's/^Test: //p; /^--- /q' "$1" | head -n1
}

# Run the test WORDS... of directory $2 in host $1, as selftest_run does.
mutation_run() {
	local host=$1 dir=$2 paged='' selftest_timeout=$mutation_timeout

	shift 2
	[[ $1 != paged=* ]] || { paged=${1#paged=}; shift; }
	[[ $* =~ --seconds\ ([0-9]+) ]] && selftest_timeout=$((mutation_timeout + BASH_REMATCH[1]))
	selftest_run "$host" "$dir" "$@"
}

# Is the test good for something: does it pass as long as the guard is there?
mutation_test_passes() {
	local rc

	mutation_run "$@"
	rc=$?
	# What is skipped notices nothing.
	((rc != 77)) || echo "it was skipped"
	((rc == 0)) && "$BED" check-log "$1"
}

# Build the kernel without the guard, boot it, and see the test fail.
mutation_found() {
	local patch=$1 dir=$2 words rc image

	words=$(mutation_test "$patch")
	[ -n "$words" ] || { echo "${patch##*/} names no test (a line \"Test: ...\" before the diff)"; return 1; }
	image=$("$dev_top/tests/dev/mutant" "$patch")
	rc=$?
	((rc == 0)) || return 1		# it has said why
	"$BED" up mutant --kernel "$(tail -n1 <<<"$image")" --mem 2048 ||
		{ "$BED" log mutant | tail -n 40; "$BED" down mutant; echo "found: the host does not boot"; return 0; }
	mutation_run mutant "$dir" $words
	rc=$?
	case $rc in
	0|77) "$BED" check-log mutant && rc=survives || rc='found in the kernel log' ;;
	124|125) rc='found: the test hangs' ;;
	*) rc="found: exit code $rc" ;;
	esac
	"$BED" down mutant
	[ "$rc" != survives ] || { echo "SURVIVES: $words passes without the guard"; return 1; }
	echo "$rc: $words"
}

# Each test that is named once, on the kernel as it is.
mutation_tests_check() {
	local dir=$1 words

	shift
	kernel_need gmem
	must "test host" "$BED" up unchanged --kernel "$bzimage" --mem 2048
	while read -r words; do
		[ -z "$words" ] || test_one "nothing taken out: $words" mutation_test_passes unchanged "$dir" $words
	done < <(for p; do mutation_test "$p"; done | sort -u)
	"$BED" down unchanged
}

test_mutations() {
	local name=$1 dir p patches=() n=0

	for p in "$mutations_dir"/*.patch; do
		[ "$name" = all ] || [ "$(basename "$p" .patch)" = "$name" ] && patches+=("$p")
	done
	beds_init
	must "selftests" "$kscripts/selftests" gmem
	dir=$(tail -n1 "$step_log")
	mutation_tests_check "$dir" "${patches[@]}"
	for p in "${patches[@]}"; do
		n=$((n + 1))
		test_one "$n of ${#patches[@]}: $(basename "$p" .patch)" mutation_found "$p" "$dir"
	done
	numbers+="mutations $n, "
}
