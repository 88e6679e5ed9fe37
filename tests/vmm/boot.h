/* SPDX-License-Identifier: MIT */
/*
 * boot: lays out kernel, initrd and boot structures in an image of guest RAM.
 *
 * The image is ordinary memory of this process: with shared RAM it is the RAM
 * itself; with private RAM it is a staging area whose used ranges are then
 * populated through a demand-paging session.
 */
#ifndef VMM_BOOT_H
#define VMM_BOOT_H

#include <stddef.h>
#include <stdint.h>

#define BOOT_MAX_RANGES 8u

struct boot_config {
	const char *kernel;	/* path of a bzImage */
	const char *initrd;	/* path, or NULL */
	const char *cmdline;
	unsigned int n_vcpus;
	uint64_t ram_size;	/* bytes */
	uint64_t shared_gpa;	/* reserved in the guest's map */
	uint64_t shared_size;
};

/** Part of the image that was written: page aligned. */
struct boot_range {
	uint64_t gpa;
	uint64_t size;
};

struct boot_image {
	struct boot_range ranges[BOOT_MAX_RANGES];
	size_t n_ranges;
	uint64_t entry_gpa;	/* 64-bit entry point */
};

/**
 * Write everything into @p ram, config->ram_size zeroed bytes.
 * @retval -EINVAL not a bzImage that can start at its 64-bit entry point, or
 * it does not fit. @retval -errno of reading the files.
 */
int boot_load(const struct boot_config *config, uint8_t *ram, struct boot_image *ret_image);

#endif
