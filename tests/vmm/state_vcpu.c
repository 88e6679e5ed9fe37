// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cpu.h"
#include "error.h"
#include "state.h"

/* Pieces of one size that one pair of ioctls reads and writes, in the order of restoring. */
struct piece {
	enum blob_kind kind;
	const char *name;
	size_t len;
	unsigned long get;
	unsigned long set;
};

static const struct piece before_msrs[] = {
	{ BLOB_SREGS, "system registers", sizeof(struct kvm_sregs2), KVM_GET_SREGS2, KVM_SET_SREGS2 },
	{ BLOB_REGS, "registers", sizeof(struct kvm_regs), KVM_GET_REGS, KVM_SET_REGS },
	{ BLOB_XCRS, "extended control registers", sizeof(struct kvm_xcrs), KVM_GET_XCRS, KVM_SET_XCRS },
};

static const struct piece after_msrs[] = {
	{ BLOB_LAPIC, "local APIC", sizeof(struct kvm_lapic_state), KVM_GET_LAPIC, KVM_SET_LAPIC },
	{ BLOB_EVENTS, "pending events", sizeof(struct kvm_vcpu_events), KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS },
	{ BLOB_DEBUGREGS, "debug registers", sizeof(struct kvm_debugregs), KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS },
	{ BLOB_MP_STATE, "run state", sizeof(struct kvm_mp_state), KVM_GET_MP_STATE, KVM_SET_MP_STATE },
};

#define MAX_PIECE_LEN 1024u
#define N_PIECES(table) (sizeof(table) / sizeof((table)[0]))

_Static_assert(sizeof(struct kvm_lapic_state) <= MAX_PIECE_LEN, "local APIC fits");
_Static_assert(sizeof(struct kvm_sregs2) <= MAX_PIECE_LEN, "system registers fit");

static int save_pieces(const struct vcpu *vcpu, const struct piece *pieces, size_t n_pieces, struct blob_set *set)
{
	_Alignas(16) uint8_t data[MAX_PIECE_LEN];
	int err = 0;

	for (size_t i = 0; i < n_pieces && !err; i++) {
		memset(data, 0, sizeof(data));
		if (ioctl(vcpu->fd, pieces[i].get, data))
			return error_set(-errno, "%s of vCPU %u cannot be saved", pieces[i].name, vcpu->index);
		err = blob_put(set, (int)vcpu->index, pieces[i].kind, data, pieces[i].len, 1);
	}
	return err;
}

/* A host without XSAVE says so by having none to save, and takes none. */
static bool is_empty(const struct piece *piece, const void *data)
{
	return piece->kind == BLOB_XCRS && ((const struct kvm_xcrs *)data)->nr_xcrs == 0;
}

static int restore_pieces(const struct vcpu *vcpu, const struct piece *pieces, size_t n_pieces,
			  const struct blob_set *set)
{
	_Alignas(16) uint8_t data[MAX_PIECE_LEN];
	int err;

	for (size_t i = 0; i < n_pieces; i++) {
		err = blob_read(set, (int)vcpu->index, pieces[i].kind, data, pieces[i].len, 1);
		if (err)
			return err;
		if (is_empty(&pieces[i], data))
			continue;
		if (ioctl(vcpu->fd, pieces[i].set, data))
			return error_set(-errno, "%s of vCPU %u cannot be restored", pieces[i].name, vcpu->index);
	}
	return 0;
}

/* KVM says how large this host's XSAVE area is; both hosts must agree. */
static size_t xsave_len(const struct machine *machine)
{
	int len = ioctl(machine->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);

	return len > (int)sizeof(struct kvm_xsave) ? (size_t)len : sizeof(struct kvm_xsave);
}

static int save_xsave(struct machine *machine, const struct vcpu *vcpu, struct blob_set *set)
{
	size_t len = xsave_len(machine);
	uint8_t *data = calloc(1, len);
	int err;

	if (!data)
		return error_set(-ENOMEM, "no memory for the FPU of vCPU %u", vcpu->index);
	if (ioctl(vcpu->fd, KVM_GET_XSAVE2, data))
		err = error_set(-errno, "FPU of vCPU %u cannot be saved", vcpu->index);
	else
		err = blob_put(set, (int)vcpu->index, BLOB_XSAVE, data, len, 1);
	explicit_bzero(data, len);
	free(data);
	return err;
}

static int restore_xsave(struct machine *machine, const struct vcpu *vcpu, const struct blob_set *set)
{
	const void *data;
	size_t n_items;
	int err;

	err = blob_open(set, (int)vcpu->index, BLOB_XSAVE, xsave_len(machine), &data, &n_items);
	if (err)
		return err;
	return ioctl(vcpu->fd, KVM_SET_XSAVE, data) ? error_set(-errno, "FPU of vCPU %u cannot be restored", vcpu->index) : 0;
}

static struct kvm_cpuid2 *alloc_cpuid(size_t n_entries)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + n_entries * sizeof(cpuid->entries[0]));

	if (cpuid)
		cpuid->nent = (uint32_t)n_entries;
	return cpuid;
}

static int save_cpuid(const struct vcpu *vcpu, struct blob_set *set)
{
	struct kvm_cpuid2 *cpuid = alloc_cpuid(CPU_MAX_CPUID);
	int err;

	if (!cpuid)
		return error_set(-ENOMEM, "no memory for CPUID of vCPU %u", vcpu->index);
	if (ioctl(vcpu->fd, KVM_GET_CPUID2, cpuid))
		err = error_set(-errno, "CPUID of vCPU %u cannot be saved", vcpu->index);
	else
		err = blob_put(set, (int)vcpu->index, BLOB_CPUID, cpuid->entries, sizeof(cpuid->entries[0]), cpuid->nent);
	free(cpuid);
	return err;
}

/* The guest keeps the features that it found at boot; KVM refuses what it cannot do. */
static int restore_cpuid(const struct vcpu *vcpu, const struct blob_set *set)
{
	struct kvm_cpuid2 *cpuid;
	const void *entries;
	size_t n_entries;
	int err;

	err = blob_open(set, (int)vcpu->index, BLOB_CPUID, sizeof(struct kvm_cpuid_entry2), &entries, &n_entries);
	if (err)
		return err;
	cpuid = alloc_cpuid(n_entries);
	if (!cpuid)
		return error_set(-ENOMEM, "no memory for CPUID of vCPU %u", vcpu->index);
	memcpy(cpuid->entries, entries, n_entries * sizeof(cpuid->entries[0]));
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid))
		err = error_set(-errno, "CPUID of vCPU %u cannot be restored", vcpu->index);
	free(cpuid);
	return err;
}

int state_save_vcpu(struct machine *machine, const struct vcpu *vcpu, struct blob_set *set)
{
	uint64_t offset;
	int err;

	/* MP state and events first: reading them lets KVM take in a pending INIT or SIPI. */
	err = save_pieces(vcpu, after_msrs, N_PIECES(after_msrs), set);
	if (!err)
		err = save_pieces(vcpu, before_msrs, N_PIECES(before_msrs), set);
	if (!err)
		err = save_cpuid(vcpu, set);
	if (!err)
		err = save_xsave(machine, vcpu, set);
	if (!err)
		err = state_save_msrs(machine, vcpu, set);
	if (!err)
		err = clock_get_offset(vcpu->fd, &offset);
	return err ? err : blob_put(set, (int)vcpu->index, BLOB_TSC, &offset, sizeof(offset), 1);
}

int state_restore_vcpu(struct machine *machine, const struct vcpu *vcpu, const struct blob_set *set)
{
	int err;

	err = restore_cpuid(vcpu, set);
	if (!err)
		err = restore_pieces(vcpu, before_msrs, N_PIECES(before_msrs), set);
	if (!err)
		err = restore_xsave(machine, vcpu, set);
	if (!err)
		err = state_restore_msrs(vcpu, set);
	return err ? err : restore_pieces(vcpu, after_msrs, N_PIECES(after_msrs), set);
}
