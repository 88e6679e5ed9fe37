/* SPDX-License-Identifier: MIT */
/*
 * The background stream of a whole move, from the first credit to the last page, in turns with TCP: one connection, the
 * sender's memory in messages of a record's length, received whole into a buffer and copied from there into memory like
 * the destination's, of which nothing has been touched.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <attest/gcm.h>
#include <attest/wire.h>

#include "bench.h"
#include "messages.h"
#include "tcp.h"

#define AEAD_RECORDS 64u
#define RUN_LEN ((size_t)BULK_MAX_RUN * FAKE_PAGE)

struct sender {
	int fd;
	const struct memory *memory;
	size_t message_len;
	uint64_t start_ns;
};

/* What a record has beside its pages is as many bytes of the next ones. */
static void *send_all(void *arg)
{
	struct sender *sender = arg;
	size_t done;

	stay_on(SIDE_SOURCE);
	sender->start_ns = clock_ns();
	for (done = 0; done < sender->memory->len; done += RUN_LEN)
		tcp_send(sender->fd, sender->memory->at + done, sender->message_len);
	return NULL;
}

/* ns; without @copy what comes is dropped. */
static double raw_stream(const struct memory *from, bool copy)
{
	struct sender sender = { .memory = from, .message_len = attest_record_wire_len(PAGES_BODY_MAX(BULK_MAX_RUN)) };
	uint8_t *buffer = malloc(sender.message_len);
	struct memory to;
	pthread_t thread;
	uint64_t end_ns;
	size_t done;
	int fds[2];

	need(buffer != NULL && sender.message_len - RUN_LEN <= FAKE_PAGE, "a buffer");
	memset(buffer, 0, sender.message_len);
	memory_init(&to, from->len);
	tcp_pair(fds);
	sender.fd = fds[0];
	need(pthread_create(&thread, NULL, send_all, &sender) == 0, "a thread");
	for (done = 0; done < to.len; done += RUN_LEN) {
		tcp_recv(fds[1], buffer, sender.message_len);
		if (copy)
			memcpy(to.at + done, buffer, RUN_LEN);
	}
	end_ns = clock_ns();
	pthread_join(thread, NULL);
	need(!copy || memcmp(to.at, from->at, to.len) == 0, "the comparison of what TCP brought");
	close(fds[0]);
	close(fds[1]);
	memory_fini(&to);
	free(buffer);
	return (double)(end_ns - sender.start_ns);
}

static double our_stream(uint64_t n_pages)
{
	struct move *move = calloc(1, sizeof(*move));
	uint64_t start_ns;
	double ns;

	need(move != NULL, "memory");
	move_begin(move, n_pages, URGENT_MAX_RUN);
	clock_backend_aim(&move->clock, n_pages);
	start_ns = clock_ns();
	pager_pause(move->duo.pager, false);
	clock_backend_wait(&move->clock);
	ns = (double)(atomic_load(&move->clock.target_ns) - start_ns);
	move_finish(move);
	free(move);
	return ns;
}

/* GB/s of the AEAD alone, on records' bodies: what one side could do at most if it did nothing else. */
static double aead_rate(void)
{
	const size_t len = PAGES_BODY_MAX(BULK_MAX_RUN);
	const uint8_t key[ATTEST_KEY_LEN] = { 1 }, ad[WIRE_AD_LEN] = { 0 };
	uint8_t *bytes = calloc(1, len + WIRE_TAG_LEN), nonce[WIRE_NONCE_LEN] = { 0 };
	struct gcry_cipher_handle *handle;
	uint64_t start_ns;
	unsigned int i;

	need(bytes != NULL && gcm_new(&handle) == 0 && gcm_load(handle, key), "memory");
	start_ns = clock_ns();
	for (i = 0; i < AEAD_RECORDS; i++) {
		nonce[0] = (uint8_t)i;
		need(gcm_seal(handle, ad, nonce, bytes, len), "sealing");
	}
	start_ns = clock_ns() - start_ns;
	gcm_free(handle);
	free(bytes);
	return (double)len * AEAD_RECORDS / (double)start_ns;
}

void bench_stream(unsigned int n_rounds, uint64_t mib)
{
	const size_t len = mib << 20;
	double *ours = calloc(n_rounds, sizeof(double)), *tcp = calloc(n_rounds, sizeof(double));
	double *dropped = calloc(n_rounds, sizeof(double)), *ratio = calloc(n_rounds, sizeof(double));
	double *aead = calloc(n_rounds, sizeof(double));
	struct memory from;
	unsigned int i;

	need(ours != NULL && tcp != NULL && dropped != NULL && ratio != NULL && aead != NULL, "memory");
	memory_init(&from, len);
	memset(from.at, 0x5a, len + FAKE_PAGE);
	for (i = 0; i < n_rounds; i++) {
		ours[i] = (double)len / our_stream(len / FAKE_PAGE);
		tcp[i] = (double)len / raw_stream(&from, true);
		dropped[i] = (double)len / raw_stream(&from, false);
		aead[i] = gcm_available() ? aead_rate() : 0;
		ratio[i] = ours[i] / tcp[i];
	}
	memory_fini(&from);
	printf("raw stream %.3f\n", median(ratio, n_rounds));
	printf("raw stream_gb_s %.3f\nraw stream_tcp_gb_s %.3f\n", median(ours, n_rounds), median(tcp, n_rounds));
	printf("raw stream_tcp_dropped_gb_s %.3f\nraw stream_aes_alone_gb_s %.3f\n", median(dropped, n_rounds),
	       median(aead, n_rounds));
	fflush(stdout);
	free(ours);
	free(tcp);
	free(dropped);
	free(ratio);
	free(aead);
}
