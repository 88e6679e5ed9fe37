/* SPDX-License-Identifier: MIT */
/*
 * fuzz_snapshot: what stands in a snapshot file, each structure by itself: behind its seal only who has the file's key
 * could have written it, and he gets no further than anybody else.
 *
 * Input: u8 mode, bytes.
 *   HEADER   the header; what is missing is zeros
 *   TRAILER  u64 length of the file, the trailer
 *   INDEX    u32 pages, u64 where the index begins, the index
 *   PART     a part of a state
 *   REGIONS  an encoded manifest
 */
#include <string.h>

#include <attest/attest.h>
#include <gmem-pager/manifest.h>
#include <gmem-pager/snapshot/format.h>
#include <gmem-pager/wire.h>

#include "fuzz.h"

enum { MODE_HEADER, MODE_TRAILER, MODE_INDEX, MODE_PART, MODE_REGIONS, N_MODES };

#define MOST_PAGES (1u << 20)	/* a manifest's maps of more take longer than they are worth */

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
	uint8_t bytes[SNAPFILE_HEADER_LEN] = { 0 }, again[SNAPFILE_HEADER_LEN];
	struct snapfile_header header;
	const char *why = NULL;

	if (size > 0)
		memcpy(bytes, data, size < sizeof(bytes) ? size : sizeof(bytes));
	if (snapfile_header_decode(bytes, &header, &why) < 0) {
		FUZZ_NEED(why != NULL);
		return;
	}
	FUZZ_NEED(header.n_pages > 0 && header.n_pages <= MANIFEST_MAX_PAGES);
	snapfile_header_encode(&header, again);
	FUZZ_NEED(memcmp(bytes, again, sizeof(bytes)) == 0);
}

static void decode_trailer(const uint8_t *data, size_t size)
{
	struct wire_reader reader = { .at = data, .left = size };
	const uint64_t file_len = wire_get64(&reader);
	const uint8_t *bytes = wire_take(&reader, SNAPFILE_TRAILER_LEN);
	uint8_t again[SNAPFILE_TRAILER_LEN];
	struct snapfile_trailer trailer;
	const char *why = NULL;

	if (bytes == NULL || snapfile_trailer_decode(bytes, file_len, &trailer, &why) < 0)
		return;
	FUZZ_NEED(trailer.index_off >= SNAPFILE_HEADER_LEN);
	FUZZ_NEED(trailer.index_off + trailer.index_len + SNAPFILE_TRAILER_LEN == file_len);
	snapfile_trailer_encode(&trailer, again);
	FUZZ_NEED(memcmp(bytes, again, sizeof(again)) == 0);
}

/* Pieces lie one behind the other, from the header to the index. */
static void check_places(const struct snapfile_index *index, uint64_t index_off)
{
	uint64_t off = SNAPFILE_HEADER_LEN, i;

	for (i = 0; i < index->n_chunks; off += snapfile_chunk_len(index->maps[i]), i++)
		FUZZ_NEED(index->offs[i] == off);
	for (i = 0; i < index->n_parts; off += index->parts[i].len, i++)
		FUZZ_NEED(index->parts[i].off == off && index->parts[i].len >= SNAPFILE_PART_HEAD_LEN);
	FUZZ_NEED(index->manifest.off == off && off + index->manifest.len == index_off);
}

static void decode_index(const uint8_t *data, size_t size)
{
	struct wire_reader reader = { .at = data, .left = size };
	const uint32_t n_pages = wire_get32(&reader);
	const uint64_t index_off = wire_get64(&reader);
	struct snapfile_index index;
	uint8_t *again;
	size_t len;

	if (reader.failed || snapfile_index_decode(reader.at, reader.left, n_pages, index_off, &index) < 0)
		return;
	check_places(&index, index_off);
	FUZZ_NEED(snapfile_index_encode(&index, &again, &len) == 0);
	FUZZ_NEED(len == reader.left && memcmp(again, reader.at, len) == 0);
	free(again);
	snapfile_index_fini(&index);
}

static void decode_part(const uint8_t *data, size_t size)
{
	uint8_t again[SNAPFILE_PART_HEAD_LEN];
	struct states_part part;
	const uint8_t *bytes;
	struct states states;
	size_t len;

	if (snapfile_part_decode(data, size, &part, &bytes, &len) < 0)
		return;
	FUZZ_NEED(len == size - SNAPFILE_PART_HEAD_LEN && bytes == data + SNAPFILE_PART_HEAD_LEN);
	snapfile_part_encode(&part, again);
	FUZZ_NEED(memcmp(again, data, sizeof(again)) == 0);
	states_init(&states);
	if (states_add(&states, &part, bytes, len) == 0)
		FUZZ_NEED(part.index == 0 && part.offset == 0 && len <= part.total_len);
	states_fini(&states);
}

static void decode_regions(const uint8_t *data, size_t size)
{
	struct wire_reader reader = { .at = data, .left = size };
	struct gmem_region regions[GMEM_MAX_REGIONS];
	struct manifest *layout, *manifest;
	uint64_t n_pages;
	size_t n;

	(void)wire_get64(&reader);
	n_pages = wire_get64(&reader);
	if (reader.failed || manifest_decode_regions(data, size, n_pages, regions, &n) < 0 || n_pages > MOST_PAGES)
		return;
	FUZZ_NEED(n > 0 && n <= GMEM_MAX_REGIONS && manifest_new(regions, n, &layout) == 0);
	FUZZ_NEED(layout->n_pages == n_pages);
	if (manifest_decode(data, size, layout, &manifest) == 0)
		manifest_free(manifest);
	manifest_free(layout);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const modes[N_MODES])(const uint8_t *data, size_t size) = {
		[MODE_HEADER] = decode_header, [MODE_TRAILER] = decode_trailer, [MODE_INDEX] = decode_index,
		[MODE_PART] = decode_part, [MODE_REGIONS] = decode_regions,
	};

	if (size > 0)
		modes[data[0] % N_MODES](data + 1, size - 1);
	return 0;
}

/* ---- seeds ---- */

static void emit_ends(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	struct snapfile_trailer trailer = { .index_off = 8192, .index_len = 100, .file_len = 8292 + SNAPFILE_TRAILER_LEN };
	struct snapfile_header header = { .n_pages = 210, .incarnation = 3 };
	uint8_t seed[1 + SNAPFILE_HEADER_LEN] = { MODE_HEADER };

	memset(header.id, 1, sizeof(header.id));
	memset(header.writer, 2, sizeof(header.writer));
	memset(header.recipient, 3, sizeof(header.recipient));
	memset(header.wrapped, 4, sizeof(header.wrapped));
	snapfile_header_encode(&header, seed + 1);
	emit("header", seed, 1 + SNAPFILE_WRAPPED_OFF + SNAPFILE_WRAPPED_LEN);
	seed[0] = MODE_TRAILER;
	wire_put64(seed + 1, trailer.file_len);
	snapfile_trailer_encode(&trailer, seed + 9);
	emit("trailer", seed, 9 + SNAPFILE_TRAILER_LEN);
}

static void emit_index(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	uint8_t seed[512] = { MODE_INDEX }, *bytes;
	struct snapfile_index index;
	size_t len;

	FUZZ_NEED(snapfile_index_init(&index, 130) == 0);
	index.maps[0] = 0xff;
	index.maps[2] = 3;
	index.n_parts = 2;
	index.parts[0].len = SNAPFILE_PART_HEAD_LEN + 100;
	index.parts[1].len = SNAPFILE_PART_HEAD_LEN;
	index.manifest.len = 60;
	FUZZ_NEED(snapfile_index_encode(&index, &bytes, &len) == 0 && len < sizeof(seed) - 13);
	wire_put64(wire_put32(seed + 1, 130), SNAPFILE_HEADER_LEN + 10 * 4096 + 2 * SNAPFILE_PART_HEAD_LEN + 160);
	memcpy(seed + 13, bytes, len);
	emit("index", seed, 13 + len);
	free(bytes);
	snapfile_index_fini(&index);
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	static const struct gmem_region regions[2] = {
		{ .gpa = 0, .size = 64 * 4096, .flags = GMEM_REGION_GUEST_MEMFD },
		{ .gpa = 1 << 20, .size = 8 * 4096, .flags = GMEM_REGION_SHARED_FD },
	};
	const struct states_part part = { .n_states = 1, .total_len = 5, .name = "vcpu0.regs" };
	uint8_t seed[512] = { MODE_PART }, *bytes;
	struct manifest *manifest;
	size_t len;

	emit_ends(emit);
	emit_index(emit);
	snapfile_part_encode(&part, seed + 1);
	memcpy(seed + 1 + SNAPFILE_PART_HEAD_LEN, "state", 5);
	emit("part", seed, 6 + SNAPFILE_PART_HEAD_LEN);
	FUZZ_NEED(manifest_new(regions, 2, &manifest) == 0);
	FUZZ_NEED(manifest_encode(manifest, &bytes, &len) == 0 && len < sizeof(seed));
	seed[0] = MODE_REGIONS;
	memcpy(seed + 1, bytes, len);
	emit("regions", seed, len + 1);
	free(bytes);
	manifest_free(manifest);
}
