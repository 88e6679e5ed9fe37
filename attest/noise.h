/* SPDX-License-Identifier: MIT */
/*
 * noise: Noise_XX_25519_ChaChaPoly_SHA256, revision 34 of the specification
 * (noiseprotocol.org/noise.html).  No randomness: the caller brings the
 * ephemeral key.  Each function leaves its state untouched on failure.
 */
#ifndef ATTEST_NOISE_H
#define ATTEST_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parse.h"

#define NOISE_KEY_LEN 32u
#define NOISE_HASH_LEN 32u
#define NOISE_TAG_LEN 16u
#define NOISE_N_MESSAGES 3u

/* CipherState */
struct noise_cipher {
	uint8_t key[NOISE_KEY_LEN];
	uint64_t nonce;
	bool has_key;
};

/* HandshakeState with its SymmetricState */
struct noise {
	struct noise_cipher cipher;
	uint8_t chaining_key[NOISE_HASH_LEN];
	uint8_t hash[NOISE_HASH_LEN];
	uint8_t static_secret[NOISE_KEY_LEN];
	uint8_t static_public[NOISE_KEY_LEN];
	uint8_t ephemeral_secret[NOISE_KEY_LEN];
	uint8_t ephemeral_public[NOISE_KEY_LEN];
	uint8_t remote_static[NOISE_KEY_LEN];
	uint8_t remote_ephemeral[NOISE_KEY_LEN];
	unsigned int n_messages;	/* written and read */
	bool initiator;
};

/** Start: name, prologue, keys; @static_public belongs to @static_secret.  false: the secret is no key.  Wipe @noise with noise_wipe(). */
bool noise_init(struct noise *noise, bool initiator, const uint8_t *prologue, size_t prologue_len,
		const uint8_t static_secret[NOISE_KEY_LEN], const uint8_t static_public[NOISE_KEY_LEN],
		const uint8_t ephemeral_secret[NOISE_KEY_LEN]);
void noise_wipe(struct noise *noise);
/** Append the next message of the pattern to @out.  false: not this side's turn, no room, or a DH of all zeros. */
bool noise_write(struct noise *noise, const uint8_t *payload, size_t payload_len, struct parse_writer *out);
/**
 * Read the next message of the pattern, all that is left in @in.
 * @param ret_payload room for payload_len bytes, exactly as long as the payload has to be.
 * false: not this side's turn, another length, not authentic, or a DH of all zeros; @ret_payload is wiped.
 */
bool noise_read(struct noise *noise, struct parse_reader *in, uint8_t *ret_payload, size_t payload_len);
/** After three messages: keys for what this side sends and receives.  The chaining key stays until noise_wipe(). */
bool noise_split(const struct noise *noise, struct noise_cipher *ret_send, struct noise_cipher *ret_recv);

/** EncryptWithAd: @len bytes of plaintext, @len + NOISE_TAG_LEN out; may be the same buffer. */
bool noise_encrypt(struct noise_cipher *cipher, const uint8_t *ad, size_t ad_len, const uint8_t *plain, size_t len,
		   uint8_t *ret_sealed);
/** DecryptWithAd: @sealed_len bytes in, NOISE_TAG_LEN fewer out; wiped on failure. */
bool noise_decrypt(struct noise_cipher *cipher, const uint8_t *ad, size_t ad_len, const uint8_t *sealed,
		   size_t sealed_len, uint8_t *ret_plain);

#endif
