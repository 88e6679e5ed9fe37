/* SPDX-License-Identifier: MIT */
/*
 * fuzz_manifest: what a source says about its VM: the manifest's decoder, and
 * states collected part by part.  The first byte says which.
 */
#include <string.h>

#include <attest/attest.h>
#include <gmem-pager/manifest.h>
#include <gmem-pager/states.h>

#include "fuzz.h"

static const struct gmem_region regions[2] = {
	{ .gpa = 0, .size = 64 * 4096, .flags = GMEM_REGION_GUEST_MEMFD },
	{ .gpa = 1 << 20, .size = 8 * 4096, .flags = GMEM_REGION_SHARED_FD },
};
static struct manifest *layout;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	FUZZ_NEED(attest_init());
	FUZZ_NEED(manifest_new(regions, 2, &layout) == 0);
	return 0;
}

/* What was taken is well formed, and encodes to something that is taken again and is the same. */
static void decode(const uint8_t *data, size_t size)
{
	struct manifest *manifest, *again;
	uint8_t *bytes;
	uint64_t index;
	size_t len;

	if (manifest_decode(data, size, layout, &manifest) < 0)
		return;
	FUZZ_NEED(manifest->n_pages == layout->n_pages && manifest_same_regions(manifest, layout));
	FUZZ_NEED(manifest_encode(manifest, &bytes, &len) == 0 && len <= size);
	FUZZ_NEED(manifest_decode(bytes, len, layout, &again) == 0);
	for (index = 0; index < manifest->n_pages; index++)
		FUZZ_NEED(manifest_kind(manifest, index) == manifest_kind(again, index));
	manifest_free(again);
	manifest_free(manifest);
	free(bytes);
}

/* Parts of 4 bytes of numbers, one of name, one of length, and that much data. */
static void collect(const uint8_t *data, size_t size)
{
	struct states states;
	int r = 0;

	states_init(&states);
	while (size >= 6 && r == 0) {
		struct states_part part = { .index = data[0], .n_states = data[1], .total_len = data[2], .offset = data[3] };
		const size_t len = data[5] < size - 6 ? data[5] : size - 6;

		part.name[0] = (char)data[4];
		r = states_add(&states, &part, data + 6, len);
		FUZZ_NEED(states.n_filled <= states.n_states && states.n_states <= GMEM_MAX_STATES);
		data += 6 + len;
		size -= 6 + len;
	}
	if (r == 0 && states_check(&states, states.n_states) == 0 && states.n_states > 0)
		FUZZ_NEED(states.states[states.n_states - 1].name[0] != '\0');
	states_fini(&states);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	if (data[0] % 2 == 0)
		decode(data + 1, size - 1);
	else
		collect(data + 1, size - 1);
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	static const uint8_t parts[] = { 1, 0, 2, 4, 0, 'a', 2, 1, 2, 0, 2, 4, 2, 'a', 2, 3, 4, 1, 2, 0, 0, 'b', 0 };
	struct manifest *manifest;
	uint8_t *bytes, seed[512] = { 0 };
	size_t len, n;

	emit("states", parts, sizeof(parts));
	for (n = 0; n < 3; n++) {
		FUZZ_NEED(manifest_new(regions, n == 0 ? 1 : 2, &manifest) == 0);
		for (len = 0; n == 2 && len < 64; len++) {
			bitmap_set(manifest->private_map, len);
			if (len % 3 != 0)
				bitmap_set(manifest->backed_map, len);
		}
		FUZZ_NEED(manifest_encode(manifest, &bytes, &len) == 0 && len < sizeof(seed));
		memcpy(seed + 1, bytes, len);
		emit(n == 0 ? "one-region" : n == 1 ? "two-regions" : "kinds", seed, len + 1);
		free(bytes);
		manifest_free(manifest);
	}
}
