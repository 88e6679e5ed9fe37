/* SPDX-License-Identifier: MIT */
/*
 * record_file: a session's record as a small text file, and how it becomes
 * durable: write, fsync, rename, fsync of the directory.
 *
 *   gmem-record 2
 *   role source|destination
 *   state NAME
 *   boot 36 characters
 *   session, ticket, vm, peer    64 hex digits each
 *   platform 64 hex digits, or -
 *   connection N
 *   token 64 hex digits, or -
 *   command -, or abort|abandon|resume UID SECONDS
 *   fenced HOST, or -
 *   reason text, or -
 *   check 64 hex digits          SHA-256 of all bytes before this line
 *   end
 *
 * Exactly these lines, one blank between words: a record has one text.  One that
 * was torn or flipped is refused as a whole, never read as another.
 */
#ifndef ATTEST_SESSION_RECORD_FILE_H
#define ATTEST_SESSION_RECORD_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "session.h"

#define RECORD_FILE_MAX 2048u	/* more than any record */
#define RECORD_FILE_NAME_LEN (2u * ATTEST_ID_LEN + 16u)

/** TICKET.source or TICKET.destination. */
void record_file_name(const struct attest_session_record *record, char ret_name[RECORD_FILE_NAME_LEN]);

/** The record's text, not terminated.  Its length; the record has to be well formed. */
size_t record_file_encode(const struct attest_session_record *record, char ret_text[RECORD_FILE_MAX]);

/** -EBADMSG: not exactly a record.  @text may be any bytes. */
int record_file_decode(const char *text, size_t len, struct attest_session_record *ret_record);

/**
 * Read the file @name in @dir_fd.  Has to be a plain file with one link, of this user or root, without access for others.
 * -ENOENT: none.  -EPERM: mode, owner or kind.  -EBADMSG: not a record, or the one of another
 * name.  Else -errno.
 */
int record_file_load(int dir_fd, const char *name, struct attest_session_record *ret_record);

/**
 * Make @record durable.  Blocks for the disk.
 * @first: there must be none yet, else -EEXIST.  -errno: the old or the new one is there.
 */
int record_file_store(int dir_fd, const struct attest_session_record *record, bool first);

/** Can a record be written there?  Leaves nothing behind. */
int record_file_try(int dir_fd, const struct attest_session_record *record);

/**
 * Lock a session on this side against other processes; held until the descriptor is closed.
 * The descriptor; -EBUSY: another process has it.
 */
int record_file_lock(int dir_fd, const char *name);

/** Call @act with the name of each file that is named like a record.  The first failure of any, after all. */
int record_file_each(int dir_fd, int (*act)(int dir_fd, const char *name, void *opaque), void *opaque);

#endif
