/* SPDX-License-Identifier: MIT */
/*
 * handshake: from two static keys to two sides that accepted each other.
 *
 * The state is a row of the role's table: which message is next, who sends it,
 * how long it is, and what writes or reads it.  set_state() alone moves it, and
 * only like this:
 *
 *   a row      -> the next row    its message was written or read, all checks passed
 *   RECV row   -> refusing        the peer's evidence is not believed; one message tells it so
 *   refusing   -> failed          that message was written
 *   any row    -> failed          anything else; final, every secret is wiped
 *   DONE       -> finished        record keys were derived; as final as failed
 */
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "channel.h"
#include "handshake.h"

struct handshake_state {
	enum attest_handshake_step step;
	enum wire_type type;
	uint16_t len;		/* of the whole message */
	int (*write)(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body);
	int (*read)(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body);
};

static int write_noise(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body)
{
	if (!noise_write(&hs->noise, NULL, 0, body)) {
		handshake_set_error(hs, "the peer's key share is of small order; it is refused");
		return -EBADMSG;
	}
	return hs->noise.n_messages == NOISE_N_MESSAGES ? accept_init(hs) : 0;
}

static int read_noise(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body)
{
	if (!noise_read(&hs->noise, body, NULL, 0)) {
		handshake_set_error(hs, "the peer's key exchange is not authentic; "
				    "something on the way changes messages");
		return -EBADMSG;
	}
	return hs->noise.n_messages == NOISE_N_MESSAGES ? accept_init(hs) : 0;
}

#define SEND(TYPE, write_) { .step = ATTEST_STEP_SEND, .type = WIRE_##TYPE, .len = WIRE_##TYPE##_LEN, .write = write_ }
#define RECV(TYPE, read_) { .step = ATTEST_STEP_RECV, .type = WIRE_##TYPE, .len = WIRE_##TYPE##_LEN, .read = read_ }
#define DONE { .step = ATTEST_STEP_DONE }

static const struct handshake_state initiator_states[] = {
	SEND(HELLO, hello_write),
	RECV(HELLO, hello_read),
	SEND(NOISE1, write_noise),
	RECV(NOISE2, read_noise),
	SEND(NOISE3, write_noise),
	RECV(EVIDENCE, accept_read_evidence),
	SEND(WANT, longlog_write_want),		/* WANT and LOG only for evidence that announces a log */
	RECV(LOG, longlog_read),
	SEND(EVIDENCE, accept_write_evidence),
	RECV(WANT, longlog_read_want),
	SEND(LOG, longlog_write),
	SEND(ACCEPT, accept_write),
	RECV(ACCEPT, accept_read),
	DONE,
};

static const struct handshake_state responder_states[] = {
	RECV(HELLO, hello_read),
	SEND(HELLO, hello_write),
	RECV(NOISE1, read_noise),
	SEND(NOISE2, write_noise),
	RECV(NOISE3, read_noise),
	SEND(EVIDENCE, accept_write_evidence),
	RECV(WANT, longlog_read_want),
	SEND(LOG, longlog_write),
	RECV(EVIDENCE, accept_read_evidence),
	SEND(WANT, longlog_write_want),
	RECV(LOG, longlog_read),
	RECV(ACCEPT, accept_read),
	SEND(ACCEPT, accept_write),
	DONE,
};

static const struct handshake_state refusing = SEND(ACCEPT, accept_write_refusal);
/* The initiator may refuse where its evidence is due, and either side where it is to ask for a log. */
static const struct handshake_state refused = RECV(ACCEPT, accept_read);
static const struct handshake_state failed = { .step = ATTEST_STEP_FAILED };
static const struct handshake_state finished = DONE;

static void set_state(struct attest_handshake *hs, const struct handshake_state *state)
{
	assert(hs->state != &failed && hs->state != &finished);
	hs->state = state;
	if (state != &failed && state != &finished)
		return;
	noise_wipe(&hs->noise);
	sodium_memzero(&hs->send, sizeof(hs->send));
	sodium_memzero(&hs->recv, sizeof(hs->recv));
	sodium_memzero(hs->accept_key, sizeof(hs->accept_key));
	longlog_end(hs);
}

/* The row after @state, whose message is dealt with. */
static const struct handshake_state *next_state(struct attest_handshake *hs, const struct handshake_state *state)
{
	if (state->type == WIRE_LOG && hs->log.at < hs->log.len)
		return state;
	if (state->type == WIRE_LOG)
		longlog_end(hs);
	state++;
	while (!hs->log.len && (state->type == WIRE_WANT || state->type == WIRE_LOG))
		state++;
	return state;
}

void handshake_set_error(struct attest_handshake *hs, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(hs->error, sizeof(hs->error), format, args);
	va_end(args);
}

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
	if (handshake)
		longlog_end(handshake);
	sodium_free(handshake);
}

enum attest_handshake_step attest_handshake_step(const struct attest_handshake *handshake)
{
	return handshake->state->step;
}

const uint8_t *attest_handshake_peer_key(const struct attest_handshake *hs)
{
	return hs->noise.n_messages == NOISE_N_MESSAGES ? hs->noise.remote_static : NULL;
}

const char *attest_handshake_error(const struct attest_handshake *handshake)
{
	return handshake->error;
}

int attest_handshake_write(struct attest_handshake *handshake, uint8_t *ret_message, size_t *ret_len)
{
	const struct handshake_state *state = handshake->state;
	struct parse_writer writer;
	int ret;

	if (state->step != ATTEST_STEP_SEND)
		return -EPROTO;
	parse_writer_init(&writer, ret_message, state->len);
	parse_put_u8(&writer, (uint8_t)state->type);
	parse_put_u8(&writer, (uint8_t)handshake->config.role);
	parse_put_u16(&writer, state->len);
	ret = state->write(handshake, ret_message, &writer);
	if (!ret && (writer.failed || writer.len != state->len))
		ret = -EPROTO;
	if (ret) {
		sodium_memzero(ret_message, state->len);
		set_state(handshake, &failed);
		return ret;
	}
	*ret_len = state->len;
	set_state(handshake, state == &refusing ? &failed : next_state(handshake, state));
	return 0;
}

/* Is it the message that @state waits for, whole, and from the other side? */
static int read_header(struct attest_handshake *hs, const struct handshake_state *state, struct parse_reader *reader,
		       size_t message_len)
{
	uint8_t type = parse_u8(reader);
	uint8_t role = parse_u8(reader);
	uint16_t len = parse_u16(reader);

	if (!reader->failed && role == hs->config.role) {
		handshake_set_error(hs, "the peer plays this side's own role, or sends its messages back; "
				    "start one side as source and one as destination");
		return -EPROTO;
	}
	if (reader->failed || role != handshake_peer(hs) || type != state->type || len != state->len ||
	    message_len != state->len) {
		handshake_set_error(hs, "message %u of %zu bytes came where message %u of %u bytes is due", type,
				    message_len, state->type, state->len);
		return -EPROTO;
	}
	return 0;
}

/* The state that judges this message: the current one, or `refused` where that may come instead. */
static const struct handshake_state *judge_of(const struct attest_handshake *hs, const uint8_t *message, size_t len)
{
	const enum wire_type due = hs->state->type;

	if (((hs->config.role == ATTEST_RESPONDER && due == WIRE_EVIDENCE) || due == WIRE_WANT) &&
	    len == refused.len && message[0] == WIRE_ACCEPT)
		return &refused;
	return hs->state;
}

int attest_handshake_read(struct attest_handshake *handshake, const uint8_t *message, size_t len)
{
	const struct handshake_state *state = handshake->state;
	struct parse_reader reader;
	int ret;

	if (state == &failed || state == &finished)
		return -EPROTO;
	/* What was on its way when the peer was refused is not looked at any more. */
	if (state == &refusing)
		return -EACCES;
	if (state->step != ATTEST_STEP_RECV) {
		handshake_set_error(handshake, "a message of %zu bytes came where none is due", len);
		set_state(handshake, &failed);
		return -EPROTO;
	}
	state = judge_of(handshake, message, len);
	parse_reader_init(&reader, message, len);
	ret = read_header(handshake, state, &reader, len);
	if (!ret)
		ret = state->read(handshake, message, &reader);
	if (!ret && state == &refused) {
		handshake_set_error(handshake, "the peer accepted before it gave evidence");
		ret = -EPROTO;
	}
	if (ret)
		set_state(handshake, ret == -EACCES && (state->type == WIRE_EVIDENCE || state->type == WIRE_LOG) ?
			  &refusing : &failed);
	else
		set_state(handshake, next_state(handshake, state));
	return ret;
}

int attest_handshake_finish(struct attest_handshake *handshake, struct attest_channel **ret_channel)
{
	uint8_t transcript[ATTEST_HASH_LEN];
	const struct channel_seed seed = {
		.role = handshake->config.role, .cipher = handshake->cipher,
		.connection = handshake->config.connection, .ticket_id = handshake->config.ticket_id,
		.vm_id = handshake->config.vm_id, .chaining_key = handshake->noise.chaining_key,
		.transcript = transcript,
		.peer_platform = handshake->has_peer_platform ? handshake->peer_platform : NULL,
	};
	int ret;

	if (handshake->state->step != ATTEST_STEP_DONE || handshake->state == &finished)
		return -EPROTO;
	accept_transcript(handshake, transcript);
	ret = channel_new(&seed, ret_channel);
	if (ret)
		return ret;
	/* Record keys come from a handshake once: its chaining key is gone after this. */
	set_state(handshake, &finished);
	return 0;
}
