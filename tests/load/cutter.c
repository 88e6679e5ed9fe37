// SPDX-License-Identifier: MIT
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cutter.h"

#define EARLY_ONE_IN 32u		/* of so many connections one is cut before its lane is of use */
#define EARLY_MAX 3000u		/* bytes: preamble, handshake, BIND */
#define LATE_MAX 16384u		/* bytes: some pages */

struct cutter_conn {
	struct transport_conn conn;
	struct transport_conn *inner;
	struct cutter *cutter;
	size_t left;		/* the sending thread's: bytes until the cut */
	atomic_bool cut;
};

struct cutter_listener {
	struct transport_listener listener;
	struct transport_listener *inner;
	struct cutter *cutter;
};

static struct {
	pthread_mutex_t lock;
	struct cutter *first;	/* lock */
	uint32_t random;	/* lock */
	atomic_ullong n_cuts;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER, .random = 1 };

void cutter_seed(uint32_t seed)
{
	all.random = seed != 0 ? seed : 1;
}

uint64_t cutter_cuts(void)
{
	return atomic_load(&all.n_cuts);
}

/* xorshift32; the lock is held. */
static uint32_t draw(uint32_t below)
{
	all.random ^= all.random << 13;
	all.random ^= all.random >> 17;
	all.random ^= all.random << 5;
	return all.random % below;
}

void cutter_enter(struct cutter *cutter, const char *address)
{
	cutter->address = address;
	atomic_store(&cutter->on, false);
	pthread_mutex_lock(&all.lock);
	cutter->next = all.first;
	all.first = cutter;
	pthread_mutex_unlock(&all.lock);
}

void cutter_leave(struct cutter *cutter)
{
	struct cutter **at;

	pthread_mutex_lock(&all.lock);
	for (at = &all.first; *at != NULL && *at != cutter; at = &(*at)->next)
		continue;
	if (*at != NULL)
		*at = cutter->next;
	pthread_mutex_unlock(&all.lock);
}

void cutter_set(struct cutter *cutter, bool on)
{
	atomic_store(&cutter->on, on);
}

static struct cutter *find(const char *address)
{
	struct cutter *cutter;

	pthread_mutex_lock(&all.lock);
	for (cutter = all.first; cutter != NULL && strcmp(cutter->address, address) != 0; cutter = cutter->next)
		continue;
	pthread_mutex_unlock(&all.lock);
	return cutter;
}

/* Takes @inner over. */
static int wrap(struct cutter *cutter, struct transport_conn *inner, struct transport_conn **ret_conn)
{
	struct cutter_conn *cc = calloc(1, sizeof(*cc));

	if (cc == NULL) {
		transport_nng.free(inner);
		return -ENOMEM;
	}
	cc->conn.ops = &cutter_transport;
	snprintf(cc->conn.peer, sizeof(cc->conn.peer), "%s", inner->peer);
	cc->inner = inner;
	cc->cutter = cutter;
	pthread_mutex_lock(&all.lock);
	cc->left = draw(EARLY_ONE_IN) == 0 ? draw(EARLY_MAX) : EARLY_MAX + draw(LATE_MAX);
	pthread_mutex_unlock(&all.lock);
	*ret_conn = &cc->conn;
	return 0;
}

static int cutter_listen(const char *address, struct transport_listener **ret_listener)
{
	struct cutter_listener *cl = calloc(1, sizeof(*cl));
	int r;

	if (cl == NULL)
		return -ENOMEM;
	cl->listener.ops = &cutter_transport;
	cl->cutter = find(address);
	r = cl->cutter != NULL ? transport_nng.listen(address, &cl->inner) : -EINVAL;
	if (r < 0) {
		free(cl);
		return r;
	}
	*ret_listener = &cl->listener;
	return 0;
}

static int cutter_accept(struct transport_listener *listener, int timeout_ms, struct transport_conn **ret_conn)
{
	struct cutter_listener *cl = (struct cutter_listener *)listener;
	struct transport_conn *inner;
	const int r = transport_nng.accept(cl->inner, timeout_ms, &inner);

	return r < 0 ? r : wrap(cl->cutter, inner, ret_conn);
}

static int cutter_dial(const char *address, int timeout_ms, struct transport_conn **ret_conn)
{
	struct cutter *cutter = find(address);
	struct transport_conn *inner;
	const int r = cutter != NULL ? transport_nng.dial(address, timeout_ms, &inner) : -EINVAL;

	return r < 0 ? r : wrap(cutter, inner, ret_conn);
}

/* What is left goes out, then nothing more in either direction. */
static int cut(struct cutter_conn *cc, const void *bytes, int timeout_ms)
{
	if (cc->left > 0)
		(void)transport_nng.send(cc->inner, bytes, cc->left, timeout_ms);
	atomic_fetch_add(&all.n_cuts, 1);
	transport_nng.shutdown(cc->inner);
	return -ECONNRESET;
}

static int cutter_send(struct transport_conn *conn, const void *bytes, size_t len, int timeout_ms)
{
	struct cutter_conn *cc = (struct cutter_conn *)conn;
	int r;

	if (atomic_load(&cc->cut))
		return -ECONNRESET;
	if (atomic_load(&cc->cutter->on) && len > cc->left) {
		atomic_store(&cc->cut, true);
		return cut(cc, bytes, timeout_ms);
	}
	cc->left -= len < cc->left ? len : cc->left;
	r = transport_nng.send(cc->inner, bytes, len, timeout_ms);
	atomic_store(&conn->bytes_out, atomic_load(&cc->inner->bytes_out));
	return r;
}

static int cutter_recv(struct transport_conn *conn, void *ret_bytes, size_t len, int timeout_ms, size_t *ret_len)
{
	struct cutter_conn *cc = (struct cutter_conn *)conn;
	const int r = transport_nng.recv(cc->inner, ret_bytes, len, timeout_ms, ret_len);

	atomic_store(&conn->bytes_in, atomic_load(&cc->inner->bytes_in));
	return r;
}

static void cutter_shutdown(struct transport_conn *conn)
{
	transport_nng.shutdown(((struct cutter_conn *)conn)->inner);
}

static void cutter_free(struct transport_conn *conn)
{
	transport_nng.free(((struct cutter_conn *)conn)->inner);
	free(conn);
}

static void cutter_close_listener(struct transport_listener *listener)
{
	transport_nng.close_listener(((struct cutter_listener *)listener)->inner);
}

static void cutter_free_listener(struct transport_listener *listener)
{
	transport_nng.free_listener(((struct cutter_listener *)listener)->inner);
	free(listener);
}

const struct transport_ops cutter_transport = {
	.name = "cutter",
	.listen = cutter_listen,
	.accept = cutter_accept,
	.close_listener = cutter_close_listener,
	.free_listener = cutter_free_listener,
	.dial = cutter_dial,
	.send = cutter_send,
	.recv = cutter_recv,
	.shutdown = cutter_shutdown,
	.free = cutter_free,
};
