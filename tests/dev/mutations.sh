# SPDX-License-Identifier: MIT
# ./dev test kernel --mutations: does a test notice when a guard of the kernel code is taken
# out?  Sourced by dev.
#
# tests/kernel/mutations/NAME.patch takes one guard out, and names in its header the test that
# has to fail then:  Test: [paged=N] PROGRAM [ARGUMENT]...
#
# One process builds KVM's modules with each of them, in order; as many lanes as there are
# processors, up to four, boot a host each, load the modules and run the test.  No two mutations
# share a host: what a mutant does to the memory of its kernel is not seen in the log at once.

mutations_dir=$dev_top/tests/kernel/mutations
mutation_timeout=90		# besides what the test is told to take, and ten times what it takes beyond that
mutation_modules='irqbypass kvm kvm-amd'

# The test that a patch names.
mutation_test() {
	sed -n 's/^Test: //p; /^--- /q' "$1" | head -n1
}

# The seconds that a test is told to take.
mutation_told() {
	[[ $* =~ --seconds\ ([0-9]+) ]] && echo "${BASH_REMATCH[1]}" || echo 0
}

# The seconds that the test $2 took with nothing taken out, from the file $1.
mutation_took() {
	local took words

	while read -r took words; do
		[ "$words" != "$2" ] || { echo "$took"; return; }
	done <"$1"
	echo 0
}

# Run the test WORDS... of directory $2 in host $1, as selftest_run does.
mutation_run() {
	local host=$1 dir=$2 paged='' selftest_timeout

	shift 2
	selftest_timeout=$((mutation_timeout + $(mutation_told "$@") + 10 * ${took:-0}))
	[[ $1 != paged=* ]] || { paged=${1#paged=}; shift; }
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

# Load the modules of directory $2 in host $1.
mutant_load() {
	local host=$1 made=$2 share m

	share=$("$BED" share "$host") || return
	for m in $mutation_modules; do
		cp "$made/$m.ko" "$share/" && "$BED" run "$host" --timeout 60 -- busybox insmod "/run/share/$m.ko" || return
	done
}

# The words for exit code $2 of the test in host $1.
mutation_judge() {
	case $2 in
	0|77) "$BED" check-log "$1" && echo "SURVIVES" || echo "found in the kernel log" ;;
	124|125) echo "found: the test hangs" ;;
	*) echo "found: exit code $2" ;;
	esac
}

# Boot a host with the mutant $2, run the test of patch $4; the last line says what came of it.
mutation_verdict() {
	local host=$1 made=$2 dir=$3 patch=$4 words start took

	words=$(mutation_test "$patch")
	[ -n "$words" ] || { echo "names no test (a line \"Test: ...\" before the diff)"; return; }
	until [ -e "$made" ]; do
		kill -0 "$builder" 2>/dev/null || [ -e "$made" ] || { tail -n 25 "$dev_log/mutants.log"; echo "not built"; return; }
		pause 0.2
	done
	[ ! -e "$made/error" ] || { cat "$made/error"; return; }
	! grep -qxF -- "$words" "${made%/*}/useless" || { echo "not tested: $words fails with nothing taken out"; return; }
	took=$(mutation_took "${made%/*}/times" "$words")
	start=$SECONDS
	if ! "$BED" up "$host" --kernel "$made/bzImage" --mem 2048; then
		"$BED" log "$host" | tail -n 40
		[ -L "$made/bzImage" ] && echo "not tested: the host does not boot" || echo "found: the host does not boot"
	elif ! mutant_load "$host" "$made"; then
		"$BED" check-log "$host" && echo "not tested: its modules cannot be loaded" || echo "found in the kernel log, loading"
	else
		mutation_run "$host" "$dir" $words
		echo "$(mutation_judge "$host" $?), $((SECONDS - start)) s: $words"
	fi
	"$BED" down "$host"
}

# Test, in host $1, the mutations that no other lane has taken.
mutations_lane() {
	local host=$1 all=$2 dir=$3 p name

	shift 3
	for p; do
		name=$(basename "$p" .patch)
		mkdir "$all/$name.taken" 2>/dev/null || continue
		mutation_verdict "$host" "$all/$name" "$dir" "$p" >"$all/$name.said" 2>&1
		mv "$all/$name.said" "$all/$name.verdict"
		rm -rf "$all/${name:?}"
	done
}

# Wait for the verdict on a mutation, and pass it on.
mutation_found() {
	local verdict=$1.verdict

	until [ -e "$verdict" ]; do
		kill -0 $lanes 2>/dev/null || [ -e "$verdict" ] || { echo "nobody tests it any more"; return 1; }
		pause 0.2
	done
	cat "$verdict"
	tail -n1 "$verdict" | grep -q '^found'
}

# Each test that is named once, with nothing taken out.  Those that fail are left in a file: they find nothing.
mutation_tests_check() {
	local all=$1 dir=$2 words tests n=0 start

	shift 2
	mapfile -t tests < <(for p; do mutation_test "$p"; done | grep . | sort -u)
	must "test host" "$BED" up unchanged --kernel "$all/unchanged/bzImage" --mem 2048
	must "load KVM" mutant_load unchanged "$all/unchanged"
	: >"$all/useless"
	for words in "${tests[@]}"; do
		n=$((n + 1))
		start=$SECONDS
		test_one "nothing taken out, $n of ${#tests[@]}: $words" mutation_test_passes unchanged "$dir" $words ||
			echo "$words" >>"$all/useless"
		echo "$((SECONDS - start - $(mutation_told "$words"))) $words" >>"$all/times"
	done
	"$BED" down unchanged
}

# The last lines of all verdicts, by kind.
mutations_count() {
	local found survive rest

	found=$(grep -c '^found' "$1")
	survive=$(grep -c '^SURVIVES' "$1")
	rest=$(($(wc -l <"$1") - found - survive))
	numbers+="mutations $(wc -l <"$1"): $found found, $survive survive, $rest not tested; "
}

test_mutations() {
	local name=$1 dir p patches=() n=0 all builder lanes='' i

	for p in "$mutations_dir"/*.patch; do
		[ "$name" = all ] || [[ $(basename "$p" .patch) == $name ]] && patches+=("$p")
	done
	beds_init
	all=$BED_DIR/mutants
	mkdir "$all"
	must "kernel, KVM as modules" "$dev_top/tests/dev/mutants" "$all"
	must "selftests" "$kscripts/selftests" gmem
	dir=$(tail -n1 "$step_log")
	"$dev_top/tests/dev/mutants" "$all" "${patches[@]}" >"$dev_log/mutants.log" 2>&1 </dev/null &
	builder=$!
	mutation_tests_check "$all" "$dir" "${patches[@]}"
	for ((i = 0; i < 4 && i < $(nproc) && i < ${#patches[@]}; i++)); do
		mutations_lane "mutant$i" "$all" "$dir" "${patches[@]}" </dev/null &
		lanes+=" $!"
	done
	for p in "${patches[@]}"; do
		n=$((n + 1))
		p=$(basename "$p" .patch)
		test_one "$n of ${#patches[@]}: $p" mutation_found "$all/$p"
		tail -n1 "$step_log" | tee -a "$all/verdicts" | sed 's/^/     /'
	done
	wait $lanes
	mutations_count "$all/verdicts"
}
