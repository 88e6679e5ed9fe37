// SPDX-License-Identifier: MIT
/* The control thread of a session: connect, then records, liveness, and the end. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "messages.h"
#include "session.h"

#define LAST_WORD_MS 10000
#define RECONNECT_MS 4000	/* one try to get a connection back: what the network lost meanwhile is sent anew */

static int offer(void *opaque, char *ret_error, size_t error_len)
{
	struct session *session = opaque;
	const bool dials = session->config->role == ATTEST_INITIATOR;
	int r = 0;

	pthread_mutex_lock(&session->lock);
	if (session->ended && !session->untold)
		r = -ECANCELED;
	else if (ledger_state(session->ledger) == ATTEST_STATE_NONE)
		r = ledger_event(session->ledger, ATTEST_EVENT_BEGIN);
	else if (dials)	/* who listens: more than one connection may shake hands until one is the source's */
		r = ledger_event(session->ledger, ATTEST_EVENT_DIAL);
	pthread_mutex_unlock(&session->lock);
	if (r == -EEXIST) {
		snprintf(ret_error, error_len, "this ticket was used before (there is a record of it in %s): get a new "
			 "one", session->config->state_dir);
	} else if (r == -EPERM) {
		snprintf(ret_error, error_len, "this VM is itself still being moved here (there is a record of it in %s): "
			 "wait until it is complete", session->config->state_dir);
		r = -EROFS;
	} else if (r < 0 && r != -ECANCELED) {
		snprintf(ret_error, error_len, "cannot record the move in %s: %s", session->config->state_dir,
			 strerror(-r));
		r = -EROFS;
	}
	return r;
}

int session_begin(struct session *session, char *ret_error, size_t error_len)
{
	return offer(session, ret_error, error_len);
}

/* A guest that runs waits for its source without end.  The lock is held. */
static uint64_t accept_until(const struct session *session)
{
	if (!session->ended && ledger_now(session->ledger) == ATTEST_STATE_RUNNING)
		return 0;
	return session->health.lost_us + (uint64_t)session->config->resume_ms * 1000u;
}

static int make_link(struct session *session, char *ret_error, size_t error_len)
{
	const struct session_config *config = session->config;
	struct link_config link_config = {
		.transport = config->transport,
		.address = config->address,
		.handshake = {
			.role = config->role,
			.keypair = config->keypair,
			.ciphers = config->ciphers,
			.evidence = config->evidence ? config->evidence : &attest_evidence_pinned,
			.evidence_opaque = config->evidence ? config->evidence_opaque :
					   (void *)(uintptr_t)config->peer_key,
		},
		.connect_ms = config->connect_ms,
		.handshake_ms = config->handshake_ms,
		.send_ms = 4 * config->peer_ms,
		.stop = &session->stop,
		.peer_key = config->role == ATTEST_RESPONDER ? config->peer_key : NULL,
		.offer = offer,
		.offer_opaque = session,
	};

	pthread_mutex_lock(&session->lock);
	link_config.handshake.connection = ledger_next_connection(session->ledger);
	if (session->health.lost_us != 0)
		link_config.accept_until_us = accept_until(session);
	pthread_mutex_unlock(&session->lock);
	if (link_config.connect_ms > RECONNECT_MS && session->health.lost_us != 0)
		link_config.connect_ms = RECONNECT_MS;
	memcpy(link_config.handshake.ticket_id, config->ticket_id, ATTEST_ID_LEN);
	memcpy(link_config.handshake.vm_id, config->vm_id, ATTEST_ID_LEN);
	return session->ops->connect(session, &link_config, ret_error, error_len);
}

/* The handshake is done: its number is used up, and the peer is the record's. */
static int join(struct session *session)
{
	const struct attest_session_input input = {
		.event = ATTEST_EVENT_JOINED, .connection = attest_channel_connection(session->link.channel),
		.peer_key = session->config->peer_key,
		.platform = attest_channel_peer_platform(session->link.channel),
	};
	int r;

	pthread_mutex_lock(&session->lock);
	r = session->ended && !session->untold ? -ECANCELED : ledger_step(session->ledger, &input, NULL);
	pthread_mutex_unlock(&session->lock);
	return r;
}

static void take_sentence(const uint8_t *body, size_t body_len, char *ret_sentence)
{
	size_t len = body_len < SENTENCE_MAX ? body_len : SENTENCE_MAX, i;

	/* It goes to terminals and logs. */
	for (i = 0; i < len; i++)
		ret_sentence[i] = body[i] >= 0x20 && body[i] < 0x7f ? (char)body[i] : '?';
	ret_sentence[len] = '\0';
}

static int take_abort(struct session *session, const struct attest_record *record, const uint8_t *body)
{
	char sentence[SENTENCE_MAX + 1];

	if (record->body_len < ABORT_HEAD_LEN)
		return -EPROTO;
	memcpy(session->peer_token, body, ABORT_HEAD_LEN);
	session->has_peer_token = true;
	take_sentence(body + ABORT_HEAD_LEN, record->body_len - ABORT_HEAD_LEN, sentence);
	session_end(session, SESSION_PEER_ABORT, -ECANCELED, "the other side aborted: %s", sentence);
	return 1;
}

/* true: nothing that matters can follow; close first, the other side waits for that. */
static bool dispatch(struct session *session, const struct attest_record *record, const uint8_t *body)
{
	char sentence[SENTENCE_MAX + 1];
	int r = 0;

	switch (record->op) {
	case ATTEST_OP_PING:
		return false;
	case ATTEST_OP_ABORT:
		r = take_abort(session, record, body);
		break;
	case ATTEST_OP_ERROR:
		take_sentence(body, record->body_len, sentence);
		session_end(session, SESSION_PEER_ERROR, -EIO, "the other side failed: %s", sentence);
		return true;
	default:
		r = session->ops->control(session, record, body);
	}
	if (r == -EPROTO)
		session_end(session, SESSION_LOCAL, -EPROTO, "a malformed or misplaced record (operation %d) came from "
			    "the other side", (int)record->op);
	return r == 1;
}

/* true: it is still there. */
static bool is_heard(struct session *session, uint64_t last_rx_us)
{
	int limit_ms = session->config->peer_ms;

	/* After the end nobody sends PING, and the peer may be writing its record. */
	if (session_has_ended(session) && limit_ms < LAST_WORD_MS)
		limit_ms = LAST_WORD_MS;
	if (stats_now_us() - last_rx_us <= (uint64_t)limit_ms * 1000u)
		return true;
	session_connection_lost(session, -ETIMEDOUT, "the other side has been silent for %d ms",
				session->config->peer_ms);
	return false;
}

/*
 * Records until the connection ends.  Also after the move has: then only to see the peer close.
 * true: the last record came.
 */
static bool serve(struct session *session)
{
	struct lane *lane = &session->link.lanes[ATTEST_LANE_CONTROL];
	const uint64_t ping_us = (uint64_t)session->config->ping_ms * 1000u;
	uint64_t last_rx_us = stats_now_us(), last_ping_us = 0;
	struct attest_record record;
	const uint8_t *body;
	int r;

	while (!atomic_load(&session->stop)) {
		attest_channel_tick(session->link.channel, stats_now_us() * 1000u);
		r = lane_recv(lane, session->config->ping_ms / 2 + 1, &record, &body);
		if (r == 0) {
			last_rx_us = stats_now_us();
			session_heard(session);
			if (dispatch(session, &record, body))
				return true;
		} else if (r == -EBADMSG || r == -EMSGSIZE) {
			session_lane_failed(session, ATTEST_LANE_CONTROL, r);
			return false;
		} else if (r != -ETIMEDOUT) {
			session_connection_lost(session, -ECONNRESET, "the connection to the other side was lost");
			return false;
		}
		if (!is_heard(session, last_rx_us))
			return false;
		if (stats_now_us() - last_ping_us >= ping_us && !session_has_ended(session)) {
			last_ping_us = stats_now_us();
			/* a dead lane shows on receiving */
			(void)session_send_op(session, ATTEST_LANE_CONTROL, ATTEST_OP_PING, NULL, 0);
		}
	}
	return false;
}

/* The first handshake of a session ended badly: nothing has moved. */
static void refuse(struct session *session, int status, const char *error)
{
	session_end(session, SESSION_LOCAL, status, "%s", error[0] != '\0' ? error : strerror(-status));
}

/* Connected and recorded.  @first: of this process. */
static void use_link(struct session *session, bool first)
{
	const enum gmem_phase phase = session_get_phase(session, NULL, NULL);
	int r;

	pthread_mutex_lock(&session->lock);
	snprintf(session->cipher, sizeof(session->cipher), "%s",
		 attest_cipher_name(attest_channel_cipher(session->link.channel)));
	pthread_mutex_unlock(&session->lock);
	session_connection_up(session);
	r = session->ops->connected(session);
	if (r < 0 && r != -ENOTCONN)
		session_end(session, SESSION_LOCAL, r, "cannot start threads: %s", strerror(-r));
	else if (phase < GMEM_PHASE_ACCEPTED && session_set_phase(session, GMEM_PHASE_ACCEPTED))
		log_info("accepted by %s, cipher %s", session->link.lanes[0].conn->peer, session->cipher);
	else if (first)
		log_info("connected to %s, cipher %s", session->link.lanes[0].conn->peer, session->cipher);
}

/* Status has to say it too: trying again alone does not help. */
static void say_other_machine(struct session *session, char *ret_error, size_t error_len)
{
	snprintf(ret_error, error_len, "the other side is another machine than the one that this session began with, by "
		 "its evidence; continue it where it was");
	pthread_mutex_lock(&session->lock);
	snprintf(session->health.error, sizeof(session->health.error), "%s", ret_error);
	pthread_mutex_unlock(&session->lock);
}

/* One connection from its first byte to its last.  true: nothing can follow. */
static bool live_through(struct session *session, char *ret_error, size_t error_len)
{
	const bool resumed = ledger_was_resumed(session->ledger) || session->health.lost_us != 0;
	int r = make_link(session, ret_error, error_len);

	if (r == 0) {
		r = join(session);
		if (r == -EPERM)
			say_other_machine(session, ret_error, error_len);
		else if (r < 0)
			snprintf(ret_error, error_len, "cannot record the connection in %s: %s",
				 session->config->state_dir, strerror(-r));
		if (r < 0 && !resumed) {
			atomic_store(&session->live, true);	/* to say why, and no more */
			refuse(session, r == -ECANCELED ? r : -EROFS, ret_error);
			return serve(session) || true;
		}
	}
	if (r < 0 && !resumed) {
		refuse(session, r, ret_error);
		return true;
	}
	if (r < 0) {
		if (ret_error[0] == '\0')
			snprintf(ret_error, error_len, "%s", strerror(-r));
		return false;
	}
	use_link(session, !resumed);
	if (serve(session))
		return true;
	pthread_mutex_lock(&session->lock);
	snprintf(ret_error, error_len, "%s", session->health.error);
	pthread_mutex_unlock(&session->lock);
	return false;
}

static void live(struct session *session)
{
	char error[SESSION_ERROR_LEN] = "";
	int status;

	do {
		error[0] = '\0';
		if (live_through(session, error, sizeof(error)) || atomic_load(&session->stop))
			return;
	} while (session_try_again(session, error));
	if (atomic_load(&session->stop))
		return;
	pthread_mutex_lock(&session->lock);
	status = session->health.status;
	pthread_mutex_unlock(&session->lock);
	session_end(session, SESSION_LOST, status < 0 ? status : -ECONNRESET, "%s", error);
}

static void *control_thread(void *arg)
{
	struct session *session = arg;

	live(session);
	pthread_mutex_lock(&session->lock);
	session->control_done = true;
	pthread_cond_broadcast(&session->changed);
	pthread_mutex_unlock(&session->lock);
	return NULL;
}

int session_connect(struct session *session)
{
	int r;

	if (session_get_phase(session, NULL, NULL) == GMEM_PHASE_IDLE &&
	    !session_set_phase(session, GMEM_PHASE_CONNECTING))
		return -ECANCELED;
	r = session_thread(&session->control, control_thread, session);
	session->has_control = r == 0;
	return r;
}
