// SPDX-License-Identifier: MIT
/* The backend for stock kernels, against a real userfaultfd: pages, what is refused, the source. */
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

#include "uffd_open.h"
#include "uffd_rig.h"

static const uint8_t zeros[UFFD_VM_PAGE];

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
	{ "what is refused", test_what_is_refused },
	{ "source", test_source },
	{ NULL, NULL },
};

UFFD_MAIN("userfaultfd: pages", checks)
