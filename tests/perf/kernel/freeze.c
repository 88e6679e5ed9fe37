/* SPDX-License-Identifier: MIT */
/* Freezing VMs of two sizes, most of whose memory is missing. */
#include <linux/kvm_demand_paging.h>
#include <sys/ioctl.h>

#include "count.h"
#include "dp.h"
#include "figures.h"
#include "need.h"
#include "touch.h"

#define GIB_PAGES 262144ull

/* Instructions per GiB of guest. */
static double measure(uint64_t n_gib, unsigned int n_vcpus)
{
	struct vm vm;
	uint64_t n;

	vm_create(&vm, VM_GMEM_BARE, VM_PAGING_WAIT, n_gib * GIB_PAGES, n_vcpus);
	dp_mark_missing(&vm, VM_DATA_GFN, vm.n_pages, NULL);
	count_settle(20);
	n = count_now();
	need(!ioctl(vm.control_fd, KVM_DP_FREEZE, 0), "freezing");
	n = count_now() - n;
	vm_destroy(&vm);
	count_settle(20);
	return (double)n / (double)n_gib;
}

static double count_ioctl(int fd, unsigned long request, void *arg)
{
	uint64_t n = count_now();

	need(!ioctl(fd, request, arg), "freezing, or marking");
	return (double)(count_now() - n);
}

/* 1 GiB that is there and mapped: freezing it, and marking the VM missing as a whole, per SPTE. */
static void mapped(enum vm_memory memory, uint64_t n_sptes, unsigned int n_vcpus, const char *freeze, const char *mark)
{
	struct kvm_dp_mark whole = { .n_pages = ~0ull, .flags = KVM_DP_MARK_MISSING };
	struct vm vm;

	vm_create(&vm, memory, VM_PAGING_WAIT, GIB_PAGES, n_vcpus);
	(void)touch_measure(&vm, -1);
	count_settle(20);
	count_report(freeze, count_ioctl(vm.control_fd, KVM_DP_FREEZE, NULL));
	need(!ioctl(vm.control_fd, KVM_DP_THAW, 0), "thawing");
	count_report(mark, count_ioctl(vm.control_fd, KVM_DP_MARK, &whole) / (double)n_sptes);
	vm_destroy(&vm);
	count_settle(20);
}

void freeze_all(unsigned int n_vcpus)
{
	mapped(VM_GMEM, GIB_PAGES, n_vcpus, "freeze_mapped_4k", "mark_vm_4k");
	mapped(VM_GMEM_2M, GIB_PAGES / 512, n_vcpus, "freeze_mapped_2m", "mark_vm_2m");
	count_report("freeze_1g", measure(1, n_vcpus));
	/* The first GiB of the 1 TiB that the emulated CPU can address holds the code. */
	count_report("freeze_1t", measure(1023, n_vcpus));
}
