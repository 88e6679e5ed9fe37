/* SPDX-License-Identifier: MIT */
/* record.c: the rules that also hold for a peer with the keys and for this side itself; limits; lanes in threads. */
#include "attacked.h"

#include <pthread.h>

/* ---- a peer that has the keys and breaks the rules ---- */

struct bad_header {
	const char *what;
	enum attest_lane lane;
	struct wire_record header;
	size_t plain_len;
	size_t dirt_at;		/* a byte of padding that is not zero */
	bool good;		/* to see that the rest of the case is right */
};

#define PAGES(gfn_, n_, len_) .op = ATTEST_OP_PAGES, .gfn = gfn_, .n_pages = n_, .body_len = len_

static const struct bad_header bad_headers[] = {
	{ "(right)", ATTEST_LANE_BULK, { .class = 2, PAGES(1, 1, 4097) }, 4112, 0, true },
	{ "a larger class than needed", ATTEST_LANE_BULK, { .class = 3, PAGES(1, 1, 4097) }, 4608, 0, false },
	{ "a smaller class than the body", ATTEST_LANE_BULK, { .class = 1, PAGES(1, 1, 4097) }, 512, 0, false },
	{ "first byte of padding", ATTEST_LANE_BULK, { .class = 2, PAGES(1, 1, 4097) }, 4112, 4097, false },
	{ "last byte of padding", ATTEST_LANE_BULK, { .class = 2, PAGES(1, 1, 4097) }, 4112, 4111, false },
	{ "no pages", ATTEST_LANE_BULK, { .class = 2, PAGES(1, 0, 4096) }, 4112, 0, false },
	{ "513 pages", ATTEST_LANE_BULK, { .class = 2, PAGES(1, 513, 513) }, 4112, 0, false },
	{ "2^32 - 1 pages", ATTEST_LANE_BULK, { .class = 2, PAGES(1, UINT32_MAX, 4097) }, 4112, 0, false },
	{ "more data than pages", ATTEST_LANE_BULK, { .class = 4, PAGES(1, 1, 8193) }, 8704, 0, false },
	{ "part of a page", ATTEST_LANE_BULK, { .class = 2, PAGES(1, 1, 4096) }, 4112, 0, false },
	{ "fewer kinds than pages", ATTEST_LANE_BULK, { .class = 0, PAGES(1, 5, 4) }, 64, 0, false },
	{ "(right, last GFN)", ATTEST_LANE_BULK, { .class = 0, PAGES((UINT64_C(1) << 52) - 2, 2, 2) }, 64, 0, true },
	{ "GFN beyond the end", ATTEST_LANE_BULK, { .class = 0, PAGES((UINT64_C(1) << 52) - 1, 2, 2) }, 64, 0,
	  false },
	{ "GFN that wraps", ATTEST_LANE_BULK, { .class = 0, PAGES(UINT64_MAX, 2, 2) }, 64, 0, false },
	{ "GFN of a CREDIT", ATTEST_LANE_BULK, { .class = 0, .op = ATTEST_OP_CREDIT, .gfn = 1, .body_len = 8 }, 64, 0,
	  false },
	{ "pages of a CREDIT", ATTEST_LANE_BULK, { .class = 0, .op = ATTEST_OP_CREDIT, .n_pages = 1, .body_len = 8 },
	  64, 0, false },
	{ "body beyond everything", ATTEST_LANE_BULK, { .class = 0, .op = ATTEST_OP_CREDIT, .body_len = UINT32_MAX },
	  64, 0, false },
	{ "(right, control)", ATTEST_LANE_CONTROL, { .class = 0, .op = ATTEST_OP_START, .body_len = 48 }, 64, 0, true },
	{ "START on bulk", ATTEST_LANE_BULK, { .class = 0, .op = ATTEST_OP_START, .body_len = 48 }, 64, 0, false },
	{ "PAGES on control", ATTEST_LANE_CONTROL, { .class = 0, PAGES(1, 1, 1) }, 64, 0, false },
	{ "STATE on urgent", ATTEST_LANE_URGENT, { .class = 0, .op = ATTEST_OP_STATE, .body_len = 8 }, 64, 0, false },
	{ "REQUEST on bulk", ATTEST_LANE_BULK, { .class = 0, .op = ATTEST_OP_REQUEST, .body_len = 8 }, 64, 0, false },
	{ "CREDIT on urgent", ATTEST_LANE_URGENT, { .class = 0, .op = ATTEST_OP_CREDIT, .body_len = 8 }, 64, 0, false },
	{ "op 0", ATTEST_LANE_CONTROL, { .class = 0, .op = 0 }, 64, 0, false },
	{ "op 15", ATTEST_LANE_CONTROL, { .class = 0, .op = 15 }, 64, 0, false },
	{ "op 32 + BIND", ATTEST_LANE_CONTROL, { .class = 0, .op = 33 }, 64, 0, false },
	{ "op 255", ATTEST_LANE_CONTROL, { .class = 0, .op = 255 }, 64, 0, false },
	{ "wrong counter", ATTEST_LANE_CONTROL, { .class = 0, .op = ATTEST_OP_PING, .counter = 1 }, 64, 0, false },
	{ "wrong generation", ATTEST_LANE_CONTROL, { .class = 0, .op = ATTEST_OP_PING, .generation = 1 }, 64, 0,
	  false },
	{ "24 page class on control", ATTEST_LANE_CONTROL,
	  { .class = 8, .op = ATTEST_OP_STATE, .body_len = 90000 }, 98816, 0, false },
};

static void authentic_records_that_break_a_rule_are_refused(void)
{
	static uint8_t plain[1 << 20];

	CHECK_LOOP_BEGIN();
	for (size_t c = 0; c < 2; c++) {
		if (!set_up(ciphers[c]))
			continue;
		for (size_t i = 0; i < sizeof(bad_headers) / sizeof(bad_headers[0]); i++) {
			const struct bad_header *bad = &bad_headers[i];
			const struct channel_half *half = &channel[0]->send[bad->lane];
			struct wire_record header = bad->header;
			size_t len;

			header.lane = (uint8_t)bad->lane;
			header.direction = WIRE_FROM_INITIATOR;
			memset(plain, 0, bad->plain_len);
			if (bad->dirt_at)
				plain[bad->dirt_at] = 1;
			len = forge_seal(channel[0], half, &header, plain, bad->plain_len, wire);
			if (bad->good)
				CHECK_LOOP(accepted_by(bad->lane, wire, len), "%s", bad->what);
			else
				CHECK_LOOP(refused_by(bad->lane, wire, len), "%s", bad->what);
		}
		tear_down();
	}
	CHECK_LOOP_END();
}

/* ---- sealing ---- */

static void bad_arguments_kill_the_sealer(void)
{
	static const struct {
		enum attest_lane lane;
		struct attest_record record;
	} bad[] = {
		{ ATTEST_LANE_BULK, { PAGES(1, 0, 0) } },
		{ ATTEST_LANE_BULK, { PAGES(1, 513, 513) } },
		{ ATTEST_LANE_BULK, { PAGES(1, 1, 4096) } },
		{ ATTEST_LANE_BULK, { PAGES(UINT64_C(1) << 52, 1, 4097) } },
		{ ATTEST_LANE_BULK, { .op = ATTEST_OP_CREDIT, .body_len = ATTEST_BODY_MAX + 1 } },
		{ ATTEST_LANE_BULK, { .op = ATTEST_OP_CREDIT, .gfn = 1 } },
		{ ATTEST_LANE_BULK, { .op = ATTEST_OP_START } },
		{ ATTEST_LANE_URGENT, { PAGES(1, 17, 17 * 4097) } },
		{ ATTEST_LANE_CONTROL, { .op = ATTEST_OP_STATE, .body_len = 66049 } },
		{ ATTEST_LANE_CONTROL, { .op = 0 } },
		{ ATTEST_LANE_CONTROL, { .op = 33 } },
		{ ATTEST_LANE_CONTROL, { .op = 1000 } },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t len = 77;

		if (!set_up(ATTEST_CIPHER_XCHACHA20POLY1305))
			return;
		CU_ASSERT_FALSE(attest_record_seal(channel[0], bad[i].lane, &bad[i].record, body, wire, &len));
		CU_ASSERT_EQUAL(len, 77);
		CU_ASSERT_FALSE(attest_record_seal(channel[0], bad[i].lane, &ping, body, wire, &len));
		/* the other lanes go on */
		CU_ASSERT_TRUE(attest_record_seal(channel[0], (bad[i].lane + 1) % 3, &ping, body, wire, &len));
		tear_down();
	}
	if (!set_up(ATTEST_CIPHER_XCHACHA20POLY1305))
		return;
	CU_ASSERT_FALSE(attest_record_seal(channel[0], ATTEST_N_LANES, &ping, body, wire, &(size_t){ 0 }));
	CU_ASSERT_FALSE(attest_record_open(channel[1], ATTEST_N_LANES, wire, 112, &(struct attest_record){ 0 },
					   opened));
	tear_down();
}

static void counters_are_used_once_also_when_nothing_is_sent(void)
{
	uint8_t first[112];

	if (!set_up(ATTEST_CIPHER_XCHACHA20POLY1305))
		return;
	CU_ASSERT_EQUAL(seal(ATTEST_LANE_CONTROL, &ping), 112);
	memcpy(first, wire, sizeof(first));
	/* the send was cancelled; the same record again gets another counter, and the receiver sees the gap */
	CU_ASSERT_EQUAL(seal(ATTEST_LANE_CONTROL, &ping), 112);
	CU_ASSERT_EQUAL(first[8], 0);
	CU_ASSERT_EQUAL(wire[8], 1);
	CU_ASSERT_NOT_EQUAL(memcmp(first + 32, wire + 32, 64), 0);
	CU_ASSERT_TRUE(refused_by(ATTEST_LANE_CONTROL, wire, 112));
	tear_down();
}

static void both_ends_stop_at_their_limits(void)
{
	for (int what = 0; what < 2; what++) {
		struct attest_record got;
		size_t len;

		if (!set_up(ATTEST_CIPHER_XCHACHA20POLY1305))
			return;
		for (int side = 0; side < 2; side++) {
			channel[side]->limits.rekey_records = 2;
			if (what)
				channel[side]->limits.max_records = 6;
			else
				channel[side]->limits.max_generation = 2;
		}
		for (int i = 0; i < 6; i++) {
			CU_ASSERT_EQUAL_FATAL(seal(ATTEST_LANE_BULK, &ping), 112);
			CU_ASSERT_TRUE(attest_record_open(channel[1], ATTEST_LANE_BULK, wire, 112, &got, opened));
		}
		/* whoever ignores the limits is stopped by the other */
		memcpy(&saved, channel[1], sizeof(saved));
		channel[0]->limits.max_records = 100;
		channel[0]->limits.max_generation = 100;
		CU_ASSERT_EQUAL(seal(ATTEST_LANE_BULK, &ping), 112);
		CU_ASSERT_TRUE(refused_by(ATTEST_LANE_BULK, wire, 112));
		if (what) {
			channel[0]->limits.max_records = 7;
		} else {
			channel[0]->limits.max_generation = 3;
			channel[0]->limits.rekey_records = 1;
		}
		CU_ASSERT_EQUAL(seal(ATTEST_LANE_BULK, &ping), 0);
		CU_ASSERT_FALSE(attest_record_seal(channel[0], ATTEST_LANE_BULK, &ping, body, wire, &len));
		CU_ASSERT_TRUE(channel[0]->send[ATTEST_LANE_BULK].dead);
		CU_ASSERT_EQUAL(seal(ATTEST_LANE_URGENT, &ping), 112);
		tear_down();
	}
}

/* A sender that does not change keys when it is due is refused. */
static void missed_rekey_is_refused(void)
{
	if (!set_up(ATTEST_CIPHER_XCHACHA20POLY1305))
		return;
	channel[1]->limits.rekey_records = saved.limits.rekey_records = 1;
	CU_ASSERT_EQUAL(seal(ATTEST_LANE_BULK, &ping), 112);
	CU_ASSERT_TRUE(accepted_by(ATTEST_LANE_BULK, wire, 112));
	memcpy(&saved, channel[1], sizeof(saved));
	CU_ASSERT_EQUAL(seal(ATTEST_LANE_BULK, &ping), 112);
	CU_ASSERT_EQUAL(wire[4], 0);
	CU_ASSERT_TRUE(refused_by(ATTEST_LANE_BULK, wire, 112));
	tear_down();
}

/* It may do so early, by one generation at a time. */
static void early_rekey_is_followed_by_one_generation_only(void)
{
	for (size_t c = 0; c < 2; c++) {
		struct channel_half *half;

		if (!set_up(ciphers[c]))
			continue;
		half = &channel[0]->send[ATTEST_LANE_BULK];
		for (uint32_t generation = 1; generation <= 3; generation++) {
			CU_ASSERT_TRUE(channel_rekey(channel[0], half));
			CU_ASSERT_EQUAL(seal(ATTEST_LANE_BULK, &ping), 112);
			CU_ASSERT_EQUAL(wire[4], generation);
			CU_ASSERT_TRUE(accepted_by(ATTEST_LANE_BULK, wire, 112));
			CU_ASSERT_EQUAL(channel[1]->recv[ATTEST_LANE_BULK].generation, generation);
			CU_ASSERT_EQUAL(channel[1]->recv[ATTEST_LANE_BULK].n_records, 1);
			memcpy(&saved, channel[1], sizeof(saved));
		}
		CU_ASSERT_TRUE(channel_rekey(channel[0], half));
		CU_ASSERT_TRUE(channel_rekey(channel[0], half));
		CU_ASSERT_EQUAL(seal(ATTEST_LANE_BULK, &ping), 112);
		CU_ASSERT_TRUE(refused_by(ATTEST_LANE_BULK, wire, 112));
		/* one that was due, and one more */
		saved.limits.rekey_records = 1;
		CU_ASSERT_TRUE(refused_by(ATTEST_LANE_BULK, wire, 112));
		tear_down();
	}
}

#define SECOND UINT64_C(1000000000)

static void check_sealed(uint32_t generation)
{
	struct attest_record got;

	CU_ASSERT_EQUAL(seal(ATTEST_LANE_URGENT, &ping), 112);
	CU_ASSERT_EQUAL(wire[4], generation);
	CU_ASSERT_TRUE(attest_record_open(channel[1], ATTEST_LANE_URGENT, wire, 112, &got, opened));
}

/* The receiver has no clock: it follows. */
static void keys_that_seal_for_120_s_are_changed(void)
{
	for (size_t c = 0; c < 2; c++) {
		if (!set_up(ciphers[c]))
			continue;
		/* what was sealed before the first tick has no age; keys that have sealed nothing do not age */
		check_sealed(0);
		attest_channel_tick(channel[0], 1000 * SECOND);
		attest_channel_tick(channel[0], 2000 * SECOND);
		check_sealed(0);
		attest_channel_tick(channel[0], 2120 * SECOND - 1);
		check_sealed(0);
		/* time does not go back */
		attest_channel_tick(channel[0], 5);
		check_sealed(0);
		attest_channel_tick(channel[0], 2120 * SECOND);
		check_sealed(1);
		check_sealed(1);
		attest_channel_tick(channel[0], 2240 * SECOND - 1);
		check_sealed(1);
		/* however long: one generation */
		attest_channel_tick(channel[0], 9999 * SECOND);
		check_sealed(2);
		CU_ASSERT_EQUAL(channel[0]->send[ATTEST_LANE_BULK].generation, 0);
		/* at the last generation age stops the lane, too */
		channel[0]->limits.max_generation = 2;
		attest_channel_tick(channel[0], 19999 * SECOND);
		CU_ASSERT_EQUAL(seal(ATTEST_LANE_URGENT, &ping), 0);
		CU_ASSERT_TRUE(channel[0]->send[ATTEST_LANE_URGENT].dead);
		tear_down();
	}
}

/* ---- attest_record_probe_bind ---- */

static bool probe(enum attest_lane lane, const uint8_t *bytes, size_t len)
{
	struct attest_channel before;
	bool is_bind;

	memcpy(&before, channel[1], sizeof(before));
	is_bind = attest_record_probe_bind(channel[1], lane, bytes, len);
	CU_ASSERT_EQUAL(memcmp(&before, channel[1], sizeof(before)), 0);
	return is_bind;
}

static void probe_knows_the_first_record_and_kills_nothing(void)
{
	struct attest_record bind = { .op = ATTEST_OP_BIND }, got;
	static uint8_t garbage[112];

	for (size_t c = 0; c < 2; c++) {
		if (!set_up(ciphers[c]))
			continue;
		randombytes_buf(garbage, sizeof(garbage));
		bind.body_len = 8;
		CU_ASSERT_EQUAL(seal(ATTEST_LANE_URGENT, &bind), 112);
		CU_ASSERT_FALSE(probe(ATTEST_LANE_URGENT, garbage, sizeof(garbage)));
		memcpy(garbage, wire, 16);
		CU_ASSERT_FALSE(probe(ATTEST_LANE_URGENT, garbage, sizeof(garbage)));
		CU_ASSERT_FALSE(probe(ATTEST_LANE_BULK, wire, 112));
		CU_ASSERT_FALSE(probe(ATTEST_N_LANES, wire, 112));
		CU_ASSERT_FALSE(probe(ATTEST_LANE_URGENT, wire, 111));
		for (size_t bit = 0; bit < 112 * 8; bit += 5) {
			wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
			CU_ASSERT_FALSE(probe(ATTEST_LANE_URGENT, wire, 112));
			wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		channel[1]->recv[ATTEST_LANE_URGENT].dead = true;
		CU_ASSERT_FALSE(probe(ATTEST_LANE_URGENT, wire, 112));
		channel[1]->recv[ATTEST_LANE_URGENT].dead = false;
		CU_ASSERT_TRUE(probe(ATTEST_LANE_URGENT, wire, 112));
		CU_ASSERT_TRUE(attest_record_open(channel[1], ATTEST_LANE_URGENT, wire, 112, &got, opened));
		/* bound: no second one, and not the same again */
		CU_ASSERT_FALSE(probe(ATTEST_LANE_URGENT, wire, 112));
		CU_ASSERT_EQUAL(seal(ATTEST_LANE_URGENT, &bind), 112);
		CU_ASSERT_FALSE(probe(ATTEST_LANE_URGENT, wire, 112));
		/* the longest one, one that is longer, and one that is no BIND */
		bind.body_len = 512;
		CU_ASSERT_EQUAL(seal(ATTEST_LANE_BULK, &bind), 560);
		CU_ASSERT_TRUE(probe(ATTEST_LANE_BULK, wire, 560));
		tear_down();
		if (!set_up(ciphers[c]))
			continue;
		bind.body_len = 513;
		CU_ASSERT_EQUAL(seal(ATTEST_LANE_BULK, &bind), 4160);
		CU_ASSERT_FALSE(probe(ATTEST_LANE_BULK, wire, 4160));
		CU_ASSERT_EQUAL(seal(ATTEST_LANE_CONTROL, &ping), 112);
		CU_ASSERT_FALSE(probe(ATTEST_LANE_CONTROL, wire, 112));
		tear_down();
	}
}

/* ---- lanes in threads ---- */

struct lane_run {
	enum attest_lane lane;
	bool ok;
};

static void *run_lane(void *opaque)
{
	static const struct attest_record note = { .op = ATTEST_OP_PING, .body_len = 400 };
	struct lane_run *run = opaque;
	uint8_t bytes[560], text[400] = { 0 }, got_text[560];
	struct attest_record got;
	size_t len;

	run->ok = true;
	for (int i = 0; i < 2000; i++) {
		text[0] = (uint8_t)i;
		run->ok = run->ok && attest_record_seal(channel[0], run->lane, &note, text, bytes, &len) &&
			  attest_record_open(channel[1], run->lane, bytes, len, &got, got_text) &&
			  !memcmp(got_text, text, sizeof(text));
	}
	return NULL;
}

static void lanes_run_in_threads(void)
{
	struct lane_run runs[ATTEST_N_LANES];
	pthread_t threads[ATTEST_N_LANES];

	for (size_t c = 0; c < 2; c++) {
		if (!set_up(ciphers[c]))
			continue;
		channel[0]->limits.rekey_records = channel[1]->limits.rekey_records = 100;
		for (unsigned int i = 0; i < ATTEST_N_LANES; i++) {
			runs[i].lane = i;
			CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, run_lane, &runs[i]), 0);
		}
		/* and the time comes from yet another thread */
		for (uint64_t i = 0; i < 1000; i++)
			attest_channel_tick(channel[0], i * 10 * SECOND);
		for (unsigned int i = 0; i < ATTEST_N_LANES; i++) {
			pthread_join(threads[i], NULL);
			CU_ASSERT_TRUE(runs[i].ok);
		}
		tear_down();
	}
}

int main(void)
{
	static const struct check checks[] = {
		{ "authentic records that break a rule are refused", authentic_records_that_break_a_rule_are_refused },
		{ "bad arguments kill the sealer", bad_arguments_kill_the_sealer },
		{ "counters are used once, also when nothing is sent",
		  counters_are_used_once_also_when_nothing_is_sent },
		{ "both ends stop at their limits", both_ends_stop_at_their_limits },
		{ "missed rekey is refused", missed_rekey_is_refused },
		{ "early rekey is followed, by one generation only", early_rekey_is_followed_by_one_generation_only },
		{ "keys that seal for 120 s are changed", keys_that_seal_for_120_s_are_changed },
		{ "probe knows the first record and kills nothing", probe_knows_the_first_record_and_kills_nothing },
		{ "lanes run in threads", lanes_run_in_threads },
		{ NULL, NULL },
	};

	return check_main("record, rules", checks);
}
