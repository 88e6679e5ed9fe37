/* SPDX-License-Identifier: MIT */
/*
 * paging: the VMM's own calls of KVM's demand-paging interface
 * (linux/kvm_demand_paging.h).  Sessions that a pager shall hold are created
 * here too and handed over by move.
 */
#ifndef VMM_PAGING_H
#define VMM_PAGING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum paging_mode {
	PAGING_OFF = 0,
	PAGING_WAIT,	/* a vCPU sleeps until the page is there */
	PAGING_EXIT,	/* KVM_RUN returns: ends the guest in this VMM */
};

struct paging {
	int control_fd;		/* -1 if off */
	enum paging_mode mode;
};

/**
 * Switch it on, with extract allowed.  Before the first vCPU.
 * @retval -EOPNOTSUPP the kernel does not have it.
 */
int paging_init(struct paging *paging, int vm_fd, enum paging_mode mode);

/** @param rights KVM_DP_RIGHT_*. @param ret_fd close-on-exec; the caller closes it. */
int paging_create_session(const struct paging *paging, uint32_t rights, int *ret_fd);

/** Mark every GFN of every memslot missing. */
int paging_mark_all_missing(const struct paging *paging);

/** Mark a range of shared memory, bytes, present. */
int paging_mark_present(const struct paging *paging, uint64_t gpa, uint64_t size);

/** Copy @p size bytes (whole pages) at @p data to missing private memory, or zeros if NULL. */
int paging_populate(int session_fd, uint64_t gpa, uint64_t size, const void *data);

/** Freeze the VM in the kernel. @retval -EALREADY it is. */
int paging_freeze(int session_fd);
int paging_thaw(int session_fd);

/** Read private pages of the frozen VM. @param ret_data n_pages * 4096 bytes. */
int paging_extract(int session_fd, uint64_t gfn, uint64_t n_pages, void *ret_data);

/** Is it missing at this moment? */
int paging_is_missing(int session_fd, uint64_t gfn, bool *ret_missing);

/** Missing GFNs of the whole VM. */
int paging_count_missing(int session_fd, uint64_t *ret_n_missing);

/**
 * Which GFNs are private.
 * @param ret_bitmap n_pages bits in whole 64-bit words, bit 0 is @p gfn.
 */
int paging_query_private(int session_fd, uint64_t gfn, uint64_t n_pages, uint64_t *ret_bitmap);

/** How many GFNs of a range are private. */
int paging_count_private(int session_fd, uint64_t gfn, uint64_t n_pages, uint64_t *ret_n_private);

#endif
