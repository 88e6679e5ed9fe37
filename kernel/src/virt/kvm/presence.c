// SPDX-License-Identifier: GPL-2.0-only
/* Which GFNs of a VM are missing.  See presence.h. */
#include <linux/bitmap.h>
#include <linux/slab.h>

#include "presence.h"

/* No count and no rcu_head, so that it is 64 bytes. */
struct kvm_presence_leaf {
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

/* Is any block that [@start, @end) touches not complete? */
bool kvm_presence_any_block(struct kvm_presence *presence, gfn_t start, gfn_t end)
{
	unsigned long index = block_index(start);

	if (index == block_index(end - 1))
		return xa_load(&presence->blocks, index);

	return xa_find(&presence->blocks, &index, block_index(end - 1),
		       XA_PRESENT);
}

/* Is any GFN of [@start, @end) missing? */
bool kvm_presence_any_missing(struct kvm_presence *presence, gfn_t start,
			      gfn_t end)
{
	struct kvm_presence_leaf *leaf;
	unsigned long index, from, to;
	bool found = false;
	void *entry;

	rcu_read_lock();
	xa_for_each_range(&presence->blocks, index, entry, block_index(start),
			  block_index(end - 1)) {
		from = index == block_index(start) ? block_offset(start) : 0;
		to = index == block_index(end - 1) ? block_offset(end - 1) + 1 :
						     KVM_PRESENCE_BLOCK_GFNS;
		leaf = entry;
		found = xa_is_value(entry) ||
			find_next_bit(leaf->missing, to, from) < to;
		if (found)
			break;
	}
	rcu_read_unlock();

	return found;
}

/* The part of a range that is in one word of the leaf. */
struct piece {
	unsigned long word;
	unsigned long shift;		/* of its first GFN in the word */
	unsigned long n;
	unsigned long done;		/* GFNs of the range before it */
};

static struct piece first_piece(const struct kvm_presence_range *range)
{
	unsigned long offset = block_offset(range->gfn);

	return (struct piece) {
		.word = BIT_WORD(offset),
		.shift = offset % BITS_PER_LONG,
		.n = min(range->n, BITS_PER_LONG - offset % BITS_PER_LONG),
	};
}

static struct piece next_piece(struct piece p, const struct kvm_presence_range *range)
{
	return (struct piece) {
		.word = p.word + 1,
		.n = min_t(unsigned long, range->n - p.done - p.n, BITS_PER_LONG),
		.done = p.done + p.n,
	};
}

/* The GFNs of the piece that the range selects, as bits of the word. */
static unsigned long piece_mask(const struct piece *p,
				const struct kvm_presence_range *range)
{
	unsigned long mask = GENMASK(p->n - 1, 0);

	if (range->bitmap)
		mask = bitmap_read(range->bitmap, range->bit + p->done, p->n);
	return mask << p->shift;
}

static bool range_is_empty(const struct kvm_presence_range *range)
{
	unsigned long end = range->bit + range->n;

	return range->bitmap && find_next_bit(range->bitmap, end, range->bit) == end;
}

static bool range_is_block(const struct kvm_presence_range *range)
{
	unsigned long end = range->bit + range->n;

	return range->n == KVM_PRESENCE_BLOCK_GFNS &&
	       (!range->bitmap ||
		find_next_zero_bit(range->bitmap, end, range->bit) == end);
}

void kvm_presence_get(struct kvm_presence *presence, gfn_t gfn, unsigned long n,
		      unsigned long *ret_bitmap)
{
	const struct kvm_presence_range range = { .gfn = gfn, .n = n };
	struct kvm_presence_leaf *leaf;
	struct piece p;
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
		for (p = first_piece(&range); p.done < n; p = next_piece(p, &range))
			bitmap_write(ret_bitmap,
				     READ_ONCE(leaf->missing[p.word]) >> p.shift,
				     p.done, p.n);
	}
	rcu_read_unlock();
}

static struct kvm_presence_leaf *leaf_alloc(void)
{
	return kzalloc(sizeof(struct kvm_presence_leaf), GFP_KERNEL_ACCOUNT);
}

/* Under xa_lock, or before the leaf is stored.  Returns how many GFNs changed. */
static unsigned long leaf_set(struct kvm_presence_leaf *leaf,
			      const struct kvm_presence_range *range)
{
	unsigned long n_changed = 0, old, mask;
	struct piece p;

	for (p = first_piece(range); p.done < range->n; p = next_piece(p, range)) {
		mask = piece_mask(&p, range);
		old = leaf->missing[p.word];
		WRITE_ONCE(leaf->missing[p.word], old | mask);
		n_changed += hweight_long(mask & ~old);
	}
	return n_changed;
}

static unsigned long leaf_clear(struct kvm_presence_leaf *leaf,
				const struct kvm_presence_range *range,
				unsigned long *ret_changed)
{
	unsigned long n_changed = 0, old, mask;
	struct piece p;

	for (p = first_piece(range); p.done < range->n; p = next_piece(p, range)) {
		mask = piece_mask(&p, range);
		old = leaf->missing[p.word];
		/* Pairs with smp_rmb() in kvm_presence_is_missing(). */
		smp_store_release(&leaf->missing[p.word], old & ~mask);
		n_changed += hweight_long(mask & old);
		if (ret_changed)
			bitmap_write(ret_changed, (mask & old) >> p.shift,
				     p.done, p.n);
	}
	return n_changed;
}

static unsigned long entry_n_missing(void *entry)
{
	struct kvm_presence_leaf *leaf = entry;

	if (!entry)
		return 0;
	if (xa_is_value(entry))
		return KVM_PRESENCE_BLOCK_GFNS;
	return bitmap_weight(leaf->missing, KVM_PRESENCE_BLOCK_GFNS);
}

/* An entry that was unlinked; readers may still look at it.  No lock held. */
static void entry_free(void *entry)
{
	struct kvm_presence_leaf *leaf = entry;

	if (entry && !xa_is_value(entry))
		kfree_rcu_mightsleep(leaf);
}

static int mark_block_missing(struct kvm_presence *presence, unsigned long index,
			      u64 *n_changed)
{
	unsigned long n;
	void *old;

	xa_lock(&presence->blocks);
	old = __xa_store(&presence->blocks, index, ALL_MISSING, GFP_KERNEL_ACCOUNT);
	if (xa_is_err(old)) {
		xa_unlock(&presence->blocks);
		return xa_err(old);
	}
	n = KVM_PRESENCE_BLOCK_GFNS - entry_n_missing(old);
	presence->n_missing += n;
	xa_unlock(&presence->blocks);

	*n_changed += n;
	entry_free(old);
	return 0;
}

int kvm_presence_mark_missing(struct kvm_presence *presence,
			      const struct kvm_presence_range *range,
			      u64 *n_changed)
{
	unsigned long index = block_index(range->gfn), changed = 0;
	struct kvm_presence_leaf *spare = NULL, *leaf;
	void *entry, *unused = NULL;

	if (WARN_ON_ONCE(!within_block(range->gfn, range->n)))
		return -EINVAL;

	if (range_is_empty(range))
		return 0;
	if (range_is_block(range))
		return mark_block_missing(presence, index, n_changed);

again:
	xa_lock(&presence->blocks);
	entry = xa_load(&presence->blocks, index);
	if (!entry && !spare) {
		xa_unlock(&presence->blocks);
		spare = leaf_alloc();
		if (!spare)
			return -ENOMEM;
		changed = leaf_set(spare, range);
		goto again;
	}
	if (!entry) {
		/* Drops the lock if it has to allocate: somebody may be quicker. */
		entry = __xa_cmpxchg(&presence->blocks, index, NULL, spare,
				     GFP_KERNEL_ACCOUNT);
		if (xa_is_err(entry)) {
			xa_unlock(&presence->blocks);
			kfree(spare);
			return xa_err(entry);
		}
		if (!entry) {
			spare = NULL;
			goto out;
		}
	}

	changed = 0;
	if (!xa_is_value(entry)) {
		leaf = entry;
		changed = leaf_set(leaf, range);
		if (bitmap_full(leaf->missing, KVM_PRESENCE_BLOCK_GFNS)) {
			/* Replaces an entry, hence neither allocates nor fails. */
			__xa_store(&presence->blocks, index, ALL_MISSING, 0);
			unused = leaf;
		}
	}
out:
	presence->n_missing += changed;
	xa_unlock(&presence->blocks);

	*n_changed += changed;
	entry_free(unused);
	kfree(spare);
	return 0;
}

int kvm_presence_mark_present(struct kvm_presence *presence,
			      const struct kvm_presence_range *range,
			      unsigned long *ret_changed, u64 *n_changed)
{
	unsigned long index = block_index(range->gfn), changed = 0;
	struct kvm_presence_leaf *spare = NULL, *leaf;
	void *entry, *unused = NULL;

	if (WARN_ON_ONCE(!within_block(range->gfn, range->n)))
		return -EINVAL;

	if (ret_changed)
		bitmap_zero(ret_changed, range->n);
	if (range_is_empty(range))
		return 0;

again:
	xa_lock(&presence->blocks);
	entry = xa_load(&presence->blocks, index);
	if (xa_is_value(entry) && range_is_block(range)) {
		__xa_erase(&presence->blocks, index);
		changed = range->n;
		if (ret_changed)
			bitmap_fill(ret_changed, range->n);
	} else if (xa_is_value(entry) && !spare) {
		xa_unlock(&presence->blocks);
		spare = leaf_alloc();
		if (!spare)
			return -ENOMEM;
		bitmap_fill(spare->missing, KVM_PRESENCE_BLOCK_GFNS);
		goto again;
	} else if (entry) {
		leaf = entry;
		if (xa_is_value(entry)) {
			/* Replaces an entry, hence neither allocates nor fails. */
			__xa_store(&presence->blocks, index, spare, 0);
			leaf = spare;
			spare = NULL;
		}
		changed = leaf_clear(leaf, range, ret_changed);
		if (bitmap_empty(leaf->missing, KVM_PRESENCE_BLOCK_GFNS)) {
			__xa_erase(&presence->blocks, index);
			unused = leaf;
		}
	}
	presence->n_missing -= changed;
	xa_unlock(&presence->blocks);

	*n_changed += changed;
	entry_free(unused);
	kfree(spare);
	return 0;
}
