/* SPDX-License-Identifier: MIT */
/*
 * attestor: evidence of any kind behind struct attest_evidence_ops: gives this
 * side's, and judges the peer's by a policy.  The peer must also have the static
 * key, and be the platform, that the ticket names: evidence that is good and
 * somebody else's is refused.
 */
#ifndef ATTEST_ATTESTOR_H
#define ATTEST_ATTESTOR_H

#include "tpm/provider.h"
#include "tsm.h"
#include "verify.h"

enum attestor_kind {
	ATTESTOR_PINNED = 1,	/* the digest alone: this side's static key is its evidence */
	ATTESTOR_SOFTWARE,
	ATTESTOR_TSM,
	ATTESTOR_TPM,
};

struct attestor {			/* all borrowed; not written to, so that handshakes may share it */
	enum attestor_kind kind;	/* of this side's evidence */
	const struct signkey *software_key;	/* of ATTESTOR_SOFTWARE; NULL: it cannot be given */
	struct tsm_source tsm;
	struct tpm_source tpm;
	const struct attest_policy *policy;
	const struct trust *trust;
	const uint8_t *peer_key;	/* ATTEST_KEY_LEN: static key that the peer must have */
	const uint8_t *peer_platform_id;	/* NULL or zeros: not named */
	int64_t valid_from_s, valid_to_s;	/* the ticket's; they count at connection 1 only.  Both 0: not asked */
	int64_t (*now_s)(void);		/* seconds since 1970 */
	/* Told every verdict; may be NULL.  Any thread that runs a handshake. */
	void (*tell)(const struct verdict *verdict);
};

/** The opaque is a struct attestor. */
extern const struct attest_evidence_ops attestor_ops;

/** "pinned-key", "software", "tsm" or "tpm".  -EINVAL. */
int attestor_kind_parse(const char *name, enum attestor_kind *ret_kind);

#endif
