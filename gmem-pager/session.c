// SPDX-License-Identifier: MIT
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "messages.h"
#include "session.h"
#include "wire.h"

#define GOODBYE_MS 1000		/* for the peer to read why, and close first */
#define EXPLAIN_MS 500		/* for the control lane to say why another lane was closed */

void session_config_init(struct session_config *config, enum attest_role role)
{
	*config = (struct session_config){
		.transport = &transport_nng,
		.role = role,
		.state_dir = SESSION_STATE_DIR,
		.connect_ms = 10000,
		.handshake_ms = 5000,
		.ping_ms = 500,
		.peer_ms = 2000,
		.resume_ms = 300000,
		.window_pages = URGENT_MAX_RUN,
		.credit_bytes = 1u << 20,
	};
}

/* syscalls: close eventfd2 write */
static void raise_fd(int fd)
{
	const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		return;	/* EAGAIN: it is readable already */
}

static int open_ledger(struct session *session)
{
	const struct session_config *config = session->config;
	struct ledger_config ledger_config = {
		.dir = config->state_dir, .role = config->role, .keypair = config->keypair,
		.resume = config->resume_ms > 0, .boot_id = config->boot_id,
	};

	memcpy(ledger_config.ticket_id, config->ticket_id, ATTEST_ID_LEN);
	memcpy(ledger_config.vm_id, config->vm_id, ATTEST_ID_LEN);
	memcpy(ledger_config.peer_key, config->peer_key, ATTEST_KEY_LEN);
	return ledger_open(&ledger_config, &session->ledger);
}

/* Over since the process before this one, at a destination whose source may not have heard it. */
static void go_on_telling(struct session *session, enum gmem_phase phase)
{
	session->phase = phase;
	session->ended = session->untold = true;
	session->ended_us = stats_now_us();
	if (phase != GMEM_PHASE_ABORTED)
		return;
	session->status = -ECANCELED;
	snprintf(session->error, sizeof(session->error), SESSION_ABORTED_HERE "; another move needs a new ticket");
}

/* Where the process before this one was. */
static void go_on(struct session *session)
{
	switch (ledger_state(session->ledger)) {
	case ATTEST_STATE_IN_DOUBT:
		session->phase = GMEM_PHASE_STARTED;
		break;
	case ATTEST_STATE_GIVEN:
	case ATTEST_STATE_RUNNING:
		session->phase = GMEM_PHASE_RUNNING;
		break;
	case ATTEST_STATE_COMPLETE:
		go_on_telling(session, GMEM_PHASE_COMPLETE);
		break;
	case ATTEST_STATE_ABORTED:
		go_on_telling(session, GMEM_PHASE_ABORTED);
		break;
	default:
		session->phase = GMEM_PHASE_CONNECTING;
	}
	session->health.state = GMEM_LINK_RECONNECTING;
	session->health.lost_us = stats_now_us();
	log_info("going on with a session that is %s",
		 session_table_state_name(ledger_state(session->ledger)));
}

/*
 * The VM of a session that has begun comes from the VMM that had it, and no other VM does.  Nothing has happened
 * to a VM before START: it is not handed over again, but for the first time, whoever had it before.  Of a move that
 * was aborted any VMM may hear.
 */
int session_check_attach(const struct session *session, char *ret_error, size_t error_len)
{
	const bool begun = ledger_was_resumed(session->ledger);

	if (session->again && !begun) {
		snprintf(ret_error, error_len, "this service knows nothing of the move: start it with the ticket and the "
			 "state directory of the one before");
		return -ENXIO;
	}
	if (!session->again && begun && session->phase >= GMEM_PHASE_STARTED && session->phase != GMEM_PHASE_ABORTED) {
		snprintf(ret_error, error_len, "this session's guest is that of another VMM, and that one has to hand it "
			 "over again");
		return -EEXIST;
	}
	return 0;
}

int session_init(struct session *session, const struct session_config *config, const struct session_ops *ops,
		 char *ret_error, size_t error_len)
{
	int r;

	memset(session, 0, sizeof(*session));
	session->config = config;
	session->ops = ops;
	r = open_ledger(session);
	if (r == -EBUSY) {
		snprintf(ret_error, error_len, "another process holds this session in %s", config->state_dir);
		return r;
	}
	if (r < 0) {
		snprintf(ret_error, error_len, "cannot keep records in %s: %s; name a directory on a disk that can be "
			 "written with --state-dir", config->state_dir, strerror(-r));
		return r;
	}
	session->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	session->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (session->stop_fd < 0 || session->notify_fd < 0) {
		r = -errno;
		snprintf(ret_error, error_len, "cannot make event descriptors: %s", strerror(-r));
		ledger_close(session->ledger);
		return r;
	}
	pthread_mutex_init(&session->lock, NULL);
	pthread_cond_init(&session->changed, NULL);
	pthread_rwlock_init(&session->link_lock, NULL);
	link_init(&session->link);
	if (ledger_was_resumed(session->ledger))
		go_on(session);
	return 0;
}

void session_fini(struct session *session)
{
	link_fini(&session->link);
	pthread_rwlock_destroy(&session->link_lock);
	pthread_cond_destroy(&session->changed);
	pthread_mutex_destroy(&session->lock);
	close(session->stop_fd);
	close(session->notify_fd);
	ledger_close(session->ledger);
}

/* syscalls: clone exit futex madvise mmap mprotect munmap rseq rt_sigprocmask set_robust_list */
int session_thread(pthread_t *ret_thread, void *(*run)(void *), void *arg)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(ret_thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

/* The event of the table that an end is. */
enum attest_event session_end_event(enum session_cause cause)
{
	switch (cause) {
	case SESSION_LOST:
		return ATTEST_EVENT_GIVE_UP;
	case SESSION_PEER_ABORT:
		return ATTEST_EVENT_ABORT;
	case SESSION_PEER_ERROR:
		return ATTEST_EVENT_ERROR;
	default:
		return ATTEST_EVENT_STOP;
	}
}

static void deadline_in(struct timespec *ret_ts, int ms)
{
	clock_gettime(CLOCK_REALTIME, ret_ts);
	ret_ts->tv_sec += ms / 1000;
	ret_ts->tv_nsec += ms % 1000 * 1000000L;
	if (ret_ts->tv_nsec >= 1000000000L) {
		ret_ts->tv_sec++;
		ret_ts->tv_nsec -= 1000000000L;
	}
}

/* Wait until *@flag is true, at most @ms milliseconds. */
static void wait_for(struct session *session, const bool *flag, int ms)
{
	struct timespec until;

	deadline_in(&until, ms);
	pthread_mutex_lock(&session->lock);
	while (!*flag)
		if (pthread_cond_timedwait(&session->changed, &session->lock, &until) != 0)
			break;
	pthread_mutex_unlock(&session->lock);
}

/* Another lane may know better why this one ended. */
static void wait_until_explained(struct session *session)
{
	struct timespec until;

	deadline_in(&until, EXPLAIN_MS);
	pthread_mutex_lock(&session->lock);
	while (!session->ended && !session->health.lost && atomic_load(&session->live))
		if (pthread_cond_timedwait(&session->changed, &session->lock, &until) != 0)
			break;
	pthread_mutex_unlock(&session->lock);
}

bool session_set_phase_locked(struct session *session, enum gmem_phase phase)
{
	if (session->ended)
		return false;
	session->phase = phase;
	session->ended = phase == GMEM_PHASE_COMPLETE;
	session->ended_us = stats_now_us();
	pthread_cond_broadcast(&session->changed);
	raise_fd(session->notify_fd);
	return true;
}

bool session_set_phase(struct session *session, enum gmem_phase phase)
{
	bool ok;

	pthread_mutex_lock(&session->lock);
	ok = session_set_phase_locked(session, phase);
	pthread_mutex_unlock(&session->lock);
	return ok;
}

/* ABORT from the destination carries the token "never ran": its ABORTED is durable by now, see end_phase(). */
static void tell_peer(struct session *session, enum gmem_phase phase, const char *sentence)
{
	const enum attest_op op = phase == GMEM_PHASE_ABORTED ? ATTEST_OP_ABORT : ATTEST_OP_ERROR;
	const bool with_token = session->config->role == ATTEST_RESPONDER && ledger_token(session->ledger) != NULL &&
				ledger_state(session->ledger) == ATTEST_STATE_ABORTED;
	uint8_t body[ABORT_HEAD_LEN + SENTENCE_MAX] = { 0 }, *at = body;
	bool sent;

	if (op == ATTEST_OP_ABORT && with_token)
		memcpy(body, ledger_token(session->ledger), ABORT_HEAD_LEN);
	if (op == ATTEST_OP_ABORT)
		at += ABORT_HEAD_LEN;
	at = wire_put_bytes(at, sentence, strnlen(sentence, SENTENCE_MAX));
	sent = session_send_op(session, ATTEST_LANE_CONTROL, op, body, (uint32_t)(at - body)) == 0;
	/* A source in doubt comes back for the token. */
	pthread_mutex_lock(&session->lock);
	session->untold = !sent && with_token && session->config->resume_ms > 0 && session->health.good_us != 0;
	pthread_mutex_unlock(&session->lock);
}

void session_tell_abort(struct session *session, const char *sentence)
{
	tell_peer(session, GMEM_PHASE_ABORTED, sentence);
}

void session_end(struct session *session, enum session_cause cause, int status, const char *format, ...)
{
	char sentence[SESSION_ERROR_LEN], error[SESSION_ERROR_LEN];
	enum gmem_phase phase;
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	snprintf(error, sizeof(error), "%s", sentence);
	pthread_mutex_lock(&session->lock);
	if (session->ended) {
		pthread_mutex_unlock(&session->lock);
		return;
	}
	session->ended = true;
	session->ended_us = stats_now_us();
	phase = session->ops->end_phase(session, cause, error, sizeof(error));
	session->phase = phase;
	session->status = status;
	snprintf(session->error, sizeof(session->error), "%s", error);
	pthread_cond_broadcast(&session->changed);
	pthread_mutex_unlock(&session->lock);
	log_error("move %s: %s", phase == GMEM_PHASE_ABORTED ? "aborted" : "failed", error);
	raise_fd(session->notify_fd);
	if (cause == SESSION_LOCAL)
		tell_peer(session, phase, sentence);
}

void session_lane_failed(struct session *session, enum attest_lane id, int status)
{
	if (atomic_load(&session->stop) || !atomic_load(&session->live) || status == -ENOTCONN)
		return;
	if (status == -EPROTO || (session->config->resume_ms == 0 && (status == -EBADMSG || status == -EMSGSIZE))) {
		session_end(session, SESSION_LOCAL, -EBADMSG, "a record on the %s lane is not authentic or out of "
			    "order: somebody interferes with the connection", lane_name(id));
		return;
	}
	if (status == -EBADMSG || status == -EMSGSIZE) {
		session_connection_lost(session, status, "a record on the %s lane is not authentic or out of order: "
					"somebody interferes with the connection", lane_name(id));
		return;
	}
	wait_until_explained(session);
	if (session_has_ended(session))
		return;		/* the end is still being told on the control lane */
	session_connection_lost(session, -ECONNRESET, "the %s connection was lost: %s", lane_name(id),
				strerror(-status));
}

enum gmem_phase session_get_phase(struct session *session, int *ret_status, char *ret_error)
{
	enum gmem_phase phase;

	pthread_mutex_lock(&session->lock);
	phase = session->phase;
	if (ret_status != NULL)
		*ret_status = session->status;
	if (ret_error != NULL)
		memcpy(ret_error, session->error, SESSION_ERROR_LEN);
	pthread_mutex_unlock(&session->lock);
	return phase;
}

bool session_has_ended(struct session *session)
{
	bool ended;

	pthread_mutex_lock(&session->lock);
	ended = session->ended;
	pthread_mutex_unlock(&session->lock);
	return ended;
}

void session_progress(struct session *session, struct gmem_progress *ret_progress)
{
	memset(ret_progress, 0, sizeof(*ret_progress));
	stats_read(&session->stats, ret_progress);
	ret_progress->phase = session_get_phase(session, NULL, NULL);
	pthread_rwlock_rdlock(&session->link_lock);
	ret_progress->bytes_wire = session->bytes_before + link_bytes(&session->link);
	pthread_rwlock_unlock(&session->link_lock);
	snprintf(ret_progress->transport, sizeof(ret_progress->transport), "%s", session->config->transport->name);
	pthread_mutex_lock(&session->lock);
	if (session->cipher[0] != '\0')
		snprintf(ret_progress->handshake, sizeof(ret_progress->handshake), "%s", LINK_HANDSHAKE_NAME);
	memcpy(ret_progress->cipher, session->cipher, sizeof(ret_progress->cipher));
	ret_progress->link = session->health.state;
	ret_progress->n_resumed = session->health.n_resumed;
	if (session->health.lost_us != 0 && session->health.good_us != 0)
		ret_progress->silent_us = stats_now_us() - session->health.good_us;
	pthread_mutex_unlock(&session->lock);
}

void session_stop(struct session *session)
{
	if (session->has_control && session_has_ended(session))
		wait_for(session, &session->control_done, GOODBYE_MS);
	atomic_store(&session->stop, true);
	raise_fd(session->stop_fd);
	pthread_rwlock_rdlock(&session->link_lock);
	link_shutdown(&session->link);
	pthread_rwlock_unlock(&session->link_lock);
	if (session->has_control)
		pthread_join(session->control, NULL);
	session->has_control = false;
	session->ops->disconnected(session);
}

bool session_is_settled(struct session *session)
{
	bool settled;

	pthread_mutex_lock(&session->lock);
	settled = session->ended && (!session->untold || session->control_done || !session->has_control ||
		  stats_now_us() - session->ended_us > (uint64_t)session->config->resume_ms * 1000u);
	pthread_mutex_unlock(&session->lock);
	return settled;
}
