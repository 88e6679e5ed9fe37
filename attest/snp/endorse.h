/* SPDX-License-Identifier: MIT */
/*
 * endorse: what AMD's certificate of a VCEK or VLEK says in its extensions
 * (1.3.6.1.4.1.3704.1.*; AMD document 57230 for the VCEK, its VLEK definition).
 */
#ifndef ATTEST_SNP_ENDORSE_H
#define ATTEST_SNP_ENDORSE_H

#include "../x509.h"
#include "product.h"
#include "report.h"

#define SNP_NAME_LEN 64u

struct snp_endorsement {
	enum snp_signing_key kind;		/* SNP_KEY_VCEK: has a chip id; SNP_KEY_VLEK: has a CSP id */
	uint8_t struct_version;
	char product_name[SNP_NAME_LEN];	/* "Milan-B0" */
	enum snp_product product;
	struct snp_tcb tcb;
	uint8_t chip_id[SNP_CHIP_ID_LEN];	/* as in a report: Turin's 8 bytes have zeros after them */
	char csp_id[SNP_NAME_LEN];		/* a VLEK's: whom it was issued to */
};

/* -EBADMSG: an extension is missing, twice or not as it must be; @ret_why (static) says which. */
int snp_endorsement_read(const struct x509_cert *cert, struct snp_endorsement *ret_endorsement, const char **ret_why);

#endif
