/* SPDX-License-Identifier: MIT */
/*
 * Write a snapshot file, each byte once and in order, as NAME.partial; it gets its name when all of it is on the disk.
 *
 *   open -> begin -> pages... -> states -> manifest -> finish -> publish
 *     `-------`---------`---------`----------`----------`--------> discard: neither name is there
 *
 * One thread at a time.  On failure there is a sentence in @ret_error, SNAPFILE_ERROR_LEN bytes, and what is left is to
 * discard.
 */
#ifndef GMEM_PAGER_SNAPSHOT_WRITER_H
#define GMEM_PAGER_SNAPSHOT_WRITER_H

#include <sys/types.h>

#include "file.h"
#include "seal.h"

#define SNAPFILE_ERROR_LEN 200u

struct snapfile_writer;

/*
 * Open the folder of @path and NAME.partial in it, mode 0600.  After this no file is opened any more.
 * -EEXIST: one of both is there.
 */
int snapfile_writer_open(const char *path, struct snapfile_writer **ret_writer, char *ret_error);
/* What was not published is discarded.  NULL is allowed. */
void snapfile_writer_free(struct snapfile_writer *writer);

/* Hand the file over to whom the process becomes; while it may. */
int snapfile_writer_give(struct snapfile_writer *writer, uid_t uid, gid_t gid, char *ret_error);

/* @header: pages, incarnation, VM id and recipient; the rest is made here. */
int snapfile_writer_begin(struct snapfile_writer *writer, const struct attest_keypair *keypair,
			  const struct snapfile_header *header, char *ret_error);

/* The next chunk; its pages that are in @map one behind the other.  @pages is sealed in place: nothing of it is left. */
int snapfile_writer_pages(struct snapfile_writer *writer, uint64_t map, uint8_t *pages, char *ret_error);
int snapfile_writer_states(struct snapfile_writer *writer, const struct states *states, char *ret_error);
/* @bytes: of manifest_encode(). */
int snapfile_writer_manifest(struct snapfile_writer *writer, const uint8_t *bytes, size_t len, char *ret_error);

/* Index and trailer; all is on the disk after it, as NAME.partial. */
int snapfile_writer_finish(struct snapfile_writer *writer, uint8_t ret_root[SNAPFILE_ROOT_LEN], char *ret_error);

/* Give it its name, durably.  Never replaces a file. */
int snapfile_writer_publish(struct snapfile_writer *writer, char *ret_error);

/* Durably gone, whatever was written.  -errno: it may be there still. */
int snapfile_writer_discard(struct snapfile_writer *writer);

uint64_t snapfile_writer_bytes(const struct snapfile_writer *writer);

#endif
