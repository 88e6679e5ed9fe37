// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging: moving pages into guest_memfd.
 *
 * Populate copies from its caller with no lock held (the source may itself be
 * paged by somebody slow), into folios that nobody else knows.  Then, holding
 * dp->sem for reading (no GFN is marked missing), the file's invalidate lock shared
 * (none is evicted; no PUNCH_HOLE, no unbind) and the folios' locks, "is it
 * missing", insert and mark present are one step for a whole batch: a page that
 * the guest may have written is never overwritten, and a page is never visible
 * before its contents.  Folios are locked in the order of their index.
 */
#include <linux/highmem.h>
#include <linux/pagemap.h>
#include <linux/uaccess.h>

#include "dp_gmem.h"
#include "kvm_mm.h"

#include <trace/events/kvm_dp.h>

/* No mempolicy, here and below: the pager's is not the guest's. */
static noinline_for_stack unsigned long alloc_folios(struct folio **folios,
						     unsigned long want)
{
	struct page *pages[KVM_DP_BATCH] = {};
	unsigned long i, n;

	n = alloc_pages_bulk_array(GFP_HIGHUSER, want, pages);
	for (i = 0; i < n; i++)
		folios[i] = page_folio(pages[i]);
	return n;
}

/* Returns how many it got. */
static unsigned long batch_alloc(struct kvm_dp_batch *batch, unsigned long want)
{
	if (want > 1) {
		batch->n = alloc_folios(batch->folios, want);
	} else {
		batch->folios[0] = __folio_alloc_node(GFP_HIGHUSER, 0,
						      numa_mem_id());
		batch->n = !!batch->folios[0];
	}
	return batch->n;
}

/*
 * Allocate up to @want folios and fill them; *@ret_filled says how many were.
 * If it is less than allocated, the next one cannot be read.
 */
static u32 batch_fill(struct kvm_dp_batch *batch, unsigned long want,
		      const void __user *from, unsigned long *ret_filled)
{
	unsigned long i, left;
	void *to;

	*ret_filled = 0;
	if (!batch_alloc(batch, want))
		return KVM_DP_NOMEM;

	for (i = 0; i < batch->n; i++) {
		to = kmap_local_folio(batch->folios[i], 0);
		left = __copy_from_user(to, from + i * PAGE_SIZE, PAGE_SIZE);
		kunmap_local(to);
		if (left)
			break;
	}
	*ret_filled = i;
	return i ? KVM_DP_OK : KVM_DP_FAULT;
}

/*
 * The folio is locked.  Returns false if @gfn is to be left alone: *@ret_result says
 * why, KVM_DP_OK if somebody was quicker.
 */
static bool copy_into(struct kvm_dp *dp, gfn_t gfn, struct folio *folio,
		      pgoff_t index, struct folio *new, u32 *ret_result)
{
	struct page *page = folio_file_page(folio, index);

	*ret_result = KVM_DP_OK;
	if (!kvm_presence_is_missing(&dp->presence, gfn))
		return false;
	if (PageHWPoison(page)) {
		*ret_result = KVM_DP_POISONED;
		return false;
	}
	copy_highpage(page, folio_page(new, 0));
	folio_mark_uptodate(folio);
	return true;
}

/*
 * Put *@new, or its contents if there is a folio already, at the place of a missing
 * @gfn.  Returns false if that was not done: *@ret_result says why, KVM_DP_OK if
 * somebody was quicker.  *@huge, if not NULL, is locked and has the place; it is
 * set if such a folio is met.  Else *@new then is the folio that has the place,
 * locked.
 */
static bool insert(struct kvm_dp *dp, struct kvm_dp_target *t, gfn_t gfn,
		   struct folio **new, struct folio **huge, u32 *ret_result)
{
	pgoff_t index = kvm_dp_target_index(t, gfn);
	struct folio *folio;
	int r;

	if (*huge)
		return copy_into(dp, gfn, *huge, index, *new, ret_result);
again:
	*ret_result = KVM_DP_OK;
	r = filemap_add_folio(t->mapping, *new, index,
			      mapping_gfp_mask(t->mapping));
	if (!r) {
		folio_mark_uptodate(*new);
		return true;
	}
	if (r != -EEXIST) {
		*ret_result = KVM_DP_NOMEM;
		return false;
	}

	folio = filemap_lock_folio(t->mapping, index);
	if (IS_ERR(folio))
		goto again;
	if (folio_test_large(folio)) {
		*huge = folio;
		return copy_into(dp, gfn, folio, index, *new, ret_result);
	}
	if (!copy_into(dp, gfn, folio, index, *new, ret_result)) {
		folio_unlock(folio);
		folio_put(folio);
		return false;
	}
	folio_put(*new);
	*new = folio;
	return true;
}

/* The huge folio of @gfn and its neighbours, locked; NULL if they have none. */
static struct folio *grab_huge(struct kvm_dp_target *t, gfn_t gfn)
{
	struct folio *folio;

	if (!t->slot->gmem.huge)
		return NULL;

	folio = kvm_gmem_get_folio(file_inode(t->file),
				   kvm_dp_target_index(t, gfn));
	if (IS_ERR(folio))
		return NULL;
	if (folio_test_large(folio))
		return folio;

	folio_unlock(folio);
	folio_put(folio);
	return NULL;
}

/* How many of the GFNs come before the first that is missing and not private? */
static unsigned long n_private(struct kvm *kvm, gfn_t gfn, unsigned long n,
			       const unsigned long *missing)
{
	unsigned long i;

	if (n == 1)
		return !(*missing & 1) || kvm_mem_is_private(kvm, gfn);
	if (kvm_range_has_memory_attributes(kvm, gfn, gfn + n,
					    KVM_MEMORY_ATTRIBUTE_PRIVATE,
					    KVM_MEMORY_ATTRIBUTE_PRIVATE))
		return n;

	for_each_set_bit(i, missing, n) {
		if (!kvm_mem_is_private(kvm, gfn + i))
			return i;
	}
	return n;
}

/*
 * How many of the GFNs come before the first that is missing and may not be
 * populated?  If that is not all of them, *@ret_result says why.
 */
static unsigned long n_allowed(struct kvm *kvm, struct kvm_dp *dp, gfn_t gfn,
			       unsigned long n, const unsigned long *missing,
			       u32 *ret_result)
{
	unsigned long private = n_private(kvm, gfn, n, missing);
	unsigned long sound = kvm_dp_next_poison(dp, gfn, private);

	if (sound < private)
		*ret_result = KVM_DP_POISONED;
	else if (private < n)
		*ret_result = KVM_DP_KIND_CHANGED;
	return sound;
}

/*
 * Make the missing ones of GFNs [@gfn, @gfn + @n), all in one block, present with
 * the contents of @batch, whose folios may be exchanged for others.  Adds what was
 * done to @vec.
 */
static u32 populate_pages(struct kvm *kvm, struct kvm_dp *dp,
			  struct kvm_dp_target *t, gfn_t gfn, unsigned long n,
			  struct kvm_dp_batch *batch, struct kvm_dp_vec *vec)
{
	unsigned long missing, changed, inserted = 0, locked = 0;
	struct kvm_presence_cursor cursor = {};
	struct kvm_presence_range range = { .gfn = gfn, .cursor = &cursor };
	struct folio *huge = NULL;
	u32 result = KVM_DP_OK;
	u64 n_changed = 0;
	unsigned long i;
	bool failed;

	if (n > 1)
		kvm_presence_get(&dp->presence, gfn, n, &missing);
	else
		missing = kvm_presence_is_missing_near(&dp->presence, &cursor, gfn);
	if (!missing)
		goto skip;
	range.n = n_allowed(kvm, dp, gfn, n, &missing, &result);

	if (range.n)
		huge = grab_huge(t, gfn);
	for (i = 0; i < range.n; i++) {
		if (!(missing & BIT(i)))
			continue;
		if (insert(dp, t, gfn + i, &batch->folios[i], &huge, &result))
			inserted |= BIT(i);
		else if (result)
			break;
		if (!huge)
			locked |= inserted & BIT(i);
	}
	range.n = i;
	if (!range.n)
		goto out;

	failed = kvm_presence_mark_present(&dp->presence, &range, &changed,
					   &n_changed);
	/*
	 * A populate with zeros needs no folio and came first, or there was no
	 * memory to note the change.  Zeros are right for the one, and not seen by
	 * anybody for the other.
	 */
	inserted &= ~changed;
	for_each_set_bit(i, &inserted, range.n)
		clear_highpage(folio_file_page(locked & BIT(i) ? batch->folios[i] : huge,
					       kvm_dp_target_index(t, gfn + i)));
	for_each_set_bit(i, &locked, range.n)
		folio_unlock(batch->folios[i]);
	if (failed) {
		result = KVM_DP_NOMEM;
		goto out;
	}

	vec->n_done += range.n;
	vec->n_skipped += range.n - n_changed;
	atomic64_add(n_changed, &kvm->stat.generic.dp_populated);
	trace_kvm_dp_populate(gfn, range.n, n_changed, result);
out:
	if (huge) {
		folio_unlock(huge);
		folio_put(huge);
	}
	return result;
skip:
	vec->n_done += n;
	vec->n_skipped += n;
	return KVM_DP_OK;
}

/* Once a block is complete that has a huge folio, its mapping can be huge. */
static void collapse(struct kvm *kvm, struct kvm_dp *dp, gfn_t gfn,
		     const struct kvm_dp_vec *vec, const struct kvm_dp_vec *before)
{
	if (vec->n_done - before->n_done > vec->n_skipped - before->n_skipped &&
	    !kvm_presence_any_block(&dp->presence, gfn, gfn + 1))
		kvm_dp_collapse_complete(kvm, dp, gfn, 1);
}

static u32 populate_batch(struct kvm *kvm, struct kvm_dp *dp, gfn_t gfn,
			  unsigned long n, struct kvm_dp_batch *batch,
			  struct kvm_dp_vec *vec)
{
	const struct kvm_dp_vec before = *vec;
	struct kvm_dp_target t;
	bool huge = false;
	u32 result;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	result = kvm_dp_target_get(kvm, gfn, &t);
	if (!result) {
		n = min(n, kvm_dp_target_left(&t, gfn));
		filemap_invalidate_lock_shared(t.mapping);
		result = populate_pages(kvm, dp, &t, gfn, n, batch, vec);
		huge = t.slot->gmem.huge;
		filemap_invalidate_unlock_shared(t.mapping);
		kvm_dp_target_put(&t);
	}
	srcu_read_unlock(&kvm->srcu, idx);

	if (vec->n_done > before.n_done)
		kvm_dp_wake(dp, gfn, vec->n_done - before.n_done, true);
	if (huge)
		collapse(kvm, dp, gfn, vec, &before);
	return result;
}

/*
 * An evicted page may still be in the file: it must read as zero, and is present
 * from here on, before its folio is unlocked.
 */
static u32 clear_cached(struct kvm_dp *dp, struct kvm_dp_target *t, gfn_t gfn,
			unsigned long n, u64 *n_changed)
{
	struct kvm_presence_range range = { .n = 1 };
	pgoff_t index = kvm_dp_target_index(t, gfn);
	pgoff_t end = index + n;
	struct folio *folio;
	int r;

	for (; xa_find(&t->mapping->i_pages, &index, end - 1, XA_PRESENT); index++) {
		folio = filemap_lock_folio(t->mapping, index);
		if (IS_ERR(folio))
			continue;
		r = 0;
		range.gfn = gfn + n - (end - index);
		if (kvm_presence_is_missing(&dp->presence, range.gfn)) {
			clear_highpage(folio_file_page(folio, index));
			folio_mark_uptodate(folio);
			r = kvm_presence_mark_present(&dp->presence, &range, NULL,
						      n_changed);
		}
		folio_unlock(folio);
		folio_put(folio);
		if (r)
			return KVM_DP_NOMEM;
	}
	return KVM_DP_OK;
}

/* GFNs of one block.  Holes become present as they are. */
static u32 zero_pages(struct kvm *kvm, struct kvm_dp *dp, struct kvm_dp_target *t,
		      gfn_t gfn, unsigned long n, struct kvm_dp_vec *vec)
{
	DECLARE_BITMAP(missing, KVM_PRESENCE_BLOCK_GFNS);
	struct kvm_presence_range range = { .gfn = gfn };
	u32 result = KVM_DP_OK;
	u64 n_changed = 0;

	kvm_presence_get(&dp->presence, gfn, n, missing);
	range.n = n_allowed(kvm, dp, gfn, n, missing, &result);
	if (!range.n)
		return result;

	if (clear_cached(dp, t, gfn, range.n, &n_changed) ||
	    kvm_presence_mark_present(&dp->presence, &range, NULL, &n_changed)) {
		range.n = 0;
		result = KVM_DP_NOMEM;
	}

	vec->n_done += range.n;
	vec->n_skipped += range.n - min_t(u64, range.n, n_changed);
	atomic64_add(n_changed, &kvm->stat.generic.dp_populated);
	trace_kvm_dp_populate(gfn, range.n, n_changed, result);
	return result;
}

static u32 populate_zero(struct kvm *kvm, struct kvm_dp *dp, gfn_t gfn,
			 unsigned long n, struct kvm_dp_vec *vec)
{
	const struct kvm_dp_vec before = *vec;
	struct kvm_dp_target t;
	bool huge = false;
	u32 result;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	result = kvm_dp_target_get(kvm, gfn, &t);
	if (!result) {
		n = min(n, kvm_dp_target_left(&t, gfn));
		filemap_invalidate_lock_shared(t.mapping);
		result = zero_pages(kvm, dp, &t, gfn, n, vec);
		huge = t.slot->gmem.huge;
		filemap_invalidate_unlock_shared(t.mapping);
		kvm_dp_target_put(&t);
	}
	srcu_read_unlock(&kvm->srcu, idx);

	/* Also if it failed half-way, some may have become present. */
	kvm_dp_wake(dp, gfn, n, false);
	if (huge)
		collapse(kvm, dp, gfn, vec, &before);
	return result;
}

int kvm_dp_populate_step(struct kvm_dp *dp, struct kvm_dp_vec *vec)
{
	u64 left = vec->n_pages - vec->n_done;
	gfn_t gfn = vec->gfn + vec->n_done;
	unsigned long n = min_t(u64, left, kvm_dp_block_left(gfn));
	bool zero = vec->flags & KVM_DP_VEC_ZERO;
	struct kvm_dp_batch batch __uninitialized;
	struct kvm *kvm;
	int r = 0;

	batch.n = 0;
	if (!zero) {
		n = min_t(unsigned long, n, KVM_DP_BATCH);
		/* What was filled comes first; the next step meets the error again. */
		vec->result = batch_fill(&batch, n,
					 u64_to_user_ptr(vec->addr + vec->n_done * PAGE_SIZE),
					 &n);
		if (vec->result)
			goto out;
	}

	kvm = kvm_dp_enter(dp);
	if (!kvm) {
		r = -ENODEV;
		goto out;
	}
	if (dp->frozen)
		r = -EBUSY;
	else if (!kvm_arch_gmem_accessible(kvm))
		r = -EOPNOTSUPP;
	else if (zero)
		vec->result = populate_zero(kvm, dp, gfn, n, vec);
	else
		vec->result = populate_batch(kvm, dp, gfn, n, &batch, vec);
	kvm_dp_leave(dp);
out:
	kvm_dp_batch_put(&batch);
	return r;
}
