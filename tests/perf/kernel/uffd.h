/* SPDX-License-Identifier: MIT */
/*
 * The baseline: userfaultfd for missing pages, one reader, a thread of the VMM.
 * UFFDIO_COPY wakes.  With style->poll it does what the reader of the kernel's own
 * demand_paging_test does for each fault.
 */
#ifndef PERF_UFFD_H
#define PERF_UFFD_H

#include <pthread.h>
#include <stddef.h>

#include "reader.h"

struct uffd {
	int fd, stop_fd;
	uint8_t *start;
	struct reader_style style;
	pthread_t thread;
};

/* From now on, missing pages in [@start, @start + @len) go through userfaultfd. */
void uffd_register(struct uffd *uffd, void *start, size_t len);
void uffd_start(struct uffd *uffd, const struct reader_style *style);
void uffd_stop(struct uffd *uffd);
void uffd_close(struct uffd *uffd);

/* UFFDIO_COPY. */
void uffd_copy(int fd, void *to, const void *from, size_t len);

#endif
