// SPDX-License-Identifier: MIT
/* The backend for stock kernels, against a real userfaultfd of this process or of a child. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "manifest.h"
#include "patience.h"
#include "uffd_open.h"
#include "uffd_vm.h"

#define N_FIRST 200u
#define N_SECOND 70u
#define SECOND 1000u	/* its GFN */
#define WAIT_MS (10000 * PATIENCE)

static char error[256];
static uint8_t data[256 * UFFD_VM_PAGE];
static uint8_t zeros[UFFD_VM_PAGE];

struct rig {
	struct uffd_vm vm;
	struct backend *backend;
	int stop_fd;
};

static void rig_init(struct rig *rig)
{
	size_t i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(1 + i / UFFD_VM_PAGE + i % 7);
	CU_ASSERT_EQUAL_FATAL(uffd_vm_init(&rig->vm, N_FIRST, N_SECOND, SECOND), 0);
	CU_ASSERT_EQUAL_FATAL(uffd_vm_session(&rig->vm, true, false, &rig->backend, error, sizeof(error)), 0);
	rig->stop_fd = eventfd(0, EFD_CLOEXEC);
}

static void rig_fini(struct rig *rig)
{
	if (rig->backend != NULL)
		rig->backend->ops->close(rig->backend);
	close(rig->stop_fd);
	uffd_vm_fini(&rig->vm);
}

static int populate(struct rig *rig, uint64_t gfn, uint64_t n, const void *from, struct backend_run *ret_run)
{
	struct backend_run run = { .gfn = gfn, .n_pages = n, .data = from };
	int r = rig->backend->ops->populate(rig->backend, &run, 1);

	if (ret_run != NULL)
		*ret_run = run;
	return r;
}

static uint64_t missing(struct rig *rig, uint64_t gfn, uint64_t n)
{
	uint64_t n_set = UINT64_MAX;

	CU_ASSERT_EQUAL(rig->backend->ops->query(rig->backend, BACKEND_MISSING, gfn, n, NULL, &n_set, NULL), 0);
	return n_set;
}

static uint64_t missing_in_all(struct rig *rig)
{
	uint64_t n = UINT64_MAX;

	CU_ASSERT_EQUAL(rig->backend->ops->query(rig->backend, BACKEND_MISSING, 0, 1, NULL, NULL, &n), 0);
	return n;
}

static bool has_bytes(struct rig *rig, uint64_t gfn, const uint8_t *page)
{
	uint8_t bytes[UFFD_VM_PAGE];

	uffd_vm_peek(&rig->vm, gfn, bytes);
	return memcmp(bytes, page, UFFD_VM_PAGE) == 0;
}

/* The next event, or UINT64_MAX if none came. */
static uint64_t next_event(struct rig *rig)
{
	struct backend_event event;
	size_t n = 0;
	int i;

	for (i = 0; i < WAIT_MS / 1000 + 1 && n == 0; i++)
		if (rig->backend->ops->wait_events(rig->backend, rig->stop_fd, &event, 1, &n) < 0)
			break;
	return n == 0 ? UINT64_MAX : event.gfn;
}

struct toucher {
	struct uffd_vm *vm;
	uint64_t gfn;
	pthread_t thread;
	int value;
	atomic_bool done;
};

static void *touch_thread(void *arg)
{
	struct toucher *toucher = arg;

	toucher->value = uffd_vm_touch(toucher->vm, toucher->gfn);
	atomic_store(&toucher->done, true);
	return NULL;
}

static void touch_begin(struct toucher *toucher, struct uffd_vm *vm, uint64_t gfn)
{
	*toucher = (struct toucher){ .vm = vm, .gfn = gfn };
	pthread_create(&toucher->thread, NULL, touch_thread, toucher);
}

static int touch_end(struct toucher *toucher)
{
	pthread_join(toucher->thread, NULL);
	return toucher->value;
}

static void test_pages_arrive(void)
{
	struct backend_run runs[3] = {
		{ .gfn = 60, .n_pages = 10, .data = data + 1 },		/* as in a record: not aligned */
		{ .gfn = 100, .n_pages = 3 },
		{ .gfn = SECOND + 69, .n_pages = 1, .data = data },
	};
	uint64_t map[4] = { 0 };
	struct rig rig;
	int i;

	rig_init(&rig);
	CU_ASSERT_EQUAL(missing_in_all(&rig), N_FIRST + N_SECOND);
	CU_ASSERT_EQUAL(missing(&rig, 0, 2000), N_FIRST + N_SECOND);
	CU_ASSERT_EQUAL(missing(&rig, N_FIRST, 500), 0);
	CU_ASSERT_EQUAL(rig.backend->ops->populate(rig.backend, runs, 3), 0);
	for (i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(runs[i].n_done, runs[i].n_pages);
		CU_ASSERT_EQUAL(runs[i].n_skipped, 0);
	}
	for (i = 0; i < 10; i++)
		CU_ASSERT_TRUE(has_bytes(&rig, 60 + (uint64_t)i, data + 1 + i * UFFD_VM_PAGE));
	CU_ASSERT_TRUE(has_bytes(&rig, 101, zeros) && uffd_vm_has(&rig.vm, 101));
	CU_ASSERT_TRUE(has_bytes(&rig, SECOND + 69, data));
	CU_ASSERT_EQUAL(uffd_vm_touch(&rig.vm, 61), data[1 + UFFD_VM_PAGE]);
	CU_ASSERT_FALSE(uffd_vm_has(&rig.vm, 59) || uffd_vm_has(&rig.vm, 70) || uffd_vm_has(&rig.vm, SECOND));
	CU_ASSERT_EQUAL(missing_in_all(&rig), N_FIRST + N_SECOND - 14);
	CU_ASSERT_EQUAL(rig.backend->ops->query(rig.backend, BACKEND_MISSING, 58, 14, map, NULL, NULL), 0);
	CU_ASSERT_EQUAL(map[0], 0x3003);
	CU_ASSERT_EQUAL(rig.backend->ops->query(rig.backend, BACKEND_PRIVATE, 0, 200, map + 1, NULL, NULL), 0);
	CU_ASSERT_EQUAL(map[1] | map[2], 0);
	rig_fini(&rig);
}

static void test_present_is_never_written(void)
{
	static const uint8_t mark[] = "the guest wrote this";
	struct backend_run run;
	struct rig rig;

	rig_init(&rig);
	CU_ASSERT_EQUAL(populate(&rig, 5, 1, data, NULL), 0);
	CU_ASSERT_EQUAL(populate(&rig, 7, 2, NULL, NULL), 0);
	memcpy(uffd_vm_at(&rig.vm, 5), mark, sizeof(mark));
	memcpy(uffd_vm_at(&rig.vm, 8), mark, sizeof(mark));
	/* Present and missing in turn: 0 to 4 and 6, 9 on are new. */
	CU_ASSERT_EQUAL(populate(&rig, 0, 150, data, &run), 0);
	CU_ASSERT_EQUAL(run.n_done, 150);
	CU_ASSERT_EQUAL(run.n_skipped, 3);
	CU_ASSERT_EQUAL(populate(&rig, 0, 150, NULL, &run), 0);
	CU_ASSERT_EQUAL(run.n_skipped, 150);
	CU_ASSERT_EQUAL(memcmp(uffd_vm_at(&rig.vm, 5), mark, sizeof(mark)), 0);
	CU_ASSERT_EQUAL(memcmp(uffd_vm_at(&rig.vm, 8), mark, sizeof(mark)), 0);
	CU_ASSERT_TRUE(has_bytes(&rig, 7, zeros));
	CU_ASSERT_TRUE(has_bytes(&rig, 6, data + 6 * UFFD_VM_PAGE));
	CU_ASSERT_TRUE(has_bytes(&rig, 149, data + 149 * UFFD_VM_PAGE));
	CU_ASSERT_EQUAL(missing_in_all(&rig), N_FIRST + N_SECOND - 150);
	rig_fini(&rig);
}

static void test_goes_on_at_n_done(void)
{
	struct backend_run run = { .gfn = 10, .n_pages = 8, .data = data, .n_done = 5 };
	struct rig rig;

	rig_init(&rig);
	CU_ASSERT_EQUAL(rig.backend->ops->populate(rig.backend, &run, 1), 0);
	CU_ASSERT_FALSE(uffd_vm_has(&rig.vm, 14));
	CU_ASSERT_TRUE(has_bytes(&rig, 15, data + 5 * UFFD_VM_PAGE));
	CU_ASSERT_EQUAL(missing(&rig, 10, 8), 5);
	rig_fini(&rig);
}

struct filler {
	struct rig *rig;
	pthread_t thread;
	uint8_t *pages;
	uint64_t n_new;
	int result;
};

static void *fill_thread(void *arg)
{
	struct filler *filler = arg;
	uint64_t gfn;

	for (gfn = 0; gfn < N_FIRST && filler->result == 0; gfn += 25) {
		struct backend_run run = { .gfn = gfn, .n_pages = 25, .data = filler->pages };

		filler->result = filler->rig->backend->ops->populate(filler->rig->backend, &run, 1);
		filler->n_new += run.n_pages - run.n_skipped;
	}
	return NULL;
}

/* Each page is all of one thread's, and one of them counts it. */
static void test_four_threads(void)
{
	struct filler fillers[4];
	uint8_t page[UFFD_VM_PAGE];
	uint64_t n_new = 0, gfn;
	struct rig rig;
	int i;

	rig_init(&rig);
	for (i = 0; i < 4; i++) {
		fillers[i] = (struct filler){ .rig = &rig, .pages = malloc(25 * UFFD_VM_PAGE) };
		memset(fillers[i].pages, i + 1, 25 * UFFD_VM_PAGE);
		pthread_create(&fillers[i].thread, NULL, fill_thread, &fillers[i]);
	}
	for (i = 0; i < 4; i++) {
		pthread_join(fillers[i].thread, NULL);
		CU_ASSERT_EQUAL(fillers[i].result, 0);
		n_new += fillers[i].n_new;
		free(fillers[i].pages);
	}
	CU_ASSERT_EQUAL(n_new, N_FIRST);
	CU_ASSERT_EQUAL(missing_in_all(&rig), N_SECOND);
	for (gfn = 0; gfn < N_FIRST; gfn++) {
		uffd_vm_peek(&rig.vm, gfn, page);
		CU_ASSERT_TRUE(page[0] >= 1 && page[0] <= 4);
		CU_ASSERT_EQUAL(memcmp(page, page + 1, UFFD_VM_PAGE - 1), 0);
	}
	rig_fini(&rig);
}

static void test_bad_places(void)
{
	static const struct { uint64_t gfn, n; } bad[] = {
		{ N_FIRST, 1 }, { N_FIRST - 1, 2 }, { SECOND - 1, 2 }, { SECOND + N_SECOND, 1 }, { UINT64_MAX, 1 },
		{ 0, UINT64_MAX },
	};
	struct backend_run run;
	struct rig rig;
	size_t i;

	rig_init(&rig);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CU_ASSERT_EQUAL(populate(&rig, bad[i].gfn, bad[i].n, data, &run), -EIO);
		CU_ASSERT_EQUAL(run.result, BACKEND_REFUSED);
		CU_ASSERT_EQUAL(run.n_done, 0);
	}
	CU_ASSERT_EQUAL(missing_in_all(&rig), N_FIRST + N_SECOND);
	CU_ASSERT_EQUAL(rig.backend->ops->mark_present(rig.backend, 0, 1), -EOPNOTSUPP);
	CU_ASSERT_EQUAL(rig.backend->ops->freeze(rig.backend), -EOPNOTSUPP);
	/* The VMM unmaps its memory. */
	munmap(uffd_vm_at(&rig.vm, SECOND), N_SECOND * UFFD_VM_PAGE);
	CU_ASSERT_EQUAL(populate(&rig, SECOND, 1, data, NULL), -ENODEV);
	rig.vm.n_regions = 1;
	rig_fini(&rig);
}

/* A page that nobody brought and that is there has not the guest's bytes. */
static void test_filled_by_somebody_else(void)
{
	struct backend_run run;
	struct rig rig;

	rig_init(&rig);
	CU_ASSERT_EQUAL(pwrite(rig.vm.memfd, "x", 1, 3 * UFFD_VM_PAGE), 1);
	CU_ASSERT_EQUAL(populate(&rig, 0, 8, data, &run), -EIO);
	CU_ASSERT_EQUAL(run.result, BACKEND_FOREIGN);
	CU_ASSERT_EQUAL(run.n_done, 3);
	CU_ASSERT_EQUAL(uffd_vm_touch(&rig.vm, 3), 'x');
	CU_ASSERT_EQUAL(missing(&rig, 0, 8), 5);
	rig_fini(&rig);
}

/* The first page shows it. */
static void elsewhere(int flags, bool other_file)
{
	struct backend *backend = NULL;
	struct backend_run run = { .n_pages = 1, .data = data };
	struct uffd_vm vm;
	int memfd = memfd_create("other", MFD_CLOEXEC);
	void *map;

	CU_ASSERT_EQUAL_FATAL(uffd_vm_init(&vm, 4, 0, 0), 0);
	CU_ASSERT_EQUAL(ftruncate(memfd, 4 * UFFD_VM_PAGE), 0);
	map = mmap((void *)(uintptr_t)vm.addresses[0], 4 * UFFD_VM_PAGE, PROT_READ | PROT_WRITE, flags | MAP_FIXED,
		   other_file ? memfd : vm.memfd, 0);
	CU_ASSERT_NOT_EQUAL_FATAL(map, MAP_FAILED);
	CU_ASSERT_EQUAL_FATAL(uffd_vm_session(&vm, true, false, &backend, error, sizeof(error)), 0);
	CU_ASSERT_EQUAL(backend->ops->populate(backend, &run, 1), -EIO);
	CU_ASSERT_EQUAL(run.result, BACKEND_ELSEWHERE);
	backend->ops->close(backend);
	close(memfd);
	uffd_vm_fini(&vm);
}

static void test_mapped_from_elsewhere(void)
{
	elsewhere(MAP_SHARED, true);
	elsewhere(MAP_PRIVATE, false);
}

static void test_faults(void)
{
	struct backend_event events[BACKEND_EVENTS_MAX];
	struct toucher touchers[3];
	const uint64_t one = 1;
	uint64_t seen[2];
	struct rig rig;
	size_t n = 1;
	int i;

	rig_init(&rig);
	touch_begin(&touchers[0], &rig.vm, 42);
	touch_begin(&touchers[1], &rig.vm, SECOND + 3);
	for (i = 0; i < 2; i++)
		seen[i] = next_event(&rig);
	CU_ASSERT_TRUE((seen[0] == 42 && seen[1] == SECOND + 3) || (seen[1] == 42 && seen[0] == SECOND + 3));
	CU_ASSERT_FALSE(atomic_load(&touchers[0].done) || atomic_load(&touchers[1].done));
	CU_ASSERT_EQUAL(populate(&rig, 40, 10, data, NULL), 0);
	CU_ASSERT_EQUAL(touch_end(&touchers[0]), data[2 * UFFD_VM_PAGE]);
	CU_ASSERT_EQUAL(populate(&rig, SECOND, 10, NULL, NULL), 0);
	CU_ASSERT_EQUAL(touch_end(&touchers[1]), 0);
	/* Brought before its event is read: nobody has to be asked. */
	touch_begin(&touchers[2], &rig.vm, 100);
	CU_ASSERT_TRUE(poll(&(struct pollfd){ .fd = rig.vm.uffd, .events = POLLIN }, 1, WAIT_MS) == 1);
	CU_ASSERT_EQUAL(populate(&rig, 100, 1, data, NULL), 0);
	CU_ASSERT_EQUAL(touch_end(&touchers[2]), data[0]);
	CU_ASSERT_EQUAL(write(rig.stop_fd, &one, sizeof(one)), (ssize_t)sizeof(one));
	CU_ASSERT_EQUAL(rig.backend->ops->wait_events(rig.backend, rig.stop_fd, events, BACKEND_EVENTS_MAX, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
	rig_fini(&rig);
}

/* What the VMM takes away again reads as zero, is not asked for, and is not brought back by a record that comes late. */
static void test_taken_away_again(void)
{
	struct backend_event event;
	struct backend_run run;
	struct toucher toucher;
	struct rig rig;
	size_t n = 0;
	int i;

	rig_init(&rig);
	CU_ASSERT_EQUAL(populate(&rig, 9, 2, data, NULL), 0);
	CU_ASSERT_EQUAL(madvise(uffd_vm_at(&rig.vm, 9), 2 * UFFD_VM_PAGE, MADV_REMOVE), 0);
	CU_ASSERT_EQUAL(populate(&rig, 9, 2, data, &run), 0);
	CU_ASSERT_EQUAL(run.n_skipped, 2);
	CU_ASSERT_FALSE(uffd_vm_has(&rig.vm, 9));
	touch_begin(&toucher, &rig.vm, 9);
	for (i = 0; i < WAIT_MS / 1000 && !atomic_load(&toucher.done) && n == 0; i++)
		CU_ASSERT_EQUAL(rig.backend->ops->wait_events(rig.backend, rig.stop_fd, &event, 1, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_EQUAL(touch_end(&toucher), 0);
	CU_ASSERT_EQUAL(missing(&rig, 9, 2), 0);
	rig_fini(&rig);
}

/* The process goes: who waits goes on waiting, the next one hears of him and knows what is there. */
static void test_restart(void)
{
	struct toucher toucher;
	struct rig rig;

	rig_init(&rig);
	CU_ASSERT_EQUAL(populate(&rig, 0, 130, data, NULL), 0);
	CU_ASSERT_EQUAL(populate(&rig, SECOND + 5, 1, NULL, NULL), 0);
	touch_begin(&toucher, &rig.vm, 150);
	CU_ASSERT_EQUAL(next_event(&rig), 150);
	rig.backend->ops->close(rig.backend);
	CU_ASSERT_EQUAL(uffd_vm_session(&rig.vm, true, false, &rig.backend, error, sizeof(error)), -EEXIST);
	CHECK_CONTAINS(error, "pages already");
	CU_ASSERT_EQUAL_FATAL(uffd_vm_session(&rig.vm, true, true, &rig.backend, error, sizeof(error)), 0);
	CU_ASSERT_EQUAL(missing_in_all(&rig), N_FIRST + N_SECOND - 131);
	CU_ASSERT_EQUAL(missing(&rig, 0, 131), 1);
	CU_ASSERT_EQUAL(missing(&rig, SECOND, 7), 6);
	CU_ASSERT_FALSE(atomic_load(&toucher.done));
	CU_ASSERT_EQUAL(next_event(&rig), 150);
	CU_ASSERT_EQUAL(populate(&rig, 150, 1, data, NULL), 0);
	CU_ASSERT_EQUAL(touch_end(&toucher), data[0]);
	rig_fini(&rig);
}

/*
 * Why libgmem keeps a duplicate: as long as one is open a missing page is waited for, and the end of the last one
 * is a page of zeros.  If that ever fails, the kernel has become better than what is written of it here.
 */
static void test_the_last_one_lets_go(void)
{
	struct toucher toucher;
	struct rig rig;

	rig_init(&rig);
	touch_begin(&toucher, &rig.vm, 20);
	CU_ASSERT_EQUAL(next_event(&rig), 20);
	rig.backend->ops->close(rig.backend);
	rig.backend = NULL;
	usleep(200000);
	CU_ASSERT_FALSE(atomic_load(&toucher.done));
	close(rig.vm.uffd);
	CU_ASSERT_EQUAL(touch_end(&toucher), 0);
	CU_ASSERT_TRUE(uffd_vm_has(&rig.vm, 20));
	rig.vm.uffd = -1;
	rig_fini(&rig);
}

/* Complete, nobody is held any more: a balloon may take pages, whoever keeps the descriptor. */
static void test_complete_is_disarmed(void)
{
	struct rig rig;

	rig_init(&rig);
	CU_ASSERT_EQUAL(populate(&rig, 0, N_FIRST, data, NULL), 0);
	CU_ASSERT_EQUAL(populate(&rig, SECOND, N_SECOND, data, NULL), 0);
	CU_ASSERT_EQUAL(missing_in_all(&rig), 0);
	rig.backend->ops->close(rig.backend);
	rig.backend = NULL;
	CU_ASSERT_EQUAL(uffd_vm_touch(&rig.vm, 3), data[3 * UFFD_VM_PAGE]);
	CU_ASSERT_EQUAL(madvise(uffd_vm_at(&rig.vm, 3), UFFD_VM_PAGE, MADV_REMOVE), 0);
	CU_ASSERT_EQUAL(uffd_vm_touch(&rig.vm, 3), 0);
	rig_fini(&rig);
}

static int refused(struct uffd_vm *vm, const char *sentence)
{
	struct backend *backend = NULL;
	int r;

	error[0] = '\0';
	r = uffd_vm_session(vm, true, false, &backend, error, sizeof(error));
	CU_ASSERT_PTR_NULL(backend);
	CHECK_CONTAINS(error, sentence);
	return r;
}

static void test_what_is_refused(void)
{
	struct uffd_vm vm;
	struct backend *backend;
	int uffd, other;

	CU_ASSERT_EQUAL_FATAL(uffd_vm_init(&vm, N_FIRST, N_SECOND, SECOND), 0);
	uffd = vm.uffd;
	vm.uffd = vm.memfd;
	CU_ASSERT_EQUAL(refused(&vm, "no userfaultfd"), -ENOTTY);
	vm.uffd = uffd;
	vm.regions[1].shared_offset -= UFFD_VM_PAGE;
	CU_ASSERT_EQUAL(refused(&vm, "region 1: another region has the same pages"), -EINVAL);
	vm.regions[1].shared_offset += 2 * UFFD_VM_PAGE;
	CU_ASSERT_EQUAL(refused(&vm, "ends before"), -EINVAL);
	vm.regions[1].shared_offset -= UFFD_VM_PAGE;
	vm.regions[1].flags |= GMEM_REGION_GUEST_MEMFD;
	CU_ASSERT_EQUAL(refused(&vm, "shared memory alone"), -EINVAL);
	vm.regions[1].flags = GMEM_REGION_SHARED_FD;
	vm.addresses[0] += 8;
	CU_ASSERT_EQUAL(refused(&vm, "page aligned"), -EINVAL);
	vm.addresses[0] -= 8;
	vm.regions[1].shared_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	CU_ASSERT_EQUAL(refused(&vm, "region 1: its shared fd is no memfd"), -EINVAL);
	close(vm.regions[1].shared_fd);
	vm.regions[1].shared_fd = vm.memfd;
	CU_ASSERT_EQUAL(fallocate(vm.memfd, 0, 10 * UFFD_VM_PAGE, UFFD_VM_PAGE), 0);
	CU_ASSERT_EQUAL(refused(&vm, "allocated ahead"), -EEXIST);
	CU_ASSERT_EQUAL(pwrite(vm.memfd, "", 1, 10 * UFFD_VM_PAGE), 1);
	CU_ASSERT_EQUAL(refused(&vm, "region 0: its shared file has pages already"), -EEXIST);
	CU_ASSERT_EQUAL(fallocate(vm.memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, N_FIRST * UFFD_VM_PAGE), 0);
	other = uffd_open();
	vm.uffd = other;
	CU_ASSERT_EQUAL(refused(&vm, "another userfaultfd"), -EBUSY);
	vm.uffd = uffd;
	CU_ASSERT_EQUAL_FATAL(uffd_vm_session(&vm, true, false, &backend, error, sizeof(error)), 0);
	backend->ops->close(backend);
	close(other);
	uffd_vm_fini(&vm);
}

/* The child is the VMM: its userfaultfd and memfd come to us, and it waits for a page until it is killed. */
static pid_t begin_vmm(struct uffd_vm *vm)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct iovec iov = { vm, sizeof(*vm) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int fds[2], socks[2];
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (uffd_vm_init(vm, N_FIRST, 0, 0) < 0)
			_exit(1);
		memcpy(fds, (int[]){ vm->uffd, vm->memfd }, sizeof(fds));
		*cmsg = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(fds)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(cmsg), fds, sizeof(fds));
		if (sendmsg(socks[1], &msg, 0) < 0 || recv(socks[1], fds, 1, 0) != 1)
			_exit(1);
		for (;;)
			(void)uffd_vm_touch(vm, 77);
	}
	CU_ASSERT_EQUAL_FATAL(recvmsg(socks[0], &msg, MSG_CMSG_CLOEXEC), (ssize_t)sizeof(*vm));
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fds));
	vm->uffd = fds[0];
	vm->memfd = vm->regions[0].shared_fd = fds[1];
	close(socks[1]);
	vm->regions[1].shared_fd = socks[0];	/* to let it go on */
	return pid;
}

static void test_vmm_in_another_process(void)
{
	struct backend_event event;
	struct rig rig = { .stop_fd = eventfd(0, EFD_CLOEXEC) };
	pid_t pid = begin_vmm(&rig.vm);
	size_t n = 0;
	int i, r = 0;

	CU_ASSERT_EQUAL_FATAL(uffd_vm_session(&rig.vm, true, false, &rig.backend, error, sizeof(error)), 0);
	CU_ASSERT_EQUAL(send(rig.vm.regions[1].shared_fd, "", 1, 0), 1);
	CU_ASSERT_EQUAL(next_event(&rig), 77);
	CU_ASSERT_EQUAL(populate(&rig, 0, 64, data, NULL), 0);
	CU_ASSERT_TRUE(has_bytes(&rig, 63, data + 63 * UFFD_VM_PAGE));
	CU_ASSERT_EQUAL(missing_in_all(&rig), N_FIRST - 64);
	kill(pid, SIGKILL);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
	CU_ASSERT_EQUAL(populate(&rig, 64, 1, data, NULL), -ENODEV);
	CU_ASSERT_EQUAL(populate(&rig, 64, 1, NULL, NULL), -ENODEV);
	CU_ASSERT_EQUAL(rig.backend->ops->query(rig.backend, BACKEND_MISSING, 0, 1, NULL, NULL, NULL), -ENODEV);
	for (i = 0; i < 20 && r == 0; i++)
		r = rig.backend->ops->wait_events(rig.backend, rig.stop_fd, &event, 1, &n);
	CU_ASSERT_EQUAL(r, -ENODEV);
	rig.backend->ops->close(rig.backend);
	close(rig.vm.regions[1].shared_fd);
	close(rig.vm.memfd);
	close(rig.vm.uffd);
	close(rig.stop_fd);
}

static void *write_thread(void *arg)
{
	struct toucher *toucher = arg;

	*(volatile uint8_t *)uffd_vm_at(toucher->vm, toucher->gfn) = 0x55;
	atomic_store(&toucher->done, true);
	return NULL;
}

static void source(bool with_uffd)
{
	static uint8_t pages[3 * UFFD_VM_PAGE];
	struct toucher writer = { .gfn = 1 };
	struct backend_uffd_setup setup = { .destination = false };
	struct backend *backend = NULL, *next = NULL;
	struct uffd_vm vm;

	CU_ASSERT_EQUAL_FATAL(uffd_vm_init(&vm, 8, 0, 0), 0);
	memset(uffd_vm_at(&vm, 1), 0x33, UFFD_VM_PAGE);
	setup = (struct backend_uffd_setup){
		.uffd = with_uffd ? dup(vm.uffd) : -1, .regions = vm.regions, .addresses = vm.addresses, .n_regions = 1,
	};
	CU_ASSERT_EQUAL_FATAL(backend_uffd_new(&setup, &backend, error, sizeof(error)), 0);
	CU_ASSERT_EQUAL(backend->ops->extract(backend, 0, 3, pages), -EBUSY);
	CU_ASSERT_EQUAL(backend->ops->thaw(backend), -EINVAL);
	CU_ASSERT_EQUAL(backend->ops->freeze(backend), 0);
	CU_ASSERT_EQUAL(backend->ops->freeze(backend), -EALREADY);
	CU_ASSERT_EQUAL(backend->ops->extract(backend, 0, 3, pages), 0);
	CU_ASSERT_TRUE(pages[0] == 0 && pages[UFFD_VM_PAGE] == 0x33 && pages[2 * UFFD_VM_PAGE] == 0);
	CU_ASSERT_FALSE(uffd_vm_has(&vm, 0) || uffd_vm_has(&vm, 2));	/* a hole stays one */
	CU_ASSERT_EQUAL(backend->ops->extract(backend, 7, 2, pages), -EIO);
	/* Another process in its place: frozen still, by the VMM's word. */
	setup.again = true;
	setup.uffd = with_uffd ? dup(vm.uffd) : -1;
	backend->ops->close(backend);
	CU_ASSERT_EQUAL_FATAL(backend_uffd_new(&setup, &next, error, sizeof(error)), 0);
	CU_ASSERT_EQUAL(next->ops->freeze(next), -EALREADY);
	writer.vm = &vm;
	if (with_uffd) {
		pthread_create(&writer.thread, NULL, write_thread, &writer);
		CU_ASSERT_EQUAL(poll(&(struct pollfd){ .fd = vm.uffd, .events = POLLIN }, 1, WAIT_MS), 1);
		CU_ASSERT_FALSE(atomic_load(&writer.done));
		CU_ASSERT_EQUAL(next->ops->extract(next, 1, 1, pages), 0);
		CU_ASSERT_EQUAL(pages[0], 0x33);
	}
	CU_ASSERT_EQUAL(next->ops->thaw(next), 0);
	if (with_uffd)
		pthread_join(writer.thread, NULL);
	CU_ASSERT_EQUAL(next->ops->freeze(next), 0);
	CU_ASSERT_EQUAL(ftruncate(vm.memfd, UFFD_VM_PAGE), 0);	/* no signal, an error */
	CU_ASSERT_EQUAL(next->ops->extract(next, 0, 3, pages), -EIO);
	CU_ASSERT_EQUAL(next->ops->thaw(next), 0);
	next->ops->close(next);
	uffd_vm_fini(&vm);
}

static void test_source(void)
{
	source(true);
	source(false);
}

static const struct check checks[] = {
	{ "pages arrive", test_pages_arrive },
	{ "a present page is never written", test_present_is_never_written },
	{ "populating goes on where it was", test_goes_on_at_n_done },
	{ "four threads", test_four_threads },
	{ "places that are none", test_bad_places },
	{ "a page that somebody else filled", test_filled_by_somebody_else },
	{ "something else is mapped there", test_mapped_from_elsewhere },
	{ "faults", test_faults },
	{ "taken away again by the VMM", test_taken_away_again },
	{ "another process in its place", test_restart },
	{ "the last descriptor lets go", test_the_last_one_lets_go },
	{ "complete, nobody is held", test_complete_is_disarmed },
	{ "what is refused", test_what_is_refused },
	{ "a VMM in another process, killed", test_vmm_in_another_process },
	{ "source", test_source },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	return uffd_vm_possible() ? check_main("userfaultfd", checks, argc > 1 ? argv[1] : NULL) : 77;
}
