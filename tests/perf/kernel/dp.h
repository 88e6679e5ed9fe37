/* SPDX-License-Identifier: MIT */
/* Calls on the file descriptors of demand paging. */
#ifndef PERF_DP_H
#define PERF_DP_H

#include <stdbool.h>
#include <stdint.h>

struct kvm_dp_event;

#include "vm.h"

/* A session of a VM with demand paging on. */
int dp_session(const struct vm *vm, uint32_t rights);

/* Mark GFNs missing; @bitmap as in the UAPI, or NULL. */
void dp_mark_missing(const struct vm *vm, uint64_t gfn, uint64_t n_pages, const uint64_t *bitmap);

/* The same for shared memory that is there. */
void dp_mark_present(const struct vm *vm, uint64_t gfn, uint64_t n_pages);

/* Copy pages in, or zeros if @data is NULL. */
void dp_populate(int session_fd, uint64_t gfn, uint64_t n_pages, const void *data);

/* The same, and then read the next event, which is waited for, in one call.  False: there is none. */
bool dp_populate_and_read(int session_fd, uint64_t gfn, uint64_t n_pages, const void *data, struct kvm_dp_event *event);

#endif
