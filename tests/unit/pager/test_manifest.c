// SPDX-License-Identifier: MIT
#include <errno.h>

#include "check.h"
#include "manifest.h"

static const struct gmem_region regions[2] = {
	{ .gpa = 0, .size = 100 * 4096, .flags = GMEM_REGION_GUEST_MEMFD },
	{ .gpa = 1ull << 32, .size = 70 * 4096, .flags = GMEM_REGION_SHARED_FD },
};

static struct manifest *sample(void)
{
	struct manifest *manifest = NULL;
	uint64_t i;

	CU_ASSERT_EQUAL_FATAL(manifest_new(regions, 2, &manifest), 0);
	for (i = 0; i < 100; i++) {
		bitmap_set(manifest->private_map, i);
		if (i % 10 != 3)
			bitmap_set(manifest->backed_map, i);
	}
	return manifest;
}

static void test_round_trip(void)
{
	struct manifest *manifest = sample(), *copy = NULL;
	uint8_t *bytes = NULL, hash[2][ATTEST_HASH_LEN];
	size_t len = 0;
	uint64_t i;

	CU_ASSERT_EQUAL_FATAL(manifest_encode(manifest, &bytes, &len), 0);
	CU_ASSERT_EQUAL_FATAL(manifest_decode(bytes, len, manifest, &copy), 0);
	CU_ASSERT_TRUE(manifest_same_regions(manifest, copy));
	CU_ASSERT_EQUAL(copy->n_pages, 170);
	for (i = 0; i < 170; i++)
		if (manifest_kind(manifest, i) != manifest_kind(copy, i))
			CU_FAIL("a kind differs");
	CU_ASSERT_EQUAL(manifest_kind(copy, 13), MANIFEST_HOLE);
	CU_ASSERT_EQUAL(manifest_kind(copy, 14), MANIFEST_PRIVATE);
	CU_ASSERT_EQUAL(manifest_kind(copy, 100), MANIFEST_SHARED);
	manifest_hash(bytes, len, hash[0]);
	bytes[len - 1] ^= 1;
	manifest_hash(bytes, len, hash[1]);
	CU_ASSERT_NOT_EQUAL(memcmp(hash[0], hash[1], ATTEST_HASH_LEN), 0);
	free(bytes);
	manifest_free(manifest);
	manifest_free(copy);
}

static void test_index_of_gfn(void)
{
	struct manifest *manifest = sample();
	uint64_t index = 0;

	CU_ASSERT_EQUAL(manifest_index(manifest, 99, &index), 0);
	CU_ASSERT_EQUAL(index, 99);
	CU_ASSERT_EQUAL(manifest_index(manifest, 100, &index), -ENOENT);
	CU_ASSERT_EQUAL(manifest_index(manifest, 1ull << 20, &index), 0);
	CU_ASSERT_EQUAL(index, 100);
	CU_ASSERT_EQUAL(manifest_index(manifest, (1ull << 20) + 70, &index), -ENOENT);
	CU_ASSERT_PTR_EQUAL(manifest_region_of(manifest, 99), &manifest->regions[0]);
	CU_ASSERT_PTR_EQUAL(manifest_region_of(manifest, 100), &manifest->regions[1]);
	manifest_free(manifest);
}

/* Any prefix, and any single byte changed: refused or decoded to something well formed, never worse. */
static void test_malformed(void)
{
	struct manifest *manifest = sample(), *copy;
	uint8_t *bytes = NULL;
	size_t len = 0, i;
	unsigned int n_refused = 0;

	CU_ASSERT_EQUAL_FATAL(manifest_encode(manifest, &bytes, &len), 0);
	for (i = 0; i < len; i++) {
		uint8_t *exact = malloc(i + 1);	/* so that a sanitizer sees reads past the end */

		memcpy(exact, bytes, i);
		if (manifest_decode(exact, i, manifest, &copy) != -EPROTO)
			CU_FAIL("a prefix was taken");
		free(exact);
	}
	for (i = 0; i < len; i++) {
		bytes[i] ^= 0xff;
		if (manifest_decode(bytes, len, manifest, &copy) < 0)
			n_refused++;
		else
			manifest_free(copy);
		bytes[i] ^= 0xff;
	}
	CU_ASSERT_TRUE(n_refused > len / 2);
	bytes = realloc(bytes, len + 1);
	bytes[len] = 0;
	CU_ASSERT_EQUAL(manifest_decode(bytes, len + 1, manifest, &copy), -EPROTO);
	free(bytes);
	manifest_free(manifest);
}

static void test_other_regions(void)
{
	struct manifest *manifest = sample(), *one = NULL, *copy = NULL;
	uint8_t *bytes = NULL;
	size_t len = 0;

	CU_ASSERT_EQUAL_FATAL(manifest_new(regions, 1, &one), 0);
	CU_ASSERT_EQUAL_FATAL(manifest_encode(manifest, &bytes, &len), 0);
	CU_ASSERT_EQUAL(manifest_decode(bytes, len, one, &copy), -EINVAL);
	one->regions[0].flags ^= GMEM_REGION_SHARED_FD;
	CU_ASSERT_FALSE(manifest_same_regions(one, manifest));
	CU_ASSERT_PTR_NULL(copy);
	free(bytes);
	manifest_free(one);
	manifest_free(manifest);
}

static void test_too_large(void)
{
	const struct gmem_region huge = { .size = (MANIFEST_MAX_PAGES + 1) * 4096, .flags = GMEM_REGION_GUEST_MEMFD };
	struct manifest *manifest = NULL;

	CU_ASSERT_EQUAL(manifest_new(&huge, 1, &manifest), -EFBIG);
	CU_ASSERT_EQUAL(manifest_new(regions, 0, &manifest), -EINVAL);
	CU_ASSERT_PTR_NULL(manifest);
}

/* By words what single bits say, at every offset in a word and across words. */
static void test_bitmaps(void)
{
	uint64_t from, n, i;

	for (from = 0; from < 130; from++) {
		for (n = 1; n <= 192 - from; n++) {
			uint64_t map[3] = { 0 }, n_set = 0;

			bitmap_fill(map, from, n);
			for (i = 0; i < 192; i++)
				n_set += bitmap_test(map, i) && i >= from && i < from + n;
			if (n_set != n || bitmap_same(map, from, 192) != n || bitmap_same(map, from, from + 1) != 1 ||
			    (from > 0 && bitmap_same(map, 0, 192) != from) ||
			    (from + n < 192 && bitmap_same(map, from + n, 192) != 192 - from - n))
				CU_FAIL_FATAL("a run of bits has another length");
		}
	}
}

static const struct check checks[] = {
	{ "bitmaps", test_bitmaps },
	{ "round trip", test_round_trip },
	{ "index of a GFN", test_index_of_gfn },
	{ "malformed", test_malformed },
	{ "other regions", test_other_regions },
	{ "too large", test_too_large },
	{ NULL, NULL },
};

CHECK_MAIN("manifest", checks)
