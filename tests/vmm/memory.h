/* SPDX-License-Identifier: MIT */
/*
 * memory: the guest's two memslots.
 *
 * RAM, from address 0: with guest_memfd, all of it private, behind a host
 * mapping that nothing can read or write, or a memfd for what the guest converts
 * to shared; or plain shared memory, for development on a kernel without
 * private-memory support.
 * The shared area, right above RAM: an ordinary memfd.
 */
#ifndef VMM_MEMORY_H
#define VMM_MEMORY_H

#include <gmem/gmem.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_SHARED_SIZE	(4ull << 20)
#define MEMORY_N_SLOTS		2u

struct memory_slot {
	uint64_t gpa;
	uint64_t size;
	uint8_t *hva;		/* PROT_NONE if shared_fd < 0 */
	int gmem_fd;		/* guest_memfd, or -1 */
	int shared_fd;		/* memfd behind @hva, or -1 */
};

struct memory {
	int vm_fd;
	bool is_private;
	struct memory_slot slots[MEMORY_N_SLOTS];	/* RAM, shared area */
};

/**
 * Create both slots; private RAM gets the PRIVATE attribute.
 * @param ram_size bytes, a multiple of 2 MiB.
 * @param is_convertible private RAM: pages of it may become shared.
 */
int memory_init(struct memory *memory, int vm_fd, uint64_t ram_size, bool is_private, bool is_convertible);
void memory_fini(struct memory *memory);

/** Set or clear the PRIVATE attribute of a range, bytes. */
int memory_set_private(const struct memory *memory, uint64_t gpa, uint64_t size, bool is_private);

/** Both slots for libgmem. @param ret_regions MEMORY_N_SLOTS. @return their number */
size_t memory_list_regions(const struct memory *memory, struct gmem_region *ret_regions);

static inline struct memory_slot *memory_ram(struct memory *memory)
{
	return &memory->slots[0];
}

static inline struct memory_slot *memory_shared(struct memory *memory)
{
	return &memory->slots[1];
}

#endif
