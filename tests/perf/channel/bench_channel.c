/* SPDX-License-Identifier: MIT */
/*
 * bench_channel: what records cost on top of their AEAD.  One run prints lines
 * "raw NAME ns"; figures are made of several runs by tests/dev/channel_figures.py.
 *
 * Both sides of a ratio are run in turns, in batches, in one process, and the
 * best batch of each counts: so a ratio means something on a busy machine; the
 * absolute figures do not.  Both write to as many buffers and read from as many.
 * libsodium's AEAD alone gets the same body, and neither header nor associated data;
 * so does libgcrypt's, which seals the records if they are AES-256-GCM, but for its
 * associated data.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../unit/attest/pair.h"

#include <attest/channel.h>
#include <attest/gcm.h>
#include <attest/wire.h>

#define MAX_BATCH 32u
#define N_ROUNDS 250u
#define WIRE_STEP (64u * (ATTEST_PAGE_LEN + 1u) + 4096u)

static struct pair pair;
static struct attest_channel *channel[2];
static uint8_t body[WIRE_STEP], opened[WIRE_STEP];
static uint8_t raw_wires[MAX_BATCH * 4352u + 2u * WIRE_STEP], wires[sizeof(raw_wires)];

/* What is measured now. */
static struct {
	enum attest_cipher cipher;
	uint32_t n_pages;
	uint32_t body_len;
	size_t wire_step;
	unsigned int n_batch;
	uint8_t nonce[24];
	crypto_aead_aes256gcm_state *aes;	/* libsodium's */
	struct gcry_cipher_handle *gcm;
} now;

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_channel: %s failed\n", what);
	exit(EXIT_FAILURE);
}

static void raw_seal(unsigned int i)
{
	const struct channel_half *half = &channel[0]->send[ATTEST_LANE_BULK];
	uint8_t *wire = raw_wires + i * now.wire_step;

	now.nonce[0] = (uint8_t)i;
	if (now.cipher == ATTEST_CIPHER_AES256GCM)
		crypto_aead_aes256gcm_encrypt_detached_afternm(wire, wire + now.body_len, NULL, body, now.body_len, NULL, 0,
							       NULL, now.nonce, now.aes);
	else
		crypto_aead_xchacha20poly1305_ietf_encrypt_detached(wire, wire + now.body_len, NULL, body, now.body_len,
								    NULL, 0, NULL, now.nonce, half->key);
}

static void raw_open(unsigned int i)
{
	const struct channel_half *half = &channel[0]->send[ATTEST_LANE_BULK];
	const uint8_t *wire = raw_wires + i * now.wire_step;
	int ret;

	now.nonce[0] = (uint8_t)i;
	if (now.cipher == ATTEST_CIPHER_AES256GCM)
		ret = crypto_aead_aes256gcm_decrypt_detached_afternm(opened, NULL, wire, now.body_len, wire + now.body_len,
								     NULL, 0, now.nonce, now.aes);
	else
		ret = crypto_aead_xchacha20poly1305_ietf_decrypt_detached(opened, NULL, wire, now.body_len,
									  wire + now.body_len, NULL, 0, now.nonce,
									  half->key);
	need(ret == 0, "decrypting");
}

/* In place, as gcm.h does it: the body that is there is what the batch before left, and as long. */
static void gcm_seal_alone(unsigned int i)
{
	static const uint8_t ad[WIRE_AD_LEN];

	now.nonce[0] = (uint8_t)i;
	need(gcm_seal(now.gcm, ad, now.nonce, raw_wires + i * now.wire_step, now.body_len), "sealing");
}

static void gcm_open_alone(unsigned int i)
{
	static const uint8_t ad[WIRE_AD_LEN];

	now.nonce[0] = (uint8_t)i;
	need(gcm_open(now.gcm, ad, now.nonce, raw_wires + i * now.wire_step, now.body_len, opened), "opening");
}

static void record_seal(unsigned int i)
{
	const struct attest_record record = {
		.op = ATTEST_OP_PAGES, .gfn = 0x1000, .n_pages = now.n_pages, .body_len = now.body_len,
	};
	size_t len;

	need(attest_record_seal(channel[0], ATTEST_LANE_BULK, &record, body, wires + i * now.wire_step, &len), "sealing");
}

static void record_open(unsigned int i)
{
	struct attest_record got;

	need(attest_record_open(channel[1], ATTEST_LANE_BULK, wires + i * now.wire_step,
				attest_record_wire_len(now.body_len), &got, opened), "opening");
}

/* One batch; the best one so far, per record, stays in @best_ns. */
static void batch(void (*run)(unsigned int i), double *best_ns)
{
	double start_ns = now_ns(), ns;

	for (unsigned int i = 0; i < now.n_batch; i++)
		run(i);
	ns = (now_ns() - start_ns) / now.n_batch;
	if (*best_ns == 0 || ns < *best_ns)
		*best_ns = ns;
}

static void measure_gcm(void)
{
	double seal_ns = 0, open_ns = 0;

	for (unsigned int round = 0; round < N_ROUNDS; round++) {
		batch(gcm_seal_alone, &seal_ns);
		batch(gcm_open_alone, &open_ns);
	}
	printf("raw gcrypt_seal_%u %.1f\nraw gcrypt_open_%u %.1f\n", now.n_pages, seal_ns, now.n_pages, open_ns);
}

static void measure_records(const char *cipher_name, uint32_t n_pages)
{
	double raw_seal_ns = 0, raw_open_ns = 0, seal_ns = 0, open_ns = 0;

	now.n_pages = n_pages;
	now.body_len = n_pages * (ATTEST_PAGE_LEN + 1u);
	now.wire_step = n_pages == 1 ? 4352u : WIRE_STEP;
	now.n_batch = n_pages == 1 ? MAX_BATCH : 2;
	memset(body, 0x5a, sizeof(body));
	memset(body, ATTEST_PAGE_DATA, n_pages);
	for (unsigned int round = 0; round < N_ROUNDS; round++) {
		batch(raw_seal, &raw_seal_ns);
		batch(record_seal, &seal_ns);
		batch(raw_open, &raw_open_ns);
		batch(record_open, &open_ns);
	}
	printf("raw aead_seal_%s_%u %.1f\nraw seal_%s_%u %.1f\n", cipher_name, n_pages, raw_seal_ns, cipher_name, n_pages,
	       seal_ns);
	printf("raw aead_open_%s_%u %.1f\nraw open_%s_%u %.1f\n", cipher_name, n_pages, raw_open_ns, cipher_name, n_pages,
	       open_ns);
	if (now.gcm != NULL)
		measure_gcm();
}

static void take_aes(bool take)
{
	static const uint8_t key[ATTEST_KEY_LEN] = { 1 };

	if (!take) {
		gcm_free(now.gcm);
		sodium_free(now.aes);
		return;
	}
	now.aes = sodium_malloc(sizeof(*now.aes));
	need(now.aes != NULL && gcm_new(&now.gcm) == 0 && gcm_load(now.gcm, key), "memory");
	crypto_aead_aes256gcm_beforenm(now.aes, key);
}

static void measure_cipher(enum attest_cipher cipher, const char *name)
{
	if (!(channel_ciphers() & 1u << cipher)) {
		fprintf(stderr, "bench_channel: no %s on this machine\n", attest_cipher_name(cipher));
		return;
	}
	memset(&now, 0, sizeof(now));
	now.cipher = cipher;
	pair_init(&pair, 1u << cipher);
	pair_channels(&pair, channel);
	if (cipher == ATTEST_CIPHER_AES256GCM)
		take_aes(true);
	measure_records(name, 1);
	measure_records(name, 64);
	take_aes(false);
	attest_channel_free(channel[0]);
	attest_channel_free(channel[1]);
	pair_fini(&pair);
}

int main(void)
{
	need(attest_init(), "attest_init");
	measure_cipher(ATTEST_CIPHER_AES256GCM, "aes");
	measure_cipher(ATTEST_CIPHER_XCHACHA20POLY1305, "xchacha");
	return EXIT_SUCCESS;
}
