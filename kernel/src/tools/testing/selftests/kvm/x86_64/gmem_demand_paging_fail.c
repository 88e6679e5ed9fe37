// SPDX-License-Identifier: GPL-2.0-only
/* KVM demand paging on guest_memfd: pages that will not come. */
#include <signal.h>

#include "gmem_demand_paging_env.h"

static int fail(int fd, uint64_t gfn, uint64_t n, uint64_t *n_failed)
{
	struct kvm_dp_fail args = { .gfn = gfn, .n_pages = n };
	int r = ioctl(fd, KVM_DP_FAIL, &args);

	*n_failed = args.n_failed;
	return r;
}

static uint64_t fail_count(int fd, uint64_t gfn, uint64_t n)
{
	uint64_t n_failed;

	TEST_ASSERT_EQ(fail(fd, gfn, n, &n_failed), 0);
	return n_failed;
}

void test_fail_refusals(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	const struct kvm_dp_fail good = { .gfn = DATA_GFN, .n_pages = 1 };
	struct kvm_dp_fail bad[] = { good, good, good, good, good, good, good };
	int session, i;

	TEST_ASSERT(vm_check_cap(e.vm, KVM_CAP_DEMAND_PAGING) & KVM_DP_CAP_FAIL,
		    "no KVM_DP_CAP_FAIL");
	bad[0].flags = 1;
	bad[1].pad = 1;
	bad[2].reserved[0] = 1;
	bad[3].reserved[1] = 1;
	bad[4].n_pages = 0;
	bad[5].gfn = 1ull << 40;
	bad[6].n_pages = 1ull << 40;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_ERRNO(ioctl(e.session, KVM_DP_FAIL, &bad[i]), EINVAL);
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_FAIL, NULL), EFAULT);

	session = session_new(e.control, ALL_RIGHTS & ~KVM_DP_RIGHT_FAIL);
	EXPECT_ERRNO(ioctl(session, KVM_DP_FAIL, &bad[0]), EPERM);
	close(session);
	env_destroy(&e);
}

static void guest_read_at(uint64_t gva)
{
	for (;;)
		GUEST_SYNC(*(volatile uint8_t *)gva);
}

static struct env env_at(uint64_t mode, uint64_t page)
{
	struct env e = env_create(mode, guest_read_at);

	vcpu_args_set(e.vcpu, 1, DATA_GVA + page * 4096);
	return e;
}

/* A vCPU sleeps, is failed, asks again, and gets the page at last. */
static void fail_once(void)
{
	struct env e = env_at(KVM_DP_MODE_WAIT, 5);
	int fd = vcpu_get_stats_fd(e.vcpu);
	const uint64_t gfn = DATA_GFN + 5;
	pthread_t thread;
	int i;

	for (i = 0; i < 3; i++) {
		thread = run_start(e.vcpu);
		TEST_ASSERT_EQ(read_event(e.session).gfn, gfn);
		TEST_ASSERT_EQ(fail_count(e.session, gfn - 5, 5), 0);
		TEST_ASSERT_EQ(fail_count(e.session, gfn + 1, 1ull << 30), 0);
		TEST_ASSERT_EQ(fail_count(i ? e.session : e.control, gfn, 1), 1);
		assert_failed_exit(e.vcpu, run_join(thread), -EFAULT, gfn);
		TEST_ASSERT_EQ(stat_get(fd, "dp_failed"), i + 1);

		/* Nobody waits any more, and it is as missing as before. */
		TEST_ASSERT_EQ(fail_count(e.session, 0, 1ull << 40), 0);
		TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES);
	}
	thread = run_start(e.vcpu);
	populate(e.session, read_event(e.session).gfn, 9);
	TEST_ASSERT_EQ(run_join(thread), 0);
	assert_sync(e.vcpu, 9);
	TEST_ASSERT_EQ(stat_get(fd, "dp_failed"), 3);
	close(fd);
	env_destroy(&e);
}

/* Those that wait for one page go together, the one for another stays. */
static void fail_some(void)
{
	struct env e = env_at(KVM_DP_MODE_WAIT, 0);
	struct kvm_vcpu *vcpus[3] = { e.vcpu };
	struct kvm_dp_query q = {};
	pthread_t threads[3];
	int i;

	for (i = 0; i < 3; i++) {
		if (i)
			vcpus[i] = vm_vcpu_add(e.vm, i, guest_read_at);
		vcpu_args_set(vcpus[i], 1, DATA_GVA + (i == 2) * 4096);
	}
	for (i = 0; i < 3; i++)
		threads[i] = run_start(vcpus[i]);
	do {
		TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_QUERY, &q), 0);
	} while (q.n_waiters < 3);
	read_event(e.session);
	read_event(e.session);
	TEST_ASSERT(!has_event(e.session), "two events for one page");

	TEST_ASSERT_EQ(fail_count(e.session, DATA_GFN, 1), 2);
	for (i = 0; i < 2; i++)
		assert_failed_exit(vcpus[i], run_join(threads[i]), -EFAULT, DATA_GFN);

	/* One of them comes again, and is not taken for failed. */
	threads[0] = run_start(vcpus[0]);
	TEST_ASSERT_EQ(read_event(e.session).gfn, DATA_GFN);
	populate(e.session, DATA_GFN, 3);
	populate(e.session, DATA_GFN + 1, 4);
	TEST_ASSERT_EQ(run_join(threads[0]), 0);
	assert_sync(vcpus[0], 3);
	TEST_ASSERT_EQ(run_join(threads[2]), 0);
	assert_sync(vcpus[2], 4);
	env_destroy(&e);
}

/* KVM wants a page for itself: the same, and no clock is lost. */
static void fail_kvm_access(void)
{
	struct env e = env_at(KVM_DP_MODE_WAIT, 0);
	const uint64_t gfn = DATA_GFN + 0x100;
	struct kvm_dp_event event;
	pthread_t thread;

	populate(e.session, DATA_GFN, 1);
	vcpu_set_msr(e.vcpu, MSR_KVM_SYSTEM_TIME_NEW, (gfn << 12) | 1);
	thread = run_start(e.vcpu);
	event = read_event(e.session);
	TEST_ASSERT_EQ(event.gfn, gfn);
	TEST_ASSERT(event.flags & KVM_DP_EVENT_KVM, "not KVM's own access");
	TEST_ASSERT_EQ(fail_count(e.session, gfn, 1), 1);
	assert_failed_exit(e.vcpu, run_join(thread), -EFAULT, gfn);

	thread = run_start(e.vcpu);
	TEST_ASSERT_EQ(read_event(e.session).gfn, gfn);
	populate(e.session, gfn, 0);
	TEST_ASSERT_EQ(run_join(thread), 0);
	assert_sync(e.vcpu, 1);
	assert_clock_written(&e, gfn);
	env_destroy(&e);
}

/* A vCPU that was counted exits with the flag, also if a signal came as well. */
static void fail_and_signal(void)
{
	struct env e = env_at(KVM_DP_MODE_WAIT, 0);
	struct sigaction sa = { .sa_handler = on_signal };
	int r, i, n_failed = 0;
	pthread_t thread;

	sigaction(SIGUSR1, &sa, NULL);
	for (i = 0; i < 200; i++) {
		thread = run_start(e.vcpu);
		read_event(e.session);
		pthread_kill(thread, SIGUSR1);
		r = fail_count(e.session, DATA_GFN, 1) ? -EFAULT : -EINTR;
		TEST_ASSERT_EQ(run_join(thread), r);
		n_failed += r == -EFAULT;
	}
	pr_debug("%d of %d were failed\n", n_failed, i);
	env_destroy(&e);
}

void test_fail(void)
{
	fail_once();
	fail_some();
	fail_kvm_access();
	fail_and_signal();
}

/* Where nobody waits there is nothing to fail. */
void test_fail_nobody(void)
{
	struct env e = env_at(KVM_DP_MODE_EXIT, 0);
	uint64_t n_failed;

	TEST_ASSERT_EQ(fail_count(e.session, 0, 1ull << 40), 0);
	assert_missing_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), DATA_GFN);
	TEST_ASSERT_EQ(fail_count(e.session, DATA_GFN, 1), 0);
	assert_missing_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), DATA_GFN);

	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_FREEZE, 0), 0);
	TEST_ASSERT_EQ(fail_count(e.session, DATA_GFN, 1), 0);
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_THAW, 0), 0);

	kvm_vm_free(e.vm);
	EXPECT_ERRNO(fail(e.session, DATA_GFN, 1, &n_failed), ENODEV);
	close(e.session);
	close(e.control);
}
