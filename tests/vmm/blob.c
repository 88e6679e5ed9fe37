// SPDX-License-Identifier: MIT
#include "blob.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

/* Names and the most items that one blob of a kind may have. */
static const struct {
	const char *name;
	uint32_t max_items;
	uint32_t max_item_len;
} kinds[BLOB_N_KINDS] = {
	[BLOB_LAYOUT]		= { "layout", 1, 256 },
	[BLOB_MEMORY_MAP]	= { "map", 32768, 32 },
	[BLOB_IRQCHIP]		= { "irqchip", 3, 1024 },
	[BLOB_PIT]		= { "pit", 1, 256 },
	[BLOB_CLOCK]		= { "clock", 1, 256 },
	[BLOB_SERIAL]		= { "serial", 1, 512 },
	[BLOB_CPUID]		= { "cpuid", 256, 64 },
	[BLOB_MP_STATE]		= { "mp_state", 1, 16 },
	[BLOB_REGS]		= { "regs", 1, 256 },
	[BLOB_SREGS]		= { "sregs", 1, 1024 },
	[BLOB_XSAVE]		= { "xsave", 1, 65536 },
	[BLOB_XCRS]		= { "xcrs", 1, 1024 },
	[BLOB_LAPIC]		= { "lapic", 1, 4096 },
	[BLOB_EVENTS]		= { "events", 1, 256 },
	[BLOB_DEBUGREGS]	= { "debugregs", 1, 256 },
	[BLOB_MSRS]		= { "msrs", 1024, 16 },
	[BLOB_TSC]		= { "tsc", 1, 64 },
};

static void blob_name(int cpu, enum blob_kind kind, char ret_name[BLOB_NAME_LEN])
{
	if (cpu < 0)
		snprintf(ret_name, BLOB_NAME_LEN, "vm.%s", kinds[kind].name);
	else
		snprintf(ret_name, BLOB_NAME_LEN, "vcpu%d.%s", cpu, kinds[kind].name);
}

static const struct blob *find(const struct blob_set *set, const char *name)
{
	for (size_t i = 0; i < set->n_blobs; i++) {
		if (!strcmp(set->blobs[i].name, name))
			return &set->blobs[i];
	}
	return NULL;
}

void blob_set_fini(struct blob_set *set)
{
	for (size_t i = 0; i < set->n_blobs; i++) {
		/* Registers of a confidential guest hold its secrets. */
		sodium_memzero(set->blobs[i].data, set->blobs[i].data_len);
		free(set->blobs[i].data);
	}
	memset(set, 0, sizeof(*set));
}

static int append(struct blob_set *set, const char *name, uint8_t *data, size_t data_len)
{
	struct blob *blob;

	if (set->n_blobs == BLOB_MAX_BLOBS)
		return error_set(-ENOSPC, "state %s does not fit: there are %u pieces already", name, BLOB_MAX_BLOBS);
	blob = &set->blobs[set->n_blobs++];
	snprintf(blob->name, sizeof(blob->name), "%s", name);
	blob->data = data;
	blob->data_len = data_len;
	return 0;
}

int blob_put(struct blob_set *set, int cpu, enum blob_kind kind, const void *items, size_t item_len,
	     size_t n_items)
{
	struct blob_header header = { BLOB_MAGIC, BLOB_VERSION, (uint16_t)kind, (uint32_t)item_len, (uint32_t)n_items };
	size_t data_len = sizeof(header) + item_len * n_items;
	char name[BLOB_NAME_LEN];
	uint8_t *data;
	int err;

	blob_name(cpu, kind, name);
	if (!n_items || n_items > kinds[kind].max_items || !item_len || item_len > kinds[kind].max_item_len ||
	    data_len > BLOB_MAX_LEN)
		return error_set(-EINVAL, "state %s has %zu items of %zu bytes, which is outside of its limits",
				 name, n_items, item_len);
	data = malloc(data_len);
	if (!data)
		return error_set(-ENOMEM, "state %s cannot be packed", name);
	memcpy(data, &header, sizeof(header));
	memcpy(data + sizeof(header), items, item_len * n_items);
	err = append(set, name, data, data_len);
	if (err) {
		sodium_memzero(data, data_len);
		free(data);
	}
	return err;
}

int blob_put_raw(struct blob_set *set, const char *name, const void *data, size_t data_len)
{
	uint8_t *copy;
	int err;

	if (!*name || strnlen(name, BLOB_NAME_LEN) == BLOB_NAME_LEN)
		return error_set(-EPROTO, "a piece of state has no name, or one longer than %u bytes", BLOB_NAME_LEN - 1);
	if (data_len < sizeof(struct blob_header) || data_len > BLOB_MAX_LEN)
		return error_set(-EPROTO, "state %s has %zu bytes: %zu to %u are possible", name, data_len,
				 sizeof(struct blob_header), BLOB_MAX_LEN);
	if (find(set, name))
		return error_set(-EPROTO, "state %s came twice", name);
	copy = malloc(data_len);
	if (!copy)
		return error_set(-ENOMEM, "state %s cannot be kept", name);
	memcpy(copy, data, data_len);
	err = append(set, name, copy, data_len);
	if (err) {
		sodium_memzero(copy, data_len);
		free(copy);
	}
	return err;
}

static int check_header(const struct blob *blob, enum blob_kind kind, size_t item_len)
{
	struct blob_header header;

	if (blob->data_len < sizeof(header))
		return error_set(-EPROTO, "state %s is shorter than its header", blob->name);
	memcpy(&header, blob->data, sizeof(header));
	if (header.magic != BLOB_MAGIC)
		return error_set(-EPROTO, "state %s does not begin as state of this VMM does", blob->name);
	if (header.version != BLOB_VERSION)
		return error_set(-EPROTO, "state %s has version %u, this VMM reads version %u", blob->name, header.version,
				 BLOB_VERSION);
	if (header.kind != kind)
		return error_set(-EPROTO, "state %s holds kind %u instead of %d", blob->name, header.kind, (int)kind);
	if (header.item_len != item_len)
		return error_set(-EPROTO, "state %s has items of %u bytes, here they have %zu", blob->name, header.item_len,
				 item_len);
	if (!header.n_items || header.n_items > kinds[kind].max_items)
		return error_set(-EPROTO, "state %s has %u items: 1 to %u are possible", blob->name, header.n_items,
				 kinds[kind].max_items);
	/* No overflow: both factors are within the limits of their kind here. */
	if (blob->data_len - sizeof(header) != (size_t)header.n_items * item_len)
		return error_set(-EPROTO, "state %s has %zu bytes, its header says %zu", blob->name, blob->data_len,
				 sizeof(header) + (size_t)header.n_items * item_len);
	return 0;
}

int blob_open(const struct blob_set *set, int cpu, enum blob_kind kind, size_t item_len, const void **ret_items,
	      size_t *ret_n_items)
{
	struct blob_header header;
	const struct blob *blob;
	char name[BLOB_NAME_LEN];
	int err;

	blob_name(cpu, kind, name);
	blob = find(set, name);
	if (!blob)
		return error_set(-EPROTO, "state %s is missing", name);
	err = check_header(blob, kind, item_len);
	if (err)
		return err;
	memcpy(&header, blob->data, sizeof(header));
	*ret_items = blob->data + sizeof(header);
	*ret_n_items = header.n_items;
	return 0;
}

int blob_read(const struct blob_set *set, int cpu, enum blob_kind kind, void *ret_items, size_t item_len,
	      size_t n_items)
{
	const void *items;
	size_t n_found;
	int err;

	err = blob_open(set, cpu, kind, item_len, &items, &n_found);
	if (err)
		return err;
	if (n_found != n_items)
		return error_set(-EPROTO, "state %s of %s %d has %zu items instead of %zu", kinds[kind].name,
				 cpu < 0 ? "VM" : "vCPU", cpu < 0 ? 0 : cpu, n_found, n_items);
	memcpy(ret_items, items, item_len * n_items);
	return 0;
}
