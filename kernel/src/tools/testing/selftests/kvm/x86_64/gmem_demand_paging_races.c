// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging on guest_memfd: pages that go while somebody uses them, and
 * come while somebody begins to wait.
 */
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "apic.h"
#include "gmem_demand_paging_own.h"

static int n_waiters(int fd)
{
	struct kvm_dp_query q = {};

	TEST_ASSERT_EQ(ioctl(fd, KVM_DP_QUERY, &q), 0);
	return q.n_waiters;
}

/* Until so many vCPUs are asleep. */
static void wait_for_waiters(int fd, int n)
{
	int i;

	for (i = 0; n_waiters(fd) != n; i++) {
		TEST_ASSERT(i < LIMIT_S * 1000, "%d vCPUs wait, not %d", n_waiters(fd), n);
		usleep(1000);
	}
}

static struct kvm_dp_event event_in_time(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	TEST_ASSERT(poll(&pfd, 1, LIMIT_S * 1000) == 1, "no event");
	return read_event(fd);
}

/* Two vCPUs, the first to come leads. */
static struct kvm_vcpu *second_vcpu(struct env *e, pthread_t *threads)
{
	struct kvm_vcpu *second = vm_vcpu_add(e->vm, 1, guest_reread);

	threads[0] = run_start(e->vcpu);
	wait_for_waiters(e->control, 1);
	threads[1] = run_start(second);
	wait_for_waiters(e->control, 2);
	return second;
}

/* Whose page is wanted by another as well may leave: the pager hears of it. */
static void leader_leaves(bool reported)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reread);
	int other = session_new(e.control, PAGER_RIGHTS);
	struct kvm_vcpu *second;
	pthread_t threads[2];

	second = second_vcpu(&e, threads);
	if (reported)
		TEST_ASSERT_EQ(event_in_time(other).vcpu_id, 0);
	pthread_kill(threads[0], SIGUSR1);
	TEST_ASSERT_EQ(run_join(threads[0]), -EINTR);
	wait_for_waiters(e.control, 1);

	/* What was read by a session that goes is reported again. */
	close(other);
	TEST_ASSERT_EQ(event_in_time(e.session).vcpu_id, 1);
	populate(e.session, DATA_GFN, 5);
	TEST_ASSERT(join_in_time(threads[1]), "the page is there and nobody was woken");
	assert_sync(second, 5);
	env_destroy(&e);
}

void test_leader_leaves(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &sa, NULL);
	leader_leaves(false);
	leader_leaves(true);
}

/*
 * All are asleep when the last session goes.  A vCPU is kicked for its clock 100 ms
 * after it has come to a CPU, which would wake it as well.
 */
static void fail_closed_asleep(bool two)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reread);
	int other = session_new(e.control, KVM_DP_RIGHT_EVENTS);
	struct kvm_vcpu *second = NULL;
	pthread_t threads[2];

	if (two)
		second = second_vcpu(&e, threads);
	else
		threads[0] = run_start(e.vcpu);
	wait_for_waiters(e.control, 1 + two);
	close(other);
	usleep(400000);
	TEST_ASSERT_EQ(n_waiters(e.control), 1 + two);

	close(e.session);
	e.session = -1;
	TEST_ASSERT(join_in_time(threads[0]), "asleep, and nobody could bring the page");
	assert_missing_exit(e.vcpu, -EFAULT, DATA_GFN);
	if (two) {
		TEST_ASSERT(join_in_time(threads[1]), "asleep, the first one is not");
		assert_missing_exit(second, -EFAULT, DATA_GFN);
	}
	env_destroy(&e);
}

void test_fail_closed_asleep(void)
{
	fail_closed_asleep(false);
	fail_closed_asleep(true);
}

/* A VM that is dead has nothing to wait for: SMM without memory for its state. */
void test_vm_dead(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reread);
	struct kvm_vcpu *second = vm_vcpu_add(e.vm, 1, guest_reread);
	pthread_t thread = run_start(e.vcpu);

	wait_for_waiters(e.control, 1);
	usleep(400000);
	vcpu_ioctl(second, KVM_SMI, NULL);
	TEST_ASSERT_EQ((intptr_t)run_thread(second), -EIO);
	TEST_ASSERT(join_in_time(thread), "asleep, and the VM is dead");
	EXPECT_ERRNO(ioctl(e.session, KVM_DP_FREEZE, 0), ENODEV);
	EXPECT_ERRNO(mark(e.session, DATA_GFN, 1, KVM_DP_MARK_MISSING), ENODEV);
	EXPECT_ERRNO(session_new(e.control, KVM_DP_RIGHT_QUERY), ENODEV);
	close(e.session);
	close(e.control);
	kvm_vm_release(e.vm);		/* it would not let its memslots be deleted */
}

#define N_TOUCHED	300

static uint64_t guest_at;

static void guest_toucher(void)
{
	uint64_t i;

	for (i = 0; i < N_TOUCHED; i++) {
		WRITE_ONCE(guest_at, i);
		GUEST_ASSERT_EQ(*(volatile uint8_t *)OWN_GPA(i), (uint8_t)(i + 1));
	}
	GUEST_SYNC(1);
}

/* The page comes unasked, at any time from the access to the sleep. */
void test_came_meanwhile(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_toucher);
	uint64_t *at = addr_gva2hva(e.vm, (uintptr_t)&guest_at), i;
	pthread_t thread = run_start(e.vcpu);
	time_t start = time(NULL);

	for (i = 0; i < N_TOUCHED; i++) {
		while (READ_ONCE(*at) != i)
			TEST_ASSERT(time(NULL) - start < 3 * LIMIT_S,
				    "page %lu was brought and its waiter not woken", i - 1);
		if (i & 1)
			usleep(i * 7 % 500);
		populate(e.session, DATA_GFN + i, i + 1);
	}
	TEST_ASSERT(join_in_time(thread), "the last page was brought");
	assert_sync(e.vcpu, 1);
	env_destroy(&e);
}

#define N_MARKS		200

static void guest_counter(void)
{
	for (;;)
		(*(volatile uint64_t *)OWN_GPA(0))++;
}

/* KVM counts, in the version of the wall clock. */
static void guest_kvm_counter(void)
{
	for (;;)
		wrmsr(MSR_KVM_WALL_CLOCK_NEW, OWN_GPA(0));
}

/* Once marking has returned, nobody writes the page any more. */
void own_counts_no_more(void *guest_code)
{
	struct own *o = own_create(true, false, guest_code);
	volatile uint32_t *count = addr_gpa2hva(o->e.vm, OWN_GPA(0));
	pthread_t thread = run_start(o->e.vcpu);
	uint32_t before;
	int i;

	for (i = 0; i < N_MARKS; i++) {
		before = *count;
		TEST_ASSERT_EQ(mark(o->e.session, DATA_GFN, 1, KVM_DP_MARK_PRESENT), 0);
		while (*count == before)
			sched_yield();
		if (i & 1)
			usleep(i);
		TEST_ASSERT_EQ(mark(o->e.session, DATA_GFN, 1, KVM_DP_MARK_MISSING), 0);
		before = *count;
		usleep(1000);
		TEST_ASSERT(*count == before, "written after it was marked, round %d", i);
	}
	close(o->e.session);
	o->e.session = -1;
	TEST_ASSERT(join_in_time(thread), "KVM_RUN does not end");
	own_destroy(o);
}

void test_counts_no_more(void)
{
	own_counts_no_more(guest_counter);
	own_counts_no_more(guest_kvm_counter);
}

static void guest_never_zero(void)
{
	for (;;)
		GUEST_ASSERT_EQ(*(volatile uint8_t *)OWN_GPA(0), 0x33);
}

/* A page is evicted in one step: the guest does not see it empty. */
void test_evict_at_once(void)
{
	struct own *o = own_create(true, true, guest_never_zero);
	pthread_t thread = run_start(o->e.vcpu);
	struct ucall uc;
	int i;

	for (i = 0; i < N_MARKS; i++) {
		TEST_ASSERT_EQ(event_in_time(o->e.session).gfn, DATA_GFN);
		populate(o->e.session, DATA_GFN, 0x33);
		usleep(i);
		own_evict(o, DATA_GFN);
		if (!pthread_tryjoin_np(thread, NULL)) {
			if (get_ucall(o->e.vcpu, &uc) == UCALL_ABORT)
				REPORT_GUEST_ASSERT(uc);
			TEST_FAIL("KVM_RUN ended");
		}
	}
	close(o->e.session);
	o->e.session = -1;
	TEST_ASSERT(join_in_time(thread), "KVM_RUN does not end");
	own_destroy(o);
}

static void *run_until_present(void *arg)
{
	intptr_t ret;

	do {
		ret = (intptr_t)run_thread(arg);
	} while (ret == -EFAULT);
	return (void *)ret;
}

/* A page that is discarded was there once: the guest sees zeros, never that. */
void test_discard_at_once(void)
{
	struct env e = env_create(KVM_DP_MODE_EXIT, guest_reread);
	struct kvm_dp_discard d = { .gfn = DATA_GFN, .n_pages = 1 };
	pthread_t thread;
	int i;

	for (i = 0; i < N_MARKS; i++) {
		populate(e.session, DATA_GFN, 0x44);
		TEST_ASSERT_EQ(mark(e.session, DATA_GFN, 1, KVM_DP_MARK_MISSING), 0);
		TEST_ASSERT_EQ(pthread_create(&thread, NULL, run_until_present, e.vcpu), 0);
		usleep(i);
		TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_DISCARD, &d), 0);
		TEST_ASSERT_EQ(run_join(thread), 0);
		assert_sync(e.vcpu, 0);
		own_evict(&(struct own) { .e = e, .private = true }, DATA_GFN);
	}
	env_destroy(&e);
}

static struct {
	bool stop;
	int session;
	uint64_t gfn;
	pthread_t thread;
} toggle;

static void *toggler(void *unused)
{
	unsigned int i;

	for (i = 0; !READ_ONCE(toggle.stop); i++) {
		TEST_ASSERT_EQ(mark(toggle.session, toggle.gfn, 1, KVM_DP_MARK_MISSING), 0);
		usleep(i * 13 % 300);
		TEST_ASSERT_EQ(mark(toggle.session, toggle.gfn, 1, KVM_DP_MARK_PRESENT), 0);
		usleep(i * 7 % 300);
	}
	return NULL;
}

void own_toggle(struct own *o, uint64_t gfn)
{
	toggle.stop = false;
	toggle.session = o->e.session;
	toggle.gfn = gfn;
	TEST_ASSERT_EQ(pthread_create(&toggle.thread, NULL, toggler, NULL), 0);
}

void own_toggle_end(void)
{
	WRITE_ONCE(toggle.stop, true);
	TEST_ASSERT_EQ(pthread_join(toggle.thread, NULL), 0);
}

#define N_STEALS	2000

static void guest_steal(void)
{
	volatile uint32_t *version = (void *)(OWN_GPA(0) + 8);
	uint32_t before;
	int i;

	for (i = 0; i < N_STEALS; i++) {
		before = *version;
		wrmsr(MSR_KVM_STEAL_TIME, OWN_GPA(0) | 1);
		GUEST_ASSERT(*version != before);
		GUEST_ASSERT(!(*version & 1));
	}
	GUEST_SYNC(1);
}

/* Steal time is written when the guest asks for it, whatever becomes of its page. */
void test_own_steal(void)
{
	struct own *o = own_create(true, false, guest_steal);
	struct ucall uc;

	memset(addr_gpa2hva(o->e.vm, OWN_GPA(0)), 0, 4096);
	own_toggle(o, DATA_GFN);
	TEST_ASSERT_EQ((intptr_t)run_thread(o->e.vcpu), 0);
	own_toggle_end();
	if (get_ucall(o->e.vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);
	assert_sync(o->e.vcpu, 1);
	own_destroy(o);
}

/* Calls itself as often as RDI says; ends when CPUID's leaf 0 does not say ESI. */
static const uint8_t cpuid_code[] = {
	0x53,			/*    push %rbx */
	0x31, 0xc0,		/* 1: xor %eax, %eax */
	0x31, 0xc9,		/*    xor %ecx, %ecx */
	0x0f, 0xa2,		/*    cpuid */
	0x39, 0xf0,		/*    cmp %esi, %eax */
	0x75, 0x05,		/*    jne 2f */
	0x48, 0xff, 0xcf,	/*    dec %rdi */
	0x75, 0xf1,		/*    jne 1b */
	0x5b,			/* 2: pop %rbx */
	0x48, 0x89, 0xf8,	/*    mov %rdi, %rax */
	0xc3,			/*    ret */
};

#define N_CPUIDS	3000

static void guest_cpuid(void)
{
	uint32_t leaf, unused;

	__cpuid(0, 0, &leaf, &unused, &unused, &unused);
	GUEST_SYNC(((uint64_t (*)(uint64_t, uint64_t))OWN_GPA(0))(N_CPUIDS, leaf));
}

/*
 * The page of an instruction goes after the guest has left because of it.  Whether or
 * not KVM has to decode it to know its end, it is executed once.
 */
void test_own_skipped(void)
{
	struct own *o = own_create(true, false, guest_cpuid);

	memcpy(addr_gpa2hva(o->e.vm, OWN_GPA(0)), cpuid_code, sizeof(cpuid_code));
	own_toggle(o, DATA_GFN);
	TEST_ASSERT_EQ((intptr_t)run_thread(o->e.vcpu), 0);
	own_toggle_end();
	assert_sync(o->e.vcpu, 0);
	own_destroy(o);
}

#define N_IRQS		200
#define IRQ_VECTOR	0x31
#define APIC_ISR	0x100

static volatile uint32_t guest_irq, guest_go;

static bool guest_in_service(void)
{
	return x2apic_read_reg(APIC_ISR + IRQ_VECTOR / 32 * 0x10) & BIT(IRQ_VECTOR % 32);
}

/* The VMM takes the page away meanwhile; that is not the end of the interrupt. */
static void guest_on_irq(struct ex_regs *regs)
{
	uint8_t done;

	guest_irq++;
	while (guest_go != guest_irq)
		cpu_relax();
	GUEST_ASSERT(guest_in_service());
	asm volatile("lock btrl $0, %0; setc %1"
		     : "+m"(*(uint32_t *)OWN_GPA(0)), "=r"(done));
	if (!done)
		x2apic_write_reg(APIC_EOI, 0);
}

static void guest_irqs(void)
{
	uint32_t i;

	x2apic_enable();
	wrmsr(MSR_KVM_PV_EOI_EN, OWN_GPA(0) | 1);
	for (i = 0; i < N_IRQS; i++) {
		(void)READ_ONCE(*(uint32_t *)OWN_GPA(0));
		x2apic_write_reg(APIC_ICR, APIC_DEST_SELF | APIC_DM_FIXED | IRQ_VECTOR);
		while (guest_irq != i + 1)
			asm volatile("sti; nop; cli" ::: "memory");
		GUEST_ASSERT(!guest_in_service());
	}
	GUEST_SYNC(1);
}

/* The page with the end of an interrupt goes while the interrupt is served. */
void test_own_eoi_gone(void)
{
	struct own *o = own_create(true, false, guest_irqs);
	uint32_t *irq = addr_gva2hva(o->e.vm, (uintptr_t)&guest_irq);
	uint32_t *go = addr_gva2hva(o->e.vm, (uintptr_t)&guest_go), i;
	struct ucall uc;
	pthread_t thread;

	memset(addr_gpa2hva(o->e.vm, OWN_GPA(0)), 0, 4096);
	vm_install_exception_handler(o->e.vm, IRQ_VECTOR, guest_on_irq);
	TEST_ASSERT_EQ(mark(o->e.session, DATA_GFN, 1, KVM_DP_MARK_PRESENT), 0);
	thread = run_start(o->e.vcpu);
	for (i = 0; i < N_IRQS; i++) {
		while (READ_ONCE(*irq) == i && pthread_tryjoin_np(thread, NULL))
			sched_yield();
		if (READ_ONCE(*irq) == i)
			break;
		TEST_ASSERT_EQ(mark(o->e.session, DATA_GFN, 1, KVM_DP_MARK_MISSING), 0);
		usleep(300);
		TEST_ASSERT_EQ(mark(o->e.session, DATA_GFN, 1, KVM_DP_MARK_PRESENT), 0);
		WRITE_ONCE(*go, i + 1);
	}
	if (i == N_IRQS)
		TEST_ASSERT(join_in_time(thread), "KVM_RUN does not end");
	if (get_ucall(o->e.vcpu, &uc) == UCALL_ABORT)
		REPORT_GUEST_ASSERT(uc);
	assert_sync(o->e.vcpu, 1);
	own_destroy(o);
}

#define N_RINGS		20
#define DOORBELL_GPA	0xd8000000ull

/* Nothing of this leaves the guest, up to the doorbell. */
static void guest_on_ring(struct ex_regs *regs)
{
	guest_irq++;
	while (guest_go != guest_irq)
		cpu_relax();
	*(volatile uint32_t *)DOORBELL_GPA = 1;
	if (!(*(volatile uint32_t *)OWN_GPA(0) & 1))
		x2apic_write_reg(APIC_EOI, 0);
}

static void guest_ring(void)
{
	x2apic_enable();
	/* What the handler needs is mapped when it matters. */
	guest_go = 1;
	x2apic_write_reg(APIC_ICR, APIC_DEST_SELF | APIC_DM_FIXED | IRQ_VECTOR);
	while (guest_irq != 1)
		asm volatile("sti; nop; cli" ::: "memory");
	GUEST_SYNC(1);
	wrmsr(MSR_KVM_PV_EOI_EN, OWN_GPA(0) | 1);
	x2apic_write_reg(APIC_ICR, APIC_DEST_SELF | APIC_DM_FIXED | IRQ_VECTOR);
	while (guest_irq != 2)
		asm volatile("sti; nop; cli" ::: "memory");
	GUEST_SYNC(2);
}

static void rung_once(void)
{
	struct own *o = own_create(true, false, guest_ring);
	struct kvm_ioeventfd doorbell = {
		.addr = DOORBELL_GPA, .len = 4, .fd = eventfd(0, 0),
	};
	uint32_t *irq = addr_gva2hva(o->e.vm, (uintptr_t)&guest_irq);
	uint32_t *go = addr_gva2hva(o->e.vm, (uintptr_t)&guest_go);
	pthread_t thread;
	eventfd_t rung;

	memset(addr_gpa2hva(o->e.vm, OWN_GPA(0)), 0, 4096);
	virt_pg_map(o->e.vm, DOORBELL_GPA, DOORBELL_GPA);
	vm_ioctl(o->e.vm, KVM_IOEVENTFD, &doorbell);
	vm_install_exception_handler(o->e.vm, IRQ_VECTOR, guest_on_ring);
	TEST_ASSERT_EQ(mark(o->e.session, DATA_GFN, 1, KVM_DP_MARK_PRESENT), 0);
	TEST_ASSERT_EQ((intptr_t)run_thread(o->e.vcpu), 0);
	assert_sync(o->e.vcpu, 1);

	/* Unmap the page, so that marking it below does not kick the guest. */
	TEST_ASSERT_EQ(mark(o->e.session, DATA_GFN, 1, KVM_DP_MARK_MISSING), 0);
	TEST_ASSERT_EQ(mark(o->e.session, DATA_GFN, 1, KVM_DP_MARK_PRESENT), 0);
	thread = run_start(o->e.vcpu);
	while (READ_ONCE(*irq) != 2)
		sched_yield();
	TEST_ASSERT_EQ(mark(o->e.session, DATA_GFN, 1, KVM_DP_MARK_MISSING), 0);
	WRITE_ONCE(*go, 2);
	TEST_ASSERT_EQ(event_in_time(o->e.session).gfn, DATA_GFN);
	TEST_ASSERT_EQ(mark(o->e.session, DATA_GFN, 1, KVM_DP_MARK_PRESENT), 0);
	TEST_ASSERT(join_in_time(thread), "KVM_RUN does not end");
	assert_sync(o->e.vcpu, 2);
	TEST_ASSERT_EQ(eventfd_read(doorbell.fd, &rung), 0);
	TEST_ASSERT_EQ(rung, 2);
	close(doorbell.fd);
	own_destroy(o);
}

/* A page that KVM looks for when the guest exits does not make it exit twice. */
void test_own_rung_once(void)
{
	int i;

	for (i = 0; i < N_RINGS; i++)
		rung_once();
}
