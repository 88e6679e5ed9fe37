/* SPDX-License-Identifier: MIT */
/* A backend around the pager's own, which looks at the clock where the pager calls it. */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <semaphore.h>
#include <stdatomic.h>

#include "backend.h"

struct clock_backend {
	struct backend backend;		/* first */
	struct backend *inner;		/* owned */
	atomic_uint_fast64_t wanted;	/* the GFN whose way is timed */
	atomic_uint_fast64_t event_ns;	/* its event was read */
	atomic_uint_fast64_t opened_ns;	/* the record that brings it is open */
	atomic_uint_fast64_t present_ns;	/* it is present */
	atomic_uint_fast64_t n_present;	/* pages populated so far */
	atomic_uint_fast64_t target;	/* at so many, @reached is posted and @target_ns says when */
	atomic_uint_fast64_t target_ns;
	sem_t reached;
};

uint64_t clock_ns(void);

/* Takes @inner over; nobody uses it yet. */
void clock_backend_init(struct clock_backend *clock, struct backend *inner);

/* Before what brings the pages begins. */
void clock_backend_aim(struct clock_backend *clock, uint64_t n_more);

/* After clock_backend_aim(): wait for it. */
void clock_backend_wait(struct clock_backend *clock);

#endif
