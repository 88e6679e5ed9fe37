/* SPDX-License-Identifier: MIT */
#include "count.h"

#include <stdio.h>

#include "need.h"

#define LOOPS 500000u

/* Two instructions a turn. */
static uint64_t measure_loop(void)
{
	uint64_t start = count_now();
	unsigned int n = LOOPS;

	__asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(n) : : "cc");
	return count_now() - start;
}

void count_verify(void)
{
	uint64_t best = UINT64_MAX;

	/* Interrupts come on top, but not each time. */
	for (int i = 0; i < 8; i++) {
		uint64_t n = measure_loop();

		best = n < best ? n : best;
	}
	if (best < 2 * LOOPS || best > 2 * LOOPS + LOOPS / 50) {
		fprintf(stderr, "bench_kernel: %u instructions count as %llu here; it takes a host of bed up --icount\n",
			2 * LOOPS, (unsigned long long)best);
		exit(EXIT_FAILURE);
	}
}

void count_settle(unsigned int ms)
{
	uint64_t end = count_now() + ms * 1000000ull;

	while (count_now() < end)
		measure_loop();
}

void count_report(const char *name, double value)
{
	printf("raw %s %.6g\n", name, value);
	fflush(stdout);
}
