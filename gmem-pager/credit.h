/* SPDX-License-Identifier: MIT */
/*
 * The destination's end of the bulk stream's flow control: how many bytes the source may send.  What has come and
 * is dealt with is allowed again, a quarter of the window at a time.  While an operator has it paused nothing is: the
 * source sends what it was allowed before, at most a window, and then waits.
 *
 * The lock is held while credit is sent, so that what was counted for one connection is never sent on the next.
 * Users: the bulk thread, who opens and closes a connection, and the owner; nobody who answers a fault.
 */
#ifndef GMEM_PAGER_CREDIT_H
#define GMEM_PAGER_CREDIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct credit {
	pthread_mutex_t lock;
	uint64_t window;	/* bytes; 0 until the first credit_open() */
	uint64_t granted;	/* lock; bytes allowed on this connection */
	uint64_t received;	/* lock; of them */
	uint64_t owed;		/* lock; dealt with, and not allowed again yet */
	bool open;		/* lock; there is a connection that credit may be sent on */
	bool paused;		/* lock; outlives a connection */
	int (*send)(void *opaque, uint64_t bytes);
	void *opaque;
};

/* @send: tell the source of @bytes more; 0 or -errno.  May block as long as a record may take. */
void credit_init(struct credit *credit, int (*send)(void *opaque, uint64_t bytes), void *opaque);
void credit_fini(struct credit *credit);

/* A connection begins: allow @window bytes, unless it is paused.  The result of send(). */
int credit_open(struct credit *credit, uint64_t window);

/* The connection is gone, and all that was allowed on it. */
void credit_close(struct credit *credit);

/* @bytes came and are dealt with.  -EPROTO: more than was allowed; else the result of send(). */
int credit_take(struct credit *credit, uint64_t bytes);

/* Pause, or go on: what was held back is allowed at once.  The result of send(). */
int credit_pause(struct credit *credit, bool pause);
bool credit_is_paused(struct credit *credit);

#endif
