// SPDX-License-Identifier: MIT
#include "bootparams.h"

#include <string.h>

#define E820_RAM	1
#define E820_RESERVED	2
#define LOADER_OTHER	0xff

#define PTE_PRESENT	(1ull << 0)
#define PTE_WRITE	(1ull << 1)
#define PTE_LARGE	(1ull << 7)
#define TABLE_ENTRIES	512u
#define TABLE_LEN	4096u

static void add_e820(struct boot_params *params, uint64_t gpa, uint64_t size, uint32_t type)
{
	struct boot_e820_entry *entry = &params->e820_table[params->e820_entries++];

	entry->addr = gpa;
	entry->size = size;
	entry->type = type;
}

void bootparams_build(const struct setup_header *header, const struct bootparams_layout *layout,
		      struct boot_params *ret_params)
{
	memset(ret_params, 0, sizeof(*ret_params));
	ret_params->hdr = *header;
	ret_params->hdr.type_of_loader = LOADER_OTHER;
	ret_params->hdr.loadflags |= CAN_USE_HEAP;
	ret_params->hdr.cmd_line_ptr = BOOT_CMDLINE_GPA;
	ret_params->hdr.ramdisk_image = (uint32_t)layout->initrd_gpa;
	ret_params->hdr.ramdisk_size = (uint32_t)layout->initrd_size;

	add_e820(ret_params, 0, BOOT_LOW_END, E820_RAM);
	add_e820(ret_params, BOOT_LOW_END, BOOT_HIGH_GPA - BOOT_LOW_END, E820_RESERVED);
	add_e820(ret_params, BOOT_HIGH_GPA, layout->ram_size - BOOT_HIGH_GPA, E820_RAM);
	if (layout->reserved_size)
		add_e820(ret_params, layout->reserved_gpa, layout->reserved_size, E820_RESERVED);
}

void bootparams_build_tables(uint64_t *ret_tables)
{
	uint64_t *pml4 = ret_tables;
	uint64_t *pdpt = ret_tables + TABLE_ENTRIES;
	uint64_t *pds = pdpt + TABLE_ENTRIES;
	unsigned int n_pds = BOOT_N_TABLES - 2;

	memset(ret_tables, 0, BOOT_N_TABLES * TABLE_LEN);
	pml4[0] = (BOOT_TABLES_GPA + TABLE_LEN) | PTE_PRESENT | PTE_WRITE;
	for (unsigned int i = 0; i < n_pds; i++)
		pdpt[i] = (BOOT_TABLES_GPA + (2 + i) * TABLE_LEN) | PTE_PRESENT | PTE_WRITE;
	for (uint64_t i = 0; i < n_pds * TABLE_ENTRIES; i++)
		pds[i] = (i << 21) | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
}

void bootparams_build_gdt(uint64_t ret_gdt[4])
{
	ret_gdt[0] = 0;
	ret_gdt[1] = 0;
	ret_gdt[2] = 0x00af9b000000ffffull;	/* 64-bit code, execute and read */
	ret_gdt[3] = 0x00cf93000000ffffull;	/* data, read and write */
}
