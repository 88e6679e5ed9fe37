// SPDX-License-Identifier: MIT
/*
 * Pages that this program has the VMM discard and convert, by the device of conversion.h, at the host
 * that it moves to: some that have not arrived yet, and others that it has read before. From then on they are
 * zero or what is written here, and never what they were.
 *
 * It is done in steps that the VMM tells, and each prints a line per class:
 *   CONVERT step=N class=NAME when=before|after missing=M present=P
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define CONVERSION_GUEST
#include "../conversion.h"

#include "guest.h"
#include "pattern.h"

#define AREA_OLD	96u	/* numbers for patterns: before the move, and written since */
#define AREA_NEW	97u
#define N_STEPS		3u
#define N_CLASSES	6u
#define POLL_MS		20
#define PAD_PAGES	64u	/* around the area: of what is wanted beside it the pager brings neighbours, too */

enum when { BEFORE, AFTER, N_WHEN };

static const struct {
	const char *name;
	bool begins_shared;
	uint32_t commands[2];	/* 0: none */
} classes[N_CLASSES] = {
	{ "discard", false, { CONVERSION_DISCARD } },
	{ "to-shared", false, { CONVERSION_TO_SHARED } },
	{ "round-trip", false, { CONVERSION_TO_SHARED, CONVERSION_TO_PRIVATE } },
	{ "shared-discard", true, { CONVERSION_DISCARD } },
	{ "to-private", true, { CONVERSION_TO_PRIVATE } },
	{ "shared-round-trip", true, { CONVERSION_TO_PRIVATE, CONVERSION_TO_SHARED } },
};

static uint64_t *area;
static uint64_t n_pages, n_each;	/* pages of a class in a step, before and after */
static uint32_t *states;		/* of each page: 0 not to be touched yet; else what it holds */
static volatile uint32_t *device;
static int pagemap_fd;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* states, and pages whose state is not 0 */

enum { UNTOUCHED, ZERO, WRITTEN };

/* Those that come before are together: what the pager brings around a page that is read is not one of them. */
static uint64_t page_of(enum when when, unsigned int step, unsigned int class, uint64_t i)
{
	return ((when * N_STEPS + step) * N_CLASSES + class) * n_each + i;
}

static uint64_t *words_of(uint64_t page)
{
	return area + page * PATTERN_WORDS;
}

/* Asked anew for each: a page's frame may change as long as nobody has read the page. */
static uint32_t gfn_of(uint64_t page)
{
	const off_t offset = (off_t)((uintptr_t)words_of(page) / PATTERN_PAGE_LEN * sizeof(uint64_t));
	uint64_t entry = 0;

	if (pread(pagemap_fd, &entry, sizeof(entry), offset) != sizeof(entry) || !(entry >> 63))
		guest_fail("page %llu of the converted area has no frame", (unsigned long long)page);
	return (uint32_t)(entry & ((1ull << 28) - 1));
}

/* One register move each way, which KVM decodes without trouble. */
static uint32_t command(uint32_t number, uint64_t page)
{
	uint32_t doorbell = number << 28 | gfn_of(page), result;

	__asm__ volatile("movl %1, (%0)" : : "r"(device), "r"(doorbell) : "memory");
	__asm__ volatile("movl (%1), %0" : "=r"(result) : "r"(device) : "memory");
	if (!(result & CONVERSION_DONE))
		guest_fail("the VMM did not carry out command %u for page %llu", number, (unsigned long long)page);
	return result;
}

static uint32_t told_step(void)
{
	uint32_t step;

	__asm__ volatile("movl 4(%1), %0" : "=r"(step) : "r"(device) : "memory");
	return step;
}

/* The first word that is not what it must be, reported. */
static uint64_t check_words(uint64_t page, uint64_t seed, bool zero, uint64_t round)
{
	const uint64_t *words = words_of(page);
	unsigned int i;

	for (i = 0; i < PATTERN_WORDS; i++) {
		const uint64_t want = zero ? 0 : pattern_word(seed, i);

		if (words[i] == want)
			continue;
		guest_mismatch("convert", page, i, want, words[i], round);
		return 1;
	}
	return 0;
}

uint64_t convert_check(uint64_t round)
{
	uint64_t page, n_wrong = 0;

	pthread_mutex_lock(&lock);
	for (page = 0; page < n_pages; page++) {
		if (states[page] != UNTOUCHED)
			n_wrong += check_words(page, pattern_seed(AREA_NEW, page, 0), states[page] == ZERO, round);
	}
	pthread_mutex_unlock(&lock);
	return n_wrong;
}

/* Returns whether it was missing. A page in two is written at once, the others stay zero. */
static bool convert_page(uint64_t page, unsigned int class, enum when when)
{
	uint32_t result;

	if (when == AFTER)
		check_words(page, pattern_seed(AREA_OLD, page, 0), false, 0);
	result = command(classes[class].commands[0], page);
	if (classes[class].commands[1])
		command(classes[class].commands[1], page);
	pthread_mutex_lock(&lock);
	check_words(page, 0, true, 0);
	if (page % 2)
		pattern_fill(words_of(page), pattern_seed(AREA_NEW, page, 0));
	states[page] = page % 2 ? WRITTEN : ZERO;
	pthread_mutex_unlock(&lock);
	return result & CONVERSION_WAS_MISSING;
}

static void run_class(unsigned int step, unsigned int class, enum when when)
{
	uint64_t i, n_missing = 0;

	for (i = 0; i < n_each; i++)
		n_missing += convert_page(page_of(when, step, class, i), class, when);
	guest_print("CONVERT step=%u class=%s when=%s missing=%llu present=%llu", step + 1, classes[class].name,
		    when == BEFORE ? "before" : "after", (unsigned long long)n_missing,
		    (unsigned long long)(n_each - n_missing));
}

static void *convert_main(void *arg)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000 };
	unsigned int step, class;

	for (step = 0; step < N_STEPS; step++) {
		while (told_step() <= step)
			nanosleep(&pause, NULL);
		for (class = 0; class < N_CLASSES; class++)
			run_class(step, class, BEFORE);
		for (class = 0; class < N_CLASSES; class++)
			run_class(step, class, AFTER);
		guest_print("CONVERT-END step=%u", step + 1);
	}
	return arg;
}

/* What every page holds before the move; of some classes in shared memory. */
static void fill_old(void)
{
	unsigned int when, step, class;
	uint64_t i, page;

	for (when = 0; when < N_WHEN; when++)
		for (step = 0; step < N_STEPS; step++)
			for (class = 0; class < N_CLASSES; class++)
				for (i = 0; i < n_each; i++) {
					page = page_of(when, step, class, i);
					if (classes[class].begins_shared)
						command(CONVERSION_TO_SHARED, page);
					pattern_fill(words_of(page), pattern_seed(AREA_OLD, page, 0));
				}
}

void convert_init(uint64_t n)
{
	int mem_fd = open("/dev/mem", O_RDWR | O_SYNC);
	pthread_t thread;

	n_each = n;
	n_pages = N_WHEN * N_STEPS * N_CLASSES * n;
	pagemap_fd = open("/proc/self/pagemap", O_RDONLY);
	if (mem_fd < 0 || pagemap_fd < 0)
		guest_fail("/dev/mem or /proc/self/pagemap cannot be opened");
	device = mmap(NULL, CONVERSION_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, mem_fd, (off_t)CONVERSION_GPA);
	if (device == MAP_FAILED)
		guest_fail("the conversion device cannot be mapped");
	area = guest_alloc((n_pages + 2 * PAD_PAGES) * PATTERN_PAGE_LEN);
	memset(area, 0xff, (n_pages + 2 * PAD_PAGES) * PATTERN_PAGE_LEN);	/* each page has a frame */
	area += PAD_PAGES * PATTERN_WORDS;
	states = guest_alloc(n_pages * sizeof(*states));
	fill_old();
	if (pthread_create(&thread, NULL, convert_main, NULL))
		guest_fail("no thread for conversions");
}
