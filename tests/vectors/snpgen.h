/* SPDX-License-Identifier: MIT */
/*
 * snpgen: SEV-SNP evidence that no machine of AMD's made, for tests: roots,
 * certificates with AMD's extensions, revocation lists and signed reports, with
 * anything in them wrong that a test wants wrong.  What cannot be made ends the
 * program.
 */
#ifndef TESTS_VECTORS_SNPGEN_H
#define TESTS_VECTORS_SNPGEN_H

#include <attest/snp/policy.h>
#include <attest/snp/trust.h>

#define SNPGEN_NOW INT64_C(1800000000)	/* certificates are valid from a year before to a year after */
#define SNPGEN_YEAR INT64_C(31536000)
#define SNPGEN_CERT_MAX 4096u
#define SNPGEN_EVIDENCE_MAX 16384u
#define SNPGEN_MAX_EXTENSIONS 16u
#define SNPGEN_MAX_REVOKED 4u

#define SNPGEN_AMD "1.3.6.1.4.1.3704.1."

enum snpgen_key {
	SNPGEN_ARK,		/* RSA-4096 */
	SNPGEN_ASK,
	SNPGEN_OTHER,		/* somebody else's */
	SNPGEN_SMALL,		/* RSA-2048 */
	SNPGEN_LEAF,		/* P-384 */
	SNPGEN_STRANGER,
	SNPGEN_P256,
	SNPGEN_WRITTEN_OUT,	/* P-384, by its parameters instead of its name */
	SNPGEN_N_KEYS,
};

enum snpgen_algorithm {
	SNPGEN_GOOD,		/* RSA-PSS SHA-384, salt 48; for EC keys ECDSA SHA-256 */
	SNPGEN_PKCS1,
	SNPGEN_PSS_SHA256,	/* MGF1 with SHA-384 */
	SNPGEN_PSS_SHA1,	/* so that hash and MGF1 are the defaults, which are not written */
	SNPGEN_PSS_MGF_SHA256,
	SNPGEN_PSS_SALT_32,
};

struct snpgen_extension {
	char oid[32];
	bool critical;
	uint8_t bytes[80];
	size_t len;
};

struct snpgen_cert {
	char subject[64], issuer[64];	/* common names */
	enum snpgen_key key, signer;
	enum snpgen_algorithm algorithm;
	uint64_t serial;
	int64_t not_before_s, not_after_s;
	char constraints[32];		/* "critical,CA:TRUE,pathlen:0"; "": none */
	char usage[48];			/* "critical,keyCertSign" */
	struct snpgen_extension extensions[SNPGEN_MAX_EXTENSIONS];
	size_t n_extensions;
};

struct snpgen_crl {
	char issuer[64];
	enum snpgen_key signer;
	enum snpgen_algorithm algorithm;
	int64_t this_update_s, next_update_s;	/* next 0: none */
	bool critical;			/* has an unknown critical extension */
	bool user_only;			/* has an issuing distribution point for leaves only */
	bool indirect;			/* ... for other issuers' certificates */
	size_t n_revoked;
	struct {
		uint64_t serial;
		char issuer[64];	/* "": the list's */
		bool critical;		/* has an unknown critical extension */
	} revoked[SNPGEN_MAX_REVOKED];
};

struct snpgen {
	enum snp_product product;
	bool vlek;
	struct snpgen_cert ark, ask, leaf;
	uint8_t report[SNP_REPORT_LEN];	/* signed by snpgen_evidence() */
	enum snpgen_key report_key;
	bool keep_signature;		/* the report's is there already */
	bool send_root;
};

/* All of it good.  A VLEK: CHIP_ID is masked. */
void snpgen_init(struct snpgen *gen, enum snp_product product, bool vlek, uint32_t version);
/* @len bytes, little endian, at @offset of the report. */
void snpgen_put(struct snpgen *gen, size_t offset, uint64_t value, size_t len);
/* The first extension @oid of @cert; one that is not there ends the program. */
struct snpgen_extension *snpgen_find(struct snpgen_cert *cert, const char *oid);
void snpgen_drop(struct snpgen_cert *cert, const char *oid);
void snpgen_add(struct snpgen_cert *cert, const char *oid, bool critical, const void *bytes, size_t len);
/* A TCB's four or five extensions. */
void snpgen_set_tcb(struct snpgen_cert *cert, enum snp_product product, const struct snp_tcb *tcb);

/* Lengths; one @cert after another that is the same is made once. */
size_t snpgen_cert_make(const struct snpgen_cert *cert, uint8_t ret_der[SNPGEN_CERT_MAX]);
size_t snpgen_crl_make(const struct snpgen_crl *crl, uint8_t ret_der[SNPGEN_CERT_MAX]);
struct x509_cert *snpgen_cert_parsed(const struct snpgen_cert *cert);
void snpgen_sign(uint8_t report[SNP_REPORT_LEN], enum snpgen_key key);
size_t snpgen_evidence(struct snpgen *gen, uint8_t ret_bytes[SNPGEN_EVIDENCE_MAX]);
/* Trust in @gen's root only; a CRL of it, good and empty. */
void snpgen_trust(const struct snpgen *gen, struct snp_trust *ret_trust);
void snpgen_crl_init(const struct snpgen *gen, struct snpgen_crl *ret_crl);
/* The defaults, and what a good @gen needs beyond them. */
void snpgen_policy(const struct snpgen *gen, struct snp_policy *ret_policy);
/* A policy file's section of @gen's product, with @gen's measurement. */
void snpgen_policy_text(const struct snpgen *gen, char *ret_text, size_t size);
extern const struct snp_tcb snpgen_tcb;
extern const uint8_t snpgen_report_data[SNP_REPORT_DATA_LEN];

#endif
