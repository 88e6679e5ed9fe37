/* SPDX-License-Identifier: MIT */
/* How fast a counter grows: a mean in which what was some seconds ago counts less and less. */
#ifndef GMEM_PAGER_CONTROL_RATE_H
#define GMEM_PAGER_CONTROL_RATE_H

#include <stdint.h>

#define RATE_FADE_US 3000000u	/* after so long an old rate counts for 1/e */

struct rate {
	uint64_t at_us;		/* 0: nothing seen yet */
	uint64_t value;
	double per_s;
};

/* The counter is @value at @now_us, which never goes back; one that fell begins anew. */
void rate_see(struct rate *rate, uint64_t value, uint64_t now_us);

/* By rate_see()'s last call, rounded down. */
uint64_t rate_per_s(const struct rate *rate);

#endif
