/* SPDX-License-Identifier: MIT */
/*
 * gmem-vectors: test vectors of the channel, the same on every run: randomness is
 * a fixed sequence in this program only.
 *
 *   gmem-vectors FOLDER            write them
 *   gmem-vectors --check FOLDER    compare them with what is there
 *
 * A vector is one handshake with all that its secrets come from, and records of
 * it.  A log's byte i is i * 7 + i / 256 + i / 65536, modulo 256.  ../decode.py opens
 * them without any of our C code.  Never installed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attest/channel.h>
#include <attest/handshake.h>
#include <attest/keys.h>

#include "../../fuzz/fixed.h"
#include "../../unit/attest/logkind.h"
#include "../../unit/attest/pair.h"

#define MAX_WIRE 70000u
#define LONG_BODY 512u		/* longer ones are told by their hash */
#define MANY_PARTS 8u		/* the messages of a log of more are told by their hash, too */

/* A handshake; logs: what each side announces, and thinks of its peer. */
struct play {
	const char *what;
	uint32_t ciphers;
	unsigned int seed;		/* makes the keys of each vector its own */
	bool other_pinned;		/* the initiator believes in another key */
	bool has_logs;
	uint32_t log_len[2];
	bool refuse[2], refuse_log[2];
};

static struct pair pair;
static struct logkind kind[2];
static struct attest_channel *channel[2];
static FILE *out;
static unsigned int n_records;

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "gmem-vectors: %s failed\n", what);
	exit(EXIT_FAILURE);
}

/* ---- JSON ---- */

static void put_hex(const char *name, const uint8_t *bytes, size_t len, const char *end)
{
	fprintf(out, "\"%s\": \"", name);
	for (size_t i = 0; i < len; i++)
		fprintf(out, "%02x", bytes[i]);
	fprintf(out, "\"%s", end);
}

static void put_log(int side)
{
	const struct logkind *own = &kind[side];

	put_hex("evidence", own->evidence, own->evidence_len, ", ");
	fprintf(out, "\"log_len\": %u, \"believes\": \"%s\", ", own->log_len,
		own->refuse ? "nothing" : own->refuse_log ? "all but the log" : "all");
}

static void put_side(const char *name, int side, bool has_logs)
{
	const struct noise *noise = &pair.side[side]->noise;

	fprintf(out, "  \"%s\": {", name);
	put_hex("static_secret", keys_secret(pair.key[side]), ATTEST_KEY_LEN, ", ");
	put_hex("ephemeral_secret", noise->ephemeral_secret, NOISE_KEY_LEN, ", ");
	if (has_logs)
		put_log(side);
	put_hex("pinned_key", pair.pinned[side], ATTEST_KEY_LEN, "},\n");
}

/* ---- a handshake ---- */

static void put_message(unsigned int index, const struct pair_message *message, bool by_hash)
{
	uint8_t hash[32];

	fprintf(out, "%s\n    {\"from\": %d, ", index ? "," : "", message->from + 1);
	if (!by_hash) {
		put_hex("bytes", message->bytes, message->len, "}");
		return;
	}
	crypto_hash_sha256(hash, message->bytes, message->len);
	put_hex("sha256", hash, sizeof(hash), "}");
}

static void put_config(const char *what)
{
	const struct attest_handshake_config *config = &pair.config[0];

	fprintf(out, "{\n  \"what\": \"%s\",\n  ", what);
	put_hex("ticket_id", config->ticket_id, ATTEST_ID_LEN, ",\n  ");
	put_hex("vm_id", config->vm_id, ATTEST_ID_LEN, ",\n");
	fprintf(out, "  \"connection\": %llu,\n", (unsigned long long)config->connection);
}

static void begin_play(const struct play *play)
{
	fixed_random_install();
	for (unsigned int i = 0; i < play->seed; i++)
		(void)randombytes_random();
	pair_init(&pair, play->ciphers);
	if (play->other_pinned)
		pair.pinned[PAIR_INITIATOR][0] ^= 1;
	for (int side = 0; play->has_logs && side < 2; side++) {
		logkind_init(&kind[side], play->log_len[side]);
		kind[side].refuse = play->refuse[side];
		kind[side].refuse_log = play->refuse_log[side];
		pair.config[side].evidence = &logkind_ops;
		pair.config[side].evidence_opaque = &kind[side];
	}
	pair_start(&pair);
}

/* Messages, then the secrets that they were made with. */
static bool put_handshake(const struct play *play)
{
	const bool by_hash = play->log_len[0] + play->log_len[1] > MANY_PARTS * WIRE_LOG_PART;
	struct noise noise[2];
	struct pair_message message;
	bool done;

	begin_play(play);
	put_config(play->what);
	fprintf(out, "  \"messages\": [");
	for (unsigned int index = 0; pair_next(&pair, &message); index++) {
		put_message(index, &message, by_hash && message.bytes[0] == WIRE_LOG);
		pair_deliver(&pair, &message);
		/* a handshake that fails wipes it: while it is there */
		for (int side = 0; side < 2; side++)
			if (index == 4)
				noise[side] = pair.side[side]->noise;
	}
	fprintf(out, "\n  ],\n");
	done = pair_done(&pair, 0) && pair_done(&pair, 1);
	for (int side = 0; side < 2; side++)
		pair.side[side]->noise = noise[side];
	put_side("initiator", PAIR_INITIATOR, play->has_logs);
	put_side("responder", PAIR_RESPONDER, play->has_logs);
	put_hex("handshake_hash", noise[0].hash, NOISE_HASH_LEN, ",\n");
	fprintf(out, "  \"accepted\": %s,\n  \"records\": [", done ? "true" : "false");
	n_records = 0;
	for (int side = 0; done && side < 2; side++)
		need(!attest_handshake_finish(pair.side[side], &channel[side]), "attest_handshake_finish");
	return done;
}

static void end_vector(bool done)
{
	fprintf(out, "\n  ]\n}\n");
	for (int side = 0; done && side < 2; side++)
		attest_channel_free(channel[side]);
	pair_fini(&pair);
}

/* ---- records ---- */

static void put_record(int side, enum attest_lane lane, const struct attest_record *record, const uint8_t *body)
{
	static uint8_t wire[MAX_WIRE], opened[MAX_WIRE];
	uint8_t hash[32];
	struct attest_record got;
	size_t len;

	need(attest_record_seal(channel[side], lane, record, body, wire, &len), "sealing");
	need(attest_record_open(channel[!side], lane, wire, len, &got, opened), "opening");
	fprintf(out, "%s\n    {\"lane\": %d, \"direction\": %d, \"op\": %d, \"gfn\": %llu, \"n_pages\": %u, "
		"\"body_len\": %u,\n     ", n_records++ ? "," : "", lane, side + 1, record->op,
		(unsigned long long)record->gfn, record->n_pages, record->body_len);
	if (record->body_len <= LONG_BODY) {
		put_hex("body", body, record->body_len, ",\n     ");
	} else {
		crypto_hash_sha256(hash, body, record->body_len);
		put_hex("body_sha256", hash, sizeof(hash), ",\n     ");
	}
	put_hex("wire", wire, len, "}");
}

/* Any body: bytes that count. */
static void put_plain(int side, enum attest_lane lane, enum attest_op op, uint32_t body_len)
{
	const struct attest_record record = { .op = op, .body_len = body_len };
	uint8_t body[5000];

	for (size_t i = 0; i < body_len; i++)
		body[i] = (uint8_t)(i * 31 + op);
	put_record(side, lane, &record, body);
}

/* A run of @n_pages, the first @n_data with data, the others zero; every third one shared. */
static void put_pages(enum attest_lane lane, uint64_t gfn, uint32_t n_pages, uint32_t n_data)
{
	static uint8_t body[MAX_WIRE];
	const struct attest_record record = {
		.op = ATTEST_OP_PAGES, .gfn = gfn, .n_pages = n_pages, .body_len = n_pages + n_data * ATTEST_PAGE_LEN,
	};

	for (uint32_t i = 0; i < n_pages; i++)
		body[i] = (uint8_t)((i < n_data ? ATTEST_PAGE_DATA : ATTEST_PAGE_ZERO) |
				    (i % 3 == 2 ? ATTEST_PAGE_SHARED : 0));
	for (uint32_t i = n_pages; i < record.body_len; i++)
		body[i] = (uint8_t)(i ^ i >> 8 ^ gfn);
	put_record(PAIR_INITIATOR, lane, &record, body);
}

static void put_each_record(void)
{
	for (int side = 0; side < 2; side++)
		for (int lane = 0; lane < ATTEST_N_LANES; lane++)
			put_plain(side, lane, ATTEST_OP_BIND, 8);
	put_plain(PAIR_INITIATOR, ATTEST_LANE_CONTROL, ATTEST_OP_STATE, 148);
	put_plain(PAIR_INITIATOR, ATTEST_LANE_CONTROL, ATTEST_OP_STATE, 4999);
	put_plain(PAIR_INITIATOR, ATTEST_LANE_CONTROL, ATTEST_OP_MANIFEST, 64);
	put_plain(PAIR_INITIATOR, ATTEST_LANE_CONTROL, ATTEST_OP_START, 48);
	put_plain(PAIR_RESPONDER, ATTEST_LANE_CONTROL, ATTEST_OP_STARTED, 0);
	put_plain(PAIR_RESPONDER, ATTEST_LANE_CONTROL, ATTEST_OP_PING, 0);
	put_plain(PAIR_RESPONDER, ATTEST_LANE_CONTROL, ATTEST_OP_MAP, 80);
	put_plain(PAIR_RESPONDER, ATTEST_LANE_URGENT, ATTEST_OP_REQUEST, 20);
	put_pages(ATTEST_LANE_URGENT, 0x1234, 1, 1);
	put_pages(ATTEST_LANE_URGENT, 0, 1, 0);
	put_plain(PAIR_RESPONDER, ATTEST_LANE_BULK, ATTEST_OP_CREDIT, 8);
	put_pages(ATTEST_LANE_BULK, 0xabcdef0123, 16, 1);
	put_pages(ATTEST_LANE_BULK, 0xabcdef0123, 17, 1);
	put_pages(ATTEST_LANE_BULK, 7, 3, 2);
	put_pages(ATTEST_LANE_BULK, (UINT64_C(1) << 52) - 512, 512, 0);
	put_plain(PAIR_RESPONDER, ATTEST_LANE_CONTROL, ATTEST_OP_ABORT, 65);
	put_plain(PAIR_INITIATOR, ATTEST_LANE_CONTROL, ATTEST_OP_ERROR, 240);
	put_plain(PAIR_RESPONDER, ATTEST_LANE_CONTROL, ATTEST_OP_COMPLETE, 8);
	put_plain(PAIR_INITIATOR, ATTEST_LANE_CONTROL, ATTEST_OP_RELEASED, 0);
}

static bool make_records(enum attest_cipher cipher)
{
	bool done = put_handshake(&(struct play){
		.what = "a handshake and a record of each kind", .ciphers = 1u << cipher, .seed = cipher });

	put_each_record();
	end_vector(done);
	return done;
}

/* Keys that change by count (of 3 records, here) and by time. */
static bool make_rekey(enum attest_cipher cipher)
{
	bool done = put_handshake(&(struct play){
		.what = "keys that change, by count and by time", .ciphers = 1u << cipher, .seed = 10 + cipher });

	for (int side = 0; side < 2; side++)
		channel[side]->limits.rekey_records = 3;
	for (uint32_t i = 0; i < 10; i++)
		put_pages(ATTEST_LANE_BULK, i, 1, 0);
	for (int side = 0; side < 2; side++)
		channel[side]->limits.rekey_records = WIRE_REKEY_RECORDS;
	for (uint32_t i = 0; i < 4; i++) {
		attest_channel_tick(channel[0], 1 + i * UINT64_C(60000000000));
		put_plain(PAIR_INITIATOR, ATTEST_LANE_CONTROL, ATTEST_OP_PING, 0);
	}
	end_vector(done);
	return done;
}

/* More records than share a block of masks; keys change in the middle of one. */
static bool make_masks(enum attest_cipher cipher)
{
	bool done = put_handshake(&(struct play){
		.what = "more records than one block of masks is for", .ciphers = 1u << cipher, .seed = 20 + cipher });

	for (int side = 0; side < 2; side++)
		channel[side]->limits.rekey_records = 100;
	for (uint32_t i = 0; i < 140; i++)
		put_pages(ATTEST_LANE_URGENT, 0x100 + i, 1, 0);
	end_vector(done);
	return done;
}

/* The source does not believe the destination. */
static bool make_refused(enum attest_cipher cipher)
{
	bool done = put_handshake(&(struct play){
		.what = "evidence that is refused", .ciphers = 1u << cipher, .seed = 30, .other_pinned = true });

	end_vector(done);
	return !done;
}

/* A part that is full, and one of 5 bytes; records follow on the keys of such a handshake as on any. */
static bool make_logs(enum attest_cipher cipher)
{
	bool done = put_handshake(&(struct play){
		.what = "logs after evidence", .ciphers = 1u << cipher, .seed = 40 + cipher, .has_logs = true,
		.log_len = { WIRE_LOG_PART + 5, WIRE_LOG_PART } });

	put_plain(PAIR_INITIATOR, ATTEST_LANE_CONTROL, ATTEST_OP_BIND, 8);
	put_plain(PAIR_RESPONDER, ATTEST_LANE_CONTROL, ATTEST_OP_MAP, 20);
	end_vector(done);
	return done;
}

static bool make_longest_log(enum attest_cipher cipher)
{
	bool done = put_handshake(&(struct play){
		.what = "a log of 4 MiB", .ciphers = 1u << cipher, .seed = 50 + cipher, .has_logs = true,
		.log_len = { 0, WIRE_LOG_MAX } });

	end_vector(done);
	return done;
}

/* The responder has no wish for a log of evidence that it does not believe. */
static bool make_log_not_wanted(enum attest_cipher cipher)
{
	bool done = put_handshake(&(struct play){
		.what = "evidence that is refused in place of WANT", .ciphers = 1u << cipher, .seed = 60 + cipher,
		.has_logs = true, .log_len = { 100, 0 }, .refuse = { false, true } });

	end_vector(done);
	return !done;
}

static bool make_log_refused(enum attest_cipher cipher)
{
	bool done = put_handshake(&(struct play){
		.what = "a log that is refused", .ciphers = 1u << cipher, .seed = 70 + cipher,
		.has_logs = true, .log_len = { 0, 100 }, .refuse_log = { true, false } });

	end_vector(done);
	return !done;
}

/* ---- files ---- */

static const struct vector {
	const char *name;
	enum attest_cipher cipher;
	bool (*make)(enum attest_cipher cipher);
} vectors[] = {
	{ "records-aes256gcm", ATTEST_CIPHER_AES256GCM, make_records },
	{ "records-xchacha20poly1305", ATTEST_CIPHER_XCHACHA20POLY1305, make_records },
	{ "rekey-aes256gcm", ATTEST_CIPHER_AES256GCM, make_rekey },
	{ "rekey-xchacha20poly1305", ATTEST_CIPHER_XCHACHA20POLY1305, make_rekey },
	{ "masks-xchacha20poly1305", ATTEST_CIPHER_XCHACHA20POLY1305, make_masks },
	{ "refused", ATTEST_CIPHER_XCHACHA20POLY1305, make_refused },
	{ "logs-xchacha20poly1305", ATTEST_CIPHER_XCHACHA20POLY1305, make_logs },
	{ "logs-longest", ATTEST_CIPHER_XCHACHA20POLY1305, make_longest_log },
	{ "logs-not-wanted", ATTEST_CIPHER_XCHACHA20POLY1305, make_log_not_wanted },
	{ "logs-refused", ATTEST_CIPHER_XCHACHA20POLY1305, make_log_refused },
};

static bool write_file(const char *path, const char *text, size_t len)
{
	FILE *file = fopen(path, "we");
	bool ok = file && fwrite(text, 1, len, file) == len;

	if (file && fclose(file))
		ok = false;
	if (!ok)
		fprintf(stderr, "gmem-vectors: %s: %s\n", path, strerror(errno));
	return ok;
}

static bool same_as_file(const char *path, const char *text, size_t len)
{
	char *there = malloc(len + 1);
	FILE *file = fopen(path, "re");
	bool same = there && file && fread(there, 1, len + 1, file) == len && !memcmp(there, text, len);

	if (file)
		fclose(file);
	free(there);
	printf("%s: %s\n", path, same ? "as made" : "NOT what this program makes");
	return same;
}

static bool run(const struct vector *vector, const char *folder, bool check)
{
	char path[4096], *text = NULL;
	size_t len = 0;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s.json", folder, vector->name);
	if (!(channel_ciphers() & 1u << vector->cipher)) {
		printf("skipped: %s, no %s on this machine\n", path, attest_cipher_name(vector->cipher));
		return true;
	}
	out = open_memstream(&text, &len);
	need(out, "open_memstream");
	ok = vector->make(vector->cipher);
	need(!fclose(out) && ok, vector->name);
	ok = check ? same_as_file(path, text, len) : write_file(path, text, len);
	free(text);
	return ok;
}

int main(int argc, char **argv)
{
	bool check = argc == 3 && !strcmp(argv[1], "--check"), ok = true;

	if (argc != 2 && !check) {
		fprintf(stderr, "usage: gmem-vectors [--check] FOLDER\n");
		return 2;
	}
	fixed_random_install();
	need(attest_init(), "attest_init");
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		ok = run(&vectors[i], argv[argc - 1], check) && ok;
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
