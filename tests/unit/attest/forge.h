/* SPDX-License-Identifier: MIT */
/*
 * forge: a second writer and reader of the record format, straight from
 * docs/protocol.md, for one record at a time.  It is the proof that the document
 * is enough to write the other end, and the peer that has the keys and breaks
 * the rules.
 */
#ifndef TESTS_ATTEST_FORGE_H
#define TESTS_ATTEST_FORGE_H

#include <attest/channel.h>

#define FORGE_MAX (2u << 20)

/** Record and header key of @secret's generation. */
void forge_keys(const struct attest_channel *channel, const struct channel_half *half, uint8_t ret_record[32],
		uint8_t ret_header[32]);
/**
 * Seal @plain, @plain_len bytes with its padding, under @header as it stands.
 * @param half keys, generation; its counter is not touched.
 * @return bytes in @ret_wire
 */
size_t forge_seal(const struct attest_channel *channel, const struct channel_half *half,
		  const struct wire_record *header, const uint8_t *plain, size_t plain_len, uint8_t *ret_wire);
/** Open a record of @wire_len bytes; false if it is not authentic. */
bool forge_open(const struct attest_channel *channel, const struct channel_half *half, const uint8_t *wire,
		size_t wire_len, struct wire_record *ret_header, uint8_t *ret_plain);

#endif
