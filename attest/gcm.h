/* SPDX-License-Identifier: MIT */
/*
 * gcm: AES-256-GCM by libgcrypt, where the CPU helps: three times as fast as libsodium 1.0.18, see docs/design.md.
 * Expanded keys are in guarded memory of libsodium, as all keys are.
 */
#ifndef ATTEST_GCM_H
#define ATTEST_GCM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A key, expanded.  Of one thread at a time. */
struct gcry_cipher_handle;

/**
 * Is AES-256-GCM here, in constant time and with nonces of the caller's?  The first call sets libgcrypt up, for the whole
 * process: it reads files of /etc and /proc.  false also if somebody else has set libgcrypt up before.
 */
bool gcm_available(void);

/** Room for a key.  -ENOMEM; -EOPNOTSUPP: not gcm_available().  Free with gcm_free(), which wipes. */
int gcm_new(struct gcry_cipher_handle **ret_handle);
/** NULL is allowed. */
void gcm_free(struct gcry_cipher_handle *handle);

/** Take @key, ATTEST_KEY_LEN bytes, instead of the one before.  false: it has none that can be used. */
bool gcm_load(struct gcry_cipher_handle *handle, const uint8_t *key);

/**
 * Encrypt @len bytes of @body in place; the tag, WIRE_TAG_LEN bytes, goes behind them.  @ad: WIRE_AD_LEN bytes, @nonce:
 * WIRE_NONCE_LEN.  No allocation.  false: what is in @body must not be sent.
 */
bool gcm_seal(struct gcry_cipher_handle *handle, const uint8_t *ad, const uint8_t *nonce, uint8_t *body, size_t len);
/** The reverse, from @sealed, @len bytes and the tag.  false: not authentic, and the caller wipes @ret_body. */
bool gcm_open(struct gcry_cipher_handle *handle, const uint8_t *ad, const uint8_t *nonce, const uint8_t *sealed,
	      size_t len, uint8_t *ret_body);

#endif
