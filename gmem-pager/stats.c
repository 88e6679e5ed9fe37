// SPDX-License-Identifier: MIT
#include <time.h>

#include "stats.h"

uint64_t stats_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u + 1u;
}

/* Values below 16 have a bucket each; above, an octave is 16 buckets. */
static unsigned int bucket_of(uint64_t us)
{
	unsigned int octave;

	if (us < (1u << STATS_SUB_BITS))
		return (unsigned int)us;
	octave = 63u - (unsigned int)__builtin_clzll(us) - STATS_SUB_BITS;
	return ((octave + 1u) << STATS_SUB_BITS) + (unsigned int)((us >> octave) & ((1u << STATS_SUB_BITS) - 1u));
}

uint64_t stats_bucket_top(unsigned int bucket)
{
	const unsigned int octave = bucket >> STATS_SUB_BITS;
	const uint64_t mantissa = bucket & ((1u << STATS_SUB_BITS) - 1u);

	if (octave == 0)
		return mantissa;
	return (((1ull << STATS_SUB_BITS) + mantissa + 1u) << (octave - 1u)) - 1u;
}

void stats_record_latency(struct stats *stats, uint64_t us)
{
	uint_fast64_t max = atomic_load_explicit(&stats->latency_max_us, memory_order_relaxed);

	stats_add(&stats->latency[bucket_of(us)], 1);
	stats_add(&stats->n_latencies, 1);
	stats_add(&stats->latency_sum_us, us);
	while (us > max && !atomic_compare_exchange_weak(&stats->latency_max_us, &max, us))
		continue;
}

uint64_t stats_latency_us(const struct stats *stats, unsigned int per_mille)
{
	const uint64_t n = atomic_load(&stats->n_latencies);
	const uint64_t max = atomic_load(&stats->latency_max_us);
	const uint64_t rank = (n * per_mille + 999u) / 1000u;
	uint64_t seen = 0;
	unsigned int i;

	if (n == 0)
		return 0;
	for (i = 0; i < STATS_N_BUCKETS; i++) {
		seen += atomic_load_explicit(&stats->latency[i], memory_order_relaxed);
		if (seen >= rank)
			return stats_bucket_top(i) < max ? stats_bucket_top(i) : max;
	}
	return max;
}

static uint64_t span_us(const atomic_uint_fast64_t *from, const atomic_uint_fast64_t *to)
{
	const uint64_t begin = atomic_load(from), end = atomic_load(to);

	return begin != 0 && end > begin ? end - begin : 0;
}

void stats_read(const struct stats *stats, struct gmem_progress *ret_progress)
{
	ret_progress->pages_total = atomic_load(&stats->pages_total);
	ret_progress->pages_demand = atomic_load(&stats->pages_demand);
	ret_progress->pages_background = atomic_load(&stats->pages_background);
	ret_progress->pages_zero = atomic_load(&stats->pages_zero);
	ret_progress->pages_duplicate = atomic_load(&stats->pages_duplicate);
	ret_progress->pages_shared = atomic_load(&stats->pages_shared);
	ret_progress->fault_latency_us[0] = stats_latency_us(stats, 500);
	ret_progress->fault_latency_us[1] = stats_latency_us(stats, 900);
	ret_progress->fault_latency_us[2] = stats_latency_us(stats, 990);
	ret_progress->fault_latency_us[3] = atomic_load(&stats->latency_max_us);
	ret_progress->start_to_started_us = span_us(&stats->start_us, &stats->started_us);
	ret_progress->total_us = span_us(&stats->start_us, &stats->complete_us);
}
