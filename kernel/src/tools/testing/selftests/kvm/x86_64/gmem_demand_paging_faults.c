// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging on guest_memfd: what happens to a vCPU that needs a missing
 * page, and to those that should bring it.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "gmem_demand_paging_env.h"

void test_exit_mode(void)
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

void test_wait_mode(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	struct kvm_dp_discard d = { .n_pages = 1 };
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

	/* A discard brings it as well. */
	thread = run_start(e.vcpu);
	d.gfn = read_event(e.session).gfn;
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_DISCARD, &d), 0);
	TEST_ASSERT(join_in_time(thread), "the page is there and nobody was woken");
	assert_sync(e.vcpu, 0);
	env_destroy(&e);
}

void test_fail_closed(void)
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

#define N_READERS	2

struct reader {
	int fd;
	pid_t tid;
	struct kvm_dp_event event;
	pthread_t thread;
};

static void *reader_thread(void *arg)
{
	struct reader *reader = arg;

	WRITE_ONCE(reader->tid, syscall(SYS_gettid));
	reader->event = read_event(reader->fd);
	return NULL;
}

static void guest_read_one(uint64_t gva)
{
	GUEST_SYNC(*(volatile uint8_t *)gva);
}

/* One that read several events goes: there is work for each who waits for some. */
static void readers_all_wake(bool one_session)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_read_one);
	struct kvm_vcpu *vcpus[N_READERS] = {
		e.vcpu, vm_vcpu_add(e.vm, 1, guest_read_one),
	};
	struct reader readers[N_READERS] = {};
	pthread_t threads[N_READERS];
	int i, gone = session_new(e.control, PAGER_RIGHTS);

	for (i = 0; i < N_READERS; i++) {
		vcpu_args_set(vcpus[i], 1, DATA_GVA + i * 4096);
		threads[i] = run_start(vcpus[i]);
	}
	for (i = 0; i < N_READERS; i++)
		read_event(gone);

	for (i = 0; i < N_READERS; i++) {
		readers[i].fd = one_session ? e.session :
			session_new(e.control, PAGER_RIGHTS);
		TEST_ASSERT_EQ(pthread_create(&readers[i].thread, NULL, reader_thread,
					      &readers[i]), 0);
		wait_asleep(&readers[i].tid);
	}
	close(gone);
	for (i = 0; i < N_READERS; i++)
		TEST_ASSERT(join_in_time(readers[i].thread),
			    "reader %d sleeps on beside an event", i);
	TEST_ASSERT_EQ(readers[0].event.gfn ^ readers[1].event.gfn,
		       DATA_GFN ^ (DATA_GFN + 1));

	for (i = 0; i < N_READERS; i++)
		populate(readers[i].fd, readers[i].event.gfn,
			 readers[i].event.gfn - DATA_GFN + 1);
	for (i = 0; i < N_READERS; i++) {
		TEST_ASSERT_EQ(run_join(threads[i]), 0);
		assert_sync(vcpus[i], i + 1);
		if (!one_session)
			close(readers[i].fd);
	}
	env_destroy(&e);
}

void test_several_readers(void)
{
	readers_all_wake(false);
	readers_all_wake(true);
}

void test_signal(void)
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
void test_other_process(void)
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

/* kvmclock: KVM itself writes to the page before the guest runs. */
void test_kvm_access(void)
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

#define N_CPUIDS	100000

/* Without NRIPS KVM reads each of these instructions itself. */
static void guest_cpuid(void)
{
	uint32_t a, b, c, d;
	int i;

	for (i = 0; i < N_CPUIDS; i++)
		cpuid(0, &a, &b, &c, &d);
	GUEST_SYNC(1);
}

static void *run_unfrozen(void *arg)
{
	intptr_t ret;

	do {
		ret = __vcpu_run(arg) ? -errno : 0;
	} while (ret == -EBUSY);
	return (void *)ret;
}

/* A freeze that is refused does not make anybody miss a page that is there. */
void test_refused_freeze(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_cpuid);
	int control = e.control, n = 0;
	pthread_t thread;
	void *ret;

	TEST_ASSERT_EQ(pthread_create(&thread, NULL, run_unfrozen, e.vcpu), 0);
	while (pthread_tryjoin_np(thread, &ret)) {
		if (ioctl(control, KVM_DP_FREEZE, 0))
			n += errno == EBUSY;
		else
			TEST_ASSERT_EQ(ioctl(control, KVM_DP_THAW, 0), 0);
	}
	TEST_ASSERT(n > 0, "no freeze was refused");
	TEST_ASSERT_EQ((intptr_t)ret, 0);
	assert_sync(e.vcpu, 1);
	env_destroy(&e);
}

void test_prefault(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	struct kvm_pre_fault_memory range = { .gpa = DATA_GPA, .size = 4096 };

	EXPECT_ERRNO(__vcpu_ioctl(e.vcpu, KVM_PRE_FAULT_MEMORY, &range), EAGAIN);
	populate(e.session, DATA_GFN, 1);
	TEST_ASSERT_EQ(__vcpu_ioctl(e.vcpu, KVM_PRE_FAULT_MEMORY, &range), 0);

	/* It would allocate what is a hole for who extracts. */
	range = (struct kvm_pre_fault_memory) { .gpa = DATA_GPA, .size = 4096 };
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_FREEZE, 0), 0);
	EXPECT_ERRNO(__vcpu_ioctl(e.vcpu, KVM_PRE_FAULT_MEMORY, &range), EBUSY);
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_THAW, 0), 0);
	env_destroy(&e);
}

/* The guest's own code, stack and page tables are shared memory here. */
void test_shared_memory(void)
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

/* What cannot be handed over is not lost. */
void test_unreadable_event(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	struct pollfd pfd = { .fd = e.session, .events = POLLIN };
	pthread_t thread = run_start(e.vcpu);
	void *nowhere;

	nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(nowhere != MAP_FAILED, "mmap: %s", strerror(errno));
	TEST_ASSERT_EQ(poll(&pfd, 1, LIMIT_S * 1000), 1);
	EXPECT_ERRNO(read(e.session, nowhere, 4096), EFAULT);
	TEST_ASSERT(poll(&pfd, 1, LIMIT_S * 1000) == 1, "the event is lost");
	TEST_ASSERT_EQ(read_event(e.session).gfn, DATA_GFN);
	populate(e.session, DATA_GFN, 9);
	TEST_ASSERT_EQ(run_join(thread), 0);
	assert_sync(e.vcpu, 9);
	munmap(nowhere, 4096);
	env_destroy(&e);
}

static void guest_read_two(void)
{
	volatile uint8_t *p = (void *)DATA_GVA;
	int i;

	for (i = 0; ; i += 2)
		GUEST_SYNC(p[i * 4096] + p[(i + 1) * 4096]);
}

/* Populate a page and read events in one call: 0 or -errno. */
static int reply(int fd, uint64_t gfn, uint8_t byte, void *events, uint32_t *n_events)
{
	uint8_t page[4096];
	struct kvm_dp_vec vec = {
		.gfn = gfn, .n_pages = 1, .addr = (uintptr_t)page,
	};
	struct kvm_dp_transfer t = {
		.vecs = (uintptr_t)&vec, .n_vecs = 1, .flags = KVM_DP_TRANSFER_EVENTS,
		.n_events = *n_events, .events = (uintptr_t)events,
	};
	int r;

	memset(page, byte, sizeof(page));
	r = ioctl(fd, KVM_DP_POPULATE, &t) ? -errno : 0;
	if (r != -EPERM)
		TEST_ASSERT_EQ(t.n_vecs_done, 1);
	*n_events = t.n_events;
	return r;
}

struct replying {
	int fd;
	uint32_t n_events;
	int ret;
	pid_t tid;
};

static void *reply_thread(void *arg)
{
	struct replying *r = arg;
	struct kvm_dp_event event;

	r->n_events = 1;
	WRITE_ONCE(r->tid, gettid());
	r->ret = reply(r->fd, DATA_GFN + 100, 1, &event, &r->n_events);
	return NULL;
}

/* The answer to one event and the wait for the next are one call. */
void test_reply(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_read_two);
	struct sigaction sa = { .sa_handler = on_signal };
	struct replying replying = { .fd = e.session };
	int no_events = session_new(e.control, KVM_DP_RIGHT_POPULATE);
	struct kvm_dp_event events[4];
	pthread_t thread = run_start(e.vcpu), replier;
	uint32_t n = 4;
	void *nowhere;

	TEST_ASSERT_EQ(read_event(e.session).gfn, DATA_GFN);
	TEST_ASSERT_EQ(reply(no_events, DATA_GFN, 5, events, &n), -EPERM);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES);

	TEST_ASSERT_EQ(reply(e.session, DATA_GFN, 5, events, &n), 0);
	TEST_ASSERT_EQ(n, 1);
	TEST_ASSERT_EQ(events[0].gfn, DATA_GFN + 1);

	TEST_ASSERT_EQ(fcntl(e.session, F_SETFL, O_NONBLOCK), 0);
	TEST_ASSERT_EQ(reply(e.session, DATA_GFN + 1, 6, events, &n), 0);
	TEST_ASSERT_EQ(n, 0);
	TEST_ASSERT_EQ(run_join(thread), 0);
	assert_sync(e.vcpu, 11);
	TEST_ASSERT_EQ(fcntl(e.session, F_SETFL, 0), 0);

	/* What cannot be handed over is not lost, and the page has arrived. */
	nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(nowhere != MAP_FAILED, "mmap: %s", strerror(errno));
	thread = run_start(e.vcpu);
	TEST_ASSERT_EQ(read_event(e.session).gfn, DATA_GFN + 2);
	n = 1;
	TEST_ASSERT_EQ(reply(e.session, DATA_GFN + 2, 7, nowhere, &n), -EFAULT);
	TEST_ASSERT_EQ(read_event(e.session).gfn, DATA_GFN + 3);
	populate(e.session, DATA_GFN + 3, 8);
	TEST_ASSERT_EQ(run_join(thread), 0);
	assert_sync(e.vcpu, 15);
	munmap(nowhere, 4096);

	/* A signal ends the wait, not the call. */
	sigaction(SIGUSR1, &sa, NULL);
	pthread_create(&replier, NULL, reply_thread, &replying);
	wait_asleep(&replying.tid);
	pthread_kill(replier, SIGUSR1);
	TEST_ASSERT(join_in_time(replier), "still waiting after a signal");
	TEST_ASSERT_EQ(replying.ret, 0);
	TEST_ASSERT_EQ(replying.n_events, 0);

	close(no_events);
	env_destroy(&e);
}

/* Who waits for a page of a memslot that goes wants something else now. */
void test_slot_gone(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	struct kvm_run *run = e.vcpu->run;
	pthread_t thread = run_start(e.vcpu);

	read_event(e.session);
	/* It may be woken for its clock, and sleeps again. */
	usleep(400000);
	vm_mem_region_delete(e.vm, DATA_SLOT);
	TEST_ASSERT(join_in_time(thread), "asleep, and the memslot has gone");
	TEST_ASSERT_EQ(run->exit_reason, KVM_EXIT_MEMORY_FAULT);
	TEST_ASSERT_EQ(run->memory_fault.flags, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	TEST_ASSERT_EQ(run->memory_fault.gpa, DATA_GPA);
	env_destroy(&e);
}

static void *read_until_end(void *arg)
{
	struct reader *reader = arg;
	ssize_t r;

	WRITE_ONCE(reader->tid, syscall(SYS_gettid));
	r = read(reader->fd, &reader->event, sizeof(reader->event));
	return (void *)(intptr_t)(r < 0 ? -errno : r);
}

void test_vm_gone(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	struct pollfd pfd = { .fd = e.session, .events = POLLIN };
	struct reader reader = { .fd = e.session };
	struct kvm_dp_query q = {};
	struct kvm_dp_event event;

	TEST_ASSERT_EQ(pthread_create(&reader.thread, NULL, read_until_end, &reader), 0);
	wait_asleep(&reader.tid);
	kvm_vm_free(e.vm);
	TEST_ASSERT(join_in_time(reader.thread), "who reads events sleeps on");
	TEST_ASSERT_EQ(poll(&pfd, 1, -1), 1);
	TEST_ASSERT(pfd.revents & POLLHUP, "no POLLHUP");
	EXPECT_ERRNO(read(e.session, &event, sizeof(event)), ENODEV);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_QUERY, &q), ENODEV);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_FREEZE, 0), ENODEV);
	EXPECT_ERRNO(session_new(e.control, KVM_DP_RIGHT_QUERY), ENODEV);
	close(e.session);
	close(e.control);
}
