// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "messages.h"
#include "secmem.h"
#include "source.h"
#include "wire.h"

static int source_connect(struct session *session, const struct link_config *config, char *ret_error, size_t error_len)
{
	return link_dial(&session->link, config, ret_error, error_len);
}

static int start_lanes(struct source *source)
{
	int r;

	r = session_thread(&source->urgent, source_urgent_thread, source);
	source->has_urgent = r == 0;
	if (r == 0) {
		r = session_thread(&source->bulk, source_bulk_thread, source);
		source->has_bulk = r == 0;
	}
	if (r == 0) {
		r = session_thread(&source->credit, source_credit_thread, source);
		source->has_credit = r == 0;
	}
	return r;
}

static int source_connected(struct session *session)
{
	struct source *source = (struct source *)session;
	int r = start_lanes(source);

	if (r == 0 && atomic_load(&source->manifest) != NULL) {
		r = source_say_again(source);
		if (r < 0) {
			session_lane_failed(session, ATTEST_LANE_CONTROL, r);
			r = 0;	/* the connection's failure, not the session's */
		}
	}
	return r;
}

static void join_lanes(struct source *source)
{
	pace_stop(&source->pace);
	limit_stop(&source->limit);
	workset_stop(source->workset, true);
	if (source->has_urgent)
		pthread_join(source->urgent, NULL);
	if (source->has_bulk)
		pthread_join(source->bulk, NULL);
	if (source->has_credit)
		pthread_join(source->credit, NULL);
	source->has_urgent = source->has_bulk = source->has_credit = false;
}

/* What was sent may be lost: the destination's map says what need not be sent again. */
static void source_disconnected(struct session *session)
{
	struct source *source = (struct source *)session;
	const struct manifest *manifest = atomic_load(&source->manifest);
	size_t i;

	join_lanes(source);
	pace_reset(&source->pace);
	limit_go_on(&source->limit);
	workset_stop(source->workset, false);
	for (i = 0; manifest != NULL && i < bitmap_words(manifest->n_pages); i++)
		atomic_store(&source->sent[i], 0);
	source->map_next = 0;
	source->started_heard = false;
}

/* GIVEN guards against an operator's mistake; IN_DOUBT, if that is what stays, resumes nothing by itself. */
static int take_started(struct source *source)
{
	struct session *session = &source->session;
	bool ok, first;

	pthread_mutex_lock(&session->lock);
	first = session->phase == GMEM_PHASE_STARTED;
	ok = !session->ended && !source->started_heard && (first || session->phase == GMEM_PHASE_RUNNING);
	if (ok && ledger_event(session->ledger, ATTEST_EVENT_STARTED) < 0)
		log_warn("cannot record GIVEN in %s", session->config->state_dir);
	if (ok && first) {
		atomic_store(&session->stats.started_us, stats_now_us());
		session_set_phase_locked(session, GMEM_PHASE_RUNNING);
	}
	pthread_mutex_unlock(&session->lock);
	source->started_heard = true;
	if (ok && first) {	/* whoever is sending START has nothing more to say either */
		pthread_mutex_lock(&source->start_lock);
		states_fini(&source->states);
		pthread_mutex_unlock(&source->start_lock);
	}
	return ok || session_has_ended(session) ? 0 : -EPROTO;
}

/* RELEASED is durable before the VMM may free a page. */
static int take_complete(struct source *source, const struct attest_record *record, const uint8_t *body)
{
	struct session *session = &source->session;
	struct wire_reader reader = { .at = body, .left = record->body_len };
	const uint64_t n_pages = wire_get64(&reader);
	bool ok;
	int r = 0;

	if (!wire_done(&reader) || n_pages != atomic_load(&session->stats.pages_total))
		return -EPROTO;
	pthread_mutex_lock(&session->lock);
	ok = !session->ended && (session->phase == GMEM_PHASE_RUNNING || session->phase == GMEM_PHASE_STARTED);
	if (ok)
		r = ledger_event(session->ledger, ATTEST_EVENT_COMPLETE);
	if (ok && r == 0) {
		atomic_store(&session->stats.complete_us, stats_now_us());
		session_set_phase_locked(session, GMEM_PHASE_COMPLETE);
	}
	pthread_mutex_unlock(&session->lock);
	if (!ok)
		return session_has_ended(session) ? 0 : -EPROTO;
	if (r < 0) {
		session_end(session, SESSION_LOCAL, r, "the destination has every page, but RELEASED cannot be recorded "
			    "in %s: %s", session->config->state_dir, strerror(-r));
		return r;
	}
	log_info("complete: the destination has every page");
	(void)session_send_op(session, ATTEST_LANE_CONTROL, ATTEST_OP_RELEASED, NULL, 0);
	return 0;
}

static int source_control(struct session *session, const struct attest_record *record, const uint8_t *body)
{
	struct source *source = (struct source *)session;

	switch (record->op) {
	case ATTEST_OP_STARTED:
		return record->body_len == 0 ? take_started(source) : -EPROTO;
	case ATTEST_OP_COMPLETE:
		return take_complete(source, record, body);
	case ATTEST_OP_MAP:
		return session_get_phase(session, NULL, NULL) == GMEM_PHASE_RUNNING ?
		       source_take_map(source, body, record->body_len) :
		       session_has_ended(session) ? 0 : -EPROTO;
	default:
		return -EPROTO;
	}
}

static void append(char *error, size_t error_len, const char *text)
{
	const size_t len = strlen(error);

	snprintf(error + len, error_len - len, "%s", text);
}

/* The destination says that it never ran and never will: record that, then thaw. */
static enum gmem_phase resume(struct source *source, char *error, size_t error_len)
{
	const struct attest_session_input input = {
		.event = ATTEST_EVENT_ABORT,
		.token = source->session.has_peer_token ? source->session.peer_token : NULL,
	};
	int r = ledger_step(source->session.ledger, &input, NULL);

	if (r == -EPERM) {
		append(error, error_len, "; but without this session's abort token, so the VM stays frozen (in doubt)");
		return GMEM_PHASE_FAILED;
	}
	if (r < 0) {
		append(error, error_len, "; that cannot be recorded, so the VM stays frozen");
		return GMEM_PHASE_FAILED;
	}
	r = source->guest->backend->ops->thaw(source->guest->backend);
	if (r < 0) {
		append(error, error_len, "; and the VM cannot be thawed");
		return GMEM_PHASE_FAILED;
	}
	return GMEM_PHASE_ABORTED;
}

/* By the record first: it says a moment before the phase does that START may have left. */
static enum gmem_phase source_end_phase(struct session *session, enum session_cause cause, char *error,
					size_t error_len)
{
	struct source *source = (struct source *)session;
	const enum attest_state state = ledger_state(session->ledger);
	int r;

	if (state == ATTEST_STATE_GIVEN || session->phase == GMEM_PHASE_RUNNING) {
		append(error, error_len, "; the destination has run, the VM stays frozen and must not run here again");
		return GMEM_PHASE_FAILED;
	}
	if (state == ATTEST_STATE_IN_DOUBT || session->phase == GMEM_PHASE_STARTED) {
		if (cause == SESSION_PEER_ABORT)
			return resume(source, error, error_len);
		append(error, error_len, "; START had left, the VM stays frozen (in doubt)");
		return GMEM_PHASE_FAILED;
	}
	if (state == ATTEST_STATE_OFFERED && ledger_event(session->ledger, session_end_event(cause)) < 0)
		log_warn("cannot record ABORTED in %s", session->config->state_dir);
	/* The process before this one may have frozen it; START has not left, so it goes on here. */
	if (ledger_was_resumed(session->ledger) && source->guest != NULL) {
		r = source->guest->backend->ops->thaw(source->guest->backend);
		if (r < 0 && r != -EINVAL)
			append(error, error_len, "; and the VM cannot be thawed");
	}
	return GMEM_PHASE_ABORTED;
}

static uint64_t source_limit(struct session *session, const uint64_t *set)
{
	struct source *source = (struct source *)session;

	if (set != NULL)
		limit_set(&source->limit, *set);
	return limit_get(&source->limit);
}

static const struct session_ops source_ops = {
	.connect = source_connect,
	.connected = source_connected,
	.disconnected = source_disconnected,
	.control = source_control,
	.end_phase = source_end_phase,
	.limit = source_limit,
};

static void init_limit(struct source *source, uint64_t bytes_per_s)
{
	char text[LIMIT_TEXT_LEN];

	limit_init(&source->limit, PAGES_BODY_MAX(BULK_MAX_RUN), NULL);
	limit_set(&source->limit, bytes_per_s);
	source->session.health.limited_by = (uint32_t)getuid();
	if (bytes_per_s != 0)
		log_info("limit of the background stream: %s", limit_print(bytes_per_s, text));
}

int source_new(const struct session_config *config, struct source **ret_source, char *ret_error, size_t error_len)
{
	struct source *source = calloc(1, sizeof(*source));
	int r;

	if (source == NULL)
		return -ENOMEM;
	r = session_init(&source->session, config, &source_ops, ret_error, error_len);
	if (r < 0) {
		free(source);
		return r;
	}
	pace_init(&source->pace);
	init_limit(source, config->background_limit);
	pthread_mutex_init(&source->start_lock, NULL);
	states_init(&source->states);
	source->control_body = secmem_alloc(CONTROL_BODY_MAX);
	source->urgent_body = secmem_alloc(PAGES_BODY_MAX(URGENT_MAX_RUN));
	source->bulk_body = secmem_alloc(PAGES_BODY_MAX(BULK_MAX_RUN));
	if (source->control_body == NULL || source->urgent_body == NULL || source->bulk_body == NULL) {
		snprintf(ret_error, error_len, "no memory that can be locked: raise the limit of locked memory "
			 "(RLIMIT_MEMLOCK) to 8 MiB");
		source_free(source);
		return -ENOMEM;
	}
	*ret_source = source;
	return 0;
}

void source_free(struct source *source)
{
	if (source == NULL)
		return;
	session_fini(&source->session);
	pace_fini(&source->pace);
	limit_fini(&source->limit);
	pthread_mutex_destroy(&source->start_lock);
	states_fini(&source->states);
	secmem_free(source->control_body);
	secmem_free(source->urgent_body);
	secmem_free(source->bulk_body);
	manifest_free(atomic_load(&source->manifest));
	free(source->sent);
	guest_free(source->guest);
	free(source);
}

/*
 * The process before this one froze the VM.  If it is not frozen now it may have run on since, and what
 * is in its memory is not what START described.
 */
static int check_frozen(struct source *source, char *ret_error, size_t error_len)
{
	struct backend *backend = source->guest->backend;
	int r = backend->ops->freeze(backend);

	if (r == -EALREADY)
		return 0;
	if (r < 0 && r != -EBUSY) {
		snprintf(ret_error, error_len, "cannot find out whether the VM is frozen: %s", strerror(-r));
		return r;
	}
	if (r == 0)
		(void)backend->ops->thaw(backend);
	snprintf(ret_error, error_len, "the VM is not frozen any more: it may have run since START, and its memory cannot "
		 "be given to the destination");
	return -ESTALE;
}

/* With START gone: the same manifest as then, of the same frozen VM. */
static int take_up(struct source *source, char *ret_error, size_t error_len)
{
	struct manifest *manifest = NULL;
	int r = check_frozen(source, ret_error, error_len);

	if (r == 0)
		r = guest_survey(source->guest, &manifest, ret_error, error_len);
	if (r == 0)
		r = source_publish(source, manifest);
	if (r < 0 && ret_error[0] == '\0')
		snprintf(ret_error, error_len, "cannot take up the VM: %s", strerror(-r));
	return r;
}

int source_attach(struct source *source, struct backend *backend, const struct gmem_region *regions,
		  size_t n_regions, char *ret_error, size_t error_len)
{
	struct session *session = &source->session;
	int r;

	if (source->guest != NULL)
		return -EALREADY;
	r = session_check_attach(session, ret_error, error_len);
	if (r == 0)
		r = guest_new(backend, regions, n_regions, false, &source->guest, ret_error, error_len);
	if (r < 0)
		return r;
	if (session->phase >= GMEM_PHASE_STARTED)
		r = take_up(source, ret_error, error_len);
	/* In doubt, START may have to be sent again, and its states come first: source_start(). */
	if (r == 0 && ledger_was_resumed(session->ledger) && session->phase != GMEM_PHASE_STARTED)
		r = session_connect(session);
	if (r < 0) {
		source->guest->backend = NULL;	/* the caller's still */
		guest_free(source->guest);
		source->guest = NULL;
	}
	return r;
}

int source_prepare(struct source *source)
{
	struct session *session = &source->session;

	if (source->guest == NULL)
		return -EINVAL;
	if (ledger_was_resumed(session->ledger))
		return session->has_control ? 0 : -EALREADY;	/* it dialled as soon as it had the VM */
	if (session_get_phase(session, NULL, NULL) != GMEM_PHASE_IDLE)
		return -EALREADY;
	return session_connect(session);
}

bool source_claim(struct source *source, uint64_t index)
{
	const uint_fast64_t bit = 1ull << (index % 64);

	return (atomic_fetch_or(&source->sent[index / 64], bit) & bit) == 0;
}

static void end_unread(struct source *source, uint32_t n_pages, int status)
{
	struct backend *backend = source->guest->backend;
	char why[SESSION_ERROR_LEN] = "";

	if (backend->ops->explain != NULL)
		backend->ops->explain(backend, why, sizeof(why));
	session_end(&source->session, SESSION_LOCAL, status, "cannot read %u pages: %s", n_pages,
		    why[0] != '\0' ? why : strerror(-status));
}

static bool is_data(uint8_t kind)
{
	return (kind & (uint8_t)~ATTEST_PAGE_SHARED) == ATTEST_PAGE_DATA;
}

/*
 * A run that was read, in records that are padded little; on the urgent lane in one (urgent.h).  Each record's kinds go right before its data: over
 * kinds that are kept here, or over data that has been sent.
 */
static int send_pieces(struct source *source, enum attest_lane id, struct attest_record *record, uint8_t *body)
{
	const uint32_t n_pages = record->n_pages;
	uint32_t n_left = (record->body_len - n_pages) / ATTEST_PAGE_LEN, first = 0, n_data, n;
	uint8_t kinds[BULK_MAX_RUN], *data = body + n_pages;
	int r;

	memcpy(kinds, body, n_pages);
	do {
		const uint32_t cut = id == ATTEST_LANE_BULK ? lane_cut(n_left, n_pages - first) : n_left;

		for (n = n_data = 0; first + n < n_pages && (cut == n_left || n_data < cut); n++)
			n_data += is_data(kinds[first + n]);
		record->n_pages = n;
		record->body_len = n + n_data * ATTEST_PAGE_LEN;
		memcpy(data - n, kinds + first, n);
		r = session_send(&source->session, id, record, data - n);
		record->gfn += n;
		data += n_data * ATTEST_PAGE_LEN;
		n_left -= n_data;
		first += n;
	} while (r == 0 && first < n_pages);
	return r;
}

int source_send_run(struct source *source, enum attest_lane id, uint64_t index, uint32_t n_pages, uint8_t *body,
		    uint32_t *ret_body_len)
{
	const struct manifest *manifest = atomic_load(&source->manifest);
	const struct manifest_region *region = manifest_region_of(manifest, index);
	struct stats *stats = &source->session.stats;
	struct attest_record record = {
		.op = ATTEST_OP_PAGES, .gfn = region->gfn + (index - region->first_index), .n_pages = n_pages,
	};
	uint32_t i;
	int r;

	r = guest_read(source->guest, manifest, index, n_pages, body, &record.body_len);
	if (r < 0) {
		log_debug("%u pages at GFN 0x%llx cannot be read", n_pages, (unsigned long long)record.gfn);
		end_unread(source, n_pages, r);
		return -ECANCELED;
	}
	stats_add(id == ATTEST_LANE_URGENT ? &stats->pages_demand : &stats->pages_background, n_pages);
	for (i = 0; i < n_pages; i++) {
		if ((body[i] & (uint8_t)~ATTEST_PAGE_SHARED) == ATTEST_PAGE_ZERO)
			stats_add(&stats->pages_zero, 1);
		if ((body[i] & ATTEST_PAGE_SHARED) != 0)
			stats_add(&stats->pages_shared, 1);
	}
	*ret_body_len = record.body_len;
	return send_pieces(source, id, &record, body);
}

void source_stop(struct source *source)
{
	session_stop(&source->session);
	if (source->guest != NULL)
		guest_close_backend(source->guest);
}

void source_progress(struct source *source, struct gmem_progress *ret_progress)
{
	session_progress(&source->session, ret_progress);
	if (ret_progress->phase == GMEM_PHASE_COMPLETE)
		ret_progress->pages_present = ret_progress->pages_total;
}
