/* SPDX-License-Identifier: MIT */
/* trust: AMD's root of each product, and revocation lists.  Nothing else is a root. */
#ifndef ATTEST_SNP_TRUST_H
#define ATTEST_SNP_TRUST_H

#include "../x509.h"
#include "product.h"

#define SNP_MAX_CRLS 2u		/* of one product: one for VCEKs, one for VLEKs */

struct snp_trust {
	struct snp_product_trust {
		struct x509_cert *ark;		/* owned; NULL: nothing of this product is believed */
		struct x509_crl *crls[SNP_MAX_CRLS];	/* owned */
		size_t n_crls;
	} products[SNP_N_PRODUCTS];
};

/* AMD's roots as they are built in.  -ENOMEM, or -EBADMSG if libcrypto cannot read them; then nothing is left to free. */
int snp_trust_init(struct snp_trust *ret_trust);
/* No roots. */
void snp_trust_init_empty(struct snp_trust *ret_trust);
void snp_trust_fini(struct snp_trust *trust);
/* Takes @ark, in place of the one that is there. */
void snp_trust_set_root(struct snp_trust *trust, enum snp_product product, struct x509_cert *ark);
/* A CRL in DER; whether it is AMD's is seen when it is used.  -ENOSPC: SNP_MAX_CRLS, and as x509_crl_parse(). */
int snp_trust_add_crl(struct snp_trust *trust, enum snp_product product, const uint8_t *der, size_t len);

#endif
