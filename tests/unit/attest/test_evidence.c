/* SPDX-License-Identifier: MIT */
/* evidence.c: the binding digest depends on every bit of every field; the pinned key is the only one believed. */
#include "check.h"

#include <errno.h>
#include <sodium.h>
#include <stddef.h>

#include <attest/evidence.h>

static struct attest_binding make_binding(void)
{
	struct attest_binding binding;

	memset(&binding, 0, sizeof(binding));
	binding.role = ATTEST_RESPONDER;
	binding.connection = 0x1122334455667788;
	memset(binding.handshake_hash, 1, sizeof(binding.handshake_hash));
	memset(binding.static_key, 2, sizeof(binding.static_key));
	memset(binding.peer_static_key, 3, sizeof(binding.peer_static_key));
	memset(binding.ticket_id, 4, sizeof(binding.ticket_id));
	memset(binding.vm_id, 5, sizeof(binding.vm_id));
	return binding;
}

/* docs/protocol.md, "Binding digest", written out a second time. */
static void digest_is_the_documented_one(void)
{
	static const char label[32] = "gmem v1 evidence binding";
	const struct attest_binding binding = make_binding();
	uint8_t bytes[32 + 1 + 5 * 32 + 8], expected[WIRE_DIGEST_LEN], digest[WIRE_DIGEST_LEN];
	size_t at = 0;

	memcpy(bytes, label, 32);
	at += 32;
	bytes[at++] = 2;
	for (int field = 1; field <= 5; field++, at += 32)
		memset(bytes + at, field, 32);
	for (int i = 0; i < 8; i++)
		bytes[at++] = (uint8_t)(binding.connection >> 8 * i);
	CU_ASSERT_EQUAL_FATAL(at, sizeof(bytes));
	crypto_hash_sha512(expected, bytes, sizeof(bytes));
	evidence_binding_digest(&binding, digest);
	CU_ASSERT_EQUAL(memcmp(digest, expected, sizeof(digest)), 0);
}

static bool digest_changes(size_t offset, size_t len)
{
	struct attest_binding binding = make_binding();
	uint8_t before[WIRE_DIGEST_LEN], after[WIRE_DIGEST_LEN];
	bool all = true;

	evidence_binding_digest(&binding, before);
	for (size_t bit = 0; bit < len * 8; bit++) {
		uint8_t *byte = (uint8_t *)&binding + offset + bit / 8;

		*byte ^= (uint8_t)(1u << bit % 8);
		evidence_binding_digest(&binding, after);
		all = all && memcmp(before, after, sizeof(after));
		*byte ^= (uint8_t)(1u << bit % 8);
	}
	return all;
}

#define FIELD_CHANGES(field)							\
	CU_ASSERT_TRUE(digest_changes(offsetof(struct attest_binding, field),	\
				      sizeof(((struct attest_binding *)0)->field)))

static void digest_depends_on_every_bit(void)
{
	struct attest_binding binding = make_binding();
	uint8_t digest[WIRE_DIGEST_LEN], other[WIRE_DIGEST_LEN];

	FIELD_CHANGES(handshake_hash);
	FIELD_CHANGES(static_key);
	FIELD_CHANGES(peer_static_key);
	FIELD_CHANGES(ticket_id);
	FIELD_CHANGES(vm_id);
	FIELD_CHANGES(connection);
	evidence_binding_digest(&binding, digest);
	binding.role = ATTEST_INITIATOR;
	evidence_binding_digest(&binding, other);
	CU_ASSERT_NOT_EQUAL(memcmp(digest, other, sizeof(digest)), 0);
}

static int verify(const struct attest_binding *binding, const uint8_t pinned[ATTEST_KEY_LEN], const uint8_t *evidence,
		  size_t len, char *ret_reason)
{
	uint8_t key[ATTEST_KEY_LEN];

	memcpy(key, pinned, sizeof(key));
	ret_reason[0] = '\0';
	return attest_evidence_pinned.verify(key, binding, evidence, len, ret_reason, 128);
}

static void pinned_key_is_believed(void)
{
	const struct attest_binding binding = make_binding();
	uint8_t evidence[128];
	size_t len = sizeof(evidence);
	char reason[128];

	CU_ASSERT_EQUAL(attest_evidence_pinned.provide(NULL, &binding, evidence, &len), 0);
	CU_ASSERT_EQUAL(len, WIRE_DIGEST_LEN);
	CU_ASSERT_EQUAL(verify(&binding, binding.static_key, evidence, len, reason), 0);
}

static void any_other_key_is_refused(void)
{
	const struct attest_binding binding = make_binding();
	uint8_t evidence[WIRE_DIGEST_LEN], pinned[ATTEST_KEY_LEN];
	size_t len = sizeof(evidence);
	char reason[128];

	CU_ASSERT_EQUAL(attest_evidence_pinned.provide(NULL, &binding, evidence, &len), 0);
	memcpy(pinned, binding.static_key, sizeof(pinned));
	for (unsigned int bit = 0; bit < sizeof(pinned) * 8; bit++) {
		pinned[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CU_ASSERT_EQUAL(verify(&binding, pinned, evidence, len, reason), -EACCES);
		CU_ASSERT_NOT_EQUAL(reason[0], '\0');
		pinned[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void any_other_digest_or_length_is_refused(void)
{
	const struct attest_binding binding = make_binding();
	uint8_t evidence[WIRE_DIGEST_LEN + 1] = { 0 };
	size_t len = WIRE_DIGEST_LEN;
	char reason[128];

	CU_ASSERT_EQUAL(attest_evidence_pinned.provide(NULL, &binding, evidence, &len), 0);
	for (unsigned int bit = 0; bit < len * 8; bit++) {
		evidence[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CU_ASSERT_EQUAL(verify(&binding, binding.static_key, evidence, len, reason), -EACCES);
		CU_ASSERT_NOT_EQUAL(reason[0], '\0');
		evidence[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t other = 0; other <= sizeof(evidence); other++)
		if (other != len)
			CU_ASSERT_EQUAL(verify(&binding, binding.static_key, evidence, other, reason), -EACCES);
}

static void too_little_room_is_said(void)
{
	const struct attest_binding binding = make_binding();
	uint8_t evidence[WIRE_DIGEST_LEN - 1];
	size_t len = sizeof(evidence);

	CU_ASSERT_EQUAL(attest_evidence_pinned.provide(NULL, &binding, evidence, &len), -ENOBUFS);
}

int main(void)
{
	static const struct check checks[] = {
		{ "digest is the documented one", digest_is_the_documented_one },
		{ "digest depends on every bit", digest_depends_on_every_bit },
		{ "pinned key is believed", pinned_key_is_believed },
		{ "any other key is refused", any_other_key_is_refused },
		{ "any other digest or length is refused", any_other_digest_or_length_is_refused },
		{ "too little room is said", too_little_room_is_said },
		{ NULL, NULL },
	};

	return check_main("evidence", checks);
}
