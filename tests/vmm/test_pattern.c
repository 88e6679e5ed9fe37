// SPDX-License-Identifier: MIT
#include <string.h>

#include "check.h"
#include "guest/pattern.h"

static uint64_t page[PATTERN_WORDS];

static void test_check_and_fill(void)
{
	uint64_t seed = pattern_seed(0, 3, 1), next = pattern_seed(0, 3, 2), got = 0;
	unsigned int word = 0;

	pattern_fill(page, seed);
	CU_ASSERT_EQUAL(pattern_check_and_fill(page, seed, next, &word, &got), 0);
	CU_ASSERT_EQUAL(pattern_check_and_fill(page, next, seed, &word, &got), 0);	/* the next was written */
}

/* What a broken pager may leave: zeros, an old round, another page, one flipped bit. */
static void test_every_damage_is_seen(void)
{
	uint64_t seed = pattern_seed(1, 77, 5), got = 0;
	unsigned int word = 0;

	memset(page, 0, sizeof(page));
	CU_ASSERT_TRUE(pattern_check_and_fill(page, seed, seed, &word, &got) >= PATTERN_WORDS - 1);
	pattern_fill(page, pattern_seed(1, 77, 4));
	CU_ASSERT_EQUAL(pattern_check_and_fill(page, seed, seed, &word, &got), PATTERN_WORDS);
	pattern_fill(page, pattern_seed(1, 78, 5));
	CU_ASSERT_EQUAL(pattern_check_and_fill(page, seed, seed, &word, &got), PATTERN_WORDS);
	pattern_fill(page, pattern_seed(0, 77, 5));
	CU_ASSERT_EQUAL(pattern_check_and_fill(page, seed, seed, &word, &got), PATTERN_WORDS);
	for (unsigned int i = 0; i < PATTERN_WORDS; i++) {
		pattern_fill(page, seed);
		page[i] ^= 1ull << (i % 64);
		CU_ASSERT_EQUAL(pattern_check_and_fill(page, seed, seed, &word, &got), 1);
		CU_ASSERT_EQUAL(word, i);
	}
}

static void test_seeds_differ(void)
{
	/* Neighbours in each direction; the function is a bijection of disjoint fields. */
	for (uint64_t round = 0; round < 50; round++) {
		for (uint64_t number = 0; number < 50; number++) {
			uint64_t seed = pattern_seed(0, number, round);

			CU_ASSERT_NOT_EQUAL(seed, 0);
			CU_ASSERT_NOT_EQUAL(seed, pattern_seed(1, number, round));
			CU_ASSERT_NOT_EQUAL(seed, pattern_seed(64, number, round));
			CU_ASSERT_NOT_EQUAL(seed, pattern_seed(0, number + 1, round));
			CU_ASSERT_NOT_EQUAL(seed, pattern_seed(0, number, round + 1));
		}
	}
}

static void test_fixed(void)
{
	uint8_t one[PATTERN_PAGE_LEN], other[PATTERN_PAGE_LEN];

	pattern_fixed(1234, one);
	pattern_fixed(1235, other);
	CU_ASSERT_EQUAL(memcmp(one, "GMEM-FIXED-PAGE\0", 16), 0);
	CU_ASSERT_PTR_NOT_NULL(memmem(one, sizeof(one), "page 00001234 line 63", 21));
	/* Each 64-byte line tells pages apart, so a capture can be searched for any of them. */
	for (unsigned int line = 0; line < PATTERN_PAGE_LEN / 64; line++) {
		CU_ASSERT_NOT_EQUAL(memcmp(one + line * 64, other + line * 64, 64), 0);
		CU_ASSERT_NOT_EQUAL(memcmp(one + line * 64, one + (line + 1) % 64 * 64, 64), 0);
	}
}

static const struct check_case cases[] = {
	{ "a page is checked and renewed in one pass", test_check_and_fill },
	{ "zero, stale, foreign and flipped pages are seen", test_every_damage_is_seen },
	{ "seeds differ", test_seeds_differ },
	{ "fixed pages are text, each line its own", test_fixed },
};

int main(void)
{
	return check_run("pattern", cases, sizeof(cases) / sizeof(cases[0]));
}
