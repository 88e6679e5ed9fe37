// SPDX-License-Identifier: MIT
#include "check.h"
#include "stall.h"

#define S 1000000ull

static void test_silence(void)
{
	struct stall stall = { 0 };

	CU_ASSERT_FALSE(stall_tick(&stall, 5, 5, 100 * S));
	CU_ASSERT_FALSE(stall_tick(&stall, 5, 5, 105 * S));
	CU_ASSERT_TRUE(stall_tick(&stall, 5, 5, 105 * S + 1));
	CU_ASSERT_FALSE(stall_tick(&stall, 5, 5, 115 * S + 1));
	CU_ASSERT_TRUE(stall_tick(&stall, 5, 5, 115 * S + 2));
}

/* Pages that come twice are a sign of a queue, not of a loss. */
static void test_duplicates_are_no_silence(void)
{
	struct stall stall = { 0 };
	uint64_t t;

	for (t = 0; t < 100; t++)
		CU_ASSERT_FALSE(stall_tick(&stall, 5, 5 + t, t * S));
}

static void test_patience_grows_and_returns(void)
{
	struct stall stall = { 0 };
	uint64_t t, n = 0;

	for (t = 1; t <= 1000; t++)
		n += stall_tick(&stall, 5, 5, t * S);
	/* After 5, 10, 20, 40 s, then every 80 s, a tick late at most. */
	CU_ASSERT(n >= 14 && n <= 15);
	CU_ASSERT_FALSE(stall_tick(&stall, 6, 6, 1001 * S));
	CU_ASSERT_TRUE(stall_tick(&stall, 6, 6, 1007 * S));
}

static const struct check checks[] = {
	{ "silence", test_silence },
	{ "duplicates are no silence", test_duplicates_are_no_silence },
	{ "patience grows and returns", test_patience_grows_and_returns },
	{ NULL, NULL },
};

CHECK_MAIN("stall", checks)
