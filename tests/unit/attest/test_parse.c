/* SPDX-License-Identifier: MIT */
/* parse.c: cursors never leave their buffer and stay failed. */
#include "check.h"

#include <attest/parse.h>

static void integers_are_little_endian(void)
{
	static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	struct parse_reader reader;

	parse_reader_init(&reader, bytes, sizeof(bytes));
	CU_ASSERT_EQUAL(parse_u8(&reader), 1);
	CU_ASSERT_EQUAL(parse_u16(&reader), 0x0302);
	CU_ASSERT_EQUAL(parse_u32(&reader), 0x07060504);
	CU_ASSERT_EQUAL(parse_u64(&reader), UINT64_C(0x0f0e0d0c0b0a0908));
	CU_ASSERT_TRUE(parse_end(&reader));
}

static void writer_gives_what_reader_takes(void)
{
	uint8_t bytes[32];
	struct parse_writer writer;
	struct parse_reader reader;

	parse_writer_init(&writer, bytes, sizeof(bytes));
	parse_put_u8(&writer, 0xfe);
	parse_put_u16(&writer, 0xfedc);
	parse_put_u32(&writer, 0xfedcba98);
	parse_put_u64(&writer, UINT64_C(0xfedcba9876543210));
	parse_put_bytes(&writer, (const uint8_t *)"abc", 3);
	parse_put_zeros(&writer);
	CU_ASSERT_FALSE(writer.failed);
	CU_ASSERT_EQUAL(writer.len, sizeof(bytes));

	parse_reader_init(&reader, bytes, sizeof(bytes));
	CU_ASSERT_EQUAL(parse_u8(&reader), 0xfe);
	CU_ASSERT_EQUAL(parse_u16(&reader), 0xfedc);
	CU_ASSERT_EQUAL(parse_u32(&reader), 0xfedcba98);
	CU_ASSERT_EQUAL(parse_u64(&reader), UINT64_C(0xfedcba9876543210));
	CU_ASSERT_EQUAL(memcmp(parse_take(&reader, 3), "abc", 3), 0);
	parse_zeros(&reader);
	CU_ASSERT_TRUE(parse_end(&reader));
}

static void short_reader_fails_and_stays_failed(void)
{
	static const uint8_t bytes[] = { 0xff, 0xff, 0xff };
	uint8_t copy[4] = { 9, 9, 9, 9 };
	struct parse_reader reader;

	parse_reader_init(&reader, bytes, sizeof(bytes));
	CU_ASSERT_EQUAL(parse_u32(&reader), 0);
	CU_ASSERT_TRUE(reader.failed);
	/* three bytes are still there, but nobody gets them any more */
	CU_ASSERT_EQUAL(parse_u8(&reader), 0);
	CU_ASSERT_PTR_NULL(parse_take(&reader, 1));
	parse_bytes(&reader, copy, sizeof(copy));
	CU_ASSERT_EQUAL(memcmp(copy, "\0\0\0\0", 4), 0);
	CU_ASSERT_FALSE(parse_end(&reader));
}

static void huge_length_does_not_wrap(void)
{
	static const uint8_t bytes[8];
	uint8_t room[8];
	struct parse_reader reader;
	struct parse_writer writer;

	parse_reader_init(&reader, bytes, sizeof(bytes));
	CU_ASSERT_PTR_NULL(parse_take(&reader, SIZE_MAX));
	CU_ASSERT_TRUE(reader.failed);
	parse_writer_init(&writer, room, sizeof(room));
	parse_put_u8(&writer, 1);
	CU_ASSERT_PTR_NULL(parse_put(&writer, SIZE_MAX));
	CU_ASSERT_TRUE(writer.failed);
}

static void empty_buffers_are_fine(void)
{
	struct parse_reader reader;
	struct parse_writer writer;
	uint8_t nothing;

	parse_reader_init(&reader, NULL, 0);
	CU_ASSERT_TRUE(parse_end(&reader));
	parse_zeros(&reader);
	parse_bytes(&reader, &nothing, 0);
	CU_ASSERT_TRUE(parse_end(&reader));
	parse_u8(&reader);
	CU_ASSERT_FALSE(parse_end(&reader));
	parse_writer_init(&writer, &nothing, 0);
	parse_put_zeros(&writer);
	parse_put_bytes(&writer, NULL, 0);
	CU_ASSERT_FALSE(writer.failed);
	parse_put_u8(&writer, 1);
	CU_ASSERT_TRUE(writer.failed);
}

static void rest_must_be_zero(void)
{
	for (unsigned int at = 0; at < 9; at++) {
		uint8_t bytes[9] = { 0 };
		struct parse_reader reader;

		bytes[at] = 0x80;
		parse_reader_init(&reader, bytes, sizeof(bytes));
		parse_zeros(&reader);
		CU_ASSERT_FALSE(parse_end(&reader));
	}
}

static void what_is_left_is_not_the_end(void)
{
	static const uint8_t bytes[2];
	struct parse_reader reader;

	parse_reader_init(&reader, bytes, sizeof(bytes));
	parse_u8(&reader);
	CU_ASSERT_FALSE(reader.failed);
	CU_ASSERT_FALSE(parse_end(&reader));
}

static void full_writer_leaves_the_rest_alone(void)
{
	uint8_t room[6] = { 0, 0, 0, 0, 0xaa, 0xaa };
	struct parse_writer writer;

	parse_writer_init(&writer, room, 4);
	parse_put_u16(&writer, 0x0101);
	parse_put_u32(&writer, 0x02020202);
	CU_ASSERT_TRUE(writer.failed);
	parse_put_u8(&writer, 3);
	CU_ASSERT_EQUAL(writer.len, 2);
	CU_ASSERT_EQUAL(memcmp(room, "\1\1\0\0\xaa\xaa", 6), 0);
}

int main(void)
{
	static const struct check checks[] = {
		{ "integers are little endian", integers_are_little_endian },
		{ "writer gives what reader takes", writer_gives_what_reader_takes },
		{ "short reader fails and stays failed", short_reader_fails_and_stays_failed },
		{ "huge length does not wrap", huge_length_does_not_wrap },
		{ "empty buffers are fine", empty_buffers_are_fine },
		{ "rest must be zero", rest_must_be_zero },
		{ "what is left is not the end", what_is_left_is_not_the_end },
		{ "full writer leaves the rest alone", full_writer_leaves_the_rest_alone },
		{ NULL, NULL },
	};

	return check_main("parse", checks);
}
