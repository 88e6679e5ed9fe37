// SPDX-License-Identifier: MIT
#include "pattern.h"

#include <string.h>

#define LINE_LEN 64u

uint64_t pattern_seed(uint32_t area, uint64_t page, uint64_t round)
{
	/* Fields that do not overlap, then a bijection: different inputs stay different. */
	uint64_t x = (round << 32) ^ (page << 8) ^ (area & 0x7f) ^ 0x80;

	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebull;
	x ^= x >> 31;
	return x;
}

void pattern_fill(uint64_t *page, uint64_t seed)
{
	for (uint64_t i = 0; i < PATTERN_WORDS; i++)
		page[i] = pattern_word(seed, i);
}

unsigned int pattern_check_and_fill(uint64_t *page, uint64_t seed, uint64_t next_seed, unsigned int *ret_word,
				    uint64_t *ret_got)
{
	unsigned int n_wrong = 0;

	for (uint64_t i = 0; i < PATTERN_WORDS; i++) {
		uint64_t got = page[i];

		if (__builtin_expect(got != pattern_word(seed, i), 0) && !n_wrong++) {
			*ret_word = (unsigned int)i;
			*ret_got = got;
		}
		page[i] = pattern_word(next_seed, i);
	}
	return n_wrong;
}

static void put_digits(char *text, uint64_t number, unsigned int n_digits)
{
	while (n_digits--) {
		text[n_digits] = (char)('0' + number % 10);
		number /= 10;
	}
}

void pattern_fixed(uint64_t number, uint8_t *ret_page)
{
	/* The first line leaves room for the magic. */
	static const char line_text[LINE_LEN + 1] = "................page 00000000 line 00, never written again.....\n";
	char number_text[8];

	put_digits(number_text, number, sizeof(number_text));
	for (unsigned int line = 0; line < PATTERN_PAGE_LEN / LINE_LEN; line++) {
		char *text = (char *)ret_page + line * LINE_LEN;

		memcpy(text, line_text, LINE_LEN);
		memcpy(text + 21, number_text, sizeof(number_text));
		put_digits(text + 35, line, 2);
	}
	memcpy(ret_page, PATTERN_MAGIC, sizeof(PATTERN_MAGIC));
}
