// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include <sodium.h>

#include <attest/keys.h>

#include "../secmem.h"
#include "../wire.h"
#include "seal.h"

#define LABEL "gmem snapshot v1"
#define LABEL_LEN 16u
#define KDF_CONTEXT "gmemsnap"
#define PLACE_LEN (SNAPFILE_ID_LEN + 36u)

/* What only wrapping needs, in locked memory. */
struct wrapping {
	uint8_t secret[ATTEST_KEY_LEN];		/* of the ephemeral pair */
	uint8_t shared[2][crypto_scalarmult_BYTES];
	uint8_t key[SNAPFILE_KEY_LEN];
	uint8_t file_key[SNAPFILE_KEY_LEN];
};

/* From both shared secrets to the key that wraps. */
static void wrap_key(struct wrapping *wrapping, const struct snapfile_header *header)
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, wrapping->shared[0], sizeof(wrapping->shared), SNAPFILE_KEY_LEN);
	crypto_generichash_update(&state, (const uint8_t *)LABEL, LABEL_LEN);
	crypto_generichash_update(&state, header->id, SNAPFILE_ID_LEN);
	crypto_generichash_update(&state, header->ephemeral, ATTEST_KEY_LEN);
	crypto_generichash_update(&state, header->writer, ATTEST_KEY_LEN);
	crypto_generichash_update(&state, header->recipient, ATTEST_KEY_LEN);
	crypto_generichash_final(&state, wrapping->key, SNAPFILE_KEY_LEN);
	sodium_memzero(&state, sizeof(state));
}

static void derive(const struct wrapping *wrapping, struct snapfile_keys *ret_keys)
{
	crypto_kdf_derive_from_key(ret_keys->pieces, SNAPFILE_KEY_LEN, 1, KDF_CONTEXT, wrapping->file_key);
	crypto_kdf_derive_from_key(ret_keys->root, SNAPFILE_KEY_LEN, 2, KDF_CONTEXT, wrapping->file_key);
	crypto_kdf_derive_from_key(ret_keys->sets, SNAPFILE_KEY_LEN, 3, KDF_CONTEXT, wrapping->file_key);
}

static void wrap(struct wrapping *wrapping, struct snapfile_header *header)
{
	static const uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];
	uint8_t bytes[SNAPFILE_HEADER_LEN];

	wrap_key(wrapping, header);
	memset(header->wrapped, 0, SNAPFILE_WRAPPED_LEN);
	snapfile_header_encode(header, bytes);
	crypto_aead_xchacha20poly1305_ietf_encrypt(header->wrapped, NULL, wrapping->file_key, SNAPFILE_KEY_LEN, bytes,
						   SNAPFILE_WRAPPED_OFF, NULL, nonce, wrapping->key);
}

int snapfile_keys_make(const struct attest_keypair *writer, struct snapfile_header *header,
		       struct snapfile_keys *ret_keys)
{
	struct wrapping *wrapping = secmem_alloc(sizeof(*wrapping));
	int r = 0;

	if (wrapping == NULL)
		return -ENOMEM;
	memcpy(header->writer, attest_keypair_public(writer), ATTEST_KEY_LEN);
	randombytes_buf(wrapping->file_key, SNAPFILE_KEY_LEN);
	randombytes_buf(wrapping->secret, ATTEST_KEY_LEN);
	crypto_scalarmult_base(header->ephemeral, wrapping->secret);
	if (crypto_scalarmult(wrapping->shared[0], wrapping->secret, header->recipient) != 0 ||
	    crypto_scalarmult(wrapping->shared[1], keys_secret(writer), header->recipient) != 0)
		r = -EINVAL;
	if (r == 0) {
		wrap(wrapping, header);
		derive(wrapping, ret_keys);
	}
	secmem_free(wrapping);
	return r;
}

static int unwrap(struct wrapping *wrapping, const struct snapfile_header *header)
{
	static const uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES];
	uint8_t bytes[SNAPFILE_HEADER_LEN];

	wrap_key(wrapping, header);
	snapfile_header_encode(header, bytes);
	return crypto_aead_xchacha20poly1305_ietf_decrypt(wrapping->file_key, NULL, NULL, header->wrapped,
							  SNAPFILE_WRAPPED_LEN, bytes, SNAPFILE_WRAPPED_OFF, nonce,
							  wrapping->key) == 0 ? 0 : -EBADMSG;
}

int snapfile_keys_unwrap(const struct attest_keypair *recipient, const struct snapfile_header *header,
			 struct snapfile_keys *ret_keys)
{
	struct wrapping *wrapping = secmem_alloc(sizeof(*wrapping));
	int r;

	if (wrapping == NULL)
		return -ENOMEM;
	if (crypto_scalarmult(wrapping->shared[0], keys_secret(recipient), header->ephemeral) != 0 ||
	    crypto_scalarmult(wrapping->shared[1], keys_secret(recipient), header->writer) != 0)
		r = -EBADMSG;
	else
		r = unwrap(wrapping, header);
	if (r == 0)
		derive(wrapping, ret_keys);
	secmem_free(wrapping);
	return r;
}

static void describe(const struct snapfile_place *place, size_t len, uint8_t ret_bytes[PLACE_LEN])
{
	uint8_t *at = wire_put_bytes(ret_bytes, place->id, SNAPFILE_ID_LEN);

	at = wire_put64(wire_put32(at, (uint32_t)place->kind), place->number);
	at = wire_put64(wire_put64(at, place->first), place->map);
	wire_put64(at, len);
}

static void nonce_of(const struct snapfile_place *place, uint8_t ret_nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES])
{
	memset(ret_nonce, 0, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
	wire_put64(wire_put32(ret_nonce, (uint32_t)place->kind), place->number);
}

void snapfile_seal(const struct snapfile_keys *keys, const struct snapfile_place *place, const uint8_t *plain,
		   size_t len, uint8_t *ret_cipher, uint8_t ret_tag[SNAPFILE_TAG_LEN])
{
	uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES], ad[PLACE_LEN];

	nonce_of(place, nonce);
	describe(place, len, ad);
	crypto_aead_xchacha20poly1305_ietf_encrypt_detached(ret_cipher, ret_tag, NULL, plain, len, ad, sizeof(ad), NULL,
							    nonce, keys->pieces);
}

int snapfile_unseal(const struct snapfile_keys *keys, const struct snapfile_place *place, uint8_t *bytes, size_t len,
		    const uint8_t tag[SNAPFILE_TAG_LEN])
{
	uint8_t nonce[crypto_aead_xchacha20poly1305_ietf_NPUBBYTES], ad[PLACE_LEN];

	nonce_of(place, nonce);
	describe(place, len, ad);
	return crypto_aead_xchacha20poly1305_ietf_decrypt_detached(bytes, NULL, bytes, len, tag, ad, sizeof(ad), nonce,
								   keys->pieces) == 0 ? 0 : -EBADMSG;
}

/* It is the last field of what is bound. */
static const uint8_t *set_nonce(const uint8_t head[SNAPSET_HEADER_LEN])
{
	_Static_assert(SNAPSET_NONCE_LEN == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "a nonce of that cipher");
	return head + SNAPSET_BOUND_LEN - SNAPSET_NONCE_LEN;
}

void snapfile_seal_set(const struct snapfile_keys *keys, const uint8_t head[SNAPSET_HEADER_LEN], uint8_t *map, size_t len,
		       uint8_t ret_tag[SNAPFILE_TAG_LEN])
{
	crypto_aead_xchacha20poly1305_ietf_encrypt_detached(map, ret_tag, NULL, map, len, head, SNAPSET_BOUND_LEN, NULL,
							    set_nonce(head), keys->sets);
}

int snapfile_unseal_set(const struct snapfile_keys *keys, const uint8_t head[SNAPSET_HEADER_LEN], uint8_t *map, size_t len,
			const uint8_t tag[SNAPFILE_TAG_LEN])
{
	return crypto_aead_xchacha20poly1305_ietf_decrypt_detached(map, NULL, map, len, tag, head, SNAPSET_BOUND_LEN,
								   set_nonce(head), keys->sets) == 0 ? 0 : -EBADMSG;
}

void snapfile_root(const struct snapfile_keys *keys, const struct snapfile_header *header, const uint8_t *index,
		   size_t index_len, const struct snapfile_trailer *trailer, uint8_t ret_root[SNAPFILE_ROOT_LEN])
{
	uint8_t head[SNAPFILE_HEADER_LEN], tail[SNAPFILE_TRAILER_LEN];
	crypto_generichash_state state;

	snapfile_header_encode(header, head);
	snapfile_trailer_encode(trailer, tail);
	crypto_generichash_init(&state, keys->root, SNAPFILE_KEY_LEN, SNAPFILE_ROOT_LEN);
	crypto_generichash_update(&state, head, sizeof(head));
	crypto_generichash_update(&state, index, index_len);
	crypto_generichash_update(&state, tail, SNAPFILE_ROOTED_LEN);
	crypto_generichash_final(&state, ret_root, SNAPFILE_ROOT_LEN);
	sodium_memzero(&state, sizeof(state));
}
