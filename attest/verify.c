/* SPDX-License-Identifier: MIT */
/* verify: see verify.h. */
#include "verify.h"

#include <sodium.h>
#include <string.h>

#include "bundle.h"
#include "platform.h"
#include "snp/verify.h"
#include "software.h"
#include "tdx/verify.h"
#include "tpm/verify.h"

/* Evidence by a pinned key is the digest alone: the handshake showed that the giver has the key. */
static void judge_pinned(const struct attest_question *question, struct verdict *verdict)
{
	const struct pinned_policy *pinned = &question->policy->pinned;
	bool named = false;

	for (size_t i = 0; question->static_key && i < pinned->n_keys; i++)
		named |= !sodium_memcmp(pinned->keys[i], question->static_key, ATTEST_KEY_LEN);
	verdict_judge(verdict, "pinned.keys", named,
		      "the peer's static key must be one of the %zu that the policy pins",
		      pinned->n_keys);
	verdict_judge(verdict, "pinned.report_data", !sodium_memcmp(question->evidence, question->digest,
								    WIRE_DIGEST_LEN),
		      "the evidence must be bound to this connection");
}

static void judge_tdx(const struct attest_question *question, const struct bundle *bundle, struct verdict *verdict)
{
	const struct tdx_question tdx = {
		.quote = bundle->items[BUNDLE_TDX_QUOTE].data, .quote_len = bundle->items[BUNDLE_TDX_QUOTE].len,
		.collateral = question->trust->tdx_collateral, .root = question->trust->tdx_root,
		.policy = &question->policy->tdx, .report_data = question->digest, .now_s = question->now_s,
	};

	tdx_verify(&tdx, verdict);
}

static void judge_tpm(const struct attest_question *question, const struct bundle *bundle, struct verdict *verdict)
{
	const struct tpm_question tpm = {
		.bundle = bundle, .log = question->log, .log_len = question->log_len,
		.log_follows = question->log_follows,
		.policy = &question->policy->tpm, .digest = question->digest, .now_s = question->now_s,
	};

	tpm_verify(&tpm, verdict);
}

static void judge_bundle(const struct attest_question *question, const struct bundle *bundle, struct verdict *verdict)
{
	const struct attest_policy *policy = question->policy;
	const struct bundle_item *snp = &bundle->items[BUNDLE_SNP_EVIDENCE];

	switch (bundle->kind) {
	case BUNDLE_SOFTWARE:
		software_verify(bundle, &policy->software, question->digest, verdict);
		break;
	case BUNDLE_SNP:
		snp_verify(snp->data, snp->len, &question->trust->snp, &policy->snp, question->digest, question->now_s,
			   verdict);
		break;
	case BUNDLE_TDX:
		judge_tdx(question, bundle, verdict);
		break;
	case BUNDLE_TPM:
		judge_tpm(question, bundle, verdict);
		break;
	default:
		verdict_add(verdict, "evidence.kind", VERDICT_FAILS, "no verifier for kind %d", (int)bundle->kind);
	}
}

/* Evidence that is genuine and good, of another machine than the ticket's, is a diversion. */
static void judge_platform(const struct attest_question *question, const struct bundle *bundle, struct verdict *verdict)
{
	uint8_t id[ATTEST_ID_LEN];

	if (!question->platform_id || sodium_is_zero(question->platform_id, ATTEST_ID_LEN)) {
		verdict_add(verdict, "ticket.platform", VERDICT_NOT_ASKED, "no ticket names the platform");
		return;
	}
	verdict_judge(verdict, "ticket.platform", bundle && !platform_of_bundle(bundle, id) &&
		      !memcmp(id, question->platform_id, sizeof(id)),
		      "the evidence must come from the platform that the ticket names");
}

bool attest_verify(const struct attest_question *question, struct verdict *ret_verdict)
{
	struct bundle bundle;
	bool is_bundle = !bundle_parse(question->evidence, question->len, &bundle);
	const char *name = is_bundle ? bundle_kind_name(bundle.kind) : "pinned-key";
	uint32_t bit = is_bundle ? 1u << bundle.kind : ATTEST_POLICY_PINNED;

	verdict_init(ret_verdict);
	if (!is_bundle && question->len != WIRE_DIGEST_LEN) {
		verdict_add(ret_verdict, "evidence.format", VERDICT_FAILS, "it is no evidence of any kind known here");
		return false;
	}
	if (!(question->policy->kinds & bit)) {
		verdict_add(ret_verdict, "evidence.kind", VERDICT_FAILS,
			    "it is of kind %s, for which the policy has no "
			    "section", name);
		return false;
	}
	if (is_bundle)
		judge_bundle(question, &bundle, ret_verdict);
	else
		judge_pinned(question, ret_verdict);
	judge_platform(question, is_bundle ? &bundle : NULL, ret_verdict);
	return verdict_believed(ret_verdict);
}
