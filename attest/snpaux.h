/* SPDX-License-Identifier: MIT */
/*
 * snpaux: the table of certificates that a SEV-SNP host hands to its guest
 * beside a report (GHCB specification, "SNP Extended Guest Request"): entries of
 * GUID (16), u32 offset and u32 length, ended by one of zeros; the certificates
 * (DER) after them.
 */
#ifndef ATTEST_SNPAUX_H
#define ATTEST_SNPAUX_H

#include "snp/evidence.h"

#define SNPAUX_MAX_ENTRIES 16u

/**
 * Certificates as snp/evidence.h wants them, into @ret_evidence->certs, which point into @table: VCEK or VLEK, then ASK
 * or ASVK.  The root is left out: a verifier has its own.  -EBADMSG: no such table; -ENOKEY: they are not in it.
 */
int snpaux_read(const uint8_t *table, size_t len, struct snp_evidence *ret_evidence);

#endif
