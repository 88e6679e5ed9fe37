// SPDX-License-Identifier: MIT
#include <errno.h>
#include <time.h>

#include "pace.h"
#include "stats.h"

#define CREDIT_MAX (1ull << 32)
#define US_PER_S 1000000u

void pace_init(struct pace *pace)
{
	pthread_condattr_t attr;

	*pace = (struct pace){ .held = true };
	pthread_mutex_init(&pace->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&pace->changed, &attr);
	pthread_condattr_destroy(&attr);
}

void pace_stand_back(struct pace *pace, uint64_t quiet_us, uint64_t at_most_us)
{
	pthread_mutex_lock(&pace->lock);
	pace->quiet_us = quiet_us;
	pace->at_most_us = at_most_us;
	pthread_mutex_unlock(&pace->lock);
}

void pace_fini(struct pace *pace)
{
	pthread_cond_destroy(&pace->changed);
	pthread_mutex_destroy(&pace->lock);
}

static bool may_go(const struct pace *pace, uint64_t bytes)
{
	return !pace->held && pace->credit >= bytes && pace->n_urgent == 0;
}

/*
 * The lock is held, and something has changed for the better.  Nobody is woken for nothing: each fault comes by here
 * with its answer still to be made, and on a CPU that the stream's thread would take.
 */
static void wake(struct pace *pace)
{
	if (pace->awaited != 0 && !pace->timed && may_go(pace, pace->awaited))
		pthread_cond_signal(&pace->changed);
}

int pace_add_credit(struct pace *pace, uint64_t bytes)
{
	int r = 0;

	pthread_mutex_lock(&pace->lock);
	if (bytes > CREDIT_MAX - pace->credit)
		r = -EOVERFLOW;
	else
		pace->credit += bytes;
	wake(pace);
	pthread_mutex_unlock(&pace->lock);
	return r;
}

/* The lock is held.  How long the stream still stands back after the last fault; @since_us: since when it does. */
static uint64_t quiet_left(const struct pace *pace, uint64_t since_us)
{
	const uint64_t now_us = stats_now_us();
	uint64_t until_us = pace->urgent_us + pace->quiet_us;

	if (pace->quiet_us == 0 || pace->urgent_us == 0)
		return 0;
	if (until_us > since_us + pace->at_most_us)
		until_us = since_us + pace->at_most_us;
	return until_us > now_us ? until_us - now_us : 0;
}

/* The lock is held.  Nobody wakes the stream but pace_stop(): what it waits for is the time. */
static void sleep_us(struct pace *pace, uint64_t us)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	us += (uint64_t)until.tv_nsec / 1000u + 1u;
	until.tv_sec += (time_t)(us / US_PER_S);
	until.tv_nsec = (long)(us % US_PER_S) * 1000;
	pace->timed = true;
	pthread_cond_timedwait(&pace->changed, &pace->lock, &until);
	pace->timed = false;
}

bool pace_wait(struct pace *pace, uint64_t bytes)
{
	uint64_t left_us = 0, since_us = 0;
	bool go;

	pthread_mutex_lock(&pace->lock);
	pace->awaited = bytes;
	while (!pace->stop) {
		go = may_go(pace, bytes);
		if (go && since_us == 0)
			since_us = stats_now_us();
		if (go)
			left_us = quiet_left(pace, since_us);
		if (go && left_us == 0)
			break;
		if (go)
			sleep_us(pace, left_us);
		else
			pthread_cond_wait(&pace->changed, &pace->lock);
	}
	pace->awaited = 0;
	go = !pace->stop;
	pthread_mutex_unlock(&pace->lock);
	return go;
}

void pace_spend(struct pace *pace, uint64_t bytes)
{
	pthread_mutex_lock(&pace->lock);
	pace->credit -= bytes < pace->credit ? bytes : pace->credit;
	pthread_mutex_unlock(&pace->lock);
}

void pace_urgent_begin(struct pace *pace)
{
	pthread_mutex_lock(&pace->lock);
	pace->n_urgent++;
	pthread_mutex_unlock(&pace->lock);
}

void pace_urgent_end(struct pace *pace)
{
	pthread_mutex_lock(&pace->lock);
	pace->n_urgent--;
	pace->urgent_us = stats_now_us();
	wake(pace);
	pthread_mutex_unlock(&pace->lock);
}

void pace_release(struct pace *pace)
{
	pthread_mutex_lock(&pace->lock);
	pace->held = false;
	wake(pace);
	pthread_mutex_unlock(&pace->lock);
}

void pace_reset(struct pace *pace)
{
	pthread_mutex_lock(&pace->lock);
	pace->credit = 0;
	pace->held = true;
	pace->stop = false;
	pthread_mutex_unlock(&pace->lock);
}

void pace_stop(struct pace *pace)
{
	pthread_mutex_lock(&pace->lock);
	pace->stop = true;
	pthread_cond_broadcast(&pace->changed);
	pthread_mutex_unlock(&pace->lock);
}
