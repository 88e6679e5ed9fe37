/* SPDX-License-Identifier: MIT */
/*
 * tdx_verify: one thing at a time is made wrong, and its rule says so; every
 * byte of a quote and of what Intel signed is changed; both verdicts on the real
 * evidence.
 */
#include <errno.h>

#include <attest/date.h>
#include <attest/tdx/root.h>
#include <attest/tdx/rules.h>

#include "../../vectors/tdxgen.h"
#include "../../vectors/real.h"
#include "check.h"

/* Everything that a verification takes. */
struct world {
	struct tdxgen gen;
	struct tdx_policy policy;
	uint8_t report_data[TDX_REPORT_DATA_LEN];
	int64_t now_s;
	size_t n_cut;			/* bytes off the quote's end */
	bool no_collateral;
	bool other_root;		/* trust another one of the same name */
	uint8_t quote[TDXGEN_QUOTE_SIZE];
	size_t quote_len;
	struct tdx_collateral *collateral;
	struct x509_cert *root;
};

static struct world world;
static struct verdict verdict;

/* A root like @gen's in all but its key. */
static struct x509_cert *make_root(const struct tdxgen *gen, bool other)
{
	struct x509_cert *root;
	struct tdxgen stranger;
	uint8_t *der;
	size_t len;

	if (other) {
		tdxgen_init(&stranger);
		der = tdxgen_cert(&stranger, TDXGEN_ROOT, &len);
		tdxgen_fini(&stranger);
	} else {
		der = tdxgen_cert(gen, TDXGEN_ROOT, &len);
	}
	TDXGEN_NEED(x509_cert_parse(der, len, &root) == 0);
	free(der);
	return root;
}

static void world_init(uint16_t version)
{
	memset(&world, 0, sizeof(world));
	tdxgen_init(&world.gen);
	world.gen.header.version = version;
	tdxgen_policy(&world.gen, &world.policy);
	memcpy(world.report_data, world.gen.report.report_data, sizeof(world.report_data));
	world.now_s = TDXGEN_NOW;
}

/* After this, bytes may be changed by hand. */
static void world_make(void)
{
	char *json;

	world.quote_len = tdxgen_quote(&world.gen, world.quote) - world.n_cut;
	world.root = make_root(&world.gen, world.other_root);
	if (world.no_collateral)
		return;
	json = tdxgen_collateral(&world.gen);
	TDXGEN_NEED(tdx_collateral_new(json, strlen(json), &world.collateral) == 0);
	free(json);
}

static void world_fini(void)
{
	tdx_collateral_free(world.collateral);
	x509_cert_free(world.root);
	tdxgen_fini(&world.gen);
}

static bool ask(void)
{
	const struct tdx_question question = {
		.quote = world.quote, .quote_len = world.quote_len, .collateral = world.collateral, .root = world.root,
		.policy = &world.policy, .report_data = world.report_data, .now_s = world.now_s,
	};

	return tdx_verify(&question, &verdict);
}

static enum verdict_outcome outcome(enum tdx_rule rule)
{
	const struct verdict_rule *found = verdict_find(&verdict, tdx_rule_name(rule));

	TDXGEN_NEED(found);
	return found->outcome;
}

static const char *text_of(enum tdx_rule rule)
{
	return verdict_find(&verdict, tdx_rule_name(rule))->text;
}

static size_t count(enum verdict_outcome wanted)
{
	size_t n = 0;

	for (size_t i = 0; i < verdict.n_rules; i++)
		n += verdict.rules[i].outcome == wanted;
	return n;
}

/* Every rule once, with a sentence that fits. */
static bool is_complete(void)
{
	for (unsigned int rule = 0; rule < TDX_N_RULES; rule++) {
		size_t n = 0;

		for (size_t i = 0; i < verdict.n_rules; i++)
			n += strcmp(verdict.rules[i].name, tdx_rule_name(rule)) == 0;
		if (n != 1)
			return false;
	}
	for (size_t i = 0; i < verdict.n_rules; i++)
		if (!verdict.rules[i].text[0] || strlen(verdict.rules[i].text) >= VERDICT_TEXT_LEN - 1)
			return false;
	return verdict.n_rules == TDX_N_RULES;
}

/* ---- one thing at a time ---- */

#define CHANGE(name, statement) static void name(struct world *w) { statement; }

CHANGE(nothing, (void)w)
CHANGE(trailing, w->gen.n_trailing = 39)
CHANGE(auth_none, w->gen.auth_len = 0)
CHANGE(version_3, w->gen.header.version = 3)
CHANGE(version_not_taken, w->policy.versions &= ~(1u << w->gen.header.version))
CHANGE(tee_sgx, w->gen.header.tee_type = 0)
CHANGE(key_p384, w->gen.header.key_type = 3)
CHANGE(vendor_other, w->gen.header.qe_vendor[15] ^= 1)
CHANGE(cut_short, w->n_cut = 1)
CHANGE(pck_expired, w->gen.certs[TDXGEN_PCK].to_s = TDXGEN_NOW - 1)
CHANGE(pck_not_yet, w->gen.certs[TDXGEN_PCK].from_s = TDXGEN_NOW + 1)
CHANGE(pck_last_second, w->gen.certs[TDXGEN_PCK].to_s = TDXGEN_NOW)
CHANGE(ca_expired, w->gen.certs[TDXGEN_CA].to_s = TDXGEN_NOW - 1)
CHANGE(root_expired, w->gen.certs[TDXGEN_ROOT].to_s = TDXGEN_NOW - 1; tdxgen_renew_root(&w->gen))
CHANGE(pck_forged, w->gen.certs[TDXGEN_PCK].issuer_key = TDXGEN_KEY_OTHER)
CHANGE(ca_forged, w->gen.certs[TDXGEN_CA].issuer_key = TDXGEN_KEY_OTHER)
CHANGE(ca_no_ca, w->gen.certs[TDXGEN_CA].is_ca = false)
CHANGE(root_other, w->other_root = true)
CHANGE(chain_swapped, w->gen.chain[0] = TDXGEN_CA; w->gen.chain[1] = TDXGEN_PCK)
CHANGE(chain_without_ca, w->gen.chain[1] = TDXGEN_ROOT)
CHANGE(chain_of_signer, w->gen.chain[0] = TDXGEN_TCB)
CHANGE(chain_of_root, w->gen.chain[0] = TDXGEN_ROOT; w->gen.n_chain = 1; w->gen.qe_signer = TDXGEN_KEY_ROOT)
CHANGE(chain_of_two, w->gen.chain[0] = TDXGEN_CA; w->gen.chain[1] = TDXGEN_ROOT; w->gen.n_chain = 2)
/* even under a root that has the name of a PCK CA */
CHANGE(chain_of_two_by_name,
       w->gen.certs[TDXGEN_ROOT].name = w->gen.certs[TDXGEN_ROOT].issuer_name = w->gen.certs[TDXGEN_TCB].issuer_name =
	       w->gen.crls[TDXGEN_ROOT_CRL].issuer_name = "Intel SGX PCK Platform CA";
       tdxgen_renew_root(&w->gen); w->gen.certs[TDXGEN_PCK].issuer_key = TDXGEN_KEY_ROOT; w->gen.chain[1] = TDXGEN_ROOT;
       w->gen.n_chain = 2)
CHANGE(chain_of_four, w->gen.chain[3] = TDXGEN_ROOT; w->gen.n_chain = 4)
CHANGE(chain_of_none, w->gen.n_chain = 0)
CHANGE(pck_for_other, w->gen.certs[TDXGEN_PCK].name = "Intel SGX Something")
CHANGE(ca_for_other,
       w->gen.certs[TDXGEN_CA].name = w->gen.certs[TDXGEN_PCK].issuer_name = w->gen.crls[TDXGEN_PCK_CRL].issuer_name =
	       "Intel SGX Something CA")
CHANGE(ca_processor,
       w->gen.certs[TDXGEN_CA].name = w->gen.certs[TDXGEN_PCK].issuer_name = w->gen.crls[TDXGEN_PCK_CRL].issuer_name =
	       "Intel SGX PCK Processor CA")
CHANGE(pck_no_extension, w->gen.no_extension = true)
CHANGE(pck_bad_extension, w->gen.pck.sgx_type = 9)
CHANGE(qe_forged, w->gen.qe_signer = TDXGEN_KEY_OTHER)
CHANGE(qe_vouches_for_none, w->gen.keep_qe_report_data = true)
CHANGE(quote_forged, w->gen.quote_signer = TDXGEN_KEY_OTHER)
CHANGE(no_collateral, w->no_collateral = true)
CHANGE(ca_revoked, w->gen.crls[TDXGEN_ROOT_CRL].revoked[1] = 2)
CHANGE(pck_revoked, w->gen.crls[TDXGEN_PCK_CRL].revoked[1] = 3)
CHANGE(signer_revoked, w->gen.crls[TDXGEN_ROOT_CRL].revoked[1] = 4)
CHANGE(root_crl_stale, w->gen.crls[TDXGEN_ROOT_CRL].to_s = TDXGEN_NOW - 1)
CHANGE(root_crl_early, w->gen.crls[TDXGEN_ROOT_CRL].from_s = TDXGEN_NOW + 1)
CHANGE(root_crl_forged, w->gen.crls[TDXGEN_ROOT_CRL].key = TDXGEN_KEY_OTHER)
CHANGE(root_crl_of_ca, w->gen.crls[TDXGEN_ROOT_CRL] = w->gen.crls[TDXGEN_PCK_CRL])
CHANGE(pck_crl_stale, w->gen.crls[TDXGEN_PCK_CRL].to_s = TDXGEN_NOW - 1)
CHANGE(pck_crl_early, w->gen.crls[TDXGEN_PCK_CRL].from_s = TDXGEN_NOW + 1)
CHANGE(pck_crl_forged, w->gen.crls[TDXGEN_PCK_CRL].key = TDXGEN_KEY_OTHER)
CHANGE(pck_crl_of_root, w->gen.crls[TDXGEN_PCK_CRL] = w->gen.crls[TDXGEN_ROOT_CRL])
CHANGE(signer_expired, w->gen.certs[TDXGEN_TCB].to_s = TDXGEN_NOW - 1)
CHANGE(signer_forged, w->gen.certs[TDXGEN_TCB].issuer_key = TDXGEN_KEY_OTHER)
CHANGE(signer_for_other, w->gen.certs[TDXGEN_TCB].name = "Intel SGX PCK Certificate")
CHANGE(signer_is_ca, w->gen.document_chain[0] = TDXGEN_CA; w->gen.tcbinfo_key = w->gen.qeidentity_key = TDXGEN_KEY_CA)
CHANGE(signer_is_pck,
       w->gen.document_chain[0] = TDXGEN_PCK; w->gen.tcbinfo_key = w->gen.qeidentity_key = TDXGEN_KEY_PCK)
CHANGE(signer_is_root, w->gen.document_chain[0] = TDXGEN_ROOT; w->gen.n_document_chain = 1;
       w->gen.tcbinfo_key = w->gen.qeidentity_key = TDXGEN_KEY_ROOT)
CHANGE(signer_alone, w->gen.n_document_chain = 1)
CHANGE(signer_none, w->gen.n_document_chain = 0)
CHANGE(qeid_forged, w->gen.qeidentity_key = TDXGEN_KEY_OTHER)
CHANGE(qeid_of_sgx, w->gen.qeidentity.id = "QE")
CHANGE(qeid_early, w->gen.qeidentity.issued_s = TDXGEN_NOW + 1)
CHANGE(qeid_late, w->gen.qeidentity.next_update_s = TDXGEN_NOW - 1)
CHANGE(windows_of_a_second, w->gen.qeidentity.issued_s = w->gen.qeidentity.next_update_s = w->gen.tcbinfo.issued_s =
       w->gen.tcbinfo.next_update_s = TDXGEN_NOW)
CHANGE(evaluation_floor, w->policy.min_evaluation = 17)
CHANGE(evaluation_below, w->policy.min_evaluation = 18)
CHANGE(qeid_evaluation_below, w->policy.min_evaluation = 17; w->gen.qeidentity.evaluation = 16)
CHANGE(tcb_evaluation_below, w->policy.min_evaluation = 17; w->gen.tcbinfo.evaluation = 16)
CHANGE(qe_mrsigner, w->gen.qe.mrsigner[31] ^= 1)
CHANGE(qe_isvprodid, w->gen.qe.isvprodid = 1)
CHANGE(qe_miscselect, w->gen.qe.miscselect = 1)
CHANGE(qe_attributes, w->gen.qe.attributes[7] = 1)
CHANGE(qe_debug, w->gen.qe.attributes[0] |= 2)
CHANGE(qe_debug_unmasked, w->gen.qe.attributes[0] |= 2; w->gen.qeidentity.attributes_mask[0] = 0x11)
CHANGE(qe_out_of_date, w->gen.qe.isvsvn = 3)
CHANGE(qe_out_of_date_taken, w->gen.qe.isvsvn = 3; w->policy.qe_statuses |= TDX_STATUS_BIT(TDX_OUT_OF_DATE))
CHANGE(qe_out_of_date_not_by_platform, w->gen.qe.isvsvn = 3; w->policy.statuses |= TDX_STATUS_BIT(TDX_OUT_OF_DATE))
CHANGE(qe_below, w->gen.qe.isvsvn = 1)
CHANGE(qe_revoked, w->gen.qeidentity.levels[0].status = "Revoked"; w->policy.qe_statuses = UINT32_MAX)
CHANGE(tcb_forged, w->gen.tcbinfo_key = TDXGEN_KEY_OTHER)
CHANGE(tcb_version_2, w->gen.tcbinfo.version = 2)
CHANGE(tcb_of_sgx, w->gen.tcbinfo.id = "SGX")
CHANGE(tcb_early, w->gen.tcbinfo.issued_s = TDXGEN_NOW + 1)
CHANGE(tcb_late, w->gen.tcbinfo.next_update_s = TDXGEN_NOW - 1)
CHANGE(tcb_fmspc, w->gen.tcbinfo.fmspc[5] ^= 1)
CHANGE(pck_fmspc, w->gen.pck.fmspc[0] ^= 1)
CHANGE(tcb_pceid, w->gen.tcbinfo.pceid[1] ^= 1)
CHANGE(module_signer, w->gen.tcbinfo.modules[1].mrsigner = 1)
CHANGE(module_attributes, w->gen.report.seam_attributes[0] = 1)
CHANGE(module_signer_major_0,
       w->gen.tcbinfo.base.mrsigner = 1; memset(w->gen.report.tee_tcb_svn, 0, 16); w->gen.report.tee_tcb_svn[0] = 5;
       w->gen.report.tee_tcb_svn[2] = 2)
CHANGE(module_major_0,
       memset(w->gen.report.tee_tcb_svn, 0, 16); w->gen.report.tee_tcb_svn[0] = 5; w->gen.report.tee_tcb_svn[2] = 2)
CHANGE(module_unknown, w->gen.report.tee_tcb_svn[1] = 2)
CHANGE(module_out_of_date, w->gen.report.tee_tcb_svn[0] = 3)
CHANGE(module_out_of_date_taken,
       w->gen.report.tee_tcb_svn[0] = 3; w->policy.statuses |= TDX_STATUS_BIT(TDX_OUT_OF_DATE))
CHANGE(module_below, w->gen.report.tee_tcb_svn[0] = 1)
CHANGE(platform_out_of_date, w->gen.pck.component_svn[0] = 2)
CHANGE(platform_out_of_date_taken,
       w->gen.pck.component_svn[0] = 2; w->policy.statuses |= TDX_STATUS_BIT(TDX_OUT_OF_DATE))
CHANGE(platform_hardening, w->gen.tcbinfo.levels[0].status = "SWHardeningNeeded")
CHANGE(platform_configuration, w->gen.tcbinfo.levels[0].status = "ConfigurationNeeded")
CHANGE(platform_revoked, w->gen.pck.component_svn[0] = 1; w->policy.statuses = UINT32_MAX)
CHANGE(platform_below, w->gen.pck.pcesvn = 4; w->policy.statuses = UINT32_MAX)
CHANGE(current_out_of_date, w->gen.report.tee_tcb_svn2[0] = 3)
CHANGE(td_debug, w->gen.report.attributes |= TDX_ATTRIBUTE_DEBUG)
CHANGE(td_debug_any, w->gen.report.attributes |= TDX_ATTRIBUTE_DEBUG; w->policy.debug = TDX_BIT_ANY)
CHANGE(td_debug_wanted, w->policy.debug = TDX_BIT_SET)
CHANGE(td_sept, w->gen.report.attributes &= ~TDX_ATTRIBUTE_SEPT_VE_DISABLE)
CHANGE(td_migratable, w->gen.report.attributes |= TDX_ATTRIBUTE_MIGRATABLE)
CHANGE(td_pks, w->gen.report.attributes |= TDX_ATTRIBUTE_PKS)
CHANGE(td_pks_refused, w->gen.report.attributes |= TDX_ATTRIBUTE_PKS; w->policy.pks = TDX_BIT_CLEAR)
CHANGE(td_kl_wanted, w->policy.kl = TDX_BIT_SET)
CHANGE(td_perfmon, w->gen.report.attributes |= TDX_ATTRIBUTE_PERFMON)
CHANGE(td_attribute, w->gen.report.attributes |= UINT64_C(1) << 27)
CHANGE(td_attribute_allowed, w->gen.report.attributes |= UINT64_C(1) << 27;
       w->policy.attributes_allowed = UINT64_C(1) << 27)
CHANGE(td_xfam_less, w->gen.report.xfam &= ~UINT64_C(2))
CHANGE(td_xfam_more, w->gen.report.xfam |= UINT64_C(1) << 3)
CHANGE(td_xfam_high, w->gen.report.xfam |= UINT64_C(1) << 63)
CHANGE(td_mrtd, w->gen.report.mrtd[47] ^= 1)
CHANGE(td_mrtd_unnamed, w->policy.mrtd.n = 0)
CHANGE(td_mrtd_any, w->gen.report.mrtd[47] ^= 1; w->policy.mrtd.any = true)
CHANGE(td_mrtd_second, tdx_expected_add(&w->policy.mrtd, w->gen.report.rtmr[0]);
       memcpy(w->gen.report.mrtd, w->gen.report.rtmr[0], TDX_MEASUREMENT_LEN))
CHANGE(td_rtmr0, w->gen.report.rtmr[0][0] ^= 1)
CHANGE(td_rtmr1, w->gen.report.rtmr[1][1] ^= 1)
CHANGE(td_rtmr2, w->gen.report.rtmr[2][2] ^= 1)
CHANGE(td_rtmr3, w->gen.report.rtmr[3][3] ^= 1)
CHANGE(td_mrseam, w->gen.report.mrseam[0] ^= 1)
CHANGE(td_mrsignerseam, w->gen.report.mrsignerseam[0] = 1; w->gen.tcbinfo.modules[1].mrsigner = 1)
CHANGE(td_mrconfigid, w->gen.report.mrconfigid[47] = 1)
CHANGE(td_mrowner, w->gen.report.mrowner[0] = 1)
CHANGE(td_mrownerconfig, w->gen.report.mrownerconfig[0] = 1)
CHANGE(td_mrservicetd, w->gen.report.mrservicetd[0] = 1)
CHANGE(td_mrservicetd_named, w->policy.mrservicetd.values[0][0] = 1)
CHANGE(td_report_data, w->report_data[0] ^= 1)
CHANGE(td_report_data_end, w->report_data[63] ^= 0x80)

#define BELIEVED TDX_N_RULES
enum { BOTH, ONLY_4, ONLY_5 };

static const struct row {
	const char *name;
	void (*change)(struct world *w);
	enum tdx_rule first;		/* that fails */
	unsigned int n_more;		/* that fail as well, being about the same thing */
	unsigned int n_more_5;		/* in version 5 besides */
	int versions;
} rows[] = {
#define ROW(change, ...) { #change, change, __VA_ARGS__ }
	ROW(nothing, BELIEVED), ROW(trailing, BELIEVED), ROW(auth_none, BELIEVED),
	ROW(version_3, TDX_RULE_VERSION), ROW(version_not_taken, TDX_RULE_VERSION), ROW(tee_sgx, TDX_RULE_TEE_TYPE),
	ROW(key_p384, TDX_RULE_KEY_TYPE), ROW(vendor_other, TDX_RULE_QE_VENDOR), ROW(cut_short, TDX_RULE_FORMAT),
	ROW(pck_expired, TDX_RULE_PCK_CHAIN), ROW(pck_not_yet, TDX_RULE_PCK_CHAIN), ROW(pck_last_second, BELIEVED),
	ROW(ca_expired, TDX_RULE_PCK_CHAIN), ROW(root_expired, TDX_RULE_PCK_CHAIN, 2),
	ROW(pck_forged, TDX_RULE_PCK_CHAIN),
	ROW(ca_forged, TDX_RULE_PCK_CHAIN), ROW(ca_no_ca, TDX_RULE_PCK_CHAIN), ROW(root_other, TDX_RULE_PCK_CHAIN, 2),
	ROW(chain_swapped, TDX_RULE_PCK_CHAIN), ROW(chain_without_ca, TDX_RULE_PCK_CHAIN),
	ROW(chain_of_root, TDX_RULE_PCK_CHAIN), ROW(chain_of_two, TDX_RULE_PCK_CHAIN),
	ROW(chain_of_two_by_name, TDX_RULE_PCK_CHAIN),
	ROW(chain_of_four, TDX_RULE_PCK_CHAIN), ROW(chain_of_none, TDX_RULE_PCK_CHAIN),
	ROW(chain_of_signer, TDX_RULE_PCK_CHAIN), ROW(pck_for_other, TDX_RULE_PCK_CHAIN),
	ROW(ca_for_other, TDX_RULE_PCK_CHAIN), ROW(ca_processor, BELIEVED),
	ROW(pck_no_extension, TDX_RULE_PCK_SGX), ROW(pck_bad_extension, TDX_RULE_PCK_SGX),
	ROW(qe_forged, TDX_RULE_QE_SIGNATURE), ROW(qe_vouches_for_none, TDX_RULE_QE_KEY),
	ROW(quote_forged, TDX_RULE_QUOTE_SIGNATURE), ROW(no_collateral, TDX_RULE_COLLATERAL),
	ROW(ca_revoked, TDX_RULE_PCK_CA_CRL), ROW(root_crl_stale, TDX_RULE_PCK_CA_CRL, 2),
	ROW(root_crl_early, TDX_RULE_PCK_CA_CRL, 2), ROW(root_crl_forged, TDX_RULE_PCK_CA_CRL, 2),
	ROW(root_crl_of_ca, TDX_RULE_PCK_CA_CRL, 2),
	ROW(pck_revoked, TDX_RULE_PCK_CRL), ROW(pck_crl_stale, TDX_RULE_PCK_CRL), ROW(pck_crl_early, TDX_RULE_PCK_CRL),
	ROW(pck_crl_forged, TDX_RULE_PCK_CRL), ROW(pck_crl_of_root, TDX_RULE_PCK_CRL),
	ROW(signer_revoked, TDX_RULE_QEID_SIGNER, 1), ROW(signer_expired, TDX_RULE_QEID_SIGNER, 1),
	ROW(signer_forged, TDX_RULE_QEID_SIGNER, 1), ROW(signer_for_other, TDX_RULE_QEID_SIGNER, 1),
	ROW(signer_is_ca, TDX_RULE_QEID_SIGNER, 1), ROW(signer_is_pck, TDX_RULE_QEID_SIGNER, 1),
	ROW(signer_is_root, TDX_RULE_QEID_SIGNER, 1), ROW(signer_alone, TDX_RULE_QEID_SIGNER, 1),
	ROW(signer_none, TDX_RULE_QEID_SIGNER, 1),
	ROW(qeid_forged, TDX_RULE_QEID_SIGNATURE), ROW(qeid_of_sgx, TDX_RULE_QEID_FORMAT),
	ROW(qeid_early, TDX_RULE_QEID_WINDOW), ROW(qeid_late, TDX_RULE_QEID_WINDOW), ROW(windows_of_a_second, BELIEVED),
	ROW(evaluation_floor, BELIEVED), ROW(evaluation_below, TDX_RULE_QEID_EVALUATION, 1),
	ROW(qeid_evaluation_below, TDX_RULE_QEID_EVALUATION), ROW(tcb_evaluation_below, TDX_RULE_TCB_EVALUATION),
	ROW(qe_mrsigner, TDX_RULE_QE_MRSIGNER), ROW(qe_isvprodid, TDX_RULE_QE_ISVPRODID),
	ROW(qe_miscselect, TDX_RULE_QE_MISCSELECT), ROW(qe_attributes, TDX_RULE_QE_ATTRIBUTES),
	ROW(qe_debug, TDX_RULE_QE_ATTRIBUTES), ROW(qe_debug_unmasked, TDX_RULE_QE_ATTRIBUTES),
	ROW(qe_out_of_date, TDX_RULE_QE_STATUS), ROW(qe_out_of_date_taken, BELIEVED),
	ROW(qe_out_of_date_not_by_platform, TDX_RULE_QE_STATUS), ROW(qe_below, TDX_RULE_QE_STATUS),
	ROW(qe_revoked, TDX_RULE_QE_STATUS),
	ROW(tcb_forged, TDX_RULE_TCB_SIGNATURE), ROW(tcb_version_2, TDX_RULE_TCB_FORMAT),
	ROW(tcb_of_sgx, TDX_RULE_TCB_FORMAT),
	ROW(tcb_early, TDX_RULE_TCB_WINDOW), ROW(tcb_late, TDX_RULE_TCB_WINDOW), ROW(tcb_fmspc, TDX_RULE_TCB_FMSPC),
	ROW(pck_fmspc, TDX_RULE_TCB_FMSPC), ROW(tcb_pceid, TDX_RULE_TCB_PCEID), ROW(module_signer, TDX_RULE_TCB_MODULE),
	ROW(module_attributes, TDX_RULE_TCB_MODULE), ROW(module_signer_major_0, TDX_RULE_TCB_MODULE),
	ROW(module_major_0, BELIEVED), ROW(module_unknown, TDX_RULE_TCB_MODULE, 1),
	ROW(module_out_of_date, TDX_RULE_TCB_STATUS), ROW(module_out_of_date_taken, BELIEVED),
	ROW(module_below, TDX_RULE_TCB_STATUS), ROW(platform_out_of_date, TDX_RULE_TCB_STATUS, 0, 1),
	ROW(platform_out_of_date_taken, BELIEVED), ROW(platform_hardening, TDX_RULE_TCB_STATUS, 0, 1),
	ROW(platform_configuration, TDX_RULE_TCB_STATUS, 0, 1), ROW(platform_revoked, TDX_RULE_TCB_STATUS, 0, 1),
	ROW(platform_below, TDX_RULE_TCB_STATUS, 0, 1), ROW(current_out_of_date, TDX_RULE_TCB_CURRENT, 0, 0, ONLY_5),
	ROW(current_out_of_date, BELIEVED, 0, 0, ONLY_4),
	ROW(td_debug, TDX_RULE_TD_DEBUG), ROW(td_debug_any, BELIEVED), ROW(td_debug_wanted, TDX_RULE_TD_DEBUG),
	ROW(td_sept, TDX_RULE_TD_SEPT_VE_DISABLE), ROW(td_migratable, TDX_RULE_TD_MIGRATABLE), ROW(td_pks, BELIEVED),
	ROW(td_pks_refused, TDX_RULE_TD_PKS), ROW(td_kl_wanted, TDX_RULE_TD_KL), ROW(td_perfmon, TDX_RULE_TD_PERFMON),
	ROW(td_attribute, TDX_RULE_TD_ATTRIBUTES), ROW(td_attribute_allowed, BELIEVED),
	ROW(td_xfam_less, TDX_RULE_TD_XFAM), ROW(td_xfam_more, TDX_RULE_TD_XFAM), ROW(td_xfam_high, TDX_RULE_TD_XFAM),
	ROW(td_mrtd, TDX_RULE_TD_MRTD), ROW(td_mrtd_unnamed, TDX_RULE_TD_MRTD), ROW(td_mrtd_any, BELIEVED),
	ROW(td_mrtd_second, BELIEVED), ROW(td_rtmr0, TDX_RULE_TD_RTMR0), ROW(td_rtmr1, TDX_RULE_TD_RTMR1),
	ROW(td_rtmr2, TDX_RULE_TD_RTMR2), ROW(td_rtmr3, TDX_RULE_TD_RTMR3), ROW(td_mrseam, TDX_RULE_TD_MRSEAM),
	ROW(td_mrsignerseam, TDX_RULE_TD_MRSIGNERSEAM), ROW(td_mrconfigid, TDX_RULE_TD_MRCONFIGID),
	ROW(td_mrowner, TDX_RULE_TD_MROWNER), ROW(td_mrownerconfig, TDX_RULE_TD_MROWNERCONFIG),
	ROW(td_mrservicetd, TDX_RULE_TD_MRSERVICETD, 0, 0, ONLY_5), ROW(td_mrservicetd, BELIEVED, 0, 0, ONLY_4),
	ROW(td_mrservicetd_named, TDX_RULE_TD_MRSERVICETD),
	ROW(td_report_data, TDX_RULE_TD_REPORT_DATA), ROW(td_report_data_end, TDX_RULE_TD_REPORT_DATA),
};

static bool is_row_right(const struct row *row, uint16_t version)
{
	const struct verdict_rule *first;
	size_t n_failures;
	bool believed;

	world_init(version);
	row->change(&world);
	world_make();
	believed = ask();
	world_fini();
	first = verdict_first_failure(&verdict);
	n_failures = count(VERDICT_FAILS);
	if (!is_complete())
		return false;
	if (row->first == BELIEVED)
		return believed && !first && count(VERDICT_NOT_JUDGED) == 0;
	return !believed && first && strcmp(first->name, tdx_rule_name(row->first)) == 0 &&
	       n_failures == 1 + row->n_more + (version == 5 ? row->n_more_5 : 0);
}

static void each_rule_finds_its_own(void)
{
	bool seen[TDX_N_RULES] = { false };

	CHECK_LOOP_BEGIN();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (uint16_t version = 4; version <= 5; version++) {
			const struct verdict_rule *first;

			if (rows[i].versions == (version == 4 ? ONLY_5 : ONLY_4))
				continue;
			if (is_row_right(&rows[i], version)) {
				for (unsigned int rule = 0; rule < TDX_N_RULES; rule++)
					seen[rule] |= outcome(rule) == VERDICT_FAILS;
				continue;
			}
			first = verdict_first_failure(&verdict);
			CHECK_LOOP(false, "%s, version %u: %zu fail, first %s: %s", rows[i].name, version,
				   count(VERDICT_FAILS), first ? first->name : "none", first ? first->text : "");
		}
	}
	for (unsigned int rule = 0; rule < TDX_N_RULES; rule++)
		CHECK_LOOP(seen[rule], "%s fails nowhere here", tdx_rule_name(rule));
	CHECK_LOOP_END();
}

/* SHA-256 is right, and there is more than zeros after it. */
static void qe_report_data_ends_in_zeros(void)
{
	struct tdx_quote quote;

	world_init(4);
	world_make();
	TDXGEN_NEED(tdx_quote_parse(world.quote, world.quote_len, &quote) == 0);
	memcpy(world.gen.qe.report_data, quote.qe.report_data, 64);
	world.gen.keep_qe_report_data = true;
	world.quote_len = tdxgen_quote(&world.gen, world.quote);
	CU_ASSERT_TRUE(ask());
	world.gen.qe.report_data[63] = 1;
	world.quote_len = tdxgen_quote(&world.gen, world.quote);
	CU_ASSERT_FALSE(ask());
	CU_ASSERT_EQUAL(outcome(TDX_RULE_QE_KEY), VERDICT_FAILS);
	CU_ASSERT_EQUAL(outcome(TDX_RULE_QUOTE_SIGNATURE), VERDICT_NOT_JUDGED);
	world_fini();
}

static void what_rests_on_a_failed_rule_is_not_judged(void)
{
	world_init(5);
	quote_forged(&world);
	td_debug(&world);
	platform_out_of_date(&world);
	world_make();
	CU_ASSERT_FALSE(ask());
	CU_ASSERT_EQUAL(count(VERDICT_FAILS), 1);
	CU_ASSERT_EQUAL(outcome(TDX_RULE_QUOTE_SIGNATURE), VERDICT_FAILS);
	for (unsigned int rule = TDX_RULE_TD_DEBUG; rule < TDX_N_RULES; rule++)
		CU_ASSERT_EQUAL(outcome(rule), VERDICT_NOT_JUDGED);
	CU_ASSERT_EQUAL(outcome(TDX_RULE_QE_STATUS), VERDICT_NOT_JUDGED);
	CU_ASSERT_EQUAL(outcome(TDX_RULE_TCB_STATUS), VERDICT_NOT_JUDGED);
	CU_ASSERT_EQUAL(outcome(TDX_RULE_TCB_WINDOW), VERDICT_HOLDS);
	world_fini();
}

static void sentences_say_what_was_found(void)
{
	world_init(5);
	platform_out_of_date(&world);
	world_make();
	CU_ASSERT_FALSE(ask());
	CU_ASSERT_PTR_NOT_NULL(strstr(text_of(TDX_RULE_TCB_STATUS), "OutOfDate"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text_of(TDX_RULE_TCB_STATUS),
				      "2024-03-13, advisories INTEL-SA-00001 INTEL-SA-00002"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text_of(TDX_RULE_TD_MRTD), "91919191"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text_of(TDX_RULE_TD_MROWNER), "zeros"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text_of(TDX_RULE_PCK_SGX), "B0C06F000001"));
	world_fini();

	/* more advisories than fit: whole ones only */
	world_init(5);
	platform_out_of_date(&world);
	world.gen.tcbinfo.levels[1].advisories = "[\"INTEL-SA-00001\",\"INTEL-SA-00002\",\"INTEL-SA-00003\","
		"\"INTEL-SA-00004\",\"INTEL-SA-00005\",\"INTEL-SA-00006\"]";
	world_make();
	CU_ASSERT_FALSE(ask());
	CU_ASSERT_PTR_NOT_NULL(strstr(text_of(TDX_RULE_TCB_STATUS), "INTEL-SA-00005 ..."));
	CU_ASSERT_TRUE(is_complete());
	world_fini();
}

/* A policy that nobody filled in, and one that was only named versions. */
static void empty_policy_refuses(void)
{
	world_init(5);
	world_make();
	memset(&world.policy, 0, sizeof(world.policy));
	CU_ASSERT_FALSE(ask());
	world.policy.versions = 1u << 5;
	CU_ASSERT_FALSE(ask());
	for (unsigned int rule = TDX_RULE_TD_DEBUG; rule <= TDX_RULE_TD_PERFMON; rule++)
		CU_ASSERT_EQUAL(outcome(rule), VERDICT_FAILS);
	for (unsigned int rule = TDX_RULE_TD_XFAM; rule < TDX_RULE_TD_REPORT_DATA; rule++)
		CU_ASSERT_EQUAL(outcome(rule), VERDICT_FAILS);
	CU_ASSERT_EQUAL(outcome(TDX_RULE_TCB_STATUS), VERDICT_FAILS);
	CU_ASSERT_EQUAL(outcome(TDX_RULE_QE_STATUS), VERDICT_FAILS);
	tdx_policy_init(&world.policy);
	CU_ASSERT_FALSE(ask());
	CU_ASSERT_EQUAL(count(VERDICT_FAILS), 6);
	for (unsigned int i = 0; i < TDX_POLICY_MAX_VALUES; i++)
		CU_ASSERT_EQUAL(tdx_expected_add(&world.policy.mrtd, world.gen.report.mrtd), 0);
	CU_ASSERT_EQUAL(tdx_expected_add(&world.policy.mrtd, world.gen.report.mrtd), -ENOSPC);
	world_fini();
}

/* ---- every byte ---- */

/* Are the certificates of both quotes the same bytes once they are out of their PEM? */
static bool same_certs(const struct tdx_quote *a, const struct tdx_quote *b)
{
	struct x509_cert *first[4], *second[4];
	size_t n_first = 0, n_second = 0;
	bool same;

	TDXGEN_NEED(x509_certs_parse_pem(a->pem, a->pem_len, 4, first, &n_first) == 0);
	if (x509_certs_parse_pem(b->pem, b->pem_len, 4, second, &n_second) < 0)
		n_second = 0;
	same = n_first == n_second;
	for (size_t i = 0; i < n_first && same; i++)
		same = x509_cert_is(first[i], second[i]);
	for (size_t i = 0; i < n_first; i++)
		x509_cert_free(first[i]);
	for (size_t i = 0; i < n_second; i++)
		x509_cert_free(second[i]);
	return same;
}

/* Of the world's quote: believed, or at least signed, and not so after any change before what trails it. */
static void change_every_byte(const char *name, bool believed)
{
	static uint8_t before[TDXGEN_QUOTE_SIZE];
	struct tdx_quote quote, changed;
	size_t pem_at, n_same = 0;

	TDXGEN_NEED(world.quote_len <= sizeof(before));
	memcpy(before, world.quote, world.quote_len);
	TDXGEN_NEED(tdx_quote_parse(before, world.quote_len, &quote) == 0);
	pem_at = (size_t)((const uint8_t *)quote.pem - before);
	CHECK_LOOP_BEGIN();
	CHECK_LOOP(ask() == believed && outcome(TDX_RULE_QUOTE_SIGNATURE) == VERDICT_HOLDS, "%s as it is", name);
	/* of the PEM, which no signature covers as such, one byte in seven */
	for (size_t at = 0; at < quote.len; at += at < pem_at ? 1 : 7) {
		bool holds;

		world.quote[at] ^= (uint8_t)(1u << at % 8);
		holds = believed ? ask() : (ask(), outcome(TDX_RULE_QUOTE_SIGNATURE) == VERDICT_HOLDS);
		/* PEM has characters that say nothing */
		if (holds && at >= pem_at) {
			TDXGEN_NEED(tdx_quote_parse(world.quote, world.quote_len, &changed) == 0);
			CHECK_LOOP(same_certs(&quote, &changed), "%s: byte %zu, other certificates", name, at);
			n_same++;
		} else {
			CHECK_LOOP(!holds, "%s: byte %zu", name, at);
		}
		world.quote[at] = before[at];
	}
	/* nor is there much of that */
	CHECK_LOOP(n_same < 60, "%s: %zu changes of the PEM mean nothing", name, n_same);
	for (size_t at = quote.len; at < world.quote_len; at++) {
		world.quote[at] ^= 0xff;
		CHECK_LOOP(ask() == believed && outcome(TDX_RULE_QUOTE_SIGNATURE) == VERDICT_HOLDS,
			   "%s: trailing byte %zu", name, at);
	}
	CHECK_LOOP_END();
}

static void every_byte_of_a_generated_quote_counts(void)
{
	for (uint16_t version = 4; version <= 5; version++) {
		world_init(version);
		world.gen.n_trailing = 5;
		world_make();
		change_every_byte(version == 4 ? "version 4" : "version 5", true);
		world_fini();
	}
}

static void change_every_character(struct tdx_document *document, enum tdx_rule rule)
{
	CHECK_LOOP_BEGIN();
	for (size_t at = 0; at < document->len; at++) {
		document->text[at] ^= 1;
		CHECK_LOOP(!ask() && outcome(rule) == VERDICT_FAILS, "character %zu", at);
		document->text[at] ^= 1;
	}
	for (size_t at = 0; at < sizeof(document->signature); at++) {
		document->signature[at] ^= 1;
		CHECK_LOOP(!ask() && outcome(rule) == VERDICT_FAILS, "signature %zu", at);
		document->signature[at] ^= 1;
	}
	document->len--;
	CHECK_LOOP(!ask() && outcome(rule) == VERDICT_FAILS, "one less");
	document->len++;
	CHECK_LOOP(ask(), "put back");
	CHECK_LOOP_END();
}

static void every_character_that_intel_signed_counts(void)
{
	world_init(5);
	world_make();
	change_every_character(&world.collateral->tcb_info, TDX_RULE_TCB_SIGNATURE);
	change_every_character(&world.collateral->qe_identity, TDX_RULE_QEID_SIGNATURE);
	world_fini();
}

/* The same values in other bytes: white space, the case of hex digits, the order of members. */
static void white_space_inside_what_is_signed_counts(void)
{
	static const struct {
		const char *from, *to;
		enum tdx_rule rule;
	} changes[] = {
		{ "\"version\":3", "\"version\": 3", TDX_RULE_TCB_SIGNATURE },
		{ "\"version\":2", "\"version\":\n2", TDX_RULE_QEID_SIGNATURE },
		{ "\"B0C06F", "\"b0c06f", TDX_RULE_TCB_SIGNATURE },
		{ "\"id\":\"TDX\",\"version\":3", "\"version\":3,\"id\":\"TDX\"", TDX_RULE_TCB_SIGNATURE },
		/* outside, it does not */
		{ "\"tcb_info\": {", "\"tcb_info\" :\n\t{", TDX_N_RULES },
	};
	char tcbinfo[TDXGEN_TEXT_SIZE], qeidentity[TDXGEN_TEXT_SIZE];
	char *json;

	world_init(4);
	world_make();
	tdxgen_tcbinfo(&world.gen, tcbinfo);
	tdxgen_qeidentity(&world.gen, qeidentity);
	json = tdxgen_collateral_of(&world.gen, TDXGEN_OBJECTS, tcbinfo, qeidentity);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const char *at = strstr(json, changes[i].from);
		char *changed = malloc(strlen(json) + 64);

		TDXGEN_NEED(at && changed);
		sprintf(changed, "%.*s%s%s", (int)(at - json), json, changes[i].to, at + strlen(changes[i].from));
		tdx_collateral_free(world.collateral);
		world.collateral = NULL;
		CU_ASSERT_EQUAL_FATAL(tdx_collateral_new(changed, strlen(changed), &world.collateral), 0);
		CU_ASSERT_EQUAL(ask(), changes[i].rule == TDX_N_RULES);
		if (changes[i].rule != TDX_N_RULES)
			CU_ASSERT_STRING_EQUAL(verdict_first_failure(&verdict)->name, tdx_rule_name(changes[i].rule));
		free(changed);
	}
	free(json);
	world_fini();
}

/* ---- real evidence ---- */

#define MOMENT_2025_07_01 INT64_C(1751328000)
#define MOMENT_2023_06_20 INT64_C(1687219200)

/* false: it is not there. */
static bool real_init(const char *quote, const char *collateral)
{
	uint8_t *bytes;
	size_t len;

	memset(&world, 0, sizeof(world));
	bytes = real_read("tdx", quote, &len);
	if (!bytes)
		return false;
	TDXGEN_NEED(len <= sizeof(world.quote));
	memcpy(world.quote, bytes, len);
	world.quote_len = len;
	free(bytes);
	TDXGEN_NEED(tdx_root_new(&world.root) == 0);
	world.now_s = MOMENT_2025_07_01;
	if (!collateral)
		return true;
	bytes = real_read("tdx", collateral, &len);
	if (!bytes) {
		x509_cert_free(world.root);
		return false;
	}
	TDXGEN_NEED(tdx_collateral_new((const char *)bytes, len, &world.collateral) == 0);
	free(bytes);
	return true;
}

static void real_fini(void)
{
	tdx_collateral_free(world.collateral);
	x509_cert_free(world.root);
}

/* A policy that names what the quote has. */
static void name_measurements(void)
{
	struct tdx_quote quote;

	TDXGEN_NEED(tdx_quote_parse(world.quote, world.quote_len, &quote) == 0);
	tdx_policy_init(&world.policy);
	tdx_expected_add(&world.policy.mrtd, quote.report.mrtd);
	tdx_expected_add(&world.policy.mrseam, quote.report.mrseam);
	for (unsigned int i = 0; i < TDX_N_RTMRS; i++)
		tdx_expected_add(&world.policy.rtmr[i], quote.report.rtmr[i]);
	memcpy(world.report_data, quote.report.report_data, TDX_REPORT_DATA_LEN);
}

/* Inside and outside the window, which is where all documents and CRLs are good. */
static void real_v4_is_believed_inside_its_window(void)
{
	static const struct {
		const char *moment, *first;	/* rule that fails */
	} cases[] = {
		{ "2025-06-19T10:32:27Z", NULL }, { "2025-07-01T00:00:00Z", NULL }, { "2025-07-19T10:00:35Z", NULL },
		{ "2025-06-19T10:32:26Z", "tdx.qe_identity.window" }, { "2025-07-19T10:00:36Z", "tdx.pck.crl" },
		{ "2025-06-01T00:00:00Z", "tdx.pck.crl" }, { "2025-09-01T00:00:00Z", "tdx.pck.crl" },
		{ "2025-01-01T00:00:00Z", "tdx.pck.chain" }, { "2033-01-01T00:00:00Z", "tdx.pck.chain" },
	};

	if (!real_init("v4-collateral.quote", "v4-collateral.json"))
		return;
	name_measurements();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct verdict_rule *first;

		TDXGEN_NEED(date_parse(cases[i].moment, DATE_TEXT_LEN, &world.now_s) == 0);
		CU_ASSERT_EQUAL(ask(), cases[i].first == NULL);
		CU_ASSERT_TRUE(is_complete());
		first = verdict_first_failure(&verdict);
		CU_ASSERT_STRING_EQUAL(first ? first->name : "", cases[i].first ? cases[i].first : "");
	}
	/* the table's own window ends a little after the CRL's */
	for (int64_t second = 3; second <= 4; second++) {
		TDXGEN_NEED(date_parse("2025-07-19T10:16:00Z", DATE_TEXT_LEN, &world.now_s) == 0);
		world.now_s += second;
		CU_ASSERT_FALSE(ask());
		CU_ASSERT_EQUAL(outcome(TDX_RULE_TCB_WINDOW), second == 3 ? VERDICT_HOLDS : VERDICT_FAILS);
	}
	/* the second verdict: the default policy names no measurements */
	world.now_s = MOMENT_2025_07_01;
	tdx_policy_init(&world.policy);
	CU_ASSERT_FALSE(ask());
	CU_ASSERT_EQUAL(outcome(TDX_RULE_QUOTE_SIGNATURE), VERDICT_HOLDS);
	CU_ASSERT_STRING_EQUAL(verdict_first_failure(&verdict)->name, "tdx.td.mrtd");
	CU_ASSERT_EQUAL(count(VERDICT_FAILS), 6);
	real_fini();
}

/* Signatures hold; nothing is believed without collateral for the platform, and the policy finds what it finds. */
static void real_quotes_without_collateral_are_signed(void)
{
	static const struct {
		const char *name;
		enum tdx_rule policy_rule;
	} cases[] = {
		{ "v4-trailing.quote", TDX_RULE_TD_SEPT_VE_DISABLE }, { "v5.quote", TDX_RULE_TD_MRSERVICETD },
		{ "v4-collateral.quote", TDX_N_RULES },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!real_init(cases[i].name, NULL))
			continue;
		name_measurements();
		CU_ASSERT_FALSE(ask());
		CU_ASSERT_EQUAL(outcome(TDX_RULE_PCK_CHAIN), VERDICT_HOLDS);
		CU_ASSERT_EQUAL(outcome(TDX_RULE_QE_SIGNATURE), VERDICT_HOLDS);
		CU_ASSERT_EQUAL(outcome(TDX_RULE_QUOTE_SIGNATURE), VERDICT_HOLDS);
		CU_ASSERT_STRING_EQUAL(verdict_first_failure(&verdict)->name, "tdx.collateral");
		CU_ASSERT_EQUAL(count(VERDICT_FAILS), cases[i].policy_rule == TDX_N_RULES ? 1 : 2);
		if (cases[i].policy_rule != TDX_N_RULES)
			CU_ASSERT_EQUAL(outcome(cases[i].policy_rule), VERDICT_FAILS);
		real_fini();
	}
}

static void real_collateral_of_another_platform_is_refused(void)
{
	static const char *const names[] = { "v4-trailing.quote", "v5.quote" };

	for (size_t i = 0; i < 2; i++) {
		if (!real_init(names[i], "v4-collateral.json"))
			continue;
		name_measurements();
		CU_ASSERT_FALSE(ask());
		CU_ASSERT_STRING_EQUAL(verdict_first_failure(&verdict)->name, "tdx.tcb.fmspc");
		CU_ASSERT_EQUAL(outcome(TDX_RULE_TCB_STATUS), VERDICT_NOT_JUDGED);
		real_fini();
	}
}

/* The PCK chain of one machine in the quote of another. */
static void real_certificates_swapped_are_refused(void)
{
	struct tdx_quote quote, other;
	uint8_t *bytes;
	size_t len;

	if (!real_init("v4-collateral.quote", "v4-collateral.json"))
		return;
	name_measurements();
	bytes = real_read("tdx", "v4-trailing.quote", &len);
	if (bytes) {
		TDXGEN_NEED(tdx_quote_parse(world.quote, world.quote_len, &quote) == 0);
		TDXGEN_NEED(tdx_quote_parse(bytes, len, &other) == 0 && other.pem_len <= quote.pem_len);
		memcpy(world.quote + (quote.pem - (const char *)world.quote), other.pem, other.pem_len);
		CU_ASSERT_FALSE(ask());
		CU_ASSERT_STRING_EQUAL(verdict_first_failure(&verdict)->name, "tdx.qe.signature");
		free(bytes);
	}
	real_fini();
}

static void real_root_is_the_pinned_one(void)
{
	struct x509_cert *certs[1];
	size_t len, n;
	uint8_t *pem;

	/* another root than the one that it leads to */
	if (real_init("v4-collateral.quote", "v4-collateral.json")) {
		name_measurements();
		CU_ASSERT_TRUE(ask());
		x509_cert_free(world.root);
		tdxgen_init(&world.gen);
		world.root = make_root(&world.gen, false);
		CU_ASSERT_FALSE(ask());
		CU_ASSERT_STRING_EQUAL(verdict_first_failure(&verdict)->name, "tdx.pck.chain");
		tdxgen_fini(&world.gen);
		real_fini();
	}
	pem = real_read("tdx", "intel-sgx-root.pem", &len);
	if (!pem)
		return;
	CU_ASSERT_EQUAL_FATAL(x509_certs_parse_pem((const char *)pem, len, 1, certs, &n), 0);
	TDXGEN_NEED(tdx_root_new(&world.root) == 0);
	CU_ASSERT_TRUE(n == 1 && x509_cert_is(certs[0], world.root));
	x509_cert_free(certs[0]);
	x509_cert_free(world.root);
	free(pem);
}

/* The CRLs of 2023 in place of those of 2025: right at their time, stale at the quote's. */
static void real_stale_crls_are_refused(void)
{
	static const char *const names[] = { "root.crl.der", "pck.crl.der" };

	for (size_t i = 0; i < 2; i++) {
		struct x509_crl **crl;
		size_t len;
		uint8_t *der = real_read("tdx", names[i], &len);

		if (!der)
			continue;
		if (real_init("v4-collateral.quote", "v4-collateral.json")) {
			name_measurements();
			crl = i == 0 ? &world.collateral->root_crl : &world.collateral->pck_crl;
			x509_crl_free(*crl);
			*crl = NULL;
			TDXGEN_NEED(x509_crl_parse(der, len, crl) == 0);
			CU_ASSERT_FALSE(ask());
			CU_ASSERT_STRING_EQUAL(verdict_first_failure(&verdict)->name,
					       i == 0 ? "tdx.pck.ca_crl" : "tdx.pck.crl");
			real_fini();
		}
		/* with a quote of that time */
		if (real_init("v4-trailing.quote", "v4-collateral.json")) {
			name_measurements();
			world.now_s = MOMENT_2023_06_20;
			crl = i == 0 ? &world.collateral->root_crl : &world.collateral->pck_crl;
			x509_crl_free(*crl);
			*crl = NULL;
			TDXGEN_NEED(x509_crl_parse(der, len, crl) == 0);
			CU_ASSERT_FALSE(ask());
			CU_ASSERT_EQUAL(outcome(i == 0 ? TDX_RULE_PCK_CA_CRL : TDX_RULE_PCK_CRL), VERDICT_HOLDS);
			CU_ASSERT_EQUAL(outcome(i == 0 ? TDX_RULE_PCK_CRL : TDX_RULE_PCK_CA_CRL), VERDICT_FAILS);
			real_fini();
		}
		free(der);
	}
}

static void every_byte_of_a_real_quote_counts(void)
{
	static const struct {
		const char *name, *collateral;
	} cases[] = {
		{ "v4-collateral.quote", "v4-collateral.json" }, { "v4-trailing.quote", NULL }, { "v5.quote", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!real_init(cases[i].name, cases[i].collateral))
			continue;
		name_measurements();
		change_every_byte(cases[i].name, cases[i].collateral != NULL);
		real_fini();
	}
}

static void every_character_of_real_collateral_counts(void)
{
	if (!real_init("v4-collateral.quote", "v4-collateral.json"))
		return;
	name_measurements();
	change_every_character(&world.collateral->tcb_info, TDX_RULE_TCB_SIGNATURE);
	change_every_character(&world.collateral->qe_identity, TDX_RULE_QEID_SIGNATURE);
	real_fini();
}

int main(void)
{
	static const struct check checks[] = {
		{ "each rule finds its own", each_rule_finds_its_own },
		{ "QE report data ends in zeros", qe_report_data_ends_in_zeros },
		{ "what rests on a failed rule is not judged", what_rests_on_a_failed_rule_is_not_judged },
		{ "sentences say what was found", sentences_say_what_was_found },
		{ "empty policy refuses", empty_policy_refuses },
		{ "every byte of a generated quote counts", every_byte_of_a_generated_quote_counts },
		{ "every character that Intel signed counts", every_character_that_intel_signed_counts },
		{ "white space inside what is signed counts", white_space_inside_what_is_signed_counts },
		{ "real version 4 is believed inside its window", real_v4_is_believed_inside_its_window },
		{ "real quotes without collateral are signed", real_quotes_without_collateral_are_signed },
		{ "real collateral of another platform is refused", real_collateral_of_another_platform_is_refused },
		{ "real certificates swapped are refused", real_certificates_swapped_are_refused },
		{ "real root is the pinned one", real_root_is_the_pinned_one },
		{ "real stale CRLs are refused", real_stale_crls_are_refused },
		{ "every byte of a real quote counts", every_byte_of_a_real_quote_counts },
		{ "every character of real collateral counts", every_character_of_real_collateral_counts },
		{ NULL, NULL },
	};

	return check_main("tdx verify", checks);
}
