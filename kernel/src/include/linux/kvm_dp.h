/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM demand paging, as seen by the rest of KVM; included by kvm_host.h.  The
 * implementation is in virt/kvm/dp*.c, the ABI in
 * include/uapi/linux/kvm_demand_paging.h.
 */
#ifndef __KVM_DP_H__
#define __KVM_DP_H__ 1

#include <linux/jump_label.h>
#include <linux/kvm_demand_paging.h>
#include <linux/kvm_host.h>

struct kvm_dp;

#ifdef CONFIG_KVM_DEMAND_PAGING
DECLARE_STATIC_KEY_FALSE(kvm_dp_used);

bool __kvm_dp_is_missing(struct kvm_dp *dp, const struct kvm_memory_slot *slot,
			 gfn_t gfn);
bool __kvm_dp_vcpu_is_missing(struct kvm_vcpu *vcpu, struct kvm_dp *dp,
			      const struct kvm_memory_slot *slot, gfn_t gfn);
bool __kvm_dp_any_block(struct kvm_dp *dp, const struct kvm_memory_slot *slot,
			gfn_t start, gfn_t end);
bool __kvm_dp_may_move(struct kvm_dp *dp, const struct kvm_memory_slot *slot,
		       gfn_t to);
void __kvm_dp_memslot_gone(struct kvm_dp *dp);
bool __kvm_dp_is_frozen(struct kvm_dp *dp);
int __kvm_dp_access_begin(struct kvm *kvm, struct kvm_dp *dp,
			  const struct kvm_memory_slot *slot, gfn_t gfn);
void __kvm_dp_access_end(struct kvm_dp *dp, int cookie);
void __kvm_dp_keep(struct kvm_dp *dp, int n);
int __kvm_dp_vcpu_hold(struct kvm_vcpu *vcpu, struct kvm_dp *dp,
		       const struct kvm_memory_slot *slot, gfn_t gfn);
int __kvm_dp_missing_errno(struct kvm_dp *dp, gfn_t gfn);
int __kvm_dp_vcpu_resolve(struct kvm_vcpu *vcpu);

void kvm_dp_vcpu_note(struct kvm_vcpu *vcpu, gfn_t gfn, u32 flags);
int kvm_dp_mark_range_missing(struct kvm *kvm, gfn_t start, gfn_t end);
int kvm_dp_vm_capable(struct kvm *kvm);
int kvm_dp_vm_enable_cap(struct kvm *kvm, struct kvm_enable_cap *cap);
int kvm_dp_vcpu_enable_cap(struct kvm_vcpu *vcpu, struct kvm_enable_cap *cap);
int kvm_dp_create_fd(struct kvm *kvm, unsigned long flags);
void kvm_dp_detach_vm(struct kvm *kvm);
void kvm_dp_free_vm(struct kvm *kvm);

/* NULL unless the VM is paged.  Costs a NOP until the first one is. */
static __always_inline struct kvm_dp *kvm_dp_of(struct kvm *kvm)
{
	return static_branch_unlikely(&kvm_dp_used) ? READ_ONCE(kvm->dp) : NULL;
}

static inline bool kvm_dp_is_enabled(struct kvm *kvm)
{
	return kvm_dp_of(kvm);
}

/* Must an access to this GFN wait? */
static inline bool kvm_dp_is_missing(struct kvm *kvm,
				     const struct kvm_memory_slot *slot,
				     gfn_t gfn)
{
	struct kvm_dp *dp = kvm_dp_of(kvm);

	return dp && __kvm_dp_is_missing(dp, slot, gfn);
}

/* The same for an access that the vCPU, which is loaded, makes itself. */
static inline bool kvm_dp_vcpu_is_missing(struct kvm_vcpu *vcpu,
					  const struct kvm_memory_slot *slot,
					  gfn_t gfn)
{
	struct kvm_dp *dp = kvm_dp_of(vcpu->kvm);

	return dp && __kvm_dp_vcpu_is_missing(vcpu, dp, slot, gfn);
}

/* Was anything missing when the vCPU last looked? */
static inline bool kvm_dp_vcpu_expects_missing(const struct kvm_vcpu *vcpu)
{
	return static_branch_unlikely(&kvm_dp_used) && vcpu->dp.cursor.n_stores;
}

/* Why who does not wait for this GFN, which is missing, cannot have it. */
static inline int kvm_dp_missing_errno(struct kvm *kvm, gfn_t gfn)
{
	return __kvm_dp_missing_errno(kvm->dp, gfn);
}

/*
 * Must [@start, @end), whole blocks of 2 MiB, not be mapped by one huge SPTE?
 * Hold mmu_lock.
 */
static inline bool kvm_dp_any_block(struct kvm *kvm,
				    const struct kvm_memory_slot *slot,
				    gfn_t start, gfn_t end)
{
	struct kvm_dp *dp = kvm_dp_of(kvm);

	return dp && __kvm_dp_any_block(dp, slot, start, end);
}

/* No GFN of the memslot's old place or its new one is missing? */
static inline bool kvm_dp_may_move(struct kvm *kvm,
				   const struct kvm_memory_slot *slot, gfn_t to)
{
	struct kvm_dp *dp = kvm_dp_of(kvm);

	return !dp || __kvm_dp_may_move(dp, slot, to);
}

/* After a memslot was deleted or moved. */
static inline void kvm_dp_memslot_gone(struct kvm *kvm)
{
	struct kvm_dp *dp = kvm_dp_of(kvm);

	if (dp)
		__kvm_dp_memslot_gone(dp);
}

/* Must vCPUs not touch memory?  Hold vcpu->mutex. */
static inline bool kvm_dp_is_frozen(struct kvm *kvm)
{
	struct kvm_dp *dp = kvm_dp_of(kvm);

	return dp && __kvm_dp_is_frozen(dp);
}

/* Is the vCPU mapping what the guest has not touched? */
static inline bool kvm_dp_vcpu_maps_ahead(const struct kvm_vcpu *vcpu)
{
	return static_branch_unlikely(&kvm_dp_used) && vcpu->dp.ahead;
}

/*
 * Bracket an access by KVM itself to guest memory.  Returns a cookie >= 0 for
 * kvm_dp_access_end(), or -EAGAIN if the GFN is missing or the VM is frozen, or
 * -EHWPOISON if the GFN will not come: no access then.  If a vCPU is loaded, its
 * GFN is noted: the vCPU waits for it or exits before it next enters the guest.
 * Between begin and end nobody's mark of the GFN as missing, and no freeze,
 * completes.  Do not wait for a missing page in between.
 */
static inline int kvm_dp_access_begin(struct kvm *kvm,
				      const struct kvm_memory_slot *slot,
				      gfn_t gfn)
{
	struct kvm_dp *dp = kvm_dp_of(kvm);

	return dp ? __kvm_dp_access_begin(kvm, dp, slot, gfn) : 0;
}

static inline void kvm_dp_access_end(struct kvm *kvm, int cookie)
{
	if (unlikely(cookie))
		__kvm_dp_access_end(kvm->dp, cookie);
}

/*
 * Keep a GFN for a vCPU, one at a time, until kvm_dp_vcpu_release(): its accesses to
 * it do not fail, also if it is marked missing meanwhile.  For what cannot be done
 * again once it has begun.  Returns 0, or as kvm_dp_access_begin() a negative errno.
 */
static inline int kvm_dp_vcpu_hold(struct kvm_vcpu *vcpu,
				   const struct kvm_memory_slot *slot, gfn_t gfn)
{
	struct kvm_dp *dp = kvm_dp_of(vcpu->kvm);

	return dp ? __kvm_dp_vcpu_hold(vcpu, dp, slot, gfn) : 0;
}

static inline void kvm_dp_vcpu_release(struct kvm_vcpu *vcpu)
{
	if (static_branch_unlikely(&kvm_dp_used)) {
		kvm_dp_access_end(vcpu->kvm, vcpu->dp.hold);
		vcpu->dp.hold = 0;
	}
}

/* A page is mapped for hardware, from an access to it on until it is unmapped. */
static inline void kvm_dp_keep_begin(struct kvm *kvm)
{
	struct kvm_dp *dp = kvm_dp_of(kvm);

	if (dp)
		__kvm_dp_keep(dp, 1);
}

static inline void kvm_dp_keep_end(struct kvm *kvm)
{
	struct kvm_dp *dp = kvm_dp_of(kvm);

	if (dp)
		__kvm_dp_keep(dp, -1);
}

/* Has the vCPU come across a missing GFN, and not resolved it yet? */
static inline bool kvm_dp_vcpu_is_pending(struct kvm_vcpu *vcpu)
{
	return static_branch_unlikely(&kvm_dp_used) &&
	       vcpu->dp.state == KVM_VCPU_DP_PENDING;
}

/* At the beginning of KVM_RUN: what other ioctls came across does not count. */
static inline void kvm_dp_vcpu_forget(struct kvm_vcpu *vcpu)
{
	if (kvm_dp_vcpu_is_pending(vcpu))
		vcpu->dp.state = KVM_VCPU_DP_NONE;
}

/*
 * Before a vCPU enters the guest, at an instruction boundary: wait for the GFN
 * that was noted, or make KVM_RUN return.  Returns 1 to go on, else what
 * KVM_RUN returns.  Called with kvm->srcu held, which is dropped to sleep.
 */
static inline int kvm_dp_vcpu_resolve(struct kvm_vcpu *vcpu)
{
	if (static_branch_unlikely(&kvm_dp_used) &&
	    vcpu->dp.state != KVM_VCPU_DP_NONE)
		return __kvm_dp_vcpu_resolve(vcpu);
	return 1;
}
#else
static inline bool kvm_dp_is_enabled(struct kvm *kvm)
{
	return false;
}

static inline bool kvm_dp_is_missing(struct kvm *kvm,
				     const struct kvm_memory_slot *slot,
				     gfn_t gfn)
{
	return false;
}

static inline bool kvm_dp_vcpu_is_missing(struct kvm_vcpu *vcpu,
					  const struct kvm_memory_slot *slot,
					  gfn_t gfn)
{
	return false;
}

static inline bool kvm_dp_vcpu_expects_missing(const struct kvm_vcpu *vcpu)
{
	return false;
}

static inline int kvm_dp_missing_errno(struct kvm *kvm, gfn_t gfn)
{
	return -EAGAIN;
}

static inline bool kvm_dp_any_block(struct kvm *kvm,
				    const struct kvm_memory_slot *slot,
				    gfn_t start, gfn_t end)
{
	return false;
}

static inline bool kvm_dp_may_move(struct kvm *kvm,
				   const struct kvm_memory_slot *slot, gfn_t to)
{
	return true;
}

static inline void kvm_dp_memslot_gone(struct kvm *kvm)
{
}

static inline bool kvm_dp_is_frozen(struct kvm *kvm)
{
	return false;
}

static inline int kvm_dp_access_begin(struct kvm *kvm,
				      const struct kvm_memory_slot *slot,
				      gfn_t gfn)
{
	return 0;
}

static inline void kvm_dp_access_end(struct kvm *kvm, int idx)
{
}

static inline int kvm_dp_vcpu_hold(struct kvm_vcpu *vcpu,
				   const struct kvm_memory_slot *slot, gfn_t gfn)
{
	return 0;
}

static inline void kvm_dp_vcpu_release(struct kvm_vcpu *vcpu)
{
}

static inline void kvm_dp_keep_begin(struct kvm *kvm)
{
}

static inline void kvm_dp_keep_end(struct kvm *kvm)
{
}

static inline bool kvm_dp_vcpu_is_pending(struct kvm_vcpu *vcpu)
{
	return false;
}

static inline bool kvm_dp_vcpu_maps_ahead(const struct kvm_vcpu *vcpu)
{
	return false;
}

static inline void kvm_dp_vcpu_forget(struct kvm_vcpu *vcpu)
{
}

static inline int kvm_dp_vcpu_resolve(struct kvm_vcpu *vcpu)
{
	return 1;
}

static inline void kvm_dp_vcpu_note(struct kvm_vcpu *vcpu, gfn_t gfn, u32 flags)
{
}

static inline int kvm_dp_mark_range_missing(struct kvm *kvm, gfn_t start,
					    gfn_t end)
{
	return -EINVAL;
}

static inline int kvm_dp_vm_enable_cap(struct kvm *kvm,
				       struct kvm_enable_cap *cap)
{
	return -EINVAL;
}

static inline int kvm_dp_vcpu_enable_cap(struct kvm_vcpu *vcpu,
					 struct kvm_enable_cap *cap)
{
	return -EINVAL;
}

static inline int kvm_dp_create_fd(struct kvm *kvm, unsigned long flags)
{
	return -ENOTTY;
}

static inline void kvm_dp_detach_vm(struct kvm *kvm)
{
}

static inline void kvm_dp_free_vm(struct kvm *kvm)
{
}
#endif /* CONFIG_KVM_DEMAND_PAGING */

#endif /* __KVM_DP_H__ */
