/* SPDX-License-Identifier: MIT */
/*
 * tcbinfo: Intel's table of the TCB levels of one kind of platform ("tcbInfo",
 * version 3, id "TDX"), and where a platform stands in it.
 */
#ifndef ATTEST_TDX_TCBINFO_H
#define ATTEST_TDX_TCBINFO_H

#include <stddef.h>
#include <stdint.h>

#include "pck.h"
#include "quote.h"
#include "status.h"

#define TDX_MAX_LEVELS 64u
#define TDX_MAX_MODULES 16u
#define TDX_MAX_MODULE_LEVELS 16u

/* Who signed a TDX module, and what must be so in it. */
struct tdx_module_rule {
	uint8_t mrsigner[TDX_MEASUREMENT_LEN];
	uint8_t attributes[8];
	uint8_t attributes_mask[8];
};

struct tdx_module {		/* all modules of one major version: id "TDX_01" */
	uint8_t major;
	struct tdx_module_rule rule;
	size_t n_levels;
	struct {
		uint16_t isvsvn;
		struct tdx_level level;
	} levels[TDX_MAX_MODULE_LEVELS];
};

struct tdx_tcbinfo {
	int64_t issued_s;
	int64_t next_update_s;
	uint32_t evaluation;		/* tcbEvaluationDataNumber */
	uint8_t fmspc[TDX_FMSPC_LEN];
	uint8_t pceid[TDX_PCEID_LEN];
	struct tdx_module_rule rule;	/* modules of major version 0 */
	size_t n_modules;
	struct tdx_module modules[TDX_MAX_MODULES];
	size_t n_levels;
	struct {
		uint8_t sgx_svn[TDX_PCK_N_COMPONENTS];
		uint8_t tdx_svn[TDX_SVN_LEN];
		uint16_t pcesvn;
		struct tdx_level level;
	} levels[TDX_MAX_LEVELS];
};

/** @text is what was signed.  -EBADMSG: not this kind of document, -E2BIG: beyond a limit, -ENOMEM.  Free. */
int tdx_tcbinfo_new(const char *text, size_t len, struct tdx_tcbinfo **ret_tcbinfo);
void tdx_tcbinfo_free(struct tdx_tcbinfo *tcbinfo);

/** The rule for modules of this TEE_TCB_SVN; NULL: the document knows no module of its major version. */
const struct tdx_module_rule *tdx_tcbinfo_rule(const struct tdx_tcbinfo *tcbinfo, const uint8_t svn[TDX_SVN_LEN]);

/* Where a platform and its TDX module stand. */
struct tdx_standing {
	enum tdx_status status;			/* of both together */
	const struct tdx_level *platform;	/* the table's; NULL: below every level */
	const struct tdx_level *module;		/* NULL: below every level, or of major version 0, which has none */
};

/** -ENOENT: the platform, or its module, is below every level; @ret_standing says which even so. */
int tdx_tcbinfo_judge(const struct tdx_tcbinfo *tcbinfo, const struct tdx_pck *pck, const uint8_t svn[TDX_SVN_LEN],
		      struct tdx_standing *ret_standing);

#endif
