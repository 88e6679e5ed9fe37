// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "error.h"
#include "state.h"

#define MAX_MSRS		1024u
#define MSR_TSC			0x10u
#define MSR_KVM_WALL_CLOCK	0x11u
#define MSR_KVM_SYSTEM_TIME	0x12u
#define MSR_TSC_DEADLINE	0x6e0u
#define MSR_HYPERV_FIRST	0x40000000u
#define MSR_HYPERV_LAST		0x400001ffu
#define MSR_KVM_WALL_CLOCK_NEW	0x4b564d00u

struct msr_list {
	struct kvm_msrs header;
	struct kvm_msr_entry entries[MAX_MSRS];
};

/* KVM's index list leaves the MTRRs out. */
static const uint32_t mtrrs[] = {
	0x2ff, 0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f,
	0x200, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x207,
	0x208, 0x209, 0x20a, 0x20b, 0x20c, 0x20d, 0x20e, 0x20f,
};

/*
 * Not by MSR: the TSC, whose offset travels instead.  Writing a wall clock MSR
 * makes KVM write to guest memory what is there already; the old system time
 * MSR is another name of the new one.  Hyper-V's are not offered to the guest,
 * and some of them count by themselves.
 */
static bool is_left_out(uint32_t index)
{
	if (index >= MSR_HYPERV_FIRST && index <= MSR_HYPERV_LAST)
		return true;
	return index == MSR_TSC || index == MSR_KVM_WALL_CLOCK || index == MSR_KVM_SYSTEM_TIME ||
	       index == MSR_KVM_WALL_CLOCK_NEW;
}

static void add(struct msr_list *list, uint32_t index)
{
	if (is_left_out(index) || list->header.nmsrs == MAX_MSRS)
		return;
	for (uint32_t i = 0; i < list->header.nmsrs; i++) {
		if (list->entries[i].index == index)
			return;
	}
	list->entries[list->header.nmsrs++].index = index;
}

static int list_msrs(int kvm_fd, struct msr_list *ret_list)
{
	struct kvm_msr_list *indices = calloc(1, sizeof(*indices) + MAX_MSRS * sizeof(indices->indices[0]));

	if (!indices)
		return error_set(-ENOMEM, "no memory for the list of MSRs");
	indices->nmsrs = MAX_MSRS;
	if (ioctl(kvm_fd, KVM_GET_MSR_INDEX_LIST, indices)) {
		int err = -errno;

		free(indices);
		return error_set(err, "KVM does not list the MSRs to save");
	}
	ret_list->header.nmsrs = 0;
	for (uint32_t i = 0; i < indices->nmsrs; i++)
		add(ret_list, indices->indices[i]);
	for (size_t i = 0; i < sizeof(mtrrs) / sizeof(mtrrs[0]); i++)
		add(ret_list, mtrrs[i]);
	free(indices);
	return 0;
}

/*
 * KVM_GET_MSRS stops at the first MSR that this vCPU does not have: drop that
 * one and go on.  On return the list has those that could be read.
 */
static int read_msrs(const struct vcpu *vcpu, struct msr_list *list)
{
	struct msr_list *part = calloc(1, sizeof(*part));
	uint32_t n_kept = 0, next = 0, n_all = list->header.nmsrs;
	int n, err = 0;

	if (!part)
		return error_set(-ENOMEM, "no memory for the MSRs of vCPU %u", vcpu->index);
	while (next < n_all) {
		part->header.nmsrs = n_all - next;
		memcpy(part->entries, list->entries + next, part->header.nmsrs * sizeof(part->entries[0]));
		n = ioctl(vcpu->fd, KVM_GET_MSRS, part);
		if (n < 0) {
			err = error_set(-errno, "MSRs of vCPU %u cannot be read", vcpu->index);
			break;
		}
		memcpy(list->entries + n_kept, part->entries, (size_t)n * sizeof(part->entries[0]));
		n_kept += (uint32_t)n;
		next += (uint32_t)n + 1;
	}
	list->header.nmsrs = n_kept;
	explicit_bzero(part, sizeof(*part));
	free(part);
	return err;
}

int state_save_msrs(struct machine *machine, const struct vcpu *vcpu, struct blob_set *set)
{
	struct msr_list *list = calloc(1, sizeof(*list));
	int err;

	if (!list)
		return error_set(-ENOMEM, "no memory for the MSRs of vCPU %u", vcpu->index);
	err = list_msrs(machine->kvm_fd, list);
	if (!err)
		err = read_msrs(vcpu, list);
	if (!err)
		err = blob_put(set, (int)vcpu->index, BLOB_MSRS, list->entries, sizeof(list->entries[0]), list->header.nmsrs);
	explicit_bzero(list, sizeof(*list));
	free(list);
	return err;
}

static int write_msr(const struct vcpu *vcpu, const struct kvm_msr_entry *entry)
{
	struct {
		struct kvm_msrs header;
		struct kvm_msr_entry entry;
	} one = { .header = { .nmsrs = 1 }, .entry = { .index = entry->index, .data = entry->data } };

	if (ioctl(vcpu->fd, KVM_SET_MSRS, &one) != 1)
		return error_set(-EPROTO, "MSR 0x%x of vCPU %u cannot be restored to 0x%llx", entry->index, vcpu->index,
				 (unsigned long long)entry->data);
	return 0;
}

static int open_msrs(const struct vcpu *vcpu, const struct blob_set *set, const struct kvm_msr_entry **ret_entries,
		     size_t *ret_n_entries)
{
	const void *items;
	int err;

	err = blob_open(set, (int)vcpu->index, BLOB_MSRS, sizeof(struct kvm_msr_entry), &items, ret_n_entries);
	if (!err)
		*ret_entries = items;
	return err;
}

static bool has_value(const struct msr_list *list, const struct kvm_msr_entry *wanted)
{
	for (uint32_t i = 0; i < list->header.nmsrs; i++) {
		if (list->entries[i].index == wanted->index)
			return list->entries[i].data == wanted->data;
	}
	return false;
}

/* Only what differs is written: some MSRs cannot be set, or do something when they are. */
int state_restore_msrs(const struct vcpu *vcpu, const struct blob_set *set)
{
	const struct kvm_msr_entry *entries;
	struct msr_list *here;
	size_t n_entries;
	int err;

	err = open_msrs(vcpu, set, &entries, &n_entries);
	if (err)
		return err;
	here = calloc(1, sizeof(*here));
	if (!here)
		return error_set(-ENOMEM, "no memory for the MSRs of vCPU %u", vcpu->index);
	here->header.nmsrs = (uint32_t)n_entries;	/* up to MAX_MSRS: the kind's limit */
	memcpy(here->entries, entries, n_entries * sizeof(*entries));
	err = read_msrs(vcpu, here);
	for (size_t i = 0; i < n_entries && !err; i++) {
		if (entries[i].index == MSR_TSC_DEADLINE || is_left_out(entries[i].index) || has_value(here, &entries[i]))
			continue;
		err = write_msr(vcpu, &entries[i]);
	}
	free(here);
	return err;
}

int state_restore_deadline(const struct vcpu *vcpu, const struct blob_set *set)
{
	const struct kvm_msr_entry *entries;
	size_t n_entries;
	int err;

	err = open_msrs(vcpu, set, &entries, &n_entries);
	for (size_t i = 0; i < n_entries && !err; i++) {
		if (entries[i].index == MSR_TSC_DEADLINE && entries[i].data)
			err = write_msr(vcpu, &entries[i]);
	}
	return err;
}
