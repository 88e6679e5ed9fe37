/* SPDX-License-Identifier: MIT */
/*
 * When to ask again for pages that do not come.  Lanes lose nothing, so a page
 * is lost only if the VMM took it away again; asking while pages are still on
 * their way brings each of them twice, which on a slow link makes all of them
 * later still.
 */
#ifndef GMEM_PAGER_STALL_H
#define GMEM_PAGER_STALL_H

#include <stdbool.h>
#include <stdint.h>

#define STALL_FIRST_US 5000000u		/* silence before the first question */
#define STALL_MAX_US 80000000u		/* it doubles with each question that brought nothing new */

struct stall {
	uint64_t n_new;		/* pages that were missing, as of the last tick */
	uint64_t n_received;	/* pages in all, duplicates too */
	uint64_t since_us;	/* of the last change of either, or question */
	uint64_t patience_us;	/* 0 before the first tick */
};

/* true: ask now.  @now_us never goes back. */
bool stall_tick(struct stall *stall, uint64_t n_new, uint64_t n_received, uint64_t now_us);

#endif
