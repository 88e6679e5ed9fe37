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
	bool timed;		/* lock; the stream waits for nothing but time */
	uint64_t urgent_us;	/* lock; when the last request had been answered; 0: none yet */
	uint64_t quiet_us;	/* lock; pace_stand_back() */
	uint64_t at_most_us;	/* lock */
};

void pace_init(struct pace *pace);
void pace_fini(struct pace *pace);

/*
 * Let @quiet_us (0, as at first: none) pass without a fault before the stream goes on, for a guest that
 * has just started has its next fault soon; but never wait longer than @at_most_us for it, so that the stream gets on.
 */
void pace_stand_back(struct pace *pace, uint64_t quiet_us, uint64_t at_most_us);

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
