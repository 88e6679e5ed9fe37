/* SPDX-License-Identifier: MIT */
/*
 * bootparams: what a guest needs besides kernel and initrd by Linux' 64-bit
 * boot protocol (Documentation/arch/x86/boot.rst): the zero page with the e820
 * map, identity page tables and a GDT, all below 1 MiB.
 */
#ifndef VMM_BOOTPARAMS_H
#define VMM_BOOTPARAMS_H

#include <asm/bootparam.h>
#include <stdint.h>

#define BOOT_GDT_GPA		0x1000u
#define BOOT_PARAMS_GPA		0x7000u
#define BOOT_TABLES_GPA		0x9000u		/* PML4, PDPT and one PD per GiB */
#define BOOT_N_TABLES		6u
#define BOOT_STACK_GPA		0x8ff0u
#define BOOT_CMDLINE_GPA	0x20000u
#define BOOT_CMDLINE_MAX	2048u
#define BOOT_LOW_END		0x9fc00u	/* 640 KiB less the BIOS data area */
#define BOOT_HIGH_GPA		0x100000u

#define BOOT_CODE_SELECTOR	0x10u
#define BOOT_DATA_SELECTOR	0x18u

/** What the guest is told about its memory, bytes. */
struct bootparams_layout {
	uint64_t ram_size;
	uint64_t reserved_gpa;	/* the shared area: not RAM for the guest's allocator */
	uint64_t reserved_size;
	uint64_t initrd_gpa;
	uint64_t initrd_size;
};

/**
 * Fill the zero page.
 * @param header  the setup header as it stands in the bzImage.
 */
void bootparams_build(const struct setup_header *header, const struct bootparams_layout *layout,
		      struct boot_params *ret_params);

/** Fill BOOT_N_TABLES pages that map the first 4 GiB one to one with 2 MiB pages. */
void bootparams_build_tables(uint64_t *ret_tables);

/** Fill the four descriptors of the GDT: null, unused, 64-bit code, data. */
void bootparams_build_gdt(uint64_t ret_gdt[4]);

#endif
