// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging: an SMI that interrupts L2, and the RSM after it, while the
 * pages of L1 that they need are missing.
 */
#include <linux/kvm_demand_paging.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "test_util.h"

#define SMRAM_GPA	0x1000000
#define SMRAM_SLOT	(BIT(16) | 1)
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

static void l1_shutdown_code(struct svm_test_data *svm)
{
	unsigned long stack[64];

	generic_svm_setup(svm, l2_code, &stack[64]);
	svm->vmcb->control.intercept |= BIT_ULL(INTERCEPT_SHUTDOWN);
	run_guest(svm->vmcb, svm->vmcb_gpa);
	GUEST_ASSERT_EQ(svm->vmcb->control.exit_code, SVM_EXIT_SHUTDOWN);
	tell(IN_L1_AGAIN);
}

static struct env env_create(void *guest_code)
{
	vm_vaddr_t svm_gva;
	struct env e;

	e.vm = __vm_create(VM_SHAPE_DEFAULT, 1, 0);
	vm_enable_cap(e.vm, KVM_CAP_DEMAND_PAGING, KVM_DP_ENABLE | KVM_DP_MODE_EXIT);
	e.control = __vm_ioctl(e.vm, KVM_CREATE_DEMAND_PAGING, NULL);
	TEST_ASSERT(e.control >= 0, "KVM_CREATE_DEMAND_PAGING: %s", strerror(errno));
	vm_enable_cap(e.vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1);
	e.vcpu = vm_vcpu_add(e.vm, 0, guest_code);

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

/* A page of the VM that whoever touches it sleeps for, until it is given back. */
struct slow_page {
	int uffd;
	void *hva;
	uint8_t contents[4096];
};

static struct slow_page slow_page_create(void *hva)
{
	struct slow_page s = {
		.uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK),
		.hva = hva,
	};
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)hva, .len = 4096 },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_api api = { .api = UFFD_API };

	memcpy(s.contents, hva, 4096);
	TEST_ASSERT(s.uffd >= 0 && !ioctl(s.uffd, UFFDIO_API, &api) &&
		    !ioctl(s.uffd, UFFDIO_REGISTER, &reg), "userfaultfd: %s",
		    strerror(errno));
	TEST_ASSERT(!madvise(hva, 4096, MADV_DONTNEED), "madvise: %s", strerror(errno));
	return s;
}

static void slow_page_wait(struct slow_page *s)
{
	struct pollfd pfd = { .fd = s->uffd, .events = POLLIN };

	TEST_ASSERT(poll(&pfd, 1, 60000) == 1 && pfd.revents == POLLIN,
		    "nobody touched the page");
}

static void slow_page_destroy(struct slow_page *s)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)s->hva, .src = (uintptr_t)s->contents, .len = 4096,
	};

	TEST_ASSERT(!ioctl(s->uffd, UFFDIO_COPY, &copy), "UFFDIO_COPY: %s", strerror(errno));
	close(s->uffd);
}

/* Marks a page missing, and keeps what it held when that had been done. */
struct marker {
	struct env *e;
	uint64_t gpa;
	pid_t tid;
	bool done;
	uint8_t contents[4096];
};

static void *marker_thread(void *arg)
{
	struct marker *m = arg;

	WRITE_ONCE(m->tid, syscall(__NR_gettid));
	mark(m->e, m->gpa, KVM_DP_MARK_MISSING);
	memcpy(m->contents, addr_gpa2hva(m->e->vm, m->gpa), 4096);
	WRITE_ONCE(m->done, true);
	return NULL;
}

static bool is_asleep(pid_t tid)
{
	char path[64], line[256];
	bool asleep;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "r");
	asleep = f && fgets(line, sizeof(line), f) &&
		 !strncmp(strrchr(line, ')'), ") D", 3);
	if (f)
		fclose(f);
	return asleep;
}

static void *run_thread(void *arg)
{
	run_to(arg, IN_SMM);
	return NULL;
}

/*
 * KVM has mapped the save area and sleeps, before it writes it, over vmcb12.  If the
 * save area is marked missing now, that does not return before it was written.
 */
static void marked_while_mapped(void)
{
	struct env e = env_create(l1_code);
	struct marker m = { .e = &e, .gpa = e.svm->save_area_gpa };
	pthread_t run, marker;
	struct slow_page s;

	run_to(&e, IN_L2);
	memset(addr_gpa2hva(e.vm, m.gpa), 0xee, 4096);
	s = slow_page_create(addr_gpa2hva(e.vm, e.svm->vmcb_gpa));
	inject_smi(&e);
	pthread_create(&run, NULL, run_thread, &e);
	slow_page_wait(&s);
	pthread_create(&marker, NULL, marker_thread, &m);
	while (!READ_ONCE(m.done) &&
	       !(READ_ONCE(m.tid) && is_asleep(READ_ONCE(m.tid))))
		usleep(1000);
	slow_page_destroy(&s);
	pthread_join(marker, NULL);
	pthread_join(run, NULL);

	TEST_ASSERT(!memcmp(m.contents, addr_gpa2hva(e.vm, m.gpa), 4096),
		    "written after it was marked missing");
	mark(&e, m.gpa, KVM_DP_MARK_PRESENT);
	run_to(&e, IN_L2_AGAIN);
	run_to(&e, IN_L1_AGAIN);
	close(e.control);
	kvm_vm_free(e.vm);
}

static void missing_in_l2(void)
{
	struct env e = env_create(l1_code);
	uint64_t vmcb12 = e.svm->vmcb_gpa, hsave = e.svm->save_area_gpa;

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
}

/* L2 shuts down, and L1 is told so, though its VMCB is not there at first. */
static void shutdown_in_l2(void)
{
	struct env e = env_create(l1_shutdown_code);
	struct kvm_vcpu_events events;

	run_to(&e, IN_L2);
	mark(&e, e.svm->vmcb_gpa, KVM_DP_MARK_MISSING);
	vcpu_events_get(e.vcpu, &events);
	events.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	events.triple_fault.pending = 1;
	vcpu_events_set(e.vcpu, &events);
	assert_misses(&e, e.svm->vmcb_gpa, EFAULT);
	assert_misses(&e, e.svm->vmcb_gpa, EFAULT);
	vcpu_events_get(e.vcpu, &events);
	TEST_ASSERT(events.triple_fault.pending, "it got lost");
	mark(&e, e.svm->vmcb_gpa, KVM_DP_MARK_PRESENT);
	run_to(&e, IN_L1_AGAIN);
	close(e.control);
	kvm_vm_free(e.vm);
}

/* A guest in PAE mode, its page tables and code in two pages of their own. */
#define PAE_GPA		0x2000000
#define PAE_SLOT	2

static const uint8_t pae_code[] = {
	0xb0, IN_L2,		/* mov $IN_L2, %al */
	0xe4, SYNC_PORT,	/* in $SYNC_PORT, %al */
	0xb0, IN_L2_AGAIN,
	0xe4, SYNC_PORT,
	0xb0, IN_L1_AGAIN,
	0xe4, SYNC_PORT,
};

static struct env pae_create(uint64_t *ret_pdpt)
{
	struct env e = env_create(l1_code);
	struct kvm_segment seg = {
		.limit = 0xffffffff, .selector = 8, .type = 0xb, .present = 1, .db = 1,
		.s = 1, .g = 1,
	};
	uint64_t *pdpt, *dir;
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = PAE_GPA + 0x2000, .rflags = 2 };

	vm_userspace_mem_region_add(e.vm, VM_MEM_SRC_ANONYMOUS, PAE_GPA, PAE_SLOT, 3, 0);
	TEST_ASSERT_EQ(vm_phy_pages_alloc(e.vm, 3, PAE_GPA, PAE_SLOT), PAE_GPA);
	pdpt = addr_gpa2hva(e.vm, PAE_GPA);
	dir = addr_gpa2hva(e.vm, PAE_GPA + 0x1000);
	memcpy(addr_gpa2hva(e.vm, PAE_GPA + 0x2000), pae_code, sizeof(pae_code));
	pdpt[0] = (PAE_GPA + 0x1000) | 1;
	dir[PAE_GPA >> 21] = PAE_GPA | 0xe3;

	vcpu_sregs_get(e.vcpu, &sregs);
	sregs.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_NE | X86_CR0_ET;
	sregs.cr3 = PAE_GPA;
	sregs.cr4 = X86_CR4_PAE;
	sregs.efer = 0;
	sregs.cs = seg;
	seg.type = 3;
	seg.selector = 16;
	sregs.ds = seg;
	sregs.es = seg;
	sregs.fs = seg;
	sregs.gs = seg;
	sregs.ss = seg;
	mark(&e, PAE_GPA, KVM_DP_MARK_MISSING);
	vcpu_sregs_set(e.vcpu, &sregs);
	vcpu_regs_set(e.vcpu, &regs);
	*ret_pdpt = PAE_GPA;
	return e;
}

static void assert_pdptrs(struct env *e, bool valid)
{
	struct kvm_sregs2 sregs;

	vcpu_ioctl(e->vcpu, KVM_GET_SREGS2, &sregs);
	TEST_ASSERT_EQ(sregs.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID,
		       valid ? KVM_SREGS2_FLAGS_PDPTRS_VALID : 0);
	if (valid)
		TEST_ASSERT_EQ(sregs.pdptrs[0], (PAE_GPA + 0x1000) | 1);
}

/* The page of the PDPTEs is missing when registers are restored, and at RSM. */
static void pdptes(void)
{
	uint64_t pdpt;
	struct env e = pae_create(&pdpt);

	assert_pdptrs(&e, false);
	assert_misses(&e, pdpt, EFAULT);
	assert_misses(&e, pdpt, EFAULT);
	assert_pdptrs(&e, false);
	mark(&e, pdpt, KVM_DP_MARK_PRESENT);
	run_to(&e, IN_L2);
	assert_pdptrs(&e, true);

	inject_smi(&e);
	run_to(&e, IN_SMM);
	/* An emulated CPU marks it as accessed, and RSM finds a reserved bit set. */
	*(uint64_t *)addr_gpa2hva(e.vm, pdpt) &= ~BIT_ULL(5);
	mark(&e, pdpt, KVM_DP_MARK_MISSING);
	assert_misses(&e, pdpt, EFAULT);
	assert_misses(&e, pdpt, EFAULT);
	assert_smi(&e, false, true, 1);
	mark(&e, pdpt, KVM_DP_MARK_PRESENT);
	run_to(&e, IN_L2_AGAIN);
	assert_smi(&e, false, false, 1);
	run_to(&e, IN_L1_AGAIN);
	close(e.control);
	kvm_vm_free(e.vm);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_DEMAND_PAGING));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_X86_SMM));
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_SVM));

	missing_in_l2();
	marked_while_mapped();
	shutdown_in_l2();
	pdptes();
	return 0;
}
