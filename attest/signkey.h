/* SPDX-License-Identifier: MIT */
/*
 * signkey: Ed25519 keys, which sign tickets and software evidence, and their
 * files: "ed25519:", 64 hex digits and a newline.  The prefix keeps them apart
 * from the static keys of keys.h: none is ever taken for the other.
 */
#ifndef ATTEST_SIGNKEY_H
#define ATTEST_SIGNKEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGNKEY_LEN 32u			/* of a public key, and of the seed that a secret one is made of */
#define SIGNKEY_SIGNATURE_LEN 64u
#define SIGNKEY_ID_LEN 32u
#define SIGNKEY_TEXT_LEN (8u + 2u * SIGNKEY_LEN + 1u)

struct signkey;		/* opaque; in sodium_malloc memory */

int signkey_generate(struct signkey **ret_key);
/** Rules and errors as in keyfile.h; -EINVAL: not such a text. */
int signkey_load(const char *path, struct signkey **ret_key);
int signkey_save(const struct signkey *key, const char *path);
void signkey_free(struct signkey *key);
/** SIGNKEY_LEN bytes, as long as @key lives. */
const uint8_t *signkey_public(const struct signkey *key);
int signkey_public_load(const char *path, uint8_t ret_public[SIGNKEY_LEN]);
int signkey_public_save(const uint8_t public_key[SIGNKEY_LEN], const char *path);

/** Sign @label, padded with zeros to 24 bytes, and @data after it. */
void signkey_sign(const struct signkey *key, const char *label, const uint8_t *data, size_t len,
		  uint8_t ret_signature[SIGNKEY_SIGNATURE_LEN]);
/** 0; -EBADMSG: not that key's signature of that; -E2BIG: more data than anything here signs. */
int signkey_verify(const uint8_t public_key[SIGNKEY_LEN], const char *label, const uint8_t *data, size_t len,
		   const uint8_t signature[SIGNKEY_SIGNATURE_LEN]);
/** The name by which a ticket calls a key: SHA-256 of a label and the public key. */
void signkey_id(const uint8_t public_key[SIGNKEY_LEN], uint8_t ret_id[SIGNKEY_ID_LEN]);
/** The text of a file, exactly SIGNKEY_TEXT_LEN bytes.  -EINVAL: anything else, or zeros. */
int signkey_parse(const char *text, size_t len, uint8_t ret_key[SIGNKEY_LEN]);

#endif
