/* SPDX-License-Identifier: MIT */
/* record.c: the format, the classes, and what an honest channel must let through. */
#include "check.h"
#include "forge.h"
#include "pair.h"

static struct pair pair;
static struct attest_channel *channel[2];
static uint8_t body[ATTEST_BODY_MAX], wire[ATTEST_RECORD_MAX], opened[ATTEST_RECORD_MAX];

static const uint32_t lane_max[ATTEST_N_LANES] = { 66048, 66048, 2097664 };

static bool set_up(enum attest_cipher cipher)
{
	if (!(channel_ciphers() & 1u << cipher)) {
		fprintf(stderr, "not run: no %s on this machine ", attest_cipher_name(cipher));
		return false;
	}
	pair_init(&pair, 1u << cipher);
	pair_channels(&pair, channel);
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 7 + i / 4096);
	return true;
}

static void tear_down(void)
{
	attest_channel_free(channel[0]);
	attest_channel_free(channel[1]);
	pair_fini(&pair);
}

static size_t seal(int side, enum attest_lane lane, const struct attest_record *record)
{
	size_t wire_len = 0;

	return attest_record_seal(channel[side], lane, record, body, wire, &wire_len) ? wire_len : 0;
}

/* An op of each lane that may have a body of any length. */
static struct attest_record any_record(enum attest_lane lane, uint32_t body_len)
{
	static const enum attest_op ops[] = { ATTEST_OP_STATE, ATTEST_OP_REQUEST, ATTEST_OP_CREDIT };

	return (struct attest_record){ .op = ops[lane], .body_len = body_len };
}

static bool round_trip(int side, enum attest_lane lane, const struct attest_record *record)
{
	struct attest_record got;
	size_t wire_len = seal(side, lane, record), peeked = 0;

	memset(opened, 0xcc, sizeof(opened));
	return wire_len && wire_len == attest_record_wire_len(record->body_len) &&
	       attest_record_peek(lane, wire, &peeked) && peeked == wire_len &&
	       attest_record_open(channel[!side], lane, wire, wire_len, &got, opened) && got.op == record->op &&
	       got.gfn == record->gfn && got.n_pages == record->n_pages && got.body_len == record->body_len &&
	       !memcmp(opened, body, record->body_len);
}

/* docs/protocol.md, "Classes" */
static void lengths_are_the_documented_ones(void)
{
	static const uint32_t classes[] = {
		64, 512, 4112, 4608, 8704, 16896, 33280, 66048, 98816, 131584, 197120, 262656, 393728, 524800, 786944,
		1049088, 1573376, 2097664,
	};

	CU_ASSERT_EQUAL(sizeof(classes) / sizeof(classes[0]), WIRE_N_CLASSES);
	CU_ASSERT_EQUAL(attest_record_wire_len(0), 112);
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		CU_ASSERT_EQUAL(attest_record_wire_len(classes[i]), 48 + classes[i]);
		CU_ASSERT_EQUAL(attest_record_wire_len(classes[i] + 1),
				i + 1 < WIRE_N_CLASSES ? 48 + classes[i + 1] : 0);
	}
	CU_ASSERT_EQUAL(attest_record_wire_len(UINT32_MAX), 0);
	CU_ASSERT_EQUAL(classes[WIRE_N_CLASSES - 1], ATTEST_BODY_MAX);
	CU_ASSERT_TRUE(attest_record_wire_len(ATTEST_BODY_MAX) <= ATTEST_RECORD_MAX);
}

static void full_runs_waste_little(void)
{
	static const uint32_t runs[] = { 1, 16, 64, 512 };

	for (size_t i = 0; i < 4; i++) {
		uint32_t len = runs[i] * (ATTEST_PAGE_LEN + 1);

		CU_ASSERT_TRUE(attest_record_wire_len(len) - len <= 48 + (runs[i] == 1 ? 15 : 511));
	}
	/* the worst: nine pages, sixty-five pages */
	CU_ASSERT_TRUE(attest_record_wire_len(9 * 4097) * 100 <= 9 * 4096 * 180);
	CU_ASSERT_TRUE(attest_record_wire_len(65 * 4097) * 100 <= 65 * 4096 * 149);
	/* one page of data in a run of zeros needs no larger class than alone */
	CU_ASSERT_EQUAL(attest_record_wire_len(ATTEST_PAGE_LEN + 16), attest_record_wire_len(ATTEST_PAGE_LEN + 1));
	CU_ASSERT_EQUAL(attest_record_wire_len(ATTEST_PAGE_LEN + 512), attest_record_wire_len(ATTEST_PAGE_LEN + 17));
}

static void every_length_around_a_class_passes(enum attest_cipher cipher)
{
	static const uint32_t classes[] = { WIRE_CLASS_LENS };

	if (!set_up(cipher))
		return;
	CHECK_LOOP_BEGIN();
	for (unsigned int lane = 0; lane < ATTEST_N_LANES; lane++) {
		for (size_t i = 0; i < WIRE_N_CLASSES && classes[i] <= lane_max[lane]; i++) {
			for (int off = -1; off <= (classes[i] < lane_max[lane]); off++) {
				struct attest_record record = any_record(lane, classes[i] + (uint32_t)off);

				CHECK_LOOP(round_trip(0, lane, &record), "lane %u, %u bytes", lane, record.body_len);
				CHECK_LOOP(round_trip(1, lane, &record), "lane %u, %u bytes back", lane,
					   record.body_len);
			}
		}
	}
	CHECK_LOOP_END();
	tear_down();
}

static void every_length_passes_aes(void)
{
	every_length_around_a_class_passes(ATTEST_CIPHER_AES256GCM);
}

static void every_length_passes_xchacha(void)
{
	every_length_around_a_class_passes(ATTEST_CIPHER_XCHACHA20POLY1305);
}

static void pages_of_any_run_pass(void)
{
	static const uint32_t runs[] = { 1, 2, 3, 15, 16, 17, 63, 64, 65, 256, 383, 384, 385, 511, 512 };

	if (!set_up(ATTEST_CIPHER_XCHACHA20POLY1305))
		return;
	CHECK_LOOP_BEGIN();
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		uint32_t n = runs[i];

		for (uint32_t n_data = 0; n_data <= n; n_data += n_data + 1 == n ? 1 : 1 + n / 3) {
			struct attest_record record = {
				.op = ATTEST_OP_PAGES, .gfn = (UINT64_C(1) << 52) - n, .n_pages = n,
				.body_len = n + n_data * ATTEST_PAGE_LEN,
			};

			CHECK_LOOP(round_trip(0, ATTEST_LANE_BULK, &record), "%u of %u pages", n_data, n);
		}
	}
	CHECK_LOOP_END();
	tear_down();
}

static void empty_body_needs_no_pointer(void)
{
	const struct attest_record record = { .op = ATTEST_OP_STARTED };
	struct attest_record got;
	size_t wire_len;

	if (!set_up(ATTEST_CIPHER_XCHACHA20POLY1305))
		return;
	CU_ASSERT_TRUE(attest_record_seal(channel[1], ATTEST_LANE_CONTROL, &record, NULL, wire, &wire_len));
	CU_ASSERT_TRUE(attest_record_open(channel[0], ATTEST_LANE_CONTROL, wire, wire_len, &got, opened));
	CU_ASSERT_EQUAL(got.op, ATTEST_OP_STARTED);
	CU_ASSERT_EQUAL(got.body_len, 0);
	tear_down();
}

/* The second implementation, in forge.c, reads what the first one writes, and the other way round. */
static void format_is_the_documented_one(enum attest_cipher cipher)
{
	struct attest_record record = { .op = ATTEST_OP_PAGES, .gfn = 0x123456789a, .n_pages = 3 };
	struct wire_record header;
	struct attest_record got;
	struct channel_half half;
	size_t wire_len;

	if (!set_up(cipher))
		return;
	record.body_len = 3 + 2 * ATTEST_PAGE_LEN;
	half = channel[0]->send[ATTEST_LANE_URGENT];
	wire_len = seal(0, ATTEST_LANE_URGENT, &record);
	CU_ASSERT_EQUAL(wire_len, 32 + 8704 + 16);
	CU_ASSERT_EQUAL(memcmp(wire, "\x04\x0a\x01\x01\0\0\0\0\0\0\0\0\0\0\0\0", 16), 0);
	CU_ASSERT_TRUE(forge_open(channel[0], &half, wire, wire_len, &header, opened));
	CU_ASSERT_EQUAL(header.gfn, record.gfn);
	CU_ASSERT_EQUAL(header.n_pages, 3);
	CU_ASSERT_EQUAL(header.body_len, record.body_len);
	CU_ASSERT_EQUAL(memcmp(opened, body, record.body_len), 0);
	CU_ASSERT_TRUE(sodium_is_zero(opened + record.body_len, 8704 - record.body_len));

	memset(opened, 0, sizeof(opened));
	memcpy(opened, body, record.body_len);
	wire_len = forge_seal(channel[0], &half, &header, opened, 8704, wire);
	CU_ASSERT_TRUE(attest_record_open(channel[1], ATTEST_LANE_URGENT, wire, wire_len, &got, opened));
	CU_ASSERT_EQUAL(got.gfn, record.gfn);
	CU_ASSERT_EQUAL(memcmp(opened, body, record.body_len), 0);
	tear_down();
}

static void format_is_documented_aes(void)
{
	format_is_the_documented_one(ATTEST_CIPHER_AES256GCM);
}

static void format_is_documented_xchacha(void)
{
	format_is_the_documented_one(ATTEST_CIPHER_XCHACHA20POLY1305);
}

static void gfn_and_text_do_not_show(void)
{
	struct attest_record record = { .op = ATTEST_OP_PAGES, .gfn = 0xabcdef1234, .n_pages = 1, .body_len = 4097 };
	uint8_t first[WIRE_MASKED_LEN];
	size_t wire_len;

	if (!set_up(ATTEST_CIPHER_XCHACHA20POLY1305))
		return;
	wire_len = seal(0, ATTEST_LANE_BULK, &record);
	memcpy(first, wire + WIRE_CLEAR_LEN, sizeof(first));
	CU_ASSERT_PTR_NULL(memmem(wire, wire_len, "\x34\x12\xef\xcd\xab", 5));
	for (size_t at = 0; at + 64 <= record.body_len; at += 64)
		CU_ASSERT_PTR_NULL(memmem(wire, wire_len, body + at, 64));
	/* the same header once more looks different in each of its parts */
	CU_ASSERT_EQUAL(seal(0, ATTEST_LANE_BULK, &record), wire_len);
	CU_ASSERT_NOT_EQUAL(memcmp(first, wire + WIRE_CLEAR_LEN, 8), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(first + 8, wire + WIRE_CLEAR_LEN + 8, 4), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(first + 12, wire + WIRE_CLEAR_LEN + 12, 4), 0);
	tear_down();
}

/* Long enough for many generations by records, then by bytes. */
static void rekeys_at_the_same_record(enum attest_cipher cipher)
{
	struct attest_record record = any_record(ATTEST_LANE_BULK, 100);
	uint32_t last = 0;

	if (!set_up(cipher))
		return;
	CHECK_LOOP_BEGIN();
	for (int side = 0; side < 2; side++) {
		channel[side]->limits.rekey_records = 5;
		channel[side]->limits.rekey_bytes = 10000;
	}
	for (uint64_t i = 0; i < 400; i++) {
		const struct channel_half *half = &channel[0]->send[ATTEST_LANE_BULK];

		record.body_len = i < 100 ? 100 : 4000;
		CHECK_LOOP(round_trip(0, ATTEST_LANE_BULK, &record), "record %zu", (size_t)i);
		if (i < 100)
			CHECK_LOOP(half->generation == i / 5, "record %zu: generation %u", (size_t)i, half->generation);
		CHECK_LOOP(half->generation - last <= 1, "record %zu", (size_t)i);
		CHECK_LOOP(half->n_records <= 5 && half->n_bytes <= 10000, "record %zu", (size_t)i);
		CHECK_LOOP(half->counter == i + 1, "record %zu", (size_t)i);
		CHECK_LOOP(wire[4] == (half->generation & 0xff) && wire[5] == half->generation >> 8, "record %zu",
			   (size_t)i);
		last = half->generation;
	}
	/* 4112 bytes each: two of them in 10,000 */
	CHECK_LOOP(last == 19 + 150, "generation %u", last);
	CHECK_LOOP_END();
	tear_down();
}

static void rekeys_aes(void)
{
	rekeys_at_the_same_record(ATTEST_CIPHER_AES256GCM);
}

static void rekeys_xchacha(void)
{
	rekeys_at_the_same_record(ATTEST_CIPHER_XCHACHA20POLY1305);
}

/* The keys of different generations do not open each other's records. */
static void old_keys_open_nothing_new(void)
{
	struct attest_record record = any_record(ATTEST_LANE_BULK, 10);
	struct wire_record header;
	struct channel_half old;
	size_t wire_len;

	if (!set_up(ATTEST_CIPHER_XCHACHA20POLY1305))
		return;
	channel[0]->limits.rekey_records = 1;
	wire_len = seal(0, ATTEST_LANE_BULK, &record);
	old = channel[0]->send[ATTEST_LANE_BULK];
	CU_ASSERT_TRUE(forge_open(channel[0], &old, wire, wire_len, &header, opened));
	wire_len = seal(0, ATTEST_LANE_BULK, &record);
	CU_ASSERT_FALSE(forge_open(channel[0], &old, wire, wire_len, &header, opened));
	CU_ASSERT_TRUE(forge_open(channel[0], &channel[0]->send[ATTEST_LANE_BULK], wire, wire_len, &header, opened));
	CU_ASSERT_EQUAL(header.generation, 1);
	tear_down();
}

/* More records than a block of masks holds: the second implementation makes each by itself. */
static void masks_are_the_documented_ones(void)
{
	struct attest_record record = { .op = ATTEST_OP_PAGES, .gfn = 0x4711, .n_pages = 1, .body_len = 1 };
	struct wire_record header;

	if (!set_up(ATTEST_CIPHER_XCHACHA20POLY1305))
		return;
	CHECK_LOOP_BEGIN();
	for (uint64_t i = 0; i < 200; i++) {
		channel[0]->limits.rekey_records = 90;
		CHECK_LOOP(seal(0, ATTEST_LANE_URGENT, &record) == 112, "record %u", (unsigned int)i);
		CHECK_LOOP(forge_open(channel[0], &channel[0]->send[ATTEST_LANE_URGENT], wire, 112, &header, opened) &&
			   header.gfn == 0x4711 && header.counter == i, "record %u", (unsigned int)i);
	}
	CHECK_LOOP_END();
	tear_down();
}

int main(void)
{
	static const struct check checks[] = {
		{ "lengths are the documented ones", lengths_are_the_documented_ones },
		{ "full runs waste little", full_runs_waste_little },
		{ "every length around a class passes, AES-256-GCM", every_length_passes_aes },
		{ "every length around a class passes, XChaCha20-Poly1305", every_length_passes_xchacha },
		{ "pages of any run pass", pages_of_any_run_pass },
		{ "empty body needs no pointer", empty_body_needs_no_pointer },
		{ "format is the documented one, AES-256-GCM", format_is_documented_aes },
		{ "format is the documented one, XChaCha20-Poly1305", format_is_documented_xchacha },
		{ "GFN and text do not show", gfn_and_text_do_not_show },
		{ "masks are the documented ones", masks_are_the_documented_ones },
		{ "rekeys at the same record, AES-256-GCM", rekeys_aes },
		{ "rekeys at the same record, XChaCha20-Poly1305", rekeys_xchacha },
		{ "old keys open nothing new", old_keys_open_nothing_new },
		{ NULL, NULL },
	};

	return check_main("record", checks);
}
