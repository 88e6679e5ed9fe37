// SPDX-License-Identifier: MIT
/*
 * The guest's clock, the same for all vCPUs: what one of them has read, another one
 * does not read less of afterwards, on whichever host.
 */
#include <stdatomic.h>
#include <time.h>

#include "guest.h"

static atomic_uint_fast64_t latest_ns;	/* that any vCPU has read */

uint64_t ticks_read(uint64_t *ret_back_ns)
{
	uint64_t before = atomic_load(&latest_ns), now_ns;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	*ret_back_ns = now_ns < before ? before - now_ns : 0;
	while (before < now_ns && !atomic_compare_exchange_weak(&latest_ns, &before, now_ns))
		;
	return now_ns;
}
