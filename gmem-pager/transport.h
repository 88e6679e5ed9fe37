/* SPDX-License-Identifier: MIT */
/*
 * Byte streams between the two hosts: one interface, one implementation a file.
 *
 * A connection may be sent on by one thread and received from by another at the
 * same time.  shutdown() may come from any thread and ends what they wait for;
 * free() only after they are gone.  Addresses are numeric, "10.0.0.2:7000" or
 * "[fd00::2]:7000".  Times are in milliseconds, -1: without limit.
 */
#ifndef GMEM_PAGER_TRANSPORT_H
#define GMEM_PAGER_TRANSPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRANSPORT_ADDRESS_LEN 64u

struct transport_ops;

struct transport_conn {
	const struct transport_ops *ops;
	atomic_uint_fast64_t bytes_in;
	atomic_uint_fast64_t bytes_out;
	char peer[TRANSPORT_ADDRESS_LEN];	/* for messages */
};

struct transport_listener {
	const struct transport_ops *ops;
};

struct transport_ops {
	const char *name;
	/* Start the threads that there are for every connection, once; any other call does, too. */
	int (*start)(void);
	int (*listen)(const char *address, struct transport_listener **ret_listener);
	/* -ETIMEDOUT; -ECANCELED after close_listener(). */
	int (*accept)(struct transport_listener *listener, int timeout_ms, struct transport_conn **ret_conn);
	/* Ends accept(); any thread. */
	void (*close_listener)(struct transport_listener *listener);
	void (*free_listener)(struct transport_listener *listener);
	int (*dial)(const char *address, int timeout_ms, struct transport_conn **ret_conn);
	/* All of @len or an error, after which nothing more may be sent. */
	int (*send)(struct transport_conn *conn, const void *bytes, size_t len, int timeout_ms);
	/* At least one byte, up to @len.  -ETIMEDOUT loses nothing.  -ECONNRESET: the peer is gone. */
	int (*recv)(struct transport_conn *conn, void *ret_bytes, size_t len, int timeout_ms, size_t *ret_len);
	void (*shutdown)(struct transport_conn *conn);
	void (*free)(struct transport_conn *conn);
};

/* nng's stream API over TCP. */
extern const struct transport_ops transport_nng;

/* 0 if @address is a numeric host and a port in the form above, else -EINVAL. */
int transport_check_address(const char *address);

/*
 * Receive exactly @len bytes before @deadline_us (stats_now_us()).
 * -ETIMEDOUT; -ECANCELED soon after @stop became true (NULL: never).
 */
int transport_recv_all(struct transport_conn *conn, void *ret_bytes, size_t len, uint64_t deadline_us,
		       const atomic_bool *stop);

#endif
