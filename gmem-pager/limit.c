// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "limit.h"
#include "stats.h"

#define US_PER_S 1000000u
#define BURSTS_PER_S 10u

static uint64_t monotonic_us(void *opaque)
{
	(void)opaque;
	return stats_now_us();
}

static void sleep_on(void *opaque, pthread_cond_t *changed, pthread_mutex_t *lock, uint64_t us)
{
	struct timespec until;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &until);
	us += (uint64_t)until.tv_nsec / 1000u + 1u;
	until.tv_sec += (time_t)(us / US_PER_S);
	until.tv_nsec = (long)(us % US_PER_S) * 1000;
	pthread_cond_timedwait(changed, lock, &until);
}

void limit_init(struct limit *limit, uint64_t record_len, const struct limit_clock *clock)
{
	pthread_condattr_t attr;

	*limit = (struct limit){
		.clock = { .now_us = monotonic_us, .sleep_us = sleep_on }, .record_len = record_len,
	};
	if (clock != NULL)
		limit->clock = *clock;
	pthread_mutex_init(&limit->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&limit->changed, &attr);
	pthread_condattr_destroy(&attr);
}

void limit_fini(struct limit *limit)
{
	pthread_cond_destroy(&limit->changed);
	pthread_mutex_destroy(&limit->lock);
}

static uint64_t capacity(const struct limit *limit)
{
	const uint64_t burst = limit->bytes_per_s / BURSTS_PER_S;

	return burst > limit->record_len ? burst : limit->record_len;
}

/* Microseconds until @bytes are there, rounded up. */
static uint64_t us_until(const struct limit *limit, uint64_t bytes)
{
	if (limit->bytes >= bytes)
		return 0;
	return ((bytes - limit->bytes) * US_PER_S - limit->rest + limit->bytes_per_s - 1) / limit->bytes_per_s;
}

/* Count the time up to now.  What is compared first keeps the product below 2^64. */
static void fill(struct limit *limit)
{
	const uint64_t now_us = limit->clock.now_us(limit->clock.opaque);
	const uint64_t us = now_us - limit->filled_us;
	uint64_t gained;

	limit->filled_us = now_us;
	if (us >= us_until(limit, capacity(limit))) {
		limit->bytes = capacity(limit);
		limit->rest = 0;
		return;
	}
	gained = us * limit->bytes_per_s + limit->rest;
	limit->bytes += gained / US_PER_S;
	limit->rest = gained % US_PER_S;
}

/* What was saved up is kept, as far as the new rate lets it be; one that comes after none begins with it all. */
void limit_set(struct limit *limit, uint64_t bytes_per_s)
{
	bool limited;

	pthread_mutex_lock(&limit->lock);
	limited = limit->bytes_per_s != 0;
	if (limited)
		fill(limit);
	limit->bytes_per_s = bytes_per_s;
	if (!limited || limit->bytes > capacity(limit)) {
		limit->bytes = capacity(limit);
		limit->rest = 0;
	}
	if (!limited)
		limit->filled_us = limit->clock.now_us(limit->clock.opaque);
	pthread_cond_broadcast(&limit->changed);
	pthread_mutex_unlock(&limit->lock);
}

uint64_t limit_get(struct limit *limit)
{
	uint64_t bytes_per_s;

	pthread_mutex_lock(&limit->lock);
	bytes_per_s = limit->bytes_per_s;
	pthread_mutex_unlock(&limit->lock);
	return bytes_per_s;
}

bool limit_wait(struct limit *limit, uint64_t bytes)
{
	bool go;

	pthread_mutex_lock(&limit->lock);
	while (!limit->stop && limit->bytes_per_s != 0) {
		fill(limit);
		if (limit->bytes >= bytes)
			break;
		limit->clock.sleep_us(limit->clock.opaque, &limit->changed, &limit->lock, us_until(limit, bytes));
	}
	go = !limit->stop;
	pthread_mutex_unlock(&limit->lock);
	return go;
}

void limit_spend(struct limit *limit, uint64_t bytes)
{
	pthread_mutex_lock(&limit->lock);
	limit->bytes -= bytes < limit->bytes ? bytes : limit->bytes;
	pthread_mutex_unlock(&limit->lock);
}

static void set_stop(struct limit *limit, bool stop)
{
	pthread_mutex_lock(&limit->lock);
	limit->stop = stop;
	pthread_cond_broadcast(&limit->changed);
	pthread_mutex_unlock(&limit->lock);
}

void limit_stop(struct limit *limit)
{
	set_stop(limit, true);
}

void limit_go_on(struct limit *limit)
{
	set_stop(limit, false);
}

int limit_parse(const char *text, uint64_t *ret_bytes_per_s)
{
	static const char units[] = "KMG";
	uint64_t value = 0;
	const char *at = text, *unit;
	unsigned int shift = 0;

	for (; *at >= '0' && *at <= '9'; at++) {
		value = value * 10 + (uint64_t)(*at - '0');
		if (value > LIMIT_MAX)
			return -ERANGE;
	}
	if (at == text)
		return -EINVAL;
	if (*at != '\0') {
		unit = strchr(units, *at);
		if (unit == NULL || at[1] != '\0')
			return -EINVAL;
		shift = 10u * (unsigned int)(unit - units + 1);
	}
	if (value > LIMIT_MAX >> shift)
		return -ERANGE;
	value <<= shift;
	if (value != 0 && value < LIMIT_MIN)
		return -ERANGE;
	*ret_bytes_per_s = value;
	return 0;
}

const char *limit_print(uint64_t bytes_per_s, char *ret_text)
{
	static const char *const units[] = { "", "K", "M", "G" };
	size_t i = 0;

	if (bytes_per_s == 0) {
		snprintf(ret_text, LIMIT_TEXT_LEN, "none");
		return ret_text;
	}
	for (; i + 1 < sizeof(units) / sizeof(units[0]) && bytes_per_s % 1024 == 0; i++)
		bytes_per_s /= 1024;
	snprintf(ret_text, LIMIT_TEXT_LEN, "%llu%s bytes/s", (unsigned long long)bytes_per_s, units[i]);
	return ret_text;
}
