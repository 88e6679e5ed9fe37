/* SPDX-License-Identifier: MIT */
/*
 * x509.c, x509_check.c, x509_ecdsa.c: parsing is exact, chains of both kinds,
 * signatures.  What else is wrong in AMD's chains and lists: test_snp_genuine.c.
 */
#include "check.h"

#include <errno.h>

#include <attest/x509.h>
#include <vectors/real.h>
#include <vectors/snpgen.h>

static void parsing_is_exact(void)
{
	struct x509_cert *cert = NULL;
	uint8_t der[SNPGEN_CERT_MAX + 1];
	struct snpgen gen;
	size_t len;

	snpgen_init(&gen, SNP_MILAN, false, 3);
	len = snpgen_cert_make(&gen.leaf, der);
	der[len] = 0;
	CHECK_LOOP_BEGIN();
	for (size_t cut = 0; cut <= len + 1; cut++) {
		int ret = x509_cert_parse(der, cut, &cert);

		CHECK_LOOP(ret == (cut == len ? 0 : -EBADMSG), "%zu of %zu bytes", cut, len);
		if (!ret)
			x509_cert_free(cert);
	}
	CHECK_LOOP_END();
	cert = NULL;
	CU_ASSERT_EQUAL(x509_cert_parse(der, X509_MAX_LEN + 1, &cert), -E2BIG);
	CU_ASSERT_EQUAL(x509_cert_parse(NULL, 0, &cert), -EBADMSG);
	CU_ASSERT_PTR_NULL(cert);
	x509_cert_free(NULL);
	x509_crl_free(NULL);
}

static void crl_parsing_is_exact(void)
{
	struct x509_crl *crl = NULL;
	uint8_t der[SNPGEN_CERT_MAX + 1];
	struct snpgen_crl made;
	struct snpgen gen;
	size_t len;

	snpgen_init(&gen, SNP_MILAN, false, 3);
	snpgen_crl_init(&gen, &made);
	len = snpgen_crl_make(&made, der);
	der[len] = 0;
	CHECK_LOOP_BEGIN();
	for (size_t cut = 0; cut <= len + 1; cut++) {
		int ret = x509_crl_parse(der, cut, &crl);

		CHECK_LOOP(ret == (cut == len ? 0 : -EBADMSG), "%zu of %zu bytes", cut, len);
		if (!ret)
			x509_crl_free(crl);
	}
	CHECK_LOOP_END();
	CU_ASSERT_EQUAL(x509_crl_parse(der, X509_MAX_CRL_LEN + 1, &crl), -E2BIG);
}

/* Whoever has no key usage may sign anything elsewhere, and nothing here. */
static void lists_need_a_key_usage(void)
{
	static const char *const usages[] = { "critical,keyCertSign,cRLSign", "critical,keyCertSign", "" };
	static const enum x509_problem problems[] = { X509_OK, X509_NOT_CA, X509_NOT_CA };
	uint8_t der[SNPGEN_CERT_MAX];
	struct x509_cert *issuer;
	struct snpgen_crl made;
	struct x509_crl *crl;
	struct snpgen gen;

	snpgen_init(&gen, SNP_MILAN, false, 3);
	snpgen_crl_init(&gen, &made);
	CU_ASSERT_EQUAL_FATAL(x509_crl_parse(der, snpgen_crl_make(&made, der), &crl), 0);
	for (size_t i = 0; i < 3; i++) {
		memset(gen.ark.usage, 0, sizeof(gen.ark.usage));
		strcpy(gen.ark.usage, usages[i]);
		issuer = snpgen_cert_parsed(&gen.ark);
		CU_ASSERT_EQUAL(x509_crl_check(crl, issuer, issuer, X509_RSA_PSS_SHA384, SNPGEN_NOW), problems[i]);
		x509_cert_free(issuer);
	}
	x509_crl_free(crl);
}

static void names_and_extensions(void)
{
	char name[X509_NAME_MAX];
	struct x509_cert *cert, *same, *other;
	const uint8_t *der;
	struct snpgen gen;
	size_t len;

	snpgen_init(&gen, SNP_TURIN, true, 3);
	snpgen_add(&gen.leaf, "1.2.3.4", false, "ab", 2);
	snpgen_add(&gen.leaf, "1.2.3.4", false, "c", 1);
	cert = snpgen_cert_parsed(&gen.leaf);
	same = snpgen_cert_parsed(&gen.leaf);
	other = snpgen_cert_parsed(&gen.ask);
	CU_ASSERT_TRUE(x509_cert_is(cert, same));
	CU_ASSERT_FALSE(x509_cert_is(cert, other));
	x509_cert_common_name(cert, name);
	CU_ASSERT_STRING_EQUAL(name, "SEV-VLEK");
	x509_cert_common_name(other, name);
	CU_ASSERT_STRING_EQUAL(name, "SEV-VLEK-Turin");
	CU_ASSERT_EQUAL(x509_cert_extension(cert, SNPGEN_AMD "3.3", &der, &len), 0);
	CU_ASSERT_TRUE(len == 3 && memcmp(der, "\2\1\30", 3) == 0);
	CU_ASSERT_EQUAL(x509_cert_extension(cert, SNPGEN_AMD "4", &der, &len), -ENOENT);
	CU_ASSERT_EQUAL(x509_cert_extension(cert, "1.2.3.4", &der, &len), -EEXIST);
	CU_ASSERT_EQUAL(x509_cert_extension(cert, "no oid", &der, &len), -EINVAL);
	CU_ASSERT_TRUE(x509_cert_has_key(cert, X509_P384));
	CU_ASSERT_FALSE(x509_cert_has_key(cert, X509_P256));
	CU_ASSERT_FALSE(x509_cert_has_key(other, X509_P384));
	x509_cert_free(cert);
	x509_cert_free(same);
	x509_cert_free(other);
}

/* What is shown to people has no control characters, and its end. */
static void names_are_made_plain(void)
{
	char name[X509_NAME_MAX];
	struct x509_cert *cert;
	struct snpgen gen;

	snpgen_init(&gen, SNP_MILAN, false, 3);
	strcpy(gen.leaf.subject, "a\nb\x1b[31m");
	cert = snpgen_cert_parsed(&gen.leaf);
	x509_cert_common_name(cert, name);
	CU_ASSERT_STRING_EQUAL(name, "a?b?[31m");
	x509_cert_free(cert);
}

static const char pem[] =
	"text before, and another kind of block:\n"
	"-----BEGIN PUBLIC KEY-----\n"
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n"
	"6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n"
	"-----END PUBLIC KEY-----\n";

/* AMD's roots are built in as PEM; a chain of 1 is a root that signed itself. */
static void pem_is_read(void)
{
	static const char root[] =
#include "../../../attest/snp/roots/turin.inc"
		;
	char text[16384];
	struct x509_cert *certs[3] = { NULL };
	size_t n = 99;

	CU_ASSERT_EQUAL(x509_certs_parse_pem("", 0, 3, certs, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_EQUAL(x509_certs_parse_pem(pem, strlen(pem), 3, certs, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
	snprintf(text, sizeof(text), "%s%sbetween\n%s%s", pem, root, root, pem);
	CU_ASSERT_EQUAL_FATAL(x509_certs_parse_pem(text, strlen(text), 2, certs, &n), 0);
	CU_ASSERT_EQUAL_FATAL(n, 2);
	CU_ASSERT_TRUE(x509_cert_is(certs[0], certs[1]));
	x509_cert_free(certs[0]);
	x509_cert_free(certs[1]);
	n = 99;
	CU_ASSERT_EQUAL(x509_certs_parse_pem(text, strlen(text), 1, certs, &n), -E2BIG);
	/* The second one's END is missing. */
	CU_ASSERT_EQUAL(x509_certs_parse_pem(text, strlen(text) - strlen(pem) - 20, 2, certs, &n), -EBADMSG);
	snprintf(text, sizeof(text), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	CU_ASSERT_EQUAL(x509_certs_parse_pem(text, strlen(text), 2, certs, &n), -EBADMSG);
	CU_ASSERT_EQUAL(x509_certs_parse_pem(text, X509_MAX_CRL_LEN + 1, 2, certs, &n), -E2BIG);
	CU_ASSERT_EQUAL(n, 99);
	CU_ASSERT_PTR_NULL(certs[0]);
}

static enum x509_problem check(struct snpgen *gen, const struct snpgen_cert *anchor, size_t n,
			       enum x509_algorithm algorithm, size_t *ret_at)
{
	struct x509_cert *chain[3] = { snpgen_cert_parsed(&gen->leaf), snpgen_cert_parsed(&gen->ask),
				       snpgen_cert_parsed(&gen->ark) };
	struct x509_cert *pinned = snpgen_cert_parsed(anchor);
	enum x509_problem problem;

	problem = x509_chain_check((const struct x509_cert *const *)chain, n, pinned, algorithm, SNPGEN_NOW, ret_at);
	for (size_t i = 0; i < 3; i++)
		x509_cert_free(chain[i]);
	x509_cert_free(pinned);
	return problem;
}

static void a_chain_ends_at_its_anchor(void)
{
	struct snpgen gen;
	size_t at = 99;

	snpgen_init(&gen, SNP_GENOA, false, 3);
	CU_ASSERT_EQUAL(check(&gen, &gen.ark, 3, X509_RSA_PSS_SHA384, &at), X509_OK);
	CU_ASSERT_EQUAL(at, 99);
	CU_ASSERT_EQUAL(check(&gen, &gen.ark, 3, X509_RSA_PSS_SHA384, NULL), X509_OK);
	CU_ASSERT_EQUAL(check(&gen, &gen.ark, 0, X509_RSA_PSS_SHA384, &at), X509_ANCHOR);
	CU_ASSERT_EQUAL(check(&gen, &gen.ark, 2, X509_RSA_PSS_SHA384, &at), X509_ANCHOR);
	CU_ASSERT_EQUAL(at, 1);
	CU_ASSERT_EQUAL(check(&gen, &gen.ask, 3, X509_RSA_PSS_SHA384, &at), X509_ANCHOR);
	CU_ASSERT_EQUAL(at, 2);
	CU_ASSERT_EQUAL(check(&gen, &gen.ark, 5, X509_RSA_PSS_SHA384, &at), X509_ANCHOR);
	/* An intermediate that is pinned is no root: it does not sign itself. */
	CU_ASSERT_EQUAL(check(&gen, &gen.ask, 2, X509_RSA_PSS_SHA384, &at), X509_ISSUER);
	/* The other kind's algorithm. */
	CU_ASSERT_EQUAL(check(&gen, &gen.ark, 3, X509_ECDSA_P256_SHA256, &at), X509_SIGNATURE);
}

/* As Intel's: ECDSA, P-256, SHA-256. */
static void ecdsa_chains_are_checked(void)
{
	struct snpgen gen;
	size_t at = 99;

	snpgen_init(&gen, SNP_GENOA, false, 3);
	gen.ark.key = gen.ark.signer = gen.ask.key = gen.ask.signer = gen.leaf.key = gen.leaf.signer = SNPGEN_P256;
	CU_ASSERT_EQUAL(check(&gen, &gen.ark, 3, X509_ECDSA_P256_SHA256, &at), X509_OK);
	CU_ASSERT_EQUAL(check(&gen, &gen.ark, 3, X509_RSA_PSS_SHA384, &at), X509_SIGNATURE);
	/* A P-384 key signing with SHA-256. */
	gen.ask.key = gen.leaf.signer = SNPGEN_STRANGER;
	CU_ASSERT_EQUAL(check(&gen, &gen.ark, 3, X509_ECDSA_P256_SHA256, &at), X509_SIGNATURE);
	CU_ASSERT_EQUAL(at, 0);
}

/* 1 certificate between a root and a leaf. */
static void paths_may_be_as_long_as_they_say(void)
{
	struct snpgen gen;
	size_t at;

	snpgen_init(&gen, SNP_GENOA, false, 3);
	strcpy(gen.ark.constraints, "critical,CA:TRUE,pathlen:1");
	CU_ASSERT_EQUAL(check(&gen, &gen.ark, 3, X509_RSA_PSS_SHA384, &at), X509_OK);
	strcpy(gen.ark.constraints, "critical,CA:TRUE,pathlen:0");
	CU_ASSERT_EQUAL(check(&gen, &gen.ark, 3, X509_RSA_PSS_SHA384, &at), X509_NOT_CA);
	CU_ASSERT_EQUAL(at, 2);
}

/* Each byte of a certificate: not the same certificate, and never another good one. */
static void every_byte_of_a_certificate_counts(void)
{
	uint8_t der[SNPGEN_CERT_MAX];
	struct x509_cert *certs[2], *leaf;
	const struct x509_cert *chain[3];
	struct snpgen gen;
	size_t len;

	snpgen_init(&gen, SNP_TURIN, false, 3);
	certs[0] = snpgen_cert_parsed(&gen.ask);
	certs[1] = snpgen_cert_parsed(&gen.ark);
	chain[1] = certs[0];
	chain[2] = certs[1];
	len = snpgen_cert_make(&gen.leaf, der);
	CHECK_LOOP_BEGIN();
	for (size_t i = 0; i < len; i++) {
		der[i] ^= 1;
		if (x509_cert_parse(der, len, &leaf) == 0) {
			chain[0] = leaf;
			CHECK_LOOP(x509_chain_check(chain, 3, certs[1], X509_RSA_PSS_SHA384, SNPGEN_NOW, NULL) != X509_OK,
				   "byte %zu of %zu", i, len);
			x509_cert_free(leaf);
		}
		der[i] ^= 1;
	}
	CHECK_LOOP_END();
	x509_cert_free(certs[0]);
	x509_cert_free(certs[1]);
}

/* RFC 6979, A.2.5: P-256, SHA-256, message "sample". */
static const uint8_t p256_public[64] = {
	0x60, 0xfe, 0xd4, 0xba, 0x25, 0x5a, 0x9d, 0x31, 0xc9, 0x61, 0xeb, 0x74, 0xc6, 0x35, 0x6d, 0x68,
	0xc0, 0x49, 0xb8, 0x92, 0x3b, 0x61, 0xfa, 0x6c, 0xe6, 0x69, 0x62, 0x2e, 0x60, 0xf2, 0x9f, 0xb6,
	0x79, 0x03, 0xfe, 0x10, 0x08, 0xb8, 0xbc, 0x99, 0xa4, 0x1a, 0xe9, 0xe9, 0x56, 0x28, 0xbc, 0x64,
	0xf2, 0xf1, 0xb2, 0x0c, 0x2d, 0x7e, 0x9f, 0x51, 0x77, 0xa3, 0xc2, 0x94, 0xd4, 0x46, 0x22, 0x99,
};
static const uint8_t p256_signature[64] = {
	0xef, 0xd4, 0x8b, 0x2a, 0xac, 0xb6, 0xa8, 0xfd, 0x11, 0x40, 0xdd, 0x9c, 0xd4, 0x5e, 0x81, 0xd6,
	0x9d, 0x2c, 0x87, 0x7b, 0x56, 0xaa, 0xf9, 0x91, 0xc3, 0x4d, 0x0e, 0xa8, 0x4e, 0xaf, 0x37, 0x16,
	0xf7, 0xcb, 0x1c, 0x94, 0x2d, 0x65, 0x7c, 0x41, 0xd4, 0x36, 0xc7, 0xa1, 0xb6, 0xe2, 0x9f, 0x65,
	0xf3, 0xe9, 0x00, 0xdb, 0xb9, 0xaf, 0xf4, 0x06, 0x4d, 0xc4, 0xab, 0x2f, 0x84, 0x3a, 0xcd, 0xa8,
};

static void raw_keys_verify(void)
{
	static const uint8_t message[] = "sample";
	static const uint8_t none[64] = { 0 };
	uint8_t public_key[64], signature[64];

	CU_ASSERT_TRUE(x509_ecdsa_verify_raw(p256_public, p256_signature, message, 6));
	CU_ASSERT_FALSE(x509_ecdsa_verify_raw(p256_public, p256_signature, message, 5));
	CU_ASSERT_FALSE(x509_ecdsa_verify_raw(p256_public, none, message, 6));
	CU_ASSERT_FALSE(x509_ecdsa_verify_raw(none, p256_signature, message, 6));
	CHECK_LOOP_BEGIN();
	for (size_t i = 0; i < 64; i++) {
		memcpy(public_key, p256_public, 64);
		memcpy(signature, p256_signature, 64);
		public_key[i] ^= 1;
		signature[i] ^= 1;
		CHECK_LOOP(!x509_ecdsa_verify_raw(public_key, p256_signature, message, 6), "key byte %zu", i);
		CHECK_LOOP(!x509_ecdsa_verify_raw(p256_public, signature, message, 6), "signature byte %zu", i);
	}
	CHECK_LOOP_END();
}

static void certificates_keys_verify(void)
{
	uint8_t r[48], s[48];
	struct x509_cert *cert, *stranger;
	struct snpgen gen;

	snpgen_init(&gen, SNP_MILAN, false, 3);
	snpgen_sign(gen.report, SNPGEN_LEAF);
	for (size_t i = 0; i < 48; i++) {
		r[i] = gen.report[0x2a0 + 47 - i];
		s[i] = gen.report[0x2e8 + 47 - i];
	}
	cert = snpgen_cert_parsed(&gen.leaf);
	gen.leaf.key = SNPGEN_STRANGER;
	stranger = snpgen_cert_parsed(&gen.leaf);
	CU_ASSERT_TRUE(x509_ecdsa_verify(cert, X509_P384, r, s, gen.report, SNP_SIGNED_LEN));
	CU_ASSERT_FALSE(x509_ecdsa_verify(cert, X509_P256, r, s, gen.report, SNP_SIGNED_LEN));
	CU_ASSERT_FALSE(x509_ecdsa_verify(cert, X509_P384, s, r, gen.report, SNP_SIGNED_LEN));
	CU_ASSERT_FALSE(x509_ecdsa_verify(cert, X509_P384, r, s, gen.report, SNP_SIGNED_LEN - 1));
	CU_ASSERT_FALSE(x509_ecdsa_verify(stranger, X509_P384, r, s, gen.report, SNP_SIGNED_LEN));
	memset(r, 0, sizeof(r));
	CU_ASSERT_FALSE(x509_ecdsa_verify(cert, X509_P384, r, s, gen.report, SNP_SIGNED_LEN));
	x509_cert_free(cert);
	x509_cert_free(stranger);
}

/* An EC key whose parameters are written out is refused, also if they are P-384's. */
static void only_named_curves(void)
{
	struct x509_cert *named, *written;
	struct snpgen gen;

	snpgen_init(&gen, SNP_MILAN, false, 3);
	named = snpgen_cert_parsed(&gen.leaf);
	gen.leaf.key = SNPGEN_WRITTEN_OUT;
	written = snpgen_cert_parsed(&gen.leaf);
	CU_ASSERT_TRUE(x509_cert_has_key(named, X509_P384));
	CU_ASSERT_FALSE(x509_cert_has_key(written, X509_P384));
	x509_cert_free(named);
	x509_cert_free(written);
}

static void real_intel(void)
{
	static uint8_t bytes[16384];
	struct x509_cert *root;
	const struct x509_cert *chain[1];
	struct x509_crl *crl;
	size_t len, n = 0;

	if (!real_present("Intel's root")) {
		CU_PASS("skipped, and said so");
		return;
	}
	len = real_load("tdx/intel-sgx-root.pem", bytes, sizeof(bytes));
	CU_ASSERT_EQUAL_FATAL(x509_certs_parse_pem((char *)bytes, len, 1, &root, &n), 0);
	CU_ASSERT_EQUAL_FATAL(n, 1);
	chain[0] = root;
	CU_ASSERT_EQUAL(x509_chain_check(chain, 1, root, X509_ECDSA_P256_SHA256, 1700000000, NULL), X509_OK);
	CU_ASSERT_EQUAL(x509_chain_check(chain, 1, root, X509_ECDSA_P256_SHA256, 0, NULL), X509_NOT_YET);
	CU_ASSERT_EQUAL(x509_chain_check(chain, 1, root, X509_RSA_PSS_SHA384, 1700000000, NULL), X509_SIGNATURE);
	len = real_load("tdx/root.crl.der", bytes, sizeof(bytes));
	CU_ASSERT_EQUAL_FATAL(x509_crl_parse(bytes, len, &crl), 0);
	CU_ASSERT_EQUAL(x509_crl_check(crl, root, root, X509_ECDSA_P256_SHA256, 1700000000), X509_OK);
	CU_ASSERT_EQUAL(x509_crl_check(crl, root, root, X509_ECDSA_P256_SHA256, 1900000000), X509_CRL_STALE);
	CU_ASSERT_EQUAL(x509_crl_check(crl, root, root, X509_ECDSA_P256_SHA256, 1000000000), X509_CRL_STALE);
	x509_crl_free(crl);
	x509_cert_free(root);
}

static void every_problem_has_a_text(void)
{
	for (int a = X509_OK; a <= X509_TWICE; a++)
		for (int b = a + 1; b <= X509_TWICE; b++)
			CU_ASSERT_STRING_NOT_EQUAL(x509_problem_text(a), x509_problem_text(b));
	CU_ASSERT_STRING_EQUAL(x509_problem_text(X509_TWICE + 1), "has an unknown problem");
}

static const struct check checks[] = {
	{ "parsing is exact", parsing_is_exact },
	{ "parsing of CRLs is exact", crl_parsing_is_exact },
	{ "lists need a key usage", lists_need_a_key_usage },
	{ "names and extensions", names_and_extensions },
	{ "names are made plain", names_are_made_plain },
	{ "PEM is read", pem_is_read },
	{ "a chain ends at its anchor", a_chain_ends_at_its_anchor },
	{ "ECDSA chains are checked", ecdsa_chains_are_checked },
	{ "paths may be as long as they say", paths_may_be_as_long_as_they_say },
	{ "every byte of a certificate counts", every_byte_of_a_certificate_counts },
	{ "raw keys verify", raw_keys_verify },
	{ "certificates' keys verify", certificates_keys_verify },
	{ "only named curves", only_named_curves },
	{ "Intel's root", real_intel },
	{ "every problem has a text", every_problem_has_a_text },
	{ NULL, NULL },
};

int main(void)
{
	return check_main("x509", checks);
}
