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

int pace_add_credit(struct pace *pace, uint64_t bytes)
{
	int r = 0;

	pthread_mutex_lock(&pace->lock);
	if (bytes > CREDIT_MAX - pace->credit)
		r = -EOVERFLOW;
	else
		pace->credit += bytes;
	pthread_cond_broadcast(&pace->changed);
	pthread_mutex_unlock(&pace->lock);
	return r;
}

bool pace_wait(struct pace *pace, uint64_t bytes)
{
	bool go;

	pthread_mutex_lock(&pace->lock);
	while (!pace->stop && (pace->held || pace->credit < bytes || pace->n_urgent > 0))
		pthread_cond_wait(&pace->changed, &pace->lock);
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

static void add_urgent(struct pace *pace, int n)
{
	pthread_mutex_lock(&pace->lock);
	pace->n_urgent += (unsigned int)n;
	pthread_cond_broadcast(&pace->changed);
	pthread_mutex_unlock(&pace->lock);
}

void pace_urgent_begin(struct pace *pace)
{
	add_urgent(pace, 1);
}

void pace_urgent_end(struct pace *pace)
{
	add_urgent(pace, -1);
}

void pace_release(struct pace *pace)
{
	pthread_mutex_lock(&pace->lock);
	pace->held = false;
	pthread_cond_broadcast(&pace->changed);
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
