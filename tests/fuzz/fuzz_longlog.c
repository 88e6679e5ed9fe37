/* SPDX-License-Identifier: MIT */
/*
 * fuzz_longlog: a peer's message at each place of a handshake in which both sides
 * have a log after their evidence.  Input: u8 place, u8 mode (raw; xored into the
 * genuine one behind a 16-bit offset; sealed, that is, by a peer with the keys),
 * for sealed ones u8 type, bytes.  Both sides are done only if the message was
 * the genuine one, and nothing of a log is kept by a side that is not.
 */
#include <string.h>

#include <attest/handshake.h>

#include "../unit/attest/logkind.h"
#include "../unit/attest/pair.h"
#include "fixed.h"
#include "fuzz.h"

#define LOG_LEN (WIRE_LOG_PART + 10u)		/* two parts */
#define N_MESSAGES (PAIR_N_MESSAGES + 6u)

enum { MODE_RAW, MODE_XOR, MODE_SEALED, N_MODES };

static struct pair pair;
static struct logkind kind[2];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fixed_random_install();
	FUZZ_NEED(attest_init());
	pair_init(&pair, 1u << ATTEST_CIPHER_XCHACHA20POLY1305);
	for (int side = 0; side < 2; side++) {
		pair.config[side].evidence = &logkind_ops;
		pair.config[side].evidence_opaque = &kind[side];
	}
	return 0;
}

static void make_sealed(struct pair_message *message, uint8_t type, const uint8_t *data, size_t size)
{
	static const size_t lens[] = { [WIRE_EVIDENCE] = WIRE_EVIDENCE_BODY_LEN, [WIRE_ACCEPT] = WIRE_ACCEPT_BODY_LEN,
				       [WIRE_WANT] = 0, [WIRE_LOG] = WIRE_LOG_PART };
	static uint8_t plain[WIRE_EVIDENCE_BODY_LEN];
	struct noise_cipher cipher = pair.side[message->from]->send;
	size_t len;

	type = (uint8_t)(WIRE_EVIDENCE + type % 4);
	len = lens[type];
	if (!cipher.has_key || cipher.nonce == 0)
		return;
	cipher.nonce--;
	memset(plain, 0, sizeof(plain));
	memcpy(plain, data, size < len ? size : len);
	message->len = WIRE_MESSAGE_HEADER_LEN + len + WIRE_TAG_LEN;
	message->bytes[0] = type;
	message->bytes[2] = (uint8_t)message->len;
	message->bytes[3] = (uint8_t)(message->len >> 8);
	FUZZ_NEED(noise_encrypt(&cipher, message->bytes, WIRE_MESSAGE_HEADER_LEN, plain, len,
				message->bytes + WIRE_MESSAGE_HEADER_LEN));
}

static void spoil(struct pair_message *message, uint8_t mode, const uint8_t *data, size_t size)
{
	size_t offset;

	if (mode % N_MODES == MODE_RAW) {
		message->len = size < sizeof(message->bytes) ? size : sizeof(message->bytes);
		memcpy(message->bytes, data, message->len);
	} else if (mode % N_MODES == MODE_SEALED && size >= 1) {
		make_sealed(message, data[0], data + 1, size - 1);
	} else if (mode % N_MODES == MODE_XOR && size >= 2) {
		offset = (data[0] | (size_t)data[1] << 8) % message->len;
		for (size_t i = 2; i < size; i++)
			message->bytes[(offset + i - 2) % message->len] ^= data[i];
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pair_message message, genuine;
	bool same = true;

	if (size < 2)
		return 0;
	for (int side = 0; side < 2; side++)
		logkind_init(&kind[side], LOG_LEN);
	pair_start(&pair);
	for (unsigned int i = 0; pair_next(&pair, &message); i++) {
		genuine = message;
		if (i == data[0] % N_MESSAGES) {
			spoil(&message, data[1], data + 2, size - 2);
			same = message.len == genuine.len && !memcmp(message.bytes, genuine.bytes, message.len);
		}
		(void)pair_deliver(&pair, &message);
	}
	FUZZ_NEED((pair_done(&pair, 0) && pair_done(&pair, 1)) == same);
	for (int side = 0; side < 2; side++)
		FUZZ_NEED((!pair_failed(&pair, side) && !pair_done(&pair, side)) || !pair.side[side]->log.bytes);
	FUZZ_NEED(!same || (kind[0].seen_right && kind[1].seen_right));
	/* A log hangs on guarded memory, which the leak sanitizer does not see. */
	for (int side = 0; side < 2; side++) {
		attest_handshake_free(pair.side[side]);
		pair.side[side] = NULL;
	}
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	char name[32];

	for (uint8_t place = 5; place < N_MESSAGES; place++) {
		snprintf(name, sizeof(name), "genuine-%u", place);
		emit(name, (uint8_t[]){ place, MODE_XOR }, 2);
		snprintf(name, sizeof(name), "flipped-%u", place);
		emit(name, (uint8_t[]){ place, MODE_XOR, 9, 0, 1 }, 5);
		for (uint8_t type = 0; type < 4; type++) {
			snprintf(name, sizeof(name), "sealed-%u-%u", place, type);
			emit(name, (uint8_t[]){ place, MODE_SEALED, type, 1, 2, 3 }, 6);
		}
	}
}
