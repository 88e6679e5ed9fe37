/* SPDX-License-Identifier: MIT */
/* A VM of two regions with a backend, what its pages are, and threads that touch them. */
#ifndef TESTS_UFFD_RIG_H
#define TESTS_UFFD_RIG_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "check.h"
#include "manifest.h"
#include "patience.h"
#include "uffd_vm.h"

#define N_FIRST 200u
#define N_SECOND 70u
#define SECOND 1000u	/* its GFN */
#define WAIT_MS (10000 * PATIENCE)

static char error[256];
static uint8_t data[256 * UFFD_VM_PAGE];

struct rig {
	struct uffd_vm vm;
	struct backend *backend;
	int stop_fd;
};

static inline void rig_init(struct rig *rig)
{
	size_t i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(1 + i / UFFD_VM_PAGE + i % 7);
	CU_ASSERT_EQUAL_FATAL(uffd_vm_init(&rig->vm, N_FIRST, N_SECOND, SECOND), 0);
	CU_ASSERT_EQUAL_FATAL(uffd_vm_session(&rig->vm, true, false, &rig->backend, error, sizeof(error)), 0);
	rig->stop_fd = eventfd(0, EFD_CLOEXEC);
}

static inline void rig_fini(struct rig *rig)
{
	if (rig->backend != NULL)
		rig->backend->ops->close(rig->backend);
	close(rig->stop_fd);
	uffd_vm_fini(&rig->vm);
}

static inline int populate(struct rig *rig, uint64_t gfn, uint64_t n, const void *from, struct backend_run *ret_run)
{
	struct backend_run run = { .gfn = gfn, .n_pages = n, .data = from };
	int r = rig->backend->ops->populate(rig->backend, &run, 1);

	if (ret_run != NULL)
		*ret_run = run;
	return r;
}

static inline uint64_t missing(struct rig *rig, uint64_t gfn, uint64_t n)
{
	uint64_t n_set = UINT64_MAX;

	CU_ASSERT_EQUAL(rig->backend->ops->query(rig->backend, BACKEND_MISSING, gfn, n, NULL, &n_set, NULL), 0);
	return n_set;
}

static inline uint64_t missing_in_all(struct rig *rig)
{
	uint64_t n = UINT64_MAX;

	CU_ASSERT_EQUAL(rig->backend->ops->query(rig->backend, BACKEND_MISSING, 0, 1, NULL, NULL, &n), 0);
	return n;
}

static inline bool has_bytes(struct rig *rig, uint64_t gfn, const uint8_t *page)
{
	uint8_t bytes[UFFD_VM_PAGE];

	uffd_vm_peek(&rig->vm, gfn, bytes);
	return memcmp(bytes, page, UFFD_VM_PAGE) == 0;
}

/* The next event, or UINT64_MAX if none came. */
static inline uint64_t next_event(struct rig *rig)
{
	struct backend_event event;
	size_t n = 0;
	int i;

	for (i = 0; i < WAIT_MS / 1000 + 1 && n == 0; i++)
		if (rig->backend->ops->wait_events(rig->backend, rig->stop_fd, &event, 1, &n) < 0)
			break;
	return n == 0 ? UINT64_MAX : event.gfn;
}

struct toucher {
	struct uffd_vm *vm;
	uint64_t gfn;
	pthread_t thread;
	int value;
	atomic_bool done;
};

static inline void *touch_thread(void *arg)
{
	struct toucher *toucher = arg;

	toucher->value = uffd_vm_touch(toucher->vm, toucher->gfn);
	atomic_store(&toucher->done, true);
	return NULL;
}

static inline void touch_begin(struct toucher *toucher, struct uffd_vm *vm, uint64_t gfn)
{
	*toucher = (struct toucher){ .vm = vm, .gfn = gfn };
	pthread_create(&toucher->thread, NULL, touch_thread, toucher);
}

static inline int touch_end(struct toucher *toucher)
{
	pthread_join(toucher->thread, NULL);
	return toucher->value;
}

#define UFFD_MAIN(suite_name, checks)								\
	int main(int argc, char **argv)								\
	{											\
		return uffd_vm_possible() ? check_main(suite_name, checks, argc > 1 ? argv[1] : NULL) : 77; \
	}

#endif
