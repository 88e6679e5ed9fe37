/* SPDX-License-Identifier: MIT */
/*
 * parse: bounded cursors, the only code that turns a peer's bytes into numbers
 * or looks at their length.  A cursor that was asked for more than there is
 * stays failed, yields zeros, and is asked once, at the end.
 */
#ifndef ATTEST_PARSE_H
#define ATTEST_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct parse_reader {
	const uint8_t *data;
	size_t len;		/* bytes left */
	bool failed;
};

struct parse_writer {
	uint8_t *data;
	size_t len;		/* bytes written */
	size_t size;		/* bytes there are */
	bool failed;
};

/** Read from @data, which stays the caller's and may be NULL if @len is 0. */
void parse_reader_init(struct parse_reader *reader, const uint8_t *data, size_t len);
/** The next @len bytes, or NULL (and failed) if there are fewer. */
const uint8_t *parse_take(struct parse_reader *reader, size_t len);
/** Copy the next @len bytes; zeros if there are fewer. */
void parse_bytes(struct parse_reader *reader, uint8_t *ret_bytes, size_t len);
uint8_t parse_u8(struct parse_reader *reader);
uint16_t parse_u16(struct parse_reader *reader);
uint32_t parse_u32(struct parse_reader *reader);
uint64_t parse_u64(struct parse_reader *reader);
/** All that is left must be zero bytes; takes it. */
void parse_zeros(struct parse_reader *reader);
/** true: nothing failed and nothing is left. */
bool parse_end(const struct parse_reader *reader);

/** Write to @data, @size bytes, which stays the caller's. */
void parse_writer_init(struct parse_writer *writer, uint8_t *data, size_t size);
/** Room for @len bytes that the caller fills, or NULL (and failed). */
uint8_t *parse_put(struct parse_writer *writer, size_t len);
void parse_put_bytes(struct parse_writer *writer, const uint8_t *bytes, size_t len);
void parse_put_u8(struct parse_writer *writer, uint8_t value);
void parse_put_u16(struct parse_writer *writer, uint16_t value);
void parse_put_u32(struct parse_writer *writer, uint32_t value);
void parse_put_u64(struct parse_writer *writer, uint64_t value);
/** Zero bytes up to the end of the buffer. */
void parse_put_zeros(struct parse_writer *writer);

#endif
