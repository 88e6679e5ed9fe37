/* SPDX-License-Identifier: MIT */
/*
 * Where the instructions of a demand fault and of a populate go: the same calls,
 * a part at a time.
 */
#include <linux/kvm_demand_paging.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "count.h"
#include "dp.h"
#include "figures.h"
#include "need.h"
#include "touch.h"

#define N_PAGES 4096u

static uint8_t page[VM_PAGE] __attribute__((aligned(4096)));

static void report(const char *name, uint64_t start)
{
	count_report(name, (double)(count_now() - start) / N_PAGES);
}

static void measure_syscall(void)
{
	uint64_t start = count_now();

	for (unsigned int i = 0; i < N_PAGES; i++)
		syscall(SYS_getppid);
	report("step_syscall", start);
}

/* KVM_RUN, fault on the missing page, back in user space; the page stays missing. */
static void measure_exits(struct vm *vm)
{
	uint64_t gfn, start = count_now();

	for (unsigned int i = 0; i < N_PAGES; i++)
		need(!vm_run(vm, 0, &gfn), "a missing page was there");
	report("step_exit", start);
}

static void measure_single(int session_fd, const char *name, const void *data)
{
	uint64_t start = count_now();

	for (unsigned int i = 0; i < N_PAGES; i++)
		dp_populate(session_fd, VM_DATA_GFN + i, 1, data);
	report(name, start);
}

void steps_all(unsigned int n_vcpus)
{
	int session_fd;
	struct vm vm;

	measure_syscall();
	vm_create(&vm, VM_GMEM, VM_PAGING_EXIT, N_PAGES, 1);
	session_fd = dp_session(&vm, KVM_DP_RIGHT_POPULATE | KVM_DP_RIGHT_EVENTS);
	memset(page, 0x5a, sizeof(page));

	dp_mark_missing(&vm, VM_DATA_GFN, N_PAGES, NULL);
	measure_exits(&vm);
	measure_single(session_fd, "step_populate_single", page);
	/* All present: a page is allocated, copied to and freed again. */
	measure_single(session_fd, "step_populate_skipped", page);
	/* Nested faults that find their page. */
	count_report("step_touch_populated", touch_measure(&vm, session_fd));
	close(session_fd);
	vm_destroy(&vm);

	vm_create(&vm, VM_GMEM, VM_PAGING_EXIT, N_PAGES, 0);
	session_fd = dp_session(&vm, KVM_DP_RIGHT_POPULATE);
	dp_mark_missing(&vm, VM_DATA_GFN, N_PAGES, NULL);
	measure_single(session_fd, "step_populate_zero", NULL);
	close(session_fd);
	vm_destroy(&vm);
	count_settle(20);
}
