// SPDX-License-Identifier: MIT
/*
 * Encoding: version:32 n_regions:32 n_pages:64, for each region gfn:64 n_pages:64
 * flags:32, then runs of one kind as kind + 4 * n_pages:32 up to n_pages.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "manifest.h"
#include "wire.h"

#define MANIFEST_VERSION 1u
#define HEAD_LEN 16u
#define REGION_LEN 20u
#define RUN_MAX ((1u << 30) - 1u)

static int alloc_maps(struct manifest *manifest)
{
	const size_t n_words = bitmap_words(manifest->n_pages);

	manifest->private_map = calloc(n_words, sizeof(uint64_t));
	manifest->backed_map = calloc(n_words, sizeof(uint64_t));
	return manifest->private_map != NULL && manifest->backed_map != NULL ? 0 : -ENOMEM;
}

/* Append a region; regions come sorted and apart. */
static int add_region(struct manifest *manifest, uint64_t gfn, uint64_t n_pages, uint32_t flags)
{
	struct manifest_region *region = &manifest->regions[manifest->n_regions];

	if (n_pages == 0 || n_pages > MANIFEST_MAX_PAGES - manifest->n_pages || gfn > (1ull << 52) - n_pages)
		return -EFBIG;
	if (manifest->n_regions > 0 && region[-1].gfn + region[-1].n_pages > gfn)
		return -EINVAL;
	*region = (struct manifest_region){
		.gfn = gfn, .n_pages = n_pages, .first_index = manifest->n_pages, .flags = flags,
	};
	manifest->n_regions++;
	manifest->n_pages += n_pages;
	return 0;
}

int manifest_new(const struct gmem_region *regions, size_t n_regions, struct manifest **ret_manifest)
{
	struct manifest *manifest;
	size_t i;
	int r = 0;

	if (n_regions == 0 || n_regions > GMEM_MAX_REGIONS)
		return -EINVAL;
	manifest = calloc(1, sizeof(*manifest));
	if (manifest == NULL)
		return -ENOMEM;
	for (i = 0; i < n_regions && r == 0; i++)
		r = add_region(manifest, regions[i].gpa / GMEM_PAGE_SIZE, regions[i].size / GMEM_PAGE_SIZE,
			       regions[i].flags);
	if (r == 0)
		r = alloc_maps(manifest);
	if (r < 0) {
		manifest_free(manifest);
		return r;
	}
	*ret_manifest = manifest;
	return 0;
}

void manifest_free(struct manifest *manifest)
{
	if (manifest == NULL)
		return;
	free(manifest->private_map);
	free(manifest->backed_map);
	free(manifest);
}

bool manifest_same_regions(const struct manifest *manifest, const struct manifest *other)
{
	uint32_t i;

	if (manifest->n_regions != other->n_regions)
		return false;
	for (i = 0; i < manifest->n_regions; i++) {
		const struct manifest_region *a = &manifest->regions[i], *b = &other->regions[i];

		if (a->gfn != b->gfn || a->n_pages != b->n_pages || a->flags != b->flags)
			return false;
	}
	return true;
}

int manifest_index(const struct manifest *manifest, uint64_t gfn, uint64_t *ret_index)
{
	uint32_t i;

	for (i = 0; i < manifest->n_regions; i++) {
		const struct manifest_region *region = &manifest->regions[i];

		if (gfn >= region->gfn && gfn - region->gfn < region->n_pages) {
			*ret_index = region->first_index + (gfn - region->gfn);
			return 0;
		}
	}
	return -ENOENT;
}

const struct manifest_region *manifest_region_of(const struct manifest *manifest, uint64_t index)
{
	uint32_t i = manifest->n_regions - 1;

	while (i > 0 && manifest->regions[i].first_index > index)
		i--;
	return &manifest->regions[i];
}

enum manifest_kind manifest_kind(const struct manifest *manifest, uint64_t index)
{
	if (!bitmap_test(manifest->private_map, index))
		return MANIFEST_SHARED;
	return bitmap_test(manifest->backed_map, index) ? MANIFEST_PRIVATE : MANIFEST_HOLE;
}

static uint64_t run_length(const struct manifest *manifest, uint64_t index)
{
	const uint64_t end = manifest->n_pages - index < RUN_MAX ? manifest->n_pages : index + RUN_MAX;
	const uint64_t n = bitmap_same(manifest->private_map, index, end);

	return bitmap_test(manifest->private_map, index) ? bitmap_same(manifest->backed_map, index, index + n) : n;
}

int manifest_encode(const struct manifest *manifest, uint8_t **ret_bytes, size_t *ret_len)
{
	uint64_t index, n, n_runs = 0;
	uint8_t *bytes, *at;
	uint32_t i;
	size_t len;

	for (index = 0; index < manifest->n_pages; index += run_length(manifest, index))
		n_runs++;
	len = HEAD_LEN + manifest->n_regions * REGION_LEN + n_runs * 4;
	if (len > MANIFEST_MAX_LEN)
		return -EFBIG;
	bytes = malloc(len);
	if (bytes == NULL)
		return -ENOMEM;
	at = wire_put32(wire_put32(bytes, MANIFEST_VERSION), manifest->n_regions);
	at = wire_put64(at, manifest->n_pages);
	for (i = 0; i < manifest->n_regions; i++) {
		at = wire_put64(wire_put64(at, manifest->regions[i].gfn), manifest->regions[i].n_pages);
		at = wire_put32(at, manifest->regions[i].flags);
	}
	for (index = 0; index < manifest->n_pages; index += n) {
		n = run_length(manifest, index);
		at = wire_put32(at, (uint32_t)manifest_kind(manifest, index) | (uint32_t)n << 2);
	}
	*ret_bytes = bytes;
	*ret_len = len;
	return 0;
}

static int decode_runs(struct wire_reader *reader, struct manifest *manifest)
{
	uint64_t index = 0;

	while (index < manifest->n_pages) {
		const uint32_t run = wire_get32(reader);
		const uint64_t n = run >> 2;

		if (reader->failed || n == 0 || n > manifest->n_pages - index || (run & 3) > MANIFEST_PRIVATE)
			return -EPROTO;
		if ((run & 3) != MANIFEST_SHARED)
			bitmap_fill(manifest->private_map, index, n);
		if ((run & 3) == MANIFEST_PRIVATE)
			bitmap_fill(manifest->backed_map, index, n);
		index += n;
	}
	return 0;
}

int manifest_decode(const uint8_t *bytes, size_t len, const struct manifest *layout, struct manifest **ret_manifest)
{
	struct wire_reader reader = { .at = bytes, .left = len };
	const uint32_t version = wire_get32(&reader), n_regions = wire_get32(&reader);
	const uint64_t n_pages = wire_get64(&reader);
	struct manifest *manifest;
	uint32_t i;
	int r = 0;

	if (reader.failed || version != MANIFEST_VERSION || n_regions == 0 || n_regions > GMEM_MAX_REGIONS)
		return -EPROTO;
	manifest = calloc(1, sizeof(*manifest));
	if (manifest == NULL)
		return -ENOMEM;
	for (i = 0; i < n_regions && r == 0; i++) {
		const uint64_t gfn = wire_get64(&reader), n = wire_get64(&reader);
		const uint32_t flags = wire_get32(&reader);

		r = reader.failed || add_region(manifest, gfn, n, flags) < 0 ? -EPROTO : 0;
	}
	if (r == 0 && manifest->n_pages != n_pages)
		r = -EPROTO;
	if (r == 0 && !manifest_same_regions(manifest, layout))
		r = -EINVAL;
	if (r == 0)
		r = alloc_maps(manifest);
	if (r == 0)
		r = decode_runs(&reader, manifest);
	if (r == 0 && !wire_done(&reader))
		r = -EPROTO;
	if (r < 0) {
		manifest_free(manifest);
		return r;
	}
	*ret_manifest = manifest;
	return 0;
}

int manifest_decode_regions(const uint8_t *bytes, size_t len, uint64_t n_pages,
			    struct gmem_region ret_regions[GMEM_MAX_REGIONS], size_t *ret_n_regions)
{
	struct wire_reader reader = { .at = bytes, .left = len };
	const uint32_t version = wire_get32(&reader), n_regions = wire_get32(&reader);
	struct manifest manifest = { .n_regions = 0 };
	uint32_t i;

	if (wire_get64(&reader) != n_pages || version != MANIFEST_VERSION || n_regions == 0 ||
	    n_regions > GMEM_MAX_REGIONS)
		return -EPROTO;
	for (i = 0; i < n_regions; i++) {
		const uint64_t gfn = wire_get64(&reader), n = wire_get64(&reader);
		const uint32_t flags = wire_get32(&reader);

		if (reader.failed || add_region(&manifest, gfn, n, flags) < 0 || flags == 0 ||
		    (flags & ~(GMEM_REGION_GUEST_MEMFD | GMEM_REGION_SHARED_FD)) != 0)
			return -EPROTO;
		ret_regions[i] = (struct gmem_region){
			.gpa = gfn * GMEM_PAGE_SIZE, .size = n * GMEM_PAGE_SIZE, .flags = flags, .shared_fd = -1,
		};
	}
	if (manifest.n_pages != n_pages)
		return -EPROTO;
	*ret_n_regions = n_regions;
	return 0;
}

void manifest_hash(const uint8_t *bytes, size_t len, uint8_t ret_hash[ATTEST_HASH_LEN])
{
	crypto_generichash(ret_hash, ATTEST_HASH_LEN, bytes, len, NULL, 0);
}
