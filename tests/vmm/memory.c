// SPDX-License-Identifier: MIT
#include "memory.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "error.h"

static int map_shared(struct memory_slot *slot)
{
	slot->shared_fd = memfd_create("guest-shared", MFD_CLOEXEC);
	if (slot->shared_fd < 0 || ftruncate(slot->shared_fd, (off_t)slot->size))
		return error_set(-errno, "no memfd of %llu MiB for the guest", (unsigned long long)slot->size >> 20);
	slot->hva = mmap(NULL, slot->size, PROT_READ | PROT_WRITE, MAP_SHARED, slot->shared_fd, 0);
	if (slot->hva == MAP_FAILED) {
		slot->hva = NULL;
		return error_set(-errno, "guest memory of %llu MiB cannot be mapped", (unsigned long long)slot->size >> 20);
	}
	return 0;
}

/* The slot needs a host address; nothing is behind it, so that a stray access is a crash, not a leak. */
static int reserve(struct memory_slot *slot)
{
	slot->hva = mmap(NULL, slot->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (slot->hva == MAP_FAILED) {
		slot->hva = NULL;
		return error_set(-errno, "no address range of %llu MiB", (unsigned long long)slot->size >> 20);
	}
	return 0;
}

static int create_private(int vm_fd, struct memory_slot *slot, bool is_convertible)
{
	struct kvm_create_guest_memfd create = { .size = slot->size };
	int err = is_convertible ? map_shared(slot) : reserve(slot);

	if (err)
		return err;
	slot->gmem_fd = ioctl(vm_fd, KVM_CREATE_GUEST_MEMFD, &create);
	if (slot->gmem_fd < 0)
		return error_set(-errno, "no guest_memfd of %llu MiB", (unsigned long long)slot->size >> 20);
	return 0;
}

static int add_slot(int vm_fd, uint32_t id, const struct memory_slot *slot)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = id,
		.flags = slot->gmem_fd >= 0 ? KVM_MEM_GUEST_MEMFD : 0,
		.guest_phys_addr = slot->gpa,
		.memory_size = slot->size,
		.userspace_addr = (uintptr_t)slot->hva,
		.guest_memfd = slot->gmem_fd >= 0 ? (uint32_t)slot->gmem_fd : 0,
	};

	if (ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION2, &region))
		return error_set(-errno, "KVM refuses the memslot at 0x%llx", (unsigned long long)slot->gpa);
	return 0;
}

int memory_init(struct memory *memory, int vm_fd, uint64_t ram_size, bool is_private, bool is_convertible)
{
	struct memory_slot *ram = memory_ram(memory);
	struct memory_slot *shared = memory_shared(memory);
	int err;

	*memory = (struct memory){ .vm_fd = vm_fd, .is_private = is_private };
	*ram = (struct memory_slot){ .size = ram_size, .gmem_fd = -1, .shared_fd = -1 };
	*shared = (struct memory_slot){ .gpa = ram_size, .size = MEMORY_SHARED_SIZE, .gmem_fd = -1, .shared_fd = -1 };

	err = is_private ? create_private(vm_fd, ram, is_convertible) : map_shared(ram);
	if (!err)
		err = map_shared(shared);
	if (!err)
		err = add_slot(vm_fd, 0, ram);
	if (!err)
		err = add_slot(vm_fd, 1, shared);
	if (!err && is_private)
		err = memory_set_private(memory, 0, ram_size, true);
	if (err)
		memory_fini(memory);
	return err;
}

void memory_fini(struct memory *memory)
{
	for (unsigned int i = 0; i < MEMORY_N_SLOTS; i++) {
		struct memory_slot *slot = &memory->slots[i];

		if (slot->hva)
			munmap(slot->hva, slot->size);
		if (slot->gmem_fd >= 0)
			close(slot->gmem_fd);
		if (slot->shared_fd >= 0)
			close(slot->shared_fd);
		*slot = (struct memory_slot){ .gmem_fd = -1, .shared_fd = -1 };
	}
}

int memory_set_private(const struct memory *memory, uint64_t gpa, uint64_t size, bool is_private)
{
	struct kvm_memory_attributes attributes = {
		.address = gpa,
		.size = size,
		.attributes = is_private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
	};

	if (ioctl(memory->vm_fd, KVM_SET_MEMORY_ATTRIBUTES, &attributes))
		return error_set(-errno, "guest memory at 0x%llx cannot be made %s", (unsigned long long)gpa,
				 is_private ? "private" : "shared");
	return 0;
}

size_t memory_list_regions(const struct memory *memory, struct gmem_region *ret_regions)
{
	for (size_t i = 0; i < MEMORY_N_SLOTS; i++) {
		const struct memory_slot *slot = &memory->slots[i];

		ret_regions[i] = (struct gmem_region){
			.gpa = slot->gpa,
			.size = slot->size,
			.flags = (slot->gmem_fd >= 0 ? GMEM_REGION_GUEST_MEMFD : 0) |
				 (slot->shared_fd >= 0 ? GMEM_REGION_SHARED_FD : 0),
			.shared_fd = slot->shared_fd,
		};
	}
	return MEMORY_N_SLOTS;
}
