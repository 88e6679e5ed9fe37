// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging on guest_memfd: what KVM accesses for a guest that runs a guest
 * of its own under SVM.  Data page 0 is memory of L2, the next ones are these:
 */
#include "gmem_demand_paging_own.h"
#include "hyperv.h"
#include "svm_util.h"

#define PAGE_VMCB	1
#define PAGE_HSAVE	2
#define PAGE_MSRPM	3		/* and the next */
#define PAGE_IOPM	5		/* and the next two */
#define PORT		0x2000

#define NPT_TABLE	0x67		/* present, writable, user, accessed, dirty */
#define NPT_HUGE	0xe7

const char *nested_svm_absent(void)
{
	return kvm_cpu_has(X86_FEATURE_SVM) ? NULL : "no nested SVM";
}

static const struct own_want want_vmcb = { OWN_GFN(PAGE_VMCB), KVM_DP_EVENT_KVM };

/*
 * L2: leaves to userspace, reads its memory, and calls L1, which finds what it read
 * in RAX.
 */
static void l2_call(uint64_t *data)
{
	asm volatile("mov (%0), %%rax; vmmcall" : : "r"(data) : "rax", "memory");
}

static void l2_code(uint64_t *data)
{
	asm volatile("in %%dx, %%al" : : "d"(PORT) : "rax");
	l2_call(data);
}

static uint8_t l2_stack[4096] __aligned(16);

static void l1_vmrun(uint64_t vmcb_gpa, uint64_t rdi)
{
	asm volatile("push %%rbp; vmrun %%rax; pop %%rbp"
		     : "+a"(vmcb_gpa), "+D"(rdi) : : "rbx", "rcx", "rdx", "rsi", "r8", "r9",
		       "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory");
}

/* The VMM puts what is built here where it is to be missing. */
static struct vmcb *l1_setup(struct svm_test_data *svm)
{
	generic_svm_setup(svm, l2_code, l2_stack + sizeof(l2_stack) - 8);
	svm->vmcb->control.intercept &= ~BIT_ULL(INTERCEPT_MSR_PROT);
	return (void *)OWN_GPA(PAGE_VMCB);
}

static void guest_vmrun(struct svm_test_data *svm, uint64_t npt)
{
	struct vmcb *vmcb = l1_setup(svm);

	if (npt) {
		svm->vmcb->control.nested_ctl = 1;
		svm->vmcb->control.nested_cr3 = npt;
	}
	GUEST_SYNC(1);
	l1_vmrun(OWN_GPA(PAGE_VMCB), OWN_GPA(0));
	GUEST_ASSERT_EQ(vmcb->control.exit_code, SVM_EXIT_VMMCALL);
	GUEST_SYNC(vmcb->save.rax);
}

static void guest_vmload(struct svm_test_data *svm)
{
	struct vmcb *vmcb = l1_setup(svm);

	wrmsr(MSR_KERNEL_GS_BASE, 1);
	GUEST_SYNC(1);
	asm volatile("vmload %%rax" : : "a"(OWN_GPA(PAGE_VMCB)) : "memory");
	GUEST_ASSERT_EQ(rdmsr(MSR_KERNEL_GS_BASE), vmcb->save.kernel_gs_base);
	GUEST_SYNC(2);
}

static void guest_vmsave(struct svm_test_data *svm)
{
	struct vmcb *vmcb = l1_setup(svm);

	wrmsr(MSR_KERNEL_GS_BASE, 0x1234000);
	GUEST_SYNC(1);
	asm volatile("vmsave %%rax" : : "a"(OWN_GPA(PAGE_VMCB)) : "memory");
	GUEST_ASSERT_EQ(vmcb->save.kernel_gs_base, 0x1234000);
	GUEST_SYNC(2);
}

/* Up to where L1 has built its VMCB. */
static struct svm_test_data *l1_start(struct own *o, uint64_t npt)
{
	static const uint8_t zeros[4096];
	struct svm_test_data *svm;
	vm_vaddr_t svm_gva;
	int i;

	svm = vcpu_alloc_svm(o->e.vm, &svm_gva);
	svm->save_area_gpa = OWN_GPA(PAGE_HSAVE);
	svm->msr_gpa = OWN_GPA(PAGE_MSRPM);
	for (i = PAGE_MSRPM; i < OWN_NPAGES; i++)
		own_put(o, i, 0, zeros, sizeof(zeros));
	vcpu_args_set(o->e.vcpu, 2, svm_gva, npt);
	own_sync(o, NULL, 0, 1);
	own_put(o, PAGE_VMCB, 0, svm->vmcb_hva, 4096);
	return svm;
}

static void assert_l2_exits(struct own *o)
{
	TEST_ASSERT_EQ(o->e.vcpu->run->exit_reason, KVM_EXIT_IO);
	TEST_ASSERT_EQ(o->e.vcpu->run->io.port, PORT);
}

static uint64_t data_word(struct own *o)
{
	uint64_t word;

	memcpy(&word, o->contents[0], sizeof(word));
	return word;
}

/* Nobody needs L1's host save area. */
static void vmrun(struct own *o)
{
	const struct own_want data = { OWN_GFN(0), 0 };

	l1_start(o, 0);
	own_run(o, &want_vmcb, 1);
	assert_l2_exits(o);
	own_sync(o, &data, 1, data_word(o));
}

/* It goes while L2 runs, and is wanted when L2 is to end. */
static void vmexit(struct own *o)
{
	const struct own_want wants[] = { { OWN_GFN(0), 0 }, want_vmcb };

	l1_start(o, 0);
	own_run(o, &want_vmcb, 1);
	assert_l2_exits(o);
	own_evict(o, OWN_GFN(PAGE_VMCB));
	own_sync(o, wants, 2, data_word(o));
}

static void vmload_vmsave(struct own *o)
{
	l1_start(o, 0);
	own_sync(o, &want_vmcb, 1, 2);
}

void test_own_vmrun(void)
{
	own_each(vmrun, guest_vmrun);
	own_each(vmexit, guest_vmrun);
	own_each(vmload_vmsave, guest_vmload);
	own_each(vmload_vmsave, guest_vmsave);
}

/* Nested page tables: identity, the first 1G by 2M, the data by 4K or 2M. */
struct npt {
	uint64_t root, upper, lower, table;
};

static uint64_t *npt_new(struct kvm_vm *vm, uint64_t *ret_gpa)
{
	*ret_gpa = vm_alloc_page_table(vm);
	return addr_gpa2hva(vm, *ret_gpa);
}

static struct npt npt_create(struct kvm_vm *vm, bool huge)
{
	uint64_t *root, *upper, *low, *lower, *table, low_gpa;
	struct npt npt;
	int i;

	root = npt_new(vm, &npt.root);
	upper = npt_new(vm, &npt.upper);
	low = npt_new(vm, &low_gpa);
	lower = npt_new(vm, &npt.lower);
	table = npt_new(vm, &npt.table);
	root[0] = npt.upper | NPT_TABLE;
	upper[0] = low_gpa | NPT_TABLE;
	upper[DATA_GPA >> 30] = npt.lower | NPT_TABLE;
	for (i = 0; i < 512; i++) {
		low[i] = (uint64_t)i << 21 | NPT_HUGE;
		table[i] = OWN_GPA(i) | NPT_TABLE;
	}
	lower[0] = huge ? DATA_GPA | NPT_HUGE : npt.table | NPT_TABLE;
	return npt;
}

/* L2's memory and the tables on the way to it; L1 is not told of a nested fault. */
static void npt_missing(struct own *o)
{
	struct npt npt = npt_create(o->e.vm, false);
	const struct own_want wants[] = {
		{ OWN_GFN(0), 0 },
		{ npt.lower >> 12, KVM_DP_EVENT_KVM },
		{ npt.table >> 12, KVM_DP_EVENT_KVM },
	};

	l1_start(o, npt.root);
	own_run(o, &want_vmcb, 1);
	assert_l2_exits(o);
	TEST_ASSERT_EQ(mark(o->e.session, npt.lower >> 12, 1, KVM_DP_MARK_MISSING), 0);
	TEST_ASSERT_EQ(mark(o->e.session, npt.table >> 12, 1, KVM_DP_MARK_MISSING), 0);
	own_sync(o, wants, 3, data_word(o));
}

static void guest_neighbour(struct svm_test_data *svm, uint64_t npt)
{
	struct vmcb *vmcb = l1_setup(svm);
	int i;

	svm->vmcb->control.nested_ctl = 1;
	svm->vmcb->control.nested_cr3 = npt;
	GUEST_SYNC(1);
	for (i = 0; ; i = !i) {
		vmcb->save.rip = (uint64_t)l2_code;
		vmcb->save.rsp = svm->vmcb->save.rsp;
		l1_vmrun(OWN_GPA(PAGE_VMCB), OWN_GPA(i ? PAGE_HSAVE : 0));
		GUEST_ASSERT_EQ(vmcb->control.exit_code, SVM_EXIT_VMMCALL);
		GUEST_SYNC(vmcb->save.rax);
	}
}

/* What is mapped ahead of L2's accesses is there. */
static void neighbour(struct own *o, bool huge)
{
	const struct own_want want = { OWN_GFN(PAGE_HSAVE), 0 };
	uint64_t word;

	own_bring(o, OWN_GFN(0));
	own_bring(o, OWN_GFN(PAGE_HSAVE));
	own_evict(o, OWN_GFN(PAGE_HSAVE));
	l1_start(o, npt_create(o->e.vm, huge).root);
	own_bring(o, OWN_GFN(PAGE_VMCB));
	own_run(o, NULL, 0);
	assert_l2_exits(o);
	own_sync(o, NULL, 0, data_word(o));
	own_run(o, NULL, 0);
	assert_l2_exits(o);
	memcpy(&word, o->contents[PAGE_HSAVE], sizeof(word));
	own_sync(o, &want, 1, word);
}

static void neighbour_small(struct own *o)
{
	neighbour(o, false);
}

static void neighbour_huge(struct own *o)
{
	neighbour(o, true);
}

void test_own_npt(void)
{
	own_each(npt_missing, guest_vmrun);
	own_each(neighbour_small, guest_neighbour);
	own_each(neighbour_huge, guest_neighbour);
}

/* L2 reads an MSR that KVM intercepts and L1's bitmap does not. */
static void l2_rdmsr(uint64_t *data)
{
	asm volatile("in %%dx, %%al" : : "d"(PORT) : "rax");
	asm volatile("rdmsr" : : "c"(MSR_IA32_APICBASE) : "rax", "rdx");
	l2_call(data);
}

static void guest_bitmaps(struct svm_test_data *svm)
{
	struct vmcb *vmcb = l1_setup(svm);

	svm->vmcb->save.rip = (uint64_t)l2_rdmsr;
	svm->vmcb->control.intercept |= BIT_ULL(INTERCEPT_MSR_PROT) |
					BIT_ULL(INTERCEPT_IOIO_PROT);
	svm->vmcb->control.iopm_base_pa = OWN_GPA(PAGE_IOPM);
	GUEST_SYNC(1);
	l1_vmrun(OWN_GPA(PAGE_VMCB), OWN_GPA(0));
	GUEST_ASSERT_EQ(vmcb->control.exit_code, SVM_EXIT_VMMCALL);
	GUEST_SYNC(vmcb->save.rax);
}

/* L1 intercepts neither the port nor the MSR, so it must not see them. */
static void bitmaps(struct own *o)
{
	const struct own_want vmrun_wants[] = {
		want_vmcb,
		{ OWN_GFN(PAGE_MSRPM), KVM_DP_EVENT_KVM },
		{ OWN_GFN(PAGE_MSRPM + 1), KVM_DP_EVENT_KVM },
		{ OWN_GFN(PAGE_IOPM), KVM_DP_EVENT_KVM },
	};
	const struct own_want rdmsr_wants[] = {
		{ OWN_GFN(PAGE_MSRPM), KVM_DP_EVENT_KVM }, { OWN_GFN(0), 0 },
	};

	l1_start(o, 0);
	own_run(o, vmrun_wants, ARRAY_SIZE(vmrun_wants));
	assert_l2_exits(o);
	own_evict(o, OWN_GFN(PAGE_MSRPM));
	own_sync(o, rdmsr_wants, ARRAY_SIZE(rdmsr_wants), data_word(o));
}

void test_own_bitmaps(void)
{
	own_each(bitmaps, guest_bitmaps);
}

#define PAGE_ASSIST	4

static void guest_assist(struct svm_test_data *svm)
{
	struct vmcb *vmcb = l1_setup(svm);

	wrmsr(HV_X64_MSR_VP_ASSIST_PAGE, OWN_GPA(PAGE_ASSIST) | 1);
	GUEST_SYNC(1);
	l1_vmrun(OWN_GPA(PAGE_VMCB), OWN_GPA(0));
	GUEST_ASSERT_EQ(vmcb->control.exit_code, SVM_EXIT_VMMCALL);
	GUEST_SYNC(vmcb->save.rax);
}

/* Hyper-V's VP assist page is read at VMRUN. */
static void assist(struct own *o)
{
	const struct own_want wants[] = {
		{ OWN_GFN(PAGE_ASSIST), KVM_DP_EVENT_KVM }, want_vmcb,
	};
	const struct own_want data = { OWN_GFN(0), 0 };

	vcpu_set_hv_cpuid(o->e.vcpu);
	vcpu_set_cpuid_feature(o->e.vcpu, X86_FEATURE_SVM);
	own_bring(o, OWN_GFN(PAGE_ASSIST));
	l1_start(o, 0);
	own_evict(o, OWN_GFN(PAGE_ASSIST));
	own_run(o, wants, ARRAY_SIZE(wants));
	assert_l2_exits(o);
	own_sync(o, &data, 1, data_word(o));
}

void test_own_assist(void)
{
	own_each(assist, guest_assist);
}

/* The last nested table is a data page itself, so it may be private. */
static void npt_in_data(struct own *o)
{
	struct npt npt = npt_create(o->e.vm, false);
	const struct own_want wants[] = {
		{ OWN_GFN(0), 0 }, { OWN_GFN(PAGE_IOPM), KVM_DP_EVENT_KVM },
	};
	uint64_t *lower = addr_gpa2hva(o->e.vm, npt.lower);

	lower[0] = OWN_GPA(PAGE_IOPM) | NPT_TABLE;
	l1_start(o, npt.root);
	own_put(o, PAGE_IOPM, 0, addr_gpa2hva(o->e.vm, npt.table), 4096);
	own_run(o, &want_vmcb, 1);
	assert_l2_exits(o);
	own_sync(o, wants, 2, data_word(o));
}

void test_own_npt_in_data(void)
{
	own_each(npt_in_data, guest_vmrun);
}
