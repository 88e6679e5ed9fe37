/* SPDX-License-Identifier: MIT */
/* Files with an id of 32 bytes, 64 hex digits and a newline: tickets and VM ids. */
#ifndef GMEM_PAGER_IDFILE_H
#define GMEM_PAGER_IDFILE_H

#include <stdint.h>

#include <attest/attest.h>

/* The @len bytes of such a file; the newline may be left out.  -EINVAL, and then @ret_id is as it was. */
int idfile_parse(const char *text, size_t len, uint8_t ret_id[ATTEST_ID_LEN]);

/* -EINVAL: not 64 hex digits and a newline; else -errno. */
int idfile_load(const char *path, uint8_t ret_id[ATTEST_ID_LEN]);

/* Write a new random id, mode 0600; -EEXIST. */
int idfile_create(const char *path);

#endif
