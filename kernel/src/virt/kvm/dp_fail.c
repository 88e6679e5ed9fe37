// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging: pages that will not come.
 *
 * Failing is about the vCPUs that wait now, poison about a GFN.  Poison is kept
 * apart from presence, as there is little of it: a poisoned GFN is always missing,
 * hence only who found a GFN missing has to look.  It changes while dp->sem is held
 * for writing, so that all that makes GFNs present, with dp->sem for reading, can
 * rely on what it saw.
 */
#include <linux/bitmap.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>

#include "dp.h"

#define POISONED	xa_mk_value(1)

bool __kvm_dp_is_poisoned(struct kvm_dp *dp, gfn_t gfn)
{
	return xa_load(&dp->poison, gfn);
}

u64 __kvm_dp_next_poison(struct kvm_dp *dp, gfn_t gfn, u64 n)
{
	unsigned long index = gfn;

	if (!n || !xa_find(&dp->poison, &index, gfn + n - 1, XA_PRESENT))
		return n;
	return index - gfn;
}

static u64 n_poisoned(struct kvm_dp *dp, gfn_t gfn, u64 n)
{
	unsigned long index;
	void *entry;
	u64 sum = 0;

	xa_for_each_range(&dp->poison, index, entry, gfn, gfn + n - 1)
		sum++;
	return sum;
}

/*
 * GFNs within one block; all or none.  Poison comes before absence: whoever finds
 * one of the GFNs missing because of this sees why.  The locks of the two xarrays
 * order the stores, kvm_presence_is_missing() the loads.
 */
static int poison_block(struct kvm_dp *dp, gfn_t gfn, unsigned long n)
{
	struct kvm_presence_range range = { .gfn = gfn, .n = n };
	DECLARE_BITMAP(added, KVM_PRESENCE_BLOCK_GFNS);
	u64 n_missing = 0;
	unsigned long i;
	int r = 0;

	bitmap_zero(added, n);
	for (i = 0; i < n; i++) {
		r = xa_insert(&dp->poison, gfn + i, POISONED, GFP_KERNEL_ACCOUNT);
		if (!r)
			__set_bit(i, added);
		else if (r != -EBUSY)
			goto undo;
	}

	r = kvm_presence_mark_missing(&dp->presence, &range, &n_missing);
	if (r)
		goto undo;

	dp->n_poisoned += bitmap_weight(added, n);
	return 0;

undo:
	for_each_set_bit(i, added, n)
		xa_erase(&dp->poison, gfn + i);
	return r;
}

/* @dp->sem is held for writing.  If it fails, the beginning is poisoned. */
static int poison_set(struct kvm *kvm, struct kvm_dp *dp, gfn_t gfn, u64 n)
{
	struct mem_cgroup *old;
	unsigned long step;
	u64 done;
	int r = 0;

	if (n > KVM_DP_MAX_POISONED ||
	    n - n_poisoned(dp, gfn, n) > KVM_DP_MAX_POISONED - dp->n_poisoned)
		return -ENOSPC;

	old = set_active_memcg(dp->memcg);
	for (done = 0; done < n; done += step) {
		step = min_t(u64, kvm_dp_block_left(gfn + done), n - done);
		r = poison_block(dp, gfn + done, step);
		if (r)
			break;
	}
	set_active_memcg(old);

	if (done) {
		kvm_dp_zap(kvm, gfn, gfn + done);
		kvm_dp_fail_waiters(dp, gfn, done);
	}
	return r;
}

/* @dp->sem is held for writing.  The GFNs stay missing. */
static void poison_clear(struct kvm_dp *dp, gfn_t gfn, u64 n)
{
	unsigned long index;
	void *entry;

	xa_for_each_range(&dp->poison, index, entry, gfn, gfn + n - 1) {
		xa_erase(&dp->poison, index);
		dp->n_poisoned--;
	}
}

static int poison_change(struct kvm_dp *dp, gfn_t gfn, u64 n, bool set,
			 u64 *ret_n_changed)
{
	unsigned int n_before;
	struct kvm *kvm;
	int r = 0;

	kvm = kvm_dp_enter_exclusive(dp);
	if (!kvm)
		return -ENODEV;

	n_before = dp->n_poisoned;
	if (dp->frozen)
		r = -EBUSY;
	else if (set)
		r = poison_set(kvm, dp, gfn, n);
	else
		poison_clear(dp, gfn, n);
	*ret_n_changed = set ? dp->n_poisoned - n_before :
			       n_before - dp->n_poisoned;
	kvm_dp_leave_exclusive(dp);

	/* As when GFNs are marked missing: nobody has the contents any more. */
	if (set)
		kvm_dp_let_go(dp);
	return r;
}

int kvm_dp_poison(struct kvm_dp *dp, struct kvm_dp_poison __user *uargs)
{
	struct kvm_dp_poison args;
	u64 n_changed = 0;
	int r;

	if (copy_from_user(&args, uargs, sizeof(args)))
		return -EFAULT;
	if (args.pad || args.reserved[0] || args.reserved[1] ||
	    !kvm_dp_range_is_valid(args.gfn, args.n_pages))
		return -EINVAL;
	if (args.flags != KVM_DP_POISON_SET && args.flags != KVM_DP_POISON_CLEAR)
		return -EINVAL;

	r = poison_change(dp, args.gfn, args.n_pages,
			  args.flags == KVM_DP_POISON_SET, &n_changed);

	if (put_user(n_changed, &uargs->n_changed))
		return -EFAULT;
	return r;
}

/*
 * Nothing but waiters changes, and in a frozen VM there is none: no need to look
 * whether it is frozen.
 */
int kvm_dp_fail(struct kvm_dp *dp, struct kvm_dp_fail __user *uargs)
{
	struct kvm_dp_fail args;
	u64 n_failed;

	if (copy_from_user(&args, uargs, sizeof(args)))
		return -EFAULT;
	if (args.flags || args.pad || args.reserved[0] || args.reserved[1] ||
	    !kvm_dp_range_is_valid(args.gfn, args.n_pages))
		return -EINVAL;

	if (!kvm_dp_enter(dp))
		return -ENODEV;
	n_failed = kvm_dp_fail_waiters(dp, args.gfn, args.n_pages);
	kvm_dp_leave(dp);

	return put_user(n_failed, &uargs->n_failed);
}
