// SPDX-License-Identifier: MIT
/*
 * The abort token: what a source that thaws has to show later, and what nobody
 * without the secret key of one of the two machines can make.
 *
 *   key   = HKDF-Extract(salt = session id, ikm = X25519 of the static keys)
 *   token = HMAC-SHA256(key, "gmem v1 never ran" (24) || session id || source's key || destination's key)
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include <attest/hkdf.h>
#include <attest/keys.h>

#include "session.h"

#define LABEL_LEN 24u

int attest_session_token(const struct attest_keypair *keypair, enum attest_role role,
			 const uint8_t peer_key[ATTEST_KEY_LEN], const uint8_t session_id[ATTEST_HASH_LEN],
			 uint8_t ret_token[SESSION_TOKEN_LEN])
{
	static const uint8_t label[LABEL_LEN] = "gmem v1 never ran";
	const uint8_t *own = attest_keypair_public(keypair);
	const bool source = role == ATTEST_INITIATOR;
	crypto_auth_hmacsha256_state mac;
	uint8_t key[HKDF_LEN];

	if (crypto_scalarmult_curve25519(key, keys_secret(keypair), peer_key) != 0) {
		sodium_memzero(key, sizeof(key));
		return -EINVAL;
	}
	hkdf_extract(session_id, ATTEST_HASH_LEN, key, sizeof(key), key);
	crypto_auth_hmacsha256_init(&mac, key, sizeof(key));
	crypto_auth_hmacsha256_update(&mac, label, sizeof(label));
	crypto_auth_hmacsha256_update(&mac, session_id, ATTEST_HASH_LEN);
	crypto_auth_hmacsha256_update(&mac, source ? own : peer_key, ATTEST_KEY_LEN);
	crypto_auth_hmacsha256_update(&mac, source ? peer_key : own, ATTEST_KEY_LEN);
	crypto_auth_hmacsha256_final(&mac, ret_token);
	sodium_memzero(key, sizeof(key));
	sodium_memzero(&mac, sizeof(mac));
	return 0;
}
