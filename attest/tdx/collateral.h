/* SPDX-License-Identifier: MIT */
/*
 * collateral: what Intel publishes about platforms, and a verifier needs beside
 * a quote: the TCB table, the QE's identity, two CRLs.  It is one JSON file:
 *
 *   "tcb_info"                   what Intel signed, see below
 *   "tcb_info_signature"         ECDSA P-256 over it: r || s in hex
 *   "tcb_info_issuer_chain"      PEM: the signer's certificate, the root
 *   "qe_identity", "qe_identity_signature", "qe_identity_issuer_chain"     likewise
 *   "root_ca_crl", "pck_crl"     DER in hex: the root's CRL, that of the CA that issued the PCK certificate
 *
 * A signature covers bytes.  Where "tcb_info" is a string, they are the string's
 * characters, escapes undone; where it is an object, they are its characters in
 * the file, from { to }.  Without "tcb_info_signature", the string or object is
 * Intel's whole answer: {"tcbInfo":{...},"signature":"..."} ("enclaveIdentity"
 * for the QE), and the signed bytes are those of its member.  Other members
 * ("pck_crl_issuer_chain") are not read: the PCK CRL's issuer must be the CA
 * that the quote itself carries.
 *
 * Nothing in here is believed yet: verify.h does that.
 */
#ifndef ATTEST_TDX_COLLATERAL_H
#define ATTEST_TDX_COLLATERAL_H

#include <stddef.h>
#include <stdint.h>

#include "../x509.h"

#define TDX_COLLATERAL_MAX_CERTS 2u	/* signer, root */

struct tdx_document {			/* signed JSON */
	char *text;			/* exactly what was signed; not terminated */
	size_t len;
	uint8_t signature[64];
	struct x509_cert *chain[TDX_COLLATERAL_MAX_CERTS];
	size_t n_chain;
};

struct tdx_collateral {
	struct tdx_document tcb_info;
	struct tdx_document qe_identity;
	struct x509_crl *root_crl;
	struct x509_crl *pck_crl;
};

/** -EBADMSG: not as above, -E2BIG: beyond a limit, -ENOMEM.  Free. */
int tdx_collateral_new(const char *json, size_t len, struct tdx_collateral **ret_collateral);
void tdx_collateral_free(struct tdx_collateral *collateral);

#endif
