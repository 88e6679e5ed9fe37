# SPDX-License-Identifier: MIT
# Test hosts A (where the guest starts) and B (where it goes).  Sourced by test.sh.

hosts=

# expect WHAT COMMAND...: or the test has failed.
expect() {
	local what=$1

	shift
	"$@" || fail "$what (exit code $?: $*)"
}

# What the names mean, also to a shell that does not start the hosts itself.
hosts_name() {
	hosts="A B"
	share_a=$("$BED" share A) share_b=$("$BED" share B)
}

# host_up NAME [OPTION OF bed up]...
host_up() {
	local mem=1024 append=''

	# Linux clears the boot CPU's feature bits for a moment (identify_cpu()), among them the one by which KASAN knows
	# five-level page tables: an interrupt just then is reported as a wild access.
	[ "${GMEM_DEBUG_KERNEL:-0}" = 1 ] && mem=2560 append=no5lvl
	"$BED" up "$1" --mem $mem --append "$append" --boot-timeout $((120 * patience)) "${@:2}"
}

# hosts_up [OPTION OF bed up]...: both, at the same time, joined.
hosts_up() {
	local a b

	hosts_name
	host_up A --addr 10.77.0.1 "$@" & a=$!
	host_up B --addr 10.77.0.2 & b=$!
	wait $a && wait $b || fail "the test hosts do not come up"
	"$BED" net A B
}

on() {
	"$BED" run "$1" --timeout $((60 * patience)) -- "${@:2}" </dev/null
}

# The kernels of both hosts have nothing to complain about.
hosts_check_logs() {
	local h

	for h in $hosts; do
		"$BED" check-log "$h" || fail "the kernel of host $h complained"
	done
}

# hosts_save_logs DIRECTORY: kernel logs, and what the programs left.
hosts_save_logs() {
	local h

	mkdir -p "$1"
	for h in $hosts; do
		"$BED" log "$h" >"$1/$h.kernel.log" 2>/dev/null
		for f in "$("$BED" share "$h")"/*.{log,console,json}; do
			[ -e "$f" ] && cp "$f" "$1/$h.${f##*/}"
		done
	done
}

test_fini() {
	local rc=$? h

	if [ $rc = 0 ]; then
		(hosts_check_logs)
		rc=$?
	fi
	[ -z "${GMEM_LOG:-}" ] || [ -z "$hosts" ] || hosts_save_logs "$GMEM_LOG/$test_name"
	for h in $hosts; do
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
