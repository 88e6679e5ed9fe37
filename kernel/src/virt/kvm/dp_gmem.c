// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging: moving pages into and out of guest_memfd.
 *
 * Populate copies from its caller with no lock held (the source may itself be
 * paged by somebody slow), into folios that nobody else knows.  Then, holding
 * the file's invalidate lock shared (no PUNCH_HOLE, no discard, no unbind) and
 * the folio's lock, "is it missing", insert and mark present are one step: a
 * page that the guest may have written is never overwritten, and a page is never
 * visible before its contents.
 */
#include <linux/highmem.h>
#include <linux/memcontrol.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>

#include "dp.h"
#include "kvm_mm.h"

#define BATCH	16

struct batch {
	struct folio *folios[BATCH];
	unsigned long n;
};

static bool vm_is_supported(struct kvm *kvm)
{
	return kvm_arch_gmem_accessible(kvm);
}

/* GFNs of one run that lie in one memslot, with its file pinned. */
struct target {
	struct kvm_memory_slot *slot;
	struct file *file;
	struct address_space *mapping;
	int srcu_idx;
};

static u32 target_get(struct kvm *kvm, gfn_t gfn, struct target *ret_target)
{
	struct target t;

	t.srcu_idx = srcu_read_lock(&kvm->srcu);
	t.slot = gfn_to_memslot(kvm, gfn);
	if (!kvm_dp_slot_is_paged(t.slot) || !kvm_slot_can_be_private(t.slot))
		goto err;

	t.file = kvm_gmem_get_file(t.slot);
	if (!t.file)
		goto err;

	t.mapping = t.file->f_mapping;
	*ret_target = t;
	return KVM_DP_OK;
err:
	srcu_read_unlock(&kvm->srcu, t.srcu_idx);
	return KVM_DP_NOT_GMEM;
}

static void target_put(struct kvm *kvm, struct target *t)
{
	fput(t->file);
	srcu_read_unlock(&kvm->srcu, t->srcu_idx);
}

static unsigned long target_left(struct target *t, gfn_t gfn)
{
	return t->slot->base_gfn + t->slot->npages - gfn;
}

static pgoff_t target_index(struct target *t, gfn_t gfn)
{
	return gfn - t->slot->base_gfn + t->slot->gmem.pgoff;
}

static void batch_put(struct batch *batch)
{
	unsigned long i;

	for (i = 0; i < batch->n; i++) {
		if (batch->folios[i])
			folio_put(batch->folios[i]);
	}
	batch->n = 0;
}

/* Allocate and fill up to @want folios.  On failure what was filled is kept. */
static u32 batch_fill(struct batch *batch, unsigned long want,
		      const void __user *from)
{
	struct folio *folio;
	unsigned long left;
	void *to;

	for (batch->n = 0; batch->n < want; batch->n++) {
		folio = folio_alloc(GFP_HIGHUSER, 0);
		if (!folio)
			return KVM_DP_NOMEM;

		to = kmap_local_folio(folio, 0);
		left = __copy_from_user(to, from + batch->n * PAGE_SIZE, PAGE_SIZE);
		kunmap_local(to);
		if (left) {
			folio_put(folio);
			return KVM_DP_FAULT;
		}
		batch->folios[batch->n] = folio;
	}
	return KVM_DP_OK;
}

/* Under the folio's lock: publish its contents, if nobody was quicker. */
static int publish(struct kvm_dp *dp, gfn_t gfn, struct folio *folio,
		   u64 *n_changed)
{
	u64 changed = 0;
	int r;

	folio_mark_uptodate(folio);
	r = kvm_presence_mark_present(&dp->presence, gfn, 1, NULL, 0, &changed);
	*n_changed += changed;
	return r;
}

/*
 * Make one missing GFN present with the contents of @new.  Returns KVM_DP_*;
 * *@ret_skipped says that it was present.
 */
static u32 populate_page(struct kvm *kvm, struct kvm_dp *dp, struct target *t,
			 gfn_t gfn, struct folio *new, bool *ret_skipped)
{
	pgoff_t index = target_index(t, gfn);
	struct folio *folio;
	u64 n_changed = 0;
	u32 result = KVM_DP_OK;
	int r;

again:
	*ret_skipped = false;
	if (!kvm_presence_is_missing(&dp->presence, gfn)) {
		*ret_skipped = true;
		return KVM_DP_OK;
	}
	if (!kvm_mem_is_private(kvm, gfn))
		return KVM_DP_KIND_CHANGED;

	r = filemap_add_folio(t->mapping, new, index,
			      mapping_gfp_mask(t->mapping));
	if (!r) {
		folio = new;
		folio_get(folio);
	} else if (r == -EEXIST) {
		folio = filemap_lock_folio(t->mapping, index);
		if (IS_ERR(folio))
			goto again;
		if (!kvm_presence_is_missing(&dp->presence, gfn)) {
			*ret_skipped = true;
			goto out;
		}
		if (folio_test_hwpoison(folio)) {
			result = KVM_DP_POISONED;
			goto out;
		}
		copy_highpage(folio_file_page(folio, index), folio_page(new, 0));
	} else {
		return KVM_DP_NOMEM;
	}

	result = publish(dp, gfn, folio, &n_changed) ? KVM_DP_NOMEM : KVM_DP_OK;
	if (!n_changed) {
		/*
		 * A populate with zeros needs no folio and came first, or there
		 * was no memory to note the change.  Zeros are right for the
		 * one, and not seen by anybody for the other.
		 */
		clear_highpage(folio_file_page(folio, index));
		*ret_skipped = !result;
	}
out:
	folio_unlock(folio);
	folio_put(folio);
	return result;
}

static u32 populate_batch(struct kvm *kvm, struct kvm_dp *dp, gfn_t gfn,
			  struct batch *batch, struct kvm_dp_vec *vec)
{
	struct target t;
	unsigned long i, n;
	bool skipped;
	u32 result;

	result = target_get(kvm, gfn, &t);
	if (result)
		return result;

	n = min(batch->n, target_left(&t, gfn));
	filemap_invalidate_lock_shared(t.mapping);
	for (i = 0; i < n; i++) {
		result = populate_page(kvm, dp, &t, gfn + i, batch->folios[i],
				       &skipped);
		if (result)
			break;
		vec->n_done++;
		vec->n_skipped += skipped;
	}
	filemap_invalidate_unlock_shared(t.mapping);
	target_put(kvm, &t);

	if (i)
		kvm_dp_wake(dp, gfn, i);
	return result;
}

/* An evicted page may still be in the file: it must read as zero. */
static u32 clear_cached(struct kvm_dp *dp, struct target *t, gfn_t gfn,
			unsigned long n)
{
	pgoff_t index = target_index(t, gfn);
	pgoff_t end = index + n;
	struct folio *folio;
	u64 n_changed;
	int r;

	for (; xa_find(&t->mapping->i_pages, &index, end - 1, XA_PRESENT); index++) {
		folio = filemap_lock_folio(t->mapping, index);
		if (IS_ERR(folio))
			continue;
		n_changed = 0;
		r = 0;
		if (kvm_presence_is_missing(&dp->presence,
					    gfn + n - (end - index))) {
			clear_highpage(folio_file_page(folio, index));
			r = publish(dp, gfn + n - (end - index), folio, &n_changed);
		}
		folio_unlock(folio);
		folio_put(folio);
		if (r)
			return KVM_DP_NOMEM;
	}
	return KVM_DP_OK;
}

/* Zeros for at most the rest of a block: holes become present as they are. */
static u32 populate_zero(struct kvm *kvm, struct kvm_dp *dp, gfn_t gfn,
			 unsigned long n, struct kvm_dp_vec *vec)
{
	u64 n_changed = 0, n_before = 0;
	DECLARE_BITMAP(missing, KVM_PRESENCE_BLOCK_GFNS);
	struct target t;
	unsigned long i;
	u32 result;

	result = target_get(kvm, gfn, &t);
	if (result)
		return result;

	n = min(n, target_left(&t, gfn));
	filemap_invalidate_lock_shared(t.mapping);

	kvm_presence_get(&dp->presence, gfn, n, missing);
	for_each_set_bit(i, missing, n) {
		if (!kvm_mem_is_private(kvm, gfn + i)) {
			result = KVM_DP_KIND_CHANGED;
			n = i;
			break;
		}
		n_before++;
	}
	if (n) {
		u32 cleared = clear_cached(dp, &t, gfn, n);

		if (!cleared && kvm_presence_mark_present(&dp->presence, gfn, n,
							  NULL, 0, &n_changed))
			cleared = KVM_DP_NOMEM;
		if (cleared) {
			result = cleared;
			n = 0;
		}
	}
	filemap_invalidate_unlock_shared(t.mapping);
	target_put(kvm, &t);

	vec->n_done += n;
	vec->n_skipped += n - min_t(u64, n, n_before);
	if (n)
		kvm_dp_wake(dp, gfn, n);
	return result;
}

static unsigned long block_left(gfn_t gfn)
{
	return KVM_PRESENCE_BLOCK_GFNS - (gfn & (KVM_PRESENCE_BLOCK_GFNS - 1));
}

/* Find the folio of one GFN of a frozen VM; NULL for a hole. */
static u32 extract_find(struct kvm *kvm, struct kvm_dp *dp, struct target *t,
			gfn_t gfn, struct folio **ret_folio)
{
	struct folio *folio;

	if (!kvm_mem_is_private(kvm, gfn))
		return KVM_DP_KIND_CHANGED;
	if (kvm_presence_is_missing(&dp->presence, gfn))
		return KVM_DP_MISSING;

	folio = filemap_get_folio(t->mapping, target_index(t, gfn));
	if (IS_ERR(folio)) {
		*ret_folio = NULL;
		return KVM_DP_OK;
	}
	if (folio_test_hwpoison(folio)) {
		folio_put(folio);
		return KVM_DP_POISONED;
	}
	if (!folio_test_uptodate(folio)) {
		folio_put(folio);
		folio = NULL;
	}
	*ret_folio = folio;
	return KVM_DP_OK;
}

static u32 extract_collect(struct kvm *kvm, struct kvm_dp *dp, gfn_t gfn,
			   unsigned long want, struct batch *batch)
{
	struct target t;
	u32 result;

	result = target_get(kvm, gfn, &t);
	if (result)
		return result;

	want = min(want, target_left(&t, gfn));
	for (batch->n = 0; batch->n < want; batch->n++) {
		result = extract_find(kvm, dp, &t, gfn + batch->n,
				      &batch->folios[batch->n]);
		if (result)
			break;
	}
	target_put(kvm, &t);
	return result;
}

static bool copy_out(struct folio *folio, void __user *to)
{
	unsigned long left;
	void *from;

	if (!folio)
		return !clear_user(to, PAGE_SIZE);

	from = kmap_local_folio(folio, 0);
	left = __copy_to_user(to, from, PAGE_SIZE);
	kunmap_local(from);
	return !left;
}

/*
 * One step of a run: -errno for the whole call, else vec->result says.  Neither
 * touches the caller's memory while it holds the VM.
 */
static int populate_step(struct kvm_dp *dp, struct kvm_dp_vec *vec)
{
	u64 left = vec->n_pages - vec->n_done;
	gfn_t gfn = vec->gfn + vec->n_done;
	struct batch batch = { .n = 0 };
	bool zero = vec->flags & KVM_DP_VEC_ZERO;
	u32 filled = KVM_DP_OK;
	struct kvm *kvm;
	int r = 0;

	if (!zero) {
		filled = batch_fill(&batch, min_t(u64, left, BATCH),
				    u64_to_user_ptr(vec->addr + vec->n_done * PAGE_SIZE));
		if (!batch.n) {
			vec->result = filled;
			return 0;
		}
	}

	kvm = kvm_dp_enter(dp);
	if (!kvm) {
		r = -ENODEV;
		goto out;
	}
	if (dp->frozen)
		r = -EBUSY;
	else if (!vm_is_supported(kvm))
		r = -EOPNOTSUPP;
	else if (zero)
		vec->result = populate_zero(kvm, dp, gfn,
					    min_t(u64, left, block_left(gfn)), vec);
	else
		vec->result = populate_batch(kvm, dp, gfn, &batch, vec) ?: filled;
	kvm_dp_leave(dp);
out:
	batch_put(&batch);
	return r;
}

static int extract_step(struct kvm_dp *dp, struct kvm_dp_vec *vec)
{
	char __user *to = u64_to_user_ptr(vec->addr + vec->n_done * PAGE_SIZE);
	u64 left = vec->n_pages - vec->n_done;
	struct batch batch = { .n = 0 };
	u32 result = KVM_DP_OK;
	unsigned long i;
	struct kvm *kvm;
	u64 n_freezes;
	int r = 0;

	kvm = kvm_dp_enter(dp);
	if (!kvm)
		return -ENODEV;
	n_freezes = dp->n_freezes;
	if (!vm_is_supported(kvm))
		r = -EOPNOTSUPP;
	else if (!dp->frozen)
		r = -EBUSY;
	else
		result = extract_collect(kvm, dp, vec->gfn + vec->n_done,
					 min_t(u64, left, BATCH), &batch);
	kvm_dp_leave(dp);
	if (r)
		return r;

	for (i = 0; i < batch.n; i++) {
		if (!copy_out(batch.folios[i], to + i * PAGE_SIZE)) {
			result = KVM_DP_FAULT;
			break;
		}
	}

	/* Thawed meanwhile: what was copied may be torn. */
	if (!kvm_dp_enter(dp)) {
		r = -ENODEV;
	} else {
		if (!dp->frozen || dp->n_freezes != n_freezes)
			r = -EBUSY;
		kvm_dp_leave(dp);
	}
	if (!r) {
		vec->n_done += i;
		vec->result = result;
		while (i--)
			vec->n_skipped += !batch.folios[i];
	}
	batch_put(&batch);
	return r;
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
		if (!vec_is_valid(&vec, step == populate_step)) {
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
	return transfer(dp, uargs, populate_step);
}

int kvm_dp_extract(struct kvm_dp *dp, struct kvm_dp_transfer __user *uargs)
{
	return transfer(dp, uargs, extract_step);
}

/* Is there a page, or would a present GFN read as zero? */
bool kvm_dp_gmem_is_backed(struct kvm_memory_slot *slot, gfn_t gfn)
{
	struct folio *folio;
	struct file *file;
	bool backed;

	if (!kvm_dp_slot_is_paged(slot) || !kvm_slot_can_be_private(slot))
		return false;

	file = kvm_gmem_get_file(slot);
	if (!file)
		return false;

	folio = filemap_get_folio(file->f_mapping,
				  gfn - slot->base_gfn + slot->gmem.pgoff);
	backed = !IS_ERR(folio) && folio_test_uptodate(folio);
	if (!IS_ERR(folio))
		folio_put(folio);
	fput(file);
	return backed;
}

static int mark_all(struct kvm_dp *dp, bool missing, gfn_t gfn, u64 n)
{
	unsigned long step;
	u64 n_changed = 0;
	int r;

	for (; n; gfn += step, n -= step) {
		step = min_t(u64, n, block_left(gfn));
		if (missing)
			r = kvm_presence_mark_missing(&dp->presence, gfn, step,
						      NULL, 0, &n_changed);
		else
			r = kvm_presence_mark_present(&dp->presence, gfn, step,
						      NULL, 0, &n_changed);
		if (r)
			return r;
		cond_resched();
	}
	return 0;
}

/*
 * Truncate and change presence as one step, under the invalidate lock:
 * PUNCH_HOLE and a mark as two would let the guest read zeros in between.
 */
static int discard_slot(struct kvm_dp *dp, struct target *t, gfn_t gfn, u64 n,
			bool evict)
{
	loff_t offset = (loff_t)target_index(t, gfn) << PAGE_SHIFT;
	int r = 0;

	filemap_invalidate_lock(t->mapping);
	if (evict)
		r = mark_all(dp, true, gfn, n);
	if (!r)
		kvm_gmem_punch_hole_locked(file_inode(t->file), offset,
					   n << PAGE_SHIFT);
	if (!r && !evict)
		r = mark_all(dp, false, gfn, n);
	filemap_invalidate_unlock(t->mapping);

	if (!evict)
		kvm_dp_wake(dp, gfn, n);
	return r;
}

/* Every GFN private and in guest_memfd? */
static bool range_is_private(struct kvm *kvm, gfn_t gfn, u64 n)
{
	struct target t;
	u64 i;

	for (i = 0; i < n; i++) {
		if (!kvm_mem_is_private(kvm, gfn + i))
			return false;
		if (target_get(kvm, gfn + i, &t))
			return false;
		target_put(kvm, &t);
		cond_resched();
	}
	return true;
}

int kvm_dp_discard(struct kvm_dp *dp, struct kvm_dp_discard __user *uargs)
{
	struct kvm_dp_discard args;
	struct target t;
	struct kvm *kvm;
	gfn_t gfn;
	u64 left, n;
	int r = 0;

	if (copy_from_user(&args, uargs, sizeof(args)))
		return -EFAULT;
	if (args.pad || args.reserved[0] || args.reserved[1] ||
	    args.flags & ~KVM_DP_DISCARD_EVICT || !args.n_pages ||
	    args.gfn + args.n_pages < args.gfn)
		return -EINVAL;

	kvm = kvm_dp_enter(dp);
	if (!kvm)
		return -ENODEV;

	if (dp->frozen)
		r = -EBUSY;
	else if (!vm_is_supported(kvm))
		r = -EOPNOTSUPP;
	else if (!range_is_private(kvm, args.gfn, args.n_pages))
		r = -EINVAL;

	gfn = args.gfn;
	left = args.n_pages;
	while (!r && left) {
		if (target_get(kvm, gfn, &t)) {
			r = -EINVAL;
			break;
		}
		n = min_t(u64, left, target_left(&t, gfn));
		r = discard_slot(dp, &t, gfn, n, args.flags & KVM_DP_DISCARD_EVICT);
		target_put(kvm, &t);
		gfn += n;
		left -= n;
	}
	if (args.flags & KVM_DP_DISCARD_EVICT)
		synchronize_srcu(&dp->srcu);
	kvm_dp_leave(dp);
	return r;
}
