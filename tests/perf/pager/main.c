/* SPDX-License-Identifier: MIT */
/*
 * bench_pager: what the services cost beside raw TCP, on loopback.  One run prints lines "raw NAME VALUE", in ns, GB/s
 * or a ratio; figures are made of several runs by tests/dev/pager_figures.py.
 *
 *   bench_pager [ROUNDS-OF-FAULTS ROUNDS-OF-STREAMS MIB]
 *
 * Ours and TCP take turns in short rounds; a ratio is of one round, and the median of the rounds is a run's.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../unit/pager/uffd_open.h"
#include "bench.h"
#include "plain.h"

#define SKIP 77

void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_pager: %s failed\n", what);
	exit(EXIT_FAILURE);
}

void stay_on(enum side side)
{
	static cpu_set_t allowed;
	unsigned int cpu, n = side == SIDE_SOURCE ? 0 : 1;
	cpu_set_t one;

	if (CPU_COUNT(&allowed) == 0)
		need(sched_getaffinity(0, sizeof(allowed), &allowed) == 0, "sched_getaffinity");
	if (CPU_COUNT(&allowed) < 2)
		return;
	for (cpu = 0; !CPU_ISSET(cpu, &allowed) || n-- > 0; cpu++)
		continue;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	need(sched_setaffinity(0, sizeof(one), &one) == 0, "sched_setaffinity");
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

double median(double *values, size_t n)
{
	if (n == 0)
		return 0;
	qsort(values, n, sizeof(*values), compare);
	return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

int main(int argc, char **argv)
{
	const unsigned int n_faults = argc > 1 ? (unsigned int)atoi(argv[1]) : 25;
	const unsigned int n_streams = argc > 2 ? (unsigned int)atoi(argv[2]) : 5;
	const unsigned int mib = argc > 3 ? (unsigned int)atoi(argv[3]) : 256;
	int fd = uffd_open();

	if (fd < 0) {
		fprintf(stderr, "skipped: userfaultfd is not to be had here; run as root\n");
		return SKIP;
	}
	close(fd);
	signal(SIGPIPE, SIG_IGN);
	need(attest_init(), "attest_init");
	need(transport_nng.start() == 0, "nng");	/* its threads may run anywhere */
	stay_on(SIDE_PAGER);
	printf("cipher %s\n", bench_cipher);
	if (n_faults > 0)
		bench_rtt(n_faults);
	if (n_streams > 0)
		bench_stream(n_streams, mib);
	return EXIT_SUCCESS;
}
