/* SPDX-License-Identifier: MIT */
/*
 * bench_snp: what snp_verify() costs on top of the OpenSSL operations that it
 * cannot do without: reading the certificates of the evidence, three RSA
 * verifications and one ECDSA one.  Both are run in turns in one process, and
 * the best call of each counts, in CPU time, so that the ratio means something
 * on a busy machine.  Prints JSON; the goal is at most 1.6.
 */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <attest/snp/verify.h>
#include <vectors/snpgen.h>

#define N_ROUNDS 600u
#define GOAL 1.6

static struct snpgen gen;
static struct snp_trust trust;
static struct snp_policy policy;
static uint8_t evidence[SNPGEN_EVIDENCE_MAX];
static size_t evidence_len;

static struct {
	uint8_t leaf[SNPGEN_CERT_MAX], ask[SNPGEN_CERT_MAX], ark[SNPGEN_CERT_MAX];
	size_t leaf_len, ask_len, ark_len;
	uint8_t signature[160];
	size_t signature_len;
	X509 *parsed_ark;		/* as the trust has it: read before */
} raw;

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_snp: %s failed\n", what);
	exit(EXIT_FAILURE);
}

static X509 *read_cert(const uint8_t *der, size_t len)
{
	X509 *cert = d2i_X509(NULL, &der, (long)len);

	need(cert, "reading a certificate");
	return cert;
}

static void verify_raw(void)
{
	X509 *leaf = read_cert(raw.leaf, raw.leaf_len), *ask = read_cert(raw.ask, raw.ask_len);
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	need(X509_verify(raw.parsed_ark, X509_get0_pubkey(raw.parsed_ark)) == 1 &&
	     X509_verify(ask, X509_get0_pubkey(raw.parsed_ark)) == 1 &&
	     X509_verify(leaf, X509_get0_pubkey(ask)) == 1, "a chain");
	need(EVP_DigestVerifyInit(context, NULL, EVP_sha384(), NULL, X509_get0_pubkey(leaf)) == 1 &&
	     EVP_DigestVerify(context, raw.signature, raw.signature_len, gen.report, SNP_SIGNED_LEN) == 1, "a signature");
	EVP_MD_CTX_free(context);
	X509_free(ask);
	X509_free(leaf);
}

static void verify_snp(void)
{
	struct verdict verdict;

	need(snp_verify(evidence, evidence_len, &trust, &policy, snpgen_report_data, SNPGEN_NOW, &verdict), "snp_verify");
}

static double call_ns(void (*verify)(void))
{
	double start = now_ns();

	verify();
	return now_ns() - start;
}

static void prepare(void)
{
	ECDSA_SIG *signature = ECDSA_SIG_new();
	uint8_t *at = raw.signature;

	snpgen_init(&gen, SNP_GENOA, false, 3);
	evidence_len = snpgen_evidence(&gen, evidence);
	snpgen_trust(&gen, &trust);
	snpgen_policy(&gen, &policy);
	raw.leaf_len = snpgen_cert_make(&gen.leaf, raw.leaf);
	raw.ask_len = snpgen_cert_make(&gen.ask, raw.ask);
	raw.ark_len = snpgen_cert_make(&gen.ark, raw.ark);
	raw.parsed_ark = read_cert(raw.ark, raw.ark_len);
	ECDSA_SIG_set0(signature, BN_lebin2bn(gen.report + 0x2a0, 48, NULL), BN_lebin2bn(gen.report + 0x2e8, 48, NULL));
	raw.signature_len = (size_t)i2d_ECDSA_SIG(signature, &at);
	ECDSA_SIG_free(signature);
}

int main(void)
{
	double best_raw = 1e18, best_snp = 1e18;

	prepare();
	for (unsigned int i = 0; i < N_ROUNDS; i++) {
		double one = call_ns(verify_raw), other = call_ns(verify_snp);

		best_raw = one < best_raw ? one : best_raw;
		best_snp = other < best_snp ? other : best_snp;
	}
	fprintf(stderr, "bench_snp: snp_verify %.0f us, its OpenSSL operations %.0f us, goal %.1f times\n", best_snp / 1e3,
		best_raw / 1e3, GOAL);
	printf("{\"verify_snp\":%.3f}\n", best_snp / best_raw);
	X509_free(raw.parsed_ark);
	snp_trust_fini(&trust);
	return best_snp / best_raw <= GOAL ? EXIT_SUCCESS : EXIT_FAILURE;
}
