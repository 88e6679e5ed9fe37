// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "lane.h"
#include "messages.h"
#include "secmem.h"

const char *lane_name(enum attest_lane id)
{
	static const char *const names[ATTEST_N_LANES] = { "control", "urgent", "bulk" };

	return (unsigned int)id < ATTEST_N_LANES ? names[id] : "unknown";
}

uint32_t lane_body_max(enum attest_lane id)
{
	switch (id) {
	case ATTEST_LANE_URGENT:
		return PAGES_BODY_MAX(URGENT_MAX_RUN);
	case ATTEST_LANE_BULK:
		return PAGES_BODY_MAX(BULK_MAX_RUN);
	default:
		return CONTROL_BODY_MAX;
	}
}

uint32_t lane_cut(uint32_t n_data, uint32_t n_pages)
{
	const size_t len = n_pages + (size_t)n_data * ATTEST_PAGE_LEN;
	const size_t wire_len = attest_record_wire_len((uint32_t)len);
	uint32_t n = n_data;

	if (n_data < 2 || (wire_len - len) * 12 <= wire_len)
		return n_data;
	do
		n--;
	while (n > 1 && attest_record_wire_len(n_pages + n * ATTEST_PAGE_LEN) == wire_len);
	return n;
}

int lane_init(struct lane *lane, enum attest_lane id, struct transport_conn *conn, struct attest_channel *channel,
	      int send_ms)
{
	memset(lane, 0, sizeof(*lane));
	lane->id = id;
	lane->channel = channel;
	lane->send_ms = send_ms;
	lane->wire_cap = attest_record_wire_len(lane_body_max(id));
	lane->tx_wire = malloc(lane->wire_cap);
	lane->rx_wire = malloc(lane->wire_cap);
	lane->rx_body = secmem_alloc(lane->wire_cap);
	if (lane->tx_wire == NULL || lane->rx_wire == NULL || lane->rx_body == NULL) {
		free(lane->tx_wire);
		free(lane->rx_wire);
		secmem_free(lane->rx_body);
		return -ENOMEM;
	}
	pthread_mutex_init(&lane->send_lock, NULL);
	lane->conn = conn;
	return 0;
}

void lane_fini(struct lane *lane)
{
	if (lane->conn == NULL)
		return;
	lane->conn->ops->free(lane->conn);
	lane->conn = NULL;
	free(lane->tx_wire);
	free(lane->rx_wire);
	secmem_free(lane->rx_body);
	pthread_mutex_destroy(&lane->send_lock);
}

void lane_shutdown(struct lane *lane)
{
	if (lane->conn != NULL)
		lane->conn->ops->shutdown(lane->conn);
}

/* A record that was sealed and not sent whole has used its counter: nothing can follow it. */
int lane_send(struct lane *lane, const struct attest_record *record, const void *body)
{
	size_t wire_len;
	int r;

	pthread_mutex_lock(&lane->send_lock);
	if (lane->send_dead) {
		r = -ECANCELED;
	} else if (record->body_len > lane_body_max(lane->id)) {
		r = -EMSGSIZE;
	} else if (!attest_record_seal(lane->channel, lane->id, record, body, lane->tx_wire, &wire_len)) {
		r = -EKEYEXPIRED;
		lane->send_dead = true;
	} else {
		r = lane->conn->ops->send(lane->conn, lane->tx_wire, wire_len, lane->send_ms);
		lane->send_dead = r < 0;
	}
	pthread_mutex_unlock(&lane->send_lock);
	return r;
}

int lane_send_op(struct lane *lane, enum attest_op op, const void *body, uint32_t body_len)
{
	const struct attest_record record = { .op = op, .body_len = body_len };

	return lane_send(lane, &record, body);
}

/* Bytes until @want are there, and up to @max of those that have come by then. */
static int fill_to(struct lane *lane, size_t want, size_t max, int timeout_ms)
{
	size_t n;
	int r;

	while (lane->rx_have < want) {
		r = lane->conn->ops->recv(lane->conn, lane->rx_wire + lane->rx_have, max - lane->rx_have, timeout_ms,
					  &n);
		if (r < 0)
			return r;
		lane->rx_have += n;
	}
	return 0;
}

/* The record before was dealt with; what was read behind it is the next one's beginning. */
static void next_record(struct lane *lane)
{
	lane->rx_have -= lane->rx_done;
	memmove(lane->rx_wire, lane->rx_wire + lane->rx_done, lane->rx_have);
	lane->rx_done = 0;
}

/*
 * The first read is as long as the record of a page, so that one read brings what a fault waits for, header and all.
 * What it takes too much is the little that next_record() moves.
 */
int lane_recv(struct lane *lane, int timeout_ms, struct attest_record *ret_record, const uint8_t **ret_body)
{
	const size_t first = attest_record_wire_len(PAGES_BODY_MAX(1u));
	int r;

	if (lane->rx_done > 0)
		next_record(lane);
	if (lane->rx_want == 0) {
		r = fill_to(lane, ATTEST_RECORD_HEADER_LEN, first, timeout_ms);
		if (r < 0)
			return r;
		if (!attest_record_peek(lane->id, lane->rx_wire, &lane->rx_want) ||
		    lane->rx_want > lane->wire_cap || lane->rx_want < ATTEST_RECORD_HEADER_LEN)
			return -EMSGSIZE;
	}
	r = fill_to(lane, lane->rx_want, lane->rx_want, timeout_ms);
	if (r < 0)
		return r;
	if (!attest_record_open(lane->channel, lane->id, lane->rx_wire, lane->rx_want, ret_record, lane->rx_body))
		return -EBADMSG;
	lane->rx_done = lane->rx_want;
	lane->rx_want = 0;
	*ret_body = lane->rx_body;
	return 0;
}
