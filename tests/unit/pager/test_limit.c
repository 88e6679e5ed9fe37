// SPDX-License-Identifier: MIT
/* The limit of the background stream, by a clock of its own: nothing here depends on how fast the machine is. */
#include <errno.h>
#include <pthread.h>

#include "check.h"
#include "limit.h"
#include "messages.h"

#define S 1000000ull
#define RECORD ((uint64_t)PAGES_BODY_MAX(BULK_MAX_RUN))

static uint64_t now_us;
static uint64_t n_sleeps;

static uint64_t fake_now(void *opaque)
{
	(void)opaque;
	return now_us;
}

/* Every third time somebody else signals: half of the time has passed. */
static void fake_sleep(void *opaque, pthread_cond_t *changed, pthread_mutex_t *lock, uint64_t us)
{
	(void)opaque;
	(void)changed;
	(void)lock;
	now_us += n_sleeps++ % 3 == 2 ? us / 2 : us;
}

static const struct limit_clock fake_clock = { .now_us = fake_now, .sleep_us = fake_sleep };

static uint64_t burst_of(uint64_t rate)
{
	return rate / 10 > RECORD ? rate / 10 : RECORD;
}

/* Send records of @len for @us; returns the bytes.  No stretch from the beginning has more than burst + rate * time. */
static uint64_t stream(struct limit *limit, uint64_t rate, uint64_t len, uint64_t us)
{
	const uint64_t begin_us = now_us;
	uint64_t sent = 0;

	for (;;) {
		if (!limit_wait(limit, len) || now_us - begin_us > us)
			return sent;
		limit_spend(limit, len);
		sent += len;
		if (sent > burst_of(rate) + (now_us - begin_us) * rate / S) {
			CU_FAIL("more than the limit");
			return sent;
		}
	}
}

static void test_rate_holds(void)
{
	static const uint64_t rates[] = { LIMIT_MIN, 65536, 1000003, 100 << 20, 10ull << 30, LIMIT_MAX };
	static const uint64_t lens[] = { 4097, 65552, RECORD };
	struct limit limit;
	uint64_t sent, us;
	size_t i, k;

	for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		for (k = 0; k < sizeof(lens) / sizeof(lens[0]); k++) {
			if (burst_of(rates[i]) / lens[k] > 500000)
				continue;	/* the longer ones do */
			now_us = 12345;
			limit_init(&limit, RECORD, &fake_clock);
			limit_set(&limit, rates[i]);
			CU_ASSERT_EQUAL(limit_get(&limit), rates[i]);
			us = 200 * RECORD * S / rates[i] + S / 10;
			sent = stream(&limit, rates[i], lens[k], us);
			/* It is used, too, but for the last record, and what sleeping for whole microseconds costs. */
			CU_ASSERT_TRUE(sent + lens[k] + (sent / lens[k] + 1) * (rates[i] / S + 1) >=
				       burst_of(rates[i]) + us * rates[i] / S);
			limit_fini(&limit);
		}
}

static void test_burst_is_bounded(void)
{
	static const uint64_t rates[] = { LIMIT_MIN, 1 << 20, 1 << 30 };
	struct limit limit;
	uint64_t sent, before_us;
	size_t i;

	for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		now_us = 1;
		limit_init(&limit, RECORD, &fake_clock);
		limit_set(&limit, rates[i]);
		now_us += 1000000 * S;	/* long silence, as while a connection is lost */
		before_us = now_us;
		for (sent = 0; limit_wait(&limit, 4097) && now_us == before_us; sent += 4097)
			limit_spend(&limit, 4097);
		CU_ASSERT_TRUE(sent <= burst_of(rates[i]));
		CU_ASSERT_TRUE(sent + 4097 > burst_of(rates[i]));
		limit_fini(&limit);
	}
}

static void test_none_is_unlimited(void)
{
	struct limit limit;
	int i;

	now_us = 1;
	n_sleeps = 0;
	limit_init(&limit, RECORD, &fake_clock);
	for (i = 0; i < 100000; i++) {
		CU_ASSERT_TRUE_FATAL(limit_wait(&limit, RECORD));
		limit_spend(&limit, RECORD);
	}
	CU_ASSERT_EQUAL(n_sleeps, 0);
	CU_ASSERT_EQUAL(now_us, 1);
	CU_ASSERT_EQUAL(limit_get(&limit), 0);
	limit_fini(&limit);
}

/* A connection that comes back finds the bucket as it was. */
static void test_next_connection(void)
{
	struct limit limit;

	now_us = 1;
	limit_init(&limit, RECORD, &fake_clock);
	limit_set(&limit, 65536);
	CU_ASSERT_TRUE(limit_wait(&limit, RECORD));
	limit_spend(&limit, RECORD);
	limit_stop(&limit);
	CU_ASSERT_FALSE(limit_wait(&limit, 1));
	limit_go_on(&limit);
	CU_ASSERT_EQUAL(limit_get(&limit), 65536);
	CU_ASSERT_TRUE(limit_wait(&limit, 65536));
	CU_ASSERT_TRUE(now_us >= S);
	CU_ASSERT_TRUE(now_us <= S + 10);
	limit_fini(&limit);
}

static void test_rate_changes(void)
{
	struct limit limit;

	now_us = 1;
	limit_init(&limit, RECORD, &fake_clock);
	limit_set(&limit, 1 << 30);
	limit_set(&limit, LIMIT_MIN);	/* what was saved up by the old one is cut */
	CU_ASSERT_TRUE(limit_wait(&limit, RECORD));
	CU_ASSERT_EQUAL(now_us, 1);
	limit_spend(&limit, RECORD);
	now_us += S;
	limit_set(&limit, 1 << 20);	/* one second by the old one: 4096 bytes */
	CU_ASSERT_TRUE(limit_wait(&limit, 4096));
	CU_ASSERT_EQUAL(now_us, 1 + S);
	CU_ASSERT_TRUE(limit_wait(&limit, 4096 + (1 << 17)));
	CU_ASSERT_TRUE(now_us >= 1 + S + S / 8);
	CU_ASSERT_TRUE(now_us <= 1 + S + S / 8 + 10);
	limit_fini(&limit);
}

struct waiter {
	struct limit limit;
	pthread_t thread;
	bool result;
};

static void *wait_long(void *arg)
{
	struct waiter *waiter = arg;

	waiter->result = limit_wait(&waiter->limit, RECORD);
	return NULL;
}

/* By the real clock, and never by its time: a minute of it is what waiting would take. */
static void begin_waiting(struct waiter *waiter)
{
	limit_init(&waiter->limit, RECORD, NULL);
	limit_set(&waiter->limit, LIMIT_MIN);
	limit_spend(&waiter->limit, RECORD);
	pthread_create(&waiter->thread, NULL, wait_long, waiter);
}

static void test_waking(void)
{
	struct waiter waiter;

	begin_waiting(&waiter);
	limit_stop(&waiter.limit);
	pthread_join(waiter.thread, NULL);
	CU_ASSERT_FALSE(waiter.result);
	limit_fini(&waiter.limit);
	begin_waiting(&waiter);
	limit_set(&waiter.limit, 0);
	pthread_join(waiter.thread, NULL);
	CU_ASSERT_TRUE(waiter.result);
	limit_fini(&waiter.limit);
	begin_waiting(&waiter);
	limit_set(&waiter.limit, LIMIT_MAX);
	pthread_join(waiter.thread, NULL);
	CU_ASSERT_TRUE(waiter.result);
	limit_fini(&waiter.limit);
}

static void test_words(void)
{
	static const struct {
		const char *text, *printed;
		uint64_t rate;
	} good[] = {
		{ "0", "none", 0 }, { "4096", "4K bytes/s", 4096 }, { "4097", "4097 bytes/s", 4097 },
		{ "64K", "64K bytes/s", 65536 }, { "1024K", "1M bytes/s", 1 << 20 }, { "100M", "100M bytes/s", 100 << 20 },
		{ "2G", "2G bytes/s", 2ull << 30 }, { "1024G", "1024G bytes/s", LIMIT_MAX }, { "0G", "none", 0 },
	};
	static const char *const bad[] = {
		"", "K", "-1", "+1", " 64K", "64K ", "64k", "64KB", "64T", "1.5M", "0x1000", "1", "4095", "3K", "1025G",
		"1099511627777", "18446744073709551616", "18446744073709551616G", "17179869184G", "99999999999999999999999",
	};
	uint64_t rate;
	char text[LIMIT_TEXT_LEN];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		rate = 7;
		CU_ASSERT_EQUAL(limit_parse(good[i].text, &rate), 0);
		CU_ASSERT_EQUAL(rate, good[i].rate);
		CU_ASSERT_STRING_EQUAL(limit_print(rate, text), good[i].printed);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rate = 7;
		if (limit_parse(bad[i], &rate) == 0)
			fprintf(stderr, "\n\"%s\" was taken for %llu", bad[i], (unsigned long long)rate);
		CU_ASSERT_TRUE(limit_parse(bad[i], &rate) < 0);
		CU_ASSERT_EQUAL(rate, 7);
	}
}

static const struct check checks[] = {
	{ "the rate holds", test_rate_holds },
	{ "the burst is bounded", test_burst_is_bounded },
	{ "none is unlimited", test_none_is_unlimited },
	{ "the next connection", test_next_connection },
	{ "the rate changes", test_rate_changes },
	{ "who waits is woken", test_waking },
	{ "rates in words", test_words },
	{ NULL, NULL },
};

CHECK_MAIN("limit", checks)
