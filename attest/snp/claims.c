// SPDX-License-Identifier: MIT
/*
 * claims: the rules about what an authentic report says: the chip and its
 * firmware, what the guest allows its host, what the guest is.
 */
#include <string.h>

#include "judging.h"

static bool is_filled(const uint8_t *bytes, size_t len, uint8_t with)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != with)
			return false;
	return true;
}

static const struct snp_expected *expected_by(const struct snp_judging *judging, const struct snp_rule *rule)
{
	return (const struct snp_expected *)((const uint8_t *)judging->policy + rule->policy_at);
}

/* A field of fixed length, as the rule describes it. */
static void judge_bytes(struct snp_judging *judging, const struct snp_rule *rule)
{
	const struct snp_expected *expected = expected_by(judging, rule);
	const uint8_t *field = (const uint8_t *)&judging->report + rule->report_at;

	if (!expected->asked)
		verdict_add(judging->verdict, rule->name, VERDICT_NOT_ASKED, "the policy takes any %s", rule->what);
	else
		verdict_judge(judging->verdict, rule->name, memcmp(field, expected->bytes, rule->len) == 0,
			      "the %s must be the policy's", rule->what);
}

static void judge_bit(struct snp_judging *judging, const struct snp_rule *rule, uint64_t bits)
{
	enum snp_want want = *(const enum snp_want *)((const uint8_t *)judging->policy + rule->policy_at);
	unsigned int bit = bits >> rule->report_at & 1;

	if (want == SNP_ANY)
		verdict_add(judging->verdict, rule->name, VERDICT_NOT_ASKED, "%s: %s", rule->what, bit ? "yes" : "no");
	else
		verdict_judge(judging->verdict, rule->name, bit == (want == SNP_SET), "%s: %s; the policy asks for %s",
			      rule->what, bit ? "yes" : "no", want == SNP_SET ? "yes" : "no");
}

static void judge_policy_bit(struct snp_judging *judging, const struct snp_rule *rule)
{
	judge_bit(judging, rule, judging->report.policy);
}

static void judge_platform_bit(struct snp_judging *judging, const struct snp_rule *rule)
{
	judge_bit(judging, rule, judging->report.platform_info);
}

/* Without a migration agent the firmware fills REPORT_ID_MA with ones. */
static void judge_migration(struct snp_judging *judging, const struct snp_rule *rule)
{
	const struct snp_report *report = &judging->report;

	if (judging->policy->migrate_ma == SNP_CLEAR &&
	    !is_filled(report->report_id_ma, sizeof(report->report_id_ma), 0xff))
		verdict_add(judging->verdict, rule->name, VERDICT_FAILS, "the guest has a migration agent");
	else
		judge_policy_bit(judging, rule);
}

/* A VCEK's certificate names the chip; a VLEK's does not, so that a host may hide it. */
static void judge_chip(struct snp_judging *judging, const struct snp_rule *rule)
{
	const uint8_t *chip = judging->report.chip_id;
	const struct snp_expected *expected = &judging->policy->chip_id;
	bool masked = is_filled(chip, SNP_CHIP_ID_LEN, 0);
	const char *bad = NULL;

	if (masked && judging->endorsement.kind == SNP_KEY_VCEK)
		bad = "the chip id is masked, which only a VLEK may have";
	else if (masked && !judging->policy->masked_chip)
		bad = "the chip id is masked, which the policy does not accept";
	else if (judging->endorsement.kind == SNP_KEY_VCEK && memcmp(chip, judging->endorsement.chip_id, SNP_CHIP_ID_LEN))
		bad = "the chip id is not the one in the VCEK's certificate";
	else if (expected->asked && memcmp(chip, expected->bytes, SNP_CHIP_ID_LEN))
		bad = "the chip is not the policy's";
	verdict_judge(judging->verdict, rule->name, !bad, "%s", bad ? bad :
		      masked ? "the chip id is masked, which the policy accepts with a VLEK" :
		      expected->asked ? "the chip is the policy's" : "the chip id is not masked, and is the certificate's if that names one");
}

static void judge_csp(struct snp_judging *judging, const struct snp_rule *rule)
{
	const struct snp_expected *expected = &judging->policy->csp_id;
	const char *csp = judging->endorsement.csp_id;

	if (!expected->asked)
		verdict_add(judging->verdict, rule->name, VERDICT_NOT_ASKED, "the VLEK's holder: %s",
			    *csp ? csp : "none, it is a VCEK");
	else
		verdict_judge(judging->verdict, rule->name,
			      *csp && strncmp(csp, (const char *)expected->bytes, sizeof(expected->bytes)) == 0,
			      "the VLEK's holder must be the policy's; it is %s", *csp ? csp : "none, it is a VCEK");
}

static void judge_tcb_format(struct snp_judging *judging, const struct snp_rule *rule)
{
	const struct snp_report *report = &judging->report;
	enum snp_product product = judging->endorsement.product;
	bool holds = snp_tcb_decode(product, report->current_tcb, &judging->current) &&
		     snp_tcb_decode(product, report->committed_tcb, &judging->committed) &&
		     snp_tcb_decode(product, report->reported_tcb, &judging->reported) &&
		     snp_tcb_decode(product, report->launch_tcb, &judging->launch);

	if (verdict_judge(judging->verdict, rule->name, holds, "reserved bytes of %s's TCB versions must be 0",
			  snp_product_name(product)))
		judging->have |= SNP_HAVE_TCB;
}

static void judge_tcb_certificate(struct snp_judging *judging, const struct snp_rule *rule)
{
	char text[SNP_TCB_TEXT_LEN];

	verdict_judge(judging->verdict, rule->name, snp_tcb_equal(&judging->endorsement.tcb, &judging->reported),
		      "the reported TCB must be the certificate's, %s",
		      snp_tcb_text(judging->endorsement.product, &judging->endorsement.tcb, text));
}

static void judge_tcb_order(struct snp_judging *judging, const struct snp_rule *rule)
{
	verdict_judge(judging->verdict, rule->name,
		      snp_tcb_at_least(&judging->committed, &judging->reported) &&
		      snp_tcb_at_least(&judging->current, &judging->committed),
		      "the reported TCB is at most the committed one, and that at most the current one, part by part");
}

/* report_at: of the TCB in struct snp_judging; policy_at: of its floor in struct snp_floors. */
static void judge_tcb_floor(struct snp_judging *judging, const struct snp_rule *rule)
{
	enum snp_product product = judging->endorsement.product;
	const struct snp_floors *floors = &judging->policy->floors[product];
	const struct snp_tcb *tcb = (const struct snp_tcb *)((const uint8_t *)judging + rule->report_at);
	const struct snp_tcb *floor = (const struct snp_tcb *)((const uint8_t *)floors + rule->policy_at);
	char text[SNP_TCB_TEXT_LEN], floor_text[SNP_TCB_TEXT_LEN];

	if (!floors->given)
		verdict_add(judging->verdict, rule->name, VERDICT_FAILS, "the policy gives no TCB floor for %s",
			    snp_product_name(product));
	else
		verdict_judge(judging->verdict, rule->name, snp_tcb_at_least(tcb, floor), "the %s TCB is %s; the floor is %s",
			      rule->what, snp_tcb_text(product, tcb, text), snp_tcb_text(product, floor, floor_text));
}

static uint32_t abi_number(const struct snp_abi *abi)
{
	return (uint32_t)abi->major << 16 | (uint32_t)abi->minor << 8 | abi->build;
}

static void judge_abi(struct snp_judging *judging, const struct snp_rule *rule)
{
	const struct snp_abi *abi = (const struct snp_abi *)((const uint8_t *)&judging->report + rule->report_at);
	const struct snp_abi *floor = (const struct snp_abi *)((const uint8_t *)judging->policy + rule->policy_at);

	if (!abi_number(floor))
		verdict_add(judging->verdict, rule->name, VERDICT_NOT_ASKED, "the %s firmware is %u.%u.%u", rule->what,
			    abi->major, abi->minor, abi->build);
	else
		verdict_judge(judging->verdict, rule->name, abi_number(abi) >= abi_number(floor),
			      "the %s firmware is %u.%u.%u; the floor is %u.%u.%u", rule->what, abi->major, abi->minor,
			      abi->build, floor->major, floor->minor, floor->build);
}

static void judge_abi_order(struct snp_judging *judging, const struct snp_rule *rule)
{
	verdict_judge(judging->verdict, rule->name,
		      abi_number(&judging->report.committed) <= abi_number(&judging->report.current),
		      "the committed firmware is not later than the current one");
}

static void judge_guest_abi(struct snp_judging *judging, const struct snp_rule *rule)
{
	unsigned int abi = judging->report.policy & 0xffff;
	unsigned int floor = (unsigned int)judging->policy->min_guest_abi_major << 8 |
			     judging->policy->min_guest_abi_minor;

	if (!floor)
		verdict_add(judging->verdict, rule->name, VERDICT_NOT_ASKED, "the guest asks its host for firmware %u.%u",
			    abi >> 8, abi & 0xff);
	else
		verdict_judge(judging->verdict, rule->name, abi >= floor,
			      "the guest asks its host for firmware %u.%u; the policy asks that it be at least %u.%u",
			      abi >> 8, abi & 0xff, floor >> 8, floor & 0xff);
}

static void judge_vmpl(struct snp_judging *judging, const struct snp_rule *rule)
{
	uint32_t vmpl = judging->report.vmpl;

	verdict_judge(judging->verdict, rule->name, vmpl <= 3 && judging->policy->vmpls >> vmpl & 1,
		      "the report was asked for at VMPL %u; the policy's mask of levels is 0x%x", vmpl,
		      judging->policy->vmpls);
}

static void judge_measurement(struct snp_judging *judging, const struct snp_rule *rule)
{
	const struct snp_policy *policy = judging->policy;
	bool found = false;

	if (policy->any_measurement) {
		verdict_add(judging->verdict, rule->name, VERDICT_NOT_ASKED, "the policy takes any measurement");
		return;
	}
	for (size_t i = 0; i < policy->n_measurements && i < SNP_MAX_MEASUREMENTS; i++)
		found |= memcmp(policy->measurements[i], judging->report.measurement, SNP_MEASUREMENT_LEN) == 0;
	verdict_judge(judging->verdict, rule->name, found, "%s", policy->n_measurements ?
		      "the measurement must be one of the policy's" : "the policy gives no measurement to accept");
}

static void judge_author_key(struct snp_judging *judging, const struct snp_rule *rule)
{
	if (expected_by(judging, rule)->asked && !judging->report.author_key_enabled)
		verdict_add(judging->verdict, rule->name, VERDICT_FAILS,
			    "the policy asks for an author key and the guest was launched without one");
	else
		judge_bytes(judging, rule);
}

static void judge_guest_svn(struct snp_judging *judging, const struct snp_rule *rule)
{
	verdict_judge(judging->verdict, rule->name, judging->report.guest_svn >= judging->policy->min_guest_svn,
		      "the guest's security version is %u; the floor is %u", judging->report.guest_svn,
		      judging->policy->min_guest_svn);
}

static void judge_report_data(struct snp_judging *judging, const struct snp_rule *rule)
{
	bool holds = memcmp(judging->report.report_data, judging->expected_report_data, SNP_REPORT_DATA_LEN) == 0;

	verdict_judge(judging->verdict, rule->name, holds, "%s", holds ? "the report is bound to this connection" :
		      "the report is bound to another connection, role, key, ticket or VM");
}

static void judge_mitigations(struct snp_judging *judging, const struct snp_rule *rule)
{
	uint64_t wanted = *(const uint64_t *)((const uint8_t *)judging->policy + rule->policy_at);
	uint64_t found = *(const uint64_t *)((const uint8_t *)&judging->report + rule->report_at);

	if (!wanted)
		verdict_add(judging->verdict, rule->name, VERDICT_NOT_ASKED, "the policy asks for no %s mitigations",
			    rule->what);
	else if (!judging->report.has_mitigations)
		verdict_add(judging->verdict, rule->name, VERDICT_FAILS,
			    "the policy asks for %s mitigations and a report of version %u does not name them", rule->what,
			    judging->report.version);
	else
		verdict_judge(judging->verdict, rule->name, (found & wanted) == wanted,
			      "the %s mitigations are 0x%llx; the policy asks for 0x%llx", rule->what,
			      (unsigned long long)found, (unsigned long long)wanted);
}

#define SAYS SNP_HAVE_AUTHENTIC
#define TCBS (SNP_HAVE_AUTHENTIC | SNP_HAVE_TCB)
#define IN_POLICY(field) offsetof(struct snp_policy, field)
#define IN_REPORT(field) offsetof(struct snp_report, field)
#define FIELD(field) IN_POLICY(field), IN_REPORT(field), sizeof(((struct snp_report *)0)->field)
#define FLOOR(field) offsetof(struct snp_floors, field), offsetof(struct snp_judging, field)

const struct snp_rule snp_claim_rules[] = {
	{ "snp.chip_id", SAYS, judge_chip },
	{ "snp.csp_id", SAYS, judge_csp },
	{ "snp.tcb.format", SAYS, judge_tcb_format },
	{ "snp.tcb.certificate", TCBS, judge_tcb_certificate },
	{ "snp.tcb.order", TCBS, judge_tcb_order },
	{ "snp.tcb.reported", TCBS, judge_tcb_floor, "reported", FLOOR(reported) },
	{ "snp.tcb.committed", TCBS, judge_tcb_floor, "committed", FLOOR(committed) },
	{ "snp.tcb.current", TCBS, judge_tcb_floor, "current", FLOOR(current) },
	{ "snp.tcb.launch", TCBS, judge_tcb_floor, "launch", FLOOR(launch) },
	{ "snp.abi.order", SAYS, judge_abi_order },
	{ "snp.abi.committed", SAYS, judge_abi, "committed", IN_POLICY(min_committed), IN_REPORT(committed) },
	{ "snp.abi.current", SAYS, judge_abi, "current", IN_POLICY(min_current), IN_REPORT(current) },
	{ "snp.guest.abi", SAYS, judge_guest_abi },
	{ "snp.guest.debug", SAYS, judge_policy_bit, "the host may decrypt the guest to debug it",
	  IN_POLICY(debug), SNP_POLICY_DEBUG },
	{ "snp.guest.migrate_ma", SAYS, judge_migration, "the guest may have a migration agent",
	  IN_POLICY(migrate_ma), SNP_POLICY_MIGRATE_MA },
	{ "snp.guest.cxl", SAYS, judge_policy_bit, "the host may have CXL devices or memory",
	  IN_POLICY(cxl), SNP_POLICY_CXL },
	{ "snp.guest.smt", SAYS, judge_policy_bit, "the guest may run where SMT is on", IN_POLICY(smt), SNP_POLICY_SMT },
	{ "snp.guest.single_socket", SAYS, judge_policy_bit, "the guest is kept on one socket",
	  IN_POLICY(single_socket), SNP_POLICY_SINGLE_SOCKET },
	{ "snp.guest.mem_aes_256", SAYS, judge_policy_bit, "the guest requires AES-256-XTS",
	  IN_POLICY(mem_aes_256), SNP_POLICY_MEM_AES_256 },
	{ "snp.guest.rapl_dis", SAYS, judge_policy_bit, "the guest requires that energy counters are off",
	  IN_POLICY(rapl_dis), SNP_POLICY_RAPL_DIS },
	{ "snp.guest.ciphertext_hiding", SAYS, judge_policy_bit, "the guest requires that ciphertext is hidden",
	  IN_POLICY(ciphertext_hiding), SNP_POLICY_CIPHERTEXT_HIDING },
	{ "snp.guest.page_swap_disable", SAYS, judge_policy_bit, "the guest requires that its pages are not swapped",
	  IN_POLICY(page_swap_disable), SNP_POLICY_PAGE_SWAP_DISABLE },
	{ "snp.platform.smt", SAYS, judge_platform_bit, "SMT is on", IN_POLICY(platform_smt), SNP_PLATFORM_SMT },
	{ "snp.platform.tsme", SAYS, judge_platform_bit, "all memory is encrypted (TSME)",
	  IN_POLICY(platform_tsme), SNP_PLATFORM_TSME },
	{ "snp.platform.ecc", SAYS, judge_platform_bit, "memory has ECC", IN_POLICY(platform_ecc), SNP_PLATFORM_ECC },
	{ "snp.platform.rapl_dis", SAYS, judge_platform_bit, "energy counters are off",
	  IN_POLICY(platform_rapl_dis), SNP_PLATFORM_RAPL_DIS },
	{ "snp.platform.ciphertext_hiding", SAYS, judge_platform_bit, "ciphertext is hidden",
	  IN_POLICY(platform_ciphertext_hiding), SNP_PLATFORM_CIPHERTEXT_HIDING },
	{ "snp.platform.alias_check", SAYS, judge_platform_bit, "memory was checked for aliases",
	  IN_POLICY(platform_alias_check), SNP_PLATFORM_ALIAS_CHECK },
	{ "snp.platform.tio", SAYS, judge_platform_bit, "trusted IO is on", IN_POLICY(platform_tio), SNP_PLATFORM_TIO },
	{ "snp.vmpl", SAYS, judge_vmpl },
	{ "snp.measurement", SAYS, judge_measurement },
	{ "snp.host_data", SAYS, judge_bytes, "host data", FIELD(host_data) },
	{ "snp.id_key_digest", SAYS, judge_bytes, "ID key", FIELD(id_key_digest) },
	{ "snp.author_key_digest", SAYS, judge_author_key, "author key", FIELD(author_key_digest) },
	{ "snp.family_id", SAYS, judge_bytes, "family id", FIELD(family_id) },
	{ "snp.image_id", SAYS, judge_bytes, "image id", FIELD(image_id) },
	{ "snp.guest_svn", SAYS, judge_guest_svn },
	{ "snp.mitigation.launch", SAYS, judge_mitigations, "launch",
	  IN_POLICY(launch_mitigations), IN_REPORT(launch_mitigations) },
	{ "snp.mitigation.current", SAYS, judge_mitigations, "current",
	  IN_POLICY(current_mitigations), IN_REPORT(current_mitigations) },
	{ "snp.report_data", SAYS, judge_report_data },
};
const size_t snp_n_claim_rules = sizeof(snp_claim_rules) / sizeof(snp_claim_rules[0]);
