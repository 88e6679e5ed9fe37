// SPDX-License-Identifier: MIT
#include <string.h>

#include "snapshot.h"

static void take_latency(const struct stats *stats, struct snapshot *snapshot)
{
	uint64_t seen = 0;
	unsigned int bucket = 0, i;

	snapshot->n_latencies = atomic_load(&stats->n_latencies);
	snapshot->latency_sum_us = atomic_load(&stats->latency_sum_us);
	for (i = 0; i < SNAPSHOT_N_LATENCY; i++) {
		for (; bucket < STATS_N_BUCKETS && stats_bucket_top(bucket) <= 1ull << i; bucket++)
			seen += atomic_load_explicit(&stats->latency[bucket], memory_order_relaxed);
		snapshot->latency[i] = seen;
	}
	if (seen > snapshot->n_latencies)	/* one came in between */
		snapshot->n_latencies = seen;
}

static void take_session(struct session *session, struct snapshot *snapshot, uint64_t *ret_lost_us)
{
	const struct session_health *health = &session->health;

	pthread_mutex_lock(&session->lock);
	snapshot->state = ledger_now(session->ledger);
	snapshot->status = session->status;
	memcpy(snapshot->error, session->error, sizeof(snapshot->error));
	snapshot->good_time = health->good_us != 0 ? health->good_time : 0;
	snapshot->good_ms = health->good_us != 0 ? (snapshot->taken_us - health->good_us) / 1000u : 0;
	snapshot->n_tries = health->lost_us != 0 ? health->n_tries : 0;
	if (health->lost_us != 0)
		memcpy(snapshot->link_error, health->error, sizeof(snapshot->link_error));
	snapshot->untold = session->untold;
	snapshot->limited_by = health->limited_by;
	*ret_lost_us = health->lost_us;
	if (session->ops->limit != NULL) {
		snapshot->has_limit = true;
		snapshot->limit = session->ops->limit(session, NULL);
	}
	pthread_mutex_unlock(&session->lock);
}

static uint64_t pages_done(const struct snapshot *snapshot)
{
	return snapshot->progress.pages_demand + snapshot->progress.pages_background;
}

uint64_t snapshot_left(const struct snapshot *snapshot)
{
	const uint64_t total = snapshot->progress.pages_total, done = pages_done(snapshot);

	if (snapshot->progress.phase == GMEM_PHASE_COMPLETE)
		return 0;
	if (snapshot->side.has_missing)
		return snapshot->side.n_missing;
	return total > done ? total - done : 0;
}

static void take_rates(struct snapshot_past *past, struct snapshot *snapshot)
{
	const uint64_t left = snapshot_left(snapshot);

	rate_see(&past->pages, pages_done(snapshot), snapshot->taken_us);
	rate_see(&past->bytes, snapshot->progress.bytes_wire, snapshot->taken_us);
	snapshot->pages_per_s = rate_per_s(&past->pages);
	snapshot->bytes_per_s = rate_per_s(&past->bytes);
	snapshot->has_left = snapshot->progress.phase == GMEM_PHASE_COMPLETE ||
			     (snapshot->progress.phase == GMEM_PHASE_RUNNING && snapshot->pages_per_s > 0);
	if (snapshot->has_left && left > 0)
		snapshot->left_ms = left * 1000u / snapshot->pages_per_s;
}

void snapshot_take(struct session *session, const struct gmem_progress *progress, const struct snapshot_side *side,
		   struct snapshot_past *past, struct snapshot *ret_snapshot)
{
	struct snapshot *snapshot = ret_snapshot;
	struct watch_view view;
	uint64_t lost_us;

	memset(snapshot, 0, sizeof(*snapshot));
	snapshot->role = session->config->role == ATTEST_INITIATOR ? GMEM_ROLE_SOURCE : GMEM_ROLE_PAGER;
	snapshot->progress = *progress;
	snapshot->side = *side;
	snapshot->resume_ms = session->config->resume_ms;
	snapshot->taken_us = stats_now_us();
	take_session(session, snapshot, &lost_us);
	snapshot->n_faults = atomic_load(&session->stats.n_faults);
	snapshot->n_requests = atomic_load(&session->stats.n_requests);
	snapshot->n_converted = atomic_load(&session->stats.pages_converted);
	take_latency(&session->stats, snapshot);
	take_rates(past, snapshot);
	view = (struct watch_view){
		.role = snapshot->role, .phase = progress->phase, .link = progress->link, .paused = side->paused,
		.untold = snapshot->untold, .n_pages = pages_done(snapshot), .n_left = snapshot_left(snapshot),
		.n_waiting = side->n_waiting, .oldest_us = side->oldest_us, .lost_us = lost_us,
	};
	watch_see(&past->watch, &view, snapshot->taken_us);
	snapshot->waits_for = past->watch.what;
	if (snapshot->waits_for != WATCH_NOTHING && snapshot->taken_us > past->watch.since_us)
		snapshot->waits_ms = (snapshot->taken_us - past->watch.since_us) / 1000u;
	snapshot->stalled = watch_is_stall(&past->watch, snapshot->taken_us);
}
