/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM demand paging on guest_memfd: accesses that KVM itself makes, for a vCPU or
 * for its VMM, and what the cases about them have in common.
 */
#ifndef SELFTEST_KVM_GMEM_DEMAND_PAGING_OWN_H
#define SELFTEST_KVM_GMEM_DEMAND_PAGING_OWN_H

#include "gmem_demand_paging_env.h"

/* Data pages that have contents, others are zero. */
#define OWN_NPAGES	8

#define OWN_GPA(i)	(DATA_GPA + (i) * 4096ull)
#define OWN_GFN(i)	(DATA_GFN + (i))

/*
 * A VM whose data pages are all missing.  No exception has a handler in the guest,
 * so whichever reaches it ends the test.
 */
struct own {
	struct env e;
	bool wait;
	bool private;			/* the data pages */
	uint8_t contents[OWN_NPAGES][4096];
};

/* A missing page that must be asked for. */
struct own_want {
	uint64_t gfn;
	uint32_t flags;			/* without KVM_DP_EVENT_PRIVATE */
};

/* Run @test in both modes, with the data pages private and shared. */
void own_each(void (*test)(struct own *o), void *guest_code);
struct own *own_create(bool wait, bool private, void *guest_code);
void own_destroy(struct own *o);

/* What the page shall hold when it comes, at @offset of data page @page. */
void own_put(struct own *o, int page, int offset, const void *data, int len);
uint8_t own_byte(int page, int offset);

void own_bring(struct own *o, uint64_t gfn);
void own_evict(struct own *o, uint64_t gfn);

/*
 * One KVM_RUN after which the vCPU exits to userspace for a reason of its own; on
 * the way it asks for @wants, once each, in whichever order, and for nothing else.
 */
void own_run(struct own *o, const struct own_want *wants, int n);

/* The same where page @i of the data is asked for by KVM. */
void own_run_kvm(struct own *o, int i);

/* The same, and then the guest says @value. */
void own_sync(struct own *o, const struct own_want *wants, int n, uint64_t value);
uint64_t own_table_gfn(struct kvm_vm *vm, uint64_t gva, int level);

/* A guest that counts in the first word of data page 0 stops when that is marked. */
void own_counts_no_more(void *guest_code);

/*
 * A thread takes a shared page away and gives it back as it was, again and again until
 * own_toggle_end().
 */
void own_toggle(struct own *o, uint64_t gfn);
void own_toggle_end(void);

/*
 * Keeps this thread, and those it creates, on one CPU: a vCPU that comes to another
 * one is given new clocks, whatever became of the old ones.
 */
void own_pin(void);
void own_unpin(void);

#endif /* SELFTEST_KVM_GMEM_DEMAND_PAGING_OWN_H */
