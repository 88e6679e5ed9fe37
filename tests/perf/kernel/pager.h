/* SPDX-License-Identifier: MIT */
/*
 * Our pager: a process of its own, which holds nothing of the VM but a session.
 * It is started before the VM, and ends when the VM is gone.
 */
#ifndef PERF_PAGER_H
#define PERF_PAGER_H

#include <sys/types.h>

#include "reader.h"

struct pager {
	pid_t pid;
	int sock;
};

void pager_start(struct pager *pager, const struct reader_style *style);

/* Hand over @session_fd, which is closed here. */
void pager_give(struct pager *pager, int session_fd);

/* After the VM was destroyed. */
void pager_wait(struct pager *pager);

#endif
