/* SPDX-License-Identifier: MIT */
/*
 * fuzz_set: what stands in the file of a working set.  The map is behind its seal, and who has the key gets no further
 * than anybody else.
 *
 * Input: u8 mode, bytes.
 *   HEADER  u64 length of the file, the header; what is missing is zeros
 *   MAP     u32 pages, the map
 */
#include <string.h>

#include <attest/attest.h>
#include <gmem-pager/manifest.h>
#include <gmem-pager/snapshot/set.h>
#include <gmem-pager/wire.h>

#include "fuzz.h"

enum { MODE_HEADER, MODE_MAP, N_MODES };

#define MOST_PAGES (1u << 16)

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	FUZZ_NEED(attest_init());
	return 0;
}

/* What is taken has one encoding. */
static void decode_header(const uint8_t *data, size_t size)
{
	struct wire_reader reader = { .at = data, .left = size };
	const uint64_t file_len = wire_get64(&reader);
	uint8_t bytes[SNAPSET_HEADER_LEN] = { 0 }, again[SNAPSET_HEADER_LEN];
	struct snapset_header header;
	const char *why = NULL;

	if (reader.failed)
		return;
	memcpy(bytes, reader.at, reader.left < sizeof(bytes) ? reader.left : sizeof(bytes));
	if (snapset_header_decode(bytes, file_len, &header, &why) < 0) {
		FUZZ_NEED(why != NULL);
		return;
	}
	FUZZ_NEED(header.n_pages > 0 && header.n_pages <= MANIFEST_MAX_PAGES);
	FUZZ_NEED(file_len == SNAPSET_HEADER_LEN + snapset_map_len(header.n_pages));
	snapset_header_encode(&header, again);
	FUZZ_NEED(memcmp(bytes, again, sizeof(bytes)) == 0);
}

/* No page outside of the VM, and as much written as there are words. */
static void decode_map(const uint8_t *data, size_t size)
{
	struct wire_reader reader = { .at = data, .left = size };
	const uint32_t n_pages = wire_get32(&reader) % (MOST_PAGES + 1u);
	const size_t n_words = bitmap_words(n_pages);
	uint64_t *map, bit;
	uint8_t *again;

	if (reader.failed)
		return;
	map = malloc((n_words + 1) * sizeof(*map));
	FUZZ_NEED(map != NULL);
	map[n_words] = 0x5a5a;
	if (snapset_map_decode(reader.at, reader.left, n_pages, map) == 0) {
		FUZZ_NEED(reader.left == snapset_map_len(n_pages));
		for (bit = n_pages; bit < n_words * 64; bit++)
			FUZZ_NEED(!bitmap_test(map, bit));
		again = malloc(reader.left);
		FUZZ_NEED(again != NULL);
		snapset_map_encode(map, n_pages, again);
		FUZZ_NEED(memcmp(again, reader.at, reader.left) == 0);
		free(again);
	}
	FUZZ_NEED(map[n_words] == 0x5a5a);
	free(map);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const modes[N_MODES])(const uint8_t *data, size_t size) = {
		[MODE_HEADER] = decode_header, [MODE_MAP] = decode_map,
	};

	if (size > 0)
		modes[data[0] % N_MODES](data + 1, size - 1);
	return 0;
}

/* ---- seeds ---- */

static void emit_map(void (*emit)(const char *name, const uint8_t *data, size_t size), const char *name,
		     const uint64_t *map, uint32_t n_pages)
{
	uint8_t seed[64] = { MODE_MAP };

	wire_put32(seed + 1, n_pages);
	snapset_map_encode(map, n_pages, seed + 5);
	emit(name, seed, 5 + snapset_map_len(n_pages));
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	static const uint64_t map[4] = { 0xf0f1, 0, 1ull << 63, 0x3ffff }, outside[2] = { 1, 4 };
	struct snapset_header header = { .n_pages = 210 };
	uint8_t seed[9 + SNAPSET_HEADER_LEN] = { MODE_HEADER };

	memset(header.root, 1, sizeof(header.root));
	memset(header.nonce, 2, sizeof(header.nonce));
	memset(header.tag, 3, sizeof(header.tag));
	snapset_header_encode(&header, seed + 9);
	wire_put64(seed + 1, SNAPSET_HEADER_LEN + snapset_map_len(210));
	emit("header", seed, sizeof(seed));
	wire_put64(seed + 1, SNAPSET_HEADER_LEN);
	emit("header-cut", seed, sizeof(seed));
	emit_map(emit, "map", map, 210);
	emit_map(emit, "map-outside", outside, 66);
}
