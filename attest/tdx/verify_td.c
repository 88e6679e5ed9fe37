/* SPDX-License-Identifier: MIT */
/* verify_td: the TD itself, against the policy. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "rules.h"

#define NAMED_ATTRIBUTES (TDX_ATTRIBUTE_DEBUG | TDX_ATTRIBUTE_SEPT_VE_DISABLE | TDX_ATTRIBUTE_MIGRATABLE |	\
			  TDX_ATTRIBUTE_PKS | TDX_ATTRIBUTE_KL | TDX_ATTRIBUTE_PERFMON)

static void judge_bit(struct tdx_judging *judging, enum tdx_rule rule, const char *name, uint64_t bit,
		      enum tdx_bit want)
{
	const bool set = judging->quote.report.attributes & bit;

	if (want == TDX_BIT_ANY) {
		tdx_rule_open(judging, rule, "%s is %s", name, set ? "set" : "clear");
		return;
	}
	tdx_rule_judge(judging, rule, want == (set ? TDX_BIT_SET : TDX_BIT_CLEAR), "%s is %s; the policy wants it %s",
		       name, set ? "set" : "clear",
		       want == TDX_BIT_SET ? "set" : want == TDX_BIT_CLEAR ? "clear" : "?");
}

static void judge_attributes(struct tdx_judging *judging)
{
	const struct tdx_policy *policy = judging->question->policy;
	const uint64_t attributes = judging->quote.report.attributes;
	const uint64_t others = attributes & ~NAMED_ATTRIBUTES & ~policy->attributes_allowed;

	judge_bit(judging, TDX_RULE_TD_DEBUG, "DEBUG", TDX_ATTRIBUTE_DEBUG, policy->debug);
	judge_bit(judging, TDX_RULE_TD_SEPT_VE_DISABLE, "SEPT_VE_DISABLE", TDX_ATTRIBUTE_SEPT_VE_DISABLE,
		  policy->sept_ve_disable);
	judge_bit(judging, TDX_RULE_TD_MIGRATABLE, "MIGRATABLE", TDX_ATTRIBUTE_MIGRATABLE, policy->migratable);
	judge_bit(judging, TDX_RULE_TD_PKS, "PKS", TDX_ATTRIBUTE_PKS, policy->pks);
	judge_bit(judging, TDX_RULE_TD_KL, "KL", TDX_ATTRIBUTE_KL, policy->kl);
	judge_bit(judging, TDX_RULE_TD_PERFMON, "PERFMON", TDX_ATTRIBUTE_PERFMON, policy->perfmon);
	tdx_rule_judge(judging, TDX_RULE_TD_ATTRIBUTES, others == 0, "the attributes are 0x%016" PRIx64
		       ", of which 0x%" PRIx64 " is neither named nor allowed", attributes, others);
}

static void judge_xfam(struct tdx_judging *judging)
{
	const struct tdx_policy *policy = judging->question->policy;
	const uint64_t xfam = judging->quote.report.xfam;
	const bool holds = (xfam & policy->xfam_required) == policy->xfam_required && !(xfam & ~policy->xfam_allowed);

	tdx_rule_judge(judging, TDX_RULE_TD_XFAM, holds, "XFAM is 0x%" PRIx64 "; it must have 0x%" PRIx64
		       " and nothing besides 0x%" PRIx64, xfam, policy->xfam_required, policy->xfam_allowed);
}

static bool is_expected(const struct tdx_expected *expected, const uint8_t value[TDX_MEASUREMENT_LEN])
{
	for (size_t i = 0; i < expected->n && i < TDX_POLICY_MAX_VALUES; i++)
		if (memcmp(expected->values[i], value, TDX_MEASUREMENT_LEN) == 0)
			return true;
	return false;
}

static void judge_value(struct tdx_judging *judging, enum tdx_rule rule, const char *name,
			const uint8_t value[TDX_MEASUREMENT_LEN], const struct tdx_expected *expected)
{
	char hex[2 * TDX_MEASUREMENT_LEN + 1];

	if (sodium_is_zero(value, TDX_MEASUREMENT_LEN))
		snprintf(hex, sizeof(hex), "zeros");
	else
		sodium_bin2hex(hex, sizeof(hex), value, TDX_MEASUREMENT_LEN);
	if (expected->any)
		tdx_rule_open(judging, rule, "%s is %s", name, hex);
	else if (expected->n == 0)
		tdx_rule_judge(judging, rule, false, "%s is %s; the policy names no value, nor that any will do", name,
			       hex);
	else
		tdx_rule_judge(judging, rule, is_expected(expected, value), "%s is %s, which the policy %s", name, hex,
			       is_expected(expected, value) ? "names" : "does not name");
}

/* Report 1.0 is silent about service TDs; MIGRATABLE refuses the only kind there is. */
static void judge_service_td(struct tdx_judging *judging)
{
	static const uint8_t zeros[TDX_MEASUREMENT_LEN];
	const struct tdx_expected *expected = &judging->question->policy->mrservicetd;

	if (!judging->quote.report.has_15 && is_expected(expected, zeros))
		tdx_rule_open(judging, TDX_RULE_TD_MRSERVICETD, "a report 1.0 has no MRSERVICETD");
	else
		judge_value(judging, TDX_RULE_TD_MRSERVICETD, "MRSERVICETD", judging->quote.report.mrservicetd,
			    expected);
}

static void judge_values(struct tdx_judging *judging)
{
	static const char *const rtmr_names[TDX_N_RTMRS] = { "RTMR0", "RTMR1", "RTMR2", "RTMR3" };
	const struct tdx_policy *policy = judging->question->policy;
	const struct tdx_report *report = &judging->quote.report;

	judge_value(judging, TDX_RULE_TD_MRTD, "MRTD", report->mrtd, &policy->mrtd);
	for (unsigned int i = 0; i < TDX_N_RTMRS; i++)
		judge_value(judging, TDX_RULE_TD_RTMR0 + i, rtmr_names[i], report->rtmr[i], &policy->rtmr[i]);
	judge_value(judging, TDX_RULE_TD_MRSEAM, "MRSEAM", report->mrseam, &policy->mrseam);
	judge_value(judging, TDX_RULE_TD_MRSIGNERSEAM, "MRSIGNERSEAM", report->mrsignerseam, &policy->mrsignerseam);
	judge_value(judging, TDX_RULE_TD_MRCONFIGID, "MRCONFIGID", report->mrconfigid, &policy->mrconfigid);
	judge_value(judging, TDX_RULE_TD_MROWNER, "MROWNER", report->mrowner, &policy->mrowner);
	judge_value(judging, TDX_RULE_TD_MROWNERCONFIG, "MROWNERCONFIG", report->mrownerconfig, &policy->mrownerconfig);
	judge_service_td(judging);
}

void tdx_judge_td(struct tdx_judging *judging)
{
	bool holds;

	judge_attributes(judging);
	judge_xfam(judging);
	judge_values(judging);
	holds = sodium_memcmp(judging->quote.report.report_data, judging->question->report_data,
			      TDX_REPORT_DATA_LEN) == 0;
	tdx_rule_judge(judging, TDX_RULE_TD_REPORT_DATA, holds, "the report data is %s",
		       holds ? "this handshake's" : "bound to another handshake, or to none");
}
