/* SPDX-License-Identifier: MIT */
/* A VM of shared memory under a real userfaultfd: a memfd in one or two regions, mapped as a VMM maps it. */
#ifndef TESTS_UFFD_VM_H
#define TESTS_UFFD_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend.h"

#define UFFD_VM_PAGE 4096u

struct uffd_vm {
	size_t n_regions;
	struct gmem_region regions[2];
	uint64_t addresses[2];
	int memfd;
	int uffd;		/* the VMM's own; sessions have duplicates */
};

/* Is userfaultfd permitted here, and can it fill shared memory?  If not, says why on stderr. */
bool uffd_vm_possible(void);

/* Regions of so many pages, the second (0: none) right after the first in the file, at @gfn of the guest. */
int uffd_vm_init(struct uffd_vm *vm, uint64_t n_first, uint64_t n_second, uint64_t second_gfn);
void uffd_vm_fini(struct uffd_vm *vm);

/* A backend on a duplicate of the userfaultfd. */
int uffd_vm_session(struct uffd_vm *vm, bool destination, bool again, struct backend **ret_backend, char *ret_error,
		    size_t error_len);

/* Where the VMM has a page; reading there waits for it. */
uint8_t *uffd_vm_at(const struct uffd_vm *vm, uint64_t gfn);

/* Does the file have the page?  Its bytes, zeros if not; neither touches it. */
bool uffd_vm_has(const struct uffd_vm *vm, uint64_t gfn);
void uffd_vm_peek(const struct uffd_vm *vm, uint64_t gfn, void *ret_page);

/* All holes again; nobody waits. */
int uffd_vm_empty(const struct uffd_vm *vm);

/* As a guest does. */
uint8_t uffd_vm_touch(const struct uffd_vm *vm, uint64_t gfn);

#endif
