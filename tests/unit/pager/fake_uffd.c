// SPDX-License-Identifier: MIT
/* The fake VM's calls on shared memory under a real userfaultfd. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fake_vm.h"
#include "uffd_vm.h"

#define N_SESSIONS 16u

/* The backend itself, with what a test sets around it. */
struct fake_session {
	struct backend backend;
	struct backend *inner;
	struct fake_vm *vm;
};

struct fake_uffd {
	struct uffd_vm vm;
	struct fake_session sessions[N_SESSIONS];
	size_t n_sessions;
	bool destination;
};

static struct backend *inner_of(struct backend *backend)
{
	return ((struct fake_session *)backend)->inner;
}

static struct fake_vm *vm_of(struct backend *backend)
{
	return ((struct fake_session *)backend)->vm;
}

static int fake_freeze(struct backend *backend)
{
	int r = inner_of(backend)->ops->freeze(inner_of(backend));

	if (r == 0)
		vm_of(backend)->frozen = true;
	return r;
}

static int fake_thaw(struct backend *backend)
{
	int r = inner_of(backend)->ops->thaw(inner_of(backend));

	if (r == 0) {
		vm_of(backend)->frozen = false;
		vm_of(backend)->n_thaws++;
	}
	return r;
}

static int fake_extract(struct backend *backend, uint64_t gfn, uint64_t n_pages, void *ret_pages)
{
	int r = atomic_load(&vm_of(backend)->extract_error);

	return r < 0 ? r : inner_of(backend)->ops->extract(inner_of(backend), gfn, n_pages, ret_pages);
}

static int fake_query(struct backend *backend, enum backend_set set, uint64_t gfn, uint64_t n_pages,
		      uint64_t *ret_bitmap, uint64_t *ret_n_set, uint64_t *ret_n_missing)
{
	return inner_of(backend)->ops->query(inner_of(backend), set, gfn, n_pages, ret_bitmap, ret_n_set, ret_n_missing);
}

static int fake_populate(struct backend *backend, struct backend_run *runs, size_t n_runs)
{
	const struct timespec delay = { .tv_nsec = (long)atomic_load(&vm_of(backend)->populate_delay_us) * 1000 };

	if (delay.tv_nsec > 0 && runs[0].n_pages + n_runs > 2)
		nanosleep(&delay, NULL);
	return inner_of(backend)->ops->populate(inner_of(backend), runs, n_runs);
}

static int fake_mark_present(struct backend *backend, uint64_t gfn, uint64_t n_pages)
{
	return inner_of(backend)->ops->mark_present(inner_of(backend), gfn, n_pages);
}

static int fake_wait_events(struct backend *backend, int stop_fd, struct backend_event *ret_events, size_t n_max,
			    size_t *ret_n)
{
	return inner_of(backend)->ops->wait_events(inner_of(backend), stop_fd, ret_events, n_max, ret_n);
}

static void fake_close(struct backend *backend)
{
	struct fake_session *session = (struct fake_session *)backend;

	session->inner->ops->close(session->inner);
	session->inner = NULL;
	vm_of(backend)->n_sessions--;
}

static const struct backend_ops ops = {
	.name = "uffd",
	.shared_too = true,
	.freeze = fake_freeze,
	.thaw = fake_thaw,
	.extract = fake_extract,
	.query = fake_query,
	.populate = fake_populate,
	.mark_present = fake_mark_present,
	.wait_events = fake_wait_events,
	.close = fake_close,
};

int fake_uffd_init(struct fake_vm *vm)
{
	int r;

	vm->uffd = calloc(1, sizeof(*vm->uffd));
	if (vm->uffd == NULL)
		return -ENOMEM;
	r = vm->n_private > 0 ? uffd_vm_init(&vm->uffd->vm, vm->n_private, vm->n_shared, vm->n_private) : -EINVAL;
	if (r < 0)
		return r;
	vm->memfd = vm->uffd->vm.memfd;
	/* For a test to look into memory; of a destination, once it is complete. */
	vm->shared = mmap(NULL, (vm->n_private + vm->n_shared) * FAKE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			  vm->memfd, 0);
	return vm->shared == MAP_FAILED ? -errno : 0;
}

void fake_uffd_fini(struct fake_vm *vm)
{
	size_t i;

	for (i = 0; i < vm->uffd->n_sessions; i++)
		if (vm->uffd->sessions[i].inner != NULL)
			fake_close(&vm->uffd->sessions[i].backend);
	uffd_vm_fini(&vm->uffd->vm);
	free(vm->uffd);
	vm->uffd = NULL;
}

/* Whether one goes on is what libgmem would say: a source was frozen, a destination has pages. */
struct backend *fake_uffd_session(struct fake_vm *vm)
{
	struct fake_uffd *uffd = vm->uffd;
	struct fake_session *session = &uffd->sessions[uffd->n_sessions++];
	const bool again = uffd->destination ? fake_vm_count_missing(vm) < vm->n_private + vm->n_shared : vm->frozen;
	char error[256] = "";

	if (uffd->n_sessions > N_SESSIONS)
		abort();
	*session = (struct fake_session){ .backend = { &ops }, .vm = vm };
	if (uffd_vm_session(&uffd->vm, uffd->destination, again, &session->inner, error, sizeof(error)) < 0) {
		fprintf(stderr, "no session: %s\n", error);
		abort();
	}
	vm->n_sessions++;
	return &session->backend;
}

void fake_uffd_empty(struct fake_vm *vm)
{
	vm->uffd->destination = true;
	if (uffd_vm_empty(&vm->uffd->vm) < 0)
		abort();
}

bool fake_uffd_is_missing(struct fake_vm *vm, uint64_t gfn)
{
	return vm->uffd->destination && !uffd_vm_has(&vm->uffd->vm, gfn);
}

int fake_uffd_touch(struct fake_vm *vm, uint64_t gfn)
{
	(void)uffd_vm_touch(&vm->uffd->vm, gfn);
	return 0;
}

void fake_uffd_region(struct fake_vm *vm, size_t number, struct gmem_region *ret_region)
{
	*ret_region = vm->uffd->vm.regions[number];
}
