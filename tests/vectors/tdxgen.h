/* SPDX-License-Identifier: MIT */
/*
 * tdxgen: TDX evidence of an Intel that is not: root, PCK CA, PCK and TCB
 * signing certificates, CRLs, TCB info, QE identity and quotes, shaped like the
 * real ones, with keys made at the start.  tdxgen_init() gives evidence that the
 * default policy believes once the measurements are named; a test changes a
 * field and generates again.  For tests and fuzz seeds only: anything that goes
 * wrong here ends the program.
 */
#ifndef TESTS_VECTORS_TDXGEN_H
#define TESTS_VECTORS_TDXGEN_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <attest/tdx/pck.h>
#include <attest/tdx/policy.h>
#include <attest/tdx/quote.h>

#define TDXGEN_NOW INT64_C(1790000000)	/* 2026-09-21T14:13:20Z */
#define TDXGEN_DAY INT64_C(86400)
#define TDXGEN_QUOTE_SIZE 16384u
#define TDXGEN_TEXT_SIZE 16384u

enum tdxgen_key {
	TDXGEN_KEY_ROOT, TDXGEN_KEY_CA, TDXGEN_KEY_PCK, TDXGEN_KEY_TCB, TDXGEN_KEY_ATTESTATION, TDXGEN_KEY_OTHER,
	TDXGEN_N_KEYS,
};

enum tdxgen_cert_id { TDXGEN_ROOT, TDXGEN_CA, TDXGEN_PCK, TDXGEN_TCB, TDXGEN_N_CERTS };

struct tdxgen_cert {
	const char *name;		/* common name */
	const char *issuer_name;
	enum tdxgen_key key;
	enum tdxgen_key issuer_key;
	int64_t from_s, to_s;
	long serial;
	bool is_ca;
};

enum tdxgen_crl_id { TDXGEN_ROOT_CRL, TDXGEN_PCK_CRL, TDXGEN_N_CRLS };

struct tdxgen_crl {
	const char *issuer_name;
	enum tdxgen_key key;
	int64_t from_s, to_s;
	long revoked[2];		/* serial numbers, 0: none */
};

/* One level of the TCB info: what is not here is 0 (components of SGX: 1). */
struct tdxgen_level {
	uint8_t sgx_svn;		/* of component 1 */
	uint8_t tdx_svn[3];		/* of components 1 to 3 */
	uint16_t pcesvn;
	const char *status;
	const char *advisories;		/* JSON array, NULL: none */
};

struct tdxgen_svn_level {
	uint16_t isvsvn;
	const char *status;		/* NULL: no more levels */
};

struct tdxgen_module {
	const char *id;			/* "TDX_01" */
	uint8_t mrsigner;		/* first byte of MRSIGNER; the rest is 0 */
	uint8_t attributes;		/* first byte of attributes; all bits are in the mask */
	struct tdxgen_svn_level levels[3];
};

struct tdxgen_tcbinfo {
	const char *id;
	uint32_t version, type, evaluation;
	int64_t issued_s, next_update_s;
	uint8_t fmspc[TDX_FMSPC_LEN];
	uint8_t pceid[TDX_PCEID_LEN];
	struct tdxgen_module base;		/* "tdxModule"; no levels */
	struct tdxgen_module modules[3];	/* ended by a NULL id */
	struct tdxgen_level levels[4];		/* ended by a NULL status */
};

struct tdxgen_qeidentity {
	const char *id;
	uint32_t version, evaluation;
	int64_t issued_s, next_update_s;
	uint32_t miscselect, miscselect_mask;
	uint8_t attributes[16], attributes_mask[16];
	uint8_t mrsigner[32];
	uint16_t isvprodid;
	struct tdxgen_svn_level levels[3];
};

struct tdxgen {
	EVP_PKEY *keys[TDXGEN_N_KEYS];
	struct tdxgen_cert certs[TDXGEN_N_CERTS];
	X509 *root;			/* made from certs[TDXGEN_ROOT] by tdxgen_renew_root() only */
	struct tdx_pck pck;		/* in the PCK certificate's extension */
	bool no_extension;
	struct tdxgen_crl crls[TDXGEN_N_CRLS];
	struct tdxgen_tcbinfo tcbinfo;
	struct tdxgen_qeidentity qeidentity;
	enum tdxgen_key tcbinfo_key, qeidentity_key;	/* that sign the documents */
	enum tdxgen_cert_id chain[4];			/* of the quote */
	size_t n_chain;
	enum tdxgen_cert_id document_chain[2];
	size_t n_document_chain;

	struct tdx_header header;
	uint16_t body_type;		/* version 5 only; in version 4 the report is 1.0 */
	struct tdx_report report;
	struct tdx_qe_report qe;	/* report_data is filled in, but for the next one */
	bool keep_qe_report_data;
	uint8_t auth[32];
	size_t auth_len;
	enum tdxgen_key qe_signer, quote_signer;
	size_t n_trailing;		/* bytes after the quote */
};

/** Keys are made anew. */
void tdxgen_init(struct tdxgen *gen);
void tdxgen_fini(struct tdxgen *gen);
/** The default policy, with the measurements of @gen's report. */
void tdxgen_policy(const struct tdxgen *gen, struct tdx_policy *ret_policy);

/** The quote, into a room of TDXGEN_QUOTE_SIZE bytes; its length with what trails it. */
size_t tdxgen_quote(const struct tdxgen *gen, uint8_t *ret_quote);
/** Signature: r || s. */
void tdxgen_sign(const struct tdxgen *gen, enum tdxgen_key key, const void *data, size_t len, uint8_t ret_signature[64]);
/** x || y */
void tdxgen_public(const struct tdxgen *gen, enum tdxgen_key key, uint8_t ret_public[64]);

/* tdxgen_cert.c */
void tdxgen_renew_root(struct tdxgen *gen);
/** The contents of a PCK certificate's SGX extension, into @size bytes; its length. */
size_t tdxgen_extension(const struct tdx_pck *pck, uint8_t *ret_der, size_t size);
/** DER; free(). */
uint8_t *tdxgen_cert(const struct tdxgen *gen, enum tdxgen_cert_id id, size_t *ret_len);
uint8_t *tdxgen_crl(const struct tdxgen *gen, enum tdxgen_crl_id id, size_t *ret_len);
/** PEM of @n certificates, into @size bytes; the length without the NUL. */
size_t tdxgen_pem(const struct tdxgen *gen, const enum tdxgen_cert_id *ids, size_t n, char *ret_pem, size_t size);

/* tdxgen_json.c: into TDXGEN_TEXT_SIZE characters; the length without the NUL */
size_t tdxgen_tcbinfo(const struct tdxgen *gen, char *ret_text);
size_t tdxgen_qeidentity(const struct tdxgen *gen, char *ret_text);
enum tdxgen_form {
	TDXGEN_STRINGS,		/* documents as strings, signatures beside them */
	TDXGEN_OBJECTS,		/* documents as objects in the file */
	TDXGEN_ANSWERS,		/* Intel's answers as objects */
	TDXGEN_ANSWER_STRINGS,	/* Intel's answers as strings */
};
/** The file of these two signed texts, with @gen's signatures, chains and CRLs; free(). */
char *tdxgen_collateral_of(const struct tdxgen *gen, enum tdxgen_form form, const char *tcbinfo, const char *qeidentity);
/** The same of @gen's own texts, in the form STRINGS. */
char *tdxgen_collateral(const struct tdxgen *gen);

/* Ends the program. */
#define TDXGEN_NEED(condition)									\
	do {											\
		if (!(condition)) {								\
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);	\
			abort();								\
		}										\
	} while (0)

#endif
