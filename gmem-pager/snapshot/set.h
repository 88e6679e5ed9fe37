/* SPDX-License-Identifier: MIT */
/*
 * What stands in the file of a working set (gmem-snapshot(5)): which pages of one snapshot a guest has asked for.  Bytes
 * alone; sealing is seal.h's, the file setfile.h's.
 *
 *   header  SNAPSET_HEADER_LEN bytes
 *   map     sealed: a bit for each page of the VM by its index (manifest.h), bit 0 of byte 0 the first, whole words of 64
 *
 * It is as long as the VM's number of pages makes it, whatever is in it: who sees the file learns no more from it.
 */
#ifndef GMEM_PAGER_SNAPSHOT_SET_H
#define GMEM_PAGER_SNAPSHOT_SET_H

#include "format.h"

#define SNAPSET_MAGIC "GMEMWSET"
#define SNAPSET_MAGIC_LEN 8u
#define SNAPSET_VERSION 1u
#define SNAPSET_SUITE 1u		/* XChaCha20-Poly1305, by a key that follows from the snapshot's */
#define SNAPSET_NONCE_LEN 24u
#define SNAPSET_BOUND_LEN 80u		/* of the header: what the seal covers */
#define SNAPSET_HEADER_LEN (SNAPSET_BOUND_LEN + SNAPFILE_TAG_LEN)

struct snapset_header {
	uint64_t n_pages;			/* of the VM */
	uint8_t root[SNAPFILE_ROOT_LEN];	/* of the snapshot that it is of */
	uint8_t nonce[SNAPSET_NONCE_LEN];	/* random: a snapshot's key seals each of its sets */
	uint8_t tag[SNAPFILE_TAG_LEN];
};

void snapset_header_encode(const struct snapset_header *header, uint8_t ret_bytes[SNAPSET_HEADER_LEN]);
/* @file_len: how long the file is.  -EBADMSG; @ret_why is half a sentence then, after the file's name. */
int snapset_header_decode(const uint8_t bytes[SNAPSET_HEADER_LEN], uint64_t file_len, struct snapset_header *ret_header,
			  const char **ret_why);

/* Bytes of the map of @n_pages. */
size_t snapset_map_len(uint64_t n_pages);

/* @map: bitmap_words(n_pages) words. */
void snapset_map_encode(const uint64_t *map, uint64_t n_pages, uint8_t *ret_bytes);
/* @len: snapset_map_len() of @n_pages, else -EBADMSG.  -ERANGE: it names a page that the VM does not have. */
int snapset_map_decode(const uint8_t *bytes, size_t len, uint64_t n_pages, uint64_t *ret_map);

#endif
