/* SPDX-License-Identifier: MIT */
/* verify_tcb: the quoting enclave, the platform and the TDX module against what Intel published about them. */
#include <stdio.h>
#include <string.h>

#include "../date.h"
#include "rules.h"

/* Room in a rule's text beside the rest. */
#define ADVISORIES_SHOWN 80

/* ", advisories INTEL-SA-..." or "". */
struct advisories {
	char text[ADVISORIES_SHOWN + 32];
};

static struct advisories advisories_of(const struct tdx_level *level)
{
	const size_t len = strlen(level->advisories);
	struct advisories advisories = { "" };
	size_t shown = len;

	if (!len)
		return advisories;
	/* whole ids only */
	if (len > ADVISORIES_SHOWN)
		for (shown = ADVISORIES_SHOWN; shown && level->advisories[shown] != ' '; shown--)
			;
	snprintf(advisories.text, sizeof(advisories.text), ", advisories %.*s%s", (int)shown, level->advisories,
		 shown < len ? " ..." : "");
	return advisories;
}

/* Revoked is never good, whatever a policy says. */
static bool is_status_taken(uint32_t statuses, enum tdx_status status)
{
	return status < TDX_REVOKED && statuses & TDX_STATUS_BIT(status);
}

static void judge_qe_status(struct tdx_judging *judging)
{
	const struct tdx_qe_report *qe = &judging->quote.qe;
	const struct tdx_level *level = tdx_qeidentity_level(judging->qeidentity, qe->isvsvn);
	char date[DATE_TEXT_LEN + 1];

	if (!level) {
		tdx_rule_judge(judging, TDX_RULE_QE_STATUS, false, "the quoting enclave's SVN %u is below every level",
			       qe->isvsvn);
		return;
	}
	date_format(level->date_s, date);
	tdx_rule_judge(judging, TDX_RULE_QE_STATUS,
		       is_status_taken(judging->question->policy->qe_statuses, level->status),
		       "the quoting enclave's SVN %u is %s as of %.10s%s", qe->isvsvn, tdx_status_name(level->status),
		       date, advisories_of(level).text);
}

void tdx_judge_qe(struct tdx_judging *judging)
{
	const struct tdx_qeidentity *identity = judging->qeidentity;
	const struct tdx_qe_report *qe = &judging->quote.qe;
	bool holds;

	holds = memcmp(qe->mrsigner, identity->mrsigner, sizeof(qe->mrsigner)) == 0;
	tdx_rule_judge(judging, TDX_RULE_QE_MRSIGNER, holds, "the quoting enclave is signed by %s",
		       holds ? "Intel's key" : "another key than Intel's identity names");
	tdx_rule_judge(judging, TDX_RULE_QE_ISVPRODID, qe->isvprodid == identity->isvprodid,
		       "the quoting enclave is product %u; it must be %u", qe->isvprodid, identity->isvprodid);
	tdx_rule_judge(judging, TDX_RULE_QE_MISCSELECT, tdx_qeidentity_miscselect(identity, qe),
		       "the quoting enclave's MISCSELECT is 0x%x; it must be 0x%x where 0x%x has bits", qe->miscselect,
		       identity->miscselect, identity->miscselect_mask);
	holds = tdx_qeidentity_attributes(identity, qe);
	tdx_rule_judge(judging, TDX_RULE_QE_ATTRIBUTES, holds, "the quoting enclave's attributes are %s",
		       holds ? "those of Intel's identity, without debugging" :
		       "not those of Intel's identity, or it can be debugged");
	judge_qe_status(judging);
}

static bool has_rule(const struct tdx_module_rule *rule, const struct tdx_report *report)
{
	for (size_t i = 0; i < sizeof(rule->attributes); i++)
		if ((report->seam_attributes[i] & rule->attributes_mask[i]) != rule->attributes[i])
			return false;
	return memcmp(rule->mrsigner, report->mrsignerseam, sizeof(rule->mrsigner)) == 0;
}

static void judge_module(struct tdx_judging *judging)
{
	const struct tdx_report *report = &judging->quote.report;
	const struct tdx_module_rule *rule = tdx_tcbinfo_rule(judging->tcbinfo, report->tee_tcb_svn);
	const uint8_t *svn = report->tee_tcb_svn;

	if (!rule)
		tdx_rule_judge(judging, TDX_RULE_TCB_MODULE, false,
			       "the TDX module has major version %u, which the TCB info does not know", svn[1]);
	else
		tdx_rule_judge(judging, TDX_RULE_TCB_MODULE, has_rule(rule, report), "the TDX module's signer and "
			       "attributes (major version %u) are %sthose of the TCB info", svn[1],
			       has_rule(rule, report) ? "" : "not ");
}

/* Of the platform with a module of this TEE_TCB_SVN. */
static void judge_status(struct tdx_judging *judging, enum tdx_rule rule, const uint8_t svn[TDX_SVN_LEN])
{
	struct tdx_standing standing;
	char date[DATE_TEXT_LEN + 1];

	if (tdx_tcbinfo_judge(judging->tcbinfo, &judging->pck, svn, &standing) < 0) {
		tdx_rule_judge(judging, rule, false, "the %s (module %u.%u) is below every level of the TCB info",
			       standing.platform ? "TDX module" : "platform", svn[1], svn[0]);
		return;
	}
	date_format(standing.platform->date_s, date);
	tdx_rule_judge(judging, rule, is_status_taken(judging->question->policy->statuses, standing.status),
		       "with TDX module %u.%u (%s) the platform is %s as of %.10s%s", svn[1], svn[0],
		       standing.module ? tdx_status_name(standing.module->status) : "no levels of its own",
		       tdx_status_name(standing.status), date,
		       advisories_of(standing.module && standing.module->advisories[0] &&
				     !standing.platform->advisories[0] ? standing.module : standing.platform).text);
}

void tdx_judge_tcb(struct tdx_judging *judging)
{
	const struct tdx_tcbinfo *tcbinfo = judging->tcbinfo;
	const struct tdx_report *report = &judging->quote.report;
	bool same;

	same = tdx_rule_judge(judging, TDX_RULE_TCB_FMSPC,
			      memcmp(tcbinfo->fmspc, judging->pck.fmspc, sizeof(tcbinfo->fmspc)) == 0,
			      "the TCB info is for FMSPC %02X%02X%02X%02X%02X%02X; it must be the PCK certificate's",
			      tcbinfo->fmspc[0], tcbinfo->fmspc[1], tcbinfo->fmspc[2], tcbinfo->fmspc[3],
			      tcbinfo->fmspc[4], tcbinfo->fmspc[5]);
	same &= tdx_rule_judge(judging, TDX_RULE_TCB_PCEID,
			       memcmp(tcbinfo->pceid, judging->pck.pceid, sizeof(tcbinfo->pceid)) == 0,
			       "the TCB info is for PCEID %02X%02X; it must be the PCK certificate's",
			       tcbinfo->pceid[0], tcbinfo->pceid[1]);
	/* another platform's levels say nothing */
	if (!same)
		return;
	judge_module(judging);
	judge_status(judging, TDX_RULE_TCB_STATUS, report->tee_tcb_svn);
	if (report->has_15)
		judge_status(judging, TDX_RULE_TCB_CURRENT, report->tee_tcb_svn2);
	else
		tdx_rule_open(judging, TDX_RULE_TCB_CURRENT, "a report 1.0 does not say which module runs now");
}
