// SPDX-License-Identifier: MIT
/* verify: see verify.h; genuine.c and claims.c have the rules. */
#include "verify.h"

#include "judging.h"

/* What a rule that is not judged was waiting for, in the order in which it is found. */
static const char *const missing_texts[] = {
	"the evidence is not in its format",
	"the report's version is not accepted",
	"the report is malformed",
	"a certificate cannot be read",
	"the signing key's certificate does not say what AMD's do",
	"the processor is not known for certain",
	"there is no root to check with",
	"the certificates are not a chain to the root",
	"a certificate has extensions that it must not have",
	"a certificate is not valid now",
	"revocation lists were not passed",
	"the signing key is not of the report's kind",
	"the signature's numbers are out of range",
	"the report is not authentic",
	"the TCB versions cannot be read",
};

static void judge_one(struct snp_judging *judging, const struct snp_rule *rule)
{
	unsigned int missing = rule->needs & ~judging->have;

	if (missing)
		verdict_add(judging->verdict, rule->name, VERDICT_NOT_JUDGED, "not judged: %s",
			    missing_texts[__builtin_ctz(missing)]);
	else
		rule->judge(judging, rule);
}

bool snp_verify(const uint8_t *evidence, size_t len, const struct snp_trust *trust, const struct snp_policy *policy,
		const uint8_t report_data[SNP_REPORT_DATA_LEN], int64_t now, struct verdict *ret_verdict)
{
	struct snp_judging judging = {
		.trust = trust,
		.policy = policy,
		.expected_report_data = report_data,
		.now = now,
		.verdict = ret_verdict,
		.bytes = evidence,
		.len = len,
	};

	verdict_init(ret_verdict);
	for (size_t i = 0; i < snp_n_genuine_rules; i++)
		judge_one(&judging, &snp_genuine_rules[i]);
	for (size_t i = 0; i < snp_n_claim_rules; i++)
		judge_one(&judging, &snp_claim_rules[i]);
	for (size_t i = 0; i < SNP_MAX_CERTS; i++)
		x509_cert_free(judging.certs[i]);
	return verdict_believed(ret_verdict);
}
