// SPDX-License-Identifier: MIT
/*
 * Taking memory away from a guest that a move may still bring.
 *
 * Private pages are the kernel's: it drops the content and makes the page present as one step, and never
 * populates a present one.  Shared ones a pager fills through a mapping, in three steps (ask, copy, mark),
 * each with a record lock on the page's bytes of the shared file; with that lock held here it is before or
 * behind them.  The lock is on the open file description, which a pager has too: it takes the other kind,
 * which belongs to its process.  So both exclude each other, and the pager's goes when it is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <time.h>

#include <gmem/gmem.h>
#include <linux/kvm_demand_paging.h>

#include "regions.h"

/* Asked for in one query. */
#define CHUNK_PAGES 8192u

/* Threads of one process share a description, so the record lock does not keep them apart. */
static pthread_mutex_t own_threads = PTHREAD_MUTEX_INITIALIZER;

struct range {
	int session_fd;
	const struct gmem_region *region;
	uint64_t gpa, size;		/* all of it in the region */
};

static uint64_t file_offset(const struct range *range)
{
	return range->region->shared_offset + (range->gpa - range->region->gpa);
}

static int record_lock(const struct range *range, short type)
{
	struct flock lock = {
		.l_type = type, .l_whence = SEEK_SET,
		.l_start = (off_t)file_offset(range), .l_len = (off_t)range->size,
	};
	int r;

	do {
		r = fcntl(range->region->shared_fd, F_OFD_SETLKW, &lock) < 0 ? -errno : 0;
	} while (r == -EINTR);
	return r;
}

static int punch(const struct range *range)
{
	int r;

	do {
		r = fallocate(range->region->shared_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      (off_t)file_offset(range), (off_t)range->size) < 0 ? -errno : 0;
	} while (r == -EINTR);
	return r;
}

static int drop_private(int session_fd, uint64_t gfn, uint64_t n_pages)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct kvm_dp_discard discard;

	for (;;) {
		discard = (struct kvm_dp_discard){ .gfn = gfn, .n_pages = n_pages };
		if (ioctl(session_fd, KVM_DP_DISCARD, &discard) == 0)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		nanosleep(&pause, NULL);	/* a part of a folio of 2M that is in use */
	}
}

/* Their bytes are zero already. */
static int mark_shared(int session_fd, uint64_t gfn, uint64_t n_pages)
{
	struct kvm_dp_mark mark;
	int r;

	do {
		mark = (struct kvm_dp_mark){ .gfn = gfn, .n_pages = n_pages, .flags = KVM_DP_MARK_PRESENT };
		r = ioctl(session_fd, KVM_DP_MARK, &mark) < 0 ? -errno : 0;
	} while (r == -EINTR || r == -EAGAIN);
	return r;
}

static int query_private(const struct range *range, uint64_t *ret_bitmap)
{
	struct kvm_dp_query query;
	int r;

	if ((range->region->flags & GMEM_REGION_GUEST_MEMFD) == 0)
		return 0;	/* none can be */
	do {
		query = (struct kvm_dp_query){
			.gfn = range->gpa / GMEM_PAGE_SIZE, .n_pages = range->size / GMEM_PAGE_SIZE,
			.bitmap = (uintptr_t)ret_bitmap, .flags = KVM_DP_QUERY_PRIVATE,
		};
		r = ioctl(range->session_fd, KVM_DP_QUERY, &query) < 0 ? -errno : 0;
	} while (r == -EINTR || r == -EAGAIN);
	return r;
}

static bool bit(const uint64_t *bitmap, uint64_t n)
{
	return (bitmap[n / 64] >> (n % 64) & 1) != 0;
}

/* At most CHUNK_PAGES of a region, locked. */
static int drop_chunk(const struct range *range)
{
	const bool has_file = (range->region->flags & GMEM_REGION_SHARED_FD) != 0;
	const uint64_t gfn = range->gpa / GMEM_PAGE_SIZE, n_pages = range->size / GMEM_PAGE_SIZE;
	uint64_t private_map[CHUNK_PAGES / 64] = { 0 };
	uint64_t i, n;
	int r = query_private(range, private_map);

	if (r == 0 && has_file)
		r = punch(range);
	for (i = 0; i < n_pages && r == 0; i += n) {
		const bool is_private = bit(private_map, i);

		for (n = 1; i + n < n_pages && bit(private_map, i + n) == is_private; n++)
			continue;
		if (is_private)
			r = drop_private(range->session_fd, gfn + i, n);
		else
			r = has_file ? mark_shared(range->session_fd, gfn + i, n) : -EINVAL;
	}
	return r;
}

static int drop_locked(const struct range *range)
{
	int r;

	if ((range->region->flags & GMEM_REGION_SHARED_FD) == 0)
		return drop_chunk(range);
	pthread_mutex_lock(&own_threads);
	r = record_lock(range, F_WRLCK);
	if (r == 0) {
		r = drop_chunk(range);
		record_lock(range, F_UNLCK);
	}
	pthread_mutex_unlock(&own_threads);
	return r;
}

static const struct gmem_region *region_of(const struct gmem_region *regions, size_t n_regions, uint64_t gpa)
{
	size_t i;

	for (i = 0; i < n_regions; i++)
		if (gpa >= regions[i].gpa && gpa - regions[i].gpa < regions[i].size)
			return &regions[i];
	return NULL;
}

/* The beginning of the @size bytes from @gpa on that is in one region, and not too much; -EINVAL: it is in none. */
static int next_range(const struct gmem_region *regions, size_t n_regions, uint64_t gpa, uint64_t size,
		      struct range *ret_range)
{
	uint64_t left;

	ret_range->region = region_of(regions, n_regions, gpa);
	if (ret_range->region == NULL)
		return -EINVAL;
	left = ret_range->region->size - (gpa - ret_range->region->gpa);
	ret_range->gpa = gpa;
	ret_range->size = size < left ? size : left;
	if (ret_range->size > (uint64_t)CHUNK_PAGES * GMEM_PAGE_SIZE)
		ret_range->size = (uint64_t)CHUNK_PAGES * GMEM_PAGE_SIZE;
	return 0;
}

int gmem_discard(int session_fd, const struct gmem_region *regions, size_t n_regions, uint64_t gpa, uint64_t size)
{
	struct range range = { .session_fd = session_fd };
	uint64_t done;
	int r = 0;

	if (session_fd < 0 || !regions_valid(regions, n_regions) || size == 0 || gpa + (size - 1) < gpa ||
	    ((gpa | size) & (GMEM_PAGE_SIZE - 1)) != 0)
		return -EINVAL;
	for (done = 0; done < size && r == 0; done += range.size)	/* all is there, before anything is done */
		r = next_range(regions, n_regions, gpa + done, size - done, &range);
	for (done = 0; done < size && r == 0; done += range.size) {
		r = next_range(regions, n_regions, gpa + done, size - done, &range);
		if (r == 0)
			r = drop_locked(&range);
	}
	return r;
}
