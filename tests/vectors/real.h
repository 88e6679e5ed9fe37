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

/* false: there are none, and a line on standard output says that @what is skipped. */
bool real_present(const char *what);
/* The file's bytes, NUL after them, and their number; ends the program if it is not there or is @capacity or longer. */
size_t real_load(const char *name, uint8_t *ret_bytes, size_t capacity);

#endif
