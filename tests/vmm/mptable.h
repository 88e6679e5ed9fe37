/* SPDX-License-Identifier: MIT */
/*
 * mptable: the Intel MultiProcessor Specification 1.4 table that tells a guest
 * without ACPI how many vCPUs there are and where the IOAPIC is.
 */
#ifndef VMM_MPTABLE_H
#define VMM_MPTABLE_H

#include <stddef.h>
#include <stdint.h>

#define MPTABLE_GPA	0xf0000u	/* in the range that a guest searches */
#define MPTABLE_MAX_LEN	4096u

/**
 * Build floating pointer and configuration table for @p n_vcpus (1 to 16).
 * @param ret_table  MPTABLE_MAX_LEN bytes that the guest sees at MPTABLE_GPA.
 * @return bytes used.
 */
size_t mptable_build(unsigned int n_vcpus, uint8_t *ret_table);

#endif
