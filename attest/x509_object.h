/* SPDX-License-Identifier: MIT */
/* x509_object: what the files behind x509.h share. */
#ifndef ATTEST_X509_OBJECT_H
#define ATTEST_X509_OBJECT_H

#include <openssl/x509.h>

#include "x509.h"

struct x509_cert {
	X509 *x509;
	size_t len;		/* bytes of @der */
	int64_t not_before_s;	/* since 1970 */
	int64_t not_after_s;
	uint8_t der[];
};

struct x509_crl {
	X509_CRL *crl;
	int64_t this_update_s;
	int64_t next_update_s;
};

/* Is @key for ECDSA on @curve, and does it say so by the curve's name? */
bool x509_key_is_ec(const EVP_PKEY *key, enum x509_curve curve);

#endif
