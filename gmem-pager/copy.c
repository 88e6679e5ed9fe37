// SPDX-License-Identifier: MIT
/* Pages between a VM's memory and the body of a PAGES record. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "guest.h"
#include "log.h"
#include "messages.h"

static bool is_zero_page(const uint8_t *page)
{
	static const uint8_t zeros[16];

	return memcmp(page, zeros, sizeof(zeros)) == 0 && memcmp(page, page + 16, ATTEST_PAGE_LEN - 16) == 0;
}

/* The region with @gfn and a mapping, or -1. */
static ptrdiff_t shared_region(const struct guest *guest, uint64_t gfn)
{
	uint64_t index;
	ptrdiff_t k;

	if (manifest_index(guest->layout, gfn, &index) < 0)
		return -1;
	k = manifest_region_of(guest->layout, index) - guest->layout->regions;
	return guest->shared[k] != NULL ? k : -1;
}

static uint8_t *shared_page(const struct guest *guest, uint64_t gfn)
{
	const ptrdiff_t k = shared_region(guest, gfn);

	return k < 0 ? NULL : guest->shared[k] + (gfn - guest->layout->regions[k].gfn) * ATTEST_PAGE_LEN;
}

/* @n_pages of one kind to @data; their kind bytes; returns the bytes of data or -errno. */
static int64_t read_same_kind(struct guest *guest, enum manifest_kind kind, uint64_t gfn, uint32_t n_pages,
			      uint8_t *ret_kinds, uint8_t *data)
{
	const uint8_t flag = kind == MANIFEST_SHARED ? ATTEST_PAGE_SHARED : 0;
	uint8_t *to = data;
	uint32_t i;
	int r;

	if (kind == MANIFEST_HOLE) {
		memset(ret_kinds, ATTEST_PAGE_ZERO, n_pages);
		return 0;
	}
	if (kind == MANIFEST_PRIVATE || guest->backend->ops->shared_too) {
		r = guest->backend->ops->extract(guest->backend, gfn, n_pages, data);
		if (r < 0)
			return r;
	} else {
		const uint8_t *from = shared_page(guest, gfn);

		if (from == NULL)
			return -ENOENT;
		memcpy(data, from, (size_t)n_pages * ATTEST_PAGE_LEN);
	}
	/* Close the gaps that zero pages leave. */
	for (i = 0; i < n_pages; i++) {
		const uint8_t *page = data + (size_t)i * ATTEST_PAGE_LEN;

		if (is_zero_page(page)) {
			ret_kinds[i] = ATTEST_PAGE_ZERO | flag;
			continue;
		}
		ret_kinds[i] = ATTEST_PAGE_DATA | flag;
		if (to != page)
			memmove(to, page, ATTEST_PAGE_LEN);
		to += ATTEST_PAGE_LEN;
	}
	return to - data;
}

int guest_read(struct guest *guest, const struct manifest *manifest, uint64_t index, uint32_t n_pages,
	       uint8_t *ret_body, uint32_t *ret_body_len)
{
	const struct manifest_region *region = manifest_region_of(manifest, index);
	const uint64_t gfn = region->gfn + (index - region->first_index);
	uint8_t *data = ret_body + n_pages;
	uint32_t i, n;

	if (n_pages == 0 || index - region->first_index > region->n_pages - n_pages)
		return -EINVAL;
	for (i = 0; i < n_pages; i += n) {
		const enum manifest_kind kind = manifest_kind(manifest, index + i);
		int64_t len;

		for (n = 1; i + n < n_pages && manifest_kind(manifest, index + i + n) == kind; n++)
			continue;
		len = read_same_kind(guest, kind, gfn + i, n, ret_body + i, data);
		if (len < 0)
			return (int)len;
		data += len;
	}
	*ret_body_len = (uint32_t)(data - ret_body);
	return 0;
}

/*
 * A page that the running guest converted since: what it was before is nobody's business any more.
 * 0: made present; 1: it was.
 */
static int fill_converted(struct guest *guest, uint64_t gfn, bool private_now)
{
	struct backend_run zero = { .gfn = gfn, .n_pages = 1 };
	uint64_t n_missing = 0;
	int r;

	if (!atomic_load(&guest->may_convert))
		return -EINVAL;
	r = guest->backend->ops->query(guest->backend, BACKEND_MISSING, gfn, 1, NULL, &n_missing, NULL);
	if (r < 0)
		return r;
	if (n_missing == 0)
		return 1;
	if (!private_now)
		return guest->backend->ops->mark_present(guest->backend, gfn, 1);
	return guest->backend->ops->populate(guest->backend, &zero, 1);
}

static int status_of(enum backend_result result)
{
	switch (result) {
	case BACKEND_NO_MEMORY:
		return -ENOMEM;
	case BACKEND_FOREIGN:
		return -EEXIST;
	case BACKEND_ELSEWHERE:
		return -EXDEV;
	default:
		return -EIO;
	}
}

static int fill_runs(struct guest *guest, struct backend_run *runs, size_t n_runs, struct guest_counts *counts)
{
	size_t i;
	int r;

	for (;;) {
		r = guest->backend->ops->populate(guest->backend, runs, n_runs);
		if (r != -EIO)
			break;
		for (i = 0; i < n_runs && runs[i].result == BACKEND_OK; i++)
			continue;
		if (i == n_runs || runs[i].result != BACKEND_NOT_PRIVATE)
			return i < n_runs ? status_of(runs[i].result) : -EIO;
		r = fill_converted(guest, runs[i].gfn + runs[i].n_done, false);
		/* -EINVAL: back to private meanwhile, so populate again. */
		if (r < 0 && (r != -EINVAL || !atomic_load(&guest->may_convert)))
			return r;
		if (r >= 0) {
			runs[i].n_done++;
			runs[i].n_skipped += r == 1;
			counts->n_converted += r == 0;
		}
		runs[i].result = BACKEND_OK;
	}
	for (i = 0; i < n_runs && r == 0; i++) {
		const uint64_t n_new = runs[i].n_pages - runs[i].n_skipped;

		counts->n_duplicate += runs[i].n_skipped;
		counts->n_new += n_new;
		if (runs[i].data == NULL)
			counts->n_zero += n_new;
	}
	return r;
}

/* Of the page's bytes in its shared file; -EAGAIN: the VMM has it. */
static int record_lock(const struct guest *guest, uint64_t gfn, short type)
{
	const ptrdiff_t k = shared_region(guest, gfn);
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_len = ATTEST_PAGE_LEN };

	if (k < 0)
		return -ENOENT;
	lock.l_start = (off_t)(guest->shared_offsets[k] + (gfn - guest->layout->regions[k].gfn) * ATTEST_PAGE_LEN);
	if (fcntl(guest->shared_fds[k], F_SETLK, &lock) == 0)
		return 0;
	return errno == EACCES ? -EAGAIN : -errno;
}

/*
 * Lock it, and ask whether it is missing: 1 or 0; on failure nothing is locked.  The VMM has it for as long as
 * it takes to discard the page, so this looks again and again, which ends also when the VMM has died with its lock.
 */
/* syscalls: clock_nanosleep fcntl nanosleep */
static int lock_and_look(struct guest *guest, uint64_t gfn)
{
	const struct timespec pause = { .tv_nsec = 100000 };
	uint64_t n_missing = 0;
	int locked, r;

	for (;;) {
		locked = record_lock(guest, gfn, F_WRLCK);
		if (locked < 0 && locked != -EAGAIN)
			return locked;
		r = guest->backend->ops->query(guest->backend, BACKEND_MISSING, gfn, 1, NULL, &n_missing, NULL);
		if (r == 0 && locked == 0)
			return n_missing != 0;
		if (r < 0)
			break;
		nanosleep(&pause, NULL);
	}
	if (locked == 0)
		record_lock(guest, gfn, F_UNLCK);
	return r;
}

/* It is missing, and nobody else may write it.  0: made present; 1: it was. */
static int copy_and_mark(struct guest *guest, uint64_t gfn, const uint8_t *data, struct guest_counts *counts)
{
	uint8_t *to = shared_page(guest, gfn);
	int r;

	if (data != NULL)
		memcpy(to, data, ATTEST_PAGE_LEN);
	else
		memset(to, 0, ATTEST_PAGE_LEN);
	r = guest->backend->ops->mark_present(guest->backend, gfn, 1);
	if (r == -EINVAL) {
		memset(to, 0, ATTEST_PAGE_LEN);		/* not for whom it is shared with next time either */
		r = fill_converted(guest, gfn, true);
		counts->n_converted += r == 0;
	}
	return r;
}

/* One shared page; fill_lock held. */
static int fill_shared_page(struct guest *guest, uint64_t gfn, const uint8_t *data, struct guest_counts *counts)
{
	int r = lock_and_look(guest, gfn);

	if (r < 0)
		return r;
	r = r == 1 ? copy_and_mark(guest, gfn, data, counts) : 1;
	record_lock(guest, gfn, F_UNLCK);
	if (r < 0)
		return r;
	if (r == 1) {
		counts->n_duplicate++;
		return 0;
	}
	counts->n_new++;
	counts->n_shared++;
	if (data == NULL)
		counts->n_zero++;
	return 0;
}

/* What was announced and what came: each page's kind, and the data for exactly the data pages. */
static int check_kinds(const struct manifest *manifest, uint64_t gfn, uint32_t n_pages, const uint8_t *body,
		       uint32_t body_len)
{
	uint64_t index, last, n_data = 0;
	uint32_t i;

	if (n_pages == 0 || n_pages > BULK_MAX_RUN || body_len < n_pages)
		return -EPROTO;
	if (manifest_index(manifest, gfn, &index) < 0 || manifest_index(manifest, gfn + n_pages - 1, &last) < 0 ||
	    last - index != n_pages - 1 || manifest_region_of(manifest, index) != manifest_region_of(manifest, last))
		return -EPROTO;
	for (i = 0; i < n_pages; i++) {
		const enum manifest_kind kind = manifest_kind(manifest, index + i);
		const uint8_t type = body[i] & (uint8_t)~ATTEST_PAGE_SHARED;
		const bool shared = (body[i] & ATTEST_PAGE_SHARED) != 0;

		if (shared != (kind == MANIFEST_SHARED) || (type != ATTEST_PAGE_DATA && type != ATTEST_PAGE_ZERO) ||
		    (kind == MANIFEST_HOLE && type != ATTEST_PAGE_ZERO))
			return -EPROTO;
		n_data += type == ATTEST_PAGE_DATA;
	}
	return body_len == n_pages + n_data * ATTEST_PAGE_LEN ? 0 : -EPROTO;
}

/* Pages of the backend gathered into runs; other shared ones one by one. */
static int fill_all(struct guest *guest, uint64_t gfn, uint32_t n_pages, const uint8_t *body,
		    struct guest_counts *counts)
{
	struct backend_run runs[BULK_MAX_RUN];
	const bool shared_too = guest->backend->ops->shared_too;
	const uint64_t n_before = counts->n_new;
	const uint8_t *data = body + n_pages;
	size_t n_runs = 0;
	uint32_t i;
	int r;

	for (i = 0; i < n_pages; i++) {
		const bool has_data = (body[i] & (uint8_t)~ATTEST_PAGE_SHARED) == ATTEST_PAGE_DATA;
		const uint8_t *page = has_data ? data : NULL;

		if (has_data)
			data += ATTEST_PAGE_LEN;
		if ((body[i] & ATTEST_PAGE_SHARED) != 0 && !shared_too) {
			pthread_mutex_lock(&guest->fill_lock);
			r = fill_shared_page(guest, gfn + i, page, counts);
			pthread_mutex_unlock(&guest->fill_lock);
			if (r < 0)
				return r;
		} else if (i > 0 && n_runs > 0 && body[i] == body[i - 1]) {
			runs[n_runs - 1].n_pages++;
		} else {
			runs[n_runs++] = (struct backend_run){ .gfn = gfn + i, .n_pages = 1, .data = page };
		}
	}
	r = n_runs > 0 ? fill_runs(guest, runs, n_runs, counts) : 0;
	if (r == 0 && shared_too && (body[0] & ATTEST_PAGE_SHARED) != 0)	/* a region of such a backend has nothing else */
		counts->n_shared += counts->n_new - n_before;
	return r;
}

int guest_fill(struct guest *guest, const struct manifest *manifest, uint64_t gfn, uint32_t n_pages,
	       const uint8_t *body, uint32_t body_len, struct guest_counts *counts, char *ret_error, size_t error_len)
{
	int r = check_kinds(manifest, gfn, n_pages, body, body_len);

	if (r < 0) {
		log_debug("%u pages at GFN 0x%llx are of another kind", n_pages, (unsigned long long)gfn);
		snprintf(ret_error, error_len, "pages that came are not of the kind that the manifest says");
		return r;
	}
	r = fill_all(guest, gfn, n_pages, body, counts);
	if (r < 0)
		log_debug("%u pages at GFN 0x%llx were not filled: %s", n_pages, (unsigned long long)gfn, strerror(-r));
	if (r == -ENODEV)
		snprintf(ret_error, error_len, "the VM is gone");
	else if (r == -EEXIST)
		snprintf(ret_error, error_len, "somebody else has filled a page that was missing, and what is in it is not "
			 "the guest's: nobody but the VMM may map, read or write its shared files before COMPLETE");
	else if (r == -EXDEV)
		snprintf(ret_error, error_len, "a page went somewhere else than into its region's shared file: the VMM has "
			 "something else mapped at the address that it gave");
	else if (r == -EINVAL)
		snprintf(ret_error, error_len, "pages that came are of another kind here than in the manifest: set the "
			 "memory attributes before restoring state");
	else if (r < 0)
		snprintf(ret_error, error_len, "cannot populate %u pages: %s", n_pages, strerror(-r));
	return r;
}
