/* SPDX-License-Identifier: MIT */
/* A memslot comes and goes while vCPUs sleep on missing pages. */
#include <linux/kvm_demand_paging.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "count.h"
#include "dp.h"
#include "figures.h"
#include "need.h"

struct sleeper {
	struct vm *vm;
	unsigned int vcpu;
};

static void *vcpu_thread(void *arg)
{
	struct sleeper *sleeper = arg;
	uint64_t gfn;

	need(vm_run(sleeper->vm, sleeper->vcpu, &gfn), "a vCPU was not woken");
	return NULL;
}

static void wait_until_all_sleep(const struct vm *vm, int session_fd)
{
	struct kvm_dp_event event;

	for (unsigned int i = 0; i < vm->n_vcpus; i++)
		need(read(session_fd, &event, sizeof(event)) == sizeof(event), "reading events");
	count_settle(20);
}

void slot_all(unsigned int n_vcpus)
{
	struct sleeper sleepers[VM_MAX_VCPUS];
	pthread_t threads[VM_MAX_VCPUS];
	int session_fd;
	uint8_t *page;
	struct vm vm;
	uint64_t n;

	vm_create(&vm, VM_GMEM, VM_PAGING_WAIT, 512 * n_vcpus, n_vcpus);
	session_fd = dp_session(&vm, KVM_DP_RIGHT_EVENTS | KVM_DP_RIGHT_POPULATE);
	dp_mark_missing(&vm, VM_DATA_GFN, vm.n_pages, NULL);
	page = mmap(NULL, VM_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(page != MAP_FAILED, "page for the memslot");
	for (unsigned int i = 0; i < n_vcpus; i++) {
		sleepers[i] = (struct sleeper){ .vm = &vm, .vcpu = i };
		need(!pthread_create(&threads[i], NULL, vcpu_thread, &sleepers[i]), "vCPU thread");
	}
	wait_until_all_sleep(&vm, session_fd);

	n = count_now();
	vm_set_slot(&vm, VM_SPARE_SLOT, VM_DATA_GPA * 2, VM_PAGE, page, -1);
	vm_set_slot(&vm, VM_SPARE_SLOT, VM_DATA_GPA * 2, 0, page, -1);
	n = count_now() - n;

	dp_populate(session_fd, VM_DATA_GFN, vm.n_pages, NULL);
	for (unsigned int i = 0; i < n_vcpus; i++)
		pthread_join(threads[i], NULL);
	close(session_fd);
	munmap(page, VM_PAGE);
	vm_destroy(&vm);
	count_settle(20);
	count_report("memslot", (double)n);
}
