// SPDX-License-Identifier: MIT
/* urgent.h: in which parts the rest of a window is sent. */
#include "check.h"
#include "messages.h"
#include "urgent.h"

static void test_all_but_the_wanted_page(void)
{
	struct urgent_part parts[URGENT_MAX_PARTS];
	uint32_t n_pages, wanted;
	uint64_t seen, map;
	size_t n, i;

	for (n_pages = 1; n_pages <= 32; n_pages++) {
		for (wanted = 0; wanted < n_pages; wanted++) {
			n = urgent_parts(wanted, n_pages, parts);
			CU_ASSERT_FATAL(n <= URGENT_MAX_PARTS);
			for (i = 0, seen = 1ull << wanted; i < n; i++) {
				map = ((1ull << parts[i].n_pages) - 1) << parts[i].first;
				CU_ASSERT(parts[i].n_pages > 0);
				CU_ASSERT_EQUAL(seen & map, 0);
				seen |= map;
			}
			CU_ASSERT_EQUAL(seen, (1ull << n_pages) - 1);
		}
	}
}

/* Nothing in lengths or order depends on which page of a whole window was wanted, and nothing is padded but by 512 bytes. */
static void test_lengths_say_nothing(void)
{
	struct urgent_part parts[URGENT_MAX_PARTS];
	uint32_t wanted;
	size_t i;

	for (wanted = 0; wanted < URGENT_MAX_RUN; wanted++) {
		CU_ASSERT_EQUAL_FATAL(urgent_parts(wanted, URGENT_MAX_RUN, parts), 4);
		for (i = 0; i < 4; i++) {
			const uint32_t len = PAGES_BODY_MAX(1u << i);

			CU_ASSERT_EQUAL(parts[i].n_pages, 1u << i);
			CU_ASSERT(attest_record_wire_len(len) <= len + 512u + 48u);
		}
	}
}

static bool widens(uint64_t region_first, uint64_t region_n_pages, uint64_t first, uint32_t n_pages, uint64_t to_first,
		   uint32_t to_n_pages)
{
	urgent_widen(region_first, region_n_pages, 64, &first, &n_pages);
	return first == to_first && n_pages == to_n_pages;
}

static void test_widened_to_chunks(void)
{
	CU_ASSERT_TRUE(widens(0, 1000, 0, 16, 0, 64));
	CU_ASSERT_TRUE(widens(0, 1000, 112, 16, 64, 64));
	CU_ASSERT_TRUE(widens(0, 1000, 64, 64, 64, 64));
	CU_ASSERT_TRUE(widens(0, 1000, 63, 2, 0, 128));		/* windows are by the region's beginning, chunks are not */
	CU_ASSERT_TRUE(widens(0, 1000, 999, 1, 960, 40));
	CU_ASSERT_TRUE(widens(100, 20, 104, 16, 100, 20));	/* neither the region before nor the one behind */
	CU_ASSERT_TRUE(widens(100, 200, 120, 16, 100, 92));
}

static const struct check checks[] = {
	{ "all but the wanted page", test_all_but_the_wanted_page },
	{ "lengths say nothing", test_lengths_say_nothing },
	{ "widened to whole chunks", test_widened_to_chunks },
	{ NULL, NULL },
};

CHECK_MAIN("urgent", checks)
