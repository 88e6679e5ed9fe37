/* SPDX-License-Identifier: MIT */
/*
 * How fast the bulk stream may be: a bucket of bytes that fills with the rate, and holds 100 ms of it
 * or one record, whichever is more.  The bulk thread alone waits for it; its lock is taken by that
 * thread and by who changes or stops it, never on the way of an answer to a fault.
 */
#ifndef GMEM_PAGER_LIMIT_H
#define GMEM_PAGER_LIMIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMIT_MIN 4096ull		/* bytes a second, if it is not 0: a page */
#define LIMIT_MAX (1ull << 40)
#define LIMIT_TEXT_LEN 32u
#define LIMIT_TAKES "takes bytes a second, 4K to 1024G, as 65536, 64K, 100M or 2G; 0: no limit"

/* Another clock is for tests. */
struct limit_clock {
	uint64_t (*now_us)(void *opaque);	/* never goes back */
	/* Let go of @lock until @changed is signalled or @us have passed; may come back early. */
	void (*sleep_us)(void *opaque, pthread_cond_t *changed, pthread_mutex_t *lock, uint64_t us);
	void *opaque;
};

struct limit {
	struct limit_clock clock;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t record_len;	/* bytes of the largest record */
	uint64_t bytes_per_s;	/* lock; 0: no limit */
	uint64_t bytes;		/* lock; may be sent at once */
	uint64_t rest;		/* lock; in millionths of a byte */
	uint64_t filled_us;	/* lock; up to when both are counted */
	bool stop;		/* lock */
};

/* @record_len: the largest that limit_wait() is asked for.  @clock: copied; NULL: the monotonic one. */
void limit_init(struct limit *limit, uint64_t record_len, const struct limit_clock *clock);
void limit_fini(struct limit *limit);

/* From now on @bytes_per_s: 0, or LIMIT_MIN to LIMIT_MAX.  Any thread; who waits goes by the new one at once. */
void limit_set(struct limit *limit, uint64_t bytes_per_s);
uint64_t limit_get(struct limit *limit);

/* Wait until @bytes may be sent.  false: stopped. */
bool limit_wait(struct limit *limit, uint64_t bytes);

/* @bytes were sent. */
void limit_spend(struct limit *limit, uint64_t bytes);

/* End all waiting; limit_go_on() is for the next connection, and fills nothing up. */
void limit_stop(struct limit *limit);
void limit_go_on(struct limit *limit);

/* Digits, then K, M or G (powers of 1024) or nothing.  -EINVAL: not that; -ERANGE: not 0, and too low or too high. */
int limit_parse(const char *text, uint64_t *ret_bytes_per_s);

/* "64K bytes/s", "none"; LIMIT_TEXT_LEN bytes. */
const char *limit_print(uint64_t bytes_per_s, char *ret_text);

#endif
