/* SPDX-License-Identifier: MIT */
/*
 * trust: what verifiers need that is not in the evidence: AMD's and Intel's
 * roots, which are built in, and what their owners publish from time to time,
 * from a folder:
 *
 *   snp-milan.crl, snp-genoa.crl, snp-turin.crl    AMD's revocation lists, DER
 *   snp-milan-vlek.crl, ...                        the same for VLEKs
 *   tdx-collateral.json                            tdx/collateral.h
 *
 * Each may be absent; what rests on it is then refused, or not asked, as the
 * policy says.  Other files are not looked at.
 */
#ifndef ATTEST_TRUST_H
#define ATTEST_TRUST_H

#include "snp/trust.h"
#include "tdx/collateral.h"

#define TRUST_ERROR_LEN 256u

struct trust {
	struct snp_trust snp;
	struct x509_cert *tdx_root;
	struct tdx_collateral *tdx_collateral;	/* NULL: none */
};

/** The roots.  -ENOMEM, -EBADMSG: libcrypto cannot read them; then nothing is left to free. */
int trust_init(struct trust *trust);
void trust_fini(struct trust *trust);
/** Add what is in folder @path.  On failure @ret_error names the file; the rest of @trust stays as it was. */
int trust_load_folder(struct trust *trust, const char *path, char ret_error[TRUST_ERROR_LEN]);
/** Take this collateral in place of what is there.  Errors as tdx_collateral_new(). */
int trust_set_collateral(struct trust *trust, const char *json, size_t len);

#endif
