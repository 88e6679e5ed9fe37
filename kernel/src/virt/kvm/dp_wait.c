// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging: vCPUs that wait for a page, and the events that tell a
 * pager what they wait for.
 *
 * There is no queue of events besides the waiters themselves: a waiter lives on
 * the stack of a vCPU's thread, so memory is bounded by the number of vCPUs.  Of
 * all that wait for one GFN, one *leads*: it stands in dp->events until a
 * session reads it, and then belongs to that session.
 *
 * waiter->state, written under the bucket's lock and events_lock, moves
 *
 *	FOLLOWING -> QUEUED	the leader left without the page
 *	QUEUED -> REPORTED	read() by a session, under events_lock alone
 *	REPORTED -> QUEUED	that session was closed, or read() could not copy
 *
 * Locks: bucket->lock, then events_lock.  Both are leaves otherwise, but that a
 * bucket's lock is held over presence lookups and wake-ups.
 */
#include <linux/hash.h>
#include <linux/poll.h>
#include <linux/rcuwait.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "dp.h"

#include <trace/events/kvm_dp.h>

#ifndef kvm_arch_dp_map
static void kvm_arch_dp_map(struct kvm_vcpu *vcpu, gfn_t gfn, u32 flags)
{
}
#endif

/* Around a page that has arrived, others that came with it are mapped as well. */
#define MAP_AROUND_GFNS	16

#define BUCKET_BITS	8
#define N_BUCKETS	BIT(BUCKET_BITS)

enum waiter_state {
	WAITER_FOLLOWING,
	WAITER_QUEUED,
	WAITER_REPORTED,
};

struct waiter {
	struct list_head node;			/* in the bucket */
	struct list_head event;			/* in dp->events, if QUEUED */
	enum waiter_state state;
	struct kvm_dp_session *owner;		/* if REPORTED */
	struct kvm_vcpu *vcpu;
	struct kvm_dp_event report;
	bool done;
	bool failed;				/* if done: the page will not come */
	int n_slots_gone;			/* when it came */
	gfn_t arrived;				/* with the page, if done: these */
	unsigned long n_arrived;
};

struct kvm_dp_bucket {
	spinlock_t lock;			/* of @waiters and their states */
	struct list_head waiters;
};

int kvm_dp_wait_init(struct kvm_dp *dp)
{
	int i;

	dp->buckets = kcalloc(N_BUCKETS, sizeof(*dp->buckets), GFP_KERNEL_ACCOUNT);
	if (!dp->buckets)
		return -ENOMEM;

	for (i = 0; i < N_BUCKETS; i++) {
		spin_lock_init(&dp->buckets[i].lock);
		INIT_LIST_HEAD(&dp->buckets[i].waiters);
	}
	spin_lock_init(&dp->events_lock);
	INIT_LIST_HEAD(&dp->events);
	init_waitqueue_head(&dp->readers);
	return 0;
}

void kvm_dp_wait_fini(struct kvm_dp *dp)
{
	kfree(dp->buckets);
}

static struct kvm_dp_bucket *bucket_of(struct kvm_dp *dp, gfn_t gfn)
{
	return &dp->buckets[hash_64(gfn, BUCKET_BITS)];
}

static void wake_waiter(struct waiter *w)
{
	rcuwait_wake_up(kvm_arch_vcpu_get_wait(w->vcpu));
}

/* Both locks held. */
static void queue_event(struct kvm_dp *dp, struct waiter *w)
{
	w->state = WAITER_QUEUED;
	w->owner = NULL;
	list_add_tail(&w->event, &dp->events);
}

/*
 * Bucket's lock held.  Who is done is about to leave, whatever has happened to the
 * page since: neither does it stand for others that come now, nor do they follow.
 */
static struct waiter *find_other(struct kvm_dp_bucket *bucket, struct waiter *w)
{
	struct waiter *other;

	list_for_each_entry(other, &bucket->waiters, node) {
		if (other != w && !other->done &&
		    other->report.gfn == w->report.gfn)
			return other;
	}
	return NULL;
}

/*
 * Returns false if there is nothing to wait for.  Once counted in n_waiters, a
 * waker that marks the GFN present later than the test below sees the waiter; who
 * poisons it later finds the waiter in the bucket, whose lock he takes after that.
 */
static bool waiter_add(struct kvm_dp *dp, struct waiter *w)
{
	struct kvm_dp_bucket *bucket = bucket_of(dp, w->report.gfn);
	bool queued = false;

	spin_lock(&bucket->lock);
	atomic_inc(&dp->n_waiters);
	/* Pairs with smp_mb() in kvm_dp_wake() and kvm_dp_wake_all(). */
	smp_mb__after_atomic();
	if (!kvm_presence_is_missing_near(&dp->presence, &w->vcpu->dp.cursor,
					  w->report.gfn) ||
	    kvm_dp_is_poisoned(dp, w->report.gfn) ||
	    !atomic_read(&dp->n_attached)) {
		atomic_dec(&dp->n_waiters);
		spin_unlock(&bucket->lock);
		return false;
	}

	++w->vcpu->stat.generic.dp_waits;
	trace_kvm_dp_wait(w->vcpu->vcpu_id, w->report.gfn);
	if (!find_other(bucket, w)) {
		spin_lock(&dp->events_lock);
		queue_event(dp, w);
		spin_unlock(&dp->events_lock);
		queued = true;
	}
	list_add_tail(&w->node, &bucket->waiters);
	spin_unlock(&bucket->lock);

	if (queued && wq_has_sleeper(&dp->readers))
		wake_up_interruptible_poll(&dp->readers, EPOLLIN | EPOLLRDNORM);
	return true;
}

/* A leader that gives up hands its place to another waiter for the GFN. */
static void waiter_del(struct kvm_dp *dp, struct waiter *w)
{
	struct kvm_dp_bucket *bucket = bucket_of(dp, w->report.gfn);
	struct waiter *heir;

	spin_lock(&bucket->lock);
	list_del(&w->node);
	atomic_dec(&dp->n_waiters);

	/* Only what is queued is changed by somebody without the bucket's lock. */
	if (w->done && w->state == WAITER_REPORTED) {
		spin_unlock(&bucket->lock);
		return;
	}

	spin_lock(&dp->events_lock);
	heir = w->state == WAITER_FOLLOWING || w->done ? NULL :
	       find_other(bucket, w);
	if (heir) {
		heir->state = w->state;
		heir->owner = w->owner;
	}
	if (w->state == WAITER_QUEUED) {
		if (heir)
			list_add(&heir->event, &w->event);
		list_del(&w->event);
	}
	spin_unlock(&dp->events_lock);
	spin_unlock(&bucket->lock);
}

/* Of [@gfn, @gfn + @n), which have become present, wake who waits in the bucket. */
static void wake_bucket(struct kvm_dp_bucket *bucket, gfn_t gfn, unsigned long n,
			bool filled)
{
	struct waiter *w;

	spin_lock(&bucket->lock);
	list_for_each_entry(w, &bucket->waiters, node) {
		if (w->report.gfn - gfn < n && !w->done) {
			trace_kvm_dp_wake(w->vcpu->vcpu_id, w->report.gfn);
			w->arrived = filled ? gfn : w->report.gfn;
			w->n_arrived = filled ? n : 1;
			/* Pairs with smp_load_acquire() in wait_is_over(). */
			smp_store_release(&w->done, true);
			wake_waiter(w);
		}
	}
	spin_unlock(&bucket->lock);
}

/*
 * GFNs [@gfn, @gfn + @n) have become present.  If they were @filled, they have
 * pages, which are worth mapping; holes stay holes until the guest touches them.
 */
void kvm_dp_wake(struct kvm_dp *dp, gfn_t gfn, unsigned long n, bool filled)
{
	unsigned long i;

	/* Pairs with smp_mb__after_atomic() in waiter_add(). */
	smp_mb();
	if (!atomic_read(&dp->n_waiters))
		return;

	if (n < N_BUCKETS) {
		for (i = 0; i < n; i++)
			wake_bucket(bucket_of(dp, gfn + i), gfn, n, filled);
	} else {
		for (i = 0; i < N_BUCKETS; i++)
			wake_bucket(&dp->buckets[i], gfn, n, filled);
	}
}

/* Of [@gfn, @gfn + @n), fail who waits in the bucket; returns how many. */
static u64 fail_bucket(struct kvm_dp_bucket *bucket, gfn_t gfn, u64 n)
{
	struct waiter *w;
	u64 n_failed = 0;

	spin_lock(&bucket->lock);
	list_for_each_entry(w, &bucket->waiters, node) {
		if (w->report.gfn - gfn >= n || w->done)
			continue;
		trace_kvm_dp_fail(w->vcpu->vcpu_id, w->report.gfn);
		w->failed = true;
		/* Pairs with smp_load_acquire() in wait_is_over(). */
		smp_store_release(&w->done, true);
		wake_waiter(w);
		n_failed++;
	}
	spin_unlock(&bucket->lock);
	return n_failed;
}

/*
 * Who waits for one of [@gfn, @gfn + @n) now gives up; who comes later waits as
 * ever.  All that wait for one GFN are in one bucket, hence go together: nobody is
 * left to follow a leader that has been failed.
 */
u64 kvm_dp_fail_waiters(struct kvm_dp *dp, gfn_t gfn, u64 n)
{
	u64 n_failed = 0;
	int i;

	for (i = 0; i < N_BUCKETS; i++)
		n_failed += fail_bucket(&dp->buckets[i], gfn, n);
	return n_failed;
}

/* Something other than a page has changed for all waiters. */
void kvm_dp_wake_all(struct kvm_dp *dp)
{
	struct waiter *w;
	int i;

	/* Pairs with smp_mb__after_atomic() in waiter_add(). */
	smp_mb();
	for (i = 0; i < N_BUCKETS; i++) {
		spin_lock(&dp->buckets[i].lock);
		list_for_each_entry(w, &dp->buckets[i].waiters, node)
			wake_waiter(w);
		spin_unlock(&dp->buckets[i].lock);
	}
}

void kvm_dp_vcpu_note(struct kvm_vcpu *vcpu, gfn_t gfn, u32 flags)
{
	++vcpu->stat.generic.dp_missing;
	trace_kvm_dp_missing(vcpu->vcpu_id, gfn, flags);
	vcpu->dp.gfn = gfn;
	vcpu->dp.flags = flags;
	/* kvm->srcu is held since the GFN's memslot was looked up. */
	vcpu->dp.n_slots_gone = atomic_read(&vcpu->kvm->dp->n_slots_gone);
	vcpu->dp.state = KVM_VCPU_DP_PENDING;
}
EXPORT_SYMBOL_GPL(kvm_dp_vcpu_note);

static int exit_missing(struct kvm_vcpu *vcpu, bool failed, bool poisoned)
{
	struct kvm_run *run = vcpu->run;

	++vcpu->stat.generic.dp_exits;
	vcpu->dp.state = KVM_VCPU_DP_EXITED;
	run->exit_reason = KVM_EXIT_MEMORY_FAULT;
	run->memory_fault.flags = KVM_MEMORY_EXIT_FLAG_MISSING;
	if (vcpu->dp.flags & KVM_DP_EVENT_PRIVATE)
		run->memory_fault.flags |= KVM_MEMORY_EXIT_FLAG_PRIVATE;
	if (failed || poisoned) {
		++vcpu->stat.generic.dp_failed;
		run->memory_fault.flags |= KVM_MEMORY_EXIT_FLAG_FAILED;
	}
	run->memory_fault.gpa = gfn_to_gpa(vcpu->dp.gfn);
	run->memory_fault.size = PAGE_SIZE;
	return poisoned ? -EHWPOISON : -EFAULT;
}

static bool wait_is_over(struct kvm_dp *dp, struct waiter *w)
{
	/* Pairs with smp_store_release() in kvm_dp_wake() and kvm_dp_fail_waiters(). */
	return smp_load_acquire(&w->done) || !atomic_read(&dp->n_attached) ||
	       atomic_read(&dp->n_slots_gone) != w->n_slots_gone ||
	       w->vcpu->kvm->vm_dead;
}

/* A hole stays one: a page for it should come with an access of the guest. */
static void map_ahead(struct kvm_vcpu *vcpu, gfn_t gfn, u32 flags)
{
	vcpu->dp.ahead = true;
	kvm_arch_dp_map(vcpu, gfn, flags);
	vcpu->dp.ahead = false;
}

/*
 * The guest wants @gfn: spare it the fault, and those on what arrived with it,
 * like the page cache does around a fault.
 */
static void map_arrived(struct kvm_vcpu *vcpu, gfn_t gfn, u32 flags,
			gfn_t arrived, unsigned long n_arrived)
{
	gfn_t start = max(arrived, ALIGN_DOWN(gfn, MAP_AROUND_GFNS));
	gfn_t end = min(arrived + n_arrived, ALIGN(gfn + 1, MAP_AROUND_GFNS));
	gfn_t other;

	/* What KVM wanted for itself need not be mapped. */
	if (flags & KVM_DP_EVENT_KVM)
		return;

	kvm_arch_dp_map(vcpu, gfn, flags);
	if (n_arrived == 1)
		return;
	for (other = start; other < end; other++) {
		if (signal_pending(current) || need_resched())
			break;
		if (other != gfn)
			map_ahead(vcpu, other, flags & KVM_DP_EVENT_PRIVATE);
	}
}

/*
 * Returns 1 once the page is there or nobody is left to bring it, else what
 * KVM_RUN returns.
 */
static int wait_for_page(struct kvm_vcpu *vcpu, struct kvm_dp *dp)
	__must_hold(&vcpu->kvm->srcu)
{
	struct waiter w = {
		.vcpu = vcpu,
		.report.gfn = vcpu->dp.gfn,
		.report.flags = vcpu->dp.flags,
		.report.vcpu_id = vcpu->vcpu_id,
		.n_slots_gone = vcpu->dp.n_slots_gone,
	};
	int r;

	if (!waiter_add(dp, &w))
		return 1;

	kvm_vcpu_srcu_read_unlock(vcpu);
	r = rcuwait_wait_event(kvm_arch_vcpu_get_wait(vcpu),
			       wait_is_over(dp, &w), TASK_INTERRUPTIBLE);
	kvm_vcpu_srcu_read_lock(vcpu);
	waiter_del(dp, &w);

	/* Before the signal: this one was counted. */
	if (w.failed)
		return exit_missing(vcpu, true,
				    kvm_dp_is_poisoned(dp, w.report.gfn));
	if (r) {
		vcpu->run->exit_reason = KVM_EXIT_INTR;
		++vcpu->stat.signal_exits;
		return -EINTR;
	}
	if (w.done)
		map_arrived(vcpu, w.report.gfn, w.report.flags, w.arrived,
			    w.n_arrived);
	return 1;
}

/* Is the vCPU to wait for the GFN that was noted, if somebody might bring it? */
static bool wants_to_wait(struct kvm_vcpu *vcpu, struct kvm_dp *dp)
{
	u64 mode = vcpu->dp.mode ?: dp->mode;

	if (vcpu->dp.flags & KVM_DP_EVENT_KVM)
		return mode & (KVM_DP_MODE_WAIT | KVM_DP_MODE_KVM_WAIT);
	return mode & KVM_DP_MODE_WAIT;
}

int __kvm_dp_vcpu_resolve(struct kvm_vcpu *vcpu)
{
	struct kvm_dp *dp = vcpu->kvm->dp;
	bool exited = vcpu->dp.state == KVM_VCPU_DP_EXITED;
	bool poisoned;
	int r;

	vcpu->dp.state = KVM_VCPU_DP_NONE;
	if (exited) {
		/* If it is not there, the guest may want something else by now. */
		if (!(vcpu->dp.flags & KVM_DP_EVENT_KVM))
			map_ahead(vcpu, vcpu->dp.gfn, vcpu->dp.flags);
		return 1;
	}
	/* Once: whoever exits for this must say so, though it is cleared meanwhile. */
	poisoned = kvm_dp_is_poisoned(dp, vcpu->dp.gfn);
	if (!wants_to_wait(vcpu, dp))
		return exit_missing(vcpu, false, poisoned);

	/* There is no point in asking for what will not come. */
	if (!poisoned && atomic_read(&dp->n_attached)) {
		r = wait_for_page(vcpu, dp);
		/* If the page has gone again, it will be asked for again. */
		if (r <= 0 || atomic_read(&dp->n_attached))
			return r;
	}

	/* Fail closed: nobody could bring the page. */
	return kvm_presence_is_missing(&dp->presence, vcpu->dp.gfn) ?
	       exit_missing(vcpu, false, poisoned) : 1;
}
EXPORT_SYMBOL_GPL(__kvm_dp_vcpu_resolve);

/*
 * Report again what @session had read and nobody has brought, of @gfn, or of
 * all GFNs if @gfn is NULL.
 */
static void requeue(struct kvm_dp *dp, struct kvm_dp_session *session,
		    const gfn_t *gfn)
{
	struct waiter *w;
	int i;

	for (i = 0; i < N_BUCKETS; i++) {
		spin_lock(&dp->buckets[i].lock);
		spin_lock(&dp->events_lock);
		list_for_each_entry(w, &dp->buckets[i].waiters, node) {
			if (w->state == WAITER_REPORTED && w->owner == session &&
			    !w->done &&
			    (!gfn || *gfn == w->report.gfn))
				queue_event(dp, w);
		}
		spin_unlock(&dp->events_lock);
		spin_unlock(&dp->buckets[i].lock);
	}
	/* There may be something for each of them. */
	wake_up_interruptible_all(&dp->readers);
}

/* The last reference to a session with RIGHT_EVENTS goes. */
void kvm_dp_wait_release(struct kvm_dp_session *session)
{
	struct kvm_dp *dp = session->dp;

	requeue(dp, session, NULL);
	if (atomic_dec_and_test(&dp->n_attached))
		kvm_dp_wake_all(dp);
}

bool kvm_dp_has_event(struct kvm_dp *dp)
{
	return !list_empty_careful(&dp->events);
}

static bool take_event(struct kvm_dp_session *session, struct kvm_dp_event *ret_event)
{
	struct kvm_dp *dp = session->dp;
	struct waiter *w;

	spin_lock(&dp->events_lock);
	w = list_first_entry_or_null(&dp->events, struct waiter, event);
	if (w) {
		list_del_init(&w->event);
		w->state = WAITER_REPORTED;
		w->owner = session;
		*ret_event = w->report;
	}
	spin_unlock(&dp->events_lock);
	return w;
}

/* Field by field, as get_vec() in dp_gmem.c. */
static int put_event(const struct kvm_dp_event *event,
		     struct kvm_dp_event __user *uevent)
{
	if (!user_write_access_begin(uevent, sizeof(*uevent)))
		return -EFAULT;
	unsafe_put_user(event->gfn, &uevent->gfn, fault);
	unsafe_put_user(event->flags, &uevent->flags, fault);
	unsafe_put_user(event->vcpu_id, &uevent->vcpu_id, fault);
	user_write_access_end();
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

static bool is_readable(struct kvm_dp *dp)
{
	return kvm_dp_has_event(dp) || !READ_ONCE(dp->kvm);
}

ssize_t kvm_dp_read_events(struct kvm_dp_session *session, char __user *buf,
			   size_t len, bool nonblock)
{
	struct kvm_dp *dp = session->dp;
	struct kvm_dp_event event;
	ssize_t n = 0;
	int r;

	if (len < sizeof(event))
		return -EINVAL;

	while (n + sizeof(event) <= len) {
		if (!take_event(session, &event)) {
			if (n)
				break;
			if (!READ_ONCE(dp->kvm))
				return -ENODEV;
			if (nonblock)
				return -EAGAIN;
			r = wait_event_interruptible_exclusive(dp->readers,
							       is_readable(dp));
			if (r)
				return r;
			continue;
		}
		if (put_event(&event, (void __user *)buf + n)) {
			requeue(dp, session, &event.gfn);
			return n ?: -EFAULT;
		}
		n += sizeof(event);
	}
	return n;
}
