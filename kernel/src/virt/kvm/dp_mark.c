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
 * The first three happen under dp->sem held for writing: while it is held for
 * reading, presence only grows.  The last one without, as it may take long.
 */
#include <linux/bitmap.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "dp.h"
#include "kvm_mm.h"

#define BLOCK		KVM_PRESENCE_BLOCK_GFNS

/* What is done without letting go of dp->sem. */
#define CHUNK_GFNS	(512 * BLOCK)
#define CHUNK_BITS	(PAGE_SIZE * BITS_PER_BYTE)

/* Of [@start, @end) what is in @slot.  Returns whether TLBs are to be flushed. */
static bool zap_slot(struct kvm *kvm, struct kvm_memory_slot *slot, gfn_t start,
		     gfn_t end)
{
	struct kvm_gfn_range range = {
		.slot = slot,
		.start = max(start, slot->base_gfn),
		.end = min(end, slot->base_gfn + slot->npages),
		.may_block = true,
		.attr_filter = KVM_FILTER_SHARED | KVM_FILTER_PRIVATE,
	};

	return range.start < range.end && kvm_unmap_gfn_range(kvm, &range);
}

static bool zap_slots(struct kvm *kvm, gfn_t start, gfn_t end)
{
	struct kvm_memory_slot *slot = gfn_to_memslot(kvm, start);
	struct kvm_memslot_iter iter;
	bool flush = false;

	/* Finding one is much quicker than walking them. */
	if (slot && end <= slot->base_gfn + slot->npages)
		return zap_slot(kvm, slot, start, end);

	kvm_for_each_memslot_in_gfn_range(&iter, kvm_memslots(kvm), start, end)
		flush |= zap_slot(kvm, iter.slot, start, end);
	return flush;
}

/* Steps 2. and 3., for GFNs that were published as missing. */
void kvm_dp_zap(struct kvm *kvm, gfn_t start, gfn_t end)
{
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

	if (zap_slots(kvm, start, end))
		kvm_flush_remote_tlbs(kvm);

	kvm_mmu_invalidate_end(kvm);
	KVM_MMU_UNLOCK(kvm);
	srcu_read_unlock(&kvm->srcu, idx);

	/*
	 * Who is put on the list after this tests presence after that, and sees what
	 * was published: pairs with smp_mb() in __kvm_dp_access_begin().
	 */
	smp_mb();
	if (!list_empty(&kvm->gpc_list))
		gfn_to_pfn_cache_invalidate_gfns(kvm, start, end);
}

/*
 * Of a range the GFNs that are missing.  -EINVAL if one of them is private: who
 * never arrived must not become present by fiat.  -EHWPOISON if one of them is
 * poisoned.
 */
static int missing_shared(struct kvm *kvm, struct kvm_dp *dp,
			  const struct kvm_presence_range *range,
			  unsigned long *ret_bitmap)
{
	unsigned long i;

	kvm_presence_get(&dp->presence, range->gfn, range->n, ret_bitmap);
	for_each_set_bit(i, ret_bitmap, range->n) {
		if (range->bitmap && !test_bit(range->bit + i, range->bitmap))
			__clear_bit(i, ret_bitmap);
		else if (kvm_mem_is_private(kvm, range->gfn + i))
			return -EINVAL;
		else if (kvm_dp_is_poisoned(dp, range->gfn + i))
			return -EHWPOISON;
	}
	return 0;
}

/*
 * slots_lock keeps the GFNs from being converted in between.  Private ones may
 * be evicted in between, hence only those are marked that are known as shared.
 */
static int mark_shared_present(struct kvm *kvm, struct kvm_dp *dp,
			       const struct kvm_presence_range *range,
			       u64 *n_changed)
{
	DECLARE_BITMAP(bitmap, BLOCK);
	struct kvm_presence_range shared = {
		.gfn = range->gfn,
		.n = range->n,
		.bitmap = bitmap,
	};
	u64 n_before = *n_changed;
	int r;

	mutex_lock(&kvm->slots_lock);
	r = missing_shared(kvm, dp, range, bitmap);
	if (!r && !bitmap_empty(bitmap, range->n)) {
		kvm_dp_gmem_clear(kvm, range->gfn, range->n, bitmap);
		r = kvm_presence_mark_present(&dp->presence, &shared, NULL, n_changed);
	}
	mutex_unlock(&kvm->slots_lock);

	if (r || *n_changed == n_before)
		return r;
	kvm_dp_wake(dp, range->gfn, range->n, false);
	return kvm_dp_collapse_complete(kvm, dp, range->gfn, range->n);
}

enum mark_what {
	MARK_MISSING,
	CHECK_PRESENT,		/* before anything is marked present */
	MARK_PRESENT,
};

/* A range of GFNs, or those of them that are set in @bitmap, whose bit 0 is @gfn. */
struct mark {
	enum mark_what what;
	gfn_t gfn;
	u64 n;
	const unsigned long *bitmap;
};

/* The block that begins @done GFNs into the range. */
static struct kvm_presence_range block_at(const struct mark *mark, u64 done)
{
	return (struct kvm_presence_range) {
		.gfn = mark->gfn + done,
		.n = min_t(u64, kvm_dp_block_left(mark->gfn + done), mark->n - done),
		.bitmap = mark->bitmap,
		.bit = mark->bitmap ? done : 0,
	};
}

/* dp->sem is held for writing. */
static int mark_missing(struct kvm *kvm, struct kvm_dp *dp,
			const struct mark *mark, u64 *n_changed)
{
	struct kvm_presence_range range;
	u64 done = 0;
	int r;

	for (;;) {
		range = block_at(mark, done);
		range.cursor = &dp->mark_cursor;
		r = kvm_presence_mark_missing(&dp->presence, &range, n_changed);
		if (r)
			break;
		done += range.n;
		if (done == mark->n)
			break;
		if (fatal_signal_pending(current)) {
			r = -EINTR;
			break;
		}
		cond_resched();
	}
	if (done)
		kvm_dp_zap(kvm, mark->gfn, mark->gfn + done);
	return r;
}

/* dp->sem is held. */
static int mark_present(struct kvm *kvm, struct kvm_dp *dp,
			const struct mark *mark, u64 *n_changed)
{
	struct kvm_presence_range range;
	DECLARE_BITMAP(missing, BLOCK);
	u64 done;
	int r;

	for (done = 0; done < mark->n; done += range.n) {
		range = block_at(mark, done);
		if (mark->what == CHECK_PRESENT)
			r = missing_shared(kvm, dp, &range, missing);
		else
			r = mark_shared_present(kvm, dp, &range, n_changed);
		if (r)
			return r;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* Every user memslot, from @gfn on. */
static int mark_whole_vm(struct kvm *kvm, struct kvm_dp *dp, gfn_t gfn,
			 u64 *n_changed)
{
	struct mark mark = { .what = MARK_MISSING };
	struct kvm_memory_slot *slot;
	int bkt, r = 0;
	gfn_t end;

	mutex_lock(&kvm->slots_lock);
	kvm_for_each_memslot(slot, bkt, kvm_memslots(kvm)) {
		if (!kvm_dp_slot_is_paged(slot))
			continue;
		mark.gfn = max(gfn, slot->base_gfn);
		end = slot->base_gfn + slot->npages;
		if (mark.gfn >= end)
			continue;
		mark.n = end - mark.gfn;
		r = mark_missing(kvm, dp, &mark, n_changed);
		if (r)
			break;
	}
	mutex_unlock(&kvm->slots_lock);
	return r;
}

/* mark->n is 0 for the whole VM.  The caller's memory is not touched here. */
static int mark_chunk_missing(struct kvm_dp *dp, const struct mark *mark,
			      u64 *n_changed)
{
	struct kvm *kvm = kvm_dp_enter_exclusive(dp);
	int r;

	if (!kvm)
		return -ENODEV;

	if (dp->frozen)
		r = -EBUSY;
	else if (!mark->n)
		r = mark_whole_vm(kvm, dp, mark->gfn, n_changed);
	else
		r = mark_missing(kvm, dp, mark, n_changed);
	kvm_dp_leave_exclusive(dp);
	return r;
}

static int mark_chunk(struct kvm_dp *dp, const struct mark *mark, u64 *n_changed)
{
	struct kvm *kvm;
	int r;

	if (mark->what == MARK_MISSING)
		return mark_chunk_missing(dp, mark, n_changed);

	kvm = kvm_dp_enter(dp);
	if (!kvm)
		return -ENODEV;

	r = dp->frozen ? -EBUSY : mark_present(kvm, dp, mark, n_changed);
	kvm_dp_leave(dp);
	return r;
}

/* Returns how many GFNs were dealt with, and what present ones follow. */
static u64 chunk_end(struct kvm_dp *dp, const struct mark *mark,
		     const struct mark *chunk)
{
	gfn_t end = chunk->gfn + chunk->n;

	/* What is present need not be marked present. */
	if (mark->what != MARK_MISSING && !chunk->bitmap && end < mark->gfn + mark->n)
		end = kvm_presence_next_block(&dp->presence, end, mark->gfn + mark->n);
	return end - mark->gfn;
}

/*
 * In chunks, so that a FREEZE gets in between, and the bitmap is read while
 * nothing is held: reading it may take as long as its owner likes.
 */
static int mark_chunks(struct kvm_dp *dp, const struct mark *mark,
		       const u64 __user *ubitmap, u64 *n_changed)
{
	struct mark chunk = { .what = mark->what };
	unsigned long *bitmap = NULL;
	u64 done = 0;
	int r;

	if (!ubitmap && mark->n <= CHUNK_GFNS)
		return mark_chunk(dp, mark, n_changed);

	if (ubitmap) {
		bitmap = kmalloc(PAGE_SIZE, GFP_KERNEL_ACCOUNT);
		if (!bitmap)
			return -ENOMEM;
		chunk.bitmap = bitmap;
	}

	for (;;) {
		chunk.gfn = mark->gfn + done;
		chunk.n = min_t(u64, mark->n - done, bitmap ? CHUNK_BITS : CHUNK_GFNS);
		if (bitmap && copy_from_user(bitmap, ubitmap + done / BITS_PER_LONG,
					     BITS_TO_LONGS(chunk.n) * sizeof(u64))) {
			r = -EFAULT;
			break;
		}
		r = mark_chunk(dp, &chunk, n_changed);
		if (r)
			break;
		done = chunk_end(dp, mark, &chunk);
		if (done == mark->n)
			break;
		if (mark->what == MARK_MISSING && signal_pending(current)) {
			r = -EINTR;
			break;
		}
		cond_resched();
	}

	kfree(bitmap);
	return r;
}

static int mark_range(struct kvm_dp *dp, struct mark *mark,
		      const u64 __user *ubitmap, u64 *n_changed)
{
	int r;

	if (mark->what == MARK_MISSING) {
		r = mark_chunks(dp, mark, ubitmap, n_changed);
		kvm_dp_let_go(dp);
		return r;
	}

	mark->what = CHECK_PRESENT;
	r = mark_chunks(dp, mark, ubitmap, n_changed);
	if (r)
		return r;
	mark->what = MARK_PRESENT;
	return mark_chunks(dp, mark, ubitmap, n_changed);
}

/* Field by field, as get_vec() in dp_gmem.c. */
static int get_mark(struct kvm_dp_mark *args, const struct kvm_dp_mark __user *uargs)
{
	if (!user_read_access_begin(uargs, sizeof(*uargs)))
		return -EFAULT;
	unsafe_get_user(args->gfn, &uargs->gfn, fault);
	unsafe_get_user(args->n_pages, &uargs->n_pages, fault);
	unsafe_get_user(args->bitmap, &uargs->bitmap, fault);
	unsafe_get_user(args->flags, &uargs->flags, fault);
	unsafe_get_user(args->pad, &uargs->pad, fault);
	unsafe_get_user(args->reserved[0], &uargs->reserved[0], fault);
	unsafe_get_user(args->reserved[1], &uargs->reserved[1], fault);
	user_read_access_end();
	return 0;
fault:
	user_read_access_end();
	return -EFAULT;
}

int kvm_dp_mark(struct kvm_dp *dp, struct kvm_dp_mark __user *uargs)
{
	struct kvm_dp_mark args __uninitialized;
	struct mark mark = {};
	u64 n_changed = 0;
	int r;

	if (get_mark(&args, uargs))
		return -EFAULT;
	if (args.pad || args.reserved[0] || args.reserved[1])
		return -EINVAL;
	if (args.flags != KVM_DP_MARK_MISSING && args.flags != KVM_DP_MARK_PRESENT)
		return -EINVAL;

	mark.what = args.flags == KVM_DP_MARK_MISSING ? MARK_MISSING : MARK_PRESENT;
	mark.gfn = args.gfn;
	mark.n = args.n_pages;
	if (mark.what == MARK_MISSING && mark.n == ~0ULL && !args.bitmap)
		mark.n = 0;
	else if (!kvm_dp_range_is_valid(mark.gfn, mark.n))
		return -EINVAL;

	r = mark_range(dp, &mark, u64_to_user_ptr(args.bitmap), &n_changed);

	if (put_user(n_changed, &uargs->n_changed))
		return -EFAULT;
	return r;
}

/* KVM_SET_MEMORY_ATTRIBUTES with KVM_MEMORY_ATTRIBUTE_MISSING. */
int kvm_dp_mark_range_missing(struct kvm *kvm, gfn_t start, gfn_t end)
{
	struct mark mark = { .what = MARK_MISSING, .gfn = start, .n = end - start };
	struct kvm_dp *dp = READ_ONCE(kvm->dp);
	u64 n_changed = 0;

	if (!dp || !kvm_dp_range_is_valid(start, end - start))
		return -EINVAL;

	return mark_range(dp, &mark, NULL, &n_changed);
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
		if (what == KVM_DP_QUERY_POISONED) {
			__assign_bit(i, ret_bits, kvm_dp_is_poisoned(dp, gfn + i));
			continue;
		}
		if (!kvm_mem_is_private(kvm, gfn + i))
			continue;
		if (what == KVM_DP_QUERY_PRIVATE ||
		    kvm_dp_gmem_is_backed(gfn_to_memslot(kvm, gfn + i), gfn + i))
			__set_bit(i, ret_bits);
	}
}

/* At most a block's worth of GFNs, from anywhere in a block. */
static void query_step(struct kvm *kvm, struct kvm_dp *dp, u32 what, gfn_t gfn,
		       unsigned long n, unsigned long *ret_bits)
{
	unsigned long head = min(n, kvm_dp_block_left(gfn));
	DECLARE_BITMAP(tail, BLOCK);
	int idx;

	bitmap_zero(ret_bits, BLOCK);
	idx = srcu_read_lock(&kvm->srcu);
	query_block(kvm, dp, what, gfn, head, ret_bits);
	if (head < n) {
		bitmap_zero(tail, BLOCK);
		query_block(kvm, dp, what, gfn + head, n - head, tail);
		bitmap_shift_left(tail, tail, head, BLOCK);
		bitmap_or(ret_bits, ret_bits, tail, BLOCK);
	}
	srcu_read_unlock(&kvm->srcu, idx);
}

/* As when marking, nothing is held while the caller's bitmap is written. */
static int query_range(struct kvm_dp *dp, struct kvm_dp_query *args)
{
	u64 __user *ubitmap = u64_to_user_ptr(args->bitmap);
	DECLARE_BITMAP(bits, BLOCK);
	unsigned long step;
	struct kvm *kvm;
	u64 done;

	for (done = 0; done < args->n_pages; done += step) {
		step = min_t(u64, BLOCK, args->n_pages - done);

		kvm = kvm_dp_enter(dp);
		if (!kvm)
			return -ENODEV;
		query_step(kvm, dp, args->flags, args->gfn + done, step, bits);
		kvm_dp_leave(dp);

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
	int r;

	if (copy_from_user(&args, uargs, sizeof(args)))
		return -EFAULT;
	if (args.reserved[0] || args.reserved[1])
		return -EINVAL;
	if (args.n_pages) {
		if (!kvm_dp_range_is_valid(args.gfn, args.n_pages))
			return -EINVAL;
		if (args.flags != KVM_DP_QUERY_MISSING &&
		    args.flags != KVM_DP_QUERY_PRIVATE &&
		    args.flags != KVM_DP_QUERY_BACKED &&
		    args.flags != KVM_DP_QUERY_POISONED)
			return -EINVAL;
	} else if (args.flags || args.bitmap) {
		return -EINVAL;
	}

	args.n_set = 0;
	r = query_range(dp, &args);
	if (r)
		return r;

	if (!kvm_dp_enter(dp))
		return -ENODEV;
	args.status = dp->frozen ? KVM_DP_STATUS_FROZEN : 0;
	args.n_missing = kvm_presence_n_missing(&dp->presence);
	args.n_waiters = atomic_read(&dp->n_waiters);
	args.n_poisoned = dp->n_poisoned;
	kvm_dp_leave(dp);

	return copy_to_user(uargs, &args, sizeof(args)) ? -EFAULT : 0;
}
