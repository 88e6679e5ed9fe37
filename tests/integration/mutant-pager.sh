#!/bin/bash
# SPDX-License-Identifier: MIT
# A pager that alters one bit of one page does not get past the comparison.
# Asks the kernel for nothing that move.sh does not.

pager_program=gmem-pager-mutant
. "$(dirname "$0")/lib/test.sh"

json=$BED_DIR/mutant.json
hosts_up
move_stage
move_go
move_settle
move_report "$json" && fail "an altered page went unnoticed"
python3 - "$json" <<-'PY' || fail "not exactly one page is said to be different"
	import json, sys
	report = json.load(open(sys.argv[1]))
	sys.exit(report["result"] == "ok" or report["verify"]["pages_different"] != 1)
PY
echo "ok $test_name"
