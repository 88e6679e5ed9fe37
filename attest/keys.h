/* SPDX-License-Identifier: MIT */
/* keys: what the rest of attest/ may know of a key pair. */
#ifndef ATTEST_KEYS_H
#define ATTEST_KEYS_H

#include "attest.h"

#define KEYS_TEXT_LEN (2u * ATTEST_KEY_LEN + 1u)	/* 64 hex digits and a newline */

/** The secret half, ATTEST_KEY_LEN bytes in sodium_malloc memory, as long as @pair lives. */
const uint8_t *keys_secret(const struct attest_keypair *pair);

/** The text of a key file, exactly KEYS_TEXT_LEN bytes.  -EINVAL: anything else, or a key of all zeros. */
int keys_parse(const char *text, size_t len, uint8_t ret_key[ATTEST_KEY_LEN]);

#endif
