/* SPDX-License-Identifier: MIT */
/*
 * attacked: a sender and a receiver, and bytes that the receiver must refuse.
 * Each attack meets a fresh copy of the receiving side; after it the half is dead,
 * its keys are gone and the body is wiped.
 */
#ifndef TESTS_ATTEST_ATTACKED_H
#define TESTS_ATTEST_ATTACKED_H

#include "check.h"
#include "forge.h"
#include "pair.h"
#include "replica.h"

#define DIRT 0xcc

static const enum attest_cipher ciphers[] = { ATTEST_CIPHER_AES256GCM, ATTEST_CIPHER_XCHACHA20POLY1305 };

static struct pair pair;
static struct attest_channel *channel[2];	/* 0 sends, 1 receives */
static struct attest_channel saved;		/* the receiver before an attack */
static uint8_t body[ATTEST_BODY_MAX], wire[ATTEST_RECORD_MAX], opened[ATTEST_RECORD_MAX];
static const struct attest_record page = { .op = ATTEST_OP_PAGES, .gfn = 0x1000, .n_pages = 1, .body_len = 4097 };
static const struct attest_record ping = { .op = ATTEST_OP_PING, .body_len = 9 };

static inline bool set_up(enum attest_cipher cipher)
{
	if (!(channel_ciphers() & 1u << cipher)) {
		fprintf(stderr, "not run: no %s on this machine ", attest_cipher_name(cipher));
		return false;
	}
	pair_init(&pair, 1u << cipher);
	pair_channels(&pair, channel);
	memset(body, 0x42, sizeof(body));
	memcpy(&saved, channel[1], sizeof(saved));
	return true;
}

static inline void tear_down(void)
{
	attest_channel_free(channel[0]);
	attest_channel_free(channel[1]);
	pair_fini(&pair);
}

static inline size_t seal(enum attest_lane lane, const struct attest_record *record)
{
	size_t wire_len = 0;

	return attest_record_seal(channel[0], lane, record, body, wire, &wire_len) ? wire_len : 0;
}

/* The receiver as it was saved takes these bytes: true if it refuses as it should. */
static inline bool refused_by(enum attest_lane lane, const uint8_t *bytes, size_t len)
{
	static const struct channel_half dead = { .dead = true };
	struct attest_record record = { .gfn = 77 };
	size_t room = len < ATTEST_RECORD_MAX ? len : ATTEST_RECORD_MAX;

	replica_restore(channel[1], &saved);
	memset(opened, DIRT, room + 1);
	if (attest_record_open(channel[1], lane, bytes, len, &record, opened) || record.gfn != 77)
		return false;
	/* wiped, and nothing behind it touched */
	if ((room && !sodium_is_zero(opened, room)) || opened[room] != DIRT)
		return false;
	return !memcmp(&channel[1]->recv[lane], &dead, sizeof(dead)) &&
	       !attest_record_open(channel[1], lane, bytes, len, &record, opened);
}

static inline bool accepted_by(enum attest_lane lane, const uint8_t *bytes, size_t len)
{
	struct attest_record record;

	replica_restore(channel[1], &saved);
	return attest_record_open(channel[1], lane, bytes, len, &record, opened);
}

#endif
