/* SPDX-License-Identifier: MIT */
/* A benchmark whose setup fails has nothing to say: it ends with a sentence. */
#ifndef PERF_NEED_H
#define PERF_NEED_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define need(ok, what)                                                                             \
	do {                                                                                       \
		if (!(ok)) {                                                                       \
			fprintf(stderr, "bench_kernel: %s: %s (%s:%d)\n", what, strerror(errno), __FILE__, __LINE__); \
			exit(EXIT_FAILURE);                                                        \
		}                                                                                  \
	} while (0)

#endif
