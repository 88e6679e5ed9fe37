// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "pager.h"
#include "wire.h"

static int pager_connect(struct session *session, const struct link_config *config, char *ret_error, size_t error_len)
{
	struct pager *pager = (struct pager *)session;
	int r = pager->listener != NULL ? 0 : config->transport->listen(config->address, &pager->listener);

	if (r < 0) {
		snprintf(ret_error, error_len, "cannot listen on %s: %s", config->address, strerror(-r));
		return r;
	}
	r = link_accept(&session->link, config, pager->listener, ret_error, error_len);
	pager->listener->ops->free_listener(pager->listener);
	pager->listener = NULL;
	return r;
}

void pager_send_complete(struct pager *pager, uint64_t n_pages)
{
	uint8_t body[COMPLETE_LEN];

	wire_put64(body, n_pages);
	(void)session_send_op(&pager->session, ATTEST_LANE_CONTROL, ATTEST_OP_COMPLETE, body, sizeof(body));
}

static int start_lanes(struct pager *pager)
{
	int r;

	r = session_thread(&pager->urgent, pager_urgent_thread, pager);
	pager->has_urgent = r == 0;
	if (r == 0) {
		r = session_thread(&pager->bulk, pager_bulk_thread, pager);
		pager->has_bulk = r == 0;
	}
	return r;
}

/* After a lost connection: what was said last is said again. */
static int pager_connected(struct session *session)
{
	struct pager *pager = (struct pager *)session;
	enum attest_state state;

	pthread_mutex_lock(&session->lock);
	state = ledger_now(session->ledger);
	pthread_mutex_unlock(&session->lock);
	switch (state) {
	case ATTEST_STATE_COMPLETE:
		/* Without a guest the number of pages is not known before MANIFEST has come. */
		if (!pager->only_tells)
			pager_send_complete(pager, pager->guest->layout->n_pages);
		return 0;
	case ATTEST_STATE_ABORTED:
		session_tell_abort(session, SESSION_ABORTED_HERE);
		return 0;
	case ATTEST_STATE_RUNNING:
		(void)session_send_op(session, ATTEST_LANE_CONTROL, ATTEST_OP_STARTED, NULL, 0);
		return start_lanes(pager);
	default:
		return start_lanes(pager);
	}
}

static void join_lanes(struct pager *pager)
{
	if (pager->has_urgent)
		pthread_join(pager->urgent, NULL);
	if (pager->has_bulk)
		pthread_join(pager->bulk, NULL);
	pager->has_urgent = pager->has_bulk = false;
}

/* Half a manifest or state, and credit, are of the connection they came on. */
static void pager_disconnected(struct session *session)
{
	struct pager *pager = (struct pager *)session;

	join_lanes(pager);
	credit_close(&pager->credit);
	free(pager->manifest_bytes);
	pager->manifest_bytes = NULL;
	pager->manifest_have = 0;
	states_fini(&pager->again);
	if (atomic_load(&pager->manifest) == NULL && session_get_phase(session, NULL, NULL) < GMEM_PHASE_STARTED)
		states_fini(&pager->states);
}

static int take_released(struct session *session)
{
	int r;

	pthread_mutex_lock(&session->lock);
	r = session->phase == GMEM_PHASE_COMPLETE ? ledger_event(session->ledger, ATTEST_EVENT_RELEASED) : -EPROTO;
	session->untold = session->untold && r < 0;
	pthread_mutex_unlock(&session->lock);
	return r < 0 ? -EPROTO : 1;
}

static int pager_control(struct session *session, const struct attest_record *record, const uint8_t *body)
{
	struct pager *pager = (struct pager *)session;

	switch (record->op) {
	case ATTEST_OP_STATE:
	case ATTEST_OP_MANIFEST:
	case ATTEST_OP_START:
		return pager_start_record(pager, record, body);
	case ATTEST_OP_RELEASED:
		return take_released(session);
	default:
		return -EPROTO;
	}
}

static void append(char *error, size_t error_len, const char *text)
{
	const size_t len = strlen(error);

	snprintf(error + len, error_len - len, "%s", text);
}

/* The token *never ran* needs its record first; without that the source is left in doubt. */
static enum gmem_phase pager_end_phase(struct session *session, enum session_cause cause, char *error, size_t error_len)
{
	int r;

	if (session->phase == GMEM_PHASE_RUNNING) {
		if (ledger_event(session->ledger, session_end_event(cause)) < 0)
			log_warn("cannot record LOST in %s", session->config->state_dir);
		append(error, error_len, "; the guest cannot go on without its missing pages");
		return GMEM_PHASE_FAILED;
	}
	r = ledger_state(session->ledger) == ATTEST_STATE_OFFERED ?
	    ledger_event(session->ledger, session_end_event(cause)) : 0;
	if (r < 0) {
		append(error, error_len, "; and the abort cannot be recorded");
		return GMEM_PHASE_FAILED;
	}
	if (session->phase == GMEM_PHASE_STARTED && cause != SESSION_LOCAL) {
		append(error, error_len, "; the guest never ran here and must not");
		return GMEM_PHASE_FAILED;
	}
	return GMEM_PHASE_ABORTED;
}

static const struct session_ops pager_ops = {
	.connect = pager_connect,
	.connected = pager_connected,
	.disconnected = pager_disconnected,
	.control = pager_control,
	.end_phase = pager_end_phase,
};

static int send_credit(void *opaque, uint64_t bytes)
{
	struct pager *pager = opaque;
	uint8_t body[CREDIT_LEN];

	wire_put64(body, bytes);
	return session_send_op(&pager->session, ATTEST_LANE_BULK, ATTEST_OP_CREDIT, body, sizeof(body));
}

int pager_new(const struct session_config *config, struct pager **ret_pager, char *ret_error, size_t error_len)
{
	struct pager *pager = calloc(1, sizeof(*pager));
	int r;

	if (pager == NULL)
		return -ENOMEM;
	r = session_init(&pager->session, config, &pager_ops, ret_error, error_len);
	if (r < 0) {
		free(pager);
		return r;
	}
	wanted_init(&pager->wanted);
	credit_init(&pager->credit, send_credit, pager);
	states_init(&pager->states);
	states_init(&pager->again);
	r = config->transport->listen(config->address, &pager->listener);
	if (r < 0) {
		snprintf(ret_error, error_len, "cannot listen on %s: %s", config->address, strerror(-r));
		pager_free(pager);
		return r;
	}
	pager->only_tells = session_has_ended(&pager->session);
	if (pager->only_tells) {
		log_info("this move is over (%s): only its source is waited for, to be told so; another move needs a new "
			 "ticket", session_table_state_name(ledger_state(pager->session.ledger)));
		r = session_connect(&pager->session);
	}
	if (r < 0) {
		snprintf(ret_error, error_len, "cannot start threads: %s", strerror(-r));
		pager_free(pager);
		return r;
	}
	*ret_pager = pager;
	return 0;
}

void pager_free(struct pager *pager)
{
	if (pager == NULL)
		return;
	if (pager->listener != NULL)
		pager->listener->ops->free_listener(pager->listener);
	session_fini(&pager->session);
	states_fini(&pager->states);
	states_fini(&pager->again);
	wanted_fini(&pager->wanted);
	credit_fini(&pager->credit);
	manifest_free(atomic_load(&pager->manifest));
	free(pager->manifest_bytes);
	guest_free(pager->guest);
	free(pager);
}

int pager_attach(struct pager *pager, struct backend *backend, const struct gmem_region *regions, size_t n_regions,
		 char *ret_error, size_t error_len)
{
	int r;

	if (pager->guest != NULL)
		return -EALREADY;
	r = session_check_attach(&pager->session, ret_error, error_len);
	/* The guest has every page, or will never run here: nothing of the VM is needed, and its VMM hears that. */
	if (r == 0 && pager->only_tells) {
		backend->ops->close(backend);
		return 0;
	}
	if (r == 0)
		r = guest_new(backend, regions, n_regions, true, &pager->guest, ret_error, error_len);
	if (r < 0)
		return r;
	/* One that goes on has pages already: the kernel knows which. */
	if (!pager->session.again)
		r = guest_check_missing(pager->guest, ret_error, error_len);
	atomic_store(&pager->guest->may_convert, ledger_state(pager->session.ledger) == ATTEST_STATE_RUNNING);
	if (r == 0)
		r = session_connect(&pager->session);
	if (r < 0) {
		pager->guest->backend = NULL;	/* the caller's still */
		guest_free(pager->guest);
		pager->guest = NULL;
	}
	return r;
}

static int record_running(struct pager *pager)
{
	struct session *session = &pager->session;
	int r;

	pthread_mutex_lock(&session->lock);
	r = session->ended ? -ECANCELED : ledger_event(session->ledger, ATTEST_EVENT_RUN);
	if (r == 0) {
		atomic_store(&pager->guest->may_convert, true);
		session_set_phase_locked(session, GMEM_PHASE_RUNNING);
		/* Under the lock, so that COMPLETE cannot overtake it. */
		r = session_send_op(session, ATTEST_LANE_CONTROL, ATTEST_OP_STARTED, NULL, 0);
		if (session->config->resume_ms > 0)
			r = 0;	/* it is said again on the next connection */
	} else if (!session->ended && session->config->resume_ms > 0 && (r == -EPROTO || r == -EPERM)) {
		r = -EAGAIN;	/* START has to come again on the next connection */
	}
	pthread_mutex_unlock(&session->lock);
	return r;
}

/* The map comes before the credit: the source streams nothing before it has both. */
static int send_map_and_credit(struct pager *pager)
{
	struct session *session = &pager->session;
	int r = pager_send_map(pager);

	if (r == 0)
		r = credit_open(&pager->credit, session->config->credit_bytes);
	if (r < 0 && r != -ENOTCONN)
		session_lane_failed(session, ATTEST_LANE_CONTROL, r);
	return r;
}

void pager_go_on(struct pager *pager)
{
	if (send_map_and_credit(pager) == 0)
		pager_ask_again(pager);
}

int pager_run(struct pager *pager)
{
	struct session *session = &pager->session;
	char error[GUEST_ERROR_LEN];
	int r;

	if (session_get_phase(session, NULL, NULL) < GMEM_PHASE_STARTED)
		return -EINVAL;
	if (session_get_phase(session, NULL, NULL) != GMEM_PHASE_STARTED)
		return -ECANCELED;
	r = guest_check_kinds(pager->guest, atomic_load(&pager->manifest), error, sizeof(error));
	if (r < 0) {
		session_end(session, SESSION_LOCAL, r, "%s", error);
		return -ECANCELED;
	}
	r = record_running(pager);
	if (r == -EAGAIN)
		return r;
	if (r < 0) {
		session_end(session, SESSION_LOCAL, r, "cannot let the guest run: %s", strerror(-r));
		return -ECANCELED;
	}
	r = send_map_and_credit(pager);
	return r < 0 && session_has_ended(session) ? -ECANCELED : 0;
}

void pager_count(struct pager *pager, const struct guest_counts *counts, bool demand)
{
	struct stats *stats = &pager->session.stats;

	stats_add(demand ? &stats->pages_demand : &stats->pages_background, counts->n_new);
	stats_add(&stats->pages_duplicate, counts->n_duplicate);
	stats_add(&stats->pages_zero, counts->n_zero);
	stats_add(&stats->pages_shared, counts->n_shared);
	stats_add(&stats->pages_converted, counts->n_converted);
}

static uint64_t pages_filled(const struct pager *pager)
{
	return atomic_load(&pager->session.stats.pages_demand) + atomic_load(&pager->session.stats.pages_background);
}

/* COMPLETE is durable before it is sent. */
static void complete(struct pager *pager)
{
	struct session *session = &pager->session;
	bool done = false;
	int r = 0;

	pthread_mutex_lock(&session->lock);
	if (!session->ended && session->phase == GMEM_PHASE_RUNNING) {
		r = ledger_event(session->ledger, ATTEST_EVENT_PRESENT);
		if (r == 0) {
			atomic_store(&session->stats.complete_us, stats_now_us());
			done = session_set_phase_locked(session, GMEM_PHASE_COMPLETE);
			session->untold = session->config->resume_ms > 0;	/* until RELEASED comes */
		}
	}
	pthread_mutex_unlock(&session->lock);
	if (r < 0)
		session_end(session, SESSION_LOCAL, r, "every page is here, but COMPLETE cannot be recorded in %s: %s",
			    session->config->state_dir, strerror(-r));
	if (!done)
		return;
	pager_send_complete(pager, pager->guest->layout->n_pages);
	log_info("complete: %llu pages are present", (unsigned long long)atomic_load(&session->stats.pages_total));
}

/* The kernel's present map decides, not what was counted here. */
void pager_check_complete(struct pager *pager)
{
	uint64_t n_missing;
	int r;

	if (session_get_phase(&pager->session, NULL, NULL) != GMEM_PHASE_RUNNING)
		return;
	r = guest_count_missing(pager->guest, &n_missing);
	if (r < 0)
		session_end(&pager->session, SESSION_LOCAL, r, "cannot query the VM's memory: %s", strerror(-r));
	else if (n_missing == 0)
		complete(pager);
}

void pager_tick(struct pager *pager)
{
	const uint64_t filled = pages_filled(pager);

	if (session_get_phase(&pager->session, NULL, NULL) != GMEM_PHASE_RUNNING || pager->guest == NULL)
		return;
	pager_check_complete(pager);
	if (atomic_load(&pager->manifest) == NULL || !atomic_load(&pager->session.live)) {
		pager->stall.patience_us = 0;	/* the silence of a lost connection is no lost page */
		return;
	}
	if (!stall_tick(&pager->stall, filled, filled + atomic_load(&pager->session.stats.pages_duplicate),
			stats_now_us()))
		return;
	/* Paused, what nobody waits for is not missed. */
	if (credit_is_paused(&pager->credit))
		pager_ask_again(pager);
	else
		pager_sweep(pager);
}

void pager_pause(struct pager *pager, bool pause)
{
	int r = credit_pause(&pager->credit, pause);

	if (r < 0 && r != -ENOTCONN)
		session_lane_failed(&pager->session, ATTEST_LANE_BULK, r);
}

void pager_stop(struct pager *pager)
{
	struct gmem_progress last;

	session_stop(&pager->session);
	if (pager->has_fault)
		pthread_join(pager->fault, NULL);
	pager->has_fault = false;
	pager_progress(pager, &last);	/* keeps n_missing */
	if (pager->guest != NULL)
		guest_close_backend(pager->guest);
}

void pager_progress(struct pager *pager, struct gmem_progress *ret_progress)
{
	session_progress(&pager->session, ret_progress);
	if (ret_progress->pages_total == 0)
		return;
	if (ret_progress->phase == GMEM_PHASE_COMPLETE)
		pager->n_missing = 0;
	else if (pager->guest->backend != NULL)
		(void)guest_count_missing(pager->guest, &pager->n_missing);	/* else as it was */
	ret_progress->pages_present = ret_progress->pages_total > pager->n_missing ?
				      ret_progress->pages_total - pager->n_missing : 0;
}
