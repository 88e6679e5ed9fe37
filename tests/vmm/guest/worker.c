// SPDX-License-Identifier: MIT
/*
 * One worker per vCPU, pinned to it, with a changing area of its own.  A round
 * visits every page of it, checks each word against the round before and writes
 * this round's; three pages out of four in ascending order, the fourth at
 * random, so that a pager sees both kinds of access; or all of them at random.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "guest.h"
#include "pattern.h"

#define MAX_WORKERS	2u
#define SAMPLE_STEP	61u	/* of the fixed area, one page in so many per round */
#define ALL_FIXED_EVERY	8u	/* rounds: then all of it */
#define RANDOM_STEP	4u	/* of the changing pages, one in so many */
#define STAMP		0x676d656dul	/* a hypercall that no KVM has */

struct worker {
	const struct guest_config *config;
	unsigned int index;
	unsigned int n_workers;
	pthread_t thread;
	pthread_barrier_t *ready;
	uint64_t *area;
	uint64_t n_pages;
	uint32_t *order;	/* pages in the order of visiting */
	uint64_t random;
	uint64_t mismatches;
	uint64_t round;
	uint64_t last_ns;	/* when the last page step was done */
	uint64_t gap_ns;	/* largest so far in this round */
	uint64_t stamp_ns;	/* when it was stamped last */
};

static uint64_t now_ns(struct worker *worker)
{
	uint64_t back_ns, now = ticks_read(&back_ns);

	if (back_ns && worker->config->clock) {
		guest_print("MISMATCH clock vcpu=%u back_ns=%llu round=%llu", worker->index,
			    (unsigned long long)back_ns, (unsigned long long)worker->round);
		worker->mismatches++;
	}
	return now;
}

/*
 * KVM refuses it, and its tracepoint says when: the host's clock goes on while the guest's may stand.  Not after every
 * page, as leaving the guest costs; but always after one that was waited for.
 */
static void stamp(struct worker *worker, uint64_t now)
{
	unsigned long result;

	if (now - worker->stamp_ns < worker->config->stamp_us * 1000)
		return;
	worker->stamp_ns = now;
	__asm__ volatile("vmmcall" : "=a"(result) : "a"(STAMP), "b"(0), "c"(0), "d"(0), "S"(0) : "memory");
}

static void step_done(struct worker *worker)
{
	uint64_t now = now_ns(worker);

	if (worker->config->stamp_us)
		stamp(worker, now);

	if (now - worker->last_ns > worker->gap_ns)
		worker->gap_ns = now - worker->last_ns;
	worker->last_ns = now;
}

static uint64_t next_random(struct worker *worker)
{
	worker->random ^= worker->random << 13;
	worker->random ^= worker->random >> 7;
	worker->random ^= worker->random << 17;
	return worker->random;
}

/* Every fourth place, or every place, swaps with another one of them: each page is visited once. */
static void shuffle(struct worker *worker)
{
	uint64_t step = worker->config->random ? 1 : RANDOM_STEP;
	uint64_t n_places = worker->n_pages / step;

	for (uint64_t i = 0; i + 1 < n_places; i++) {
		uint64_t other = i + next_random(worker) % (n_places - i);
		uint32_t page = worker->order[i * step];

		worker->order[i * step] = worker->order[other * step];
		worker->order[other * step] = page;
	}
}

static void init_worker(struct worker *worker)
{
	worker->n_pages = worker->config->write_mib * 256 / worker->n_workers;
	worker->area = guest_alloc(worker->n_pages * PATTERN_PAGE_LEN);
	worker->order = guest_alloc(worker->n_pages * sizeof(*worker->order));
	worker->random = 0x1234567 + worker->index;
	for (uint64_t i = 0; i < worker->n_pages; i++) {
		worker->order[i] = (uint32_t)i;
		pattern_fill(worker->area + i * PATTERN_WORDS, pattern_seed(worker->index, i, 0));
	}
}

static void visit(struct worker *worker, uint64_t page, uint64_t round)
{
	uint64_t seed = pattern_seed(worker->index, page, round - 1);
	uint64_t next_seed = pattern_seed(worker->index, page, round);
	unsigned int word, n_wrong;
	uint64_t got;

	n_wrong = pattern_check_and_fill(worker->area + page * PATTERN_WORDS, seed, next_seed, &word, &got);
	if (n_wrong) {
		guest_mismatch(worker->index ? "vcpu1" : "vcpu0", page, word, pattern_word(seed, word), got, round);
		worker->mismatches += n_wrong;
	}
}

static void check_fixed(struct worker *worker, uint64_t round)
{
	uint64_t step = SAMPLE_STEP, first = round % SAMPLE_STEP;

	if (round % ALL_FIXED_EVERY == 0) {	/* the workers share the whole */
		step = worker->n_workers;
		first = worker->index;
	}
	for (uint64_t i = first; i < fixed_pages(); i += step) {
		worker->mismatches += !fixed_check(i, round);
		step_done(worker);
	}
}

static void change_shared(struct worker *worker, uint64_t round)
{
	if (worker->index || !worker->config->shared_mib)
		return;
	for (uint64_t i = 0; i < worker->config->shared_pages; i++) {
		worker->mismatches += shared_step(round);
		step_done(worker);
	}
}

static void check_converted(struct worker *worker, uint64_t round)
{
	if (worker->index || !worker->config->convert)
		return;
	worker->mismatches += convert_check(round);
	step_done(worker);
}

static void pause_between(struct worker *worker)
{
	struct timespec pause = { (time_t)(worker->config->pause_ms / 1000),
				  (long)(worker->config->pause_ms % 1000) * 1000000 };

	if (!worker->config->pause_ms)
		return;
	nanosleep(&pause, NULL);
	worker->last_ns = now_ns(worker);
}

static void run_round(struct worker *worker, uint64_t round)
{
	worker->round = round;
	shuffle(worker);
	for (uint64_t i = 0; i < worker->n_pages; i++) {
		visit(worker, worker->order[i], round);
		step_done(worker);
	}
	check_fixed(worker, round);
	change_shared(worker, round);
	check_converted(worker, round);
	guest_print("ROUND %llu vcpu=%u mismatches=%llu gap_us=%llu", (unsigned long long)round, worker->index,
		    (unsigned long long)worker->mismatches, (unsigned long long)(worker->gap_ns / 1000));
	/* The time of printing counts for the next round, so that no pause can hide in it. */
	worker->gap_ns = 0;
	step_done(worker);
	pause_between(worker);
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(worker->index, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		guest_fail("worker %u cannot be pinned to its vCPU", worker->index);
	init_worker(worker);
	pthread_barrier_wait(worker->ready);	/* touching memory first takes long: nobody gets ahead */
	worker->last_ns = now_ns(worker);
	for (uint64_t round = 1; !worker->config->rounds || round <= worker->config->rounds; round++)
		run_round(worker, round);
	return NULL;
}

void worker_run_all(const struct guest_config *config, unsigned int n_workers)
{
	static struct worker workers[MAX_WORKERS];
	pthread_barrier_t ready;
	uint64_t mismatches = 0;

	if (n_workers > MAX_WORKERS)
		n_workers = MAX_WORKERS;
	pthread_barrier_init(&ready, NULL, n_workers);
	for (unsigned int i = 0; i < n_workers; i++) {
		workers[i] = (struct worker){ .config = config, .index = i, .n_workers = n_workers, .ready = &ready };
		if (pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]))
			guest_fail("no thread for worker %u", i);
	}
	for (unsigned int i = 0; i < n_workers; i++) {
		pthread_join(workers[i].thread, NULL);
		mismatches += workers[i].mismatches;
	}
	guest_print("GUEST-END rounds=%llu mismatches=%llu", (unsigned long long)config->rounds,
		    (unsigned long long)mismatches);
}
