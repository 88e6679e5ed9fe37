// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "pattern.h"

#define PAGEMAP_PRESENT	(1ull << 63)
#define PAGEMAP_PFN	((1ull << 55) - 1)

static uint8_t *area;
static uint64_t n_pages;

uint64_t fixed_pages(void)
{
	return n_pages;
}

static int compare_pfns(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

static uint64_t *read_pfns(void)
{
	uint64_t *pfns = malloc(n_pages * sizeof(*pfns));
	off_t offset = (off_t)((uintptr_t)area / PATTERN_PAGE_LEN * sizeof(*pfns));
	size_t len = n_pages * sizeof(*pfns), done = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (!pfns || fd < 0)
		guest_fail("/proc/self/pagemap cannot be opened");
	while (done < len) {
		ssize_t n = pread(fd, (uint8_t *)pfns + done, len - done, offset + (off_t)done);

		if (n <= 0)
			guest_fail("/proc/self/pagemap cannot be read");
		done += (size_t)n;
	}
	close(fd);
	for (uint64_t i = 0; i < n_pages; i++) {
		if (!(pfns[i] & PAGEMAP_PRESENT) || !(pfns[i] & PAGEMAP_PFN))
			guest_fail("page %llu of the fixed area has no frame", (unsigned long long)i);
		pfns[i] &= PAGEMAP_PFN;
	}
	return pfns;
}

static void print_ranges(void)
{
	uint64_t *pfns = read_pfns();
	uint64_t start = 0;

	qsort(pfns, n_pages, sizeof(*pfns), compare_pfns);
	for (uint64_t i = 1; i <= n_pages; i++) {
		if (i < n_pages && pfns[i] == pfns[i - 1] + 1)
			continue;
		guest_print("FIXED gpa=0x%llx pages=%llu", (unsigned long long)(pfns[start] * PATTERN_PAGE_LEN),
			    (unsigned long long)(i - start));
		start = i;
	}
	guest_print("FIXED-END total=%llu", (unsigned long long)n_pages);
	free(pfns);
}

void fixed_init(uint64_t len)
{
	area = guest_alloc(len);
	n_pages = len / PATTERN_PAGE_LEN;
	for (uint64_t i = 0; i < n_pages; i++)
		pattern_fixed(i, area + i * PATTERN_PAGE_LEN);
	/* From here on a write is a crash of this program, not a silent difference. */
	if (mprotect(area, len, PROT_READ))
		guest_fail("the fixed area cannot be made read-only");
	print_ranges();
}

static void report(uint64_t page, const uint8_t *expected, uint64_t round)
{
	const uint64_t *want = (const uint64_t *)expected;
	const uint64_t *got = (const uint64_t *)(area + page * PATTERN_PAGE_LEN);
	unsigned int word = 0;

	while (word < PATTERN_WORDS - 1 && want[word] == got[word])
		word++;
	guest_mismatch("fixed", page, word, want[word], got[word], round);
}

bool fixed_check(uint64_t page, uint64_t round)
{
	_Alignas(8) uint8_t expected[PATTERN_PAGE_LEN];

	pattern_fixed(page, expected);
	if (!memcmp(area + page * PATTERN_PAGE_LEN, expected, PATTERN_PAGE_LEN))
		return true;
	report(page, expected, round);
	return false;
}
