/* SPDX-License-Identifier: MIT */
/* verify_quote: from the pinned root to the quote's bytes. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "rules.h"

/* 939a7233-f79c-4ca9-940a-0db3957f0607: Intel's QE */
static const uint8_t intel_qe[16] = {
	0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07
};

static bool is_version(const struct tdx_policy *policy, uint16_t version)
{
	return (version == 4 || version == 5) && policy->versions & 1u << version;
}

static bool judge_fields(struct tdx_judging *judging, const struct tdx_header *header)
{
	bool holds;

	holds = tdx_rule_judge(judging, TDX_RULE_VERSION, is_version(judging->question->policy, header->version),
			       "the quote is of version %u; 4 and 5 are understood, and taken if the policy names them",
			       header->version);
	holds &= tdx_rule_judge(judging, TDX_RULE_TEE_TYPE, header->tee_type == TDX_TEE_TYPE,
				"the TEE type is 0x%x; TDX is 0x%x", header->tee_type, TDX_TEE_TYPE);
	holds &= tdx_rule_judge(judging, TDX_RULE_KEY_TYPE, header->key_type == TDX_KEY_TYPE_P256,
				"the attestation key is of type %u; ECDSA P-256 is %u", header->key_type,
				TDX_KEY_TYPE_P256);
	holds &= tdx_rule_judge(judging, TDX_RULE_QE_VENDOR, memcmp(header->qe_vendor, intel_qe, 16) == 0,
				"the quoting enclave says that it is %s",
				memcmp(header->qe_vendor, intel_qe, 16) == 0 ? "Intel's" : "of another vendor");
	return holds;
}

bool tdx_judge_header(struct tdx_judging *judging)
{
	const struct tdx_question *question = judging->question;
	struct tdx_header header;
	int r;

	if (tdx_header_parse(question->quote, question->quote_len, &header) < 0)
		return tdx_rule_judge(judging, TDX_RULE_FORMAT, false, "%zu bytes are too few for a quote's header",
				      question->quote_len);
	if (!judge_fields(judging, &header))
		return false;
	r = tdx_quote_parse(question->quote, question->quote_len, &judging->quote);
	return tdx_rule_judge(judging, TDX_RULE_FORMAT, r == 0, "%s",
			      r == 0 ? "the quote is well formed" :
			      r == -E2BIG ? "the quote has a part that is longer than any real one" :
			      "the quote is cut, has parts of another type, or lengths that contradict each other");
}

static bool is_named(const struct x509_cert *cert, const char *name)
{
	char found[X509_NAME_MAX];

	x509_cert_common_name(cert, found);
	return strcmp(found, name) == 0;
}

/* Intel's root signs other things, too: each certificate must be there for this purpose. */
static bool has_roles(struct x509_cert *const chain[TDX_PCK_CHAIN_LEN])
{
	return is_named(chain[0], "Intel SGX PCK Certificate") &&
	       (is_named(chain[1], "Intel SGX PCK Platform CA") || is_named(chain[1], "Intel SGX PCK Processor CA"));
}

static bool judge_pck_chain(struct tdx_judging *judging)
{
	static const char *const places[] = { "PCK certificate", "PCK CA", "root" };
	const struct tdx_quote *quote = &judging->quote;
	enum x509_problem problem;
	size_t at = 0;

	if (x509_certs_parse_pem(quote->pem, quote->pem_len, TDX_PCK_CHAIN_LEN, judging->chain,
				 &judging->n_chain) < 0) {
		judging->n_chain = 0;
		return tdx_rule_judge(judging, TDX_RULE_PCK_CHAIN, false,
				      "the quote's certificates cannot be read, or are more than three");
	}
	if (judging->n_chain != TDX_PCK_CHAIN_LEN)
		return tdx_rule_judge(judging, TDX_RULE_PCK_CHAIN, false,
				      "the quote has %zu certificates; PCK, its CA and the root are three",
				      judging->n_chain);
	problem = x509_chain_check((const struct x509_cert *const *)judging->chain, judging->n_chain,
				   judging->question->root, X509_ECDSA_P256_SHA256, judging->question->now_s, &at);
	if (problem != X509_OK)
		return tdx_rule_judge(judging, TDX_RULE_PCK_CHAIN, false, "the %s %s",
				      at < TDX_PCK_CHAIN_LEN ? places[at] : "chain", x509_problem_text(problem));
	return tdx_rule_judge(judging, TDX_RULE_PCK_CHAIN, has_roles(judging->chain),
			      "the PCK chain leads to the pinned root, and its certificates are %s",
			      has_roles(judging->chain) ? "what they must be for" : "for something else");
}

bool tdx_judge_chain(struct tdx_judging *judging)
{
	const struct tdx_pck *pck = &judging->pck;
	const uint8_t *der;
	size_t len;
	bool holds;

	if (!judge_pck_chain(judging))
		return false;
	holds = x509_cert_extension(judging->chain[0], TDX_PCK_EXTENSION, &der, &len) == 0 &&
		tdx_pck_parse(der, len, &judging->pck) == 0;
	if (!holds)
		return tdx_rule_judge(judging, TDX_RULE_PCK_SGX, false, "the PCK certificate does not say, or not well "
				      "formed, which platform it is for");
	return tdx_rule_judge(judging, TDX_RULE_PCK_SGX, true, "the PCK certificate is for FMSPC "
			      "%02X%02X%02X%02X%02X%02X, PCEID %02X%02X, PCE SVN %u", pck->fmspc[0], pck->fmspc[1],
			      pck->fmspc[2], pck->fmspc[3], pck->fmspc[4], pck->fmspc[5], pck->pceid[0], pck->pceid[1],
			      pck->pcesvn);
}

/* The QE's report carries SHA-256 of the key and of its authentication data, then zeros. */
static bool is_key_of_qe(const struct tdx_quote *quote)
{
	uint8_t expected[64] = { 0 };
	crypto_hash_sha256_state state;

	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, quote->key, 64);
	crypto_hash_sha256_update(&state, quote->auth, quote->auth_len);
	crypto_hash_sha256_final(&state, expected);
	return memcmp(quote->qe.report_data, expected, sizeof(expected)) == 0;
}

bool tdx_judge_signatures(struct tdx_judging *judging)
{
	const struct tdx_quote *quote = &judging->quote;
	bool holds;

	holds = x509_ecdsa_verify(judging->chain[0], X509_P256, quote->qe_signature, quote->qe_signature + 32,
				  quote->qe_report, TDX_QE_REPORT_LEN);
	if (!tdx_rule_judge(judging, TDX_RULE_QE_SIGNATURE, holds,
			    "the quoting enclave's report is %ssigned by the PCK", holds ? "" : "not "))
		return false;
	holds = is_key_of_qe(quote);
	if (!tdx_rule_judge(judging, TDX_RULE_QE_KEY, holds, "the quoting enclave's report %s the attestation key",
			    holds ? "vouches for" : "is about another key than"))
		return false;
	holds = x509_ecdsa_verify_raw(quote->key, quote->signature, quote->signed_data, quote->signed_len);
	return tdx_rule_judge(judging, TDX_RULE_QUOTE_SIGNATURE, holds, "the quote is %ssigned by the attestation key",
			      holds ? "" : "not ");
}
