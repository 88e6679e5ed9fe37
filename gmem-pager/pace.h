/* SPDX-License-Identifier: MIT */
/*
 * What the bulk stream may do at the source: only as many bytes as the pager has
 * given credit for, and nothing while a demand fault is being answered.
 */
#ifndef GMEM_PAGER_PACE_H
#define GMEM_PAGER_PACE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct pace {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t credit;	/* lock; bytes */
	uint64_t awaited;	/* lock; bytes that the stream waits to send; 0: it does not wait */
	unsigned int n_urgent;	/* lock; requests being answered */
	bool held;		/* lock; nothing is streamed before it is known what the pager has */
	bool stop;		/* lock */
};

void pace_init(struct pace *pace);
void pace_fini(struct pace *pace);

/* -EOVERFLOW: more credit than the pager can mean. */
int pace_add_credit(struct pace *pace, uint64_t bytes);

/* One thread: wait until it was released, @bytes (not 0) may be sent and no fault is pending.  false: stopped. */
bool pace_wait(struct pace *pace, uint64_t bytes);

/* @bytes were sent. */
void pace_spend(struct pace *pace, uint64_t bytes);

/* It is known now what need not be sent. */
void pace_release(struct pace *pace);

/* For the next connection: as new.  Nobody may wait. */
void pace_reset(struct pace *pace);

void pace_urgent_begin(struct pace *pace);
void pace_urgent_end(struct pace *pace);
void pace_stop(struct pace *pace);

#endif
