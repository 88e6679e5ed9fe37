// SPDX-License-Identifier: MIT
#include <errno.h>

#include "pace.h"

#define CREDIT_MAX (1ull << 32)

void pace_init(struct pace *pace)
{
	*pace = (struct pace){ .held = true };
	pthread_mutex_init(&pace->lock, NULL);
	pthread_cond_init(&pace->changed, NULL);
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
	if (pace->awaited != 0 && may_go(pace, pace->awaited))
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

bool pace_wait(struct pace *pace, uint64_t bytes)
{
	bool go;

	pthread_mutex_lock(&pace->lock);
	pace->awaited = bytes;
	while (!pace->stop && !may_go(pace, bytes))
		pthread_cond_wait(&pace->changed, &pace->lock);
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
