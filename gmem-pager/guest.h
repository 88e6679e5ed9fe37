/* SPDX-License-Identifier: MIT */
/*
 * The memory of one VM: its regions, the backend for private pages, mappings of
 * the shared ones if the backend does not see to them too (backend.h: shared_too).
 * Reads pages into the body of a PAGES record (source) and fills them from one
 * (destination).
 *
 * A present page is never written.  The backend sees to that for its pages.
 * For others it is this file: all fills go through it, and presence is
 * tested, the page copied and marked under one lock here and another one that
 * the VMM knows: a record lock on the page's bytes of the shared file, which
 * gmem_discard() takes too.  It goes with the process that has it.
 */
#ifndef GMEM_PAGER_GUEST_H
#define GMEM_PAGER_GUEST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gmem/gmem.h>

#include "backend.h"
#include "manifest.h"

#define GUEST_ERROR_LEN 200u

struct guest {
	struct backend *backend;		/* owned; NULL after guest_close_backend() */
	const char *backend_name;		/* stays after that */
	struct manifest *layout;		/* regions alone */
	uint8_t *shared[GMEM_MAX_REGIONS];	/* mappings, NULL if the region has none or the backend needs none */
	int shared_fds[GMEM_MAX_REGIONS];	/* own duplicates, for the record locks; -1: nothing is filled there */
	uint64_t shared_offsets[GMEM_MAX_REGIONS];	/* bytes into them, of each region */
	pthread_mutex_t fill_lock;		/* shared pages: test, copy, mark, by one thread here; see above */
	atomic_bool may_convert;		/* the guest runs: it may have converted a page since */
};

struct guest_counts {
	uint64_t n_new;		/* populated now */
	uint64_t n_duplicate;	/* present before */
	uint64_t n_zero;	/* of the new */
	uint64_t n_shared;	/* of the new */
	uint64_t n_converted;	/* of the new: of another kind here by now, made present without data */
};

/*
 * Takes @backend over on success.  @regions[].shared_fd stay the caller's.
 * @writable: map shared memory for filling.  On failure @ret_error has a sentence.
 */
int guest_new(struct backend *backend, const struct gmem_region *regions, size_t n_regions, bool writable,
	      struct guest **ret_guest, char *ret_error, size_t error_len);
void guest_free(struct guest *guest);

/* Close the backend: the kernel fails whoever still waits.  No operation may be under way. */
void guest_close_backend(struct guest *guest);

/* Source: -EBUSY a vCPU runs; -EALREADY; else -errno.  With a sentence. */
int guest_freeze(struct guest *guest, char *ret_error, size_t error_len);

/* Source, frozen: find out each page's kind.  @ret_manifest is the caller's. */
int guest_survey(struct guest *guest, struct manifest **ret_manifest, char *ret_error, size_t error_len);

/* Destination, before anything arrived: every page of every region is missing?  -EEXIST if not. */
int guest_check_missing(struct guest *guest, char *ret_error, size_t error_len);

/* Destination, before the first run: private here is what is private in @manifest, and nothing else is missing? */
int guest_check_kinds(struct guest *guest, const struct manifest *manifest, char *ret_error, size_t error_len);

/* Missing pages of the whole VM. */
int guest_count_missing(struct guest *guest, uint64_t *ret_n_missing);

/*
 * Read @n_pages from @index on, which are in one region, into @ret_body:
 * PAGES_BODY_MAX(n_pages) bytes of locked memory.
 */
int guest_read(struct guest *guest, const struct manifest *manifest, uint64_t index, uint32_t n_pages,
	       uint8_t *ret_body, uint32_t *ret_body_len);

/*
 * Fill @n_pages from @gfn on from the @body of a PAGES record.  Adds to @counts.
 * -EPROTO: not what the manifest says.  On failure @ret_error has a sentence.
 */
int guest_fill(struct guest *guest, const struct manifest *manifest, uint64_t gfn, uint32_t n_pages,
	       const uint8_t *body, uint32_t body_len, struct guest_counts *counts, char *ret_error, size_t error_len);

#endif
