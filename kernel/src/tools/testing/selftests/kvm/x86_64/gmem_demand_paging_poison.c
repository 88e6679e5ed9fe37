// SPDX-License-Identifier: GPL-2.0-only
/* KVM demand paging on guest_memfd: pages that will not come for good. */
#include "gmem_demand_paging_env.h"

#define FAR_GFN		BIT_ULL(30)	/* without a memslot */

static int poison(int fd, uint64_t gfn, uint64_t n, uint32_t flags, uint64_t *n_changed)
{
	struct kvm_dp_poison args = { .gfn = gfn, .n_pages = n, .flags = flags };
	int r = ioctl(fd, KVM_DP_POISON, &args);

	*n_changed = args.n_changed;
	return r;
}

static void poison_set(int fd, uint64_t gfn, uint64_t n, uint64_t want)
{
	uint64_t n_changed;

	TEST_ASSERT_EQ(poison(fd, gfn, n, KVM_DP_POISON_SET, &n_changed), 0);
	TEST_ASSERT_EQ(n_changed, want);
}

static void poison_clear(int fd, uint64_t gfn, uint64_t n, uint64_t want)
{
	uint64_t n_changed;

	TEST_ASSERT_EQ(poison(fd, gfn, n, KVM_DP_POISON_CLEAR, &n_changed), 0);
	TEST_ASSERT_EQ(n_changed, want);
}

static int poison_error(int fd, uint64_t gfn, uint64_t n, uint32_t flags)
{
	uint64_t n_changed;
	int r = poison(fd, gfn, n, flags, &n_changed);

	TEST_ASSERT_EQ(n_changed, 0);
	return r;
}

static uint32_t n_poisoned(int fd)
{
	struct kvm_dp_query q = {};

	TEST_ASSERT_EQ(ioctl(fd, KVM_DP_QUERY, &q), 0);
	return q.n_poisoned;
}

static void refused_arguments(struct env *e)
{
	const struct kvm_dp_poison good = {
		.gfn = DATA_GFN, .n_pages = 1, .flags = KVM_DP_POISON_SET,
	};
	struct kvm_dp_poison bad[] = {
		good, good, good, good, good, good, good, good, good,
	};
	int session, i;

	bad[0].flags = 0;
	bad[1].flags = KVM_DP_POISON_SET | KVM_DP_POISON_CLEAR;
	bad[2].flags = KVM_DP_POISON_SET | 4;
	bad[3].pad = 1;
	bad[4].reserved[0] = 1;
	bad[5].reserved[1] = 1;
	bad[6].n_pages = 0;
	bad[7].gfn = 1ull << 40;
	bad[8].n_pages = 1ull << 40;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_ERRNO(ioctl(e->session, KVM_DP_POISON, &bad[i]), EINVAL);
	EXPECT_ERRNO(ioctl(e->session, KVM_DP_POISON, NULL), EFAULT);

	session = session_new(e->control, ALL_RIGHTS & ~KVM_DP_RIGHT_FAIL);
	bad[0] = good;
	EXPECT_ERRNO(ioctl(session, KVM_DP_POISON, &bad[0]), EPERM);
	close(session);
	TEST_ASSERT_EQ(n_poisoned(e->session), 0);
}

/* No more than KVM_DP_MAX_POISONED, of which those that are poisoned count once. */
static void refused_too_many(struct env *e)
{
	const uint64_t max = KVM_DP_MAX_POISONED;
	int fd = e->session;

	EXPECT_ERRNO(poison_error(fd, FAR_GFN, max + 1, KVM_DP_POISON_SET), ENOSPC);
	poison_set(fd, FAR_GFN + 1, max - 1, max - 1);
	EXPECT_ERRNO(poison_error(fd, FAR_GFN, max + 1, KVM_DP_POISON_SET), ENOSPC);
	EXPECT_ERRNO(poison_error(fd, DATA_GFN, 2, KVM_DP_POISON_SET), ENOSPC);
	TEST_ASSERT_EQ(n_missing(fd), DATA_NPAGES + max - 1);

	poison_set(fd, FAR_GFN, max, 1);
	poison_set(fd, FAR_GFN, max, 0);
	EXPECT_ERRNO(poison_error(fd, DATA_GFN, 1, KVM_DP_POISON_SET), ENOSPC);
	TEST_ASSERT_EQ(n_poisoned(fd), max);
	TEST_ASSERT_EQ(n_missing(fd), DATA_NPAGES + max);

	poison_clear(fd, FAR_GFN + 7, 1, 1);
	poison_set(fd, DATA_GFN, 1, 1);
	poison_clear(fd, 0, (1ull << 40) - 1, max);
	TEST_ASSERT_EQ(n_poisoned(fd), 0);
	TEST_ASSERT_EQ(n_missing(fd), DATA_NPAGES + max);
	TEST_ASSERT_EQ(mark(fd, FAR_GFN, max, KVM_DP_MARK_PRESENT), 0);
}

void test_poison_refusals(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	uint64_t n_changed;

	TEST_ASSERT(vm_check_cap(e.vm, KVM_CAP_DEMAND_PAGING) & KVM_DP_CAP_POISON,
		    "no KVM_DP_CAP_POISON");
	refused_arguments(&e);
	refused_too_many(&e);

	poison_set(e.control, DATA_GFN, 1, 1);
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_FREEZE, 0), 0);
	EXPECT_ERRNO(poison_error(e.session, DATA_GFN + 1, 1, KVM_DP_POISON_SET), EBUSY);
	EXPECT_ERRNO(poison_error(e.session, DATA_GFN, 1, KVM_DP_POISON_CLEAR), EBUSY);
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_THAW, 0), 0);
	TEST_ASSERT_EQ(n_poisoned(e.session), 1);

	/* It keeps a VM paged, and goes with it. */
	poison_set(e.control, FAR_GFN, 1, 1);
	vm_mem_set_shared(e.vm, DATA_GPA, DATA_NPAGES * 4096);
	TEST_ASSERT_EQ(mark(e.session, DATA_GFN + 1, DATA_NPAGES - 1,
			    KVM_DP_MARK_PRESENT), 0);
	close(e.session);
	EXPECT_ERRNO(enable(e.vm, KVM_DP_DISABLE), EBUSY);
	poison_clear(e.control, 0, 1ull << 35, 2);
	TEST_ASSERT_EQ(mark(e.control, DATA_GFN, 1, KVM_DP_MARK_PRESENT), 0);
	TEST_ASSERT_EQ(mark(e.control, FAR_GFN, 1, KVM_DP_MARK_PRESENT), 0);
	TEST_ASSERT_EQ(enable(e.vm, KVM_DP_DISABLE), 0);
	EXPECT_ERRNO(poison(e.control, DATA_GFN, 1, KVM_DP_POISON_SET, &n_changed),
		     ENODEV);
	e.session = -1;
	env_destroy(&e);
}

/* The page that the guest reads next. */
static uint64_t wanted;

static void guest_read_wanted(void)
{
	for (;;)
		GUEST_SYNC(*(volatile uint8_t *)(DATA_GVA + READ_ONCE(wanted) * 4096));
}

/* The guest, wherever it is, forgets that and reads a page. */
static int read_page(struct env *e, const struct kvm_regs *start, uint64_t page)
{
	struct kvm_regs regs = *start;

	wanted = page;
	sync_global_to_guest(e->vm, wanted);
	vcpu_regs_set(e->vcpu, &regs);
	return (intptr_t)run_thread(e->vcpu);
}

/* One page of many, present or not: an exit at once, others are as ever. */
static void poison_one(uint64_t mode, bool present)
{
	struct env e = env_create(mode, guest_read_wanted);
	const uint64_t page = 600, gfn = DATA_GFN + page;
	struct kvm_regs start;
	int i;

	vcpu_regs_get(e.vcpu, &start);
	for (i = -1; i <= 1; i++) {
		if (i || present)
			populate(e.session, gfn + i, 0x40 + i);
	}
	if (present) {
		TEST_ASSERT_EQ(read_page(&e, &start, page), 0);
		assert_sync(e.vcpu, 0x40);
	}
	poison_set(e.session, gfn, 1, 1);
	for (i = 0; i < 3; i++) {
		assert_failed_exit(e.vcpu, read_page(&e, &start, page), -EHWPOISON, gfn);
		assert_failed_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), -EHWPOISON, gfn);
		TEST_ASSERT(!has_event(e.session), "an event for a poisoned page");
		TEST_ASSERT_EQ(read_page(&e, &start, page - 1), 0);
		assert_sync(e.vcpu, 0x3f);
		TEST_ASSERT_EQ(read_page(&e, &start, page + 1), 0);
		assert_sync(e.vcpu, 0x41);
	}

	poison_clear(e.session, gfn, 1, 1);
	populate(e.session, gfn, 0x77);
	TEST_ASSERT_EQ(read_page(&e, &start, page), 0);
	assert_sync(e.vcpu, 0x77);
	env_destroy(&e);
}

/* Who waits for it is told. */
static void poison_waiter(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	pthread_t thread;
	int i;

	for (i = 0; i < 2; i++) {
		thread = run_start(e.vcpu);
		TEST_ASSERT_EQ(read_event(e.session).gfn, DATA_GFN);
		poison_set(e.session, DATA_GFN, 16, 16);
		assert_failed_exit(e.vcpu, run_join(thread), -EHWPOISON, DATA_GFN);
		assert_failed_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), -EHWPOISON,
				   DATA_GFN);
		TEST_ASSERT(!has_event(e.session), "an event for a poisoned page");
		poison_clear(e.session, DATA_GFN, 16, 16);
	}
	thread = run_start(e.vcpu);
	TEST_ASSERT_EQ(read_event(e.session).gfn, DATA_GFN);
	populate(e.session, DATA_GFN, 5);
	TEST_ASSERT_EQ(run_join(thread), 0);
	assert_sync(e.vcpu, 5);
	env_destroy(&e);
}

#define N_RACES		100

/*
 * A vCPU comes at any time of poisoning: it never sleeps through it.  If the page is
 * there, it gets that or the poison, and never has to ask for it.
 */
static void poison_race(bool present)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_read_wanted);
	int fd = vcpu_get_stats_fd(e.vcpu), i, r;
	struct kvm_regs start, regs;
	pthread_t thread;

	vcpu_regs_get(e.vcpu, &start);
	for (i = 0; i < N_RACES; i++) {
		if (present)
			populate(e.session, DATA_GFN, 0x11);
		regs = start;
		vcpu_regs_set(e.vcpu, &regs);
		thread = run_start(e.vcpu);
		usleep(i * 20);
		poison_set(e.session, DATA_GFN, 1, 1);
		TEST_ASSERT(join_in_time(thread), "a vCPU sleeps beside a poisoned page");
		r = e.vcpu->run->exit_reason;
		TEST_ASSERT(r == KVM_EXIT_MEMORY_FAULT || (present && r == KVM_EXIT_IO),
			    "%s", exit_reason_str(r));
		poison_clear(e.session, DATA_GFN, 1, 1);
	}
	if (present)
		TEST_ASSERT_EQ(stat_get(fd, "dp_waits"), 0);
	close(fd);
	env_destroy(&e);
}

#define N_TOGGLED_EXITS	100

struct toggled {
	struct env env;
	int n_exits;
};

/* So often that some exits come between the two. */
static void *toggle_thread(void *arg)
{
	struct toggled *t = arg;

	while (READ_ONCE(t->n_exits) < N_TOGGLED_EXITS) {
		poison_set(t->env.session, DATA_GFN, 1, 1);
		poison_clear(t->env.session, DATA_GFN, 1, 1);
	}
	populate(t->env.session, DATA_GFN, 9);
	return NULL;
}

/* Who does not wait because of it says so, though it is cleared by then. */
static void poison_toggled(void)
{
	struct toggled t = { .env = env_create(KVM_DP_MODE_WAIT, guest_reader) };
	struct kvm_run *run = t.env.vcpu->run;
	pthread_t thread;

	TEST_ASSERT_EQ(pthread_create(&thread, NULL, toggle_thread, &t), 0);
	while (run_thread(t.env.vcpu)) {
		TEST_ASSERT_EQ(run->exit_reason, KVM_EXIT_MEMORY_FAULT);
		TEST_ASSERT_EQ(run->memory_fault.flags, KVM_MEMORY_EXIT_FLAG_MISSING |
			       KVM_MEMORY_EXIT_FLAG_PRIVATE | KVM_MEMORY_EXIT_FLAG_FAILED);
		WRITE_ONCE(t.n_exits, t.n_exits + 1);
	}
	assert_sync(t.env.vcpu, 9);
	TEST_ASSERT(t.n_exits >= N_TOGGLED_EXITS, "%d exits", t.n_exits);
	TEST_ASSERT_EQ(pthread_join(thread, NULL), 0);
	env_destroy(&t.env);
}

void test_poison(void)
{
	poison_one(KVM_DP_MODE_EXIT, false);
	poison_one(KVM_DP_MODE_EXIT, true);
	poison_one(KVM_DP_MODE_WAIT, false);
	poison_one(KVM_DP_MODE_WAIT, true);
	poison_waiter();
	poison_race(false);
	poison_race(true);
	poison_toggled();
}

static void assert_stopped(int fd, unsigned long op, struct kvm_dp_vec vec,
			   uint64_t n_done)
{
	EXPECT_ERRNO(transfer(fd, op, &vec), EIO);
	TEST_ASSERT_EQ(vec.result, KVM_DP_POISONED);
	TEST_ASSERT_EQ(vec.n_done, n_done);
}

static void assert_poisoned(int fd, uint64_t gfn, uint64_t n, uint64_t bits)
{
	struct kvm_dp_query q = { .flags = KVM_DP_QUERY_POISONED };
	uint64_t seen;

	q.gfn = gfn;
	q.n_pages = n;
	q.bitmap = (uintptr_t)&seen;
	TEST_ASSERT_EQ(ioctl(fd, KVM_DP_QUERY, &q), 0);
	TEST_ASSERT_EQ(seen, bits);
	TEST_ASSERT_EQ(q.n_set, __builtin_popcountll(bits));
}

/* Nothing but clearing it ends it, and nothing else makes the page present. */
void test_poison_sticks(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reader);
	static uint8_t pages[8 * 4096] __aligned(4096);
	const struct kvm_dp_vec data = {
		.gfn = DATA_GFN, .n_pages = 8, .addr = (uintptr_t)pages,
	};
	const struct kvm_dp_vec zero = {
		.gfn = DATA_GFN + 8, .n_pages = 8, .flags = KVM_DP_VEC_ZERO,
	};
	struct kvm_dp_discard d = { .gfn = DATA_GFN, .n_pages = 16 };

	poison_set(e.session, DATA_GFN + 3, 1, 1);
	poison_set(e.session, DATA_GFN + 8 + 5, 1, 1);
	assert_stopped(e.session, KVM_DP_POPULATE, data, 3);
	assert_stopped(e.session, KVM_DP_POPULATE, zero, 5);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES - 8);
	assert_poisoned(e.session, DATA_GFN, 64, 1 << 3 | 1 << 13);

	EXPECT_ERRNO(ioctl(e.session, KVM_DP_DISCARD, &d), EHWPOISON);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES - 8);
	d.flags = KVM_DP_DISCARD_EVICT;
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_DISCARD, &d), 0);
	TEST_ASSERT_EQ(mark(e.session, DATA_GFN, 16, KVM_DP_MARK_MISSING), 0);
	vm_mem_set_shared(e.vm, DATA_GPA, 16 * 4096);
	EXPECT_ERRNO(mark(e.session, DATA_GFN, 16, KVM_DP_MARK_PRESENT), EHWPOISON);
	TEST_ASSERT_EQ(n_missing(e.session), DATA_NPAGES);
	vm_mem_set_private(e.vm, DATA_GPA, 16 * 4096);
	assert_poisoned(e.session, DATA_GFN, 64, 1 << 3 | 1 << 13);

	/* Who saves the VM learns of it. */
	assert_stopped(e.session, KVM_DP_POPULATE, data, 3);
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_FREEZE, 0), 0);
	assert_stopped(e.session, KVM_DP_EXTRACT, data, 3);
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_THAW, 0), 0);

	/* What a session poisoned stays when that session goes. */
	close(e.session);
	e.session = session_new(e.control, ALL_RIGHTS);
	TEST_ASSERT_EQ(n_poisoned(e.session), 2);
	env_destroy(&e);
}

/* Without a vCPU that runs there is an error; kvmclock: the vCPU exits. */
static void poison_clock(uint64_t mode)
{
	struct env e = env_create(mode, guest_reader);
	struct kvm_pre_fault_memory range = { .gpa = DATA_GPA + 0x100000, .size = 4096 };
	const uint64_t gfn = DATA_GFN + 0x100;

	populate(e.session, DATA_GFN, 1);
	populate(e.session, gfn, 0);
	vcpu_set_msr(e.vcpu, MSR_KVM_SYSTEM_TIME_NEW, (gfn << 12) | 1);
	poison_set(e.session, gfn, 1, 1);
	EXPECT_ERRNO(__vcpu_ioctl(e.vcpu, KVM_PRE_FAULT_MEMORY, &range), EHWPOISON);
	assert_failed_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), -EHWPOISON, gfn);
	assert_failed_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), -EHWPOISON, gfn);
	TEST_ASSERT(!has_event(e.session), "an event for a poisoned page");

	poison_clear(e.session, gfn, 1, 1);
	populate(e.session, gfn, 0);
	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	assert_sync(e.vcpu, 1);
	assert_clock_written(&e, gfn);
	env_destroy(&e);
}

static void guest_outs(void)
{
	uint64_t from = DATA_GVA;

	for (;;)
		asm volatile("outsb" : "+S"(from) : "d"((uint16_t)0x80) : "memory");
}

/* The emulator reads an operand. */
static void poison_operand(uint64_t mode)
{
	struct env e = env_create(mode, guest_outs);
	struct kvm_run *run = e.vcpu->run;

	poison_set(e.session, DATA_GFN, 1, 1);
	assert_failed_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), -EHWPOISON, DATA_GFN);
	assert_failed_exit(e.vcpu, (intptr_t)run_thread(e.vcpu), -EHWPOISON, DATA_GFN);
	poison_clear(e.session, DATA_GFN, 1, 1);
	populate(e.session, DATA_GFN, 0x5a);
	TEST_ASSERT_EQ((intptr_t)run_thread(e.vcpu), 0);
	TEST_ASSERT_EQ(run->exit_reason, KVM_EXIT_IO);
	TEST_ASSERT_EQ(*((uint8_t *)run + run->io.data_offset), 0x5a);
	env_destroy(&e);
}

static int set_xen_shinfo(struct env *e, uint64_t gfn)
{
	struct kvm_xen_hvm_attr attr = {
		.type = KVM_XEN_ATTR_TYPE_SHARED_INFO, .u.shared_info.gfn = gfn,
	};

	return __vm_ioctl(e->vm, KVM_XEN_HVM_SET_ATTR, &attr);
}

/* An ioctl of the VM makes KVM access the page. */
static void poison_vm_ioctl(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	struct kvm_xen_hvm_config config = {};

	if (!(vm_check_cap(e.vm, KVM_CAP_XEN_HVM) & KVM_XEN_HVM_CONFIG_SHARED_INFO)) {
		ksft_print_msg("no Xen: its shared page is not tried\n");
		env_destroy(&e);
		return;
	}
	TEST_ASSERT_EQ(__vm_ioctl(e.vm, KVM_XEN_HVM_CONFIG, &config), 0);
	populate(e.session, DATA_GFN, 0);
	populate(e.session, DATA_GFN + 1, 0);
	TEST_ASSERT_EQ(set_xen_shinfo(&e, DATA_GFN + 1), 0);
	poison_set(e.session, DATA_GFN, 1, 1);
	EXPECT_ERRNO(set_xen_shinfo(&e, DATA_GFN), EFAULT);
	TEST_ASSERT(!has_event(e.session), "an event for a poisoned page");
	poison_clear(e.session, DATA_GFN, 1, 1);
	populate(e.session, DATA_GFN, 0);
	TEST_ASSERT_EQ(set_xen_shinfo(&e, DATA_GFN), 0);
	env_destroy(&e);
}

void test_poison_kvm_access(void)
{
	poison_clock(KVM_DP_MODE_EXIT);
	poison_clock(KVM_DP_MODE_WAIT);
	poison_operand(KVM_DP_MODE_EXIT);
	poison_operand(KVM_DP_MODE_WAIT);
	poison_vm_ioctl();
}
