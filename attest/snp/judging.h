/* SPDX-License-Identifier: MIT */
/*
 * judging: one run of snp_verify() and its rules.  A rule says what it needs
 * (SNP_HAVE_*); it is judged only if the rules before it found that, else it is
 * in the verdict as not judged.  What a report says is looked at by policy only
 * after its signature held.
 */
#ifndef ATTEST_SNP_JUDGING_H
#define ATTEST_SNP_JUDGING_H

#include "endorse.h"
#include "evidence.h"
#include "verify.h"

enum snp_have {
	SNP_HAVE_EVIDENCE = 1u << 0,	/* evidence */
	SNP_HAVE_VERSION = 1u << 1,
	SNP_HAVE_REPORT = 1u << 2,	/* report */
	SNP_HAVE_CERTS = 1u << 3,	/* certs */
	SNP_HAVE_ENDORSEMENT = 1u << 4,	/* endorsement */
	SNP_HAVE_PRODUCT = 1u << 5,
	SNP_HAVE_ANCHOR = 1u << 6,	/* chain */
	SNP_HAVE_LINKS = 1u << 7,	/* each certificate is signed by the next */
	SNP_HAVE_EXTENSIONS = 1u << 8,
	SNP_HAVE_CHAIN = 1u << 9,	/* and all are valid now */
	SNP_HAVE_UNREVOKED = 1u << 10,
	SNP_HAVE_KEY = 1u << 11,	/* the leaf's is for the report's algorithm */
	SNP_HAVE_RANGE = 1u << 12,	/* r and s */
	SNP_HAVE_AUTHENTIC = 1u << 13,	/* the report is what that processor's firmware signed */
	SNP_HAVE_TCB = 1u << 14,	/* current, committed, reported, launch */
};

struct snp_judging {
	const struct snp_trust *trust;
	const struct snp_policy *policy;
	const uint8_t *expected_report_data;
	int64_t now;
	struct verdict *verdict;

	unsigned int have;			/* SNP_HAVE_* */
	const uint8_t *bytes;
	size_t len;
	struct snp_evidence evidence;
	struct snp_report report;
	struct x509_cert *certs[SNP_MAX_CERTS];	/* owned; those of the evidence */
	struct snp_endorsement endorsement;	/* its product is the one that all agree on */
	const struct x509_cert *chain[SNP_MAX_CERTS];	/* leaf, ASK or ASVK, ARK; borrowed */
	enum x509_problem problem;		/* of the chain */
	size_t problem_at;
	struct snp_tcb current, committed, reported, launch;
};

struct snp_rule {
	const char *name;
	unsigned int needs;			/* SNP_HAVE_* */
	void (*judge)(struct snp_judging *judging, const struct snp_rule *rule);
	const char *what;			/* for rules that differ in a field only: what it is */
	size_t policy_at;			/* ... the offset of what struct snp_policy asks */
	size_t report_at;			/* ... of the field in struct snp_report, or the bit's number */
	size_t len;				/* ... its bytes */
};

/* The rules in order: those that make a report authentic, those about what it says. */
extern const struct snp_rule snp_genuine_rules[];
extern const size_t snp_n_genuine_rules;
extern const struct snp_rule snp_claim_rules[];
extern const size_t snp_n_claim_rules;

#endif
