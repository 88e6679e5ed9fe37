/* SPDX-License-Identifier: MIT */
/* hkdf: HKDF-SHA256 (RFC 5869), see hkdf.h. */
#include "hkdf.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

void hkdf_extract(const uint8_t *salt, size_t salt_len, const uint8_t *ikm, size_t ikm_len, uint8_t ret_prk[HKDF_LEN])
{
	crypto_auth_hmacsha256_state mac;

	crypto_auth_hmacsha256_init(&mac, salt, salt_len);
	crypto_auth_hmacsha256_update(&mac, ikm, ikm_len);
	crypto_auth_hmacsha256_final(&mac, ret_prk);
	sodium_memzero(&mac, sizeof(mac));
}

void hkdf_expand(const uint8_t prk[HKDF_LEN], const uint8_t *info, size_t info_len, uint8_t *ret_okm, size_t len)
{
	crypto_auth_hmacsha256_state mac;
	uint8_t block[HKDF_LEN];
	uint8_t n_block = 0;

	assert(len <= HKDF_MAX_OUTPUT);
	while (len) {
		size_t part = len < HKDF_LEN ? len : HKDF_LEN;

		/* T(n) = HMAC(PRK, T(n - 1) || info || n), T(0) is empty */
		crypto_auth_hmacsha256_init(&mac, prk, HKDF_LEN);
		if (n_block)
			crypto_auth_hmacsha256_update(&mac, block, sizeof(block));
		crypto_auth_hmacsha256_update(&mac, info, info_len);
		n_block++;
		crypto_auth_hmacsha256_update(&mac, &n_block, 1);
		crypto_auth_hmacsha256_final(&mac, block);
		memcpy(ret_okm, block, part);
		ret_okm += part;
		len -= part;
	}
	sodium_memzero(&mac, sizeof(mac));
	sodium_memzero(block, sizeof(block));
}
