/* SPDX-License-Identifier: MIT */
/* parse: bounded cursors, see parse.h. */
#include "parse.h"

#include <endian.h>
#include <string.h>

void parse_reader_init(struct parse_reader *reader, const uint8_t *data, size_t len)
{
	*reader = (struct parse_reader){ .data = data, .len = len };
}

const uint8_t *parse_take(struct parse_reader *reader, size_t len)
{
	const uint8_t *bytes = reader->data;

	if (reader->failed || len > reader->len) {
		reader->failed = true;
		return NULL;
	}
	if (len) {
		reader->data += len;
		reader->len -= len;
	}
	return bytes;
}

void parse_bytes(struct parse_reader *reader, uint8_t *ret_bytes, size_t len)
{
	const uint8_t *bytes = parse_take(reader, len);

	if (!len)
		return;
	if (bytes)
		memcpy(ret_bytes, bytes, len);
	else
		memset(ret_bytes, 0, len);
}

/* @len bytes, little endian. */
static inline uint64_t parse_integer(struct parse_reader *reader, size_t len)
{
	const uint8_t *bytes = parse_take(reader, len);
	uint64_t value = 0;

	if (!bytes)
		return 0;
	memcpy(&value, bytes, len);
	return le64toh(value);
}

uint8_t parse_u8(struct parse_reader *reader)
{
	return (uint8_t)parse_integer(reader, 1);
}

uint16_t parse_u16(struct parse_reader *reader)
{
	return (uint16_t)parse_integer(reader, 2);
}

uint32_t parse_u32(struct parse_reader *reader)
{
	return (uint32_t)parse_integer(reader, 4);
}

uint64_t parse_u64(struct parse_reader *reader)
{
	return parse_integer(reader, 8);
}

void parse_zeros(struct parse_reader *reader)
{
	size_t len = reader->len;
	const uint8_t *bytes = parse_take(reader, len);
	uint64_t bits = 0, word;

	if (!bytes)
		return;
	/* Every byte is looked at: how many are zero is nobody's business. */
	for (; len >= sizeof(word); len -= sizeof(word), bytes += sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		bits |= word;
	}
	while (len--)
		bits |= bytes[len];
	if (bits)
		reader->failed = true;
}

bool parse_end(const struct parse_reader *reader)
{
	return !reader->failed && reader->len == 0;
}

void parse_writer_init(struct parse_writer *writer, uint8_t *data, size_t size)
{
	*writer = (struct parse_writer){ .data = data, .size = size };
}

uint8_t *parse_put(struct parse_writer *writer, size_t len)
{
	uint8_t *bytes;

	if (writer->failed || len > writer->size - writer->len) {
		writer->failed = true;
		return NULL;
	}
	bytes = writer->data + writer->len;
	writer->len += len;
	return bytes;
}

void parse_put_bytes(struct parse_writer *writer, const uint8_t *bytes, size_t len)
{
	uint8_t *room = parse_put(writer, len);

	if (room && len)
		memcpy(room, bytes, len);
}

/* @len bytes, little endian. */
static inline void put_integer(struct parse_writer *writer, uint64_t value, size_t len)
{
	uint8_t *room = parse_put(writer, len);

	if (!room)
		return;
	value = htole64(value);
	memcpy(room, &value, len);
}

void parse_put_u8(struct parse_writer *writer, uint8_t value)
{
	put_integer(writer, value, 1);
}

void parse_put_u16(struct parse_writer *writer, uint16_t value)
{
	put_integer(writer, value, 2);
}

void parse_put_u32(struct parse_writer *writer, uint32_t value)
{
	put_integer(writer, value, 4);
}

void parse_put_u64(struct parse_writer *writer, uint64_t value)
{
	put_integer(writer, value, 8);
}

void parse_put_zeros(struct parse_writer *writer)
{
	size_t len = writer->size - writer->len;
	uint8_t *room = parse_put(writer, len);

	if (room && len)
		memset(room, 0, len);
}
