// SPDX-License-Identifier: MIT
/* Credit of the bulk stream, with and without a pause, over connections. */
#include <errno.h>

#include "check.h"
#include "credit.h"

#define WINDOW 4000u

static uint64_t sent;
static unsigned int n_sent;
static int result;

static int take(void *opaque, uint64_t bytes)
{
	CU_ASSERT_PTR_EQUAL(opaque, &sent);
	sent += bytes;
	n_sent++;
	return result;
}

static struct credit begin(void)
{
	struct credit credit;

	sent = n_sent = 0;
	result = 0;
	credit_init(&credit, take, &sent);
	return credit;
}

static void test_a_quarter_at_a_time(void)
{
	struct credit credit = begin();

	CU_ASSERT_EQUAL(credit_open(&credit, WINDOW), 0);
	CU_ASSERT_EQUAL(sent, WINDOW);
	CU_ASSERT_EQUAL(credit_take(&credit, 999), 0);
	CU_ASSERT_EQUAL(n_sent, 1);
	CU_ASSERT_EQUAL(credit_take(&credit, 1), 0);
	CU_ASSERT_EQUAL(n_sent, 2);
	CU_ASSERT_EQUAL(sent, WINDOW + 1000);
	credit_fini(&credit);
}

/* Not even one byte, not before the first credit, not by a number that wraps. */
static void test_more_than_allowed_is_refused(void)
{
	struct credit credit = begin();

	CU_ASSERT_EQUAL(credit_take(&credit, 1), -EPROTO);
	CU_ASSERT_EQUAL(credit_open(&credit, WINDOW), 0);
	CU_ASSERT_EQUAL(credit_take(&credit, WINDOW + 1), -EPROTO);
	CU_ASSERT_EQUAL(credit_take(&credit, 900), 0);
	CU_ASSERT_EQUAL(credit_take(&credit, UINT64_MAX), -EPROTO);
	CU_ASSERT_EQUAL(credit_take(&credit, WINDOW - 900 + 1), -EPROTO);
	CU_ASSERT_EQUAL(credit_take(&credit, WINDOW - 900), 0);
	credit_fini(&credit);
}

static void test_a_pause_holds_it_back(void)
{
	struct credit credit = begin();

	CU_ASSERT_EQUAL(credit_open(&credit, WINDOW), 0);
	CU_ASSERT_FALSE(credit_is_paused(&credit));
	CU_ASSERT_EQUAL(credit_pause(&credit, true), 0);
	CU_ASSERT_TRUE(credit_is_paused(&credit));
	CU_ASSERT_EQUAL(credit_take(&credit, WINDOW), 0);	/* was under way */
	CU_ASSERT_EQUAL(credit_take(&credit, 1), -EPROTO);
	CU_ASSERT_EQUAL(sent, WINDOW);
	CU_ASSERT_EQUAL(credit_pause(&credit, true), 0);
	CU_ASSERT_EQUAL(sent, WINDOW);
	CU_ASSERT_EQUAL(credit_pause(&credit, false), 0);
	CU_ASSERT_EQUAL(sent, 2 * WINDOW);
	CU_ASSERT_EQUAL(credit_pause(&credit, false), 0);
	CU_ASSERT_EQUAL(n_sent, 2);
	CU_ASSERT_EQUAL(credit_take(&credit, WINDOW), 0);
	credit_fini(&credit);
}

/* Paused, a fresh connection gets nothing; and what is owed is never sent without one. */
static void test_a_pause_outlives_a_connection(void)
{
	struct credit credit = begin();

	CU_ASSERT_EQUAL(credit_pause(&credit, true), 0);
	CU_ASSERT_EQUAL(credit_open(&credit, WINDOW), 0);
	CU_ASSERT_EQUAL(sent, 0);
	CU_ASSERT_EQUAL(credit_take(&credit, 1), -EPROTO);
	credit_close(&credit);
	CU_ASSERT_EQUAL(credit_pause(&credit, false), 0);
	CU_ASSERT_EQUAL(sent, 0);
	CU_ASSERT_EQUAL(credit_open(&credit, WINDOW), 0);
	CU_ASSERT_EQUAL(sent, WINDOW);
	CU_ASSERT_EQUAL(credit_pause(&credit, true), 0);
	CU_ASSERT_EQUAL(credit_take(&credit, 2000), 0);
	credit_close(&credit);
	CU_ASSERT_EQUAL(credit_open(&credit, WINDOW), 0);
	CU_ASSERT_EQUAL(credit_pause(&credit, false), 0);
	CU_ASSERT_EQUAL(sent, 2 * WINDOW);	/* and not 2000 more */
	credit_fini(&credit);
}

static void test_what_cannot_be_sent_is_said(void)
{
	struct credit credit = begin();

	result = -ENOTCONN;
	CU_ASSERT_EQUAL(credit_open(&credit, WINDOW), -ENOTCONN);
	result = -ETIMEDOUT;
	CU_ASSERT_EQUAL(credit_take(&credit, 1000), -ETIMEDOUT);
	CU_ASSERT_EQUAL(credit_pause(&credit, true), 0);
	CU_ASSERT_EQUAL(credit_take(&credit, 1000), 0);
	CU_ASSERT_EQUAL(credit_pause(&credit, false), -ETIMEDOUT);
	credit_fini(&credit);
}

static const struct check checks[] = {
	{ "a quarter at a time", test_a_quarter_at_a_time },
	{ "more than allowed is refused", test_more_than_allowed_is_refused },
	{ "a pause holds it back", test_a_pause_holds_it_back },
	{ "a pause outlives a connection", test_a_pause_outlives_a_connection },
	{ "what cannot be sent is said", test_what_cannot_be_sent_is_said },
	{ NULL, NULL },
};

CHECK_MAIN("credit", checks)
