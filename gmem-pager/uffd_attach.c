// SPDX-License-Identifier: MIT
/*
 * Taking a VMM's shared memory: are these files whose pages exist or do not, is the mapping armed, and which pages
 * are there.  First armed, then looked at: what is a hole by then stays one until this process fills it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>
#include <linux/userfaultfd.h>

#include "backend_uffd.h"
#include "client/regions.h"

#define STAT_BLOCK 512u

struct complaint {
	char *text;
	size_t len;
};

static int complain(const struct complaint *to, int status, size_t number, const char *what)
{
	snprintf(to->text, to->len, "region %zu: %s", number, what);
	return status;
}

/* syscalls: fcntl fstat fstatfs ioctl lseek newfstatat */
/* ioctls: UFFDIO_REGISTER */
/* A file of tmpfs that is long enough.  Of others nobody says which pages exist. */
static int check_file(const struct gmem_region *region, size_t number, struct stat *ret_stat,
		      const struct complaint *to)
{
	struct statfs fs;

	if (fstat(region->shared_fd, ret_stat) < 0 || fstatfs(region->shared_fd, &fs) < 0)
		return complain(to, -errno, number, "its shared fd cannot be looked at");
	if (!S_ISREG(ret_stat->st_mode) || fs.f_type != TMPFS_MAGIC)
		return complain(to, -EINVAL, number, "its shared fd is no memfd and no file of tmpfs");
	if ((uint64_t)ret_stat->st_size < region->shared_offset ||
	    (uint64_t)ret_stat->st_size - region->shared_offset < region->size)
		return complain(to, -EINVAL, number, "its shared file ends before it does");
	return 0;
}

static int check_files(const struct backend_uffd_setup *setup, const struct complaint *to)
{
	struct stat stats[GMEM_MAX_REGIONS];
	size_t i, k;
	int r;

	for (i = 0; i < setup->n_regions; i++) {
		const struct gmem_region *region = &setup->regions[i];

		r = check_file(region, i, &stats[i], to);
		if (r < 0)
			return r;
		for (k = 0; k < i; k++)
			if (stats[i].st_dev == stats[k].st_dev && stats[i].st_ino == stats[k].st_ino &&
			    ranges_meet(region->shared_offset, region->size, setup->regions[k].shared_offset,
					setup->regions[k].size))
				return complain(to, -EINVAL, i, "another region has the same pages of the same file");
	}
	return 0;
}

static int check_setup(const struct backend_uffd_setup *setup, const struct complaint *to)
{
	if (!regions_uffd_valid(setup->regions, setup->addresses, setup->n_regions)) {
		snprintf(to->text, to->len, "with userfaultfd regions are shared memory alone, and mapped at page aligned "
			 "addresses that are apart");
		return -EINVAL;
	}
	if (setup->uffd < 0 && setup->destination) {
		snprintf(to->text, to->len, "there is no userfaultfd: a destination needs one");
		return -EINVAL;
	}
	if (sysconf(_SC_PAGESIZE) != GMEM_PAGE_SIZE) {
		snprintf(to->text, to->len, "pages of this host are not of %u bytes", GMEM_PAGE_SIZE);
		return -EOPNOTSUPP;
	}
	return check_files(setup, to);
}

/* Bits of each region begin in a word of their own.  Beyond a region's end there are none. */
static int lay_out(struct backend_uffd *bu, const struct backend_uffd_setup *setup)
{
	uint64_t n_words = 0, n_pages = 0;
	size_t i;

	for (i = 0; i < setup->n_regions; i++) {
		struct uffd_region *region = &bu->regions[i];

		region->gfn = setup->regions[i].gpa / GMEM_PAGE_SIZE;
		region->n_pages = setup->regions[i].size / GMEM_PAGE_SIZE;
		region->address = setup->addresses[i];
		region->offset = setup->regions[i].shared_offset;
		region->first_word = n_words;
		region->fd = fcntl(setup->regions[i].shared_fd, F_DUPFD_CLOEXEC, 3);
		bu->n_regions = i + 1;
		if (region->fd < 0)
			return -errno;
		n_words += (region->n_pages + UFFD_WORD_PAGES - 1) / UFFD_WORD_PAGES;
		n_pages += region->n_pages;
	}
	bu->present = calloc(n_words, sizeof(*bu->present));
	atomic_init(&bu->n_missing, bu->destination ? n_pages : 0);
	return bu->present == NULL ? -ENOMEM : 0;
}

/* Every range again by each process: the same userfaultfd may. */
static int arm(const struct backend_uffd *bu, uint64_t mode, uint64_t *ret_ioctls, const struct complaint *to)
{
	size_t i;

	*ret_ioctls = UINT64_MAX;
	for (i = 0; i < bu->n_regions; i++) {
		struct uffdio_register reg = {
			.range = { .start = bu->regions[i].address, .len = bu->regions[i].n_pages * GMEM_PAGE_SIZE },
			.mode = mode,
		};

		if (ioctl(bu->fd, UFFDIO_REGISTER, &reg) == 0) {
			*ret_ioctls &= reg.ioctls;
			continue;
		}
		if (errno == EBUSY)
			return complain(to, -EBUSY, i, "another userfaultfd has its mapping");
		if (errno == ENOTTY)
			return complain(to, -ENOTTY, i, "the first descriptor is no userfaultfd");
		snprintf(to->text, to->len, "region %zu: userfaultfd refuses its mapping: %s; after UFFDIO_API, it takes a "
			 "MAP_SHARED mapping of the shared file", i, strerror(errno));
		return -errno;
	}
	return 0;
}

/* Pages that exist, swapped ones too; and what waits is reported to this process. */
static int look(struct backend_uffd *bu, struct uffd_region *region)
{
	const off_t begin = (off_t)region->offset, end = begin + (off_t)(region->n_pages * GMEM_PAGE_SIZE);
	off_t data, hole = begin;

	while (hole < end) {
		data = lseek(region->fd, hole, SEEK_DATA);
		if (data < 0 && errno != ENXIO)
			return -errno;
		if (data < 0 || data >= end)
			break;
		hole = lseek(region->fd, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		for (; data < hole && data < end; data += GMEM_PAGE_SIZE)
			uffd_set_present(bu, region, (uint64_t)(data - begin) / GMEM_PAGE_SIZE);
	}
	uffd_wake(bu, region, 0, region->n_pages);
	return 0;
}

/* Bytes of data in a whole file, in pages. */
static int count_data(int fd, uint64_t *ret_n_pages)
{
	off_t data, hole = 0;

	for (*ret_n_pages = 0;; *ret_n_pages += (uint64_t)(hole - data + GMEM_PAGE_SIZE - 1) / GMEM_PAGE_SIZE) {
		data = lseek(fd, hole, SEEK_DATA);
		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
	}
}

/*
 * A page that fallocate() made is a hole by SEEK_HOLE, and yet it exists: the guest would read its zeros at once.
 * Nothing tells which pages these are, but how many there are.
 */
static int check_not_preallocated(const struct uffd_region *region, size_t number, const struct complaint *to)
{
	uint64_t n_data = 0;
	struct stat st;
	int r = count_data(region->fd, &n_data);

	if (r < 0 || fstat(region->fd, &st) < 0)
		return complain(to, r < 0 ? r : -errno, number, "its shared file cannot be looked at");
	if ((uint64_t)st.st_blocks > n_data * (GMEM_PAGE_SIZE / STAT_BLOCK))
		return complain(to, -EEXIST, number, "its shared file has pages that were allocated ahead (fallocate): "
				"it has to be all holes");
	return 0;
}

static int take_destination(struct backend_uffd *bu, bool again, const struct complaint *to)
{
	const uint64_t wanted = 1ull << _UFFDIO_COPY | 1ull << _UFFDIO_ZEROPAGE | 1ull << _UFFDIO_WAKE;
	uint64_t before, ioctls;
	size_t i;
	int r = arm(bu, UFFDIO_REGISTER_MODE_MISSING, &ioctls, to);

	if (r == 0 && (ioctls & wanted) != wanted)
		r = complain(to, -EOPNOTSUPP, 0, "this kernel's userfaultfd cannot fill shared memory");
	for (i = 0; i < bu->n_regions && r == 0; i++) {
		before = atomic_load(&bu->n_missing);
		r = look(bu, &bu->regions[i]);
		if (r < 0)
			complain(to, r, i, "its shared file does not say which pages it has");
		else if (!again && atomic_load(&bu->n_missing) != before)
			r = complain(to, -EEXIST, i, "its shared file has pages already: it has to be all holes");
		else if (!again)
			r = check_not_preallocated(&bu->regions[i], i, to);
	}
	return r;
}

/* Not every kernel can hold writers of shared memory: a VMM that knows that gives no userfaultfd. */
static int take_source(struct backend_uffd *bu, bool again, const struct complaint *to)
{
	uint64_t ioctls;
	int r;

	atomic_init(&bu->frozen, again);
	if (bu->fd < 0)
		return 0;
	r = arm(bu, UFFDIO_REGISTER_MODE_WP, &ioctls, to);
	if (r == -EINVAL || (r == 0 && (ioctls & 1ull << _UFFDIO_WRITEPROTECT) == 0)) {
		snprintf(to->text, to->len, "userfaultfd cannot hold writers of this memory: map it MAP_SHARED, or on a "
			 "kernel before 5.19 give no userfaultfd at the source");
		return -EOPNOTSUPP;
	}
	bu->protects = r == 0;
	if (r == 0 && again)
		r = uffd_protect(bu, true);
	return r;
}

int backend_uffd_new(const struct backend_uffd_setup *setup, struct backend **ret_backend, char *ret_error,
		     size_t error_len)
{
	const struct complaint to = { ret_error, error_len };
	struct backend_uffd *bu;
	size_t i;
	int flags, r;

	ret_error[0] = '\0';
	r = check_setup(setup, &to);
	if (r < 0)
		return r;
	bu = calloc(1, sizeof(*bu));
	if (bu == NULL)
		return -ENOMEM;
	bu->backend.ops = &backend_uffd_ops;
	bu->fd = setup->uffd;
	bu->destination = setup->destination;
	for (i = 0; i < UFFD_LOCKS; i++)
		pthread_mutex_init(&bu->locks[i], NULL);
	r = lay_out(bu, setup);
	/* poll() refuses a userfaultfd that blocks; the flag is that of the VMM's descriptor too. */
	if (r == 0 && bu->fd >= 0) {
		flags = fcntl(bu->fd, F_GETFL);
		r = flags < 0 || fcntl(bu->fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
	}
	if (r == 0)
		r = bu->destination ? take_destination(bu, setup->again, &to) : take_source(bu, setup->again, &to);
	if (r < 0) {
		uffd_free(bu);
		return r;
	}
	*ret_backend = &bu->backend;
	return 0;
}
