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

struct attest_handshake {
	const struct handshake_state *state;		/* written by set_state() in handshake.c only */
	struct attest_handshake_config config;
	struct noise noise;
	struct noise_cipher send, recv;			/* after the Noise messages */
	/* By handshake_side() of the one who sends it: */
	uint8_t hello[2][WIRE_HELLO_LEN];		/* the prologue */
	uint8_t evidence_hash[2][ATTEST_HASH_LEN];	/* zeros until it was given */
	uint8_t accept_key[2][ATTEST_KEY_LEN];
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

/* accept.c: EVIDENCE and ACCEPT */
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
