// SPDX-License-Identifier: MIT
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bent.h"
#include "messages.h"

#define MAX_CONNS 16u
#define OFFSET_OP 1u
#define OFFSET_LANE 2u
#define OFFSET_GFN 16u

struct bent_conn {
	struct transport_conn conn;
	struct transport_conn *inner;
	bool stalled;			/* bent.lock */
	uint8_t *held;
	size_t held_len;
};

static struct {
	pthread_mutex_t lock;
	enum attest_lane lane;
	enum attest_op op;
	int nth;
	enum bent_act act;
	bool happened;
	struct bent_conn *conns[MAX_CONNS];
	uint64_t bulk_sent, bulk_received, bulk_max;
} bent = { .lock = PTHREAD_MUTEX_INITIALIZER };

void bent_set(enum attest_lane lane, enum attest_op op, int nth, enum bent_act act)
{
	pthread_mutex_lock(&bent.lock);
	bent.lane = lane;
	bent.op = op;
	bent.nth = nth;
	bent.act = act;
	bent.happened = false;
	bent.bulk_sent = bent.bulk_received = bent.bulk_max = 0;
	pthread_mutex_unlock(&bent.lock);
}

bool bent_happened(void)
{
	bool happened;

	pthread_mutex_lock(&bent.lock);
	happened = bent.happened;
	pthread_mutex_unlock(&bent.lock);
	return happened;
}

uint64_t bent_bulk_in_flight(void)
{
	uint64_t max;

	pthread_mutex_lock(&bent.lock);
	max = bent.bulk_max;
	pthread_mutex_unlock(&bent.lock);
	return max;
}

static int wrap(struct transport_conn *inner, struct transport_conn **ret_conn)
{
	struct bent_conn *bc = calloc(1, sizeof(*bc));
	size_t i;

	bc->conn.ops = &bent_transport;
	bc->inner = inner;
	memcpy(bc->conn.peer, inner->peer, sizeof(bc->conn.peer));
	pthread_mutex_lock(&bent.lock);
	for (i = 0; i < MAX_CONNS && bent.conns[i] != NULL; i++)
		continue;
	if (i < MAX_CONNS)
		bent.conns[i] = bc;
	pthread_mutex_unlock(&bent.lock);
	*ret_conn = &bc->conn;
	return 0;
}

static int bent_accept(struct transport_listener *listener, int timeout_ms, struct transport_conn **ret_conn)
{
	struct transport_conn *inner;
	int r = transport_nng.accept(listener, timeout_ms, &inner);

	return r < 0 ? r : wrap(inner, ret_conn);
}

static int bent_dial(const char *address, int timeout_ms, struct transport_conn **ret_conn)
{
	struct transport_conn *inner;
	int r = transport_nng.dial(address, timeout_ms, &inner);

	return r < 0 ? r : wrap(inner, ret_conn);
}

/* The connections listen with nng's own listener, whose ops say who accepts. */
static int bent_listen(const char *address, struct transport_listener **ret_listener)
{
	int r = transport_nng.listen(address, ret_listener);

	if (r == 0)
		(*ret_listener)->ops = &bent_transport;
	return r;
}

static bool is_record(const uint8_t *bytes, size_t len)
{
	return len >= ATTEST_RECORD_HEADER_LEN && memcmp(bytes, PREAMBLE_MAGIC, PREAMBLE_MAGIC_LEN) != 0;
}

/* The lock is held: what to do with this record. */
static enum bent_act decide(const uint8_t *bytes, size_t len)
{
	enum attest_lane lane;

	if (!is_record(bytes, len) || bent.happened || bent.act == BENT_NONE)
		return BENT_NONE;
	lane = (enum attest_lane)bytes[OFFSET_LANE];
	if (lane != bent.lane || bytes[OFFSET_OP] != bent.op || bent.nth-- > 0)
		return BENT_NONE;
	bent.happened = true;
	return bent.act;
}

static void cut_all(void)
{
	size_t i;

	for (i = 0; i < MAX_CONNS; i++)
		if (bent.conns[i] != NULL)
			transport_nng.shutdown(bent.conns[i]->inner);
}

/* Those that are there now; what is dialled later goes through. */
static void stall_all(void)
{
	size_t i;

	for (i = 0; i < MAX_CONNS; i++)
		if (bent.conns[i] != NULL)
			bent.conns[i]->stalled = true;
}

static int send_altered(struct bent_conn *bc, const uint8_t *bytes, size_t len, enum bent_act act, int timeout_ms)
{
	uint8_t *copy = malloc(len);
	int r;

	memcpy(copy, bytes, len);
	if (act == BENT_SWAP) {
		bc->held = copy;
		bc->held_len = len;
		return 0;
	}
	if (act == BENT_FLIP)
		copy[len - 40] ^= 0x10;
	if (act == BENT_FLIP_HEAD)
		copy[OFFSET_GFN] ^= 0x01;
	r = transport_nng.send(bc->inner, copy, len, timeout_ms);
	if (r == 0 && act == BENT_REPLAY)
		r = transport_nng.send(bc->inner, copy, len, timeout_ms);
	free(copy);
	return r;
}

static int bent_send(struct transport_conn *conn, const void *bytes, size_t len, int timeout_ms)
{
	struct bent_conn *bc = (struct bent_conn *)conn;
	enum bent_act act;
	bool stalled;
	int r;

	pthread_mutex_lock(&bent.lock);
	act = decide(bytes, len);
	if (act == BENT_CUT)
		cut_all();
	if (act == BENT_STALL)
		stall_all();
	stalled = bc->stalled;
	if (is_record(bytes, len) && ((const uint8_t *)bytes)[OFFSET_OP] == ATTEST_OP_PAGES &&
	    ((const uint8_t *)bytes)[OFFSET_LANE] == ATTEST_LANE_BULK) {
		bent.bulk_sent += len;
		if (bent.bulk_sent - bent.bulk_received > bent.bulk_max)
			bent.bulk_max = bent.bulk_sent - bent.bulk_received;
	}
	if (is_record(bytes, len) && ((const uint8_t *)bytes)[OFFSET_OP] == ATTEST_OP_CREDIT)
		bent.bulk_received = bent.bulk_sent;	/* what is behind it was asked for by it */
	pthread_mutex_unlock(&bent.lock);
	if (stalled)
		return 0;
	r = act == BENT_NONE || act == BENT_CUT ? transport_nng.send(bc->inner, bytes, len, timeout_ms) :
		send_altered(bc, bytes, len, act, timeout_ms);
	if (r == 0 && act == BENT_NONE && bc->held != NULL) {
		r = transport_nng.send(bc->inner, bc->held, bc->held_len, timeout_ms);
		free(bc->held);
		bc->held = NULL;
	}
	atomic_store(&conn->bytes_out, atomic_load(&bc->inner->bytes_out));
	return r;
}

static int bent_recv(struct transport_conn *conn, void *ret_bytes, size_t len, int timeout_ms, size_t *ret_len)
{
	struct bent_conn *bc = (struct bent_conn *)conn;
	int r = transport_nng.recv(bc->inner, ret_bytes, len, timeout_ms, ret_len);

	atomic_store(&conn->bytes_in, atomic_load(&bc->inner->bytes_in));
	return r;
}

static void bent_shutdown(struct transport_conn *conn)
{
	transport_nng.shutdown(((struct bent_conn *)conn)->inner);
}

static void bent_free(struct transport_conn *conn)
{
	struct bent_conn *bc = (struct bent_conn *)conn;
	size_t i;

	pthread_mutex_lock(&bent.lock);
	for (i = 0; i < MAX_CONNS; i++)
		if (bent.conns[i] == bc)
			bent.conns[i] = NULL;
	pthread_mutex_unlock(&bent.lock);
	transport_nng.free(bc->inner);
	free(bc->held);
	free(bc);
}

static void bent_close_listener(struct transport_listener *listener)
{
	transport_nng.close_listener(listener);
}

static void bent_free_listener(struct transport_listener *listener)
{
	transport_nng.free_listener(listener);
}

const struct transport_ops bent_transport = {
	.name = "bent",
	.listen = bent_listen,
	.accept = bent_accept,
	.close_listener = bent_close_listener,
	.free_listener = bent_free_listener,
	.dial = bent_dial,
	.send = bent_send,
	.recv = bent_recv,
	.shutdown = bent_shutdown,
	.free = bent_free,
};
