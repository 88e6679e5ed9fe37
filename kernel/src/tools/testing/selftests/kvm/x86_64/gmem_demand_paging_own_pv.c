// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging on guest_memfd: pages that KVM shares with the guest, clocks,
 * steal time, asynchronous page faults, end of interrupt, and hypercalls.
 */
#include <linux/kvm_para.h>
#include <sys/eventfd.h>

#include "apic.h"
#include "gmem_demand_paging_own.h"
#include "hyperv.h"

#define IRQ_VECTOR	0x31
#define APIC_ISR	0x100

/* Of struct pvclock_vcpu_time_info, pvclock_wall_clock and kvm_steal_time. */
#define CLOCK_VERSION	0
#define CLOCK_MUL	24
#define WALL_VERSION	0
#define STEAL_VERSION	8

static uint32_t own_word(int page, int offset)
{
	uint32_t word = 0;
	int i;

	for (i = 3; i >= 0; i--)
		word = word << 8 | own_byte(page, offset + i);
	return word;
}

/* Counted on from what came with the page, and not in the middle of an update. */
static void guest_check_version(uint64_t gva, uint32_t came)
{
	uint32_t version = READ_ONCE(*(uint32_t *)gva);

	GUEST_ASSERT(version != came);
	GUEST_ASSERT(!(version & 1));
	GUEST_ASSERT(version - came < 100);
}

/* The guest does not know that the clock is on until it looks at it. */
static void guest_clock_reader(void)
{
	int i;

	for (i = 1; ; i++) {
		guest_check_version(OWN_GPA(2) + CLOCK_VERSION,
				    *(uint32_t *)(OWN_GPA(2) + 128));
		GUEST_ASSERT_NE(*(uint32_t *)(OWN_GPA(2) + CLOCK_MUL), 0);
		GUEST_SYNC(i);
	}
}

/*
 * The VMM switches the clock on, and sets it while its page is missing: KVM writes
 * the page before the guest runs, but not before it has come again.
 */
static void clock_of_vmm(struct own *o)
{
	const struct own_want want = { OWN_GFN(2), KVM_DP_EVENT_KVM };
	const uint32_t version = own_word(2, CLOCK_VERSION);
	struct kvm_clock_data clock = { .clock = 1000000000 };
	uint8_t *hva = addr_gpa2hva(o->e.vm, OWN_GPA(2)), before[4096];

	own_put(o, 2, 128, &version, sizeof(version));
	vcpu_set_msr(o->e.vcpu, MSR_KVM_SYSTEM_TIME_NEW, OWN_GPA(2) | 1);
	own_sync(o, &want, 1, 1);
	own_sync(o, NULL, 0, 2);

	TEST_ASSERT_EQ(mark(o->e.session, OWN_GFN(2), 1, KVM_DP_MARK_MISSING), 0);
	memcpy(before, hva, sizeof(before));
	vm_ioctl(o->e.vm, KVM_SET_CLOCK, &clock);
	TEST_ASSERT(!memcmp(before, hva, sizeof(before)), "written while missing");
	own_sync(o, &want, 1, 3);

	own_evict(o, OWN_GFN(2));
	vm_ioctl(o->e.vm, KVM_SET_CLOCK, &clock);
	own_sync(o, &want, 1, 4);
}

void test_own_clock(void)
{
	own_pin();
	own_each(clock_of_vmm, guest_clock_reader);
	own_unpin();
}

static void guest_wrmsr(uint32_t msr, uint64_t data, uint64_t gva, uint32_t came)
{
	wrmsr(msr, data);
	guest_check_version(gva, came);
	GUEST_SYNC(1);
	GUEST_SYNC(2);
}

static void wrmsr_one(struct own *o, int page, uint32_t msr, int version_at)
{
	const struct own_want want = { OWN_GFN(page), KVM_DP_EVENT_KVM };
	uint64_t on = msr == MSR_KVM_WALL_CLOCK_NEW ? 0 : 1;
	struct kvm_regs regs;

	vcpu_regs_get(o->e.vcpu, &regs);
	vcpu_args_set(o->e.vcpu, 4, (uint64_t)msr, OWN_GPA(page) | on,
		      OWN_GPA(page) + version_at, (uint64_t)own_word(page, version_at));
	own_sync(o, &want, 1, 1);
	own_sync(o, NULL, 0, 2);
	vcpu_regs_set(o->e.vcpu, &regs);
	vcpu_arch_set_entry_point(o->e.vcpu, guest_wrmsr);
}

static void wrmsr_each(struct own *o)
{
	wrmsr_one(o, 1, MSR_KVM_WALL_CLOCK_NEW, WALL_VERSION);
	wrmsr_one(o, 2, MSR_KVM_SYSTEM_TIME_NEW, CLOCK_VERSION);
	wrmsr_one(o, 3, MSR_KVM_STEAL_TIME, STEAL_VERSION);
}

void test_own_wrmsr(void)
{
	own_each(wrmsr_each, guest_wrmsr);
}

static void guest_sti_nop_cli(void)
{
	asm volatile("sti; nop; cli" ::: "memory");
}

static volatile uint32_t guest_token, guest_n_irqs;

static void guest_on_page_ready(struct ex_regs *regs)
{
	struct kvm_vcpu_pv_apf_data *apf = (void *)OWN_GPA(1);

	guest_token = apf->token;
	apf->token = 0;
	guest_n_irqs++;
	wrmsr(MSR_KVM_ASYNC_PF_ACK, 1);
	x2apic_write_reg(APIC_EOI, 0);
}

static void guest_async_pf(void)
{
	x2apic_enable();
	wrmsr(MSR_KVM_ASYNC_PF_INT, IRQ_VECTOR);
	wrmsr(MSR_KVM_ASYNC_PF_EN, OWN_GPA(1) | KVM_ASYNC_PF_ENABLED |
	      KVM_ASYNC_PF_DELIVERY_AS_INT);
	while (!guest_n_irqs)
		guest_sti_nop_cli();
	/* Who enables it is told to wake all. */
	GUEST_ASSERT_EQ(guest_token, ~0u);
	GUEST_ASSERT_EQ(guest_n_irqs, 1);
	GUEST_SYNC(1);
}

static void async_pf(struct own *o)
{
	const struct own_want want = { OWN_GFN(1), KVM_DP_EVENT_KVM };
	const uint64_t none = 0;

	own_put(o, 1, 0, &none, sizeof(none));
	vm_install_exception_handler(o->e.vm, IRQ_VECTOR, guest_on_page_ready);
	own_sync(o, &want, 1, 1);
}

void test_own_async_pf(void)
{
	own_each(async_pf, guest_async_pf);
}

#define DOORBELL_GPA	0xd8000000ull

static volatile uint32_t guest_eoi_flag, guest_eoi_on;

static void guest_on_irq(struct ex_regs *regs)
{
	uint8_t *flag = (void *)OWN_GPA(1);

	/* The first exit after the interrupt came. */
	*(volatile uint32_t *)DOORBELL_GPA = 1;
	guest_n_irqs++;
	if (guest_eoi_on)
		guest_eoi_flag = *flag;
	if (guest_eoi_flag & 1)
		asm volatile("lock btrl $0, %0" : "+m"(*(uint32_t *)flag));
	else
		x2apic_write_reg(APIC_EOI, 0);
}

static void guest_irq(uint32_t n)
{
	x2apic_write_reg(APIC_ICR, APIC_DEST_SELF | APIC_DM_FIXED | IRQ_VECTOR);
	while (guest_n_irqs < n)
		guest_sti_nop_cli();
	GUEST_ASSERT_EQ(guest_n_irqs, n);
	GUEST_ASSERT_EQ(x2apic_read_reg(APIC_ISR + IRQ_VECTOR / 32 * 0x10), 0);
}

static void guest_eoi(void)
{
	x2apic_enable();
	guest_irq(1);
	wrmsr(MSR_KVM_PV_EOI_EN, OWN_GPA(1) | 1);
	guest_eoi_on = 1;
	guest_irq(2);
	/* KVM has written it; any exit, such as mapping the page, takes it back. */
	GUEST_ASSERT(guest_eoi_flag <= 1);
	GUEST_SYNC(1);
}

/*
 * The page is waited for before the interrupt is delivered, not while KVM is at
 * something else, which it would do twice.
 */
static void eoi(struct own *o)
{
	const struct own_want want = { OWN_GFN(1), KVM_DP_EVENT_KVM };
	struct kvm_ioeventfd doorbell = {
		.addr = DOORBELL_GPA, .len = 4, .fd = eventfd(0, 0),
	};
	eventfd_t rung;

	virt_pg_map(o->e.vm, DOORBELL_GPA, DOORBELL_GPA);
	vm_ioctl(o->e.vm, KVM_IOEVENTFD, &doorbell);
	vm_install_exception_handler(o->e.vm, IRQ_VECTOR, guest_on_irq);
	own_sync(o, &want, 1, 1);
	TEST_ASSERT_EQ(eventfd_read(doorbell.fd, &rung), 0);
	TEST_ASSERT_EQ(rung, 2);
	close(doorbell.fd);
}

void test_own_eoi(void)
{
	own_each(eoi, guest_eoi);
}

const char *clock_pairing_absent(void)
{
	char name[16] = "";
	FILE *f;

	f = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r");
	if (f) {
		if (!fgets(name, sizeof(name), f))
			name[0] = 0;
		fclose(f);
	}
	return strncmp(name, "tsc", 3) ? "the host's clock is not the TSC" : NULL;
}

static void guest_clock_pairing(void)
{
	struct kvm_clock_pairing *pairing = (void *)OWN_GPA(1);

	GUEST_ASSERT_EQ(kvm_hypercall(KVM_HC_CLOCK_PAIRING, OWN_GPA(1),
				      KVM_CLOCK_PAIRING_WALLCLOCK, 0, 0), 0);
	GUEST_ASSERT(pairing->nsec < 1000000000);
	GUEST_ASSERT_EQ(pairing->flags, 0);
	GUEST_SYNC(1);
}

static void clock_pairing(struct own *o)
{
	const struct own_want want = { OWN_GFN(1), KVM_DP_EVENT_KVM };

	own_sync(o, &want, 1, 1);
}

void test_own_hypercall(void)
{
	own_each(clock_pairing, guest_clock_pairing);
}

#define HV_FLUSH_CALL	2
#define HV_FLUSH_ALL	1

static void guest_hyperv(void)
{
	uint64_t status, control = HV_FLUSH_CALL, in = OWN_GPA(2);

	wrmsr(HV_X64_MSR_GUEST_OS_ID, HYPERV_LINUX_OS_ID);
	wrmsr(HV_X64_MSR_HYPERCALL, OWN_GPA(1) | 1);
	GUEST_SYNC(1);
	asm volatile("xor %%r8d, %%r8d; call *%[page]"
		     : "=a"(status), "+c"(control), "+d"(in)
		     : [page] "r"(OWN_GPA(1)) : "r8", "r9", "r10", "r11", "memory");
	GUEST_ASSERT_EQ(status & 0xffff, 0);
	GUEST_SYNC(2);
	wrmsr(HV_X64_MSR_VP_ASSIST_PAGE, OWN_GPA(3) | 1);
	GUEST_ASSERT_EQ(*(uint32_t *)OWN_GPA(3), 0);
	GUEST_SYNC(*(uint8_t *)(OWN_GPA(3) + 4));
}

/* Pages that are written by WRMSR, and the argument of a hypercall. */
static void hyperv(struct own *o)
{
	const uint64_t flush[3] = { 0, HV_FLUSH_ALL, 0 };
	struct own_want want = { OWN_GFN(1), KVM_DP_EVENT_KVM };

	vcpu_set_hv_cpuid(o->e.vcpu);
	own_put(o, 2, 0, flush, sizeof(flush));
	own_sync(o, &want, 1, 1);
	want.gfn = OWN_GFN(2);
	own_sync(o, &want, 1, 2);
	want.gfn = OWN_GFN(3);
	own_sync(o, &want, 1, own_byte(3, 4));
}

void test_own_hyperv(void)
{
	own_each(hyperv, guest_hyperv);
}

static void guest_tsc_page(void)
{
	wrmsr(HV_X64_MSR_GUEST_OS_ID, HYPERV_LINUX_OS_ID);
	wrmsr(HV_X64_MSR_REFERENCE_TSC, OWN_GPA(1) | 1);
	GUEST_SYNC(*(uint32_t *)OWN_GPA(1) != 0);
}

/* The first word is the sequence, which is 0 as long as the page is not to be used. */
static void tsc_page(struct own *o)
{
	const struct own_want want = { OWN_GFN(1), KVM_DP_EVENT_KVM };
	static const uint8_t zeros[4096];

	vcpu_set_hv_cpuid(o->e.vcpu);
	own_put(o, 1, 0, zeros, sizeof(zeros));
	own_sync(o, &want, 1, 1);
}

void test_own_tsc_page(void)
{
	own_each(tsc_page, guest_tsc_page);
}

#define TIMER_SINT	2
#define TIMER_EXPIRED	0x80000010
#define STIMER_AUTO	BIT(3)

static void guest_on_timer(struct ex_regs *regs)
{
	guest_token = *(uint32_t *)(OWN_GPA(1) + TIMER_SINT * 256);
	guest_n_irqs++;
	x2apic_write_reg(APIC_EOI, 0);
}

static void guest_timer(void)
{
	x2apic_enable();
	wrmsr(HV_X64_MSR_GUEST_OS_ID, HYPERV_LINUX_OS_ID);
	wrmsr(HV_X64_MSR_SCONTROL, 1);
	wrmsr(HV_X64_MSR_SIMP, OWN_GPA(1) | 1);
	wrmsr(HV_X64_MSR_SINT0 + TIMER_SINT, IRQ_VECTOR);
	wrmsr(HV_X64_MSR_STIMER0_CONFIG, TIMER_SINT << 16 | STIMER_AUTO);
	GUEST_SYNC(1);
	/* Long past. */
	wrmsr(HV_X64_MSR_STIMER0_COUNT, 1);
	while (!guest_n_irqs)
		guest_sti_nop_cli();
	GUEST_ASSERT_EQ(guest_token, TIMER_EXPIRED);
	GUEST_SYNC(2);
}

/* A timer whose message cannot be written yet is not lost. */
static void timer(struct own *o)
{
	const struct own_want want = { OWN_GFN(1), KVM_DP_EVENT_KVM };
	static const uint8_t zeros[4096];

	vcpu_set_hv_cpuid(o->e.vcpu);
	vcpu_enable_cap(o->e.vcpu, KVM_CAP_HYPERV_SYNIC2, 0);
	vm_install_exception_handler(o->e.vm, IRQ_VECTOR, guest_on_timer);
	own_put(o, 1, 0, zeros, sizeof(zeros));
	/* Writing SynIC's MSRs exits to userspace. */
	do {
		own_run(o, NULL, 0);
	} while (o->e.vcpu->run->exit_reason == KVM_EXIT_HYPERV);
	assert_sync(o->e.vcpu, 1);
	own_sync(o, &want, 1, 2);
}

void test_own_timer(void)
{
	own_each(timer, guest_timer);
}
