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

	return link_accept(&session->link, config, pager->listener, ret_error, error_len);
}

static int pager_connected(struct session *session)
{
	struct pager *pager = (struct pager *)session;
	int r;

	r = session_thread(&pager->urgent, pager_urgent_thread, pager);
	pager->has_urgent = r == 0;
	if (r == 0) {
		r = session_thread(&pager->bulk, pager_bulk_thread, pager);
		pager->has_bulk = r == 0;
	}
	return r;
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
		return session_get_phase(session, NULL, NULL) == GMEM_PHASE_COMPLETE ? 1 : -EPROTO;
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
	.control = pager_control,
	.end_phase = pager_end_phase,
};

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
	states_init(&pager->states);
	r = config->transport->listen(config->address, &pager->listener);
	if (r < 0) {
		snprintf(ret_error, error_len, "cannot listen on %s: %s", config->address, strerror(-r));
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
	wanted_fini(&pager->wanted);
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
	r = guest_new(backend, regions, n_regions, true, &pager->guest, ret_error, error_len);
	if (r < 0)
		return r;
	r = guest_check_missing(pager->guest, ret_error, error_len);
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
		r = lane_send_op(&session->link.lanes[ATTEST_LANE_CONTROL], ATTEST_OP_STARTED, NULL, 0);
	}
	pthread_mutex_unlock(&session->lock);
	return r;
}

static int grant_credit(struct pager *pager, uint64_t bytes)
{
	uint8_t body[CREDIT_LEN];

	atomic_fetch_add(&pager->granted, bytes);
	wire_put64(body, bytes);
	return lane_send_op(&pager->session.link.lanes[ATTEST_LANE_BULK], ATTEST_OP_CREDIT, body, sizeof(body));
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
	if (r < 0) {
		session_end(session, SESSION_LOCAL, r, "cannot let the guest run: %s", strerror(-r));
		return -ECANCELED;
	}
	r = grant_credit(pager, session->config->credit_bytes);
	if (r < 0) {
		session_lane_failed(session, ATTEST_LANE_BULK, r);
		return -ECANCELED;
	}
	return 0;
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
	uint8_t body[COMPLETE_LEN];
	bool done = false;
	int r = 0;

	pthread_mutex_lock(&session->lock);
	if (!session->ended && session->phase == GMEM_PHASE_RUNNING) {
		r = ledger_event(session->ledger, ATTEST_EVENT_PRESENT);
		if (r == 0) {
			atomic_store(&session->stats.complete_us, stats_now_us());
			done = session_set_phase_locked(session, GMEM_PHASE_COMPLETE);
		}
	}
	pthread_mutex_unlock(&session->lock);
	if (r < 0)
		session_end(session, SESSION_LOCAL, r, "every page is here, but COMPLETE cannot be recorded in %s: %s",
			    session->config->state_dir, strerror(-r));
	if (!done)
		return;
	wire_put64(body, atomic_load(&session->stats.pages_total));
	(void)lane_send_op(&session->link.lanes[ATTEST_LANE_CONTROL], ATTEST_OP_COMPLETE, body, sizeof(body));
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

	if (session_get_phase(&pager->session, NULL, NULL) != GMEM_PHASE_RUNNING)
		return;
	pager_check_complete(pager);
	if (stall_tick(&pager->stall, filled, filled + atomic_load(&pager->session.stats.pages_duplicate),
		       stats_now_us()))
		pager_sweep(pager);
}

void pager_stop(struct pager *pager)
{
	struct gmem_progress last;

	session_stop(&pager->session);
	if (pager->has_fault)
		pthread_join(pager->fault, NULL);
	if (pager->has_urgent)
		pthread_join(pager->urgent, NULL);
	if (pager->has_bulk)
		pthread_join(pager->bulk, NULL);
	pager->has_fault = pager->has_urgent = pager->has_bulk = false;
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
