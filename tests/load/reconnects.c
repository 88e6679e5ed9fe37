// SPDX-License-Identifier: MIT
/*
 * Connections that are lost and come back, thousands of times, in one process: both sides of some moves at a time, over
 * the loopback and real TCP connections of nng, each of which is cut after a random number of bytes: in the preamble, in
 * the handshake, between the lanes' BINDs, inside of a record of any lane.  Before the cut each connection has said what
 * a fresh one says on each lane (MAP and PING, CREDIT, what the stream is allowed), and a guest wants pages all the time.
 *
 *     reconnects [--count 200] [--moves 4] [--seed 1] [--log LEVEL]
 *
 * Moves are made until so many connections have come back, and each ends COMPLETE with every byte right.  Between
 * rounds, when no move is under way, the process has as many file descriptors, threads and bytes of heap as after the
 * first: what nng or we keep for each connection would show.  A line a round, the last one is for programs.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cutter.h"
#include "duo.h"
#include "log.h"

#define N_PRIVATE 2048u
#define N_SHARED 64u
#define MOVES_MAX 32u
#define ROUND 1000u		/* connections that come back, between two looks at the process */
#define FIRST_ROUND 50u		/* after that everything has been used that is there once */
#define HEAP_SLACK 65536u	/* bytes by which it may differ: the time zone, buffers of stdio, a thread's own */
#define HEAP_PER_CONNECTION 16u	/* less than the least that could be kept for each */
#define BEGIN_TRIES 3
#define SETTLE_MS (10000 * PATIENCE)	/* nng ends what was closed in a thread of its own */

struct mover {
	pthread_t thread;
	unsigned int number;
	struct duo duo;
	struct cutter cutter;
	pthread_t guest;
	atomic_bool guest_done;
	int guest_result;
	const char *wrong;	/* NULL: all is right */
};

static atomic_uint n_back;	/* connections that came back, of all moves */
static atomic_uint n_unbegun;	/* moves whose first connection ended although nobody cut it: rare, and not explained yet */
static unsigned int quota;	/* until so many have */

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* ---- what the process has ---- */

struct figures {
	unsigned int n_fds, n_threads;
	size_t heap, rss_kib;
};

static unsigned int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned int n = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	if (dir != NULL)
		closedir(dir);
	return n;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/*
 * What is allocated and not freed, counted here: the thread sanitizer's own count (GCC 12) now and then stays some 264 KiB
 * too high, although each piece as large as that was freed.
 */
int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void *, size_t),
					      void (*free_hook)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *p);

static atomic_llong heap_bytes;

static void on_malloc(const volatile void *p, size_t len)
{
	(void)len;
	if (p != NULL)
		atomic_fetch_add_explicit(&heap_bytes, (long long)__sanitizer_get_allocated_size(p), memory_order_relaxed);
}

static void on_free(const volatile void *p)
{
	if (p != NULL)
		atomic_fetch_sub_explicit(&heap_bytes, (long long)__sanitizer_get_allocated_size(p), memory_order_relaxed);
}

static bool heap_watch(void)
{
	return __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) != 0;
}

/* What was allocated before and is freed since counts too: a little less than nothing is nothing. */
static size_t heap_now(void)
{
	const long long bytes = atomic_load_explicit(&heap_bytes, memory_order_relaxed);

	return bytes > 0 ? (size_t)bytes : 0;
}
#else
static bool heap_watch(void)
{
	return true;
}

static size_t heap_now(void)
{
	const struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}
#endif

static size_t rss_now(void)
{
	unsigned long long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file == NULL || fscanf(file, "%*u %llu", &pages) != 1)
		pages = 0;
	if (file != NULL)
		fclose(file);
	return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE) / 1024u;
}

static struct figures look(void)
{
	return (struct figures){
		.n_fds = count_entries("/proc/self/fd"), .n_threads = count_entries("/proc/self/task"), .heap = heap_now(),
		.rss_kib = rss_now(),
	};
}

static bool has_grown(const struct figures *now, const struct figures *first, unsigned int n)
{
	return now->n_fds > first->n_fds || now->n_threads > first->n_threads ||
	       now->heap > first->heap + HEAP_SLACK + (size_t)n * HEAP_PER_CONNECTION;
}

/* As soon as it is no more than at @first, or what is still there after a while. */
static struct figures settle(const struct figures *first, unsigned int n)
{
	struct figures now = look();
	int i;

	for (i = 0; i < SETTLE_MS / 50 && has_grown(&now, first, n); i++) {
		sleep_ms(50);
		now = look();
	}
	return now;
}

/* ---- one move ---- */

/* A guest that wants every page once, in no order that a window could foresee. */
static void *run_guest(void *arg)
{
	struct mover *mover = arg;
	const uint64_t n_pages = N_PRIVATE + N_SHARED;
	uint64_t i;

	for (i = 0; i < n_pages && mover->guest_result == 0; i++)
		mover->guest_result = fake_vm_touch(&mover->duo.pager_vm, i * 787u % n_pages);
	atomic_store(&mover->guest_done, true);
	return NULL;
}

/* A host of its own: its port is free while it is not listened to, and another move's pager might choose the same. */
static void choose_host(struct mover *mover)
{
	struct duo *duo = &mover->duo;
	char port[8];

	snprintf(port, sizeof(port), "%s", strrchr(duo->address, ':') + 1);
	snprintf(duo->address, sizeof(duo->address), "127.0.1.%u:%s", mover->number + 1, port);
	strcpy(duo->source_address, duo->address);
}

static bool begin(struct mover *mover)
{
	struct duo *duo = &mover->duo;

	duo_init(duo, N_PRIVATE, N_SHARED);
	choose_host(mover);
	cutter_enter(&mover->cutter, duo->address);
	duo->source_config.transport = duo->pager_config.transport = &cutter_transport;
	/* Only a cut is to end anything here: not a machine on which so many moves are slow. */
	duo->source_config.handshake_ms = duo->pager_config.handshake_ms = 60000 * PATIENCE;
	duo->source_config.peer_ms = duo->pager_config.peer_ms = 60000 * PATIENCE;
	duo->source_config.connect_ms = 60000 * PATIENCE;
	duo->source_config.resume_ms = duo->pager_config.resume_ms = 120000 * PATIENCE;
	duo->pager_config.window_pages = 1;
	duo_hold_stream(duo);
	return duo_prepare(duo) == 0 && duo_start(duo) == 0;
}

/* Connections are cut until the quota is reached or the guest has all pages. */
static void cut_and_count(struct mover *mover)
{
	struct gmem_progress progress;
	unsigned int seen = 0;

	cutter_set(&mover->cutter, true);
	do {
		sleep_ms(5);
		session_tick(&mover->duo.pager->session);
		session_tick(&mover->duo.source->session);
		session_progress(&mover->duo.source->session, &progress);
		atomic_fetch_add(&n_back, progress.n_resumed - seen);
		seen = progress.n_resumed;
	} while (atomic_load(&n_back) < quota && !atomic_load(&mover->guest_done));
	cutter_set(&mover->cutter, false);
}

static const char *finish(struct mover *mover)
{
	struct duo *duo = &mover->duo;

	if (duo_let_stream_go(duo) < 0)
		return "the stream cannot be let go";
	pthread_join(mover->guest, NULL);
	if (mover->guest_result != 0)
		return "a page did not come";
	if (duo_wait_pager(duo, GMEM_PHASE_COMPLETE) != GMEM_PHASE_COMPLETE ||
	    duo_wait_source(duo, GMEM_PHASE_COMPLETE) != GMEM_PHASE_COMPLETE)
		return "it does not become COMPLETE";
	if (!duo_ledger_says(duo, "source", "RELEASED") || !duo_ledger_says(duo, "destination", "COMPLETE"))
		return "a record says something else";
	if (duo_first_difference(duo) != -1 || duo->pager_vm.n_rewritten != 0)
		return "a page is wrong, or was written twice";
	return NULL;
}

/* A first connection that is lost ends a move, as it should; another one is begun.  The last line says how many. */
static bool begin_some(struct mover *mover)
{
	unsigned int i;

	for (i = 1; !begin(mover); i++) {
		fprintf(stderr, "reconnects: a move did not begin: %s\n", mover->duo.error);
		if (i == BEGIN_TRIES)
			return false;
		atomic_fetch_add(&n_unbegun, 1);
		duo_fini(&mover->duo);
		cutter_leave(&mover->cutter);
	}
	return true;
}

static void *run_move(void *arg)
{
	struct mover *mover = arg;

	if (begin_some(mover)) {
		pthread_create(&mover->guest, NULL, run_guest, mover);
		cut_and_count(mover);
		mover->wrong = finish(mover);
	} else {
		mover->wrong = "it does not begin";
	}
	if (mover->wrong != NULL)
		fprintf(stderr, "reconnects: a move: %s (%s)\n", mover->wrong, mover->duo.error);
	duo_fini(&mover->duo);
	cutter_leave(&mover->cutter);
	return NULL;
}

/* @n_moves at a time, one after another, until @until connections have come back.  false: something was wrong. */
static bool run_round(unsigned int n_moves, unsigned int until)
{
	static struct mover movers[MOVES_MAX];
	unsigned int i;
	bool right = true;

	quota = until;
	while (right && atomic_load(&n_back) < quota) {
		for (i = 0; i < n_moves; i++) {
			movers[i] = (struct mover){ .number = i };
			pthread_create(&movers[i].thread, NULL, run_move, &movers[i]);
		}
		for (i = 0; i < n_moves; i++) {
			pthread_join(movers[i].thread, NULL);
			right = right && movers[i].wrong == NULL;
		}
	}
	return right;
}

static void print(const struct figures *figures, uint64_t begun_us)
{
	printf("| %u | %llu | %.0f | %u | %u | %zu | %zu |\n", atomic_load(&n_back), (unsigned long long)cutter_cuts(),
	       (double)(stats_now_us() - begun_us) / 1e6, figures->n_fds, figures->n_threads, figures->heap / 1024u,
	       figures->rss_kib);
	fflush(stdout);
}

static int run(unsigned int count, unsigned int n_moves)
{
	const uint64_t begun_us = stats_now_us();
	struct figures first, now;
	bool right;

	printf("| came back | cuts | seconds | fds | threads | heap KiB | RSS KiB |\n|---|---|---|---|---|---|---|\n");
	right = run_round(n_moves, count < 2 * FIRST_ROUND ? count / 2 : FIRST_ROUND);
	sleep_ms(1000);
	first = now = look();
	print(&first, begun_us);
	while (right && atomic_load(&n_back) < count) {
		const unsigned int left = count - atomic_load(&n_back);

		right = run_round(n_moves, atomic_load(&n_back) + (left < ROUND ? left : ROUND));
		now = settle(&first, atomic_load(&n_back));
		print(&now, begun_us);
		if (has_grown(&now, &first, atomic_load(&n_back))) {
			fprintf(stderr, "reconnects: descriptors, threads or the heap have grown\n");
			right = false;
		}
	}
	printf("reconnects %u cuts %llu unbegun %u seconds %.0f fds %u to %u threads %u to %u heap_kib %zu to %zu rss_kib %zu to %zu %s\n",
	       atomic_load(&n_back), (unsigned long long)cutter_cuts(), atomic_load(&n_unbegun),
	       (double)(stats_now_us() - begun_us) / 1e6, first.n_fds,
	       now.n_fds, first.n_threads, now.n_threads, first.heap / 1024u, now.heap / 1024u, first.rss_kib, now.rss_kib,
	       right ? "right" : "WRONG");
	return right ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'c' }, { "moves", required_argument, NULL, 'm' },
		{ "seed", required_argument, NULL, 's' }, { "log", required_argument, NULL, 'l' }, { NULL, 0, NULL, 0 },
	};
	unsigned long count = 200, n_moves = 4, seed = 1;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'c')
			count = strtoul(optarg, NULL, 10);
		else if (c == 'm')
			n_moves = strtoul(optarg, NULL, 10);
		else if (c == 's')
			seed = strtoul(optarg, NULL, 10);
		else if (c != 'l' || log_init("reconnects", optarg, true) < 0)
			return EXIT_FAILURE;
	}
	if (optind != argc || count < 2 || count > 10000000 || n_moves < 1 || n_moves > MOVES_MAX) {
		fprintf(stderr, "usage: reconnects [--count 2...] [--moves 1...%u] [--seed N] [--log LEVEL]\n", MOVES_MAX);
		return EXIT_FAILURE;
	}
	signal(SIGPIPE, SIG_IGN);
	if (!attest_init() || !heap_watch())
		return EXIT_FAILURE;
	cutter_seed((uint32_t)seed);
	return run((unsigned int)count, (unsigned int)n_moves);
}
