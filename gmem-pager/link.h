/* SPDX-License-Identifier: MIT */
/*
 * A connection set: the handshake on the control lane, then the urgent and bulk
 * lanes bound to it.  The source dials (link.c), the pager listens (greet.c).
 */
#ifndef GMEM_PAGER_LINK_H
#define GMEM_PAGER_LINK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <attest/attest.h>

#include "lane.h"
#include "messages.h"
#include "transport.h"

#define LINK_ERROR_LEN 256u
#define LINK_MAX_STRANGERS 10000u	/* key exchanges with the ticket's id and another key, in one move */
#define LINK_HANDSHAKE_NAME "Noise_XX_25519_ChaChaPoly_SHA256"

struct link_config {
	const struct transport_ops *transport;
	const char *address;
	struct attest_handshake_config handshake;
	int connect_ms;		/* source: how long to try to connect */
	int handshake_ms;	/* from connected to bound, each connection */
	int send_ms;		/* one record */
	uint64_t accept_until_us;	/* pager: give up then (stats_now_us()); 0: never */
	const atomic_bool *stop;	/* give up soon after it is true */
	const uint8_t *peer_key;	/* pager: who proves another one is left before any evidence is given */
	pthread_mutex_t *work_lock;	/* greet.c: held while a message is made or read; NULL: none */
	/*
	 * Record OFFERED durably; called before this side's first handshake byte.
	 * -EEXIST the ticket is burnt, -EROFS it cannot be recorded.
	 */
	int (*offer)(void *opaque, char *ret_error, size_t error_len);
	void *offer_opaque;
};

struct link {
	pthread_mutex_t lock;
	pthread_cond_t changed;			/* greet.c: channel, n_bound */
	bool shut;				/* lock */
	struct attest_channel *channel;		/* lock, until up */
	struct lane lanes[ATTEST_N_LANES];	/* lock, until up */
	bool bound[ATTEST_N_LANES];		/* lock */
	unsigned int n_bound;			/* lock */
	atomic_bool up;				/* all lanes are bound */
};

void link_init(struct link *link);

/* Wipe the keys, close and free.  No thread may use the link any more. */
void link_fini(struct link *link);

/* Wipe the keys, close the lanes, and be as after link_init().  As for link_fini(). */
void link_reset(struct link *link);

/* End whatever waits in any lane; any thread. */
void link_shutdown(struct link *link);

/* Bytes on the network, both directions. */
uint64_t link_bytes(struct link *link);

/*
 * Connect, shake hands, bind the lanes.  On failure @ret_error has a sentence.
 * -ETIMEDOUT, -ECONNREFUSED, ...: no destination; -EACCES a side refused the
 * other; -ECANCELED @stop; -EEXIST, -EROFS of offer().
 */
int link_dial(struct link *link, const struct link_config *config, char *ret_error, size_t error_len);

/*
 * Accept connections until all lanes are bound to one handshake.  A connection
 * that is not authentic is closed and changes nothing; so is one that knows the
 * ticket and has another key than @config->peer_key.  Errors as link_dial();
 * -EACCES: the holder of that key was refused, or refused us, or
 * LINK_MAX_STRANGERS others came first.  Closes the listener.
 */
int link_accept(struct link *link, const struct link_config *config, struct transport_listener *listener,
		char *ret_error, size_t error_len);

/* ---- for link.c and greet.c ---- */

/*
 * Run @handshake over @conn.  @ret_acted: the peer passed the first message, so it knows the ticket.
 * -EKEYREJECTED: it has another key than @config->peer_key.
 */
int link_shake(const struct link_config *config, struct attest_handshake *handshake, struct transport_conn *conn,
	       uint64_t deadline_us, bool *ret_acted, char *ret_error, size_t error_len);

int link_send_bind(struct lane *lane);
int link_recv_bind(struct lane *lane, int timeout_ms);

#endif
