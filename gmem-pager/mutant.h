/* SPDX-License-Identifier: MIT */
/* Not shipped: what the pager built to be caught by a test does to one page. */
#ifndef GMEM_PAGER_MUTANT_H
#define GMEM_PAGER_MUTANT_H

#include <stdatomic.h>
#include <string.h>

#include <attest/attest.h>

/* Flip a byte of the first data page that begins with the test guest's mark. */
static inline void mutant_flip(const struct attest_record *record, uint8_t *body)
{
	static atomic_bool done;
	uint8_t *page = body + record->n_pages;
	uint32_t i;

	for (i = 0; record->op == ATTEST_OP_PAGES && i < record->n_pages; i++) {
		if ((body[i] & 0x7fu) != ATTEST_PAGE_DATA)
			continue;
		if (memcmp(page, "GMEM-FIXED-PAGE", 16) == 0 && !atomic_exchange(&done, true)) {
			page[2048] ^= 0x01;
			return;
		}
		page += ATTEST_PAGE_LEN;
	}
}

#endif
