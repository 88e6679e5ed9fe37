/* SPDX-License-Identifier: MIT */
/*
 * session: one side of "exactly one side runs", as a machine on session.table.
 * Bytes and facts in; next record, acts and next state out.  No sockets, no
 * clock, no files: what happened is an input, what is to be done is a plan.
 *
 *	r = attest_session_plan(&session, &input, &plan);	may it happen now?
 *	for each act of the plan, in order:
 *		ATTEST_ACT_RECORD: make plan.record durable, then attest_session_take()
 *		any other:	   do it
 *
 * A plan without ATTEST_ACT_RECORD is taken first.  If the record cannot be made
 * durable the plan is dropped, the session is as it was, and no act may be done.
 *
 * A process that finds a record starts with attest_session_load() and the event
 * "open", which judges a record of another boot.
 */
#ifndef ATTEST_SESSION_SESSION_H
#define ATTEST_SESSION_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <attest/attest.h>

#include <attest/session/session_table.h>

#define SESSION_BOOT_ID_LEN 36u		/* as in /proc/sys/kernel/random/boot_id, without the newline */
#define SESSION_REASON_MAX 200u
#define SESSION_HOST_MAX 64u
#define SESSION_TOKEN_LEN 32u

/* What an operator did, with his words.  @event ATTEST_EVENT_OPEN: nothing. */
struct attest_session_command {
	enum attest_event event;
	uint32_t uid;
	uint64_t time_s;			/* since 1970 */
	char reason[SESSION_REASON_MAX + 1];	/* printable ASCII */
	char fenced_host[SESSION_HOST_MAX + 1];	/* printable ASCII without blanks; "": none */
};

/* All that is durable of a session on one side. */
struct attest_session_record {
	enum attest_role role;
	enum attest_state state;
	char boot_id[SESSION_BOOT_ID_LEN + 1];	/* of the boot that the VM is in; never changes */
	uint8_t session_id[ATTEST_HASH_LEN];
	uint8_t ticket_id[ATTEST_ID_LEN];
	uint8_t vm_id[ATTEST_ID_LEN];
	uint8_t peer_key[ATTEST_KEY_LEN];
	bool has_platform;
	uint8_t platform[ATTEST_ID_LEN];	/* of the peer, from its evidence */
	uint64_t connection;			/* the highest number used; 0: none yet */
	bool has_token;
	uint8_t token[SESSION_TOKEN_LEN];	/* "never ran": given (destination) or taken (source) */
	struct attest_session_command command;
};

struct attest_session {
	struct attest_session_record record;	/* as it is on the disk */
	enum attest_state state;
	uint64_t live;				/* number of the present connection; 0: none */
	uint64_t tried;				/* the highest number dialled by this process */
	uint64_t manifest_on;			/* the connection that the manifest came on; 0: none */
	bool has_token;
	uint8_t token[SESSION_TOKEN_LEN];	/* this session's, see attest_session_token() */
};

/* What happened.  Fields that the event does not have are not looked at. */
struct attest_session_input {
	enum attest_event event;
	const char *boot_id;		/* begin, open: of this boot */
	uint64_t connection;		/* joined: its number; a message: the one that it came on */
	const uint8_t *peer_key;	/* joined: ATTEST_KEY_LEN bytes */
	const uint8_t *platform;	/* joined: ATTEST_ID_LEN bytes; NULL: the evidence names none */
	const uint8_t *token;		/* abort: SESSION_TOKEN_LEN bytes; NULL: none came */
	bool import_complete;		/* begin, source */
	bool manifest_matches;		/* start: it came whole, and START names its hash */
	bool all_present;		/* present */
	const struct attest_session_command *command;	/* op_*; its event is set by attest_session_plan() */
};

struct attest_session_plan {
	const struct session_table_row *row;
	struct attest_session_record record;	/* if the row's acts have ATTEST_ACT_RECORD */
	uint64_t connection;			/* joined, dial: the number; 0: none */
	enum attest_guard failed;		/* after -EPERM: the first guard that did not hold */
};

/** The id of a session: a hash of ticket and VM, the same as attest_channel_session_id(). */
void attest_session_id(const uint8_t ticket_id[ATTEST_ID_LEN], const uint8_t vm_id[ATTEST_ID_LEN],
		       uint8_t ret_id[ATTEST_HASH_LEN]);

/** A session without a record.  @record: role, ids and keys are taken from it, and its boot id. */
void attest_session_init(struct attest_session *session, const struct attest_session_record *record);

/** A session as its record says.  The first event has to be ATTEST_EVENT_OPEN. */
void attest_session_load(struct attest_session *session, const struct attest_session_record *record);

/** Without a token no abort token is believed, and none stands in the record. */
void attest_session_set_token(struct attest_session *session, const uint8_t token[SESSION_TOKEN_LEN]);

/**
 * What has to be done if @input happens now.  Changes nothing.
 * -EPROTO: the table has no such step in this state.  -EPERM: it has, and a guard
 * does not hold (ret_plan->failed).  -EINVAL: malformed input.
 */
int attest_session_plan(const struct attest_session *session, const struct attest_session_input *input,
			struct attest_session_plan *ret_plan);

/** The plan's record is durable, or it has none: the session goes on to its next state. */
void attest_session_take(struct attest_session *session, const struct attest_session_plan *plan);

/** The connection is gone. */
void attest_session_disconnected(struct attest_session *session);

/**
 * The abort token of a session: a MAC that needs the secret key of either side, over
 * session id and both public keys.  What makes it true is the table: a destination that
 * recorded RUNNING has no row that sends it.
 * -EINVAL: @peer_key is no key.
 */
int attest_session_token(const struct attest_keypair *keypair, enum attest_role role,
			 const uint8_t peer_key[ATTEST_KEY_LEN], const uint8_t session_id[ATTEST_HASH_LEN],
			 uint8_t ret_token[SESSION_TOKEN_LEN]);

#endif
