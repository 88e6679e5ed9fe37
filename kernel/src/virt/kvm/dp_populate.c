// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging: moving pages into guest_memfd.
 *
 * Populate copies from its caller with no lock held (the source may itself be
 * paged by somebody slow), into folios that nobody else knows.  Then, holding
 * the file's invalidate lock shared (no PUNCH_HOLE, no discard, no unbind) and
 * the folio's lock, "is it missing", insert and mark present are one step: a
 * page that the guest may have written is never overwritten, and a page is never
 * visible before its contents.
 */
#include <linux/highmem.h>
#include <linux/pagemap.h>
#include <linux/uaccess.h>

#include "dp_gmem.h"

/* Allocate and fill up to @want folios.  On failure what was filled is kept. */
static u32 batch_fill(struct kvm_dp_batch *batch, unsigned long want,
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
static u32 populate_page(struct kvm *kvm, struct kvm_dp *dp, struct kvm_dp_target *t,
			 gfn_t gfn, struct folio *new, bool *ret_skipped)
{
	pgoff_t index = kvm_dp_target_index(t, gfn);
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
			  struct kvm_dp_batch *batch, struct kvm_dp_vec *vec)
{
	struct kvm_dp_target t;
	unsigned long i, n;
	bool skipped;
	u32 result;

	result = kvm_dp_target_get(kvm, gfn, &t);
	if (result)
		return result;

	n = min(batch->n, kvm_dp_target_left(&t, gfn));
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
	kvm_dp_target_put(kvm, &t);

	if (i)
		kvm_dp_wake(dp, gfn, i);
	return result;
}

/* An evicted page may still be in the file: it must read as zero. */
static u32 clear_cached(struct kvm_dp *dp, struct kvm_dp_target *t, gfn_t gfn,
			unsigned long n)
{
	pgoff_t index = kvm_dp_target_index(t, gfn);
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
	struct kvm_dp_target t;
	unsigned long i;
	u32 result;

	result = kvm_dp_target_get(kvm, gfn, &t);
	if (result)
		return result;

	n = min(n, kvm_dp_target_left(&t, gfn));
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
	kvm_dp_target_put(kvm, &t);

	vec->n_done += n;
	vec->n_skipped += n - min_t(u64, n, n_before);
	if (n)
		kvm_dp_wake(dp, gfn, n);
	return result;
}

int kvm_dp_populate_step(struct kvm_dp *dp, struct kvm_dp_vec *vec)
{
	u64 left = vec->n_pages - vec->n_done;
	gfn_t gfn = vec->gfn + vec->n_done;
	struct kvm_dp_batch batch = { .n = 0 };
	bool zero = vec->flags & KVM_DP_VEC_ZERO;
	u32 filled;
	struct kvm *kvm;
	int r = 0;

	if (!zero) {
		filled = batch_fill(&batch, min_t(u64, left, KVM_DP_BATCH),
				    u64_to_user_ptr(vec->addr + vec->n_done * PAGE_SIZE));
		/* What was filled comes first; the next step meets the error again. */
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
	else if (!kvm_arch_gmem_accessible(kvm))
		r = -EOPNOTSUPP;
	else if (zero)
		vec->result = populate_zero(kvm, dp, gfn,
					    min_t(u64, left, kvm_dp_block_left(gfn)), vec);
	else
		vec->result = populate_batch(kvm, dp, gfn, &batch, vec);
	kvm_dp_leave(dp);
out:
	kvm_dp_batch_put(&batch);
	return r;
}
