// SPDX-License-Identifier: MIT
/*
 * From the running VM to START.  In order: freeze in the kernel, survey, STATE
 * records, the manifest, IN_DOUBT in the ledger, START.  A failure before
 * IN_DOUBT thaws the VM.  From the first byte of START on it stays frozen until
 * the destination says that it never ran.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "messages.h"
#include "source.h"
#include "wire.h"

static struct lane *control_lane(struct source *source)
{
	return &source->session.link.lanes[ATTEST_LANE_CONTROL];
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
		r = lane_send_op(control_lane(source), ATTEST_OP_STATE, source->control_body,
				 (uint32_t)(at - source->control_body));
		done += part;
	} while (r == 0 && done < state->data_len);
	return r;
}

static int send_manifest(struct source *source, const uint8_t *bytes, size_t len)
{
	size_t done, part;
	uint8_t *at;
	int r = 0;

	for (done = 0; done < len && r == 0; done += part) {
		part = len - done < MANIFEST_PART_MAX ? len - done : MANIFEST_PART_MAX;
		at = wire_put32(wire_put32(source->control_body, (uint32_t)len), (uint32_t)done);
		at = wire_put_bytes(at, bytes + done, part);
		r = lane_send_op(control_lane(source), ATTEST_OP_MANIFEST, source->control_body,
				 (uint32_t)(at - source->control_body));
	}
	return r;
}

/* Everything but START itself.  @ret_manifest is the caller's on success. */
static int send_preliminaries(struct source *source, const struct states *states, struct manifest **ret_manifest,
			      uint8_t ret_hash[ATTEST_HASH_LEN], char *ret_error, size_t error_len)
{
	struct manifest *manifest = NULL;
	uint8_t *bytes = NULL;
	size_t len = 0;
	uint32_t i;
	int r;

	r = guest_survey(source->guest, &manifest, ret_error, error_len);
	if (r < 0)
		return r;
	r = manifest_encode(manifest, &bytes, &len);
	if (r < 0) {
		snprintf(ret_error, error_len, "cannot describe the VM's memory: %s", strerror(-r));
		goto out;
	}
	manifest_hash(bytes, len, ret_hash);
	for (i = 0; i < states->n_states && r == 0; i++)
		r = send_state(source, states, i);
	if (r == 0)
		r = send_manifest(source, bytes, len);
	if (r < 0)
		snprintf(ret_error, error_len, "cannot send the VM's state: %s", strerror(-r));
out:
	free(bytes);
	if (r < 0)
		manifest_free(manifest);
	else
		*ret_manifest = manifest;
	return r;
}

/* Let the lanes' threads have the manifest; they answer once the phase is STARTED. */
static int publish(struct source *source, struct manifest *manifest)
{
	source->sent = calloc(bitmap_words(manifest->n_pages), sizeof(*source->sent));
	if (source->sent == NULL)
		return -ENOMEM;
	atomic_store(&source->session.stats.pages_total, manifest->n_pages);
	atomic_store(&source->manifest, manifest);
	return 0;
}

/* -ECANCELED: ended before.  Any other result: START may have left. */
static int commit(struct source *source, const uint8_t hash[ATTEST_HASH_LEN], uint32_t n_states, char *ret_error,
		  size_t error_len)
{
	struct session *session = &source->session;
	uint8_t body[START_LEN], *at;
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
	at = wire_put_bytes(body, hash, ATTEST_HASH_LEN);
	at = wire_put64(at, atomic_load(&session->stats.pages_total));
	wire_put32(wire_put32(at, n_states), MESSAGES_EPOCH);
	r = lane_send_op(control_lane(source), ATTEST_OP_START, body, sizeof(body));
	if (r < 0) {
		snprintf(ret_error, error_len, "the connection was lost while START was being sent");
		session_end(session, SESSION_LOST, -EINPROGRESS, "%s", ret_error);
		return -EINPROGRESS;
	}
	log_info("START sent: %llu pages, %u states", (unsigned long long)atomic_load(&session->stats.pages_total),
		 n_states);
	return 0;
}

static int freeze(struct source *source, char *ret_error, size_t error_len)
{
	struct backend *backend = source->guest->backend;
	int r = backend->ops->freeze(backend);

	if (r == -EBUSY)
		snprintf(ret_error, error_len, "a vCPU is running or in an ioctl: stop all vCPUs first");
	else if (r == -EALREADY)
		snprintf(ret_error, error_len, "the VM is frozen already, and not by this move");
	else if (r < 0)
		snprintf(ret_error, error_len, "cannot freeze the VM: %s", strerror(-r));
	return r;
}

static int note_frozen(struct source *source, char *ret_error, size_t error_len)
{
	struct session *session = &source->session;
	int r;

	pthread_mutex_lock(&session->lock);
	r = session->ended ? -ECANCELED : ledger_event(session->ledger, ATTEST_EVENT_FREEZE);
	pthread_mutex_unlock(&session->lock);
	if (r < 0)
		snprintf(ret_error, error_len, "the move has ended");
	return r;
}

/* Before START left: the guest may go on here.  ABORTED is recorded before it does. */
static void undo(struct source *source, int status, const char *error)
{
	struct backend *backend = source->guest->backend;
	int r;

	session_end(&source->session, SESSION_LOCAL, status, "%s", error);
	r = backend->ops->thaw(backend);
	if (r < 0)
		log_error("cannot thaw the VM: %s", strerror(-r));
}

int source_start(struct source *source, const struct states *states, char *ret_error, size_t error_len)
{
	struct session *session = &source->session;
	struct manifest *manifest = NULL;
	uint8_t hash[ATTEST_HASH_LEN];
	int r;

	if (session_get_phase(session, NULL, NULL) != GMEM_PHASE_ACCEPTED) {
		snprintf(ret_error, error_len, "no destination has accepted: call gmem_source_prepare first");
		return session_has_ended(session) ? -ECANCELED : -EINVAL;
	}
	r = freeze(source, ret_error, error_len);
	if (r < 0)
		return r;
	r = note_frozen(source, ret_error, error_len);
	if (r == 0)
		r = send_preliminaries(source, states, &manifest, hash, ret_error, error_len);
	if (r == 0) {
		r = publish(source, manifest);
		if (r < 0) {
			snprintf(ret_error, error_len, "no memory to keep track of pages");
			manifest_free(manifest);
		}
	}
	if (r == 0)
		r = commit(source, hash, states->n_states, ret_error, error_len);
	if (r < 0 && r != -EINPROGRESS)
		undo(source, r, ret_error);
	return r;
}
