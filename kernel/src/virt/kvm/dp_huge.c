// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging: huge mappings.
 *
 * A block that is not complete is mapped with 4K pages, whatever is behind it:
 * the fault path sees to that under mmu_lock.  Once its last page has arrived
 * nothing maps it huge by itself, as nobody faults on it any more.  So its page
 * table is dropped, and the next access maps it anew, as large as the backing
 * and its neighbours allow.  The neighbours' page tables stay, unless a 1G page
 * can replace them all.
 */
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "dp.h"

#include <trace/events/kvm_dp.h>

#ifndef kvm_arch_dp_collapse
static void kvm_arch_dp_collapse(struct kvm *kvm,
				 const struct kvm_memory_slot *slot,
				 gfn_t start, gfn_t end)
{
}
#endif

/*
 * @start and @end are in one block, which is complete.  Presence may change
 * meanwhile: who marks a GFN missing zaps after that.
 */
static void collapse_block(struct kvm *kvm, gfn_t start, gfn_t end)
{
	struct kvm_memslot_iter iter;
	gfn_t gfn;

	kvm_for_each_memslot_in_gfn_range(&iter, kvm_memslots(kvm), start, end) {
		if (!kvm_dp_slot_is_paged(iter.slot))
			continue;
		gfn = max(start, iter.slot->base_gfn);
		if (kvm_slot_can_be_private(iter.slot) &&
		    kvm_mem_is_private(kvm, gfn) &&
		    !kvm_dp_gmem_is_huge(iter.slot, gfn))
			continue;

		kvm_arch_dp_collapse(kvm, iter.slot,
				     gfn, min(end, iter.slot->base_gfn + iter.slot->npages));
	}
}

/* Collapse the blocks around [@gfn, @gfn + @n) that are complete.  May sleep. */
int kvm_dp_collapse_complete(struct kvm *kvm, struct kvm_dp *dp, gfn_t gfn, u64 n)
{
	gfn_t start = ALIGN_DOWN(gfn, KVM_PRESENCE_BLOCK_GFNS);
	gfn_t end = ALIGN(gfn + n, KVM_PRESENCE_BLOCK_GFNS);
	int idx;

	for (; start < end; start += KVM_PRESENCE_BLOCK_GFNS) {
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();

		if (kvm_presence_any_block(&dp->presence, start,
					   start + KVM_PRESENCE_BLOCK_GFNS))
			continue;

		idx = srcu_read_lock(&kvm->srcu);
		collapse_block(kvm, start, start + KVM_PRESENCE_BLOCK_GFNS);
		srcu_read_unlock(&kvm->srcu, idx);
		atomic64_inc(&kvm->stat.generic.dp_collapsed);
		trace_kvm_dp_collapse(start);
	}
	return 0;
}

/* A block at a time, so that whoever wants the VM for himself gets in between. */
int kvm_dp_collapse(struct kvm_dp *dp, struct kvm_dp_collapse __user *uargs)
{
	struct kvm_dp_collapse args;
	struct kvm *kvm;
	gfn_t gfn, end;
	u64 n;
	int r = 0;

	if (copy_from_user(&args, uargs, sizeof(args)))
		return -EFAULT;
	if (args.flags || args.reserved[0] || args.reserved[1] ||
	    args.reserved[2] || !kvm_dp_range_is_valid(args.gfn, args.n_pages))
		return -EINVAL;

	end = args.gfn + args.n_pages;
	for (gfn = args.gfn; !r && gfn < end; gfn += n) {
		n = min_t(u64, end - gfn, kvm_dp_block_left(gfn));
		kvm = kvm_dp_enter(dp);
		if (!kvm)
			return -ENODEV;
		r = kvm_dp_collapse_complete(kvm, dp, gfn, n);
		kvm_dp_leave(dp);
	}
	return r;
}
