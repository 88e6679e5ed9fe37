/* SPDX-License-Identifier: GPL-2.0-only */
/* KVM demand paging: what populate, extract and discard share. */
#ifndef __KVM_DP_GMEM_H__
#define __KVM_DP_GMEM_H__ 1

#include "dp.h"

#define KVM_DP_BATCH	32

/*
 * Folios of @n consecutive GFNs, each with a reference; NULL for a hole.  @index is
 * that of the first in its file, for those that are larger than a page.
 */
struct kvm_dp_batch {
	struct folio *folios[KVM_DP_BATCH];
	unsigned long n;
	pgoff_t index;
};

/* GFNs of one run that lie in one memslot, with its file pinned. */
struct kvm_dp_target {
	struct kvm_memory_slot *slot;
	struct file *file;
	struct address_space *mapping;
};

/* Hold kvm->srcu from one to the other. */
u32 kvm_dp_target_get(struct kvm *kvm, gfn_t gfn, struct kvm_dp_target *ret_target);
void kvm_dp_target_put(struct kvm_dp_target *t);
void kvm_dp_batch_put(struct kvm_dp_batch *batch);

static inline unsigned long kvm_dp_target_left(struct kvm_dp_target *t, gfn_t gfn)
{
	return t->slot->base_gfn + t->slot->npages - gfn;
}

static inline pgoff_t kvm_dp_target_index(struct kvm_dp_target *t, gfn_t gfn)
{
	return gfn - t->slot->base_gfn + t->slot->gmem.pgoff;
}

/*
 * One step of a run: -errno for the whole call, else vec->result says.  Neither
 * touches the caller's memory while it holds the VM.
 */
int kvm_dp_populate_step(struct kvm_dp *dp, struct kvm_dp_vec *vec);
int kvm_dp_extract_step(struct kvm_dp *dp, struct kvm_dp_vec *vec);

#endif /* __KVM_DP_GMEM_H__ */
