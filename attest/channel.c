/* SPDX-License-Identifier: MIT */
/*
 * channel: from one handshake's chaining key to the keys of each lane and
 * direction, and from each generation to the next.
 *
 *   PRK          = HKDF-Extract(salt = transcript, chaining key)
 *   secret(0)    = HKDF-Expand(PRK,       "gmem v1 lane secret" ...)
 *   record key   = HKDF-Expand(secret(g), "gmem v1 record key"  ...)
 *   header key   = HKDF-Expand(secret(g), "gmem v1 header key"  ...)
 *   secret(g+1)  = HKDF-Expand(secret(g), "gmem v1 next secret" ...)
 *
 * where ... is session id, connection, cipher, lane, direction, generation.
 */
#include "channel.h"

#include <errno.h>
#include <string.h>

#include "gcm.h"
#include "hkdf.h"
#include "parse.h"

#define LABEL_LEN 24u
#define INFO_LEN (LABEL_LEN + ATTEST_HASH_LEN + 8u + 1u + 1u + 1u + 4u)

typedef uint8_t label_t[LABEL_LEN];
static const label_t label_session = "gmem v1 session";
static const label_t label_lane = "gmem v1 lane secret";
static const label_t label_record = "gmem v1 record key";
static const label_t label_header = "gmem v1 header key";
static const label_t label_next = "gmem v1 next secret";

static void derive(const struct attest_channel *channel, const struct channel_half *half, const label_t label,
		   const uint8_t prk[HKDF_LEN], uint8_t ret_key[ATTEST_KEY_LEN])
{
	uint8_t info[INFO_LEN];
	struct parse_writer writer;

	parse_writer_init(&writer, info, sizeof(info));
	parse_put_bytes(&writer, label, LABEL_LEN);
	parse_put_bytes(&writer, channel->session_id, ATTEST_HASH_LEN);
	parse_put_u64(&writer, channel->connection);
	parse_put_u8(&writer, (uint8_t)channel->cipher);
	parse_put_u8(&writer, half->lane);
	parse_put_u8(&writer, half->direction);
	parse_put_u32(&writer, half->generation);
	hkdf_expand(prk, info, sizeof(info), ret_key, ATTEST_KEY_LEN);
}

/*
 * Round keys, of which the first two are the record key, may stay on the stack, and in registers, which the dynamic linker
 * puts on the stack when it binds a function.  libgcrypt wipes both; that is not left to its version and the CPU's kind.
 */
void channel_wipe_traces(void)
{
#ifdef __x86_64__
	__asm__ volatile("pxor %%xmm0, %%xmm0\n\tpxor %%xmm1, %%xmm1\n\tpxor %%xmm2, %%xmm2\n\tpxor %%xmm3, %%xmm3\n\t"
			 "pxor %%xmm4, %%xmm4\n\tpxor %%xmm5, %%xmm5\n\tpxor %%xmm6, %%xmm6\n\tpxor %%xmm7, %%xmm7\n\t"
			 "pxor %%xmm8, %%xmm8\n\tpxor %%xmm9, %%xmm9\n\tpxor %%xmm10, %%xmm10\n\tpxor %%xmm11, %%xmm11\n\t"
			 "pxor %%xmm12, %%xmm12\n\tpxor %%xmm13, %%xmm13\n\tpxor %%xmm14, %%xmm14\n\tpxor %%xmm15, %%xmm15"
			 ::: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
			 "xmm12", "xmm13", "xmm14", "xmm15");
#endif
	sodium_stackzero(CHANNEL_AES_STACK);
}

/* Record and header key of @half->secret's generation.  false: the cipher does not take the key. */
static bool load_keys(const struct attest_channel *channel, struct channel_half *half)
{
	bool loaded;

	derive(channel, half, label_header, half->secret, half->header_key);
	derive(channel, half, label_record, half->secret, half->key);
#ifdef ATTEST_LOG_NONCES
	crypto_hash_sha256(half->key_id, half->key, sizeof(half->key));
#endif
	if (channel->cipher != ATTEST_CIPHER_AES256GCM)
		return true;
	loaded = gcm_load(half->aes, half->key);
	channel_wipe_traces();
	return loaded;
}

static int half_init(const struct attest_channel *channel, struct channel_half *half, unsigned int lane,
		     enum wire_direction direction, const uint8_t prk[HKDF_LEN])
{
	int r = channel->cipher == ATTEST_CIPHER_AES256GCM ? gcm_new(&half->aes) : 0;

	if (r < 0)
		return r;
	half->lane = (uint8_t)lane;
	half->direction = (uint8_t)direction;
	derive(channel, half, label_lane, prk, half->secret);
	return load_keys(channel, half) ? 0 : -EINVAL;
}

bool channel_rekey(const struct attest_channel *channel, struct channel_half *half)
{
	uint8_t next[ATTEST_KEY_LEN];

	if (half->generation >= channel->limits.max_generation)
		return false;
	half->generation++;
	half->n_records = 0;
	half->n_bytes = 0;
	half->since_ns = atomic_load_explicit(&channel->now_ns, memory_order_relaxed);
	sodium_memzero(half->mask, sizeof(half->mask));
	half->has_mask = false;
	derive(channel, half, label_next, half->secret, next);
	memcpy(half->secret, next, sizeof(next));
	sodium_memzero(next, sizeof(next));
	return load_keys(channel, half);
}

void channel_kill(struct channel_half *half)
{
	gcm_free(half->aes);
	sodium_memzero(half, sizeof(*half));
	half->dead = true;
}

/* A session is its ticket and its VM; it outlives connections, so nothing of the handshake is in it. */
static void make_session_id(const struct channel_seed *seed, uint8_t ret_id[ATTEST_HASH_LEN])
{
	crypto_hash_sha256_state hash;

	crypto_hash_sha256_init(&hash);
	crypto_hash_sha256_update(&hash, label_session, LABEL_LEN);
	crypto_hash_sha256_update(&hash, seed->ticket_id, ATTEST_ID_LEN);
	crypto_hash_sha256_update(&hash, seed->vm_id, ATTEST_ID_LEN);
	crypto_hash_sha256_final(&hash, ret_id);
}

int channel_new(const struct channel_seed *seed, struct attest_channel **ret_channel)
{
	bool initiator = seed->role == ATTEST_INITIATOR;
	struct attest_channel *channel;
	uint8_t prk[HKDF_LEN];
	int r = 0;

	/* Ends at a page's end, and its size is a multiple of 64: so it is aligned as its members ask. */
	channel = sodium_malloc(sizeof(*channel));
	if (!channel)
		return -ENOMEM;
	memset(channel, 0, sizeof(*channel));
	channel->cipher = seed->cipher;
	channel->connection = seed->connection;
	channel->has_peer_platform = seed->peer_platform != NULL;
	if (seed->peer_platform)
		memcpy(channel->peer_platform, seed->peer_platform, ATTEST_ID_LEN);
	channel->limits = (struct channel_limits){ WIRE_REKEY_RECORDS, WIRE_REKEY_BYTES, WIRE_REKEY_NS,
						   WIRE_MAX_RECORDS, WIRE_MAX_GENERATION };
	make_session_id(seed, channel->session_id);
	hkdf_extract(seed->transcript, ATTEST_HASH_LEN, seed->chaining_key, ATTEST_HASH_LEN, prk);
	for (unsigned int lane = 0; lane < ATTEST_N_LANES && r == 0; lane++) {
		r = half_init(channel, &channel->send[lane], lane,
			      initiator ? WIRE_FROM_INITIATOR : WIRE_FROM_RESPONDER, prk);
		if (r == 0)
			r = half_init(channel, &channel->recv[lane], lane,
				      initiator ? WIRE_FROM_RESPONDER : WIRE_FROM_INITIATOR, prk);
	}
	sodium_memzero(prk, sizeof(prk));
	if (r < 0) {
		attest_channel_free(channel);
		return r;
	}
	*ret_channel = channel;
	return 0;
}

void attest_channel_free(struct attest_channel *channel)
{
	for (unsigned int lane = 0; channel != NULL && lane < ATTEST_N_LANES; lane++) {
		gcm_free(channel->send[lane].aes);
		gcm_free(channel->recv[lane].aes);
	}
	sodium_free(channel);
}

void attest_channel_tick(struct attest_channel *channel, uint64_t now_ns)
{
	uint64_t last_ns = atomic_load_explicit(&channel->now_ns, memory_order_relaxed);

	/* Nothing but the number itself passes between threads. */
	while (last_ns < now_ns && !atomic_compare_exchange_weak_explicit(&channel->now_ns, &last_ns, now_ns,
									  memory_order_relaxed, memory_order_relaxed))
		;
}

enum attest_cipher attest_channel_cipher(const struct attest_channel *channel)
{
	return channel->cipher;
}

uint64_t attest_channel_connection(const struct attest_channel *channel)
{
	return channel->connection;
}

const uint8_t *attest_channel_peer_platform(const struct attest_channel *channel)
{
	return channel->has_peer_platform ? channel->peer_platform : NULL;
}

const uint8_t *attest_channel_session_id(const struct attest_channel *channel)
{
	return channel->session_id;
}

const char *attest_cipher_name(enum attest_cipher cipher)
{
	switch (cipher) {
	case ATTEST_CIPHER_AES256GCM:
		return "AES-256-GCM";
	case ATTEST_CIPHER_XCHACHA20POLY1305:
		return "XChaCha20-Poly1305";
	case ATTEST_CIPHER_AEGIS256:
		return "AEGIS-256";
	}
	return "unknown";
}

uint32_t channel_ciphers(void)
{
	uint32_t ciphers = 1u << ATTEST_CIPHER_XCHACHA20POLY1305;

	if (gcm_available())
		ciphers |= 1u << ATTEST_CIPHER_AES256GCM;
	return ciphers;
}
