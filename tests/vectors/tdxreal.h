/* SPDX-License-Identifier: MIT */
/* tdxreal: the real evidence that tests run on where it is: $GMEM_VECTORS, or ../shared/vectors beside the sources. */
#ifndef TESTS_VECTORS_TDXREAL_H
#define TESTS_VECTORS_TDXREAL_H

#include <stddef.h>
#include <stdint.h>

/** File tdx/@name; free().  NULL if it is not there: a line "skipped: ..." is printed. */
uint8_t *tdxreal_read(const char *name, size_t *ret_len);

#endif
