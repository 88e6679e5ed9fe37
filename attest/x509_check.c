// SPDX-License-Identifier: MIT
/*
 * x509_check: is a certificate or CRL good, see x509.h.  OpenSSL does the
 * arithmetic and the encodings; which algorithms, names, times, extensions and
 * lengths of path are good is said here, because a chain of these has two or
 * three certificates of known kinds, and less is allowed in them than OpenSSL's
 * own verifier allows.
 */
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "x509.h"
#include "x509_object.h"

#define AMD_RSA_BITS 4096
#define PSS_SALT_LEN 48

const char *x509_problem_text(enum x509_problem problem)
{
	static const char *const texts[] = {
		[X509_OK] = "is good",
		[X509_NOT_YET] = "is not valid yet",
		[X509_EXPIRED] = "has expired",
		[X509_ISSUER] = "names another issuer",
		[X509_SIGNATURE] = "is not signed by its issuer with the expected algorithm",
		[X509_NOT_CA] = "has an issuer that may not issue it",
		[X509_CERT_REVOKED] = "is revoked",
		[X509_CRL_STALE] = "has a revocation list that is not current",
		[X509_CRL_SIGNATURE] = "has a revocation list that is not its issuer's",
		[X509_ANCHOR] = "does not lead to the pinned root",
		[X509_CRITICAL] = "has a critical extension that is not known here",
		[X509_TWICE] = "has the same extension twice",
	};

	return problem < sizeof(texts) / sizeof(texts[0]) ? texts[problem] : "has an unknown problem";
}

/*
 * RSASSA-PSS with SHA-384, MGF1 with SHA-384, 48 bytes of salt; all of them are written in the parameters.  The trailer
 * field is OpenSSL's to check: it knows one only.
 */
static bool is_pss_sha384(const X509_ALGOR *algorithm)
{
	const ASN1_OBJECT *object, *inner;
	RSA_PSS_PARAMS *params;
	const void *value;
	bool good = false;
	int type;

	X509_ALGOR_get0(&object, &type, &value, algorithm);
	if (OBJ_obj2nid(object) != NID_rsassaPss || type != V_ASN1_SEQUENCE)
		return false;
	params = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), algorithm->parameter);
	if (!params)
		return false;
	if (!params->hashAlgorithm || !params->maskGenAlgorithm || !params->saltLength)
		goto out;
	X509_ALGOR_get0(&inner, NULL, NULL, params->hashAlgorithm);
	if (OBJ_obj2nid(inner) != NID_sha384)
		goto out;
	X509_ALGOR_get0(&inner, &type, &value, params->maskGenAlgorithm);
	if (OBJ_obj2nid(inner) != NID_mgf1 || type != V_ASN1_SEQUENCE)
		goto out;
	params->maskHash = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(X509_ALGOR), params->maskGenAlgorithm->parameter);
	if (!params->maskHash)
		goto out;
	X509_ALGOR_get0(&inner, NULL, NULL, params->maskHash);
	good = OBJ_obj2nid(inner) == NID_sha384 && ASN1_INTEGER_get(params->saltLength) == PSS_SALT_LEN;
out:
	RSA_PSS_PARAMS_free(params);
	return good;
}

static bool is_ecdsa_sha256(const X509_ALGOR *algorithm)
{
	const ASN1_OBJECT *object;
	int type;

	X509_ALGOR_get0(&object, &type, NULL, algorithm);
	return OBJ_obj2nid(object) == NID_ecdsa_with_SHA256 && type == V_ASN1_UNDEF;
}

/* Is @signature_algorithm @algorithm, and @key one for it? */
static bool algorithm_fits(const X509_ALGOR *signature_algorithm, const EVP_PKEY *key, enum x509_algorithm algorithm)
{
	switch (algorithm) {
	case X509_RSA_PSS_SHA384:
		return is_pss_sha384(signature_algorithm) && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
		       EVP_PKEY_get_bits(key) == AMD_RSA_BITS;
	case X509_ECDSA_P256_SHA256:
		return is_ecdsa_sha256(signature_algorithm) && x509_key_is_ec(key, X509_P256);
	}
	return false;
}

static bool cert_signed_by(const struct x509_cert *cert, const struct x509_cert *issuer, enum x509_algorithm algorithm)
{
	EVP_PKEY *key = X509_get0_pubkey(issuer->x509);
	const X509_ALGOR *signature_algorithm;

	X509_get0_signature(NULL, &signature_algorithm, cert->x509);
	/* X509_verify() also sees that the algorithm inside the signed part is the same. */
	return algorithm_fits(signature_algorithm, key, algorithm) && X509_verify(cert->x509, key) == 1;
}

/* May it sign certificates with @n_between other ones between it and the leaf? */
static bool is_ca(const struct x509_cert *cert, size_t n_between)
{
	uint32_t flags = X509_get_extension_flags(cert->x509);
	long path_len = X509_get_pathlen(cert->x509);

	if (!(flags & EXFLAG_CA) || !(flags & EXFLAG_KUSAGE))
		return false;
	/* None, for OpenSSL, if an extension that it knows is malformed. */
	if (!(X509_get_key_usage(cert->x509) & KU_KEY_CERT_SIGN))
		return false;
	return path_len < 0 || (size_t)path_len >= n_between;
}

static enum x509_problem check_extensions(const struct x509_cert *cert)
{
	int n = X509_get_ext_count(cert->x509);

	for (int i = 0; i < n; i++) {
		X509_EXTENSION *extension = X509_get_ext(cert->x509, i);
		const ASN1_OBJECT *object = X509_EXTENSION_get_object(extension);
		int nid = OBJ_obj2nid(object);

		if (X509_get_ext_by_OBJ(cert->x509, object, i) >= 0)
			return X509_TWICE;
		if (X509_EXTENSION_get_critical(extension) && nid != NID_basic_constraints && nid != NID_key_usage)
			return X509_CRITICAL;
	}
	return X509_OK;
}

static enum x509_problem check_time(const struct x509_cert *cert, int64_t now)
{
	if (now < cert->not_before_s)
		return X509_NOT_YET;
	return now > cert->not_after_s ? X509_EXPIRED : X509_OK;
}

static enum x509_problem check_link(const struct x509_cert *cert, const struct x509_cert *issuer, size_t n_between,
				    enum x509_algorithm algorithm)
{
	if (X509_NAME_cmp(X509_get_issuer_name(cert->x509), X509_get_subject_name(issuer->x509)))
		return X509_ISSUER;
	if (!is_ca(issuer, n_between))
		return X509_NOT_CA;
	return cert_signed_by(cert, issuer, algorithm) ? X509_OK : X509_SIGNATURE;
}

static enum x509_problem check_chain(const struct x509_cert *const chain[], size_t n, const struct x509_cert *anchor,
				     enum x509_algorithm algorithm, int64_t now, size_t *ret_at)
{
	enum x509_problem problem;

	*ret_at = n ? n - 1 : 0;
	if (!n || n > X509_MAX_CHAIN || !x509_cert_is(chain[n - 1], anchor))
		return X509_ANCHOR;
	/* From the anchor down, so that what is not signed is not looked at; times last: "expired" means good else. */
	for (size_t i = n; i-- > 0;) {
		size_t issuer = i + 1 < n ? i + 1 : i;

		*ret_at = i;
		problem = check_link(chain[i], chain[issuer], issuer ? issuer - 1 : 0, algorithm);
		if (problem != X509_OK)
			return problem;
	}
	for (size_t i = n; i-- > 0;) {
		*ret_at = i;
		problem = check_extensions(chain[i]);
		if (problem != X509_OK)
			return problem;
	}
	for (size_t i = n; i-- > 0;) {
		*ret_at = i;
		problem = check_time(chain[i], now);
		if (problem != X509_OK)
			return problem;
	}
	return X509_OK;
}

enum x509_problem x509_chain_check(const struct x509_cert *const chain[], size_t n, const struct x509_cert *anchor,
				   enum x509_algorithm algorithm, int64_t now, size_t *ret_at)
{
	size_t at;
	enum x509_problem problem = check_chain(chain, n, anchor, algorithm, now, &at);

	ERR_clear_error();
	if (ret_at && problem != X509_OK)
		*ret_at = at;
	return problem;
}

/* A distribution point that covers some reasons or some kinds of certificates only says too little. */
static bool is_full_scope(X509_CRL *crl)
{
	ISSUING_DIST_POINT *point = X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, NULL, NULL);
	bool full;

	if (!point)
		return false;
	full = point->onlyuser <= 0 && point->onlyCA <= 0 && point->onlyattr <= 0 && !point->onlysomereasons;
	ISSUING_DIST_POINT_free(point);
	return full;
}

static bool entries_known(X509_CRL *crl)
{
	STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(crl);

	for (int i = 0; i < sk_X509_REVOKED_num(entries); i++) {
		X509_REVOKED *entry = sk_X509_REVOKED_value(entries, i);

		for (int j = 0; j < X509_REVOKED_get_ext_count(entry); j++) {
			X509_EXTENSION *extension = X509_REVOKED_get_ext(entry, j);
			int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));

			if (X509_EXTENSION_get_critical(extension) && nid != NID_certificate_issuer &&
			    nid != NID_crl_reason)
				return false;
		}
	}
	return true;
}

static bool crl_known(X509_CRL *crl)
{
	for (int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
		X509_EXTENSION *extension = X509_CRL_get_ext(crl, i);
		int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));

		if (nid == NID_issuing_distribution_point) {
			if (!is_full_scope(crl))
				return false;
		} else if (X509_EXTENSION_get_critical(extension)) {
			return false;
		}
	}
	return entries_known(crl);
}

static bool crl_signed_by(X509_CRL *crl, const struct x509_cert *issuer, enum x509_algorithm algorithm)
{
	EVP_PKEY *key = X509_get0_pubkey(issuer->x509);
	const X509_ALGOR *signature_algorithm;

	X509_CRL_get0_signature(crl, NULL, &signature_algorithm);
	return algorithm_fits(signature_algorithm, key, algorithm) && X509_CRL_verify(crl, key) == 1;
}

enum x509_problem x509_crl_check(const struct x509_crl *crl, const struct x509_cert *issuer, const struct x509_cert *cert,
				 enum x509_algorithm algorithm, int64_t now)
{
	enum x509_problem problem = X509_OK;
	X509_REVOKED *entry;

	if (X509_NAME_cmp(X509_CRL_get_issuer(crl->crl), X509_get_subject_name(issuer->x509)) ||
	    !crl_signed_by(crl->crl, issuer, algorithm))
		problem = X509_CRL_SIGNATURE;
	else if (!(X509_get_extension_flags(issuer->x509) & EXFLAG_KUSAGE) ||
		 !(X509_get_key_usage(issuer->x509) & KU_CRL_SIGN))
		problem = X509_NOT_CA;
	else if (!crl_known(crl->crl))
		problem = X509_CRITICAL;
	else if (now < crl->this_update_s || now > crl->next_update_s)
		problem = X509_CRL_STALE;
	else if (X509_CRL_get0_by_cert(crl->crl, &entry, cert->x509))
		problem = X509_CERT_REVOKED;
	ERR_clear_error();
	return problem;
}
