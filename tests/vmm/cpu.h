/* SPDX-License-Identifier: MIT */
/*
 * cpu: what a vCPU is at reset: CPUID and the registers of a 64-bit entry.
 */
#ifndef VMM_CPU_H
#define VMM_CPU_H

#include <stdint.h>

#define CPU_MAX_CPUID 256u

struct kvm_cpuid2;

/**
 * What KVM supports, as vCPU @p index of @p n_vcpus sees it, without nested
 * virtualisation and without XSAVE.
 * @param ret_cpuid malloc'ed, the caller frees.
 */
int cpu_get_cpuid(int kvm_fd, unsigned int index, unsigned int n_vcpus, struct kvm_cpuid2 **ret_cpuid);

/** Registers for the 64-bit boot protocol, and MTRRs that say write-back. */
int cpu_set_boot(int vcpu_fd, uint64_t entry_gpa);

#endif
