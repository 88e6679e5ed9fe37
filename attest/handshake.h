/* SPDX-License-Identifier: MIT */
/* handshake: the state that the messages' files share, and what each of them gives to the tables in handshake.c. */
#ifndef ATTEST_HANDSHAKE_H
#define ATTEST_HANDSHAKE_H

#include "attest.h"
#include "noise.h"
#include "parse.h"
#include "wire.h"

#define HANDSHAKE_ERROR_LEN 256u

struct handshake_state;

/* A log that goes with the evidence that was given or taken last. */
struct handshake_log {
	uint32_t len;				/* 0: none is announced, or it is dealt with */
	uint32_t at;				/* sent or taken so far */
	uint8_t hash[ATTEST_HASH_LEN];
	uint8_t *bytes;				/* malloc; the reader's from the verdict on the evidence on */
	uint8_t evidence[WIRE_EVIDENCE_MAX];	/* that announces it */
	size_t evidence_len;
};

struct attest_handshake {
	const struct handshake_state *state;		/* written by set_state() in handshake.c only */
	struct attest_handshake_config config;
	struct noise noise;
	struct noise_cipher send, recv;			/* after the Noise messages */
	/* By handshake_side() of the one who sends it: */
	uint8_t hello[2][WIRE_HELLO_LEN];		/* the prologue */
	uint8_t evidence_hash[2][ATTEST_HASH_LEN];	/* zeros until it was given */
	uint8_t accept_key[2][ATTEST_KEY_LEN];
	struct handshake_log log;
	bool has_peer_platform;
	uint8_t peer_platform[ATTEST_ID_LEN];
	enum attest_cipher cipher;
	char error[HANDSHAKE_ERROR_LEN];
};

static inline unsigned int handshake_side(enum attest_role role)
{
	return role == ATTEST_INITIATOR ? 0 : 1;
}

static inline enum attest_role handshake_peer(const struct attest_handshake *hs)
{
	return hs->config.role == ATTEST_INITIATOR ? ATTEST_RESPONDER : ATTEST_INITIATOR;
}

/** The sentence of attest_handshake_error(); the caller returns the error code. */
__attribute__((format(printf, 2, 3)))
void handshake_set_error(struct attest_handshake *hs, const char *format, ...);

/*
 * Writers append a message's body to @body; readers take all of @body.  @message is the whole message, its header
 * written or checked already.  0, or -errno with the sentence set; the caller wipes what a failed one leaves in @hs.
 */

/* hello.c */
int hello_write(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body);
int hello_read(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body);

/** Seal what was written to @plain into @body, with the message's header as associated data. */
int handshake_put_sealed(struct attest_handshake *hs, const uint8_t *message, const struct parse_writer *plain,
			 struct parse_writer *body);
/** Open all of @body into @ret_plain, @len bytes. */
int handshake_take_sealed(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body,
			  uint8_t *ret_plain, size_t len);

/* longlog.c: WANT and LOG, for evidence that announces a log */
/** Note what @evidence announces, given by this side or believed so far. */
int longlog_begin(struct attest_handshake *hs, bool own, const uint8_t *evidence, size_t len);
void longlog_end(struct attest_handshake *hs);
int longlog_write_want(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body);
int longlog_read_want(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body);
int longlog_write(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body);
/** -EACCES: it is whole, and not believed. */
int longlog_read(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body);

/* accept.c: EVIDENCE and ACCEPT */
/** What the evidence of @role must be bound to. */
void accept_binding(const struct attest_handshake *hs, enum attest_role role, struct attest_binding *ret_binding);
/** After the last Noise message: keys for the sealed ones. */
int accept_init(struct attest_handshake *hs);
int accept_write_evidence(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body);
/** -EACCES: the evidence is not believed. */
int accept_read_evidence(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body);
int accept_write(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body);
int accept_write_refusal(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body);
/** -EACCES: the peer refused. */
int accept_read(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body);
/** Hash of everything both sides agreed on: handshake hash, evidence, VM, connection. */
void accept_transcript(const struct attest_handshake *hs, uint8_t ret_hash[ATTEST_HASH_LEN]);

#endif
