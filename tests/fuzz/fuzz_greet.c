/* SPDX-License-Identifier: MIT */
/*
 * fuzz_greet: connections to gmem-pager's listener: preamble, lengths, messages.
 * Input: for each connection a 16-bit length and what it sends before it is gone.
 * This side's random numbers are the same for each input, so what a source once
 * sent may be a seed, up to a handshake that ends well.  None of them binds a lane.
 */
#include <errno.h>
#include <semaphore.h>
#include <string.h>

#include <sodium.h>

#include <gmem-pager/link.h>
#include <gmem-pager/wire.h>

#include "fixed.h"
#include "fuzz.h"

#define N_SOURCE_MESSAGES 5u	/* HELLO, NOISE1, NOISE3, EVIDENCE, ACCEPT */
#define SEED_MAX (2u + PREAMBLE_LEN + N_SOURCE_MESSAGES * (2u + ATTEST_HANDSHAKE_MAX))

struct peer {
	struct transport_conn conn;
	const uint8_t *at;
	size_t left;
	bool told;	/* that it is gone; one that became a lane is freed later */
};

static const uint8_t *input;
static size_t input_left;
static atomic_bool stop;
static sem_t gone;
static atomic_uint n_open;
static bool given;	/* and not waited for; of the listening thread alone */
static unsigned int n_offers;
static struct attest_keypair *pair, *named_pair, *other_pair;
static uint8_t named_key[ATTEST_KEY_LEN];
static uint8_t genuine[SEED_MAX];	/* a source's messages that make a channel */
static size_t genuine_len;

static int peer_send(struct transport_conn *conn, const void *bytes, size_t len, int timeout_ms)
{
	return 0;
}

static void tell_gone(struct peer *peer)
{
	if (!peer->told)
		sem_post(&gone);
	peer->told = true;
}

static int peer_recv(struct transport_conn *conn, void *bytes, size_t len, int timeout_ms, size_t *ret_len)
{
	struct peer *peer = (struct peer *)conn;

	if (peer->left == 0) {
		tell_gone(peer);
		return -ECONNRESET;
	}
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
	tell_gone((struct peer *)conn);
	free(conn);
}

static const struct transport_ops transport;

/* As urgent or bulk it would wait for a control lane, seconds long, and none comes: it ends before its preamble does. */
static bool waits_for_source(const uint8_t *bytes, size_t len)
{
	return len >= PREAMBLE_LEN && (bytes[12] == ATTEST_LANE_URGENT || bytes[12] == ATTEST_LANE_BULK);
}

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
	*peer = (struct peer){ .conn.ops = &transport, .at = input,
			       .left = waits_for_source(input, len) ? PREAMBLE_LEN - 1 : len };
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

/* From here on this side's ephemeral keys are those that the seeds were made with, and not its static key. */
static void same_random(void)
{
	fixed_random_install();
	(void)randombytes_random();
}

static const struct attest_handshake_config *own_config(void)
{
	static struct attest_handshake_config config;

	config = (struct attest_handshake_config){
		.role = ATTEST_RESPONDER, .keypair = pair, .connection = 1, .ciphers = 1u << ATTEST_CIPHER_XCHACHA20POLY1305,
		.evidence = &attest_evidence_pinned, .evidence_opaque = named_key,
	};
	return &config;
}

static size_t add_preamble(uint8_t *at, uint32_t lane)
{
	memset(at, 0, 2 + PREAMBLE_LEN);
	at[0] = PREAMBLE_LEN;
	wire_put32(wire_put32(wire_put_bytes(at + 2, PREAMBLE_MAGIC, PREAMBLE_MAGIC_LEN), MESSAGES_VERSION), lane);
	return 2 + PREAMBLE_LEN;
}

static uint8_t *add_message(uint8_t *at, struct attest_handshake *from, struct attest_handshake *to)
{
	uint8_t message[ATTEST_HANDSHAKE_MAX];
	size_t len;

	FUZZ_NEED(!attest_handshake_write(from, message, &len));
	(void)attest_handshake_read(to, message, len);
	if (at == NULL)
		return NULL;
	at[0] = (uint8_t)len;
	at[1] = (uint8_t)(len >> 8);
	return wire_put_bytes(at + 2, message, len);
}

/* A source's first @n messages, as they are when LLVMFuzzerTestOneInput() answers; @ret_seed has one connection. */
static size_t record_source(struct attest_keypair *source_pair, unsigned int n, uint8_t vm_id, uint8_t *ret_seed)
{
	static uint8_t own_key[ATTEST_KEY_LEN];
	struct attest_handshake_config config = *own_config();
	struct attest_handshake *own, *source;
	uint8_t *at = ret_seed + add_preamble(ret_seed, 0);

	memcpy(own_key, attest_keypair_public(pair), sizeof(own_key));
	FUZZ_NEED(!attest_handshake_new(&config, &own));
	config.role = ATTEST_INITIATOR;
	config.keypair = source_pair;
	config.evidence_opaque = own_key;
	config.vm_id[0] = vm_id;
	FUZZ_NEED(!attest_handshake_new(&config, &source));
	same_random();
	while (n > 0)
		if (attest_handshake_step(source) == ATTEST_STEP_SEND)
			at = add_message(at, source, own), n--;
		else
			add_message(NULL, own, source);
	attest_handshake_free(own);
	attest_handshake_free(source);
	ret_seed[0] = (uint8_t)(at - ret_seed - 2);
	ret_seed[1] = (uint8_t)((at - ret_seed - 2) >> 8);
	return (size_t)(at - ret_seed);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static uint8_t whole[SEED_MAX];

	fixed_random_install();
	FUZZ_NEED(attest_init() && !sem_init(&gone, 0, 0));
	FUZZ_NEED(!attest_keypair_generate(&pair) && !attest_keypair_generate(&named_pair) &&
		  !attest_keypair_generate(&other_pair));
	memcpy(named_key, attest_keypair_public(named_pair), sizeof(named_key));
	genuine_len = record_source(named_pair, N_SOURCE_MESSAGES, 0, whole) - 2 - PREAMBLE_LEN;
	memcpy(genuine, whole + 2 + PREAMBLE_LEN, genuine_len);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct transport_listener listener = { .ops = &transport };
	const struct link_config config = {
		.address = "fuzz", .handshake_ms = 2000, .send_ms = 2000, .stop = &stop, .offer = offer,
		.peer_key = named_key, .handshake = *own_config(),
	};
	char error[LINK_ERROR_LEN];
	struct link link;
	int r;

	input = data;
	input_left = size;
	n_offers = 0;
	given = false;
	atomic_store(&stop, false);
	while (!sem_trywait(&gone))
		;
	same_random();
	link_init(&link);
	r = link_accept(&link, &config, &listener, error, sizeof(error));
	/* strangers only; the named one was refused or refuses; it went after its handshake */
	FUZZ_NEED(r == -ECANCELED || r == -EACCES || r == -ECONNRESET);
	FUZZ_NEED(link.n_bound == 0);
	FUZZ_NEED(link.channel == NULL || memmem(data, size, genuine, genuine_len));
	FUZZ_NEED(memchr(error, '\0', sizeof(error)) && error[0]);
	link_fini(&link);
	FUZZ_NEED(atomic_load(&n_open) == 0);
	return 0;
}

void fuzz_seeds(void (*emit)(const char *name, const uint8_t *data, size_t size))
{
	static uint8_t seed[SEED_MAX];
	char name[32];
	size_t n;

	n = add_preamble(seed, 9);
	n += add_preamble(seed + n, 0);
	n += add_preamble(seed + n, 1);
	emit("preambles", seed, n);
	emit("stranger", seed, record_source(other_pair, 3, 0, seed));
	for (unsigned int i = 1; i <= N_SOURCE_MESSAGES; i++) {
		snprintf(name, sizeof(name), "source-%u", i);
		n = record_source(named_pair, i, 0, seed);
		emit(name, seed, n);
		snprintf(name, sizeof(name), "source-%u-flipped", i);
		seed[n - 1] ^= 1;
		emit(name, seed, n);
	}
	/* it does not believe this side, and says so */
	emit("source-refuses", seed, record_source(named_pair, 4, 1, seed));
}
