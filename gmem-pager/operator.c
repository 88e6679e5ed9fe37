// SPDX-License-Identifier: MIT
/* What an operator may ask of a session that runs: by a note beside its record, or by the control socket. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "limit.h"
#include "log.h"
#include "session.h"

static int record(struct session *session, const struct attest_session_command *command)
{
	const struct attest_session_input input = { .event = command->event, .command = command };

	return ledger_step(session->ledger, &input, NULL);
}

/*
 * The record first, with who and why; then the end as it is without an operator: this side tells the other one.
 * Without a record yet there is nothing to write down, and where the record says OFFERED and this process is a
 * step further (STARTED, FROZEN) the end itself records ABORTED.
 */
int session_abort(struct session *session, const struct attest_session_command *command)
{
	enum attest_state state;
	int r = -EALREADY;

	pthread_mutex_lock(&session->lock);
	if (!session->ended) {
		state = ledger_state(session->ledger);
		if (state != ATTEST_STATE_NONE && (state != ATTEST_STATE_OFFERED || state == ledger_now(session->ledger)))
			r = record(session, command);
		else
			r = 0;
	}
	pthread_mutex_unlock(&session->lock);
	if (r == 0)
		session_end(session, SESSION_LOCAL, -ECANCELED, "aborted by uid %u: %.150s", command->uid, command->reason);
	return r;
}

int session_abandon(struct session *session, const struct attest_session_command *command)
{
	int r = -EBUSY;

	pthread_mutex_lock(&session->lock);
	if (session->ended)
		r = -EALREADY;
	else if (session->health.state == GMEM_LINK_LOST)
		r = record(session, command);
	if (r == 0) {
		snprintf(session->error, sizeof(session->error), "abandoned by uid %u: %.150s", command->uid,
			 command->reason);
		session->ended_us = stats_now_us();
		session->phase = GMEM_PHASE_FAILED;
		session->status = -ECANCELED;
		session->ended = true;
		pthread_cond_broadcast(&session->changed);
	}
	pthread_mutex_unlock(&session->lock);
	if (r == 0)
		log_error("move failed: %s", session->error);
	return r;
}

/* How fast the bulk stream may be is an operator's choice at any time. */
int session_limit(struct session *session, uint64_t bytes_per_s, uint32_t uid)
{
	char text[LIMIT_TEXT_LEN];
	int r = 0;

	if (session->ops->limit == NULL)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&session->lock);
	if (session->ended) {
		r = -EALREADY;
	} else {
		session->health.limited_by = uid;
		ledger_note_limit(session->ledger, session->ops->limit(session, &bytes_per_s), uid);
	}
	pthread_mutex_unlock(&session->lock);
	if (r == 0)
		log_info("limit of the background stream: %s, by uid %u", limit_print(bytes_per_s, text), uid);
	return r;
}
