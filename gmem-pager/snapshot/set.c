// SPDX-License-Identifier: MIT
/*
 * header: magic[8] version:32 suite:32 n_pages:64 root[32] nonce[24] tag[16]
 */
#include <errno.h>
#include <string.h>

#include "../manifest.h"
#include "../wire.h"
#include "set.h"

static int bad(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EBADMSG;
}

void snapset_header_encode(const struct snapset_header *header, uint8_t ret_bytes[SNAPSET_HEADER_LEN])
{
	uint8_t *at = wire_put_bytes(ret_bytes, SNAPSET_MAGIC, SNAPSET_MAGIC_LEN);

	at = wire_put64(wire_put32(wire_put32(at, SNAPSET_VERSION), SNAPSET_SUITE), header->n_pages);
	at = wire_put_bytes(at, header->root, SNAPFILE_ROOT_LEN);
	at = wire_put_bytes(at, header->nonce, SNAPSET_NONCE_LEN);
	wire_put_bytes(at, header->tag, SNAPFILE_TAG_LEN);
}

int snapset_header_decode(const uint8_t bytes[SNAPSET_HEADER_LEN], uint64_t file_len, struct snapset_header *ret_header,
			  const char **ret_why)
{
	struct wire_reader reader = { .at = bytes, .left = SNAPSET_HEADER_LEN };
	const uint8_t *magic = wire_take(&reader, SNAPSET_MAGIC_LEN);
	struct snapset_header header;

	if (memcmp(magic, SNAPSET_MAGIC, SNAPSET_MAGIC_LEN) != 0)
		return bad(ret_why, "is no working set that gmem-source has written");
	if (wire_get32(&reader) != SNAPSET_VERSION)
		return bad(ret_why, "is a working set of another version: record it again");
	if (wire_get32(&reader) != SNAPSET_SUITE)
		return bad(ret_why, "is sealed by a suite that is not known here");
	header.n_pages = wire_get64(&reader);
	wire_get_bytes(&reader, header.root, SNAPFILE_ROOT_LEN);
	wire_get_bytes(&reader, header.nonce, SNAPSET_NONCE_LEN);
	wire_get_bytes(&reader, header.tag, SNAPFILE_TAG_LEN);
	if (header.n_pages == 0 || header.n_pages > MANIFEST_MAX_PAGES)
		return bad(ret_why, "names no number of pages that a VM can have");
	if (file_len != SNAPSET_HEADER_LEN + snapset_map_len(header.n_pages))
		return bad(ret_why, "is cut short, or something is behind its end");
	*ret_header = header;
	return 0;
}

size_t snapset_map_len(uint64_t n_pages)
{
	return bitmap_words(n_pages) * sizeof(uint64_t);
}

void snapset_map_encode(const uint64_t *map, uint64_t n_pages, uint8_t *ret_bytes)
{
	size_t i;

	for (i = 0; i < bitmap_words(n_pages); i++)
		ret_bytes = wire_put64(ret_bytes, map[i]);
}

int snapset_map_decode(const uint8_t *bytes, size_t len, uint64_t n_pages, uint64_t *ret_map)
{
	struct wire_reader reader = { .at = bytes, .left = len };
	const size_t n_words = bitmap_words(n_pages);
	const uint64_t n_last = n_pages % 64;
	uint64_t last = 0;
	size_t i;

	if (n_pages == 0 || len != snapset_map_len(n_pages))
		return -EBADMSG;
	for (i = 0; i < n_words; i++)
		ret_map[i] = last = wire_get64(&reader);
	return n_last != 0 && last >> n_last != 0 ? -ERANGE : 0;
}
