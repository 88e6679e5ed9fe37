#!/bin/bash
# SPDX-License-Identifier: MIT
# What crosses the network holds no 64 bytes of a known page of the guest.
# Asks the kernel for nothing that move.sh does not.

. "$(dirname "$0")/lib/spoil.sh"
. "$(dirname "$0")/lib/test.sh"

pcap=$BED_DIR/link.pcap
hosts_up --capture "$pcap"
move_stage
move_go
n=$(grep -ac '^FIXED gpa' "$share_a/a.console")
[ "$n" -gt 0 ] || fail "the guest does not say where its fixed pages are"
found=$(python3 "$GMEM_TOP/tests/integration/lib/plaintext.py" "$pcap" \
	"$GMEM_BUILD/tests/vmm/guest/gmem-guest.cpio" 4096) || fail "the guest's text stands in the capture: $found"
number "$found"
echo "ok $test_name"
