/* SPDX-License-Identifier: MIT */
/*
 * pattern: what the guest's pages hold, so that a wrong, stale, swapped or zero
 * page cannot go unnoticed.  Also built into the host's unit tests.
 */
#ifndef GUEST_PATTERN_H
#define GUEST_PATTERN_H

#include <stdint.h>

#define PATTERN_PAGE_LEN	4096u
#define PATTERN_WORDS		(PATTERN_PAGE_LEN / sizeof(uint64_t))
#define PATTERN_MAGIC		"GMEM-FIXED-PAGE"	/* with its NUL: 16 bytes */

/**
 * Seed of a changing page.  Never 0, and different for every (area, page, round).
 * @param area number of the area: worker, or shared area.
 */
uint64_t pattern_seed(uint32_t area, uint64_t page, uint64_t round);

/** Word @p n (0 to PATTERN_WORDS - 1) of a changing page: never 0 for all n. */
static inline uint64_t pattern_word(uint64_t seed, uint64_t n)
{
	return seed + n * 0x9e3779b97f4a7c15ull;
}

/** Fill a changing page. */
void pattern_fill(uint64_t *page, uint64_t seed);

/**
 * Check a changing page and fill it with the next content in one pass.
 * @param ret_word  the first wrong word, if any.
 * @return wrong words.
 */
unsigned int pattern_check_and_fill(uint64_t *page, uint64_t seed, uint64_t next_seed, unsigned int *ret_word,
				    uint64_t *ret_got);

/**
 * Content of a fixed page: magic, then lines of text with the page's number.
 * @param ret_page PATTERN_PAGE_LEN bytes.
 */
void pattern_fixed(uint64_t number, uint8_t *ret_page);

#endif
