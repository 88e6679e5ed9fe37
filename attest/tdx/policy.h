/* SPDX-License-Identifier: MIT */
/*
 * policy: what a verifier wants of a TD.  All zeros refuse everything;
 * tdx_policy_init() refuses whatever weakens a TD, and every TD until it is told
 * the measurements, or told by a switch of that name that any will do.
 */
#ifndef ATTEST_TDX_POLICY_H
#define ATTEST_TDX_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quote.h"
#include "status.h"

#define TDX_POLICY_MAX_VALUES 8u

/* Bits of a TD's attributes. */
#define TDX_ATTRIBUTE_DEBUG (UINT64_C(1) << 0)
#define TDX_ATTRIBUTE_SEPT_VE_DISABLE (UINT64_C(1) << 28)
#define TDX_ATTRIBUTE_MIGRATABLE (UINT64_C(1) << 29)
#define TDX_ATTRIBUTE_PKS (UINT64_C(1) << 30)
#define TDX_ATTRIBUTE_KL (UINT64_C(1) << 31)
#define TDX_ATTRIBUTE_PERFMON (UINT64_C(1) << 63)

/* XFAM: what every TD has (x87, SSE), and what the TDX module lets it have. */
#define TDX_XFAM_FIXED UINT64_C(0x3)
#define TDX_XFAM_KNOWN UINT64_C(0x6dbe7)

enum tdx_bit {			/* 0 is a policy that nobody filled in, and refuses */
	TDX_BIT_CLEAR = 1,
	TDX_BIT_SET,
	TDX_BIT_ANY,
};

struct tdx_expected {		/* one of these values; none of them and not @any: refused */
	bool any;
	size_t n;
	uint8_t values[TDX_POLICY_MAX_VALUES][TDX_MEASUREMENT_LEN];
};

struct tdx_policy {
	uint32_t versions;		/* of the quote: bit (1 << 4), (1 << 5) */
	uint32_t statuses;		/* TDX_STATUS_BIT()s of the platform's TCB; Revoked never holds */
	uint32_t qe_statuses;		/* the same of the QE */
	uint32_t min_evaluation;	/* lowest tcbEvaluationDataNumber; 0: any */
	enum tdx_bit debug;
	enum tdx_bit sept_ve_disable;	/* a page that the host takes away ends the TD; its #VE handler is not asked */
	enum tdx_bit migratable;
	enum tdx_bit pks;
	enum tdx_bit kl;
	enum tdx_bit perfmon;
	uint64_t attributes_allowed;	/* other bits that may be set */
	uint64_t xfam_required;
	uint64_t xfam_allowed;
	struct tdx_expected mrtd;
	struct tdx_expected rtmr[TDX_N_RTMRS];
	struct tdx_expected mrseam;
	struct tdx_expected mrsignerseam;
	struct tdx_expected mrconfigid;
	struct tdx_expected mrowner;
	struct tdx_expected mrownerconfig;
	struct tdx_expected mrservicetd;
};

/**
 * Versions 4 and 5, UpToDate only, no DEBUG, MIGRATABLE or PERFMON, SEPT_VE_DISABLE, PKS and KL as they are, no
 * attribute bit without a name, XFAM as above; MRSIGNERSEAM, MRCONFIGID, MROWNER, MROWNERCONFIG and MRSERVICETD zeros;
 * MRTD, RTMRs and MRSEAM to be filled in.
 */
void tdx_policy_init(struct tdx_policy *policy);
/** One more value.  -ENOSPC: there are TDX_POLICY_MAX_VALUES. */
int tdx_expected_add(struct tdx_expected *expected, const uint8_t value[TDX_MEASUREMENT_LEN]);

#endif
