/* SPDX-License-Identifier: MIT */
/* accept.c: who is believed, who is refused, and how the refused one learns it. */
#include "check.h"
#include "pair.h"

#include <errno.h>
#include <sodium.h>

#include <attest/handshake.h>

static struct pair pair;

static void both_accept(void)
{
	pair_init(&pair, 0);
	pair_start(&pair);
	CU_ASSERT_TRUE(pair_run(&pair, NULL, NULL));
	CU_ASSERT_EQUAL(attest_handshake_error(pair.side[0])[0], '\0');
	CU_ASSERT_EQUAL(attest_handshake_error(pair.side[1])[0], '\0');
	pair_fini(&pair);
}

/* @refuser says no: both fail, both have a sentence, no keys anywhere. */
static void check_refused(int refuser)
{
	struct attest_channel *channel = NULL;

	CU_ASSERT_FALSE(pair_run(&pair, NULL, NULL));
	for (int side = 0; side < 2; side++) {
		CU_ASSERT_TRUE(pair_failed(&pair, side));
		CU_ASSERT_EQUAL(pair.error[side], -EACCES);
		CU_ASSERT_EQUAL(attest_handshake_finish(pair.side[side], &channel), -EPROTO);
		CU_ASSERT_PTR_NULL(channel);
	}
	CU_ASSERT_PTR_NOT_NULL(strstr(attest_handshake_error(pair.side[refuser]), "not believed"));
	CU_ASSERT_PTR_NOT_NULL(strstr(attest_handshake_error(pair.side[!refuser]), "peer refused"));
}

static void wrong_pinned_key_is_refused_by_either_side(void)
{
	for (int refuser = 0; refuser < 2; refuser++) {
		pair_init(&pair, 0);
		pair.pinned[refuser][5] ^= 0x10;
		pair_start(&pair);
		check_refused(refuser);
		CU_ASSERT_PTR_NOT_NULL(strstr(attest_handshake_error(pair.side[refuser]), "pinned"));
		pair_fini(&pair);
	}
}

/* What was on its way when the responder refused is not looked at, and does not take its sentence's place. */
static void refusing_side_looks_at_nothing_more(void)
{
	struct pair_message evidence, late, refusal;

	pair_init(&pair, 0);
	pair.pinned[PAIR_RESPONDER][0] ^= 1;
	pair_start(&pair);
	do {
		CU_ASSERT_TRUE_FATAL(pair_next(&pair, &evidence));
		if (evidence.from == PAIR_RESPONDER || evidence.bytes[0] != WIRE_EVIDENCE)
			CU_ASSERT_EQUAL_FATAL(pair_deliver(&pair, &evidence), 0);
	} while (evidence.from == PAIR_RESPONDER || evidence.bytes[0] != WIRE_EVIDENCE);
	CU_ASSERT_TRUE_FATAL(pair_next(&pair, &late));
	CU_ASSERT_EQUAL(late.bytes[0], WIRE_ACCEPT);
	CU_ASSERT_EQUAL(pair_deliver(&pair, &evidence), -EACCES);
	CU_ASSERT_EQUAL(attest_handshake_step(pair.side[PAIR_RESPONDER]), ATTEST_STEP_SEND);
	CU_ASSERT_EQUAL(pair_deliver(&pair, &late), -EACCES);
	CU_ASSERT_TRUE_FATAL(pair_next(&pair, &refusal));
	CU_ASSERT_EQUAL(refusal.from, PAIR_RESPONDER);
	CU_ASSERT_TRUE(pair_failed(&pair, PAIR_RESPONDER));
	CU_ASSERT_EQUAL(pair_deliver(&pair, &refusal), -EACCES);
	CU_ASSERT_PTR_NOT_NULL(strstr(attest_handshake_error(pair.side[PAIR_RESPONDER]), "pinned"));
	pair_fini(&pair);
}

/* A machine in the middle with a key of its own, pinned by nobody. */
static void impostor_is_refused(void)
{
	for (int impostor = 0; impostor < 2; impostor++) {
		struct attest_keypair *own;

		pair_init(&pair, 0);
		CU_ASSERT_EQUAL_FATAL(attest_keypair_generate(&own), 0);
		pair.config[impostor].keypair = own;
		pair_start(&pair);
		CU_ASSERT_FALSE(pair_run(&pair, NULL, NULL));
		CU_ASSERT_EQUAL(pair.error[!impostor], -EACCES);
		pair_fini(&pair);
		attest_keypair_free(own);
	}
}

static void other_vm_is_refused(void)
{
	pair_init(&pair, 0);
	pair.config[PAIR_INITIATOR].vm_id[31] ^= 1;
	pair_start(&pair);
	/* the initiator is the first to see evidence */
	CU_ASSERT_FALSE(pair_run(&pair, NULL, NULL));
	CU_ASSERT_EQUAL(pair.error[PAIR_INITIATOR], -EACCES);
	CU_ASSERT_PTR_NOT_NULL(strstr(attest_handshake_error(pair.side[PAIR_INITIATOR]), "another VM"));
	CU_ASSERT_TRUE(pair_failed(&pair, 0) && pair_failed(&pair, 1));
	pair_fini(&pair);
}

/* Both HELLOs of a fresh handshake, then @side loses count. */
static void miscount(int side)
{
	struct pair_message message;

	pair_start(&pair);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_TRUE_FATAL(pair_next(&pair, &message));
		CU_ASSERT_EQUAL_FATAL(pair_deliver(&pair, &message), 0);
	}
	pair.side[side]->config.connection++;
}

static void other_connection_is_refused(void)
{
	pair_init(&pair, 0);
	miscount(PAIR_RESPONDER);
	CU_ASSERT_FALSE(pair_run(&pair, NULL, NULL));
	CU_ASSERT_EQUAL(pair.error[PAIR_INITIATOR], -EACCES);
	CU_ASSERT_TRUE(pair_failed(&pair, 0) && pair_failed(&pair, 1));
	pair_fini(&pair);
}

/* ---- evidence of other kinds: what is given arrives, whatever its length ---- */

struct kind {
	size_t give_len;
	int give_error;
	int verdict;
	size_t seen_len;
	bool seen_whole;
	struct attest_binding given, seen;
};

static int kind_provide(void *opaque, const struct attest_binding *binding, uint8_t *ret_evidence, size_t *len)
{
	struct kind *kind = opaque;

	kind->given = *binding;
	if (kind->give_len <= *len)
		memset(ret_evidence, 0xe7, kind->give_len);
	*len = kind->give_len;
	return kind->give_error;
}

static int kind_verify(void *opaque, const struct attest_binding *binding, const uint8_t *evidence, size_t len,
		       char *ret_reason, size_t reason_len)
{
	struct kind *kind = opaque;

	kind->seen = *binding;
	kind->seen_len = len;
	kind->seen_whole = true;
	for (size_t i = 0; i < len; i++)
		kind->seen_whole = kind->seen_whole && evidence[i] == 0xe7;
	snprintf(ret_reason, reason_len, "test says no");
	return kind->verdict;
}

static const struct attest_evidence_ops kind_ops = {
	.name = "test-kind", .provide = kind_provide, .verify = kind_verify,
};

static bool run_kinds(struct kind kind[2])
{
	pair_init(&pair, 0);
	for (int side = 0; side < 2; side++) {
		pair.config[side].evidence = &kind_ops;
		pair.config[side].evidence_opaque = &kind[side];
	}
	pair_start(&pair);
	return pair_run(&pair, NULL, NULL);
}

static void evidence_of_any_length_arrives(void)
{
	static const size_t lens[] = { 0, 1, 64, 1184, 5000, WIRE_EVIDENCE_MAX };

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct kind kind[2] = { { .give_len = lens[i] }, { .give_len = 77 } };

		CU_ASSERT_TRUE(run_kinds(kind));
		CU_ASSERT_EQUAL(kind[1].seen_len, lens[i]);
		CU_ASSERT_EQUAL(kind[0].seen_len, 77);
		CU_ASSERT_TRUE(kind[0].seen_whole && kind[1].seen_whole);
		pair_fini(&pair);
	}
}

static void both_bindings_agree(void)
{
	struct kind kind[2] = { { .give_len = 1 }, { .give_len = 1 } };

	CU_ASSERT_TRUE(run_kinds(kind));
	for (int side = 0; side < 2; side++) {
		CU_ASSERT_EQUAL(memcmp(&kind[side].given, &kind[!side].seen, sizeof(kind[side].given)), 0);
		CU_ASSERT_EQUAL(kind[side].given.role, pair.config[side].role);
		CU_ASSERT_EQUAL(memcmp(kind[side].given.static_key, attest_keypair_public(pair.key[side]), 32), 0);
		CU_ASSERT_EQUAL(memcmp(kind[side].given.peer_static_key, attest_keypair_public(pair.key[!side]), 32),
				0);
		CU_ASSERT_EQUAL(kind[side].given.connection, 3);
	}
	CU_ASSERT_EQUAL(memcmp(kind[0].given.handshake_hash, kind[1].given.handshake_hash, 32), 0);
	pair_fini(&pair);
}

/* Verifiers that look at nothing: VM and connection still have to be the same. */
static void careless_verifiers_do_not_lose_vm_and_connection(void)
{
	for (int what = 0; what < 2; what++) {
		struct kind kind[2] = { { .give_len = 1 }, { .give_len = 1 } };

		pair_init(&pair, 0);
		for (int side = 0; side < 2; side++) {
			pair.config[side].evidence = &kind_ops;
			pair.config[side].evidence_opaque = &kind[side];
		}
		if (!what)
			pair.config[0].vm_id[0] ^= 1;
		pair_start(&pair);
		if (what)
			miscount(PAIR_INITIATOR);
		CU_ASSERT_FALSE(pair_run(&pair, NULL, NULL));
		CU_ASSERT_EQUAL(pair.error[PAIR_RESPONDER], -EBADMSG);
		CU_ASSERT_FALSE(pair_done(&pair, 0) || pair_done(&pair, 1));
		pair_fini(&pair);
	}
}

static void no_evidence_fails_on_this_side(void)
{
	struct kind kind[2] = { { .give_len = 1 }, { .give_len = 1, .give_error = -EIO } };

	CU_ASSERT_FALSE(run_kinds(kind));
	CU_ASSERT_EQUAL(pair.error[1], -EIO);
	CU_ASSERT_TRUE(pair_failed(&pair, 1));
	CU_ASSERT_PTR_NOT_NULL(strstr(attest_handshake_error(pair.side[1]), "test-kind"));
	pair_fini(&pair);

	kind[1] = (struct kind){ .give_len = WIRE_EVIDENCE_MAX + 1 };
	CU_ASSERT_FALSE(run_kinds(kind));
	CU_ASSERT_EQUAL(pair.error[1], -ENOBUFS);
	pair_fini(&pair);
}

/* Whatever a verifier returns that is not 0, it is a refusal. */
static void every_error_of_a_verifier_is_a_refusal(void)
{
	static const int verdicts[] = { -EACCES, -EIO, -ENOMEM, 1 };

	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		for (int refuser = 0; refuser < 2; refuser++) {
			struct kind kind[2] = { { .give_len = 1 }, { .give_len = 1 } };

			kind[refuser].verdict = verdicts[i];
			CU_ASSERT_FALSE(run_kinds(kind));
			CU_ASSERT_EQUAL(pair.error[refuser], -EACCES);
			CU_ASSERT_TRUE(pair_failed(&pair, 0) && pair_failed(&pair, 1));
			CU_ASSERT_PTR_NOT_NULL(strstr(attest_handshake_error(pair.side[refuser]), "test says no"));
			pair_fini(&pair);
		}
	}
}

/* ---- a peer that has the keys and breaks the rules ---- */

/* Up to where @side writes its next message of @type, which is left to the caller. */
static void run_to(int side, uint8_t type)
{
	struct pair_message message;

	for (;;) {
		struct attest_handshake saved;

		memcpy(&saved, pair.side[side], sizeof(saved));
		CU_ASSERT_TRUE_FATAL(pair_next(&pair, &message));
		if (message.from == side && message.bytes[0] == type) {
			memcpy(pair.side[side], &saved, sizeof(saved));
			sodium_memzero(&saved, sizeof(saved));
			return;
		}
		CU_ASSERT_EQUAL_FATAL(pair_deliver(&pair, &message), 0);
	}
}

/* A message of @type with this plaintext, sealed with @side's own keys. */
static void forge(int side, uint8_t type, uint16_t len, const uint8_t *plain, struct pair_message *ret_message)
{
	struct parse_writer writer;

	ret_message->from = side;
	ret_message->len = len;
	parse_writer_init(&writer, ret_message->bytes, len);
	parse_put_u8(&writer, type);
	parse_put_u8(&writer, (uint8_t)pair.config[side].role);
	parse_put_u16(&writer, len);
	CU_ASSERT_TRUE(noise_encrypt(&pair.side[side]->send, ret_message->bytes, WIRE_MESSAGE_HEADER_LEN, plain,
				     len - WIRE_MESSAGE_HEADER_LEN - WIRE_TAG_LEN, writer.data + writer.len));
}

static int deliver_forged_evidence(int side, uint16_t evidence_len, size_t dirt_at)
{
	static uint8_t plain[WIRE_EVIDENCE_BODY_LEN];
	struct pair_message message;
	int ret;

	pair_init(&pair, 0);
	pair_start(&pair);
	run_to(side, WIRE_EVIDENCE);
	memset(plain, 0, sizeof(plain));
	plain[0] = (uint8_t)evidence_len;
	plain[1] = (uint8_t)(evidence_len >> 8);
	if (dirt_at)
		plain[dirt_at] = 1;
	forge(side, WIRE_EVIDENCE, WIRE_EVIDENCE_LEN, plain, &message);
	ret = pair_deliver(&pair, &message);
	CU_ASSERT_FALSE(pair_done(&pair, !side));
	pair_fini(&pair);
	return ret;
}

static void malformed_evidence_is_refused(void)
{
	for (int side = 0; side < 2; side++) {
		CU_ASSERT_EQUAL(deliver_forged_evidence(side, WIRE_EVIDENCE_MAX, 0), -EACCES);	/* fits, and is wrong */
		CU_ASSERT_EQUAL(deliver_forged_evidence(side, WIRE_EVIDENCE_MAX + 1, 0), -EPROTO);
		CU_ASSERT_EQUAL(deliver_forged_evidence(side, UINT16_MAX, 0), -EPROTO);
		CU_ASSERT_EQUAL(deliver_forged_evidence(side, 64, 66), -EPROTO);	/* padding */
		CU_ASSERT_EQUAL(deliver_forged_evidence(side, 64, WIRE_EVIDENCE_BODY_LEN - 1), -EPROTO);
		CU_ASSERT_EQUAL(deliver_forged_evidence(side, 0, 0), -EACCES);
	}
}

static void verdict_with_any_other_mac_is_refused(void)
{
	for (int side = 0; side < 2; side++) {
		for (unsigned int bit = 0; bit < 8 * WIRE_ACCEPT_BODY_LEN; bit += 3) {
			struct attest_handshake saved;
			uint8_t plain[WIRE_ACCEPT_BODY_LEN];
			struct pair_message message;

			pair_init(&pair, 0);
			pair_start(&pair);
			run_to(side, WIRE_ACCEPT);
			memcpy(&saved, pair.side[side], sizeof(saved));
			CU_ASSERT_TRUE_FATAL(pair_next(&pair, &message));
			/* the genuine verdict, one bit of it changed, sealed again */
			CU_ASSERT_TRUE_FATAL(noise_decrypt(&saved.send, message.bytes, WIRE_MESSAGE_HEADER_LEN,
							   message.bytes + WIRE_MESSAGE_HEADER_LEN,
							   sizeof(plain) + WIRE_TAG_LEN, plain));
			plain[bit / 8] ^= (uint8_t)(1u << bit % 8);
			pair.side[side]->send.nonce--;
			forge(side, WIRE_ACCEPT, WIRE_ACCEPT_LEN, plain, &message);
			CU_ASSERT_EQUAL(pair_deliver(&pair, &message), -EBADMSG);
			CU_ASSERT_TRUE(pair_failed(&pair, !side));
			sodium_memzero(&saved, sizeof(saved));
			pair_fini(&pair);
		}
	}
}

/* docs/protocol.md, "ACCEPT", written out a second time. */
static void hmac_of(const uint8_t key[32], const uint8_t *text, size_t len, uint8_t ret_mac[32])
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key, 32);
	crypto_auth_hmacsha256_update(&state, text, len);
	crypto_auth_hmacsha256_final(&state, ret_mac);
}

static void documented_transcript(const struct noise *noise, uint8_t ret_hash[32])
{
	uint8_t digest[WIRE_DIGEST_LEN], text[24 + 4 * 32 + 8] = "gmem v1 transcript";

	memcpy(text + 24, noise->hash, 32);
	for (int giver = 0; giver < 2; giver++) {
		const struct attest_handshake_config *config = &pair.config[giver];
		struct attest_binding binding = { .role = config->role, .connection = config->connection };
		size_t len = sizeof(digest);

		memcpy(binding.handshake_hash, noise->hash, 32);
		memcpy(binding.static_key, attest_keypair_public(pair.key[giver]), 32);
		memcpy(binding.peer_static_key, attest_keypair_public(pair.key[!giver]), 32);
		memcpy(binding.ticket_id, config->ticket_id, 32);
		memcpy(binding.vm_id, config->vm_id, 32);
		CU_ASSERT_EQUAL_FATAL(attest_evidence_pinned.provide(NULL, &binding, digest, &len), 0);
		crypto_hash_sha256(text + 56 + 32 * giver, digest, len);
	}
	memcpy(text + 120, pair.config[0].vm_id, 32);
	text[152] = 3;		/* connection */
	crypto_hash_sha256(ret_hash, text, sizeof(text));
}

static void check_documented_verdict(int side)
{
	uint8_t prk[32], key[32], plain[33], mac[32];
	uint8_t info[24 + 1 + 1] = "gmem v1 accept key", said[24 + 32 + 2] = "gmem v1 accept";
	struct attest_handshake before;
	struct pair_message message;

	pair_init(&pair, 0);
	pair_start(&pair);
	run_to(side, WIRE_ACCEPT);
	memcpy(&before, pair.side[side], sizeof(before));
	hmac_of(before.noise.hash, before.noise.chaining_key, 32, prk);
	info[24] = (uint8_t)(side + 1);
	info[25] = 1;		/* HKDF's own */
	hmac_of(prk, info, sizeof(info), key);
	documented_transcript(&before.noise, said + 24);
	said[56] = (uint8_t)(side + 1);
	said[57] = 1;
	hmac_of(key, said, sizeof(said), mac);
	CU_ASSERT_TRUE_FATAL(pair_next(&pair, &message));
	CU_ASSERT_TRUE_FATAL(noise_decrypt(&before.send, message.bytes, 4, message.bytes + 4, 49, plain));
	CU_ASSERT_EQUAL(plain[0], 1);
	CU_ASSERT_EQUAL(memcmp(plain + 1, mac, 32), 0);
	sodium_memzero(&before, sizeof(before));
	pair_fini(&pair);
}

static void verdict_is_the_documented_one(void)
{
	check_documented_verdict(PAIR_INITIATOR);
	check_documented_verdict(PAIR_RESPONDER);
}

/* ACCEPT where EVIDENCE is due: only a refusal may stand there. */
static void accept_before_evidence_is_refused(void)
{
	struct pair_message message;
	struct parse_writer writer;

	pair_init(&pair, 0);
	pair_start(&pair);
	run_to(PAIR_INITIATOR, WIRE_EVIDENCE);
	message.from = PAIR_INITIATOR;
	message.len = WIRE_ACCEPT_LEN;
	parse_writer_init(&writer, message.bytes, WIRE_ACCEPT_LEN);
	parse_put_u8(&writer, WIRE_ACCEPT);
	parse_put_u8(&writer, ATTEST_INITIATOR);
	parse_put_u16(&writer, WIRE_ACCEPT_LEN);
	CU_ASSERT_EQUAL(accept_write(pair.side[PAIR_INITIATOR], message.bytes, &writer), 0);
	CU_ASSERT_EQUAL(pair_deliver(&pair, &message), -EPROTO);
	CU_ASSERT_TRUE(pair_failed(&pair, PAIR_RESPONDER));
	pair_fini(&pair);
}

int main(void)
{
	static const struct check checks[] = {
		{ "both accept", both_accept },
		{ "wrong pinned key is refused by either side", wrong_pinned_key_is_refused_by_either_side },
		{ "refusing side looks at nothing more", refusing_side_looks_at_nothing_more },
		{ "impostor is refused", impostor_is_refused },
		{ "other VM is refused", other_vm_is_refused },
		{ "other connection is refused", other_connection_is_refused },
		{ "evidence of any length arrives", evidence_of_any_length_arrives },
		{ "both bindings agree", both_bindings_agree },
		{ "careless verifiers do not lose VM and connection",
		  careless_verifiers_do_not_lose_vm_and_connection },
		{ "no evidence fails on this side", no_evidence_fails_on_this_side },
		{ "every error of a verifier is a refusal", every_error_of_a_verifier_is_a_refusal },
		{ "malformed evidence is refused", malformed_evidence_is_refused },
		{ "verdict with any other MAC is refused", verdict_with_any_other_mac_is_refused },
		{ "verdict is the documented one", verdict_is_the_documented_one },
		{ "ACCEPT before EVIDENCE is refused", accept_before_evidence_is_refused },
		{ NULL, NULL },
	};

	return check_main("accept", checks);
}
