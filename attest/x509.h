/* SPDX-License-Identifier: MIT */
/*
 * x509: certificates, CRLs and signatures, by OpenSSL's libcrypto, which
 * nothing outside this file and its evidence folders sees.  Time is an argument
 * (seconds since 1970), never the clock.  Nothing here reads a file.
 */
#ifndef ATTEST_X509_H
#define ATTEST_X509_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X509_MAX_CHAIN 4u
#define X509_MAX_LEN 16384u	/* bytes of one certificate */
#define X509_MAX_CRL_LEN (1u << 20)
#define X509_NAME_MAX 128u

struct x509_cert;	/* immutable once parsed */
struct x509_crl;

/* One certificate, exactly: bytes after it are refused.  -EBADMSG malformed, -E2BIG, -ENOMEM. */
int x509_cert_parse(const uint8_t *der, size_t len, struct x509_cert **ret_cert);
/*
 * PEM certificates, up to @max of them in order; other text and other kinds of blocks are passed over; none is no error.
 * Free each.  -E2BIG: more than @max, -EBADMSG: a block that is no certificate, -ENOMEM; then none is left in @ret_certs.
 */
int x509_certs_parse_pem(const char *pem, size_t len, size_t max, struct x509_cert **ret_certs, size_t *ret_n);
void x509_cert_free(struct x509_cert *cert);

/* One CRL, exactly; it must have a nextUpdate.  -EBADMSG, -E2BIG, -ENOMEM. */
int x509_crl_parse(const uint8_t *der, size_t len, struct x509_crl **ret_crl);
void x509_crl_free(struct x509_crl *crl);

enum x509_curve { X509_P256 = 32, X509_P384 = 48 };

/* Same bytes? */
bool x509_cert_is(const struct x509_cert *a, const struct x509_cert *b);
/* Its bytes, the certificate's. */
void x509_cert_der(const struct x509_cert *cert, const uint8_t **ret_der, size_t *ret_len);
/* Common name of the subject, "" if there is none. */
void x509_cert_common_name(const struct x509_cert *cert, char ret_name[X509_NAME_MAX]);
/* Does its key do ECDSA on @curve, by the curve's name? */
bool x509_cert_has_key(const struct x509_cert *cert, enum x509_curve curve);
/* Contents of the extension @oid ("1.3.6.1.4.1.3704.1.3.1"), the certificate's.  -ENOENT; -EEXIST: it is there twice. */
int x509_cert_extension(const struct x509_cert *cert, const char *oid, const uint8_t **ret_der, size_t *ret_len);

enum x509_problem {
	X509_OK = 0,
	X509_NOT_YET,		/* before notBefore */
	X509_EXPIRED,		/* after notAfter */
	X509_ISSUER,		/* its issuer's name is not the next one's subject */
	X509_SIGNATURE,		/* not signed by the next one, or by an algorithm not expected there */
	X509_NOT_CA,		/* an issuer that may not sign certificates, or CRLs */
	X509_CERT_REVOKED,	/* (X509_REVOKED is a type of OpenSSL's) */
	X509_CRL_STALE,		/* the CRL's nextUpdate has passed, or its thisUpdate has not come */
	X509_CRL_SIGNATURE,	/* the CRL is not its issuer's */
	X509_ANCHOR,		/* the last one is not the pinned anchor */
	X509_CRITICAL,		/* an unknown critical extension */
	X509_TWICE,		/* an extension is there twice */
};
/* "it has expired": to follow the name of a certificate or CRL; static. */
const char *x509_problem_text(enum x509_problem problem);

/* Signature algorithms that chains here may have; anything else is X509_SIGNATURE. */
enum x509_algorithm { X509_RSA_PSS_SHA384 = 1, X509_ECDSA_P256_SHA256 = 2 };

/*
 * Is chain[0] signed by chain[1], ... up to chain[n - 1], which must be @anchor byte for byte and signed by itself?
 * Each issuer a CA, no extension unknown and critical, each valid at @now, in this order over the whole chain: X509_EXPIRED
 * and X509_NOT_YET say that all else is good.  @ret_at, may be NULL, receives the index of the one with the problem.
 */
enum x509_problem x509_chain_check(const struct x509_cert *const chain[], size_t n, const struct x509_cert *anchor,
				   enum x509_algorithm algorithm, int64_t now, size_t *ret_at);

/*
 * Is @crl signed by @issuer with @algorithm and current at @now, and @cert not in it?  @cert is one that @issuer issued,
 * or, in a CRL that names the issuers of its entries, any.
 */
enum x509_problem x509_crl_check(const struct x509_crl *crl, const struct x509_cert *issuer, const struct x509_cert *cert,
				 enum x509_algorithm algorithm, int64_t now);

/*
 * ECDSA over @data by the certificate's EC key; r and s big endian, 48 bytes each for P-384 (SHA-384), 32 for P-256
 * (SHA-256).  false also if the key is of another kind or curve.
 */
bool x509_ecdsa_verify(const struct x509_cert *cert, enum x509_curve curve, const uint8_t *r, const uint8_t *s,
		       const uint8_t *data, size_t len);
/* The same by a raw P-256 public key, 64 bytes x || y. */
bool x509_ecdsa_verify_raw(const uint8_t public_key[64], const uint8_t signature[64], const uint8_t *data, size_t len);

#endif
