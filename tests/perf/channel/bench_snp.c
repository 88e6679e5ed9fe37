/* SPDX-License-Identifier: MIT */
/*
 * bench_snp: what snp_verify() costs on top of the OpenSSL operations that it
 * cannot do without: reading the certificates of the evidence, three RSA
 * verifications and one ECDSA one.  Both are run in turns in one process, and
 * the best call of each counts, in CPU time, so that the ratio means something
 * on a busy machine.  Prints JSON; the goal is at most 1.6.
 */
#include <stdio.h>
#include <stdlib.h>

#include <attest/snp/verify.h>

#include "snpraw.h"

#define N_ROUNDS 600u
#define GOAL 1.6

static struct snpgen gen;
static struct snp_trust trust;
static struct snp_policy policy;
static uint8_t evidence[SNPGEN_EVIDENCE_MAX];
static size_t evidence_len;

static void verify_snp(void)
{
	struct verdict verdict;

	snpraw_need(snp_verify(evidence, evidence_len, &trust, &policy, snpgen_report_data, SNPGEN_NOW, &verdict),
		    "snp_verify");
}

static double call_ns(void (*verify)(void))
{
	double start = snpraw_now_ns();

	verify();
	return snpraw_now_ns() - start;
}

int main(void)
{
	double best_raw = 1e18, best_snp = 1e18;

	snpgen_init(&gen, SNP_GENOA, false, 3);
	evidence_len = snpgen_evidence(&gen, evidence);
	snpgen_trust(&gen, &trust);
	snpgen_policy(&gen, &policy);
	snpraw_init(&gen);
	for (unsigned int i = 0; i < N_ROUNDS; i++) {
		double one = call_ns(snpraw_verify), other = call_ns(verify_snp);

		best_raw = one < best_raw ? one : best_raw;
		best_snp = other < best_snp ? other : best_snp;
	}
	fprintf(stderr, "bench_snp: snp_verify %.0f us, its OpenSSL operations %.0f us, goal %.1f times\n", best_snp / 1e3,
		best_raw / 1e3, GOAL);
	printf("{\"verify_snp\":%.3f}\n", best_snp / best_raw);
	snpraw_fini();
	snp_trust_fini(&trust);
	return best_snp / best_raw <= GOAL ? EXIT_SUCCESS : EXIT_FAILURE;
}
