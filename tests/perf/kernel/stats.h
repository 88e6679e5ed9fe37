/* SPDX-License-Identifier: MIT */
/* KVM's binary statistics, of a VM or a vCPU. */
#ifndef PERF_STATS_H
#define PERF_STATS_H

#include <stdint.h>

/* The counter @name of a VM or vCPU, by its KVM_GET_STATS_FD. */
uint64_t stats_get(int vm_or_vcpu_fd, const char *name);

#endif
