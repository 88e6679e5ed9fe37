// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging: what acts on guest_memfd.  Finding the file behind a GFN,
 * the vectors of populate and extract, discard.
 */
#include <linux/memcontrol.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>

#include "dp_gmem.h"
#include "kvm_mm.h"

u32 kvm_dp_target_get(struct kvm *kvm, gfn_t gfn, struct kvm_dp_target *ret_target)
{
	struct kvm_dp_target t;

	t.slot = gfn_to_memslot(kvm, gfn);
	if (!kvm_dp_slot_is_paged(t.slot) || !kvm_slot_can_be_private(t.slot))
		return KVM_DP_NOT_GMEM;

	t.file = kvm_gmem_get_file(t.slot);
	if (!t.file)
		return KVM_DP_NOT_GMEM;

	t.mapping = t.file->f_mapping;
	*ret_target = t;
	return KVM_DP_OK;
}

void kvm_dp_target_put(struct kvm_dp_target *t)
{
	fput(t->file);
}

void kvm_dp_batch_put(struct kvm_dp_batch *batch)
{
	unsigned long i;

	for (i = 0; i < batch->n; i++) {
		if (batch->folios[i])
			folio_put(batch->folios[i]);
	}
	batch->n = 0;
}

static bool vec_is_valid(const struct kvm_dp_vec *vec, bool populate)
{
	const u64 max_pages = BIT_ULL(52 - PAGE_SHIFT);

	if (vec->flags & ~KVM_DP_VEC_ZERO)
		return false;
	if (vec->gfn >= max_pages || vec->n_pages > max_pages - vec->gfn ||
	    vec->n_done > vec->n_pages)
		return false;
	if (vec->flags & KVM_DP_VEC_ZERO)
		return populate && !vec->addr;

	return access_ok(u64_to_user_ptr(vec->addr), vec->n_pages * PAGE_SIZE);
}

/* All steps of one run; what was done so far is in @vec, whatever it returns. */
static int run_vec(struct kvm_dp *dp, struct kvm_dp_vec *vec,
		   int (*step)(struct kvm_dp *dp, struct kvm_dp_vec *vec))
{
	int r;

	vec->result = KVM_DP_OK;
	while (vec->n_done < vec->n_pages) {
		if (signal_pending(current))
			return -EINTR;
		r = step(dp, vec);
		if (r)
			return r;
		if (vec->result)
			return -EIO;
		cond_resched();
	}
	return 0;
}

static int transfer(struct kvm_dp *dp, struct kvm_dp_transfer __user *uargs,
		    int (*step)(struct kvm_dp *dp, struct kvm_dp_vec *vec))
{
	struct kvm_dp_vec __user *uvecs;
	struct kvm_dp_transfer args;
	struct mem_cgroup *old;
	struct kvm_dp_vec vec;
	u32 i;
	int r = 0;

	if (copy_from_user(&args, uargs, sizeof(args)))
		return -EFAULT;
	if (args.flags || args.pad || args.reserved[0] || args.reserved[1] ||
	    !args.n_vecs || args.n_vecs > KVM_DP_MAX_VECS)
		return -EINVAL;

	uvecs = u64_to_user_ptr(args.vecs);
	old = set_active_memcg(dp->memcg);
	for (i = 0; i < args.n_vecs; i++) {
		if (copy_from_user(&vec, uvecs + i, sizeof(vec))) {
			r = -EFAULT;
			break;
		}
		if (!vec_is_valid(&vec, step == kvm_dp_populate_step)) {
			r = -EINVAL;
			break;
		}
		r = run_vec(dp, &vec, step);
		if (copy_to_user(uvecs + i, &vec, sizeof(vec)))
			r = -EFAULT;
		if (r)
			break;
	}
	set_active_memcg(old);

	if (put_user(i, &uargs->n_vecs_done))
		return -EFAULT;
	return r;
}

int kvm_dp_populate(struct kvm_dp *dp, struct kvm_dp_transfer __user *uargs)
{
	return transfer(dp, uargs, kvm_dp_populate_step);
}

int kvm_dp_extract(struct kvm_dp *dp, struct kvm_dp_transfer __user *uargs)
{
	return transfer(dp, uargs, kvm_dp_extract_step);
}

/* With a reference; NULL if there is none that a guest could have. */
static struct folio *find_folio(struct kvm_memory_slot *slot, gfn_t gfn)
{
	struct folio *folio;
	struct file *file;

	if (!kvm_dp_slot_is_paged(slot) || !kvm_slot_can_be_private(slot))
		return NULL;

	file = kvm_gmem_get_file(slot);
	if (!file)
		return NULL;

	folio = filemap_get_folio(file->f_mapping,
				  gfn - slot->base_gfn + slot->gmem.pgoff);
	fput(file);
	if (IS_ERR(folio))
		return NULL;
	if (folio_test_uptodate(folio))
		return folio;

	folio_put(folio);
	return NULL;
}

/*
 * Is there a page, or would a present GFN read as zero?  All pages of a huge
 * folio are there at once.
 */
bool kvm_dp_gmem_is_backed(struct kvm_memory_slot *slot, gfn_t gfn)
{
	struct folio *folio = find_folio(slot, gfn);

	if (folio)
		folio_put(folio);
	return folio;
}

bool kvm_dp_gmem_is_huge(struct kvm_memory_slot *slot, gfn_t gfn)
{
	struct folio *folio;
	bool huge;

	if (!slot->gmem.huge)
		return false;

	folio = find_folio(slot, gfn);
	huge = folio && folio_test_large(folio);
	if (folio)
		folio_put(folio);
	return huge;
}

static int mark_all(struct kvm_dp *dp, bool missing, gfn_t gfn, u64 n,
		    u64 *ret_done)
{
	struct kvm_presence_range range;
	u64 done, n_changed = 0;
	int r = 0;

	for (done = 0; done < n && !r; done += r ? 0 : range.n) {
		range = (struct kvm_presence_range) {
			.gfn = gfn + done,
			.n = min_t(u64, n - done, kvm_dp_block_left(gfn + done)),
		};
		if (missing)
			r = kvm_presence_mark_missing(&dp->presence, &range,
						      &n_changed);
		else
			r = kvm_presence_mark_present(&dp->presence, &range, NULL,
						      &n_changed);
		cond_resched();
	}
	*ret_done = done;
	return r;
}

/*
 * Truncate and change presence as one step, under the invalidate lock:
 * PUNCH_HOLE and a mark as two would let the guest read zeros in between.
 */
static int discard_slot(struct kvm_dp *dp, struct kvm_dp_target *t, gfn_t gfn, u64 n,
			bool evict)
{
	loff_t offset = (loff_t)kvm_dp_target_index(t, gfn) << PAGE_SHIFT;
	int punched = 0, r = 0;
	u64 done = n;

	filemap_invalidate_lock(t->mapping);
	if (evict)
		r = mark_all(dp, true, gfn, n, &done);
	/* What was marked is evicted also if there was no memory for all of it. */
	if (done)
		punched = kvm_gmem_punch_hole_locked(file_inode(t->file), offset,
						     done << PAGE_SHIFT);
	if (!evict && !punched)
		r = mark_all(dp, false, gfn, n, &done);
	filemap_invalidate_unlock(t->mapping);

	if (!evict && !punched)
		kvm_dp_wake(dp, gfn, done, false);
	return r ?: punched;
}

static bool is_private(struct kvm *kvm, gfn_t gfn)
{
	struct kvm_dp_target t;
	bool found;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	found = kvm_mem_is_private(kvm, gfn) && !kvm_dp_target_get(kvm, gfn, &t);
	if (found)
		kvm_dp_target_put(&t);
	srcu_read_unlock(&kvm->srcu, idx);
	return found;
}

/* Every GFN private and in guest_memfd? */
static int check_private(struct kvm *kvm, gfn_t gfn, u64 n)
{
	u64 i;

	for (i = 0; i < n; i++) {
		if (!is_private(kvm, gfn + i))
			return -EINVAL;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int discard_range(struct kvm *kvm, struct kvm_dp *dp, gfn_t gfn, u64 left,
			 bool evict)
{
	struct kvm_dp_target t;
	int idx, r = 0;
	u64 n;

	idx = srcu_read_lock(&kvm->srcu);
	for (; !r && left; gfn += n, left -= n) {
		if (kvm_dp_target_get(kvm, gfn, &t)) {
			r = -EINVAL;
			break;
		}
		n = min_t(u64, left, kvm_dp_target_left(&t, gfn));
		r = discard_slot(dp, &t, gfn, n, evict);
		kvm_dp_target_put(&t);
	}
	srcu_read_unlock(&kvm->srcu, idx);
	return r;
}

int kvm_dp_discard(struct kvm_dp *dp, struct kvm_dp_discard __user *uargs)
{
	struct kvm_dp_discard args;
	struct kvm *kvm;
	bool evict;
	int r;

	if (copy_from_user(&args, uargs, sizeof(args)))
		return -EFAULT;
	if (args.pad || args.reserved[0] || args.reserved[1] ||
	    args.flags & ~KVM_DP_DISCARD_EVICT ||
	    !kvm_dp_range_is_valid(args.gfn, args.n_pages))
		return -EINVAL;
	evict = args.flags & KVM_DP_DISCARD_EVICT;

	kvm = kvm_dp_enter(dp);
	if (!kvm)
		return -ENODEV;

	if (dp->frozen)
		r = -EBUSY;
	else if (!kvm_arch_gmem_accessible(kvm))
		r = -EOPNOTSUPP;
	else
		r = check_private(kvm, args.gfn, args.n_pages);
	/* Present and zero is what a page that will not come is not. */
	if (!r && !evict &&
	    kvm_dp_next_poison(dp, args.gfn, args.n_pages) < args.n_pages)
		r = -EHWPOISON;
	if (!r)
		r = discard_range(kvm, dp, args.gfn, args.n_pages, evict);
	kvm_dp_leave(dp);

	if (evict)
		kvm_dp_wait_accesses(dp);
	return r;
}
