/* SPDX-License-Identifier: MIT */
/*
 * handshake: from two static keys to two sides that accepted each other.
 *
 * The state is a pointer to a row of the role's table: which message is next,
 * who sends it, how long it is, and what writes or reads it.  set_state() is
 * the only place that moves it: one row on, to `refusing` (evidence was not
 * believed; one message tells the peer), or to `failed` (final; every secret is
 * wiped).  Anything but the row's own message is a failure.
 */
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "channel.h"
#include "evidence.h"
#include "hkdf.h"
#include "keys.h"
#include "noise.h"
#include "parse.h"
#include "wire.h"

#define ERROR_LEN 256u
#define REASON_LEN 160u

struct handshake_row {
	enum attest_handshake_step step;
	enum wire_type type;
	uint16_t len;		/* of the whole message */
	/* Body of a message after its header, which is at @message.  0 or -errno. */
	int (*write)(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body);
	int (*read)(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body);
};

struct attest_handshake {
	const struct handshake_row *state;
	struct attest_handshake_config config;
	struct noise noise;
	struct noise_cipher send, recv;			/* after the Noise messages */
	uint8_t hello[2][WIRE_HELLO_LEN];		/* by side_of(role): the prologue */
	uint8_t evidence_hash[2][ATTEST_HASH_LEN];	/* by side_of(role); zeros until given */
	uint8_t accept_key[2][ATTEST_KEY_LEN];		/* by side_of(role) */
	enum attest_cipher cipher;
	char error[ERROR_LEN];
};

typedef uint8_t label_t[24];
static const label_t label_accept_key = "gmem v1 accept key";
static const label_t label_accept = "gmem v1 accept";
static const label_t label_transcript = "gmem v1 transcript";

static unsigned int side_of(enum attest_role role)
{
	return role == ATTEST_INITIATOR ? 0 : 1;
}

static enum attest_role peer_of(enum attest_role role)
{
	return role == ATTEST_INITIATOR ? ATTEST_RESPONDER : ATTEST_INITIATOR;
}

static const struct handshake_row failed_state = { .step = ATTEST_STEP_FAILED };

static void wipe_secrets(struct attest_handshake *hs)
{
	noise_wipe(&hs->noise);
	sodium_memzero(&hs->send, sizeof(hs->send));
	sodium_memzero(&hs->recv, sizeof(hs->recv));
	sodium_memzero(hs->accept_key, sizeof(hs->accept_key));
}

static void set_state(struct attest_handshake *hs, const struct handshake_row *state)
{
	assert(hs->state != &failed_state);
	hs->state = state;
	if (state == &failed_state)
		wipe_secrets(hs);
}

__attribute__((format(printf, 2, 3)))
static void set_error(struct attest_handshake *hs, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(hs->error, sizeof(hs->error), format, args);
	va_end(args);
}

/* ---- HELLO ---- */

/* Both HELLOs are known: fresh ephemeral key, prologue. */
static int start_noise(struct attest_handshake *hs)
{
	uint8_t ephemeral[NOISE_KEY_LEN];
	bool ok;

	randombytes_buf(ephemeral, sizeof(ephemeral));
	ok = noise_init(&hs->noise, hs->config.role == ATTEST_INITIATOR, hs->hello[0], sizeof(hs->hello),
			keys_secret(hs->config.keypair), ephemeral);
	sodium_memzero(ephemeral, sizeof(ephemeral));
	if (!ok) {
		set_error(hs, "the static key is no X25519 key; generate another one");
		return -EINVAL;
	}
	return 0;
}

static int write_hello(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body)
{
	parse_put_u32(body, WIRE_MAGIC);
	parse_put_u16(body, WIRE_VERSION);
	parse_put_u16(body, WIRE_VERSION);
	parse_put_u32(body, hs->config.ciphers);
	parse_put_bytes(body, hs->config.ticket_id, ATTEST_ID_LEN);
	memcpy(hs->hello[side_of(hs->config.role)], message, WIRE_HELLO_LEN);
	return hs->config.role == ATTEST_RESPONDER ? start_noise(hs) : 0;
}

/* AES-256-GCM where both have it: it is the faster one there. */
static int choose_cipher(struct attest_handshake *hs, uint32_t peer_ciphers)
{
	uint32_t common = hs->config.ciphers & peer_ciphers;

	if (common & 1u << ATTEST_CIPHER_AES256GCM) {
		hs->cipher = ATTEST_CIPHER_AES256GCM;
	} else if (common & 1u << ATTEST_CIPHER_XCHACHA20POLY1305) {
		hs->cipher = ATTEST_CIPHER_XCHACHA20POLY1305;
	} else {
		set_error(hs, "no common cipher: this side has 0x%x, the peer 0x%x; allow the same one on both sides",
			  hs->config.ciphers, peer_ciphers);
		return -ENOTSUP;
	}
	return 0;
}

static int read_hello(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body)
{
	uint32_t magic = parse_u32(body);
	struct wire_hello hello;
	int ret;

	hello.version_min = parse_u16(body);
	hello.version_max = parse_u16(body);
	hello.ciphers = parse_u32(body);
	parse_bytes(body, hello.ticket_id, sizeof(hello.ticket_id));
	if (!parse_end(body) || magic != WIRE_MAGIC || hello.version_min > hello.version_max) {
		set_error(hs, "the peer's HELLO is malformed; check that the port is gmem's");
		return -EPROTO;
	}
	if (hello.version_min > WIRE_VERSION || hello.version_max < WIRE_VERSION) {
		set_error(hs, "the peer speaks protocol versions %u to %u, this side %u; install matching releases",
			  hello.version_min, hello.version_max, WIRE_VERSION);
		return -ENOTSUP;
	}
	if (sodium_memcmp(hello.ticket_id, hs->config.ticket_id, ATTEST_ID_LEN)) {
		set_error(hs, "the peer names another ticket; start both sides with the same one");
		return -EACCES;
	}
	ret = choose_cipher(hs, hello.ciphers);
	if (ret)
		return ret;
	memcpy(hs->hello[side_of(peer_of(hs->config.role))], message, WIRE_HELLO_LEN);
	return hs->config.role == ATTEST_INITIATOR ? start_noise(hs) : 0;
}

/* ---- Noise ---- */

/* After the last Noise message: keys for what follows. */
static int finish_noise(struct attest_handshake *hs)
{
	uint8_t prk[HKDF_LEN], info[sizeof(label_t) + 1];

	if (!noise_split(&hs->noise, &hs->send, &hs->recv))
		return -EPROTO;
	hkdf_extract(hs->noise.hash, NOISE_HASH_LEN, hs->noise.chaining_key, NOISE_HASH_LEN, prk);
	memcpy(info, label_accept_key, sizeof(label_t));
	info[sizeof(label_t)] = ATTEST_INITIATOR;
	hkdf_expand(prk, info, sizeof(info), hs->accept_key[side_of(ATTEST_INITIATOR)], ATTEST_KEY_LEN);
	info[sizeof(label_t)] = ATTEST_RESPONDER;
	hkdf_expand(prk, info, sizeof(info), hs->accept_key[side_of(ATTEST_RESPONDER)], ATTEST_KEY_LEN);
	sodium_memzero(prk, sizeof(prk));
	return 0;
}

static int write_noise(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body)
{
	if (!noise_write(&hs->noise, NULL, 0, body)) {
		set_error(hs, "the peer's key share is of small order; it is refused");
		return -EBADMSG;
	}
	return hs->noise.n_messages == NOISE_N_MESSAGES ? finish_noise(hs) : 0;
}

static int read_noise(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body)
{
	if (!noise_read(&hs->noise, body, NULL, 0)) {
		set_error(hs, "the peer's key exchange is not authentic, or something on the way changes messages");
		return -EBADMSG;
	}
	return hs->noise.n_messages == NOISE_N_MESSAGES ? finish_noise(hs) : 0;
}

/* ---- EVIDENCE ---- */

/* What the evidence of @role must be bound to. */
static void make_binding(const struct attest_handshake *hs, enum attest_role role, struct attest_binding *ret_binding)
{
	bool own = role == hs->config.role;

	*ret_binding = (struct attest_binding){ .role = role, .connection = hs->config.connection };
	memcpy(ret_binding->handshake_hash, hs->noise.hash, ATTEST_HASH_LEN);
	memcpy(ret_binding->static_key, own ? hs->noise.static_public : hs->noise.remote_static, ATTEST_KEY_LEN);
	memcpy(ret_binding->peer_static_key, own ? hs->noise.remote_static : hs->noise.static_public, ATTEST_KEY_LEN);
	memcpy(ret_binding->ticket_id, hs->config.ticket_id, ATTEST_ID_LEN);
	memcpy(ret_binding->vm_id, hs->config.vm_id, ATTEST_ID_LEN);
}

/* Seal what was written to @plain into @body, with the message's header as associated data. */
static int put_sealed(struct attest_handshake *hs, const uint8_t *message, const struct parse_writer *plain,
		      struct parse_writer *body)
{
	uint8_t *room = parse_put(body, plain->len + NOISE_TAG_LEN);

	if (!room || plain->failed ||
	    !noise_encrypt(&hs->send, message, WIRE_MESSAGE_HEADER_LEN, plain->data, plain->len, room))
		return -EPROTO;
	return 0;
}

/* Open all of @body into @ret_plain, @len bytes. */
static int take_sealed(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body,
		       uint8_t *ret_plain, size_t len)
{
	const uint8_t *sealed = parse_take(body, len + NOISE_TAG_LEN);

	if (!sealed || !parse_end(body) ||
	    !noise_decrypt(&hs->recv, message, WIRE_MESSAGE_HEADER_LEN, sealed, len + NOISE_TAG_LEN, ret_plain)) {
		set_error(hs, "a sealed handshake message is not authentic, or something on the way changes messages");
		return -EBADMSG;
	}
	return 0;
}

static int write_evidence(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body)
{
	uint8_t evidence[WIRE_EVIDENCE_MAX], plain_bytes[WIRE_EVIDENCE_BODY_LEN];
	struct attest_binding binding;
	struct parse_writer plain;
	size_t len = sizeof(evidence);
	int ret;

	make_binding(hs, hs->config.role, &binding);
	ret = hs->config.evidence->provide(hs->config.evidence_opaque, &binding, evidence, &len);
	if (!ret && len > sizeof(evidence))
		ret = -ENOBUFS;
	if (ret) {
		set_error(hs, "no %s evidence can be given: %s", hs->config.evidence->name, strerror(-ret));
		return ret < 0 ? ret : -EIO;
	}
	crypto_hash_sha256(hs->evidence_hash[side_of(hs->config.role)], evidence, len);
	parse_writer_init(&plain, plain_bytes, sizeof(plain_bytes));
	parse_put_u16(&plain, (uint16_t)len);
	parse_put_bytes(&plain, evidence, len);
	parse_put_zeros(&plain);
	return put_sealed(hs, message, &plain, body);
}

static int read_evidence(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body)
{
	enum attest_role peer = peer_of(hs->config.role);
	uint8_t plain_bytes[WIRE_EVIDENCE_BODY_LEN];
	char reason[REASON_LEN] = "";
	struct attest_binding binding;
	struct parse_reader plain;
	const uint8_t *evidence;
	uint16_t len;
	int ret;

	ret = take_sealed(hs, message, body, plain_bytes, sizeof(plain_bytes));
	if (ret)
		return ret;
	parse_reader_init(&plain, plain_bytes, sizeof(plain_bytes));
	len = parse_u16(&plain);
	evidence = parse_take(&plain, len);
	parse_zeros(&plain);
	if (!parse_end(&plain)) {
		set_error(hs, "the peer's evidence is malformed");
		return -EPROTO;
	}
	crypto_hash_sha256(hs->evidence_hash[side_of(peer)], evidence, len);
	make_binding(hs, peer, &binding);
	if (hs->config.evidence->verify(hs->config.evidence_opaque, &binding, evidence, len, reason, sizeof(reason))) {
		set_error(hs, "the peer is not believed (%s): %s", hs->config.evidence->name, reason);
		return -EACCES;
	}
	return 0;
}

/* ---- ACCEPT ---- */

/* MAC of @role's verdict over the handshake hash and both pieces of evidence. */
static void accept_mac(const struct attest_handshake *hs, enum attest_role role, uint8_t verdict,
		       uint8_t ret_mac[WIRE_MAC_LEN])
{
	const uint8_t tail[2] = { (uint8_t)role, verdict };
	crypto_auth_hmacsha256_state mac;

	crypto_auth_hmacsha256_init(&mac, hs->accept_key[side_of(role)], ATTEST_KEY_LEN);
	crypto_auth_hmacsha256_update(&mac, label_accept, sizeof(label_t));
	crypto_auth_hmacsha256_update(&mac, hs->noise.hash, NOISE_HASH_LEN);
	crypto_auth_hmacsha256_update(&mac, hs->evidence_hash[side_of(ATTEST_INITIATOR)], ATTEST_HASH_LEN);
	crypto_auth_hmacsha256_update(&mac, hs->evidence_hash[side_of(ATTEST_RESPONDER)], ATTEST_HASH_LEN);
	crypto_auth_hmacsha256_update(&mac, tail, sizeof(tail));
	crypto_auth_hmacsha256_final(&mac, ret_mac);
	sodium_memzero(&mac, sizeof(mac));
}

static int write_verdict(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body,
			 enum wire_verdict verdict)
{
	uint8_t plain_bytes[WIRE_ACCEPT_BODY_LEN], mac[WIRE_MAC_LEN];
	struct parse_writer plain;

	accept_mac(hs, hs->config.role, (uint8_t)verdict, mac);
	parse_writer_init(&plain, plain_bytes, sizeof(plain_bytes));
	parse_put_u8(&plain, (uint8_t)verdict);
	parse_put_bytes(&plain, mac, sizeof(mac));
	return put_sealed(hs, message, &plain, body);
}

static int write_accept(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body)
{
	return write_verdict(hs, message, body, WIRE_VERDICT_ACCEPTED);
}

static int write_refusal(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body)
{
	return write_verdict(hs, message, body, WIRE_VERDICT_REFUSED);
}

static int read_accept(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body)
{
	uint8_t plain_bytes[WIRE_ACCEPT_BODY_LEN], mac[WIRE_MAC_LEN], peer_mac[WIRE_MAC_LEN], verdict;
	enum attest_role peer = peer_of(hs->config.role);
	struct parse_reader plain;
	int ret;

	ret = take_sealed(hs, message, body, plain_bytes, sizeof(plain_bytes));
	if (ret)
		return ret;
	parse_reader_init(&plain, plain_bytes, sizeof(plain_bytes));
	verdict = parse_u8(&plain);
	parse_bytes(&plain, peer_mac, sizeof(peer_mac));
	accept_mac(hs, peer, verdict, mac);
	if (!parse_end(&plain) || sodium_memcmp(mac, peer_mac, sizeof(mac))) {
		set_error(hs, "the peer's verdict is about another handshake or other evidence");
		return -EBADMSG;
	}
	if (verdict != WIRE_VERDICT_ACCEPTED) {
		set_error(hs, "the peer refused this side's evidence; its log says why");
		return -EACCES;
	}
	return 0;
}

/* ---- the tables ---- */

#define SEND(TYPE, write_) { .step = ATTEST_STEP_SEND, .type = WIRE_##TYPE, .len = WIRE_##TYPE##_LEN, .write = write_ }
#define RECV(TYPE, read_) { .step = ATTEST_STEP_RECV, .type = WIRE_##TYPE, .len = WIRE_##TYPE##_LEN, .read = read_ }
#define DONE { .step = ATTEST_STEP_DONE }

static const struct handshake_row initiator_states[] = {
	SEND(HELLO, write_hello),
	RECV(HELLO, read_hello),
	SEND(NOISE1, write_noise),
	RECV(NOISE2, read_noise),
	SEND(NOISE3, write_noise),
	RECV(EVIDENCE, read_evidence),
	SEND(EVIDENCE, write_evidence),
	SEND(ACCEPT, write_accept),
	RECV(ACCEPT, read_accept),
	DONE,
};

static const struct handshake_row responder_states[] = {
	RECV(HELLO, read_hello),
	SEND(HELLO, write_hello),
	RECV(NOISE1, read_noise),
	SEND(NOISE2, write_noise),
	RECV(NOISE3, read_noise),
	SEND(EVIDENCE, write_evidence),
	RECV(EVIDENCE, read_evidence),
	RECV(ACCEPT, read_accept),
	SEND(ACCEPT, write_accept),
	DONE,
};

/* Evidence was not believed: the peer is told, then this side has failed. */
static const struct handshake_row refusing_state = SEND(ACCEPT, write_refusal);
/* The peer refused instead of giving evidence. */
static const struct handshake_row refused_state = RECV(ACCEPT, read_accept);

/* ---- public ---- */

int attest_handshake_new(const struct attest_handshake_config *config, struct attest_handshake **ret_handshake)
{
	uint32_t available = channel_ciphers();
	struct attest_handshake *hs;

	if ((config->role != ATTEST_INITIATOR && config->role != ATTEST_RESPONDER) || !config->keypair ||
	    !config->evidence || !config->evidence->provide || !config->evidence->verify)
		return -EINVAL;
	if (config->ciphers && !(config->ciphers & available))
		return -ENOTSUP;
	hs = sodium_malloc(sizeof(*hs));
	if (!hs)
		return -ENOMEM;
	memset(hs, 0, sizeof(*hs));
	hs->config = *config;
	hs->config.ciphers = config->ciphers ? config->ciphers & available : available;
	set_state(hs, config->role == ATTEST_INITIATOR ? initiator_states : responder_states);
	*ret_handshake = hs;
	return 0;
}

void attest_handshake_free(struct attest_handshake *handshake)
{
	sodium_free(handshake);
}

enum attest_handshake_step attest_handshake_step(const struct attest_handshake *handshake)
{
	return handshake->state->step;
}

const char *attest_handshake_error(const struct attest_handshake *handshake)
{
	return handshake->error;
}

int attest_handshake_write(struct attest_handshake *handshake, uint8_t *ret_message, size_t *ret_len)
{
	const struct handshake_row *row = handshake->state;
	struct parse_writer writer;
	int ret;

	if (row->step != ATTEST_STEP_SEND)
		return -EPROTO;
	parse_writer_init(&writer, ret_message, row->len);
	parse_put_u8(&writer, (uint8_t)row->type);
	parse_put_u8(&writer, (uint8_t)handshake->config.role);
	parse_put_u16(&writer, row->len);
	ret = row->write(handshake, ret_message, &writer);
	if (!ret && (writer.failed || writer.len != row->len))
		ret = -EPROTO;
	if (ret) {
		set_state(handshake, &failed_state);
		sodium_memzero(ret_message, row->len);
		return ret;
	}
	set_state(handshake, row == &refusing_state ? &failed_state : row + 1);
	*ret_len = row->len;
	return 0;
}

/* The header of the message that @row waits for, from the other side. */
static int read_header(struct attest_handshake *hs, const struct handshake_row *row, struct parse_reader *reader,
		       size_t message_len)
{
	uint8_t type = parse_u8(reader);
	uint8_t role = parse_u8(reader);
	uint16_t len = parse_u16(reader);

	if (!reader->failed && role == hs->config.role) {
		set_error(hs, "the peer plays this side's own role, or its messages are sent back to it");
		return -EPROTO;
	}
	if (reader->failed || role != peer_of(hs->config.role) || type != row->type || len != row->len ||
	    message_len != row->len) {
		set_error(hs, "message %u of %zu bytes came where message %u of %u bytes is due", type, message_len,
			  row->type, row->len);
		return -EPROTO;
	}
	return 0;
}

/* A peer that does not believe this side says so in the place of its own evidence. */
static const struct handshake_row *expected_row(const struct attest_handshake *hs, const uint8_t *message, size_t len)
{
	if (hs->state->type == WIRE_EVIDENCE && hs->config.role == ATTEST_RESPONDER && len == WIRE_ACCEPT_LEN &&
	    message[0] == WIRE_ACCEPT)
		return &refused_state;
	return hs->state;
}

int attest_handshake_read(struct attest_handshake *handshake, const uint8_t *message, size_t len)
{
	const struct handshake_row *row = handshake->state;
	struct parse_reader reader;
	int ret;

	if (row == &failed_state)
		return -EPROTO;
	if (row->step != ATTEST_STEP_RECV) {
		set_error(handshake, "a message of %zu bytes came where none is due", len);
		set_state(handshake, &failed_state);
		return -EPROTO;
	}
	row = expected_row(handshake, message, len);
	parse_reader_init(&reader, message, len);
	ret = read_header(handshake, row, &reader, len);
	if (!ret)
		ret = row->read(handshake, message, &reader);
	if (!ret && row == &refused_state) {
		/* Accepted, but before giving evidence: nobody may do that. */
		set_error(handshake, "the peer accepted before it gave evidence");
		ret = -EPROTO;
	}
	if (ret)
		set_state(handshake, ret == -EACCES && row->type == WIRE_EVIDENCE ? &refusing_state : &failed_state);
	else
		set_state(handshake, row + 1);
	return ret;
}

int attest_handshake_finish(struct attest_handshake *handshake, struct attest_channel **ret_channel)
{
	uint8_t transcript[ATTEST_HASH_LEN];
	struct channel_seed seed = {
		.role = handshake->config.role, .cipher = handshake->cipher,
		.connection = handshake->config.connection, .ticket_id = handshake->config.ticket_id,
		.vm_id = handshake->config.vm_id, .chaining_key = handshake->noise.chaining_key,
		.transcript = transcript,
	};
	crypto_hash_sha256_state hash;
	int ret;

	if (handshake->state->step != ATTEST_STEP_DONE)
		return -EPROTO;
	crypto_hash_sha256_init(&hash);
	crypto_hash_sha256_update(&hash, label_transcript, sizeof(label_t));
	crypto_hash_sha256_update(&hash, handshake->noise.hash, NOISE_HASH_LEN);
	crypto_hash_sha256_update(&hash, &handshake->evidence_hash[0][0], 2 * ATTEST_HASH_LEN);
	crypto_hash_sha256_final(&hash, transcript);
	ret = channel_new(&seed, ret_channel);
	if (ret)
		return ret;
	/* Record keys come from a handshake once: its chaining key is gone after this. */
	set_state(handshake, &failed_state);
	return 0;
}
