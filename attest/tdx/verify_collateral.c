/* SPDX-License-Identifier: MIT */
/* verify_collateral: revocation, and documents that Intel signed: by whom, which bytes, from when to when. */
#include <string.h>

#include "../date.h"
#include "rules.h"

void tdx_judge_crls(struct tdx_judging *judging)
{
	const struct tdx_question *question = judging->question;
	enum x509_problem problem;

	problem = x509_crl_check(question->collateral->root_crl, judging->chain[2], judging->chain[1],
				 X509_ECDSA_P256_SHA256, question->now_s);
	tdx_rule_judge(judging, TDX_RULE_PCK_CA_CRL, problem == X509_OK, "the PCK CA %s",
		       problem == X509_OK ? "is not revoked by the root" : x509_problem_text(problem));
	problem = x509_crl_check(question->collateral->pck_crl, judging->chain[1], judging->chain[0],
				 X509_ECDSA_P256_SHA256, question->now_s);
	tdx_rule_judge(judging, TDX_RULE_PCK_CRL, problem == X509_OK, "the PCK certificate %s",
		       problem == X509_OK ? "is not revoked by its CA" : x509_problem_text(problem));
}

/* A document's rules. */
struct document_rules {
	const char *name;
	enum tdx_rule signer, signature, format, window, evaluation;
};

static const struct document_rules qeidentity_rules = {
	"QE identity", TDX_RULE_QEID_SIGNER, TDX_RULE_QEID_SIGNATURE, TDX_RULE_QEID_FORMAT, TDX_RULE_QEID_WINDOW,
	TDX_RULE_QEID_EVALUATION,
};

static const struct document_rules tcbinfo_rules = {
	"TCB info", TDX_RULE_TCB_SIGNER, TDX_RULE_TCB_SIGNATURE, TDX_RULE_TCB_FORMAT, TDX_RULE_TCB_WINDOW,
	TDX_RULE_TCB_EVALUATION,
};

static bool judge_signer(struct tdx_judging *judging, const struct tdx_document *document,
			 const struct document_rules *rules)
{
	const struct tdx_question *question = judging->question;
	char name[X509_NAME_MAX];
	enum x509_problem problem;

	if (document->n_chain != TDX_COLLATERAL_MAX_CERTS)
		return tdx_rule_judge(judging, rules->signer, false,
				      "the %s has %zu certificates; signer and root are two", rules->name,
				      document->n_chain);
	problem = x509_chain_check((const struct x509_cert *const *)document->chain, document->n_chain, question->root,
				   X509_ECDSA_P256_SHA256, question->now_s, NULL);
	if (problem == X509_OK)
		problem = x509_crl_check(question->collateral->root_crl, document->chain[1], document->chain[0],
					 X509_ECDSA_P256_SHA256, question->now_s);
	if (problem != X509_OK)
		return tdx_rule_judge(judging, rules->signer, false, "the %s's signer %s", rules->name,
				      x509_problem_text(problem));
	x509_cert_common_name(document->chain[0], name);
	return tdx_rule_judge(judging, rules->signer, strcmp(name, "Intel SGX TCB Signing") == 0,
			      "the %s's signer is \"%.60s\"; it must be \"Intel SGX TCB Signing\"", rules->name, name);
}

static bool judge_document(struct tdx_judging *judging, const struct tdx_document *document,
			   const struct document_rules *rules)
{
	bool holds;

	if (!judge_signer(judging, document, rules))
		return false;
	holds = x509_ecdsa_verify(document->chain[0], X509_P256, document->signature, document->signature + 32,
				  (const uint8_t *)document->text, document->len);
	return tdx_rule_judge(judging, rules->signature, holds, "the %s is %ssigned by its signer, byte for byte",
			      rules->name, holds ? "" : "not ");
}

/* What every document says about itself. */
static void judge_dates(struct tdx_judging *judging, const struct document_rules *rules, int64_t issued_s,
			int64_t next_update_s, uint32_t evaluation)
{
	char issued[DATE_TEXT_LEN + 1], next_update[DATE_TEXT_LEN + 1], now[DATE_TEXT_LEN + 1];
	const int64_t now_s = judging->question->now_s;
	const uint32_t floor = judging->question->policy->min_evaluation;

	date_format(issued_s, issued);
	date_format(next_update_s, next_update);
	date_format(now_s, now);
	tdx_rule_judge(judging, rules->window, now_s >= issued_s && now_s <= next_update_s,
		       "the %s is good from %s to %s; it is %s", rules->name, issued, next_update, now);
	if (floor)
		tdx_rule_judge(judging, rules->evaluation, evaluation >= floor,
			       "the %s has evaluation number %u; the policy wants at least %u", rules->name, evaluation,
			       floor);
	else
		tdx_rule_open(judging, rules->evaluation, "the %s has evaluation number %u; the policy has no floor",
			      rules->name, evaluation);
}

bool tdx_judge_qeidentity(struct tdx_judging *judging)
{
	const struct tdx_document *document = &judging->question->collateral->qe_identity;
	bool holds;

	if (!judge_document(judging, document, &qeidentity_rules))
		return false;
	holds = tdx_qeidentity_new(document->text, document->len, &judging->qeidentity) == 0;
	if (!tdx_rule_judge(judging, TDX_RULE_QEID_FORMAT, holds, "the QE identity is %s",
			    holds ? "of version 2, for TD_QE" : "not one of version 2 for TD_QE, or not well formed"))
		return false;
	judge_dates(judging, &qeidentity_rules, judging->qeidentity->issued_s, judging->qeidentity->next_update_s,
		    judging->qeidentity->evaluation);
	return true;
}

bool tdx_judge_tcbinfo(struct tdx_judging *judging)
{
	const struct tdx_document *document = &judging->question->collateral->tcb_info;
	bool holds;

	if (!judge_document(judging, document, &tcbinfo_rules))
		return false;
	holds = tdx_tcbinfo_new(document->text, document->len, &judging->tcbinfo) == 0;
	if (!tdx_rule_judge(judging, TDX_RULE_TCB_FORMAT, holds, "the TCB info is %s",
			    holds ? "of version 3, for TDX" : "not one of version 3 for TDX, or not well formed"))
		return false;
	judge_dates(judging, &tcbinfo_rules, judging->tcbinfo->issued_s, judging->tcbinfo->next_update_s,
		    judging->tcbinfo->evaluation);
	return true;
}
