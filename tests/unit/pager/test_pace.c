// SPDX-License-Identifier: MIT
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "pace.h"

static struct pace pace;
static atomic_int n_sent;

static void *bulk(void *arg)
{
	(void)arg;
	while (pace_wait(&pace, 100)) {
		pace_spend(&pace, 100);
		atomic_fetch_add(&n_sent, 1);
	}
	return NULL;
}

static bool comes_to(int n)
{
	int i;

	for (i = 0; i < 2000 && atomic_load(&n_sent) < n; i++)
		usleep(1000);
	usleep(20000);
	return atomic_load(&n_sent) == n;
}

static void test_credit_and_yielding(void)
{
	pthread_t thread;

	pace_init(&pace);
	atomic_store(&n_sent, 0);
	pthread_create(&thread, NULL, bulk, NULL);
	CU_ASSERT_TRUE(comes_to(0));
	CU_ASSERT_EQUAL(pace_add_credit(&pace, 350), 0);
	CU_ASSERT_TRUE(comes_to(0));	/* what the pager has is not known yet */
	pace_release(&pace);
	CU_ASSERT_TRUE(comes_to(3));
	pace_urgent_begin(&pace);
	CU_ASSERT_EQUAL(pace_add_credit(&pace, 50), 0);
	CU_ASSERT_TRUE(comes_to(3));
	pace_urgent_end(&pace);
	CU_ASSERT_TRUE(comes_to(4));
	pace_stop(&pace);
	pthread_join(thread, NULL);
	pace_fini(&pace);
}

/* The next connection begins without credit, and holds. */
static void test_reset(void)
{
	pthread_t thread;

	pace_init(&pace);
	atomic_store(&n_sent, 0);
	pace_release(&pace);
	CU_ASSERT_EQUAL(pace_add_credit(&pace, 350), 0);
	pace_stop(&pace);
	CU_ASSERT_FALSE(pace_wait(&pace, 100));
	pace_reset(&pace);
	pthread_create(&thread, NULL, bulk, NULL);
	CU_ASSERT_EQUAL(pace_add_credit(&pace, 100), 0);
	CU_ASSERT_TRUE(comes_to(0));
	pace_release(&pace);
	CU_ASSERT_TRUE(comes_to(1));
	pace_stop(&pace);
	pthread_join(thread, NULL);
	pace_fini(&pace);
}

static long n_switches;

/* The whole life of the stream's thread. */
static void *counted_bulk(void *arg)
{
	struct rusage usage;

	(void)bulk(arg);
	CU_ASSERT_EQUAL(getrusage(RUSAGE_THREAD, &usage), 0);
	n_switches = usage.ru_nvcsw;
	return NULL;
}

/* Faults that are answered while the stream has no credit are none of its business. */
static void test_not_woken_for_nothing(void)
{
	pthread_t thread;
	int i;

	pace_init(&pace);
	atomic_store(&n_sent, 0);
	pace_release(&pace);
	pthread_create(&thread, NULL, counted_bulk, NULL);
	CU_ASSERT_TRUE(comes_to(0));
	for (i = 0; i < 100; i++) {
		pace_urgent_begin(&pace);
		usleep(1000);		/* room for a thread that was woken */
		pace_urgent_end(&pace);
		usleep(1000);
	}
	CU_ASSERT_EQUAL(pace_add_credit(&pace, 100), 0);
	CU_ASSERT_TRUE(comes_to(1));
	pace_stop(&pace);
	pthread_join(thread, NULL);
	CU_ASSERT_TRUE(n_switches < 30);
	pace_fini(&pace);
}

#define HOUR_US 3600000000u

/* After a fault the stream stands back for an hour, at most @at_most_us; then it has sent @n. */
static void stand_back(uint64_t at_most_us, int n)
{
	pthread_t thread;

	pace_init(&pace);
	pace_stand_back(&pace, HOUR_US, at_most_us);
	atomic_store(&n_sent, 0);
	pace_release(&pace);
	pthread_create(&thread, NULL, bulk, NULL);
	CU_ASSERT_EQUAL(pace_add_credit(&pace, 150), 0);
	CU_ASSERT_TRUE(comes_to(1));	/* no fault yet */
	pace_urgent_begin(&pace);
	CU_ASSERT_EQUAL(pace_add_credit(&pace, 350), 0);
	CU_ASSERT_TRUE(comes_to(1));
	pace_urgent_end(&pace);
	CU_ASSERT_TRUE(comes_to(n));
	pace_stop(&pace);		/* ends that wait too */
	pthread_join(thread, NULL);
	pace_fini(&pace);
}

static void test_stands_back(void)
{
	stand_back(HOUR_US, 1);
	stand_back(1, 5);
}

static void test_absurd_credit(void)
{
	pace_init(&pace);
	CU_ASSERT_EQUAL(pace_add_credit(&pace, UINT64_MAX), -EOVERFLOW);
	CU_ASSERT_EQUAL(pace_add_credit(&pace, 1ull << 32), 0);
	CU_ASSERT_EQUAL(pace_add_credit(&pace, 1), -EOVERFLOW);
	pace_fini(&pace);
}

static const struct check checks[] = {
	{ "bulk waits for credit and for faults", test_credit_and_yielding },
	{ "the next connection begins anew", test_reset },
	{ "nobody is woken for nothing", test_not_woken_for_nothing },
	{ "bulk stands back after a fault, for a while", test_stands_back },
	{ "absurd credit", test_absurd_credit },
	{ NULL, NULL },
};

CHECK_MAIN("pace", checks)
