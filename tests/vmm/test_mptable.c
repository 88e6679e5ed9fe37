// SPDX-License-Identifier: MIT
#include <string.h>

#include "check.h"
#include "mptable.h"

#define POINTER_LEN 16u
#define HEADER_LEN 44u

static uint8_t sum(const uint8_t *bytes, size_t len)
{
	uint8_t total = 0;

	while (len--)
		total = (uint8_t)(total + *bytes++);
	return total;
}

static uint32_t get32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static void test_pointer(void)
{
	static uint8_t table[MPTABLE_MAX_LEN];

	mptable_build(2, table);
	CU_ASSERT_EQUAL(memcmp(table, "_MP_", 4), 0);
	CU_ASSERT_EQUAL(get32(table + 4), MPTABLE_GPA + POINTER_LEN);
	CU_ASSERT_EQUAL(table[8], 1);
	CU_ASSERT_EQUAL(table[9], 4);
	CU_ASSERT_EQUAL(sum(table, POINTER_LEN), 0);
	CU_ASSERT_EQUAL(MPTABLE_GPA % 16, 0);
}

/* Walk the entries as a guest does, by type. */
static void count_entries(unsigned int n_vcpus, unsigned int counts[5])
{
	static uint8_t table[MPTABLE_MAX_LEN];
	size_t used = mptable_build(n_vcpus, table);
	const uint8_t *header = table + POINTER_LEN, *entry = header + HEADER_LEN;
	uint16_t len, n_entries;

	memcpy(&len, header + 4, 2);
	memcpy(&n_entries, header + 34, 2);
	CU_ASSERT_EQUAL(memcmp(header, "PCMP", 4), 0);
	CU_ASSERT_EQUAL(used, POINTER_LEN + len);
	CU_ASSERT_EQUAL(sum(header, len), 0);
	CU_ASSERT_EQUAL(get32(header + 36), 0xfee00000);
	memset(counts, 0, 5 * sizeof(counts[0]));
	for (unsigned int i = 0; i < n_entries; i++) {
		CU_ASSERT_TRUE_FATAL(*entry < 5);
		if (*entry == 0) {
			CU_ASSERT_EQUAL(entry[1], counts[0]);		/* APIC ids count up */
			CU_ASSERT_EQUAL(entry[3], counts[0] ? 1 : 3);	/* the first boots */
		} else if (*entry == 2) {
			CU_ASSERT_EQUAL(entry[1], n_vcpus);		/* an id that no vCPU has */
			CU_ASSERT_EQUAL(get32(entry + 4), 0xfec00000);
		} else if (*entry == 3) {
			CU_ASSERT_EQUAL(entry[5], counts[3]);
			CU_ASSERT_EQUAL(entry[7], counts[3]);
		}
		counts[*entry]++;
		entry += entry[0] == 0 ? 20 : 8;
	}
	CU_ASSERT_PTR_EQUAL(entry, table + used);
}

static void test_entries(void)
{
	unsigned int counts[5];

	for (unsigned int n_vcpus = 1; n_vcpus <= 16; n_vcpus++) {
		count_entries(n_vcpus, counts);
		CU_ASSERT_EQUAL(counts[0], n_vcpus);
		CU_ASSERT_EQUAL(counts[1], 1);
		CU_ASSERT_EQUAL(counts[2], 1);
		CU_ASSERT_EQUAL(counts[3], 16);
		CU_ASSERT_EQUAL(counts[4], 2);
	}
}

static const struct check_case cases[] = {
	{ "floating pointer leads to the table", test_pointer },
	{ "table has each vCPU, one IOAPIC and 16 interrupts", test_entries },
};

int main(void)
{
	return check_run("mptable", cases, sizeof(cases) / sizeof(cases[0]));
}
