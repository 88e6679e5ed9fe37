/* SPDX-License-Identifier: MIT */
/* Between backend_uffd.c (operations) and uffd_attach.c (what comes before them). */
#ifndef GMEM_PAGER_BACKEND_UFFD_H
#define GMEM_PAGER_BACKEND_UFFD_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend.h"

#define UFFD_LOCKS 64u
#define UFFD_WORD_PAGES 64u	/* of one word of the bitmap, which one lock guards */

struct uffd_region {
	uint64_t gfn;
	uint64_t n_pages;
	uint64_t address;		/* in the VMM */
	uint64_t first_word;		/* of bits in backend_uffd.present */
	int fd;				/* our duplicate of shared_fd */
	uint64_t offset;		/* bytes into it */
	atomic_bool is_there;		/* a page that went to the address was seen in the file */
};

struct backend_uffd {
	struct backend backend;
	int fd;				/* userfaultfd; -1: a source without one */
	bool destination;
	bool protects;			/* source: late writers are held */
	atomic_bool frozen;
	size_t n_regions;
	struct uffd_region regions[GMEM_MAX_REGIONS];
	_Atomic uint64_t *present;	/* written under its word's lock; only ever grows */
	atomic_uint_fast64_t n_missing;
	pthread_mutex_t locks[UFFD_LOCKS];
};

static inline uint64_t uffd_word(const struct uffd_region *region, uint64_t page)
{
	return region->first_word + page / UFFD_WORD_PAGES;
}

static inline bool uffd_is_present(const struct backend_uffd *bu, const struct uffd_region *region, uint64_t page)
{
	return (atomic_load(&bu->present[uffd_word(region, page)]) >> (page % UFFD_WORD_PAGES) & 1) != 0;
}

/* Note that a missing page of @region is present: under its word's lock, or before there are other threads. */
void uffd_set_present(struct backend_uffd *bu, const struct uffd_region *region, uint64_t page);

/* Let whoever waits for a page in the range look again; what is missing still is then reported again. */
void uffd_wake(const struct backend_uffd *bu, const struct uffd_region *region, uint64_t page, uint64_t n_pages);

/* Hold writers of all regions, or let them go on.  0 or -errno. */
int uffd_protect(const struct backend_uffd *bu, bool on);

/* Nobody is held any more: what is not there reads as zero from here on. */
void uffd_disarm(const struct backend_uffd *bu);

void uffd_free(struct backend_uffd *bu);

extern const struct backend_ops backend_uffd_ops;

#endif
