/* SPDX-License-Identifier: MIT */
/* Little-endian integers in record bodies, and a bounded reader of them. */
#ifndef GMEM_PAGER_WIRE_H
#define GMEM_PAGER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint8_t *wire_put32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (8 * i));
	return at + 4;
}

static inline uint8_t *wire_put64(uint8_t *at, uint64_t value)
{
	return wire_put32(wire_put32(at, (uint32_t)value), (uint32_t)(value >> 32));
}

static inline uint8_t *wire_put_bytes(uint8_t *at, const void *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

/* Reads past the end set @failed and give zeros; check it once, at the end. */
struct wire_reader {
	const uint8_t *at;
	size_t left;
	bool failed;
};

static inline const uint8_t *wire_take(struct wire_reader *reader, size_t len)
{
	const uint8_t *at = reader->at;

	if (reader->failed || len > reader->left) {
		reader->failed = true;
		return NULL;
	}
	reader->at += len;
	reader->left -= len;
	return at;
}

static inline uint32_t wire_get32(struct wire_reader *reader)
{
	const uint8_t *at = wire_take(reader, 4);

	if (at == NULL)
		return 0;
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t wire_get64(struct wire_reader *reader)
{
	const uint64_t low = wire_get32(reader);

	return low | (uint64_t)wire_get32(reader) << 32;
}

static inline void wire_get_bytes(struct wire_reader *reader, void *ret_bytes, size_t len)
{
	const uint8_t *at = wire_take(reader, len);

	if (at == NULL)
		memset(ret_bytes, 0, len);
	else
		memcpy(ret_bytes, at, len);
}

/* Everything was there and nothing is left. */
static inline bool wire_done(const struct wire_reader *reader)
{
	return !reader->failed && reader->left == 0;
}

#endif
