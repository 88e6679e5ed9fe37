// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "uffd_open.h"
#include "uffd_vm.h"

bool uffd_vm_possible(void)
{
	char error[256] = "";
	struct backend *backend = NULL;
	struct uffd_vm vm;
	int r = uffd_vm_init(&vm, 1, 0, 0);

	if (r == 0) {
		r = uffd_vm_session(&vm, true, false, &backend, error, sizeof(error));
		if (r == 0)
			backend->ops->close(backend);
		uffd_vm_fini(&vm);
	}
	if (r < 0)
		fprintf(stderr, "skipped: userfaultfd is not to be had here: %s %s; run as root, or allow "
			"vm.unprivileged_userfaultfd or /dev/userfaultfd\n", strerror(-r), error);
	return r == 0;
}

static int add_region(struct uffd_vm *vm, uint64_t gfn, uint64_t n_pages, uint64_t first)
{
	void *map = mmap(NULL, n_pages * UFFD_VM_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, vm->memfd,
			 (off_t)(first * UFFD_VM_PAGE));

	if (map == MAP_FAILED)
		return -errno;
	madvise(map, n_pages * UFFD_VM_PAGE, MADV_NOHUGEPAGE);
	vm->addresses[vm->n_regions] = (uintptr_t)map;
	vm->regions[vm->n_regions++] = (struct gmem_region){
		.gpa = gfn * UFFD_VM_PAGE, .size = n_pages * UFFD_VM_PAGE, .flags = GMEM_REGION_SHARED_FD,
		.shared_fd = vm->memfd, .shared_offset = first * UFFD_VM_PAGE,
	};
	return 0;
}

int uffd_vm_init(struct uffd_vm *vm, uint64_t n_first, uint64_t n_second, uint64_t second_gfn)
{
	int r;

	memset(vm, 0, sizeof(*vm));
	vm->uffd = uffd_open();
	if (vm->uffd < 0)
		return vm->uffd;
	vm->memfd = memfd_create("uffd-vm", MFD_CLOEXEC);
	if (vm->memfd < 0 || ftruncate(vm->memfd, (off_t)((n_first + n_second) * UFFD_VM_PAGE)) < 0)
		return -errno;
	r = add_region(vm, 0, n_first, 0);
	return r == 0 && n_second > 0 ? add_region(vm, second_gfn, n_second, n_first) : r;
}

void uffd_vm_fini(struct uffd_vm *vm)
{
	size_t i;

	for (i = 0; i < vm->n_regions; i++)
		munmap((void *)(uintptr_t)vm->addresses[i], vm->regions[i].size);
	close(vm->memfd);
	close(vm->uffd);
}

int uffd_vm_session(struct uffd_vm *vm, bool destination, bool again, struct backend **ret_backend, char *ret_error,
		    size_t error_len)
{
	const struct backend_uffd_setup setup = {
		.uffd = fcntl(vm->uffd, F_DUPFD_CLOEXEC, 3), .destination = destination, .again = again,
		.regions = vm->regions, .addresses = vm->addresses, .n_regions = vm->n_regions,
	};
	int r = backend_uffd_new(&setup, ret_backend, ret_error, error_len);

	if (r < 0)
		close(setup.uffd);
	return r;
}

static const struct gmem_region *find(const struct uffd_vm *vm, uint64_t gfn, uint64_t *ret_offset, size_t *ret_i)
{
	*ret_i = vm->n_regions > 1 && gfn >= vm->regions[1].gpa / UFFD_VM_PAGE;
	*ret_offset = gfn * UFFD_VM_PAGE - vm->regions[*ret_i].gpa;
	return &vm->regions[*ret_i];
}

uint8_t *uffd_vm_at(const struct uffd_vm *vm, uint64_t gfn)
{
	uint64_t offset;
	size_t i;

	(void)find(vm, gfn, &offset, &i);
	return (uint8_t *)(uintptr_t)vm->addresses[i] + offset;
}

static off_t offset_of(const struct uffd_vm *vm, uint64_t gfn)
{
	uint64_t offset;
	size_t i;

	return (off_t)(find(vm, gfn, &offset, &i)->shared_offset + offset);
}

bool uffd_vm_has(const struct uffd_vm *vm, uint64_t gfn)
{
	return lseek(vm->memfd, offset_of(vm, gfn), SEEK_DATA) == offset_of(vm, gfn);
}

void uffd_vm_peek(const struct uffd_vm *vm, uint64_t gfn, void *ret_page)
{
	if (pread(vm->memfd, ret_page, UFFD_VM_PAGE, offset_of(vm, gfn)) != UFFD_VM_PAGE)
		abort();
}

int uffd_vm_empty(const struct uffd_vm *vm)
{
	const struct gmem_region *last = &vm->regions[vm->n_regions - 1];

	return fallocate(vm->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			 (off_t)(last->shared_offset + last->size)) < 0 ? -errno : 0;
}

uint8_t uffd_vm_touch(const struct uffd_vm *vm, uint64_t gfn)
{
	return *(volatile const uint8_t *)uffd_vm_at(vm, gfn);
}
