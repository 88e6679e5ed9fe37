/* SPDX-License-Identifier: MIT */
/*
 * One page after the other is touched, in windows at random of which nothing is there, and the next one when the whole
 * window has come.  In turns with it, so many round trips on TCP: the same bytes there, and back the page's record
 * first, which is what is timed, then those of its neighbours.  What came is copied into memory that nothing has touched.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"
#include "messages.h"
#include "tcp.h"
#include "urgent.h"

#define PER_ROUND 20u

struct raw {
	int fds[2];
	pthread_t server;
	size_t request_len;
	struct memory to;
	size_t used;			/* bytes of it */
	uint8_t *server_bytes, *client_bytes;
};

/* Of all threads, the whole way and the neighbours included. */
struct cost {
	double ns, n_switches;
};

struct sample {
	double touch[PER_ROUND], opened[PER_ROUND], present[PER_ROUND];
	double tcp_received[PER_ROUND], tcp_present[PER_ROUND];
};

static size_t record_len(uint32_t n_pages)
{
	return attest_record_wire_len(PAGES_BODY_MAX(n_pages));
}

/* The page's own record, then the rest of the window, in parts as the source sends them. */
static struct tcp_replies replies_of(uint32_t at, uint32_t window)
{
	struct tcp_replies replies = { .lens = { record_len(1) }, .n_pages = { 1 } };
	struct urgent_part parts[URGENT_MAX_PARTS];
	const size_t n = urgent_parts(at, window, parts);
	size_t i;

	for (i = 0; i < n; i++) {
		replies.lens[1 + i] = record_len(parts[i].n_pages);
		replies.n_pages[1 + i] = parts[i].n_pages;
	}
	return replies;
}

/* A request begins with the lengths that it wants; of length 0: the end. */
static void *serve(void *arg)
{
	struct raw *raw = arg;
	struct tcp_replies replies;
	size_t i;

	stay_on(SIDE_SOURCE);
	for (;;) {
		tcp_recv(raw->fds[1], raw->server_bytes, raw->request_len);
		memcpy(&replies, raw->server_bytes, sizeof(replies));
		if (replies.lens[0] == 0)
			return NULL;
		for (i = 0; i < TCP_MAX_REPLIES && replies.lens[i] > 0; i++)
			tcp_send(raw->fds[1], raw->server_bytes, replies.lens[i]);
	}
}

static void raw_begin(struct raw *raw, uint64_t n_pages)
{
	*raw = (struct raw){ .request_len = attest_record_wire_len(REQUEST_ENTRY_LEN) };
	raw->server_bytes = calloc(1, record_len(URGENT_MAX_RUN));
	raw->client_bytes = calloc(1, record_len(URGENT_MAX_RUN));
	need(raw->server_bytes != NULL && raw->client_bytes != NULL, "memory");
	need(raw->request_len >= sizeof(struct tcp_replies), "a request");
	memory_init(&raw->to, n_pages * FAKE_PAGE);
	tcp_pair(raw->fds);
	need(pthread_create(&raw->server, NULL, serve, raw) == 0, "a thread");
}

static void raw_fill(struct raw *raw, uint32_t n_pages)
{
	memcpy(raw->to.at + raw->used, raw->client_bytes, (size_t)n_pages * FAKE_PAGE);
	raw->used += (size_t)n_pages * FAKE_PAGE;
}

static void raw_request(struct raw *raw, const struct tcp_replies *replies)
{
	memcpy(raw->client_bytes, replies, sizeof(*replies));
	tcp_send(raw->fds[0], raw->client_bytes, raw->request_len);
}

static void raw_trip(struct raw *raw, const struct tcp_replies *replies, struct sample *sample, unsigned int number)
{
	uint64_t start_ns, received_ns, end_ns;
	size_t i;

	start_ns = clock_ns();
	raw_request(raw, replies);
	tcp_recv(raw->fds[0], raw->client_bytes, replies->lens[0]);
	received_ns = clock_ns();
	raw_fill(raw, replies->n_pages[0]);
	end_ns = clock_ns();
	for (i = 1; i < TCP_MAX_REPLIES && replies->lens[i] > 0; i++) {
		tcp_recv(raw->fds[0], raw->client_bytes, replies->lens[i]);
		raw_fill(raw, replies->n_pages[i]);
	}
	sample->tcp_received[number] = (double)(received_ns - start_ns);
	sample->tcp_present[number] = (double)(end_ns - start_ns);
}

static void raw_end(struct raw *raw)
{
	const struct tcp_replies none = { .lens = { 0 } };

	raw_request(raw, &none);
	pthread_join(raw->server, NULL);
	close(raw->fds[0]);
	close(raw->fds[1]);
	memory_fini(&raw->to);
	free(raw->server_bytes);
	free(raw->client_bytes);
}

static void fault(struct move *move, uint64_t gfn, uint32_t window, struct sample *sample, unsigned int i)
{
	struct clock_backend *clock = &move->clock;
	uint64_t start_ns, end_ns;

	atomic_store(&clock->wanted, gfn);
	clock_backend_aim(clock, window);
	start_ns = clock_ns();
	need(fake_vm_touch(&move->duo.pager_vm, gfn) == 0, "a touch");
	end_ns = clock_ns();
	clock_backend_wait(clock);
	sample->touch[i] = (double)(end_ns - start_ns);
	sample->opened[i] = (double)(atomic_load(&clock->opened_ns) - atomic_load(&clock->event_ns));
	sample->present[i] = (double)(atomic_load(&clock->present_ns) - atomic_load(&clock->event_ns));
}

/* Windows in an order of their own: each once. */
static uint64_t *shuffled(uint64_t n)
{
	uint64_t *order = malloc(n * sizeof(*order)), i, j, t;
	unsigned short seed[3] = { 1, 2, 3 };

	need(order != NULL, "memory");
	for (i = 0; i < n; i++)
		order[i] = i;
	for (i = n - 1; i > 0; i--) {
		j = (uint64_t)nrand48(seed) % (i + 1);
		t = order[i];
		order[i] = order[j];
		order[j] = t;
	}
	return order;
}

/* "raw NAME VALUE" of what the rounds have @at (an offset into struct sample), divided by what they have at @by. */
static void print_ratio(const char *name, const char *suffix, struct sample *samples, unsigned int n_rounds, size_t at,
			size_t by)
{
	double *ratios = calloc(n_rounds, sizeof(*ratios));
	unsigned int i;

	need(ratios != NULL, "memory");
	for (i = 0; i < n_rounds; i++)
		ratios[i] = median((double *)(void *)((char *)&samples[i] + at), PER_ROUND) /
			    median((double *)(void *)((char *)&samples[i] + by), PER_ROUND);
	printf("raw %s%s %.4f\n", name, suffix, median(ratios, n_rounds));
	free(ratios);
}

/* CPU time and task switches so far, of all threads. */
static struct cost cost_now(void)
{
	struct rusage usage;

	need(getrusage(RUSAGE_SELF, &usage) == 0, "getrusage");
	return (struct cost){
		.ns = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
		      (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3,
		.n_switches = (double)usage.ru_nvcsw,
	};
}

static void add_cost(struct cost *sum, struct cost since)
{
	const struct cost now = cost_now();

	sum->ns += now.ns - since.ns;
	sum->n_switches += now.n_switches - since.n_switches;
}

static void print_ns(const char *name, const char *suffix, struct sample *samples, unsigned int n_rounds, size_t at)
{
	double *medians = calloc(n_rounds, sizeof(*medians));
	unsigned int i;

	need(medians != NULL, "memory");
	for (i = 0; i < n_rounds; i++)
		medians[i] = median((double *)(void *)((char *)&samples[i] + at), PER_ROUND);
	printf("raw %s%s_ns %.0f\n", name, suffix, median(medians, n_rounds));
	free(medians);
}

static void print_cost(const char *name, const char *suffix, const struct cost *cost, unsigned int n_rounds)
{
	const double n = (double)n_rounds * PER_ROUND;

	printf("raw %s%s_cpu_ns %.0f\nraw %s%s_switches %.2f\n", name, suffix, cost->ns / n, name, suffix,
	       cost->n_switches / n);
	fflush(stdout);
}

static void report(const char *suffix, struct sample *samples, unsigned int n_rounds)
{
	static const struct {
		const char *name;
		size_t at;
	} times[] = {
		{ "touch", offsetof(struct sample, touch) }, { "opened", offsetof(struct sample, opened) },
		{ "present", offsetof(struct sample, present) },
		{ "tcp_received", offsetof(struct sample, tcp_received) },
		{ "tcp_present", offsetof(struct sample, tcp_present) },
	};
	size_t i;

	print_ratio("rtt", suffix, samples, n_rounds, offsetof(struct sample, present),
		    offsetof(struct sample, tcp_present));
	print_ratio("rtt_opened", suffix, samples, n_rounds, offsetof(struct sample, opened),
		    offsetof(struct sample, tcp_received));
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		print_ns(times[i].name, suffix, samples, n_rounds, times[i].at);
	fflush(stdout);
}

/* One more window than is touched, so that the move does not end. */
static void measure(const char *suffix, unsigned int n_rounds, uint32_t window)
{
	const uint64_t n_windows = (uint64_t)n_rounds * PER_ROUND + 1;
	struct sample *samples = calloc(n_rounds, sizeof(*samples));
	uint64_t *order = shuffled(n_windows), next = 0;
	unsigned short seed[3] = { 4, 5, 6 };
	struct move *move = calloc(1, sizeof(*move));
	struct cost ours = { 0 }, tcp = { 0 }, since;
	struct raw raw;
	unsigned int round, i;

	need(samples != NULL && move != NULL, "memory");
	move_begin(move, n_windows * window, window);
	raw_begin(&raw, n_windows * window);
	for (round = 0; round < n_rounds; round++) {
		uint32_t at[PER_ROUND];

		since = cost_now();
		for (i = 0; i < PER_ROUND; i++) {
			at[i] = (uint32_t)nrand48(seed) % window;
			fault(move, order[next++] * window + at[i], window, &samples[round], i);
		}
		add_cost(&ours, since);
		since = cost_now();
		for (i = 0; i < PER_ROUND; i++) {
			const struct tcp_replies replies = replies_of(at[i], window);

			raw_trip(&raw, &replies, &samples[round], i);
		}
		add_cost(&tcp, since);
		session_tick(&move->duo.source->session);
		session_tick(&move->duo.pager->session);
	}
	raw_end(&raw);
	pager_pause(move->duo.pager, false);
	move_finish(move);
	report(suffix, samples, n_rounds);
	print_cost("fault", suffix, &ours, n_rounds);
	print_cost("tcp", suffix, &tcp, n_rounds);
	free(samples);
	free(order);
	free(move);
}

void bench_rtt(unsigned int n_rounds)
{
	measure("", n_rounds, URGENT_MAX_RUN);
	measure("_alone", n_rounds, 1);
}
