// SPDX-License-Identifier: MIT
/*
 * A VMM without a guest, for whole moves through the real programs: a memfd under userfaultfd, threads in place of
 * vCPUs.  What it does it says on stdout, a word a line.
 *
 *   uffd_vmm source SOCKET MIB         give the memory away, wait until it is complete
 *   uffd_vmm destination SOCKET MIB    take it: threads check each page and write into some, then all is checked again
 *   uffd_vmm tenth SOCKET MIB WHEN RUN take it: a tenth of the pages is touched, in runs of RUN at random but the same ones
 *                                      each time, that is the first "output"; then all is checked.  WHEN: "at-once" the
 *                                      guest runs; "told" by a line on stdin; "whole", once every page is there
 *
 * The threads of a destination stop once they have seen a quarter, until there is a line on stdin.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <gmem/gmem.h>

#include "uffd_open.h"

#define PAGE GMEM_PAGE_SIZE
#define WORDS (PAGE / sizeof(uint64_t))
#define N_THREADS 2u
#define STATE "registers of a VM that has none"
#define SKIP 77
#define RUN 64u

struct vmm {
	uint64_t n_pages;	/* a power of 2 */
	struct gmem_region region;
	uint64_t *memory;
	int uffd;
	gmem_client *client;
	atomic_uint n_wrong;
	pthread_barrier_t quarter, go;
};

static void say(const char *word)
{
	printf("%s\n", word);
	fflush(stdout);
}

static void need(const struct vmm *vmm, int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "%s: %s (%s)\n", what, strerror(-r), vmm->client ? gmem_last_error(vmm->client) : "");
	exit(1);
}

/* Every fifth page is a hole, every ninth of the others zeros. */
static bool is_hole(uint64_t page)
{
	return page % 5 == 0;
}

static uint64_t word_of(uint64_t page, uint64_t i)
{
	return is_hole(page) || page % 9 == 0 ? 0 : (page * WORDS + i + 1) * 0x9e3779b97f4a7c15ull;
}

static bool is_marked(uint64_t page)
{
	return page % 3 == 0;
}

static void check(struct vmm *vmm, uint64_t page, bool marked)
{
	const uint64_t *words = vmm->memory + page * WORDS;
	uint64_t i;

	for (i = 0; i < WORDS; i++)
		if (words[i] != (marked && i == 7 ? ~word_of(page, i) : word_of(page, i)))
			break;
	if (i == WORDS)
		return;
	if (atomic_fetch_add(&vmm->n_wrong, 1) < 5)
		fprintf(stderr, "page %llu is wrong at word %llu: %llx\n", (unsigned long long)page,
			(unsigned long long)i, (unsigned long long)words[i]);
}

static int dup_uffd(void *opaque)
{
	const struct vmm *vmm = opaque;
	const int fd = fcntl(vmm->uffd, F_DUPFD_CLOEXEC, 3);

	return fd < 0 ? -errno : fd;
}

static void make_memory(struct vmm *vmm, uint64_t mib)
{
	vmm->n_pages = (mib << 20) / PAGE;
	vmm->region = (struct gmem_region){
		.size = mib << 20, .flags = GMEM_REGION_SHARED_FD, .shared_fd = memfd_create("guest", MFD_CLOEXEC),
	};
	if (vmm->region.shared_fd < 0 || ftruncate(vmm->region.shared_fd, (off_t)vmm->region.size) < 0)
		need(vmm, -errno, "memfd");
	vmm->memory = mmap(NULL, vmm->region.size, PROT_READ | PROT_WRITE, MAP_SHARED, vmm->region.shared_fd, 0);
	if (vmm->memory == MAP_FAILED || madvise(vmm->memory, vmm->region.size, MADV_NOHUGEPAGE) < 0 ||
	    madvise(vmm->memory, vmm->region.size, MADV_DONTFORK) < 0)
		need(vmm, -errno, "memory");
}

static void attach(struct vmm *vmm, const char *path, enum gmem_role role)
{
	void *const address = vmm->memory;
	int r, i;

	for (i = 0, r = -1; i < 1000 && r < 0; i++) {
		r = gmem_connect(path, role, &vmm->client);
		if (r < 0)
			usleep(10000);
	}
	need(vmm, r, "gmem_connect");
	need(vmm, gmem_set_custody(vmm->client, dup_uffd, vmm, -1), "gmem_set_custody");
	need(vmm, gmem_attach_uffd(vmm->client, vmm->uffd, &vmm->region, &address, 1), "gmem_attach_uffd");
	say("attached");
}

static void source(struct vmm *vmm, const char *path)
{
	const struct gmem_state state = { .name = "vcpu0", .data = STATE, .data_len = sizeof(STATE) };
	uint64_t page, i;

	for (page = 0; page < vmm->n_pages; page++)
		for (i = 0; i < WORDS && !is_hole(page); i++)
			vmm->memory[page * WORDS + i] = word_of(page, i);
	attach(vmm, path, GMEM_ROLE_SOURCE);
	need(vmm, gmem_source_prepare(vmm->client), "gmem_source_prepare");
	need(vmm, gmem_source_start(vmm->client, &state, 1), "gmem_source_start");
	say("given");
	need(vmm, gmem_wait(vmm->client, GMEM_PHASE_COMPLETE, -1, NULL), "gmem_wait");
	say("complete");
	/* Nobody is held any more. */
	memset(vmm->memory, 0, vmm->region.size);
}

/* Each page once, in an order of its own by runs, as what comes around a page would be all of it soon. */
static uint64_t page_of(const struct vmm *vmm, uint64_t i)
{
	return (i / RUN * 7919 + 3) % (vmm->n_pages / RUN) * RUN + i % RUN;
}

struct vcpu {
	struct vmm *vmm;
	uint64_t number;
	pthread_t thread;
};

static void *run_vcpu(void *arg)
{
	struct vcpu *vcpu = arg;
	struct vmm *vmm = vcpu->vmm;
	uint64_t i, page;

	for (i = vcpu->number; i < vmm->n_pages; i += N_THREADS) {
		if (i / N_THREADS == vmm->n_pages / N_THREADS / 4) {
			pthread_barrier_wait(&vmm->quarter);
			pthread_barrier_wait(&vmm->go);
		}
		page = page_of(vmm, i);
		check(vmm, page, false);
		if (is_marked(page))
			vmm->memory[page * WORDS + 7] = ~word_of(page, 7);
	}
	return NULL;
}

/* The gate in mid-move: what is on the other side of stdin decides how long it stays shut. */
static void *keep_gate(void *arg)
{
	struct vmm *vmm = arg;
	char line[16];

	pthread_barrier_wait(&vmm->quarter);
	say("quarter");
	if (fgets(line, sizeof(line), stdin) == NULL)
		exit(1);
	pthread_barrier_wait(&vmm->go);
	return NULL;
}

/* Up to a guest that runs. */
static void take(struct vmm *vmm, const char *path)
{
	const struct gmem_state *states = NULL;
	size_t n_states = 0;

	attach(vmm, path, GMEM_ROLE_PAGER);
	need(vmm, gmem_pager_wait_start(vmm->client, &states, &n_states), "gmem_pager_wait_start");
	if (n_states != 1 || states[0].data_len != sizeof(STATE) || memcmp(states[0].data, STATE, sizeof(STATE)) != 0)
		need(vmm, -EBADMSG, "the state");
	check(vmm, 12, false);		/* while state is restored */
	need(vmm, gmem_pager_run(vmm->client), "gmem_pager_run");
}

static void wait_complete(struct vmm *vmm)
{
	need(vmm, gmem_wait(vmm->client, GMEM_PHASE_COMPLETE, -1, NULL), "gmem_wait");
}

static void judge(struct vmm *vmm)
{
	if (atomic_load(&vmm->n_wrong) > 0) {
		fprintf(stderr, "%u pages are wrong\n", atomic_load(&vmm->n_wrong));
		exit(1);
	}
	say("right");
}

/* Every guest that is restored from here does the same: the generator begins with the same number. */
static void touch_tenth(struct vmm *vmm, uint64_t run)
{
	volatile const uint64_t *words;
	uint64_t i, k, random = 1;

	for (i = 0; i < vmm->n_pages / 10; i += run) {
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		words = vmm->memory + (random >> 33) % (vmm->n_pages / run) * run * WORDS;
		for (k = 0; k < run; k++)
			(void)words[k * WORDS + WORDS / 2];
	}
}

static void tenth(struct vmm *vmm, const char *path, const char *when, uint64_t run)
{
	char line[16];
	uint64_t i;

	take(vmm, path);
	say("runs");
	if (strcmp(when, "told") == 0 && fgets(line, sizeof(line), stdin) == NULL)
		exit(1);
	if (strcmp(when, "whole") == 0)
		wait_complete(vmm);
	touch_tenth(vmm, run);
	say("output");
	wait_complete(vmm);
	for (i = 0; i < vmm->n_pages; i++)
		check(vmm, i, false);
	judge(vmm);
}

static void destination(struct vmm *vmm, const char *path)
{
	struct vcpu vcpus[N_THREADS];
	struct gmem_progress progress;
	pthread_t gate;
	uint64_t i;

	take(vmm, path);
	pthread_barrier_init(&vmm->quarter, NULL, N_THREADS + 1);
	pthread_barrier_init(&vmm->go, NULL, N_THREADS + 1);
	pthread_create(&gate, NULL, keep_gate, vmm);
	for (i = 0; i < N_THREADS; i++) {
		vcpus[i] = (struct vcpu){ .vmm = vmm, .number = i };
		pthread_create(&vcpus[i].thread, NULL, run_vcpu, &vcpus[i]);
	}
	wait_complete(vmm);
	need(vmm, gmem_get_progress(vmm->client, &progress), "gmem_get_progress");
	say("complete");
	for (i = 0; i < N_THREADS; i++)
		pthread_join(vcpus[i].thread, NULL);
	pthread_join(gate, NULL);
	for (i = 0; i < vmm->n_pages; i++)
		check(vmm, i, is_marked(i));
	printf("pages %llu demand %llu background %llu duplicate %llu p50 %llu us\n",
	       (unsigned long long)progress.pages_present, (unsigned long long)progress.pages_demand,
	       (unsigned long long)progress.pages_background, (unsigned long long)progress.pages_duplicate,
	       (unsigned long long)progress.fault_latency_us[0]);
	/* Nobody would answer a fault now. */
	if (madvise(vmm->memory, PAGE, MADV_REMOVE) < 0 || vmm->memory[3] != 0)
		need(vmm, -errno, "a page that is taken away");
	judge(vmm);
}

int main(int argc, char **argv)
{
	struct vmm vmm = { .client = NULL };

	if (argc != (argc > 1 && strcmp(argv[1], "tenth") == 0 ? 6 : 4))
		return 1;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	vmm.uffd = uffd_open();
	if (vmm.uffd < 0) {
		fprintf(stderr, "skipped: userfaultfd is not to be had here: %s; run as root, or allow "
			"vm.unprivileged_userfaultfd or /dev/userfaultfd\n", strerror(-vmm.uffd));
		return SKIP;
	}
	make_memory(&vmm, strtoull(argv[3], NULL, 10));
	if (strcmp(argv[1], "source") == 0)
		source(&vmm, argv[2]);
	else if (argc == 6)
		tenth(&vmm, argv[2], argv[4], strtoull(argv[5], NULL, 10));
	else
		destination(&vmm, argv[2]);
	gmem_close(vmm.client);
	return 0;
}
