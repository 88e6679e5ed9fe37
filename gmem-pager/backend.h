/* SPDX-License-Identifier: MIT */
/*
 * Guest memory behind one interface: backend_kvm.c, a KVM demand-paging session fd; backend_uffd.c, shared
 * memory of a VMM under userfaultfd, for stock kernels.
 *
 * All operations may come from several threads at once, none allocates, and all
 * return 0 or -errno; -ENODEV: the VM is gone.  close() only when no operation
 * is under way; kvm: it makes the kernel fail what still waits for a page.
 */
#ifndef GMEM_PAGER_BACKEND_H
#define GMEM_PAGER_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gmem/gmem.h>

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
	BACKEND_FOREIGN,	/* uffd: it was missing, and somebody else has filled it */
	BACKEND_ELSEWHERE,	/* uffd: what is mapped at the region's address is not the region's file */
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
	const char *name;	/* "kvm", "uffd"; lives as long as the program */
	/* extract() and populate() take shared pages too: nobody maps them here, mark_present() is never called. */
	bool shared_too;
	/* Source.  -EBUSY: a vCPU is running; -EALREADY: frozen by somebody. */
	int (*freeze)(struct backend *backend);
	int (*thaw)(struct backend *backend);
	/* Copy private pages out of the frozen VM; holes as zeros. */
	int (*extract)(struct backend *backend, uint64_t gfn, uint64_t n_pages, void *ret_pages);
	/* In a sentence, what was wrong with the first page that extract() could not give.  May be NULL. */
	void (*explain)(struct backend *backend, char *ret_text, size_t len);
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

struct backend_uffd_setup {
	int uffd;			/* the VMM's; -1: none, at a source alone */
	bool destination;
	bool again;			/* a process before this one had the VM: pages are there, a source is frozen */
	const struct gmem_region *regions;	/* with a shared fd and nothing else; the fds stay the caller's */
	const uint64_t *addresses;	/* where the VMM has mapped each */
	size_t n_regions;
};

/*
 * Shared memory under userfaultfd; theory of operation in backend_uffd.c.  Takes uffd over on success, arms it for
 * the regions.  On failure @ret_error has a sentence.  -EEXIST: a first attachment, and a page is there already.
 */
int backend_uffd_new(const struct backend_uffd_setup *setup, struct backend **ret_backend, char *ret_error,
		     size_t error_len);

#endif
