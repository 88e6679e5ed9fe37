/* SPDX-License-Identifier: MIT */
/*
 * evidence: SEV-SNP evidence as it travels: u16 format (1), the report (1184),
 * u8 number of certificates (2 or 3), and for each u16 length and DER form: the
 * VCEK's or VLEK's, the ASK's or ASVK's, and, if there is a third, the ARK's.
 */
#ifndef ATTEST_SNP_EVIDENCE_H
#define ATTEST_SNP_EVIDENCE_H

#include <stddef.h>
#include <stdint.h>

#include "report.h"

#define SNP_EVIDENCE_FORMAT 1u
#define SNP_MIN_CERTS 2u
#define SNP_MAX_CERTS 3u

struct snp_evidence {
	const uint8_t *report;		/* SNP_REPORT_LEN bytes */
	size_t n_certs;
	struct {
		const uint8_t *der;
		size_t len;
	} certs[SNP_MAX_CERTS];
};

/* @ret_evidence points into @bytes.  -EBADMSG: not exactly such bytes. */
int snp_evidence_parse(const uint8_t *bytes, size_t len, struct snp_evidence *ret_evidence);
/* Capacity in @len, length out.  -ENOBUFS; -EINVAL: another number of certificates, or one that is empty or too long. */
int snp_evidence_write(const struct snp_evidence *evidence, uint8_t *ret_bytes, size_t *len);

#endif
