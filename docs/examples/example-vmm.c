// SPDX-License-Identifier: MIT
/*
 * A VMM whose guest can move: the whole of it, with libgmem and libc alone, on a stock kernel (userfaultfd, ordinary
 * shared memory, no KVM).  docs/integration.md walks through it.
 *
 *     cc -o example-vmm example-vmm.c $(pkg-config --cflags --libs libgmem)
 *     example-vmm destination SOCKET MIB [MICROSECONDS]     where the guest goes: beside gmem-pager
 *     example-vmm source SOCKET MIB [MICROSECONDS]          where it is: beside gmem-source
 *
 * The source moves its guest when it reads a line on stdin, and says on stdout what has become of it, one word first:
 * "runs", "moves", "stays" with the reason (the guest goes on here), "moved", "lost" (it must not run here).  The
 * destination says "ready", "runs", "complete", "right".  MICROSECONDS: the guest's pause between two steps, 100.
 *
 * The guest is two threads in place of vCPUs.  Each has every second page, visits its pages in turn, checks what it left
 * there and writes the page anew.  All that it knows besides memory is how many steps it has done, which is the state
 * that travels.  From that number follows every byte, so one that is lost, stale or made up is seen.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <gmem/gmem.h>

#define N_VCPUS 2u
#define WORDS (GMEM_PAGE_SIZE / sizeof(uint64_t))
#define STATE_MAGIC 0x31757063796f7401ull	/* of a vCPU's state, with its version */
#define CANNOT 77				/* exit code: no userfaultfd here */

struct vcpu {
	struct vm *vm;
	unsigned int number;
	uint64_t n_steps;
};

/* What of a vCPU travels.  Both hosts have one byte order here; a real VMM says which. */
struct vcpu_state {
	uint64_t magic, n_steps;
};

struct vm {
	uint64_t n_pages;
	uint64_t *memory;
	struct gmem_region region;
	int uffd;
	struct timespec pause;
	struct vcpu vcpus[N_VCPUS];
	pthread_rwlock_t inside;	/* read: a vCPU is in the guest; write: the VMM keeps all of them out */
};

static _Noreturn void die(const char *what, const char *why)
{
	fprintf(stderr, "example-vmm: %s: %s\n", what, why);
	exit(EXIT_FAILURE);
}

/* ---- the guest ---- */

/* Word @i of @page after it was written @n times; every fifth page is never written, and is a hole in the file. */
static uint64_t word_after(uint64_t page, uint64_t n, uint64_t i)
{
	return n == 0 || page % 5 == 0 ? 0 : (page * WORDS + i + 1) * 0x9e3779b97f4a7c15ull + n;
}

static void check_page(const struct vm *vm, uint64_t page, uint64_t n)
{
	const uint64_t *words = vm->memory + page * WORDS;
	uint64_t i;

	for (i = 0; i < WORDS; i++)
		if (words[i] != word_after(page, n, i))
			die("memory is not what the guest left", "a bug of ours or theirs");
}

static void step(struct vcpu *vcpu)
{
	const struct vm *vm = vcpu->vm;
	const uint64_t n_own = vm->n_pages / N_VCPUS, n = vcpu->n_steps / n_own;
	const uint64_t page = vcpu->n_steps % n_own * N_VCPUS + vcpu->number;
	uint64_t i;

	check_page(vm, page, n);
	for (i = 0; i < WORDS && page % 5 != 0; i++)
		vm->memory[page * WORDS + i] = word_after(page, n + 1, i);
	vcpu->n_steps++;
}

/* In place of KVM_RUN.  A step is never left half done, as an instruction is not. */
static void *run_vcpu(void *opaque)
{
	struct vcpu *vcpu = opaque;

	for (;;) {
		pthread_rwlock_rdlock(&vcpu->vm->inside);
		step(vcpu);
		pthread_rwlock_unlock(&vcpu->vm->inside);
		nanosleep(&vcpu->vm->pause, NULL);
	}
	return NULL;
}

static void vm_stop(struct vm *vm)
{
	pthread_rwlock_wrlock(&vm->inside);
}

static void vm_go(struct vm *vm)
{
	pthread_rwlock_unlock(&vm->inside);
}

/* The threads are there from the beginning, stopped, as vCPUs that nobody runs yet. */
static void make_vcpus(struct vm *vm)
{
	pthread_t thread;
	unsigned int i;

	vm_stop(vm);
	for (i = 0; i < N_VCPUS; i++) {
		vm->vcpus[i] = (struct vcpu){ .vm = vm, .number = i };
		if (pthread_create(&thread, NULL, run_vcpu, &vm->vcpus[i]) != 0)
			die("cannot start a thread", "too many?");
	}
}

/* ---- its memory ---- */

static int open_uffd(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC), device;

	if (fd < 0) {	/* not allowed to make one; perhaps to open the device that does */
		device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
		fd = device < 0 ? -1 : ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC);
	}
	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0)
		return fd;
	fprintf(stderr, "example-vmm: no userfaultfd: %s; see vm.unprivileged_userfaultfd\n", strerror(errno));
	exit(CANNOT);
}

/* A fresh memfd is all holes: at the destination nothing may touch it before the guest's pages come. */
static void make_memory(struct vm *vm, uint64_t mib)
{
	const int fd = memfd_create("guest", MFD_CLOEXEC);

	vm->n_pages = (mib << 20) / GMEM_PAGE_SIZE;
	vm->region = (struct gmem_region){ .size = mib << 20, .flags = GMEM_REGION_SHARED_FD, .shared_fd = fd };
	if (fd < 0 || ftruncate(fd, (off_t)vm->region.size) < 0)
		die("cannot make the guest's memory", strerror(errno));
	vm->memory = mmap(NULL, vm->region.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (vm->memory == MAP_FAILED)
		die("cannot map the guest's memory", strerror(errno));
	/* A child of fork() would not be held at a missing page; nor, before Linux 6.4, would who meets a huge one. */
	if (madvise(vm->memory, vm->region.size, MADV_DONTFORK) < 0 ||
	    (madvise(vm->memory, vm->region.size, MADV_NOHUGEPAGE) < 0 && errno != EINVAL))
		die("madvise", strerror(errno));
	vm->uffd = open_uffd();
}

/* ---- both sides of a move ---- */

/* For a service that was killed and started again: libgmem hands the VM over once more, with this. */
static int new_session(void *opaque)
{
	const struct vm *vm = opaque;
	const int fd = fcntl(vm->uffd, F_DUPFD_CLOEXEC, 3);

	return fd < 0 ? -errno : fd;
}

static int attach(struct vm *vm, const char *path, enum gmem_role role, gmem_client **ret_client)
{
	void *const address = vm->memory;
	int r = gmem_connect(path, role, ret_client);

	if (r < 0)
		return r;
	r = gmem_set_custody(*ret_client, new_session, vm, -1);
	if (r == 0)
		r = gmem_attach_uffd(*ret_client, vm->uffd, &vm->region, &address, 1);
	return r;
}

/*
 * Until the move has ended, in whatever way.  A connection or a service that is away is no end: only an operator knows
 * whether it comes back, so what is LOST is shown, and waited for.
 */
static int follow(gmem_client *client, enum gmem_phase *ret_phase)
{
	struct gmem_progress progress;
	bool lost = false;
	int r;

	for (;;) {
		r = gmem_wait(client, GMEM_PHASE_COMPLETE, 1000, ret_phase);
		if (r != -ETIMEDOUT)
			return r;
		if (gmem_get_progress(client, &progress) == 0 && (progress.link == GMEM_LINK_LOST) != lost) {
			lost = !lost;
			fprintf(stderr, "example-vmm: the other side %s\n", lost ? "is LOST: see to its host, or gmemctl "
				"abandon" : "is back");
		}
	}
}

/* ---- the side that gives the guest away ---- */

static void save_vcpus(const struct vm *vm, struct vcpu_state *ret_vcpus, struct gmem_state *ret_states)
{
	unsigned int i;

	for (i = 0; i < N_VCPUS; i++) {
		ret_vcpus[i] = (struct vcpu_state){ .magic = STATE_MAGIC, .n_steps = vm->vcpus[i].n_steps };
		ret_states[i] = (struct gmem_state){ .data = &ret_vcpus[i], .data_len = sizeof(ret_vcpus[i]) };
		snprintf(ret_states[i].name, sizeof(ret_states[i].name), "vcpu%u", i);
	}
}

/* true: the guest is this host's still, and may run.  false: it is not, or nobody knows. */
static bool is_ours_after(struct vm *vm, gmem_client *client)
{
	struct vcpu_state vcpus[N_VCPUS];
	struct gmem_state states[N_VCPUS];
	enum gmem_phase phase = GMEM_PHASE_STARTED;
	int r;

	save_vcpus(vm, vcpus, states);
	r = gmem_source_start(client, states, N_VCPUS);
	if (r < 0 && r != -EINPROGRESS)
		return true;		/* START has not left */
	r = follow(client, &phase);	/* 0 or -EINPROGRESS: from here on it may run there */
	return r == -EIO && phase == GMEM_PHASE_ABORTED;
}

static void move_away(struct vm *vm, const char *path)
{
	struct uffdio_range range = { .start = (uintptr_t)vm->memory, .len = vm->region.size };
	gmem_client *client = NULL;
	bool ours;
	int r = attach(vm, path, GMEM_ROLE_SOURCE, &client);

	if (r == 0)
		r = gmem_source_prepare(client);	/* both hosts prove who they are; the guest runs meanwhile */
	if (r < 0) {
		printf("stays %s\n", client != NULL ? gmem_last_error(client) : strerror(-r));
		gmem_close(client);
		return;
	}
	puts("moves");
	vm_stop(vm);
	ours = is_ours_after(vm, client);
	if (!ours && gmem_wait(client, GMEM_PHASE_COMPLETE, 0, NULL) == 0) {
		puts("moved");
		exit(EXIT_SUCCESS);	/* not before: what had not arrived was here alone */
	}
	printf("%s %s\n", ours ? "stays" : "lost", gmem_last_error(client));
	while (!ours)
		pause();	/* stopped, and kept: docs/session.md has what an operator can do */
	gmem_close(client);
	(void)ioctl(vm->uffd, UFFDIO_UNREGISTER, &range);	/* no write is held any more */
	vm_go(vm);
}

static void source(struct vm *vm, const char *path)
{
	char line[16];
	uint64_t i;

	for (i = 0; i < vm->n_pages; i++)
		step(&vm->vcpus[i % N_VCPUS]);	/* what a loader and the guest's first minutes do */
	vm_go(vm);
	puts("runs");
	while (fgets(line, sizeof(line), stdin) != NULL)
		move_away(vm, path);
}

/* ---- the side that takes it ---- */

/* What comes is from another host: lengths and versions are checked, also in an authentic channel. */
static bool restore_vcpus(struct vm *vm, const struct gmem_state *states, size_t n_states)
{
	struct vcpu_state state;
	unsigned int i;

	for (i = 0; i < N_VCPUS && n_states == N_VCPUS; i++) {
		if (states[i].data_len != sizeof(state))
			return false;
		memcpy(&state, states[i].data, sizeof(state));
		if (state.magic != STATE_MAGIC)
			return false;
		vm->vcpus[i].n_steps = state.n_steps;
	}
	return n_states == N_VCPUS;
}

static void check_memory(const struct vm *vm)
{
	const uint64_t n_own = vm->n_pages / N_VCPUS;
	uint64_t page, n_steps;

	for (page = 0; page < vm->n_pages; page++) {
		n_steps = vm->vcpus[page % N_VCPUS].n_steps;
		check_page(vm, page, n_steps / n_own + (page / N_VCPUS < n_steps % n_own));
	}
}

/*
 * Whatever fails: no descriptor is closed and no thread joined first.  Whoever has touched a missing page waits in the
 * kernel, and ends with this process.
 */
static void give_up(gmem_client *client, const char *what)
{
	fprintf(stderr, "example-vmm: %s: %s\n", what, client != NULL ? gmem_last_error(client) : "is gmem-pager running?");
	_exit(EXIT_FAILURE);
}

static void destination(struct vm *vm, const char *path)
{
	const struct gmem_state *states;
	gmem_client *client = NULL;
	enum gmem_phase phase;
	size_t n_states;

	if (attach(vm, path, GMEM_ROLE_PAGER, &client) < 0)
		give_up(client, "cannot offer the VM");
	puts("ready");
	if (gmem_pager_wait_start(client, &states, &n_states) < 0)
		give_up(client, "no guest came");
	if (!restore_vcpus(vm, states, n_states))
		give_up(client, "the state is none of ours");	/* the source hears it, and goes on */
	if (gmem_pager_run(client) < 0)
		give_up(client, "the guest may not run here");
	vm_go(vm);
	puts("runs");
	if (follow(client, &phase) < 0)
		give_up(client, "the guest has lost the rest of its memory");
	puts("complete");
	gmem_close(client);
	/* From here on this is a VM as any other.  This one has done what it is for. */
	vm_stop(vm);
	check_memory(vm);
	puts("right");
}

int main(int argc, char **argv)
{
	static struct vm vm = { .inside = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP };
	const uint64_t mib = argc >= 4 ? strtoull(argv[3], NULL, 10) : 0;

	if (argc < 4 || argc > 5 || mib == 0 || mib > 1 << 20 ||
	    (strcmp(argv[1], "source") != 0 && strcmp(argv[1], "destination") != 0)) {
		fprintf(stderr, "usage: example-vmm source|destination SOCKET MIB [MICROSECONDS]\n");
		return EXIT_FAILURE;
	}
	vm.pause.tv_nsec = (argc == 5 ? strtol(argv[4], NULL, 10) : 100) * 1000 % 1000000000;
	setvbuf(stdout, NULL, _IOLBF, 0);
	make_memory(&vm, mib);
	make_vcpus(&vm);
	if (strcmp(argv[1], "source") == 0)
		source(&vm, argv[2]);
	else
		destination(&vm, argv[2]);
	return EXIT_SUCCESS;
}
