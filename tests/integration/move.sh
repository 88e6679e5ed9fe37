#!/bin/bash
# SPDX-License-Identifier: MIT
# A guest moves while it writes, and finds every byte right on the other side.

. "$(dirname "$0")/lib/test.sh"

json=${GMEM_JSON:-$BED_DIR/move.json}
hosts_up
move_stage
move_go
move_settle
move_report "$json" || fail "the move is not right: $(python3 -c 'import json,sys; print("; ".join(json.load(open(sys.argv[1]))["findings"]))' "$json" 2>&1 | tail -n1)"
number "$(python3 -c 'import json,sys; print(json.dumps(json.load(open(sys.argv[1]))["migration"]))' "$json")"
echo "ok $test_name"
