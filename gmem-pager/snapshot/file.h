/* SPDX-License-Identifier: MIT */
/* file: what snapshots and working sets have in common as files.  -errno on failure; the sentence is the caller's. */
#ifndef GMEM_PAGER_SNAPSHOT_FILE_H
#define GMEM_PAGER_SNAPSHOT_FILE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#define FILE_PARTIAL ".partial"		/* until all of it is on the disk */

struct file_names {
	char path[PATH_MAX];		/* for people */
	char name[NAME_MAX + 1], partial[NAME_MAX + 1];	/* in the folder */
};

/* -ENOENT: @path is empty; -EISDIR: it ends with a slash; -ENAMETOOLONG, also of the partial file's name. */
int file_split(const char *path, struct file_names *ret_names, char ret_folder[PATH_MAX]);

/* To read it.  -EINVAL: not a regular file. */
int file_open(const char *path, int *ret_fd);

/* -ENODATA: the file ends before. */
int file_read_at(int fd, uint64_t off, void *ret_bytes, size_t len);
int file_write(int fd, const void *bytes, size_t len);

#endif
