/* SPDX-License-Identifier: MIT */
/*
 * verify.c: real evidence gets both of its verdicts, every byte of a report
 * counts, the defaults believe nothing, and every rule is in every verdict.
 */
#include "check.h"

#include <attest/snp/evidence.h>
#include <vectors/real.h>

#include "snpworld.h"

static uint8_t evidence[SNPGEN_EVIDENCE_MAX];
static size_t evidence_len;
static uint8_t report[SNP_REPORT_LEN + 1];

/* The reports were asked for with data that is nobody's binding digest here. */
#define REPORT_DATA (report + 0x50)
#define MEASUREMENT (report + 0x90)

/* DER of the certificate in @pem whose subject's common name is @name. */
static size_t cert_named(const char *pem, const char *name, uint8_t *ret_der, size_t capacity)
{
	static uint8_t text[16384];
	char found_name[X509_NAME_MAX];
	struct x509_cert *certs[3] = { NULL };
	size_t len = real_load(pem, text, sizeof(text)), n = 0, found = 0;

	CU_ASSERT_EQUAL_FATAL(x509_certs_parse_pem((char *)text, len, 3, certs, &n), 0);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *der;

		x509_cert_common_name(certs[i], found_name);
		if (strcmp(found_name, name) == 0) {
			x509_cert_der(certs[i], &der, &found);
			CU_ASSERT_FATAL(found <= capacity);
			memcpy(ret_der, der, found);
		}
		x509_cert_free(certs[i]);
	}
	CU_ASSERT_FATAL(found > 0);
	return found;
}

static void load(const char *report_name, const char *leaf_name, const char *pem, const char *intermediate)
{
	uint8_t leaf[4096], ask[4096];
	struct snp_evidence parts = { .report = report, .n_certs = 2 };

	CU_ASSERT_EQUAL_FATAL(real_load(report_name, report, sizeof(report)), SNP_REPORT_LEN);
	parts.certs[0].der = leaf;
	parts.certs[0].len = real_load(leaf_name, leaf, sizeof(leaf));
	parts.certs[1].der = ask;
	parts.certs[1].len = cert_named(pem, intermediate, ask, sizeof(ask));
	evidence_len = sizeof(evidence);
	CU_ASSERT_EQUAL_FATAL(snp_evidence_write(&parts, evidence, &evidence_len), 0);
}

static bool judge(const struct snp_policy *policy, const uint8_t *report_data, int64_t now, struct verdict *ret_verdict)
{
	struct snp_trust trust;
	bool believed;

	CU_ASSERT_EQUAL_FATAL(snp_trust_init(&trust), 0);
	believed = snp_verify(evidence, evidence_len, &trust, policy, report_data, now, ret_verdict);
	snp_trust_fini(&trust);
	return believed;
}

static enum verdict_outcome outcome(const struct verdict *verdict, const char *name)
{
	const struct verdict_rule *rule = verdict_find(verdict, name);

	return rule ? rule->outcome : 0;
}

static bool failed_first(const struct verdict *verdict, const char *name)
{
	const struct verdict_rule *failure = verdict_first_failure(verdict);

	if (failure && strcmp(failure->name, name) == 0)
		return true;
	fprintf(stderr, "\nnot %s but %s: %s\n", name, failure ? failure->name : "nothing", failure ? failure->text : "");
	return false;
}

#define MILAN_PEM "snp/milan.ask-ark.pem"
#define IN_2024 INT64_C(1710000000)
#define IN_2025 INT64_C(1750000000)	/* the VLEK's certificate: 2024-12-10 to 2025-12-10 */
#define IN_2026 INT64_C(1780000000)

static void real_milan_v2(void)
{
	const struct snp_tcb floor = { .boot_loader = 3, .snp = 8, .microcode = 0x73 };
	struct snp_policy policy;
	struct verdict verdict;

	load("snp/milan-v2.report", "snp/milan-v2.vcek.der", MILAN_PEM, "SEV-Milan");
	snp_policy_init(&policy);
	CU_ASSERT_FALSE(judge(&policy, REPORT_DATA, IN_2024, &verdict));
	CU_ASSERT_EQUAL(outcome(&verdict, "snp.signature"), VERDICT_HOLDS);
	CU_ASSERT_TRUE(failed_first(&verdict, "snp.tcb.reported"));
	CU_ASSERT_EQUAL(outcome(&verdict, "snp.measurement"), VERDICT_FAILS);
	snp_policy_set_floor(&policy, SNP_MILAN, &floor);
	snp_policy_add_measurement(&policy, MEASUREMENT);
	CU_ASSERT_TRUE(judge(&policy, REPORT_DATA, IN_2024, &verdict));
	policy.floors[SNP_MILAN].reported.microcode++;
	CU_ASSERT_FALSE(judge(&policy, REPORT_DATA, IN_2024, &verdict));
	CU_ASSERT_TRUE(failed_first(&verdict, "snp.tcb.reported"));
}

static void real_milan_v2_debug(void)
{
	const struct snp_tcb floor = { .boot_loader = 2, .snp = 5, .microcode = 0x44 };
	struct snp_policy policy;
	struct verdict verdict;

	load("snp/milan-v2-debug.report", "snp/milan-v2-debug.vcek.der", MILAN_PEM, "SEV-Milan");
	snp_policy_init(&policy);
	CU_ASSERT_FALSE(judge(&policy, REPORT_DATA, IN_2024, &verdict));
	CU_ASSERT_EQUAL(outcome(&verdict, "snp.signature"), VERDICT_HOLDS);
	snp_policy_set_floor(&policy, SNP_MILAN, &floor);
	snp_policy_add_measurement(&policy, MEASUREMENT);
	CU_ASSERT_FALSE(judge(&policy, REPORT_DATA, IN_2024, &verdict));
	CU_ASSERT_TRUE(failed_first(&verdict, "snp.guest.debug"));
	policy.debug = SNP_ANY;
	CU_ASSERT_TRUE(judge(&policy, REPORT_DATA, IN_2024, &verdict));
}

static void real_milan_v3_vlek(void)
{
	const struct snp_tcb floor = { .boot_loader = 4, .snp = 24, .microcode = 0xd9 };
	struct snp_policy policy;
	struct verdict verdict;

	load("snp/milan-v3-vlek.report", "snp/milan-v3-vlek.vlek.der", "snp/milan.ask-ark-asvk.pem", "SEV-VLEK-Milan");
	snp_policy_init(&policy);
	CU_ASSERT_FALSE(judge(&policy, REPORT_DATA, IN_2025, &verdict));
	CU_ASSERT_EQUAL(outcome(&verdict, "snp.signature"), VERDICT_HOLDS);
	CU_ASSERT_TRUE(failed_first(&verdict, "snp.signing_key"));
	CU_ASSERT_EQUAL(outcome(&verdict, "snp.vmpl"), VERDICT_FAILS);
	CU_ASSERT_EQUAL(outcome(&verdict, "snp.chip_id"), VERDICT_FAILS);
	policy.vlek = policy.masked_chip = true;
	policy.vmpls = 1u << 1;
	policy.min_version = 3;
	policy.platform_alias_check = SNP_SET;
	snp_policy_set_floor(&policy, SNP_MILAN, &floor);
	snp_policy_add_measurement(&policy, MEASUREMENT);
	CU_ASSERT_TRUE(judge(&policy, REPORT_DATA, IN_2025, &verdict));
	CU_ASSERT_FALSE(judge(&policy, REPORT_DATA, IN_2026, &verdict));
	CU_ASSERT_TRUE(failed_first(&verdict, "snp.validity"));
	CU_ASSERT_EQUAL(outcome(&verdict, "snp.signature"), VERDICT_NOT_JUDGED);
}

/* The certificate that must not verify, whatever the report: an old one of Milan's is not signed by today's ASK. */
static void real_invalid_vcek(void)
{
	struct snp_policy policy;
	struct verdict verdict;

	load("snp/milan-v2.report", "snp/milan-invalid-legacy.vcek.der", MILAN_PEM, "SEV-Milan");
	snp_policy_init(&policy);
	CU_ASSERT_FALSE(judge(&policy, REPORT_DATA, IN_2024, &verdict));
	CU_ASSERT_TRUE(failed_first(&verdict, "snp.chain"));
	CU_ASSERT_EQUAL(outcome(&verdict, "snp.measurement"), VERDICT_NOT_JUDGED);
}

/* A real report of one machine with the real certificate of another. */
static void real_other_machine(void)
{
	struct snp_policy policy;
	struct verdict verdict;

	load("snp/milan-v2.report", "snp/milan-v2-debug.vcek.der", MILAN_PEM, "SEV-Milan");
	snp_policy_init(&policy);
	CU_ASSERT_FALSE(judge(&policy, REPORT_DATA, IN_2024, &verdict));
	CU_ASSERT_TRUE(failed_first(&verdict, "snp.signature"));
}

/* The roots that are built in are those of AMD's files, and each signs its ASK. */
static void real_roots(void)
{
	static const char *const files[] = { MILAN_PEM, "snp/genoa.ask-ark.pem", "snp/turin.ask-ark.pem" };
	uint8_t text[16384];
	struct x509_cert *certs[2];
	struct snp_trust trust;
	size_t n;

	CU_ASSERT_EQUAL_FATAL(snp_trust_init(&trust), 0);
	for (unsigned int i = 0; i < SNP_N_PRODUCTS; i++) {
		size_t len = real_load(files[i], text, sizeof(text));

		CU_ASSERT_EQUAL_FATAL(x509_certs_parse_pem((char *)text, len, 2, certs, &n), 0);
		CU_ASSERT_EQUAL_FATAL(n, 2);
		CU_ASSERT_TRUE(x509_cert_is(certs[1], trust.products[i].ark));
		CU_ASSERT_EQUAL(x509_chain_check((const struct x509_cert *const *)certs, 2, trust.products[i].ark,
						 X509_RSA_PSS_SHA384, IN_2025, NULL), X509_OK);
		x509_cert_free(certs[0]);
		x509_cert_free(certs[1]);
	}
	snp_trust_fini(&trust);
}

/* Each byte of the signed part, changed in two ways: refused, and never believed to be authentic. */
static void flip_all(const struct snp_trust *trust, const struct snp_policy *policy, const uint8_t *report_data,
		     int64_t now)
{
	struct verdict verdict;

	CHECK_LOOP_BEGIN();
	for (size_t i = 0; i < SNP_SIGNED_LEN; i++) {
		const uint8_t masks[] = { (uint8_t)(1u << i % 8), 0xff };

		for (size_t j = 0; j < 2; j++) {
			evidence[2 + i] ^= masks[j];
			CHECK_LOOP(!snp_verify(evidence, evidence_len, trust, policy, report_data, now, &verdict) &&
				   outcome(&verdict, "snp.signature") != VERDICT_HOLDS, "byte 0x%zx", i);
			evidence[2 + i] ^= masks[j];
		}
	}
	CHECK_LOOP(snp_verify(evidence, evidence_len, trust, policy, report_data, now, &verdict), "unchanged");
	CHECK_LOOP_END();
}

static void every_byte_of_a_real_report_counts(void)
{
	const struct snp_tcb floor = { 0 };
	struct snp_policy policy;
	struct snp_trust trust;

	load("snp/milan-v2.report", "snp/milan-v2.vcek.der", MILAN_PEM, "SEV-Milan");
	CU_ASSERT_EQUAL_FATAL(snp_trust_init(&trust), 0);
	snp_policy_init(&policy);
	snp_policy_set_floor(&policy, SNP_MILAN, &floor);
	policy.any_measurement = true;
	flip_all(&trust, &policy, REPORT_DATA, IN_2024);
	load("snp/milan-v3-vlek.report", "snp/milan-v3-vlek.vlek.der", "snp/milan.ask-ark-asvk.pem", "SEV-VLEK-Milan");
	policy.vlek = policy.masked_chip = true;
	policy.vmpls = 0xf;
	flip_all(&trust, &policy, REPORT_DATA, IN_2025);
	snp_trust_fini(&trust);
}

static const struct {
	enum snp_product product;
	bool vlek;
	uint32_t version;
} kinds[] = {
	{ SNP_MILAN, false, 2 }, { SNP_MILAN, false, 3 }, { SNP_MILAN, true, 5 }, { SNP_GENOA, false, 2 },
	{ SNP_GENOA, true, 3 }, { SNP_GENOA, false, 5 }, { SNP_TURIN, false, 3 }, { SNP_TURIN, true, 5 },
	{ SNP_TURIN, false, 5 },
};

static void every_kind_is_believed(void)
{
	struct snpworld world;
	struct verdict verdict;

	CHECK_LOOP_BEGIN();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		snpworld_init(&world, kinds[i].product, kinds[i].vlek, kinds[i].version);
		CHECK_LOOP(snpworld_verify(&world, &verdict), "kind %zu", i);
		world.gen.send_root = true;
		CHECK_LOOP(snpworld_verify(&world, &verdict), "kind %zu with its root", i);
	}
	CHECK_LOOP_END();
}

static void every_byte_of_a_made_report_counts(void)
{
	static const size_t some[] = { 1, 4, 8 };	/* Milan 3, Genoa 3 by a VLEK, Turin 5 */
	struct snpworld world;
	struct snp_trust trust;

	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		snpworld_init(&world, kinds[some[i]].product, kinds[some[i]].vlek, kinds[some[i]].version);
		world.policy.any_measurement = true;
		evidence_len = snpgen_evidence(&world.gen, evidence);
		snpgen_trust(&world.gen, &trust);
		flip_all(&trust, &world.policy, world.report_data, world.now);
		snp_trust_fini(&trust);
	}
}

/* The default policy on good evidence: refused until a floor and a measurement are given. */
static void defaults_believe_nothing(void)
{
	struct snpworld world;
	struct verdict verdict;

	snpworld_init(&world, SNP_GENOA, false, 3);
	snp_policy_init(&world.policy);
	CU_ASSERT_FALSE(snpworld_verify(&world, &verdict));
	CU_ASSERT_EQUAL(outcome(&verdict, "snp.signature"), VERDICT_HOLDS);
	CU_ASSERT_EQUAL(outcome(&verdict, "snp.tcb.reported"), VERDICT_FAILS);
	CU_ASSERT_EQUAL(outcome(&verdict, "snp.tcb.committed"), VERDICT_FAILS);
	CU_ASSERT_EQUAL(outcome(&verdict, "snp.tcb.current"), VERDICT_FAILS);
	CU_ASSERT_EQUAL(outcome(&verdict, "snp.tcb.launch"), VERDICT_FAILS);
	CU_ASSERT_EQUAL(outcome(&verdict, "snp.measurement"), VERDICT_FAILS);
	snp_policy_set_floor(&world.policy, SNP_GENOA, &snpgen_tcb);
	CU_ASSERT_FALSE(snpworld_verify(&world, &verdict));
	CU_ASSERT_TRUE(failed_first(&verdict, "snp.measurement"));
	snp_policy_add_measurement(&world.policy, world.gen.report + 0x90);
	CU_ASSERT_TRUE(snpworld_verify(&world, &verdict));
}

static void same_rules(const struct verdict *a, const struct verdict *b)
{
	CHECK_LOOP_BEGIN();
	CHECK_LOOP(a->n_rules == b->n_rules, "%zu and %zu rules", a->n_rules, b->n_rules);
	for (size_t i = 0; i < a->n_rules && i < b->n_rules; i++)
		CHECK_LOOP(strcmp(a->rules[i].name, b->rules[i].name) == 0, "rule %zu", i);
	CHECK_LOOP_END();
}

/* Whatever is wrong: 55 rules, each once, in one order, each with a sentence. */
static void every_rule_is_in_every_verdict(void)
{
	struct snpworld world;
	struct verdict good, bad;
	struct snp_trust trust;

	snpworld_init(&world, SNP_TURIN, false, 5);
	CU_ASSERT_TRUE(snpworld_verify(&world, &good));
	CU_ASSERT_EQUAL(good.n_rules, 55);
	CHECK_LOOP_BEGIN();
	for (size_t i = 0; i < good.n_rules; i++) {
		CHECK_LOOP(verdict_find(&good, good.rules[i].name) == &good.rules[i], "%s is there twice", good.rules[i].name);
		CHECK_LOOP(strncmp(good.rules[i].name, "snp.", 4) == 0 && strlen(good.rules[i].text) > 6, "%zu", i);
	}
	CHECK_LOOP_END();
	world.gen.leaf.signer = SNPGEN_OTHER;
	CU_ASSERT_FALSE(snpworld_verify(&world, &bad));
	same_rules(&good, &bad);
	CU_ASSERT_EQUAL(outcome(&bad, "snp.report_data"), VERDICT_NOT_JUDGED);
	snp_trust_init_empty(&trust);
	CU_ASSERT_FALSE(snp_verify(NULL, 0, &trust, &world.policy, world.report_data, world.now, &bad));
	same_rules(&good, &bad);
	/* All but the first wait for it. */
	for (size_t i = 1; i < bad.n_rules; i++)
		if (bad.rules[i].outcome != VERDICT_NOT_JUDGED)
			CU_FAIL("judged without evidence");
}

static const struct check real_checks[] = {
	{ "real: Milan, version 2", real_milan_v2 },
	{ "real: Milan, version 2, debug", real_milan_v2_debug },
	{ "real: Milan, version 3, VLEK", real_milan_v3_vlek },
	{ "real: a VCEK that is not AMD's", real_invalid_vcek },
	{ "real: another machine's VCEK", real_other_machine },
	{ "real: the roots", real_roots },
	{ "real: every byte counts", every_byte_of_a_real_report_counts },
	{ "every kind is believed", every_kind_is_believed },
	{ "every byte of a made report counts", every_byte_of_a_made_report_counts },
	{ "the defaults believe nothing", defaults_believe_nothing },
	{ "every rule is in every verdict", every_rule_is_in_every_verdict },
	{ NULL, NULL },
};

#define N_REAL 7u

int main(void)
{
	return check_main("snp verify", real_present("real SEV-SNP evidence") ? real_checks : real_checks + N_REAL);
}
