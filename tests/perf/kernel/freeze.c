/* SPDX-License-Identifier: MIT */
/* Freezing VMs of two sizes, most of whose memory is missing. */
#include <linux/kvm_demand_paging.h>
#include <sys/ioctl.h>

#include "count.h"
#include "dp.h"
#include "figures.h"
#include "need.h"

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

void freeze_all(unsigned int n_vcpus)
{
	count_report("freeze_1g", measure(1, n_vcpus));
	/* The first GiB of the 1 TiB that the emulated CPU can address holds the code. */
	count_report("freeze_1t", measure(1023, n_vcpus));
}
