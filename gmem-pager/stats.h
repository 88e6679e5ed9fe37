/* SPDX-License-Identifier: MIT */
/* Counters of a move and the histogram of fault latencies; lock-free, any thread. */
#ifndef GMEM_PAGER_STATS_H
#define GMEM_PAGER_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include <gmem/gmem.h>

#define STATS_SUB_BITS 4u	/* 16 buckets an octave: a percentile is at most 6 % too high */
#define STATS_N_BUCKETS (64u << STATS_SUB_BITS)

struct stats {
	atomic_uint_fast64_t pages_total;
	atomic_uint_fast64_t pages_demand;
	atomic_uint_fast64_t pages_background;
	atomic_uint_fast64_t pages_zero;
	atomic_uint_fast64_t pages_duplicate;
	atomic_uint_fast64_t pages_shared;
	atomic_uint_fast64_t pages_converted;	/* of another kind here than in the manifest */
	atomic_uint_fast64_t n_faults;		/* events read */
	atomic_uint_fast64_t n_requests;	/* REQUEST records */
	atomic_uint_fast64_t start_us;		/* monotonic; 0: not yet */
	atomic_uint_fast64_t started_us;
	atomic_uint_fast64_t complete_us;
	atomic_uint_fast64_t latency_max_us;
	atomic_uint_fast64_t latency_sum_us;
	atomic_uint_fast64_t n_latencies;
	atomic_uint_fast64_t latency[STATS_N_BUCKETS];
};

/* Monotonic time in microseconds, never 0. */
uint64_t stats_now_us(void);

static inline void stats_add(atomic_uint_fast64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* One fault took @us microseconds from the event to the page. */
void stats_record_latency(struct stats *stats, uint64_t us);

/* The latency that @per_mille of all faults did not exceed, in microseconds; 0 if there was none. */
uint64_t stats_latency_us(const struct stats *stats, unsigned int per_mille);

/* The largest value that bucket @bucket of the histogram counts. */
uint64_t stats_bucket_top(unsigned int bucket);

/* Fill the counters of @ret_progress that live here. */
void stats_read(const struct stats *stats, struct gmem_progress *ret_progress);

#endif
