// SPDX-License-Identifier: MIT
/* snpcert: snpgen's certificates and revocation lists, see snpgen.h. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "snpkey.h"

#define N_CACHED 12u

static const char *const pems[SNPGEN_N_KEYS] = {
#include "snpkeys.inc"
};

void snpgen_need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "snpgen: %s failed\n", what);
	ERR_print_errors_fp(stderr);
	abort();
}

EVP_PKEY *snpgen_key(enum snpgen_key key)
{
	static EVP_PKEY *keys[SNPGEN_N_KEYS];
	BIO *bio;

	if (!keys[key]) {
		bio = BIO_new_mem_buf(pems[key], -1);
		keys[key] = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
		BIO_free(bio);
	}
	snpgen_need(keys[key], "reading a key");
	return keys[key];
}

/* AMD's names, which differ in the last part. */
static X509_NAME *name_make(const char *common_name)
{
	static const char *const parts[][2] = {
		{ "OU", "Engineering" }, { "C", "US" }, { "L", "Santa Clara" }, { "ST", "CA" },
		{ "O", "Advanced Micro Devices" },
	};
	X509_NAME *name = X509_NAME_new();

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		X509_NAME_add_entry_by_txt(name, parts[i][0], MBSTRING_ASC, (const uint8_t *)parts[i][1], -1, -1, 0);
	snpgen_need(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)common_name, -1, -1, 0),
		    "making a name");
	return name;
}

static const EVP_MD *hash_of(bool rsa, enum snpgen_algorithm algorithm)
{
	if (algorithm == SNPGEN_PSS_SHA1)
		return EVP_sha1();
	return rsa && algorithm != SNPGEN_PSS_SHA256 ? EVP_sha384() : EVP_sha256();
}

static EVP_MD_CTX *signer_make(enum snpgen_key signer, enum snpgen_algorithm algorithm)
{
	bool rsa = EVP_PKEY_get_base_id(snpgen_key(signer)) == EVP_PKEY_RSA;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *key;
	bool ok;

	ok = EVP_DigestSignInit(context, &key, hash_of(rsa, algorithm), NULL, snpgen_key(signer)) == 1;
	if (rsa && algorithm != SNPGEN_PKCS1) {
		ok = ok && EVP_PKEY_CTX_set_rsa_padding(key, RSA_PKCS1_PSS_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(key, algorithm == SNPGEN_PSS_SALT_32 ? 32 : 48) == 1;
		if (algorithm == SNPGEN_PSS_MGF_SHA256)
			ok = ok && EVP_PKEY_CTX_set_rsa_mgf1_md(key, EVP_sha256()) == 1;
		if (algorithm == SNPGEN_PSS_SHA256)
			ok = ok && EVP_PKEY_CTX_set_rsa_mgf1_md(key, EVP_sha384()) == 1;
	}
	snpgen_need(ok, "starting a signature");
	return context;
}

static X509_EXTENSION *extension_make(const struct snpgen_extension *extension)
{
	ASN1_OCTET_STRING *bytes = ASN1_OCTET_STRING_new();
	ASN1_OBJECT *object = OBJ_txt2obj(extension->oid, 1);
	X509_EXTENSION *made;

	ASN1_OCTET_STRING_set(bytes, extension->bytes, (int)extension->len);
	made = X509_EXTENSION_create_by_OBJ(NULL, object, extension->critical, bytes);
	ASN1_OBJECT_free(object);
	ASN1_OCTET_STRING_free(bytes);
	snpgen_need(made, "making an extension");
	return made;
}

static void add_extension(X509 *x509, X509_EXTENSION *extension)
{
	snpgen_need(extension && X509_add_ext(x509, extension, -1), "adding an extension");
	X509_EXTENSION_free(extension);
}

static void fill(X509 *x509, const struct snpgen_cert *cert)
{
	X509_NAME *subject = name_make(cert->subject), *issuer = name_make(cert->issuer);

	X509_set_version(x509, X509_VERSION_3);
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), cert->serial);
	X509_set_subject_name(x509, subject);
	X509_set_issuer_name(x509, issuer);
	X509_NAME_free(subject);
	X509_NAME_free(issuer);
	ASN1_TIME_set(X509_getm_notBefore(x509), cert->not_before_s);
	ASN1_TIME_set(X509_getm_notAfter(x509), cert->not_after_s);
	X509_set_pubkey(x509, snpgen_key(cert->key));
	if (*cert->constraints)
		add_extension(x509, X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, cert->constraints));
	if (*cert->usage)
		add_extension(x509, X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage, cert->usage));
	for (size_t i = 0; i < cert->n_extensions; i++)
		add_extension(x509, extension_make(&cert->extensions[i]));
}

static size_t make(const struct snpgen_cert *cert, uint8_t ret_der[SNPGEN_CERT_MAX])
{
	EVP_MD_CTX *signer = signer_make(cert->signer, cert->algorithm);
	X509 *x509 = X509_new();
	int len;

	fill(x509, cert);
	snpgen_need(X509_sign_ctx(x509, signer) > 0, "signing a certificate");
	len = i2d_X509(x509, NULL);
	snpgen_need(len > 0 && len <= (int)SNPGEN_CERT_MAX && i2d_X509(x509, &ret_der) == len, "encoding a certificate");
	X509_free(x509);
	EVP_MD_CTX_free(signer);
	return (size_t)len;
}

size_t snpgen_cert_make(const struct snpgen_cert *cert, uint8_t ret_der[SNPGEN_CERT_MAX])
{
	static struct {
		struct snpgen_cert cert;
		uint8_t der[SNPGEN_CERT_MAX];
		size_t len;
	} cache[N_CACHED];
	static unsigned int next;
	unsigned int at;

	for (at = 0; at < N_CACHED; at++)
		if (cache[at].len && memcmp(&cache[at].cert, cert, sizeof(*cert)) == 0)
			break;
	if (at == N_CACHED) {
		at = next++ % N_CACHED;
		memcpy(&cache[at].cert, cert, sizeof(*cert));
		cache[at].len = make(cert, cache[at].der);
	}
	memcpy(ret_der, cache[at].der, cache[at].len);
	return cache[at].len;
}

struct x509_cert *snpgen_cert_parsed(const struct snpgen_cert *cert)
{
	uint8_t der[SNPGEN_CERT_MAX];
	struct x509_cert *parsed = NULL;
	size_t len = snpgen_cert_make(cert, der);

	snpgen_need(x509_cert_parse(der, len, &parsed) == 0, "reading a certificate");
	return parsed;
}

/* An extension that nobody knows. */
static X509_EXTENSION *unknown_make(void)
{
	const struct snpgen_extension unknown = { SNPGEN_AMD "77", true, { 5, 0 }, 2 };

	return extension_make(&unknown);
}

static void add_scope(X509_CRL *crl, bool user_only, bool indirect)
{
	ISSUING_DIST_POINT *point = ISSUING_DIST_POINT_new();

	point->onlyuser = user_only ? 0xff : 0;
	point->indirectCRL = indirect ? 0xff : 0;
	snpgen_need(X509_CRL_add1_ext_i2d(crl, NID_issuing_distribution_point, point, 1, X509V3_ADD_APPEND) == 1,
		    "adding a distribution point");
	ISSUING_DIST_POINT_free(point);
}

static void add_issuer(X509_REVOKED *entry, const char *common_name)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();

	GENERAL_NAME_set0_value(name, GEN_DIRNAME, name_make(common_name));
	sk_GENERAL_NAME_push(names, name);
	snpgen_need(X509_REVOKED_add1_ext_i2d(entry, NID_certificate_issuer, names, 1, X509V3_ADD_APPEND) == 1,
		    "naming an entry's issuer");
	GENERAL_NAMES_free(names);
}

static void add_revoked(X509_CRL *made, const struct snpgen_crl *crl, size_t i, const ASN1_TIME *when)
{
	X509_REVOKED *entry = X509_REVOKED_new();
	ASN1_INTEGER *serial = ASN1_INTEGER_new();
	X509_EXTENSION *unknown;

	ASN1_INTEGER_set_uint64(serial, crl->revoked[i].serial);
	X509_REVOKED_set_serialNumber(entry, serial);
	ASN1_INTEGER_free(serial);
	X509_REVOKED_set_revocationDate(entry, (ASN1_TIME *)when);
	if (*crl->revoked[i].issuer)
		add_issuer(entry, crl->revoked[i].issuer);
	if (crl->revoked[i].critical) {
		unknown = unknown_make();
		X509_REVOKED_add_ext(entry, unknown, -1);
		X509_EXTENSION_free(unknown);
	}
	snpgen_need(X509_CRL_add0_revoked(made, entry), "revoking");
}

static void fill_crl(X509_CRL *made, const struct snpgen_crl *crl)
{
	X509_NAME *issuer = name_make(crl->issuer);
	ASN1_TIME *when = ASN1_TIME_set(NULL, crl->this_update_s);
	X509_EXTENSION *unknown;

	X509_CRL_set_version(made, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(made, issuer);
	X509_CRL_set1_lastUpdate(made, when);
	for (size_t i = 0; i < crl->n_revoked; i++)
		add_revoked(made, crl, i, when);
	if (crl->next_update_s)
		X509_CRL_set1_nextUpdate(made, ASN1_TIME_set(when, crl->next_update_s));
	if (crl->user_only || crl->indirect)
		add_scope(made, crl->user_only, crl->indirect);
	if (crl->critical) {
		unknown = unknown_make();
		X509_CRL_add_ext(made, unknown, -1);
		X509_EXTENSION_free(unknown);
	}
	ASN1_TIME_free(when);
	X509_NAME_free(issuer);
}

size_t snpgen_crl_make(const struct snpgen_crl *crl, uint8_t ret_der[SNPGEN_CERT_MAX])
{
	EVP_MD_CTX *signer = signer_make(crl->signer, crl->algorithm);
	X509_CRL *made = X509_CRL_new();
	int len;

	fill_crl(made, crl);
	snpgen_need(X509_CRL_sign_ctx(made, signer) > 0, "signing a revocation list");
	len = i2d_X509_CRL(made, NULL);
	snpgen_need(len > 0 && len <= (int)SNPGEN_CERT_MAX && i2d_X509_CRL(made, &ret_der) == len,
		    "encoding a revocation list");
	X509_CRL_free(made);
	EVP_MD_CTX_free(signer);
	return (size_t)len;
}
