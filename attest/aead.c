/* SPDX-License-Identifier: MIT */
#include "aead.h"

void aead_seal(const struct attest_channel *channel, const struct channel_half *half, const uint8_t *ad,
	       const uint8_t *nonce, uint8_t *body, size_t len)
{
	if (channel->cipher == ATTEST_CIPHER_AES256GCM)
		crypto_aead_aes256gcm_encrypt_detached_afternm(body, body + len, NULL, body, len, ad, WIRE_AD_LEN, NULL,
							       nonce, &half->aes);
	else
		crypto_aead_xchacha20poly1305_ietf_encrypt_detached(body, body + len, NULL, body, len, ad, WIRE_AD_LEN,
								    NULL, nonce, half->key);
	if (channel->cipher == ATTEST_CIPHER_AES256GCM)
		channel_wipe_traces();
}

bool aead_open(const struct attest_channel *channel, const struct channel_half *half, const uint8_t *ad,
	       const uint8_t *nonce, const uint8_t *sealed, size_t len, uint8_t *ret_body)
{
	bool authentic;

	if (channel->cipher == ATTEST_CIPHER_AES256GCM)
		authentic = !crypto_aead_aes256gcm_decrypt_detached_afternm(ret_body, NULL, sealed, len, sealed + len,
									    ad, WIRE_AD_LEN, nonce, &half->aes);
	else
		authentic = !crypto_aead_xchacha20poly1305_ietf_decrypt_detached(ret_body, NULL, sealed, len,
										 sealed + len, ad, WIRE_AD_LEN, nonce,
										 half->key);
	if (channel->cipher == ATTEST_CIPHER_AES256GCM)
		channel_wipe_traces();
	return authentic;
}
