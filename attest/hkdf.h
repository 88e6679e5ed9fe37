/* SPDX-License-Identifier: MIT */
/* hkdf: HKDF-SHA256 (RFC 5869) on libsodium's HMAC. */
#ifndef ATTEST_HKDF_H
#define ATTEST_HKDF_H

#include <stddef.h>
#include <stdint.h>

#define HKDF_LEN 32u		/* SHA-256 */
#define HKDF_MAX_OUTPUT (255u * HKDF_LEN)

/** PRK = HMAC(salt, ikm).  @ret_prk may be @salt or @ikm. */
void hkdf_extract(const uint8_t *salt, size_t salt_len, const uint8_t *ikm, size_t ikm_len, uint8_t ret_prk[HKDF_LEN]);

/** @len bytes, up to HKDF_MAX_OUTPUT, of keys from @prk.  @ret_okm must not overlap @prk or @info. */
void hkdf_expand(const uint8_t prk[HKDF_LEN], const uint8_t *info, size_t info_len, uint8_t *ret_okm, size_t len);

#endif
