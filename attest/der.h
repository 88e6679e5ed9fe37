/* SPDX-License-Identifier: MIT */
/*
 * der: the few ASN.1 types that evidence has inside certificate extensions, in
 * DER only: one way to write each value.  On parse.h's cursors: what was asked
 * wrongly stays failed.  Tags of more than one byte are refused.
 */
#ifndef ATTEST_DER_H
#define ATTEST_DER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parse.h"

#define DER_BOOLEAN 0x01u
#define DER_INTEGER 0x02u
#define DER_OCTET_STRING 0x04u
#define DER_OID 0x06u
#define DER_ENUMERATED 0x0au
#define DER_SEQUENCE 0x30u

struct der_value {
	const uint8_t *data;	/* contents; the reader's buffer */
	size_t len;
	uint8_t tag;
};

/** The next value of any tag.  false: there is none, or it is not DER; the reader is failed then. */
bool der_next(struct parse_reader *reader, struct der_value *ret_value);
/** The next value, which must have @tag; @ret_inside reads its contents. */
bool der_enter(struct parse_reader *reader, uint8_t tag, struct parse_reader *ret_inside);
/** The next value: an INTEGER or ENUMERATED (@tag) from 0 to @max, @max below 2^56. */
bool der_unsigned(struct parse_reader *reader, uint8_t tag, uint64_t max, uint64_t *ret_number);
/** The next value: an OCTET STRING of exactly @len bytes. */
bool der_octets(struct parse_reader *reader, uint8_t *ret_bytes, size_t len);
bool der_boolean(struct parse_reader *reader, bool *ret_truth);
/** The next value: an OBJECT IDENTIFIER, its encoded contents. */
bool der_oid(struct parse_reader *reader, struct der_value *ret_oid);

#endif
