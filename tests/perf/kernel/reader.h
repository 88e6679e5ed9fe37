/* SPDX-License-Identifier: MIT */
/* How a pager serves a fault: the same ways for ours and for userfaultfd. */
#ifndef PERF_READER_H
#define PERF_READER_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct reader_style {
	bool poll;		/* poll() before each read(), and the clock read before and after the copy */
	bool reply;		/* ours alone: populate and read the next event in one call */
	unsigned int n_pages;	/* aligned pages around the fault that are filled at once */
};

/* What a reader that keeps statistics does around each copy. */
static inline void reader_clock(const struct reader_style *style)
{
	struct timespec now;

	if (style->poll)
		clock_gettime(CLOCK_MONOTONIC, &now);
}

#endif
