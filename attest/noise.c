/* SPDX-License-Identifier: MIT */
/*
 * noise: Noise_XX_25519_ChaChaPoly_SHA256.
 *
 *   -> e
 *   <- e, ee, s, es
 *   -> s, se
 *
 * Each message is worked out on a copy of the state, which replaces the state
 * only when every check has passed.
 */
#include "noise.h"

#include <sodium.h>
#include <string.h>

#include "hkdf.h"
#include "noncelog.h"

/* Exactly NOISE_HASH_LEN bytes, so the initial hash is the name itself. */
static const char protocol_name[] = "Noise_XX_25519_ChaChaPoly_SHA256";
_Static_assert(sizeof(protocol_name) - 1 == NOISE_HASH_LEN, "the name is hashed if it is longer");

static void make_nonce(uint64_t counter, uint8_t ret_nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES])
{
	struct parse_writer writer;

	parse_writer_init(&writer, ret_nonce, crypto_aead_chacha20poly1305_ietf_NPUBBYTES);
	parse_put_u32(&writer, 0);
	parse_put_u64(&writer, counter);
}

bool noise_encrypt(struct noise_cipher *cipher, const uint8_t *ad, size_t ad_len, const uint8_t *plain, size_t len,
		   uint8_t *ret_sealed)
{
	uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

	/* The last nonce is reserved by the specification. */
	if (!cipher->has_key || cipher->nonce == UINT64_MAX)
		return false;
	make_nonce(cipher->nonce++, nonce);
	noncelog_write_key(cipher->key, nonce, sizeof(nonce));
	crypto_aead_chacha20poly1305_ietf_encrypt(ret_sealed, NULL, plain, len, ad, ad_len, NULL, nonce, cipher->key);
	return true;
}

bool noise_decrypt(struct noise_cipher *cipher, const uint8_t *ad, size_t ad_len, const uint8_t *sealed,
		   size_t sealed_len, uint8_t *ret_plain)
{
	uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

	if (!cipher->has_key || cipher->nonce == UINT64_MAX || sealed_len < NOISE_TAG_LEN)
		return false;
	make_nonce(cipher->nonce, nonce);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(ret_plain, NULL, NULL, sealed, sealed_len, ad, ad_len, nonce,
						      cipher->key)) {
		sodium_memzero(ret_plain, sealed_len - NOISE_TAG_LEN);
		return false;
	}
	cipher->nonce++;
	return true;
}

static void mix_hash(struct noise *noise, const uint8_t *data, size_t len)
{
	crypto_hash_sha256_state hash;

	crypto_hash_sha256_init(&hash);
	crypto_hash_sha256_update(&hash, noise->hash, sizeof(noise->hash));
	crypto_hash_sha256_update(&hash, data, len);
	crypto_hash_sha256_final(&hash, noise->hash);
}

/* MixKey(DH(secret, public)); a shared secret of all zeros means a point of small order, and is refused. */
static bool mix_dh(struct noise *noise, const uint8_t secret[NOISE_KEY_LEN], const uint8_t public[NOISE_KEY_LEN])
{
	uint8_t shared[NOISE_KEY_LEN], okm[2 * NOISE_HASH_LEN];
	bool ok;

	ok = crypto_scalarmult_curve25519(shared, secret, public) == 0 && !sodium_is_zero(shared, sizeof(shared));
	if (ok) {
		/* The specification's HKDF with two outputs is RFC 5869 with the chaining key as salt and no info. */
		hkdf_extract(noise->chaining_key, sizeof(noise->chaining_key), shared, sizeof(shared),
			     noise->chaining_key);
		hkdf_expand(noise->chaining_key, NULL, 0, okm, sizeof(okm));
		memcpy(noise->chaining_key, okm, NOISE_HASH_LEN);
		memcpy(noise->cipher.key, okm + NOISE_HASH_LEN, NOISE_KEY_LEN);
		noise->cipher.has_key = true;
		noise->cipher.nonce = 0;
	}
	sodium_memzero(shared, sizeof(shared));
	sodium_memzero(okm, sizeof(okm));
	return ok;
}

/* EncryptAndHash */
static bool put_sealed(struct noise *noise, const uint8_t *plain, size_t len, struct parse_writer *out)
{
	size_t sealed_len = len + (noise->cipher.has_key ? NOISE_TAG_LEN : 0);
	uint8_t *room = parse_put(out, sealed_len);

	if (!room)
		return false;
	if (!noise->cipher.has_key) {
		if (len)
			memcpy(room, plain, len);
	} else if (!noise_encrypt(&noise->cipher, noise->hash, sizeof(noise->hash), plain, len, room)) {
		return false;
	}
	mix_hash(noise, room, sealed_len);
	return true;
}

/* DecryptAndHash */
static bool take_sealed(struct noise *noise, struct parse_reader *in, uint8_t *ret_plain, size_t len)
{
	size_t sealed_len = len + (noise->cipher.has_key ? NOISE_TAG_LEN : 0);
	const uint8_t *sealed = parse_take(in, sealed_len);

	if (in->failed)
		return false;
	if (!noise->cipher.has_key) {
		if (len)
			memcpy(ret_plain, sealed, len);
	} else if (!noise_decrypt(&noise->cipher, noise->hash, sizeof(noise->hash), sealed, sealed_len, ret_plain)) {
		return false;
	}
	mix_hash(noise, sealed, sealed_len);
	return true;
}

bool noise_init(struct noise *noise, bool initiator, const uint8_t *prologue, size_t prologue_len,
		const uint8_t static_secret[NOISE_KEY_LEN], const uint8_t static_public[NOISE_KEY_LEN],
		const uint8_t ephemeral_secret[NOISE_KEY_LEN])
{
	memset(noise, 0, sizeof(*noise));
	noise->initiator = initiator;
	memcpy(noise->static_secret, static_secret, NOISE_KEY_LEN);
	memcpy(noise->static_public, static_public, NOISE_KEY_LEN);
	memcpy(noise->ephemeral_secret, ephemeral_secret, NOISE_KEY_LEN);
	if (crypto_scalarmult_curve25519_base(noise->ephemeral_public, ephemeral_secret)) {
		noise_wipe(noise);
		return false;
	}
	memcpy(noise->hash, protocol_name, NOISE_HASH_LEN);
	memcpy(noise->chaining_key, noise->hash, NOISE_HASH_LEN);
	mix_hash(noise, prologue, prologue_len);
	return true;
}

void noise_wipe(struct noise *noise)
{
	sodium_memzero(noise, sizeof(*noise));
}

static bool put_ephemeral(struct noise *noise, struct parse_writer *out)
{
	parse_put_bytes(out, noise->ephemeral_public, NOISE_KEY_LEN);
	mix_hash(noise, noise->ephemeral_public, NOISE_KEY_LEN);
	return !out->failed;
}

static bool take_ephemeral(struct noise *noise, struct parse_reader *in)
{
	parse_bytes(in, noise->remote_ephemeral, NOISE_KEY_LEN);
	mix_hash(noise, noise->remote_ephemeral, NOISE_KEY_LEN);
	return !in->failed;
}

/* The tokens of message @noise->n_messages, written. */
static bool write_tokens(struct noise *noise, struct parse_writer *out)
{
	switch (noise->n_messages) {
	case 0: /* -> e */
		return put_ephemeral(noise, out);						/* e */
	case 1: /* <- e, ee, s, es */
		return put_ephemeral(noise, out) &&						/* e */
		       mix_dh(noise, noise->ephemeral_secret, noise->remote_ephemeral) &&	/* ee */
		       put_sealed(noise, noise->static_public, NOISE_KEY_LEN, out) &&		/* s */
		       mix_dh(noise, noise->static_secret, noise->remote_ephemeral);		/* es */
	case 2: /* -> s, se */
		return put_sealed(noise, noise->static_public, NOISE_KEY_LEN, out) &&		/* s */
		       mix_dh(noise, noise->static_secret, noise->remote_ephemeral);		/* se */
	default:
		return false;
	}
}

/* The tokens of message @noise->n_messages, read. */
static bool read_tokens(struct noise *noise, struct parse_reader *in)
{
	switch (noise->n_messages) {
	case 0: /* -> e */
		return take_ephemeral(noise, in);						/* e */
	case 1: /* <- e, ee, s, es */
		return take_ephemeral(noise, in) &&						/* e */
		       mix_dh(noise, noise->ephemeral_secret, noise->remote_ephemeral) &&	/* ee */
		       take_sealed(noise, in, noise->remote_static, NOISE_KEY_LEN) &&		/* s */
		       mix_dh(noise, noise->ephemeral_secret, noise->remote_static);		/* es */
	case 2: /* -> s, se */
		return take_sealed(noise, in, noise->remote_static, NOISE_KEY_LEN) &&		/* s */
		       mix_dh(noise, noise->ephemeral_secret, noise->remote_static);		/* se */
	default:
		return false;
	}
}

/* The initiator writes the messages 0 and 2, the responder 1. */
static bool writes_next(const struct noise *noise)
{
	return noise->n_messages < NOISE_N_MESSAGES && noise->initiator == (noise->n_messages % 2 == 0);
}

static bool reads_next(const struct noise *noise)
{
	return noise->n_messages < NOISE_N_MESSAGES && !writes_next(noise);
}

bool noise_write(struct noise *noise, const uint8_t *payload, size_t payload_len, struct parse_writer *out)
{
	struct noise next = *noise;
	bool ok;

	ok = writes_next(noise) && write_tokens(&next, out) && put_sealed(&next, payload, payload_len, out);
	if (ok) {
		next.n_messages++;
		*noise = next;
	}
	noise_wipe(&next);
	return ok;
}

bool noise_read(struct noise *noise, struct parse_reader *in, uint8_t *ret_payload, size_t payload_len)
{
	struct noise next = *noise;
	bool ok;

	ok = reads_next(noise) && read_tokens(&next, in) && take_sealed(&next, in, ret_payload, payload_len) &&
	     parse_end(in);
	if (ok) {
		next.n_messages++;
		*noise = next;
	} else if (payload_len) {
		sodium_memzero(ret_payload, payload_len);
	}
	noise_wipe(&next);
	return ok;
}

bool noise_split(const struct noise *noise, struct noise_cipher *ret_send, struct noise_cipher *ret_recv)
{
	struct noise_cipher *from_initiator = noise->initiator ? ret_send : ret_recv;
	struct noise_cipher *from_responder = noise->initiator ? ret_recv : ret_send;
	uint8_t prk[HKDF_LEN], okm[2 * NOISE_KEY_LEN];

	if (noise->n_messages != NOISE_N_MESSAGES)
		return false;
	hkdf_extract(noise->chaining_key, sizeof(noise->chaining_key), NULL, 0, prk);
	hkdf_expand(prk, NULL, 0, okm, sizeof(okm));
	*from_initiator = (struct noise_cipher){ .has_key = true };
	*from_responder = (struct noise_cipher){ .has_key = true };
	memcpy(from_initiator->key, okm, NOISE_KEY_LEN);
	memcpy(from_responder->key, okm + NOISE_KEY_LEN, NOISE_KEY_LEN);
	sodium_memzero(prk, sizeof(prk));
	sodium_memzero(okm, sizeof(okm));
	return true;
}
