/* SPDX-License-Identifier: MIT */
/* hello.c: who may talk to whom, and in which cipher. */
#include "check.h"
#include "pair.h"

#include <errno.h>

#include <attest/channel.h>
#include <attest/wire.h>

#define AES (1u << ATTEST_CIPHER_AES256GCM)
#define XCHACHA (1u << ATTEST_CIPHER_XCHACHA20POLY1305)

/* Offsets of docs/protocol.md, "HELLO". */
enum { AT_TYPE = 0, AT_ROLE = 1, AT_LEN = 2, AT_MAGIC = 4, AT_MIN = 8, AT_MAX = 10, AT_CIPHERS = 12, AT_TICKET = 16,
       AT_CONNECTION = 48 };

static struct pair pair;

static void set_up(uint32_t initiator_ciphers, uint32_t responder_ciphers)
{
	pair_init(&pair, 0);
	pair.config[PAIR_INITIATOR].ciphers = initiator_ciphers;
	pair.config[PAIR_RESPONDER].ciphers = responder_ciphers;
	pair_start(&pair);
}

static void layout_is_the_documented_one(void)
{
	struct pair_message message;

	set_up(XCHACHA, XCHACHA);
	CU_ASSERT_TRUE_FATAL(pair_next(&pair, &message));
	CU_ASSERT_EQUAL(message.from, PAIR_INITIATOR);
	CU_ASSERT_EQUAL(message.len, 56);
	CU_ASSERT_EQUAL(memcmp(message.bytes, "\x01\x01\x38\x00gmem\x01\x00\x01\x00\x04\x00\x00\x00", 16), 0);
	CU_ASSERT_EQUAL(memcmp(message.bytes + AT_TICKET, pair.config[0].ticket_id, 32), 0);
	pair_fini(&pair);
}

/* The number that both sides end with; 0: none. */
static uint64_t agreed(uint64_t initiator_lowest, uint64_t responder_lowest)
{
	struct attest_channel *channel;
	uint64_t number[2] = { 0, 0 };

	pair_init(&pair, 0);
	pair.config[PAIR_INITIATOR].connection = initiator_lowest;
	pair.config[PAIR_RESPONDER].connection = responder_lowest;
	pair_start(&pair);
	if (pair_run(&pair, NULL, NULL)) {
		for (int side = 0; side < 2; side++) {
			CU_ASSERT_EQUAL_FATAL(attest_handshake_finish(pair.side[side], &channel), 0);
			number[side] = attest_channel_connection(channel);
			CU_ASSERT_PTR_NULL(attest_channel_peer_platform(channel));	/* a pinned key names none */
			attest_channel_free(channel);
		}
	} else {
		CU_ASSERT_EQUAL(pair.error[PAIR_RESPONDER], -EPROTO);
	}
	pair_fini(&pair);
	CU_ASSERT_EQUAL(number[0], number[1]);
	return number[0];
}

static void connection_is_the_higher_one(void)
{
	CU_ASSERT_EQUAL(agreed(1, 1), 1);
	CU_ASSERT_EQUAL(agreed(2, 5), 5);
	CU_ASSERT_EQUAL(agreed(7, 5), 7);
	CU_ASSERT_EQUAL(agreed(WIRE_CONNECTION_MAX, 1), WIRE_CONNECTION_MAX);
	CU_ASSERT_EQUAL(agreed(WIRE_CONNECTION_MAX + 1, 1), 0);
}

/* A responder whose number is one that the initiator has used. */
static void lower_connection_is_refused(void)
{
	struct pair_message message;

	pair_init(&pair, 0);
	pair_start(&pair);
	CU_ASSERT_TRUE_FATAL(pair_next(&pair, &message));
	CU_ASSERT_EQUAL_FATAL(pair_deliver(&pair, &message), 0);
	CU_ASSERT_TRUE_FATAL(pair_next(&pair, &message));
	message.bytes[AT_CONNECTION]--;
	CU_ASSERT_EQUAL(pair_deliver(&pair, &message), -EPROTO);
	CU_ASSERT_TRUE(pair_failed(&pair, PAIR_INITIATOR));
	pair_fini(&pair);
}

static enum attest_cipher negotiated(uint32_t initiator_ciphers, uint32_t responder_ciphers)
{
	struct attest_channel *channel[2];
	enum attest_cipher cipher = 0;

	set_up(initiator_ciphers, responder_ciphers);
	if (pair_run(&pair, NULL, NULL)) {
		for (int side = 0; side < 2; side++)
			CU_ASSERT_EQUAL_FATAL(attest_handshake_finish(pair.side[side], &channel[side]), 0);
		cipher = attest_channel_cipher(channel[0]);
		CU_ASSERT_EQUAL(attest_channel_cipher(channel[1]), cipher);
		attest_channel_free(channel[0]);
		attest_channel_free(channel[1]);
	} else {
		CU_ASSERT_EQUAL(pair.error[PAIR_RESPONDER], -ENOTSUP);
		CU_ASSERT_NOT_EQUAL(attest_handshake_error(pair.side[PAIR_RESPONDER])[0], '\0');
	}
	pair_fini(&pair);
	return cipher;
}

static void cipher_is_the_best_common_one(void)
{
	bool has_aes = channel_ciphers() & AES;

	CU_ASSERT_EQUAL(negotiated(XCHACHA, XCHACHA), ATTEST_CIPHER_XCHACHA20POLY1305);
	CU_ASSERT_EQUAL(negotiated(0, XCHACHA), ATTEST_CIPHER_XCHACHA20POLY1305);
	CU_ASSERT_EQUAL(negotiated(XCHACHA, 0), ATTEST_CIPHER_XCHACHA20POLY1305);
	CU_ASSERT_EQUAL(negotiated(0, 0), has_aes ? ATTEST_CIPHER_AES256GCM : ATTEST_CIPHER_XCHACHA20POLY1305);
	if (!has_aes) {
		fprintf(stderr, "not run: this machine has no AES-256-GCM in libsodium ");
		return;
	}
	CU_ASSERT_EQUAL(negotiated(AES, AES), ATTEST_CIPHER_AES256GCM);
	CU_ASSERT_EQUAL(negotiated(AES, AES | XCHACHA), ATTEST_CIPHER_AES256GCM);
	CU_ASSERT_EQUAL(negotiated(AES, XCHACHA), 0);
	CU_ASSERT_EQUAL(negotiated(XCHACHA, AES), 0);
}

static void ciphers_nobody_has_are_refused_at_once(void)
{
	struct attest_handshake *handshake;

	pair_init(&pair, 1u << 9);
	CU_ASSERT_EQUAL(attest_handshake_new(&pair.config[0], &handshake), -ENOTSUP);
	pair_fini(&pair);
}

/* The number is kept for it: whoever asks for it is refused by both, and nobody offers it. */
static void aegis_is_a_number_only(void)
{
	const uint32_t aegis = 1u << ATTEST_CIPHER_AEGIS256;
	struct attest_handshake *handshake;
	struct pair_message message;

	pair_init(&pair, aegis);
	CU_ASSERT_EQUAL(attest_handshake_new(&pair.config[0], &handshake), -ENOTSUP);
	pair_fini(&pair);
	CU_ASSERT_EQUAL(negotiated(aegis | XCHACHA, aegis | XCHACHA), ATTEST_CIPHER_XCHACHA20POLY1305);
	set_up(aegis | XCHACHA, 0);
	CU_ASSERT_TRUE_FATAL(pair_next(&pair, &message));
	CU_ASSERT_EQUAL(message.bytes[AT_CIPHERS], XCHACHA);
	/* a peer that has nothing else */
	message.bytes[AT_CIPHERS] = (uint8_t)aegis;
	CU_ASSERT_EQUAL(pair_deliver(&pair, &message), -ENOTSUP);
	CU_ASSERT_TRUE(pair_failed(&pair, PAIR_RESPONDER));
	pair_fini(&pair);
}

/* The initiator's HELLO with 16 bits replaced, as the responder takes it. */
static int read_changed(size_t offset, uint16_t value)
{
	struct pair_message message;
	int ret;

	set_up(0, 0);
	CU_ASSERT_TRUE_FATAL(pair_next(&pair, &message));
	message.bytes[offset] = (uint8_t)value;
	message.bytes[offset + 1] = (uint8_t)(value >> 8);
	ret = pair_deliver(&pair, &message);
	CU_ASSERT_EQUAL(pair_failed(&pair, PAIR_RESPONDER), ret != 0);
	pair_fini(&pair);
	return ret;
}

static void versions_must_overlap(void)
{
	CU_ASSERT_EQUAL(read_changed(AT_MAX, 9), 0);
	CU_ASSERT_EQUAL(read_changed(AT_MIN, 0), 0);
	CU_ASSERT_EQUAL(read_changed(AT_MIN, 2), -EPROTO);	/* lowest above highest */
	CU_ASSERT_EQUAL(read_changed(AT_MAX, 0), -EPROTO);
}

static int read_versions(uint16_t min, uint16_t max)
{
	struct pair_message message;
	int ret;

	set_up(0, 0);
	CU_ASSERT_TRUE_FATAL(pair_next(&pair, &message));
	message.bytes[AT_MIN] = (uint8_t)min;
	message.bytes[AT_MAX] = (uint8_t)max;
	ret = pair_deliver(&pair, &message);
	pair_fini(&pair);
	return ret;
}

static void other_versions_are_named(void)
{
	CU_ASSERT_EQUAL(read_versions(2, 3), -ENOTSUP);
	CU_ASSERT_EQUAL(read_versions(0, 0), -ENOTSUP);
	CU_ASSERT_EQUAL(read_versions(0, 3), 0);
}

static void what_is_no_hello_is_refused(void)
{
	CU_ASSERT_EQUAL(read_changed(AT_MAGIC, 0x4547), -EPROTO);
	CU_ASSERT_EQUAL(read_changed(AT_LEN, 47), -EPROTO);
	CU_ASSERT_EQUAL(read_changed(AT_TYPE, 0x0102), -EPROTO);
	CU_ASSERT_EQUAL(read_changed(AT_TYPE, 0x0100), -EPROTO);
	CU_ASSERT_EQUAL(read_changed(AT_TYPE, 0x0301), -EPROTO);
}

static void own_role_is_refused(void)
{
	set_up(0, 0);
	for (int side = 0; side < 2; side++) {
		struct pair_message message;
		int from = side;

		/* first the initiator's HELLO comes back to it, then a second responder's meets one */
		pair_start(&pair);
		CU_ASSERT_TRUE_FATAL(pair_next(&pair, &message));
		if (side == PAIR_RESPONDER)
			message.bytes[AT_ROLE] = ATTEST_RESPONDER;
		CU_ASSERT_EQUAL(attest_handshake_read(pair.side[from], message.bytes, message.len), -EPROTO);
		CU_ASSERT_TRUE(pair_failed(&pair, from));
		CU_ASSERT_PTR_NOT_NULL(strstr(attest_handshake_error(pair.side[from]), "role"));
	}
	pair_fini(&pair);
}

static void other_ticket_is_refused(void)
{
	for (unsigned int bit = 0; bit < 8 * ATTEST_ID_LEN; bit += 17) {
		set_up(0, 0);
		pair.config[PAIR_INITIATOR].ticket_id[bit / 8] ^= (uint8_t)(1u << bit % 8);
		pair_start(&pair);
		CU_ASSERT_FALSE(pair_run(&pair, NULL, NULL));
		CU_ASSERT_EQUAL(pair.error[PAIR_RESPONDER], -ENOENT);
		CU_ASSERT_PTR_NOT_NULL(strstr(attest_handshake_error(pair.side[PAIR_RESPONDER]), "ticket"));
		pair_fini(&pair);
	}
}

/* Somebody on the way takes AES-256-GCM out of both HELLOs; both sides would agree on the other cipher. */
static void weaken(void *opaque, unsigned int index, struct pair_message *message)
{
	if (index < 2)
		message->bytes[AT_CIPHERS] = XCHACHA;
}

/* The same for cipher bits that this version knows nothing of. */
static void strengthen(void *opaque, unsigned int index, struct pair_message *message)
{
	if (index == *(unsigned int *)opaque)
		message->bytes[AT_CIPHERS + 2] ^= 0x40;
}

static void downgrade_is_seen(void)
{
	set_up(0, 0);
	if (channel_ciphers() & AES) {
		CU_ASSERT_FALSE(pair_run(&pair, weaken, NULL));
		CU_ASSERT_EQUAL(pair.error[PAIR_INITIATOR], -EBADMSG);
		CU_ASSERT_FALSE(pair_done(&pair, 0) || pair_done(&pair, 1));
	} else {
		fprintf(stderr, "in part not run: this machine has no AES-256-GCM in libsodium ");
	}
	for (unsigned int index = 0; index < 2; index++) {
		pair_start(&pair);
		CU_ASSERT_FALSE(pair_run(&pair, strengthen, &index));
		CU_ASSERT_EQUAL(pair.error[PAIR_INITIATOR], -EBADMSG);
	}
	pair_fini(&pair);
}

int main(void)
{
	static const struct check checks[] = {
		{ "layout is the documented one", layout_is_the_documented_one },
		{ "connection is the higher one", connection_is_the_higher_one },
		{ "lower connection is refused", lower_connection_is_refused },
		{ "cipher is the best common one", cipher_is_the_best_common_one },
		{ "ciphers nobody has are refused at once", ciphers_nobody_has_are_refused_at_once },
		{ "AEGIS is a number only", aegis_is_a_number_only },
		{ "versions must overlap", versions_must_overlap },
		{ "other versions are named", other_versions_are_named },
		{ "what is no HELLO is refused", what_is_no_hello_is_refused },
		{ "own role is refused", own_role_is_refused },
		{ "other ticket is refused", other_ticket_is_refused },
		{ "downgrade is seen", downgrade_is_seen },
		{ NULL, NULL },
	};

	return check_main("hello", checks);
}
