/* SPDX-License-Identifier: MIT */
#include "aead.h"

#include "gcm.h"

bool aead_seal(const struct attest_channel *channel, const struct channel_half *half, const uint8_t *ad,
	       const uint8_t *nonce, uint8_t *body, size_t len)
{
	bool done;

	if (channel->cipher != ATTEST_CIPHER_AES256GCM)
		return !crypto_aead_xchacha20poly1305_ietf_encrypt_detached(body, body + len, NULL, body, len, ad,
									    WIRE_AD_LEN, NULL, nonce, half->key);
	done = gcm_seal(half->aes, ad, nonce, body, len);
	channel_wipe_traces();
	return done;
}

bool aead_open(const struct attest_channel *channel, const struct channel_half *half, const uint8_t *ad,
	       const uint8_t *nonce, const uint8_t *sealed, size_t len, uint8_t *ret_body)
{
	bool authentic;

	if (channel->cipher != ATTEST_CIPHER_AES256GCM)
		return !crypto_aead_xchacha20poly1305_ietf_decrypt_detached(ret_body, NULL, sealed, len, sealed + len, ad,
									    WIRE_AD_LEN, nonce, half->key);
	authentic = gcm_open(half->aes, ad, nonce, sealed, len, ret_body);
	channel_wipe_traces();
	return authentic;
}
