/* SPDX-License-Identifier: MIT */
/*
 * The keys of a snapshot, and what they seal.  Each file has a random key of its own, wrapped for one recipient by a
 * writer whom the recipient can tell:
 *
 *   wrap  = BLAKE2b(key = X25519(ephemeral, recipient) || X25519(writer, recipient),
 *                   "gmem snapshot v1" || id || ephemeral || writer || recipient)
 *   file's key in the header = XChaCha20-Poly1305(wrap, nonce 0, associated data = the header before it)
 *
 * The file's key seals nothing itself: keys for pieces, for the root and for working sets follow from it (crypto_kdf).  A
 * piece's nonce is its kind and number.  That is used once: the key is this file's alone, and each piece is written once.
 * Working sets are recorded again and again: their nonces are random.
 */
#ifndef GMEM_PAGER_SNAPSHOT_SEAL_H
#define GMEM_PAGER_SNAPSHOT_SEAL_H

#include "format.h"
#include "set.h"

/* In locked memory. */
struct snapfile_keys {
	uint8_t pieces[SNAPFILE_KEY_LEN];
	uint8_t root[SNAPFILE_KEY_LEN];
	uint8_t sets[SNAPFILE_KEY_LEN];
};

/* Where a piece belongs.  Bound to it, with the snapshot's id. */
struct snapfile_place {
	const uint8_t *id;		/* SNAPFILE_ID_LEN */
	enum snapfile_kind kind;
	uint64_t number;		/* of its kind, from 0 */
	uint64_t first;			/* pages: the index of the first one it could have */
	uint64_t map;			/* pages: which of SNAPFILE_PAGES from there are in it */
};

/* Fresh keys; fills @header's ephemeral and wrapped, all other fields are there.  -EINVAL: the recipient's key is none. */
int snapfile_keys_make(const struct attest_keypair *writer, struct snapfile_header *header,
		       struct snapfile_keys *ret_keys);

/* -EBADMSG: not wrapped for @recipient by header->writer, or the header was altered. */
int snapfile_keys_unwrap(const struct attest_keypair *recipient, const struct snapfile_header *header,
			 struct snapfile_keys *ret_keys);

/* @ret_cipher has room for @len bytes, and may be @plain. */
void snapfile_seal(const struct snapfile_keys *keys, const struct snapfile_place *place, const uint8_t *plain,
		   size_t len, uint8_t *ret_cipher, uint8_t ret_tag[SNAPFILE_TAG_LEN]);

/* In place.  -EBADMSG: something else stands there, and @bytes is not to be used. */
int snapfile_unseal(const struct snapfile_keys *keys, const struct snapfile_place *place, uint8_t *bytes, size_t len,
		    const uint8_t tag[SNAPFILE_TAG_LEN]);

/* A working set's map in place, with its header's bytes up to the tag, the nonce among them. */
void snapfile_seal_set(const struct snapfile_keys *keys, const uint8_t head[SNAPSET_HEADER_LEN], uint8_t *map, size_t len,
		       uint8_t ret_tag[SNAPFILE_TAG_LEN]);

/* In place.  -EBADMSG: map or header are not what was sealed, or of another snapshot; @map is not to be used. */
int snapfile_unseal_set(const struct snapfile_keys *keys, const uint8_t head[SNAPSET_HEADER_LEN], uint8_t *map, size_t len,
			const uint8_t tag[SNAPFILE_TAG_LEN]);

/* The MAC over all: header, index in the clear (it has every tag), trailer but the root. */
void snapfile_root(const struct snapfile_keys *keys, const struct snapfile_header *header, const uint8_t *index,
		   size_t index_len, const struct snapfile_trailer *trailer, uint8_t ret_root[SNAPFILE_ROOT_LEN]);

#endif
