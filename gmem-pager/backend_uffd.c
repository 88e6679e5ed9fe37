// SPDX-License-Identifier: MIT
/*
 * Shared guest memory on a stock kernel: files of tmpfs (memfd) that a VMM has mapped, under a userfaultfd of the VMM.
 *
 * What is present.  A page exists in the region's file, or it does not; the file is the account of a move that a
 * process that is killed leaves behind.  At the beginning all is holes (uffd_attach.c refuses anything else), the
 * VMM's mapping is armed for missing pages, and UFFDIO_COPY and UFFDIO_ZEROPAGE alone fill a hole, a page in one step:
 * allocate, copy, insert into the file if there is none yet, map, wake.  So a page is there with all of its bytes or
 * not at all, and one that is there is never written.  This process neither maps the files nor writes to them: a mere
 * read through a mapping would put a page of zeros into a hole, and the guest would find it.
 *
 * The bitmap is that account in a form that can be asked often.  One lock guards each word of it: the test, the
 * copy and the mark are one step, hence two lanes that bring one page never meet in the kernel, and a page that exists
 * although its bit is not set was put there by somebody else (a second mapping, fork(), write()).  It has zeros where
 * the guest's bytes belong, and the move ends.
 *
 * A page that the VMM takes away later (a balloon) is a hole whose bit is set.  Whoever touches it gets zeros, as
 * MADV_REMOVE promises, and never what the source had there.
 *
 * The end of the last descriptor of a userfaultfd lets all that wait go on, with zeros.  Whoever is killed must not be
 * the last: libgmem keeps one in the VMM's own process, whose end is the end of the memory's only reader.
 *
 * Source: this kernel does not know what a vCPU is, so a VM is frozen by its VMM's word.  With a userfaultfd a writer
 * that comes late all the same is held at the page (UFFDIO_WRITEPROTECT) until thawing.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "backend_uffd.h"
#include "manifest.h"

#define PROBE_MS 1000		/* nothing tells a descriptor that its process has died */
#define AGAIN_TRIES 1000u	/* of a millisecond: the VMM changes its mappings just now */

static struct backend_uffd *of(struct backend *backend)
{
	return (struct backend_uffd *)backend;
}

static uint64_t address_of(const struct uffd_region *region, uint64_t page)
{
	return region->address + page * GMEM_PAGE_SIZE;
}

void uffd_set_present(struct backend_uffd *bu, const struct uffd_region *region, uint64_t page)
{
	/* In this order: whoever adds up bits never finds fewer missing pages than there are in all. */
	atomic_fetch_sub(&bu->n_missing, 1);
	atomic_fetch_or(&bu->present[uffd_word(region, page)], 1ull << (page % UFFD_WORD_PAGES));
}

/* syscalls: close fcntl ioctl lseek poll ppoll pread64 read */
/* ioctls: UFFDIO_COPY UFFDIO_UNREGISTER UFFDIO_WAKE UFFDIO_WRITEPROTECT UFFDIO_ZEROPAGE */
void uffd_wake(const struct backend_uffd *bu, const struct uffd_region *region, uint64_t page, uint64_t n_pages)
{
	struct uffdio_range range = { .start = address_of(region, page), .len = n_pages * GMEM_PAGE_SIZE };

	(void)ioctl(bu->fd, UFFDIO_WAKE, &range);	/* fails for a malformed range alone */
}

int uffd_protect(const struct backend_uffd *bu, bool on)
{
	size_t i;

	for (i = 0; i < bu->n_regions; i++) {
		struct uffdio_writeprotect protect = {
			.range = { .start = bu->regions[i].address, .len = bu->regions[i].n_pages * GMEM_PAGE_SIZE },
			.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
		};

		if (ioctl(bu->fd, UFFDIO_WRITEPROTECT, &protect) < 0)
			return errno == ESRCH || errno == ENOENT ? -ENODEV : -errno;
	}
	return 0;
}

void uffd_disarm(const struct backend_uffd *bu)
{
	size_t i;

	for (i = 0; i < bu->n_regions; i++) {
		struct uffdio_range range = {
			.start = bu->regions[i].address, .len = bu->regions[i].n_pages * GMEM_PAGE_SIZE,
		};

		(void)ioctl(bu->fd, UFFDIO_UNREGISTER, &range);	/* the VMM may be gone, or the mapping */
	}
}

/* -ENODEV: the process whose memory it is has ended.  Lifting a protection that there is not changes nothing. */
static int probe(const struct backend_uffd *bu)
{
	struct uffdio_writeprotect lift = { .range = { .start = bu->regions[0].address, .len = GMEM_PAGE_SIZE } };

	if (!bu->destination)
		return 0;	/* the file is all that a source needs */
	return ioctl(bu->fd, UFFDIO_WRITEPROTECT, &lift) < 0 && errno == ESRCH ? -ENODEV : 0;
}

/* The region that has all of @n_pages from @gfn on, or NULL. */
static struct uffd_region *region_of(struct backend_uffd *bu, uint64_t gfn, uint64_t n_pages)
{
	size_t i;

	for (i = 0; i < bu->n_regions; i++) {
		struct uffd_region *region = &bu->regions[i];

		if (gfn >= region->gfn && gfn - region->gfn < region->n_pages &&
		    n_pages <= region->n_pages - (gfn - region->gfn))
			return region;
	}
	return NULL;
}

/* ---- source ---- */

static int uffd_freeze(struct backend *backend)
{
	struct backend_uffd *bu = of(backend);
	bool before = false;
	int r;

	if (bu->destination)
		return -EOPNOTSUPP;
	if (!atomic_compare_exchange_strong(&bu->frozen, &before, true))
		return -EALREADY;
	r = bu->protects ? uffd_protect(bu, true) : 0;
	if (r < 0)
		atomic_store(&bu->frozen, false);
	return r;
}

static int uffd_thaw(struct backend *backend)
{
	struct backend_uffd *bu = of(backend);
	int r;

	if (!atomic_load(&bu->frozen))
		return -EINVAL;
	r = bu->protects ? uffd_protect(bu, false) : 0;
	if (r == 0)
		atomic_store(&bu->frozen, false);
	return r;
}

/* By read(): a hole reads as zeros and stays one, and a file that has become shorter is an error and no signal. */
static int uffd_extract(struct backend *backend, uint64_t gfn, uint64_t n_pages, void *ret_pages)
{
	struct backend_uffd *bu = of(backend);
	const struct uffd_region *region = region_of(bu, gfn, n_pages);
	const uint64_t len = n_pages * GMEM_PAGE_SIZE;
	uint64_t done;
	ssize_t n;

	if (!atomic_load(&bu->frozen))
		return -EBUSY;
	if (region == NULL)
		return -EIO;
	for (done = 0; done < len; done += (uint64_t)n) {
		n = pread(region->fd, (uint8_t *)ret_pages + done, len - done,
			  (off_t)(region->offset + (gfn - region->gfn) * GMEM_PAGE_SIZE + done));
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			return n < 0 ? -errno : -EIO;
	}
	return 0;
}

/* ---- both ---- */

static int uffd_query(struct backend *backend, enum backend_set set, uint64_t gfn, uint64_t n_pages,
		      uint64_t *ret_bitmap, uint64_t *ret_n_set, uint64_t *ret_n_missing)
{
	struct backend_uffd *bu = of(backend);
	uint64_t n_set = 0, page;
	size_t i;
	int r = probe(bu);

	if (r < 0)
		return r;
	for (i = 0; i < bu->n_regions && set == BACKEND_MISSING && bu->destination; i++) {
		const struct uffd_region *region = &bu->regions[i];
		const uint64_t last = region->gfn + region->n_pages < gfn + n_pages ? region->gfn + region->n_pages :
				      gfn + n_pages;

		for (page = gfn > region->gfn ? gfn - region->gfn : 0; region->gfn + page < last; page++) {
			if (uffd_is_present(bu, region, page))
				continue;
			n_set++;
			if (ret_bitmap != NULL)
				bitmap_set(ret_bitmap, region->gfn + page - gfn);
		}
	}
	if (ret_n_set != NULL)
		*ret_n_set = n_set;
	if (ret_n_missing != NULL)
		*ret_n_missing = atomic_load(&bu->n_missing);
	return 0;
}

/* ---- destination ---- */

/* One ioctl; @data NULL: zeros.  Pages filled, or -errno. */
static int64_t fill_once(const struct backend_uffd *bu, uint64_t address, uint64_t n_pages, const void *data)
{
	const uint64_t len = n_pages * GMEM_PAGE_SIZE;
	struct uffdio_copy copy = { .dst = address, .src = (uintptr_t)data, .len = len };
	struct uffdio_zeropage zero = { .range = { .start = address, .len = len } };
	int64_t done;
	int r;

	r = data != NULL ? ioctl(bu->fd, UFFDIO_COPY, &copy) : ioctl(bu->fd, UFFDIO_ZEROPAGE, &zero);
	done = r == 0 ? (int64_t)len : data != NULL ? copy.copy : zero.zeropage;
	return done > 0 ? done / GMEM_PAGE_SIZE : -errno;
}

static int64_t fill(const struct backend_uffd *bu, uint64_t address, uint64_t n_pages, const void *data)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	unsigned int i;
	int64_t r = -EAGAIN;

	for (i = 0; i < AGAIN_TRIES && (r == -EAGAIN || r == -EINTR); i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		r = fill_once(bu, address, n_pages, data);
	}
	return r;
}

/* The first page of a region shows whether the address and the file belong together. */
static int check_there(struct uffd_region *region, uint64_t page)
{
	const off_t offset = (off_t)(region->offset + page * GMEM_PAGE_SIZE);

	if (!atomic_load(&region->is_there) && lseek(region->fd, offset, SEEK_DATA) != offset)
		return -EXDEV;
	atomic_store(&region->is_there, true);
	return 0;
}

/* @n_pages missing ones of one word, whose lock is held: how many were filled and marked, or -errno. */
static int64_t fill_missing(struct backend_uffd *bu, struct uffd_region *region, uint64_t page, uint64_t n_pages,
			    const void *data)
{
	const int64_t n = fill(bu, address_of(region, page), n_pages, data);
	int64_t i;

	if (n < 0)
		return n;
	if (check_there(region, page) < 0)
		return -EXDEV;
	for (i = 0; i < n; i++)
		uffd_set_present(bu, region, page + (uint64_t)i);
	return n;
}

static uint64_t count_alike(const struct backend_uffd *bu, const struct uffd_region *region, uint64_t page,
			    uint64_t n_pages)
{
	const bool first = uffd_is_present(bu, region, page);
	uint64_t n;

	for (n = 1; n < n_pages && uffd_is_present(bu, region, page + n) == first; n++)
		continue;
	return n;
}

/*
 * The next pages of @run, as far as one word has them.  What is present is left alone, and whoever waits there looks
 * again: the VMM may have taken the page away after its fault was reported.
 */
static int populate_word(struct backend_uffd *bu, struct uffd_region *region, struct backend_run *run)
{
	uint64_t page = run->gfn + run->n_done - region->gfn;
	const uint64_t in_word = UFFD_WORD_PAGES - page % UFFD_WORD_PAGES, left = run->n_pages - run->n_done;
	const uint64_t end = page + (left < in_word ? left : in_word);
	pthread_mutex_t *lock = &bu->locks[uffd_word(region, page) % UFFD_LOCKS];
	int64_t n = 0;

	pthread_mutex_lock(lock);
	for (; page < end; page += (uint64_t)n, run->n_done += (uint64_t)n) {
		n = (int64_t)count_alike(bu, region, page, end - page);
		if (uffd_is_present(bu, region, page)) {
			uffd_wake(bu, region, page, (uint64_t)n);
			run->n_skipped += (uint64_t)n;
			continue;
		}
		n = fill_missing(bu, region, page, (uint64_t)n,
				 run->data != NULL ? (const uint8_t *)run->data + run->n_done * GMEM_PAGE_SIZE : NULL);
		if (n < 0)
			break;
	}
	pthread_mutex_unlock(lock);
	return n < 0 ? (int)n : 0;
}

static int to_status(int r, enum backend_result *ret_result)
{
	switch (r) {
	case -ESRCH:	/* its process has ended */
	case -ENOENT:	/* it has unmapped the memory */
		return -ENODEV;
	case -EEXIST:
		*ret_result = BACKEND_FOREIGN;
		return -EIO;
	case -EXDEV:
		*ret_result = BACKEND_ELSEWHERE;
		return -EIO;
	case -ENOMEM:
		*ret_result = BACKEND_NO_MEMORY;
		return -EIO;
	default:
		*ret_result = BACKEND_REFUSED;
		return -EIO;
	}
}

static int uffd_populate(struct backend *backend, struct backend_run *runs, size_t n_runs)
{
	struct backend_uffd *bu = of(backend);
	size_t i;
	int r;

	if (!bu->destination)
		return -EOPNOTSUPP;
	for (i = 0; i < n_runs; i++) {
		struct uffd_region *region = region_of(bu, runs[i].gfn, runs[i].n_pages);

		r = region == NULL || runs[i].n_done > runs[i].n_pages ? -EFAULT : 0;
		while (r == 0 && runs[i].n_done < runs[i].n_pages)
			r = populate_word(bu, region, &runs[i]);
		if (r < 0)
			return to_status(r, &runs[i].result);
		runs[i].result = BACKEND_OK;
	}
	return 0;
}

static int uffd_mark_present(struct backend *backend, uint64_t gfn, uint64_t n_pages)
{
	return -EOPNOTSUPP;	/* nobody fills a page through a mapping */
}

/* Somebody waits for a page that was brought before: the VMM has taken it away, or the page came just now. */
static int answer_present(const struct backend_uffd *bu, const struct uffd_region *region, uint64_t page)
{
	const int64_t n = fill(bu, address_of(region, page), 1, NULL);

	if (n == -EEXIST)
		uffd_wake(bu, region, page, 1);
	if (n == -ESRCH || n == -ENOENT)
		return -ENODEV;
	return n < 0 && n != -EEXIST ? (int)n : 0;
}

/* 1: @ret_event is to be told; 0: it is dealt with. */
static int take_message(struct backend_uffd *bu, const struct uffd_msg *message, struct backend_event *ret_event)
{
	const uint64_t address = message->arg.pagefault.address;
	size_t i;

	if (message->event != UFFD_EVENT_PAGEFAULT)
		return -EOPNOTSUPP;	/* fork, remap and others are for a VMM that asks for them */
	*ret_event = (struct backend_event){ .gfn = UINT64_MAX, .vcpu_id = message->arg.pagefault.feat.ptid };
	for (i = 0; i < bu->n_regions; i++) {
		const struct uffd_region *region = &bu->regions[i];
		const uint64_t page = (address - region->address) / GMEM_PAGE_SIZE;

		if (address < region->address || page >= region->n_pages)
			continue;
		if (uffd_is_present(bu, region, page))
			return answer_present(bu, region, page);
		ret_event->gfn = region->gfn + page;
		return 1;
	}
	return 1;
}

static int uffd_wait_events(struct backend *backend, int stop_fd, struct backend_event *ret_events, size_t n_max,
			    size_t *ret_n)
{
	struct backend_uffd *bu = of(backend);
	struct pollfd fds[2] = { { .fd = bu->fd, .events = POLLIN }, { .fd = stop_fd, .events = POLLIN } };
	struct uffd_msg messages[BACKEND_EVENTS_MAX];
	size_t i, n_events = 0;
	ssize_t n;
	int r;

	*ret_n = 0;
	if (!bu->destination)
		return -EOPNOTSUPP;
	r = poll(fds, 2, PROBE_MS);
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[1].revents != 0)
		return 0;
	if (r == 0)
		return probe(bu);
	if ((fds[0].revents & ~POLLIN) != 0)
		return -EIO;	/* somebody has made it block, and poll() refuses that */
	if (n_max > BACKEND_EVENTS_MAX)
		n_max = BACKEND_EVENTS_MAX;
	n = read(bu->fd, messages, n_max * sizeof(messages[0]));
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (i = 0; i < (size_t)n / sizeof(messages[0]); i++) {
		r = take_message(bu, &messages[i], &ret_events[n_events]);
		if (r < 0)
			return r;
		n_events += (size_t)r;
	}
	*ret_n = n_events;
	return 0;
}

void uffd_free(struct backend_uffd *bu)
{
	size_t i;

	for (i = 0; i < bu->n_regions; i++)
		if (bu->regions[i].fd >= 0)
			close(bu->regions[i].fd);
	for (i = 0; i < UFFD_LOCKS; i++)
		pthread_mutex_destroy(&bu->locks[i]);
	free(bu->present);
	free(bu);
}

/* Armed for good, a page that a balloon takes later would be waited for with nobody to bring it. */
static void uffd_close(struct backend *backend)
{
	struct backend_uffd *bu = of(backend);

	if (bu->fd >= 0) {
		if (bu->destination ? atomic_load(&bu->n_missing) == 0 : !atomic_load(&bu->frozen))
			uffd_disarm(bu);
		close(bu->fd);
	}
	uffd_free(bu);
}

const struct backend_ops backend_uffd_ops = {
	.name = "uffd",
	.shared_too = true,
	.freeze = uffd_freeze,
	.thaw = uffd_thaw,
	.extract = uffd_extract,
	.query = uffd_query,
	.populate = uffd_populate,
	.mark_present = uffd_mark_present,
	.wait_events = uffd_wait_events,
	.close = uffd_close,
};
