/* SPDX-License-Identifier: MIT */
/*
 * Guest memory behind one interface.  An implementation is one file: today
 * backend_kvm.c, a KVM demand-paging session fd.
 *
 * All operations may come from several threads at once, none allocates, and all
 * return 0 or -errno; -ENODEV: the VM is gone.  close() only when no operation
 * is under way; it makes the kernel fail what still waits for a page.
 */
#ifndef GMEM_PAGER_BACKEND_H
#define GMEM_PAGER_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#define BACKEND_EVENTS_MAX 64u

enum backend_set {
	BACKEND_MISSING,	/* not there yet */
	BACKEND_PRIVATE,	/* guest_memfd, else shared */
	BACKEND_BACKED,		/* private, with a page behind it */
};

enum backend_result {
	BACKEND_OK = 0,
	BACKEND_NOT_PRIVATE,	/* shared now */
	BACKEND_NO_MEMORY,
	BACKEND_REFUSED,	/* anything else that will not go away */
};

/* Pages of one kind, to populate. */
struct backend_run {
	uint64_t gfn;
	uint64_t n_pages;
	const void *data;	/* NULL: zeros */
	uint64_t n_done;	/* in: pages to leave out; out: pages dealt with */
	uint64_t n_skipped;	/* out: of those, present before and left alone */
	enum backend_result result;
};

struct backend_event {
	uint64_t gfn;
	uint32_t vcpu_id;
};

struct backend;

struct backend_ops {
	const char *name;
	/* Source.  -EBUSY: a vCPU is running; -EALREADY: frozen by somebody. */
	int (*freeze)(struct backend *backend);
	int (*thaw)(struct backend *backend);
	/* Copy private pages out of the frozen VM; holes as zeros. */
	int (*extract)(struct backend *backend, uint64_t gfn, uint64_t n_pages, void *ret_pages);
	/*
	 * Which of @n_pages GFNs are in @set.  @ret_bitmap may be NULL, @ret_n_set
	 * (in the range) and @ret_n_missing (in the whole VM) too.
	 */
	int (*query)(struct backend *backend, enum backend_set set, uint64_t gfn, uint64_t n_pages,
		     uint64_t *ret_bitmap, uint64_t *ret_n_set, uint64_t *ret_n_missing);
	/*
	 * Destination.  Copy in what is missing, make it present, wake who waits,
	 * page by page as one step each; never writes a present page.  -EIO: the
	 * first run whose result is not BACKEND_OK stopped it at gfn + n_done.
	 */
	int (*populate)(struct backend *backend, struct backend_run *runs, size_t n_runs);
	/* Shared GFNs that were filled through a mapping.  -EINVAL: one is private now. */
	int (*mark_present)(struct backend *backend, uint64_t gfn, uint64_t n_pages);
	/* Block until guests want pages or @stop_fd is readable (then 0 events). */
	int (*wait_events)(struct backend *backend, int stop_fd, struct backend_event *ret_events,
			   size_t n_max, size_t *ret_n);
	void (*close)(struct backend *backend);
};

struct backend {
	const struct backend_ops *ops;
};

/*
 * A KVM demand-paging session.  Takes @session_fd over on success.
 * -ENOTTY or -EINVAL: the descriptor is something else.
 */
int backend_kvm_new(int session_fd, struct backend **ret_backend);

#endif
