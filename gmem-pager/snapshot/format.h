/* SPDX-License-Identifier: MIT */
/*
 * What stands in a snapshot file (gmem-snapshot(5)): structures from bytes and back, nothing else.  Integers are
 * little-endian, without padding.
 *
 *   header     SNAPFILE_HEADER_LEN bytes
 *   chunks     of the pages, in order of their indices; those without a page are left out
 *   states     sealed, a part each
 *   manifest   sealed
 *   index      sealed: which pages are there, the tags of all of the above
 *   trailer    SNAPFILE_TRAILER_LEN bytes
 *
 * A chunk is of SNAPFILE_PAGES pages that are neighbours by index (manifest.h), the pages of zeros left out.  All that
 * is sealed is as long as what is in it; the tags are elsewhere.
 */
#ifndef GMEM_PAGER_SNAPSHOT_FORMAT_H
#define GMEM_PAGER_SNAPSHOT_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include <attest/attest.h>

#include "../states.h"

#define SNAPFILE_MAGIC "GMEMSNAP"
#define SNAPFILE_END_MAGIC "GMEMSEND"
#define SNAPFILE_MAGIC_LEN 8u
#define SNAPFILE_VERSION 1u
#define SNAPFILE_SUITE 1u		/* X25519, BLAKE2b, XChaCha20-Poly1305 */
#define SNAPFILE_PAGES 64u		/* of a chunk, the bits of a map */
#define SNAPFILE_CHUNK_LEN (SNAPFILE_PAGES * 4096u)
#define SNAPFILE_ID_LEN 16u
#define SNAPFILE_KEY_LEN 32u
#define SNAPFILE_TAG_LEN 16u
#define SNAPFILE_ROOT_LEN 32u
#define SNAPFILE_WRAPPED_LEN (SNAPFILE_KEY_LEN + SNAPFILE_TAG_LEN)
#define SNAPFILE_WRAPPED_OFF 184u
#define SNAPFILE_HEADER_LEN 4096u	/* so that chunks are whole pages of the file; the rest of it is zeros */
#define SNAPFILE_TRAILER_LEN 80u
#define SNAPFILE_ROOTED_LEN (SNAPFILE_TRAILER_LEN - SNAPFILE_ROOT_LEN)	/* of the trailer: what the root covers */
#define SNAPFILE_PART_HEAD_LEN (16u + GMEM_STATE_NAME_LEN)
#define SNAPFILE_PART_MAX 65536u	/* of a state's data in one part */
#define SNAPFILE_MAX_PARTS (GMEM_MAX_STATES * (GMEM_MAX_STATE_LEN / SNAPFILE_PART_MAX))

/* What a sealed piece is; in its nonce and its associated data. */
enum snapfile_kind {
	SNAPFILE_PAGES_KIND = 1,
	SNAPFILE_STATE_KIND,
	SNAPFILE_MANIFEST_KIND,
	SNAPFILE_INDEX_KIND,
};

struct snapfile_header {
	uint64_t n_pages;
	uint64_t incarnation;			/* of the signed ticket that it was written by; 0: by a bare id */
	uint8_t id[SNAPFILE_ID_LEN];		/* random */
	uint8_t vm_id[ATTEST_ID_LEN];
	uint8_t writer[ATTEST_KEY_LEN];
	uint8_t recipient[ATTEST_KEY_LEN];
	uint8_t ephemeral[ATTEST_KEY_LEN];	/* for the key of this one file */
	uint8_t wrapped[SNAPFILE_WRAPPED_LEN];	/* the file's key, for the recipient */
};

struct snapfile_trailer {
	uint64_t index_off;			/* bytes from the beginning of the file */
	uint64_t index_len;
	uint64_t file_len;
	uint8_t index_tag[SNAPFILE_TAG_LEN];
	uint8_t root[SNAPFILE_ROOT_LEN];
};

struct snapfile_part {
	uint64_t off;
	uint32_t len;
	uint8_t tag[SNAPFILE_TAG_LEN];
};

/* All of it owned; snapfile_index_fini(). */
struct snapfile_index {
	uint64_t n_chunks;
	uint64_t *maps;				/* each chunk's pages that are there */
	uint64_t *offs;				/* where it begins in the file */
	uint8_t (*tags)[SNAPFILE_TAG_LEN];
	uint32_t n_parts;			/* of states */
	struct snapfile_part *parts;
	struct snapfile_part manifest;
};

void snapfile_header_encode(const struct snapfile_header *header, uint8_t ret_bytes[SNAPFILE_HEADER_LEN]);
/* -EBADMSG; @ret_why is half a sentence then, after the file's name. */
int snapfile_header_decode(const uint8_t bytes[SNAPFILE_HEADER_LEN], struct snapfile_header *ret_header,
			   const char **ret_why);

void snapfile_trailer_encode(const struct snapfile_trailer *trailer, uint8_t ret_bytes[SNAPFILE_TRAILER_LEN]);
/* @file_len: how long the file is.  As above. */
int snapfile_trailer_decode(const uint8_t bytes[SNAPFILE_TRAILER_LEN], uint64_t file_len,
			    struct snapfile_trailer *ret_trailer, const char **ret_why);

/* An index of @n_pages pages, none of them there.  -ENOMEM. */
int snapfile_index_init(struct snapfile_index *index, uint64_t n_pages);
void snapfile_index_fini(struct snapfile_index *index);

/* Bytes of pages in a chunk. */
uint32_t snapfile_chunk_len(uint64_t map);

/* @ret_bytes is the caller's, free().  -ENOMEM. */
int snapfile_index_encode(const struct snapfile_index *index, uint8_t **ret_bytes, size_t *ret_len);
/*
 * @n_pages: of the header; @index_off: where the index itself begins, which everything before it leads to.
 * Allocates in proportion to @len alone.  -EBADMSG, -ENOMEM.
 */
int snapfile_index_decode(const uint8_t *bytes, size_t len, uint64_t n_pages, uint64_t index_off,
			  struct snapfile_index *ret_index);

/* The head of a part of a state; its data follows. */
void snapfile_part_encode(const struct states_part *part, uint8_t ret_bytes[SNAPFILE_PART_HEAD_LEN]);
/* @ret_data points into @bytes.  -EBADMSG. */
int snapfile_part_decode(const uint8_t *bytes, size_t len, struct states_part *ret_part, const uint8_t **ret_data,
			 size_t *ret_len);

#endif
