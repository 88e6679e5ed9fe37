// SPDX-License-Identifier: MIT
#include "mptable.h"

#include <stddef.h>
#include <string.h>

#define IOAPIC_GPA	0xfec00000u
#define LAPIC_GPA	0xfee00000u
#define N_ISA_IRQS	16
#define BUS_ISA		0

/* Intel MultiProcessor Specification 1.4, chapter 4. */
struct floating_pointer {
	char signature[4];
	uint32_t table_gpa;
	uint8_t len_16;
	uint8_t revision;
	uint8_t checksum;
	uint8_t features[5];
} __attribute__((packed));

struct config_header {
	char signature[4];
	uint16_t len;
	uint8_t revision;
	uint8_t checksum;
	char oem[8];
	char product[12];
	uint32_t oem_table;
	uint16_t oem_len;
	uint16_t n_entries;
	uint32_t lapic_gpa;
	uint16_t extended_len;
	uint8_t extended_checksum;
	uint8_t reserved;
} __attribute__((packed));

struct entry_cpu {
	uint8_t type;		/* 0 */
	uint8_t apic_id;
	uint8_t apic_version;
	uint8_t flags;		/* 1 enabled, 2 boot CPU */
	uint32_t signature;
	uint32_t features;
	uint32_t reserved[2];
} __attribute__((packed));

struct entry_bus {
	uint8_t type;		/* 1 */
	uint8_t id;
	char name[6];
} __attribute__((packed));

struct entry_ioapic {
	uint8_t type;		/* 2 */
	uint8_t id;
	uint8_t version;
	uint8_t flags;
	uint32_t gpa;
} __attribute__((packed));

struct entry_irq {
	uint8_t type;		/* 3 to the IOAPIC, 4 to local APICs */
	uint8_t irq_type;	/* 0 vectored, 1 NMI, 3 external */
	uint16_t flags;
	uint8_t bus;
	uint8_t bus_irq;
	uint8_t apic_id;
	uint8_t pin;
} __attribute__((packed));

struct builder {
	uint8_t *next;
	uint16_t n_entries;
};

static void add(struct builder *builder, const void *entry, size_t len)
{
	memcpy(builder->next, entry, len);
	builder->next += len;
	builder->n_entries++;
}

static uint8_t checksum(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return (uint8_t)-sum;
}

static void add_cpus(struct builder *builder, unsigned int n_vcpus)
{
	for (unsigned int i = 0; i < n_vcpus; i++) {
		struct entry_cpu cpu = {
			.apic_id = (uint8_t)i,
			.apic_version = 0x14,
			.flags = (uint8_t)(1 | (i ? 0 : 2)),
			.signature = 0x600,
			.features = 0x201,	/* APIC and FPU */
		};

		add(builder, &cpu, sizeof(cpu));
	}
}

static void add_irqs(struct builder *builder, uint8_t ioapic_id)
{
	struct entry_irq lint0 = { .type = 4, .irq_type = 3, .bus = BUS_ISA, .apic_id = 0xff, .pin = 0 };
	struct entry_irq lint1 = { .type = 4, .irq_type = 1, .bus = BUS_ISA, .apic_id = 0xff, .pin = 1 };

	/* KVM's default routing: each ISA interrupt at the IOAPIC pin of its number. */
	for (uint8_t i = 0; i < N_ISA_IRQS; i++) {
		struct entry_irq irq = { .type = 3, .bus = BUS_ISA, .bus_irq = i, .apic_id = ioapic_id, .pin = i };

		add(builder, &irq, sizeof(irq));
	}
	add(builder, &lint0, sizeof(lint0));
	add(builder, &lint1, sizeof(lint1));
}

size_t mptable_build(unsigned int n_vcpus, uint8_t *ret_table)
{
	struct floating_pointer *pointer = (struct floating_pointer *)ret_table;
	struct config_header *header = (struct config_header *)(ret_table + sizeof(*pointer));
	struct builder builder = { (uint8_t *)(header + 1), 0 };
	struct entry_ioapic ioapic = { 2, (uint8_t)n_vcpus, 0x11, 1, IOAPIC_GPA };
	struct entry_bus bus = { 1, BUS_ISA, { 'I', 'S', 'A', ' ', ' ', ' ' } };

	memset(ret_table, 0, MPTABLE_MAX_LEN);
	add_cpus(&builder, n_vcpus);
	add(&builder, &bus, sizeof(bus));
	add(&builder, &ioapic, sizeof(ioapic));
	add_irqs(&builder, ioapic.id);

	memcpy(header->signature, "PCMP", 4);
	memcpy(header->oem, "GMEM    ", 8);
	memcpy(header->product, "TESTVMM     ", 12);
	header->len = (uint16_t)(builder.next - (uint8_t *)header);
	header->revision = 4;
	header->n_entries = builder.n_entries;
	header->lapic_gpa = LAPIC_GPA;
	header->checksum = checksum(header, header->len);

	memcpy(pointer->signature, "_MP_", 4);
	pointer->table_gpa = MPTABLE_GPA + (uint32_t)sizeof(*pointer);
	pointer->len_16 = 1;
	pointer->revision = 4;
	pointer->checksum = checksum(pointer, sizeof(*pointer));
	return (size_t)(builder.next - ret_table);
}
