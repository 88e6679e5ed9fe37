/* SPDX-License-Identifier: MIT */
#include "touch.h"

#include <pthread.h>

#include "count.h"
#include "dp.h"
#include "need.h"

struct touch {
	struct vm *vm;
	unsigned int vcpu;
	int session_fd;
	pthread_barrier_t *ready;
	pthread_mutex_t *go;
};

static void *vcpu_thread(void *arg)
{
	static const uint8_t page[VM_PAGE] __attribute__((aligned(4096))) = { 0x5a };
	struct touch *touch = arg;
	uint64_t gfn;

	pthread_barrier_wait(touch->ready);
	pthread_mutex_lock(touch->go);
	pthread_mutex_unlock(touch->go);
	while (!vm_run(touch->vm, touch->vcpu, &gfn))
		dp_populate(touch->session_fd, gfn, 1, page);
	return NULL;
}

double touch_measure(struct vm *vm, int session_fd)
{
	pthread_mutex_t go = PTHREAD_MUTEX_INITIALIZER;
	struct touch touches[VM_MAX_VCPUS];
	pthread_t threads[VM_MAX_VCPUS];
	pthread_barrier_t ready;
	uint64_t start;

	need(!pthread_barrier_init(&ready, NULL, vm->n_vcpus + 1), "barrier");
	pthread_mutex_lock(&go);
	for (unsigned int i = 0; i < vm->n_vcpus; i++) {
		touches[i] = (struct touch){ .vm = vm, .vcpu = i, .session_fd = session_fd, .ready = &ready, .go = &go };
		need(!pthread_create(&threads[i], NULL, vcpu_thread, &touches[i]), "vCPU thread");
	}
	pthread_barrier_wait(&ready);
	count_settle(20);		/* they wait for the mutex now */

	start = count_now();
	pthread_mutex_unlock(&go);
	for (unsigned int i = 0; i < vm->n_vcpus; i++)
		pthread_join(threads[i], NULL);
	start = count_now() - start;

	pthread_barrier_destroy(&ready);
	return (double)start / (double)vm->n_pages;
}
