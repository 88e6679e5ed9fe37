/* SPDX-License-Identifier: MIT */
/* GFNs that guests wait for: which are asked for already, and since when.  Fixed size, own lock. */
#ifndef GMEM_PAGER_WANTED_H
#define GMEM_PAGER_WANTED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats.h"

/* Waiters are vCPUs, one GFN each; beyond this, requests are neither merged nor timed. */
#define WANTED_MAX 512u

struct wanted_entry {
	uint64_t gfn;
	uint64_t since_us;
};

struct wanted {
	pthread_mutex_t lock;
	size_t n_entries;				/* lock */
	atomic_uint_fast64_t n_waiting;			/* written with the lock held; for who only looks */
	atomic_uint_fast64_t oldest_us;			/* the same; since when the first of them waits, 0: nobody */
	struct wanted_entry entries[WANTED_MAX];	/* lock; in no order */
};

void wanted_init(struct wanted *wanted);
void wanted_fini(struct wanted *wanted);

/* true: ask for @gfn; false: it was asked for and has not come yet. */
bool wanted_add(struct wanted *wanted, uint64_t gfn, uint64_t now_us);

/* The pages from @gfn on are present: forget them, and note how long they took. */
void wanted_filled(struct wanted *wanted, uint64_t gfn, uint64_t n_pages, uint64_t now_us, struct stats *stats);

/* Up to WANTED_MAX GFNs that have not come. */
size_t wanted_list(struct wanted *wanted, uint64_t ret_gfns[WANTED_MAX]);

size_t wanted_count(struct wanted *wanted);

#endif
