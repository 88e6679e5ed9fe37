/* SPDX-License-Identifier: MIT */
/*
 * What a move has to bring: the regions, and of each page whether it is private
 * with a page behind it, private without one (it reads as zero), or shared.
 * Made by the source once the VM is frozen; its hash stands in START.
 *
 * Pages are numbered through all regions in order: the *index*, 0 to n_pages - 1.
 */
#ifndef GMEM_PAGER_MANIFEST_H
#define GMEM_PAGER_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <attest/attest.h>
#include <gmem/gmem.h>

#define MANIFEST_MAX_LEN (16u << 20)	/* encoded; a VM cut into smaller pieces is refused */
#define MANIFEST_MAX_PAGES (1ull << 30)	/* 4 TiB */

enum manifest_kind {
	MANIFEST_SHARED = 0,
	MANIFEST_HOLE = 1,
	MANIFEST_PRIVATE = 2,
};

struct manifest_region {
	uint64_t gfn;
	uint64_t n_pages;
	uint64_t first_index;
	uint32_t flags;		/* GMEM_REGION_* */
};

struct manifest {
	uint32_t n_regions;
	struct manifest_region regions[GMEM_MAX_REGIONS];
	uint64_t n_pages;
	uint64_t *private_map;	/* by index */
	uint64_t *backed_map;	/* by index; of private pages */
};

/* All pages shared.  @regions as checked by gmem_attach().  -ENOMEM, -EFBIG. */
int manifest_new(const struct gmem_region *regions, size_t n_regions, struct manifest **ret_manifest);
void manifest_free(struct manifest *manifest);

/* Same regions with the same flags? */
bool manifest_same_regions(const struct manifest *manifest, const struct manifest *other);

/* Index of @gfn, or -ENOENT if no region has it. */
int manifest_index(const struct manifest *manifest, uint64_t gfn, uint64_t *ret_index);

/* The region of @index, which must be below n_pages. */
const struct manifest_region *manifest_region_of(const struct manifest *manifest, uint64_t index);

enum manifest_kind manifest_kind(const struct manifest *manifest, uint64_t index);

/* -EFBIG if it does not fit into MANIFEST_MAX_LEN.  @ret_bytes is the caller's, free(). */
int manifest_encode(const struct manifest *manifest, uint8_t **ret_bytes, size_t *ret_len);
/*
 * The regions of encoded bytes that somebody vouches for, without descriptors, if they have @n_pages pages together.
 * -EPROTO.
 */
int manifest_decode_regions(const uint8_t *bytes, size_t len, uint64_t n_pages,
			    struct gmem_region ret_regions[GMEM_MAX_REGIONS], size_t *ret_n_regions);
/*
 * @layout: has the regions that it must be of; a peer's word alone allocates nothing.
 * -EPROTO malformed, -EINVAL of other regions, -ENOMEM.
 */
int manifest_decode(const uint8_t *bytes, size_t len, const struct manifest *layout, struct manifest **ret_manifest);
void manifest_hash(const uint8_t *bytes, size_t len, uint8_t ret_hash[ATTEST_HASH_LEN]);

static inline bool bitmap_test(const uint64_t *map, uint64_t bit)
{
	return (map[bit / 64] >> (bit % 64) & 1) != 0;
}

static inline void bitmap_set(uint64_t *map, uint64_t bit)
{
	map[bit / 64] |= 1ull << (bit % 64);
}

/* Bits from @from on, and below @end, that are like the one at @from; @from is below @end. */
static inline uint64_t bitmap_same(const uint64_t *map, uint64_t from, uint64_t end)
{
	const uint64_t like = bitmap_test(map, from) ? ~0ull : 0;
	uint64_t at = from;

	while (at < end) {
		const uint64_t others = (map[at / 64] ^ like) >> (at % 64);

		if (others != 0) {
			at += (uint64_t)__builtin_ctzll(others);
			break;
		}
		at += 64 - at % 64;
	}
	return (at < end ? at : end) - from;
}

/* Set @n_bits from @from on. */
static inline void bitmap_fill(uint64_t *map, uint64_t from, uint64_t n_bits)
{
	uint64_t part;

	for (; n_bits > 0; from += part, n_bits -= part) {
		part = 64 - from % 64 < n_bits ? 64 - from % 64 : n_bits;
		map[from / 64] |= (part == 64 ? ~0ull : (1ull << part) - 1) << (from % 64);
	}
}

static inline size_t bitmap_words(uint64_t n_bits)
{
	return (size_t)((n_bits + 63) / 64);
}

#endif
