/* SPDX-License-Identifier: MIT */
/* file: a whole file in memory, for what is no secret: policies, evidence, tickets, certificates. */
#ifndef ATTEST_FILE_H
#define ATTEST_FILE_H

#include <stddef.h>
#include <stdint.h>

/** NUL after its bytes, which @ret_len does not count; free().  -EFBIG: more than @max bytes; else -errno. */
int file_read(const char *path, size_t max, uint8_t **ret_bytes, size_t *ret_len);

/** Until the end of @fd, which stays open.  -EFBIG: there are more than @max bytes; @ret_bytes has room for one more. */
int file_read_fd(int fd, size_t max, void *ret_bytes, size_t *ret_len);

#endif
