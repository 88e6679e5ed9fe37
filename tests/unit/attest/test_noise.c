/* SPDX-License-Identifier: MIT */
/* noise.c: public vectors byte for byte, then everything that must not pass. */
#include "check.h"
#include "hex.h"
#include "vectors.h"

#include <attest/noise.h>

#define MESSAGE_MAX 256u


static void start(struct noise *noise, bool initiator, const char *prologue, const char *static_hex,
		  const char *ephemeral_hex)
{
	uint8_t prologue_bytes[128], static_secret[32], static_public[32], ephemeral_secret[32];
	size_t prologue_len = hex_decode(prologue, prologue_bytes, sizeof(prologue_bytes));

	hex_decode(static_hex, static_secret, sizeof(static_secret));
	hex_decode(ephemeral_hex, ephemeral_secret, sizeof(ephemeral_secret));
	CU_ASSERT_EQUAL_FATAL(crypto_scalarmult_curve25519_base(static_public, static_secret), 0);
	CU_ASSERT_TRUE_FATAL(noise_init(noise, initiator, prologue_bytes, prologue_len, static_secret, static_public,
					ephemeral_secret));
}

static void start_vector(struct noise noise[2], const struct noise_vector *v)
{
	start(&noise[0], true, v->prologue, v->initiator_static, v->initiator_ephemeral);
	start(&noise[1], false, v->prologue, v->responder_static, v->responder_ephemeral);
}

static size_t write_message(struct noise *noise, const uint8_t *payload, size_t payload_len, uint8_t *ret_message)
{
	struct parse_writer writer;

	parse_writer_init(&writer, ret_message, MESSAGE_MAX);
	return noise_write(noise, payload, payload_len, &writer) ? writer.len : 0;
}

static bool read_message(struct noise *noise, const uint8_t *message, size_t len, uint8_t *ret_payload,
			 size_t payload_len)
{
	struct parse_reader reader;

	parse_reader_init(&reader, message, len);
	return noise_read(noise, &reader, ret_payload, payload_len);
}

static void check_handshake(struct noise noise[2], const struct noise_vector *v)
{
	uint8_t payload[64], expected[MESSAGE_MAX], message[MESSAGE_MAX], got[64];

	for (unsigned int i = 0; i < NOISE_N_MESSAGES; i++) {
		size_t payload_len = hex_decode(v->messages[i].payload, payload, sizeof(payload));
		size_t expected_len = hex_decode(v->messages[i].ciphertext, expected, sizeof(expected));
		size_t len = write_message(&noise[i % 2], payload, payload_len, message);

		CU_ASSERT_EQUAL_FATAL(len, expected_len);
		CU_ASSERT_EQUAL(memcmp(message, expected, len), 0);
		CU_ASSERT_TRUE(read_message(&noise[!(i % 2)], expected, expected_len, got, payload_len));
		CU_ASSERT_EQUAL(memcmp(got, payload, payload_len), 0);
	}
}

static void check_transport(struct noise noise[2], const struct noise_vector *v)
{
	struct noise_cipher send[2], recv[2];
	uint8_t payload[64], expected[MESSAGE_MAX], message[MESSAGE_MAX], got[64];

	for (int side = 0; side < 2; side++)
		CU_ASSERT_TRUE_FATAL(noise_split(&noise[side], &send[side], &recv[side]));
	for (unsigned int i = NOISE_N_MESSAGES; i < 6 && v->messages[i].payload; i++) {
		int from = i % 2;
		size_t len = hex_decode(v->messages[i].payload, payload, sizeof(payload));
		size_t expected_len = hex_decode(v->messages[i].ciphertext, expected, sizeof(expected));

		CU_ASSERT_TRUE(noise_encrypt(&send[from], NULL, 0, payload, len, message));
		CU_ASSERT_EQUAL(expected_len, len + NOISE_TAG_LEN);
		CU_ASSERT_EQUAL(memcmp(message, expected, expected_len), 0);
		CU_ASSERT_TRUE(noise_decrypt(&recv[!from], NULL, 0, expected, expected_len, got));
		CU_ASSERT_EQUAL(memcmp(got, payload, len), 0);
	}
}

static void public_vectors(void)
{
	for (size_t i = 0; i < sizeof(noise_vectors) / sizeof(noise_vectors[0]); i++) {
		const struct noise_vector *v = &noise_vectors[i];
		struct noise noise[2];
		uint8_t hash[32];

		start_vector(noise, v);
		check_handshake(noise, v);
		CU_ASSERT_EQUAL(memcmp(noise[0].hash, noise[1].hash, sizeof(hash)), 0);
		if (v->handshake_hash) {
			hex_decode(v->handshake_hash, hash, sizeof(hash));
			CU_ASSERT_EQUAL(memcmp(noise[0].hash, hash, sizeof(hash)), 0);
		}
		CU_ASSERT_EQUAL(memcmp(noise[0].remote_static, noise[1].static_public, 32), 0);
		CU_ASSERT_EQUAL(memcmp(noise[1].remote_static, noise[0].static_public, 32), 0);
		/* Its transport messages begin with the initiator again: the sides change places. */
		if (!strcmp(v->name, "flynn")) {
			struct noise swapped = noise[0];

			noise[0] = noise[1];
			noise[1] = swapped;
		}
		check_transport(noise, v);
	}
}

/* Messages 0 to @n - 1 delivered; message @n written by its sender. */
static size_t run_until(struct noise noise[2], unsigned int n, uint8_t *ret_message)
{
	size_t len = 0;

	start_vector(noise, &noise_vectors[2]);
	for (unsigned int i = 0; i <= n; i++) {
		len = write_message(&noise[i % 2], NULL, 0, ret_message);
		CU_ASSERT_NOT_EQUAL_FATAL(len, 0);
		if (i < n)
			CU_ASSERT_TRUE_FATAL(read_message(&noise[!(i % 2)], ret_message, len, NULL, 0));
	}
	return len;
}

static void flipped_bit_is_refused_and_nothing_is_committed(void)
{
	CHECK_LOOP_BEGIN();
	for (unsigned int n = 1; n < NOISE_N_MESSAGES; n++) {
		struct noise noise[2], before;
		uint8_t message[MESSAGE_MAX];
		size_t len = run_until(noise, n, message);
		struct noise *reader = &noise[!(n % 2)];

		before = *reader;
		for (size_t bit = 0; bit < len * 8; bit++) {
			message[bit / 8] ^= (uint8_t)(1u << bit % 8);
			CHECK_LOOP(!read_message(reader, message, len, NULL, 0), "message %u bit %zu", n, bit);
			CHECK_LOOP(!memcmp(reader, &before, sizeof(before)), "message %u bit %zu changed state", n,
				   bit);
			message[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		CHECK_LOOP(read_message(reader, message, len, NULL, 0), "message %u as it was", n);
	}
	CHECK_LOOP_END();
}

static void wrong_length_is_refused(void)
{
	CHECK_LOOP_BEGIN();
	for (unsigned int n = 0; n < NOISE_N_MESSAGES; n++) {
		struct noise noise[2];
		uint8_t message[MESSAGE_MAX + 1] = { 0 };
		size_t len = run_until(noise, n, message);

		for (size_t other = 0; other <= len + 1; other++)
			if (other != len)
				CHECK_LOOP(!read_message(&noise[!(n % 2)], message, other, NULL, 0),
					   "message %u of %zu bytes", n, other);
	}
	CHECK_LOOP_END();
}

static void turns_are_kept(void)
{
	struct noise noise[2];
	uint8_t message[MESSAGE_MAX];
	struct noise_cipher send, recv;
	size_t len;

	start_vector(noise, &noise_vectors[2]);
	memset(message, 9, 32);
	CU_ASSERT_FALSE(read_message(&noise[0], message, 32, NULL, 0));
	CU_ASSERT_EQUAL(write_message(&noise[1], NULL, 0, message), 0);
	CU_ASSERT_FALSE(noise_split(&noise[0], &send, &recv));
	len = write_message(&noise[0], NULL, 0, message);
	CU_ASSERT_EQUAL(len, 32);
	CU_ASSERT_EQUAL(write_message(&noise[0], NULL, 0, message), 0);
	CU_ASSERT_FALSE(read_message(&noise[0], message, len, NULL, 0));
	CU_ASSERT_TRUE(read_message(&noise[1], message, len, NULL, 0));
	CU_ASSERT_FALSE(read_message(&noise[1], message, len, NULL, 0));
	run_until(noise, 2, message);
	CU_ASSERT_EQUAL(write_message(&noise[0], NULL, 0, message), 0);
	CU_ASSERT_EQUAL(write_message(&noise[1], NULL, 0, message), 0);
}

static void no_room_is_refused(void)
{
	struct noise noise[2];
	uint8_t message[MESSAGE_MAX];
	struct parse_writer writer;

	for (unsigned int n = 0; n < NOISE_N_MESSAGES; n++) {
		size_t len = run_until(noise, n, message);

		/* the same message again, by a state from before it was written */
		noise[n % 2].n_messages = n;
		parse_writer_init(&writer, message, len - 1);
		CU_ASSERT_FALSE(noise_write(&noise[n % 2], NULL, 0, &writer));
		parse_writer_init(&writer, message, len);
		CU_ASSERT_TRUE(noise_write(&noise[n % 2], NULL, 0, &writer));
	}
}

static void other_prologue_is_refused(void)
{
	const struct noise_vector *v = &noise_vectors[0];
	struct noise noise[2];
	uint8_t message[MESSAGE_MAX];
	size_t len;

	start(&noise[0], true, "00", v->initiator_static, v->initiator_ephemeral);
	start(&noise[1], false, "01", v->responder_static, v->responder_ephemeral);
	len = write_message(&noise[0], NULL, 0, message);
	CU_ASSERT_TRUE(read_message(&noise[1], message, len, NULL, 0));
	len = write_message(&noise[1], NULL, 0, message);
	CU_ASSERT_FALSE(read_message(&noise[0], message, len, NULL, 0));
}

static void small_order_ephemeral_is_refused(void)
{
	for (size_t i = 0; i < 2 * N_SMALL_ORDER_POINTS; i++) {
		struct noise noise[2];
		uint8_t message[MESSAGE_MAX];
		size_t len = run_until(noise, 0, message);

		/* to the responder: its own next message cannot be computed */
		hex_decode(small_order_points[i % N_SMALL_ORDER_POINTS], message, 32);
		if (i >= N_SMALL_ORDER_POINTS)
			message[31] |= 0x80;	/* the bit that X25519 ignores */
		CU_ASSERT_TRUE(read_message(&noise[1], message, len, NULL, 0));
		CU_ASSERT_EQUAL(write_message(&noise[1], NULL, 0, message), 0);

		/* to the initiator */
		len = run_until(noise, 1, message);
		hex_decode(small_order_points[i % N_SMALL_ORDER_POINTS], message, 32);
		CU_ASSERT_FALSE(read_message(&noise[0], message, len, NULL, 0));
	}
}

/* A peer that follows the protocol but says its static key is a point of small order. */
static void small_order_static_is_refused(void)
{
	for (size_t i = 0; i < N_SMALL_ORDER_POINTS; i++) {
		for (unsigned int n = 1; n < NOISE_N_MESSAGES; n++) {
			struct noise noise[2];
			uint8_t message[MESSAGE_MAX];
			size_t len = run_until(noise, n - 1, message);

			CU_ASSERT_TRUE_FATAL(read_message(&noise[n % 2], message, len, NULL, 0));
			hex_decode(small_order_points[i], noise[n % 2].static_public, 32);
			len = write_message(&noise[n % 2], NULL, 0, message);
			CU_ASSERT_NOT_EQUAL(len, 0);
			CU_ASSERT_FALSE(read_message(&noise[!(n % 2)], message, len, NULL, 0));
		}
	}
}

static void cipher_state_rules(void)
{
	struct noise_cipher none = { .has_key = false }, last = { .has_key = true, .nonce = UINT64_MAX };
	struct noise_cipher send = { .has_key = true, .key = { 1 } }, recv = send;
	uint8_t sealed[5 + NOISE_TAG_LEN], again[5 + NOISE_TAG_LEN], plain[5];

	CU_ASSERT_FALSE(noise_encrypt(&none, NULL, 0, (const uint8_t *)"hello", 5, sealed));
	CU_ASSERT_FALSE(noise_encrypt(&last, NULL, 0, (const uint8_t *)"hello", 5, sealed));
	CU_ASSERT_FALSE(noise_decrypt(&last, NULL, 0, sealed, sizeof(sealed), plain));
	CU_ASSERT_TRUE(noise_encrypt(&send, (const uint8_t *)"ad", 2, (const uint8_t *)"hello", 5, sealed));
	CU_ASSERT_TRUE(noise_encrypt(&send, (const uint8_t *)"ad", 2, (const uint8_t *)"hello", 5, again));
	CU_ASSERT_NOT_EQUAL(memcmp(sealed, again, sizeof(sealed)), 0);
	CU_ASSERT_EQUAL(send.nonce, 2);
	memset(plain, 0xaa, sizeof(plain));
	CU_ASSERT_FALSE(noise_decrypt(&recv, (const uint8_t *)"aD", 2, sealed, sizeof(sealed), plain));
	CU_ASSERT_TRUE(sodium_is_zero(plain, sizeof(plain)));
	CU_ASSERT_EQUAL(recv.nonce, 0);
	CU_ASSERT_FALSE(noise_decrypt(&recv, (const uint8_t *)"ad", 2, again, sizeof(again), plain));
	CU_ASSERT_TRUE(noise_decrypt(&recv, (const uint8_t *)"ad", 2, sealed, sizeof(sealed), plain));
	CU_ASSERT_FALSE(noise_decrypt(&recv, (const uint8_t *)"ad", 2, sealed, sizeof(sealed), plain));
	CU_ASSERT_FALSE(noise_decrypt(&recv, NULL, 0, sealed, NOISE_TAG_LEN - 1, plain));
}

static void wipe_leaves_nothing(void)
{
	struct noise noise[2];
	uint8_t message[MESSAGE_MAX];

	run_until(noise, 2, message);
	noise_wipe(&noise[0]);
	CU_ASSERT_TRUE(sodium_is_zero((const uint8_t *)&noise[0], sizeof(noise[0])));
}

int main(void)
{
	static const struct check checks[] = {
		{ "public vectors: cacophony, snow, flynn", public_vectors },
		{ "flipped bit is refused and nothing is committed", flipped_bit_is_refused_and_nothing_is_committed },
		{ "wrong length is refused", wrong_length_is_refused },
		{ "turns are kept", turns_are_kept },
		{ "no room is refused", no_room_is_refused },
		{ "other prologue is refused", other_prologue_is_refused },
		{ "small order ephemeral is refused", small_order_ephemeral_is_refused },
		{ "small order static is refused", small_order_static_is_refused },
		{ "cipher state rules", cipher_state_rules },
		{ "wipe leaves nothing", wipe_leaves_nothing },
		{ NULL, NULL },
	};

	return check_main("noise", checks);
}
