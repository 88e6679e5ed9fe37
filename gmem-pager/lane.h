/* SPDX-License-Identifier: MIT */
/*
 * One lane: a connection and the keys of that lane.  Any thread may send, one at
 * a time by the lane's own lock; one thread receives.  A lane whose send or
 * receive failed otherwise than by -ETIMEDOUT is dead.
 */
#ifndef GMEM_PAGER_LANE_H
#define GMEM_PAGER_LANE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <attest/attest.h>

#include "transport.h"

struct lane {
	enum attest_lane id;
	struct transport_conn *conn;
	struct attest_channel *channel;	/* borrowed */
	int send_ms;			/* time limit of one record */
	pthread_mutex_t send_lock;
	bool send_dead;			/* send_lock */
	uint8_t *tx_wire;		/* send_lock; sealed bytes only */
	size_t wire_cap;		/* bytes of tx_wire and rx_wire */
	uint8_t *rx_wire;
	size_t rx_have;			/* bytes of it: of the record that is coming in, and maybe of the next */
	size_t rx_done;			/* bytes of the record before, which are still in front */
	size_t rx_want;			/* its length; 0: not known yet */
	uint8_t *rx_body;		/* locked memory */
};

/* "control", "urgent" or "bulk". */
const char *lane_name(enum attest_lane id);

/* The largest body on a lane in this program, in bytes. */
uint32_t lane_body_max(enum attest_lane id);

/*
 * How many of @n_data pages of data, of a run of @n_pages, the next record should hold: all of them if that is padded
 * by a twelfth of itself at the most, else as many as fill the next smaller length that records have.
 */
uint32_t lane_cut(uint32_t n_data, uint32_t n_pages);

/* Takes @conn over on success.  -ENOMEM: no memory, or it cannot be locked. */
int lane_init(struct lane *lane, enum attest_lane id, struct transport_conn *conn, struct attest_channel *channel,
	      int send_ms);

/* Close the connection, wipe and free.  No thread may be in the lane any more. */
void lane_fini(struct lane *lane);

/* End whatever a thread waits for in this lane; any thread. */
void lane_shutdown(struct lane *lane);

/*
 * Seal and send one record.  @body: @record->body_len bytes.
 * -EKEYEXPIRED the lane's counter is at its limit; else errors of transport send().
 */
int lane_send(struct lane *lane, const struct attest_record *record, const void *body);

/* lane_send() of a record without pages. */
int lane_send_op(struct lane *lane, enum attest_op op, const void *body, uint32_t body_len);

/*
 * Receive one record.  @ret_body points into the lane until the next call.
 * -ETIMEDOUT nothing is lost, call again; -EBADMSG not authentic, replayed or
 * moved; -EMSGSIZE a length that this lane cannot have; -ECONNRESET the peer is gone.
 */
int lane_recv(struct lane *lane, int timeout_ms, struct attest_record *ret_record, const uint8_t **ret_body);

#endif
