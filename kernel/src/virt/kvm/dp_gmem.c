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
	if (vec->n_done == vec->n_pages)
		return 0;
	for (;;) {
		if (signal_pending(current))
			return -EINTR;
		r = step(dp, vec);
		if (r)
			return r;
		if (vec->result)
			return -EIO;
		if (vec->n_done == vec->n_pages)
			return 0;
		cond_resched();
	}
}

/*
 * Field by field, as copy_from_user() of so little takes three times as many
 * instructions, for each page that a pager brings.
 */
static int get_vec(struct kvm_dp_vec *vec, const struct kvm_dp_vec __user *uvec)
{
	if (!user_read_access_begin(uvec, sizeof(*uvec)))
		return -EFAULT;
	unsafe_get_user(vec->gfn, &uvec->gfn, fault);
	unsafe_get_user(vec->n_pages, &uvec->n_pages, fault);
	unsafe_get_user(vec->addr, &uvec->addr, fault);
	unsafe_get_user(vec->flags, &uvec->flags, fault);
	unsafe_get_user(vec->n_done, &uvec->n_done, fault);
	unsafe_get_user(vec->n_skipped, &uvec->n_skipped, fault);
	user_read_access_end();
	return 0;
fault:
	user_read_access_end();
	return -EFAULT;
}

static int put_vec(const struct kvm_dp_vec *vec, struct kvm_dp_vec __user *uvec)
{
	if (!user_write_access_begin(uvec, sizeof(*uvec)))
		return -EFAULT;
	unsafe_put_user(vec->result, &uvec->result, fault);
	unsafe_put_user(vec->n_done, &uvec->n_done, fault);
	unsafe_put_user(vec->n_skipped, &uvec->n_skipped, fault);
	user_write_access_end();
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

static int get_transfer(struct kvm_dp_transfer *args,
			const struct kvm_dp_transfer __user *uargs)
{
	if (!user_read_access_begin(uargs, sizeof(*uargs)))
		return -EFAULT;
	unsafe_get_user(args->vecs, &uargs->vecs, fault);
	unsafe_get_user(args->n_vecs, &uargs->n_vecs, fault);
	unsafe_get_user(args->flags, &uargs->flags, fault);
	unsafe_get_user(args->n_events, &uargs->n_events, fault);
	unsafe_get_user(args->events, &uargs->events, fault);
	unsafe_get_user(args->reserved, &uargs->reserved, fault);
	user_read_access_end();
	return 0;
fault:
	user_read_access_end();
	return -EFAULT;
}

static int transfer(struct kvm_dp *dp, struct kvm_dp_transfer *args,
		    struct kvm_dp_transfer __user *uargs,
		    int (*step)(struct kvm_dp *dp, struct kvm_dp_vec *vec))
{
	struct kvm_dp_vec __user *uvecs;
	struct mem_cgroup *old;
	struct kvm_dp_vec vec __uninitialized;
	u32 i;
	int r = 0;

	if (!args->n_vecs || args->n_vecs > KVM_DP_MAX_VECS)
		return -EINVAL;

	uvecs = u64_to_user_ptr(args->vecs);
	old = set_active_memcg(dp->memcg);
	for (i = 0; i < args->n_vecs; i++) {
		if (get_vec(&vec, uvecs + i)) {
			r = -EFAULT;
			break;
		}
		if (!vec_is_valid(&vec, step == kvm_dp_populate_step)) {
			r = -EINVAL;
			break;
		}
		r = run_vec(dp, &vec, step);
		if (put_vec(&vec, uvecs + i))
			r = -EFAULT;
		if (r)
			break;
	}
	set_active_memcg(old);

	if (put_user(i, &uargs->n_vecs_done))
		return -EFAULT;
	return r;
}

/*
 * Read events as read() does.  It is no error if there are none, or no more ever:
 * the transfer is done, and the next call says so.
 */
static int transfer_events(struct kvm_dp_session *session,
			   const struct kvm_dp_transfer *args,
			   struct kvm_dp_transfer __user *uargs, bool nonblock)
{
	const size_t max = KVM_DP_MAX_VECS;
	ssize_t n;

	n = kvm_dp_read_events(session, u64_to_user_ptr(args->events),
			       min_t(size_t, args->n_events, max) *
			       sizeof(struct kvm_dp_event), nonblock);
	if (n == -EFAULT)
		return n;
	n = max(n, 0) / sizeof(struct kvm_dp_event);
	return put_user(n, &uargs->n_events);
}

int kvm_dp_populate(struct kvm_dp_session *session,
		    struct kvm_dp_transfer __user *uargs, bool nonblock)
{
	struct kvm_dp_transfer args __uninitialized;
	bool events;
	int r;

	if (get_transfer(&args, uargs))
		return -EFAULT;

	events = args.flags & KVM_DP_TRANSFER_EVENTS;
	if (args.flags & ~KVM_DP_TRANSFER_EVENTS || args.reserved ||
	    events != !!args.n_events || events != !!args.events)
		return -EINVAL;
	if (events && !(session->rights & KVM_DP_RIGHT_EVENTS))
		return -EPERM;

	r = transfer(session->dp, &args, uargs, kvm_dp_populate_step);
	if (!r && events)
		r = transfer_events(session, &args, uargs, nonblock);
	return r;
}

int kvm_dp_extract(struct kvm_dp *dp, struct kvm_dp_transfer __user *uargs)
{
	struct kvm_dp_transfer args __uninitialized;

	if (get_transfer(&args, uargs))
		return -EFAULT;
	if (args.flags || args.n_events || args.events || args.reserved)
		return -EINVAL;

	return transfer(dp, &args, uargs, kvm_dp_extract_step);
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

/* Of a slot's [@gfn, @gfn + @n), zero the pages that are there and in @bitmap. */
static void clear_pages(struct kvm_dp_target *t, gfn_t gfn, unsigned long n,
			const unsigned long *bitmap, unsigned long bit)
{
	pgoff_t start = kvm_dp_target_index(t, gfn), index = start;
	struct folio *folio;

	for (; xa_find(&t->mapping->i_pages, &index, start + n - 1, XA_PRESENT); index++) {
		if (!test_bit(bit + index - start, bitmap))
			continue;
		folio = filemap_lock_folio(t->mapping, index);
		if (IS_ERR(folio))
			continue;
		clear_highpage(folio_file_page(folio, index));
		folio_unlock(folio);
		folio_put(folio);
	}
}

/*
 * Those of GFNs [@gfn, @gfn + @n) whose bit is set are missing, shared, and about to
 * become present.  What guest_memfd has for them is what they were before they were
 * marked missing: converting them back must not bring it.  slots_lock is held.
 */
void kvm_dp_gmem_clear(struct kvm *kvm, gfn_t gfn, unsigned long n,
		       const unsigned long *bitmap)
{
	unsigned long done, step;
	struct kvm_dp_target t;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	for (done = 0; done < n; done += step) {
		step = 1;
		if (kvm_dp_target_get(kvm, gfn + done, &t))
			continue;
		step = min(n - done, kvm_dp_target_left(&t, gfn + done));
		clear_pages(&t, gfn + done, step, bitmap, done);
		kvm_dp_target_put(&t);
	}
	srcu_read_unlock(&kvm->srcu, idx);
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
	if (args.n_pages > KVM_DP_MAX_DISCARD)
		return -E2BIG;
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
		kvm_dp_let_go(dp);
	return r;
}
