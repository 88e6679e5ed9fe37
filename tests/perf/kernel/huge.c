/* SPDX-License-Identifier: MIT */
/*
 * After the last page: how much of a VM that was paged in is mapped huge, beside
 * one that never was, and whether it faults any more.
 */
#include <linux/kvm_demand_paging.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "count.h"
#include "dp.h"
#include "figures.h"
#include "need.h"
#include "stats.h"

#define BLOCK	  512ull
#define PAGES_1G  (BLOCK * BLOCK)

static const struct backing {
	const char *name;
	enum vm_memory memory;
	uint64_t n_pages;
} backings[] = {
	{ "gmem_2m", VM_GMEM_2M, 8 * BLOCK },
	{ "hugetlb_2m", VM_HUGETLB_2M, 8 * BLOCK },
	{ "hugetlb_1g", VM_HUGETLB_1G, PAGES_1G },
};

struct mapped {
	uint64_t n_4k, n_2m, n_1g;
	double write;		/* instructions per page written, all mapped */
	uint64_t faults;	/* in that pass */
};

/* The guest writes every page once. */
static void pass(struct vm *vm)
{
	uint64_t gfn;

	vm_rewind(vm, 0, 0, vm->n_pages);
	need(vm_run(vm, 0, &gfn), "a page is missing");
}

static struct mapped second_pass(struct vm *vm)
{
	struct mapped m;
	uint64_t start;

	m.faults = stats_get(vm->vcpu_fds[0], "pf_taken");
	start = count_now();
	pass(vm);
	m.write = (double)(count_now() - start) / (double)vm->n_pages;
	m.faults = stats_get(vm->vcpu_fds[0], "pf_taken") - m.faults;
	m.n_4k = stats_get(vm->vm_fd, "pages_4k");
	m.n_2m = stats_get(vm->vm_fd, "pages_2m");
	m.n_1g = stats_get(vm->vm_fd, "pages_1g");
	return m;
}

static void bring(struct vm *vm, int session_fd, uint64_t page, uint64_t n)
{
	static uint8_t data[BLOCK * VM_PAGE] __attribute__((aligned(4096)));

	if (vm->memory == VM_GMEM_2M) {
		dp_populate(session_fd, VM_DATA_GFN + page, n, data);
		return;
	}
	memset(vm->data + page * VM_PAGE, 0x5a, n * VM_PAGE);
	dp_mark_present(vm, VM_DATA_GFN + page, n);
}

static struct mapped never_paged(const struct backing *b)
{
	struct mapped m;
	struct vm vm;

	vm_create(&vm, b->memory, VM_PAGING_OFF, b->n_pages, 1);
	pass(&vm);
	m = second_pass(&vm);
	vm_destroy(&vm);
	return m;
}

/* Every block is mapped with 4K pages, as its last one is missing; then those arrive. */
static struct mapped paged(const struct backing *b)
{
	struct mapped m;
	struct vm vm;
	uint64_t i, gfn;
	int session_fd;

	vm_create(&vm, b->memory, VM_PAGING_EXIT, b->n_pages, 1);
	session_fd = dp_session(&vm, KVM_DP_RIGHT_POPULATE | KVM_DP_RIGHT_EVENTS);
	dp_mark_missing(&vm, VM_DATA_GFN, b->n_pages, NULL);
	for (i = 0; i < b->n_pages; i += BLOCK) {
		bring(&vm, session_fd, i, BLOCK - 1);
		vm_rewind(&vm, 0, i, BLOCK - 1);
		need(vm_run(&vm, 0, &gfn), "a page is missing");
	}
	need(stats_get(vm.vm_fd, "pages_4k") >= b->n_pages - b->n_pages / BLOCK, "4K mappings of incomplete blocks");
	for (i = BLOCK - 1; i < b->n_pages; i += BLOCK)
		bring(&vm, session_fd, i, 1);
	pass(&vm);
	m = second_pass(&vm);
	close(session_fd);
	vm_destroy(&vm);
	return m;
}

static double share_huge(const struct mapped *m)
{
	return (double)(m->n_2m * BLOCK + m->n_1g * PAGES_1G);
}

void huge_all(unsigned int n_vcpus)
{
	double ratio, worst = 1e9;
	struct mapped never, after;
	uint64_t faults = 0;
	char name[64];

	for (unsigned int i = 0; i < sizeof(backings) / sizeof(backings[0]); i++) {
		never = never_paged(&backings[i]);
		after = paged(&backings[i]);
		need(share_huge(&never) > 0, "huge pages in a VM that is not paged");
		ratio = share_huge(&after) / share_huge(&never);
		if (ratio < worst)
			worst = ratio;
		faults += after.faults;
		snprintf(name, sizeof(name), "huge_%s_2m", backings[i].name);
		count_report(name, (double)after.n_2m);
		snprintf(name, sizeof(name), "huge_%s_1g", backings[i].name);
		count_report(name, (double)after.n_1g);
		snprintf(name, sizeof(name), "huge_%s_write_ratio", backings[i].name);
		count_report(name, never.write / after.write);
	}
	count_report("huge_share", worst);
	count_report("huge_faults", (double)faults);
	count_settle(20);
}
