/* SPDX-License-Identifier: GPL-2.0-only */
/* KVM demand paging: what its files share.  See Documentation/virt/kvm/demand-paging.rst. */
#ifndef __KVM_DP_PRIVATE_H__
#define __KVM_DP_PRIVATE_H__ 1

#include <linux/kref.h>
#include <linux/kvm_host.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/wait.h>

#include "presence.h"

struct kvm_dp_bucket;

/* How many accesses began and ended on a CPU; one may do so on two. */
struct kvm_dp_accesses {
	unsigned long begun;
	unsigned long ended;
};

/*
 * What the VM and the file descriptors share.  The fds hold a reference to
 * this, not to the VM.
 */
struct kvm_dp {
	struct kref kref;

	/*
	 * Read: an operation is under way, @kvm stays.  Write: the VM goes
	 * (@kvm becomes NULL), is frozen or thawed, or GFNs become missing.  Not
	 * held while memory of the caller is accessed, which may take forever.
	 */
	struct rw_semaphore sem;
	struct kvm *kvm;			/* protected by @sem */

	u64 mode;				/* these two are set once */
	bool allow_extract;
	bool no_run;				/* these two are written under @sem: */
	bool frozen;				/* KVM_RUN, KVM's accesses refused */
	u64 n_freezes;				/* protected by @sem */

	struct kvm_presence presence;
	struct kvm_presence_cursor mark_cursor;	/* used under @sem, for writing */
	struct xarray poison;			/* by GFN, all of them missing, */
	unsigned int n_poisoned;		/* both written under @sem */
	struct srcu_struct srcu;		/* accesses by KVM itself */
	struct kvm_dp_accesses __percpu *accesses;
	struct mem_cgroup *memcg;		/* of the VM */

	struct kvm_dp_bucket *buckets;
	atomic_t n_kept;			/* pages mapped for hardware */
	atomic_t n_waiters;
	atomic_t n_attached;			/* sessions with RIGHT_EVENTS */
	atomic_t n_sessions;
	atomic_t n_slots_gone;			/* memslots deleted or moved */

	spinlock_t events_lock;			/* nests inside a bucket's lock */
	struct list_head events;		/* waiters to be reported */
	wait_queue_head_t readers;
};

struct kvm_dp_session {
	struct kvm_dp *dp;
	u32 rights;
};

/* dp.c */
void kvm_dp_get(struct kvm_dp *dp);
void kvm_dp_put(struct kvm_dp *dp);
struct kvm *kvm_dp_enter(struct kvm_dp *dp);
void kvm_dp_leave(struct kvm_dp *dp);
struct kvm *kvm_dp_enter_exclusive(struct kvm_dp *dp);
void kvm_dp_leave_exclusive(struct kvm_dp *dp);
void kvm_dp_let_go(struct kvm_dp *dp);
int kvm_dp_freeze(struct kvm_dp *dp);
int kvm_dp_thaw(struct kvm_dp *dp);

/* dp_session.c */
int kvm_dp_session_create(struct kvm_dp *dp, struct kvm_dp_create_session __user *uargs);

/* dp_mark.c */
int kvm_dp_mark(struct kvm_dp *dp, struct kvm_dp_mark __user *uargs);
void kvm_dp_zap(struct kvm *kvm, gfn_t start, gfn_t end);
int kvm_dp_query(struct kvm_dp *dp, struct kvm_dp_query __user *uargs);

/* dp_huge.c */
int kvm_dp_collapse_complete(struct kvm *kvm, struct kvm_dp *dp, gfn_t gfn, u64 n);
int kvm_dp_collapse(struct kvm_dp *dp, struct kvm_dp_collapse __user *uargs);

/* dp_wait.c */
int kvm_dp_wait_init(struct kvm_dp *dp);
void kvm_dp_wait_fini(struct kvm_dp *dp);
void kvm_dp_wake(struct kvm_dp *dp, gfn_t gfn, unsigned long n, bool filled);
void kvm_dp_wake_all(struct kvm_dp *dp);
u64 kvm_dp_fail_waiters(struct kvm_dp *dp, gfn_t gfn, u64 n);
void kvm_dp_wait_release(struct kvm_dp_session *session);
bool kvm_dp_has_event(struct kvm_dp *dp);
ssize_t kvm_dp_read_events(struct kvm_dp_session *session, char __user *buf,
			   size_t len, bool nonblock);

/* dp_fail.c */
bool __kvm_dp_is_poisoned(struct kvm_dp *dp, gfn_t gfn);
u64 __kvm_dp_next_poison(struct kvm_dp *dp, gfn_t gfn, u64 n);
int kvm_dp_poison(struct kvm_dp *dp, struct kvm_dp_poison __user *uargs);
int kvm_dp_fail(struct kvm_dp *dp, struct kvm_dp_fail __user *uargs);

/* dp_gmem.c */
int kvm_dp_populate(struct kvm_dp_session *session,
		    struct kvm_dp_transfer __user *uargs, bool nonblock);
int kvm_dp_extract(struct kvm_dp *dp, struct kvm_dp_transfer __user *uargs);
int kvm_dp_discard(struct kvm_dp *dp, struct kvm_dp_discard __user *uargs);
bool kvm_dp_gmem_is_backed(struct kvm_memory_slot *slot, gfn_t gfn);
void kvm_dp_gmem_clear(struct kvm *kvm, gfn_t gfn, unsigned long n,
		       const unsigned long *bitmap);
bool kvm_dp_gmem_is_huge(struct kvm_memory_slot *slot, gfn_t gfn);

/*
 * Of a GFN that is missing: will it not come?  Hold @dp->sem, or the lock of the
 * GFN's bucket, for an answer that stays.
 */
static inline bool kvm_dp_is_poisoned(struct kvm_dp *dp, gfn_t gfn)
{
	return !xa_empty(&dp->poison) && __kvm_dp_is_poisoned(dp, gfn);
}

/* How many of [@gfn, @gfn + @n) come before the first that is poisoned? */
static inline u64 kvm_dp_next_poison(struct kvm_dp *dp, gfn_t gfn, u64 n)
{
	return xa_empty(&dp->poison) ? n : __kvm_dp_next_poison(dp, gfn, n);
}

/* GFNs from @gfn to the end of its block. */
static inline unsigned long kvm_dp_block_left(gfn_t gfn)
{
	return KVM_PRESENCE_BLOCK_GFNS - (gfn & (KVM_PRESENCE_BLOCK_GFNS - 1));
}

static inline bool kvm_dp_range_is_valid(gfn_t gfn, u64 n)
{
	const u64 max_gfn = BIT_ULL(52 - PAGE_SHIFT);

	return n && gfn < max_gfn && n <= max_gfn - gfn;
}

/* Only user memslots of address space 0 are paged. */
static inline bool kvm_dp_slot_is_paged(const struct kvm_memory_slot *slot)
{
	return slot && !slot->as_id && slot->id >= 0 &&
	       slot->id < KVM_USER_MEM_SLOTS;
}

#endif /* __KVM_DP_PRIVATE_H__ */
