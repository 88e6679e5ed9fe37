/* SPDX-License-Identifier: MIT */
/*
 * verify: is a TPM's quote genuine, made for this connection, and of a machine
 * that the policy lets run the pager?  No clock, no file, no TPM.
 */
#ifndef ATTEST_TPM_VERIFY_H
#define ATTEST_TPM_VERIFY_H

#include "../bundle.h"
#include "../verdict.h"
#include "policy.h"

/** What a TPM is asked to sign with its quote: SHA-256 of the binding digest, as not every TPM takes 64 bytes. */
void tpm_qualifying(const uint8_t digest[WIRE_DIGEST_LEN], uint8_t ret_qualifying[TPM_HASH_LEN]);
struct tpm_question {			/* all borrowed */
	const struct bundle *bundle;	/* of kind BUNDLE_TPM */
	const uint8_t *log;		/* that it announces; NULL: it is not here */
	size_t log_len;
	bool log_follows;		/* leave what rests on that log open: it is judged later */
	const struct tpm_policy *policy;
	const uint8_t *digest;		/* WIRE_DIGEST_LEN */
	int64_t now_s;			/* seconds since 1970 */
};

/** Add every rule of TPM evidence once, in order. */
void tpm_verify(const struct tpm_question *question, struct verdict *verdict);

#endif
