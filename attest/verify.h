/* SPDX-License-Identifier: MIT */
/*
 * verify: is this evidence, of whatever kind, believed?  Finds its kind, asks
 * the kind's own verifier, and adds what holds for every kind: that the policy
 * takes the kind at all, and that the machine is the one that a ticket names.
 */
#ifndef ATTEST_VERIFY_H
#define ATTEST_VERIFY_H

#include "attest.h"
#include "policy.h"
#include "trust.h"
#include "verdict.h"
#include "wire.h"

struct attest_question {		/* all borrowed */
	const uint8_t *evidence;
	size_t len;
	const uint8_t *log;		/* that the evidence announces; NULL: none, or it is not here */
	size_t log_len;
	bool log_follows;		/* only the handshake: it comes, and verify_log() judges it */
	const struct attest_policy *policy;
	const struct trust *trust;
	const uint8_t *digest;		/* WIRE_DIGEST_LEN: what the evidence must be bound to */
	const uint8_t *static_key;	/* of the giver, for a pinned key; NULL: not known */
	const uint8_t *platform_id;	/* that a ticket names; NULL or zeros: any that passes the policy */
	int64_t now_s;			/* seconds since 1970 */
};

/** @ret_verdict is filled anew.  true: believed, as verdict_believed() says. */
bool attest_verify(const struct attest_question *question, struct verdict *ret_verdict);

#endif
