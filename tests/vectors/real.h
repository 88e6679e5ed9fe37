/* SPDX-License-Identifier: MIT */
/*
 * real: evidence that real machines made, which is not part of this project: in
 * the folder that GMEM_VECTORS names, else beside the source tree.
 */
#ifndef TESTS_VECTORS_REAL_H
#define TESTS_VECTORS_REAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REAL_MAX (1u << 20)	/* bytes of a file */

/* false: there are none, and a line on standard output says that @what is skipped. */
bool real_present(const char *what);
/* The file @name in the folder's @part ("tdx", or ""), NUL after it; free().  NULL: not there, and a line says "skipped". */
uint8_t *real_read(const char *part, const char *name, size_t *ret_len);
/* The file's bytes, NUL after them, and their number; ends the program if it is not there or is @capacity or longer. */
size_t real_load(const char *name, uint8_t *ret_bytes, size_t capacity);

#endif
