/* SPDX-License-Identifier: MIT */
/*
 * policy: what a verifier wants of a machine that is measured by its TPM.  All
 * zeros refuse everything: no attestation key is believed, no PCR value holds.
 */
#ifndef ATTEST_TPM_POLICY_H
#define ATTEST_TPM_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "../x509.h"
#include "structs.h"

#define TPM_MAX_KEYS 8u
#define TPM_MAX_VALUES 8u
#define TPM_MAX_FILES 128u

struct tpm_expected {		/* one of these values; none of them and not @any: refused */
	bool any;
	size_t n;
	uint8_t values[TPM_MAX_VALUES][TPM_HASH_LEN];
};

struct tpm_policy {
	size_t n_keys;
	uint8_t keys[TPM_MAX_KEYS][TPM_HASH_LEN];	/* SHA-256 of an attestation key's TPMT_PUBLIC */
	struct x509_cert *ca;		/* owned; may be NULL.  A key that it certifies is believed too */
	struct tpm_expected pcrs[TPM_IMA_PCR];		/* 0 to 9 */
	bool any_file;			/* the log's files are not asked; without: each must be in @files */
	size_t n_files;
	uint8_t files[TPM_MAX_FILES][TPM_HASH_LEN];	/* SHA-256 of a file that may have run */
};

#endif
