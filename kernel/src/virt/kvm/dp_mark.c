// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging: marking GFNs, and asking about them.
 *
 * Marking GFNs as missing takes these steps, in this order:
 *  1. publish: the bits are set, new faults and accesses see them;
 *  2. zap the SPTEs of the range and flush, and bump mmu_invalidate_seq, all
 *     under mmu_lock: a fault that tested presence before 1. is stale;
 *  3. kill gfn_to_pfn caches of the range;
 *  4. wait for KVM's own accesses that tested presence before 1.
 */
#include <linux/bitmap.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "dp.h"
#include "kvm_mm.h"

#define BLOCK	KVM_PRESENCE_BLOCK_GFNS

static void zap_range(struct kvm *kvm, gfn_t start, gfn_t end)
{
	struct kvm_gfn_range range = {
		.may_block = true,
		.attr_filter = KVM_FILTER_SHARED | KVM_FILTER_PRIVATE,
	};
	struct kvm_memslot_iter iter;
	bool flush = false;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	KVM_MMU_LOCK(kvm);
	kvm_mmu_invalidate_begin(kvm);
	/*
	 * A fault on a neighbour may be about to map the whole 2M or 1G around
	 * it, hence it has to be retried as well.
	 */
	kvm_mmu_invalidate_range_add(kvm, ALIGN_DOWN(start, PUD_SIZE / PAGE_SIZE),
				     ALIGN(end, PUD_SIZE / PAGE_SIZE));

	kvm_for_each_memslot_in_gfn_range(&iter, kvm_memslots(kvm), start, end) {
		range.slot = iter.slot;
		range.start = max(start, iter.slot->base_gfn);
		range.end = min(end, iter.slot->base_gfn + iter.slot->npages);
		if (range.start < range.end)
			flush |= kvm_unmap_gfn_range(kvm, &range);
	}
	if (flush)
		kvm_flush_remote_tlbs(kvm);

	kvm_mmu_invalidate_end(kvm);
	KVM_MMU_UNLOCK(kvm);
	srcu_read_unlock(&kvm->srcu, idx);

	gfn_to_pfn_cache_invalidate_gfns(kvm, start, end);
}

static bool has_missing_private(struct kvm *kvm, struct kvm_dp *dp, gfn_t gfn,
				unsigned long n, const unsigned long *bits)
{
	DECLARE_BITMAP(missing, BLOCK);
	unsigned long i;

	kvm_presence_get(&dp->presence, gfn, n, missing);
	for_each_set_bit(i, missing, n) {
		if ((!bits || test_bit(i, bits)) &&
		    kvm_mem_is_private(kvm, gfn + i))
			return true;
	}
	return false;
}

/*
 * At most one block.  A private page that never arrived must not become present
 * by fiat; slots_lock keeps the GFNs from being converted in between.
 */
static int mark_shared_present(struct kvm *kvm, struct kvm_dp *dp, gfn_t gfn,
			       unsigned long n, const unsigned long *bits,
			       u64 *n_changed)
{
	int r = -EINVAL;

	mutex_lock(&kvm->slots_lock);
	if (!has_missing_private(kvm, dp, gfn, n, bits))
		r = kvm_presence_mark_present(&dp->presence, gfn, n, bits, 0,
					      n_changed);
	mutex_unlock(&kvm->slots_lock);

	if (r)
		return r;
	kvm_dp_wake(dp, gfn, n);
	return kvm_dp_collapse_complete(kvm, dp, gfn, n);
}

enum mark_step {
	MARK_MISSING,
	CHECK_PRESENT,		/* before anything is marked present */
	MARK_PRESENT,
};

static int mark_step(struct kvm *kvm, struct kvm_dp *dp, enum mark_step what,
		     gfn_t gfn, unsigned long n, const unsigned long *bits,
		     u64 *n_changed)
{
	switch (what) {
	case MARK_MISSING:
		return kvm_presence_mark_missing(&dp->presence, gfn, n, bits, 0,
						 n_changed);
	case CHECK_PRESENT:
		return has_missing_private(kvm, dp, gfn, n, bits) ? -EINVAL : 0;
	default:
		return mark_shared_present(kvm, dp, gfn, n, bits, n_changed);
	}
}

static int mark_steps(struct kvm *kvm, struct kvm_dp *dp, enum mark_step what,
		      gfn_t gfn, u64 n, const u64 __user *ubitmap, u64 *n_changed,
		      u64 *ret_done)
{
	DECLARE_BITMAP(bits, BLOCK);
	unsigned long step, words;
	u64 done = 0;
	int r = 0;

	while (done < n) {
		step = min_t(u64, kvm_dp_block_left(gfn + done), n - done);
		if (ubitmap) {
			/* Up to the end of the user's word, from then on whole words. */
			if (step > BITS_PER_LONG - done % BITS_PER_LONG &&
			    done % BITS_PER_LONG)
				step = BITS_PER_LONG - done % BITS_PER_LONG;
			words = BITS_TO_LONGS(done % BITS_PER_LONG + step);
			if (copy_from_user(bits, ubitmap + done / BITS_PER_LONG,
					   words * sizeof(u64))) {
				r = -EFAULT;
				break;
			}
			bitmap_shift_right(bits, bits, done % BITS_PER_LONG, BLOCK);
		}

		r = mark_step(kvm, dp, what, gfn + done, step,
			      ubitmap ? bits : NULL, n_changed);
		if (r)
			break;
		done += step;

		if (fatal_signal_pending(current)) {
			r = -EINTR;
			break;
		}
		cond_resched();
	}
	*ret_done = done;
	return r;
}

static int mark_range(struct kvm *kvm, struct kvm_dp *dp, bool missing, gfn_t gfn,
		      u64 n, const u64 __user *ubitmap, u64 *n_changed)
{
	u64 done;
	int r;

	if (!missing) {
		r = mark_steps(kvm, dp, CHECK_PRESENT, gfn, n, ubitmap, n_changed,
			       &done);
		return r ?: mark_steps(kvm, dp, MARK_PRESENT, gfn, n, ubitmap,
				       n_changed, &done);
	}

	r = mark_steps(kvm, dp, MARK_MISSING, gfn, n, ubitmap, n_changed, &done);
	if (done) {
		zap_range(kvm, gfn, gfn + done);
		synchronize_srcu(&dp->srcu);
	}
	return r;
}

/* Every user memslot, from @gfn on. */
static int mark_whole_vm(struct kvm *kvm, struct kvm_dp *dp, gfn_t gfn,
			 u64 *n_changed)
{
	struct kvm_memory_slot *slot;
	gfn_t start, end;
	int bkt, r = 0;

	mutex_lock(&kvm->slots_lock);
	kvm_for_each_memslot(slot, bkt, kvm_memslots(kvm)) {
		if (!kvm_dp_slot_is_paged(slot))
			continue;
		start = max(gfn, slot->base_gfn);
		end = slot->base_gfn + slot->npages;
		if (start >= end)
			continue;
		r = mark_range(kvm, dp, true, start, end - start, NULL, n_changed);
		if (r)
			break;
	}
	mutex_unlock(&kvm->slots_lock);
	return r;
}

int kvm_dp_mark(struct kvm_dp *dp, struct kvm_dp_mark __user *uargs)
{
	struct kvm_dp_mark args;
	struct kvm *kvm;
	u64 n_changed = 0;
	bool missing;
	int r;

	if (copy_from_user(&args, uargs, sizeof(args)))
		return -EFAULT;
	if (args.pad || args.reserved[0] || args.reserved[1])
		return -EINVAL;
	if (args.flags != KVM_DP_MARK_MISSING && args.flags != KVM_DP_MARK_PRESENT)
		return -EINVAL;
	missing = args.flags == KVM_DP_MARK_MISSING;

	kvm = kvm_dp_enter(dp);
	if (!kvm)
		return -ENODEV;

	if (dp->frozen)
		r = -EBUSY;
	else if (missing && args.n_pages == ~0ULL && !args.bitmap)
		r = mark_whole_vm(kvm, dp, args.gfn, &n_changed);
	else if (!kvm_dp_range_is_valid(args.gfn, args.n_pages))
		r = -EINVAL;
	else
		r = mark_range(kvm, dp, missing, args.gfn, args.n_pages,
			       u64_to_user_ptr(args.bitmap), &n_changed);
	kvm_dp_leave(dp);

	if (put_user(n_changed, &uargs->n_changed))
		return -EFAULT;
	return r;
}

/* KVM_SET_MEMORY_ATTRIBUTES with KVM_MEMORY_ATTRIBUTE_MISSING. */
int kvm_dp_mark_range_missing(struct kvm *kvm, gfn_t start, gfn_t end)
{
	struct kvm_dp *dp = READ_ONCE(kvm->dp);
	u64 n_changed = 0;
	int r;

	if (!dp || !kvm_dp_range_is_valid(start, end - start))
		return -EINVAL;
	if (!kvm_dp_enter(dp))
		return -ENODEV;

	if (dp->frozen)
		r = -EBUSY;
	else
		r = mark_range(kvm, dp, true, start, end - start, NULL, &n_changed);
	kvm_dp_leave(dp);
	return r;
}

static void query_block(struct kvm *kvm, struct kvm_dp *dp, u32 what, gfn_t gfn,
			unsigned long n, unsigned long *ret_bits)
{
	unsigned long i;

	if (what == KVM_DP_QUERY_MISSING) {
		kvm_presence_get(&dp->presence, gfn, n, ret_bits);
		return;
	}

	bitmap_zero(ret_bits, n);
	for (i = 0; i < n; i++) {
		if (!kvm_mem_is_private(kvm, gfn + i))
			continue;
		if (what == KVM_DP_QUERY_PRIVATE ||
		    kvm_dp_gmem_is_backed(gfn_to_memslot(kvm, gfn + i), gfn + i))
			__set_bit(i, ret_bits);
	}
}

static int query_range(struct kvm *kvm, struct kvm_dp *dp,
		       struct kvm_dp_query *args)
{
	u64 __user *ubitmap = u64_to_user_ptr(args->bitmap);
	DECLARE_BITMAP(bits, BLOCK);
	unsigned long step;
	u64 done;
	int idx;

	for (done = 0; done < args->n_pages; done += step) {
		/* Steps of whole user words, within a block. */
		step = min_t(u64, BLOCK, args->n_pages - done);
		if ((args->gfn + done) & (BLOCK - 1))
			step = min_t(u64, BITS_PER_LONG, args->n_pages - done);

		bitmap_zero(bits, BLOCK);
		idx = srcu_read_lock(&kvm->srcu);
		if (step > kvm_dp_block_left(args->gfn + done)) {
			unsigned long head = kvm_dp_block_left(args->gfn + done);
			DECLARE_BITMAP(tail, BLOCK);

			query_block(kvm, dp, args->flags, args->gfn + done, head, bits);
			bitmap_zero(tail, BLOCK);
			query_block(kvm, dp, args->flags, args->gfn + done + head,
				    step - head, tail);
			bitmap_shift_left(tail, tail, head, BLOCK);
			bitmap_or(bits, bits, tail, BLOCK);
		} else {
			query_block(kvm, dp, args->flags, args->gfn + done, step, bits);
		}
		srcu_read_unlock(&kvm->srcu, idx);

		args->n_set += bitmap_weight(bits, step);
		if (ubitmap && copy_to_user(ubitmap + done / BITS_PER_LONG, bits,
					    BITS_TO_LONGS(step) * sizeof(u64)))
			return -EFAULT;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

int kvm_dp_query(struct kvm_dp *dp, struct kvm_dp_query __user *uargs)
{
	struct kvm_dp_query args;
	struct kvm *kvm;
	int r = 0;

	if (copy_from_user(&args, uargs, sizeof(args)))
		return -EFAULT;
	if (args.pad || args.reserved[0] || args.reserved[1])
		return -EINVAL;
	if (args.n_pages) {
		if (!kvm_dp_range_is_valid(args.gfn, args.n_pages))
			return -EINVAL;
		if (args.flags != KVM_DP_QUERY_MISSING &&
		    args.flags != KVM_DP_QUERY_PRIVATE &&
		    args.flags != KVM_DP_QUERY_BACKED)
			return -EINVAL;
	} else if (args.flags || args.bitmap) {
		return -EINVAL;
	}

	kvm = kvm_dp_enter(dp);
	if (!kvm)
		return -ENODEV;

	args.n_set = 0;
	r = query_range(kvm, dp, &args);
	args.status = dp->frozen ? KVM_DP_STATUS_FROZEN : 0;
	args.n_missing = kvm_presence_n_missing(&dp->presence);
	args.n_waiters = atomic_read(&dp->n_waiters);
	kvm_dp_leave(dp);

	if (!r && copy_to_user(uargs, &args, sizeof(args)))
		r = -EFAULT;
	return r;
}
