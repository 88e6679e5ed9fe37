/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which GFNs of a VM are missing, i.e. have not arrived yet.
 *
 * Indexed by blocks of 512 GFNs (2 MiB).  A block is
 *  - all present: no entry,
 *  - all missing: a value entry, no memory besides the xarray's,
 *  - mixed: a leaf with a bit per GFN.
 *
 * Lookup is lock free.  Entries and bits change under the xarray's lock; a leaf
 * is unlinked under it once no bit is set, and freed after a grace period.
 */
#ifndef __KVM_PRESENCE_H__
#define __KVM_PRESENCE_H__ 1

#include <linux/bits.h>
#include <linux/kvm_types.h>
#include <linux/xarray.h>

#define KVM_PRESENCE_BLOCK_SHIFT	9
#define KVM_PRESENCE_BLOCK_GFNS		BIT(KVM_PRESENCE_BLOCK_SHIFT)

struct kvm_presence {
	struct xarray blocks;
	u64 n_missing;			/* protected by blocks.xa_lock, */
	unsigned long n_stores;		/* as is changing this: of entries */
};

void kvm_presence_init(struct kvm_presence *presence);
void kvm_presence_destroy(struct kvm_presence *presence);

bool __kvm_presence_is_missing(struct kvm_presence *presence, gfn_t gfn);
bool __kvm_presence_is_missing_near(struct kvm_presence *presence,
				    struct kvm_presence_cursor *cursor, gfn_t gfn);
bool kvm_presence_any_block(struct kvm_presence *presence, gfn_t start, gfn_t end);
bool kvm_presence_any_missing(struct kvm_presence *presence, gfn_t start,
			      gfn_t end);
gfn_t kvm_presence_next_block(struct kvm_presence *presence, gfn_t start, gfn_t end);
u64 kvm_presence_n_missing(struct kvm_presence *presence);

/*
 * GFNs within one block: [@gfn, @gfn + @n), or those of them that are set in
 * @bitmap, whose bit @bit is @gfn.  @cursor: where the caller has looked before, or
 * NULL.
 */
struct kvm_presence_range {
	gfn_t gfn;
	unsigned long n;
	const unsigned long *bitmap;
	unsigned long bit;
	struct kvm_presence_cursor *cursor;
};

/*
 * The number of GFNs that changed is added to @n_changed.  @ret_changed, if not
 * NULL, receives which did: bit 0 is the range's first.  Both may sleep.
 */
int kvm_presence_mark_missing(struct kvm_presence *presence,
			      const struct kvm_presence_range *range,
			      u64 *n_changed);
int kvm_presence_mark_present(struct kvm_presence *presence,
			      const struct kvm_presence_range *range,
			      unsigned long *ret_changed, u64 *n_changed);

/* Missing GFNs of a range within one block, as a bitmap whose bit 0 is @gfn. */
void kvm_presence_get(struct kvm_presence *presence, gfn_t gfn, unsigned long n,
		      unsigned long *ret_bitmap);

/*
 * Everything that the caller did before it marked @gfn present is visible after
 * this returned false.
 */
static inline bool kvm_presence_is_missing(struct kvm_presence *presence,
					   gfn_t gfn)
{
	bool missing = !xa_empty(&presence->blocks) &&
		       __kvm_presence_is_missing(presence, gfn);

	/* Pairs with smp_store_release() in leaf_clear(), and __xa_erase(). */
	smp_rmb();
	return missing;
}

/*
 * The same for somebody who mostly asks about the block that he asked about last.
 * @cursor, zeroed at first, is his alone; its n_stores is 0 if nothing was missing.
 */
static inline bool kvm_presence_is_missing_near(struct kvm_presence *presence,
						struct kvm_presence_cursor *cursor,
						gfn_t gfn)
{
	bool missing = false;

	if (xa_empty(&presence->blocks))
		cursor->n_stores = 0;
	else
		missing = __kvm_presence_is_missing_near(presence, cursor, gfn);

	/* As above. */
	smp_rmb();
	return missing;
}

#endif /* __KVM_PRESENCE_H__ */
