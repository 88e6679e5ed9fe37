// SPDX-License-Identifier: MIT
/*
 * A connection that is lost, and the next one.
 *
 * Whoever finds it lost says so (session_connection_lost()), which shuts its lanes; the control
 * thread drops it, waits a little longer each time, and shakes hands afresh.  What a lane lost is
 * not looked for: each side says again what it said last, and the destination says which pages it
 * has, as its kernel knows them.
 *
 * Senders hold link_lock for reading, and @live says whether there is anything to send on.  The
 * link is replaced under link_lock for writing, once its receiving threads are joined.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "log.h"
#include "session.h"

#define PAUSE_FIRST_MS 100u
#define PAUSE_MAX_MS 3200u

int session_send(struct session *session, enum attest_lane id, const struct attest_record *record, const void *body)
{
	int r = -ENOTCONN;

	pthread_rwlock_rdlock(&session->link_lock);
	if (atomic_load(&session->live))
		r = lane_send(&session->link.lanes[id], record, body);
	pthread_rwlock_unlock(&session->link_lock);
	return r;
}

int session_send_op(struct session *session, enum attest_lane id, enum attest_op op, const void *body,
		    uint32_t body_len)
{
	const struct attest_record record = { .op = op, .body_len = body_len };

	return session_send(session, id, &record, body);
}

void session_connection_lost(struct session *session, int status, const char *format, ...)
{
	struct session_health *health = &session->health;
	bool first;
	va_list args;

	pthread_mutex_lock(&session->lock);
	first = !health->lost && atomic_load(&session->live);
	if (first) {
		health->lost = true;
		health->status = status;
		va_start(args, format);
		vsnprintf(health->error, sizeof(health->error), format, args);
		va_end(args);
		pthread_cond_broadcast(&session->changed);
	}
	pthread_mutex_unlock(&session->lock);
	if (!first)
		return;
	pthread_rwlock_rdlock(&session->link_lock);
	link_shutdown(&session->link);	/* ends what every thread waits for in it */
	pthread_rwlock_unlock(&session->link_lock);
}

void session_heard(struct session *session)
{
	pthread_mutex_lock(&session->lock);
	session->health.good_us = stats_now_us();
	session->health.good_time = time(NULL);
	pthread_mutex_unlock(&session->lock);
}

void session_connection_up(struct session *session)
{
	struct session_health *health = &session->health;
	uint64_t gap_us;

	session_heard(session);
	pthread_mutex_lock(&session->lock);
	gap_us = health->lost_us != 0 ? health->good_us - health->lost_us : 0;
	health->lost = false;
	health->lost_us = 0;
	health->n_resumed += gap_us != 0;
	health->state = GMEM_LINK_UP;
	atomic_store(&session->live, true);
	pthread_mutex_unlock(&session->lock);
	if (gap_us != 0)
		log_info("connected again after %llu ms, connection %llu", (unsigned long long)(gap_us / 1000u),
			 (unsigned long long)attest_channel_connection(session->link.channel));
}

/* No thread may be in its lanes after this, and its keys are wiped. */
static void drop_link(struct session *session)
{
	atomic_store(&session->live, false);
	link_shutdown(&session->link);
	session->ops->disconnected(session);
	pthread_rwlock_wrlock(&session->link_lock);
	session->bytes_before += link_bytes(&session->link);
	link_reset(&session->link);
	pthread_rwlock_unlock(&session->link_lock);
	pthread_mutex_lock(&session->lock);
	ledger_disconnected(session->ledger);
	pthread_mutex_unlock(&session->lock);
}

/* Longer each time, and never quite the same: both sides, and other pairs, do this too. */
static void pause_before(struct session *session, unsigned int n_tries)
{
	const uint32_t longest = n_tries < 5 ? PAUSE_FIRST_MS << n_tries : PAUSE_MAX_MS;
	struct pollfd stop = { .fd = session->stop_fd, .events = POLLIN };

	poll(&stop, 1, (int)(longest / 2 + randombytes_uniform(longest / 2)));
}

/* Which of both ends is still worth a connection?  The lock is held. */
static bool may_go_on(const struct session *session)
{
	const struct session_config *config = session->config;

	if (config->resume_ms == 0 || atomic_load(&session->stop))
		return false;
	if (session->ended)
		return session->untold;
	switch (ledger_now(session->ledger)) {
	case ATTEST_STATE_NONE:		/* no handshake ended well yet */
	case ATTEST_STATE_FROZEN:	/* START has not left: better that the guest goes on at once */
		return false;
	default:
		return true;
	}
}

/* Once the guest runs at the destination, waiting is all that is left. */
static bool is_waited_for_without_end(const struct session *session)
{
	const enum attest_state state = ledger_now(session->ledger);

	return !session->ended && (state == ATTEST_STATE_RUNNING || state == ATTEST_STATE_GIVEN);
}

static bool note_lost(struct session *session, const char *error, unsigned int *ret_n_tries)
{
	struct session_health *health = &session->health;
	const uint64_t now_us = stats_now_us();
	bool go_on, first;

	pthread_mutex_lock(&session->lock);
	first = health->lost_us == 0;
	if (first) {
		health->lost_us = now_us;
		health->n_tries = 0;
		health->state = GMEM_LINK_RECONNECTING;
	}
	*ret_n_tries = health->n_tries++;
	if (!health->lost)
		snprintf(health->error, sizeof(health->error), "%s", error);
	health->lost = true;
	go_on = may_go_on(session) && (is_waited_for_without_end(session) ||
		now_us - health->lost_us < (uint64_t)session->config->resume_ms * 1000u);
	pthread_mutex_unlock(&session->lock);
	if (first && go_on)
		log_warn("connection lost: %s; trying to get it back", error);
	else if (go_on)
		log_info("not connected again: %s", error);
	return go_on;
}

bool session_try_again(struct session *session, const char *error)
{
	unsigned int n_tries;

	if (!note_lost(session, error, &n_tries))
		return false;
	drop_link(session);
	if (n_tries > 0)
		pause_before(session, n_tries - 1);
	return !atomic_load(&session->stop);
}

static void say_when(const struct session_health *health, char *ret_when, size_t len)
{
	struct tm tm;

	snprintf(ret_when, len, "never by this process");
	if (health->good_us != 0 && gmtime_r(&health->good_time, &tm) != NULL)
		strftime(ret_when, len, "at %Y-%m-%dT%H:%M:%SZ", &tm);
}

/* One line for people; the lock is held. */
static void describe(const struct session *session, char *ret_line, size_t len)
{
	const struct session_health *health = &session->health;
	const bool pager = session->config->role == ATTEST_RESPONDER;
	char when[40];

	say_when(health, when, sizeof(when));
	switch (health->state) {
	case GMEM_LINK_UP:
		snprintf(ret_line, len, "connected; %u times again after a loss", health->n_resumed);
		break;
	case GMEM_LINK_RECONNECTING:
		snprintf(ret_line, len, "connection lost, trying to get it back: %s; last heard %s", health->error, when);
		break;
	case GMEM_LINK_LOST:
		snprintf(ret_line, len, "LOST: the other side has not come back in %d ms; last heard %s. %s If it comes back "
			 "it goes on; if it never will: gmemctl session abandon. (%.60s)", session->config->resume_ms, when,
			 pager ? "The guest stays stopped on the pages that are missing here." :
			 "The VM stays frozen here.", health->error);
		break;
	default:
		snprintf(ret_line, len, "not connected yet");
	}
}

/* For gmemctl, beside the record; the lock is held. */
static void note_health(struct session *session, const char *line)
{
	ledger_note_status(session->ledger, line);
	if (session->ops->limit != NULL)
		ledger_note_limit(session->ledger, session->ops->limit(session, NULL), session->health.limited_by);
}

void session_tick(struct session *session)
{
	struct session_health *health = &session->health;
	struct attest_session_command command;
	char line[SESSION_ERROR_LEN + 200];
	uint64_t bytes_per_s;
	bool lost, asked, wanted;
	uint32_t uid;
	int r;

	pthread_mutex_lock(&session->lock);
	lost = health->state == GMEM_LINK_RECONNECTING && !session->ended && is_waited_for_without_end(session) &&
	       stats_now_us() - health->lost_us >= (uint64_t)session->config->resume_ms * 1000u;
	if (lost)
		health->state = GMEM_LINK_LOST;
	describe(session, line, sizeof(line));
	if (health->told != health->state)
		note_health(session, line);
	health->told = health->state;
	asked = ledger_take_command(session->ledger, &command);
	wanted = ledger_wants_limit(session->ledger, &bytes_per_s, &uid);
	pthread_mutex_unlock(&session->lock);
	if (lost)
		log_error("%s", line);
	if (asked) {
		r = session_abandon(session, &command);
		if (r < 0)
			log_warn("an operator's abandon was refused: %s", r == -EBUSY || r == -EALREADY ?
				 "the other side is not LOST" : strerror(-r));
	}
	if (wanted) {
		(void)session_limit(session, bytes_per_s, uid);
		pthread_mutex_lock(&session->lock);
		ledger_limit_done(session->ledger);	/* who waits looks now at what the limit is */
		pthread_mutex_unlock(&session->lock);
	}
}
