/* SPDX-License-Identifier: MIT */
/*
 * Demand faults: the guest writes one word to each page of 16 MiB per vCPU, none
 * of which is there.
 */
#include <linux/kvm_demand_paging.h>
#include <stdlib.h>
#include <unistd.h>

#include "count.h"
#include "dp.h"
#include "figures.h"
#include "pager.h"
#include "touch.h"
#include "uffd.h"

#define PAGES_PER_VCPU 4096u
#define N_REPEATS      3
#define PAGER_RIGHTS   (KVM_DP_RIGHT_EVENTS | KVM_DP_RIGHT_POPULATE)

static const struct reader_style lean = { .n_pages = 1 };
static const struct reader_style replying = { .reply = true, .n_pages = 1 };
static const struct reader_style polling = { .poll = true, .n_pages = 1 };
static const struct reader_style around = { .n_pages = 16 };

/* First touch of memory that nobody pages. */
static double plain(enum vm_memory memory, enum vm_paging paging, unsigned int n_vcpus)
{
	int session_fd = -1;
	struct vm vm;
	double n;

	vm_create(&vm, memory, paging, PAGES_PER_VCPU * n_vcpus, n_vcpus);
	if (paging != VM_PAGING_OFF)
		session_fd = dp_session(&vm, PAGER_RIGHTS);
	n = touch_measure(&vm, -1);
	if (session_fd >= 0)
		close(session_fd);
	vm_destroy(&vm);
	count_settle(20);
	return n;
}

static double with_uffd(const struct reader_style *style, unsigned int n_vcpus)
{
	struct uffd uffd;
	struct vm vm;
	double n;

	vm_create(&vm, VM_ANON, VM_PAGING_OFF, PAGES_PER_VCPU * n_vcpus, n_vcpus);
	uffd_register(&uffd, vm.data, vm.n_pages * VM_PAGE);
	uffd_start(&uffd, style);
	n = touch_measure(&vm, -1);
	uffd_stop(&uffd);
	uffd_close(&uffd);
	vm_destroy(&vm);
	count_settle(20);
	return n;
}

static double with_exits(unsigned int n_vcpus)
{
	int session_fd;
	struct vm vm;
	double n;

	vm_create(&vm, VM_GMEM, VM_PAGING_EXIT, PAGES_PER_VCPU * n_vcpus, n_vcpus);
	session_fd = dp_session(&vm, PAGER_RIGHTS);
	dp_mark_missing(&vm, VM_DATA_GFN, vm.n_pages, NULL);
	n = touch_measure(&vm, session_fd);
	close(session_fd);
	vm_destroy(&vm);
	count_settle(20);
	return n;
}

static double with_pager(const struct reader_style *style, unsigned int n_vcpus)
{
	struct pager pager;
	struct vm vm;
	double n;

	pager_start(&pager, style);
	vm_create(&vm, VM_GMEM, VM_PAGING_WAIT, PAGES_PER_VCPU * n_vcpus, n_vcpus);
	dp_mark_missing(&vm, VM_DATA_GFN, vm.n_pages, NULL);
	pager_give(&pager, dp_session(&vm, PAGER_RIGHTS));
	n = touch_measure(&vm, -1);
	vm_destroy(&vm);
	pager_wait(&pager);
	count_settle(20);
	return n;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double values[N_REPEATS])
{
	qsort(values, N_REPEATS, sizeof(values[0]), compare);
	return values[N_REPEATS / 2];
}

/* The only part that runs on an unpatched kernel as well. */
void fault_anon(unsigned int n_vcpus)
{
	double n[N_REPEATS];

	plain(VM_ANON, VM_PAGING_OFF, n_vcpus);	/* the first after booting takes 2 % more */
	for (int i = 0; i < N_REPEATS; i++)
		n[i] = plain(VM_ANON, VM_PAGING_OFF, n_vcpus);
	count_report("touch_anon", median(n));
}

/* In turns, as they differ by less than the state of the page allocator makes. */
static void fault_private(unsigned int n_vcpus)
{
	double off[N_REPEATS], on[N_REPEATS];

	for (int i = 0; i < N_REPEATS; i++) {
		off[i] = plain(VM_GMEM, VM_PAGING_OFF, n_vcpus);
		on[i] = plain(VM_GMEM, VM_PAGING_WAIT, n_vcpus);
	}
	count_report("touch_private_off", median(off));
	count_report("touch_private_on", median(on));
}

void fault_uffd(unsigned int n_vcpus)
{
	count_report("uffd", with_uffd(&polling, n_vcpus));
	count_report("uffd_lean", with_uffd(&lean, n_vcpus));
	count_report("uffd_around16", with_uffd(&around, n_vcpus));
}

void fault_paged(unsigned int n_vcpus)
{
	fault_private(n_vcpus);
	count_report("exit", with_exits(n_vcpus));
	count_report("wait", with_pager(&lean, n_vcpus));
	count_report("wait_reply", with_pager(&replying, n_vcpus));
	count_report("wait_poll", with_pager(&polling, n_vcpus));
	count_report("wait_around16", with_pager(&around, n_vcpus));
}
