/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"

uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static struct clock_backend *of(struct backend *backend)
{
	return (struct clock_backend *)backend;
}

static int clock_query(struct backend *backend, enum backend_set set, uint64_t gfn, uint64_t n_pages,
		       uint64_t *ret_bitmap, uint64_t *ret_n_set, uint64_t *ret_n_missing)
{
	struct backend *inner = of(backend)->inner;

	return inner->ops->query(inner, set, gfn, n_pages, ret_bitmap, ret_n_set, ret_n_missing);
}

static int clock_populate(struct backend *backend, struct backend_run *runs, size_t n_runs)
{
	struct clock_backend *clock = of(backend);
	const uint64_t before_ns = clock_ns(), wanted = atomic_load(&clock->wanted);
	const int r = clock->inner->ops->populate(clock->inner, runs, n_runs);
	const uint64_t after_ns = clock_ns();
	uint64_t n = 0, have;
	size_t i;

	for (i = 0; i < n_runs && r == 0; i++) {
		if (wanted >= runs[i].gfn && wanted - runs[i].gfn < runs[i].n_pages) {
			atomic_store(&clock->opened_ns, before_ns);
			atomic_store(&clock->present_ns, after_ns);
		}
		n += runs[i].n_pages - runs[i].n_skipped;
	}
	have = atomic_fetch_add(&clock->n_present, n) + n;
	if (have >= atomic_load(&clock->target) && have - n < atomic_load(&clock->target)) {
		atomic_store(&clock->target_ns, after_ns);
		sem_post(&clock->reached);
	}
	return r;
}

static int clock_mark_present(struct backend *backend, uint64_t gfn, uint64_t n_pages)
{
	struct backend *inner = of(backend)->inner;

	return inner->ops->mark_present(inner, gfn, n_pages);
}

static int clock_wait_events(struct backend *backend, int stop_fd, struct backend_event *ret_events, size_t n_max,
			     size_t *ret_n)
{
	struct clock_backend *clock = of(backend);
	const int r = clock->inner->ops->wait_events(clock->inner, stop_fd, ret_events, n_max, ret_n);

	if (r == 0 && *ret_n > 0)
		atomic_store(&clock->event_ns, clock_ns());
	return r;
}

static void clock_close(struct backend *backend)
{
	struct clock_backend *clock = of(backend);

	clock->inner->ops->close(clock->inner);
	sem_destroy(&clock->reached);
}

static struct backend_ops ops = {
	.name = "with a clock",
	.query = clock_query,
	.populate = clock_populate,
	.mark_present = clock_mark_present,
	.wait_events = clock_wait_events,
	.close = clock_close,
};

void clock_backend_init(struct clock_backend *clock, struct backend *inner)
{
	ops.shared_too = inner->ops->shared_too;
	*clock = (struct clock_backend){
		.backend = { &ops }, .inner = inner, .wanted = UINT64_MAX, .target = UINT64_MAX,
	};
	sem_init(&clock->reached, 0, 0);
}

void clock_backend_aim(struct clock_backend *clock, uint64_t n_more)
{
	atomic_store(&clock->target, atomic_load(&clock->n_present) + n_more);
}

void clock_backend_wait(struct clock_backend *clock)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 60;
	while (sem_timedwait(&clock->reached, &until) < 0) {
		if (errno == EINTR)
			continue;
		fprintf(stderr, "bench_pager: pages did not come within 60 s\n");
		exit(EXIT_FAILURE);
	}
}
