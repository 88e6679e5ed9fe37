/* SPDX-License-Identifier: MIT */
/*
 * The file of a working set, written and read.  A snapshot is never replaced, a working set is: the last one that was
 * recorded is the one to have.  It is NAME.partial until all of it is on the disk.
 *
 * Failures come with a sentence of up to SETFILE_ERROR_LEN bytes.
 */
#ifndef GMEM_PAGER_SNAPSHOT_SETFILE_H
#define GMEM_PAGER_SNAPSHOT_SETFILE_H

#include <sys/types.h>

#include "file.h"
#include "reader.h"
#include "set.h"

#define SETFILE_ERROR_LEN 240u

struct setfile_writer;

/*
 * Open the folder of @path and NAME.partial in it, mode 0600; one that a killed process left is taken away.  After this no
 * file is opened any more.  -EEXIST: the name is something else's; -EBUSY: another process is writing it.
 */
int setfile_writer_open(const char *path, struct setfile_writer **ret_writer, char *ret_error);
/* What was not published is removed.  NULL is allowed. */
void setfile_writer_free(struct setfile_writer *writer);

/* Hand the file over to whom the process becomes; while it may. */
int setfile_writer_give(struct setfile_writer *writer, uid_t uid, gid_t gid, char *ret_error);

/* Seal @map, a bit for each page of @reader's snapshot, write it and give it its name, durably.  Once. */
int setfile_writer_write(struct setfile_writer *writer, const struct snapfile_reader *reader, const uint64_t *map,
			 char *ret_error);

int setfile_open(const char *path, int *ret_fd, char *ret_error);

/*
 * All of @fd, which stays the caller's: a set of @reader's snapshot.  @ret_map: bitmap_words() of its pages, free() after
 * sodium_memzero().  -EBADMSG: no whole set; -ESTALE: of another snapshot.  @path: for people.
 */
int setfile_read(int fd, const char *path, const struct snapfile_reader *reader, uint64_t **ret_map, char *ret_error);

#endif
