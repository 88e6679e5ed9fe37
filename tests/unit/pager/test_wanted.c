// SPDX-License-Identifier: MIT
#include "check.h"
#include "wanted.h"

static void test_asked_once(void)
{
	static struct stats stats;
	struct wanted wanted;

	memset(&stats, 0, sizeof(stats));
	wanted_init(&wanted);
	CU_ASSERT_TRUE(wanted_add(&wanted, 5, 1000));
	CU_ASSERT_FALSE(wanted_add(&wanted, 5, 1100));
	CU_ASSERT_TRUE(wanted_add(&wanted, 9, 1200));
	wanted_filled(&wanted, 6, 4, 1500, &stats);	/* 6 to 9 */
	CU_ASSERT_EQUAL(wanted_count(&wanted), 1);
	CU_ASSERT_EQUAL(atomic_load(&stats.n_latencies), 1);
	CU_ASSERT_EQUAL(stats_latency_us(&stats, 1000), 300);
	wanted_filled(&wanted, 5, 1, 2000, &stats);
	CU_ASSERT_EQUAL(atomic_load(&stats.latency_max_us), 1000);
	CU_ASSERT_EQUAL(wanted_count(&wanted), 0);
	CU_ASSERT_TRUE(wanted_add(&wanted, 5, 3000));
	wanted_fini(&wanted);
}

/* For who only looks: how many wait, and since when the first of them does. */
static void test_the_oldest_is_known(void)
{
	static struct stats stats;
	struct wanted wanted;

	memset(&stats, 0, sizeof(stats));
	wanted_init(&wanted);
	CU_ASSERT_EQUAL(atomic_load(&wanted.oldest_us), 0);
	wanted_add(&wanted, 5, 1000);
	wanted_add(&wanted, 9, 1200);
	wanted_add(&wanted, 5, 1300);
	wanted_add(&wanted, 7, 1400);
	CU_ASSERT_EQUAL(atomic_load(&wanted.n_waiting), 3);
	CU_ASSERT_EQUAL(atomic_load(&wanted.oldest_us), 1000);
	wanted_filled(&wanted, 5, 1, 1500, &stats);
	CU_ASSERT_EQUAL(atomic_load(&wanted.n_waiting), 2);
	CU_ASSERT_EQUAL(atomic_load(&wanted.oldest_us), 1200);
	wanted_filled(&wanted, 100, 1, 1500, &stats);
	CU_ASSERT_EQUAL(atomic_load(&wanted.oldest_us), 1200);
	wanted_filled(&wanted, 7, 3, 1600, &stats);
	CU_ASSERT_EQUAL(atomic_load(&wanted.n_waiting), 0);
	CU_ASSERT_EQUAL(atomic_load(&wanted.oldest_us), 0);
	CU_ASSERT_EQUAL(atomic_load(&stats.latency_sum_us), 500 + 400 + 200);
	wanted_fini(&wanted);
}

static void test_full_table_still_asks(void)
{
	static struct stats stats;
	struct wanted wanted;
	uint64_t gfn, n_asked = 0;

	memset(&stats, 0, sizeof(stats));
	wanted_init(&wanted);
	for (gfn = 0; gfn < WANTED_MAX + 10; gfn++)
		n_asked += wanted_add(&wanted, gfn, 1);
	CU_ASSERT_EQUAL(n_asked, WANTED_MAX + 10);
	CU_ASSERT_TRUE(wanted_add(&wanted, WANTED_MAX + 5, 1));
	wanted_filled(&wanted, 0, UINT64_MAX, 2, &stats);
	CU_ASSERT_EQUAL(wanted_count(&wanted), 0);
	CU_ASSERT_EQUAL(atomic_load(&stats.n_latencies), WANTED_MAX);
	wanted_fini(&wanted);
}

static const struct check checks[] = {
	{ "asked for once", test_asked_once },
	{ "a full table still asks", test_full_table_still_asks },
	{ "the oldest is known", test_the_oldest_is_known },
	{ NULL, NULL },
};

CHECK_MAIN("wanted", checks)
