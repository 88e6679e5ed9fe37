/* SPDX-License-Identifier: MIT */
/*
 * blob: how one piece of VMM, vCPU or device state is packed.
 *
 * A blob is a header followed by an array of items of one size.  On the
 * destination it comes from a peer, so blob_open() checks magic, version, kind
 * and every length against the table of kinds before anything looks inside,
 * and nothing else in the VMM touches a peer's bytes unchecked.
 */
#ifndef VMM_BLOB_H
#define VMM_BLOB_H

#include <stddef.h>
#include <stdint.h>

#define BLOB_MAGIC	0x42564d47u	/* "GMVB" */
#define BLOB_VERSION	1u
#define BLOB_NAME_LEN	32u
#define BLOB_MAX_BLOBS	64u
#define BLOB_MAX_LEN	(1u << 20)

enum blob_kind {
	BLOB_LAYOUT = 1,	/* memory size, vCPUs, slots: must equal the receiver's own */
	BLOB_MEMORY_MAP,	/* runs of private and shared GFNs */
	BLOB_IRQCHIP,		/* PIC master, PIC slave, IOAPIC */
	BLOB_PIT,
	BLOB_CLOCK,
	BLOB_SERIAL,
	BLOB_CPUID,
	BLOB_MP_STATE,
	BLOB_REGS,
	BLOB_SREGS,
	BLOB_XSAVE,
	BLOB_XCRS,
	BLOB_LAPIC,
	BLOB_EVENTS,
	BLOB_DEBUGREGS,
	BLOB_MSRS,
	BLOB_TSC,
	BLOB_N_KINDS,
};

/** Little endian, as everything inside: both sides are x86. */
struct blob_header {
	uint32_t magic;
	uint16_t version;
	uint16_t kind;
	uint32_t item_len;
	uint32_t n_items;
};

struct blob {
	char name[BLOB_NAME_LEN];
	uint8_t *data;		/* header and items; owned */
	size_t data_len;
};

/** A set of blobs with unique names. */
struct blob_set {
	struct blob blobs[BLOB_MAX_BLOBS];
	size_t n_blobs;
};

/** Wipe and free the blobs of @p set, which is empty afterwards. */
void blob_set_fini(struct blob_set *set);

/**
 * Pack a copy of @p items and add it to @p set.
 * @param cpu vCPU number, or -1 for state of the VM: the name becomes
 *            "vm.<kind>" or "vcpu<N>.<kind>".
 * @retval -ENOSPC the set is full. @retval -EINVAL sizes outside of the kind's
 * limits (a bug of the caller). @retval -ENOMEM.
 */
int blob_put(struct blob_set *set, int cpu, enum blob_kind kind, const void *items, size_t item_len,
	     size_t n_items);

/**
 * Add a blob as received, without looking inside.
 * @retval -EPROTO bad name or length, or a name that is there already.
 */
int blob_put_raw(struct blob_set *set, const char *name, const void *data, size_t data_len);

/**
 * Find and check a blob.
 * @param item_len the size that the caller's items have; must match exactly.
 * @param ret_items into the blob, aligned to 8 bytes, valid as long as @p set.
 * @retval -EPROTO missing or malformed; the sentence says which and how.
 */
int blob_open(const struct blob_set *set, int cpu, enum blob_kind kind, size_t item_len, const void **ret_items,
	      size_t *ret_n_items);

/** blob_open() for exactly @p n_items items, copied to @p ret_items. */
int blob_read(const struct blob_set *set, int cpu, enum blob_kind kind, void *ret_items, size_t item_len,
	      size_t n_items);

#endif
