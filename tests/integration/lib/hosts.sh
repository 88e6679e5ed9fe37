# SPDX-License-Identifier: MIT
# Test hosts A (where the guest starts) and B (where it goes).  Sourced by test.sh.

hosts=

# hosts_up [OPTION OF bed up]...: both, at the same time, joined.
hosts_up() {
	local a b mem=1024

	[ "${GMEM_DEBUG_KERNEL:-0}" = 1 ] && mem=2560
	hosts="A B"
	"$BED" up A --mem $mem --addr 10.77.0.1 --boot-timeout $((120 * patience)) "$@" & a=$!
	"$BED" up B --mem $mem --addr 10.77.0.2 --boot-timeout $((120 * patience)) & b=$!
	wait $a && wait $b || fail "the test hosts do not come up"
	"$BED" net A B
	share_a=$("$BED" share A) share_b=$("$BED" share B)
}

on() {
	"$BED" run "$1" --timeout $((60 * patience)) -- "${@:2}" </dev/null
}

# Logs go to where ./dev shows them; a kernel that complained fails the test.
test_fini() {
	local rc=$? h dir

	dir=${GMEM_LOG:-}/$test_name
	for h in $hosts; do
		if [ $rc = 0 ] && ! "$BED" check-log "$h"; then
			echo "FAIL $test_name: the kernel of host $h complained"
			rc=1
		fi
		if [ -n "${GMEM_LOG:-}" ]; then
			mkdir -p "$dir"
			"$BED" log "$h" >"$dir/$h.kernel.log" 2>/dev/null
			cp "$("$BED" share "$h")"/*.log "$("$BED" share "$h")"/*.console "$dir/" 2>/dev/null
		fi
		[ $rc = 0 ] || [ $rc = 77 ] || test_logs "$h"
	done
	[ -z "$hosts" ] || "$BED" down $hosts
	exit $rc
}

# The ends of the programs' logs, after a failure.
test_logs() {
	local f

	for f in "$("$BED" share "$1")"/*.log; do
		[ -s "$f" ] && echo "--- $1 ${f##*/}" && tail -n 8 "$f"
	done
}
