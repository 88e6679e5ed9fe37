// SPDX-License-Identifier: MIT
/*
 * header:  magic[8] version:32 suite:32 chunk_pages:32 page_len:32 n_pages:64 incarnation:64 id[16] vm_id[32]
 *          writer[32] recipient[32] ephemeral[32] wrapped[48] zeros
 * index:   n_parts:32 manifest_len:32, for each part len:32 tag[16], the manifest's tag[16], for each chunk map:64
 *          and, if there is a page in it, tag[16]
 * trailer: magic[8] index_off:64 index_len:64 file_len:64 index_tag[16] root[32]
 * part:    index:32 n_states:32 total_len:32 offset:32 name[32] data
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "../manifest.h"
#include "../wire.h"
#include "format.h"

#define INDEX_HEAD_LEN 8u
#define INDEX_PART_LEN (4u + SNAPFILE_TAG_LEN)

static int bad(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EBADMSG;
}

void snapfile_header_encode(const struct snapfile_header *header, uint8_t ret_bytes[SNAPFILE_HEADER_LEN])
{
	uint8_t *at = wire_put_bytes(ret_bytes, SNAPFILE_MAGIC, SNAPFILE_MAGIC_LEN);

	at = wire_put32(wire_put32(at, SNAPFILE_VERSION), SNAPFILE_SUITE);
	at = wire_put32(wire_put32(at, SNAPFILE_PAGES), GMEM_PAGE_SIZE);
	at = wire_put64(wire_put64(at, header->n_pages), header->incarnation);
	at = wire_put_bytes(at, header->id, SNAPFILE_ID_LEN);
	at = wire_put_bytes(at, header->vm_id, ATTEST_ID_LEN);
	at = wire_put_bytes(at, header->writer, ATTEST_KEY_LEN);
	at = wire_put_bytes(at, header->recipient, ATTEST_KEY_LEN);
	at = wire_put_bytes(at, header->ephemeral, ATTEST_KEY_LEN);
	at = wire_put_bytes(at, header->wrapped, SNAPFILE_WRAPPED_LEN);
	memset(at, 0, SNAPFILE_HEADER_LEN - (size_t)(at - ret_bytes));
}

static int check_constants(struct wire_reader *reader, const char **ret_why)
{
	const uint8_t *magic = wire_take(reader, SNAPFILE_MAGIC_LEN);

	if (magic == NULL || memcmp(magic, SNAPFILE_MAGIC, SNAPFILE_MAGIC_LEN) != 0)
		return bad(ret_why, "is no snapshot that gmem-source has written");
	if (wire_get32(reader) != SNAPFILE_VERSION)
		return bad(ret_why, "is a snapshot of another version: restore it with the gmem-source that wrote it");
	if (wire_get32(reader) != SNAPFILE_SUITE)
		return bad(ret_why, "is sealed by a suite that is not known here");
	if (wire_get32(reader) != SNAPFILE_PAGES || wire_get32(reader) != GMEM_PAGE_SIZE)
		return bad(ret_why, "has chunks or pages of another length than 64 times 4096 bytes");
	return 0;
}

int snapfile_header_decode(const uint8_t bytes[SNAPFILE_HEADER_LEN], struct snapfile_header *ret_header,
			   const char **ret_why)
{
	struct wire_reader reader = { .at = bytes, .left = SNAPFILE_HEADER_LEN };
	struct snapfile_header header;
	int r = check_constants(&reader, ret_why);

	if (r < 0)
		return r;
	header.n_pages = wire_get64(&reader);
	header.incarnation = wire_get64(&reader);
	wire_get_bytes(&reader, header.id, SNAPFILE_ID_LEN);
	wire_get_bytes(&reader, header.vm_id, ATTEST_ID_LEN);
	wire_get_bytes(&reader, header.writer, ATTEST_KEY_LEN);
	wire_get_bytes(&reader, header.recipient, ATTEST_KEY_LEN);
	wire_get_bytes(&reader, header.ephemeral, ATTEST_KEY_LEN);
	wire_get_bytes(&reader, header.wrapped, SNAPFILE_WRAPPED_LEN);
	if (header.n_pages == 0 || header.n_pages > MANIFEST_MAX_PAGES)
		return bad(ret_why, "names no number of pages that a VM can have");
	if (!sodium_is_zero(reader.at, reader.left))
		return bad(ret_why, "has something in the part of its header that is kept free");
	*ret_header = header;
	return 0;
}

void snapfile_trailer_encode(const struct snapfile_trailer *trailer, uint8_t ret_bytes[SNAPFILE_TRAILER_LEN])
{
	uint8_t *at = wire_put_bytes(ret_bytes, SNAPFILE_END_MAGIC, SNAPFILE_MAGIC_LEN);

	at = wire_put64(wire_put64(at, trailer->index_off), trailer->index_len);
	at = wire_put64(at, trailer->file_len);
	at = wire_put_bytes(at, trailer->index_tag, SNAPFILE_TAG_LEN);
	wire_put_bytes(at, trailer->root, SNAPFILE_ROOT_LEN);
}

int snapfile_trailer_decode(const uint8_t bytes[SNAPFILE_TRAILER_LEN], uint64_t file_len,
			    struct snapfile_trailer *ret_trailer, const char **ret_why)
{
	struct wire_reader reader = { .at = bytes, .left = SNAPFILE_TRAILER_LEN };
	const uint8_t *magic = wire_take(&reader, SNAPFILE_MAGIC_LEN);
	struct snapfile_trailer trailer;

	trailer.index_off = wire_get64(&reader);
	trailer.index_len = wire_get64(&reader);
	trailer.file_len = wire_get64(&reader);
	wire_get_bytes(&reader, trailer.index_tag, SNAPFILE_TAG_LEN);
	wire_get_bytes(&reader, trailer.root, SNAPFILE_ROOT_LEN);
	if (memcmp(magic, SNAPFILE_END_MAGIC, SNAPFILE_MAGIC_LEN) != 0 || trailer.file_len != file_len)
		return bad(ret_why, "is cut short, or something is behind its end: it was not written to the end, or was "
			   "not copied whole");
	if (trailer.index_off < SNAPFILE_HEADER_LEN || trailer.index_off > file_len ||
	    trailer.index_len > file_len - trailer.index_off ||
	    file_len - trailer.index_off - trailer.index_len != SNAPFILE_TRAILER_LEN)
		return bad(ret_why, "has an index that is not where its trailer says");
	*ret_trailer = trailer;
	return 0;
}

/* ---- index ---- */

int snapfile_index_init(struct snapfile_index *index, uint64_t n_pages)
{
	const uint64_t n_chunks = n_pages / SNAPFILE_PAGES + (n_pages % SNAPFILE_PAGES != 0);

	*index = (struct snapfile_index){ .n_chunks = n_chunks };
	index->maps = calloc(n_chunks, sizeof(*index->maps));
	index->offs = calloc(n_chunks, sizeof(*index->offs));
	index->tags = calloc(n_chunks, sizeof(*index->tags));
	index->parts = calloc(SNAPFILE_MAX_PARTS, sizeof(*index->parts));
	if (index->maps != NULL && index->offs != NULL && index->tags != NULL && index->parts != NULL)
		return 0;
	snapfile_index_fini(index);
	return -ENOMEM;
}

void snapfile_index_fini(struct snapfile_index *index)
{
	free(index->maps);
	free(index->offs);
	free(index->tags);
	free(index->parts);
	*index = (struct snapfile_index){ .n_chunks = 0 };
}

uint32_t snapfile_chunk_len(uint64_t map)
{
	return (uint32_t)__builtin_popcountll(map) * GMEM_PAGE_SIZE;
}

static size_t encoded_len(const struct snapfile_index *index)
{
	size_t len = INDEX_HEAD_LEN + index->n_parts * INDEX_PART_LEN + SNAPFILE_TAG_LEN + index->n_chunks * 8u;
	uint64_t i;

	for (i = 0; i < index->n_chunks; i++)
		len += index->maps[i] != 0 ? SNAPFILE_TAG_LEN : 0;
	return len;
}

int snapfile_index_encode(const struct snapfile_index *index, uint8_t **ret_bytes, size_t *ret_len)
{
	const size_t len = encoded_len(index);
	uint8_t *bytes = malloc(len), *at;
	uint64_t i;

	if (bytes == NULL)
		return -ENOMEM;
	at = wire_put32(wire_put32(bytes, index->n_parts), index->manifest.len);
	for (i = 0; i < index->n_parts; i++)
		at = wire_put_bytes(wire_put32(at, index->parts[i].len), index->parts[i].tag, SNAPFILE_TAG_LEN);
	at = wire_put_bytes(at, index->manifest.tag, SNAPFILE_TAG_LEN);
	for (i = 0; i < index->n_chunks; i++) {
		at = wire_put64(at, index->maps[i]);
		if (index->maps[i] != 0)
			at = wire_put_bytes(at, index->tags[i], SNAPFILE_TAG_LEN);
	}
	*ret_bytes = bytes;
	*ret_len = len;
	return 0;
}

static int decode_parts(struct wire_reader *reader, struct snapfile_index *index)
{
	uint32_t i;

	for (i = 0; i < index->n_parts; i++) {
		struct snapfile_part *part = &index->parts[i];

		part->len = wire_get32(reader);
		wire_get_bytes(reader, part->tag, SNAPFILE_TAG_LEN);
		if (part->len < SNAPFILE_PART_HEAD_LEN || part->len > SNAPFILE_PART_HEAD_LEN + SNAPFILE_PART_MAX)
			return -EBADMSG;
	}
	wire_get_bytes(reader, index->manifest.tag, SNAPFILE_TAG_LEN);
	return reader->failed || index->manifest.len == 0 || index->manifest.len > MANIFEST_MAX_LEN ? -EBADMSG : 0;
}

static int decode_chunks(struct wire_reader *reader, uint64_t n_pages, struct snapfile_index *index)
{
	const uint64_t n_last = n_pages % SNAPFILE_PAGES;
	uint64_t i, off = SNAPFILE_HEADER_LEN;

	for (i = 0; i < index->n_chunks; i++) {
		index->maps[i] = wire_get64(reader);
		index->offs[i] = off;
		off += snapfile_chunk_len(index->maps[i]);
		if (index->maps[i] != 0)
			wire_get_bytes(reader, index->tags[i], SNAPFILE_TAG_LEN);
	}
	return !wire_done(reader) || (n_last != 0 && index->maps[index->n_chunks - 1] >> n_last != 0) ? -EBADMSG : 0;
}

/* Behind the chunks: the parts, the manifest, and then the index itself. */
static int place_parts(struct snapfile_index *index, uint64_t index_off)
{
	const uint64_t last = index->n_chunks - 1;
	uint64_t off = index->offs[last] + snapfile_chunk_len(index->maps[last]);
	uint32_t i;

	for (i = 0; i < index->n_parts; i++) {
		index->parts[i].off = off;
		off += index->parts[i].len;
	}
	index->manifest.off = off;
	return off + index->manifest.len == index_off ? 0 : -EBADMSG;
}

int snapfile_index_decode(const uint8_t *bytes, size_t len, uint64_t n_pages, uint64_t index_off,
			  struct snapfile_index *ret_index)
{
	struct wire_reader reader = { .at = bytes, .left = len };
	struct snapfile_index index;
	int r;

	if (n_pages == 0 || n_pages > MANIFEST_MAX_PAGES || n_pages / SNAPFILE_PAGES > len / 8u)
		return -EBADMSG;
	r = snapfile_index_init(&index, n_pages);
	if (r < 0)
		return r;
	index.n_parts = wire_get32(&reader);
	index.manifest.len = wire_get32(&reader);
	r = reader.failed || index.n_parts > SNAPFILE_MAX_PARTS ? -EBADMSG : decode_parts(&reader, &index);
	if (r == 0)
		r = decode_chunks(&reader, n_pages, &index);
	if (r == 0)
		r = place_parts(&index, index_off);
	if (r < 0) {
		snapfile_index_fini(&index);
		return r;
	}
	*ret_index = index;
	return 0;
}

/* ---- states ---- */

void snapfile_part_encode(const struct states_part *part, uint8_t ret_bytes[SNAPFILE_PART_HEAD_LEN])
{
	uint8_t *at = wire_put32(wire_put32(ret_bytes, part->index), part->n_states);

	at = wire_put32(wire_put32(at, part->total_len), part->offset);
	wire_put_bytes(at, part->name, GMEM_STATE_NAME_LEN);
}

int snapfile_part_decode(const uint8_t *bytes, size_t len, struct states_part *ret_part, const uint8_t **ret_data,
			 size_t *ret_len)
{
	struct wire_reader reader = { .at = bytes, .left = len };
	struct states_part part;

	part.index = wire_get32(&reader);
	part.n_states = wire_get32(&reader);
	part.total_len = wire_get32(&reader);
	part.offset = wire_get32(&reader);
	wire_get_bytes(&reader, part.name, GMEM_STATE_NAME_LEN);
	if (reader.failed || reader.left > SNAPFILE_PART_MAX)
		return -EBADMSG;
	*ret_part = part;
	*ret_data = reader.at;
	*ret_len = reader.left;
	return 0;
}
