/* SPDX-License-Identifier: MIT */
/* The smallest VM that can touch memory: one data slot, and vCPUs that write to it. */
#ifndef PERF_VM_H
#define PERF_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VM_PAGE		4096u
#define VM_MAX_VCPUS	8u
#define VM_DATA_GPA	0x40000000ull
#define VM_DATA_GFN	(VM_DATA_GPA / VM_PAGE)
#define VM_DATA_SLOT	1u
#define VM_SPARE_SLOT	2u

/* What is behind the data slot. */
enum vm_memory {
	VM_ANON,	/* anonymous memory, an ordinary VM */
	VM_GMEM,	/* guest_memfd, a software-protected VM, GFNs private */
	VM_GMEM_2M,	/* the same with 2M folios */
	VM_HUGETLB_2M,	/* an ordinary VM on huge pages that were set aside */
	VM_HUGETLB_1G,
	VM_GMEM_BARE,	/* the same, no GFN private: their attributes take 9 bytes each */
};

enum vm_paging {
	VM_PAGING_OFF,
	VM_PAGING_EXIT,
	VM_PAGING_WAIT,
};

struct vm {
	int kvm_fd, vm_fd, gmem_fd, control_fd;
	int vcpu_fds[VM_MAX_VCPUS];
	struct kvm_run *runs[VM_MAX_VCPUS];
	unsigned int n_vcpus;
	size_t run_len;
	enum vm_memory memory;
	uint64_t n_pages;
	uint8_t *data;		/* VM_ANON, VM_HUGETLB_*: the memory; else an address range without any */
	uint8_t *code;
};

/*
 * Create a VM with @n_pages of data at VM_DATA_GPA and @n_vcpus vCPUs, which
 * have run up to the point where they start to write, each to its equal share.
 */
void vm_create(struct vm *vm, enum vm_memory memory, enum vm_paging paging, uint64_t n_pages, unsigned int n_vcpus);
void vm_destroy(struct vm *vm);

/* Run a vCPU until it has written (false: a page was missing, and which). */
bool vm_run(struct vm *vm, unsigned int vcpu, uint64_t *ret_gfn);

/* Let a vCPU that has written write again: pages [@page, @page + @n_pages). */
void vm_rewind(struct vm *vm, unsigned int vcpu, uint64_t page, uint64_t n_pages);

void vm_set_slot(struct vm *vm, uint32_t slot, uint64_t gpa, uint64_t size, void *hva, int gmem_fd);
void vm_set_private(struct vm *vm, uint64_t gpa, uint64_t size);

#endif
