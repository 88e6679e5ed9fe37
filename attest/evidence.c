/* SPDX-License-Identifier: MIT */
/*
 * evidence: what makes one side believe the other.  Every kind carries the
 * binding digest (as REPORT_DATA where hardware signs it), so evidence that was
 * made for another handshake, role, machine, ticket, VM or connection is worth
 * nothing here.  This file has the simplest kind: a key pinned in advance.
 */
#include "evidence.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>

#include "parse.h"

/* Of one length, so that every field stands at a fixed place. */
static const uint8_t binding_label[32] = "gmem v1 evidence binding";

#define BINDING_LEN (sizeof(binding_label) + 1u + ATTEST_HASH_LEN + 2u * ATTEST_KEY_LEN + 2u * ATTEST_ID_LEN + 8u)

void evidence_binding_digest(const struct attest_binding *binding, uint8_t ret_digest[WIRE_DIGEST_LEN])
{
	uint8_t bytes[BINDING_LEN];
	struct parse_writer writer;

	parse_writer_init(&writer, bytes, sizeof(bytes));
	parse_put_bytes(&writer, binding_label, sizeof(binding_label));
	parse_put_u8(&writer, (uint8_t)binding->role);
	parse_put_bytes(&writer, binding->handshake_hash, ATTEST_HASH_LEN);
	parse_put_bytes(&writer, binding->static_key, ATTEST_KEY_LEN);
	parse_put_bytes(&writer, binding->peer_static_key, ATTEST_KEY_LEN);
	parse_put_bytes(&writer, binding->ticket_id, ATTEST_ID_LEN);
	parse_put_bytes(&writer, binding->vm_id, ATTEST_ID_LEN);
	parse_put_u64(&writer, binding->connection);
	crypto_hash_sha512(ret_digest, bytes, sizeof(bytes));
}

/* Evidence is the digest itself: that this side holds its static key was shown by the handshake. */
static int pinned_provide(void *opaque, const struct attest_binding *binding, uint8_t *ret_evidence, size_t *len)
{
	if (*len < WIRE_DIGEST_LEN)
		return -ENOBUFS;
	evidence_binding_digest(binding, ret_evidence);
	*len = WIRE_DIGEST_LEN;
	return 0;
}

static int pinned_verify(void *opaque, const struct attest_binding *binding, const uint8_t *evidence, size_t len,
			 char *ret_reason, size_t reason_len)
{
	const uint8_t *pinned = opaque;
	uint8_t digest[WIRE_DIGEST_LEN];

	if (sodium_memcmp(binding->static_key, pinned, ATTEST_KEY_LEN)) {
		snprintf(ret_reason, reason_len, "its static key is not the pinned one; "
			 "check the pinned key file and which machine answers");
		return -EACCES;
	}
	evidence_binding_digest(binding, digest);
	if (len != sizeof(digest) || sodium_memcmp(digest, evidence, sizeof(digest))) {
		snprintf(ret_reason, reason_len, "its evidence is bound to another VM, ticket or connection; "
			 "start both sides with the same ones");
		return -EACCES;
	}
	return 0;
}

const struct attest_evidence_ops attest_evidence_pinned = {
	.name = "pinned-key",
	.provide = pinned_provide,
	.verify = pinned_verify,
};
