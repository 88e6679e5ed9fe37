// SPDX-License-Identifier: MIT
/* The stall watchdog and the rates, on times made up here. */
#include "check.h"
#include "control/rate.h"
#include "control/watch.h"

#define S 1000000u

static const struct watch_view running = {
	.role = GMEM_ROLE_PAGER, .phase = GMEM_PHASE_RUNNING, .link = GMEM_LINK_UP, .n_pages = 10, .n_left = 90,
};

static void expect(const struct watch_view *view, enum watch_for what)
{
	struct watch watch = { .what = WATCH_NOTHING };

	watch_see(&watch, view, 5 * S);
	CU_ASSERT_EQUAL(watch.what, what);
	CU_ASSERT_EQUAL(watch.since_us, 5 * S);
}

static void test_what_is_waited_for(void)
{
	struct watch_view view = { .role = GMEM_ROLE_PAGER };

	expect(&view, WATCH_VMM);
	view.phase = GMEM_PHASE_CONNECTING;
	expect(&view, WATCH_CONNECT);
	view.link = GMEM_LINK_UP;
	view.phase = GMEM_PHASE_ACCEPTED;
	expect(&view, WATCH_START);
	view.phase = GMEM_PHASE_STARTED;
	expect(&view, WATCH_VMM);
	view.phase = GMEM_PHASE_RUNNING;
	view.n_left = 1;
	expect(&view, WATCH_STREAM);
	view.paused = true;
	expect(&view, WATCH_OPERATOR);
	view.n_waiting = 1;
	expect(&view, WATCH_DEMAND);
	view.link = GMEM_LINK_RECONNECTING;
	expect(&view, WATCH_PEER);
	view.link = GMEM_LINK_LOST;
	expect(&view, WATCH_PEER);
	view.phase = GMEM_PHASE_COMPLETE;
	expect(&view, WATCH_NOTHING);
	view.untold = true;
	expect(&view, WATCH_TOLD);
	view.phase = GMEM_PHASE_FAILED;
	expect(&view, WATCH_TOLD);
}

static void test_at_the_source(void)
{
	struct watch_view view = { .role = GMEM_ROLE_SOURCE, .link = GMEM_LINK_UP, .phase = GMEM_PHASE_ACCEPTED };

	expect(&view, WATCH_VMM);
	view.phase = GMEM_PHASE_STARTED;
	expect(&view, WATCH_STARTED);
	view.phase = GMEM_PHASE_RUNNING;
	view.n_left = 1;
	expect(&view, WATCH_STREAM);
	view.n_left = 0;
	expect(&view, WATCH_COMPLETE);
}

static void test_for_how_long(void)
{
	struct watch_view view = running;
	struct watch watch = { .what = WATCH_NOTHING };

	watch_see(&watch, &view, 1 * S);
	watch_see(&watch, &view, 4 * S);
	CU_ASSERT_EQUAL(watch.since_us, 1 * S);
	view.n_pages++;			/* one came */
	watch_see(&watch, &view, 5 * S);
	CU_ASSERT_EQUAL(watch.since_us, 5 * S);
	view.n_waiting = 1;
	view.oldest_us = 5 * S + 7;
	watch_see(&watch, &view, 6 * S);
	CU_ASSERT_EQUAL(watch.since_us, 5 * S + 7);
	view.n_pages++;			/* and somebody waits still */
	watch_see(&watch, &view, 7 * S);
	CU_ASSERT_EQUAL(watch.since_us, 5 * S + 7);
	view.link = GMEM_LINK_LOST;
	view.lost_us = 2 * S;
	watch_see(&watch, &view, 8 * S);
	CU_ASSERT_EQUAL(watch.what, WATCH_PEER);
	CU_ASSERT_EQUAL(watch.since_us, 2 * S);
}

static void test_a_stall_is_told_once(void)
{
	struct watch_view view = running;
	struct watch watch = { .what = WATCH_NOTHING };

	watch_see(&watch, &view, 1 * S);
	CU_ASSERT_FALSE(watch_stalls(&watch, 1 * S));
	CU_ASSERT_FALSE(watch_stalls(&watch, 11 * S - 1));
	CU_ASSERT_TRUE(watch_stalls(&watch, 11 * S));
	CU_ASSERT_FALSE(watch_stalls(&watch, 12 * S));
	CU_ASSERT_TRUE(watch_is_stall(&watch, 12 * S));
	view.n_pages++;
	watch_see(&watch, &view, 13 * S);
	CU_ASSERT_FALSE(watch_is_stall(&watch, 13 * S));
	CU_ASSERT_TRUE(watch_stalls(&watch, 23 * S));
	/* one page after another that is waited for */
	view.n_waiting = 1;
	view.oldest_us = 20 * S;
	watch_see(&watch, &view, 30 * S);
	CU_ASSERT_TRUE(watch_stalls(&watch, 30 * S));
	CU_ASSERT_FALSE(watch_stalls(&watch, 31 * S));
	view.oldest_us = 25 * S;
	watch_see(&watch, &view, 35 * S);
	CU_ASSERT_TRUE(watch_stalls(&watch, 35 * S));
}

/* A VMM, an operator and a lost peer may take as long as they like. */
static void test_what_is_no_stall(void)
{
	struct watch_view view = { .role = GMEM_ROLE_PAGER };
	struct watch watch = { .what = WATCH_NOTHING };

	watch_see(&watch, &view, 1);
	CU_ASSERT_FALSE(watch_is_stall(&watch, 3600ull * S));
	view = running;
	view.paused = true;
	watch_see(&watch, &view, 1);
	CU_ASSERT_FALSE(watch_is_stall(&watch, 3600ull * S));
	view.link = GMEM_LINK_LOST;
	watch_see(&watch, &view, 1);
	CU_ASSERT_FALSE(watch_is_stall(&watch, 3600ull * S));
}

static void test_each_has_words(void)
{
	enum watch_for what, other;

	for (what = WATCH_NOTHING; what < WATCH_N; what++) {
		CU_ASSERT_TRUE(strlen(watch_name(what)) > 0 && strlen(watch_text(what)) > 0);
		for (other = WATCH_NOTHING; other < what; other++)
			CU_ASSERT_STRING_NOT_EQUAL(watch_name(what), watch_name(other));
	}
}

static void test_rate(void)
{
	struct rate rate = { .at_us = 0 };
	unsigned int i;

	CU_ASSERT_EQUAL(rate_per_s(&rate), 0);
	rate_see(&rate, 1000, 1 * S);		/* since when is not known */
	CU_ASSERT_EQUAL(rate_per_s(&rate), 0);
	rate_see(&rate, 2000, 1 * S);		/* nor in no time */
	CU_ASSERT_EQUAL(rate_per_s(&rate), 0);
	for (i = 1; i <= 200; i++)		/* 500 a second, from 1000 on */
		rate_see(&rate, 1000 + 50 * i, 1 * S + i * S / 10);
	CU_ASSERT_TRUE(rate_per_s(&rate) >= 495 && rate_per_s(&rate) <= 500);
	for (i = 1; i <= 300; i++)
		rate_see(&rate, 11000, 21 * S + i * S / 10);
	CU_ASSERT_TRUE(rate_per_s(&rate) < 5);
	rate_see(&rate, 0, 60 * S);		/* another counter */
	CU_ASSERT_EQUAL(rate_per_s(&rate), 0);
}

static const struct check checks[] = {
	{ "what is waited for", test_what_is_waited_for },
	{ "at the source", test_at_the_source },
	{ "for how long", test_for_how_long },
	{ "a stall is told once", test_a_stall_is_told_once },
	{ "what is no stall", test_what_is_no_stall },
	{ "each has words", test_each_has_words },
	{ "a rate", test_rate },
	{ NULL, NULL },
};

CHECK_MAIN("the stall watchdog", checks)
