// SPDX-License-Identifier: MIT
/* snpworld: see snpworld.h. */
#include "snpworld.h"

#include "check.h"

void snpworld_init(struct snpworld *world, enum snp_product product, bool vlek, uint32_t version)
{
	memset(world, 0, sizeof(*world));
	snpgen_init(&world->gen, product, vlek, version);
	memcpy(&world->good, &world->gen, sizeof(world->good));
	snpgen_policy(&world->gen, &world->policy);
	snpgen_crl_init(&world->gen, &world->crl);
	memcpy(world->report_data, snpgen_report_data, sizeof(world->report_data));
	world->now = SNPGEN_NOW;
}

bool snpworld_verify(struct snpworld *world, struct verdict *ret_verdict)
{
	uint8_t evidence[SNPGEN_EVIDENCE_MAX], crl[SNPGEN_CERT_MAX];
	size_t len = snpgen_evidence(&world->gen, evidence);
	struct snp_trust trust;
	bool believed;

	snpgen_trust(world->pin_as_is ? &world->gen : &world->good, &trust);
	if (world->with_crl)
		CU_ASSERT_EQUAL(snp_trust_add_crl(&trust, world->good.product, crl,
						  snpgen_crl_make(&world->crl, crl)), 0);
	if (world->tamper)
		world->tamper(evidence, &len);
	believed = snp_verify(evidence, len, &trust, &world->policy, world->report_data, world->now, ret_verdict);
	snp_trust_fini(&trust);
	return believed;
}

static bool run_one(const struct snpworld_case *one)
{
	struct snpworld world;
	struct verdict verdict;
	const struct verdict_rule *failure;

	snpworld_init(&world, one->product, one->vlek, one->version ? one->version : 3);
	if (!snpworld_verify(&world, &verdict)) {
		failure = verdict_first_failure(&verdict);
		fprintf(stderr, "\n%s: not believed unbroken: %s: %s\n", one->name, failure->name, failure->text);
		return false;
	}
	one->break_it(&world);
	if (snpworld_verify(&world, &verdict)) {
		fprintf(stderr, "\n%s: believed\n", one->name);
		return false;
	}
	failure = verdict_first_failure(&verdict);
	if (strcmp(failure->name, one->rule) == 0 && strstr(failure->text, one->text))
		return true;
	fprintf(stderr, "\n%s: refused by %s: %s\n", one->name, failure->name, failure->text);
	return false;
}

void snpworld_run(const struct snpworld_case *cases, size_t n)
{
	size_t n_good = 0;

	for (size_t i = 0; i < n; i++)
		n_good += run_one(&cases[i]);
	printf("%zu of %zu cases ", n_good, n);
	CU_ASSERT_EQUAL(n_good, n);
}
