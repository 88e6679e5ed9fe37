/* SPDX-License-Identifier: MIT */
/* qeidentity: what Intel says a TD quoting enclave must be ("enclaveIdentity", version 2, id "TD_QE"). */
#ifndef ATTEST_TDX_QEIDENTITY_H
#define ATTEST_TDX_QEIDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quote.h"
#include "status.h"

#define TDX_QE_MAX_LEVELS 32u

struct tdx_qeidentity {
	int64_t issued_s;
	int64_t next_update_s;
	uint32_t evaluation;		/* tcbEvaluationDataNumber */
	uint32_t miscselect;
	uint32_t miscselect_mask;
	uint8_t attributes[16];
	uint8_t attributes_mask[16];
	uint8_t mrsigner[32];
	uint16_t isvprodid;
	size_t n_levels;
	struct {
		uint16_t isvsvn;
		struct tdx_level level;
	} levels[TDX_QE_MAX_LEVELS];
};

/** @text is what was signed.  -EBADMSG: not this kind of document, -E2BIG: beyond a limit, -ENOMEM.  Free. */
int tdx_qeidentity_new(const char *text, size_t len, struct tdx_qeidentity **ret_identity);
void tdx_qeidentity_free(struct tdx_qeidentity *identity);

bool tdx_qeidentity_miscselect(const struct tdx_qeidentity *identity, const struct tdx_qe_report *qe);
/** Also false for an enclave that can be debugged, whatever the mask says. */
bool tdx_qeidentity_attributes(const struct tdx_qeidentity *identity, const struct tdx_qe_report *qe);
/** The level of an ISVSVN; NULL: below every level. */
const struct tdx_level *tdx_qeidentity_level(const struct tdx_qeidentity *identity, uint16_t isvsvn);

#endif
