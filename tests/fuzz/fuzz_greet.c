/* SPDX-License-Identifier: MIT */
/*
 * fuzz_greet: connections to gmem-pager's listener: preamble, lengths, messages.
 * Input: for each connection a 16-bit length and what it sends before it is gone.
 * None of them is the source: nothing is bound, and only the bytes are the peer's.
 */
#include <errno.h>
#include <semaphore.h>
#include <string.h>

#include <gmem-pager/link.h>
#include <gmem-pager/wire.h>

#include "fixed.h"
#include "fuzz.h"

struct peer {
	struct transport_conn conn;
	const uint8_t *at;
	size_t left;
};

static const uint8_t *input;
static size_t input_left;
static atomic_bool stop;
static sem_t gone;
static atomic_uint n_open;
static bool given;	/* and not waited for; of the listening thread alone */
static unsigned int n_offers;
static struct attest_keypair *pair;
static uint8_t named_key[ATTEST_KEY_LEN];

static int peer_send(struct transport_conn *conn, const void *bytes, size_t len, int timeout_ms)
{
	return 0;
}

static int peer_recv(struct transport_conn *conn, void *bytes, size_t len, int timeout_ms, size_t *ret_len)
{
	struct peer *peer = (struct peer *)conn;

	if (peer->left == 0)
		return -ECONNRESET;
	*ret_len = len < peer->left ? len : peer->left;
	memcpy(bytes, peer->at, *ret_len);
	peer->at += *ret_len;
	peer->left -= *ret_len;
	return 0;
}

static void peer_shutdown(struct transport_conn *conn)
{
}

static void peer_free(struct transport_conn *conn)
{
	atomic_fetch_sub(&n_open, 1);
	free(conn);
	sem_post(&gone);
}

static const struct transport_ops transport;

/* One after the other, so that each input means the same each time. */
static int next_peer(struct transport_listener *listener, int timeout_ms, struct transport_conn **ret_conn)
{
	struct peer *peer;
	size_t len;

	if (given)
		sem_wait(&gone);
	given = false;
	if (input_left < 2) {
		atomic_store(&stop, true);
		return -ETIMEDOUT;
	}
	peer = calloc(1, sizeof(*peer));
	FUZZ_NEED(peer);
	len = (size_t)(input[0] | input[1] << 8);
	input += 2, input_left -= 2;
	len = len < input_left ? len : input_left;
	*peer = (struct peer){ .conn.ops = &transport, .at = input, .left = len };
	strcpy(peer->conn.peer, "fuzz");
	input += len, input_left -= len;
	atomic_fetch_add(&n_open, 1);
	given = true;
	*ret_conn = &peer->conn;
	return 0;
}

static void close_listener(struct transport_listener *listener)
{
}

static const struct transport_ops transport = {
	.accept = next_peer, .close_listener = close_listener, .send = peer_send, .recv = peer_recv,
	.shutdown = peer_shutdown, .free = peer_free,
};

static int offer(void *opaque, char *ret_error, size_t error_len)
{
	n_offers++;
	return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fixed_random_install();
	FUZZ_NEED(attest_init() && !sem_init(&gone, 0, 0));
	FUZZ_NEED(!attest_keypair_generate(&pair));
	memset(named_key, 7, sizeof(named_key));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct transport_listener listener = { .ops = &transport };
	const struct link_config config = {
		.address = "fuzz", .handshake_ms = 2000, .send_ms = 2000, .stop = &stop, .offer = offer,
		.peer_key = named_key,
		.handshake = { .role = ATTEST_RESPONDER, .keypair = pair, .connection = 1,
			       .evidence = &attest_evidence_pinned, .evidence_opaque = named_key },
	};
	char error[LINK_ERROR_LEN];
	struct link link;

	input = data;
	input_left = size;
	n_offers = 0;
	given = false;
	atomic_store(&stop, false);
	while (!sem_trywait(&gone))
		;
	link_init(&link);
	FUZZ_NEED(link_accept(&link, &config, &listener, error, sizeof(error)) == -ECANCELED);
	FUZZ_NEED(link.n_bound == 0 && link.channel == NULL && atomic_load(&n_open) == 0);
	FUZZ_NEED(memchr(error, '\0', sizeof(error)) && error[0]);
	link_fini(&link);
	return 0;
}

static size_t add_preamble(uint8_t *at, uint32_t lane, size_t rest)
{
	const size_t len = PREAMBLE_LEN + rest;

	memset(at, 0, 2 + len);
	at[0] = (uint8_t)len;
	at[1] = (uint8_t)(len >> 8);
	wire_put32(wire_put32(wire_put_bytes(at + 2, PREAMBLE_MAGIC, PREAMBLE_MAGIC_LEN), MESSAGES_VERSION), lane);
	return 2 + len;
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	const struct attest_handshake_config config = {
		.role = ATTEST_INITIATOR, .keypair = pair, .connection = 1, .evidence = &attest_evidence_pinned,
		.evidence_opaque = named_key,
	};
	struct attest_handshake *handshake;
	uint8_t seed[1024];
	size_t n, len = 256;

	n = add_preamble(seed, 9, 0);
	n += add_preamble(seed + n, 0, 0);
	emit("preambles", seed, n);
	n = add_preamble(seed, 0, 2 + 48 + 2 + 36);
	FUZZ_NEED(!attest_handshake_new(&config, &handshake));
	FUZZ_NEED(!attest_handshake_write(handshake, seed + 2 + PREAMBLE_LEN + 2, &len) && len == 48);
	seed[2 + PREAMBLE_LEN] = 48;
	memcpy(seed + 2 + PREAMBLE_LEN + 2 + 48, "\44\0\2\1\44\0", 6);	/* NOISE1 */
	memset(seed + 2 + PREAMBLE_LEN + 2 + 48 + 6, 9, 32);
	attest_handshake_free(handshake);
	emit("hello", seed, n);
}
