/* SPDX-License-Identifier: MIT */
/*
 * keyfile: files with keys and with what is signed by them, under the same
 * rules: a plain file of the user's or root's, no symlink; a secret without any
 * permission bit outside 0600, anything else not writable by group or others;
 * replaced as a whole.
 */
#ifndef ATTEST_KEYFILE_H
#define ATTEST_KEYFILE_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Up to @size bytes; give one more than is allowed, to see that a file is longer.  The caller wipes.
 * -EPERM: mode or owner, -EINVAL: no plain file, -ELOOP: a symlink; else -errno.
 */
int keyfile_load(const char *path, bool secret, char *ret_text, size_t size, size_t *ret_len);
/** In place of what is at @path, mode 0600 for a secret, 0644 else, whatever the umask is; durable. */
int keyfile_save(const char *path, bool secret, const char *text, size_t len);

#endif
