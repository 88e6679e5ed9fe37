/* SPDX-License-Identifier: MIT */
/*
 * fuzz_snp_cert: certificates and revocation lists.
 *
 * Input: u8 mode, bytes.
 *   CERT  a certificate in DER: its extensions as AMD's, its place in each chain
 *   CRL   a revocation list in DER, checked as if it were the root's
 *   PEM   text
 *
 * Whatever can be read, no chain is good that has it in the place of one that
 * was signed, and what is said of it is within its bounds.
 */
#include <string.h>

#include <attest/snp/endorse.h>
#include <vectors/snpgen.h>

#include "fuzz.h"

enum { MODE_CERT, MODE_CRL, MODE_PEM, N_MODES };
enum { LEAF, ASK, ARK, N_CHAIN };

static struct snpgen gen;
static struct x509_cert *chain[N_CHAIN];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	snpgen_init(&gen, SNP_TURIN, false, 5);
	chain[LEAF] = snpgen_cert_parsed(&gen.leaf);
	chain[ASK] = snpgen_cert_parsed(&gen.ask);
	chain[ARK] = snpgen_cert_parsed(&gen.ark);
	return 0;
}

static void check_name(const char *name, size_t size)
{
	size_t len = strnlen(name, size);

	FUZZ_NEED(len < size);
	for (size_t i = 0; i < len; i++)
		FUZZ_NEED(name[i] >= 0x20 && name[i] <= 0x7e);
}

static void check_endorsement(const struct x509_cert *cert)
{
	struct snp_endorsement endorsement;
	const char *why = NULL;

	if (snp_endorsement_read(cert, &endorsement, &why)) {
		FUZZ_NEED(why);
		return;
	}
	FUZZ_NEED(endorsement.product < SNP_N_PRODUCTS);
	FUZZ_NEED(endorsement.kind == SNP_KEY_VCEK || endorsement.kind == SNP_KEY_VLEK);
	FUZZ_NEED(endorsement.product == SNP_TURIN || !endorsement.tcb.fmc);
	check_name(endorsement.product_name, sizeof(endorsement.product_name));
	check_name(endorsement.csp_id, sizeof(endorsement.csp_id));
}

/* In the place of each; the test keys' own certificates may be there, so that only a stranger's must not pass. */
static void check_chains(struct x509_cert *cert)
{
	const struct x509_cert *with[N_CHAIN];
	size_t at;

	for (size_t i = 0; i < N_CHAIN; i++) {
		enum x509_problem problem;

		for (size_t j = 0; j < N_CHAIN; j++)
			with[j] = i == j ? cert : chain[j];
		at = N_CHAIN;
		problem = x509_chain_check(with, N_CHAIN, chain[ARK], X509_RSA_PSS_SHA384, SNPGEN_NOW, &at);
		FUZZ_NEED(problem == X509_OK ? at == N_CHAIN : at < N_CHAIN);
		if (i == ARK)
			FUZZ_NEED((problem != X509_ANCHOR) == x509_cert_is(cert, chain[ARK]));
		x509_chain_check(with, N_CHAIN, with[ARK], X509_ECDSA_P256_SHA256, SNPGEN_NOW, NULL);
	}
}

static void try_cert(const uint8_t *data, size_t size)
{
	char name[X509_NAME_MAX];
	struct x509_cert *cert;
	const uint8_t *der;
	size_t len;

	if (x509_cert_parse(data, size, &cert))
		return;
	x509_cert_der(cert, &der, &len);
	FUZZ_NEED(len == size && memcmp(der, data, size) == 0);
	x509_cert_common_name(cert, name);
	check_name(name, sizeof(name));
	if (x509_cert_extension(cert, SNPGEN_AMD "4", &der, &len) == 0)
		FUZZ_NEED(len <= size);
	check_endorsement(cert);
	check_chains(cert);
	x509_cert_has_key(cert, X509_P384);
	x509_ecdsa_verify(cert, X509_P384, gen.report + 0x2a0, gen.report + 0x2e8, gen.report, SNP_SIGNED_LEN);
	x509_cert_free(cert);
}

static void try_crl(const uint8_t *data, size_t size)
{
	struct x509_crl *crl;

	if (x509_crl_parse(data, size, &crl))
		return;
	x509_crl_check(crl, chain[ARK], chain[ASK], X509_RSA_PSS_SHA384, SNPGEN_NOW);
	x509_crl_check(crl, chain[ARK], chain[LEAF], X509_RSA_PSS_SHA384, SNPGEN_NOW);
	x509_crl_check(crl, chain[LEAF], chain[LEAF], X509_ECDSA_P256_SHA256, SNPGEN_NOW);
	x509_crl_free(crl);
}

static void try_pem(const uint8_t *data, size_t size)
{
	struct x509_cert *certs[2] = { NULL };
	size_t n = 0;

	if (x509_certs_parse_pem((const char *)data, size, 2, certs, &n)) {
		FUZZ_NEED(!certs[0] && !certs[1]);
		return;
	}
	FUZZ_NEED(n <= 2);
	for (size_t i = 0; i < n; i++)
		x509_cert_free(certs[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	switch (data[0] % N_MODES) {
	case MODE_CERT:
		try_cert(data + 1, size - 1);
		break;
	case MODE_CRL:
		try_crl(data + 1, size - 1);
		break;
	case MODE_PEM:
		try_pem(data + 1, size - 1);
		break;
	}
	return 0;
}

static void emit_cert(void (*emit)(const char *name, const uint8_t *data, size_t size), const char *name,
		      const struct snpgen_cert *cert)
{
	uint8_t bytes[1 + SNPGEN_CERT_MAX] = { MODE_CERT };

	emit(name, bytes, 1 + snpgen_cert_make(cert, bytes + 1));
}

static void emit_crl(void (*emit)(const char *name, const uint8_t *data, size_t size), const char *name,
		     const struct snpgen_crl *crl)
{
	uint8_t bytes[1 + SNPGEN_CERT_MAX] = { MODE_CRL };

	emit(name, bytes, 1 + snpgen_crl_make(crl, bytes + 1));
}

static void emit_crls(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	struct snpgen_crl crl;

	snpgen_crl_init(&gen, &crl);
	emit_crl(emit, "crl-empty", &crl);
	crl.n_revoked = 2;
	crl.revoked[0].serial = 0x10001;
	emit_crl(emit, "crl-ask", &crl);
	strcpy(crl.revoked[1].issuer, gen.ask.subject);
	crl.indirect = true;
	emit_crl(emit, "crl-leaf", &crl);
	crl.critical = crl.revoked[0].critical = true;
	emit_crl(emit, "crl-critical", &crl);
	crl.signer = SNPGEN_P256;
	emit_crl(emit, "crl-ecdsa", &crl);
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	static const char pem[] =
		"\2-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
	struct snpgen other;

	for (unsigned int product = 0; product < SNP_N_PRODUCTS; product++) {
		char name[32];

		snpgen_init(&other, product, product == SNP_GENOA, 3);
		snprintf(name, sizeof(name), "leaf-%u", product);
		emit_cert(emit, name, &other.leaf);
	}
	emit_cert(emit, "ask", &gen.ask);
	emit_cert(emit, "ark", &gen.ark);
	other.leaf.key = SNPGEN_WRITTEN_OUT;
	other.leaf.signer = SNPGEN_P256;
	emit_cert(emit, "written-out", &other.leaf);
	other.leaf.signer = SNPGEN_ASK;
	other.leaf.algorithm = SNPGEN_PKCS1;
	emit_cert(emit, "pkcs1", &other.leaf);
	emit_crls(emit);
	emit("pem", (const uint8_t *)pem, sizeof(pem) - 1);
}
