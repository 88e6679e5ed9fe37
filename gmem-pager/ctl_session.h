/* SPDX-License-Identifier: MIT */
/* What gmemctl knows of the sessions in a state directory, and what an operator may do to one. */
#ifndef GMEM_PAGER_CTL_SESSION_H
#define GMEM_PAGER_CTL_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <attest/session/record_file.h>

#include "notes.h"

struct ctl_entry {
	char name[RECORD_FILE_NAME_LEN];
	int status;				/* 0; else why the record cannot be read, and nothing below counts */
	struct attest_session_record record;
	bool running;				/* a process has it: only that may do something to it */
	char status_line[NOTES_LINE_MAX];	/* what that process says of its connection; "": nothing */
	bool has_limit;				/* that process is a source, and has said how fast it may stream */
	uint64_t limit;				/* bytes a second in the background; 0: no limit */
	bool other_boot;
	enum attest_state judged;		/* what it is once judged by this boot; the record's state if that stays */
	uint32_t commands;			/* bit (1 << attest_event) of what an operator may do */
};

/* Look at the record @name.  Changes nothing.  A record that cannot be read is an entry, too. */
void ctl_session_read(int dir_fd, const char *name, const char *boot_id, struct ctl_entry *ret_entry);

/*
 * The record whose ticket id begins with @prefix.  @role: ATTEST_INITIATOR, ATTEST_RESPONDER or 0: either.
 * -ENOENT: none; -EEXIST: more than one; else -errno of the directory.
 */
int ctl_session_find(int dir_fd, const char *prefix, int role, char ret_name[RECORD_FILE_NAME_LEN]);

/*
 * Ask the process that has the session to abandon it, and wait up to @wait_ms until it has.
 * -EACCES: it does not: its other side is not LOST; -ETIMEDOUT: it does not answer; else -errno.
 */
int ctl_session_ask(int dir_fd, const char *name, const struct attest_session_command *command, int wait_ms);

/*
 * Ask the source that has the session to stream no more than @bytes_per_s in the background, and wait up to
 * @wait_ms until it says so.  -EACCES: it does not, its move has ended; -ETIMEDOUT: it does not answer; else -errno.
 */
int ctl_session_limit(int dir_fd, const char *name, uint64_t bytes_per_s, int wait_ms);

/*
 * Take one step of the table in the session @name, and record it if it has a record.
 * @keypair: of this host, for steps with a token; may be NULL.  @ret_token: this session's; may be NULL.
 * A record of another boot is judged first, and stays judged if the step is refused.
 * -EBUSY: a process has it; -EPROTO: not in this state; -EPERM: @ret_failed does not
 * hold; -EINVAL: reason or host cannot be recorded; else why the record cannot be read or written.
 */
int ctl_session_step(int dir_fd, const char *name, const char *boot_id, const struct attest_session_input *input,
		     const struct attest_keypair *keypair, enum attest_guard *ret_failed,
		     uint8_t ret_token[SESSION_TOKEN_LEN]);

#endif
