/* SPDX-License-Identifier: MIT */
/*
 * rules: the names of all TDX rules, and one verification while it lasts.  Each
 * rule is judged at most once; the ones that were never reached are in the
 * verdict as not judged, so a rule that is forgotten refuses.
 */
#ifndef ATTEST_TDX_RULES_H
#define ATTEST_TDX_RULES_H

#include "../verdict.h"
#include "../x509.h"
#include "collateral.h"
#include "pck.h"
#include "qeidentity.h"
#include "quote.h"
#include "tcbinfo.h"
#include "verify.h"

#define TDX_RULES(X)						\
	X(VERSION, "tdx.version")				\
	X(TEE_TYPE, "tdx.tee_type")				\
	X(KEY_TYPE, "tdx.key_type")				\
	X(QE_VENDOR, "tdx.qe_vendor")				\
	X(FORMAT, "tdx.format")					\
	X(PCK_CHAIN, "tdx.pck.chain")				\
	X(PCK_SGX, "tdx.pck.sgx")				\
	X(QE_SIGNATURE, "tdx.qe.signature")			\
	X(QE_KEY, "tdx.qe.key")					\
	X(QUOTE_SIGNATURE, "tdx.quote.signature")		\
	X(COLLATERAL, "tdx.collateral")				\
	X(PCK_CA_CRL, "tdx.pck.ca_crl")				\
	X(PCK_CRL, "tdx.pck.crl")				\
	X(QEID_SIGNER, "tdx.qe_identity.signer")		\
	X(QEID_SIGNATURE, "tdx.qe_identity.signature")		\
	X(QEID_FORMAT, "tdx.qe_identity.format")		\
	X(QEID_WINDOW, "tdx.qe_identity.window")		\
	X(QEID_EVALUATION, "tdx.qe_identity.evaluation")	\
	X(QE_MRSIGNER, "tdx.qe.mrsigner")			\
	X(QE_ISVPRODID, "tdx.qe.isvprodid")			\
	X(QE_MISCSELECT, "tdx.qe.miscselect")			\
	X(QE_ATTRIBUTES, "tdx.qe.attributes")			\
	X(QE_STATUS, "tdx.qe.status")				\
	X(TCB_SIGNER, "tdx.tcb.signer")				\
	X(TCB_SIGNATURE, "tdx.tcb.signature")			\
	X(TCB_FORMAT, "tdx.tcb.format")				\
	X(TCB_WINDOW, "tdx.tcb.window")				\
	X(TCB_EVALUATION, "tdx.tcb.evaluation")			\
	X(TCB_FMSPC, "tdx.tcb.fmspc")				\
	X(TCB_PCEID, "tdx.tcb.pceid")				\
	X(TCB_MODULE, "tdx.tcb.module")				\
	X(TCB_STATUS, "tdx.tcb.status")				\
	X(TCB_CURRENT, "tdx.tcb.current")			\
	X(TD_DEBUG, "tdx.td.debug")				\
	X(TD_SEPT_VE_DISABLE, "tdx.td.sept_ve_disable")		\
	X(TD_MIGRATABLE, "tdx.td.migratable")			\
	X(TD_PKS, "tdx.td.pks")					\
	X(TD_KL, "tdx.td.kl")					\
	X(TD_PERFMON, "tdx.td.perfmon")				\
	X(TD_ATTRIBUTES, "tdx.td.attributes")			\
	X(TD_XFAM, "tdx.td.xfam")				\
	X(TD_MRTD, "tdx.td.mrtd")				\
	X(TD_RTMR0, "tdx.td.rtmr0")				\
	X(TD_RTMR1, "tdx.td.rtmr1")				\
	X(TD_RTMR2, "tdx.td.rtmr2")				\
	X(TD_RTMR3, "tdx.td.rtmr3")				\
	X(TD_MRSEAM, "tdx.td.mrseam")				\
	X(TD_MRSIGNERSEAM, "tdx.td.mrsignerseam")		\
	X(TD_MRCONFIGID, "tdx.td.mrconfigid")			\
	X(TD_MROWNER, "tdx.td.mrowner")				\
	X(TD_MROWNERCONFIG, "tdx.td.mrownerconfig")		\
	X(TD_MRSERVICETD, "tdx.td.mrservicetd")			\
	X(TD_REPORT_DATA, "tdx.td.report_data")

#define TDX_RULE_ENUM_(id, name) TDX_RULE_##id,
enum tdx_rule { TDX_RULES(TDX_RULE_ENUM_) TDX_N_RULES };
#undef TDX_RULE_ENUM_
_Static_assert(TDX_N_RULES <= VERDICT_MAX_RULES, "a verdict has room for all rules");

#define TDX_PCK_CHAIN_LEN 3u

struct tdx_judging {
	const struct tdx_question *question;
	struct verdict *verdict;
	bool judged[TDX_N_RULES];
	struct tdx_quote quote;
	struct x509_cert *chain[TDX_PCK_CHAIN_LEN];	/* PCK, its CA, root */
	size_t n_chain;
	struct tdx_pck pck;
	struct tdx_qeidentity *qeidentity;
	struct tdx_tcbinfo *tcbinfo;
};

const char *tdx_rule_name(enum tdx_rule rule);
/** HOLDS or FAILS; returns @holds. */
bool tdx_rule_judge(struct tdx_judging *judging, enum tdx_rule rule, bool holds, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/** NOT_ASKED: the text says what was seen. */
void tdx_rule_open(struct tdx_judging *judging, enum tdx_rule rule, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/** What was not judged until now is in the verdict as such. */
void tdx_rules_finish(struct tdx_judging *judging);

/*
 * The parts, each of which judges its rules as far as it can.  true: all that later parts rest on holds.
 */

/* verify_quote.c: header to quote.signature */
bool tdx_judge_header(struct tdx_judging *judging);
bool tdx_judge_chain(struct tdx_judging *judging);
bool tdx_judge_signatures(struct tdx_judging *judging);
/* verify_collateral.c: CRLs, and the two documents of which true means that they are filled in */
void tdx_judge_crls(struct tdx_judging *judging);
bool tdx_judge_qeidentity(struct tdx_judging *judging);
bool tdx_judge_tcbinfo(struct tdx_judging *judging);
/* verify_tcb.c */
void tdx_judge_qe(struct tdx_judging *judging);
void tdx_judge_tcb(struct tdx_judging *judging);
/* verify_td.c */
void tdx_judge_td(struct tdx_judging *judging);

#endif
