/* SPDX-License-Identifier: MIT */
/*
 * fuzz_handshake: a peer's message, at every place of a handshake.
 *
 * Input: u8 place (which message is due), u8 mode, bytes.
 *   RAW     the bytes are the message
 *   XOR     u16 offset, then bytes that are xored into the genuine message
 *   SEALED  the bytes are the plaintext of a sealed message: a peer with the keys
 *           that breaks the rules; the mode's highest bit makes it ACCEPT, else EVIDENCE
 *
 * Then the handshake goes on by itself.  Both sides may be done only if the
 * message was the genuine one.
 */
#include <string.h>

#include <attest/handshake.h>

#include "../unit/attest/pair.h"
#include "fixed.h"
#include "fuzz.h"

enum { MODE_RAW, MODE_XOR, MODE_SEALED, N_MODES };
#define SEALED_ACCEPT 0x80u
_Static_assert(SEALED_ACCEPT % N_MODES == MODE_SEALED, "the upper bit leaves the mode as it is");

/* Both sides as they are when message @index is due, and that message. */
static struct place {
	struct attest_handshake side[2];
	struct pair_message genuine;
} places[PAIR_N_MESSAGES];

static struct pair pair;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fixed_random_install();
	FUZZ_NEED(attest_init());
	/* the one cipher that every machine has: the same inputs mean the same everywhere */
	pair_init(&pair, 1u << ATTEST_CIPHER_XCHACHA20POLY1305);
	pair_start(&pair);
	for (unsigned int i = 0; i < PAIR_N_MESSAGES; i++) {
		FUZZ_NEED(pair_next(&pair, &places[i].genuine));
		for (int side = 0; side < 2; side++)
			memcpy(&places[i].side[side], pair.side[side], sizeof(places[i].side[side]));
		FUZZ_NEED(pair_deliver(&pair, &places[i].genuine) == 0);
	}
	return 0;
}

static void make_raw(struct pair_message *message, const uint8_t *data, size_t size)
{
	message->len = size < sizeof(message->bytes) ? size : sizeof(message->bytes);
	if (message->len)
		memcpy(message->bytes, data, message->len);
}

static void make_xor(struct pair_message *message, const uint8_t *data, size_t size)
{
	size_t offset;

	if (size < 2)
		return;
	offset = (data[0] | (size_t)data[1] << 8) % message->len;
	for (size_t i = 2; i < size; i++)
		message->bytes[(offset + i - 2) % message->len] ^= data[i];
}

/* The writer's state is the one after it wrote the genuine message: its nonce is taken back. */
static void make_sealed(struct pair_message *message, bool accept, const uint8_t *data, size_t size)
{
	static uint8_t plain[WIRE_EVIDENCE_BODY_LEN];
	struct noise_cipher cipher = pair.side[message->from]->send;
	size_t plain_len = accept ? WIRE_ACCEPT_BODY_LEN : WIRE_EVIDENCE_BODY_LEN;

	if (!cipher.has_key || cipher.nonce == 0)
		return;
	cipher.nonce--;
	memset(plain, 0, sizeof(plain));
	if (size)
		memcpy(plain, data, size < plain_len ? size : plain_len);
	message->len = WIRE_MESSAGE_HEADER_LEN + plain_len + WIRE_TAG_LEN;
	message->bytes[0] = accept ? WIRE_ACCEPT : WIRE_EVIDENCE;
	message->bytes[2] = (uint8_t)message->len;
	message->bytes[3] = (uint8_t)(message->len >> 8);
	FUZZ_NEED(noise_encrypt(&cipher, message->bytes, WIRE_MESSAGE_HEADER_LEN, plain, plain_len,
				message->bytes + WIRE_MESSAGE_HEADER_LEN));
}

static bool same(const struct pair_message *a, const struct pair_message *b)
{
	return a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pair_message message;
	const struct place *place;
	uint8_t *exact;
	bool genuine, done;
	int ret;

	if (size < 2)
		return 0;
	place = &places[data[0] % PAIR_N_MESSAGES];
	for (int side = 0; side < 2; side++)
		memcpy(pair.side[side], &place->side[side], sizeof(place->side[side]));
	message = place->genuine;
	switch (data[1] % N_MODES) {
	case MODE_RAW:
		make_raw(&message, data + 2, size - 2);
		break;
	case MODE_XOR:
		make_xor(&message, data + 2, size - 2);
		break;
	case MODE_SEALED:
		make_sealed(&message, data[1] & SEALED_ACCEPT, data + 2, size - 2);
		break;
	}
	genuine = same(&message, &place->genuine);
	exact = malloc(message.len ? message.len : 1);
	FUZZ_NEED(exact);
	memcpy(exact, message.bytes, message.len);
	ret = attest_handshake_read(pair.side[!message.from], exact, message.len);
	free(exact);
	FUZZ_NEED((ret == 0) == (attest_handshake_error(pair.side[!message.from])[0] == '\0'));
	done = pair_run(&pair, NULL, NULL);
	FUZZ_NEED(done == genuine);
	return 0;
}

static void emit_place(void (*emit)(const char *name, const uint8_t *data, size_t size), unsigned int i)
{
	static uint8_t bytes[2 + ATTEST_HANDSHAKE_MAX];
	const struct pair_message *genuine = &places[i].genuine;
	char name[64];

	bytes[0] = (uint8_t)i;
	bytes[1] = MODE_XOR;
	snprintf(name, sizeof(name), "genuine-%u", i);
	emit(name, bytes, 4);
	snprintf(name, sizeof(name), "flipped-%u", i);
	memcpy(bytes + 2, "\x05\0\x01", 3);
	emit(name, bytes, 5);
	bytes[1] = MODE_RAW;
	if (genuine->len < 200) {
		snprintf(name, sizeof(name), "raw-%u", i);
		memcpy(bytes + 2, genuine->bytes, genuine->len);
		emit(name, bytes, 2 + genuine->len);
	}
	snprintf(name, sizeof(name), "short-%u", i);
	memcpy(bytes + 2, genuine->bytes, 4);
	emit(name, bytes, 6);
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	static const struct {
		const char *name;
		uint8_t bytes[8];
		size_t len;
	} sealed[] = {
		{ "sealed-evidence-0", { 5, MODE_SEALED, 64, 0, 1, 2, 3 }, 7 },
		{ "sealed-evidence-1", { 6, MODE_SEALED, 64, 0, 1, 2, 3 }, 7 },
		{ "sealed-evidence-long", { 6, MODE_SEALED, 0xff, 0xff }, 4 },
		{ "sealed-evidence-none", { 5, MODE_SEALED }, 2 },
		{ "sealed-refusal-early", { 6, SEALED_ACCEPT, 2 }, 3 },
		{ "sealed-accept-0", { 7, SEALED_ACCEPT, 1, 9, 9 }, 5 },
		{ "sealed-accept-1", { 8, SEALED_ACCEPT, 1, 9, 9 }, 5 },
		{ "sealed-refusal", { 8, SEALED_ACCEPT, 2, 9, 9 }, 5 },
	};

	for (unsigned int i = 0; i < PAIR_N_MESSAGES; i++)
		emit_place(emit, i);
	for (size_t i = 0; i < sizeof(sealed) / sizeof(sealed[0]); i++)
		emit(sealed[i].name, sealed[i].bytes, sealed[i].len);
}
