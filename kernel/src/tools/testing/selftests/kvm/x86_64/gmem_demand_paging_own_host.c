// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging on guest_memfd: what KVM accesses for a VMM, for an irqfd, for
 * Xen's interfaces and while the VM is frozen, and dirty logs.
 */
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>

#include "gmem_demand_paging_own.h"

static void assert_no_event(struct own *o)
{
	struct pollfd pfd = { .fd = o->e.session, .events = POLLIN };

	TEST_ASSERT_EQ(poll(&pfd, 1, 0), 0);
}

/* Where nothing else is mapped, so that its page tables are its own. */
#define TABLES_GVA	0x700000000000ull

/* An ioctl does not wait, it finds nothing. */
static void translate(struct own *o)
{
	struct kvm_translation tr = { .linear_address = TABLES_GVA };
	uint64_t gfn;

	virt_pg_map(o->e.vm, TABLES_GVA, OWN_GPA(1));
	gfn = own_table_gfn(o->e.vm, TABLES_GVA, 2);
	vcpu_ioctl(o->e.vcpu, KVM_TRANSLATE, &tr);
	TEST_ASSERT_EQ(tr.valid, 1);
	TEST_ASSERT_EQ(tr.physical_address, OWN_GPA(1));

	TEST_ASSERT_EQ(mark(o->e.session, gfn, 1, KVM_DP_MARK_MISSING), 0);
	vcpu_ioctl(o->e.vcpu, KVM_TRANSLATE, &tr);
	TEST_ASSERT_EQ(tr.valid, 0);
	assert_no_event(o);

	own_bring(o, gfn);
	vcpu_ioctl(o->e.vcpu, KVM_TRANSLATE, &tr);
	TEST_ASSERT_EQ(tr.valid, 1);
	TEST_ASSERT_EQ(n_missing(o->e.session), DATA_NPAGES);
}

static void guest_one(void)
{
	GUEST_SYNC(1);
}

/* A vCPU is saved and restored while all of the VM's memory is missing. */
static void save_and_restore(struct own *o)
{
	const uint32_t msrs[] = {
		MSR_KVM_SYSTEM_TIME_NEW, MSR_KVM_STEAL_TIME, MSR_KVM_PV_EOI_EN,
	};
	struct kvm_vcpu *vcpu = o->e.vcpu;
	struct kvm_x86_state *state;
	struct kvm_lapic_state lapic;
	int i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		vcpu_set_msr(vcpu, msrs[i], OWN_GPA(i) | 1);
	vcpu_set_msr(vcpu, MSR_KVM_WALL_CLOCK_NEW, OWN_GPA(3));
	TEST_ASSERT_EQ(mark(o->e.session, 0, ~0ull, KVM_DP_MARK_MISSING), 0);

	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);
	state = vcpu_save_state(vcpu);
	vcpu_load_state(vcpu, state);
	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &lapic);
	kvm_x86_state_cleanup(state);
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		TEST_ASSERT_EQ(vcpu_get_msr(vcpu, msrs[i]), OWN_GPA(i) | 1);
	assert_no_event(o);

	/* Nothing of that is left to wait for but what the vCPU itself needs. */
	vm_mem_set_shared(o->e.vm, DATA_GPA, DATA_NPAGES * 4096);
	TEST_ASSERT_EQ(mark(o->e.session, 0, DATA_GFN + DATA_NPAGES,
			    KVM_DP_MARK_PRESENT), 0);
	own_sync(o, NULL, 0, 1);
}

void test_own_ioctls(void)
{
	own_each(translate, guest_one);
	own_each(save_and_restore, guest_one);
}

static uint32_t first_word(struct own *o, int page)
{
	uint8_t data[4096];
	struct kvm_dp_vec vec = {
		.gfn = OWN_GFN(page), .n_pages = 1, .addr = (uintptr_t)data,
	};

	if (!o->private)
		return *(uint32_t *)addr_gpa2hva(o->e.vm, OWN_GPA(page));
	TEST_ASSERT_EQ(transfer(o->e.session, KVM_DP_EXTRACT, &vec), 0);
	return *(uint32_t *)data;
}

/* KVM touches nothing while the VM is frozen, also for its VMM. */
static void frozen(struct own *o)
{
	uint32_t word;

	own_bring(o, OWN_GFN(1));
	TEST_ASSERT_EQ(ioctl(o->e.control, KVM_DP_FREEZE, 0), 0);
	memcpy(&word, o->contents[1], sizeof(word));
	TEST_ASSERT_EQ(first_word(o, 1), word);
	vcpu_set_msr(o->e.vcpu, MSR_KVM_WALL_CLOCK_NEW, OWN_GPA(1));
	TEST_ASSERT_EQ(first_word(o, 1), word);
	TEST_ASSERT_EQ(ioctl(o->e.control, KVM_DP_THAW, 0), 0);

	vcpu_set_msr(o->e.vcpu, MSR_KVM_WALL_CLOCK_NEW, OWN_GPA(1));
	TEST_ASSERT_EQ(ioctl(o->e.control, KVM_DP_FREEZE, 0), 0);
	TEST_ASSERT(first_word(o, 1) != word, "the wall clock is not written at all");
	TEST_ASSERT_EQ(ioctl(o->e.control, KVM_DP_THAW, 0), 0);
}

void test_own_frozen(void)
{
	own_each(frozen, guest_one);
}

/* Xen: page 0 is the shared info, 1 the vcpu_info, 2 a clock, 3 an argument. */
#define XEN_EVTCHN_OP	32
#define XEN_EVTCHN_SEND	4
#define XEN_MSR		0x40000200	/* writes the hypercall page, 4 */
#define XEN_PORT	2
#define XEN_GSI		20
#define XEN_VECTOR	0x41

const char *xen_absent(void)
{
	int want = KVM_XEN_HVM_CONFIG_SHARED_INFO | KVM_XEN_HVM_CONFIG_EVTCHN_SEND;

	return (kvm_check_cap(KVM_CAP_XEN_HVM) & want) == want ? NULL :
		"KVM has no interfaces of Xen";
}

static void guest_xen(void)
{
	uint64_t rax = XEN_EVTCHN_OP, rdi = XEN_EVTCHN_SEND, rsi = OWN_GPA(3);

	GUEST_SYNC(1);
	GUEST_SYNC(*(uint32_t *)(OWN_GPA(2) + 24) != 0);
	asm volatile("vmmcall" : "+a"(rax), "+D"(rdi), "+S"(rsi) : : "memory");
	GUEST_ASSERT_EQ(rax, 7);
	wrmsr(XEN_MSR, OWN_GPA(4));
	/* mov $0, %eax; vmmcall; ret */
	GUEST_ASSERT_EQ(*(uint8_t *)OWN_GPA(4), 0xb8);
	GUEST_ASSERT_EQ(*(uint8_t *)(OWN_GPA(4) + 32 * XEN_EVTCHN_OP + 1), XEN_EVTCHN_OP);
	GUEST_SYNC(2);
}

static int xen_set(struct own *o, uint16_t type, uint64_t gfn)
{
	struct kvm_xen_hvm_attr attr = { .type = type, .u.shared_info.gfn = gfn };

	return __vm_ioctl(o->e.vm, KVM_XEN_HVM_SET_ATTR, &attr);
}

static int xen_vcpu_set(struct own *o, uint16_t type, uint64_t gpa)
{
	struct kvm_xen_vcpu_attr attr = { .type = type, .u.gpa = gpa };

	return __vcpu_ioctl(o->e.vcpu, KVM_XEN_VCPU_SET_ATTR, &attr);
}

static int xen_send(struct own *o)
{
	struct kvm_irq_routing_xen_evtchn evtchn = {
		.port = XEN_PORT, .priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
	};

	return __vm_ioctl(o->e.vm, KVM_XEN_HVM_EVTCHN_SEND, &evtchn);
}

static void xen_setup(struct own *o)
{
	struct kvm_xen_hvm_config config = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL |
			 KVM_XEN_HVM_CONFIG_EVTCHN_SEND,
		.msr = XEN_MSR,
	};
	struct kvm_xen_hvm_attr attr = {
		.type = KVM_XEN_ATTR_TYPE_LONG_MODE, .u.long_mode = 1,
	};

	vm_ioctl(o->e.vm, KVM_XEN_HVM_CONFIG, &config);
	vm_ioctl(o->e.vm, KVM_XEN_HVM_SET_ATTR, &attr);
	attr.type = KVM_XEN_ATTR_TYPE_UPCALL_VECTOR;
	attr.u.vector = XEN_VECTOR;
	vm_ioctl(o->e.vm, KVM_XEN_HVM_SET_ATTR, &attr);
}

/* The VMM is told at once, and may do it again when the page is there. */
static void xen_pages(struct own *o)
{
	static const uint8_t zeros[4096];
	int i;

	for (i = 0; i < 3; i++)
		own_put(o, i, 0, zeros, sizeof(zeros));
	EXPECT_ERRNO(xen_set(o, KVM_XEN_ATTR_TYPE_SHARED_INFO, OWN_GFN(0)), EFAULT);
	own_bring(o, OWN_GFN(0));
	TEST_ASSERT_EQ(xen_set(o, KVM_XEN_ATTR_TYPE_SHARED_INFO, OWN_GFN(0)), 0);
	EXPECT_ERRNO(xen_vcpu_set(o, KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, OWN_GPA(1)), EFAULT);
	own_bring(o, OWN_GFN(1));
	TEST_ASSERT_EQ(xen_vcpu_set(o, KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, OWN_GPA(1)), 0);
	EXPECT_ERRNO(xen_vcpu_set(o, KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO, OWN_GPA(2)),
		     EFAULT);
	own_bring(o, OWN_GFN(2));
	TEST_ASSERT_EQ(xen_vcpu_set(o, KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO, OWN_GPA(2)), 0);
	assert_no_event(o);
}

/* An event channel is not raised through a page that is missing, nor waited for. */
static void xen_events(struct own *o)
{
	struct kvm_irq_routing *routing = kvm_gsi_routing_create();
	struct kvm_irqfd irqfd = { .fd = eventfd(0, 0), .gsi = XEN_GSI };
	struct call off = { .fd = o->e.vm->fd, .request = KVM_IRQFD, .arg = &irqfd };

	routing->entries[0].gsi = XEN_GSI;
	routing->entries[0].type = KVM_IRQ_ROUTING_XEN_EVTCHN;
	routing->entries[0].u.xen_evtchn.port = XEN_PORT;
	routing->entries[0].u.xen_evtchn.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL;
	routing->nr = 1;
	vm_ioctl(o->e.vm, KVM_SET_GSI_ROUTING, routing);
	free(routing);
	vm_ioctl(o->e.vm, KVM_IRQFD, &irqfd);

	TEST_ASSERT_EQ(mark(o->e.session, OWN_GFN(0), 1, KVM_DP_MARK_MISSING), 0);
	TEST_ASSERT_EQ(xen_send(o), -1);
	TEST_ASSERT_EQ(eventfd_write(irqfd.fd, 1), 0);
	irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
	call_start(&off);
	TEST_ASSERT(join_in_time(off.thread), "an irqfd waits for a page");
	TEST_ASSERT_EQ(off.ret, 0);
	assert_no_event(o);
	close(irqfd.fd);

	own_bring(o, OWN_GFN(0));
	TEST_ASSERT_EQ(xen_send(o), 0);

	/* Nor in a frozen VM, though KVM has the page mapped. */
	TEST_ASSERT_EQ(ioctl(o->e.control, KVM_DP_FREEZE, 0), 0);
	TEST_ASSERT_EQ(xen_send(o), -1);
	TEST_ASSERT_EQ(ioctl(o->e.control, KVM_DP_THAW, 0), 0);
	TEST_ASSERT_EQ(xen_send(o), 0);
}

static void xen(struct own *o)
{
	struct own_want want = { OWN_GFN(2), KVM_DP_EVENT_KVM };
	struct kvm_clock_data clock = { .clock = 1000000000 };

	xen_setup(o);
	xen_pages(o);
	own_sync(o, NULL, 0, 1);
	xen_events(o);

	/* The clock, as kvmclock; the argument of a hypercall. */
	TEST_ASSERT_EQ(mark(o->e.session, OWN_GFN(2), 1, KVM_DP_MARK_MISSING), 0);
	vm_ioctl(o->e.vm, KVM_SET_CLOCK, &clock);
	own_sync(o, &want, 1, 1);
	want.gfn = OWN_GFN(3);
	own_run(o, &want, 1);
	TEST_ASSERT_EQ(o->e.vcpu->run->exit_reason, KVM_EXIT_XEN);
	TEST_ASSERT_EQ(o->e.vcpu->run->xen.u.hcall.input, XEN_EVTCHN_OP);
	o->e.vcpu->run->xen.u.hcall.result = 7;
	want.gfn = OWN_GFN(4);
	own_sync(o, &want, 1, 2);
}

#define XEN_PENDING	2048	/* of struct shared_info */

static bool send_stop;

static void *xen_sender(void *arg)
{
	while (!READ_ONCE(send_stop))
		xen_send(arg);
	return NULL;
}

static void guest_pending(void)
{
	for (;;)
		GUEST_SYNC(!!READ_ONCE(*(uint64_t *)(OWN_GPA(0) + XEN_PENDING)));
}

static bool guest_sees_pending(struct own *o)
{
	struct ucall uc;

	TEST_ASSERT_EQ((intptr_t)run_thread(o->e.vcpu), 0);
	TEST_ASSERT_EQ(get_ucall(o->e.vcpu, &uc), UCALL_SYNC);
	return uc.args[1];
}

static struct own *xen_sending(bool private, void *guest_code, pthread_t *thread)
{
	struct own *o = own_create(true, private, guest_code);
	int i;

	xen_setup(o);
	for (i = 0; i < 2; i++) {
		memset(o->contents[i], 0, 4096);
		own_bring(o, OWN_GFN(i));
	}
	TEST_ASSERT_EQ(xen_set(o, KVM_XEN_ATTR_TYPE_SHARED_INFO, OWN_GFN(0)), 0);
	TEST_ASSERT_EQ(xen_vcpu_set(o, KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, OWN_GPA(1)), 0);
	WRITE_ONCE(send_stop, false);
	TEST_ASSERT_EQ(pthread_create(thread, NULL, xen_sender, o), 0);
	return o;
}

static void xen_sent(struct own *o, pthread_t thread)
{
	WRITE_ONCE(send_stop, true);
	TEST_ASSERT_EQ(pthread_join(thread, NULL), 0);
	own_destroy(o);
}

#define N_EVICTS	300

/* While somebody sends, a page is evicted and comes again: KVM maps that one. */
void test_own_evicted_sends(void)
{
	pthread_t thread;
	struct own *o = xen_sending(true, guest_pending, &thread);
	time_t limit;
	int i;

	for (i = 0; i < N_EVICTS; i++) {
		own_evict(o, OWN_GFN(0));
		own_bring(o, OWN_GFN(0));
		/* Again, while it is being mapped. */
		usleep(i % 8 * 50);
		own_evict(o, OWN_GFN(0));
		own_bring(o, OWN_GFN(0));
		limit = time(NULL) + LIMIT_S;
		while (!guest_sees_pending(o))
			TEST_ASSERT(time(NULL) < limit, "sent to a page that is gone, round %d", i);
	}
	xen_sent(o, thread);
}

#define N_FREEZES	3000

/*
 * While somebody sends, KVM maps the page anew after each thaw, and the next freeze
 * comes sooner or later in that.
 */
void test_own_frozen_sends(void)
{
	pthread_t thread;
	struct own *o = xen_sending(false, guest_one, &thread);
	volatile uint64_t *pending = addr_gpa2hva(o->e.vm, OWN_GPA(0) + XEN_PENDING);
	int control = o->e.control, i, j;

	for (i = 0; i < N_FREEZES; i++) {
		/* Now and then it is mapped when the freeze comes. */
		while (i % 16 == 0 && !*pending)
			sched_yield();
		for (j = 0; j < i % 256 * 4; j++)
			cpu_relax();
		TEST_ASSERT_EQ(ioctl(control, KVM_DP_FREEZE, 0), 0);
		*pending = 0;
		usleep(i % 3 * 100);
		TEST_ASSERT(!*pending, "written in a frozen VM, round %d", i);
		TEST_ASSERT_EQ(ioctl(control, KVM_DP_THAW, 0), 0);
	}
	xen_sent(o, thread);
}

void test_own_xen(void)
{
	own_each(xen, guest_xen);
}

#define LOG_GPA		0xd0000000ull
#define LOG_SLOT	11
#define LOG_NPAGES	4

static void guest_dirty(void)
{
	wrmsr(MSR_KVM_WALL_CLOCK_NEW, LOG_GPA);
	WRITE_ONCE(*(uint8_t *)(LOG_GPA + 4096), 1);
	(void)READ_ONCE(*(uint8_t *)(LOG_GPA + 2 * 4096));
	wrmsr(MSR_KVM_STEAL_TIME, (LOG_GPA + 3 * 4096) | 1);
	GUEST_SYNC(1);
}

static const struct own_want dirty_wants[] = {
	{ LOG_GPA >> 12, KVM_DP_EVENT_KVM },
	{ (LOG_GPA >> 12) + 1, KVM_DP_EVENT_WRITE },
	{ (LOG_GPA >> 12) + 2, 0 },
	{ (LOG_GPA >> 12) + 3, KVM_DP_EVENT_KVM },
};

static void add_logged_slot(struct own *o)
{
	vm_userspace_mem_region_add(o->e.vm, VM_MEM_SRC_ANONYMOUS, LOG_GPA, LOG_SLOT,
				    LOG_NPAGES, KVM_MEM_LOG_DIRTY_PAGES);
	virt_map(o->e.vm, LOG_GPA, LOG_GPA, LOG_NPAGES);
	TEST_ASSERT_EQ(mark(o->e.session, LOG_GPA >> 12, LOG_NPAGES,
			    KVM_DP_MARK_MISSING), 0);
}

/* What arrives is not dirty, what is written then is, whoever writes. */
static void dirty_log(struct own *o)
{
	uint64_t log = 0;

	add_logged_slot(o);
	kvm_vm_get_dirty_log(o->e.vm, LOG_SLOT, &log);
	own_sync(o, dirty_wants, ARRAY_SIZE(dirty_wants), 1);
	kvm_vm_get_dirty_log(o->e.vm, LOG_SLOT, &log);
	TEST_ASSERT_EQ(log, 0xb);
}

static struct own *ring_create(bool wait)
{
	struct own *o = calloc(1, sizeof(*o));

	TEST_ASSERT(o, "no memory");
	o->wait = wait;
	o->e.vm = __vm_create(shape, 1, 0);
	TEST_ASSERT_EQ(enable(o->e.vm, KVM_DP_ENABLE |
			      (wait ? KVM_DP_MODE_WAIT : KVM_DP_MODE_EXIT)), 0);
	vm_enable_dirty_ring(o->e.vm, 1024 * sizeof(struct kvm_dirty_gfn));
	o->e.vcpu = vm_vcpu_add(o->e.vm, 0, guest_dirty);
	o->e.control = __vm_ioctl(o->e.vm, KVM_CREATE_DEMAND_PAGING, (void *)0);
	o->e.session = session_new(o->e.control, PAGER_RIGHTS);
	TEST_ASSERT(o->e.session >= 0, "session: %s", strerror(errno));
	add_logged_slot(o);
	return o;
}

static void dirty_ring(bool wait)
{
	struct own *o = ring_create(wait);
	struct kvm_dirty_gfn *ring;
	uint64_t log = 0;
	int i;

	own_sync(o, dirty_wants, ARRAY_SIZE(dirty_wants), 1);
	ring = vcpu_map_dirty_ring(o->e.vcpu);
	for (i = 0; ring[i].flags & KVM_DIRTY_GFN_F_DIRTY; i++) {
		if ((ring[i].slot & 0xffff) == LOG_SLOT)
			log |= BIT_ULL(ring[i].offset);
	}
	TEST_ASSERT_EQ(log, 0xb);
	own_destroy(o);
}

void test_own_dirty(void)
{
	own_each(dirty_log, guest_dirty);
	dirty_ring(true);
	dirty_ring(false);
}
