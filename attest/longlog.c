/* SPDX-License-Identifier: MIT */
/*
 * longlog: a log that is too long for its evidence's message.  The evidence
 * announces its length and hash.  Only when the rest of it is believed does the
 * reader ask for the log, and only then does it have memory for it, at most
 * WIRE_LOG_MAX bytes: whoever gets there has shown the key that signs the quote.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "handshake.h"

#define REASON_LEN 160u

int longlog_begin(struct attest_handshake *hs, bool own, const uint8_t *evidence, size_t len)
{
	struct handshake_log *log = &hs->log;

	if (!bundle_long_log(evidence, len, &log->len, log->hash)) {
		log->len = 0;
		return 0;
	}
	if (log->len == 0 || log->len > WIRE_LOG_MAX ||
	    (own ? !hs->config.evidence->provide_log : !hs->config.evidence->verify_log)) {
		handshake_set_error(hs, "%s evidence announces a log of %u bytes; where one can be judged, 1 to %u are taken",
				    own ? "this side's" : "the peer's", log->len, WIRE_LOG_MAX);
		longlog_end(hs);
		return own ? -EFBIG : -EACCES;
	}
	memcpy(log->evidence, evidence, len);
	log->evidence_len = len;
	if (own)
		return 0;
	log->bytes = malloc(log->len);
	if (log->bytes)
		return 0;
	handshake_set_error(hs, "out of memory");
	return -ENOMEM;
}

void longlog_end(struct attest_handshake *hs)
{
	free(hs->log.bytes);
	hs->log.bytes = NULL;
	hs->log.len = hs->log.at = 0;
}

int longlog_write_want(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body)
{
	const struct parse_writer nothing = { .len = 0 };

	return handshake_put_sealed(hs, message, &nothing, body);
}

static bool is_announced(const struct handshake_log *log, const uint8_t *bytes, size_t len)
{
	uint8_t hash[ATTEST_HASH_LEN];

	if (len != log->len)
		return false;
	crypto_hash_sha256(hash, bytes, len);
	return !memcmp(hash, log->hash, sizeof(hash));
}

int longlog_read_want(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body)
{
	struct handshake_log *log = &hs->log;
	uint8_t nothing[1];
	size_t len = 0;
	int ret;

	ret = handshake_take_sealed(hs, message, body, nothing, 0);
	if (ret)
		return ret;
	ret = hs->config.evidence->provide_log(hs->config.evidence_opaque, log->evidence, log->evidence_len,
					       &log->bytes, &len);
	if (!ret && !is_announced(log, log->bytes, len))
		ret = -ESTALE;
	if (ret) {
		handshake_set_error(hs, "this side cannot give the log that its %s evidence announces: %s",
				    hs->config.evidence->name, strerror(-ret));
		return ret == -EACCES || ret > 0 ? -EIO : ret;
	}
	return 0;
}

static uint32_t next_part(const struct handshake_log *log)
{
	return log->len - log->at < WIRE_LOG_PART ? log->len - log->at : WIRE_LOG_PART;
}

int longlog_write(struct attest_handshake *hs, const uint8_t *message, struct parse_writer *body)
{
	struct handshake_log *log = &hs->log;
	uint8_t plain_bytes[WIRE_LOG_PART];
	struct parse_writer plain;
	uint32_t part = next_part(log);

	parse_writer_init(&plain, plain_bytes, sizeof(plain_bytes));
	parse_put_bytes(&plain, log->bytes + log->at, part);
	parse_put_zeros(&plain);
	log->at += part;
	return handshake_put_sealed(hs, message, &plain, body);
}

/* All of it is here. */
static int judge(struct attest_handshake *hs)
{
	struct handshake_log *log = &hs->log;
	struct attest_binding binding;
	char reason[REASON_LEN] = "";

	if (!is_announced(log, log->bytes, log->len)) {
		handshake_set_error(hs, "the peer's log is not the one that its evidence announces");
		return -EACCES;
	}
	accept_binding(hs, handshake_peer(hs), &binding);
	if (hs->config.evidence->verify_log(hs->config.evidence_opaque, &binding, log->evidence, log->evidence_len,
					    log->bytes, log->len, reason, sizeof(reason))) {
		handshake_set_error(hs, "the peer is not believed (%s): %s", hs->config.evidence->name, reason);
		return -EACCES;
	}
	return 0;
}

int longlog_read(struct attest_handshake *hs, const uint8_t *message, struct parse_reader *body)
{
	struct handshake_log *log = &hs->log;
	uint8_t plain_bytes[WIRE_LOG_PART];
	struct parse_reader plain;
	uint32_t part = next_part(log);
	int ret;

	ret = handshake_take_sealed(hs, message, body, plain_bytes, sizeof(plain_bytes));
	if (ret)
		return ret;
	parse_reader_init(&plain, plain_bytes, sizeof(plain_bytes));
	parse_bytes(&plain, log->bytes + log->at, part);
	parse_zeros(&plain);
	if (!parse_end(&plain)) {
		handshake_set_error(hs, "the peer's log is malformed");
		return -EPROTO;
	}
	log->at += part;
	return log->at == log->len ? judge(hs) : 0;
}
