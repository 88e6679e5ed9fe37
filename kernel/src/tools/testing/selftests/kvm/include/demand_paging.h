/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * With KVM_SELFTEST_DEMAND_PAGING=N in the environment, every VM of a test is
 * paged: its memslots are missing at first, and a pager brings N pages, a power
 * of two, around each that is wanted.
 */
#ifndef SELFTEST_KVM_DEMAND_PAGING_H
#define SELFTEST_KVM_DEMAND_PAGING_H

struct kvm_vm;

/* Before the first VM. */
void demand_paging_init(void);

/* As soon as the VM exists, and before its file descriptor is closed. */
void demand_paging_vm_open(struct kvm_vm *vm);
void demand_paging_vm_close(struct kvm_vm *vm);

/*
 * ioctl(KVM_SET_USER_MEMORY_REGION) or ioctl(KVM_SET_USER_MEMORY_REGION2), of a VM
 * that is paged or not.
 */
int demand_paging_set_region(struct kvm_vm *vm, unsigned long cmd, void *region);

#endif /* SELFTEST_KVM_DEMAND_PAGING_H */
