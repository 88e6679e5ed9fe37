// SPDX-License-Identifier: MIT
#include <errno.h>

#include "credit.h"

void credit_init(struct credit *credit, int (*send)(void *opaque, uint64_t bytes), void *opaque)
{
	*credit = (struct credit){ .send = send, .opaque = opaque };
	pthread_mutex_init(&credit->lock, NULL);
}

void credit_fini(struct credit *credit)
{
	pthread_mutex_destroy(&credit->lock);
}

/* Allow what is owed; the lock is held. */
static int allow(struct credit *credit)
{
	const uint64_t bytes = credit->owed;

	if (!credit->open || credit->paused || bytes == 0)
		return 0;
	credit->owed = 0;
	credit->granted += bytes;
	return credit->send(credit->opaque, bytes);
}

int credit_open(struct credit *credit, uint64_t window)
{
	int r;

	pthread_mutex_lock(&credit->lock);
	credit->window = credit->owed = window;
	credit->open = true;
	r = allow(credit);
	pthread_mutex_unlock(&credit->lock);
	return r;
}

void credit_close(struct credit *credit)
{
	pthread_mutex_lock(&credit->lock);
	credit->granted = credit->received = credit->owed = 0;
	credit->open = false;
	pthread_mutex_unlock(&credit->lock);
}

int credit_take(struct credit *credit, uint64_t bytes)
{
	int r = 0;

	pthread_mutex_lock(&credit->lock);
	if (bytes > credit->granted - credit->received) {
		r = -EPROTO;
	} else {
		credit->received += bytes;
		credit->owed += bytes;
		if (credit->owed >= credit->window / 4)
			r = allow(credit);
	}
	pthread_mutex_unlock(&credit->lock);
	return r;
}

int credit_pause(struct credit *credit, bool pause)
{
	int r;

	pthread_mutex_lock(&credit->lock);
	credit->paused = pause;
	r = allow(credit);
	pthread_mutex_unlock(&credit->lock);
	return r;
}

bool credit_is_paused(struct credit *credit)
{
	bool paused;

	pthread_mutex_lock(&credit->lock);
	paused = credit->paused;
	pthread_mutex_unlock(&credit->lock);
	return paused;
}
