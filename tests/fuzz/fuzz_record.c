/* SPDX-License-Identifier: MIT */
/*
 * fuzz_record: a peer's record on a lane.
 *
 * Input: u8 cipher, u8 lane, u8 mode, bytes.
 *   RAW    the bytes are the record
 *   XOR    u16 offset, then bytes that are xored into a genuine record
 *   FORGED header fields, then body: sealed by a peer with the keys that breaks the rules
 *
 * What is opened must be what the format allows, and sealing it again must
 * give the very same bytes: no record has two encodings.
 */
#include <string.h>

#include "../unit/attest/forge.h"
#include "../unit/attest/pair.h"
#include "../unit/attest/replica.h"
#include "fixed.h"
#include "fuzz.h"

enum { MODE_RAW, MODE_XOR, MODE_FORGED, N_MODES };

/* class, op, lane, direction, 4 bytes each of n_pages and body_len, 2 of generation, 4 of counter, 8 of gfn */
#define FORGED_LEN 26u

static struct attest_channel *channels[2][2];	/* by cipher - 1, then sender and receiver */
static struct attest_channel fresh[2][2];
static uint8_t wire[ATTEST_RECORD_MAX], again[ATTEST_RECORD_MAX], opened[ATTEST_RECORD_MAX];
static struct pair pair;

static void make_channels(enum attest_cipher cipher)
{
	if (!(channel_ciphers() & 1u << cipher))
		return;
	pair_init(&pair, 1u << cipher);
	pair_channels(&pair, channels[cipher - 1]);
	for (int side = 0; side < 2; side++)
		memcpy(&fresh[cipher - 1][side], channels[cipher - 1][side], sizeof(fresh[0][0]));
	pair_fini(&pair);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fixed_random_install();
	FUZZ_NEED(attest_init());
	/* this order: the other cipher's keys do not depend on what this machine has */
	make_channels(ATTEST_CIPHER_XCHACHA20POLY1305);
	make_channels(ATTEST_CIPHER_AES256GCM);
	return 0;
}

static size_t make_raw(const uint8_t *data, size_t size)
{
	size_t len = size < sizeof(wire) ? size : sizeof(wire);

	if (len)
		memcpy(wire, data, len);
	return len;
}

static size_t make_xor(struct attest_channel *sender, enum attest_lane lane, const uint8_t *data, size_t size)
{
	static const uint8_t body[4097] = { 1, 7 };
	static const struct attest_record records[ATTEST_N_LANES] = {
		{ .op = ATTEST_OP_STATE, .body_len = 100 },
		{ .op = ATTEST_OP_PAGES, .gfn = 77, .n_pages = 3, .body_len = 3 },
		{ .op = ATTEST_OP_PAGES, .gfn = 0x12345, .n_pages = 1, .body_len = 4097 },
	};
	size_t len, offset;

	FUZZ_NEED(attest_record_seal(sender, lane, &records[lane], body, wire, &len));
	if (size < 2)
		return len;
	offset = (data[0] | (size_t)data[1] << 8) % len;
	for (size_t i = 2; i < size; i++)
		wire[(offset + i - 2) % len] ^= data[i];
	return len;
}

static uint64_t number(const uint8_t *data, size_t len)
{
	uint64_t value = 0;

	while (len--)
		value = value << 8 | data[len];
	return value;
}

/* The class decides how long it is; a class that is none has the first one's length. */
static size_t make_forged(const struct attest_channel *sender, enum attest_lane lane, const uint8_t *data, size_t size)
{
	static const uint32_t classes[] = { WIRE_CLASS_LENS };
	static uint8_t plain[ATTEST_BODY_MAX];
	struct wire_record header;
	size_t plain_len;

	if (size < FORGED_LEN)
		return 0;
	header = (struct wire_record){
		.class = data[0], .op = data[1], .lane = data[2], .direction = data[3],
		.n_pages = (uint32_t)number(data + 4, 4), .body_len = (uint32_t)number(data + 8, 4),
		.generation = (uint32_t)number(data + 12, 2), .counter = number(data + 14, 4),
		.gfn = number(data + 18, 8),
	};
	plain_len = classes[header.class < WIRE_N_CLASSES ? header.class : 0];
	memset(plain, 0, plain_len);
	if (size > FORGED_LEN)
		memcpy(plain, data + FORGED_LEN, size - FORGED_LEN < plain_len ? size - FORGED_LEN : plain_len);
	return forge_seal(sender, &sender->send[lane], &header, plain, plain_len, wire);
}

static void check_opened(struct attest_channel *sender, enum attest_lane lane, const struct attest_record *record,
			 size_t len)
{
	size_t again_len;

	FUZZ_NEED(record->body_len <= ATTEST_BODY_MAX && attest_record_wire_len(record->body_len) == len);
	if (record->op == ATTEST_OP_PAGES) {
		FUZZ_NEED(record->n_pages >= 1 && record->n_pages <= ATTEST_MAX_RUN);
		FUZZ_NEED(record->body_len >= record->n_pages);
		FUZZ_NEED((record->body_len - record->n_pages) % ATTEST_PAGE_LEN == 0);
	} else {
		FUZZ_NEED(record->op >= ATTEST_OP_BIND && record->op <= ATTEST_OP_MAP);
		FUZZ_NEED(record->gfn == 0 && record->n_pages == 0);
	}
	FUZZ_NEED(attest_record_seal(sender, lane, record, opened, again, &again_len));
	FUZZ_NEED(again_len == len && !memcmp(again, wire, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct attest_channel *sender, *receiver;
	struct attest_record record;
	enum attest_lane lane;
	unsigned int cipher;
	size_t len = 0, peeked = 0;
	bool bind, ok;

	if (size < 3)
		return 0;
	cipher = data[0] % 2;
	lane = data[1] % ATTEST_N_LANES;
	sender = channels[cipher][0];
	receiver = channels[cipher][1];
	if (!sender)
		return 0;
	replica_restore(sender, &fresh[cipher][0]);
	replica_restore(receiver, &fresh[cipher][1]);
	switch (data[2] % N_MODES) {
	case MODE_RAW:
		len = make_raw(data + 3, size - 3);
		break;
	case MODE_XOR:
		len = make_xor(sender, lane, data + 3, size - 3);
		break;
	case MODE_FORGED:
		len = make_forged(sender, lane, data + 3, size - 3);
		break;
	}
	replica_restore(sender, &fresh[cipher][0]);
	if (len >= ATTEST_RECORD_HEADER_LEN && attest_record_peek(lane, wire, &peeked))
		FUZZ_NEED(peeked > ATTEST_RECORD_HEADER_LEN && peeked <= ATTEST_RECORD_MAX);
	bind = attest_record_probe_bind(receiver, lane, wire, len);
	memset(opened, 0xcc, len);
	ok = attest_record_open(receiver, lane, wire, len, &record, opened);
	FUZZ_NEED(!bind || (ok && record.op == ATTEST_OP_BIND));
	if (ok) {
		FUZZ_NEED(peeked == len);
		check_opened(sender, lane, &record, len);
	} else {
		FUZZ_NEED(receiver->recv[lane].dead && (!len || sodium_is_zero(opened, len)));
	}
	return 0;
}

static void put_number(uint8_t *data, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(value >> 8 * i);
}

static void emit_forged(void (*emit)(const char *name, const uint8_t *data, size_t size), const char *name,
			uint8_t cipher, const struct wire_record *header)
{
	uint8_t bytes[3 + FORGED_LEN + 4] = { cipher, header->lane, MODE_FORGED };
	char full_name[64];

	bytes[3] = header->class;
	bytes[4] = header->op;
	bytes[5] = header->lane;
	bytes[6] = WIRE_FROM_INITIATOR;
	put_number(bytes + 7, header->n_pages, 4);
	put_number(bytes + 11, header->body_len, 4);
	put_number(bytes + 15, header->generation, 2);
	put_number(bytes + 17, header->counter, 4);
	put_number(bytes + 21, header->gfn, 8);
	snprintf(full_name, sizeof(full_name), "%s-%u", name, cipher);
	emit(full_name, bytes, sizeof(bytes));
}

static void emit_cipher(void (*emit)(const char *name, const uint8_t *data, size_t size), uint8_t cipher)
{
	static const struct {
		const char *name;
		struct wire_record header;
	} forged[] = {
		{ "bind", { .op = ATTEST_OP_BIND, .lane = 1, .body_len = 8 } },
		{ "state", { .class = 1, .op = ATTEST_OP_STATE, .body_len = 200 } },
		{ "start", { .op = ATTEST_OP_START, .body_len = 48 } },
		{ "request", { .op = ATTEST_OP_REQUEST, .lane = 1, .body_len = 20 } },
		{ "zero-page", { .op = ATTEST_OP_PAGES, .lane = 1, .gfn = 5, .n_pages = 1, .body_len = 1 } },
		{ "page", { .class = 2, .op = ATTEST_OP_PAGES, .lane = 2, .gfn = 5, .n_pages = 1, .body_len = 4097 } },
		{ "run", { .class = 4, .op = ATTEST_OP_PAGES, .lane = 2, .gfn = 5, .n_pages = 9, .body_len = 8201 } },
		{ "credit", { .op = ATTEST_OP_CREDIT, .lane = 2, .body_len = 8 } },
		{ "bad-class", { .class = 18, .op = ATTEST_OP_PING } },
		{ "bad-op", { .op = 31 } },
		{ "bad-counter", { .op = ATTEST_OP_PING, .counter = 1 } },
		{ "bad-gfn", { .op = ATTEST_OP_PAGES, .lane = 2, .gfn = UINT64_MAX, .n_pages = 2, .body_len = 2 } },
	};
	char name[32];

	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++)
		emit_forged(emit, forged[i].name, cipher, &forged[i].header);
	for (uint8_t lane = 0; lane < ATTEST_N_LANES; lane++) {
		const uint8_t genuine[] = { cipher, lane, MODE_XOR, 0, 0 };
		const uint8_t flipped[] = { cipher, lane, MODE_XOR, 16, 0, 1 };
		static uint8_t raw[3 + 112];
		size_t len;

		snprintf(name, sizeof(name), "genuine-%u-%u", lane, cipher);
		emit(name, genuine, sizeof(genuine));
		snprintf(name, sizeof(name), "flipped-%u-%u", lane, cipher);
		emit(name, flipped, sizeof(flipped));
		if (!channels[cipher][0])
			continue;
		replica_restore(channels[cipher][0], &fresh[cipher][0]);
		FUZZ_NEED(attest_record_seal(channels[cipher][0], lane, &(struct attest_record){ .op = ATTEST_OP_PING },
					     NULL, raw + 3, &len) && len == 112);
		raw[0] = cipher;
		raw[1] = lane;
		raw[2] = MODE_RAW;
		snprintf(name, sizeof(name), "raw-%u-%u", lane, cipher);
		emit(name, raw, sizeof(raw));
	}
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	emit_cipher(emit, 0);
	emit_cipher(emit, 1);
}
