/* SPDX-License-Identifier: MIT */
/* snpraw: see snpraw.h. */
#include "snpraw.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct {
	uint8_t leaf[SNPGEN_CERT_MAX], ask[SNPGEN_CERT_MAX], ark[SNPGEN_CERT_MAX], report[SNP_REPORT_LEN];
	size_t leaf_len, ask_len, ark_len;
	uint8_t signature[160];
	size_t signature_len;
	X509 *parsed_ark;		/* as the trust has it: read before */
} raw;

double snpraw_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

void snpraw_need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench: %s failed\n", what);
	exit(EXIT_FAILURE);
}

static X509 *read_cert(const uint8_t *der, size_t len)
{
	X509 *cert = d2i_X509(NULL, &der, (long)len);

	snpraw_need(cert, "reading a certificate");
	return cert;
}

void snpraw_init(const struct snpgen *gen)
{
	ECDSA_SIG *signature = ECDSA_SIG_new();
	uint8_t *at = raw.signature;

	raw.leaf_len = snpgen_cert_make(&gen->leaf, raw.leaf);
	raw.ask_len = snpgen_cert_make(&gen->ask, raw.ask);
	raw.ark_len = snpgen_cert_make(&gen->ark, raw.ark);
	raw.parsed_ark = read_cert(raw.ark, raw.ark_len);
	memcpy(raw.report, gen->report, sizeof(raw.report));
	ECDSA_SIG_set0(signature, BN_lebin2bn(raw.report + 0x2a0, 48, NULL), BN_lebin2bn(raw.report + 0x2e8, 48, NULL));
	raw.signature_len = (size_t)i2d_ECDSA_SIG(signature, &at);
	ECDSA_SIG_free(signature);
}

void snpraw_fini(void)
{
	X509_free(raw.parsed_ark);
}

void snpraw_verify(void)
{
	X509 *leaf = read_cert(raw.leaf, raw.leaf_len), *ask = read_cert(raw.ask, raw.ask_len);
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	snpraw_need(X509_verify(raw.parsed_ark, X509_get0_pubkey(raw.parsed_ark)) == 1 &&
		    X509_verify(ask, X509_get0_pubkey(raw.parsed_ark)) == 1 &&
		    X509_verify(leaf, X509_get0_pubkey(ask)) == 1, "a chain");
	snpraw_need(EVP_DigestVerifyInit(context, NULL, EVP_sha384(), NULL, X509_get0_pubkey(leaf)) == 1 &&
		    EVP_DigestVerify(context, raw.signature, raw.signature_len, raw.report, SNP_SIGNED_LEN) == 1,
		    "a signature");
	EVP_MD_CTX_free(context);
	X509_free(ask);
	X509_free(leaf);
}
