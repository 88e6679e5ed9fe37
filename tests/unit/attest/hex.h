/* SPDX-License-Identifier: MIT */
/* hex: bytes of a vector. */
#ifndef TESTS_ATTEST_HEX_H
#define TESTS_ATTEST_HEX_H

#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The length in bytes; a vector that is no hex ends the program. */
static inline size_t hex_decode(const char *text, uint8_t *ret_bytes, size_t size)
{
	size_t len = 0;

	if (sodium_hex2bin(ret_bytes, size, text, strlen(text), NULL, &len, NULL) || len * 2 != strlen(text))
		abort();
	return len;
}

#endif
