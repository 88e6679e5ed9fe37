/* SPDX-License-Identifier: MIT */
/* What is sent around a wanted page, and in which records. */
#ifndef GMEM_PAGER_URGENT_H
#define GMEM_PAGER_URGENT_H

#include <stddef.h>
#include <stdint.h>

#define URGENT_MAX_PARTS 5u	/* of a window of 32 pages; of one of 16: 4 */

/* Pages of a window, counted from its beginning. */
struct urgent_part {
	uint32_t first, n_pages;
};

/*
 * The rest of a window of @n_pages around its page @wanted, in parts: the half that it is not in, the half of the other
 * half, and so on; the smallest first, which is the nearest.  Of 16 pages these are always 1, 2, 4 and 8, so that the
 * lengths of the records do not tell which one was wanted, as those of the pages before it and behind it would; and each
 * fills a record's length.  Returns how many; @n_pages is at most 32.
 */
size_t urgent_parts(uint32_t wanted, uint32_t n_pages, struct urgent_part ret_parts[URGENT_MAX_PARTS]);

/*
 * Widen the window of *@n_pages (not 0) from index *@first on, which is in a region of @region_n_pages from @region_first on,
 * to whole chunks of @chunk indices, as far as the region has them.
 */
void urgent_widen(uint64_t region_first, uint64_t region_n_pages, uint64_t chunk, uint64_t *first, uint32_t *n_pages);

#endif
