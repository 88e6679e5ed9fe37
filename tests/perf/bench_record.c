/* SPDX-License-Identifier: MIT */
/*
 * bench_record: what the record layer costs on top of its AEAD.  Both are run in
 * turns in one process, and the best round of each counts, so that the ratio
 * means something on a busy machine; the absolute figures do not.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../unit/attest/pair.h"

#include <attest/channel.h>

#define N_ROUNDS 40u

static struct pair pair;
static struct attest_channel *channel[2];
static uint8_t body[ATTEST_BODY_MAX], wire[ATTEST_RECORD_MAX], opened[ATTEST_RECORD_MAX];
static unsigned int n_pages;

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
	fprintf(stderr, "bench_record: %s failed\n", what);
	exit(EXIT_FAILURE);
}

/* The AEAD alone, on the bytes that a record holds; the tag goes behind them. */
static void raw_seal(const struct channel_half *half, const uint8_t *nonce, size_t len)
{
	static const uint8_t ad[WIRE_AD_LEN];

	if (channel[0]->cipher == ATTEST_CIPHER_AES256GCM)
		crypto_aead_aes256gcm_encrypt_detached_afternm(wire, wire + len, NULL, body, len, ad, sizeof(ad),
							       NULL, nonce, &half->aes);
	else
		crypto_aead_xchacha20poly1305_ietf_encrypt_detached(wire, wire + len, NULL, body, len, ad, sizeof(ad),
								    NULL, nonce, half->key);
}

static void raw_open(const struct channel_half *half, const uint8_t *nonce, size_t len)
{
	static const uint8_t ad[WIRE_AD_LEN];
	int ret;

	if (channel[0]->cipher == ATTEST_CIPHER_AES256GCM)
		ret = crypto_aead_aes256gcm_decrypt_detached_afternm(opened, NULL, wire, len, wire + len, ad,
								     sizeof(ad), nonce, &half->aes);
	else
		ret = crypto_aead_xchacha20poly1305_ietf_decrypt_detached(opened, NULL, wire, len, wire + len, ad,
									  sizeof(ad), nonce, half->key);
	need(ret == 0, "decrypting");
}

static void raw_once(const struct channel_half *half, uint8_t *nonce, double *ret_seal, double *ret_open)
{
	const size_t len = n_pages * (ATTEST_PAGE_LEN + 1u);
	double start = now_ns();

	sodium_increment(nonce, WIRE_NONCE_LEN);
	raw_seal(half, nonce, len);
	*ret_seal = now_ns() - start;
	start = now_ns();
	raw_open(half, nonce, len);
	*ret_open = now_ns() - start;
}

static void record_once(double *ret_seal, double *ret_open)
{
	const struct attest_record record = {
		.op = ATTEST_OP_PAGES, .gfn = 0x1000, .n_pages = n_pages, .body_len = n_pages * (ATTEST_PAGE_LEN + 1u),
	};
	struct attest_record got;
	double start = now_ns();
	size_t len;

	need(attest_record_seal(channel[0], ATTEST_LANE_BULK, &record, body, wire, &len), "sealing");
	*ret_seal = now_ns() - start;
	start = now_ns();
	need(attest_record_open(channel[1], ATTEST_LANE_BULK, wire, len, &got, opened), "opening");
	*ret_open = now_ns() - start;
}

struct sums {
	double raw_seal, raw_open, seal, open;
};

static void keep_best(double *best, double sum)
{
	if (*best == 0 || sum < *best)
		*best = sum;
}

static void run(enum attest_cipher cipher)
{
	const unsigned int n_each = n_pages == 1 ? 500 : 16;
	struct sums best = { 0 };
	uint8_t nonce[24] = { 0 };

	for (unsigned int round = 0; round < N_ROUNDS; round++) {
		struct sums sum = { 0 };

		for (unsigned int i = 0; i < n_each; i++) {
			double seal, open;

			raw_once(&channel[0]->send[ATTEST_LANE_URGENT], nonce, &seal, &open);
			sum.raw_seal += seal;
			sum.raw_open += open;
			record_once(&seal, &open);
			sum.seal += seal;
			sum.open += open;
		}
		keep_best(&best.raw_seal, sum.raw_seal / n_each);
		keep_best(&best.raw_open, sum.raw_open / n_each);
		keep_best(&best.seal, sum.seal / n_each);
		keep_best(&best.open, sum.open / n_each);
	}
	printf("%-18s %3u page%s seal %8.0f ns, AEAD alone %8.0f ns, ratio %.2f; open %8.0f ns, %8.0f ns, ratio %.2f\n",
	       attest_cipher_name(cipher), n_pages, n_pages == 1 ? ", " : "s,", best.seal, best.raw_seal,
	       best.seal / best.raw_seal, best.open, best.raw_open, best.open / best.raw_open);
}

int main(void)
{
	static const enum attest_cipher ciphers[] = { ATTEST_CIPHER_AES256GCM, ATTEST_CIPHER_XCHACHA20POLY1305 };
	static const unsigned int runs[] = { 1, 16, 64, 512 };

	need(attest_init(), "attest_init");
	memset(body, 0x5a, sizeof(body));
	for (size_t c = 0; c < 2; c++) {
		if (!(channel_ciphers() & 1u << ciphers[c])) {
			printf("%-18s not on this machine\n", attest_cipher_name(ciphers[c]));
			continue;
		}
		pair_init(&pair, 1u << ciphers[c]);
		pair_channels(&pair, channel);
		for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
			n_pages = runs[i];
			run(ciphers[c]);
		}
		attest_channel_free(channel[0]);
		attest_channel_free(channel[1]);
		pair_fini(&pair);
	}
	return EXIT_SUCCESS;
}
