/* SPDX-License-Identifier: MIT */
/* verify: the order of the parts, see verify.h. */
#include "verify.h"

#include "rules.h"

static void judge(struct tdx_judging *judging)
{
	bool trusted, has_pck, has_qeidentity, has_tcbinfo;

	if (!tdx_judge_header(judging))
		return;
	has_pck = tdx_judge_chain(judging);
	trusted = has_pck && tdx_judge_signatures(judging);
	if (tdx_rule_judge(judging, TDX_RULE_COLLATERAL, judging->question->collateral != NULL,
			   judging->question->collateral ? "collateral was given" :
			   "no collateral was given; fetch it for the platform's FMSPC")) {
		if (has_pck)
			tdx_judge_crls(judging);
		has_qeidentity = tdx_judge_qeidentity(judging);
		if (trusted && has_qeidentity)
			tdx_judge_qe(judging);
		has_tcbinfo = tdx_judge_tcbinfo(judging);
		if (trusted && has_tcbinfo)
			tdx_judge_tcb(judging);
	}
	if (trusted)
		tdx_judge_td(judging);
}

bool tdx_verify(const struct tdx_question *question, struct verdict *ret_verdict)
{
	struct tdx_judging judging = { .question = question, .verdict = ret_verdict };

	verdict_init(ret_verdict);
	judge(&judging);
	tdx_rules_finish(&judging);
	for (size_t i = 0; i < judging.n_chain; i++)
		x509_cert_free(judging.chain[i]);
	tdx_qeidentity_free(judging.qeidentity);
	tdx_tcbinfo_free(judging.tcbinfo);
	return verdict_believed(ret_verdict);
}
