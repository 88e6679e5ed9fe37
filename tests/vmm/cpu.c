// SPDX-License-Identifier: MIT
#include "cpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "bootparams.h"
#include "error.h"

#define CR0_PE		(1u << 0)
#define CR0_ET		(1u << 4)
#define CR0_PG		(1u << 31)
#define CR4_PAE		(1u << 5)
#define EFER_LME	(1u << 8)
#define EFER_LMA	(1u << 10)

#define MSR_MTRR_DEF_TYPE	0x2ffu
#define MTRR_ENABLE_WB		0xc06u	/* enabled, default write-back */

#define CPUID_1_ECX_VMX			(1u << 5)
#define CPUID_1_ECX_FMA			(1u << 12)
#define CPUID_1_ECX_TSC_DEADLINE	(1u << 24)
#define CPUID_1_ECX_XSAVE		(3u << 26)	/* and OSXSAVE */
#define CPUID_1_ECX_AVX			(3u << 28)	/* and F16C */
#define CPUID_1_ECX_HYPERVISOR		(1u << 31)
#define CPUID_1_EDX_HTT			(1u << 28)
#define CPUID_7_EBX_VECTOR		0xdc230020u	/* AVX2, AVX-512 */
#define CPUID_7_ECX_VECTOR		0x00005e5au	/* AVX-512, VAES, VPCLMULQDQ, protection keys */
#define CPUID_KVM_FEATURES		0x40000001u
#define CPUID_KVM_EAX_ASYNC_PF		(1u << 4 | 1u << 10 | 1u << 14)
#define CPUID_80000001_ECX_SVM		(1u << 2)
#define CPUID_80000001_ECX_XOP_FMA4	(1u << 11 | 1u << 16)

/* Topology leaves: each vCPU is a core with one thread, all in one package. */
static void set_topology(struct kvm_cpuid_entry2 *entry, unsigned int index, unsigned int n_vcpus)
{
	switch (entry->function) {
	case 0x1:
		entry->ebx = (entry->ebx & 0xffff) | (n_vcpus << 16) | (index << 24);
		entry->edx = n_vcpus > 1 ? entry->edx | CPUID_1_EDX_HTT : entry->edx & ~CPUID_1_EDX_HTT;
		break;
	case 0xb:
	case 0x1f:
		entry->edx = index;
		if (entry->index == 0) {
			entry->eax = 0;
			entry->ebx = 1;
			entry->ecx = 0x100;
		} else if (entry->index == 1) {
			entry->eax = n_vcpus > 1 ? 1 : 0;
			entry->ebx = n_vcpus;
			entry->ecx = 0x201;
		}
		break;
	case 0x80000008:
		entry->ecx = n_vcpus - 1;
		break;
	case 0x8000001e:
		entry->eax = index;
		entry->ebx = index;
		entry->ecx = 0;
		break;
	}
}

static void clear(struct kvm_cpuid_entry2 *entry)
{
	entry->eax = entry->ebx = entry->ecx = entry->edx = 0;
}

/*
 * No nested virtualisation: its state would have to travel.
 * No XSAVE and what builds on it: QEMU's emulated SVM does not intercept XSETBV,
 * so the guest would believe in an XCR0 that KVM neither knows nor keeps.
 * No asynchronous page faults: guest_memfd is never swapped, and a wake-up that
 * is outstanding in mid-move is one thing less to carry.
 */
static void set_features(struct kvm_cpuid_entry2 *entry)
{
	switch (entry->function) {
	case 0x1:
		entry->ecx &= ~(CPUID_1_ECX_VMX | CPUID_1_ECX_FMA | CPUID_1_ECX_XSAVE | CPUID_1_ECX_AVX);
		/* KVM leaves these to the VMM. */
		entry->ecx |= CPUID_1_ECX_TSC_DEADLINE | CPUID_1_ECX_HYPERVISOR;
		break;
	case 0x7:
		if (entry->index) {	/* vector and AMX features only */
			clear(entry);
			break;
		}
		entry->ebx &= ~CPUID_7_EBX_VECTOR;
		entry->ecx &= ~CPUID_7_ECX_VECTOR;
		break;
	case 0xd:
	case 0x8000000a:
		clear(entry);
		break;
	case CPUID_KVM_FEATURES:
		entry->eax &= ~CPUID_KVM_EAX_ASYNC_PF;
		break;
	case 0x80000001:
		entry->ecx &= ~(CPUID_80000001_ECX_SVM | CPUID_80000001_ECX_XOP_FMA4);
		break;
	}
}

int cpu_get_cpuid(int kvm_fd, unsigned int index, unsigned int n_vcpus, struct kvm_cpuid2 **ret_cpuid)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + CPU_MAX_CPUID * sizeof(cpuid->entries[0]));

	if (!cpuid)
		return error_set(-ENOMEM, "no memory for CPUID");
	cpuid->nent = CPU_MAX_CPUID;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid)) {
		int err = -errno;

		free(cpuid);
		return error_set(err, "KVM does not say which CPUID it supports");
	}
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		set_topology(&cpuid->entries[i], index, n_vcpus);
		set_features(&cpuid->entries[i]);
	}
	*ret_cpuid = cpuid;
	return 0;
}

static struct kvm_segment segment(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
	};
}

static int set_sregs(int vcpu_fd)
{
	struct kvm_sregs sregs;

	if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs))
		return error_set(-errno, "the boot vCPU's system registers cannot be read");
	sregs.cs = segment(BOOT_CODE_SELECTOR, 0xb);
	sregs.cs.l = 1;
	sregs.ds = segment(BOOT_DATA_SELECTOR, 0x3);
	sregs.ds.db = 1;
	sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.ds;
	sregs.gdt.base = BOOT_GDT_GPA;
	sregs.gdt.limit = 4 * 8 - 1;
	sregs.cr0 = CR0_PE | CR0_ET | CR0_PG;
	sregs.cr3 = BOOT_TABLES_GPA;
	sregs.cr4 = CR4_PAE;
	sregs.efer = EFER_LME | EFER_LMA;
	if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs))
		return error_set(-errno, "the boot vCPU's system registers cannot be set");
	return 0;
}

static int set_mtrr(int vcpu_fd)
{
	struct {
		struct kvm_msrs header;
		struct kvm_msr_entry entry;
	} msrs = { .header = { .nmsrs = 1 }, .entry = { .index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLE_WB } };

	if (ioctl(vcpu_fd, KVM_SET_MSRS, &msrs) != 1)
		return error_set(-EIO, "the boot vCPU's MTRRs cannot be set");
	return 0;
}

int cpu_set_boot(int vcpu_fd, uint64_t entry_gpa)
{
	struct kvm_regs regs = {
		.rip = entry_gpa,
		.rsi = BOOT_PARAMS_GPA,
		.rsp = BOOT_STACK_GPA,
		.rflags = 2,
	};
	int err;

	err = set_sregs(vcpu_fd);
	if (!err)
		err = set_mtrr(vcpu_fd);
	if (err)
		return err;
	if (ioctl(vcpu_fd, KVM_SET_REGS, &regs))
		return error_set(-errno, "the boot vCPU's registers cannot be set");
	return 0;
}
