// SPDX-License-Identifier: MIT
#include "wanted.h"

void wanted_init(struct wanted *wanted)
{
	pthread_mutex_init(&wanted->lock, NULL);
	wanted->n_entries = 0;
	atomic_init(&wanted->n_waiting, 0);
	atomic_init(&wanted->oldest_us, 0);
}

void wanted_fini(struct wanted *wanted)
{
	pthread_mutex_destroy(&wanted->lock);
}

/* The lock is held. */
static void show(struct wanted *wanted, uint64_t oldest_us)
{
	atomic_store_explicit(&wanted->n_waiting, wanted->n_entries, memory_order_relaxed);
	atomic_store_explicit(&wanted->oldest_us, oldest_us, memory_order_relaxed);
}

bool wanted_add(struct wanted *wanted, uint64_t gfn, uint64_t now_us)
{
	bool ask = true;
	size_t i;

	pthread_mutex_lock(&wanted->lock);
	for (i = 0; i < wanted->n_entries && ask; i++)
		ask = wanted->entries[i].gfn != gfn;
	if (ask && wanted->n_entries < WANTED_MAX) {
		wanted->entries[wanted->n_entries++] = (struct wanted_entry){ .gfn = gfn, .since_us = now_us };
		show(wanted, i == 0 ? now_us : atomic_load_explicit(&wanted->oldest_us, memory_order_relaxed));
	}
	pthread_mutex_unlock(&wanted->lock);
	return ask;
}

void wanted_filled(struct wanted *wanted, uint64_t gfn, uint64_t n_pages, uint64_t now_us, struct stats *stats)
{
	uint64_t oldest_us = 0;
	size_t i = 0;

	pthread_mutex_lock(&wanted->lock);
	while (i < wanted->n_entries) {
		const struct wanted_entry *entry = &wanted->entries[i];

		if (entry->gfn < gfn || entry->gfn - gfn >= n_pages) {
			if (oldest_us == 0 || entry->since_us < oldest_us)
				oldest_us = entry->since_us;
			i++;
			continue;
		}
		stats_record_latency(stats, now_us > entry->since_us ? now_us - entry->since_us : 0);
		wanted->entries[i] = wanted->entries[--wanted->n_entries];
	}
	show(wanted, oldest_us);
	pthread_mutex_unlock(&wanted->lock);
}

size_t wanted_list(struct wanted *wanted, uint64_t ret_gfns[WANTED_MAX])
{
	size_t n, i;

	pthread_mutex_lock(&wanted->lock);
	n = wanted->n_entries;
	for (i = 0; i < n; i++)
		ret_gfns[i] = wanted->entries[i].gfn;
	pthread_mutex_unlock(&wanted->lock);
	return n;
}

size_t wanted_count(struct wanted *wanted)
{
	size_t n;

	pthread_mutex_lock(&wanted->lock);
	n = wanted->n_entries;
	pthread_mutex_unlock(&wanted->lock);
	return n;
}
