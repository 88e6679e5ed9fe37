/* SPDX-License-Identifier: MIT */
#include "forge.h"

#include <string.h>

static size_t put(uint8_t *bytes, size_t at, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[at + i] = (uint8_t)(value >> 8 * i);
	return at + len;
}

static uint64_t get(const uint8_t *bytes, size_t at, size_t len)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len; i++)
		value |= (uint64_t)bytes[at + i] << 8 * i;
	return value;
}

/* HKDF-Expand to 32 bytes is one HMAC: T(1) = HMAC(PRK, info || 0x01). */
static void expand(const struct attest_channel *channel, const struct channel_half *half, const char *label,
		   uint32_t generation, const uint8_t prk[32], uint8_t ret_key[32])
{
	uint8_t info[24 + 32 + 8 + 1 + 1 + 1 + 4 + 1] = { 0 };
	crypto_auth_hmacsha256_state mac;
	size_t at = 24;

	memcpy(info, label, strlen(label));
	memcpy(info + at, channel->session_id, 32);
	at = put(info, at + 32, channel->connection, 8);
	at = put(info, at, channel->cipher, 1);
	at = put(info, at, half->lane, 1);
	at = put(info, at, half->direction, 1);
	at = put(info, at, generation, 4);
	at = put(info, at, 1, 1);
	crypto_auth_hmacsha256_init(&mac, prk, 32);
	crypto_auth_hmacsha256_update(&mac, info, at);
	crypto_auth_hmacsha256_final(&mac, ret_key);
}

void forge_keys(const struct attest_channel *channel, const struct channel_half *half, uint8_t ret_record[32],
		uint8_t ret_header[32])
{
	expand(channel, half, "gmem v1 record key", half->generation, half->secret, ret_record);
	expand(channel, half, "gmem v1 header key", half->generation, half->secret, ret_header);
}

static void make_nonce(const struct wire_record *header, uint8_t ret_nonce[24])
{
	memset(ret_nonce, 0, 24);
	put(ret_nonce, 0, header->lane | header->direction << 4, 1);
	put(ret_nonce, 1, header->generation, 3);
	put(ret_nonce, 4, header->counter, 8);
}

/* 16 bytes of ChaCha20 for each record, 64 records to a nonce; xors all of them that there are, then takes its own. */
static void mask(const struct wire_record *header, const uint8_t header_key[32], const uint8_t *in, uint8_t *ret_out)
{
	struct wire_record block = *header;
	uint8_t nonce[24], stream[1024];

	block.counter = header->counter >> 6;
	make_nonce(&block, nonce);
	memset(stream, 0, sizeof(stream));
	memcpy(stream + 16 * (header->counter & 63), in, 16);
	crypto_stream_chacha20_ietf_xor(stream, stream, sizeof(stream), nonce, header_key);
	memcpy(ret_out, stream + 16 * (header->counter & 63), 16);
}

/* The header in the clear, 32 bytes. */
static void put_header(const struct wire_record *header, uint8_t *ret_bytes)
{
	size_t at = 0;

	at = put(ret_bytes, at, header->class, 1);
	at = put(ret_bytes, at, header->op, 1);
	at = put(ret_bytes, at, header->lane, 1);
	at = put(ret_bytes, at, header->direction, 1);
	at = put(ret_bytes, at, header->generation, 4);
	at = put(ret_bytes, at, header->counter, 8);
	at = put(ret_bytes, at, header->gfn, 8);
	at = put(ret_bytes, at, header->n_pages, 4);
	put(ret_bytes, at, header->body_len, 4);
}

static size_t make_ad(const struct attest_channel *channel, const struct wire_record *header, uint8_t ret_ad[73])
{
	memcpy(ret_ad, channel->session_id, 32);
	put(ret_ad, 32, channel->connection, 8);
	put(ret_ad, 40, channel->cipher, 1);
	put_header(header, ret_ad + 41);
	return 73;
}

size_t forge_seal(const struct attest_channel *channel, const struct channel_half *half,
		  const struct wire_record *header, const uint8_t *plain, size_t plain_len, uint8_t *ret_wire)
{
	uint8_t record_key[32], header_key[32], nonce[24], ad[73];
	size_t ad_len = make_ad(channel, header, ad);

	forge_keys(channel, half, record_key, header_key);
	make_nonce(header, nonce);
	put_header(header, ret_wire);
	mask(header, header_key, ret_wire + 16, ret_wire + 16);
	if (channel->cipher == ATTEST_CIPHER_AES256GCM)
		crypto_aead_aes256gcm_encrypt(ret_wire + 32, NULL, plain, plain_len, ad, ad_len, NULL, nonce,
					      record_key);
	else
		crypto_aead_xchacha20poly1305_ietf_encrypt(ret_wire + 32, NULL, plain, plain_len, ad, ad_len, NULL,
							   nonce, record_key);
	return 32 + plain_len + 16;
}

bool forge_open(const struct attest_channel *channel, const struct channel_half *half, const uint8_t *wire,
		size_t wire_len, struct wire_record *ret_header, uint8_t *ret_plain)
{
	uint8_t record_key[32], header_key[32], nonce[24], ad[73], hidden[16];
	struct wire_record header = {
		.class = wire[0], .op = wire[1], .lane = wire[2], .direction = wire[3],
		.generation = (uint32_t)get(wire, 4, 4), .counter = get(wire, 8, 8),
	};

	forge_keys(channel, half, record_key, header_key);
	make_nonce(&header, nonce);
	mask(&header, header_key, wire + 16, hidden);
	header.gfn = get(hidden, 0, 8);
	header.n_pages = (uint32_t)get(hidden, 8, 4);
	header.body_len = (uint32_t)get(hidden, 12, 4);
	make_ad(channel, &header, ad);
	*ret_header = header;
	if (channel->cipher == ATTEST_CIPHER_AES256GCM)
		return !crypto_aead_aes256gcm_decrypt(ret_plain, NULL, NULL, wire + 32, wire_len - 32, ad, sizeof(ad),
						      nonce, record_key);
	return !crypto_aead_xchacha20poly1305_ietf_decrypt(ret_plain, NULL, NULL, wire + 32, wire_len - 32, ad,
							   sizeof(ad), nonce, record_key);
}
