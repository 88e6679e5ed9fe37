/* SPDX-License-Identifier: MIT */
/*
 * noncelog: nothing at all, but in one test's build (-DATTEST_LOG_NONCES), which
 * defines noncelog_write() and is told of each sealing before it happens.
 */
#ifndef ATTEST_NONCELOG_H
#define ATTEST_NONCELOG_H

#ifdef ATTEST_LOG_NONCES

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>

/** @key_id: SHA-256 of the key. */
void noncelog_write(const uint8_t key_id[32], const uint8_t *nonce, size_t nonce_len);

static inline void noncelog_write_key(const uint8_t key[32], const uint8_t *nonce, size_t nonce_len)
{
	uint8_t key_id[32];

	crypto_hash_sha256(key_id, key, 32);
	noncelog_write(key_id, nonce, nonce_len);
}

#else

#define noncelog_write(key_id, nonce, nonce_len) ((void)0)
#define noncelog_write_key(key, nonce, nonce_len) ((void)0)

#endif

#endif
