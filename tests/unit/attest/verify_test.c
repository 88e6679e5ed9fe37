/* SPDX-License-Identifier: MIT */
/* verify.c, platform.c, trust.c: evidence finds its verifier, the policy's sections count, and so does the platform. */
#include "check.h"

#include <errno.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <attest/platform.h>
#include <attest/snp/evidence.h>
#include <attest/verify.h>
#include <vectors/snpgen.h>
#include <vectors/tdxgen.h>

static struct attest_policy policy;
static struct trust trust;
static struct snpgen snp;
static struct tdxgen tdx;
static struct signkey *key;
static uint8_t digest[WIRE_DIGEST_LEN], evidence[BUNDLE_MAX_LEN];
static size_t len;
static struct verdict verdict;
static struct attest_question question;

static void set_up(int64_t now_s)
{
	memset(digest, 0x77, sizeof(digest));
	policy_init(&policy);
	policy.kinds = UINT32_MAX;
	question = (struct attest_question){
		.evidence = evidence, .policy = &policy, .trust = &trust, .digest = digest, .now_s = now_s,
	};
}

static bool believed(void)
{
	bool ret = attest_verify(&question, &verdict);

	CU_ASSERT_EQUAL(ret, verdict_believed(&verdict));
	return ret;
}

static void refused_by(const char *rule)
{
	bool ret = believed();
	const struct verdict_rule *failure = verdict_first_failure(&verdict);

	if (ret || strcmp(failure->name, rule))
		fprintf(stderr, "\n%s, not %s ", ret ? "believed" : failure->name, rule);
	CU_ASSERT_TRUE(failure && !strcmp(failure->name, rule));
}

static void make_software(void)
{
	set_up(0);
	len = sizeof(evidence);
	CU_ASSERT_EQUAL_FATAL(software_make(key, digest, evidence, &len), 0);
	question.len = len;
	policy.software.allow = true;
	policy.software.n_keys = 1;
	memcpy(policy.software.keys[0], signkey_public(key), SIGNKEY_LEN);
}

static void make_snp(void)
{
	static uint8_t bytes[SNPGEN_EVIDENCE_MAX];
	struct bundle bundle = { .kind = BUNDLE_SNP };

	set_up(SNPGEN_NOW);
	memcpy(snp.report + 0x50, digest, sizeof(digest));
	bundle.items[BUNDLE_SNP_EVIDENCE] = (struct bundle_item){ bytes, snpgen_evidence(&snp, bytes) };
	len = sizeof(evidence);
	CU_ASSERT_EQUAL_FATAL(bundle_write(&bundle, evidence, &len), 0);
	question.len = len;
	snpgen_policy(&snp, &policy.snp);
	snp_trust_fini(&trust.snp);
	snpgen_trust(&snp, &trust.snp);
}

static void make_tdx(void)
{
	static uint8_t quote[TDXGEN_QUOTE_SIZE];
	struct bundle bundle = { .kind = BUNDLE_TDX };
	uint8_t *der;
	size_t der_len;
	char *json;

	set_up(TDXGEN_NOW);
	memcpy(tdx.report.report_data, digest, sizeof(digest));
	bundle.items[BUNDLE_TDX_QUOTE] = (struct bundle_item){ quote, tdxgen_quote(&tdx, quote) };
	len = sizeof(evidence);
	CU_ASSERT_EQUAL_FATAL(bundle_write(&bundle, evidence, &len), 0);
	question.len = len;
	tdxgen_policy(&tdx, &policy.tdx);
	der = tdxgen_cert(&tdx, TDXGEN_ROOT, &der_len);
	x509_cert_free(trust.tdx_root);
	CU_ASSERT_EQUAL_FATAL(x509_cert_parse(der, der_len, &trust.tdx_root), 0);
	free(der);
	json = tdxgen_collateral(&tdx);
	CU_ASSERT_EQUAL_FATAL(trust_set_collateral(&trust, json, strlen(json)), 0);
	free(json);
}

static const struct {
	const char *name;
	void (*make)(void);
	enum bundle_kind kind;
	const char *report_data_rule;
} kinds[] = {
	{ "software", make_software, BUNDLE_SOFTWARE, "software.signature" },
	{ "snp", make_snp, BUNDLE_SNP, "snp.report_data" },
	{ "tdx", make_tdx, BUNDLE_TDX, "tdx.td.report_data" },
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void each_kind_is_believed_and_bound(void)
{
	for (size_t i = 0; i < N_KINDS; i++) {
		kinds[i].make();
		if (!believed())
			fprintf(stderr, "\n%s: %s: %s ", kinds[i].name, verdict_first_failure(&verdict)->name,
				verdict_first_failure(&verdict)->text);
		CU_ASSERT_TRUE(believed());
		CU_ASSERT_EQUAL(verdict_find(&verdict, "ticket.platform")->outcome, VERDICT_NOT_ASKED);
		digest[17] ^= 4;
		refused_by(kinds[i].report_data_rule);
	}
}

static void a_kind_without_a_section_is_refused(void)
{
	for (size_t i = 0; i < N_KINDS; i++) {
		kinds[i].make();
		policy.kinds = ~(1u << kinds[i].kind);
		refused_by("evidence.kind");
	}
}

static void another_platform_is_refused(void)
{
	uint8_t id[ATTEST_ID_LEN], zeros[ATTEST_ID_LEN] = { 0 };
	struct bundle bundle;

	for (size_t i = 0; i < N_KINDS; i++) {
		kinds[i].make();
		CU_ASSERT_EQUAL_FATAL(bundle_parse(evidence, len, &bundle), 0);
		CU_ASSERT_EQUAL_FATAL(platform_of_bundle(&bundle, id), 0);
		question.platform_id = id;
		CU_ASSERT_TRUE(believed());
		CU_ASSERT_EQUAL(verdict_find(&verdict, "ticket.platform")->outcome, VERDICT_HOLDS);
		id[31] ^= 1;
		refused_by("ticket.platform");
		question.platform_id = zeros;
		CU_ASSERT_TRUE(believed());
	}
}

static void the_platform_is_what_the_manual_says(void)
{
	uint8_t id[ATTEST_ID_LEN], wanted[ATTEST_ID_LEN];
	struct bundle bundle;

	make_snp();
	CU_ASSERT_EQUAL_FATAL(bundle_parse(evidence, len, &bundle), 0);
	CU_ASSERT_EQUAL(platform_of_bundle(&bundle, id), 0);
	platform_id(BUNDLE_SNP, snp.report + 0x1a0, SNP_CHIP_ID_LEN, wanted);
	CU_ASSERT_EQUAL(memcmp(id, wanted, sizeof(id)), 0);
	make_tdx();
	CU_ASSERT_EQUAL_FATAL(bundle_parse(evidence, len, &bundle), 0);
	CU_ASSERT_EQUAL(platform_of_bundle(&bundle, id), 0);
	platform_id(BUNDLE_TDX, tdx.pck.has_instance_id ? tdx.pck.instance_id : tdx.pck.ppid, 16, wanted);
	CU_ASSERT_EQUAL(memcmp(id, wanted, sizeof(id)), 0);
	/* the kind is part of it */
	platform_id(BUNDLE_SNP, tdx.pck.ppid, 16, id);
	platform_id(BUNDLE_TDX, tdx.pck.ppid, 16, wanted);
	CU_ASSERT_NOT_EQUAL(memcmp(id, wanted, sizeof(id)), 0);
}

/* Evidence that does not say where it is from is refused where the ticket names a platform. */
static void a_masked_chip_has_no_platform(void)
{
	struct snpgen vlek, good = snp;
	uint8_t id[ATTEST_ID_LEN] = { 1 };
	struct bundle bundle;

	snpgen_init(&vlek, SNP_MILAN, true, 3);
	snp = vlek;
	make_snp();
	snp = good;
	CU_ASSERT_EQUAL_FATAL(bundle_parse(evidence, len, &bundle), 0);
	CU_ASSERT_EQUAL(platform_of_bundle(&bundle, id), -ENOENT);
	question.platform_id = id;
	attest_verify(&question, &verdict);
	CU_ASSERT_EQUAL(verdict_find(&verdict, "ticket.platform")->outcome, VERDICT_FAILS);
}

static void what_is_no_evidence_is_refused(void)
{
	for (size_t i = 0; i < N_KINDS; i++) {
		kinds[i].make();
		for (size_t cut = 0; cut < len; cut++) {
			question.len = cut;
			CU_ASSERT_FALSE(believed());
		}
		question.len = len + 1;
		CU_ASSERT_FALSE(believed());
	}
	question.len = 10;
	refused_by("evidence.format");
}

static void a_pinned_key_is_a_kind(void)
{
	uint8_t static_key[ATTEST_KEY_LEN] = { 5 };

	set_up(0);
	memcpy(evidence, digest, sizeof(digest));
	question.len = sizeof(digest);
	question.static_key = static_key;
	refused_by("pinned.keys");
	policy.pinned.n_keys = 1;
	memcpy(policy.pinned.keys[0], static_key, sizeof(static_key));
	CU_ASSERT_TRUE(believed());
	digest[0] ^= 1;
	refused_by("pinned.report_data");
	digest[0] ^= 1;
	question.static_key = NULL;
	refused_by("pinned.keys");
	question.static_key = static_key;
	policy.kinds = ~ATTEST_POLICY_PINNED;
	refused_by("evidence.kind");
	policy.kinds = ATTEST_POLICY_PINNED;
	question.platform_id = static_key;	/* a ticket that names a platform wants to see one */
	refused_by("ticket.platform");
}

static void a_terminal_is_told_nothing(void)
{
	verdict_init(&verdict);
	verdict_add(&verdict, "rule", VERDICT_HOLDS, "named \x1b[31m%s\n", "\x80");
	CU_ASSERT_STRING_EQUAL(verdict.rules[0].text, "named ?[31m??");
}

static void roots_are_built_in(void)
{
	struct trust fresh;

	CU_ASSERT_EQUAL_FATAL(trust_init(&fresh), 0);
	CU_ASSERT_PTR_NOT_NULL(fresh.tdx_root);
	CU_ASSERT_PTR_NOT_NULL(fresh.snp.products[SNP_MILAN].ark);
	CU_ASSERT_PTR_NULL(fresh.tdx_collateral);
	trust_fini(&fresh);
}

static void put(const char *folder, const char *name, const void *bytes, size_t n)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	CU_ASSERT_FATAL(file && fwrite(bytes, 1, n, file) == n && !fclose(file));
}

static void a_trust_folder_is_read(void)
{
	char folder[] = "/tmp/gmem-test-trust.XXXXXX", command[64], error[TRUST_ERROR_LEN] = "";
	uint8_t der[SNPGEN_CERT_MAX];
	struct snpgen_crl crl;
	struct trust fresh;
	char *json;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	CU_ASSERT_EQUAL_FATAL(trust_init(&fresh), 0);
	CU_ASSERT_EQUAL(trust_load_folder(&fresh, folder, error), 0);
	CU_ASSERT_PTR_NULL(fresh.tdx_collateral);
	snpgen_crl_init(&snp, &crl);
	put(folder, "snp-milan.crl", der, snpgen_crl_make(&crl, der));
	json = tdxgen_collateral(&tdx);
	put(folder, "tdx-collateral.json", json, strlen(json));
	free(json);
	CU_ASSERT_EQUAL(trust_load_folder(&fresh, folder, error), 0);
	CU_ASSERT_EQUAL(fresh.snp.products[SNP_MILAN].n_crls, 1);
	CU_ASSERT_PTR_NOT_NULL(fresh.tdx_collateral);
	put(folder, "tdx-collateral.json", "{}", 2);
	CU_ASSERT_NOT_EQUAL(trust_load_folder(&fresh, folder, error), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "tdx-collateral.json"));
	CU_ASSERT_PTR_NOT_NULL(fresh.tdx_collateral);
	trust_fini(&fresh);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	CU_ASSERT_EQUAL(system(command), 0);
}

int main(void)
{
	static const struct check checks[] = {
		{ "each kind is believed and bound", each_kind_is_believed_and_bound },
		{ "a kind without a section is refused", a_kind_without_a_section_is_refused },
		{ "another platform is refused", another_platform_is_refused },
		{ "the platform is what the manual says", the_platform_is_what_the_manual_says },
		{ "a masked chip has no platform", a_masked_chip_has_no_platform },
		{ "what is no evidence is refused", what_is_no_evidence_is_refused },
		{ "a pinned key is a kind", a_pinned_key_is_a_kind },
		{ "a terminal is told nothing", a_terminal_is_told_nothing },
		{ "roots are built in", roots_are_built_in },
		{ "a trust folder is read", a_trust_folder_is_read },
		{ NULL, NULL },
	};
	int ret;

	if (!attest_init() || signkey_generate(&key))
		return EXIT_FAILURE;
	snpgen_init(&snp, SNP_MILAN, false, 3);
	tdxgen_init(&tdx);
	ret = check_main("verify", checks);
	trust_fini(&trust);
	tdxgen_fini(&tdx);
	signkey_free(key);
	return ret;
}
