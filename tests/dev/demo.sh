# SPDX-License-Identifier: MIT
# ./dev demo: the move, step by step, and its figures.  Sourced by dev.

# The parts of a move end with this when something is not as it must be.
fail() {
	echo "$*"
	exit 1
}

# A step that failed ends the demo, with a report that says so.
demo_step() {
	step "$@" && return
	printf '%s\n' "$1" "$(tail -n1 "$step_log")" | python3 -c '
import json, sys
what, why = sys.stdin.read().split("\n")[:2]
json.dump({"result": "failed", "findings": [what + ": " + why]}, open(sys.argv[1], "w"), indent=2)' "$json"
	demo_end 1
}

demo_end() {
	hosts_save_logs "$dev_log/demo"
	echo "logs in $dev_log"
	exit "$1"
}

dev_demo() {
	local json='' pager_program=gmem-pager flavour=gmem debug_kernel=0 build_dir='' bzimage='' start=$SECONDS

	while [ $# -gt 0 ]; do
		case $1 in
		--json) [ $# -gt 1 ] || die "demo: --json needs a file."; json=$(readlink -m "$2"); shift ;;
		--mutant-pager) pager_program=gmem-pager-mutant ;;
		*) die "demo: unknown option $1 (./dev help)." ;;
		esac
		shift
	done
	machine_prepare
	json=${json:-$dev_log/demo.json}
	: >"$json" || die "demo: cannot write $json."
	kernel_need gmem
	user_build plain
	beds_init
	integration_env
	patience=1
	. "$dev_top/tests/integration/lib/hosts.sh"
	. "$dev_top/tests/integration/lib/move.sh"
	hosts_name
	demo_step "two test hosts with the patched kernel" hosts_up
	demo_step "a guest boots on A; B waits for it" move_stage
	demo_step "the guest moves, its memory follows" move_go
	demo_step "it goes on at B; pages are compared" move_settle
	demo_step "kernel logs of both hosts" hosts_check_logs
	move_report "$json" >"$dev_log/report.log" 2>&1
	[ -s "$json" ] || { cat "$dev_log/report.log"; demo_end 1; }
	python3 "$dev_top/tests/dev/figures.py" "$json"
	grep -q '"result": "ok"' "$json" || demo_end 1
}
