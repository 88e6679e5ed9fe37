// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "pattern.h"

#define AREA_SHARED 64u

static uint64_t *area;
static uint64_t n_pages;
static uint64_t *rounds;	/* by page: the round whose content it has */
static uint64_t next_page;

void shared_init(uint64_t gpa, uint64_t len)
{
	int fd = open("/dev/mem", O_RDWR);

	if (fd < 0)
		guest_fail("/dev/mem cannot be opened");
	area = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)gpa);
	if (area == MAP_FAILED)
		guest_fail("the shared area at 0x%llx cannot be mapped", (unsigned long long)gpa);
	close(fd);
	n_pages = len / PATTERN_PAGE_LEN;
	rounds = guest_alloc(n_pages * sizeof(*rounds));
	for (uint64_t i = 0; i < n_pages; i++)
		pattern_fill(area + i * PATTERN_WORDS, pattern_seed(AREA_SHARED, i, 0));
}

uint64_t shared_step(uint64_t round)
{
	uint64_t *words = area + next_page * PATTERN_WORDS;
	uint64_t seed = pattern_seed(AREA_SHARED, next_page, rounds[next_page]);
	unsigned int word, n_wrong;
	uint64_t got;

	n_wrong = pattern_check_and_fill(words, seed, pattern_seed(AREA_SHARED, next_page, round), &word, &got);
	if (n_wrong)
		guest_mismatch("shared", next_page, word, pattern_word(seed, word), got, round);
	rounds[next_page] = round;
	next_page = (next_page + 1) % n_pages;
	return n_wrong;
}
