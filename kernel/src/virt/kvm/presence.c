// SPDX-License-Identifier: GPL-2.0-only
/* Which GFNs of a VM are missing.  See presence.h. */
#include <linux/bitmap.h>
#include <linux/slab.h>

#include "presence.h"

struct kvm_presence_leaf {
	struct rcu_head rcu;
	unsigned int n_missing;
	DECLARE_BITMAP(missing, KVM_PRESENCE_BLOCK_GFNS);
};

#define ALL_MISSING	xa_mk_value(1)

static unsigned long block_index(gfn_t gfn)
{
	return gfn >> KVM_PRESENCE_BLOCK_SHIFT;
}

static unsigned long block_offset(gfn_t gfn)
{
	return gfn & (KVM_PRESENCE_BLOCK_GFNS - 1);
}

static bool within_block(gfn_t gfn, unsigned long n)
{
	return n && block_offset(gfn) + n <= KVM_PRESENCE_BLOCK_GFNS;
}

void kvm_presence_init(struct kvm_presence *presence)
{
	xa_init_flags(&presence->blocks, XA_FLAGS_ACCOUNT);
	presence->n_missing = 0;
}

/* Nobody else uses @presence any more. */
void kvm_presence_destroy(struct kvm_presence *presence)
{
	unsigned long index;
	void *entry;

	xa_for_each(&presence->blocks, index, entry) {
		if (!xa_is_value(entry))
			kfree(entry);
	}
	xa_destroy(&presence->blocks);
}

u64 kvm_presence_n_missing(struct kvm_presence *presence)
{
	u64 n;

	xa_lock(&presence->blocks);
	n = presence->n_missing;
	xa_unlock(&presence->blocks);
	return n;
}

bool __kvm_presence_is_missing(struct kvm_presence *presence, gfn_t gfn)
{
	struct kvm_presence_leaf *leaf;
	bool missing = false;
	void *entry;

	rcu_read_lock();
	entry = xa_load(&presence->blocks, block_index(gfn));
	if (entry) {
		leaf = entry;
		missing = xa_is_value(entry) ||
			  test_bit(block_offset(gfn), leaf->missing);
	}
	rcu_read_unlock();

	return missing;
}

/* Any block of [@start, @end) that is not complete?  Coarse: by whole blocks. */
bool kvm_presence_any_missing(struct kvm_presence *presence, gfn_t start,
			      gfn_t end)
{
	unsigned long index = block_index(start);

	return xa_find(&presence->blocks, &index, block_index(end - 1),
		       XA_PRESENT);
}

void kvm_presence_get(struct kvm_presence *presence, gfn_t gfn, unsigned long n,
		      unsigned long *ret_bitmap)
{
	struct kvm_presence_leaf *leaf;
	unsigned long i;
	void *entry;

	if (WARN_ON_ONCE(!within_block(gfn, n)))
		return;

	bitmap_zero(ret_bitmap, n);

	rcu_read_lock();
	entry = xa_load(&presence->blocks, block_index(gfn));
	if (xa_is_value(entry)) {
		bitmap_set(ret_bitmap, 0, n);
	} else if (entry) {
		leaf = entry;
		for (i = 0; i < n; i++) {
			if (test_bit(block_offset(gfn) + i, leaf->missing))
				__set_bit(i, ret_bitmap);
		}
	}
	rcu_read_unlock();
}

/* The part of @bitmap that selects GFNs of the block, at their place in it. */
static void select_gfns(gfn_t gfn, unsigned long n, const unsigned long *bitmap,
			unsigned long bit, unsigned long *ret_selected)
{
	unsigned long i;

	bitmap_zero(ret_selected, KVM_PRESENCE_BLOCK_GFNS);
	if (!bitmap) {
		bitmap_set(ret_selected, block_offset(gfn), n);
		return;
	}

	for (i = 0; i < n; i++) {
		if (test_bit(bit + i, bitmap))
			__set_bit(block_offset(gfn) + i, ret_selected);
	}
}

static struct kvm_presence_leaf *leaf_alloc(void)
{
	return kzalloc(sizeof(struct kvm_presence_leaf), GFP_KERNEL_ACCOUNT);
}

static void leaf_set(struct kvm_presence_leaf *leaf,
		     const unsigned long *selected)
{
	unsigned long i;

	for_each_set_bit(i, selected, KVM_PRESENCE_BLOCK_GFNS) {
		if (!test_and_set_bit(i, leaf->missing))
			leaf->n_missing++;
	}
}

static void leaf_clear(struct kvm_presence_leaf *leaf,
		       const unsigned long *selected)
{
	unsigned long i;

	for_each_set_bit(i, selected, KVM_PRESENCE_BLOCK_GFNS) {
		if (test_and_clear_bit(i, leaf->missing))
			leaf->n_missing--;
	}
}

static unsigned int entry_n_missing(void *entry)
{
	if (!entry)
		return 0;
	if (xa_is_value(entry))
		return KVM_PRESENCE_BLOCK_GFNS;
	return ((struct kvm_presence_leaf *)entry)->n_missing;
}

/*
 * Replace the entry of a block.  The slot exists already (it holds an entry or
 * was reserved), so that this neither allocates nor fails.
 */
static void replace_entry(struct kvm_presence *presence, unsigned long index,
			  void *old, void *new)
{
	if (new)
		__xa_store(&presence->blocks, index, new, 0);
	else
		__xa_erase(&presence->blocks, index);

	if (old && old != new && !xa_is_value(old))
		kfree_rcu((struct kvm_presence_leaf *)old, rcu);
}

int kvm_presence_mark_missing(struct kvm_presence *presence, gfn_t gfn,
			      unsigned long n, const unsigned long *bitmap,
			      unsigned long bit, u64 *n_changed)
{
	DECLARE_BITMAP(selected, KVM_PRESENCE_BLOCK_GFNS);
	unsigned long index = block_index(gfn);
	struct kvm_presence_leaf *spare = NULL;
	unsigned int before, after;
	void *entry;
	int r;

	if (WARN_ON_ONCE(!within_block(gfn, n)))
		return -EINVAL;

	select_gfns(gfn, n, bitmap, bit, selected);
	if (bitmap_empty(selected, KVM_PRESENCE_BLOCK_GFNS))
		return 0;

	if (!bitmap_full(selected, KVM_PRESENCE_BLOCK_GFNS)) {
		spare = leaf_alloc();
		if (!spare)
			return -ENOMEM;
	}

	/*
	 * A concurrent mark-present may erase the reserved slot again; then
	 * there is nothing to store into, and it takes another round.
	 */
	do {
		r = xa_reserve(&presence->blocks, index, GFP_KERNEL_ACCOUNT);
		if (r) {
			kfree(spare);
			return r;
		}

		xa_lock(&presence->blocks);
		entry = xa_load(&presence->blocks, index);
		before = entry_n_missing(entry);
		if (!spare) {
			r = xa_err(__xa_store(&presence->blocks, index,
					      ALL_MISSING, 0));
			if (!r && entry && !xa_is_value(entry))
				kfree_rcu((struct kvm_presence_leaf *)entry, rcu);
		} else if (!entry) {
			leaf_set(spare, selected);
			r = xa_err(__xa_store(&presence->blocks, index, spare, 0));
			if (!r)
				spare = NULL;
		} else if (!xa_is_value(entry)) {
			leaf_set(entry, selected);
			if (entry_n_missing(entry) == KVM_PRESENCE_BLOCK_GFNS)
				replace_entry(presence, index, entry, ALL_MISSING);
		}
		if (!r) {
			after = entry_n_missing(xa_load(&presence->blocks, index));
			presence->n_missing += after - before;
			*n_changed += after - before;
		}
		xa_unlock(&presence->blocks);
	} while (r == -ENOMEM);

	kfree(spare);
	return r;
}

int kvm_presence_mark_present(struct kvm_presence *presence, gfn_t gfn,
			      unsigned long n, const unsigned long *bitmap,
			      unsigned long bit, u64 *n_changed)
{
	DECLARE_BITMAP(selected, KVM_PRESENCE_BLOCK_GFNS);
	unsigned long index = block_index(gfn);
	struct kvm_presence_leaf *spare = NULL;
	struct kvm_presence_leaf *leaf;
	unsigned int before, after;
	void *entry;

	if (WARN_ON_ONCE(!within_block(gfn, n)))
		return -EINVAL;

	select_gfns(gfn, n, bitmap, bit, selected);
again:
	xa_lock(&presence->blocks);
	entry = xa_load(&presence->blocks, index);
	if (xa_is_value(entry) &&
	    !bitmap_full(selected, KVM_PRESENCE_BLOCK_GFNS)) {
		if (!spare) {
			xa_unlock(&presence->blocks);
			spare = leaf_alloc();
			if (!spare)
				return -ENOMEM;
			goto again;
		}
		bitmap_fill(spare->missing, KVM_PRESENCE_BLOCK_GFNS);
		spare->n_missing = KVM_PRESENCE_BLOCK_GFNS;
		replace_entry(presence, index, entry, spare);
		entry = spare;
		spare = NULL;
	}

	before = entry_n_missing(entry);
	after = 0;
	if (xa_is_value(entry)) {
		replace_entry(presence, index, entry, NULL);
	} else if (entry) {
		leaf = entry;
		leaf_clear(leaf, selected);
		after = leaf->n_missing;
		if (!after)
			replace_entry(presence, index, leaf, NULL);
	}
	presence->n_missing -= before - after;
	*n_changed += before - after;
	xa_unlock(&presence->blocks);

	kfree(spare);
	return 0;
}
