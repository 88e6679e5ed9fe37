/* SPDX-License-Identifier: MIT */
/* snpworld: evidence, and everything that snp_verify() judges it by; good until a test breaks something. */
#ifndef TESTS_ATTEST_SNPWORLD_H
#define TESTS_ATTEST_SNPWORLD_H

#include <attest/snp/verify.h>
#include <vectors/snpgen.h>

struct snpworld {
	struct snpgen gen;
	struct snp_policy policy;	/* believes the good one */
	uint8_t report_data[SNP_REPORT_DATA_LEN];
	int64_t now;
	struct snpgen_crl crl;
	bool with_crl;
	bool pin_as_is;			/* the root is pinned as it is when broken, not as it was before */
	struct snpgen good;		/* as it was before */
	void (*tamper)(uint8_t *evidence, size_t *len);	/* after all else, may be NULL */
};

void snpworld_init(struct snpworld *world, enum snp_product product, bool vlek, uint32_t version);
/* Make the evidence and judge it. */
bool snpworld_verify(struct snpworld *world, struct verdict *ret_verdict);

struct snpworld_case {
	const char *name;
	void (*break_it)(struct snpworld *world);
	const char *rule;		/* the first that fails */
	const char *text;		/* a part of its sentence */
	enum snp_product product;
	uint32_t version;		/* 0: 3 */
	bool vlek;
};
/* Each case is refused for its reason, and is believed when nothing is broken. */
void snpworld_run(const struct snpworld_case *cases, size_t n);

#endif
