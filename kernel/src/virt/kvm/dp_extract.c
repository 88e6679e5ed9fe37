// SPDX-License-Identifier: GPL-2.0-only
/* KVM demand paging: reading the private pages of a frozen VM. */
#include <linux/highmem.h>
#include <linux/pagemap.h>
#include <linux/uaccess.h>

#include "dp_gmem.h"

/* Find the folio of one GFN of a frozen VM; NULL for a hole. */
static u32 extract_find(struct kvm *kvm, struct kvm_dp *dp, struct kvm_dp_target *t,
			gfn_t gfn, struct folio **ret_folio)
{
	pgoff_t index = kvm_dp_target_index(t, gfn);
	struct folio *folio;

	if (!kvm_mem_is_private(kvm, gfn))
		return KVM_DP_KIND_CHANGED;
	if (kvm_presence_is_missing(&dp->presence, gfn))
		return kvm_dp_is_poisoned(dp, gfn) ? KVM_DP_POISONED :
						     KVM_DP_MISSING;

	folio = filemap_get_folio(t->mapping, index);
	if (IS_ERR(folio)) {
		*ret_folio = NULL;
		return KVM_DP_OK;
	}
	if (PageHWPoison(folio_file_page(folio, index))) {
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
			   unsigned long want, struct kvm_dp_batch *batch)
{
	struct kvm_dp_target t;
	u32 result;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	result = kvm_dp_target_get(kvm, gfn, &t);
	if (result)
		goto out;

	want = min(want, kvm_dp_target_left(&t, gfn));
	batch->index = kvm_dp_target_index(&t, gfn);
	for (batch->n = 0; batch->n < want; batch->n++) {
		result = extract_find(kvm, dp, &t, gfn + batch->n,
				      &batch->folios[batch->n]);
		if (result)
			break;
	}
	kvm_dp_target_put(&t);
out:
	srcu_read_unlock(&kvm->srcu, idx);
	return result;
}

static bool copy_out(struct folio *folio, pgoff_t index, void __user *to)
{
	unsigned long left;
	void *from;

	if (!folio)
		return !clear_user(to, PAGE_SIZE);

	from = kmap_local_folio(folio, offset_in_folio(folio, (loff_t)index << PAGE_SHIFT));
	left = __copy_to_user(to, from, PAGE_SIZE);
	kunmap_local(from);
	return !left;
}

int kvm_dp_extract_step(struct kvm_dp *dp, struct kvm_dp_vec *vec)
{
	char __user *to = u64_to_user_ptr(vec->addr + vec->n_done * PAGE_SIZE);
	u64 left = vec->n_pages - vec->n_done;
	struct kvm_dp_batch batch = { .n = 0 };
	u32 result = KVM_DP_OK;
	unsigned long i;
	struct kvm *kvm;
	u64 n_freezes;
	int r = 0;

	kvm = kvm_dp_enter(dp);
	if (!kvm)
		return -ENODEV;
	n_freezes = dp->n_freezes;
	if (!kvm_arch_gmem_accessible(kvm))
		r = -EOPNOTSUPP;
	else if (!dp->frozen)
		r = -EBUSY;
	else
		result = extract_collect(kvm, dp, vec->gfn + vec->n_done,
					 min_t(u64, left, KVM_DP_BATCH), &batch);
	kvm_dp_leave(dp);
	if (r)
		return r;

	for (i = 0; i < batch.n; i++) {
		if (!copy_out(batch.folios[i], batch.index + i,
			      to + i * PAGE_SIZE)) {
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
	kvm_dp_batch_put(&batch);
	return r;
}
