// SPDX-License-Identifier: MIT
/*
 * The listening side of a connection set.
 *
 * Each accepted connection is a guest with a thread and a time limit of its own
 * until its first record has bound it to a lane, so that one that says nothing
 * keeps nobody waiting.  At most GREET_MAX_GUESTS at a time; more are closed.
 *
 * A control connection runs a handshake; the first one that ends well makes the
 * link's channel, later ones are closed.  But a source dials one link at a time: one
 * that comes before all lanes of the first are bound has given that up, and nobody
 * reads here who would see it closed.  So does this side.  Who proves another static key than the
 * one that is named gets no evidence and is closed: one key exchange is all that
 * he costs, and one of them is worked on at a time.  The other lanes name the session in
 * their preamble, which only its peers and who sees their packets know, and must
 * then show a BIND record sealed with that lane's key.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "link.h"
#include "log.h"
#include "stats.h"
#include "wire.h"

#define GREET_MAX_GUESTS 8u
#define ACCEPT_SLICE_MS 100
#define WARN_SLICE_US 10000000u	/* GREET_MAX_WARNINGS lines in it, then their number */
#define GREET_MAX_WARNINGS 10u

struct guest_slot {
	struct party *party;
	pthread_t thread;
	struct transport_conn *conn;	/* the guest's, until it is bound */
	bool used;			/* accepting thread only */
	atomic_bool done;
};

struct party {
	struct link *link;
	struct link_config config;	/* with @over as its stop */
	atomic_bool over;		/* guests must leave */
	atomic_bool broken;		/* the source went away between its handshake and its lanes */
	atomic_bool settled;		/* all bound or broken, and the listener closed for it */
	struct transport_listener *listener;
	struct guest_slot slots[GREET_MAX_GUESTS];
	int fatal;			/* link lock: the named peer was refused, or OFFERED failed */
	char fatal_error[LINK_ERROR_LEN];	/* link lock */
	unsigned int n_strangers;	/* link lock: they knew the ticket and had another key */
	pthread_mutex_t work_lock;	/* a message of a handshake is made or read */
	pthread_mutex_t warn_lock;
	uint64_t warn_since_us;		/* warn_lock */
	unsigned int n_warnings;	/* warn_lock: since then, those left out too */
};

static void warn_rest(struct party *party)
{
	if (party->n_warnings > GREET_MAX_WARNINGS)
		log_warn("%u more connections were dropped", party->n_warnings - GREET_MAX_WARNINGS);
	party->n_warnings = 0;
}

/* Whoever connects makes a line in the log, and shall not fill the disk. */
static void warn_dropped(struct party *party, const char *peer, const char *why)
{
	const uint64_t now_us = stats_now_us();

	pthread_mutex_lock(&party->warn_lock);
	if (now_us - party->warn_since_us > WARN_SLICE_US) {
		warn_rest(party);
		party->warn_since_us = now_us;
	}
	if (party->n_warnings++ < GREET_MAX_WARNINGS)
		log_warn("connection from %s dropped: %s", peer, why);
	pthread_mutex_unlock(&party->warn_lock);
}

static uint64_t guest_deadline(const struct party *party)
{
	return stats_now_us() + (uint64_t)party->config.handshake_ms * 1000u;
}

/* Take the connection over as lane @id, unless that is bound or the link has ended. */
static int claim_lane(struct guest_slot *slot, enum attest_lane id)
{
	struct link *link = slot->party->link;
	int r = -EBUSY;

	pthread_mutex_lock(&link->lock);
	if (link->shut)
		r = -ECANCELED;
	else if (link->lanes[id].conn == NULL)
		r = lane_init(&link->lanes[id], id, slot->conn, link->channel, slot->party->config.send_ms);
	if (r == 0)
		slot->conn = NULL;
	pthread_mutex_unlock(&link->lock);
	return r;
}

static void lane_is_bound(struct link *link, enum attest_lane id)
{
	pthread_mutex_lock(&link->lock);
	link->bound[id] = true;
	link->n_bound++;
	pthread_cond_broadcast(&link->changed);
	pthread_mutex_unlock(&link->lock);
}

static void set_fatal(struct party *party, int status, const char *error)
{
	pthread_mutex_lock(&party->link->lock);
	if (party->fatal == 0 && party->link->channel == NULL) {
		party->fatal = status;
		snprintf(party->fatal_error, sizeof(party->fatal_error), "%s", error);
	}
	pthread_mutex_unlock(&party->link->lock);
}

/* The ticket's id is no secret: its holder alone ends nothing, unless he never leaves off. */
static void count_stranger(struct party *party)
{
	unsigned int n;

	pthread_mutex_lock(&party->link->lock);
	n = ++party->n_strangers;
	pthread_mutex_unlock(&party->link->lock);
	if (n == LINK_MAX_STRANGERS)
		set_fatal(party, -EACCES, "too many others knew this ticket's id and had another key; get a new ticket");
}

/* The first finished handshake wins. */
static int publish_channel(struct link *link, struct attest_handshake *handshake)
{
	int r = -EBUSY;

	pthread_mutex_lock(&link->lock);
	if (link->channel == NULL && !link->shut)
		r = attest_handshake_finish(handshake, &link->channel);
	pthread_mutex_unlock(&link->lock);
	return r;
}

static int greet_control(struct guest_slot *slot, char *ret_error, size_t error_len)
{
	struct party *party = slot->party;
	struct attest_handshake *handshake = NULL;
	bool acted = false;
	int r = attest_handshake_new(&party->config.handshake, &handshake);

	if (r < 0)
		return r;
	r = link_shake(&party->config, handshake, slot->conn, guest_deadline(party), &acted, ret_error, error_len);
	if (r == -EACCES || r == -EEXIST || r == -EROFS)
		set_fatal(party, r, ret_error);
	else if (r == -EKEYREJECTED)
		count_stranger(party);
	if (r == 0) {
		r = publish_channel(party->link, handshake);
		if (r == -EBUSY)
			atomic_store(&party->broken, true);	/* it is the named peer again, and will try once more */
	}
	attest_handshake_free(handshake);
	if (r == 0)
		r = claim_lane(slot, ATTEST_LANE_CONTROL);
	if (r < 0)
		return r;
	/* From here on only the link ends the lane: its keys are in use. */
	r = link_recv_bind(&party->link->lanes[ATTEST_LANE_CONTROL], party->config.handshake_ms);
	if (r == 0)
		r = link_send_bind(&party->link->lanes[ATTEST_LANE_CONTROL]);
	pthread_mutex_lock(&party->link->lock);
	pthread_cond_broadcast(&party->link->changed);
	pthread_mutex_unlock(&party->link->lock);
	if (r == 0)
		lane_is_bound(party->link, ATTEST_LANE_CONTROL);
	else
		atomic_store(&party->broken, true);	/* its channel is this link's: nobody else can have it */
	return r;
}

/* The source may be ahead of our own publish_channel(). */
static bool wait_channel(struct party *party)
{
	struct link *link = party->link;
	struct timespec until;
	bool there;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += party->config.handshake_ms / 1000 + 1;
	pthread_mutex_lock(&link->lock);
	while (!link->bound[ATTEST_LANE_CONTROL] && !link->shut && party->fatal == 0)
		if (pthread_cond_timedwait(&link->changed, &link->lock, &until) != 0)
			break;
	there = link->bound[ATTEST_LANE_CONTROL] && !link->shut;
	pthread_mutex_unlock(&link->lock);
	return there;
}

/* Show that a first record is authentic before the lane's keys see it. */
static int greet_lane(struct guest_slot *slot, enum attest_lane id, const uint8_t session_id[ATTEST_HASH_LEN])
{
	struct link *link = slot->party->link;
	uint64_t deadline_us = guest_deadline(slot->party);
	uint8_t wire[4096];
	struct lane *lane = &link->lanes[id];
	size_t wire_len;
	int r;

	if (!wait_channel(slot->party))
		return -ETIMEDOUT;
	if (sodium_memcmp(session_id, attest_channel_session_id(link->channel), ATTEST_HASH_LEN) != 0)
		return -EBADMSG;
	r = transport_recv_all(slot->conn, wire, ATTEST_RECORD_HEADER_LEN, deadline_us, slot->party->config.stop);
	if (r < 0)
		return r;
	if (!attest_record_peek(id, wire, &wire_len) || wire_len > sizeof(wire) ||
	    wire_len < ATTEST_RECORD_HEADER_LEN)
		return -EMSGSIZE;
	r = transport_recv_all(slot->conn, wire + ATTEST_RECORD_HEADER_LEN, wire_len - ATTEST_RECORD_HEADER_LEN,
			       deadline_us, slot->party->config.stop);
	if (r < 0)
		return r;
	pthread_mutex_lock(&link->lock);
	r = lane->conn == NULL && !attest_record_probe_bind(link->channel, id, wire, wire_len) ? -EBADMSG : 0;
	pthread_mutex_unlock(&link->lock);
	if (r == 0)
		r = claim_lane(slot, id);
	if (r < 0)
		return r;
	memcpy(lane->rx_wire, wire, wire_len);
	lane->rx_have = wire_len;
	r = link_recv_bind(lane, 1);
	if (r == 0)
		r = link_send_bind(lane);
	if (r == 0)
		lane_is_bound(link, id);
	return r;
}

static int greet(struct guest_slot *slot, char *ret_error, size_t error_len)
{
	uint8_t preamble[PREAMBLE_LEN], session_id[ATTEST_HASH_LEN];
	struct wire_reader reader = { .at = preamble, .left = sizeof(preamble) };
	uint32_t version, id;
	int r;

	r = transport_recv_all(slot->conn, preamble, sizeof(preamble), guest_deadline(slot->party),
			       slot->party->config.stop);
	if (r < 0)
		return r;
	if (memcmp(wire_take(&reader, PREAMBLE_MAGIC_LEN), PREAMBLE_MAGIC, PREAMBLE_MAGIC_LEN) != 0)
		return -EPROTO;
	version = wire_get32(&reader);
	id = wire_get32(&reader);
	wire_get_bytes(&reader, session_id, sizeof(session_id));
	if (version != MESSAGES_VERSION || id >= ATTEST_N_LANES)
		return -EPROTO;
	if (id == ATTEST_LANE_CONTROL)
		return greet_control(slot, ret_error, error_len);
	return greet_lane(slot, (enum attest_lane)id, session_id);
}

/* Nobody else is waited for: ends accept(), which would sit out its slice, up to 100 ms in which no lane is served. */
static void settle(struct party *party)
{
	bool all_bound;

	pthread_mutex_lock(&party->link->lock);
	all_bound = party->link->n_bound == ATTEST_N_LANES;
	pthread_mutex_unlock(&party->link->lock);
	if (!all_bound && !atomic_load(&party->broken))
		return;
	atomic_store(&party->settled, true);
	party->listener->ops->close_listener(party->listener);
}

static void *guest_thread(void *arg)
{
	struct guest_slot *slot = arg;
	char error[LINK_ERROR_LEN] = "";
	char peer[TRANSPORT_ADDRESS_LEN];
	int r;

	snprintf(peer, sizeof(peer), "%s", slot->conn->peer);
	r = greet(slot, error, sizeof(error));
	settle(slot->party);
	if (r < 0)
		warn_dropped(slot->party, peer, error[0] != '\0' ? error : strerror(-r));
	if (slot->conn != NULL) {
		slot->conn->ops->free(slot->conn);
		slot->conn = NULL;
	}
	atomic_store(&slot->done, true);
	return NULL;
}

static void reap(struct party *party, bool all)
{
	size_t i;

	for (i = 0; i < GREET_MAX_GUESTS; i++) {
		struct guest_slot *slot = &party->slots[i];

		if (slot->used && (all || atomic_load(&slot->done))) {
			pthread_join(slot->thread, NULL);
			slot->used = false;
		}
	}
}

static void welcome(struct party *party, struct transport_conn *conn)
{
	size_t i;

	reap(party, false);
	for (i = 0; i < GREET_MAX_GUESTS; i++) {
		struct guest_slot *slot = &party->slots[i];

		if (slot->used)
			continue;
		slot->party = party;
		slot->conn = conn;
		atomic_store(&slot->done, false);
		slot->used = pthread_create(&slot->thread, NULL, guest_thread, slot) == 0;
		if (slot->used)
			return;
		break;
	}
	warn_dropped(party, conn->peer, "too many others are waiting to be recognised");
	conn->ops->free(conn);
}

/* 1: all bound; 0: go on; else why not. */
static int party_state(struct party *party, const atomic_bool *caller_stop, uint64_t *lanes_due_us,
		       char *ret_error, size_t error_len)
{
	struct link *link = party->link;
	int r = 0;

	pthread_mutex_lock(&link->lock);
	if (link->n_bound == ATTEST_N_LANES) {
		r = 1;
	} else if (link->shut || atomic_load(caller_stop)) {
		r = -ECANCELED;
		snprintf(ret_error, error_len, "stopped before a source had connected");
	} else if (atomic_load(&party->broken)) {
		r = -ECONNRESET;
		snprintf(ret_error, error_len, "the source went away before it had bound its lanes");
	} else if (link->channel == NULL && party->config.accept_until_us != 0 &&
		   stats_now_us() > party->config.accept_until_us) {
		r = -ETIMEDOUT;
		snprintf(ret_error, error_len, "the source did not come back in time");
	} else if (link->channel == NULL && party->fatal < 0) {
		r = party->fatal;
		snprintf(ret_error, error_len, "%s", party->fatal_error);
	} else if (link->channel != NULL) {
		if (*lanes_due_us == 0)
			*lanes_due_us = stats_now_us() + (uint64_t)party->config.handshake_ms * 2000u;
		if (stats_now_us() > *lanes_due_us) {
			r = -ETIMEDOUT;
			snprintf(ret_error, error_len, "the source shook hands but did not bind all its lanes in time");
		}
	}
	pthread_mutex_unlock(&link->lock);
	return r;
}

int link_accept(struct link *link, const struct link_config *config, struct transport_listener *listener,
		char *ret_error, size_t error_len)
{
	struct party party = { .link = link, .config = *config, .listener = listener };
	uint64_t lanes_due_us = 0;
	struct transport_conn *conn;
	int r;

	ret_error[0] = '\0';
	party.config.stop = &party.over;
	party.config.work_lock = &party.work_lock;
	pthread_mutex_init(&party.work_lock, NULL);
	pthread_mutex_init(&party.warn_lock, NULL);
	for (;;) {
		r = party_state(&party, config->stop, &lanes_due_us, ret_error, error_len);
		if (r != 0)
			break;
		r = listener->ops->accept(listener, ACCEPT_SLICE_MS, &conn);
		if (r == 0)
			welcome(&party, conn);
		else if (r != -ETIMEDOUT && r != -ECONNRESET && !atomic_load(&party.settled)) {
			snprintf(ret_error, error_len, "cannot accept connections on %s: %s", config->address,
				 strerror(-r));
			break;
		}
	}
	listener->ops->close_listener(listener);
	atomic_store(&party.over, true);
	if (r == 1)
		atomic_store(&link->up, true);
	else
		link_shutdown(link);
	reap(&party, true);
	warn_rest(&party);
	pthread_mutex_destroy(&party.work_lock);
	pthread_mutex_destroy(&party.warn_lock);
	return r == 1 ? 0 : r;
}
