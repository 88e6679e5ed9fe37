// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "log.h"
#include "messages.h"
#include "secmem.h"
#include "suspend.h"

#define THE_CONNECTION 1u	/* in the record: the file stands for the only one that there is */

static void append(char *error, size_t error_len, const char *text)
{
	const size_t len = strlen(error);

	snprintf(error + len, error_len - len, "%s", text);
}

/* The file is gone, so nobody ever ran it: that is what the token says, and there is nobody else to say it. */
static int take_back(struct suspend *suspend, char *error, size_t error_len)
{
	const struct attest_session_input input = {
		.event = ATTEST_EVENT_ABORT, .token = ledger_token(suspend->session.ledger),
	};
	int r = ledger_step(suspend->session.ledger, &input, NULL);

	if (r < 0)
		append(error, error_len, "; that cannot be recorded, so the VM stays frozen");
	return r;
}

static enum gmem_phase suspend_end_phase(struct session *session, enum session_cause cause, char *error,
					 size_t error_len)
{
	struct suspend *suspend = (struct suspend *)session;
	const enum attest_state state = ledger_state(session->ledger);

	if (state == ATTEST_STATE_IN_DOUBT && cause != SESSION_PEER_ABORT) {
		append(error, error_len, "; the snapshot may be there: the VM stays frozen (in doubt)");
		return GMEM_PHASE_FAILED;
	}
	if (state == ATTEST_STATE_IN_DOUBT && take_back(suspend, error, error_len) < 0)
		return GMEM_PHASE_FAILED;
	if (state == ATTEST_STATE_OFFERED && ledger_event(session->ledger, session_end_event(cause)) < 0)
		log_warn("cannot record ABORTED in %s", session->config->state_dir);
	if (suspend->frozen && suspend->guest->backend->ops->thaw(suspend->guest->backend) < 0)
		append(error, error_len, "; and the VM cannot be thawed");
	suspend->frozen = false;
	return GMEM_PHASE_ABORTED;
}

/* There is no connection to shut. */
static void suspend_disconnected(struct session *session)
{
	(void)session;
}

static const struct session_ops suspend_ops = {
	.disconnected = suspend_disconnected, .end_phase = suspend_end_phase,
};

int suspend_new(const struct session_config *config, struct suspend **ret_suspend, char *ret_error, size_t error_len)
{
	struct suspend *suspend = calloc(1, sizeof(*suspend));
	int r;

	if (suspend == NULL)
		return -ENOMEM;
	r = session_init(&suspend->session, config, &suspend_ops, ret_error, error_len);
	if (r < 0) {
		free(suspend);
		return r;
	}
	states_init(&suspend->states);
	suspend->body = secmem_alloc(PAGES_BODY_MAX(SNAPFILE_PAGES));
	suspend->pages = secmem_alloc(SNAPFILE_CHUNK_LEN);
	if (suspend->body == NULL || suspend->pages == NULL) {
		snprintf(ret_error, error_len, "no memory that can be locked: raise the limit of locked memory "
			 "(RLIMIT_MEMLOCK) to 8 MiB");
		suspend_free(suspend);
		return -ENOMEM;
	}
	*ret_suspend = suspend;
	return 0;
}

void suspend_free(struct suspend *suspend)
{
	if (suspend == NULL)
		return;
	session_fini(&suspend->session);
	states_fini(&suspend->states);
	secmem_free(suspend->body);
	secmem_free(suspend->pages);
	manifest_free(suspend->manifest);
	guest_free(suspend->guest);
	free(suspend);
}

int suspend_attach(struct suspend *suspend, struct backend *backend, const struct gmem_region *regions,
		   size_t n_regions, char *ret_error, size_t error_len)
{
	int r;

	if (suspend->guest != NULL)
		return -EALREADY;
	r = session_check_attach(&suspend->session, ret_error, error_len);
	return r == 0 ? guest_new(backend, regions, n_regions, false, &suspend->guest, ret_error, error_len) : r;
}

int suspend_prepare(struct suspend *suspend)
{
	struct session *session = &suspend->session;
	const struct attest_session_input joined = {
		.event = ATTEST_EVENT_JOINED, .connection = THE_CONNECTION, .peer_key = session->config->peer_key,
	};
	char error[SESSION_ERROR_LEN] = "";
	int r;

	if (suspend->guest == NULL)
		return -EINVAL;
	if (session_get_phase(session, NULL, NULL) != GMEM_PHASE_IDLE)
		return -EALREADY;
	r = session_begin(session, error, sizeof(error));
	pthread_mutex_lock(&session->lock);
	if (r == 0)
		r = ledger_step(session->ledger, &joined, NULL);
	if (r == 0)
		session_set_phase_locked(session, GMEM_PHASE_ACCEPTED);
	pthread_mutex_unlock(&session->lock);
	if (r < 0)	/* the phase says it to the VMM */
		session_end(session, SESSION_LOCAL, r == -EEXIST ? -EACCES : r, "%s", error[0] != '\0' ? error : strerror(-r));
	return 0;
}

/* ---- the thread ---- */

/* One chunk: pages of zeros are left out, the others gathered.  Pages of one region can be read at once. */
static int read_chunk(struct suspend *suspend, uint64_t index, uint32_t n_pages, uint64_t *ret_map)
{
	const struct manifest *manifest = suspend->manifest;
	uint8_t *to = suspend->pages;
	uint32_t done, n, i, body_len;
	int r;

	*ret_map = 0;
	for (done = 0; done < n_pages; done += n) {
		const struct manifest_region *region = manifest_region_of(manifest, index + done);
		const uint64_t left = region->n_pages - (index + done - region->first_index);

		n = left < n_pages - done ? (uint32_t)left : n_pages - done;
		r = guest_read(suspend->guest, manifest, index + done, n, suspend->body, &body_len);
		if (r < 0)
			return r;
		for (i = 0; i < n; i++) {
			if ((suspend->body[i] & (uint8_t)~ATTEST_PAGE_SHARED) != ATTEST_PAGE_ZERO)
				*ret_map |= 1ull << (done + i);
			else
				stats_add(&suspend->session.stats.pages_zero, 1);
			if ((suspend->body[i] & ATTEST_PAGE_SHARED) != 0)
				stats_add(&suspend->session.stats.pages_shared, 1);
		}
		memcpy(to, suspend->body + n, body_len - n);
		to += body_len - n;
	}
	return 0;
}

static int write_pages(struct suspend *suspend, char *ret_error)
{
	const uint64_t n_pages = suspend->manifest->n_pages;
	uint64_t index, map;
	uint32_t n;
	int r = 0;

	for (index = 0; index < n_pages && r == 0; index += n) {
		if (session_has_ended(&suspend->session))
			return -ECANCELED;
		n = n_pages - index < SNAPFILE_PAGES ? (uint32_t)(n_pages - index) : SNAPFILE_PAGES;
		r = read_chunk(suspend, index, n, &map);
		if (r < 0) {
			snprintf(ret_error, SNAPFILE_ERROR_LEN, "cannot read %u pages of the VM: %s", n, strerror(-r));
			return r;
		}
		r = snapfile_writer_pages(suspend->session.config->suspend, map, suspend->pages, ret_error);
		stats_add(&suspend->session.stats.pages_background, n);
		atomic_store(&suspend->n_done, index + n);
	}
	return r;
}

static int write_manifest(struct suspend *suspend, char *ret_error)
{
	uint8_t *bytes;
	size_t len;
	int r = manifest_encode(suspend->manifest, &bytes, &len);

	if (r < 0) {
		snprintf(ret_error, SNAPFILE_ERROR_LEN, "cannot describe the VM's memory: %s", strerror(-r));
		return r;
	}
	r = snapfile_writer_manifest(suspend->session.config->suspend, bytes, len, ret_error);
	free(bytes);
	return r;
}

static int write_all(struct suspend *suspend, char *ret_error)
{
	const struct session_config *config = suspend->session.config;
	struct snapfile_header header = { .n_pages = suspend->manifest->n_pages, .incarnation = config->incarnation };
	int r;

	memcpy(header.vm_id, config->vm_id, ATTEST_ID_LEN);
	memcpy(header.recipient, config->peer_key, ATTEST_KEY_LEN);
	r = snapfile_writer_begin(config->suspend, config->keypair, &header, ret_error);
	if (r == 0)
		r = write_pages(suspend, ret_error);
	if (r == 0)
		r = snapfile_writer_states(config->suspend, &suspend->states, ret_error);
	if (r == 0)
		r = write_manifest(suspend, ret_error);
	return r == 0 ? snapfile_writer_finish(config->suspend, suspend->root, ret_error) : r;
}

/* From this record on the file may have its name. */
static int commit(struct suspend *suspend, char *ret_error)
{
	struct session *session = &suspend->session;
	int r;

	pthread_mutex_lock(&session->lock);
	r = session->ended ? -ECANCELED : ledger_event(session->ledger, ATTEST_EVENT_COMMIT);
	if (r == 0) {
		atomic_store(&session->stats.start_us, stats_now_us());
		session_set_phase_locked(session, GMEM_PHASE_STARTED);
	}
	pthread_mutex_unlock(&session->lock);
	if (r < 0)
		snprintf(ret_error, SNAPFILE_ERROR_LEN, "cannot record IN_DOUBT in %.100s: %s", session->config->state_dir,
			 strerror(-r));
	return r;
}

static void complete(struct suspend *suspend)
{
	struct session *session = &suspend->session;
	char hex[2 * SNAPFILE_ROOT_LEN + 1];
	int r = 0;

	sodium_bin2hex(hex, sizeof(hex), suspend->root, SNAPFILE_ROOT_LEN);
	pthread_mutex_lock(&session->lock);
	if (!session->ended)
		r = ledger_event(session->ledger, ATTEST_EVENT_COMPLETE);
	if (!session->ended && r == 0) {
		atomic_store(&session->stats.complete_us, stats_now_us());
		session_set_phase_locked(session, GMEM_PHASE_COMPLETE);
	}
	pthread_mutex_unlock(&session->lock);
	log_info("the snapshot is written: %llu bytes, root %s",
		 (unsigned long long)snapfile_writer_bytes(session->config->suspend), hex);
	if (r < 0)
		session_end(session, SESSION_LOCAL, r, "the snapshot is whole, but RELEASED cannot be recorded in %.100s: %s",
			    session->config->state_dir, strerror(-r));
}

/* The file, and what the record says of it, go together: it is gone before the record says that it never was. */
static void publish(struct suspend *suspend)
{
	struct snapfile_writer *writer = suspend->session.config->suspend;
	char error[SNAPFILE_ERROR_LEN] = "";
	int r = snapfile_writer_publish(writer, error);

	if (r == 0)
		complete(suspend);
	else if (snapfile_writer_discard(writer) == 0)
		session_end(&suspend->session, SESSION_PEER_ABORT, r, "%s", error);
	else
		session_end(&suspend->session, SESSION_LOCAL, r, "%s; and it cannot be removed", error);
}

static void *suspend_thread(void *arg)
{
	struct suspend *suspend = arg;
	char error[SNAPFILE_ERROR_LEN] = "the move has ended";
	int r = write_all(suspend, error);

	if (r == 0)
		r = commit(suspend, error);
	if (r == 0) {
		publish(suspend);
	} else {
		session_end(&suspend->session, SESSION_LOCAL, r, "%s", error);
		if (snapfile_writer_discard(suspend->session.config->suspend) < 0)
			log_warn("what was written of the snapshot cannot be removed; it is of no use");
	}
	states_fini(&suspend->states);
	sodium_memzero(suspend->body, PAGES_BODY_MAX(SNAPFILE_PAGES));
	return NULL;
}

/* ---- the owner ---- */

static int note_frozen(struct suspend *suspend, char *ret_error, size_t error_len)
{
	struct session *session = &suspend->session;
	int r;

	pthread_mutex_lock(&session->lock);
	r = session->ended ? -ECANCELED : ledger_event(session->ledger, ATTEST_EVENT_FREEZE);
	suspend->frozen = r == 0;
	pthread_mutex_unlock(&session->lock);
	if (r < 0) {
		snprintf(ret_error, error_len, "the move has ended");
		(void)suspend->guest->backend->ops->thaw(suspend->guest->backend);
	}
	return r;
}

int suspend_start(struct suspend *suspend, struct states *states, char *ret_error, size_t error_len)
{
	struct session *session = &suspend->session;
	int r;

	if (session_get_phase(session, NULL, NULL) != GMEM_PHASE_ACCEPTED || suspend->has_thread) {
		snprintf(ret_error, error_len, "the ticket is not taken yet: call gmem_source_prepare first");
		return session_has_ended(session) ? -ECANCELED : -EINVAL;
	}
	r = guest_freeze(suspend->guest, ret_error, error_len);
	if (r == 0)
		r = note_frozen(suspend, ret_error, error_len);
	if (r < 0)
		return r;
	r = guest_survey(suspend->guest, &suspend->manifest, ret_error, error_len);
	if (r == 0) {
		atomic_store(&session->stats.pages_total, suspend->manifest->n_pages);
		suspend->states = *states;
		r = session_thread(&suspend->thread, suspend_thread, suspend);
		suspend->has_thread = r == 0;
		if (r < 0)
			snprintf(ret_error, error_len, "cannot start a thread: %s", strerror(-r));
		states_init(r == 0 ? states : &suspend->states);
	}
	if (r < 0)
		session_end(session, SESSION_LOCAL, r, "%s", ret_error);
	return r;
}

void suspend_stop(struct suspend *suspend)
{
	if (suspend->has_thread)
		pthread_join(suspend->thread, NULL);
	suspend->has_thread = false;
	session_stop(&suspend->session);
	if (suspend->guest != NULL)
		guest_close_backend(suspend->guest);
}

void suspend_progress(struct suspend *suspend, struct gmem_progress *ret_progress)
{
	session_progress(&suspend->session, ret_progress);
	ret_progress->transport[0] = '\0';
	if (ret_progress->phase == GMEM_PHASE_COMPLETE)
		ret_progress->pages_present = ret_progress->pages_total;
}

uint32_t suspend_map(struct suspend *suspend, uint32_t n_cells, uint8_t *ret_cells)
{
	const uint64_t n_pages = atomic_load(&suspend->session.stats.pages_total);
	const uint64_t n_done = atomic_load(&suspend->n_done);
	uint32_t i;

	if (n_pages == 0)
		return 0;
	if (n_pages < n_cells)
		n_cells = (uint32_t)n_pages;
	for (i = 0; i < n_cells; i++)	/* a page or more in each: the division is far from an overflow */
		ret_cells[i] = n_done >= n_pages / n_cells * (i + 1u) || n_done == n_pages ? 100 : 0;
	return n_cells;
}
