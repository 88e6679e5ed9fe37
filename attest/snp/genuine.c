// SPDX-License-Identifier: MIT
/*
 * genuine: the rules that make a report authentic: it has the form of one, and
 * a key that AMD endorses for a processor of this product signed it.
 */
#include <stdio.h>
#include <string.h>

#include "judging.h"

#define P384_LEN 48u

static const char *const cert_names[SNP_MAX_CERTS] = {
	"the signing key's certificate", "the intermediate certificate", "the root certificate"
};

static const char *key_name(unsigned int signing_key)
{
	switch (signing_key) {
	case SNP_KEY_VCEK:
		return "a VCEK";
	case SNP_KEY_VLEK:
		return "a VLEK";
	case SNP_KEY_NONE:
		return "no key";
	default:
		return "a key of an unknown kind";
	}
}

/* Judge, and remember what later rules may count on. */
static void establish(struct snp_judging *judging, const struct snp_rule *rule, unsigned int have, bool holds,
		      const char *good, const char *bad)
{
	if (verdict_judge(judging->verdict, rule->name, holds, "%s", holds ? good : bad))
		judging->have |= have;
}

static void judge_evidence(struct snp_judging *judging, const struct snp_rule *rule)
{
	bool holds = snp_evidence_parse(judging->bytes, judging->len, &judging->evidence) == 0;

	establish(judging, rule, SNP_HAVE_EVIDENCE, holds, "the evidence is a report and its certificates",
		  "the evidence is not one report and 2 or 3 certificates, exactly");
}

static void judge_version(struct snp_judging *judging, const struct snp_rule *rule)
{
	uint32_t version = snp_report_version(judging->evidence.report, SNP_REPORT_LEN);
	bool known = snp_report_version_known(version);

	if (!known)
		verdict_add(judging->verdict, rule->name, VERDICT_FAILS,
			    "the report has version %u; 2, 3 and 5 are known here", version);
	else if (verdict_judge(judging->verdict, rule->name, version >= judging->policy->min_version,
			       "the report has version %u; the policy asks for %u or later", version,
			       judging->policy->min_version))
		judging->have |= SNP_HAVE_VERSION;
}

static void judge_format(struct snp_judging *judging, const struct snp_rule *rule)
{
	const char *why = "";
	bool holds = snp_report_parse(judging->evidence.report, SNP_REPORT_LEN, &judging->report, &why) == 0;

	if (verdict_judge(judging->verdict, rule->name, holds, "the report %s%s",
			  holds ? "is well formed" : "is malformed: ", why))
		judging->have |= SNP_HAVE_REPORT;
}

static void judge_certificates(struct snp_judging *judging, const struct snp_rule *rule)
{
	const struct snp_evidence *evidence = &judging->evidence;

	for (size_t i = 0; i < evidence->n_certs; i++) {
		if (x509_cert_parse(evidence->certs[i].der, evidence->certs[i].len, &judging->certs[i]) == 0)
			continue;
		verdict_add(judging->verdict, rule->name, VERDICT_FAILS, "%s cannot be read", cert_names[i]);
		return;
	}
	establish(judging, rule, SNP_HAVE_CERTS, true, "the certificates can be read", "");
}

static void judge_endorsement(struct snp_judging *judging, const struct snp_rule *rule)
{
	const char *why = "";
	bool holds = snp_endorsement_read(judging->certs[0], &judging->endorsement, &why) == 0;

	if (verdict_judge(judging->verdict, rule->name, holds, "the signing key's certificate %s%s",
			  holds ? "has AMD's extensions" : "is not one of AMD's: ", why))
		judging->have |= SNP_HAVE_ENDORSEMENT;
}

/* The report's CPUID and the issuer must say the product that the certificate says. */
static void judge_product(struct snp_judging *judging, const struct snp_rule *rule)
{
	const struct snp_report *report = &judging->report;
	const struct snp_endorsement *endorsement = &judging->endorsement;
	const char *name = snp_product_name(endorsement->product);
	char expected[X509_NAME_MAX], issuer[X509_NAME_MAX];
	enum snp_product product;

	snprintf(expected, sizeof(expected), endorsement->kind == SNP_KEY_VLEK ? "SEV-VLEK-%s" : "SEV-%s", name);
	x509_cert_common_name(judging->certs[1], issuer);
	if (strcmp(expected, issuer))
		verdict_add(judging->verdict, rule->name, VERDICT_FAILS,
			    "the certificate is for %s, whose intermediate is %s; %.40s was given", name, expected, issuer);
	else if (!report->has_cpuid)
		establish(judging, rule, SNP_HAVE_PRODUCT, true,
			  "the certificates are for one product; a report of version 2 does not name its processor", "");
	else if (verdict_judge(judging->verdict, rule->name,
			       snp_product_from_cpuid(report->cpuid_family, report->cpuid_model, &product) &&
			       product == endorsement->product,
			       "the report's processor has CPUID family 0x%x, model 0x%x; the certificate is for %s",
			       report->cpuid_family, report->cpuid_model, name))
		judging->have |= SNP_HAVE_PRODUCT;
}

static void judge_anchor(struct snp_judging *judging, const struct snp_rule *rule)
{
	enum snp_product product = judging->endorsement.product;
	const struct x509_cert *ark = judging->trust->products[product].ark;
	const struct x509_cert *given = judging->certs[2];

	if (!ark)
		verdict_add(judging->verdict, rule->name, VERDICT_FAILS, "no root is pinned for %s",
			    snp_product_name(product));
	else if (verdict_judge(judging->verdict, rule->name, !given || x509_cert_is(given, ark),
			       given ? "the root that was given must be the one pinned for %s" :
			       "a root is pinned for %s", snp_product_name(product)))
		judging->have |= SNP_HAVE_ANCHOR;
}

/* All of the chain is checked here; the next two rules say the rest of what was found. */
static void judge_chain(struct snp_judging *judging, const struct snp_rule *rule)
{
	const struct x509_cert *ark = judging->trust->products[judging->endorsement.product].ark;
	enum x509_problem problem;
	bool holds;

	judging->chain[0] = judging->certs[0];
	judging->chain[1] = judging->certs[1];
	judging->chain[2] = ark;
	problem = x509_chain_check(judging->chain, SNP_MAX_CERTS, ark, X509_RSA_PSS_SHA384, judging->now,
				   &judging->problem_at);
	judging->problem = problem;
	holds = problem == X509_OK || problem == X509_CRITICAL || problem == X509_TWICE || problem == X509_NOT_YET ||
		problem == X509_EXPIRED;
	if (verdict_judge(judging->verdict, rule->name, holds, "%s %s",
			  holds ? "the chain from the pinned root" : cert_names[judging->problem_at],
			  holds ? "is signed link by link with RSA-PSS and SHA-384" : x509_problem_text(problem)))
		judging->have |= SNP_HAVE_LINKS;
}

static void judge_extensions(struct snp_judging *judging, const struct snp_rule *rule)
{
	bool holds = judging->problem != X509_CRITICAL && judging->problem != X509_TWICE;

	if (verdict_judge(judging->verdict, rule->name, holds, "%s %s",
			  holds ? "no certificate" : cert_names[judging->problem_at],
			  holds ? "has an extension twice, or an unknown critical one" :
			  x509_problem_text(judging->problem)))
		judging->have |= SNP_HAVE_EXTENSIONS;
}

static void judge_validity(struct snp_judging *judging, const struct snp_rule *rule)
{
	bool holds = judging->problem == X509_OK;

	if (verdict_judge(judging->verdict, rule->name, holds, "%s %s at the time given",
			  holds ? "each certificate" : cert_names[judging->problem_at],
			  holds ? "is valid" : x509_problem_text(judging->problem)))
		judging->have |= SNP_HAVE_CHAIN;
}

static void judge_crl(struct snp_judging *judging, const struct snp_rule *rule)
{
	const struct snp_product_trust *trust = &judging->trust->products[judging->endorsement.product];
	enum x509_problem problem;

	if (!trust->n_crls && !judging->policy->require_crl) {
		verdict_add(judging->verdict, rule->name, VERDICT_NOT_ASKED, "no revocation list is given for %s",
			    snp_product_name(judging->endorsement.product));
		judging->have |= SNP_HAVE_UNREVOKED;
		return;
	}
	/* AMD's root signs the lists; what it lists may be of the intermediate or of the signing key. */
	for (size_t i = 0; i < trust->n_crls; i++) {
		for (size_t at = 2; at-- > 0;) {
			problem = x509_crl_check(trust->crls[i], trust->ark, judging->chain[at], X509_RSA_PSS_SHA384,
						 judging->now);
			if (problem == X509_OK)
				continue;
			verdict_add(judging->verdict, rule->name, VERDICT_FAILS, "%s %s", cert_names[at],
				    x509_problem_text(problem));
			return;
		}
	}
	establish(judging, rule, SNP_HAVE_UNREVOKED, trust->n_crls, "no certificate is revoked",
		  "the policy asks for a revocation list and none is given");
}

static void judge_algorithm(struct snp_judging *judging, const struct snp_rule *rule)
{
	bool field = judging->report.signature_algorithm == SNP_ALGORITHM_ECDSA_P384_SHA384;

	establish(judging, rule, SNP_HAVE_KEY, field && x509_cert_has_key(judging->certs[0], X509_P384),
		  "the report and the certificate are for ECDSA with P-384",
		  field ? "the certificate's key is not one on P-384" :
		  "the report's signature algorithm is not 1, ECDSA with P-384 and SHA-384");
}

static void judge_signing_key(struct snp_judging *judging, const struct snp_rule *rule)
{
	unsigned int field = judging->report.signing_key;
	unsigned int kind = judging->endorsement.kind;

	if (field != kind)
		verdict_add(judging->verdict, rule->name, VERDICT_FAILS,
			    "the report says that %s signed it, the certificate is of %s", key_name(field), key_name(kind));
	else
		verdict_judge(judging->verdict, rule->name, kind == SNP_KEY_VCEK || judging->policy->vlek,
			      "%s signed the report; the policy accepts %s", key_name(kind),
			      judging->policy->vlek ? "VCEKs and VLEKs" : "VCEKs only");
}

/* 0 < number < order of the curve, in 72 little endian bytes; @ret_number gets it big endian. */
static bool read_scalar(const uint8_t bytes[SNP_SCALAR_LEN], uint8_t ret_number[P384_LEN])
{
	static const uint8_t order[P384_LEN] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
		0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
	};
	uint8_t high = 0, any = 0;

	for (size_t i = P384_LEN; i < SNP_SCALAR_LEN; i++)
		high |= bytes[i];
	for (size_t i = 0; i < P384_LEN; i++) {
		ret_number[i] = bytes[P384_LEN - 1 - i];
		any |= bytes[i];
	}
	return !high && any && memcmp(ret_number, order, P384_LEN) < 0;
}

static void judge_range(struct snp_judging *judging, const struct snp_rule *rule)
{
	uint8_t number[P384_LEN];
	bool holds = read_scalar(judging->report.r, number) && read_scalar(judging->report.s, number);

	establish(judging, rule, SNP_HAVE_RANGE, holds, "r and s are between 0 and the curve's order",
		  "r or s is 0, or not below the curve's order");
}

static void judge_signature(struct snp_judging *judging, const struct snp_rule *rule)
{
	uint8_t r[P384_LEN], s[P384_LEN];
	bool holds = read_scalar(judging->report.r, r) && read_scalar(judging->report.s, s) &&
		     x509_ecdsa_verify(judging->certs[0], X509_P384, r, s, judging->evidence.report, SNP_SIGNED_LEN);

	establish(judging, rule, SNP_HAVE_AUTHENTIC, holds, "the certificate's key signed the report",
		  "the certificate's key did not sign this report");
}

#define NEEDS_LEAF (SNP_HAVE_REPORT | SNP_HAVE_ENDORSEMENT)
#define NEEDS_ALL (SNP_HAVE_REPORT | SNP_HAVE_CHAIN | SNP_HAVE_UNREVOKED | SNP_HAVE_KEY | SNP_HAVE_RANGE)

const struct snp_rule snp_genuine_rules[] = {
	{ "snp.evidence", 0, judge_evidence },
	{ "snp.version", SNP_HAVE_EVIDENCE, judge_version },
	{ "snp.format", SNP_HAVE_VERSION, judge_format },
	{ "snp.certificates", SNP_HAVE_EVIDENCE, judge_certificates },
	{ "snp.endorsement", SNP_HAVE_CERTS, judge_endorsement },
	{ "snp.product", NEEDS_LEAF, judge_product },
	{ "snp.anchor", SNP_HAVE_PRODUCT, judge_anchor },
	{ "snp.chain", SNP_HAVE_ANCHOR, judge_chain },
	{ "snp.extensions", SNP_HAVE_LINKS, judge_extensions },
	{ "snp.validity", SNP_HAVE_EXTENSIONS, judge_validity },
	{ "snp.crl", SNP_HAVE_CHAIN, judge_crl },
	{ "snp.algorithm", SNP_HAVE_REPORT | SNP_HAVE_CERTS, judge_algorithm },
	{ "snp.signing_key", NEEDS_LEAF, judge_signing_key },
	{ "snp.signature_range", SNP_HAVE_REPORT, judge_range },
	{ "snp.signature", NEEDS_ALL, judge_signature },
};
const size_t snp_n_genuine_rules = sizeof(snp_genuine_rules) / sizeof(snp_genuine_rules[0]);
