/* SPDX-License-Identifier: MIT */
/*
 * clock: guest time across hosts.
 *
 * A guest's TSC is its host's TSC plus an offset, so the offset means nothing
 * on another host.  What is saved is one instant seen by four clocks: kvmclock,
 * wall clock, host TSC and, through the offsets, each vCPU's TSC.  On restore
 * the wall clock says how much time went by, and kvmclock and TSCs are moved on
 * by just that.  Hosts whose wall clocks differ give the guest that difference;
 * it never sees time go backwards.
 */
#ifndef VMM_CLOCK_H
#define VMM_CLOCK_H

#include <stdint.h>

struct clock_state {
	uint64_t kvmclock_ns;
	uint64_t realtime_ns;
	uint64_t host_tsc;
	uint32_t tsc_khz;
	uint32_t pad;
};

/** Read the four clocks.  The guest is paused. @param vcpu_fd any vCPU. */
int clock_save(int vm_fd, int vcpu_fd, struct clock_state *ret_state);

/** @param ret_offset of a vCPU's TSC to its host's. */
int clock_get_offset(int vcpu_fd, uint64_t *ret_offset);

/** Set @p vcpu_fd's TSC offset. */
int clock_set_offset(int vcpu_fd, uint64_t offset);

/**
 * What to add to a saved offset on this host, now; the same for every vCPU, or
 * KVM takes their TSCs for unsynchronised.
 */
uint64_t clock_offset_delta(const struct clock_state *state);

/** The host's TSC must have the saved frequency, or scale. */
int clock_check_frequency(int vcpu_fd, const struct clock_state *state);

/** Tell the guest that it was stopped, so that its watchdogs do not count the time. */
int clock_tell_stopped(int vcpu_fd);

/** Set kvmclock, moved on by the wall clock.  Last of all state. */
int clock_restore(int vm_fd, const struct clock_state *state);

#endif
