// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging: an SMI that interrupts L2, and the RSM after it, while the
 * pages of L1 that they need are missing.
 */
#include <linux/kvm_demand_paging.h>

#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "test_util.h"

#define SMRAM_GPA	0x1000000
#define SMRAM_SLOT	(1 << 16 | 1)
#define SMRAM_PAGES	16
#define SMI_COUNT	0x34

#define SYNC_PORT	0xe

enum stage { IN_L2 = 1, IN_L2_AGAIN, IN_L1_AGAIN, IN_SMM = 0xfe };

/* For any mode: it tells its stage and returns. */
static const uint8_t smi_handler[] = {
	0xb0, IN_SMM,		/* mov $IN_SMM, %al */
	0xe4, SYNC_PORT,	/* in $SYNC_PORT, %al */
	0x0f, 0xaa,		/* rsm */
};

static void tell(uint64_t stage)
{
	asm volatile("inb %1, %%al" : "+a"(stage) : "i"(SYNC_PORT));
}

static void l2_code(void)
{
	tell(IN_L2);
	tell(IN_L2_AGAIN);
	vmmcall();
}

static void l1_code(struct svm_test_data *svm)
{
	unsigned long stack[64];

	generic_svm_setup(svm, l2_code, &stack[64]);
	run_guest(svm->vmcb, svm->vmcb_gpa);
	GUEST_ASSERT_EQ(svm->vmcb->control.exit_code, SVM_EXIT_VMMCALL);
	tell(IN_L1_AGAIN);
}

struct env {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct svm_test_data *svm;
	int control;
};

static struct env env_create(void)
{
	vm_vaddr_t svm_gva;
	struct env e;

	e.vm = __vm_create(VM_SHAPE_DEFAULT, 1, 0);
	vm_enable_cap(e.vm, KVM_CAP_DEMAND_PAGING, KVM_DP_ENABLE | KVM_DP_MODE_EXIT);
	e.control = __vm_ioctl(e.vm, KVM_CREATE_DEMAND_PAGING, NULL);
	TEST_ASSERT(e.control >= 0, "KVM_CREATE_DEMAND_PAGING: %s", strerror(errno));
	e.vcpu = vm_vcpu_add(e.vm, 0, l1_code);

	vm_userspace_mem_region_add(e.vm, VM_MEM_SRC_ANONYMOUS, SMRAM_GPA, SMRAM_SLOT,
				    SMRAM_PAGES, 0);
	TEST_ASSERT_EQ(vm_phy_pages_alloc(e.vm, SMRAM_PAGES, SMRAM_GPA, SMRAM_SLOT),
		       SMRAM_GPA);
	memcpy(addr_gpa2hva(e.vm, SMRAM_GPA) + 0x8000, smi_handler, sizeof(smi_handler));
	vcpu_set_msr(e.vcpu, MSR_IA32_SMBASE, SMRAM_GPA);

	e.svm = vcpu_alloc_svm(e.vm, &svm_gva);
	vcpu_args_set(e.vcpu, 1, svm_gva);
	return e;
}

static void mark(struct env *e, uint64_t gpa, uint32_t flags)
{
	struct kvm_dp_mark args = { .gfn = gpa >> 12, .n_pages = 1, .flags = flags };

	TEST_ASSERT_EQ(ioctl(e->control, KVM_DP_MARK, &args), 0);
	TEST_ASSERT_EQ(args.n_changed, 1);
}

static void poison(struct env *e, uint64_t gpa, uint32_t flags)
{
	struct kvm_dp_poison args = { .gfn = gpa >> 12, .n_pages = 1, .flags = flags };

	TEST_ASSERT_EQ(ioctl(e->control, KVM_DP_POISON, &args), 0);
	TEST_ASSERT_EQ(args.n_changed, 1);
}

static void run_to(struct env *e, enum stage stage)
{
	struct kvm_regs regs;

	vcpu_run(e->vcpu);
	TEST_ASSERT_KVM_EXIT_REASON(e->vcpu, KVM_EXIT_IO);
	vcpu_regs_get(e->vcpu, &regs);
	TEST_ASSERT_EQ(regs.rax & 0xff, stage);
}

static void assert_misses(struct env *e, uint64_t gpa, int error)
{
	struct kvm_run *run = e->vcpu->run;

	TEST_ASSERT(__vcpu_run(e->vcpu) == -1 && errno == error, "KVM_RUN: %s",
		    strerror(errno));
	TEST_ASSERT_EQ(run->exit_reason, KVM_EXIT_MEMORY_FAULT);
	TEST_ASSERT(run->memory_fault.flags & KVM_MEMORY_EXIT_FLAG_MISSING, "flags %#llx",
		    run->memory_fault.flags);
	TEST_ASSERT_EQ(run->memory_fault.gpa, gpa);
}

static void assert_smi(struct env *e, bool pending, bool smm, uint64_t count)
{
	struct kvm_vcpu_events events;

	vcpu_events_get(e->vcpu, &events);
	TEST_ASSERT_EQ(events.smi.pending, pending);
	TEST_ASSERT_EQ(events.smi.smm, smm);
	TEST_ASSERT_EQ(vcpu_get_msr(e->vcpu, SMI_COUNT), count);
}

static void inject_smi(struct env *e)
{
	struct kvm_vcpu_events events;

	vcpu_events_get(e->vcpu, &events);
	events.smi.pending = 1;
	events.flags |= KVM_VCPUEVENT_VALID_SMM;
	vcpu_events_set(e->vcpu, &events);
}

/*
 * The pages are brought one after the other; until then nothing has changed, however
 * often it is tried.  @first is the one that is asked for first.
 */
static void assert_bring(struct env *e, uint64_t first, uint64_t second, bool pending,
			 bool smm, uint64_t count)
{
	const uint64_t pages[] = { first, second };
	int i;

	for (i = 0; i < 2; i++) {
		assert_misses(e, pages[i], EFAULT);
		assert_misses(e, pages[i], EFAULT);
		assert_smi(e, pending, smm, count);
		poison(e, pages[i], KVM_DP_POISON_SET);
		assert_misses(e, pages[i], EHWPOISON);
		assert_smi(e, pending, smm, count);
		poison(e, pages[i], KVM_DP_POISON_CLEAR);
		mark(e, pages[i], KVM_DP_MARK_PRESENT);
	}
}

int main(int argc, char *argv[])
{
	uint64_t vmcb12, hsave;
	struct env e;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_DEMAND_PAGING));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_SMM));
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_SVM));

	e = env_create();
	vmcb12 = e.svm->vmcb_gpa;
	hsave = e.svm->save_area_gpa;

	run_to(&e, IN_L2);
	mark(&e, vmcb12, KVM_DP_MARK_MISSING);
	mark(&e, hsave, KVM_DP_MARK_MISSING);
	inject_smi(&e);
	assert_bring(&e, hsave, vmcb12, true, false, 0);
	run_to(&e, IN_SMM);
	assert_smi(&e, false, true, 1);

	mark(&e, vmcb12, KVM_DP_MARK_MISSING);
	mark(&e, hsave, KVM_DP_MARK_MISSING);
	assert_bring(&e, vmcb12, hsave, false, true, 1);
	run_to(&e, IN_L2_AGAIN);
	assert_smi(&e, false, false, 1);
	run_to(&e, IN_L1_AGAIN);

	close(e.control);
	kvm_vm_free(e.vm);
	return 0;
}
