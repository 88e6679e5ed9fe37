#!/bin/bash
# SPDX-License-Identifier: MIT
# The example of docs/kernel-abi.md does on the patched kernel what the document says.

. "$(dirname "$0")/lib/test.sh"

hosts=A
expect "host A does not come up" host_up A
out=$(on A "$GMEM_BUILD/docs/examples/kernel_abi" 2>&1) || fail "the example ended with exit code $?: $out"
echo "$out"
for mode in wait exit; do
	grep -q "^ok: $mode mode: .* none missing now$" <<<"$out" || fail "the example does not end well in $mode mode"
done
echo "ok $test_name"
