/* SPDX-License-Identifier: MIT */
/*
 * verify: is this quote one that Intel's chain of signatures and tables, and the
 * policy, let us believe?  No clock, no file, no network: collateral, trust and
 * time are arguments.
 *
 * What rests on what (rules.h has the names, docs/attestation.md the sentences):
 *
 *   header -> format -> PCK chain -> QE report -> attestation key -> quote
 *   collateral -> CRLs; signer -> signature -> document -> window, levels
 *   quote and documents -> QE's identity and TCB status; quote -> the TD's own fields
 */
#ifndef ATTEST_TDX_VERIFY_H
#define ATTEST_TDX_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../verdict.h"
#include "../x509.h"
#include "collateral.h"
#include "policy.h"

struct tdx_question {			/* all borrowed */
	const uint8_t *quote;		/* what trails it is not read */
	size_t quote_len;
	const struct tdx_collateral *collateral;	/* NULL: none, which fails a rule */
	const struct x509_cert *root;	/* tdx_root_new() */
	const struct tdx_policy *policy;
	const uint8_t *report_data;	/* TDX_REPORT_DATA_LEN: what the quote must be bound to */
	int64_t now_s;			/* seconds since 1970 */
};

/** @ret_verdict is filled anew with every TDX rule, once each.  true: believed, as verdict_believed() says. */
bool tdx_verify(const struct tdx_question *question, struct verdict *ret_verdict);

#endif
