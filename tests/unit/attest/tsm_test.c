/* SPDX-License-Identifier: MIT */
/* tsm.c, against a folder that behaves like configfs. */
#include "check.h"

#include <errno.h>
#include <sodium.h>
#include <unistd.h>

#include <attest/tsm.h>
#include <attest/verify.h>
#include <vectors/snpgen.h>
#include <vectors/tdxgen.h>
#include <vectors/tsmfake.h>

static char root[] = "/tmp/gmem-test-tsm.XXXXXX";
static struct snpgen snp;
static struct tdxgen tdx;

static void answer_tdx(const uint8_t inblob[WIRE_DIGEST_LEN])
{
	memcpy(tdx.report.report_data, inblob, WIRE_DIGEST_LEN);
	tsmfake.out_len = tdxgen_quote(&tdx, tsmfake.out);
	tsmfake.no_aux = true;
}

static uint8_t digest[WIRE_DIGEST_LEN], evidence[BUNDLE_MAX_LEN];
static size_t len;

static int make(struct tsm_source source)
{
	source.root = root;
	len = sizeof(evidence);
	for (size_t i = 0; i < sizeof(digest); i++)
		digest[i] = (uint8_t)(3 * i);
	return tsm_make(&source, digest, evidence, &len);
}

static bool verify_snp(void)
{
	struct attest_policy policy;
	struct trust trust = { 0 };
	struct verdict verdict;
	const struct attest_question question = {
		.evidence = evidence, .len = len, .policy = &policy, .trust = &trust, .digest = digest,
		.now_s = SNPGEN_NOW,
	};
	bool believed;

	policy_init(&policy);
	policy.kinds = 1u << BUNDLE_SNP;
	snpgen_policy(&snp, &policy.snp);
	snpgen_trust(&snp, &trust.snp);
	believed = attest_verify(&question, &verdict);
	if (!believed)
		fprintf(stderr, "%s: %s ", verdict_first_failure(&verdict)->name,
			verdict_first_failure(&verdict)->text);
	snp_trust_fini(&trust.snp);
	return believed;
}

static void snp_report_of_the_hosts_certificates_is_believed(void)
{
	for (int swapped = 0; swapped < 2; swapped++) {
		tsmfake.swap_guids = swapped;
		tsmfake_set_up("sev_guest\n", tsmfake_answer_snp);
		CU_ASSERT_EQUAL_FATAL(make((struct tsm_source){ 0 }), 0);
		CU_ASSERT_TRUE(verify_snp());
		CU_ASSERT_EQUAL(tsmfake.n_made, 1);
		CU_ASSERT_EQUAL(tsmfake.n_removed, 1);
	}
	digest[0] ^= 1;
	CU_ASSERT_FALSE(verify_snp());
}

static size_t to_pem(const struct snpgen_cert *cert, char *ret_pem, size_t size)
{
	uint8_t der[SNPGEN_CERT_MAX];
	size_t der_len = snpgen_cert_make(cert, der), n;

	n = (size_t)snprintf(ret_pem, size, "-----BEGIN CERTIFICATE-----\n");
	sodium_bin2base64(ret_pem + n, size - n, der, der_len, sodium_base64_VARIANT_ORIGINAL);
	/* PEM has lines of 64 characters */
	for (size_t i = 64; n + i < strlen(ret_pem); i += 65) {
		memmove(ret_pem + n + i + 1, ret_pem + n + i, strlen(ret_pem + n + i) + 1);
		ret_pem[n + i] = '\n';
	}
	n = strlen(ret_pem);
	return n + (size_t)snprintf(ret_pem + n, size - n, "\n-----END CERTIFICATE-----\n");
}

static void snp_report_with_certificates_from_a_file(void)
{
	static char pem[30000];
	struct tsm_source source = { .certificates = pem };

	source.certificates_len = to_pem(&snp.leaf, pem, sizeof(pem));
	tsmfake_set_up("sev_guest\n", tsmfake_answer_snp);
	tsmfake.no_aux = true;
	CU_ASSERT_EQUAL(make(source), -ENOKEY);
	source.certificates_len += to_pem(&snp.ask, pem + source.certificates_len,
					  sizeof(pem) - source.certificates_len);
	tsmfake_set_up("sev_guest\n", tsmfake_answer_snp);
	tsmfake.no_aux = true;
	CU_ASSERT_EQUAL_FATAL(make(source), 0);
	CU_ASSERT_TRUE(verify_snp());
	tsmfake_set_up("sev_guest\n", tsmfake_answer_snp);
	tsmfake.no_aux = true;
	CU_ASSERT_EQUAL(make((struct tsm_source){ 0 }), -ENOKEY);
}

static void tdx_quote_is_taken_without_what_trails_it(void)
{
	struct bundle bundle;
	struct tdx_quote quote;

	tdx.n_trailing = 100;
	tsmfake_set_up("tdx_guest\n", answer_tdx);
	CU_ASSERT_EQUAL_FATAL(make((struct tsm_source){ 0 }), 0);
	CU_ASSERT_EQUAL_FATAL(bundle_parse(evidence, len, &bundle), 0);
	CU_ASSERT_EQUAL(bundle.kind, BUNDLE_TDX);
	CU_ASSERT_EQUAL(bundle.items[BUNDLE_TDX_QUOTE].len, tsmfake.out_len - 100);
	CU_ASSERT_EQUAL_FATAL(tdx_quote_parse(bundle.items[BUNDLE_TDX_QUOTE].data, bundle.items[BUNDLE_TDX_QUOTE].len,
					      &quote), 0);
	CU_ASSERT_EQUAL(memcmp(quote.report.report_data, digest, sizeof(digest)), 0);
	tdx.n_trailing = 0;
}

static void somebody_else_in_the_request_is_noticed(void)
{
	static const char *const after[] = { "4\n", "6\n", "" , "x\n" };
	static const int errors[] = { -EAGAIN, -EAGAIN, -EBADMSG, -EBADMSG };

	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		tsmfake_set_up("sev_guest\n", tsmfake_answer_snp);
		tsmfake.generation_after = after[i];
		CU_ASSERT_EQUAL(make((struct tsm_source){ 0 }), errors[i]);
		CU_ASSERT_EQUAL(tsmfake.n_removed, 1);
	}
	tsmfake_set_up("sev_guest\n", tsmfake_answer_snp);
	tsmfake.generation_before = "4x\n";
	CU_ASSERT_EQUAL(make((struct tsm_source){ 0 }), -EBADMSG);
}

static void answer_short(const uint8_t inblob[WIRE_DIGEST_LEN])
{
	tsmfake_answer_snp(inblob);
	tsmfake.out_len--;
}

static void answer_bad_table(const uint8_t inblob[WIRE_DIGEST_LEN])
{
	tsmfake_answer_snp(inblob);
	tsmfake_put_entry_u32(1, 20, 100000);	/* the ASK's length */
}

static void answer_no_ask(const uint8_t inblob[WIRE_DIGEST_LEN])
{
	tsmfake_answer_snp(inblob);
	tsmfake.aux[24] ^= 1;
}

static void answer_endless_table(const uint8_t inblob[WIRE_DIGEST_LEN])
{
	tsmfake_answer_snp(inblob);
	tsmfake.aux_len = 3 * 24;
	for (size_t i = 0; i < 3; i++) {
		tsmfake_put_entry_u32(i, 16, 0);
		tsmfake_put_entry_u32(i, 20, 1);
	}
}

static void what_is_no_report_is_refused(void)
{
	tsmfake_set_up("sev_guest\n", answer_short);
	CU_ASSERT_EQUAL(make((struct tsm_source){ 0 }), -EBADMSG);
	tsmfake_set_up("sev_guest\n", answer_bad_table);
	CU_ASSERT_EQUAL(make((struct tsm_source){ 0 }), -EBADMSG);
	tsmfake_set_up("sev_guest\n", answer_endless_table);
	CU_ASSERT_EQUAL(make((struct tsm_source){ 0 }), -EBADMSG);
	tsmfake_set_up("sev_guest\n", answer_no_ask);
	CU_ASSERT_EQUAL(make((struct tsm_source){ 0 }), -ENOKEY);
	tsmfake_set_up("tdx_guest\n", answer_short);
	CU_ASSERT_EQUAL(make((struct tsm_source){ 0 }), -EBADMSG);
	tsmfake_set_up("arm_cca_guest\n", tsmfake_answer_snp);
	CU_ASSERT_EQUAL(make((struct tsm_source){ 0 }), -ENOTSUP);
}

static void no_such_interface_is_said(void)
{
	struct tsm_source source = { .root = "/tmp/gmem-test-no-such-folder" };

	tsmfake_set_up("sev_guest\n", tsmfake_answer_snp);
	len = sizeof(evidence);
	CU_ASSERT_EQUAL(tsm_make(&source, digest, evidence, &len), -ENOENT);
	CU_ASSERT_EQUAL(tsmfake.n_made, 0);
}

int main(void)
{
	static const struct check checks[] = {
		{ "SNP report of the host's certificates is believed",
		snp_report_of_the_hosts_certificates_is_believed },
		{ "SNP report with certificates from a file", snp_report_with_certificates_from_a_file },
		{ "TDX quote is taken without what trails it", tdx_quote_is_taken_without_what_trails_it },
		{ "somebody else in the request is noticed", somebody_else_in_the_request_is_noticed },
		{ "what is no report is refused", what_is_no_report_is_refused },
		{ "no such interface is said", no_such_interface_is_said },
		{ NULL, NULL },
	};
	int ret;

	if (!mkdtemp(root) || !attest_init())
		return EXIT_FAILURE;
	snpgen_init(&snp, SNP_MILAN, false, 3);
	tsmfake.root = root;
	tsmfake.snp = &snp;
	tdxgen_init(&tdx);
	ret = check_main("tsm", checks);
	tdxgen_fini(&tdx);
	__real_rmdir(root);
	return ret;
}
