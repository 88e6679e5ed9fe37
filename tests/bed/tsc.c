// SPDX-License-Identifier: MIT
/*
 * Print the frequency of this machine's TSC in kHz
 *
 * An emulated test host counts the machine's own TSC, but measures it wrongly
 * when the machine is busy, and then no nested guest runs.  So it is told.
 * Each end of the interval is the best of many samples: the one during which
 * nobody interrupted us.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

struct sample {
	uint64_t tsc;
	int64_t ns;
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static struct sample sample_best(void)
{
	uint64_t best = UINT64_MAX;
	struct sample ret = { 0 };

	for (int i = 0; i < 20000; i++) {
		uint64_t t0 = __rdtsc();
		int64_t ns = now_ns();
		uint64_t t1 = __rdtsc();

		if (t1 - t0 < best) {
			best = t1 - t0;
			ret.tsc = t0 + best / 2;
			ret.ns = ns;
		}
	}
	return ret;
}

int main(void)
{
	struct timespec pause = { .tv_nsec = 250000000 };
	struct sample a = sample_best(), b;

	nanosleep(&pause, NULL);
	b = sample_best();
	printf("%.0f\n", (double)(b.tsc - a.tsc) * 1e6 / (double)(b.ns - a.ns));
	return 0;
}
