// SPDX-License-Identifier: MIT
/* x509: certificates and CRLs as objects, see x509.h; x509_check.c judges them. */
#include "x509.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "x509_object.h"

/* Real ones have about a dozen. */
#define MAX_EXTENSIONS 64

/* The machine's OpenSSL configuration could change what algorithms mean. */
static bool init(void)
{
	return OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1;
}

/* Keep OpenSSL's queue of errors empty: nobody here reads it. */
static int fail(int error)
{
	ERR_clear_error();
	return error;
}

static bool time_seconds(const ASN1_TIME *asn1, int64_t *ret_seconds)
{
	struct tm tm;

	/* OpenSSL takes NULL for the current time. */
	if (!asn1 || !ASN1_TIME_to_tm(asn1, &tm))
		return false;
	*ret_seconds = timegm(&tm);
	return true;
}

static int cert_fill(struct x509_cert *cert)
{
	const uint8_t *end = cert->der;

	cert->x509 = d2i_X509(NULL, &end, (long)cert->len);
	if (!cert->x509 || end != cert->der + cert->len)
		return -EBADMSG;
	if (!time_seconds(X509_get0_notBefore(cert->x509), &cert->not_before_s) ||
	    !time_seconds(X509_get0_notAfter(cert->x509), &cert->not_after_s))
		return -EBADMSG;
	if (X509_get_ext_count(cert->x509) > MAX_EXTENSIONS || !X509_get0_pubkey(cert->x509))
		return -EBADMSG;
	/* OpenSSL fills in what it caches now, so that nothing changes later. */
	X509_check_purpose(cert->x509, -1, 0);
	return 0;
}

int x509_cert_parse(const uint8_t *der, size_t len, struct x509_cert **ret_cert)
{
	struct x509_cert *cert;
	int ret;

	if (len > X509_MAX_LEN)
		return -E2BIG;
	if (!len || !init())
		return len ? -ENOMEM : -EBADMSG;
	cert = calloc(1, sizeof(*cert) + len);
	if (!cert)
		return -ENOMEM;
	cert->len = len;
	memcpy(cert->der, der, len);
	ret = cert_fill(cert);
	ERR_clear_error();
	if (ret) {
		x509_cert_free(cert);
		return ret;
	}
	*ret_cert = cert;
	return 0;
}

void x509_cert_free(struct x509_cert *cert)
{
	if (!cert)
		return;
	X509_free(cert->x509);
	free(cert);
}

/* The next certificate of @bio.  -ENOENT: there is none. */
static int pem_next(BIO *bio, struct x509_cert **ret_cert)
{
	char *name = NULL, *header = NULL;
	unsigned char *data = NULL;
	long len;
	int ret = -EAGAIN;

	while (ret == -EAGAIN) {
		if (!PEM_read_bio(bio, &name, &header, &data, &len))
			return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE ? -ENOENT : -EBADMSG;
		if (strcmp(name, PEM_STRING_X509) == 0)
			ret = *header ? -EBADMSG : x509_cert_parse(data, (size_t)len, ret_cert);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_free(data);
	}
	return ret;
}

int x509_certs_parse_pem(const char *pem, size_t len, size_t max, struct x509_cert **ret_certs, size_t *ret_n)
{
	struct x509_cert *cert;
	size_t n = 0;
	BIO *bio;
	int ret;

	if (len > X509_MAX_CRL_LEN)
		return -E2BIG;
	bio = init() ? BIO_new_mem_buf(pem, (int)len) : NULL;
	if (!bio)
		return fail(-ENOMEM);
	while ((ret = pem_next(bio, &cert)) == 0 && n < max)
		ret_certs[n++] = cert;
	BIO_free(bio);
	if (ret == -ENOENT) {
		*ret_n = n;
		return fail(0);
	}
	if (ret == 0) {
		x509_cert_free(cert);
		ret = -E2BIG;
	}
	while (n) {
		x509_cert_free(ret_certs[--n]);
		ret_certs[n] = NULL;
	}
	return fail(ret);
}

int x509_crl_parse(const uint8_t *der, size_t len, struct x509_crl **ret_crl)
{
	const uint8_t *end = der;
	struct x509_crl *crl;

	if (len > X509_MAX_CRL_LEN)
		return -E2BIG;
	crl = init() ? calloc(1, sizeof(*crl)) : NULL;
	if (!crl)
		return -ENOMEM;
	crl->crl = len ? d2i_X509_CRL(NULL, &end, (long)len) : NULL;
	if (!crl->crl || end != der + len || X509_CRL_get_ext_count(crl->crl) > MAX_EXTENSIONS ||
	    !time_seconds(X509_CRL_get0_lastUpdate(crl->crl), &crl->this_update_s) ||
	    !time_seconds(X509_CRL_get0_nextUpdate(crl->crl), &crl->next_update_s)) {
		x509_crl_free(crl);
		return fail(-EBADMSG);
	}
	*ret_crl = crl;
	return 0;
}

void x509_crl_free(struct x509_crl *crl)
{
	if (!crl)
		return;
	X509_CRL_free(crl->crl);
	free(crl);
}

bool x509_cert_is(const struct x509_cert *a, const struct x509_cert *b)
{
	return a->len == b->len && memcmp(a->der, b->der, a->len) == 0;
}

void x509_cert_der(const struct x509_cert *cert, const uint8_t **ret_der, size_t *ret_len)
{
	*ret_der = cert->der;
	*ret_len = cert->len;
}

void x509_cert_common_name(const struct x509_cert *cert, char ret_name[X509_NAME_MAX])
{
	const X509_NAME *subject = X509_get_subject_name(cert->x509);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	const ASN1_STRING *name;
	int len;

	ret_name[0] = '\0';
	if (at < 0)
		return;
	name = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
	len = ASN1_STRING_length(name);
	if (len >= (int)X509_NAME_MAX)
		len = (int)X509_NAME_MAX - 1;
	/* It is shown to people, and compared with plain names. */
	for (int i = 0; i < len; i++) {
		unsigned char c = ASN1_STRING_get0_data(name)[i];

		ret_name[i] = c >= 0x20 && c <= 0x7e ? (char)c : '?';
	}
	ret_name[len] = '\0';
}

bool x509_cert_has_key(const struct x509_cert *cert, enum x509_curve curve)
{
	return x509_key_is_ec(X509_get0_pubkey(cert->x509), curve);
}

int x509_cert_extension(const struct x509_cert *cert, const char *oid, const uint8_t **ret_der, size_t *ret_len)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	const ASN1_OCTET_STRING *contents;
	int at, again = -1;

	if (!object)
		return fail(-EINVAL);
	at = X509_get_ext_by_OBJ(cert->x509, object, -1);
	if (at >= 0)
		again = X509_get_ext_by_OBJ(cert->x509, object, at);
	ASN1_OBJECT_free(object);
	if (at < 0)
		return -ENOENT;
	if (again >= 0)
		return -EEXIST;
	contents = X509_EXTENSION_get_data(X509_get_ext(cert->x509, at));
	*ret_der = ASN1_STRING_get0_data(contents);
	*ret_len = (size_t)ASN1_STRING_length(contents);
	return 0;
}
