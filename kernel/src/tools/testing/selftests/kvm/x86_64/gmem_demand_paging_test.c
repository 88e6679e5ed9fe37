// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging on guest_memfd: what is refused first, then presence, exits,
 * waits, sessions, freeze and extract, discard, and KVM's own accesses.
 */
#include <fcntl.h>
#include <linux/kvm_demand_paging.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kvm_util.h"
#include "processor.h"
#include "test_util.h"

#define DATA_GPA	0xc0000000ull
#define DATA_GVA	DATA_GPA
#define DATA_SLOT	10
#define DATA_NPAGES	1024
#define DATA_GFN	(DATA_GPA >> 12)
#define PAGER_RIGHTS	(KVM_DP_RIGHT_EVENTS | KVM_DP_RIGHT_POPULATE |	\
			 KVM_DP_RIGHT_MARK | KVM_DP_RIGHT_DISCARD |	\
			 KVM_DP_RIGHT_QUERY)
#define ALL_RIGHTS	(PAGER_RIGHTS | KVM_DP_RIGHT_EXTRACT | KVM_DP_RIGHT_FREEZE)

static const struct vm_shape shape = {
	.mode = VM_MODE_DEFAULT,
	.type = KVM_X86_SW_PROTECTED_VM,
};

struct env {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	int control;
	int session;
};

static int enable(struct kvm_vm *vm, uint64_t mode)
{
	return __vm_enable_cap(vm, KVM_CAP_DEMAND_PAGING, mode);
}

static int session_new(int control, uint32_t rights)
{
	struct kvm_dp_create_session args = { .rights = rights };

	return ioctl(control, KVM_DP_CREATE_SESSION, &args);
}

static int mark(int fd, uint64_t gfn, uint64_t n, uint32_t flags)
{
	struct kvm_dp_mark args = { .gfn = gfn, .n_pages = n, .flags = flags };

	return ioctl(fd, KVM_DP_MARK, &args);
}

static uint64_t n_missing(int fd)
{
	struct kvm_dp_query args = {};

	TEST_ASSERT_EQ(ioctl(fd, KVM_DP_QUERY, &args), 0);
	return args.n_missing;
}

static int transfer(int fd, unsigned long op, struct kvm_dp_vec *vec)
{
	struct kvm_dp_transfer args = { .vecs = (uintptr_t)vec, .n_vecs = 1 };

	return ioctl(fd, op, &args);
}

/* Populate one page with a byte; returns the vec, for its counters. */
static struct kvm_dp_vec populate(int fd, uint64_t gfn, uint8_t byte)
{
	static uint8_t page[4096] __aligned(4096);
	struct kvm_dp_vec vec = {
		.gfn = gfn, .n_pages = 1, .addr = (uintptr_t)page,
	};

	memset(page, byte, sizeof(page));
	TEST_ASSERT_EQ(transfer(fd, KVM_DP_POPULATE, &vec), 0);
	return vec;
}

static struct kvm_dp_event read_event(int fd)
{
	struct kvm_dp_event event;

	TEST_ASSERT_EQ(read(fd, &event, sizeof(event)), (ssize_t)sizeof(event));
	return event;
}

#define EXPECT_ERRNO(expr, error)						\
do {										\
	int __r = (expr), __e = (error);					\
	TEST_ASSERT(__r == -1 && errno == __e,					\
		    "%s: expected %s, got %d (%s)", #expr, strerror(__e),	\
		    __r, strerror(errno));					\
} while (0)

static struct env env_create(uint64_t mode, void *guest_code)
{
	struct env e;

	e.vm = __vm_create(shape, 1, 0);
	TEST_ASSERT_EQ(enable(e.vm, KVM_DP_ENABLE | KVM_DP_ALLOW_EXTRACT | mode), 0);
	e.vcpu = vm_vcpu_add(e.vm, 0, guest_code);
	vm_userspace_mem_region_add(e.vm, VM_MEM_SRC_ANONYMOUS, DATA_GPA, DATA_SLOT,
				    DATA_NPAGES, KVM_MEM_GUEST_MEMFD);
	virt_map(e.vm, DATA_GVA, DATA_GPA, DATA_NPAGES);
	vm_mem_set_private(e.vm, DATA_GPA, DATA_NPAGES * 4096);
	e.control = __vm_ioctl(e.vm, KVM_CREATE_DEMAND_PAGING, (void *)0);
	TEST_ASSERT(e.control >= 0, "KVM_CREATE_DEMAND_PAGING: %s", strerror(errno));
	e.session = session_new(e.control, ALL_RIGHTS);
	TEST_ASSERT(e.session >= 0, "KVM_DP_CREATE_SESSION: %s", strerror(errno));
	TEST_ASSERT_EQ(mark(e.session, DATA_GFN, DATA_NPAGES, KVM_DP_MARK_MISSING), 0);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES);
	return e;
}

static void env_destroy(struct env *e)
{
	if (e->session >= 0)
		close(e->session);
	close(e->control);
	kvm_vm_free(e->vm);
}

static void *run_thread(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	int r = __vcpu_run(vcpu);

	return (void *)(intptr_t)(r ? -errno : 0);
}

static pthread_t run_start(struct kvm_vcpu *vcpu)
{
	pthread_t thread;

	TEST_ASSERT_EQ(pthread_create(&thread, NULL, run_thread, vcpu), 0);
	return thread;
}

static int run_join(pthread_t thread)
{
	void *ret;

	TEST_ASSERT_EQ(pthread_join(thread, &ret), 0);
	return (intptr_t)ret;
}

static void assert_missing_exit(struct kvm_vcpu *vcpu, int r, uint64_t gfn)
{
	TEST_ASSERT_EQ(r, -EFAULT);
	TEST_ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_MEMORY_FAULT);
	TEST_ASSERT_EQ(vcpu->run->memory_fault.flags,
		       KVM_MEMORY_EXIT_FLAG_MISSING | KVM_MEMORY_EXIT_FLAG_PRIVATE);
	TEST_ASSERT_EQ(vcpu->run->memory_fault.gpa, gfn << 12);
	TEST_ASSERT_EQ(vcpu->run->memory_fault.size, 4096);
}

static void assert_sync(struct kvm_vcpu *vcpu, uint64_t value)
{
	struct ucall uc;

	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	TEST_ASSERT_EQ(uc.args[1], value);
}

/* Reads page after page, and tells what it found in the first byte. */
static void guest_reader(void)
{
	volatile uint8_t *p = (void *)DATA_GVA;
	int i;

	for (i = 0; ; i++)
		GUEST_SYNC(p[i * 4096]);
}

static void test_cap_refusals(void)
{
	struct kvm_vm *vm = __vm_create(shape, 1, 0);
	uint64_t bad[] = {
		0, KVM_DP_ENABLE, KVM_DP_MODE_EXIT,
		KVM_DP_ENABLE | KVM_DP_MODE_EXIT | KVM_DP_MODE_WAIT,
		KVM_DP_ENABLE | KVM_DP_MODE_WAIT | (1ull << 40),
		KVM_DP_ENABLE | KVM_DP_DISABLE | KVM_DP_MODE_WAIT,
	};
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_DEMAND_PAGING,
		.args = { KVM_DP_ENABLE | KVM_DP_MODE_WAIT, 1 },
	};
	int i;

	TEST_ASSERT(vm_check_cap(vm, KVM_CAP_DEMAND_PAGING) & KVM_DP_CAP_WAIT,
		    "no wait mode");
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_ERRNO(enable(vm, bad[i]), EINVAL);
	EXPECT_ERRNO(__vm_ioctl(vm, KVM_ENABLE_CAP, &cap), EINVAL);
	EXPECT_ERRNO(enable(vm, KVM_DP_DISABLE), EINVAL);
	EXPECT_ERRNO(__vm_ioctl(vm, KVM_CREATE_DEMAND_PAGING, (void *)0), ENXIO);
	EXPECT_ERRNO(__vm_ioctl(vm, KVM_SET_MEMORY_ATTRIBUTES,
				(&(struct kvm_memory_attributes) {
					.address = 0, .size = 4096,
					.attributes = KVM_MEMORY_ATTRIBUTE_MISSING,
				})), EINVAL);

	TEST_ASSERT_EQ(enable(vm, KVM_DP_ENABLE | KVM_DP_MODE_WAIT), 0);
	EXPECT_ERRNO(enable(vm, KVM_DP_ENABLE | KVM_DP_MODE_WAIT), EEXIST);
	EXPECT_ERRNO(__vm_ioctl(vm, KVM_CREATE_DEMAND_PAGING, (void *)1), EINVAL);
	kvm_vm_free(vm);

	vm = __vm_create(shape, 1, 0);
	vm_vcpu_add(vm, 0, guest_reader);
	EXPECT_ERRNO(enable(vm, KVM_DP_ENABLE | KVM_DP_MODE_WAIT), EINVAL);
	kvm_vm_free(vm);
}

static void test_session_refusals(void)
{
	struct kvm_vm *vm = __vm_create(shape, 1, 0);
	struct kvm_dp_create_session args = { .rights = PAGER_RIGHTS };
	unsigned long ops[] = {
		KVM_DP_MARK, KVM_DP_FREEZE, KVM_DP_THAW, KVM_DP_POPULATE,
		KVM_DP_EXTRACT, KVM_DP_DISCARD,
	};
	struct kvm_dp_event event;
	int control, session, i;

	TEST_ASSERT_EQ(enable(vm, KVM_DP_ENABLE | KVM_DP_MODE_WAIT), 0);
	control = __vm_ioctl(vm, KVM_CREATE_DEMAND_PAGING, (void *)0);
	TEST_ASSERT(control >= 0, "control fd");

	EXPECT_ERRNO(session_new(control, 0), EINVAL);
	EXPECT_ERRNO(session_new(control, 1u << 31), EINVAL);
	EXPECT_ERRNO(session_new(control, KVM_DP_RIGHT_EXTRACT), EPERM);
	args.flags = 1;
	EXPECT_ERRNO(ioctl(control, KVM_DP_CREATE_SESSION, &args), EINVAL);
	args.flags = 0;
	args.reserved[2] = 1;
	EXPECT_ERRNO(ioctl(control, KVM_DP_CREATE_SESSION, &args), EINVAL);
	EXPECT_ERRNO(ioctl(control, KVM_DP_CREATE_SESSION, (void *)1), EFAULT);
	EXPECT_ERRNO(ioctl(control, KVM_DP_POPULATE, &args), ENOTTY);

	session = session_new(control, KVM_DP_RIGHT_QUERY);
	TEST_ASSERT(session >= 0, "query session");
	TEST_ASSERT(fcntl(session, F_GETFD) & FD_CLOEXEC, "not close-on-exec");
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		EXPECT_ERRNO(ioctl(session, ops[i], 0), EPERM);
	EXPECT_ERRNO(read(session, &event, sizeof(event)), EPERM);
	EXPECT_ERRNO(ioctl(session, KVM_DP_CREATE_SESSION, &args), ENOTTY);
	EXPECT_ERRNO(enable(vm, KVM_DP_DISABLE), EBUSY);
	close(session);
	TEST_ASSERT_EQ(enable(vm, KVM_DP_DISABLE), 0);
	EXPECT_ERRNO(session_new(control, KVM_DP_RIGHT_QUERY), ENODEV);
	close(control);
	kvm_vm_free(vm);
}

static void test_argument_refusals(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	struct kvm_dp_transfer t = { .vecs = 0, .n_vecs = 1 };
	struct kvm_dp_discard d = { .gfn = DATA_GFN, .n_pages = 1, .flags = 2 };
	struct kvm_dp_query q = { .gfn = 0, .n_pages = 8, .flags = 3 };
	uint8_t page[4096] = {};
	struct kvm_dp_vec vec = {
		.gfn = DATA_GFN, .n_pages = 1, .addr = (uintptr_t)page,
	};
	struct kvm_dp_vec v;
	uint64_t word;

	EXPECT_ERRNO(mark(e.session, DATA_GFN, 1, 0), EINVAL);
	EXPECT_ERRNO(mark(e.session, DATA_GFN, 1, 3), EINVAL);
	EXPECT_ERRNO(mark(e.session, DATA_GFN, 0, KVM_DP_MARK_MISSING), EINVAL);
	EXPECT_ERRNO(mark(e.session, ~0ull, 2, KVM_DP_MARK_MISSING), EINVAL);
	EXPECT_ERRNO(mark(e.session, DATA_GFN, 1, KVM_DP_MARK_PRESENT), EINVAL);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_QUERY, &q), EINVAL);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_DISCARD, &d), EINVAL);
	d = (struct kvm_dp_discard) { .gfn = 0, .n_pages = 1 };
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_DISCARD, &d), EINVAL);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_POPULATE, &t), EFAULT);
	t.n_vecs = 0;
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_POPULATE, &t), EINVAL);
	t.n_vecs = KVM_DP_MAX_VECS + 1;
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_POPULATE, &t), EINVAL);
	EXPECT_ERRNO(read(e.session, &word, sizeof(word)), EINVAL);

	v = vec;
	v.flags = 1u << 5;
	EXPECT_ERRNO(transfer(e.session, KVM_DP_POPULATE, &v), EINVAL);
	v = vec;
	v.flags = KVM_DP_VEC_ZERO;
	EXPECT_ERRNO(transfer(e.session, KVM_DP_POPULATE, &v), EINVAL);
	v = vec;
	v.n_done = 2;
	EXPECT_ERRNO(transfer(e.session, KVM_DP_POPULATE, &v), EINVAL);
	v = vec;
	v.addr = 4096;
	EXPECT_ERRNO(transfer(e.session, KVM_DP_POPULATE, &v), EIO);
	TEST_ASSERT_EQ(v.result, KVM_DP_FAULT);
	v = vec;
	v.gfn = 0;
	EXPECT_ERRNO(transfer(e.session, KVM_DP_POPULATE, &v), EIO);
	TEST_ASSERT_EQ(v.result, KVM_DP_NOT_GMEM);
	v = vec;
	EXPECT_ERRNO(transfer(e.session, KVM_DP_EXTRACT, &v), EBUSY);

	vm_mem_set_shared(e.vm, DATA_GPA, 4096);
	v = vec;
	EXPECT_ERRNO(transfer(e.session, KVM_DP_POPULATE, &v), EIO);
	TEST_ASSERT_EQ(v.result, KVM_DP_KIND_CHANGED);
	v = vec;
	v.addr = 0;
	v.flags = KVM_DP_VEC_ZERO;
	EXPECT_ERRNO(transfer(e.session, KVM_DP_POPULATE, &v), EIO);
	TEST_ASSERT_EQ(v.result, KVM_DP_KIND_CHANGED);

	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES);
	EXPECT_ERRNO(enable(e.vm, KVM_DP_DISABLE), EBUSY);
	env_destroy(&e);
}

/* Whatever a VMM that knows nothing of paging does, a page stays missing. */
static void test_attributes_keep_presence(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	struct kvm_memory_attributes attrs = {
		.address = DATA_GPA + 4096, .size = 4096,
		.attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE |
			      KVM_MEMORY_ATTRIBUTE_MISSING,
	};

	vm_mem_set_shared(e.vm, DATA_GPA, DATA_NPAGES * 4096);
	vm_mem_set_private(e.vm, DATA_GPA, DATA_NPAGES * 4096);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES);
	assert_missing_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), DATA_GFN);

	populate(e.session, DATA_GFN, 1);
	populate(e.session, DATA_GFN + 1, 2);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES - 2);
	TEST_ASSERT_EQ(__vm_ioctl(e.vm, KVM_SET_MEMORY_ATTRIBUTES, &attrs), 0);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES - 1);
	env_destroy(&e);
}

static void test_mark_bitmap(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	uint64_t bits[4] = { ~0ull, 0x5, 0, 1ull << 63 }, out[16] = {};
	struct kvm_dp_mark m = {
		.gfn = 1000, .n_pages = 256, .bitmap = (uintptr_t)bits,
		.flags = KVM_DP_MARK_MISSING,
	};
	struct kvm_dp_query q = {
		.gfn = 1000, .n_pages = 256, .bitmap = (uintptr_t)out,
		.flags = KVM_DP_QUERY_MISSING,
	};
	struct kvm_dp_vec zero = {
		.gfn = DATA_GFN + 3, .n_pages = DATA_NPAGES - 3,
		.flags = KVM_DP_VEC_ZERO,
	};

	/* GFNs without memslot, across a block's end, not word aligned. */
	TEST_ASSERT_EQ(ioctl(e.control, KVM_DP_MARK, &m), 0);
	TEST_ASSERT_EQ(m.n_changed, 67);
	TEST_ASSERT_EQ(ioctl(e.control, KVM_DP_QUERY, &q), 0);
	TEST_ASSERT_EQ(q.n_set, 67);
	TEST_ASSERT(!memcmp(bits, out, sizeof(bits)), "query differs from mark");
	m.flags = KVM_DP_MARK_PRESENT;
	TEST_ASSERT_EQ(ioctl(e.control, KVM_DP_MARK, &m), 0);
	TEST_ASSERT_EQ(m.n_changed, 67);

	populate(e.session, DATA_GFN + 5, 9);
	TEST_ASSERT_EQ(transfer(e.session, KVM_DP_POPULATE, &zero), 0);
	TEST_ASSERT_EQ(zero.n_done, DATA_NPAGES - 3);
	TEST_ASSERT_EQ(zero.n_skipped, 1);
	TEST_ASSERT_EQ(n_missing(e.session), 3);

	q = (struct kvm_dp_query) {
		.gfn = DATA_GFN, .n_pages = DATA_NPAGES, .bitmap = (uintptr_t)out,
		.flags = KVM_DP_QUERY_BACKED,
	};
	TEST_ASSERT_EQ(ioctl(e.control, KVM_DP_QUERY, &q), 0);
	TEST_ASSERT_EQ(q.n_set, 1);
	TEST_ASSERT_EQ(out[0], 1ull << 5);

	/* The whole VM, then back by zeros: the guest's own slot is shared. */
	m = (struct kvm_dp_mark) { .n_pages = ~0ull, .flags = KVM_DP_MARK_MISSING };
	TEST_ASSERT_EQ(ioctl(e.control, KVM_DP_MARK, &m), 0);
	TEST_ASSERT(n_missing(e.session) > DATA_NPAGES, "slot 0 not marked");
	env_destroy(&e);
}

static void test_exit_mode(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	struct kvm_dp_vec vec;
	int i;

	for (i = 0; i < 3; i++) {
		assert_missing_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), DATA_GFN + i);
		vec = populate(e.session, DATA_GFN + i, 0x40 + i);
		TEST_ASSERT_EQ(vec.n_skipped, 0);
		vec = populate(e.session, DATA_GFN + i, 0xff);
		TEST_ASSERT_EQ(vec.n_done, 1);
		TEST_ASSERT_EQ(vec.n_skipped, 1);
		TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
		assert_sync(e.vcpu, 0x40 + i);
	}
	env_destroy(&e);
}

static void test_wait_mode(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	struct kvm_dp_query q = {};
	struct kvm_dp_event event;
	pthread_t thread;
	int i;

	TEST_ASSERT_EQ(fcntl(e.session, F_SETFL, O_NONBLOCK), 0);
	EXPECT_ERRNO(read(e.session, &event, sizeof(event)), EAGAIN);
	TEST_ASSERT_EQ(fcntl(e.session, F_SETFL, 0), 0);

	for (i = 0; i < 8; i++) {
		thread = run_start(e.vcpu);
		event = read_event(e.session);
		TEST_ASSERT_EQ(event.gfn, DATA_GFN + i);
		TEST_ASSERT_EQ(event.flags, KVM_DP_EVENT_PRIVATE);
		TEST_ASSERT_EQ(event.vcpu_id, 0);
		TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_QUERY, &q), 0);
		TEST_ASSERT_EQ(q.n_waiters, 1);

		/* A waiter does not hold up memslot updates. */
		vm_userspace_mem_region_add(e.vm, VM_MEM_SRC_ANONYMOUS,
					    0xd0000000ull, 11, 1, 0);
		vm_mem_region_delete(e.vm, 11);

		populate(e.session, event.gfn, 0x80 + i);
		TEST_ASSERT_EQ(run_join(thread), 0);
		assert_sync(e.vcpu, 0x80 + i);
	}
	env_destroy(&e);
}

static void test_fail_closed(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	struct pollfd pfd = { .events = POLLIN };
	pthread_t thread;
	int other;

	/* Nobody attached: a session without RIGHT_EVENTS does not count. */
	other = session_new(e.control, PAGER_RIGHTS & ~KVM_DP_RIGHT_EVENTS);
	close(e.session);
	assert_missing_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), DATA_GFN);
	close(other);

	/* The last session goes while a vCPU sleeps. */
	e.session = session_new(e.control, PAGER_RIGHTS);
	thread = run_start(e.vcpu);
	read_event(e.session);
	close(e.session);
	assert_missing_exit(e.vcpu, run_join(thread), DATA_GFN);

	/* One that read the event goes: it is reported to the next. */
	e.session = session_new(e.control, PAGER_RIGHTS);
	other = session_new(e.control, PAGER_RIGHTS);
	thread = run_start(e.vcpu);
	TEST_ASSERT_EQ(read_event(other).gfn, DATA_GFN);
	pfd.fd = e.session;
	TEST_ASSERT_EQ(poll(&pfd, 1, 0), 0);
	close(other);
	TEST_ASSERT_EQ(poll(&pfd, 1, -1), 1);
	TEST_ASSERT_EQ(read_event(e.session).gfn, DATA_GFN);
	populate(e.session, DATA_GFN, 7);
	TEST_ASSERT_EQ(run_join(thread), 0);
	assert_sync(e.vcpu, 7);
	env_destroy(&e);
}

static void on_signal(int sig)
{
}

static void test_signal(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	struct sigaction sa = { .sa_handler = on_signal };
	pthread_t thread;

	sigaction(SIGUSR1, &sa, NULL);
	thread = run_start(e.vcpu);
	read_event(e.session);
	pthread_kill(thread, SIGUSR1);
	TEST_ASSERT_EQ(run_join(thread), -EINTR);
	TEST_ASSERT_EQ(e.vcpu->run->exit_reason, KVM_EXIT_INTR);

	/* It asks again. */
	thread = run_start(e.vcpu);
	TEST_ASSERT_EQ(read_event(e.session).gfn, DATA_GFN);
	populate(e.session, DATA_GFN, 3);
	TEST_ASSERT_EQ(run_join(thread), 0);
	assert_sync(e.vcpu, 3);
	env_destroy(&e);
}

/* A pager is a process of its own, with nothing but the session. */
static void test_other_process(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	int i, status;
	pid_t pid;

	pid = fork();
	TEST_ASSERT(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		close(e.vm->fd);
		close(e.vcpu->fd);
		close(e.control);
		for (i = 0; i < 16; i++) {
			struct kvm_dp_event event = read_event(e.session);

			populate(e.session, event.gfn, event.gfn - DATA_GFN);
		}
		_exit(0);
	}
	for (i = 0; i < 16; i++) {
		TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
		assert_sync(e.vcpu, i);
	}
	TEST_ASSERT_EQ(waitpid(pid, &status, 0), pid);
	TEST_ASSERT_EQ(status, 0);
	env_destroy(&e);
}

static void test_freeze_and_extract(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	static uint8_t out[4 * 4096] __aligned(4096);
	struct kvm_dp_vec vec = {
		.gfn = DATA_GFN, .n_pages = 4, .addr = (uintptr_t)out,
	};
	struct kvm_dp_vec zero = {
		.gfn = DATA_GFN + 1, .n_pages = 1, .flags = KVM_DP_VEC_ZERO,
	};
	struct kvm_dp_query q = {};
	pthread_t thread;

	populate(e.session, DATA_GFN, 0x11);
	TEST_ASSERT_EQ(transfer(e.session, KVM_DP_POPULATE, &zero), 0);
	populate(e.session, DATA_GFN + 2, 0x33);

	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 0x11);
	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 0);
	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 0x33);

	/* Asleep in KVM_RUN is in KVM_RUN. */
	thread = run_start(e.vcpu);
	read_event(e.session);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_FREEZE, 0), EBUSY);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_THAW, 0), EINVAL);
	populate(e.session, DATA_GFN + 3, 0x44);
	TEST_ASSERT_EQ(run_join(thread), 0);

	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_FREEZE, 0), 0);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_FREEZE, 0), EALREADY);
	EXPECT_ERRNO(__vcpu_run(e.vcpu), EBUSY);
	EXPECT_ERRNO(mark(e.session, DATA_GFN, 1, KVM_DP_MARK_MISSING), EBUSY);
	EXPECT_ERRNO(enable(e.vm, KVM_DP_DISABLE), EBUSY);
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_QUERY, &q), 0);
	TEST_ASSERT_EQ(q.status, KVM_DP_STATUS_FROZEN);
	TEST_ASSERT_EQ(q.n_missing, DATA_NPAGES - 4);

	TEST_ASSERT_EQ(transfer(e.session, KVM_DP_EXTRACT, &vec), 0);
	TEST_ASSERT_EQ(vec.n_done, 4);
	TEST_ASSERT(out[0] == 0x11 && out[4095] == 0x11 && !out[4096] &&
		    out[8192] == 0x33 && out[3 * 4096] == 0x44, "wrong contents");
	vec = (struct kvm_dp_vec) {
		.gfn = DATA_GFN + 3, .n_pages = 2, .addr = (uintptr_t)out,
	};
	EXPECT_ERRNO(transfer(e.session, KVM_DP_EXTRACT, &vec), EIO);
	TEST_ASSERT_EQ(vec.result, KVM_DP_MISSING);
	TEST_ASSERT_EQ(vec.n_done, 1);

	/* The freeze outlives the session that made it. */
	close(e.session);
	EXPECT_ERRNO(__vcpu_run(e.vcpu), EBUSY);
	e.session = session_new(e.control, ALL_RIGHTS);
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_THAW, 0), 0);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES - 4);
	populate(e.session, DATA_GFN + 4, 0x55);
	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 0x55);
	env_destroy(&e);
}

static void guest_reread(void)
{
	volatile uint8_t *p = (void *)DATA_GVA;

	for (;;)
		GUEST_SYNC(p[0]);
}

#define AGAIN_VCPUS	3

static bool again_stop;

static void *again_vcpu(void *arg)
{
	while (!READ_ONCE(again_stop))
		__vcpu_run(arg);
	return NULL;
}

/*
 * A page goes again before those that it woke have run: who touches it only then
 * is somebody new, of whom the pager must hear.
 */
static void test_evict_after_populate(void)
{
	struct kvm_dp_discard d = {
		.gfn = DATA_GFN, .n_pages = 1, .flags = KVM_DP_DISCARD_EVICT,
	};
	struct sigaction sa = { .sa_handler = on_signal };
	struct kvm_vcpu *vcpus[AGAIN_VCPUS];
	pthread_t threads[AGAIN_VCPUS];
	struct pollfd pfd = { .events = POLLIN };
	struct kvm_vm *vm = __vm_create(shape, AGAIN_VCPUS, 0);
	int control, i;

	TEST_ASSERT_EQ(enable(vm, KVM_DP_ENABLE | KVM_DP_MODE_WAIT), 0);
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, DATA_GPA, DATA_SLOT, 1,
				    KVM_MEM_GUEST_MEMFD);
	virt_map(vm, DATA_GVA, DATA_GPA, 1);
	vm_mem_set_private(vm, DATA_GPA, 4096);
	control = __vm_ioctl(vm, KVM_CREATE_DEMAND_PAGING, (void *)0);
	pfd.fd = session_new(control, PAGER_RIGHTS);
	TEST_ASSERT(pfd.fd >= 0, "session: %s", strerror(errno));
	TEST_ASSERT_EQ(mark(pfd.fd, DATA_GFN, 1, KVM_DP_MARK_MISSING), 0);

	sigaction(SIGUSR1, &sa, NULL);
	WRITE_ONCE(again_stop, false);
	for (i = 0; i < AGAIN_VCPUS; i++) {
		vcpus[i] = vm_vcpu_add(vm, i, guest_reread);
		pthread_create(&threads[i], NULL, again_vcpu, vcpus[i]);
	}
	for (i = 0; i < 3000; i++) {
		TEST_ASSERT(poll(&pfd, 1, 30000) == 1, "no event in round %d", i);
		read_event(pfd.fd);
		populate(pfd.fd, DATA_GFN, 1);
		TEST_ASSERT_EQ(ioctl(pfd.fd, KVM_DP_DISCARD, &d), 0);
	}

	WRITE_ONCE(again_stop, true);
	close(pfd.fd);
	for (i = 0; i < AGAIN_VCPUS; i++) {
		while (pthread_tryjoin_np(threads[i], NULL)) {
			pthread_kill(threads[i], SIGUSR1);
			usleep(1000);
		}
	}
	close(control);
	kvm_vm_free(vm);
}

/* What is refused has changed nothing, also before the part that is wrong. */
static void test_refused_whole(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	uint64_t bits[2] = { 1, 1 };
	struct kvm_dp_mark m = {
		.gfn = DATA_GFN, .n_pages = 128, .bitmap = (uintptr_t)bits,
		.flags = KVM_DP_MARK_PRESENT,
	};

	/* Page 0 is shared and could be marked, page 64 is private. */
	vm_mem_set_shared(e.vm, DATA_GPA, 4096);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_MARK, &m), EINVAL);
	TEST_ASSERT_EQ(m.n_changed, 0);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES);

	/* The same across a block's end. */
	vm_mem_set_shared(e.vm, DATA_GPA, 512 * 4096);
	EXPECT_ERRNO(mark(e.session, DATA_GFN, 513, KVM_DP_MARK_PRESENT), EINVAL);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES);
	env_destroy(&e);
}

/* A run over two memslots stops at the page that has no data. */
static void test_fault_in_second_slot(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	const uint64_t gfn = DATA_GFN + DATA_NPAGES;
	struct kvm_dp_vec vec = { .gfn = gfn - 1, .n_pages = 4 };
	void *mem;

	vm_userspace_mem_region_add(e.vm, VM_MEM_SRC_ANONYMOUS, gfn << 12, DATA_SLOT + 1,
				    4, KVM_MEM_GUEST_MEMFD);
	vm_mem_set_private(e.vm, gfn << 12, 4 * 4096);
	TEST_ASSERT_EQ(mark(e.session, gfn, 4, KVM_DP_MARK_MISSING), 0);

	mem = mmap(NULL, 4 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(mem != MAP_FAILED, "mmap: %s", strerror(errno));
	TEST_ASSERT_EQ(mprotect(mem + 3 * 4096, 4096, PROT_NONE), 0);
	vec.addr = (uintptr_t)mem;
	EXPECT_ERRNO(transfer(e.session, KVM_DP_POPULATE, &vec), EIO);
	TEST_ASSERT_EQ(vec.result, KVM_DP_FAULT);
	TEST_ASSERT_EQ(vec.n_done, 3);
	munmap(mem, 4 * 4096);
	env_destroy(&e);
}

static void test_discard_and_evict(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reread);
	struct kvm_dp_discard d = { .gfn = DATA_GFN, .n_pages = 1 };

	populate(e.session, DATA_GFN, 0x66);
	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 0x66);

	d.flags = KVM_DP_DISCARD_EVICT;
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_DISCARD, &d), 0);
	assert_missing_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), DATA_GFN);

	/* A discard makes a missing page present and zero: never fetched again. */
	d.flags = 0;
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_DISCARD, &d), 0);
	TEST_ASSERT_EQ(populate(e.session, DATA_GFN, 0x77).n_skipped, 1);
	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 0);

	/* Marking alone keeps the contents in the file, and the guest out. */
	TEST_ASSERT_EQ(mark(e.session, DATA_GFN, 1, KVM_DP_MARK_MISSING), 0);
	assert_missing_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), DATA_GFN);
	populate(e.session, DATA_GFN, 0x78);
	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 0x78);
	env_destroy(&e);
}

/* kvmclock: KVM itself writes to the page before the guest runs. */
static void test_kvm_access(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	struct kvm_dp_event event;
	pthread_t thread;

	vcpu_set_msr(e.vcpu, MSR_KVM_SYSTEM_TIME_NEW, (DATA_GPA + 0x100000) | 1);
	thread = run_start(e.vcpu);
	event = read_event(e.session);
	TEST_ASSERT_EQ(event.gfn, DATA_GFN + 0x100);
	TEST_ASSERT_EQ(event.flags, KVM_DP_EVENT_KVM | KVM_DP_EVENT_PRIVATE);
	populate(e.session, event.gfn, 0);

	event = read_event(e.session);
	TEST_ASSERT_EQ(event.gfn, DATA_GFN);
	populate(e.session, event.gfn, 1);
	TEST_ASSERT_EQ(run_join(thread), 0);
	assert_sync(e.vcpu, 1);
	env_destroy(&e);
}

static void test_prefault(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	struct kvm_pre_fault_memory range = { .gpa = DATA_GPA, .size = 4096 };

	EXPECT_ERRNO(__vcpu_ioctl(e.vcpu, KVM_PRE_FAULT_MEMORY, &range), EAGAIN);
	populate(e.session, DATA_GFN, 1);
	TEST_ASSERT_EQ(__vcpu_ioctl(e.vcpu, KVM_PRE_FAULT_MEMORY, &range), 0);
	env_destroy(&e);
}

/* The guest's own code, stack and page tables are shared memory here. */
static void test_shared_memory(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	struct kvm_dp_event event;
	pthread_t thread;
	int i;

	populate(e.session, DATA_GFN, 0x21);
	TEST_ASSERT_EQ(mark(e.session, 0, 512, KVM_DP_MARK_MISSING), 0);
	thread = run_start(e.vcpu);
	for (i = 0; ; i++) {
		struct pollfd pfd = { .fd = e.session, .events = POLLIN };

		if (!poll(&pfd, 1, 500))
			break;
		event = read_event(e.session);
		if (event.gfn >= DATA_GFN)
			break;
		TEST_ASSERT(!(event.flags & KVM_DP_EVENT_PRIVATE), "shared page");
		TEST_ASSERT_EQ(mark(e.session, event.gfn, 1, KVM_DP_MARK_PRESENT), 0);
	}
	TEST_ASSERT(i > 2, "only %d pages were asked for", i);
	TEST_ASSERT_EQ(run_join(thread), 0);
	assert_sync(e.vcpu, 0x21);
	env_destroy(&e);
}

static void test_vm_gone(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	struct pollfd pfd = { .fd = e.session, .events = POLLIN };
	struct kvm_dp_query q = {};
	struct kvm_dp_event event;

	kvm_vm_free(e.vm);
	TEST_ASSERT_EQ(poll(&pfd, 1, -1), 1);
	TEST_ASSERT(pfd.revents & POLLHUP, "no POLLHUP");
	EXPECT_ERRNO(read(e.session, &event, sizeof(event)), ENODEV);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_QUERY, &q), ENODEV);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_FREEZE, 0), ENODEV);
	EXPECT_ERRNO(session_new(e.control, KVM_DP_RIGHT_QUERY), ENODEV);
	close(e.session);
	close(e.control);
}

#define STRESS_VCPUS	2
#define STRESS_PAGES	256
#define STRESS_EVICTS	3000

static uint64_t stress_word(uint64_t gfn)
{
	return gfn * 0x9e3779b97f4a7c15ull;
}

/* Any page, any time, holds what its GFN says; never zeros, never another's. */
static void guest_stress(uint32_t seed)
{
	volatile uint64_t *word;
	uint64_t gfn;

	for (;;) {
		seed = seed * 1664525 + 1013904223;
		gfn = DATA_GFN + (seed >> 8) % STRESS_PAGES;
		word = (void *)(gfn << 12);
		GUEST_ASSERT_EQ(word[seed % 512], stress_word(gfn));
	}
}

static bool stress_stop;

static void *stress_vcpu(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	struct ucall uc;
	int r;

	while (!READ_ONCE(stress_stop)) {
		r = __vcpu_run(vcpu);
		if (r) {
			TEST_ASSERT(errno == EINTR, "KVM_RUN: %s", strerror(errno));
			continue;
		}
		if (get_ucall(vcpu, &uc) == UCALL_ABORT)
			REPORT_GUEST_ASSERT(uc);
		TEST_FAIL("unexpected exit %d", vcpu->run->exit_reason);
	}
	return NULL;
}

/* A pager that dies now and then, with events read and not answered. */
static void stress_pager(int control, int keep)
{
	static uint64_t page[512] __aligned(4096);
	struct kvm_dp_event event;
	struct kvm_dp_vec vec;
	int fd = session_new(control, PAGER_RIGHTS);
	int i, n = 0;

	close(keep);
	TEST_ASSERT(fd >= 0, "session: %s", strerror(errno));
	for (;;) {
		if (read(fd, &event, sizeof(event)) != sizeof(event))
			break;
		if (!(++n % 50)) {
			int next = session_new(control, PAGER_RIGHTS);

			if (next < 0)
				break;
			close(fd);
			fd = next;
			continue;
		}
		for (i = 0; i < 512; i++)
			page[i] = stress_word(event.gfn);
		vec = (struct kvm_dp_vec) {
			.gfn = event.gfn, .n_pages = 1, .addr = (uintptr_t)page,
		};
		if (transfer(fd, KVM_DP_POPULATE, &vec))
			_exit(100 + vec.result);
	}
	_exit(1);
}

/* vCPUs read, pagers come and go, pages are taken away, slots change, signals. */
static void test_stress(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct kvm_dp_vec zero = {
		.gfn = DATA_GFN + STRESS_PAGES,
		.n_pages = DATA_NPAGES - STRESS_PAGES, .flags = KVM_DP_VEC_ZERO,
	};
	struct kvm_vcpu *vcpus[STRESS_VCPUS];
	pthread_t threads[STRESS_VCPUS];
	struct kvm_dp_discard evict;
	int i, status, keep;
	pid_t pids[2];
	struct env e;

	e.vm = __vm_create(shape, STRESS_VCPUS, 0);
	TEST_ASSERT_EQ(enable(e.vm, KVM_DP_ENABLE | KVM_DP_MODE_WAIT), 0);
	vm_userspace_mem_region_add(e.vm, VM_MEM_SRC_ANONYMOUS, DATA_GPA, DATA_SLOT,
				    DATA_NPAGES, KVM_MEM_GUEST_MEMFD);
	for (i = 0; i < STRESS_VCPUS; i++) {
		vcpus[i] = vm_vcpu_add(e.vm, i, guest_stress);
		vcpu_args_set(vcpus[i], 1, i * 7919 + 1);
	}
	virt_map(e.vm, DATA_GVA, DATA_GPA, DATA_NPAGES);
	vm_mem_set_private(e.vm, DATA_GPA, DATA_NPAGES * 4096);
	e.control = __vm_ioctl(e.vm, KVM_CREATE_DEMAND_PAGING, (void *)0);
	e.session = session_new(e.control, PAGER_RIGHTS & ~KVM_DP_RIGHT_EVENTS);
	keep = session_new(e.control, KVM_DP_RIGHT_EVENTS);
	TEST_ASSERT(e.session >= 0 && keep >= 0, "sessions");
	TEST_ASSERT_EQ(mark(e.session, DATA_GFN, DATA_NPAGES, KVM_DP_MARK_MISSING), 0);
	TEST_ASSERT_EQ(transfer(e.session, KVM_DP_POPULATE, &zero), 0);

	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		TEST_ASSERT(pids[i] >= 0, "fork");
		if (!pids[i])
			stress_pager(e.control, keep);
	}

	sigaction(SIGUSR1, &sa, NULL);
	for (i = 0; i < STRESS_VCPUS; i++)
		pthread_create(&threads[i], NULL, stress_vcpu, vcpus[i]);

	srandom(1);
	for (i = 0; i < STRESS_EVICTS; i++) {
		evict = (struct kvm_dp_discard) {
			.gfn = DATA_GFN + random() % STRESS_PAGES,
			.n_pages = 1, .flags = KVM_DP_DISCARD_EVICT,
		};
		TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_DISCARD, &evict), 0);
		if (!(i % 64))
			pthread_kill(threads[i / 64 % STRESS_VCPUS], SIGUSR1);
		if (!(i % 512)) {
			vm_userspace_mem_region_add(e.vm, VM_MEM_SRC_ANONYMOUS,
						    0xd0000000ull, 11, 1, 0);
			vm_mem_region_delete(e.vm, 11);
		}
	}

	WRITE_ONCE(stress_stop, true);
	for (i = 0; i < STRESS_VCPUS; i++) {
		void *ret;

		while (pthread_tryjoin_np(threads[i], &ret)) {
			pthread_kill(threads[i], SIGUSR1);
			usleep(1000);
		}
	}
	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		TEST_ASSERT_EQ(kill(pids[i], SIGTERM), 0);
		TEST_ASSERT_EQ(waitpid(pids[i], &status, 0), pids[i]);
		TEST_ASSERT(WIFSIGNALED(status), "a pager ended by itself: %d",
			    WEXITSTATUS(status));
	}
	close(keep);
	env_destroy(&e);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "cap_refusals", test_cap_refusals },
	{ "session_refusals", test_session_refusals },
	{ "argument_refusals", test_argument_refusals },
	{ "attributes_keep_presence", test_attributes_keep_presence },
	{ "mark_bitmap", test_mark_bitmap },
	{ "exit_mode", test_exit_mode },
	{ "wait_mode", test_wait_mode },
	{ "fail_closed", test_fail_closed },
	{ "signal", test_signal },
	{ "other_process", test_other_process },
	{ "freeze_and_extract", test_freeze_and_extract },
	{ "discard_and_evict", test_discard_and_evict },
	{ "evict_after_populate", test_evict_after_populate },
	{ "refused_whole", test_refused_whole },
	{ "fault_in_second_slot", test_fault_in_second_slot },
	{ "kvm_access", test_kvm_access },
	{ "prefault", test_prefault },
	{ "shared_memory", test_shared_memory },
	{ "vm_gone", test_vm_gone },
	{ "stress", test_stress },
};

int main(int argc, char *argv[])
{
	int i;

	TEST_REQUIRE(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SW_PROTECTED_VM));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_DEMAND_PAGING));

	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(tests));
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		/* One alone, by its name. */
		if (argc > 1 && strcmp(argv[1], tests[i].name)) {
			ksft_test_result_skip("%s\n", tests[i].name);
			continue;
		}
		tests[i].run();
		ksft_test_result_pass("%s\n", tests[i].name);
	}
	ksft_finished();
}
