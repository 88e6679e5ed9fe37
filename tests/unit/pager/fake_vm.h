/* SPDX-License-Identifier: MIT */
/*
 * A VM in memory: private pages, an optional shared memfd behind them, presence,
 * freezing, events, and guests that wait, with the rules of the kernel's ABI.
 *
 * With TEST_VM=uffd in the environment the same calls are about shared memory under a real userfaultfd: all GFNs are
 * in memfd, none is private, and a session is the backend uffd, with what a test may set around it (fake_uffd.c).
 */
#ifndef TESTS_FAKE_VM_H
#define TESTS_FAKE_VM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend.h"

#define FAKE_PAGE 4096u
#define FAKE_EVENTS_MAX 256u

struct fake_vm {
	struct backend backend;		/* ops of the session */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t n_private;		/* GFNs from 0: may be private */
	uint64_t n_shared;		/* GFNs from n_private on: memfd alone */
	uint8_t *pages;			/* of the private GFNs */
	uint8_t *shared;		/* mapping of memfd: all GFNs, as a region with both kinds has */
	int memfd;
	uint64_t *missing, *private_map, *backed, *reported;
	bool frozen, vcpu_runs, gone;
	unsigned int n_sessions;	/* open ones */
	struct backend_event events[FAKE_EVENTS_MAX];
	unsigned int n_events;
	int event_fd;
	struct fake_uffd *uffd;		/* NULL: all of the above is in memory */
	/* What a test may set. */
	atomic_uint populate_delay_us;
	atomic_int extract_error;	/* -errno to give */
	/* What a test may read. */
	uint64_t n_rewritten;		/* populated although present: must stay 0 */
	uint64_t n_thaws;
};

/* Is it about userfaultfd? */
bool fake_vm_by_uffd(void);

/* Private pages are private and backed, all present. */
int fake_vm_init(struct fake_vm *vm, uint64_t n_private, uint64_t n_shared);
void fake_vm_fini(struct fake_vm *vm);

/* A session; closing it makes waiting guests fail. */
struct backend *fake_vm_session(struct fake_vm *vm);

/* Everything missing, private pages without content. */
void fake_vm_empty(struct fake_vm *vm);

void fake_vm_set_private(struct fake_vm *vm, uint64_t gfn, bool is_private);
void fake_vm_set_missing(struct fake_vm *vm, uint64_t gfn);
bool fake_vm_is_missing(struct fake_vm *vm, uint64_t gfn);
uint64_t fake_vm_count_missing(struct fake_vm *vm);
void fake_vm_kill(struct fake_vm *vm);

/* Where a page's bytes are, whatever its presence. */
uint8_t *fake_vm_page(struct fake_vm *vm, uint64_t gfn);

/* A guest touches a page: waits until it is present.  -EFAULT: no session is left. */
int fake_vm_touch(struct fake_vm *vm, uint64_t gfn);

/* ---- fake_uffd.c ---- */

int fake_uffd_init(struct fake_vm *vm);
void fake_uffd_fini(struct fake_vm *vm);
struct backend *fake_uffd_session(struct fake_vm *vm);
void fake_uffd_empty(struct fake_vm *vm);
bool fake_uffd_is_missing(struct fake_vm *vm, uint64_t gfn);
int fake_uffd_touch(struct fake_vm *vm, uint64_t gfn);
/* 0 or 1: the region's address and its place in memfd. */
void fake_uffd_region(struct fake_vm *vm, size_t number, struct gmem_region *ret_region);

#endif
