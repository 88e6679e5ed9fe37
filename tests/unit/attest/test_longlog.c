/* SPDX-License-Identifier: MIT */
/* longlog.c: logs after evidence: asked for late, bounded, whole, and each message its own. */
#include "check.h"

#include <errno.h>

#include <attest/handshake.h>

#include "logkind.h"
#include "pair.h"

static struct pair pair;
static struct logkind kind[2];
static unsigned int n_messages, n_wants, n_logs;

static void count(void *opaque, unsigned int index, struct pair_message *message)
{
	n_messages++;
	n_wants += message->bytes[0] == WIRE_WANT;
	n_logs += message->bytes[0] == WIRE_LOG;
}

/* Each side's log has this many bytes; 0: none. */
static void begin(uint32_t initiator_len, uint32_t responder_len)
{
	static const struct attest_evidence_ops *const ops = &logkind_ops;

	logkind_init(&kind[PAIR_INITIATOR], initiator_len);
	logkind_init(&kind[PAIR_RESPONDER], responder_len);
	for (int side = 0; side < 2; side++) {
		pair.config[side].evidence = ops;
		pair.config[side].evidence_opaque = &kind[side];
	}
	pair_start(&pair);
	n_messages = n_wants = n_logs = 0;
}

static unsigned int parts(uint32_t len)
{
	return (len + WIRE_LOG_PART - 1) / WIRE_LOG_PART;
}

static void logs_of_any_length_arrive(void)
{
	static const uint32_t lens[][2] = {
		{ 0, 0 }, { 1, 0 }, { 0, 1 }, { 1, 1 }, { WIRE_LOG_PART, WIRE_LOG_PART + 1 }, { 3 * WIRE_LOG_PART, 200000 },
		{ WIRE_LOG_MAX, 5 }, { 5, WIRE_LOG_MAX },
	};

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		begin(lens[i][0], lens[i][1]);
		CU_ASSERT_TRUE(pair_run(&pair, count, NULL));
		CU_ASSERT_EQUAL(n_wants, (lens[i][0] > 0) + (lens[i][1] > 0));
		CU_ASSERT_EQUAL(n_logs, parts(lens[i][0]) + parts(lens[i][1]));
		CU_ASSERT_EQUAL(n_messages, PAIR_N_MESSAGES + n_wants + n_logs);
		for (int side = 0; side < 2; side++) {
			uint32_t len = lens[i][!side];

			CU_ASSERT_EQUAL(kind[side].n_verified, 1);
			CU_ASSERT_EQUAL(kind[side].n_judged, len > 0);
			CU_ASSERT_EQUAL(kind[side].seen_len, len);
			CU_ASSERT_TRUE(!len || kind[side].seen_right);
			CU_ASSERT_PTR_NULL(pair.side[side]->log.bytes);
		}
	}
	CU_ASSERT_EQUAL(parts(WIRE_LOG_MAX), 514);	/* as docs/protocol.md says */
}

/* Both ends fail, with this error at the one who refuses, and nobody asked for a log that is not worth it. */
static void refused(int refuser, unsigned int n_given)
{
	CU_ASSERT_FALSE(pair_run(&pair, count, NULL));
	CU_ASSERT_EQUAL(pair.error[refuser], -EACCES);
	CU_ASSERT_EQUAL(pair.error[!refuser], -EACCES);
	CU_ASSERT_TRUE(pair_failed(&pair, 0) && pair_failed(&pair, 1));
	CU_ASSERT_EQUAL(kind[!refuser].n_given, n_given);
	CU_ASSERT_PTR_NULL(pair.side[0]->log.bytes);
	CU_ASSERT_PTR_NULL(pair.side[1]->log.bytes);
}

static void a_log_is_asked_for_when_the_rest_is_believed(void)
{
	for (int refuser = 0; refuser < 2; refuser++) {
		begin(100000, 100000);
		kind[refuser].refuse = true;
		refused(refuser, 0);
		CU_ASSERT_EQUAL(kind[refuser].n_judged, 0);
		begin(100000, 100000);
		kind[refuser].refuse_log = true;
		refused(refuser, 1);
		CU_ASSERT_EQUAL(kind[refuser].n_judged, 1);
	}
}

static void too_long_or_not_judged_is_refused(void)
{
	struct attest_evidence_ops deaf = logkind_ops;

	deaf.verify_log = NULL;
	for (int refuser = 0; refuser < 2; refuser++) {
		begin(9, 9);
		pair.config[refuser].evidence = &deaf;
		pair_start(&pair);
		refused(refuser, 0);
	}
	/* It cannot be given either. */
	for (int giver = 0; giver < 2; giver++) {
		begin(0, 0);
		kind[giver].log_len = WIRE_LOG_MAX + 1;
		CU_ASSERT_FALSE(pair_run(&pair, count, NULL));
		CU_ASSERT_EQUAL(pair.error[giver], -EFBIG);
		CU_ASSERT_EQUAL(n_logs, 0);
	}
}

static void another_log_than_announced_is_not_given(void)
{
	for (int giver = 0; giver < 2; giver++) {
		begin(30000, 30000);
		kind[giver].give_len--;
		CU_ASSERT_FALSE(pair_run(&pair, count, NULL));
		CU_ASSERT_EQUAL(pair.error[giver], -ESTALE);
		begin(30000, 30000);
		kind[giver].give_other = true;
		CU_ASSERT_FALSE(pair_run(&pair, count, NULL));
		CU_ASSERT_EQUAL(pair.error[giver], -ESTALE);
		begin(30000, 30000);
		kind[giver].give_error = -EIO;
		CU_ASSERT_FALSE(pair_run(&pair, count, NULL));
		CU_ASSERT_EQUAL(pair.error[giver], -EIO);
		CU_ASSERT_TRUE(pair_failed(&pair, giver));
	}
}

struct attack {
	unsigned int index;		/* of the message */
	size_t at;			/* byte; SIZE_MAX: cut by one */
};

static void spoil(void *opaque, unsigned int index, struct pair_message *message)
{
	const struct attack *attack = opaque;

	if (index != attack->index)
		return;
	if (attack->at == SIZE_MAX)
		message->len--;
	else
		message->bytes[attack->at % message->len] ^= 0x20;
}

/* With two parts each there are 9 + 2 * 3 messages. */
static void every_message_is_authentic(void)
{
	static const size_t places[] = { 0, 1, 2, 3, 4, 17, 100, 8191, SIZE_MAX };

	CHECK_LOOP_BEGIN();
	for (unsigned int index = 0; index < PAIR_N_MESSAGES + 6; index++)
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			struct attack attack = { index, places[i] };

			begin(WIRE_LOG_PART + 1, WIRE_LOG_PART + 1);
			CHECK_LOOP(!pair_run(&pair, spoil, &attack), "message %u, byte %zu", index, places[i]);
		}
	CHECK_LOOP_END();
}

/* Somebody between keeps one message back, or sends it once more. */
static void order_counts(void)
{
	static struct pair_message message;

	CHECK_LOOP_BEGIN();
	for (unsigned int which = 0; which < 2; which++)
		for (unsigned int victim = 0; victim < PAIR_N_MESSAGES + 6; victim++) {
			int side = -1;

			begin(WIRE_LOG_PART + 1, WIRE_LOG_PART + 1);
			for (unsigned int index = 0; pair_next(&pair, &message); index++) {
				if (index == victim)
					side = !message.from;
				if (index != victim || which == 1)
					pair_deliver(&pair, &message);
				if (index == victim && which == 1)
					pair_deliver(&pair, &message);
			}
			CHECK_LOOP(side >= 0 && !pair_done(&pair, side), "%s %u", which ? "twice" : "dropped", victim);
		}
	CHECK_LOOP_END();
}

/* A peer with the keys: a WANT where no log was announced, ACCEPT between the parts, verdict 1 instead of WANT. */
static void out_of_place(void)
{
	static struct pair_message message;
	static const uint8_t bare[][4] = { { WIRE_WANT, 1, 20, 0 }, { WIRE_LOG, 1, 0, 32 }, { WIRE_ACCEPT, 1, 53, 0 } };

	for (size_t i = 0; i < sizeof(bare) / sizeof(bare[0]); i++)
		for (unsigned int due = 0; due < 12; due++) {
			static uint8_t bytes[ATTEST_HANDSHAKE_MAX];
			size_t len = bare[i][2] | (size_t)bare[i][3] << 8;

			begin(0, WIRE_LOG_PART + 1);
			memcpy(bytes, bare[i], 4);
			for (unsigned int index = 0; index < due && pair_next(&pair, &message); index++)
				pair_deliver(&pair, &message);
			CU_ASSERT_TRUE(attest_handshake_read(pair.side[PAIR_RESPONDER], bytes, len) < 0);
			CU_ASSERT_TRUE(pair_failed(&pair, PAIR_RESPONDER));
			CU_ASSERT_PTR_NULL(pair.side[PAIR_RESPONDER]->log.bytes);
		}
}

int main(void)
{
	static const struct check checks[] = {
		{ "logs of any length arrive", logs_of_any_length_arrive },
		{ "a log is asked for when the rest is believed", a_log_is_asked_for_when_the_rest_is_believed },
		{ "too long, or nobody to judge it", too_long_or_not_judged_is_refused },
		{ "another log than announced is not given", another_log_than_announced_is_not_given },
		{ "every message is authentic", every_message_is_authentic },
		{ "order counts", order_counts },
		{ "out of place", out_of_place },
		{ NULL, NULL },
	};
	int ret;

	if (!attest_init())
		return EXIT_FAILURE;
	pair_init(&pair, 0);
	ret = check_main("longlog", checks);
	pair_fini(&pair);
	return ret;
}
