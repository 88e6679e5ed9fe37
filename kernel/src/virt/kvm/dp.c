// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging: the context of a VM, its control fd, freezing it, and
 * KVM's own accesses.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/memcontrol.h>
#include <linux/slab.h>

#include "dp.h"
#include "kvm_mm.h"

#define CREATE_TRACE_POINTS
#include <trace/events/kvm_dp.h>

#define MODES		(KVM_DP_MODE_EXIT | KVM_DP_MODE_WAIT | KVM_DP_MODE_KVM_WAIT)

/* On while a VM has a context. */
DEFINE_STATIC_KEY_FALSE(kvm_dp_used);
EXPORT_SYMBOL_GPL(kvm_dp_used);

#ifndef kvm_arch_dp_let_go
static void kvm_arch_dp_let_go(struct kvm *kvm)
{
}
#endif

void kvm_dp_get(struct kvm_dp *dp)
{
	kref_get(&dp->kref);
}

static void dp_free(struct kref *kref)
{
	struct kvm_dp *dp = container_of(kref, struct kvm_dp, kref);

	kvm_presence_destroy(&dp->presence);
	xa_destroy(&dp->poison);
	kvm_dp_wait_fini(dp);
	free_percpu(dp->accesses);
	cleanup_srcu_struct(&dp->srcu);
	mem_cgroup_put(dp->memcg);
	kfree(dp);
	static_branch_dec(&kvm_dp_used);
}

void kvm_dp_put(struct kvm_dp *dp)
{
	kref_put(&dp->kref, dp_free);
}

/*
 * Begin an operation that needs the VM.  Returns it with memslots and VM pinned
 * until kvm_dp_leave(), or NULL if it is gone.
 */
struct kvm *kvm_dp_enter(struct kvm_dp *dp)
{
	down_read(&dp->sem);
	if (!dp->kvm || dp->kvm->vm_dead) {
		up_read(&dp->sem);
		return NULL;
	}
	return dp->kvm;
}

void kvm_dp_leave(struct kvm_dp *dp)
{
	up_read(&dp->sem);
}

/* The same, with no other operation under way until kvm_dp_leave_exclusive(). */
struct kvm *kvm_dp_enter_exclusive(struct kvm_dp *dp)
{
	down_write(&dp->sem);
	if (!dp->kvm || dp->kvm->vm_dead) {
		up_write(&dp->sem);
		return NULL;
	}
	return dp->kvm;
}

void kvm_dp_leave_exclusive(struct kvm_dp *dp)
{
	up_write(&dp->sem);
}

/* Is there an access that began before?  Those that begin now may be counted. */
static bool any_access(struct kvm_dp *dp)
{
	unsigned long begun = 0, ended = 0;
	int cpu;

	/*
	 * An access that is not counted begins after this, and sees what the
	 * caller published.  Pairs with smp_mb() in __kvm_dp_access_begin().
	 */
	smp_mb();
	for_each_possible_cpu(cpu)
		ended += READ_ONCE(per_cpu_ptr(dp->accesses, cpu)->ended);
	/* Whose end was counted, its beginning will be: __kvm_dp_access_end(). */
	smp_mb();
	for_each_possible_cpu(cpu)
		begun += READ_ONCE(per_cpu_ptr(dp->accesses, cpu)->begun);
	/* What they wrote is visible to the caller. */
	smp_mb();

	return begun != ended;
}

/*
 * Wait for KVM's own accesses that began before this.  Mostly there is none,
 * and a grace period would cost more than all the rest of marking a page.
 */
static void wait_accesses(struct kvm_dp *dp)
{
	if (any_access(dp))
		synchronize_srcu_expedited(&dp->srcu);
}

void __kvm_dp_keep(struct kvm_dp *dp, int n)
{
	atomic_add(n, &dp->n_kept);
}

/*
 * After pages were taken away, without @dp->sem: returns once neither KVM nor
 * hardware uses them.  What hardware uses was mapped in an access, and counted
 * before that ended.
 */
void kvm_dp_let_go(struct kvm_dp *dp)
{
	struct kvm *kvm;

	wait_accesses(dp);
	if (!atomic_read(&dp->n_kept))
		return;

	kvm = kvm_dp_enter(dp);
	if (!kvm)
		return;
	kvm_arch_dp_let_go(kvm);
	kvm_dp_leave(dp);
}

/*
 * Stop the VM whole: no vCPU is in KVM_RUN, none gets in, and KVM's own
 * accesses fail.  Nothing is unmapped, as there is nobody to use the mappings,
 * hence the cost does not depend on the size of the guest.
 */
int kvm_dp_freeze(struct kvm_dp *dp)
{
	struct kvm_vcpu *vcpu;
	struct kvm *kvm;
	unsigned long i;
	int r = 0;

	down_write(&dp->sem);
	kvm = dp->kvm;
	if (!kvm || kvm->vm_dead) {
		r = -ENODEV;
		goto out;
	}
	if (dp->frozen) {
		r = -EALREADY;
		goto out;
	}

	/*
	 * KVM_RUN tests this after it took vcpu->mutex: who holds a mutex that
	 * is tried below may have missed it, anybody later sees it.
	 */
	WRITE_ONCE(dp->no_run, true);
	smp_mb(); /* pairs with mutex_lock() in kvm_vcpu_ioctl() */
	kvm_for_each_vcpu(i, vcpu, kvm) {
		if (!mutex_trylock(&vcpu->mutex)) {
			WRITE_ONCE(dp->no_run, false);
			r = -EBUSY;
			goto out;
		}
		mutex_unlock(&vcpu->mutex);
	}

	/* Not before: an access that fails may be the end of a vCPU that runs. */
	WRITE_ONCE(dp->frozen, true);
	dp->n_freezes++;

	/* Who is filling a cache has tested @frozen, and has to do it again. */
	KVM_MMU_LOCK(kvm);
	kvm_mmu_invalidate_begin(kvm);
	kvm_mmu_invalidate_range_add(kvm, 0, ~0ULL);
	kvm_mmu_invalidate_end(kvm);
	KVM_MMU_UNLOCK(kvm);
	gfn_to_pfn_cache_invalidate_gfns(kvm, 0, ~0ULL);
	wait_accesses(dp);
out:
	up_write(&dp->sem);
	return r;
}

int kvm_dp_thaw(struct kvm_dp *dp)
{
	int r = 0;

	down_write(&dp->sem);
	if (!dp->kvm || dp->kvm->vm_dead)
		r = -ENODEV;
	else if (!dp->frozen)
		r = -EINVAL;
	if (!r) {
		WRITE_ONCE(dp->frozen, false);
		/* Pairs with smp_mb() in __kvm_dp_access_begin(). */
		smp_store_release(&dp->no_run, false);
	}
	up_write(&dp->sem);
	return r;
}

bool __kvm_dp_is_frozen(struct kvm_dp *dp)
{
	return READ_ONCE(dp->no_run);
}
EXPORT_SYMBOL_GPL(__kvm_dp_is_frozen);

bool __kvm_dp_is_missing(struct kvm_dp *dp, const struct kvm_memory_slot *slot,
			 gfn_t gfn)
{
	return kvm_dp_slot_is_paged(slot) &&
	       kvm_presence_is_missing(&dp->presence, gfn);
}
EXPORT_SYMBOL_GPL(__kvm_dp_is_missing);

bool __kvm_dp_vcpu_is_missing(struct kvm_vcpu *vcpu, struct kvm_dp *dp,
			      const struct kvm_memory_slot *slot, gfn_t gfn)
{
	return kvm_dp_slot_is_paged(slot) &&
	       kvm_presence_is_missing_near(&dp->presence, &vcpu->dp.cursor, gfn);
}
EXPORT_SYMBOL_GPL(__kvm_dp_vcpu_is_missing);

bool __kvm_dp_any_block(struct kvm_dp *dp, const struct kvm_memory_slot *slot,
			gfn_t start, gfn_t end)
{
	return kvm_dp_slot_is_paged(slot) &&
	       kvm_presence_any_block(&dp->presence, start, end);
}
EXPORT_SYMBOL_GPL(__kvm_dp_any_block);

/* Presence belongs to GFNs, a memslot that moves would leave its own behind. */
bool __kvm_dp_may_move(struct kvm_dp *dp, const struct kvm_memory_slot *slot,
		       gfn_t to)
{
	gfn_t from = slot->base_gfn;

	return !kvm_dp_slot_is_paged(slot) ||
	       (!kvm_presence_any_missing(&dp->presence, from, from + slot->npages) &&
		!kvm_presence_any_missing(&dp->presence, to, to + slot->npages));
}

int __kvm_dp_missing_errno(struct kvm_dp *dp, gfn_t gfn)
{
	return kvm_dp_is_poisoned(dp, gfn) ? -EHWPOISON : -EAGAIN;
}

/* The cookie of an access is the index of its SRCU section, plus 1. */
void __kvm_dp_access_end(struct kvm_dp *dp, int cookie)
{
	/* The access, and that it began, come before; pairs with any_access(). */
	smp_mb();
	this_cpu_inc(dp->accesses->ended);
	__acquire(&dp->srcu);			/* in __kvm_dp_access_begin() */
	srcu_read_unlock(&dp->srcu, cookie - 1);
}
EXPORT_SYMBOL_GPL(__kvm_dp_access_end);

int __kvm_dp_access_begin(struct kvm *kvm, struct kvm_dp *dp,
			  const struct kvm_memory_slot *slot, gfn_t gfn)
{
	struct kvm_vcpu *vcpu;
	int cookie;

	cookie = srcu_read_lock(&dp->srcu) + 1;
	__release(&dp->srcu);			/* in __kvm_dp_access_end() */
	this_cpu_inc(dp->accesses->begun);
	/*
	 * Pairs with smp_mb() in any_access(): whoever marks missing or freezes
	 * publishes first, and then looks for accesses and waits for them.
	 */
	smp_mb();
	if (likely(!READ_ONCE(dp->frozen) && !__kvm_dp_is_missing(dp, slot, gfn)))
		return cookie;

	vcpu = kvm_get_running_vcpu();
	if (vcpu && (vcpu->kvm != kvm || !in_task()))
		vcpu = NULL;
	/* Who marked it missing waits for the vCPU. */
	if (vcpu && vcpu->dp.hold && vcpu->dp.held == gfn)
		return cookie;
	__kvm_dp_access_end(dp, cookie);

	if (vcpu)
		kvm_dp_vcpu_note(vcpu, gfn, KVM_DP_EVENT_KVM |
				 (kvm_mem_is_private(kvm, gfn) ?
				  KVM_DP_EVENT_PRIVATE : 0));
	return __kvm_dp_missing_errno(dp, gfn);
}
EXPORT_SYMBOL_GPL(__kvm_dp_access_begin);

int __kvm_dp_vcpu_hold(struct kvm_vcpu *vcpu, struct kvm_dp *dp,
		       const struct kvm_memory_slot *slot, gfn_t gfn)
{
	int cookie;

	if (WARN_ON_ONCE(vcpu->dp.hold))
		return 0;
	cookie = __kvm_dp_access_begin(vcpu->kvm, dp, slot, gfn);
	if (cookie < 0)
		return cookie;
	vcpu->dp.held = gfn;
	vcpu->dp.hold = cookie;
	return 0;
}
EXPORT_SYMBOL_GPL(__kvm_dp_vcpu_hold);

static long control_ioctl(struct file *file, unsigned int ioctl, unsigned long arg)
{
	struct kvm_dp *dp = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (ioctl) {
	case KVM_DP_CREATE_SESSION:
		return kvm_dp_session_create(dp, uarg);
	case KVM_DP_MARK:
		return kvm_dp_mark(dp, uarg);
	case KVM_DP_COLLAPSE:
		return kvm_dp_collapse(dp, uarg);
	case KVM_DP_QUERY:
		return kvm_dp_query(dp, uarg);
	case KVM_DP_FAIL:
		return kvm_dp_fail(dp, uarg);
	case KVM_DP_POISON:
		return kvm_dp_poison(dp, uarg);
	case KVM_DP_FREEZE:
		return arg ? -EINVAL : kvm_dp_freeze(dp);
	case KVM_DP_THAW:
		return arg ? -EINVAL : kvm_dp_thaw(dp);
	default:
		return -ENOTTY;
	}
}

static int control_release(struct inode *inode, struct file *file)
{
	kvm_dp_put(file->private_data);
	return 0;
}

static const struct file_operations control_fops = {
	.owner		= THIS_MODULE,
	.release	= control_release,
	.unlocked_ioctl	= control_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

int kvm_dp_create_fd(struct kvm *kvm, unsigned long flags)
{
	struct kvm_dp *dp = READ_ONCE(kvm->dp);
	int fd;

	if (flags)
		return -EINVAL;
	if (!dp)
		return -ENXIO;

	kvm_dp_get(dp);
	fd = anon_inode_getfd("kvm-dp-control", &control_fops, dp,
			      O_RDWR | O_CLOEXEC);
	if (fd < 0)
		kvm_dp_put(dp);
	return fd;
}

int kvm_dp_vm_capable(struct kvm *kvm)
{
	int gmem = KVM_DP_CAP_POPULATE | KVM_DP_CAP_EXTRACT | KVM_DP_CAP_DISCARD |
		   KVM_DP_CAP_TRANSFER_EVENTS;

	if (kvm && !kvm_arch_gmem_accessible(kvm))
		gmem = 0;
	return gmem | KVM_DP_CAP_EXIT | KVM_DP_CAP_WAIT | KVM_DP_CAP_MARK |
	       KVM_DP_CAP_QUERY | KVM_DP_CAP_FREEZE | KVM_DP_CAP_COLLAPSE |
	       KVM_DP_CAP_FAIL | KVM_DP_CAP_POISON | KVM_DP_CAP_VCPU_MODE;
}

/* Who waits anyway, waits for KVM's accesses as well. */
static bool mode_is_valid(u64 mode)
{
	return mode == KVM_DP_MODE_WAIT || mode == KVM_DP_MODE_EXIT ||
	       mode == (KVM_DP_MODE_EXIT | KVM_DP_MODE_KVM_WAIT);
}

static int dp_enable(struct kvm *kvm, u64 mode)
{
	struct kvm_dp *dp;
	int r;

	lockdep_assert_held(&kvm->lock);

	if (kvm->dp)
		return -EEXIST;
	if (kvm->created_vcpus)
		return -EINVAL;

	dp = kzalloc(sizeof(*dp), GFP_KERNEL_ACCOUNT);
	if (!dp)
		return -ENOMEM;

	kref_init(&dp->kref);
	init_rwsem(&dp->sem);
	dp->kvm = kvm;
	dp->mode = mode & MODES;
	dp->allow_extract = mode & KVM_DP_ALLOW_EXTRACT;
	kvm_presence_init(&dp->presence);
	xa_init_flags(&dp->poison, XA_FLAGS_ACCOUNT);

	r = init_srcu_struct(&dp->srcu);
	if (r)
		goto err_free;

	r = -ENOMEM;
	dp->accesses = alloc_percpu_gfp(struct kvm_dp_accesses, GFP_KERNEL_ACCOUNT);
	if (!dp->accesses)
		goto err_srcu;

	r = kvm_dp_wait_init(dp);
	if (r)
		goto err_accesses;

	dp->memcg = get_mem_cgroup_from_mm(current->mm);

	/* Pairs with READ_ONCE() and the address dependency in the readers. */
	smp_store_release(&kvm->dp, dp);
	return 0;

err_accesses:
	free_percpu(dp->accesses);
err_srcu:
	cleanup_srcu_struct(&dp->srcu);
err_free:
	kfree(dp);
	return r;
}

/*
 * The context stays until the VM goes, as readers do not pin it.  Without a
 * missing GFN and without a VM to operate on it changes nothing.
 */
static int dp_disable(struct kvm *kvm)
{
	struct kvm_dp *dp = kvm->dp;
	int r = 0;

	if (!dp)
		return -EINVAL;

	down_write(&dp->sem);
	if (atomic_read(&dp->n_sessions) || dp->frozen ||
	    kvm_presence_n_missing(&dp->presence))
		r = -EBUSY;
	else
		dp->kvm = NULL;
	up_write(&dp->sem);
	return r;
}

int kvm_dp_vm_enable_cap(struct kvm *kvm, struct kvm_enable_cap *cap)
{
	const u64 valid = KVM_DP_ENABLE | MODES | KVM_DP_ALLOW_EXTRACT;
	u64 mode = cap->args[0];
	int r;

	if (cap->flags || cap->args[1] || cap->args[2] || cap->args[3])
		return -EINVAL;

	if (mode == KVM_DP_DISABLE) {
		guard(mutex)(&kvm->lock);
		return dp_disable(kvm);
	}

	if (mode & ~valid || !(mode & KVM_DP_ENABLE) ||
	    !mode_is_valid(mode & MODES))
		return -EINVAL;

	/* Takes cpu_hotplug_lock, hence outside of kvm->lock. */
	static_branch_inc(&kvm_dp_used);
	mutex_lock(&kvm->lock);
	r = dp_enable(kvm, mode);
	mutex_unlock(&kvm->lock);
	if (r)
		static_branch_dec(&kvm_dp_used);
	return r;
}

/* vcpu->mutex is held, and the mode used by nobody but the vCPU itself. */
int kvm_dp_vcpu_enable_cap(struct kvm_vcpu *vcpu, struct kvm_enable_cap *cap)
{
	struct kvm_dp *dp = READ_ONCE(vcpu->kvm->dp);
	u64 mode = cap->args[0];

	if (!dp || cap->flags || cap->args[1] || cap->args[2] || cap->args[3] ||
	    !mode_is_valid(mode))
		return -EINVAL;
	if (!READ_ONCE(dp->kvm))
		return -ENODEV;

	vcpu->dp.mode = mode;
	return 0;
}

/*
 * A memslot has gone: who sleeps on one of its GFNs wants something else now.
 * They all look again, as they do not know which.
 */
void __kvm_dp_memslot_gone(struct kvm_dp *dp)
{
	atomic_inc(&dp->n_slots_gone);
	kvm_dp_wake_all(dp);
}

/* The VM goes: no operation touches it from here on, readers see the end. */
void kvm_dp_detach_vm(struct kvm *kvm)
{
	struct kvm_dp *dp = kvm->dp;

	if (!dp)
		return;

	down_write(&dp->sem);
	dp->kvm = NULL;
	up_write(&dp->sem);
	wake_up_all(&dp->readers);
}

/* Nobody accesses guest memory any more. */
void kvm_dp_free_vm(struct kvm *kvm)
{
	if (kvm->dp)
		kvm_dp_put(kvm->dp);
}
