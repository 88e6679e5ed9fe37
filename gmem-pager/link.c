// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "link.h"
#include "log.h"
#include "stats.h"
#include "wire.h"

#define RETRY_MS 100

void link_init(struct link *link)
{
	memset(link, 0, sizeof(*link));
	pthread_mutex_init(&link->lock, NULL);
	pthread_cond_init(&link->changed, NULL);
}

void link_reset(struct link *link)
{
	size_t i;

	pthread_mutex_lock(&link->lock);
	for (i = 0; i < ATTEST_N_LANES; i++) {
		lane_fini(&link->lanes[i]);
		link->bound[i] = false;
	}
	if (link->channel != NULL)
		attest_channel_free(link->channel);
	link->channel = NULL;
	link->n_bound = 0;
	link->shut = false;
	atomic_store(&link->up, false);
	pthread_mutex_unlock(&link->lock);
}

void link_fini(struct link *link)
{
	link_reset(link);
	pthread_cond_destroy(&link->changed);
	pthread_mutex_destroy(&link->lock);
}

void link_shutdown(struct link *link)
{
	size_t i;

	pthread_mutex_lock(&link->lock);
	link->shut = true;
	for (i = 0; i < ATTEST_N_LANES; i++)
		lane_shutdown(&link->lanes[i]);
	pthread_cond_broadcast(&link->changed);
	pthread_mutex_unlock(&link->lock);
}

uint64_t link_bytes(struct link *link)
{
	uint64_t sum = 0;
	size_t i;

	pthread_mutex_lock(&link->lock);
	for (i = 0; i < ATTEST_N_LANES; i++) {
		struct transport_conn *conn = link->lanes[i].conn;

		if (conn != NULL)
			sum += atomic_load(&conn->bytes_in) + atomic_load(&conn->bytes_out);
	}
	pthread_mutex_unlock(&link->lock);
	return sum;
}

/* One at a time, where several connections shake hands. */
static int work(const struct link_config *config, int (*step)(struct attest_handshake *handshake, uint8_t *message,
							      size_t *len),
		struct attest_handshake *handshake, uint8_t *message, size_t *len)
{
	int r;

	if (config->work_lock != NULL)
		pthread_mutex_lock(config->work_lock);
	r = step(handshake, message, len);
	if (config->work_lock != NULL)
		pthread_mutex_unlock(config->work_lock);
	return r;
}

static int read_step(struct attest_handshake *handshake, uint8_t *message, size_t *len)
{
	return attest_handshake_read(handshake, message, *len);
}

static int send_message(const struct link_config *config, struct attest_handshake *handshake,
			struct transport_conn *conn)
{
	uint8_t message[2 + ATTEST_HANDSHAKE_MAX];
	size_t len = ATTEST_HANDSHAKE_MAX;
	int r = work(config, attest_handshake_write, handshake, message + 2, &len);

	if (r < 0)
		return r;
	message[0] = (uint8_t)len;
	message[1] = (uint8_t)(len >> 8);
	return conn->ops->send(conn, message, len + 2, config->handshake_ms);
}

static int recv_message(const struct link_config *config, struct attest_handshake *handshake,
			struct transport_conn *conn, uint64_t deadline_us)
{
	uint8_t message[ATTEST_HANDSHAKE_MAX], head[2];
	size_t len;
	int r = transport_recv_all(conn, head, sizeof(head), deadline_us, config->stop);

	if (r < 0)
		return r;
	len = (size_t)head[0] | (size_t)head[1] << 8;
	if (len == 0 || len > sizeof(message))
		return -EPROTO;
	r = transport_recv_all(conn, message, len, deadline_us, config->stop);
	return r < 0 ? r : work(config, read_step, handshake, message, &len);
}

/* Is it somebody else, by the key that it has proved by now? */
static bool is_stranger(const struct link_config *config, const struct attest_handshake *handshake)
{
	const uint8_t *key = attest_handshake_peer_key(handshake);

	return config->peer_key != NULL && key != NULL && sodium_memcmp(key, config->peer_key, ATTEST_KEY_LEN) != 0;
}

/* A sentence for @status; the handshake's own if it has one. */
static int shake_failed(struct attest_handshake *handshake, const struct transport_conn *conn, int status,
			char *ret_error, size_t error_len)
{
	const char *reason = attest_handshake_error(handshake);

	if (reason[0] != '\0')
		snprintf(ret_error, error_len, "handshake with %s failed: %s", conn->peer, reason);
	else if (status == -ECONNRESET)
		snprintf(ret_error, error_len, "%s closed the connection during the handshake; its log says why "
			 "(is this side's public key pinned there?)", conn->peer);
	else
		snprintf(ret_error, error_len, "handshake with %s failed: %s", conn->peer, strerror(-status));
	return status;
}

int link_shake(const struct link_config *config, struct attest_handshake *handshake, struct transport_conn *conn,
	       uint64_t deadline_us, bool *ret_acted, char *ret_error, size_t error_len)
{
	bool offered = false, received = false;
	int r;

	for (;;) {
		switch (attest_handshake_step(handshake)) {
		case ATTEST_STEP_DONE:
			return 0;
		case ATTEST_STEP_SEND:
			if (is_stranger(config, handshake)) {
				snprintf(ret_error, error_len, "%s knows the ticket and has another key than the one that "
					 "is named", conn->peer);
				return -EKEYREJECTED;
			}
			r = offered ? 0 : config->offer(config->offer_opaque, ret_error, error_len);
			if (r < 0)
				return r;	/* its own sentence */
			offered = true;
			*ret_acted = received;
			r = send_message(config, handshake, conn);
			break;
		case ATTEST_STEP_RECV:
			r = recv_message(config, handshake, conn, deadline_us);
			received = received || r == 0;
			if (r == -EACCES && attest_handshake_step(handshake) == ATTEST_STEP_SEND)
				(void)send_message(config, handshake, conn);	/* the refusal, if it gets through */
			break;
		default:
			r = -EPROTO;
		}
		if (r < 0)
			return shake_failed(handshake, conn, r, ret_error, error_len);
	}
}

int link_send_bind(struct lane *lane)
{
	uint8_t body[BIND_LEN];

	wire_put32(wire_put32(body, MESSAGES_VERSION), (uint32_t)lane->id);
	return lane_send_op(lane, ATTEST_OP_BIND, body, sizeof(body));
}

int link_recv_bind(struct lane *lane, int timeout_ms)
{
	struct attest_record record;
	struct wire_reader reader;
	const uint8_t *body;
	int r = lane_recv(lane, timeout_ms, &record, &body);

	if (r < 0)
		return r;
	reader = (struct wire_reader){ .at = body, .left = record.body_len };
	if (record.op != ATTEST_OP_BIND || wire_get32(&reader) != MESSAGES_VERSION ||
	    wire_get32(&reader) != (uint32_t)lane->id || !wire_done(&reader))
		return -EPROTO;
	return 0;
}

static void sleep_ms(long ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

/* The destination may be a moment behind: try again until the time is up. */
static int dial(const struct link_config *config, uint64_t deadline_us, struct transport_conn **ret_conn)
{
	for (;;) {
		const uint64_t now_us = stats_now_us();
		int r;

		if (atomic_load(config->stop))
			return -ECANCELED;
		if (now_us >= deadline_us)
			return -ETIMEDOUT;
		r = config->transport->dial(config->address, (int)((deadline_us - now_us) / 1000u) + 1, ret_conn);
		if (r != -ECONNREFUSED || stats_now_us() + RETRY_MS * 1000u >= deadline_us)
			return r;
		sleep_ms(RETRY_MS);
	}
}

static int send_preamble(const struct link_config *config, struct transport_conn *conn, enum attest_lane id,
			 const uint8_t session_id[ATTEST_HASH_LEN])
{
	uint8_t preamble[PREAMBLE_LEN];
	uint8_t *at = wire_put_bytes(preamble, PREAMBLE_MAGIC, PREAMBLE_MAGIC_LEN);

	at = wire_put32(wire_put32(at, MESSAGES_VERSION), (uint32_t)id);
	wire_put_bytes(at, session_id, ATTEST_HASH_LEN);
	return conn->ops->send(conn, preamble, sizeof(preamble), config->handshake_ms);
}

/* Make @conn the lane @id: takes it over, also on failure. */
static int bind_lane(struct link *link, const struct link_config *config, enum attest_lane id,
		     struct transport_conn *conn)
{
	struct lane *lane = &link->lanes[id];
	int r;

	pthread_mutex_lock(&link->lock);
	r = link->shut ? -ECANCELED : lane_init(lane, id, conn, link->channel, config->send_ms);
	pthread_mutex_unlock(&link->lock);
	if (r < 0) {
		conn->ops->free(conn);
		return r;
	}
	r = link_send_bind(lane);
	if (r == 0)
		r = link_recv_bind(lane, config->handshake_ms);
	if (r == 0)
		link->bound[id] = true;
	return r;
}

static int dial_control(struct link *link, const struct link_config *config, char *ret_error, size_t error_len)
{
	static const uint8_t no_session[ATTEST_HASH_LEN];
	struct attest_handshake *handshake = NULL;
	struct transport_conn *conn = NULL;
	bool acted = false;
	int r = dial(config, stats_now_us() + (uint64_t)config->connect_ms * 1000u, &conn);

	if (r < 0) {
		snprintf(ret_error, error_len, "cannot connect to %s: %s; is gmem-pager listening there?",
			 config->address, strerror(-r));
		return r;
	}
	r = attest_handshake_new(&config->handshake, &handshake);
	if (r == 0)
		r = send_preamble(config, conn, ATTEST_LANE_CONTROL, no_session);
	if (r == 0) {
		r = link_shake(config, handshake, conn, stats_now_us() + (uint64_t)config->handshake_ms * 1000u,
			       &acted, ret_error, error_len);
		/* Closed instead of answered, once it had our hello: refused. */
		if (r == -ECONNRESET && acted)
			r = -EACCES;
	}
	if (r == 0)
		r = attest_handshake_finish(handshake, &link->channel);
	if (handshake != NULL)
		attest_handshake_free(handshake);
	if (r < 0) {
		conn->ops->free(conn);
		return r;
	}
	return bind_lane(link, config, ATTEST_LANE_CONTROL, conn);
}

int link_dial(struct link *link, const struct link_config *config, char *ret_error, size_t error_len)
{
	struct transport_conn *conn;
	unsigned int id;
	int r;

	ret_error[0] = '\0';
	r = dial_control(link, config, ret_error, error_len);
	for (id = ATTEST_LANE_URGENT; id < ATTEST_N_LANES && r == 0; id++) {
		r = dial(config, stats_now_us() + (uint64_t)config->handshake_ms * 1000u, &conn);
		if (r < 0)
			break;
		r = send_preamble(config, conn, (enum attest_lane)id, attest_channel_session_id(link->channel));
		if (r == 0)
			r = bind_lane(link, config, (enum attest_lane)id, conn);
		else
			conn->ops->free(conn);
	}
	if (r < 0) {
		if (ret_error[0] == '\0')
			snprintf(ret_error, error_len, "cannot set up the connections to %s: %s", config->address,
				 strerror(-r));
		return r;
	}
	atomic_store(&link->up, true);
	return 0;
}
