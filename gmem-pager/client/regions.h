/* SPDX-License-Identifier: MIT */
/* What makes a layout of guest memory well formed; for the library and for the service behind it. */
#ifndef GMEM_CLIENT_REGIONS_H
#define GMEM_CLIENT_REGIONS_H

#include <stdbool.h>

#include <gmem/gmem.h>

static inline bool region_valid(const struct gmem_region *region)
{
	const uint64_t mask = GMEM_PAGE_SIZE - 1;
	const bool has_fd = (region->flags & GMEM_REGION_SHARED_FD) != 0;

	if (region->size == 0 || ((region->gpa | region->size) & mask) != 0)
		return false;
	if (region->gpa + (region->size - 1) < region->gpa || region->flags == 0)
		return false;
	if ((region->flags & ~(GMEM_REGION_GUEST_MEMFD | GMEM_REGION_SHARED_FD)) != 0)
		return false;
	return !has_fd || (region->shared_fd >= 0 && (region->shared_offset & mask) == 0);
}

/* 1 to GMEM_MAX_REGIONS, page aligned, sorted, apart.  Compared by the last byte: a region may end at 2^64. */
static inline bool regions_valid(const struct gmem_region *regions, size_t n_regions)
{
	size_t i;

	if (regions == NULL || n_regions == 0 || n_regions > GMEM_MAX_REGIONS)
		return false;
	for (i = 0; i < n_regions; i++) {
		if (!region_valid(&regions[i]))
			return false;
		if (i > 0 && regions[i - 1].gpa + (regions[i - 1].size - 1) >= regions[i].gpa)
			return false;
	}
	return true;
}

static inline bool ranges_meet(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a <= b + (b_len - 1) && b <= a + (a_len - 1);
}

/* Regions for userfaultfd: shared memory and nothing else, each mapped at an address, page aligned, apart. */
static inline bool regions_uffd_valid(const struct gmem_region *regions, const uint64_t *addresses, size_t n_regions)
{
	size_t i, k;

	if (!regions_valid(regions, n_regions))
		return false;
	for (i = 0; i < n_regions; i++) {
		if (regions[i].flags != GMEM_REGION_SHARED_FD || addresses[i] == 0 ||
		    (addresses[i] & (GMEM_PAGE_SIZE - 1)) != 0 || addresses[i] + (regions[i].size - 1) < addresses[i] ||
		    regions[i].shared_offset + (regions[i].size - 1) < regions[i].shared_offset)
			return false;
		for (k = 0; k < i; k++)
			if (ranges_meet(addresses[i], regions[i].size, addresses[k], regions[k].size))
				return false;
	}
	return true;
}

#endif
