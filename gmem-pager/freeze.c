// SPDX-License-Identifier: MIT
/*
 * From the running VM to START.  In order: freeze in the kernel, survey, STATE
 * records, the manifest, IN_DOUBT in the ledger, START.  A failure before
 * IN_DOUBT thaws the VM.  From the first byte of START on it stays frozen until
 * the destination says that it never ran; on a later connection all of it is sent
 * again, until the destination has said that it runs, and then the manifest alone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "messages.h"
#include "source.h"
#include "wire.h"

static int send_control(struct source *source, enum attest_op op, const uint8_t *end)
{
	return session_send_op(&source->session, ATTEST_LANE_CONTROL, op, source->control_body,
			       (uint32_t)(end - source->control_body));
}

static int send_state(struct source *source, const struct states *states, uint32_t index)
{
	const struct gmem_state *state = &states->states[index];
	size_t done = 0, part;
	uint8_t *at;
	int r;

	do {
		part = state->data_len - done < STATE_PART_MAX ? state->data_len - done : STATE_PART_MAX;
		at = wire_put32(wire_put32(source->control_body, index), states->n_states);
		at = wire_put32(wire_put32(at, (uint32_t)state->data_len), (uint32_t)done);
		at = wire_put_bytes(at, state->name, GMEM_STATE_NAME_LEN);
		at = wire_put_bytes(at, (const uint8_t *)state->data + done, part);
		r = send_control(source, ATTEST_OP_STATE, at);
		done += part;
	} while (r == 0 && done < state->data_len);
	return r;
}

static int send_states(struct source *source, const struct states *states)
{
	uint32_t i;
	int r = 0;

	for (i = 0; i < states->n_states && r == 0; i++)
		r = send_state(source, states, i);
	return r;
}

/* start_lock is held. */
static int send_manifest(struct source *source, const struct manifest *manifest, uint8_t ret_hash[ATTEST_HASH_LEN])
{
	uint8_t *bytes = NULL, *at;
	size_t len = 0, done, part;
	int r = manifest_encode(manifest, &bytes, &len);

	if (r < 0)
		return r;
	manifest_hash(bytes, len, ret_hash);
	for (done = 0; done < len && r == 0; done += part) {
		part = len - done < MANIFEST_PART_MAX ? len - done : MANIFEST_PART_MAX;
		at = wire_put32(wire_put32(source->control_body, (uint32_t)len), (uint32_t)done);
		at = wire_put_bytes(at, bytes + done, part);
		r = send_control(source, ATTEST_OP_MANIFEST, at);
	}
	free(bytes);
	return r;
}

static int send_start(struct source *source, const uint8_t hash[ATTEST_HASH_LEN], uint64_t n_pages, uint32_t n_states)
{
	uint8_t *at = wire_put_bytes(source->control_body, hash, ATTEST_HASH_LEN);

	at = wire_put32(wire_put32(wire_put64(at, n_pages), n_states), MESSAGES_EPOCH);
	return send_control(source, ATTEST_OP_START, at);
}

/* Everything but START itself.  @ret_manifest is the caller's on success. */
static int send_preliminaries(struct source *source, const struct states *states, struct manifest **ret_manifest,
			      uint8_t ret_hash[ATTEST_HASH_LEN], char *ret_error, size_t error_len)
{
	struct manifest *manifest = NULL;
	int r = guest_survey(source->guest, &manifest, ret_error, error_len);

	if (r < 0)
		return r;
	r = send_states(source, states);
	if (r == 0)
		r = send_manifest(source, manifest, ret_hash);
	if (r < 0) {
		snprintf(ret_error, error_len, "cannot send the VM's state: %s", strerror(-r));
		manifest_free(manifest);
		return r;
	}
	*ret_manifest = manifest;
	return 0;
}

int source_publish(struct source *source, struct manifest *manifest)
{
	source->sent = calloc(bitmap_words(manifest->n_pages), sizeof(*source->sent));
	if (source->sent == NULL) {
		manifest_free(manifest);
		return -ENOMEM;
	}
	atomic_store(&source->session.stats.pages_total, manifest->n_pages);
	atomic_store(&source->manifest, manifest);
	return 0;
}

/* Until the destination runs, a lost connection may make it all necessary again. */
static void keep_states(struct source *source, struct states *states)
{
	source->states = *states;
	states_init(states);
}

/* -ECANCELED: ended before.  Any other result: START may have left. */
static int commit(struct source *source, const uint8_t hash[ATTEST_HASH_LEN], struct states *states, char *ret_error,
		  size_t error_len)
{
	struct session *session = &source->session;
	const uint64_t n_pages = atomic_load(&session->stats.pages_total);
	int r;

	pthread_mutex_lock(&session->lock);
	r = session->ended ? -ECANCELED : ledger_event(session->ledger, ATTEST_EVENT_COMMIT);
	if (r == 0) {
		atomic_store(&session->stats.start_us, stats_now_us());
		session_set_phase_locked(session, GMEM_PHASE_STARTED);
	} else {
		snprintf(ret_error, error_len, "cannot record IN_DOUBT in %s: %s", session->config->state_dir,
			 strerror(-r));
		r = -ECANCELED;
	}
	pthread_mutex_unlock(&session->lock);
	if (r < 0)
		return r;
	keep_states(source, states);
	r = send_start(source, hash, n_pages, source->states.n_states);
	if (r < 0 && session->config->resume_ms > 0) {
		session_lane_failed(session, ATTEST_LANE_CONTROL, r);	/* sent again on the next connection */
	} else if (r < 0) {
		snprintf(ret_error, error_len, "the connection was lost while START was being sent");
		session_end(session, SESSION_LOST, -EINPROGRESS, "%s", ret_error);
		return -EINPROGRESS;
	}
	log_info("START sent: %llu pages, %u states", (unsigned long long)n_pages, source->states.n_states);
	return 0;
}

int source_say_again(struct source *source)
{
	struct session *session = &source->session;
	const struct manifest *manifest = atomic_load(&source->manifest);
	uint8_t hash[ATTEST_HASH_LEN];
	bool in_doubt;
	int r = 0;

	pthread_mutex_lock(&session->lock);
	in_doubt = ledger_now(session->ledger) == ATTEST_STATE_IN_DOUBT;
	pthread_mutex_unlock(&session->lock);
	pthread_mutex_lock(&source->start_lock);
	if (in_doubt)
		r = send_states(source, &source->states);
	if (r == 0)
		r = send_manifest(source, manifest, hash);
	if (r == 0 && in_doubt)
		r = send_start(source, hash, manifest->n_pages, source->states.n_states);
	pthread_mutex_unlock(&source->start_lock);
	return r;
}

static int freeze(struct source *source, char *ret_error, size_t error_len)
{
	int r = guest_freeze(source->guest, ret_error, error_len);

	if (r == -EALREADY && ledger_was_resumed(source->session.ledger)) {
		ret_error[0] = '\0';
		return 0;	/* by the process before this one, which sent no START */
	}
	return r;
}

static void thaw(struct source *source)
{
	int r = source->guest->backend->ops->thaw(source->guest->backend);

	if (r < 0)
		log_error("cannot thaw the VM: %s", strerror(-r));
}

/* -ENOTCONN: no connection just now. */
static int note_frozen(struct source *source, char *ret_error, size_t error_len)
{
	struct session *session = &source->session;
	int r;

	pthread_mutex_lock(&session->lock);
	if (session->ended)
		r = -ECANCELED;
	else if (!atomic_load(&session->live) || session->health.lost)
		r = -ENOTCONN;
	else
		r = ledger_event(session->ledger, ATTEST_EVENT_FREEZE);
	pthread_mutex_unlock(&session->lock);
	if (r < 0)
		snprintf(ret_error, error_len, r == -ENOTCONN ? "the connection to the destination is lost just now: "
			 "try again when it is back" : "the move has ended");
	return r;
}

/* Before START left: the guest may go on here.  ABORTED is recorded before it does. */
static void undo(struct source *source, int status, const char *error)
{
	session_end(&source->session, SESSION_LOCAL, status, "%s", error);
	thaw(source);
}

static int send_all(struct source *source, struct states *states, char *ret_error, size_t error_len)
{
	struct manifest *manifest = NULL;
	uint8_t hash[ATTEST_HASH_LEN];
	int r = send_preliminaries(source, states, &manifest, hash, ret_error, error_len);

	if (r == 0) {
		r = source_publish(source, manifest);
		if (r < 0)
			snprintf(ret_error, error_len, "no memory to keep track of pages");
	}
	return r == 0 ? commit(source, hash, states, ret_error, error_len) : r;
}

int source_start(struct source *source, struct states *states, char *ret_error, size_t error_len)
{
	struct session *session = &source->session;
	int r;

	/* In doubt since the process before this one: what it had of START came again. */
	if (!session->has_control && source->guest != NULL &&
	    session_get_phase(session, NULL, NULL) == GMEM_PHASE_STARTED) {
		keep_states(source, states);
		return session_connect(session);
	}
	if (session_get_phase(session, NULL, NULL) != GMEM_PHASE_ACCEPTED) {
		snprintf(ret_error, error_len, "no destination has accepted: call gmem_source_prepare first");
		return session_has_ended(session) ? -ECANCELED : -EINVAL;
	}
	r = freeze(source, ret_error, error_len);
	if (r < 0)
		return r;
	r = note_frozen(source, ret_error, error_len);
	if (r == -ENOTCONN) {
		thaw(source);
		return r;
	}
	if (r == 0) {
		pthread_mutex_lock(&source->start_lock);
		r = send_all(source, states, ret_error, error_len);
		pthread_mutex_unlock(&source->start_lock);
	}
	if (r < 0 && r != -EINPROGRESS)
		undo(source, r, ret_error);
	return r;
}
