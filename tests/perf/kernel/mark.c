/* SPDX-License-Identifier: MIT */
/* Marking GFNs missing against giving them the attribute that KVM has already. */
#include <fcntl.h>
#include <unistd.h>

#include "count.h"
#include "dp.h"
#include "figures.h"
#include "need.h"

#define RANGE_PAGES  (256u * 1024u)
#define SINGLE_PAGES (64u * 1024u)
#define WAIT_PAGES   16u

typedef void mark_fn(struct vm *vm, uint64_t gfn, uint64_t n_pages);

static void mark_missing(struct vm *vm, uint64_t gfn, uint64_t n_pages)
{
	dp_mark_missing(vm, gfn, n_pages, NULL);
}

static void set_attribute(struct vm *vm, uint64_t gfn, uint64_t n_pages)
{
	vm_set_private(vm, gfn * VM_PAGE, n_pages * VM_PAGE);
}

/* Instructions per GFN, @step of them by each call. */
static double measure(enum vm_paging paging, mark_fn *mark, uint64_t n_pages, uint64_t step)
{
	struct vm vm;
	uint64_t n;

	vm_create(&vm, VM_GMEM_BARE, paging, n_pages, 0);
	count_settle(20);
	n = count_now();
	for (uint64_t i = 0; i < n_pages; i += step)
		mark(&vm, VM_DATA_GFN + i, step);
	n = count_now() - n;
	vm_destroy(&vm);
	count_settle(20);
	return (double)n / (double)n_pages;
}

/* The kernel's default is 0; test hosts boot with 1. */
static void set_rcu_expedited(char value)
{
	int fd = open("/sys/kernel/rcu_expedited", O_WRONLY | O_CLOEXEC);

	need(fd >= 0 && write(fd, &value, 1) == 1, "/sys/kernel/rcu_expedited");
	close(fd);
}

void mark_all(unsigned int n_vcpus)
{
	count_report("mark_range", measure(VM_PAGING_WAIT, mark_missing, RANGE_PAGES, RANGE_PAGES));
	count_report("attribute_range", measure(VM_PAGING_OFF, set_attribute, RANGE_PAGES, RANGE_PAGES));
	count_report("mark_single", measure(VM_PAGING_WAIT, mark_missing, SINGLE_PAGES, 1));
	/* Waiting included, as the host does nothing else: elapsed time, hardly any work. */
	set_rcu_expedited('0');
	count_report("mark_single_elapsed", measure(VM_PAGING_WAIT, mark_missing, WAIT_PAGES, 1));
	set_rcu_expedited('1');
	count_report("attribute_single", measure(VM_PAGING_OFF, set_attribute, SINGLE_PAGES, 1));
}
