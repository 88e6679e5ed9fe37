// SPDX-License-Identifier: MIT
#include <string.h>

#include "bootparams.h"
#include "check.h"

#define MIB (1ull << 20)

static const struct bootparams_layout layout = {
	.ram_size = 256 * MIB,
	.reserved_gpa = 256 * MIB,
	.reserved_size = 4 * MIB,
	.initrd_gpa = 250 * MIB,
	.initrd_size = 12345,
};

static void test_header(void)
{
	struct setup_header header = { .boot_flag = 0xaa55, .version = 0x20f, .init_size = 77, .loadflags = 1 };
	struct boot_params params;

	bootparams_build(&header, &layout, &params);
	CU_ASSERT_EQUAL(params.hdr.boot_flag, 0xaa55);
	CU_ASSERT_EQUAL(params.hdr.init_size, 77);
	CU_ASSERT_EQUAL(params.hdr.loadflags, 0x81);
	CU_ASSERT_EQUAL(params.hdr.type_of_loader, 0xff);
	CU_ASSERT_EQUAL(params.hdr.cmd_line_ptr, BOOT_CMDLINE_GPA);
	CU_ASSERT_EQUAL(params.hdr.ramdisk_image, 250 * MIB);
	CU_ASSERT_EQUAL(params.hdr.ramdisk_size, 12345);
}

static void test_e820(void)
{
	struct setup_header header = { 0 };
	struct boot_params params;
	uint64_t end = 0, ram = 0;

	bootparams_build(&header, &layout, &params);
	CU_ASSERT_EQUAL_FATAL(params.e820_entries, 4);
	for (int i = 0; i < params.e820_entries; i++) {
		/* In order, without gap or overlap. */
		CU_ASSERT_EQUAL(params.e820_table[i].addr, end);
		end += params.e820_table[i].size;
		if (params.e820_table[i].type == 1)
			ram += params.e820_table[i].size;
	}
	CU_ASSERT_EQUAL(end, 260 * MIB);
	CU_ASSERT_EQUAL(ram, 255 * MIB + BOOT_LOW_END);
	CU_ASSERT_EQUAL(params.e820_table[3].type, 2);	/* the shared area is not RAM */
	CU_ASSERT_EQUAL(params.e820_table[3].addr, layout.reserved_gpa);
}

static void test_tables(void)
{
	static uint64_t tables[BOOT_N_TABLES * 512];
	uint64_t *pdpt = tables + 512, *pds = tables + 1024;

	bootparams_build_tables(tables);
	CU_ASSERT_EQUAL(tables[0], (BOOT_TABLES_GPA + 0x1000) | 3);
	CU_ASSERT_EQUAL(tables[1], 0);
	CU_ASSERT_EQUAL(pdpt[3], (BOOT_TABLES_GPA + 0x5000) | 3);
	CU_ASSERT_EQUAL(pdpt[4], 0);
	for (uint64_t i = 0; i < 4 * 512; i++)
		CU_ASSERT_EQUAL(pds[i], i * 2 * MIB | 0x83);
}

/* What the boot structures occupy must not overlap. */
static void test_places(void)
{
	CU_ASSERT_TRUE(BOOT_GDT_GPA + 4096 <= BOOT_PARAMS_GPA);
	CU_ASSERT_TRUE(BOOT_PARAMS_GPA + sizeof(struct boot_params) <= BOOT_TABLES_GPA);
	CU_ASSERT_TRUE(BOOT_TABLES_GPA + BOOT_N_TABLES * 4096 <= BOOT_CMDLINE_GPA);
	CU_ASSERT_TRUE(BOOT_CMDLINE_GPA + BOOT_CMDLINE_MAX <= BOOT_LOW_END);
}

static void test_gdt(void)
{
	uint64_t gdt[4];

	bootparams_build_gdt(gdt);
	CU_ASSERT_EQUAL(gdt[0], 0);
	CU_ASSERT_EQUAL(gdt[BOOT_CODE_SELECTOR / 8] >> 40 & 0xff, 0x9b);	/* present, code, read */
	CU_ASSERT_EQUAL(gdt[BOOT_CODE_SELECTOR / 8] >> 53 & 1, 1);		/* 64-bit */
	CU_ASSERT_EQUAL(gdt[BOOT_DATA_SELECTOR / 8] >> 40 & 0xff, 0x93);	/* present, data, write */
}

static const struct check_case cases[] = {
	{ "header is the kernel's, with our fields", test_header },
	{ "e820 covers memory once", test_e820 },
	{ "page tables map 4 GiB one to one", test_tables },
	{ "structures do not overlap", test_places },
	{ "GDT has 64-bit code and data", test_gdt },
};

int main(void)
{
	return check_run("bootparams", cases, sizeof(cases) / sizeof(cases[0]));
}
