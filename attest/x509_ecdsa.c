// SPDX-License-Identifier: MIT
/* x509_ecdsa: signatures over bytes, see x509.h. */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "x509.h"
#include "x509_object.h"

bool x509_key_is_ec(const EVP_PKEY *key, enum x509_curve curve)
{
	const char *expected = curve == X509_P384 ? SN_secp384r1 : SN_X9_62_prime256v1;
	char name[32];
	int is_explicit = 1;
	size_t len;

	if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC || !EVP_PKEY_get_group_name(key, name, sizeof(name), &len))
		return false;
	/* Parameters that only look like the curve's have another generator. */
	if (!EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &is_explicit) || is_explicit)
		return false;
	return strcmp(name, expected) == 0;
}

/* The signature as OpenSSL wants it: DER.  Its length, 0 if out of memory; free @ret_der with OPENSSL_free(). */
static size_t signature_der(const uint8_t *r, const uint8_t *s, size_t len, uint8_t **ret_der)
{
	ECDSA_SIG *signature = ECDSA_SIG_new();
	BIGNUM *number_r = BN_bin2bn(r, (int)len, NULL);
	BIGNUM *number_s = BN_bin2bn(s, (int)len, NULL);
	int der_len = 0;

	*ret_der = NULL;
	if (signature && number_r && number_s && ECDSA_SIG_set0(signature, number_r, number_s)) {
		number_r = number_s = NULL;
		der_len = i2d_ECDSA_SIG(signature, ret_der);
	}
	BN_free(number_r);
	BN_free(number_s);
	ECDSA_SIG_free(signature);
	return der_len > 0 ? (size_t)der_len : 0;
}

static bool verify(EVP_PKEY *key, enum x509_curve curve, const uint8_t *r, const uint8_t *s, const uint8_t *data,
		   size_t len)
{
	const EVP_MD *hash = curve == X509_P384 ? EVP_sha384() : EVP_sha256();
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t *der;
	size_t der_len = signature_der(r, s, (size_t)curve, &der);
	bool good = context && der_len && EVP_DigestVerifyInit(context, NULL, hash, NULL, key) == 1 &&
		    EVP_DigestVerify(context, der, der_len, data, len) == 1;

	OPENSSL_free(der);
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return good;
}

bool x509_ecdsa_verify(const struct x509_cert *cert, enum x509_curve curve, const uint8_t *r, const uint8_t *s,
		       const uint8_t *data, size_t len)
{
	EVP_PKEY *key = X509_get0_pubkey(cert->x509);

	return x509_key_is_ec(key, curve) && verify(key, curve, r, s, data, len);
}

bool x509_ecdsa_verify_raw(const uint8_t public_key[64], const uint8_t signature[64], const uint8_t *data, size_t len)
{
	uint8_t point[65] = { POINT_CONVERSION_UNCOMPRESSED };
	char group[] = SN_X9_62_prime256v1;
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group) - 1),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
		OSSL_PARAM_END,
	};
	EVP_PKEY_CTX *context;
	EVP_PKEY *key = NULL;
	bool good;

	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return false;
	memcpy(point + 1, public_key, 64);
	context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	/* A point that is not on the curve makes no key. */
	good = context && EVP_PKEY_fromdata_init(context) == 1 &&
	       EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) == 1 &&
	       verify(key, X509_P256, signature, signature + 32, data, len);
	EVP_PKEY_free(key);
	EVP_PKEY_CTX_free(context);
	ERR_clear_error();
	return good;
}
