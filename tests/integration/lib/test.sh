# SPDX-License-Identifier: MIT
# What every integration script sources first: it runs one test and prints one line.
#
# ./dev test gives the environment: GMEM_TOP, GMEM_BZIMAGE, GMEM_BUILD, BED, BED_DIR,
# GMEM_LOG, GMEM_DEBUG_KERNEL.

set -u -o pipefail
test_name=$(basename "$0" .sh)

fail() {
	echo "FAIL $test_name: $*"
	exit 1
}

skip() {
	echo "skip $test_name: $*"
	exit 77
}

# A figure of this test, shown by ./dev test.
number() {
	echo "number $*"
}

[ -n "${GMEM_BZIMAGE:-}" ] && [ -n "${GMEM_BUILD:-}" ] || skip "run it with: ./dev test $test_name"
export BED_OWNER=$$
. "$GMEM_TOP/tests/integration/lib/hosts.sh"
. "$GMEM_TOP/tests/integration/lib/move.sh"
trap test_fini EXIT

# A debug kernel is some five times slower.
patience=1
[ "${GMEM_DEBUG_KERNEL:-0}" = 1 ] && patience=5
