// SPDX-License-Identifier: MIT
/*
 * gmem_discard() against a kernel that is a few lines here (--wrap=ioctl): which GFNs are dropped and marked, in
 * what order with the shared file, and with what it has locked meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <gmem/gmem.h>
#include <linux/kvm_demand_paging.h>

#include "check.h"

#define PAGE 4096u
#define SESSION 1000
#define N_GFNS 32u	/* 0 to 15: both kinds; 16 to 23: guest_memfd alone; 24 to 31: shared alone */
#define FILE_OFFSET (3 * PAGE)	/* where the first region begins in the file */

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

static int fd;			/* shared file of both regions that have one */
static uint8_t *file;
static bool private_map[N_GFNS], missing[N_GFNS], dropped[N_GFNS];
static unsigned int n_calls, n_interrupts, n_busy;
static int discard_error;
static bool was_locked;
static struct gmem_region regions[3];

static uint8_t *page_of(uint64_t gfn)
{
	return file + (gfn < 16 ? FILE_OFFSET + gfn * PAGE : (gfn - 24 + 20) * PAGE);
}

/* As a pager would ask: a lock of a process, from another one. */
static bool is_locked(uint64_t gfn)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = page_of(gfn) - file, .l_len = PAGE };
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fcntl(fd, F_SETLK, &lock) < 0);
	CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status) == 1;
}

static int fail_with(int error)
{
	errno = error;
	return -1;
}

static int do_query(struct kvm_dp_query *query)
{
	uint64_t *bitmap = (uint64_t *)(uintptr_t)query->bitmap;
	uint64_t i;

	CU_ASSERT_EQUAL(query->flags, KVM_DP_QUERY_PRIVATE);
	for (i = 0; i < query->n_pages; i++)
		bitmap[i / 64] |= (uint64_t)private_map[query->gfn + i] << i % 64;
	return 0;
}

static int do_discard(const struct kvm_dp_discard *discard)
{
	uint64_t i;

	CU_ASSERT_EQUAL(discard->flags, 0);
	if (discard_error != 0)
		return fail_with(discard_error);
	for (i = discard->gfn; i < discard->gfn + discard->n_pages; i++) {
		if (!private_map[i])
			return fail_with(EINVAL);
		missing[i] = false;
		dropped[i] = true;
	}
	return 0;
}

static int do_mark(const struct kvm_dp_mark *mark)
{
	uint64_t i;

	CU_ASSERT_EQUAL(mark->flags, KVM_DP_MARK_PRESENT);
	for (i = mark->gfn; i < mark->gfn + mark->n_pages; i++) {
		if (private_map[i] && missing[i])
			return fail_with(EINVAL);
		CU_ASSERT_EQUAL(page_of(i)[77], 0);	/* nobody sees it before that */
		was_locked = is_locked(i);
		missing[i] = false;
	}
	return 0;
}

int __wrap_ioctl(int session_fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (session_fd != SESSION)
		return __real_ioctl(session_fd, request, arg);
	n_calls++;
	if (n_interrupts > 0 && n_interrupts--)
		return fail_with(EINTR);
	switch (request) {
	case KVM_DP_QUERY:
		return do_query(arg);
	case KVM_DP_DISCARD:
		if (n_busy > 0 && n_busy--)
			return fail_with(EAGAIN);
		return do_discard(arg);
	case KVM_DP_MARK:
		return do_mark(arg);
	default:
		CU_FAIL("another ioctl");
		return fail_with(ENOTTY);
	}
}

static void setup(void)
{
	unsigned int i;

	fd = memfd_create("shared", MFD_CLOEXEC);
	CU_ASSERT_EQUAL_FATAL(ftruncate(fd, 32 * PAGE), 0);
	file = mmap(NULL, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CU_ASSERT_FATAL(file != MAP_FAILED);
	memset(file, 0xaa, 32 * PAGE);
	for (i = 0; i < N_GFNS; i++) {
		private_map[i] = i < 24 && i % 4 != 3;
		missing[i] = true;
		dropped[i] = false;
	}
	private_map[19] = private_map[23] = true;
	n_calls = n_interrupts = n_busy = 0;
	discard_error = 0;
	was_locked = false;
	regions[0] = (struct gmem_region){ .size = 16 * PAGE, .flags = GMEM_REGION_GUEST_MEMFD | GMEM_REGION_SHARED_FD,
					   .shared_fd = fd, .shared_offset = FILE_OFFSET };
	regions[1] = (struct gmem_region){ .gpa = 16 * PAGE, .size = 8 * PAGE, .flags = GMEM_REGION_GUEST_MEMFD,
					   .shared_fd = -1 };
	regions[2] = (struct gmem_region){ .gpa = 24 * PAGE, .size = 8 * PAGE, .flags = GMEM_REGION_SHARED_FD,
					   .shared_fd = fd, .shared_offset = 20 * PAGE };
}

static void teardown(void)
{
	munmap(file, 32 * PAGE);
	close(fd);
}

static int discard(uint64_t gfn, uint64_t n_pages)
{
	return gmem_discard(SESSION, regions, 3, gfn * PAGE, n_pages * PAGE);
}

/* All of it present and zero; private content dropped, that of the file gone under private pages too. */
static void check_range(uint64_t first, uint64_t n)
{
	static const uint8_t zeros[PAGE];
	uint64_t i;

	for (i = 0; i < N_GFNS; i++) {
		const bool inside = i >= first && i < first + n;

		CU_ASSERT_EQUAL(missing[i], !inside);
		CU_ASSERT_EQUAL(dropped[i], inside && private_map[i]);
		if (i >= 16 && i < 24)
			continue;
		CU_ASSERT_EQUAL(memcmp(page_of(i), zeros, PAGE) == 0, inside);
	}
}

static void test_each_kind(void)
{
	setup();
	CU_ASSERT_EQUAL(discard(0, 1), 0);
	check_range(0, 1);
	teardown();
	setup();
	CU_ASSERT_EQUAL(discard(3, 1), 0);
	CU_ASSERT_TRUE(was_locked);
	check_range(3, 1);
	teardown();
	setup();
	CU_ASSERT_EQUAL(discard(17, 2), 0);
	check_range(17, 2);
	teardown();
	setup();
	CU_ASSERT_EQUAL(discard(25, 3), 0);
	CU_ASSERT_TRUE(was_locked);
	CU_ASSERT_EQUAL(n_calls, 1);	/* the kernel is not asked what can be no other */
	check_range(25, 3);
	teardown();
}

static void test_mixed_range(void)
{
	setup();
	n_interrupts = 2;
	n_busy = 3;
	CU_ASSERT_EQUAL(discard(1, 30), 0);
	check_range(1, 30);
	/* Once more, all there: no harm, and what the guest has written since goes too. */
	memset(page_of(3), 0x42, PAGE);
	CU_ASSERT_EQUAL(discard(3, 1), 0);
	check_range(1, 30);
	CU_ASSERT_FALSE(is_locked(3));
	teardown();
}

static void test_refusals(void)
{
	setup();
	CU_ASSERT_EQUAL(gmem_discard(-1, regions, 3, 0, PAGE), -EINVAL);
	CU_ASSERT_EQUAL(gmem_discard(SESSION, NULL, 3, 0, PAGE), -EINVAL);
	CU_ASSERT_EQUAL(gmem_discard(SESSION, regions, 0, 0, PAGE), -EINVAL);
	CU_ASSERT_EQUAL(gmem_discard(SESSION, regions, 3, 0, 0), -EINVAL);
	CU_ASSERT_EQUAL(gmem_discard(SESSION, regions, 3, 1, PAGE), -EINVAL);
	CU_ASSERT_EQUAL(gmem_discard(SESSION, regions, 3, 0, PAGE + 1), -EINVAL);
	CU_ASSERT_EQUAL(gmem_discard(SESSION, regions, 3, PAGE, UINT64_MAX - PAGE + 1), -EINVAL);
	CU_ASSERT_EQUAL(discard(31, 2), -EINVAL);	/* its end is in no region: nothing is done */
	CU_ASSERT_EQUAL(n_calls, 0);
	check_range(0, 0);
	CU_ASSERT_EQUAL(gmem_discard(-2, regions, 3, 0, PAGE), -EINVAL);
	private_map[18] = false;			/* shared, and nobody knows where */
	CU_ASSERT_EQUAL(discard(18, 1), -EINVAL);
	CU_ASSERT_TRUE(missing[18]);
	teardown();
}

static void test_errors_of_the_kernel(void)
{
	static const int errors[] = { EBUSY, EPERM, ENODEV, EOPNOTSUPP, EHWPOISON };
	size_t i;

	setup();
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		discard_error = errors[i];
		CU_ASSERT_EQUAL(discard(0, 1), -errors[i]);
		CU_ASSERT_TRUE(missing[0]);
		CU_ASSERT_FALSE(is_locked(0));
	}
	discard_error = 0;
	regions[2].shared_fd = SESSION + 1;		/* no descriptor */
	CU_ASSERT_EQUAL(discard(25, 1), -EBADF);
	CU_ASSERT_TRUE(missing[25]);
	teardown();
}

struct pager {
	int ready[2], go[2];
	pid_t pid;
};

/* Another process that is filling page 3, until it is told or killed. */
static void pager_begins(struct pager *pager)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = page_of(3) - file, .l_len = PAGE };
	char byte = 0;

	CU_ASSERT_EQUAL_FATAL(pipe(pager->ready) | pipe(pager->go), 0);
	pager->pid = fork();
	if (pager->pid == 0) {
		if (fcntl(fd, F_SETLK, &lock) < 0 || write(pager->ready[1], &byte, 1) != 1 ||
		    read(pager->go[0], &byte, 1) != 1)
			_exit(1);
		memset(page_of(3), 0xdd, PAGE);
		_exit(0);		/* its lock goes with it */
	}
	CU_ASSERT_EQUAL_FATAL(read(pager->ready[0], &byte, 1), 1);
}

static void pager_ends(struct pager *pager)
{
	CU_ASSERT_EQUAL(waitpid(pager->pid, NULL, 0), pager->pid);
	close(pager->ready[0]);
	close(pager->ready[1]);
	close(pager->go[0]);
	close(pager->go[1]);
}

static atomic_bool has_returned;

static void *discard_page_3(void *arg)
{
	CU_ASSERT_EQUAL(discard(3, 1), 0);
	atomic_store(&has_returned, true);
	return arg;
}

/* It waits for who fills the page, and what that one wrote is gone; also when it is killed. */
static void pager_at_the_page(bool killed)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	struct pager pager;
	pthread_t thread;

	setup();
	pager_begins(&pager);
	atomic_store(&has_returned, false);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, discard_page_3, NULL), 0);
	nanosleep(&pause, NULL);
	CU_ASSERT_FALSE(atomic_load(&has_returned));
	CU_ASSERT_EQUAL(page_of(3)[0], 0xaa);
	CU_ASSERT_TRUE(killed ? kill(pager.pid, SIGKILL) == 0 : write(pager.go[1], "", 1) == 1);
	pthread_join(thread, NULL);
	pager_ends(&pager);
	check_range(3, 1);
	teardown();
}

static void test_pager_at_the_page(void)
{
	pager_at_the_page(false);
}

static void test_pager_killed_at_the_page(void)
{
	pager_at_the_page(true);
}

static const struct check checks[] = {
	{ "a page of each kind", test_each_kind },
	{ "a range of all kinds", test_mixed_range },
	{ "refusals", test_refusals },
	{ "errors of the kernel", test_errors_of_the_kernel },
	{ "a pager that fills the page", test_pager_at_the_page },
	{ "a pager that is killed while it fills the page", test_pager_killed_at_the_page },
	{ NULL, NULL },
};

CHECK_MAIN("discard", checks)
