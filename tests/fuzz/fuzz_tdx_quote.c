/* SPDX-License-Identifier: MIT */
/*
 * fuzz_tdx_quote: a peer's quote.  What is taken apart accounts for every byte,
 * does not depend on what trails it, and is cut nowhere; and a verifier with
 * Intel's root and no collateral says all its rules and believes nothing.
 */
#include <string.h>

#include <attest/attest.h>
#include <attest/tdx/root.h>
#include <attest/tdx/rules.h>

#include "../vectors/tdxgen.h"
#include "fuzz.h"

static struct x509_cert *root;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	FUZZ_NEED(attest_init());
	FUZZ_NEED(tdx_root_new(&root) == 0);
	return 0;
}

static void check_quote(const uint8_t *data, size_t size, const struct tdx_quote *quote)
{
	const size_t head_len = quote->header.version == 5 ? TDX_HEADER_LEN + 6 : TDX_HEADER_LEN;
	struct tdx_quote again;

	FUZZ_NEED(quote->len <= size && quote->signed_data == data);
	FUZZ_NEED(quote->signed_len == head_len + (quote->report.has_15 ? TDX_REPORT_15_LEN : TDX_REPORT_10_LEN));
	FUZZ_NEED(quote->signature == data + quote->signed_len + 4 && quote->key == quote->signature + 64);
	FUZZ_NEED(quote->qe_report == quote->key + 64 + 6 && quote->qe_signature == quote->qe_report + TDX_QE_REPORT_LEN);
	FUZZ_NEED(quote->auth == quote->qe_signature + 64 + 2 && quote->auth_len <= TDX_QUOTE_MAX_AUTH_LEN);
	FUZZ_NEED((const uint8_t *)quote->pem == quote->auth + quote->auth_len + 6);
	FUZZ_NEED((const uint8_t *)quote->pem + quote->pem_len == data + quote->len);
	FUZZ_NEED(tdx_quote_parse(data, quote->len, &again) == 0 && memcmp(&again, quote, sizeof(again)) == 0);
	FUZZ_NEED(tdx_quote_parse(data, quote->len - 1, &again) < 0);
}

static void verify(const uint8_t *data, size_t size)
{
	static const uint8_t report_data[TDX_REPORT_DATA_LEN];
	static struct verdict verdict;
	struct tdx_policy policy;
	const struct tdx_question question = {
		.quote = data, .quote_len = size, .root = root, .policy = &policy, .report_data = report_data,
		.now_s = TDXGEN_NOW,
	};

	tdx_policy_init(&policy);
	FUZZ_NEED(!tdx_verify(&question, &verdict));
	FUZZ_NEED(verdict.n_rules == TDX_N_RULES && verdict_first_failure(&verdict));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tdx_quote quote;

	memset(&quote, 0, sizeof(quote));
	if (tdx_quote_parse(data, size, &quote) == 0)
		check_quote(data, size, &quote);
	verify(data, size);
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	static uint8_t bytes[TDXGEN_QUOTE_SIZE];
	struct tdxgen gen;
	size_t len;

	tdxgen_init(&gen);
	len = tdxgen_quote(&gen, bytes);
	emit("v4", bytes, len);
	emit("v4-cut", bytes, 900);
	gen.n_trailing = 39;
	gen.auth_len = 0;
	emit("v4-trailing", bytes, tdxgen_quote(&gen, bytes));
	gen.header.version = 5;
	emit("v5-report-1.5", bytes, tdxgen_quote(&gen, bytes));
	gen.body_type = TDX_BODY_TYPE_10;
	emit("v5-report-1.0", bytes, tdxgen_quote(&gen, bytes));
	gen.header.tee_type = 0;
	emit("sgx", bytes, tdxgen_quote(&gen, bytes));
	tdxgen_fini(&gen);
}
