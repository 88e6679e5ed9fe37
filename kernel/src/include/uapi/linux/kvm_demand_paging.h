/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * KVM demand paging: userspace ABI
 *
 * A VM whose memory arrives while it runs.  Each guest frame number (GFN) of
 * such a VM is *present* or *missing*.  A guest access to a missing GFN does
 * not reach memory: KVM_RUN returns (exit mode) or the vCPU sleeps until the
 * page is there (wait mode).  A *session*, a file descriptor that may be handed
 * to another process, reads which GFNs are wanted, fills them and so makes them
 * present.
 *
 * Everything is off until KVM_ENABLE_CAP(KVM_CAP_DEMAND_PAGING) on the VM:
 *
 *   args[0]  KVM_DP_ENABLE, or'ed with one of KVM_DP_MODE_EXIT, KVM_DP_MODE_WAIT
 *            and KVM_DP_MODE_EXIT | KVM_DP_MODE_KVM_WAIT, and with
 *            KVM_DP_ALLOW_EXTRACT if a session may ever read memory out.  Must
 *            precede the first vCPU (-EINVAL after).
 *            KVM_DP_DISABLE switches it off for good: -EBUSY while a GFN is
 *            missing or a session is open or the VM is frozen, -EINVAL if it is
 *            not on.
 *   args[1]  to args[3] must be 0.
 *
 * With KVM_DP_MODE_KVM_WAIT the guest's own accesses exit, while those that KVM
 * makes for it wait: userspace that resolves the ones need not know of the others.
 *
 * KVM_ENABLE_CAP(KVM_CAP_DEMAND_PAGING) on a vCPU gives it another mode than the
 * VM's, from its next access on: args[0] is one of the three, the rest is 0.
 *
 * KVM_CHECK_EXTENSION(KVM_CAP_DEMAND_PAGING) returns the set of KVM_DP_CAP_*
 * bits that this kernel has for this VM, 0 if none; on /dev/kvm, those that it
 * has for any.
 *
 * KVM_CREATE_DEMAND_PAGING (VM ioctl) then returns the control fd.  Pages are
 * 4 KiB; ranges are in GFNs and pages.  Unknown flags and non-zero padding are
 * refused with -EINVAL.  After the VM is gone, or demand paging is switched off,
 * every operation returns -ENODEV, read() returns -ENODEV, and poll() raises
 * EPOLLHUP.  While the VM is frozen, what would change presence or memory returns
 * -EBUSY: marking, populating, discarding, poisoning.
 *
 * KVM_SET_MEMORY_ATTRIBUTES with KVM_MEMORY_ATTRIBUTE_MISSING makes a range
 * missing.  The other attributes are stored exactly as ever: without
 * KVM_MEMORY_ATTRIBUTE_PRIVATE the range becomes shared.
 */
#ifndef _UAPI_LINUX_KVM_DEMAND_PAGING_H
#define _UAPI_LINUX_KVM_DEMAND_PAGING_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define KVM_DP_IOC		0xAE	/* the same as KVMIO */

/* KVM_ENABLE_CAP(KVM_CAP_DEMAND_PAGING), args[0] */
#define KVM_DP_ENABLE		(1ULL << 0)
#define KVM_DP_DISABLE		(1ULL << 1)
#define KVM_DP_MODE_EXIT	(1ULL << 2)
#define KVM_DP_MODE_WAIT	(1ULL << 3)
#define KVM_DP_ALLOW_EXTRACT	(1ULL << 4)
#define KVM_DP_MODE_KVM_WAIT	(1ULL << 5)

/* KVM_CHECK_EXTENSION(KVM_CAP_DEMAND_PAGING) */
#define KVM_DP_CAP_EXIT		(1 << 0)
#define KVM_DP_CAP_WAIT		(1 << 1)
#define KVM_DP_CAP_MARK		(1 << 2)
#define KVM_DP_CAP_POPULATE	(1 << 3)
#define KVM_DP_CAP_EXTRACT	(1 << 4)
#define KVM_DP_CAP_DISCARD	(1 << 5)
#define KVM_DP_CAP_QUERY	(1 << 6)
#define KVM_DP_CAP_FREEZE	(1 << 7)
#define KVM_DP_CAP_COLLAPSE	(1 << 8)
#define KVM_DP_CAP_FAIL		(1 << 9)
#define KVM_DP_CAP_POISON	(1 << 10)
#define KVM_DP_CAP_VCPU_MODE	(1 << 11)
#define KVM_DP_CAP_TRANSFER_EVENTS (1 << 12)

/*
 * Control fd
 */

/*
 * KVM_DP_CREATE_SESSION - returns a session fd (close-on-exec).
 *
 * @rights: what the session may do, KVM_DP_RIGHT_*, fixed for its life.  An
 *          operation outside of it fails with -EPERM.  KVM_DP_RIGHT_EXTRACT is
 *          refused with -EPERM unless the VM was set up with
 *          KVM_DP_ALLOW_EXTRACT.
 * @flags:  0.
 *
 * A session with KVM_DP_RIGHT_EVENTS is *attached* from here until its last
 * reference is closed.  When the last attached session goes, vCPUs asleep on a
 * missing page return KVM_EXIT_MEMORY_FAULT.
 */
struct kvm_dp_create_session {
	__u32 rights;
	__u32 flags;
	__u64 reserved[3];
};

#define KVM_DP_RIGHT_EVENTS	(1 << 0)	/* read(), poll() */
#define KVM_DP_RIGHT_POPULATE	(1 << 1)
#define KVM_DP_RIGHT_MARK	(1 << 2)
#define KVM_DP_RIGHT_DISCARD	(1 << 3)
#define KVM_DP_RIGHT_EXTRACT	(1 << 4)
#define KVM_DP_RIGHT_QUERY	(1 << 5)
#define KVM_DP_RIGHT_FREEZE	(1 << 6)
#define KVM_DP_RIGHT_FAIL	(1 << 7)

#define KVM_DP_CREATE_SESSION	_IOW(KVM_DP_IOC, 0xf0, struct kvm_dp_create_session)

/*
 * Control fd, and session fd with the right that is named
 */

/*
 * KVM_DP_MARK (KVM_DP_RIGHT_MARK) - mark a range of GFNs.
 *
 * @gfn, @n_pages: the range.  KVM_DP_MARK_MISSING with @n_pages = ~0 means
 *          from @gfn to the end of each user memslot.
 * @flags:  KVM_DP_MARK_MISSING: on return no vCPU maps the range and no access
 *          by KVM itself to its old contents is under way.
 *          KVM_DP_MARK_PRESENT: for shared memory that the caller filled
 *          through its own mapping.  A private GFN that is missing gives
 *          -EINVAL and nothing is marked: use KVM_DP_POPULATE.  Likewise a
 *          GFN that is poisoned, with -EHWPOISON.
 * @bitmap: 0, or the address of a bitmap of @n_pages bits (64-bit words, bit 0
 *          is @gfn): only GFNs whose bit is set.
 * @n_changed: out: GFNs whose state changed.
 *
 * A GFN without a memslot may be marked missing: presence belongs to GFNs.
 *
 * KVM_DP_MARK_MISSING of more than 1 GiB may end with -EINTR, and the beginning of the
 * range missing: call again.  KVM_SET_MEMORY_ATTRIBUTES may as well.
 */
struct kvm_dp_mark {
	__u64 gfn;
	__u64 n_pages;
	__u64 bitmap;
	__u32 flags;
	__u32 pad;
	__u64 n_changed;
	__u64 reserved[2];
};

#define KVM_DP_MARK_MISSING	(1 << 0)
#define KVM_DP_MARK_PRESENT	(1 << 1)

#define KVM_DP_MARK		_IOWR(KVM_DP_IOC, 0xf1, struct kvm_dp_mark)

/*
 * KVM_DP_QUERY (KVM_DP_RIGHT_QUERY) - state of a range.
 *
 * @bitmap: 0, or the address of a bitmap of @n_pages bits that receives one of:
 *          KVM_DP_QUERY_MISSING (missing GFNs), KVM_DP_QUERY_PRIVATE (GFNs with
 *          the PRIVATE attribute), KVM_DP_QUERY_BACKED (private GFNs that have
 *          a page allocated; the others read as zero once present),
 *          KVM_DP_QUERY_POISONED (poisoned GFNs).
 * @n_set:  out: bits set in that bitmap (also if @bitmap is 0).
 * @status: out: KVM_DP_STATUS_*.
 * @n_waiters: out: vCPUs asleep on a missing page.
 * @n_missing: out: missing GFNs of the whole VM.
 * @n_poisoned: out: poisoned GFNs of the whole VM.
 */
struct kvm_dp_query {
	__u64 gfn;
	__u64 n_pages;
	__u64 bitmap;
	__u32 flags;
	__u32 status;
	__u64 n_set;
	__u64 n_missing;
	__u32 n_waiters;
	__u32 n_poisoned;
	__u64 reserved[2];
};

#define KVM_DP_QUERY_MISSING	(1 << 0)
#define KVM_DP_QUERY_PRIVATE	(1 << 1)
#define KVM_DP_QUERY_BACKED	(1 << 2)
#define KVM_DP_QUERY_POISONED	(1 << 3)

#define KVM_DP_STATUS_FROZEN	(1 << 0)

#define KVM_DP_QUERY		_IOWR(KVM_DP_IOC, 0xf2, struct kvm_dp_query)

/*
 * KVM_DP_FREEZE (KVM_DP_RIGHT_FREEZE) - stop the whole VM from running.
 *
 * Fails with -EBUSY while any vCPU is inside KVM_RUN or another vCPU ioctl.
 * From its return until KVM_DP_THAW, KVM_RUN fails with -EBUSY and KVM itself
 * touches no guest memory, so what is extracted cannot change.  Presence is
 * kept as it was.  The freeze belongs to the VM and outlives the session.
 * -EALREADY if frozen.
 *
 * KVM_DP_THAW (KVM_DP_RIGHT_FREEZE) undoes it; -EINVAL if not frozen.
 */
#define KVM_DP_FREEZE		_IO(KVM_DP_IOC, 0xf3)
#define KVM_DP_THAW		_IO(KVM_DP_IOC, 0xf4)

/*
 * KVM_DP_COLLAPSE (KVM_DP_RIGHT_MARK) - map complete 2 MiB blocks huge.
 *
 * A block that is not complete is mapped with 4K pages.  When KVM_DP_MARK makes
 * the last GFN of a block present, the block is mapped with as large pages as
 * its backing allows from the next access on.  This asks for the same for all
 * complete blocks around a range, for backing that became huge later.  Blocks
 * that are not complete are left alone; so are memslots with dirty logging.
 *
 * @gfn, @n_pages: the range.
 * @flags: 0.
 */
struct kvm_dp_collapse {
	__u64 gfn;
	__u64 n_pages;
	__u64 flags;
	__u64 reserved[3];
};

#define KVM_DP_COLLAPSE		_IOW(KVM_DP_IOC, 0xf8, struct kvm_dp_collapse)

/*
 * KVM_DP_FAIL (KVM_DP_RIGHT_FAIL) - give up on pages, this once.
 *
 * Each vCPU that is asleep on a GFN of the range, for an access of its guest or of
 * KVM itself, returns KVM_EXIT_MEMORY_FAULT with KVM_MEMORY_EXIT_FLAG_FAILED next to
 * KVM_MEMORY_EXIT_FLAG_MISSING.  Nothing is injected, and presence stays: when
 * KVM_RUN is called again, the access is made again, waits, and is a new event.
 *
 * @gfn, @n_pages: the range.
 * @flags:  0.
 * @n_failed: out: how many vCPUs.
 */
struct kvm_dp_fail {
	__u64 gfn;
	__u64 n_pages;
	__u32 flags;
	__u32 pad;
	__u64 n_failed;
	__u64 reserved[2];
};

#define KVM_DP_FAIL		_IOWR(KVM_DP_IOC, 0xf9, struct kvm_dp_fail)

/*
 * KVM_DP_POISON (KVM_DP_RIGHT_FAIL) - give up on pages for good.
 *
 * A poisoned GFN is missing and stays so until the poison is cleared.  A vCPU that
 * needs it does not wait, there is no event: KVM_RUN fails with EHWPOISON and
 * KVM_EXIT_MEMORY_FAULT, with KVM_MEMORY_EXIT_FLAG_FAILED next to
 * KVM_MEMORY_EXIT_FLAG_MISSING, in either mode.  Nothing is injected; when KVM_RUN
 * is called again, the access is made again.  An access by KVM itself for an ioctl
 * other than KVM_RUN fails.
 *
 * @gfn, @n_pages: the range, of whatever backing, private or shared, or without a
 *          memslot.
 * @flags:  KVM_DP_POISON_SET: GFNs that are present become missing as by
 *          KVM_DP_MARK_MISSING, and vCPUs that are asleep on one leave as above.
 *          -ENOSPC, and nothing has changed, if more than KVM_DP_MAX_POISONED GFNs
 *          of the VM would be poisoned.  -ENOMEM: the beginning of the range was
 *          poisoned.
 *          KVM_DP_POISON_CLEAR: they stay missing, and may be brought.
 * @n_changed: out: GFNs whose poison changed.
 *
 * Poison belongs to GFNs, as presence does: it outlives memslots and conversions.
 * KVM_DP_RIGHT_MARK is not needed to make the GFNs missing, as it would give more
 * than that away, namely to make others present.
 */
struct kvm_dp_poison {
	__u64 gfn;
	__u64 n_pages;
	__u32 flags;
	__u32 pad;
	__u64 n_changed;
	__u64 reserved[2];
};

#define KVM_DP_POISON_SET	(1 << 0)
#define KVM_DP_POISON_CLEAR	(1 << 1)

#define KVM_DP_MAX_POISONED	4096

#define KVM_DP_POISON		_IOWR(KVM_DP_IOC, 0xfa, struct kvm_dp_poison)

/*
 * Session fd only
 */

/*
 * One run of consecutive GFNs of one kind.
 *
 * @gfn, @n_pages: the run.
 * @addr:   address in the caller of @n_pages * 4096 bytes, or 0 together with
 *          KVM_DP_VEC_ZERO.
 * @flags:  KVM_DP_VEC_*.
 * @result: out: KVM_DP_OK, or why the run stopped at @gfn + @n_done.
 * @n_done: out: pages dealt with, from the start of the run.  Also input: the
 *          operation starts there, so that an interrupted call can be issued
 *          again with the same array.
 * @n_skipped: out, added to: of @n_done, pages left alone because they were
 *          present (populate), or holes that were not read (extract).
 */
struct kvm_dp_vec {
	__u64 gfn;
	__u64 n_pages;
	__u64 addr;
	__u32 flags;
	__u32 result;
	__u64 n_done;
	__u64 n_skipped;
};

#define KVM_DP_VEC_ZERO		(1 << 0)	/* populate: with zeros; @addr is 0 */

#define KVM_DP_OK		0
#define KVM_DP_NOT_GMEM		1	/* no memslot, or one without guest_memfd */
#define KVM_DP_KIND_CHANGED	2	/* the GFN is not PRIVATE */
#define KVM_DP_MISSING		3	/* extract: never arrived here itself */
#define KVM_DP_FAULT		4	/* @addr cannot be read or written */
#define KVM_DP_NOMEM		5	/* no memory (or over the memcg's limit) */
#define KVM_DP_POISONED		6	/* a hardware error, or KVM_DP_POISON */

/*
 * @vecs:   address of @n_vecs struct kvm_dp_vec, at most KVM_DP_MAX_VECS.
 * @n_vecs_done: out: runs that are done completely.
 *
 * KVM_DP_POPULATE (KVM_DP_RIGHT_POPULATE): for each missing private GFN, copy
 * the page in and make it present, as one step that nobody can come between, and
 * wake who waits for it.  A present page is never written: it is skipped.
 *
 * KVM_DP_EXTRACT (KVM_DP_RIGHT_EXTRACT): copy private pages out of a frozen VM
 * (-EBUSY if it is not).  A hole is not allocated: its 4096 bytes at @addr are
 * set to zero and it is counted in @n_skipped.
 *
 * @flags:  KVM_DP_POPULATE with KVM_DP_TRANSFER_EVENTS, which also needs
 *          KVM_DP_RIGHT_EVENTS: once all is done, read events in the same call, at
 *          most @n_events of them to @events.  As read() does, this waits for one
 *          unless O_NONBLOCK.  Else @flags, @n_events and @events are 0.
 * @n_events: out: how many were read.  0 is no error: there was none, a signal
 *          came, or there is no VM any more.
 *
 * Returns 0 if all is done, else stops at the first run whose @result is not
 * KVM_DP_OK and returns -EIO; -EINTR: call again with the same array.
 * -EOPNOTSUPP for VMs whose private memory the host cannot access, i.e. all but
 * KVM_X86_SW_PROTECTED_VM.
 */
struct kvm_dp_transfer {
	__u64 vecs;
	__u32 n_vecs;
	__u32 n_vecs_done;
	__u32 flags;
	__u32 n_events;
	__u64 events;
	__u64 reserved;
};

#define KVM_DP_TRANSFER_EVENTS	(1 << 0)

#define KVM_DP_MAX_VECS		1024

#define KVM_DP_POPULATE		_IOWR(KVM_DP_IOC, 0xf5, struct kvm_dp_transfer)
#define KVM_DP_EXTRACT		_IOWR(KVM_DP_IOC, 0xf6, struct kvm_dp_transfer)

/*
 * KVM_DP_DISCARD (KVM_DP_RIGHT_DISCARD) - drop the contents of private GFNs,
 * in one step: with @flags 0 the range becomes present and zero, with
 * KVM_DP_DISCARD_EVICT it becomes missing.  -EINVAL if a part of the range is
 * not private or not backed by guest_memfd; nothing is changed then.  -EHWPOISON,
 * and nothing is changed, if with @flags 0 a GFN is poisoned; one that is evicted
 * stays poisoned.  -EOPNOTSUPP as for KVM_DP_POPULATE.  -ENOMEM: the beginning of
 * the range was evicted.  -EAGAIN: a 2M folio that the range takes a part of is in
 * use for longer than some milliseconds; call again with the same range.  -E2BIG:
 * more than KVM_DP_MAX_DISCARD GFNs, which would hold up KVM_DP_FREEZE and others.
 */
#define KVM_DP_MAX_DISCARD	(1 << 18)

struct kvm_dp_discard {
	__u64 gfn;
	__u64 n_pages;
	__u32 flags;
	__u32 pad;
	__u64 reserved[2];
};

#define KVM_DP_DISCARD_EVICT	(1 << 0)

#define KVM_DP_DISCARD		_IOW(KVM_DP_IOC, 0xf7, struct kvm_dp_discard)

/*
 * read() on a session with KVM_DP_RIGHT_EVENTS returns whole events, as many as
 * fit; it blocks unless O_NONBLOCK (-EAGAIN).  poll() raises EPOLLIN when there
 * is one.  A GFN that was read belongs to that session until it is present or
 * was failed; when the session is closed first, what is still wanted is reported again.
 */
struct kvm_dp_event {
	__u64 gfn;
	__u32 flags;
	__u32 vcpu_id;		/* of the first vCPU that waits */
};

#define KVM_DP_EVENT_WRITE	(1 << 0)
#define KVM_DP_EVENT_EXEC	(1 << 1)
#define KVM_DP_EVENT_PRIVATE	(1 << 2)
#define KVM_DP_EVENT_KVM	(1 << 3)	/* access by KVM itself, for that vCPU */

#endif /* _UAPI_LINUX_KVM_DEMAND_PAGING_H */
