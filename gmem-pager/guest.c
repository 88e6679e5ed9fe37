// SPDX-License-Identifier: MIT
/* Setting up, surveying and checking a VM's memory; reading and filling are in copy.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest.h"
#include "log.h"

/* Bits asked for in one query, a multiple of 64. */
#define SURVEY_PAGES (1u << 20)

/* syscalls: fstat madvise mmap munmap newfstatat */
static int map_shared(const struct gmem_region *region, size_t number, bool writable, uint8_t **ret_map,
		      char *ret_error, size_t error_len)
{
	const int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;
	struct stat st;
	void *map;
	int r;

	if (fstat(region->shared_fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size < region->shared_offset || (uint64_t)st.st_size - region->shared_offset < region->size) {
		snprintf(ret_error, error_len, "the shared file of region %zu ends before the region does", number);
		return -EINVAL;
	}
	map = mmap(NULL, region->size, prot, MAP_SHARED, region->shared_fd, (off_t)region->shared_offset);
	if (map == MAP_FAILED) {
		r = -errno;
		snprintf(ret_error, error_len, "cannot map the shared file of region %zu: %s", number,
			 strerror(-r));
		return r;
	}
	madvise(map, region->size, MADV_DONTDUMP);
	*ret_map = map;
	return 0;
}

/* syscalls: close fcntl */
static int keep_for_locks(struct guest *guest, const struct gmem_region *region, size_t number)
{
	guest->shared_offsets[number] = region->shared_offset;
	guest->shared_fds[number] = fcntl(region->shared_fd, F_DUPFD_CLOEXEC, 3);
	return guest->shared_fds[number] < 0 ? -errno : 0;
}

int guest_new(struct backend *backend, const struct gmem_region *regions, size_t n_regions, bool writable,
	      struct guest **ret_guest, char *ret_error, size_t error_len)
{
	struct guest *guest = calloc(1, sizeof(*guest));
	size_t i;
	int r;

	if (guest == NULL)
		return -ENOMEM;
	pthread_mutex_init(&guest->fill_lock, NULL);
	for (i = 0; i < GMEM_MAX_REGIONS; i++)
		guest->shared_fds[i] = -1;
	r = manifest_new(regions, n_regions, &guest->layout);
	for (i = 0; i < n_regions && r == 0; i++) {
		if ((regions[i].flags & GMEM_REGION_SHARED_FD) == 0 || backend->ops->shared_too)
			continue;
		r = map_shared(&regions[i], i, writable, &guest->shared[i], ret_error, error_len);
		if (r == 0 && writable)
			r = keep_for_locks(guest, &regions[i], i);
	}
	if (r < 0) {
		guest_free(guest);
		return r;
	}
	guest->backend = backend;
	guest->backend_name = backend->ops->name;
	*ret_guest = guest;
	return 0;
}

void guest_close_backend(struct guest *guest)
{
	if (guest->backend != NULL)
		guest->backend->ops->close(guest->backend);
	guest->backend = NULL;
}

void guest_free(struct guest *guest)
{
	size_t i;

	if (guest == NULL)
		return;
	guest_close_backend(guest);
	for (i = 0; i < GMEM_MAX_REGIONS; i++) {
		if (guest->shared[i] != NULL)
			munmap(guest->shared[i], guest->layout->regions[i].n_pages * GMEM_PAGE_SIZE);
		if (guest->shared_fds[i] >= 0)
			close(guest->shared_fds[i]);
	}
	manifest_free(guest->layout);
	pthread_mutex_destroy(&guest->fill_lock);
	free(guest);
}

int guest_freeze(struct guest *guest, char *ret_error, size_t error_len)
{
	int r = guest->backend->ops->freeze(guest->backend);

	if (r == -EBUSY)
		snprintf(ret_error, error_len, "a vCPU is running or in an ioctl: stop all vCPUs first");
	else if (r == -EALREADY)
		snprintf(ret_error, error_len, "the VM is frozen already, and not by this move");
	else if (r < 0)
		snprintf(ret_error, error_len, "cannot freeze the VM: %s", strerror(-r));
	return r;
}

/* The bits of @from, @n of them and none behind, to @map from @first on. */
static void put_bits(uint64_t *map, uint64_t first, const uint64_t *from, uint64_t n)
{
	const uint64_t shift = first % 64;
	uint64_t *to = map + first / 64;
	size_t i;

	for (i = 0; i < bitmap_words(n); i++) {
		to[i] |= from[i] << shift;
		if (shift != 0 && from[i] >> (64 - shift) != 0)
			to[i + 1] |= from[i] >> (64 - shift);
	}
}

/* Bits of a whole region to @map at the region's first index, where there are zeros yet. */
static int query_region(struct guest *guest, enum backend_set set, const struct manifest_region *region,
			uint64_t *map, uint64_t *scratch)
{
	uint64_t done, n;
	int r;

	for (done = 0; done < region->n_pages; done += n) {
		n = region->n_pages - done < SURVEY_PAGES ? region->n_pages - done : SURVEY_PAGES;
		memset(scratch, 0, bitmap_words(n) * sizeof(uint64_t));
		r = guest->backend->ops->query(guest->backend, set, region->gfn + done, n, scratch, NULL, NULL);
		if (r < 0)
			return r;
		put_bits(map, region->first_index + done, scratch, n);
	}
	return 0;
}

/* Pages that nobody could bring: shared without a mapping. */
static int check_reachable(const struct guest *guest, const struct manifest *manifest, char *ret_error,
			   size_t error_len)
{
	uint64_t first, n_private;
	uint32_t k;

	for (k = 0; k < manifest->n_regions && !guest->backend->ops->shared_too; k++) {
		const struct manifest_region *region = &manifest->regions[k];

		if (guest->shared[k] != NULL)
			continue;
		first = region->first_index;
		n_private = bitmap_test(manifest->private_map, first) ?
			    bitmap_same(manifest->private_map, first, first + region->n_pages) : 0;
		if (n_private == region->n_pages)
			continue;
		log_debug("GFN 0x%llx is shared", (unsigned long long)(region->gfn + n_private));
		snprintf(ret_error, error_len, "a page of region %u is shared, and the region was attached "
			 "without a shared file", k);
		return -EINVAL;
	}
	return 0;
}

static int count_all(struct guest *guest, uint64_t *ret_n_missing)
{
	return guest->backend->ops->query(guest->backend, BACKEND_MISSING, guest->layout->regions[0].gfn, 1, NULL,
					  NULL, ret_n_missing);
}

int guest_count_missing(struct guest *guest, uint64_t *ret_n_missing)
{
	return guest->backend == NULL ? -ENODEV : count_all(guest, ret_n_missing);
}

/* Fill the map of private pages of @manifest, which has the layout's regions; @backed_too: that of backed ones too. */
static int survey_kinds(struct guest *guest, struct manifest *manifest, bool backed_too)
{
	uint64_t *scratch = calloc(bitmap_words(SURVEY_PAGES), sizeof(uint64_t));
	uint32_t k;
	int r = scratch == NULL ? -ENOMEM : 0;

	for (k = 0; k < manifest->n_regions && r == 0; k++) {
		if ((manifest->regions[k].flags & GMEM_REGION_GUEST_MEMFD) == 0)
			continue;
		r = query_region(guest, BACKEND_PRIVATE, &manifest->regions[k], manifest->private_map, scratch);
		if (r == 0 && backed_too)
			r = query_region(guest, BACKEND_BACKED, &manifest->regions[k], manifest->backed_map, scratch);
	}
	free(scratch);
	return r;
}

static int copy_layout(const struct manifest *layout, struct manifest **ret_manifest)
{
	struct gmem_region regions[GMEM_MAX_REGIONS];
	uint32_t i;

	for (i = 0; i < layout->n_regions; i++)
		regions[i] = (struct gmem_region){
			.gpa = layout->regions[i].gfn * GMEM_PAGE_SIZE,
			.size = layout->regions[i].n_pages * GMEM_PAGE_SIZE,
			.flags = layout->regions[i].flags,
		};
	return manifest_new(regions, layout->n_regions, ret_manifest);
}

int guest_survey(struct guest *guest, struct manifest **ret_manifest, char *ret_error, size_t error_len)
{
	struct manifest *manifest = NULL;
	uint64_t n_missing = 0;
	int r;

	ret_error[0] = '\0';
	r = count_all(guest, &n_missing);
	if (r == 0 && n_missing > 0) {
		snprintf(ret_error, error_len, "%llu pages of this VM are missing here themselves: wait until its own "
			 "move is complete", (unsigned long long)n_missing);
		return -EINVAL;
	}
	if (r == 0)
		r = copy_layout(guest->layout, &manifest);
	if (r == 0)
		r = survey_kinds(guest, manifest, true);
	if (r == 0)
		r = check_reachable(guest, manifest, ret_error, error_len);
	if (r < 0) {
		if (ret_error[0] == '\0')
			snprintf(ret_error, error_len, "cannot survey the VM's memory: %s", strerror(-r));
		manifest_free(manifest);
		return r;
	}
	*ret_manifest = manifest;
	return 0;
}

int guest_check_missing(struct guest *guest, char *ret_error, size_t error_len)
{
	const struct manifest *layout = guest->layout;
	uint64_t n_set = 0;
	uint32_t k;
	int r;

	for (k = 0; k < layout->n_regions; k++) {
		r = guest->backend->ops->query(guest->backend, BACKEND_MISSING, layout->regions[k].gfn,
					       layout->regions[k].n_pages, NULL, &n_set, NULL);
		if (r < 0) {
			snprintf(ret_error, error_len, "cannot query the VM's memory: %s", strerror(-r));
			return r;
		}
		if (n_set != layout->regions[k].n_pages) {
			snprintf(ret_error, error_len, "%llu pages of region %u are not marked missing: mark all of it "
				 "before attaching", (unsigned long long)(layout->regions[k].n_pages - n_set), k);
			return -EEXIST;
		}
	}
	return 0;
}

static int compare_kinds(const struct manifest *here, const struct manifest *manifest, char *ret_error,
			 size_t error_len)
{
	const size_t n_words = bitmap_words(manifest->n_pages);
	const struct manifest_region *region;
	bool private_here;
	uint64_t index;
	size_t i = 0;

	while (i < n_words && here->private_map[i] == manifest->private_map[i])
		i++;
	if (i == n_words)
		return 0;
	index = i * 64u + (uint64_t)__builtin_ctzll(here->private_map[i] ^ manifest->private_map[i]);
	private_here = bitmap_test(here->private_map, index);
	region = manifest_region_of(manifest, index);
	log_debug("GFN 0x%llx is of another kind", (unsigned long long)(region->gfn + (index - region->first_index)));
	snprintf(ret_error, error_len, "a page of region %u is %s here and %s at the source: set the memory "
		 "attributes before running", (unsigned int)(region - manifest->regions),
		 private_here ? "private" : "shared", private_here ? "shared" : "private");
	return -EINVAL;
}

static int count_inside(struct guest *guest, uint64_t *ret_n_inside)
{
	const struct manifest *layout = guest->layout;
	uint64_t n_set = 0;
	uint32_t k;
	int r = 0;

	*ret_n_inside = 0;
	for (k = 0; k < layout->n_regions && r == 0; k++, *ret_n_inside += n_set)
		r = guest->backend->ops->query(guest->backend, BACKEND_MISSING, layout->regions[k].gfn,
					       layout->regions[k].n_pages, NULL, &n_set, NULL);
	return r;
}

/* Pages may arrive meanwhile: what restores state wants some.  Two sums are of one moment if nothing came between. */
static int check_outside(struct guest *guest, char *ret_error, size_t error_len)
{
	uint64_t n_before, n_inside = 0, n_missing = 0;
	int r = count_all(guest, &n_missing);

	do {
		n_before = n_missing;
		if (r == 0)
			r = count_inside(guest, &n_inside);
		if (r == 0)
			r = count_all(guest, &n_missing);
	} while (r == 0 && n_missing != n_before);
	if (r == 0 && n_inside < n_missing) {
		snprintf(ret_error, error_len, "%llu GFNs outside of the attached regions are marked missing",
			 (unsigned long long)(n_missing - n_inside));
		return -EINVAL;
	}
	return r;
}

int guest_check_kinds(struct guest *guest, const struct manifest *manifest, char *ret_error, size_t error_len)
{
	struct manifest *here = NULL;
	int r;

	ret_error[0] = '\0';
	r = copy_layout(guest->layout, &here);
	if (r == 0)
		r = survey_kinds(guest, here, false);
	if (r == 0)
		r = compare_kinds(here, manifest, ret_error, error_len);
	if (r == 0)
		r = check_outside(guest, ret_error, error_len);
	if (r < 0 && ret_error[0] == '\0')
		snprintf(ret_error, error_len, "cannot query the VM's memory: %s", strerror(-r));
	manifest_free(here);
	return r;
}
