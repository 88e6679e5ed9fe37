/* SPDX-License-Identifier: MIT */
/*
 * aead: the encryption of record bodies, and nothing else of a record.  On its own, so that one benchmark can be linked
 * with something in its place that only copies (tests/perf/pager/plain_aead.c), and a test can say of every program
 * whether it was.
 */
#ifndef ATTEST_AEAD_H
#define ATTEST_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel.h"

/**
 * Encrypt @len bytes of @body in place; the tag, WIRE_TAG_LEN bytes, goes behind them.  @ad: WIRE_AD_LEN bytes.
 * false: it cannot be done, and what is in @body must not be sent.
 */
bool aead_seal(const struct attest_channel *channel, const struct channel_half *half, const uint8_t *ad,
	       const uint8_t *nonce, uint8_t *body, size_t len);
/** The reverse, from @sealed, @len bytes and the tag.  false: not authentic, and the caller wipes @ret_body. */
bool aead_open(const struct attest_channel *channel, const struct channel_half *half, const uint8_t *ad,
	       const uint8_t *nonce, const uint8_t *sealed, size_t len, uint8_t *ret_body);

#endif
