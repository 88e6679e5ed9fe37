/* SPDX-License-Identifier: MIT */
/*
 * software: evidence by an Ed25519 key that a file holds.  It is for development
 * and tests: whoever has the file can sign anything on any machine, so it says
 * nothing about hardware, firmware or programs.
 */
#ifndef ATTEST_SOFTWARE_H
#define ATTEST_SOFTWARE_H

#include "bundle.h"
#include "signkey.h"
#include "verdict.h"

#define SOFTWARE_MAX_KEYS 8u

struct software_policy {
	bool allow;		/* false: refused whatever it is */
	size_t n_keys;		/* 0: none is believed */
	uint8_t keys[SOFTWARE_MAX_KEYS][SIGNKEY_LEN];
};

/** Sign @digest with @key.  Capacity in @len, length out; -ENOBUFS. */
int software_make(const struct signkey *key, const uint8_t digest[WIRE_DIGEST_LEN], uint8_t *ret_bytes, size_t *len);
/** Add a rule for each thing that @policy asks of @bundle, which is of kind BUNDLE_SOFTWARE. */
void software_verify(const struct bundle *bundle, const struct software_policy *policy,
		     const uint8_t digest[WIRE_DIGEST_LEN], struct verdict *verdict);

#endif
