/* SPDX-License-Identifier: MIT */
/*
 * verify: is SEV-SNP evidence genuine, and is what it says what the policy
 * asks?  docs/attestation.md lists the rules.
 */
#ifndef ATTEST_SNP_VERIFY_H
#define ATTEST_SNP_VERIFY_H

#include "../verdict.h"
#include "policy.h"
#include "trust.h"

/*
 * Judge @evidence (evidence.h) by @policy, at @now (seconds since 1970); REPORT_DATA must be @report_data.
 * @ret_verdict has every rule once, in order, whatever was found; returns verdict_believed() of it.  Keeps nothing,
 * changes nothing, blocks on nothing.  Out of memory is a certificate that cannot be read.
 */
bool snp_verify(const uint8_t *evidence, size_t len, const struct snp_trust *trust, const struct snp_policy *policy,
		const uint8_t report_data[SNP_REPORT_DATA_LEN], int64_t now, struct verdict *ret_verdict);

#endif
