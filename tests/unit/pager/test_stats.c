// SPDX-License-Identifier: MIT
#include "check.h"
#include "stats.h"

static void test_percentiles_are_close(void)
{
	static struct stats stats;
	uint64_t us, p;

	memset(&stats, 0, sizeof(stats));
	CU_ASSERT_EQUAL(stats_latency_us(&stats, 500), 0);
	for (us = 1; us <= 10000; us++)
		stats_record_latency(&stats, us);
	p = stats_latency_us(&stats, 500);
	CU_ASSERT_TRUE(p >= 5000 && p <= 5313);
	p = stats_latency_us(&stats, 990);
	CU_ASSERT_TRUE(p >= 9900 && p <= 10000);
	CU_ASSERT_EQUAL(stats_latency_us(&stats, 1000), 10000);
}

static void test_small_and_huge_values(void)
{
	static struct stats stats;
	struct gmem_progress progress;

	memset(&stats, 0, sizeof(stats));
	stats_record_latency(&stats, 0);
	stats_record_latency(&stats, 15);
	CU_ASSERT_EQUAL(stats_latency_us(&stats, 500), 0);
	CU_ASSERT_EQUAL(stats_latency_us(&stats, 1000), 15);
	stats_record_latency(&stats, UINT64_MAX);
	CU_ASSERT_EQUAL(stats_latency_us(&stats, 1000), UINT64_MAX);
	stats_read(&stats, &progress);
	CU_ASSERT_EQUAL(progress.fault_latency_us[3], UINT64_MAX);
	CU_ASSERT_EQUAL(progress.total_us, 0);
}

static void test_spans_need_both_ends(void)
{
	static struct stats stats;
	struct gmem_progress progress;

	memset(&stats, 0, sizeof(stats));
	atomic_store(&stats.start_us, 100);
	stats_read(&stats, &progress);
	CU_ASSERT_EQUAL(progress.start_to_started_us, 0);
	atomic_store(&stats.started_us, 350);
	atomic_store(&stats.complete_us, 1100);
	stats_read(&stats, &progress);
	CU_ASSERT_EQUAL(progress.start_to_started_us, 250);
	CU_ASSERT_EQUAL(progress.total_us, 1000);
}

static const struct check checks[] = {
	{ "percentiles are close", test_percentiles_are_close },
	{ "small and huge values", test_small_and_huge_values },
	{ "spans need both ends", test_spans_need_both_ends },
	{ NULL, NULL },
};

CHECK_MAIN("stats", checks)
