/* SPDX-License-Identifier: MIT */
/*
 * notes: what a running gmem-pager or gmem-source and gmemctl leave for each other beside a session's
 * record, RECORD.status, .command, .limit, .new-limit and .snapshot: one line of text each.  Whoever can write there can write
 * the record.  Nothing depends on them after a crash: they are replaced by rename, without fsync.
 */
#ifndef GMEM_PAGER_NOTES_H
#define GMEM_PAGER_NOTES_H

#include <stddef.h>
#include <stdint.h>

#include <attest/session/session.h>

#define NOTES_LINE_MAX 512u
#define NOTES_STATUS "status"
#define NOTES_COMMAND "command"
#define NOTES_LIMIT "limit"		/* bytes a second of the bulk stream, of a source */
#define NOTES_SNAPSHOT "snapshot"	/* the root of the one that a source restores */
#define NOTES_NEW_LIMIT "new-limit"	/* what an operator wants it to be */

/* Replace the note.  @line: printable; longer ones are cut.  -errno. */
int notes_write(int dir_fd, const char *record_name, const char *kind, const char *line);

/* -ENOENT: there is none.  -EPERM: it is not this user's or root's, or others may write it. */
int notes_read(int dir_fd, const char *record_name, const char *kind, char ret_line[NOTES_LINE_MAX]);

void notes_remove(int dir_fd, const char *record_name, const char *kind);

/* An operator's command as a line, and back.  -EBADMSG: not one. */
void notes_put_command(const struct attest_session_command *command, char ret_line[NOTES_LINE_MAX]);
int notes_get_command(const char *line, struct attest_session_command *ret_command);

/* A limit as a line, and back; @uid: whose wish it is.  -EBADMSG: not one, or none that limit_parse() takes. */
void notes_put_limit(uint64_t bytes_per_s, uint32_t uid, char ret_line[NOTES_LINE_MAX]);
int notes_get_limit(const char *line, uint64_t *ret_bytes_per_s, uint32_t *ret_uid);

#endif
