/* SPDX-License-Identifier: MIT */
/*
 * The durable record of one session on one side: what makes sure that exactly
 * one side runs.  The rules are attest/session/session.table; this is the file
 * behind them: a step is written down before its caller may act on it.
 *
 * A ticket that has a record is burnt: it starts no second session.  A record that is still open, or over at a
 * destination whose source may not have heard it, may be gone on with by a new process (ledger_config.resume).  From "begin",
 * or from there, until ledger_close() the session is locked: gmemctl keeps its hands off it.
 */
#ifndef GMEM_PAGER_LEDGER_H
#define GMEM_PAGER_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include <attest/attest.h>
#include <attest/session/session.h>

struct ledger_config {
	const char *dir;			/* made (mode 0700) if its parent is there */
	enum attest_role role;			/* of this side */
	uint8_t ticket_id[ATTEST_ID_LEN];
	uint8_t vm_id[ATTEST_ID_LEN];
	uint8_t peer_key[ATTEST_KEY_LEN];	/* the peer's pinned public key */
	const struct attest_keypair *keypair;	/* for the abort token; NULL: none is given or believed */
	const char *boot_id;			/* as of ledger_boot_id(); NULL or "": it is looked up */
	bool resume;				/* go on with this session's record, if it has one to go on with */
};

struct ledger;

/*
 * Open the records' directory.  Records of another boot that nobody holds are
 * judged first, see ledger_judge().
 * -errno: the directory cannot be made, opened or written; -EINVAL: the peer's key is none;
 * -EBUSY: another process goes on with this session.
 */
int ledger_open(const struct ledger_config *config, struct ledger **ret_ledger);

void ledger_close(struct ledger *ledger);

/* Was this ticket used in this role here?  false too where the record cannot be read. */
bool ledger_has_record(const char *dir, enum attest_role role, const uint8_t ticket_id[ATTEST_ID_LEN]);

/*
 * @input happened: make the step durable, then go on to the next state.  Blocks for
 * the disk.  What may be done then is in @ret_plan->row->acts; NULL: not asked for.
 * -EEXIST begin, and the ticket has a record; -EPROTO no such step in this state;
 * -EPERM a guard does not hold; else -errno of the file system, the record may be the
 * old or the new one.  On failure nothing may be done.
 */
int ledger_step(struct ledger *ledger, const struct attest_session_input *input,
		struct attest_session_plan *ret_plan);

/* The same for an event of the present connection that needs no more than its name. */
int ledger_event(struct ledger *ledger, enum attest_event event);

/* What stands on the disk. */
enum attest_state ledger_state(const struct ledger *ledger);

/* The state now: volatile ones too. */
enum attest_state ledger_now(const struct ledger *ledger);

/* The lowest connection number that was neither recorded nor tried. */
uint64_t ledger_next_connection(const struct ledger *ledger);

/* Did ledger_open() find a record to go on with? */
bool ledger_was_resumed(const struct ledger *ledger);

/* Beside the record, for gmemctl: how it is now (notes.h); NULL: nothing, as after the end. */
void ledger_note_status(struct ledger *ledger, const char *line);

/* Is there an operator's command for the process that holds the session?  It is taken away. */
bool ledger_take_command(struct ledger *ledger, struct attest_session_command *ret_command);

/* The same for the limit of the background stream: what it is, by whose wish; and what an operator wants it to be. */
void ledger_note_limit(struct ledger *ledger, uint64_t bytes_per_s, uint32_t uid);
bool ledger_wants_limit(struct ledger *ledger, uint64_t *ret_bytes_per_s, uint32_t *ret_uid);

/* That is dealt with: who waits looks now at what the limit is. */
void ledger_limit_done(struct ledger *ledger);

/* Beside the record of a restore: which snapshot it is about, in hex digits.  -errno; false: it does not say. */
int ledger_note_snapshot(struct ledger *ledger, const char *root_hex);
bool ledger_get_snapshot(struct ledger *ledger, char *ret_root_hex, size_t len);
void ledger_forget_snapshot(struct ledger *ledger);

/* The connection is gone. */
void ledger_disconnected(struct ledger *ledger);

/* This session's abort token; NULL without a key pair. */
const uint8_t *ledger_token(const struct ledger *ledger);

/*
 * Give the event "open" to each record in @dir_fd that is of another boot than
 * @boot_id (SESSION_BOOT_ID_LEN characters) and that no process holds.
 * @ret_n_judged, may be NULL: records that changed.  -errno: the directory, or the first record that
 * cannot be read or written; the others are judged all the same.
 */
int ledger_judge(int dir_fd, const char *boot_id, unsigned int *ret_n_judged);

/*
 * The same for one record whose lock the caller holds.
 * 1: @record changed, and is durable; 0: it stays as it is.
 */
int ledger_judge_record(int dir_fd, const char *boot_id, struct attest_session_record *record);

/* This boot's id, from the kernel. */
int ledger_boot_id(char ret_id[SESSION_BOOT_ID_LEN + 1]);

#endif
