/* SPDX-License-Identifier: MIT */
#include "vm.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/kvm_demand_paging.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "need.h"

#define CODE_GPA 0x1000u
#define CODE_WRITE (CODE_GPA + 2u)	/* label 1 */
#define CR0_PE	 (1u << 0)
#define CR0_ET	 (1u << 4)

/* Protected mode, flat, no guest page tables: from EDI to ESI, one word per page. */
static const uint8_t guest_code[] = {
	0xe6, 0x10,				/*     out  %al, $0x10		ready */
	0x89, 0x3f,				/* 1:  mov  %edi, (%edi) */
	0x81, 0xc7, 0x00, 0x10, 0x00, 0x00,	/*     add  $0x1000, %edi */
	0x39, 0xf7,				/*     cmp  %esi, %edi */
	0x72, 0xf4,				/*     jb   1b */
	0xe6, 0x10,				/* 2:  out  %al, $0x10		done */
	0xeb, 0xfc,				/*     jmp  2b */
};

void vm_set_slot(struct vm *vm, uint32_t slot, uint64_t gpa, uint64_t size, void *hva, int gmem_fd)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = slot,
		.flags = gmem_fd >= 0 ? KVM_MEM_GUEST_MEMFD : 0,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
		.guest_memfd = gmem_fd >= 0 ? (uint32_t)gmem_fd : 0,
	};

	need(!ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION2, &region), "memslot");
}

void vm_set_private(struct vm *vm, uint64_t gpa, uint64_t size)
{
	struct kvm_memory_attributes attributes = {
		.address = gpa, .size = size, .attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE,
	};

	need(!ioctl(vm->vm_fd, KVM_SET_MEMORY_ATTRIBUTES, &attributes), "making memory private");
}

static struct kvm_segment segment(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.limit = 0xffffffff, .selector = selector, .type = type, .present = 1, .s = 1, .g = 1, .db = 1,
	};
}

static void vcpu_create(struct vm *vm, unsigned int index)
{
	uint64_t share = vm->n_pages / (vm->n_vcpus ? vm->n_vcpus : 1) * VM_PAGE;
	struct kvm_regs regs = {
		.rip = CODE_GPA, .rflags = 2,
		.rdi = VM_DATA_GPA + index * share, .rsi = VM_DATA_GPA + (index + 1) * share,
	};
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_sregs sregs;
	uint64_t gfn;
	int fd;

	fd = vm->vcpu_fds[index] = ioctl(vm->vm_fd, KVM_CREATE_VCPU, index);
	need(fd >= 0, "vCPU");
	vm->runs[index] = mmap(NULL, vm->run_len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	need(vm->runs[index] != MAP_FAILED, "vCPU's shared page");
	need(!ioctl(fd, KVM_GET_SREGS, &sregs), "system registers");
	sregs.cs = segment(8, 0xb);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = segment(16, 0x3);
	sregs.cr0 = CR0_PE | CR0_ET;
	need(!ioctl(fd, KVM_SET_SREGS, &sregs) && !ioctl(fd, KVM_SET_REGS, &regs), "registers");
	need(!ioctl(fd, KVM_SET_MP_STATE, &runnable), "vCPU's state");
	need(vm_run(vm, index, &gfn), "first entry");
}

/* Congruent with the GFNs, or KVM maps nothing huge. */
#define HUGE_ADDRESS ((void *)(VM_DATA_GPA << 8))

static bool is_shared(const struct vm *vm)
{
	return vm->memory == VM_ANON || vm->memory == VM_HUGETLB_2M || vm->memory == VM_HUGETLB_1G;
}

static uint8_t *map_data(const struct vm *vm, size_t size)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

	if (vm->memory == VM_HUGETLB_2M)
		flags |= MAP_HUGETLB | 21 << MAP_HUGE_SHIFT;
	if (vm->memory == VM_HUGETLB_1G)
		flags |= MAP_HUGETLB | 30 << MAP_HUGE_SHIFT;
	if (vm->memory != VM_ANON)
		flags |= MAP_FIXED_NOREPLACE;
	return mmap(flags & MAP_FIXED_NOREPLACE ? HUGE_ADDRESS : NULL, size,
		    is_shared(vm) ? PROT_READ | PROT_WRITE : PROT_NONE, flags, -1, 0);
}

static void add_data(struct vm *vm)
{
	struct kvm_create_guest_memfd create = {
		.size = vm->n_pages * VM_PAGE,
		.flags = vm->memory == VM_GMEM_2M ? GUEST_MEMFD_FLAG_HUGE_2M : 0,
	};

	vm->data = map_data(vm, create.size);
	need(vm->data != MAP_FAILED, "address range of the guest");
	if (!is_shared(vm)) {
		vm->gmem_fd = ioctl(vm->vm_fd, KVM_CREATE_GUEST_MEMFD, &create);
		need(vm->gmem_fd >= 0, "guest_memfd");
	}
	vm_set_slot(vm, VM_DATA_SLOT, VM_DATA_GPA, create.size, vm->data, vm->gmem_fd);
	if (vm->memory == VM_GMEM || vm->memory == VM_GMEM_2M)
		vm_set_private(vm, VM_DATA_GPA, create.size);
}

static void enable_paging(struct vm *vm, enum vm_paging paging)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_DEMAND_PAGING,
		.args = { KVM_DP_ENABLE | KVM_DP_ALLOW_EXTRACT |
			  (paging == VM_PAGING_WAIT ? KVM_DP_MODE_WAIT : KVM_DP_MODE_EXIT) },
	};

	if (paging == VM_PAGING_OFF)
		return;
	need(!ioctl(vm->vm_fd, KVM_ENABLE_CAP, &cap), "demand paging (patched kernel?)");
	vm->control_fd = ioctl(vm->vm_fd, KVM_CREATE_DEMAND_PAGING, 0);
	need(vm->control_fd >= 0, "control fd");
}

void vm_create(struct vm *vm, enum vm_memory memory, enum vm_paging paging, uint64_t n_pages, unsigned int n_vcpus)
{
	*vm = (struct vm){
		.gmem_fd = -1, .control_fd = -1, .memory = memory, .n_pages = n_pages, .n_vcpus = n_vcpus,
	};
	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	need(vm->kvm_fd >= 0, "/dev/kvm");
	vm->run_len = (size_t)ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	vm->vm_fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, is_shared(vm) ? KVM_X86_DEFAULT_VM : KVM_X86_SW_PROTECTED_VM);
	need(vm->vm_fd >= 0, "VM");
	need(!ioctl(vm->vm_fd, KVM_CREATE_IRQCHIP, 0), "interrupt controllers");
	enable_paging(vm, paging);

	vm->code = mmap(NULL, VM_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(vm->code != MAP_FAILED, "page for the guest's code");
	memcpy(vm->code, guest_code, sizeof(guest_code));
	vm_set_slot(vm, 0, CODE_GPA, VM_PAGE, vm->code, -1);
	add_data(vm);
	for (unsigned int i = 0; i < n_vcpus; i++)
		vcpu_create(vm, i);
}

void vm_destroy(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->n_vcpus; i++) {
		munmap(vm->runs[i], vm->run_len);
		close(vm->vcpu_fds[i]);
	}
	if (vm->control_fd >= 0)
		close(vm->control_fd);
	if (vm->gmem_fd >= 0)
		close(vm->gmem_fd);
	close(vm->vm_fd);
	close(vm->kvm_fd);
	munmap(vm->data, vm->n_pages * VM_PAGE);
	munmap(vm->code, VM_PAGE);
}

void vm_rewind(struct vm *vm, unsigned int vcpu, uint64_t page, uint64_t n_pages)
{
	struct kvm_regs regs = {
		.rip = CODE_WRITE, .rflags = 2,
		.rdi = VM_DATA_GPA + page * VM_PAGE, .rsi = VM_DATA_GPA + (page + n_pages) * VM_PAGE,
	};
	struct kvm_run *run = vm->runs[vcpu];

	/* What it stopped at is complete only once it is entered again. */
	run->immediate_exit = 1;
	need(ioctl(vm->vcpu_fds[vcpu], KVM_RUN, 0) && errno == EINTR, "completing an exit");
	run->immediate_exit = 0;
	need(!ioctl(vm->vcpu_fds[vcpu], KVM_SET_REGS, &regs), "registers");
}

bool vm_run(struct vm *vm, unsigned int vcpu, uint64_t *ret_gfn)
{
	struct kvm_run *run = vm->runs[vcpu];

	if (!ioctl(vm->vcpu_fds[vcpu], KVM_RUN, 0)) {
		if (run->exit_reason != KVM_EXIT_IO)
			fprintf(stderr, "bench_kernel: exit reason %u\n", run->exit_reason);
		need(run->exit_reason == KVM_EXIT_IO, "a vCPU stopped");
		return true;
	}
	need(errno == EFAULT && run->exit_reason == KVM_EXIT_MEMORY_FAULT &&
	     run->memory_fault.flags & KVM_MEMORY_EXIT_FLAG_MISSING, "KVM_RUN");
	*ret_gfn = run->memory_fault.gpa / VM_PAGE;
	return false;
}
