/* SPDX-License-Identifier: MIT */
/* handshake.c: every message has its place, its length and its bits; nothing else gets a handshake done. */
#include "check.h"
#include "pair.h"

#include <errno.h>
#include <sodium.h>

#include <attest/handshake.h>

#define AES (1u << ATTEST_CIPHER_AES256GCM)
#define XCHACHA (1u << ATTEST_CIPHER_XCHACHA20POLY1305)

static struct pair pair;
static struct pair_message transcript[PAIR_N_MESSAGES];

/* One whole handshake; its messages stay in transcript[]. */
static void record(struct pair *of)
{
	unsigned int n = 0;

	while (n < PAIR_N_MESSAGES && pair_next(of, &transcript[n])) {
		CU_ASSERT_EQUAL_FATAL(pair_deliver(of, &transcript[n]), 0);
		n++;
	}
	CU_ASSERT_EQUAL_FATAL(n, PAIR_N_MESSAGES);
	CU_ASSERT_TRUE_FATAL(pair_done(of, 0) && pair_done(of, 1));
}

/* A fresh handshake, up to message @index, which is written and not delivered. */
static void run_until(unsigned int index, struct pair_message *ret_message)
{
	pair_start(&pair);
	for (unsigned int i = 0;; i++) {
		CU_ASSERT_TRUE_FATAL(pair_next(&pair, ret_message));
		if (i == index)
			return;
		CU_ASSERT_EQUAL_FATAL(pair_deliver(&pair, ret_message), 0);
	}
}

static void messages_come_in_the_documented_order(void)
{
	static const struct {
		int from;
		uint8_t type;
		size_t len;
	} expected[PAIR_N_MESSAGES] = {
		{ 0, 1, 56 }, { 1, 1, 56 }, { 0, 2, 36 }, { 1, 3, 100 }, { 0, 4, 68 },
		{ 1, 5, 8192 }, { 0, 5, 8192 }, { 0, 6, 53 }, { 1, 6, 53 },
	};
	static const uint32_t ciphers[] = { 0, XCHACHA };

	for (size_t c = 0; c < 2; c++) {
		pair_init(&pair, ciphers[c]);
		pair_start(&pair);
		record(&pair);
		for (unsigned int i = 0; i < PAIR_N_MESSAGES; i++) {
			CU_ASSERT_EQUAL(transcript[i].from, expected[i].from);
			CU_ASSERT_EQUAL(transcript[i].bytes[0], expected[i].type);
			CU_ASSERT_EQUAL(transcript[i].bytes[1], expected[i].from + 1);
			CU_ASSERT_EQUAL(transcript[i].len, expected[i].len);
		}
		pair_fini(&pair);
	}
}

static void both_ends_agree_on_channel(void)
{
	struct attest_channel *channel[2];

	pair_init(&pair, 0);
	pair_channels(&pair, channel);
	CU_ASSERT_EQUAL(attest_channel_cipher(channel[0]), attest_channel_cipher(channel[1]));
	CU_ASSERT_EQUAL(memcmp(attest_channel_session_id(channel[0]), attest_channel_session_id(channel[1]), 32), 0);
	attest_channel_free(channel[0]);
	attest_channel_free(channel[1]);
	pair_fini(&pair);
}

static void keys_are_given_once(void)
{
	struct attest_channel *channel[2], *again = NULL;
	uint8_t message[ATTEST_HANDSHAKE_MAX];
	size_t len;

	pair_init(&pair, 0);
	pair_start(&pair);
	CU_ASSERT_EQUAL(attest_handshake_finish(pair.side[0], &again), -EPROTO);
	pair_channels(&pair, channel);
	for (int side = 0; side < 2; side++) {
		CU_ASSERT_EQUAL(attest_handshake_step(pair.side[side]), ATTEST_STEP_DONE);
		CU_ASSERT_EQUAL(attest_handshake_finish(pair.side[side], &again), -EPROTO);
		CU_ASSERT_EQUAL(attest_handshake_write(pair.side[side], message, &len), -EPROTO);
		CU_ASSERT_EQUAL(attest_handshake_read(pair.side[side], message, 4), -EPROTO);
		CU_ASSERT_TRUE(sodium_is_zero((uint8_t *)&pair.side[side]->noise, sizeof(struct noise)));
		CU_ASSERT_TRUE(sodium_is_zero((uint8_t *)pair.side[side]->accept_key, 64));
		attest_channel_free(channel[side]);
	}
	CU_ASSERT_PTR_NULL(again);
	pair_fini(&pair);
}

static bool secrets_are_gone(const struct attest_handshake *hs)
{
	return sodium_is_zero((const uint8_t *)&hs->noise, sizeof(hs->noise)) &&
	       sodium_is_zero((const uint8_t *)&hs->send, sizeof(hs->send)) &&
	       sodium_is_zero((const uint8_t *)&hs->recv, sizeof(hs->recv)) &&
	       sodium_is_zero((const uint8_t *)hs->accept_key, sizeof(hs->accept_key));
}

/*
 * The reader's state before message @index is copied, and every change of the
 * message meets such a copy.  (A copy is good enough: it borrows the key pair.)
 */
struct replica {
	struct attest_handshake *reader, saved;
};

static void replica_take(struct replica *replica, const struct pair_message *message)
{
	replica->reader = pair.side[!message->from];
	memcpy(&replica->saved, replica->reader, sizeof(replica->saved));
}

static int replica_read(struct replica *replica, const uint8_t *bytes, size_t len)
{
	memcpy(replica->reader, &replica->saved, sizeof(replica->saved));
	return attest_handshake_read(replica->reader, bytes, len);
}

/* From NOISE2 on, every bit is authentic: the reader itself refuses. */
static void any_flipped_bit_is_refused_by_its_reader(void)
{
	CHECK_LOOP_BEGIN();
	pair_init(&pair, 0);
	for (unsigned int index = 3; index < PAIR_N_MESSAGES; index++) {
		struct pair_message message;
		struct replica replica;

		run_until(index, &message);
		replica_take(&replica, &message);
		/* each bit of the short messages; of EVIDENCE one in each byte, and each bit of header and tag */
		for (size_t bit = 0; bit < message.len * 8; bit++) {
			int ret;

			if (message.len > 1000 && bit > 64 && bit < message.len * 8 - 136 && bit % 8 != bit / 8 % 8)
				continue;
			message.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
			ret = replica_read(&replica, message.bytes, message.len);
			CHECK_LOOP(ret == (bit < 32 ? -EPROTO : -EBADMSG), "message %u bit %zu: %d", index, bit, ret);
			CHECK_LOOP(attest_handshake_step(replica.reader) == ATTEST_STEP_FAILED &&
				   secrets_are_gone(replica.reader) && *attest_handshake_error(replica.reader),
				   "message %u bit %zu left a state", index, bit);
			message.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		CHECK_LOOP(replica_read(&replica, message.bytes, message.len) == 0, "message %u as it was", index);
	}
	pair_fini(&pair);
	CHECK_LOOP_END();
}

struct flip {
	unsigned int index;
	size_t bit;
};

static void flip_one(void *opaque, unsigned int index, struct pair_message *message)
{
	const struct flip *flip = opaque;

	if (index == flip->index)
		message->bytes[flip->bit / 8] ^= (uint8_t)(1u << flip->bit % 8);
}

/* HELLO and NOISE1 are in the clear: a change shows at the latest when the other side's key exchange is read. */
static void any_flipped_bit_of_the_clear_messages_ends_the_handshake(void)
{
	static const size_t lens[] = { WIRE_HELLO_LEN, WIRE_HELLO_LEN, WIRE_NOISE1_LEN };

	CHECK_LOOP_BEGIN();
	pair_init(&pair, 0);
	for (struct flip flip = { 0, 0 }; flip.index < 3; flip.index++) {
		for (flip.bit = 0; flip.bit < lens[flip.index] * 8; flip.bit++) {
			pair_start(&pair);
			CHECK_LOOP(!pair_run(&pair, flip_one, &flip), "message %u bit %zu", flip.index, flip.bit);
			CHECK_LOOP(!pair_done(&pair, 0) && !pair_done(&pair, 1), "message %u bit %zu: one side is done",
				   flip.index, flip.bit);
			CHECK_LOOP(pair_failed(&pair, 0) || pair_failed(&pair, 1), "message %u bit %zu: nobody failed",
				   flip.index, flip.bit);
		}
	}
	pair_fini(&pair);
	CHECK_LOOP_END();
}

static void any_other_length_is_refused(void)
{
	CHECK_LOOP_BEGIN();
	pair_init(&pair, 0);
	for (unsigned int index = 0; index < PAIR_N_MESSAGES; index++) {
		static uint8_t longer[ATTEST_HANDSHAKE_MAX + 64];
		struct pair_message message;
		struct replica replica;

		run_until(index, &message);
		replica_take(&replica, &message);
		memset(longer, 0, sizeof(longer));
		memcpy(longer, message.bytes, message.len);
		for (size_t len = 0; len <= message.len + 40; len++) {
			/* exactly so many bytes, so that a read beyond them is seen */
			uint8_t *exact = malloc(len ? len : 1);
			int ret;

			if (!exact)
				abort();
			memcpy(exact, longer, len);
			ret = replica_read(&replica, exact, len);
			CHECK_LOOP(ret == (len == message.len ? 0 : -EPROTO), "message %u with %zu bytes: %d", index,
				   len, ret);
			/* the same with a header that says so */
			if (len >= 4 && len != message.len) {
				exact[2] = (uint8_t)len;
				exact[3] = (uint8_t)(len >> 8);
				ret = replica_read(&replica, exact, len);
				CHECK_LOOP(ret == -EPROTO, "message %u says %zu bytes: %d", index, len, ret);
			}
			free(exact);
		}
	}
	pair_fini(&pair);
	CHECK_LOOP_END();
}

/* Every message of an older handshake between the same two machines, and of this one, at every place but its own. */
static void reordered_repeated_and_old_messages_are_refused(void)
{
	struct pair_message old[PAIR_N_MESSAGES], message;

	CHECK_LOOP_BEGIN();
	pair_init(&pair, 0);
	pair_start(&pair);
	record(&pair);
	memcpy(old, transcript, sizeof(old));
	for (unsigned int index = 0; index < PAIR_N_MESSAGES; index++) {
		run_until(index, &message);
		for (unsigned int other = 0; other < PAIR_N_MESSAGES; other++) {
			struct replica replica;
			int ret;

			replica_take(&replica, &message);
			ret = replica_read(&replica, old[other].bytes, old[other].len);
			/*
			 * HELLOs of the same machines are the same; NOISE1 says nothing yet and fails later; ACCEPT in
			 * place of the initiator's EVIDENCE may be a refusal, so it is opened
			 */
			if (other == index && index < 3)
				CHECK_LOOP(ret == 0, "old message %u at its own place: %d", other, ret);
			else if (other == index || (index == 6 && other == 7))
				CHECK_LOOP(ret == -EBADMSG, "old message %u at place %u: %d", other, index, ret);
			else
				CHECK_LOOP(ret == -EPROTO, "old message %u at place %u: %d", other, index, ret);
			memcpy(replica.reader, &replica.saved, sizeof(replica.saved));
		}
	}
	pair_fini(&pair);
	CHECK_LOOP_END();
}

static void repeated_message_is_refused(void)
{
	CHECK_LOOP_BEGIN();
	pair_init(&pair, 0);
	for (unsigned int index = 0; index < PAIR_N_MESSAGES; index++) {
		struct pair_message message, next;
		int reader, ret;

		run_until(index, &message);
		reader = !message.from;
		CHECK_LOOP(pair_deliver(&pair, &message) == 0, "message %u", index);
		/* once more at once, then when the reader waits again */
		ret = pair_deliver(&pair, &message);
		CHECK_LOOP(ret == -EPROTO && pair_failed(&pair, reader), "message %u at once again: %d", index, ret);
		run_until(index, &message);
		pair_deliver(&pair, &message);
		while (attest_handshake_step(pair.side[reader]) == ATTEST_STEP_SEND && pair_next(&pair, &next))
			if (next.from != reader)
				break;
		ret = pair_deliver(&pair, &message);
		CHECK_LOOP(ret == -EPROTO && pair_failed(&pair, reader), "message %u again: %d", index, ret);
	}
	pair_fini(&pair);
	CHECK_LOOP_END();
}

static void reflected_messages_are_refused(void)
{
	CHECK_LOOP_BEGIN();
	pair_init(&pair, 0);
	for (unsigned int index = 0; index < PAIR_N_MESSAGES; index++) {
		struct pair_message message;

		for (int relabel = 0; relabel < 2; relabel++) {
			struct attest_handshake *writer;
			int ret;

			run_until(index, &message);
			writer = pair.side[message.from];
			if (relabel)
				message.bytes[1] ^= 3;	/* it now says it comes from the other role */
			while (attest_handshake_step(writer) == ATTEST_STEP_SEND) {
				struct pair_message skipped;

				CHECK_LOOP(pair_next(&pair, &skipped), "message %u", index);
			}
			ret = attest_handshake_read(writer, message.bytes, message.len);
			/* a relabelled HELLO or NOISE1 is as good as any stranger's: it fails where keys are needed */
			if (relabel && index == 0)
				CHECK_LOOP(ret == 0, "HELLO: %d", ret);
			else
				CHECK_LOOP(ret == -EPROTO || ret == -EBADMSG, "message %u: %d", index, ret);
			CHECK_LOOP(attest_handshake_step(writer) != ATTEST_STEP_DONE, "message %u", index);
		}
	}
	pair_fini(&pair);
	CHECK_LOOP_END();
}

/* A whole conversation of one side with itself, the role byte changed on the way. */
static void side_does_not_accept_itself(void)
{
	struct attest_handshake *own;
	struct pair_message message;
	int ret = 0;

	pair_init(&pair, 0);
	pair_start(&pair);
	own = pair.side[PAIR_INITIATOR];
	/* even if it would believe its own key */
	memcpy(pair.pinned[PAIR_INITIATOR], attest_keypair_public(pair.key[PAIR_INITIATOR]), ATTEST_KEY_LEN);
	while (!ret && attest_handshake_step(own) == ATTEST_STEP_SEND) {
		CU_ASSERT_EQUAL_FATAL(attest_handshake_write(own, message.bytes, &message.len), 0);
		message.bytes[1] ^= 3;
		ret = attest_handshake_read(own, message.bytes, message.len);
	}
	CU_ASSERT_EQUAL(ret, -EPROTO);
	CU_ASSERT_EQUAL(attest_handshake_step(own), ATTEST_STEP_FAILED);
	pair_fini(&pair);
}

/* Two handshakes at once between the same machines: a message of the one in the other. */
static void splice_of_two_handshakes_is_refused(void)
{
	struct pair other;

	CHECK_LOOP_BEGIN();
	pair_init(&pair, 0);
	other = pair;
	for (unsigned int index = 2; index < PAIR_N_MESSAGES; index++) {
		struct pair_message message, spliced;

		other.side[0] = other.side[1] = NULL;
		pair_start(&other);
		for (unsigned int i = 0; i <= index; i++) {
			if (!pair_next(&other, &spliced))
				abort();
			if (i < index)
				pair_deliver(&other, &spliced);
		}
		run_until(index, &message);
		pair_deliver(&pair, &spliced);
		CHECK_LOOP(!pair_run(&pair, NULL, NULL), "message %u", index);
		CHECK_LOOP(pair_failed(&pair, 0) || pair_failed(&pair, 1), "message %u: nobody failed", index);
		attest_handshake_free(other.side[0]);
		attest_handshake_free(other.side[1]);
	}
	pair_fini(&pair);
	CHECK_LOOP_END();
}

static void failed_stays_failed(void)
{
	struct pair_message message;
	struct attest_channel *channel = NULL;
	size_t len = 77;
	char sentence[HANDSHAKE_ERROR_LEN];

	pair_init(&pair, 0);
	run_until(3, &message);
	message.bytes[50] ^= 1;
	CU_ASSERT_EQUAL(pair_deliver(&pair, &message), -EBADMSG);
	snprintf(sentence, sizeof(sentence), "%s", attest_handshake_error(pair.side[0]));
	message.bytes[50] ^= 1;
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(attest_handshake_read(pair.side[0], message.bytes, message.len), -EPROTO);
		CU_ASSERT_EQUAL(attest_handshake_write(pair.side[0], message.bytes, &len), -EPROTO);
		CU_ASSERT_EQUAL(attest_handshake_finish(pair.side[0], &channel), -EPROTO);
		CU_ASSERT_EQUAL(attest_handshake_step(pair.side[0]), ATTEST_STEP_FAILED);
	}
	CU_ASSERT_EQUAL(len, 77);
	CU_ASSERT_PTR_NULL(channel);
	CU_ASSERT_STRING_EQUAL(attest_handshake_error(pair.side[0]), sentence);
	pair_fini(&pair);
}

/* A call out of turn is the caller's mistake, not the peer's: it changes nothing. */
static void write_out_of_turn_changes_nothing(void)
{
	uint8_t message[ATTEST_HANDSHAKE_MAX];
	size_t len;

	pair_init(&pair, 0);
	pair_start(&pair);
	CU_ASSERT_EQUAL(attest_handshake_write(pair.side[PAIR_RESPONDER], message, &len), -EPROTO);
	CU_ASSERT_TRUE(pair_run(&pair, NULL, NULL));
	pair_fini(&pair);
}

static void config_is_checked(void)
{
	struct attest_handshake_config config;
	struct attest_handshake *hs = NULL;

	pair_init(&pair, 0);
	config = pair.config[0];
	config.role = 3;
	CU_ASSERT_EQUAL(attest_handshake_new(&config, &hs), -EINVAL);
	config = pair.config[0];
	config.keypair = NULL;
	CU_ASSERT_EQUAL(attest_handshake_new(&config, &hs), -EINVAL);
	config = pair.config[0];
	config.evidence = NULL;
	CU_ASSERT_EQUAL(attest_handshake_new(&config, &hs), -EINVAL);
	CU_ASSERT_PTR_NULL(hs);
	attest_handshake_free(NULL);
	attest_channel_free(NULL);
	attest_keypair_free(NULL);
	pair_fini(&pair);
}

/* In the clear there are roles, versions, ciphers, the ticket id and an ephemeral key; no static key, no evidence. */
static void static_keys_do_not_cross_in_the_clear(void)
{
	pair_init(&pair, 0);
	pair_start(&pair);
	record(&pair);
	for (unsigned int i = 0; i < PAIR_N_MESSAGES; i++)
		for (int side = 0; side < 2; side++) {
			CU_ASSERT_PTR_NULL(memmem(transcript[i].bytes, transcript[i].len,
						  attest_keypair_public(pair.key[side]), 32));
			CU_ASSERT_PTR_NULL(memmem(transcript[i].bytes, transcript[i].len, pair.config[side].vm_id, 32));
		}
	pair_fini(&pair);
}

int main(void)
{
	static const struct check checks[] = {
		{ "messages come in the documented order", messages_come_in_the_documented_order },
		{ "both ends agree on channel", both_ends_agree_on_channel },
		{ "keys are given once", keys_are_given_once },
		{ "any flipped bit is refused by its reader", any_flipped_bit_is_refused_by_its_reader },
		{ "any flipped bit of the clear messages ends the handshake",
		  any_flipped_bit_of_the_clear_messages_ends_the_handshake },
		{ "any other length is refused", any_other_length_is_refused },
		{ "reordered and old messages are refused", reordered_repeated_and_old_messages_are_refused },
		{ "repeated message is refused", repeated_message_is_refused },
		{ "reflected messages are refused", reflected_messages_are_refused },
		{ "side does not accept itself", side_does_not_accept_itself },
		{ "splice of two handshakes is refused", splice_of_two_handshakes_is_refused },
		{ "failed stays failed", failed_stays_failed },
		{ "write out of turn changes nothing", write_out_of_turn_changes_nothing },
		{ "config is checked", config_is_checked },
		{ "static keys do not cross in the clear", static_keys_do_not_cross_in_the_clear },
		{ NULL, NULL },
	};

	return check_main("handshake", checks);
}
