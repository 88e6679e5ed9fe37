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
	presence->n_stores = 1;		/* which no cursor has seen */
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

static bool entry_is_missing(void *entry, gfn_t gfn)
{
	struct kvm_presence_leaf *leaf = entry;

	return entry && (xa_is_value(entry) ||
			 test_bit(block_offset(gfn), leaf->missing));
}

bool __kvm_presence_is_missing(struct kvm_presence *presence, gfn_t gfn)
{
	bool missing;

	rcu_read_lock();
	missing = entry_is_missing(xa_load(&presence->blocks, block_index(gfn)),
				   gfn);
	rcu_read_unlock();

	return missing;
}

/*
 * Under RCU, or xa_lock.  As long as no entry was stored, the entry found last still
 * is the block's.  If one is stored right after the test, its leaf stays until
 * rcu_read_unlock(), and whoever stores it is as late as if the lookup had come
 * first.
 */
static void *load_near(struct kvm_presence *presence,
		       struct kvm_presence_cursor *cursor, unsigned long index)
{
	/* Pairs with smp_store_release() in entries_changed(). */
	unsigned long n_stores = smp_load_acquire(&presence->n_stores);

	if (cursor->index != index || cursor->n_stores != n_stores) {
		cursor->entry = xa_load(&presence->blocks, index);
		cursor->index = index;
		cursor->n_stores = n_stores;
	}
	return cursor->entry;
}

static void *load_for(struct kvm_presence *presence,
		      const struct kvm_presence_range *range, unsigned long index)
{
	return range->cursor ? load_near(presence, range->cursor, index) :
			       xa_load(&presence->blocks, index);
}

bool __kvm_presence_is_missing_near(struct kvm_presence *presence,
				    struct kvm_presence_cursor *cursor, gfn_t gfn)
{
	bool missing;

	rcu_read_lock();
	missing = entry_is_missing(load_near(presence, cursor, block_index(gfn)),
				   gfn);
	rcu_read_unlock();

	return missing;
}

/* Under xa_lock, after an entry was stored or erased. */
static void entries_changed(struct kvm_presence *presence)
{
	/* Pairs with smp_load_acquire() in load_near(). */
	smp_store_release(&presence->n_stores, presence->n_stores + 1);
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

/* The first GFN of [@start, @end) in a block that is not complete, or @end. */
gfn_t kvm_presence_next_block(struct kvm_presence *presence, gfn_t start, gfn_t end)
{
	unsigned long index = block_index(start);

	if (!xa_find(&presence->blocks, &index, block_index(end - 1), XA_PRESENT))
		return end;
	return max(start, (gfn_t)index << KVM_PRESENCE_BLOCK_SHIFT);
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

/* Most ranges are GFNs of one word: no need for pieces. */
static bool range_is_in_word(const struct kvm_presence_range *range)
{
	return !range->bitmap &&
	       block_offset(range->gfn) % BITS_PER_LONG + range->n <= BITS_PER_LONG;
}

static unsigned long word_mask(const struct kvm_presence_range *range)
{
	return GENMASK(range->n - 1, 0) << (range->gfn % BITS_PER_LONG);
}

static unsigned long *word_of(struct kvm_presence_leaf *leaf,
			      const struct kvm_presence_range *range)
{
	return &leaf->missing[BIT_WORD(block_offset(range->gfn))];
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
	leaf = entry;
	if (xa_is_value(entry)) {
		bitmap_set(ret_bitmap, 0, n);
	} else if (entry && range_is_in_word(&range)) {
		*ret_bitmap = (READ_ONCE(*word_of(leaf, &range)) & word_mask(&range)) >>
			      gfn % BITS_PER_LONG;
	} else if (entry) {
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
	unsigned long n_changed = 0, old, mask, *word;
	struct piece p;

	if (range_is_in_word(range)) {
		word = word_of(leaf, range);
		mask = word_mask(range) & *word;
		/* Pairs with smp_rmb() in kvm_presence_is_missing(). */
		smp_store_release(word, *word & ~mask);
		if (ret_changed)
			*ret_changed = mask >> range->gfn % BITS_PER_LONG;
		return hweight_long(mask);
	}

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

/* After GFNs of @range were set, or cleared; the first word says no to most. */
static bool leaf_is_full(struct kvm_presence_leaf *leaf,
			 const struct kvm_presence_range *range)
{
	return !~*word_of(leaf, range) &&
	       bitmap_full(leaf->missing, KVM_PRESENCE_BLOCK_GFNS);
}

static bool leaf_is_empty(struct kvm_presence_leaf *leaf,
			  const struct kvm_presence_range *range)
{
	return !*word_of(leaf, range) &&
	       bitmap_empty(leaf->missing, KVM_PRESENCE_BLOCK_GFNS);
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
	entries_changed(presence);
	n = KVM_PRESENCE_BLOCK_GFNS - entry_n_missing(old);
	presence->n_missing += n;
	xa_unlock(&presence->blocks);

	*n_changed += n;
	entry_free(old);
	return 0;
}

/* Does what there is to do if neither an entry nor a word becomes full. */
static bool mark_word_missing(struct kvm_presence *presence,
			      const struct kvm_presence_range *range, u64 *n_changed)
{
	unsigned long new, *word;
	bool done = false;
	void *entry;

	xa_lock(&presence->blocks);
	entry = load_for(presence, range, block_index(range->gfn));
	if (entry && !xa_is_value(entry)) {
		word = word_of(entry, range);
		new = word_mask(range) & ~*word;
		done = ~(*word | new);
		if (done) {
			WRITE_ONCE(*word, *word | new);
			presence->n_missing += hweight_long(new);
			*n_changed += hweight_long(new);
		}
	}
	xa_unlock(&presence->blocks);
	return done;
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

	if (range_is_in_word(range) && mark_word_missing(presence, range, n_changed))
		return 0;
	if (range_is_empty(range))
		return 0;
	if (range_is_block(range))
		return mark_block_missing(presence, index, n_changed);

again:
	xa_lock(&presence->blocks);
	entry = load_for(presence, range, index);
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
			entries_changed(presence);
			spare = NULL;
			goto out;
		}
	}

	changed = 0;
	if (!xa_is_value(entry)) {
		leaf = entry;
		changed = leaf_set(leaf, range);
		if (leaf_is_full(leaf, range)) {
			/* Replaces an entry, hence neither allocates nor fails. */
			__xa_store(&presence->blocks, index, ALL_MISSING, 0);
			entries_changed(presence);
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
	entry = load_for(presence, range, index);
	if (xa_is_value(entry) && range_is_block(range)) {
		__xa_erase(&presence->blocks, index);
		entries_changed(presence);
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
			entries_changed(presence);
			leaf = spare;
			spare = NULL;
		}
		changed = leaf_clear(leaf, range, ret_changed);
		if (leaf_is_empty(leaf, range)) {
			__xa_erase(&presence->blocks, index);
			entries_changed(presence);
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
