/* SPDX-License-Identifier: MIT */
/* der: see der.h; the rules are those of X.690, section 10 and 8.1. */
#include "der.h"

#include <string.h>

static bool fail(struct parse_reader *reader)
{
	reader->failed = true;
	return false;
}

/* Definite, and in as few bytes as it takes; three bytes of length are more than a certificate has. */
static bool take_len(struct parse_reader *reader, size_t *ret_len)
{
	const uint8_t first = parse_u8(reader);
	size_t n_bytes = first & 0x7fu, len = 0;

	if (first < 0x80) {
		*ret_len = first;
		return !reader->failed;
	}
	if (n_bytes < 1 || n_bytes > 3)
		return fail(reader);
	for (size_t i = 0; i < n_bytes; i++)
		len = len << 8 | parse_u8(reader);
	if (len < 0x80 || len >> (8 * (n_bytes - 1)) == 0)
		return fail(reader);
	*ret_len = len;
	return !reader->failed;
}

bool der_next(struct parse_reader *reader, struct der_value *ret_value)
{
	struct der_value value = { .tag = parse_u8(reader) };

	if (reader->failed || (value.tag & 0x1f) == 0x1f)
		return fail(reader);
	if (!take_len(reader, &value.len))
		return fail(reader);
	value.data = parse_take(reader, value.len);
	if (reader->failed)
		return false;
	*ret_value = value;
	return true;
}

static bool next_of(struct parse_reader *reader, uint8_t tag, struct der_value *ret_value)
{
	struct der_value value;

	if (!der_next(reader, &value))
		return false;
	if (value.tag != tag)
		return fail(reader);
	*ret_value = value;
	return true;
}

bool der_enter(struct parse_reader *reader, uint8_t tag, struct parse_reader *ret_inside)
{
	struct der_value value;

	if (!next_of(reader, tag, &value))
		return false;
	parse_reader_init(ret_inside, value.data, value.len);
	return true;
}

bool der_unsigned(struct parse_reader *reader, uint8_t tag, uint64_t max, uint64_t *ret_number)
{
	struct der_value value;
	uint64_t number = 0;

	if (!next_of(reader, tag, &value))
		return false;
	/* a sign bit is a negative number; a leading zero stands only before a byte with that bit */
	if (value.len < 1 || value.len > 8 || value.data[0] & 0x80)
		return fail(reader);
	if (value.len > 1 && value.data[0] == 0 && !(value.data[1] & 0x80))
		return fail(reader);
	for (size_t i = 0; i < value.len; i++)
		number = number << 8 | value.data[i];
	if (number > max)
		return fail(reader);
	*ret_number = number;
	return true;
}

bool der_octets(struct parse_reader *reader, uint8_t *ret_bytes, size_t len)
{
	struct der_value value;

	if (!next_of(reader, DER_OCTET_STRING, &value))
		return false;
	if (value.len != len)
		return fail(reader);
	if (len)
		memcpy(ret_bytes, value.data, len);
	return true;
}

bool der_boolean(struct parse_reader *reader, bool *ret_truth)
{
	struct der_value value;

	if (!next_of(reader, DER_BOOLEAN, &value))
		return false;
	if (value.len != 1 || (value.data[0] != 0x00 && value.data[0] != 0xff))
		return fail(reader);
	*ret_truth = value.data[0] == 0xff;
	return true;
}

bool der_oid(struct parse_reader *reader, struct der_value *ret_oid)
{
	struct der_value value;

	if (!next_of(reader, DER_OID, &value))
		return false;
	if (value.len < 1)
		return fail(reader);
	*ret_oid = value;
	return true;
}
