/* SPDX-License-Identifier: MIT */
/*
 * quote: what a TDX machine's quoting enclave (QE) signs, versions 4 and 5,
 * taken apart and nothing believed.  Layout: Intel TDX DCAP Quoting Library API,
 * appendix A; all integers are little endian.
 *
 *   header (48)
 *   version 5 only: u16 body type, u32 body length
 *   TD report: 1.0 (584), or 1.5 (648, version 5 only)
 *   u32 length of what follows; bytes after that are not read
 *   signature by the attestation key (64), over everything before the length
 *   attestation key (64)
 *   u16 type 6, u32 length:
 *     QE report (384), signature by the PCK key (64)
 *     u16 length, QE authentication data
 *     u16 type 5, u32 length: PCK certificate, its CA, the root, in PEM
 */
#ifndef ATTEST_TDX_QUOTE_H
#define ATTEST_TDX_QUOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TDX_QUOTE_MAX_LEN (64u * 1024u)		/* of the quote itself; what trails it may be longer */
#define TDX_QUOTE_MAX_AUTH_LEN 1024u
#define TDX_QUOTE_MAX_PEM_LEN (32u * 1024u)

#define TDX_HEADER_LEN 48u
#define TDX_REPORT_10_LEN 584u
#define TDX_REPORT_15_LEN 648u
#define TDX_QE_REPORT_LEN 384u
#define TDX_MEASUREMENT_LEN 48u
#define TDX_REPORT_DATA_LEN 64u
#define TDX_SVN_LEN 16u
#define TDX_N_RTMRS 4u

#define TDX_TEE_TYPE 0x81u
#define TDX_KEY_TYPE_P256 2u		/* ECDSA with P-256 and SHA-256 */
#define TDX_BODY_TYPE_10 2u
#define TDX_BODY_TYPE_15 3u
#define TDX_CERT_TYPE_PCK_CHAIN 5u
#define TDX_CERT_TYPE_QE_REPORT 6u

struct tdx_header {
	uint16_t version;
	uint16_t key_type;
	uint32_t tee_type;
	uint8_t qe_vendor[16];
};

/* What the TDX module says about the TD. */
struct tdx_report {
	uint8_t tee_tcb_svn[TDX_SVN_LEN];
	uint8_t mrseam[TDX_MEASUREMENT_LEN];		/* of the TDX module */
	uint8_t mrsignerseam[TDX_MEASUREMENT_LEN];	/* zeros: Intel's own module */
	uint8_t seam_attributes[8];
	uint64_t attributes;				/* of the TD */
	uint64_t xfam;
	uint8_t mrtd[TDX_MEASUREMENT_LEN];
	uint8_t mrconfigid[TDX_MEASUREMENT_LEN];
	uint8_t mrowner[TDX_MEASUREMENT_LEN];
	uint8_t mrownerconfig[TDX_MEASUREMENT_LEN];
	uint8_t rtmr[TDX_N_RTMRS][TDX_MEASUREMENT_LEN];
	uint8_t report_data[TDX_REPORT_DATA_LEN];
	bool has_15;					/* the two below; zeros without */
	uint8_t tee_tcb_svn2[TDX_SVN_LEN];		/* of the module that runs now; it may have been updated */
	uint8_t mrservicetd[TDX_MEASUREMENT_LEN];	/* service TDs bound to this one */
};

/* What the CPU says about the QE: an SGX report body. */
struct tdx_qe_report {
	uint32_t miscselect;
	uint8_t attributes[16];
	uint8_t mrenclave[32];
	uint8_t mrsigner[32];
	uint16_t isvprodid;
	uint16_t isvsvn;
	uint8_t report_data[64];
};

/* Pointers are into the caller's bytes. */
struct tdx_quote {
	struct tdx_header header;
	struct tdx_report report;
	struct tdx_qe_report qe;
	const uint8_t *signed_data;	/* from the quote's first byte */
	size_t signed_len;
	const uint8_t *signature;	/* 64: r || s, big endian */
	const uint8_t *key;		/* 64: x || y, big endian */
	const uint8_t *qe_report;	/* TDX_QE_REPORT_LEN, as signed */
	const uint8_t *qe_signature;	/* 64 */
	const uint8_t *auth;
	size_t auth_len;
	const char *pem;		/* not terminated */
	size_t pem_len;
	size_t len;			/* of the quote without what trails it */
};

/** The first 48 bytes, of any version.  -EBADMSG: there are fewer. */
int tdx_header_parse(const uint8_t *data, size_t len, struct tdx_header *ret_header);
/**
 * The whole quote.  -ENOTSUP: another version, TEE or key type; -EBADMSG: cut, or lengths that contradict each other;
 * -E2BIG: longer than the limits above.
 */
int tdx_quote_parse(const uint8_t *data, size_t len, struct tdx_quote *ret_quote);

#endif
